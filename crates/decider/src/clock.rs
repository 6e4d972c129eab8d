//! Where the time comes from: injected, so that tests can let it pass.

use std::sync::Arc;

use events::Timestamp;

/// Says what time it is. The writer never lets a commit lie before the last one, whatever it says.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The machine's clock.
pub fn system_clock() -> Clock {
    Arc::new(|| {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let micros = since.unwrap_or_default().as_micros();
        Timestamp::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
    })
}
