//! Searching transcripts finds the same rows on both databases, as a plain walk over the texts
//! would, and what was erased is in no index any more.

use events::user::command::account::{ChangeNames, DeleteUser};
use events::{Actor, Clear, NameDigest, RoomId, TranscriptId, UserId};
use projector::testing::PrivatePostgres;
use projector::{Cursor, Page, Search, Store, TranscriptFilter, replay};
use sqlx::{AssertSqlSafe, Connection as _, Row as _, SqliteConnection};

use crate::databases::Databases;
use crate::life::Dice;
use crate::world::World;

crate::on_both!(
    what_is_erased_leaves_the_index,
    rows_of_an_older_version_are_found,
    people_are_found_whatever_their_case_and_accents,
);

const ALL: u32 = 1000;
/// Pieces that texts and searches are made of: accents in both spellings, other scripts, signs
/// that mean something to a database, letters that later versions of Unicode brought.
const PIECES: &[&str] = &[
    "a",
    "e",
    "ab",
    "hello",
    "Hello",
    "HELLO",
    "café",
    "cafe\u{301}",
    "CAFE",
    "naïve",
    "straße",
    "STRASSE",
    "İ",
    "ı",
    "Łódź",
    "lodz",
    "手話",
    "手",
    "話",
    "か",
    "が",
    "한국어",
    "한국",
    "नमस्ते",
    "नम",
    "שלום",
    "مرحبا",
    "ﬁ",
    "fi",
    "½",
    "²",
    "𝐇",
    "\u{1E922}",
    "\u{16E60}",
    "\u{A7C2}",
    "\u{1C89}",
    "🤟",
    "_",
    "don't",
    "a_b",
    "a-b",
    "\"",
    "'",
    "*",
    ":",
    "(",
    ")",
    "&",
    "|",
    "!",
    "\\",
    "<->",
    "OR",
    "AND",
    "NEAR",
    "^",
    "+",
    "{",
    "0",
    "42",
    "4.2",
    "\u{200D}",
    "\u{E000}7",
    "%",
    "\t",
    "\u{a0}",
    " ",
];

async fn found(store: &Store, room: RoomId, q: &str) -> Vec<TranscriptId> {
    let search = Search::parse(q).unwrap();
    let filter = TranscriptFilter { user: None, q: Some(&search) };
    let page = Page { cursor: Cursor::Start, limit: ALL };
    let rows = store.transcripts(room, filter, page).await.unwrap().rows;
    rows.into_iter().map(|row| row.id).collect()
}

fn text(dice: &mut Dice, pieces: usize) -> String {
    let mut text = String::from(PIECES[dice.roll(PIECES.len())]);
    for _ in 0..dice.roll(pieces) {
        text.push_str(["", " ", " ", ", "][dice.roll(4)]);
        text.push_str(PIECES[dice.roll(PIECES.len())]);
    }
    text
}

async fn room_with_captions(world: &mut World) -> (UserId, RoomId) {
    let ada = world.register().await;
    let room = world.create_room(ada).await;
    world.consent(room, ada).await;
    (ada, room)
}

#[tokio::test(flavor = "multi_thread")]
async fn both_databases_find_the_same() {
    let name = "search::both_databases_find_the_same";
    let Some(server) = PrivatePostgres::for_test(name).await.unwrap() else { return };
    let mut world = World::new().await;
    let sqlite = Databases::sqlite(&world).open().await;
    let postgres = Databases::Postgres(server);
    let (_running, postgres) = (&postgres, postgres.open().await);
    let mut dice = Dice::new(42);
    let (ada, room) = room_with_captions(&mut world).await;
    let (bob, other) = room_with_captions(&mut world).await;
    for _ in 0..400 {
        // A text of signs that nobody sees is refused.
        let said = format!("{} said", text(&mut dice, 6));
        world.sign(room, ada, &said).await;
        world.sign(other, bob, &said).await;
    }
    world.append().await;
    for store in [&sqlite, &postgres] {
        world.projector(store).catch_up().await.unwrap();
    }
    assert_eq!(sqlite.hashes().await.unwrap(), postgres.hashes().await.unwrap());
    let mut hits = 0;
    for _ in 0..600 {
        let q = text(&mut dice, 3);
        let ids = found(&sqlite, room, &q).await;
        assert_eq!(found(&postgres, room, &q).await, ids, "searching for {q:?}");
        assert!(ids.is_sorted(), "{ids:?}");
        hits += ids.len();
    }
    assert!(hits > 1000, "only {hits} found: the searches test nothing");
}

async fn what_is_erased_leaves_the_index(mut world: World, databases: Databases) {
    let url = databases.url().await;
    let store = Store::open(&url).await.unwrap();
    let (ada, room) = room_with_captions(&mut world).await;
    let eve = world.register().await;
    world.join(room, eve).await;
    world.consent(room, eve).await;
    let stays = world.sign(room, ada, "Zebra crossing").await;
    let goes = world.sign(room, eve, "Zebra quagga").await;
    world.append().await;
    world.projector(&store).catch_up().await.unwrap();
    assert_eq!(found(&store, room, "ZÉB").await, [stays, goes]);
    assert_eq!(found(&store, room, "quag zebra").await, [], "only the last word may go on");
    assert_eq!(found(&store, room, "zebra quag").await, [goes]);
    assert!(indexed(&url, "quagga").await);

    world.act(Actor::User(eve), DeleteUser { user: eve, erase_content: true }).await;
    world.append().await;
    world.projector(&store).catch_up().await.unwrap();
    assert_eq!(found(&store, room, "zeb").await, [stays]);
    assert!(!indexed(&url, "quagga").await && indexed(&url, "zebra").await);
    for verify in [true, false] {
        let report = replay(&store, &world.log, &world.vault, verify, &mut |_| {}).await.unwrap();
        assert_eq!(report.differences, []);
        assert_eq!(found(&store, room, "zeb").await, [stays]);
    }
    let later = world.sign(room, ada, "zebras").await;
    world.append().await;
    world.projector(&store).catch_up().await.unwrap();
    assert_eq!(found(&store, room, "zeb").await, [stays, later]);
    assert!(indexed(&url, "zebras").await, "the index is kept up after a swap");
}

/// Whether a word is anywhere in the search index, as the database's own tools see it.
async fn indexed(url: &str, word: &str) -> bool {
    if url.starts_with("sqlite") {
        let pool = sqlx::SqlitePool::connect(url).await.unwrap();
        let check =
            "INSERT INTO transcript_search (transcript_search, rank) VALUES ('integrity-check', 1)";
        sqlx::query(check).execute(&pool).await.unwrap();
        let rows = sqlx::query("SELECT block FROM transcript_search_data").fetch_all(&pool).await;
        let blocks: Vec<Vec<u8>> = rows.unwrap().iter().map(|row| row.get(0)).collect();
        // Words share the beginnings of their neighbours in the index: the rest is looked for.
        blocks.iter().any(|block| block.windows(4).any(|at| at == &word.as_bytes()[1..5]))
    } else {
        let pool = sqlx::PgPool::connect(url).await.unwrap();
        let sql = format!(
            "SELECT count(*) FROM transcript WHERE array_to_tsvector(string_to_array(words, ' ')) @@ '''{word}'''::tsquery"
        );
        let found: i64 = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&pool).await.unwrap();
        found > 0
    }
}

async fn rows_of_an_older_version_are_found(mut world: World, databases: Databases) {
    let url = databases.url().await;
    let store = Store::open(&url).await.unwrap();
    let (ada, room) = room_with_captions(&mut world).await;
    let signed = world.sign(room, ada, "Übung macht den Meister").await;
    world.append().await;
    world.projector(&store).catch_up().await.unwrap();
    run(&url, "UPDATE transcript SET words = NULL").await;
    assert_eq!(found(&store, room, "ubung").await, []);
    let store = Store::open(&url).await.unwrap();
    assert_eq!(found(&store, room, "ubung").await, [signed]);
}

async fn run(url: &str, statement: &'static str) {
    if url.starts_with("sqlite") {
        let pool = sqlx::SqlitePool::connect(url).await.unwrap();
        sqlx::query(statement).execute(&pool).await.unwrap();
    } else {
        let pool = sqlx::PgPool::connect(url).await.unwrap();
        sqlx::query(statement).execute(&pool).await.unwrap();
    }
}

async fn people_are_found_whatever_their_case_and_accents(mut world: World, databases: Databases) {
    let url = databases.url().await;
    let store = Store::open(&url).await.unwrap();
    let (doctor, _other) = (world.register().await, world.register().await);
    let name = (Clear::new("Ärztin ΟΔΟΣ"), NameDigest::from_bytes([1; 16]));
    let address = (Clear::new("straße_7@example.org"), NameDigest::from_bytes([2; 16]));
    let names = ChangeNames { username: Some(name), email: Some(address) };
    world.act(Actor::User(doctor), names).await;
    world.append().await;
    world.projector(&store).catch_up().await.unwrap();
    for _ in 0..2 {
        for (q, hit) in [
            ("ärztin", true),
            ("ARZTIN οδος", true),
            ("STRASSE_7@", true),
            ("strasse%7", false),
            ("z_tin", false),
        ] {
            let all = Page { cursor: Cursor::Start, limit: ALL };
            let found = store.users(Some(q), all).await.unwrap().rows;
            let ids: Vec<UserId> = found.iter().map(|row| row.id).collect();
            assert_eq!(ids, if hit { vec![doctor] } else { vec![] }, "{q}");
        }
        // And rows of an older version.
        run(&url, "UPDATE \"user\" SET folded = NULL").await;
        Store::open(&url).await.unwrap();
    }
}

/// Another process opens the tables while the projector catches up, one transaction after the other.
#[tokio::test]
async fn what_is_searched_by_is_looked_at_without_waiting_for_who_writes() {
    let world = World::new().await;
    let url = Databases::sqlite(&world).url().await;
    Store::open(&url).await.unwrap().close().await;
    let mut writer = SqliteConnection::connect(&url).await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut writer).await.unwrap();
    Store::open(&url).await.unwrap().close().await;
}
