//! Hostile bytes for everything that reads bytes from outside: `.pose` files, the live wire, JPEG
//! frames, model files, blocks of the log, typed text. Real and made-up inputs are changed in small ways; an input that is answered
//! in a way not seen before joins those that are changed, so that the search goes on from there.
//!
//! What is looked for: a panic, an input that takes longer than any may, one that is taken and then
//! does not hold what it should, memory that grows beyond bounds.

mod change;
mod seeds;
mod targets;

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

pub use seeds::{kept, made};
pub use targets::Target;

/// No input may take longer.
const SLOWEST: Duration = Duration::from_secs(2);
/// What the process may hold, beyond what it held at the begin.
const MEMORY_MAX: u64 = 1 << 30;
/// Inputs that are changed, at most.
const POOL_MAX: usize = 4_096;
/// How often memory is looked at, in inputs.
const LOOK_EVERY: u64 = 4_096;

/// What a run came to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Inputs tried.
    pub inputs: u64,
    /// Of them, taken as good.
    pub taken: u64,
    /// Answers that differ.
    pub answers: usize,
    /// The slowest input.
    pub slowest: Duration,
    /// What was found, and the input that shows it.
    pub finds: Vec<(String, Vec<u8>)>,
}

/// Tries inputs for so long, or until something is found.
pub fn run(target: Target, seed: u64, time: Duration) -> anyhow::Result<Outcome> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut pool = seeds::of(target)?;
    let (begun, held) = (Instant::now(), memory()?);
    let mut answers = HashSet::new();
    let mut outcome = Outcome::default();
    let mut next = 0;
    while begun.elapsed() < time && outcome.finds.is_empty() {
        // Every seed as it is first; then changed ones.
        let input = if next < pool.len() && outcome.inputs < pool.len() as u64 {
            next += 1;
            pool[next - 1].clone()
        } else {
            let chosen = random.random_range(0..pool.len());
            let other = random.random_range(0..pool.len());
            change::change(&pool[chosen], &pool[other], &mut random)
        };
        let before = Instant::now();
        let answer = catch_unwind(AssertUnwindSafe(|| target.tries(&input)));
        let took = before.elapsed();
        outcome.inputs += 1;
        outcome.slowest = outcome.slowest.max(took);
        let found = match answer {
            Err(panic) => Some(format!("a panic: {}", said(panic.as_ref()))),
            // On a busy machine the wall clock says nothing: what counts is time on a core.
            Ok(_) if took > SLOWEST && on_a_core(target, &input)? > SLOWEST => {
                Some(format!("it takes {took:?}"))
            }
            Ok(Err(wrong)) => Some(wrong),
            Ok(Ok(answer)) => {
                outcome.taken += u64::from(answer.is_taken());
                if answers.insert(answer.shape()) && pool.len() < POOL_MAX {
                    pool.push(input.clone());
                }
                None
            }
        };
        outcome.finds.extend(found.map(|found| (found, input)));
        if outcome.inputs.is_multiple_of(LOOK_EVERY) {
            let now = memory()?;
            if now > held + MEMORY_MAX {
                let problem = format!("memory grew from {held} to {now} bytes");
                outcome.finds.push((problem, Vec::new()));
            }
        }
    }
    outcome.answers = answers.len();
    Ok(outcome)
}

/// The time on a core that an input takes.
fn on_a_core(target: Target, input: &[u8]) -> anyhow::Result<Duration> {
    let spent = || -> anyhow::Result<u64> {
        let times = std::fs::read_to_string("/proc/thread-self/schedstat")?;
        Ok(times.split(' ').next().unwrap_or_default().parse()?)
    };
    let before = spent()?;
    // It has just not panicked; what it says was looked at.
    let _ = catch_unwind(AssertUnwindSafe(|| target.tries(input)));
    Ok(Duration::from_nanos(spent()?.saturating_sub(before)))
}

fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}

/// Bytes that the process holds.
fn memory() -> anyhow::Result<u64> {
    let pages = std::fs::read_to_string("/proc/self/statm")?;
    let resident = pages.split(' ').nth(1).unwrap_or_default();
    Ok(resident.parse::<u64>()? * 4_096)
}
