//! The caller of a request, and what it may see.

use atelier_domain::assignment::Assignment;
use atelier_domain::audit::Actor;
use atelier_domain::role::{Role, Roles};
use axum::extract::FromRequestParts;
use http::request::Parts;

use crate::problem::Problem;

/// How a caller showed who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Not at all: this API has no sign-in, and everybody may do everything.
    Open,
    /// By a token of the identity provider.
    Token,
    /// By one of our API keys.
    Key,
    /// By the session of the page.
    Session,
}

/// The teacher asked for is another than the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotItsOwn;

/// Who calls. A request without credentials has a caller only where the API has no sign-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The provider's name for it, or `key:` and the name of an API key. Empty where there is no
    /// sign-in.
    pub subject: String,
    /// What it is.
    pub roles: Roles,
    /// The `teacher_id` of its own assignments; there with the role `teacher` alone.
    pub teacher: Option<String>,
    /// What to call it in front of people.
    pub name: Option<String>,
    /// How it showed who it is.
    pub proof: Proof,
}

impl Caller {
    /// Everybody, where there is no sign-in.
    pub fn everybody() -> Self {
        Self {
            subject: String::new(),
            roles: Roles::from_iter([Role::Portal, Role::Operator]),
            teacher: None,
            name: None,
            proof: Proof::Open,
        }
    }

    /// Who acts, for the audit log. A teacher is the one whose data are exported and erased.
    pub fn actor(&self) -> Actor {
        let subject = &self.subject;
        match self.proof {
            Proof::Open => Actor::Nobody,
            Proof::Key => Actor::Key(subject.strip_prefix("key:").unwrap_or(subject).to_owned()),
            Proof::Token | Proof::Session => {
                Actor::Person(self.teacher.as_ref().unwrap_or(subject).clone())
            }
        }
    }

    /// Whether it may do everything for every teacher.
    fn acts_for_all(&self) -> bool {
        self.roles.has_any(&[Role::Portal, Role::Operator])
    }

    /// Whether it may see and change `assignment`. One that it may not see does not exist for it.
    pub fn may_see(&self, assignment: &Assignment) -> bool {
        self.acts_for_all() || (self.teacher.is_some() && self.teacher == assignment.teacher_id)
    }

    /// The only teacher whose assignments it may see; `None` where it may see all.
    fn only_teacher(&self) -> Option<&str> {
        if self.acts_for_all() {
            return None;
        }
        // A caller without any teacher sees nobody's: no id is empty.
        Some(self.teacher.as_deref().unwrap_or_default())
    }

    /// The teacher that a new assignment of this caller belongs to, where the caller asks for
    /// `wanted`.
    ///
    /// # Errors
    /// The teacher that this caller is, if it asks for another.
    pub fn teacher_of_new(&self, wanted: Option<String>) -> Result<Option<String>, &str> {
        match (self.only_teacher(), wanted) {
            (None, None) => Ok(self.teacher.clone()),
            (None, wanted) => Ok(wanted),
            (Some(own), Some(wanted)) if wanted != own => Err(own),
            (Some(own), _) => Ok(Some(own.to_owned())),
        }
    }
}

impl Caller {
    /// The teacher whose assignments a list of this caller shows, where it asks for `wanted`;
    /// `Ok(None)` shows all.
    ///
    /// # Errors
    /// Where it asks for a teacher whose assignments do not exist for it.
    pub fn teacher_of_list(&self, wanted: Option<String>) -> Result<Option<String>, NotItsOwn> {
        match (self.only_teacher(), wanted) {
            (None, wanted) => Ok(wanted),
            (Some(own), Some(wanted)) if wanted != own => Err(NotItsOwn),
            (Some(own), _) => Ok(Some(own.to_owned())),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    /// The caller whom the route's guard admitted.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller
            .ok_or_else(|| Problem::internal("a handler asks for a caller whom no guard admitted"))
    }
}
