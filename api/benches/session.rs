//! What a session costs a request: `cargo bench -p atelier-api --bench session`.

use atelier_api::identity::caller::{Caller, Proof};
use atelier_api::identity::sealed::SealedCookies;
use atelier_api::identity::secret::Secret;
use atelier_api::identity::session::Session;
use atelier_domain::role::{Role, Roles};
use divan::Bencher;
use http::HeaderMap;
use http::header::COOKIE;

const NOW: u64 = 1_800_000_000;

fn main() {
    divan::main();
}

/// With the longest tokens that fit, sealed by the oldest of `keys` keys: the worst case.
#[divan::bench(args = [1, 2, 3])]
fn read(bencher: Bencher<'_, '_>, keys: u8) {
    let caller = Caller {
        subject: "248289761001".to_owned(),
        roles: Roles::from_iter([Role::Teacher]),
        teacher: Some("248289761001".to_owned()),
        name: Some("Ada Lovelace".to_owned()),
        proof: Proof::Session,
    };
    let session = Session {
        refresh_token: Some("r".repeat(1000)),
        id_token: Some("i".repeat(1500)),
        ..Session::begin(&caller, NOW)
    };
    let secrets: Vec<_> = (1..=keys).map(|it| Secret::new(vec![it; 32])).collect();
    let oldest = SealedCookies::new(&secrets[secrets.len() - 1..]);
    let cookie = format!(
        "theme=dark; __Host-atelier-session={}",
        session.seal(&oldest)
    );
    let headers = HeaderMap::from_iter([(COOKIE, cookie.parse().expect("base64"))]);
    let cookies = SealedCookies::new(&secrets);
    bencher.bench(|| Session::read(&cookies, &headers, NOW).expect("it is ours"));
}
