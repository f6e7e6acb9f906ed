//! What a policy decides on.

/// What a policy sees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Reading {
    /// Jobs waiting.
    pub visible: f64,
    /// Jobs that workers hold.
    pub in_flight: f64,
    /// Workers in service.
    pub running: u32,
    /// Their CPU over the last period, in percent.
    pub cpu_percent: f64,
}

/// The fleet at the moment of a decision.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Capacity {
    /// Workers asked for.
    pub desired: u32,
    /// Whether some of them do not serve yet.
    pub warming: bool,
    /// The least.
    pub min: u32,
    /// The most.
    pub max: u32,
}
