//! `encode IN.png OUT.webp [METHOD]`: optimizes one picture, for the comparison in `benches/compare`
//! and for looking at it. `encode IN.png OUT.avif [QUALITY]` makes its AVIF, and with `--width N` either
//! makes a variant; what is measured then begins with the pixels, as in a worker. With `--repeat N`,
//! prints the processor time of each of N runs in ms.

use std::time::Duration;

use atelier_optimize::{Fitted, Provenance, Settings, optimize};

const USAGE: &str =
    "encode IN.png OUT.webp [METHOD] | OUT.avif [QUALITY], [--width N] [--repeat N]";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let repeat = number(&mut arguments, "--repeat")?.unwrap_or(1);
    let width = number(&mut arguments, "--width")?;
    let [input, output, setting @ ..] = arguments.as_slice() else {
        return Err(USAGE.into());
    };
    let is_avif = output.ends_with(".avif");
    let mut settings = Settings::default();
    if let Some(setting) = setting.first() {
        let setting = setting.parse()?;
        match is_avif {
            true => settings.quality = setting,
            false => settings.method = setting,
        }
    }
    let provenance = Provenance {
        model: "atelier.painter-v1",
    };
    let original = std::fs::read(input)?;
    let fitted = Fitted::decode(&original, &settings)?;
    for _ in 0..repeat {
        let start = processor_time()?;
        let bytes = match (is_avif, width) {
            (true, width) => {
                fitted.avif(width.unwrap_or(fitted.width()), &settings, &provenance)?
            }
            (false, Some(width)) => fitted.webp(width, &settings, &provenance)?.bytes,
            (false, None) => optimize(&original, &settings, &provenance)?.bytes,
        };
        let spent = processor_time()? - start;
        std::fs::write(output, bytes)?;
        println!("{:.2}", spent.as_secs_f64() * 1000.0);
    }
    Ok(())
}

/// Takes the flag `name` and its number out of the arguments.
fn number(
    arguments: &mut Vec<String>,
    name: &str,
) -> Result<Option<u32>, Box<dyn std::error::Error>> {
    let Some(at) = arguments.iter().position(|argument| argument == name) else {
        return Ok(None);
    };
    let value = arguments.drain(at..(at + 2).min(arguments.len())).nth(1);
    Ok(Some(value.ok_or(USAGE)?.parse()?))
}

/// Processor time that this thread, the only one, was given so far. Linux only.
fn processor_time() -> std::io::Result<Duration> {
    // Nanoseconds on a processor are the first field.
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds = text.split(' ').next().and_then(|field| field.parse().ok());
    nanoseconds
        .map(Duration::from_nanos)
        .ok_or_else(|| std::io::Error::other("schedstat"))
}
