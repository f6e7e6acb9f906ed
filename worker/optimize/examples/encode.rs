//! `encode IN.png OUT.webp [METHOD]`: optimizes one picture, for the comparison in `benches/compare`
//! and for looking at it; `encode IN.png OUT.avif [QUALITY]` makes its AVIF. With `--repeat N`, prints the processor time of each of N runs in ms.

use std::time::Duration;

use atelier_optimize::{Fitted, Provenance, Settings, optimize};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let repeat = match arguments.iter().position(|argument| argument == "--repeat") {
        Some(at) => arguments.drain(at..).nth(1).ok_or("--repeat N")?.parse()?,
        None => 1,
    };
    let [input, output, setting @ ..] = arguments.as_slice() else {
        let usage = "encode IN.png OUT.webp [METHOD] | OUT.avif [QUALITY], [--repeat N]";
        return Err(usage.into());
    };
    let mut settings = Settings::default();
    if let Some(setting) = setting.first() {
        let setting = setting.parse()?;
        match output.ends_with(".avif") {
            true => settings.quality = setting,
            false => settings.method = setting,
        }
    }
    let provenance = Provenance {
        model: "atelier.painter-v1",
    };
    let original = std::fs::read(input)?;
    for _ in 0..repeat {
        let start = processor_time()?;
        let bytes = if output.ends_with(".avif") {
            let fitted = Fitted::decode(&original, &settings)?;
            fitted.avif(fitted.width(), &settings, &provenance)?
        } else {
            optimize(&original, &settings, &provenance)?.bytes
        };
        let spent = processor_time()? - start;
        std::fs::write(output, bytes)?;
        println!("{:.2}", spent.as_secs_f64() * 1000.0);
    }
    Ok(())
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
