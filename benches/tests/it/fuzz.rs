//! A second or two of hostile bytes for each format; `cargo xtask fuzz --seconds 3600` for hours.

use std::time::Duration;

use benches::fuzz::{Target, kept, run};

#[test]
fn hostile_bytes_are_refused_or_hold_what_they_should() {
    for target in Target::ALL {
        let found = run(target, 7, Duration::from_secs(2)).unwrap();
        let what: Vec<&String> = found.finds.iter().map(|(what, _)| what).collect();
        assert!(what.is_empty(), "{}: {what:?}", target.name());
        assert!(found.taken > 0 && found.answers > 3, "{}: {found:?}", target.name());
    }
}

#[test]
fn what_searches_kept_is_refused_or_holds_what_it_should() {
    for target in Target::ALL {
        let inputs = kept(target).unwrap();
        assert!(!inputs.is_empty(), "{}: nothing is kept", target.name());
        for input in inputs {
            if let Err(wrong) = target.tries(&input) {
                panic!("{}: {wrong}: {}", target.name(), hex::encode(input));
            }
        }
    }
}
