//! Whether a student's answer is one that the teacher listed.
//!
//! Case, accents, punctuation and blanks make no difference. What carries meaning does:
//!
//! - Marks that spell (vowel signs and tone marks of Devanagari, Thai and their kin, the voicing marks
//!   of kana) stay; accents of Latin, Greek and Cyrillic, Hebrew points and Arabic vowels do not.
//! - `ß` is `ss`, `æ` is `ae`, `ø` is `o`, and a Turkish `ı` or `İ` is an `i`.
//! - Symbols (`+`, `=`, `€`, `°`) and `#`, `%`, `&`, `*`, `@` stay: `C#` is not `C`.
//! - Raised digits after a digit are a power: `10²` is `10^2`, not `102`. `½` is `1/2`.
//! - A sign before a number stays: `-5` is not `5`.
//! - Between two digits a point or a comma is a decimal separator: `3,14` is `3.14`, and neither is
//!   `314`. Commas before groups of three digits only group (`1,000` is `1000`, and so is `1 000`), and
//!   so do several points (`1.000.000`). One point does not: `1.000` is one, not a thousand.
//! - An answer of nothing but punctuation is compared as it stands.
//!
//! An empty answer is never right.

use std::borrow::Cow;

use icu_normalizer::DecomposingNormalizerBorrowed;
use icu_properties::props::{DefaultIgnorableCodePoint, GeneralCategory, GeneralCategoryGroup};
use icu_properties::{CodePointMapData, CodePointSetData};

/// Whether the two differ in nothing that matters.
pub fn is_same(one: &str, other: &str) -> bool {
    let one = key(one);
    !one.is_empty() && one == key(other)
}

/// What is left of an answer once everything that makes no difference is gone.
fn key(text: &str) -> String {
    let folded: Vec<char> = fold(text).filter(|it| !it.is_whitespace()).collect();
    let key = without_punctuation(&folded);
    if key.is_empty() {
        folded.into_iter().collect()
    } else {
        key
    }
}

/// Without case, accents and characters that show nothing.
fn fold(text: &str) -> impl Iterator<Item = char> {
    let text = with_powers(text);
    let decomposed: Cow<'_, str> = DecomposingNormalizerBorrowed::new_nfkd().normalize(&text);
    let shown: Vec<char> = decomposed
        .chars()
        .filter(|it| !is_accent(*it) && (it.is_whitespace() || !is_ignored(*it)))
        .collect();
    shown.into_iter().flat_map(without_case).flat_map(letters)
}

/// With `^` between a digit and raised ones, which are plain digits once decomposed: `10²` would be
/// `102`. After a letter they are as good as plain ones: `m²` is often typed as `m2`.
fn with_powers(text: &str) -> String {
    let is_raised = |it: char| matches!(it, '²' | '³' | '¹' | '⁰' | '⁴'..='⁹' | '⁺' | '⁻');
    let mut with = String::with_capacity(text.len());
    let mut before = None;
    for character in text.chars() {
        let is_power = before.is_some_and(|it: char| it.is_numeric() && !is_raised(it));
        if is_raised(character) && is_power {
            with.push('^');
        }
        with.push(character);
        before = Some(character);
    }
    with
}

/// Full case folding, in effect: `ẞ` becomes `ß`, `SS`, `ss`.
fn without_case(character: char) -> impl Iterator<Item = char> {
    character
        .to_lowercase()
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
}

/// Letters that Unicode does not decompose, as those write them who lack the key.
fn letters(character: char) -> impl Iterator<Item = char> {
    let (first, second) = match character {
        'æ' => ('a', Some('e')),
        'œ' => ('o', Some('e')),
        'ø' => ('o', None),
        'ł' => ('l', None),
        'đ' => ('d', None),
        'ħ' => ('h', None),
        '\u{66b}' => ('.', None),
        '\u{2044}' => ('/', None),
        it => (it, None),
    };
    std::iter::once(first).chain(second)
}

/// Combining marks that do not spell: those of Latin, Greek and Cyrillic, Hebrew points, Arabic
/// vowels, and the Arabic letter that only stretches a word.
/// <https://www.unicode.org/Public/UCD/latest/ucd/Blocks.txt>
fn is_accent(character: char) -> bool {
    matches!(character,
        '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{1ab0}'..='\u{1aff}'
        | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}'
        | '\u{591}'..='\u{5bd}' | '\u{5bf}' | '\u{5c1}' | '\u{5c2}' | '\u{5c4}' | '\u{5c5}' | '\u{5c7}'
        | '\u{610}'..='\u{61a}' | '\u{640}' | '\u{64b}'..='\u{65f}' | '\u{670}'
        | '\u{6d6}'..='\u{6dc}' | '\u{6df}'..='\u{6e4}' | '\u{6e7}' | '\u{6e8}' | '\u{6ea}'..='\u{6ed}'
        | '\u{8ca}'..='\u{8e1}' | '\u{8e3}'..='\u{8ff}')
}

fn is_ignored(character: char) -> bool {
    character.is_control()
        || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(character)
}

fn is_dash(character: char) -> bool {
    matches!(character, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}

fn is_punctuation(character: char) -> bool {
    let category = CodePointMapData::<GeneralCategory>::new().get(character);
    let means_something = matches!(character, '#' | '%' | '&' | '*' | '@');
    let punctuation = GeneralCategoryGroup::Punctuation.contains(category) || character == '`';
    punctuation && !means_something
}

/// Without punctuation, but with that of numbers.
fn without_punctuation(text: &[char]) -> String {
    let mut key = String::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let character = text[at];
        let before = at.checked_sub(1).map(|it| text[it]);
        let before_number = text.get(at + 1).is_some_and(|it| it.is_numeric());
        let in_number = before_number && before.is_some_and(char::is_numeric);
        if character.is_numeric() {
            let digits = number_length(&text[at..]);
            key.push_str(&number(text[at..at + digits].iter().collect()));
            at += digits;
            continue;
        }
        let starts_number = before_number && !before.is_some_and(char::is_alphanumeric);
        if is_dash(character) {
            if in_number || starts_number {
                key.push('-');
            }
        } else if matches!(character, ':' | '/') && in_number {
            key.push(character);
        } else if matches!(character, '.' | ',') && starts_number && before != Some(character) {
            // As in `.5`.
            key.push_str("0.");
        } else if !is_punctuation(character) {
            key.push(character);
        }
        at += 1;
    }
    key
}

/// How many characters the number has that `text` begins with, points and commas between its digits
/// included.
fn number_length(text: &[char]) -> usize {
    let is_part = |at: usize| {
        let separates = matches!(text[at], '.' | ',');
        text[at].is_numeric() || separates && text.get(at + 1).is_some_and(|it| it.is_numeric())
    };
    (0..text.len())
        .find(|at| !is_part(*at))
        .unwrap_or(text.len())
}

/// A number without what groups its digits, and with a point before its fraction.
fn number(text: String) -> String {
    for (group, decimal) in [(',', '.'), ('.', ',')] {
        let (whole, fraction) = match text.split_once(decimal) {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (text.as_str(), None),
        };
        let groups: Vec<&str> = whole.split(group).collect();
        let ambiguous = group == '.' && groups.len() == 2 && fraction.is_none();
        let ends = fraction.is_none_or(|it| it.chars().all(char::is_numeric));
        if !ambiguous && ends && are_groups(&groups) {
            let fraction = fraction.map(|it| format!(".{it}")).unwrap_or_default();
            return groups.concat() + &fraction;
        }
    }
    text.replace(',', ".")
}

/// Whether a number is written in groups of three digits.
fn are_groups(groups: &[&str]) -> bool {
    let length = |group: &&str| group.chars().count();
    let [first, rest @ ..] = groups else {
        return false;
    };
    !rest.is_empty()
        && (1..=3).contains(&length(first))
        && !first.starts_with('0')
        && rest.iter().all(|group| length(group) == 3)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn case_accents_punctuation_and_blanks_make_no_difference() {
        for (one, other) in [
            ("Jupiter", "  JUPITER "),
            ("the Sun", "The  Sun!"),
            ("Édith Piaf", "edith piaf"),
            ("coöperate", "co-operate"),
            ("Straße", "STRASSE"),
            ("STRAẞE", "strasse"),
            ("Ὀδυσσεύς", "οδυσσευσ"),
            ("Ёлка", "елка"),
            ("İstanbul", "istanbul"),
            ("ISPARTA", "ısparta"),
            ("Øresund", "oresund"),
            ("Œuvre", "oeuvre"),
            ("ﬁnal", "final"),
            ("don’t", "dont"),
            ("“Hamlet”", "Hamlet"),
            ("ＡＢＣ　１２", "abc12"),
            ("مُحَمَّد", "محمد"),
            ("أحمد", "احمد"),
            ("שָׁלוֹם", "שלום"),
            ("中文。", "中文"),
            ("¿Qué?", "que"),
            ("C++", "c++"),
        ] {
            assert!(is_same(one, other), "{one} / {other}");
            assert!(is_same(other, one), "{other} / {one}");
        }
    }

    #[test]
    fn what_carries_meaning_makes_a_difference() {
        for (one, other) in [
            ("", ""),
            (" ", ""),
            ("\u{200b}", "\u{200b}"),
            ("C#", "C"),
            ("C++", "C"),
            ("-5", "5"),
            ("−5", "5"),
            ("3.14", "314"),
            ("1939-1945", "19391945"),
            ("1/2", "12"),
            ("10²", "102"),
            (".5", "5"),
            ("1.000", "1,000"),
            ("की", "का"),
            ("कि", "क"),
            ("ไม่", "ไม้"),
            ("か", "が"),
            ("中", "国"),
            ("?", "!"),
            ("?", ""),
        ] {
            assert!(!is_same(one, other), "{one} / {other}");
        }
    }

    #[test]
    fn numbers_are_the_same_however_they_are_grouped() {
        for (one, other) in [
            ("1,000", "1000"),
            ("1 000", "1000"),
            ("1’000", "1000"),
            ("1.000.000", "1,000,000"),
            ("1.234,5", "1,234.5"),
            ("3,14", "3.14"),
            ("-5", "−5"),
            (".5", "0.5"),
            ("1939–1945", "1939-1945"),
            ("10:30", "10:30."),
            ("x = -2", "x=-2"),
            ("10²", "10^2"),
            ("2⁻³", "2^-3"),
            ("½", "1/2"),
            ("5 m²", "5 m2"),
            ("50 %", "50%"),
        ] {
            assert!(is_same(one, other), "{one} / {other}");
        }
        for (one, other) in [("0,123", "0123"), ("1,23", "123"), ("1,0000", "10000")] {
            assert!(!is_same(one, other), "{one} / {other}");
        }
    }

    #[test]
    fn nothing_but_punctuation_can_be_an_answer() {
        for answer in ["?", "…", "-", "!=", "()"] {
            assert!(is_same(answer, &format!(" {answer} ")), "{answer}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..Default::default() })]

        #[test]
        fn every_answer_that_shows_something_is_itself(text in "\\PC{0,40}[\\p{L}\\p{N}\\p{P}]") {
            prop_assert!(is_same(&text, &text));
        }

        #[test]
        fn sameness_does_not_depend_on_the_order(one in "\\PC{0,12}", other in "\\PC{0,12}") {
            prop_assert_eq!(is_same(&one, &other), is_same(&other, &one));
        }

        #[test]
        fn case_makes_no_difference(text in "[\\p{Latin}\\p{Cyrillic}α-ώ]{1,20}") {
            prop_assert!(is_same(&text, &text.to_uppercase()) || key(&text).is_empty(), "{}", text);
            prop_assert!(is_same(&text, &text.to_lowercase()) || key(&text).is_empty(), "{}", text);
        }

        #[test]
        fn added_blanks_punctuation_and_accents_make_no_difference(
            letters in "[a-zß-öøžα-ωа-яא-תب-ي\u{915}-\u{939}ก-ฮ一-三]{1,20}",
            added in prop::collection::vec(
                prop::sample::select(vec![" ", "\u{a0}", ".", ",", "!", "-", "’", "\u{301}", "\u{308}", "\u{200d}"]),
                20,
            ),
        ) {
            let mut other = String::new();
            for (letter, added) in letters.chars().zip(&added) {
                other.push(letter);
                other.push_str(added);
            }
            prop_assert!(is_same(&letters, &other), "{} / {}", letters, other);
        }

        #[test]
        fn different_words_of_scripts_that_spell_with_marks_stay_different(
            one in "[\u{915}-\u{939}][\u{93e}-\u{94c}]", other in "[\u{915}-\u{939}][\u{93e}-\u{94c}]",
        ) {
            prop_assert_eq!(one == other, is_same(&one, &other));
        }

        #[test]
        fn different_numbers_stay_different(one in -99_999_i64..99_999, other in -99_999_i64..99_999, places in 0..4_usize) {
            let text = |number: i64| format!("{:.*}", places, number as f64 / 1000.0);
            prop_assert_eq!(text(one) == text(other), is_same(&text(one), &text(other)));
        }

        #[test]
        fn no_answer_takes_anything_but_time(text in any::<String>()) {
            let _ = key(&text);
        }
    }
}
