//! Small changes to an input.

use rand::RngExt as _;
use rand::rngs::StdRng;

/// Numbers that have broken parsers before.
const NASTY: [u32; 12] = [
    0,
    1,
    0x7f,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    // As f32: not a number, infinite, a denormal.
    0x7fc0_0000,
    0x7f80_0000,
    0x0000_0001,
];
/// Changes at once, at most.
const CHANGES: usize = 6;
/// Bytes that an input may grow to.
const BYTES_MAX: usize = 9 << 20;
/// Changes keep to the first so many bytes half of the time: headers lie there.
const HEAD: usize = 512;

/// A changed copy of `input`; `other` lends parts.
pub(super) fn change(input: &[u8], other: &[u8], random: &mut StdRng) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..random.random_range(1..=CHANGES) {
        once(&mut bytes, other, random);
    }
    bytes.truncate(BYTES_MAX);
    bytes
}

fn once(bytes: &mut Vec<u8>, other: &[u8], random: &mut StdRng) {
    if bytes.is_empty() {
        bytes.extend(other);
        return;
    }
    let reach = if random.random() { bytes.len() } else { bytes.len().min(HEAD) };
    let at = random.random_range(0..reach);
    let left = bytes.len() - at;
    let len = random.random_range(1..=left.min(64));
    match random.random_range(0..9) {
        0 => bytes[at] ^= 1 << random.random_range(0..8),
        1 => bytes[at] = random.random(),
        2 => bytes[at] = bytes[at].wrapping_add(random.random_range(1..=4)),
        3 => {
            let number = NASTY[random.random_range(0..NASTY.len())].to_le_bytes();
            let width = [1, 2, 4][random.random_range(0..3)].min(left);
            bytes[at..at + width].copy_from_slice(&number[..width]);
        }
        4 => bytes.truncate(at),
        5 => drop(bytes.drain(at..at + len)),
        6 => {
            let copied = bytes[at..at + len].to_vec();
            bytes.splice(at..at, copied);
        }
        7 if !other.is_empty() => {
            let from = random.random_range(0..other.len());
            let end = (from + len).min(other.len());
            let lent = other[from..end].to_vec();
            let until = (at + lent.len()).min(bytes.len());
            bytes.splice(at..until, lent);
        }
        _ => {
            // The head of one, the tail of the other.
            let from = at.min(other.len());
            bytes.truncate(at);
            bytes.extend(&other[from..]);
        }
    }
}
