//! Who made the fresh tables: a rebuild that broke off is gone on with by the same binary only, as
//! another one might make other rows, and only until the machine is started anew, as the fresh
//! file of SQLite is not synced.

use std::time::UNIX_EPOCH;

use crate::db::Db;
use crate::error::StoreError;
use crate::value::{Column, Kind, Table, Value};

/// Changes with every start of the machine.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// Lies beside the fresh tables once they are ready to be filled.
const TABLE: Table =
    Table { name: "rebuild_maker", columns: &[Column { name: "maker", kind: Kind::Text }], key: 1 };

/// Whether this binary made the tables since the machine was started; false when there are none.
pub(super) async fn is_this(db: &Db) -> bool {
    let Some(this) = this() else { return false };
    let Ok(mut lease) = db.lease().await else { return false };
    let found = lease.session().select(&TABLE, "", vec![]).await;
    found.is_ok_and(|rows| rows == [[Value::Text(this)]])
}

/// Writes this binary down.
pub(super) async fn sign(db: &Db) -> Result<(), StoreError> {
    let mut tx = db.begin().await?;
    let mut session = tx.session();
    session.execute("CREATE TABLE rebuild_maker (maker TEXT PRIMARY KEY)", vec![]).await?;
    let this = this().unwrap_or_default();
    session.execute("INSERT INTO rebuild_maker VALUES ($1)", vec![Value::Text(this)]).await?;
    tx.commit().await
}

/// `None` where it can't be found out: then every rebuild begins anew.
fn this() -> Option<String> {
    let boot = std::fs::read_to_string(BOOT).ok()?;
    let binary = std::fs::metadata(std::env::current_exe().ok()?).ok()?;
    let changed = binary.modified().ok()?.duration_since(UNIX_EPOCH).ok()?.as_nanos();
    let version = env!("CARGO_PKG_VERSION");
    Some(format!("{version} {} {changed} {}", binary.len(), boot.trim()))
}
