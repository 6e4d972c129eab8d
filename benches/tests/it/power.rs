//! `cargo xtask power-loss`, a few cycles, and its control.

use std::process::Command;

use serde_json::Value;

fn power_loss(args: &[&str]) -> (Option<i32>, Value, String) {
    let ran = Command::new(env!("CARGO_BIN_EXE_benches"))
        .arg("power_loss")
        .args(args)
        .arg("--json")
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&ran.stdout);
    let errors = String::from_utf8_lossy(&ran.stderr).into_owned();
    let figures = out.lines().last().and_then(|line| serde_json::from_str(line).ok());
    let figures = figures.unwrap_or_else(|| panic!("no figures: {out}\n{errors}"));
    (ran.status.code(), figures, errors)
}

#[test]
fn a_lost_power_takes_nothing_that_was_acknowledged() {
    let (code, figures, errors) = power_loss(&["--cycles", "10"]);
    assert_eq!(code, Some(0), "{figures} {errors}");
    assert_eq!((&figures["cycles"], &figures["acked_lost"]), (&10.into(), &0.into()));
    for key in ["acked_checked", "writes_dropped", "writes_torn"] {
        assert!(figures[key].as_u64().unwrap() > 10, "{figures}");
    }
}

#[test]
fn a_disk_that_does_not_sync_is_caught() {
    let (code, figures, _) = power_loss(&["--cycles", "3", "--no-sync"]);
    assert_eq!(code, Some(1), "{figures}");
    assert!(figures["cycles_with_loss"].as_u64().unwrap() > 0, "{figures}");
}

#[test]
fn calls_that_fail_are_borne_or_told_and_lose_nothing() {
    let (code, figures, errors) = power_loss(&["--io-errors", "--step", "151"]);
    assert_eq!(code, Some(0), "{figures} {errors}");
    assert!(figures["borne"].as_u64().unwrap() > 0, "{figures}");
    assert!(figures["told"].as_u64().unwrap() > 0, "{figures}");
}
