//! `cargo xtask chaos`, a few cycles of each set-up.

use std::process::Command;

use benches::server;
use serde_json::Value;
use streams::testing::skip;

fn chaos(test: &str, args: &[&str]) -> Option<(Option<i32>, Value)> {
    if let Err(missing) = server::signcall() {
        skip(test, &missing.to_string());
        return None;
    }
    let ran = Command::new(env!("CARGO_BIN_EXE_benches"))
        .arg("chaos")
        .args(args)
        .arg("--json")
        .output()
        .unwrap();
    let (out, errors) =
        (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    let figures = out.lines().last().and_then(|line| serde_json::from_str(line).ok());
    let figures = figures.unwrap_or_else(|| panic!("no figures: {out}\n{errors}"));
    Some((ran.status.code(), figures))
}

#[test]
fn kills_under_load_lose_and_double_nothing() {
    let test = "chaos::kills_under_load_lose_and_double_nothing";
    let Some((code, figures)) = chaos(test, &["--cycles", "6"]) else { return };
    assert_eq!(code, Some(0), "{figures}");
    assert_eq!(figures["cycles"], 6);
    assert!(figures["acked"].as_u64().unwrap() >= 6 * 500, "{figures}");
    for key in ["lost", "doubled", "diverged"] {
        assert_eq!(figures[key], 0, "{figures}");
    }
    assert_eq!(figures["first_failing_seed"], Value::Null);
    let kills = figures["kills"].as_object().unwrap();
    assert_eq!(kills.values().filter_map(Value::as_u64).sum::<u64>(), 6);
}

#[test]
fn an_answer_before_durability_is_caught() {
    let test = "chaos::an_answer_before_durability_is_caught";
    let Some((code, figures)) = chaos(test, &["--cycles", "3", "--sabotage"]) else { return };
    assert_eq!(code, Some(1), "{figures}");
    assert!(figures["lost"].as_u64().unwrap() > 0, "{figures}");
    assert!(figures["first_failing_seed"].is_u64(), "{figures}");
}
