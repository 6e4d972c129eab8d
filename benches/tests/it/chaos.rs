//! `cargo xtask chaos`, a few cycles of each set-up and a run of every class of faults.

use std::process::Command;

use benches::chaos::CLASSES;
use benches::server;
use serde_json::Value;
use streams::testing::{find_nats_server, skip};

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

/// The classes, by test.
const KILLS: &str = "kill-api,kill-projector,kill-decider,kill-nats";
const POSTGRES: &str =
    "kill-postgres,kill-all,postgres-restart,postgres-partition,postgres-crowded";
const LINKS: &str = "stop,stop-writer,partition,partition-all,slow-log,reset-mid-ack,clock";
const DISKS: &str = "disk-full,log-full,postgres-full,torn-tail,bit-flip,stale-files";
const WORK: &str = "worker,wrong-worker,model-damaged,backlog,rebuild,memory-out";
const CROWDS: &str = "slow-readers,slowloris,login-flood,files-run-out,smuggling";

fn classes_hold(test: &str, names: &str) {
    let Some((code, figures)) = chaos(test, &["--class", names, "--quick"]) else { return };
    assert_eq!(code, Some(0), "{figures}");
    let skipped = figures["skipped"].as_object().unwrap();
    for (class, why) in skipped {
        skip(&format!("{test}, {class}"), why.as_str().unwrap());
    }
    let run = names.split(',').filter(|name| !skipped.contains_key(*name));
    for name in run {
        let class = &figures["classes"][name];
        assert_eq!((&class["runs"], &class["violations"]), (&1.into(), &0.into()), "{figures}");
    }
}

#[test]
fn killed_processes_come_back() {
    classes_hold("chaos::killed_processes_come_back", KILLS);
}

#[test]
fn a_killed_stopped_or_unreachable_database_is_got_over() {
    classes_hold("chaos::a_killed_stopped_or_unreachable_database_is_got_over", POSTGRES);
}

#[test]
fn stopped_processes_and_broken_links_are_got_over() {
    classes_hold("chaos::stopped_processes_and_broken_links_are_got_over", LINKS);
}

#[test]
fn full_disks_and_damaged_files_are_told() {
    classes_hold("chaos::full_disks_and_damaged_files_are_told", DISKS);
}

#[test]
fn workers_models_and_much_work_do_no_harm() {
    classes_hold("chaos::workers_models_and_much_work_do_no_harm", WORK);
}

#[test]
fn crowds_are_borne() {
    classes_hold("chaos::crowds_are_borne", CROWDS);
}

#[test]
fn every_class_is_in_a_test() {
    let tested = [KILLS, POSTGRES, LINKS, DISKS, WORK, CROWDS].join(",");
    let mut tested: Vec<&str> = tested.split(',').collect();
    let mut known: Vec<&str> = CLASSES.iter().map(|class| class.name).collect();
    tested.sort_unstable();
    known.sort_unstable();
    assert_eq!(tested, known);
}

#[test]
fn several_faults_at_once_are_got_over() {
    let test = "chaos::several_faults_at_once_are_got_over";
    if find_nats_server().is_none() {
        return skip(test, "nats-server is not installed; cargo xtask test fetches it");
    }
    let Some((code, figures)) = chaos(test, &["--mixed", "0"]) else { return };
    assert_eq!(code, Some(0), "{figures}");
    assert_eq!(figures["classes"]["mixed"]["runs"], 1, "{figures}");
}
