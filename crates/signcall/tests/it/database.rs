//! The tables as they lie in the database, past the API.

use sqlx::{Connection as _, Row as _};

/// The rows of a query whose columns are all text (`CAST (… AS TEXT)`).
pub(crate) async fn rows(url: &str, query: &'static str) -> Vec<Vec<Option<String>>> {
    macro_rules! fetch {
        ($connection:ty, $url:expr) => {{
            let mut connection = <$connection>::connect($url).await.unwrap();
            let rows = sqlx::query(query).fetch_all(&mut connection).await.unwrap();
            rows.iter().map(|row| (0..row.len()).map(|column| row.get(column)).collect()).collect()
        }};
    }
    if url.starts_with("sqlite:") {
        fetch!(sqlx::SqliteConnection, url)
    } else {
        fetch!(sqlx::PgConnection, url)
    }
}

/// As [`rows`], with nothing missing.
pub(crate) async fn texts(url: &str, query: &'static str) -> Vec<Vec<String>> {
    let row = |row: Vec<Option<String>>| row.into_iter().map(Option::unwrap).collect();
    rows(url, query).await.into_iter().map(row).collect()
}
