//! Reads options from the environment and gathers every fault, so that all are told at once.

use std::collections::HashMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// The exit code for a configuration that cannot be used (`EX_USAGE` of BSD's sysexits).
pub const EXIT_CODE: u8 = 64;

/// An option: a name in the environment, what it means, and what holds where it is not set.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Its name in the environment.
    pub name: &'static str,
    /// What holds where it is not set; `None` if it must be set or may be absent.
    pub default: Option<&'static str>,
    /// What it means, with unit and range.
    pub help: &'static str,
}

/// The values that a process was given.
#[derive(Debug, Default)]
pub struct Environment {
    values: HashMap<String, String>,
    faults: Vec<String>,
}

/// Everything that is wrong with a configuration, a line each.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigFaults(pub Vec<String>);

impl ConfigFaults {
    /// Both values, or the faults of both, each once.
    pub fn both<A, B>(one: Result<A, Self>, other: Result<B, Self>) -> Result<(A, B), Self> {
        match (one, other) {
            (Ok(one), Ok(other)) => Ok((one, other)),
            (Err(faults), Ok(_)) | (Ok(_), Err(faults)) => Err(faults),
            (Err(Self(mut faults)), Err(Self(more))) => {
                faults.extend(more);
                let mut told = std::collections::HashSet::new();
                faults.retain(|fault| told.insert(fault.clone()));
                Err(Self(faults))
            }
        }
    }
}

impl fmt::Display for ConfigFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration cannot be used:")?;
        self.0.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}

impl Environment {
    /// This process's environment. A value that is not UTF-8 counts as not set.
    pub fn of_process() -> Self {
        Self::default().with_process()
    }

    /// With this process's environment in place of what was there.
    #[must_use]
    pub fn with_process(self) -> Self {
        self.with(std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        }))
    }

    /// These values and no others.
    pub fn of<N: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        Self::default().with(pairs)
    }

    /// With `pairs` in place of what was there.
    #[must_use]
    pub fn with<N: Into<String>, V: Into<String>>(
        mut self,
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        self.values.extend(
            pairs
                .into_iter()
                .map(|(name, value)| (name.into(), value.into())),
        );
        self
    }

    /// The value of `setting`, its default, or `None`. An empty value counts as not set.
    pub fn text(&self, setting: &Setting) -> Option<String> {
        self.values
            .get(setting.name)
            .map(|value| value.trim())
            .filter(|value| !value.is_empty())
            .or(setting.default)
            .map(str::to_owned)
    }

    /// The value of `setting`, which must be set.
    pub fn required(&mut self, setting: &Setting) -> String {
        self.text(setting).unwrap_or_else(|| {
            self.fault(setting, "is not set");
            String::new()
        })
    }

    /// The value of `setting` as a number within `range`; the setting has a default.
    pub fn number<N>(&mut self, setting: &Setting, range: RangeInclusive<N>) -> N
    where
        N: FromStr + PartialOrd + fmt::Display + Copy,
    {
        let text = self.text(setting).unwrap_or_default();
        match text.parse::<N>() {
            Ok(number) if range.contains(&number) => number,
            _ => {
                let (low, high) = (range.start(), range.end());
                self.fault(
                    setting,
                    &format!("must be a number from {low} to {high}, not `{text}`"),
                );
                *low
            }
        }
    }

    /// The value of `setting` as one of `words`; the setting has a default.
    pub fn one_of<T: Copy>(&mut self, setting: &Setting, words: &[(&str, T)]) -> T {
        let text = self.text(setting).unwrap_or_default();
        match words.iter().find(|(word, _)| *word == text) {
            Some((_, meaning)) => *meaning,
            None => {
                let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
                self.fault(
                    setting,
                    &format!("must be one of {}, not `{text}`", known.join(", ")),
                );
                words[0].1
            }
        }
    }

    /// Notes that the value of `setting` cannot be used.
    pub fn fault(&mut self, setting: &Setting, what: &str) {
        self.faults.push(format!("{} {what}", setting.name));
    }

    /// `read`, unless a fault was noted.
    pub fn finish<T>(self, read: T) -> Result<T, ConfigFaults> {
        if self.faults.is_empty() {
            Ok(read)
        } else {
            Err(ConfigFaults(self.faults))
        }
    }
}

/// What `--help` says of `settings`, some of which may have other defaults here.
pub fn describe(settings: &[&[Setting]], here: &[(&str, &str)]) -> String {
    let mut text = String::from("Options in the environment:\n");
    for setting in settings.iter().copied().flatten() {
        let other = here.iter().find(|(name, _)| *name == setting.name);
        let default = match other.map(|(_, value)| *value).or(setting.default) {
            Some(default) => format!(" [default: {default}]"),
            None => String::new(),
        };
        text.push_str(&format!(
            "  {}\n          {}{default}\n",
            setting.name, setting.help
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: Setting = Setting {
        name: "NAME",
        default: None,
        help: "",
    };
    const COUNT: Setting = Setting {
        name: "COUNT",
        default: Some("8"),
        help: "",
    };
    const MODE: Setting = Setting {
        name: "MODE",
        default: Some("off"),
        help: "",
    };

    #[test]
    fn every_fault_is_told_at_once_by_name() {
        let mut environment = Environment::of([("COUNT", "9000"), ("MODE", "loud"), ("NAME", " ")]);
        environment.required(&NAME);
        environment.number(&COUNT, 1..=512);
        environment.one_of(&MODE, &[("on", true), ("off", false)]);
        let faults = environment.finish(()).unwrap_err();
        assert_eq!(
            faults.0,
            [
                "NAME is not set",
                "COUNT must be a number from 1 to 512, not `9000`",
                "MODE must be one of on, off, not `loud`",
            ]
        );
    }

    #[test]
    fn defaults_hold_where_nothing_is_set() {
        let mut environment = Environment::default();
        assert_eq!(environment.number(&COUNT, 1..=512), 8);
        assert!(!environment.one_of(&MODE, &[("on", true), ("off", false)]));
        assert!(environment.finish(()).is_ok());
    }
}
