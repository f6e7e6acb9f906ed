//! Our clock, compared with that of the queue's service.

use std::time::{Duration, SystemTime};

use crate::finding::Finding;

/// AWS refuses a request whose time is further off.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/signing-elements.html>
const MAX_SKEW: Duration = Duration::from_secs(300);

/// Leases and sweeps compare clocks; they allow for this much.
const GOOD_SKEW: Duration = Duration::from_secs(2);

const WHAT: &str = "clock";

/// Compares our clock with that of the service at `queue_url`.
pub async fn examine(queue_url: &str) -> Finding {
    match their_time(queue_url).await {
        Ok(theirs) => judge(SystemTime::now(), theirs),
        Err(error) => Finding::warning(WHAT, format!("the queue's service does not tell: {error}")),
    }
}

fn judge(ours: SystemTime, theirs: SystemTime) -> Finding {
    let skew = ours
        .duration_since(theirs)
        .or_else(|_| theirs.duration_since(ours))
        .unwrap_or_default();
    // Theirs is in whole seconds.
    let words = format!("{} s off the queue's service", skew.as_secs());
    if skew >= MAX_SKEW {
        let words = format!("{words}: AWS refuses our requests. Is NTP on?");
        Finding::missing(WHAT, words)
    } else if skew > GOOD_SKEW {
        Finding::warning(WHAT, format!("{words}. Is NTP on?"))
    } else {
        Finding::good(WHAT, words)
    }
}

async fn their_time(url: &str) -> anyhow::Result<SystemTime> {
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(5))
        .build()?;
    let answer = client.head(url).send().await?;
    let date = answer.headers().get("date");
    let date = date.ok_or_else(|| anyhow::anyhow!("its answer has no Date"))?;
    Ok(httpdate::parse_http_date(date.to_str()?)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::State;

    #[test]
    fn a_clock_that_is_off_in_either_direction_is_told() {
        let theirs = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let state = |ours| judge(ours, theirs).state;
        for (seconds, expected) in [
            (0, State::Good),
            (2, State::Good),
            (3, State::Warning),
            (299, State::Warning),
            (300, State::Missing),
        ] {
            let off = Duration::from_secs(seconds);
            assert_eq!(state(theirs + off), expected, "{seconds} s ahead");
            assert_eq!(state(theirs - off), expected, "{seconds} s behind");
        }
    }
}
