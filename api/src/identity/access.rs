//! Who may make a call.

use atelier_domain::role::Role;

/// Who may make a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everybody, without credentials.
    Nobody,
    /// Whoever holds a shared link, which the call itself checks.
    Link,
    /// Callers with one of these roles.
    Roles(&'static [Role]),
}

impl Access {
    /// Everybody with an account or a key; what each may see is the call's to say.
    pub(crate) const USERS: Self = Self::Roles(&Role::ALL);
    /// Operators.
    pub(crate) const OPERATORS: Self = Self::Roles(&[Role::Operator]);

    /// Who may, in words.
    pub(crate) fn words(self) -> String {
        match self {
            Self::Nobody => "Anybody may call it, without credentials.".to_owned(),
            Self::Link => "Whoever has the link may call it, without credentials.".to_owned(),
            Self::Roles(_) => {
                let names = self.names().join("`, `");
                format!("Callers with one of these roles may call it: `{names}`.")
            }
        }
    }

    /// What the OpenAPI document calls those who may.
    pub(crate) fn names(self) -> Vec<&'static str> {
        match self {
            Self::Nobody => vec!["nobody"],
            Self::Link => vec!["student_link"],
            Self::Roles(roles) => roles.iter().map(|role| role.as_str()).collect(),
        }
    }
}
