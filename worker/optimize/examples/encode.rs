//! Optimizes pictures for the comparison in `benches/compare` and for looking at them.
//!
//! `encode IN.png OUT.webp|OUT.avif [METHOD [WIDTH]]` makes one, with a width a variant.
//! `encode --orders` reads orders as lines of METHOD, IN and OUT, and WIDTH for a variant, with tabs
//! between. Each is answered with the processor time in ms: that of variants and AVIFs begins with
//! the pixels, as in a worker.

use std::io::BufRead;
use std::time::Duration;

use atelier_optimize::{Fitted, Provenance, Settings, optimize};

const USAGE: &str = "encode IN.png OUT.webp|OUT.avif [METHOD [WIDTH]], or encode --orders";

type Fault = Box<dyn std::error::Error>;

fn main() -> Result<(), Fault> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["--orders"] => {
            for order in std::io::stdin().lock().lines() {
                let order = order?;
                let [method, input, output, ref width @ ..] =
                    order.split('\t').collect::<Vec<_>>()[..]
                else {
                    return Err("METHOD, IN and OUT, with tabs between".into());
                };
                let milliseconds = encode(input, output, Some(method), width.first().copied())?;
                println!("{milliseconds:.3}");
            }
        }
        [input, output, ref rest @ ..] if rest.len() <= 2 => {
            let milliseconds = encode(input, output, rest.first().copied(), rest.get(1).copied())?;
            println!("{milliseconds:.3}");
        }
        _ => return Err(USAGE.into()),
    }
    Ok(())
}

/// Makes one file and returns the processor time, in ms, without reading and writing.
fn encode(
    input: &str,
    output: &str,
    method: Option<&str>,
    width: Option<&str>,
) -> Result<f64, Fault> {
    let mut settings = Settings::default();
    if let Some(method) = method {
        settings.method = method.parse()?;
    }
    let provenance = Provenance {
        model: "atelier.painter-v1",
    };
    let original = std::fs::read(input)?;
    let is_avif = output.ends_with(".avif");
    let (bytes, spent) = if is_avif || width.is_some() {
        let fitted = Fitted::decode(&original, &settings)?;
        let width = width.map_or(Ok(fitted.width()), str::parse)?;
        let start = processor_time()?;
        let bytes = match is_avif {
            true => fitted.avif(width, &settings, &provenance)?,
            false => fitted.webp(width, &settings, &provenance)?.bytes,
        };
        (bytes, processor_time()? - start)
    } else {
        let start = processor_time()?;
        let bytes = optimize(&original, &settings, &provenance)?.bytes;
        (bytes, processor_time()? - start)
    };
    std::fs::write(output, bytes)?;
    Ok(spent.as_secs_f64() * 1000.0)
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
