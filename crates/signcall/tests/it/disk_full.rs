//! A full disk: commands get 507, reads go on, nothing that was acknowledged is lost, and with room
//! again everything goes on by itself, without a restart.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::json;

use crate::client::Client;
use crate::harness::{Process, run};
use crate::path::meet;

/// The whole disk of the data folder.
const DISK: &str = "size=24m";
/// How long recovery may take on a busy machine.
const RECOVERED_WITHIN: Duration = Duration::from_secs(30);

/// A small file system, gone when dropped.
pub(crate) struct Disk(PathBuf);

impl Disk {
    pub(crate) fn mount(at: &Path) -> Result<Self, String> {
        std::fs::create_dir(at).unwrap();
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", DISK, "tmpfs"]).arg(at).output();
        match mounted {
            Ok(output) if output.status.success() => Ok(Self(at.to_owned())),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Leaves this many bytes free.
    fn fill(&self, free: u64) -> PathBuf {
        let stat = rustix::fs::statvfs(&self.0).unwrap();
        let there = stat.f_bavail * stat.f_frsize;
        let file = self.0.join("filler");
        std::fs::write(&file, vec![0; usize::try_from(there.saturating_sub(free)).unwrap()])
            .unwrap();
        file
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

async fn talk(who: &Client, code: &str, text: &str) -> StatusCode {
    let body = json!({ "msg_content": text });
    who.post(&format!("/rooms/{code}/messages"), body).await.0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_commands_and_heals_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let disk = match Disk::mount(&folder.path().join("disk")) {
        Ok(disk) => disk,
        Err(why) => {
            let test = "disk_full::a_full_disk_refuses_commands_and_heals_by_itself";
            return streams::testing::skip(
                test,
                &format!("no small file system can be mounted: {why}"),
            );
        }
    };
    let data = disk.0.join("data").display().to_string();
    let arguments = ["serve", "--data", &data, "--listen", "127.0.0.1:0", "--api", "bcrypt_cost=4"];
    let arguments = arguments.map(str::to_owned).to_vec();
    let mut server = Process::start("all", arguments, folder.path());
    let url = server.wait_until_ready().unwrap();
    let (sam, rita, room) = meet(&url, "sam", "rita").await;
    let code = room["room_code"].as_str().unwrap();
    let mut acknowledged = vec![];
    for round in 0..3 {
        let filler = disk.fill(200 * 1024);
        let refused = loop {
            let text = format!("{round}/{} {}", acknowledged.len(), "z".repeat(1500));
            match talk(&sam, code, &text).await {
                StatusCode::CREATED => acknowledged.push(text),
                StatusCode::TOO_MANY_REQUESTS => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                refused => break refused,
            }
            assert!(acknowledged.len() < 2000, "the disk has no end");
        };
        assert_eq!(refused, StatusCode::INSUFFICIENT_STORAGE, "round {round}");
        // A command that needs a new key, which the vault can't write.
        let body = json!({ "username": format!("new{round}"), "email": format!("new{round}@example.org"),
            "password": "violet tandem quarry 19" });
        let (status, answer) = Client::anonymous(&url).post("/users", body).await;
        assert_eq!(status, StatusCode::INSUFFICIENT_STORAGE, "round {round}: {answer}");
        // What is there can be read.
        let (status, _) = rita.get(&format!("/rooms/{code}/messages")).await;
        assert_eq!(status, StatusCode::OK, "round {round}");
        std::fs::remove_file(filler).unwrap();
        let until = Instant::now() + RECOVERED_WITHIN;
        loop {
            let text = format!("{round} goes on");
            if talk(&sam, code, &text).await == StatusCode::CREATED {
                acknowledged.push(text);
                break;
            }
            assert!(Instant::now() < until, "it does not go on after round {round}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let until = Instant::now() + RECOVERED_WITHIN;
        while rita.all_messages(code).await != acknowledged {
            assert!(Instant::now() < until, "the tables do not catch up after round {round}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    assert!(server.terminate().success());
    let verified = run(&["replay", "--verify", "--data", &data]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
}
