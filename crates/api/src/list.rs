//! Lists in pages: opaque cursors, `limit`, and the `Link` header.

use std::cmp::Ordering;

use axum::Json;
use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde::{Deserialize, Serialize};

use crate::error::ApiError;
use crate::router::BASE;

/// Rows of a page unless said.
const LIMIT_DEFAULT: usize = 50;
/// Rows of a page at most.
pub(crate) const LIMIT_MAX: usize = 100;

/// Which page is wanted, as the address says it.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct ListParams {
    limit: Option<usize>,
    after: Option<String>,
    before: Option<String>,
}

/// Where in a list to begin, by the id of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begin {
    /// At its beginning.
    Start,
    /// Behind this row.
    After(u64),
    /// In front of this row, towards the beginning.
    Before(u64),
    /// At its end, towards the beginning.
    End,
}

/// How a list is sorted; ids rise with time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    OldestFirst,
    NewestFirst,
}

/// A checked wish.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    /// Rows at most.
    pub(crate) limit: usize,
    /// Where to begin.
    pub(crate) begin: Begin,
}

impl ListParams {
    /// Checks the wish. An empty `before` begins at the end.
    pub(crate) fn check(&self) -> Result<Wanted, ApiError> {
        let limit = self.limit.unwrap_or(LIMIT_DEFAULT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            let detail = format!("is {limit}; 1 to {LIMIT_MAX} are allowed");
            return Err(ApiError::field("limit", detail));
        }
        let begin = match (&self.after, &self.before) {
            (None, None) => Begin::Start,
            (Some(after), None) => Begin::After(read("after", after)?),
            (None, Some(before)) if before.is_empty() => Begin::End,
            (None, Some(before)) => Begin::Before(read("before", before)?),
            (Some(_), Some(_)) => {
                return Err(ApiError::field("before", "can't be given together with after"));
            }
        };
        Ok(Wanted { limit, begin })
    }
}

/// The cursor of a row.
fn cursor(id: u64) -> String {
    BASE64.encode(id.to_be_bytes())
}

fn read(field: &str, text: &str) -> Result<u64, ApiError> {
    let bytes = BASE64.decode(text).ok().and_then(|bytes| <[u8; 8]>::try_from(bytes).ok());
    let wrong = || ApiError::field(field, "is no cursor; take next_cursor from the page before");
    bytes.map(u64::from_be_bytes).ok_or_else(wrong)
}

/// One page of a list.
#[derive(Debug, Serialize)]
pub(crate) struct Listing<T> {
    data: Vec<T>,
    /// Goes back as `after`; null on the last page.
    next_cursor: Option<String>,
    /// Goes back as `before`; null on the first page.
    prev_cursor: Option<String>,
}

impl<T: Serialize> Listing<T> {
    /// A page of rows in the list's order; `more` says whether there are further ones in the
    /// direction that was asked for.
    pub(crate) fn new(wanted: Wanted, data: Vec<T>, more: bool, id: impl Fn(&T) -> u64) -> Self {
        let (first, last) = (data.first().map(&id), data.last().map(&id));
        let (next, prev) = match wanted.begin {
            Begin::Start => (last.filter(|_| more), None),
            Begin::After(_) => (last.filter(|_| more), first),
            Begin::Before(_) => (last, first.filter(|_| more)),
            Begin::End => (None, first.filter(|_| more)),
        };
        Self { data, next_cursor: next.map(cursor), prev_cursor: prev.map(cursor) }
    }

    /// A page of a list that is read in one direction alone, and where to read on.
    pub(crate) fn onward(data: Vec<T>, next: Option<u64>) -> Self {
        Self { data, next_cursor: next.map(cursor), prev_cursor: None }
    }

    /// Cuts a page out of a whole list that is at hand, sorted by id.
    pub(crate) fn cut(
        wanted: Wanted,
        order: Order,
        mut rows: Vec<T>,
        id: impl Fn(&T) -> u64,
    ) -> Self {
        // How many rows lie in front of the cursor, whether or not its own row is still there.
        let in_front = |cursor: u64, inclusive: bool| {
            rows.partition_point(|row| match id(row).cmp(&cursor) {
                Ordering::Equal => inclusive,
                Ordering::Less => order == Order::OldestFirst,
                Ordering::Greater => order == Order::NewestFirst,
            })
        };
        let (start, end) = match wanted.begin {
            Begin::Start | Begin::End => (0, rows.len()),
            Begin::After(cursor) => (in_front(cursor, true), rows.len()),
            Begin::Before(cursor) => (0, in_front(cursor, false)),
        };
        let more = end - start > wanted.limit;
        let backwards = matches!(wanted.begin, Begin::Before(_) | Begin::End);
        let start = if backwards { end.saturating_sub(wanted.limit) } else { start };
        let data = rows.drain(start..end).take(wanted.limit).collect();
        Self::new(wanted, data, more, id)
    }

    /// What is on the page.
    pub(crate) fn rows(&self) -> &[T] {
        &self.data
    }

    /// The same page of other rows.
    pub(crate) fn with<U>(&self, data: Vec<U>) -> Listing<U> {
        let (next_cursor, prev_cursor) = (self.next_cursor.clone(), self.prev_cursor.clone());
        Listing { data, next_cursor, prev_cursor }
    }

    /// The answer, with its `Link` header.
    pub(crate) fn answer(self, uri: &Uri) -> Response {
        let link = |rel: &str, name: &str, cursor: &Option<String>| {
            let cursor = cursor.as_ref()?;
            let kept = uri.query().unwrap_or_default().split('&').filter(|pair| {
                !pair.is_empty() && !pair.starts_with("after=") && !pair.starts_with("before=")
            });
            let cursor = format!("{name}={cursor}");
            let query = kept.chain([cursor.as_str()]).collect::<Vec<_>>().join("&");
            // Handlers see the address below the base.
            Some(format!("<{BASE}{}?{query}>; rel=\"{rel}\"", uri.path()))
        };
        let links =
            [link("next", "after", &self.next_cursor), link("prev", "before", &self.prev_cursor)];
        let links: Vec<String> = links.into_iter().flatten().collect();
        let mut response = Json(self).into_response();
        if let Ok(value) = HeaderValue::try_from(links.join(", "))
            && !value.is_empty()
        {
            response.headers_mut().insert(header::LINK, value);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(begin: Begin, limit: usize) -> (Vec<u64>, bool, bool) {
        let rows: Vec<u64> = (1..=5).collect();
        let page = Listing::cut(Wanted { limit, begin }, Order::OldestFirst, rows, |row| *row);
        (page.data, page.prev_cursor.is_some(), page.next_cursor.is_some())
    }

    #[test]
    fn pages_join_in_both_directions() {
        assert_eq!(page(Begin::Start, 2), (vec![1, 2], false, true));
        assert_eq!(page(Begin::After(2), 2), (vec![3, 4], true, true));
        assert_eq!(page(Begin::After(4), 2), (vec![5], true, false));
        assert_eq!(page(Begin::End, 2), (vec![4, 5], true, false));
        assert_eq!(page(Begin::Before(4), 2), (vec![2, 3], true, true));
        assert_eq!(page(Begin::Before(2), 2), (vec![1], false, true));
        assert_eq!(page(Begin::Start, 5), (vec![1, 2, 3, 4, 5], false, false));
    }

    #[test]
    fn a_cursor_stays_valid_when_its_row_is_gone() {
        let newest_first = vec![9, 7, 5, 3];
        let wanted = Wanted { limit: 2, begin: Begin::After(6) };
        let page = Listing::cut(wanted, Order::NewestFirst, newest_first, |row| *row);
        assert_eq!(page.data, [5, 3]);
    }

    #[test]
    fn a_link_is_the_whole_address_of_a_page() {
        let wanted = Wanted { limit: 1, begin: Begin::Start };
        let page = Listing::new(wanted, vec![7_u64], true, |row| *row);
        let next = page.next_cursor.clone().unwrap();
        let answer = page.answer(&Uri::from_static("/rooms?limit=1&after=AAAA"));
        let link = format!("</api/v1/rooms?limit=1&after={next}>; rel=\"next\"");
        assert_eq!(answer.headers()[header::LINK], link);
    }

    #[test]
    fn cursors_read_back_and_nonsense_is_refused() {
        assert_eq!(read("after", &cursor(u64::MAX)).unwrap(), u64::MAX);
        assert!(read("after", "17").is_err());
        let wanted = |after: Option<&str>, before: Option<&str>, limit| {
            let text = |text: Option<&str>| text.map(str::to_owned);
            ListParams { limit, after: text(after), before: text(before) }.check()
        };
        assert!(wanted(None, None, Some(0)).is_err());
        assert!(wanted(None, None, Some(101)).is_err());
        assert!(wanted(Some("x"), Some("y"), None).is_err());
        assert_eq!(wanted(None, Some(""), None).unwrap().begin, Begin::End);
    }
}
