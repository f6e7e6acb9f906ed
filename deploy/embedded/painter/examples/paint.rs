//! `paint PROMPT OUT.png [SIZE]`: one picture to look at, and the processor time it took (Linux).

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let prompt = arguments.next().unwrap_or_default();
    let file = arguments
        .next()
        .unwrap_or_else(|| "painting.png".to_owned());
    let size = arguments
        .next()
        .and_then(|size| size.parse().ok())
        .unwrap_or(1024);
    // The noise is made at the first call.
    atelier_painter::paint("", 0, 8, 8);
    let start = processor_nanoseconds()?;
    let painted = atelier_painter::png(&prompt, 1, size, size);
    let spent = (processor_nanoseconds()? - start) / 1_000_000;
    println!("{file}: {spent} ms, {} bytes", painted.len());
    std::fs::write(file, painted)
}

/// Processor time of this thread.
fn processor_nanoseconds() -> std::io::Result<u64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let first = text.split(' ').next().and_then(|field| field.parse().ok());
    first.ok_or_else(|| std::io::Error::other("schedstat"))
}
