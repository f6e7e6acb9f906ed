//! Bad bytes where a picture is expected: an image or an error of the right kind, and never more
//! memory than the budget. The allocator of this test counts, so its cases run one after another.

mod bombs;
mod chunks;
mod png;

use std::io::Cursor;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use atelier_optimize::{OptimizeError, Picture, Provenance, Settings, optimize};
use image::{ImageFormat, ImageReader};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// What a partition of a lossy WebP may claim to have; its decoder makes room for it (RFC 6386,
/// 9.5).
const WEBP_PARTITION: usize = 1 << 24;

/// Held by each test from its start to its end.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    static QUIET: Once = Once::new();
    QUIET.call_once(tell_only_our_panics);
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the way of a small picture takes besides its pixels: rows, the decoder's windows, the
/// result and its copies.
const BESIDES: usize = 512 << 10;

/// A panic of a decoder, which is caught, is not told: a backtrace takes memory too.
fn tell_only_our_panics() {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let decoders = ["/png-", "/image-", "/zune-", "/fdeflate-"];
        let file = panic.location().map_or("", |location| location.file());
        if !decoders.iter().any(|decoder| file.contains(decoder)) {
            tell(panic);
        }
    }));
}

/// Does `work` and returns the most bytes that it held at a time.
fn measured<T>(work: impl FnOnce() -> T) -> (T, usize) {
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    let done = work();
    (done, MEMORY.peak_usage().saturating_sub(before))
}

fn settings(max_dimension: u32, decode_budget_bytes: u64) -> Settings {
    Settings {
        max_dimension,
        method: 0,
        decode_budget_bytes,
        ..Settings::default()
    }
}

/// Optimizes `file`, which must not take more memory than the budget, and checks the result by a
/// decoder that had no part in it.
fn checked(file: &[u8], settings: &Settings) -> Result<Result<Picture, OptimizeError>, String> {
    let (outcome, peak) = measured(|| optimize(file, settings, &Provenance { model: "a model" }));
    // Decoders copy what they are given.
    let partition = if file.starts_with(b"RIFF") {
        WEBP_PARTITION
    } else {
        0
    };
    let allowed = settings.decode_budget_bytes as usize + 4 * file.len() + BESIDES + partition;
    if peak > allowed {
        return Err(format!(
            "{peak} bytes were taken, {allowed} allowed: {outcome:?}"
        ));
    }
    let Ok(picture) = &outcome else {
        return Ok(outcome);
    };
    let seen = ImageReader::with_format(Cursor::new(&picture.bytes), ImageFormat::WebP)
        .decode()
        .map_err(|error| format!("the result cannot be decoded: {error}"))?;
    let (width, height) = (picture.width, picture.height);
    if (seen.width(), seen.height()) != (width, height) {
        return Err(format!(
            "it is {}x{}, not {width}x{height}",
            seen.width(),
            seen.height()
        ));
    }
    if width.max(height) > settings.max_dimension {
        return Err(format!("{width}x{height} is too large"));
    }
    Ok(outcome)
}
