//! What fresh tables do without while the bulk of the rows goes in, because making it at the end
//! costs a fraction: indexes, the search index, foreign keys. The statements that bring it back are
//! kept in a table beside the others, so that a rebuild that broke off can be gone on with.

use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};

use crate::db::{SHADOW_SCHEMA, Session};
use crate::error::StoreError;

/// Takes away every `trigger`, or every `index` that is no constraint, of an SQLite schema, and
/// returns the statements that make them again.
pub(super) async fn take(
    connection: &mut SqliteConnection,
    schema: &str,
    kind: &str,
) -> Result<Vec<String>, StoreError> {
    let sql = format!(
        "SELECT name, sql FROM {schema}.sqlite_master WHERE type = $1 AND sql IS NOT NULL ORDER BY name"
    );
    let found: Vec<(String, String)> =
        sqlx::query_as(AssertSqlSafe(sql)).bind(kind).fetch_all(&mut *connection).await?;
    for (name, _) in &found {
        let sql = format!("DROP {kind} {schema}.\"{name}\"");
        sqlx::query(AssertSqlSafe(sql)).execute(&mut *connection).await?;
    }
    Ok(found.into_iter().map(|(_, statement)| statement).collect())
}

/// Takes away what a fresh SQLite file does without.
pub(super) async fn put_off_sqlite(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let mut tx = connection.begin().await?;
    let mut statements = take(&mut tx, "main", "index").await?;
    statements.extend(take(&mut tx, "main", "trigger").await?);
    statements
        .push("INSERT INTO transcript_search (transcript_search) VALUES ('rebuild')".to_owned());
    sqlx::query("CREATE TABLE put_off (statement TEXT NOT NULL)").execute(&mut *tx).await?;
    for statement in statements {
        let sql = "INSERT INTO put_off VALUES ($1)";
        sqlx::query(sql).bind(statement).execute(&mut *tx).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Makes it all; nothing when that is done already.
pub(super) async fn bring_back_sqlite(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    const LEFT: &str = "SELECT count(*) FROM sqlite_master WHERE name = 'put_off'";
    let mut tx = connection.begin().await?;
    let left: i64 = sqlx::query_scalar(LEFT).fetch_one(&mut *tx).await?;
    if left > 0 {
        let sql = "SELECT statement FROM put_off ORDER BY rowid";
        let statements: Vec<String> = sqlx::query_scalar(sql).fetch_all(&mut *tx).await?;
        for statement in statements {
            sqlx::query(AssertSqlSafe(statement)).execute(&mut *tx).await?;
        }
        sqlx::query("DROP TABLE put_off").execute(&mut *tx).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Takes away what a fresh PostgreSQL schema does without: checking each row's references would be
/// half of the work, and the rows are right by how they are made.
pub(super) async fn put_off_postgres(session: &mut Session<'_>) -> Result<(), StoreError> {
    let sql = format!(
        "DO $$ DECLARE found record; BEGIN \
           CREATE TABLE {SHADOW_SCHEMA}.put_off (number serial, statement text); \
           FOR found IN SELECT indexrelid::regclass AS name, pg_get_indexdef(indexrelid) AS made \
               FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid \
               WHERE relnamespace = '{SHADOW_SCHEMA}'::regnamespace \
                 AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = indexrelid) LOOP \
             INSERT INTO {SHADOW_SCHEMA}.put_off (statement) VALUES (found.made); \
             EXECUTE format('DROP INDEX %s', found.name); \
           END LOOP; \
           FOR found IN SELECT conrelid::regclass AS place, conname, pg_get_constraintdef(oid) AS made \
               FROM pg_constraint WHERE contype = 'f' AND connamespace = '{SHADOW_SCHEMA}'::regnamespace LOOP \
             INSERT INTO {SHADOW_SCHEMA}.put_off (statement) VALUES \
               (format('ALTER TABLE %s ADD CONSTRAINT %I %s', found.place, found.conname, found.made)); \
             EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', found.place, found.conname); \
           END LOOP; END $$"
    );
    session.execute(&sql, vec![]).await?;
    Ok(())
}

/// Makes it all; nothing when that is done already. All rows are checked at once, which is much
/// faster than one by one.
pub(super) async fn bring_back_postgres(session: &mut Session<'_>) -> Result<(), StoreError> {
    let sql = format!(
        "DO $$ DECLARE found record; BEGIN \
           IF to_regclass('{SHADOW_SCHEMA}.put_off') IS NULL THEN RETURN; END IF; \
           FOR found IN SELECT statement FROM {SHADOW_SCHEMA}.put_off ORDER BY number LOOP \
             EXECUTE found.statement; \
           END LOOP; \
           DROP TABLE {SHADOW_SCHEMA}.put_off; END $$"
    );
    session.execute(&sql, vec![]).await?;
    Ok(())
}
