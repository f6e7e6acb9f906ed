//! Parameters, in a query or in the body of a form.

use url::form_urlencoded;

/// The parameters in `text`.
pub(super) fn parameters(text: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(text.as_bytes())
        .into_owned()
        .collect()
}

/// The value of a parameter; none where it is repeated or empty (RFC 6749, section 3.1).
pub(super) fn one<'a>(parameters: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let mut values = parameters.iter().filter(|(it, _)| it == name);
    let value = values.next().map(|(_, value)| value.as_str());
    value.filter(|value| !value.is_empty() && values.next().is_none())
}
