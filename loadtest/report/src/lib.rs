//! What the reports of the load test and of the scaling replay share.

pub mod chart;
pub mod criterion;
pub mod files;
pub mod page;
pub mod text;
