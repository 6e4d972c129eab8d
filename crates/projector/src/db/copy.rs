//! PostgreSQL's COPY, in its binary form: the fastest way in for rows that are not there yet.

use sqlx::PgConnection;

use super::Dialect;
use crate::error::StoreError;
use crate::value::{Table, Value};

/// With fewer rows one statement is as fast.
pub(super) const ROWS_MIN: usize = 64;
/// Bytes on their way at once, about.
const CHUNK_BYTES: usize = 256 * 1024;
/// How a stream begins: signature, flags, no extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// How it ends.
const TRAILER: [u8; 2] = (-1_i16).to_be_bytes();
/// The length that stands for NULL.
const NULL: [u8; 4] = (-1_i32).to_be_bytes();
/// PostgreSQL counts microseconds from the year 2000.
const EPOCH_US: i64 = 946_684_800_000_000;

/// See [`super::Session::insert`].
pub(super) async fn insert(
    connection: &mut PgConnection,
    table: &Table,
    rows: Vec<Vec<Value>>,
) -> Result<(), StoreError> {
    let names = Dialect::column_names(table);
    let sql = format!("COPY \"{}\" ({names}) FROM STDIN (FORMAT binary)", table.name);
    let mut copy = connection.copy_in_raw(&sql).await?;
    let mut chunk = Vec::with_capacity(CHUNK_BYTES + CHUNK_BYTES / 4);
    chunk.extend(HEADER);
    for row in rows {
        let columns = i16::try_from(row.len()).unwrap_or(i16::MAX);
        chunk.extend(columns.to_be_bytes());
        for value in &row {
            put(&mut chunk, value);
        }
        if chunk.len() >= CHUNK_BYTES {
            copy.send(&chunk[..]).await?;
            chunk.clear();
        }
    }
    chunk.extend(TRAILER);
    copy.send(&chunk[..]).await?;
    copy.finish().await?;
    Ok(())
}

/// A value behind its length.
fn put(chunk: &mut Vec<u8>, value: &Value) {
    match value {
        // Lists are parameters of statements; no column holds one.
        Value::Null | Value::Ints(_) => chunk.extend(NULL),
        Value::Int(number) => sized(chunk, &number.to_be_bytes()),
        Value::Real(number) => sized(chunk, &number.to_be_bytes()),
        Value::Bool(bit) => sized(chunk, &[u8::from(*bit)]),
        Value::Text(text) => sized(chunk, text.as_bytes()),
        Value::Time(time) => sized(chunk, &(time.micros() - EPOCH_US).to_be_bytes()),
    }
}

fn sized(chunk: &mut Vec<u8>, bytes: &[u8]) {
    let length = i32::try_from(bytes.len()).unwrap_or(i32::MAX);
    chunk.extend(length.to_be_bytes());
    chunk.extend(bytes);
}
