//! The fuzz targets under libFuzzer, which sees which branches an input reached and goes on from
//! there: `cargo xtask fuzz --coverage` builds it with the flags that tell it, and starts it.
//! `SIGNCALL_FUZZ` names the target; into the folder `SIGNCALL_FUZZ_SEEDS` go made-up inputs and those
//! kept of earlier searches, which libFuzzer reads next. Real ones don't: what it finds may be kept.

#![no_main]

use std::path::Path;
use std::sync::OnceLock;

use benches::fuzz::{Target, kept, made};

static TARGET: OnceLock<Target> = OnceLock::new();

libfuzzer_sys::fuzz_target!(
    init: {
        let name = std::env::var("SIGNCALL_FUZZ").expect("SIGNCALL_FUZZ names the target");
        let target = Target::named(&name).expect("SIGNCALL_FUZZ names a target that exists");
        if let Some(folder) = std::env::var_os("SIGNCALL_FUZZ_SEEDS") {
            let inputs = [made(target).expect("seeds"), kept(target).expect("kept inputs")].concat();
            for (number, input) in inputs.into_iter().enumerate() {
                let file = Path::new(&folder).join(format!("seed-{number}"));
                std::fs::write(file, input).expect("the seeds' folder can be written");
            }
        }
        TARGET.set(target).expect("this runs once");
    },
    |bytes: &[u8]| {
        let target = TARGET.get().expect("set at the begin");
        if let Err(wrong) = target.tries(bytes) {
            panic!("{wrong}");
        }
    }
);
