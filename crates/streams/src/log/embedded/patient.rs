//! What every SQLite file of this system needs when several processes make it at once.

use std::time::{Duration, Instant};

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(50);
/// `SQLITE_BUSY`, as sqlx writes it.
const BUSY: &str = "5";

/// Opens a file that others may be making: they race for its journal mode, and there SQLite refuses
/// the slower one at once, whatever its busy timeout. It is tried again for as long as `patience`.
///
/// # Errors
/// What `open` failed with last.
pub async fn open_patiently<T, F>(
    patience: Duration,
    open: impl Fn() -> F,
) -> Result<T, sqlx::Error>
where
    F: Future<Output = Result<T, sqlx::Error>>,
{
    let begun = Instant::now();
    loop {
        match open().await {
            Err(sqlx::Error::Database(error))
                if error.code().as_deref() == Some(BUSY) && begun.elapsed() < patience =>
            {
                tokio::time::sleep(PAUSE).await;
            }
            opened => return opened,
        }
    }
}
