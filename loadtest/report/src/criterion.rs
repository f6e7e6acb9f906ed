//! A criterion: a figure and its limit.

use serde::{Deserialize, Serialize};

/// How a figure is compared with its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Comparison {
    /// The figure must be below the limit.
    #[serde(rename = "<")]
    Below,
    /// It must not be above.
    #[serde(rename = "<=")]
    AtMost,
    /// It must be above.
    #[serde(rename = ">")]
    Above,
    /// It must not be below.
    #[serde(rename = ">=")]
    AtLeast,
}

impl Comparison {
    /// The sign.
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Below => "<",
            Self::AtMost => "≤",
            Self::Above => ">",
            Self::AtLeast => "≥",
        }
    }

    fn holds(self, figure: f64, limit: f64) -> bool {
        match self {
            Self::Below => figure < limit,
            Self::AtMost => figure <= limit,
            Self::Above => figure > limit,
            Self::AtLeast => figure >= limit,
        }
    }
}

/// One criterion and whether it holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Criterion {
    /// Its name, with the unit of limit and figure.
    pub name: String,
    /// The limit.
    pub limit: f64,
    /// The comparison with the limit.
    pub comparison: Comparison,
    /// What was measured; absent where this address cannot show it.
    pub figure: Option<f64>,
    /// Whether it holds; absent where this address cannot show it.
    pub holds: Option<bool>,
    /// What the figure alone does not say.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub note: Option<String>,
}

impl Criterion {
    /// Compares a figure with its limit; without a figure it neither holds nor fails.
    pub fn check(
        name: impl Into<String>,
        comparison: Comparison,
        limit: f64,
        figure: Option<f64>,
    ) -> Self {
        Self {
            name: name.into(),
            limit,
            comparison,
            figure,
            holds: figure.map(|figure| comparison.holds(figure, limit)),
            note: None,
        }
    }

    /// Whether it holds, as one sign.
    pub const fn sign(&self) -> &'static str {
        match self.holds {
            Some(true) => "✓",
            Some(false) => "✗",
            None => "–",
        }
    }

    /// With a note.
    #[must_use]
    pub fn noted(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }
}

/// Whether none fails.
pub fn all_hold(criteria: &[Criterion]) -> bool {
    criteria
        .iter()
        .all(|criterion| criterion.holds != Some(false))
}
