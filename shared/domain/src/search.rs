//! What a search of prompts finds: prompts that have every word of it, anywhere, in either case.
//!
//! Stores carry a search out in their own pattern language. The two cases of a character are spelled
//! out for them ([`Letter`]), so that both find the same, whatever they know of Unicode.

/// The words that a prompt must have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    words: Vec<Word>,
}

/// A word: one character or more, none of them white space or control.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    letters: Vec<Letter>,
}

/// A character of a word, in every case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    forms: Vec<char>,
}

impl Search {
    /// For each word of `text`; words end at white space and at control characters.
    pub fn of(text: &str) -> Self {
        let words = text.split(|it: char| it.is_whitespace() || it.is_control());
        let words = words.filter(|word| !word.is_empty()).map(|word| Word {
            letters: word.chars().map(Letter::of).collect(),
        });
        Self {
            words: words.collect(),
        }
    }

    /// Whether it finds everything: it has no words.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The words.
    pub fn words(&self) -> &[Word] {
        &self.words
    }

    /// Whether `prompt` has every word.
    pub fn finds(&self, prompt: &str) -> bool {
        let characters: Vec<char> = prompt.chars().collect();
        self.words.iter().all(|word| word.is_in(&characters))
    }
}

impl Word {
    /// Its characters, at least one.
    pub fn letters(&self) -> &[Letter] {
        &self.letters
    }

    fn is_in(&self, characters: &[char]) -> bool {
        let is_here = |here: &[char]| {
            let mut pairs = self.letters.iter().zip(here);
            pairs.all(|(letter, it)| letter.forms.contains(it))
        };
        characters.windows(self.letters.len()).any(is_here)
    }
}

impl Letter {
    /// A character whose other case is several characters (`ß`, `İ`) is its only form.
    fn of(character: char) -> Self {
        let lower = single(character.to_lowercase()).unwrap_or(character);
        let upper = single(lower.to_uppercase()).unwrap_or(lower);
        let mut forms = vec![character];
        // The lower case of the upper one differs where there are two, as of sigma.
        let again = single(upper.to_lowercase()).unwrap_or(upper);
        for form in [lower, upper, again] {
            if !forms.contains(&form) {
                forms.push(form);
            }
        }
        Self { forms }
    }

    /// The characters that it matches, at least one.
    pub fn forms(&self) -> &[char] {
        &self.forms
    }
}

fn single(mut characters: impl Iterator<Item = char>) -> Option<char> {
    let first = characters.next()?;
    characters.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_word_must_be_there_in_any_case_and_order() {
        let finds = |text: &str, prompt: &str| Search::of(text).finds(prompt);
        assert!(finds("FOX red", "A red fox in the snow"));
        assert!(finds("ox", "A red fox"), "inside of a word");
        assert!(!finds("fox cat", "A red fox"));
        assert!(finds("ÉCOLE", "une école"));
        assert!(finds("ΟΔΟΣ", "Οδοσ") && finds("οδος", "ΟΔΟΣ"));
        assert!(finds("straße", "Die Straße") && !finds("strasse", "Die Straße"));
        assert!(finds("[a]* ^.?", "x [A]* ^.? y"), "nothing is a pattern");
        assert!(finds("", "anything") && finds(" \u{0}\n", ""));
    }

    proptest! {
        #[test]
        fn what_is_in_a_prompt_is_found_in_either_case(
            before in "\\PC{0,8}", word in "[a-zA-ZäöüÄÖÜéèñа-яА-Я]{1,8}", after in "\\PC{0,8}",
        ) {
            let prompt = format!("{before}{word}{after}");
            prop_assert!(Search::of(&word).finds(&prompt));
            prop_assert!(Search::of(&word.to_uppercase()).finds(&prompt));
            prop_assert!(Search::of(&word.to_lowercase()).finds(&prompt));
        }
    }
}
