//! Bad bytes at every place but the picture's, which measures memory and so is a test of its own:
//! valid inputs are mutated and read the way production reads them. `BAD_BYTES_CASES` says how many
//! cases each target runs, `BAD_BYTES_SEED` which.

mod answer;
mod cursor;
mod job;
mod label;
mod request;
mod service;
