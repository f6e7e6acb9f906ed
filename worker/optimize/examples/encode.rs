//! Optimizes pictures for the comparison in `benches/compare` and for looking at them.
//!
//! `encode IN.png OUT.webp|OUT.avif [METHOD]` makes one. `encode --orders` reads orders as lines of
//! METHOD, IN and OUT with tabs between, and answers each with the processor time in ms.

use std::io::BufRead;
use std::time::Duration;

use atelier_optimize::{Provenance, Settings, avif, optimize};

type Fault = Box<dyn std::error::Error>;

fn main() -> Result<(), Fault> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [orders] if orders == "--orders" => {
            for order in std::io::stdin().lock().lines() {
                let order = order?;
                let [method, input, output] = order.split('\t').collect::<Vec<_>>()[..] else {
                    return Err("METHOD, IN and OUT, with tabs between".into());
                };
                println!("{:.3}", encode(input, output, Some(method))?);
            }
        }
        [input, output] => println!("{:.3}", encode(input, output, None)?),
        [input, output, method] => println!("{:.3}", encode(input, output, Some(method))?),
        _ => {
            return Err(
                "usage: encode IN.png OUT.webp|OUT.avif [METHOD], or encode --orders".into(),
            );
        }
    }
    Ok(())
}

/// Makes one file and returns the processor time, in ms, without reading and writing.
fn encode(input: &str, output: &str, method: Option<&str>) -> Result<f64, Fault> {
    let mut settings = Settings::default();
    if let Some(method) = method {
        settings.method = method.parse()?;
    }
    let provenance = Provenance {
        model: "atelier.painter-v1",
    };
    let original = std::fs::read(input)?;
    let start = processor_time()?;
    let bytes = if output.ends_with(".avif") {
        avif(&original, &settings, &provenance)?
    } else {
        optimize(&original, &settings, &provenance)?.bytes
    };
    let spent = processor_time()? - start;
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
