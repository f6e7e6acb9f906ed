//! Who acts at the command line, for the audit log.

use atelier_domain::audit::Actor;

/// The user, by the name that the system has for it.
pub(crate) fn operator() -> Actor {
    let name = ["USER", "LOGNAME"]
        .iter()
        .find_map(|it| std::env::var(it).ok());
    Actor::Cli(name.unwrap_or_else(|| "unknown".to_owned()))
}
