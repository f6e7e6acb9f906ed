//! Writes an ICC profile into an AVIF as the encoder's library makes it, which has no call for that:
//! one more property of the item that is shown (`colr`, ISO 14496-12, 12.1.5), and its place in the
//! list of that item's properties (`ipma`, ISO 23008-12, 9.3). What follows moves, so the places of the
//! items' bytes (`iloc`, ISO 14496-12, 8.11.3) do, too.

use std::ops::Range;

/// The item that is shown.
const SHOWN: u16 = 1;

/// A box's size and name.
const HEADER: usize = 8;

/// Version and flags of a full box.
const FULL: usize = 4;

/// `file` with the profile; `None` where the file is built in another way than is known here.
pub(super) fn insert(mut file: Vec<u8>, profile: &[u8]) -> Option<Vec<u8>> {
    let meta = child(&file, 0..file.len(), b"meta")?;
    let inside = meta.start + HEADER + FULL..meta.end;
    let iloc = child(&file, inside.clone(), b"iloc")?;
    let iprp = child(&file, inside, b"iprp")?;
    let inside = iprp.start + HEADER..iprp.end;
    let ipco = child(&file, inside.clone(), b"ipco")?;
    let ipma = child(&file, inside, b"ipma")?;

    let property = properties(&file, &ipco)? + 1;
    // Its place is written in seven bits.
    let property = u8::try_from(property).ok().filter(|it| *it < 0x80)?;
    let colr = colr(profile)?;
    let more = u32::try_from(colr.len() + 1).ok()?;

    move_items(&mut file, &iloc, more)?;
    for (at, by) in [(&meta, more), (&iprp, more), (&ipco, more - 1), (&ipma, 1)] {
        add(&mut file, at.start, by)?;
    }
    // From the back, so that what is in front stays where it is.
    let count = shown_count(&file, &ipma)?;
    let end = count + 1 + usize::from(file[count]);
    file[count] = file[count].checked_add(1)?;
    file.insert(end, property);
    file.splice(ipco.end..ipco.end, colr);
    Some(file)
}

/// The property: an unrestricted ICC profile.
fn colr(profile: &[u8]) -> Option<Vec<u8>> {
    let size = u32::try_from(HEADER + 4 + profile.len()).ok()?;
    let mut colr = size.to_be_bytes().to_vec();
    colr.extend_from_slice(b"colrprof");
    colr.extend_from_slice(profile);
    Some(colr)
}

/// The first box of this name in `range` of the file.
fn child(file: &[u8], range: Range<usize>, name: &[u8; 4]) -> Option<Range<usize>> {
    let mut at = range.start;
    while at < range.end {
        let size = u32_at(file, at)? as usize;
        let end = at.checked_add(size).filter(|end| *end <= range.end)?;
        if size < HEADER {
            return None;
        }
        if file.get(at + 4..at + HEADER)? == name {
            return Some(at..end);
        }
        at = end;
    }
    None
}

/// How many boxes are in `ipco`.
fn properties(file: &[u8], ipco: &Range<usize>) -> Option<usize> {
    let (mut at, mut count) = (ipco.start + HEADER, 0);
    while at < ipco.end {
        at += (u32_at(file, at)? as usize).max(HEADER);
        count += 1;
    }
    Some(count)
}

/// Where the number of properties of the shown item is written.
fn shown_count(file: &[u8], ipma: &Range<usize>) -> Option<usize> {
    let start = ipma.start + HEADER;
    // Version 0, and places of one byte.
    (u32_at(file, start)? == 0).then_some(())?;
    let entries = u32_at(file, start + FULL)?;
    let mut at = start + FULL + 4;
    for _ in 0..entries {
        if u16_at(file, at)? == SHOWN {
            return (at + 2 < ipma.end).then_some(at + 2);
        }
        at += 3 + usize::from(*file.get(at + 2)?);
    }
    None
}

/// Moves the bytes of all items by `more`: they come after what grows.
fn move_items(file: &mut [u8], iloc: &Range<usize>, more: u32) -> Option<()> {
    let start = iloc.start + HEADER;
    // Version 0; offsets and lengths of four bytes from the start of the file, without a base.
    (u32_at(file, start)? == 0 && u16_at(file, start + FULL)? == 0x4400).then_some(())?;
    let items = u16_at(file, start + FULL + 2)?;
    let mut at = start + FULL + 4;
    for _ in 0..items {
        let extents = u16_at(file, at + 4)?;
        at += 6;
        for _ in 0..extents {
            add(file, at, more)?;
            at += 8;
        }
    }
    (at == iloc.end).then_some(())
}

fn add(file: &mut [u8], at: usize, more: u32) -> Option<()> {
    let sum = u32_at(file, at)?.checked_add(more)?;
    file.get_mut(at..at + 4)?
        .copy_from_slice(&sum.to_be_bytes());
    Some(())
}

fn u16_at(file: &[u8], at: usize) -> Option<u16> {
    let bytes = file.get(at..at.checked_add(2)?)?;
    Some(u16::from_be_bytes(bytes.try_into().ok()?))
}

fn u32_at(file: &[u8], at: usize) -> Option<u32> {
    let bytes = file.get(at..at.checked_add(4)?)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_built_otherwise_are_left_alone() {
        for file in [
            &b""[..],
            b"\0\0\0\x08ftyp",
            b"\0\0\0\x04meta",
            b"\0\0\0\x0cmeta\0\0\0\0",
        ] {
            assert_eq!(insert(file.to_vec(), b"profile"), None);
        }
    }
}
