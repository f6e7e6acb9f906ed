//! `settings IN.ppm OUT.webp QUALITY METHOD SNS FILTER SEGMENTS PARTITIONS PHOTO ROUNDS`: encodes a picture
//! with these settings for `benches/settings`, and prints the least processor time of the rounds in ms.

use std::time::Duration;

use atelier_webp::{Lossy, Picture, Pixels, lossy};

type Fault = Box<dyn std::error::Error>;

fn main() -> Result<(), Fault> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [
        input,
        output,
        quality,
        method,
        sns,
        filter,
        segments,
        partitions,
        photo,
        rounds,
    ] = arguments.as_slice()
    else {
        return Err(
            "settings IN.ppm OUT.webp QUALITY METHOD SNS FILTER SEGMENTS PARTITIONS PHOTO ROUNDS"
                .into(),
        );
    };
    let settings = Lossy {
        sns_strength: sns.parse()?,
        filter_strength: filter.parse()?,
        segments: segments.parse()?,
        partitions: partitions.parse()?,
        photo: photo == "1",
        ..Lossy::new(quality.parse()?, method.parse()?)
    };
    let file = std::fs::read(input)?;
    let picture = picture(&file)?;
    let mut least = Duration::MAX;
    for _ in 0..rounds.parse::<u32>()?.max(1) {
        let start = processor_time()?;
        let made = lossy(&picture, &settings)?;
        least = least.min(processor_time()? - start);
        std::fs::write(output, made)?;
    }
    println!("{:.2}", least.as_secs_f64() * 1000.0);
    Ok(())
}

/// A binary PPM of 8 bits, as Pillow writes it: `P6`, width, height and 255, each ended by a blank.
fn picture(file: &[u8]) -> Result<Picture<'_>, Fault> {
    let mut parts = file.splitn(5, u8::is_ascii_whitespace);
    let mut part = || parts.next().ok_or("not a PPM");
    let number = |part: &[u8]| Ok::<u32, Fault>(std::str::from_utf8(part)?.parse()?);
    if part()? != b"P6" {
        return Err("not a PPM".into());
    }
    let (width, height) = (number(part()?)?, number(part()?)?);
    if number(part()?)? != 255 {
        return Err("not of 8 bits".into());
    }
    Ok(Picture {
        width,
        height,
        pixels: Pixels::Rgb(part()?),
    })
}

/// Processor time that this thread was given so far. Linux only.
fn processor_time() -> std::io::Result<Duration> {
    // Nanoseconds on a processor are the first field.
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds = text.split(' ').next().and_then(|field| field.parse().ok());
    nanoseconds
        .map(Duration::from_nanos)
        .ok_or_else(|| std::io::Error::other("schedstat"))
}
