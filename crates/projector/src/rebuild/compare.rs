//! Comparing tables row by row, in the order of their keys, in bounded memory; and one hash per
//! table that is the same on every database.

use std::collections::VecDeque;

use sha2::{Digest as _, Sha256};

use crate::db::{Session, Tx};
use crate::error::StoreError;
use crate::projections::TABLES;
use crate::store::Store;
use crate::value::{Table, Value, append_line};

/// Rows read at once.
const PAGE_ROWS: i64 = 2000;
/// Differences that are told one by one; the rest is counted.
const DIFFERENCES_MAX: usize = 100;
/// What stands for a whole row that is missing.
const NO_ROW: &str = "(no row)";

/// One table, as a hash of its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableReport {
    /// Its name.
    pub table: &'static str,
    /// How many rows it has.
    pub rows: u64,
    /// SHA-256, hexadecimal, of its rows as lines of JSON in the order of their keys.
    pub hash: String,
}

/// A value that is not the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The table.
    pub table: &'static str,
    /// The row's primary key.
    pub key: String,
    /// The column, or `*` when the row is on one side only.
    pub column: &'static str,
    /// As JSON, in the live tables.
    pub live: String,
    /// As JSON, in the rebuilt tables.
    pub rebuilt: String,
}

/// What a comparison found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) tables: Vec<TableReport>,
    pub(super) differing_rows: u64,
    pub(super) differences: Vec<Difference>,
}

/// The rows of a table, page by page.
struct Rows {
    table: &'static Table,
    page: VecDeque<Vec<Value>>,
    last: Option<Vec<Value>>,
    ended: bool,
    count: u64,
    hash: Sha256,
    /// The row that went into the hash last.
    line: String,
}

impl Rows {
    fn new(table: &'static Table) -> Self {
        let (page, hash, line) = (VecDeque::new(), Sha256::new(), String::new());
        Self { table, page, last: None, ended: false, count: 0, hash, line }
    }

    /// Makes sure that the next row is there, if there is one.
    async fn fill(&mut self, session: &mut Session<'_>) -> Result<(), StoreError> {
        if self.ended || !self.page.is_empty() {
            return Ok(());
        }
        let names = self.table.columns.iter().take(self.table.key).map(|c| c.name);
        let names: Vec<&str> = names.collect();
        let order = names.join(", ");
        let mut args = self.last.clone().unwrap_or_default();
        let places: Vec<String> = (1..=args.len()).map(|n| format!("${n}")).collect();
        let clause = match args.len() {
            0 => String::new(),
            _ => format!("WHERE ({order}) > ({})", places.join(", ")),
        };
        args.push(Value::Int(PAGE_ROWS));
        let tail = format!("{clause} ORDER BY {order} LIMIT ${}", args.len());
        self.page = session.select(self.table, &tail, args).await?.into();
        self.last = self.page.back().map(|row| row[..self.table.key].to_vec());
        self.ended = self.page.is_empty();
        Ok(())
    }

    fn key(&self) -> Option<Vec<i64>> {
        let number = |value: &Value| if let Value::Int(n) = value { *n } else { 0 };
        let row = self.page.front()?;
        Some(row.iter().take(self.table.key).map(number).collect())
    }

    /// Takes the next row, and into the hash.
    fn take(&mut self) -> Option<Vec<Value>> {
        let row = self.page.pop_front()?;
        self.line.clear();
        append_line(&row, &mut self.line);
        self.line.push('\n');
        self.hash.update(&self.line);
        self.count += 1;
        Some(row)
    }

    fn report(self) -> TableReport {
        let hash = hex::encode(self.hash.finalize());
        TableReport { table: self.table.name, rows: self.count, hash }
    }
}

/// Hashes the rebuilt tables, and compares them with the live ones if there are any.
pub(super) async fn tables(
    mut live: Option<&mut Tx>,
    rebuilt: &mut Tx,
    progress: &mut (dyn FnMut(u64, u64) + Send),
) -> Result<Found, StoreError> {
    let mut found = Found::default();
    for (done, table) in TABLES.into_iter().enumerate() {
        progress(done as u64, TABLES.len() as u64);
        let new = match live.as_deref_mut() {
            Some(live) => merge(table, live, rebuilt, &mut found).await?,
            None => hashed(table, rebuilt).await?,
        };
        found.tables.push(new);
    }
    Ok(found)
}

async fn hashed(table: &'static Table, tx: &mut Tx) -> Result<TableReport, StoreError> {
    let mut rows = Rows::new(table);
    loop {
        rows.fill(&mut tx.session()).await?;
        if rows.take().is_none() {
            return Ok(rows.report());
        }
    }
}

/// Walks through both tables in the order of their keys.
async fn merge(
    table: &'static Table,
    live: &mut Tx,
    rebuilt: &mut Tx,
    found: &mut Found,
) -> Result<TableReport, StoreError> {
    let (mut old, mut new) = (Rows::new(table), Rows::new(table));
    loop {
        old.fill(&mut live.session()).await?;
        new.fill(&mut rebuilt.session()).await?;
        let (old_row, new_row) = match (old.key(), new.key()) {
            (None, None) => return Ok(new.report()),
            (Some(_), None) => (old.take(), None),
            (None, Some(_)) => (None, new.take()),
            (Some(left), Some(right)) => (
                if left <= right { old.take() } else { None },
                if right <= left { new.take() } else { None },
            ),
        };
        if old_row != new_row {
            found.differing_rows += 1;
            found.tell(table, old_row.as_deref(), new_row.as_deref());
        }
    }
}

impl Found {
    fn tell(&mut self, table: &'static Table, live: Option<&[Value]>, rebuilt: Option<&[Value]>) {
        let row = live.or(rebuilt).unwrap_or_default();
        let key: Vec<String> = row.iter().take(table.key).map(Value::to_string).collect();
        let mut add = |column, live: String, rebuilt: String| {
            if self.differences.len() < DIFFERENCES_MAX {
                let key = key.join(",");
                self.differences.push(Difference { table: table.name, key, column, live, rebuilt });
            }
        };
        let (Some(live), Some(rebuilt)) = (live, rebuilt) else {
            let whole = |row: Option<&[Value]>| {
                let Some(row) = row else { return NO_ROW.to_owned() };
                let mut text = String::new();
                append_line(row, &mut text);
                text
            };
            return add("*", whole(live), whole(rebuilt));
        };
        for ((column, live), rebuilt) in table.columns.iter().zip(live).zip(rebuilt) {
            if live != rebuilt {
                add(column.name, live.to_string(), rebuilt.to_string());
            }
        }
    }
}

impl Store {
    /// Every table as a hash of its rows, the same on every database.
    pub async fn hashes(&self) -> Result<Vec<TableReport>, StoreError> {
        let mut tx = self.db().snapshot().await?;
        Ok(tables(None, &mut tx, &mut |_, _| {}).await?.tables)
    }
}
