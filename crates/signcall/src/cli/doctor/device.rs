//! What `signcall doctor` says of the device: which it is, how much memory it has left, and whether
//! a model says on it what it says on the CPU.

use recognizer::cuda::Place;

use super::{Finding, Verdict};

const WHAT: &str = "device";

/// The findings about the place where models are computed; none for the CPU.
pub(super) fn findings(place: Place) -> Vec<Finding> {
    match place {
        Place::Cpu => Vec::new(),
        Place::Cuda(number) => on_cuda(place, number),
    }
}

#[cfg(not(feature = "cuda"))]
fn on_cuda(place: Place, _: usize) -> Vec<Finding> {
    let found = format!("{place} is asked for, and this binary was built for the CPU alone");
    vec![Finding::of(WHAT, Verdict::Bad, found, "start signcall-cuda, or say `--device cpu`")]
}

#[cfg(feature = "cuda")]
fn on_cuda(place: Place, number: usize) -> Vec<Finding> {
    use recognizer::cuda::{about, agreement};
    use recognizer::model::{BUILT_IN, files, parse};

    let about = match about(number) {
        Ok(about) => about,
        Err(error) => {
            let remedy = "does `nvidia-smi` list it, with a driver for CUDA 13 or later?";
            return vec![Finding::failed(WHAT, &error.into(), remedy)];
        }
    };
    let (free, all) = (about.memory_free as f64 / 1e9, about.memory as f64 / 1e9);
    let found = format!(
        "{}, compute capability {}, driver for CUDA {}, {free:.1} of {all:.1} GB free",
        about.name, about.compute_capability, about.driver_cuda
    );
    let mut findings = vec![Finding::good(WHAT, found)];
    for [spec, weights] in BUILT_IN.iter().filter_map(|name| files(name)) {
        let tried =
            parse(spec, weights).and_then(|(spec, weights)| agreement(&spec, &weights, place));
        findings.push(match tried {
            Ok(tried) if tried.holds() => Finding::good(
                WHAT,
                format!(
                    "says what the CPU says (f32 to {:.0e}, bf16 to {:.0e})",
                    tried.f32_off, tried.bf16_off
                ),
            ),
            Ok(tried) => Finding::of(
                WHAT,
                Verdict::Bad,
                format!(
                    "says something else than the CPU (f32 off by {:.0e}, bf16 by {:.0e})",
                    tried.f32_off, tried.bf16_off
                ),
                "don't let it serve; report the card and the driver",
            ),
            Err(error) => Finding::failed(
                WHAT,
                &error.into(),
                "free the card's memory, or try another driver",
            ),
        });
    }
    findings
}
