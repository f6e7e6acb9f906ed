//! Those who can sign in.

use serde_json::{Value, json};

/// Somebody who can sign in by saying so.
#[derive(Debug, PartialEq, Eq)]
pub struct Account {
    /// Its `sub`.
    pub id: &'static str,
    /// What it is called.
    pub name: &'static str,
    /// Its `roles`.
    pub roles: &'static [&'static str],
    /// What it can do with Atelier, in a sentence.
    pub can: &'static str,
}

/// All of them.
pub const ACCOUNTS: &[Account] = &[
    Account {
        id: "teacher",
        name: "Tess Teacher",
        roles: &["teacher"],
        can: "Makes pictures and sees the assignments that are its own.",
    },
    Account {
        id: "teacher-2",
        name: "Theo Teacher",
        roles: &["teacher"],
        can: "Another teacher, who sees nothing of the first one’s.",
    },
    Account {
        id: "operator",
        name: "Olga Operator",
        roles: &["operator"],
        can: "Sees everything, runs the fleet and reads the audit log.",
    },
    Account {
        id: "student",
        name: "Sam Student",
        roles: &[],
        can: "Has no role, and so no access. Students open the links that teachers share.",
    },
];

impl Account {
    /// The one with this id.
    pub(super) fn find(id: &str) -> Option<&'static Self> {
        ACCOUNTS.iter().find(|account| account.id == id)
    }

    /// What tokens and userinfo say of it.
    pub(super) fn claims(&self) -> Value {
        json!({
            "sub": self.id,
            "name": self.name,
            "preferred_username": self.id,
            "email": format!("{}@school.example", self.id),
            "email_verified": true,
            "roles": self.roles,
        })
    }
}
