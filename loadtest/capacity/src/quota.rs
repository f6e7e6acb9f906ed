//! The model's quota.

/// The model's quota: a bucket that holds what ten seconds bring.
pub(crate) struct Quota {
    per_second: f64,
    tokens: f64,
    filled: f64,
    waiting_until: f64,
}

impl Quota {
    /// With this number a second; infinite is no quota.
    pub(crate) fn new(per_second: f64) -> Self {
        Self {
            per_second,
            tokens: (per_second * 10.0).max(1.0),
            filled: 0.0,
            waiting_until: 0.0,
        }
    }

    /// Takes one, or says after how many seconds to come again (if nobody was told yet).
    pub(crate) fn take(&mut self, now: f64) -> Result<(), Option<f64>> {
        if self.per_second.is_infinite() {
            return Ok(());
        }
        let most = (self.per_second * 10.0).max(1.0);
        self.tokens = (self.tokens + (now - self.filled) * self.per_second).min(most);
        self.filled = now;
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Ok(());
        }
        if self.waiting_until > now {
            return Err(None);
        }
        // A little more than enough, so that rounding does not send us back at once.
        let seconds = (1.0 - self.tokens) / self.per_second + 1e-6;
        self.waiting_until = now + seconds;
        Err(Some(seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_bucket_gives_ten_seconds_worth_and_then_as_many_as_come() {
        let mut quota = Quota::new(2.0);
        assert_eq!((0..100).filter(|_| quota.take(0.0).is_ok()).count(), 20);
        assert_eq!(quota.take(0.0), Err(None), "somebody was told already");
        assert_eq!(quota.take(0.6), Ok(()));
        assert!(matches!(quota.take(0.6), Err(Some(seconds)) if seconds < 0.5));
    }
}
