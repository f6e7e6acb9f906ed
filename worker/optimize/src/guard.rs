//! Contains the panics of decoders.

use std::panic::{UnwindSafe, catch_unwind};

/// What `decoder` returns, unless it panics. A file that is corrupt in a way that its decoder did not
/// foresee (png 0.18: a palette of one byte) is a corrupt file.
pub(crate) fn guarded<T>(decoder: impl FnOnce() -> T + UnwindSafe) -> Option<T> {
    catch_unwind(decoder).ok()
}
