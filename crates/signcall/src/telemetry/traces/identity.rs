//! Which trace a step belongs to, and its span's id: the same in every process, worked out from
//! what all of them know.

use sha2::{Digest as _, Sha256};

/// 64 bits, never all zero but by a chance of one in 2^64.
pub(super) type SpanId = [u8; 8];

/// Of a trace's id, the bits that are random in every UUID, and that say whether it is exported.
const RANDOM_BITS: u32 = 56;

/// One request (or caption, or timer) and all that came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trace {
    pub(super) id: [u8; 16],
    /// The span that all others come from.
    pub(super) root: SpanId,
}

impl Trace {
    /// By the request's id, which is 32 hexadecimal digits; where the caller brought a trace, theirs
    /// and 16 for the root. What no request asked for is named by its command.
    pub(super) fn of(request_id: Option<&str>, command: Option<&str>) -> Option<Self> {
        let name = request_id.or(command)?;
        let (trace, root) = name.split_once('-').unwrap_or((name, ""));
        let id = digits(trace).unwrap_or_else(|| digest(&[b"trace", name.as_bytes()]));
        let root = digits(root).unwrap_or_else(|| digest(&[b"root", name.as_bytes()]));
        Some(Self { id, root })
    }

    /// The span of what was done with one command of it.
    pub(super) fn step(&self, name: &str, command: &str) -> SpanId {
        digest(&[b"step", &self.id, &self.root, command.as_bytes(), b" ", name.as_bytes()])
    }

    /// Whether it is among so many of all traces. All processes come to the same.
    pub(super) fn is_within(&self, share: f64) -> bool {
        let random = self.id.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
        let random = random & ((1 << RANDOM_BITS) - 1);
        random < (share * (1_u64 << RANDOM_BITS) as f64) as u64
    }
}

/// An id that belongs to nothing else.
pub(super) fn fresh() -> SpanId {
    digest(&[uuid::Uuid::new_v4().as_bytes()])
}

/// The bytes of just so many hexadecimal digits.
pub(super) fn digits<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(bytes)
}

fn digest<const N: usize>(parts: &[&[u8]]) -> [u8; N] {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part);
    }
    let (mut bytes, whole) = ([0; N], digest.finalize());
    bytes.copy_from_slice(&whole[..N]);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &str = "0af7651916cd43dd8448eb211c80319c";
    const COMMAND: &str = "67e55044-10b1-426f-9247-bb680e5fe0c8";

    #[test]
    fn the_trace_is_the_request_and_steps_differ() {
        let trace = Trace::of(Some(REQUEST), Some(COMMAND)).unwrap();
        assert_eq!(hex::encode(trace.id), REQUEST);
        assert_eq!(Trace::of(Some(REQUEST), None).unwrap(), trace);
        let other = Trace::of(Some("1af7651916cd43dd8448eb211c80319c"), None).unwrap();
        let ids = [
            trace.root,
            other.root,
            trace.step("decide", COMMAND),
            trace.step("append", COMMAND),
            trace.step("decide", REQUEST),
            other.step("decide", COMMAND),
        ];
        for (index, id) in ids.iter().enumerate() {
            assert!(!ids[..index].contains(id), "{ids:?}");
        }
    }

    #[test]
    fn a_callers_trace_has_a_root_of_its_own_for_each_request() {
        let name = format!("{REQUEST}-00f067aa0ba902b7");
        let trace = Trace::of(Some(&name), None).unwrap();
        assert_eq!(hex::encode(trace.id), REQUEST);
        assert_eq!(hex::encode(trace.root), "00f067aa0ba902b7");
    }

    #[test]
    fn what_no_request_asked_for_has_a_trace_too() {
        let trace = Trace::of(None, Some(COMMAND)).unwrap();
        assert_eq!(Trace::of(None, Some(COMMAND)).unwrap(), trace);
        assert_ne!(trace.id, [0; 16]);
        assert_eq!(Trace::of(None, None), None);
    }

    #[test]
    fn a_share_is_about_that_many_of_all_and_the_same_everywhere() {
        let all: Vec<Trace> = (0..4_000)
            .map(|_| Trace::of(Some(&uuid::Uuid::new_v4().simple().to_string()), None).unwrap())
            .collect();
        let within = |share| all.iter().filter(|trace| trace.is_within(share)).count();
        assert_eq!((within(0.0), within(1.0)), (0, all.len()));
        // Six standard deviations.
        assert!((240..=560).contains(&within(0.1)), "{}", within(0.1));
        assert!(all.iter().filter(|one| one.is_within(0.1)).all(|one| one.is_within(0.2)));
    }
}
