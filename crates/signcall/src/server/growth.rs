//! How large the embedded log's files are, for whoever watches the disk.

use std::path::PathBuf;
use std::time::Duration;

use streams::log::embedded;

/// How often they are looked at.
const EVERY: Duration = Duration::from_secs(5);

/// Reports for ever.
pub(super) async fn report(log: PathBuf) {
    loop {
        let [file, wal, _] = embedded::file_bytes(&log);
        metrics::gauge!("signcall_log_file_bytes").set(file as f64);
        metrics::gauge!("signcall_log_wal_bytes").set(wal as f64);
        tokio::time::sleep(EVERY).await;
    }
}
