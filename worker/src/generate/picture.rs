//! A picture as a model returns it, and why there may be none.

/// Width and height of the pictures asked for, in pixels.
pub(super) const SIDE: u32 = 1024;

/// A picture as the model returned it.
#[derive(Debug)]
pub struct Original {
    /// The file.
    pub bytes: Vec<u8>,
    /// The model that made it.
    pub model: String,
    /// What it cost, in US dollars by list price.
    pub cost_usd: f64,
}

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// The model's filter refused the prompt or the picture.
    #[error("declined by the model: {0}")]
    Declined(String),
    /// We ask too much.
    #[error("{0}")]
    Throttled(String),
    /// No model of the list lives, or lets us in.
    #[error("no model of the list can be asked: {0}")]
    NoLiveModel(String),
    /// We have no valid credentials.
    #[error("{0}")]
    Credentials(String),
    /// No answer, or a server's error; another try may go better.
    #[error("{0}")]
    Away(String),
    /// An answer that makes no sense; another try may go better.
    #[error("the model's answer cannot be used: {0}")]
    Garbage(String),
}

/// The bytes of a picture in base64.
pub(super) fn decode_picture(base64: &str) -> Result<Vec<u8>, GenerateError> {
    base64_simd::STANDARD
        .decode_to_vec(base64)
        .map_err(|error| GenerateError::Garbage(format!("the picture is no base64: {error}")))
}
