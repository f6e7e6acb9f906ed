//! The questions of an assignment, read out of its `question_answers`.
//!
//! That is a JSON text of any shape. Known are a list of `{"question", "answer"}` (or `q` and `a`), of
//! pairs, or of questions alone; and an object of answers by question. What cannot be understood is
//! left out, as on the page.
//!
//! An answer is a text, a number, true or false. Several right ones are a list, or one text with `|`
//! between them; `\|` is a bar of the answer itself. The text as a whole is right in either case, so
//! that no answer that was right before lists could be written is wrong now. `answers` and
//! `alternatives` beside `answer` add to it.

use serde_json::{Map, Value};

use crate::answer;

/// The most that are asked of one assignment; more are left out.
pub const MAX_QUESTIONS: usize = 100;

/// A question with what is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The question.
    pub text: String,
    /// Every answer that is right; none where the teacher listed none.
    pub answers: Vec<String>,
}

impl Question {
    /// Whether `given` is right; `None` where there is nothing to compare it with.
    pub fn check(&self, given: &str) -> Option<bool> {
        let right = || self.answers.iter().any(|it| answer::is_same(given, it));
        (!self.answers.is_empty()).then(right)
    }
}

/// The questions in `question_answers`, in their order.
pub fn read(question_answers: &str) -> Vec<Question> {
    let Ok(value) = serde_json::from_str(question_answers) else {
        return Vec::new();
    };
    let all: Vec<Question> = match value {
        Value::Array(entries) => entries.into_iter().filter_map(entry).collect(),
        Value::Object(pairs) => pairs
            .into_iter()
            .filter_map(|(text, answer)| question(Value::String(text), [answer]))
            .collect(),
        _ => Vec::new(),
    };
    all.into_iter().take(MAX_QUESTIONS).collect()
}

fn entry(entry: Value) -> Option<Question> {
    match entry {
        text @ Value::String(_) => question(text, []),
        Value::Array(pair) => {
            let mut pair = pair.into_iter();
            question(pair.next()?, pair.next())
        }
        Value::Object(mut fields) => {
            let text = first_of(&mut fields, ["question", "q"])?;
            let answers = first_of(&mut fields, ["answer", "a"]).into_iter();
            let more = ["answers", "alternatives"].map(|it| fields.remove(it));
            question(text, answers.chain(more.into_iter().flatten()))
        }
        _ => None,
    }
}

fn first_of(fields: &mut Map<String, Value>, names: [&str; 2]) -> Option<Value> {
    let given = |name: &str| fields.remove(name).filter(|it| !it.is_null());
    names.into_iter().find_map(given)
}

fn question(text: Value, answers: impl IntoIterator<Item = Value>) -> Option<Question> {
    let Value::String(text) = text else {
        return None;
    };
    let answers = answers.into_iter().flat_map(listed);
    (!text.trim().is_empty()).then(|| Question {
        answers: answers.filter(|it| !it.trim().is_empty()).collect(),
        text,
    })
}

/// Every right answer in `value`.
fn listed(value: Value) -> Vec<String> {
    match value {
        Value::String(text) => alternatives(text),
        Value::Array(entries) => entries.into_iter().filter_map(scalar).collect(),
        value => scalar(value).into_iter().collect(),
    }
}

fn scalar(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Bool(it) => Some(it.to_string()),
        Value::Number(number) => Some(match number.as_f64() {
            // As a person writes it: `8`, not `8.0`.
            Some(float) if number.is_f64() => float.to_string(),
            _ => number.to_string(),
        }),
        _ => None,
    }
}

/// `text`, and what stands between its bars.
fn alternatives(text: String) -> Vec<String> {
    if !text.contains('|') {
        return vec![text];
    }
    let mut all = vec![String::new()];
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let escaped = character == '\\' && characters.peek() == Some(&'|');
        match character {
            '\\' if escaped => {
                characters.next();
                all.last_mut().expect("it has one").push('|');
            }
            '|' => all.push(String::new()),
            character => all.last_mut().expect("it has one").push(character),
        }
    }
    all.push(text);
    all
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read_json(value: Value) -> Vec<(String, Vec<String>)> {
        let questions = read(&value.to_string());
        questions
            .into_iter()
            .map(|it| (it.text, it.answers))
            .collect()
    }

    fn one(text: &str, answers: &[&str]) -> Vec<(String, Vec<String>)> {
        let answers = answers.iter().map(|it| (*it).to_owned()).collect();
        vec![(text.to_owned(), answers)]
    }

    #[test]
    fn every_shape_of_the_portal_is_read() {
        for value in [
            json!([{"question": "Who?", "answer": "Ada"}]),
            json!([{"q": "Who?", "a": "Ada", "points": 3}]),
            json!([["Who?", "Ada"]]),
            json!({"Who?": "Ada"}),
            json!([null, 7, {"answer": "x"}, {"question": " "}, {"question": "Who?", "answer": "Ada"}]),
            json!([{"question": "Who?", "answer": ["Ada"]}]),
            json!([{"question": "Who?", "answer": null, "answers": ["Ada", " "]}]),
        ] {
            assert_eq!(read_json(value.clone()), one("Who?", &["Ada"]), "{value}");
        }
        for value in [
            json!(["Who?"]),
            json!([["Who?"]]),
            json!([{"question": "Who?", "answer": {}}]),
        ] {
            assert_eq!(read_json(value.clone()), one("Who?", &[]), "{value}");
        }
        let numbers = json!([{"question": "How many?", "answer": [8, 8.0, 2.5, true]}]);
        assert_eq!(
            read_json(numbers),
            one("How many?", &["8", "8", "2.5", "true"])
        );
        for nothing in ["", "no JSON", "7", "\"words\"", "null"] {
            assert_eq!(read(nothing), []);
        }
    }

    #[test]
    fn a_bar_separates_alternatives_and_the_whole_text_stays_right() {
        let answer = |text: &str| read_json(json!([["?!", text]])).remove(0).1;
        assert_eq!(
            answer("Jupiter | planet Jupiter"),
            ["Jupiter ", " planet Jupiter", "Jupiter | planet Jupiter"]
        );
        assert_eq!(answer(r"a\|b|c"), ["a|b", "c", r"a\|b|c"]);
        assert_eq!(answer("|x|"), ["x", "|x|"]);
        assert_eq!(answer("|"), ["|"]);
        let listed = json!([["?!", ["a|b", "c"]]]);
        assert_eq!(read_json(listed), one("?!", &["a|b", "c"]));
    }

    #[test]
    fn without_a_listed_answer_nothing_is_right_or_wrong() {
        let questions = read(r#"["Why?", ["Who?", "Ada|Lady Lovelace"]]"#);
        assert_eq!(questions[0].check("anything"), None);
        assert_eq!(questions[1].check("lady lovelace."), Some(true));
        assert_eq!(questions[1].check("Babbage"), Some(false));
        assert_eq!(questions[1].check(""), Some(false));
    }

    #[test]
    fn more_questions_than_the_limit_are_left_out() {
        let many: Vec<String> = (0..150).map(|n| format!("Question {n}?")).collect();
        assert_eq!(read(&json!(many).to_string()).len(), MAX_QUESTIONS);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..Default::default() })]

        #[test]
        fn an_answer_that_was_right_without_lists_is_right_with_them(text in "\\PC{0,20}[a-z0-9]") {
            let question = read(&json!([["Q", text]]).to_string()).remove(0);
            prop_assert_eq!(question.check(&text), Some(true));
        }

        #[test]
        fn every_alternative_is_right(all in prop::collection::vec("[a-zéß ]{0,8}[a-z]", 1..6)) {
            let barred = read(&json!([["Q", all.join("|")]]).to_string()).remove(0);
            let listed = read(&json!([["Q", all]]).to_string()).remove(0);
            for each in &all {
                prop_assert_eq!(barred.check(&each.to_uppercase()), Some(true));
                prop_assert_eq!(listed.check(each), Some(true));
            }
        }

        #[test]
        fn any_text_is_read(text in any::<String>()) {
            let _ = read(&text);
        }
    }
}
