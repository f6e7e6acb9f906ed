//! Turns the claims of a token into a caller.

use atelier_domain::label::{MAX_ENCODED_TEACHER_ID_BYTES, encode_teacher_id};
use atelier_domain::role::{Role, Roles};
use serde_json::{Map, Value};

use crate::identity::caller::{Caller, Proof};

/// The longest id of a teacher, in characters.
const MAX_TEACHER_ID: usize = 256;

/// The longest `sub`, in bytes (OpenID Connect Core, section 2, has 255 characters).
const MAX_SUBJECT: usize = 255;

/// Which claims say what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimRules {
    /// Paths of the claims that hold groups or roles of the provider.
    pub roles_claims: Vec<String>,
    /// Our roles, and what the provider calls those who have them.
    pub roles: Vec<(Role, String)>,
    /// Path of the claim that is the `teacher_id`.
    pub teacher_claim: String,
}

/// Why claims make no caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimFault {
    /// There is no `sub`, or it is too long for one.
    #[error("the token names no subject")]
    NoSubject,
}

/// The caller of whom `claims` speak. It has no role where the provider gives it none that
/// `rules` know, and is no teacher where the claim of the `teacher_id` cannot be one.
///
/// # Errors
/// Where `claims` name nobody.
pub fn caller(
    claims: &Map<String, Value>,
    rules: &ClaimRules,
    proof: Proof,
) -> Result<Caller, ClaimFault> {
    let subject = claims
        .get("sub")
        .and_then(text)
        .filter(|subject| subject.len() <= MAX_SUBJECT)
        .ok_or(ClaimFault::NoSubject)?;
    let teacher = trusted(claims, &rules.teacher_claim)
        .and_then(text)
        .filter(|id| is_teacher_id(id));
    let groups = groups(claims, &rules.roles_claims);
    let given = rules.roles.iter().filter(|(_, name)| groups.contains(name));
    let roles: Roles = given
        .map(|(role, _)| *role)
        .filter(|role| *role != Role::Teacher || teacher.is_some())
        .collect();
    let teacher = teacher.filter(|_| roles.has(Role::Teacher));
    let name = ["name", "preferred_username", "email"]
        .iter()
        .find_map(|claim| claims.get(*claim).and_then(text));
    Ok(Caller {
        subject,
        roles,
        teacher,
        name,
        proof,
    })
}

/// The claim at `path`: names with dots between them. A name may itself contain dots; the longest
/// name that is there wins.
pub fn at<'a>(claims: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    if let Some(value) = claims.get(path) {
        return Some(value);
    }
    path.rmatch_indices('.').find_map(|(dot, _)| {
        let inner = claims.get(&path[..dot])?.as_object()?;
        at(inner, &path[dot + 1..])
    })
}

/// The claim at `path`, unless it is an address that the provider did not check: anybody may enter
/// somebody else's.
fn trusted<'a>(claims: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    let is_verified = || match claims.get("email_verified") {
        Some(Value::Bool(verified)) => *verified,
        // Cognito writes it as a text in some tokens.
        Some(Value::String(verified)) => verified == "true",
        _ => false,
    };
    at(claims, path).filter(|_| path != "email" || is_verified())
}

/// A text that is not blank; a number counts as its digits.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn is_teacher_id(id: &str) -> bool {
    id.chars().count() <= MAX_TEACHER_ID
        && encode_teacher_id(id).len() <= MAX_ENCODED_TEACHER_ID_BYTES
}

/// What the provider says of the caller at `paths`.
fn groups(claims: &Map<String, Value>, paths: &[String]) -> Vec<String> {
    let mut groups = Vec::new();
    for path in paths {
        match trusted(claims, path) {
            // Scopes are one text with blanks between them (RFC 8693, section 4.2).
            Some(Value::String(scopes)) if matches!(path.as_str(), "scope" | "scp") => {
                groups.extend(scopes.split_whitespace().map(str::to_owned));
            }
            Some(Value::Array(values)) => groups.extend(values.iter().filter_map(text)),
            Some(value) => groups.extend(text(value)),
            None => {}
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn rules(claims: &[&str], roles: &[(Role, &str)], teacher_claim: &str) -> ClaimRules {
        ClaimRules {
            roles_claims: claims.iter().map(|it| (*it).to_owned()).collect(),
            roles: roles
                .iter()
                .map(|(it, name)| (*it, (*name).to_owned()))
                .collect(),
            teacher_claim: teacher_claim.to_owned(),
        }
    }

    fn read(claims: Value, rules: &ClaimRules) -> Caller {
        caller(claims.as_object().unwrap(), rules, Proof::Token).unwrap()
    }

    fn roles(caller: &Caller) -> Vec<Role> {
        caller.roles.iter().collect()
    }

    #[test]
    fn claims_of_cognito() {
        let id_token = json!({
            "sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
            "cognito:groups": ["staff", "us-west-2_AbCdEfGhI_Google"],
            "email_verified": true,
            "iss": "https://cognito-idp.us-west-2.amazonaws.com/us-west-2_AbCdEfGhI",
            "cognito:username": "ann",
            "origin_jti": "7b7b7b7b-0000-4000-8000-7b7b7b7b7b7b",
            "aud": "1example23456789",
            "token_use": "id",
            "auth_time": 1_676_312_777,
            "exp": 1_676_316_377,
            "iat": 1_676_312_777,
            "custom:school_id": "T-17",
            "email": "ann@school.example"
        });
        let groups = [(Role::Teacher, "staff"), (Role::Operator, "it-admins")];
        let ann = read(
            id_token.clone(),
            &rules(&["cognito:groups"], &groups, "sub"),
        );
        assert_eq!(roles(&ann), [Role::Teacher]);
        assert_eq!(
            ann.teacher.as_deref(),
            Some("aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee")
        );
        assert_eq!(ann.name.as_deref(), Some("ann@school.example"));
        let ann = read(
            id_token,
            &rules(&["cognito:groups"], &groups, "custom:school_id"),
        );
        assert_eq!(ann.teacher.as_deref(), Some("T-17"));
        let machine = json!({
            "sub": "1example23456789", "token_use": "access",
            "scope": "atelier/portal atelier/other",
            "iss": "https://cognito-idp.us-west-2.amazonaws.com/us-west-2_AbCdEfGhI",
            "client_id": "1example23456789", "version": 2
        });
        let scope = rules(
            &["cognito:groups", "scope"],
            &[(Role::Portal, "atelier/portal")],
            "sub",
        );
        assert_eq!(roles(&read(machine, &scope)), [Role::Portal]);
    }

    #[test]
    fn claims_of_keycloak() {
        let access_token = json!({
            "exp": 1_700_000_300, "iat": 1_700_000_000,
            "iss": "https://id.school.example/realms/school",
            "aud": ["atelier", "account"],
            "sub": "f9a1b1b0-0000-4000-8000-6d4d3f3a2b1c",
            "typ": "Bearer", "azp": "atelier",
            "realm_access": {"roles": ["default-roles-school", "teacher"]},
            "resource_access": {
                "atelier": {"roles": ["operator"]},
                "account": {"roles": ["manage-account"]}
            },
            "scope": "openid profile email",
            "email_verified": false,
            "name": "Ann Example", "preferred_username": "ann"
        });
        let own = [(Role::Teacher, "teacher"), (Role::Operator, "operator")];
        let by = |path: &str| {
            let rules = rules(&[path], &own, "preferred_username");
            read(access_token.clone(), &rules)
        };
        let ann = by("realm_access.roles");
        assert_eq!(roles(&ann), [Role::Teacher]);
        assert_eq!(ann.teacher.as_deref(), Some("ann"));
        assert_eq!(ann.name.as_deref(), Some("Ann Example"));
        let ann = by("resource_access.atelier.roles");
        assert_eq!(roles(&ann), [Role::Operator]);
        assert_eq!(ann.teacher, None);
    }

    #[test]
    fn claims_of_entra() {
        let token = json!({
            "aud": "6e74172b-be56-4843-9ff4-e66a39bb12e3",
            "iss": "https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0",
            "iat": 1_537_231_048, "nbf": 1_537_231_048, "exp": 1_537_234_948,
            "name": "Ann Example",
            "oid": "690222be-ff1a-4d56-abd1-7e4f7d38e474",
            "preferred_username": "ann@school.example",
            "roles": ["Atelier.Teacher"],
            "sub": "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ",
            "tid": "72f988bf-86f1-41af-91ab-2d7cd011db47", "ver": "2.0"
        });
        let rules = rules(&["roles"], &[(Role::Teacher, "Atelier.Teacher")], "oid");
        let ann = read(token, &rules);
        assert_eq!(roles(&ann), [Role::Teacher]);
        assert_eq!(
            ann.teacher.as_deref(),
            Some("690222be-ff1a-4d56-abd1-7e4f7d38e474")
        );
    }

    #[test]
    fn claims_of_google() {
        let token = |email: &str, verified: bool| {
            json!({
                "iss": "https://accounts.google.com", "aud": "1234.apps.googleusercontent.com",
                "azp": "1234.apps.googleusercontent.com", "sub": "10769150350006150715113082367",
                "hd": "school.example", "email": email, "email_verified": verified,
                "iat": 1_353_601_026, "exp": 1_353_604_926
            })
        };
        let rules = rules(
            &["hd", "email"],
            &[
                (Role::Teacher, "school.example"),
                (Role::Operator, "it@school.example"),
            ],
            "sub",
        );
        let ann = read(token("ann@school.example", true), &rules);
        assert_eq!(roles(&ann), [Role::Teacher]);
        let it = read(token("it@school.example", true), &rules);
        assert_eq!(roles(&it), [Role::Teacher, Role::Operator]);
        let pretends = read(token("it@school.example", false), &rules);
        assert_eq!(roles(&pretends), [Role::Teacher]);
    }

    #[test]
    fn a_name_with_dots_and_colons_is_found_as_it_is() {
        let claims = json!({
            "https://school.example/roles": ["a"],
            "realm_access.roles": ["literal"],
            "realm_access": {"roles": ["path"]},
            "one.two": {"three.four": {"five": 5}}
        });
        let claims = claims.as_object().unwrap();
        let found = |path| at(claims, path).cloned();
        assert_eq!(found("https://school.example/roles"), Some(json!(["a"])));
        assert_eq!(found("realm_access.roles"), Some(json!(["literal"])));
        assert_eq!(found("one.two.three.four.five"), Some(json!(5)));
        for path in ["one", "one.two.three", "realm_access.roles.0", "", ".", "x"] {
            assert_eq!(found(path), None, "{path}");
        }
    }

    #[test]
    fn whoever_has_no_usable_teacher_id_is_no_teacher() {
        let rules = rules(
            &["roles"],
            &[(Role::Teacher, "t"), (Role::Portal, "p")],
            "id",
        );
        for id in [
            json!(null),
            json!(" "),
            json!(["a"]),
            json!("x".repeat(257)),
        ] {
            let caller = read(json!({"sub": "s", "roles": ["t", "p"], "id": id}), &rules);
            assert_eq!(roles(&caller), [Role::Portal]);
            assert_eq!(caller.teacher, None);
        }
        let caller = read(json!({"sub": "s", "roles": "t", "id": 17}), &rules);
        assert_eq!(caller.teacher.as_deref(), Some("17"));
    }

    proptest! {
        /// Nobody gets a role by a value that is not exactly one that is listed.
        #[test]
        fn only_a_listed_value_gives_a_role(values in prop::collection::vec("[a-c]{1,2}", 0..4)) {
            let rules = rules(&["groups"], &[(Role::Operator, "ab")], "sub");
            let caller = read(json!({"sub": "s", "groups": values.clone()}), &rules);
            let listed = values.iter().any(|value| value == "ab");
            prop_assert_eq!(caller.roles.has(Role::Operator), listed);
        }
    }
}
