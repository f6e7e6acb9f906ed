//! How long an object is fresh: <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/Expiration.html>.

use std::time::Duration;

/// CloudFront's default for objects without a `Cache-Control`.
const DEFAULT_TTL: Duration = Duration::from_secs(24 * 60 * 60);
/// CloudFront's default maximum.
const MAX_TTL: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// How long an object with this `Cache-Control` may be served before it is revalidated.
/// The minimum is 0.
pub(super) fn ttl(cache_control: Option<&str>) -> Duration {
    let mut ttl = DEFAULT_TTL;
    let mut shared = false;
    for directive in cache_control.unwrap_or_default().split(',') {
        let directive = directive.trim().to_ascii_lowercase();
        let (name, value) = directive.split_once('=').unwrap_or((&directive, ""));
        match (name, value.parse().map(Duration::from_secs)) {
            ("no-store" | "no-cache" | "private", _) => return Duration::ZERO,
            ("s-maxage", Ok(seconds)) => (ttl, shared) = (seconds, true),
            ("max-age", Ok(seconds)) if !shared => ttl = seconds,
            _ => {}
        }
    }
    ttl.min(MAX_TTL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cache_control_counts_within_the_limits() {
        for (cache_control, seconds) in [
            (None, 86_400),
            (Some("public"), 86_400),
            (Some("max-age=60"), 60),
            (Some("public, Max-Age=31536000"), 31_536_000),
            (Some("max-age=99999999"), 31_536_000),
            (Some("max-age=0"), 0),
            (Some("s-maxage=5, max-age=60"), 5),
            (Some("max-age=60, s-maxage=5"), 5),
            (Some("no-cache, max-age=60"), 0),
            (Some("max-age=soon"), 86_400),
        ] {
            assert_eq!(
                ttl(cache_control),
                Duration::from_secs(seconds),
                "{cache_control:?}"
            );
        }
    }
}
