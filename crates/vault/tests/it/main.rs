//! The vault on the real thing: SQLite files and a private PostgreSQL, two handles as two processes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod moves;

use std::sync::Arc;

use events::{KeyScope, LogId, Personal, Position, RoomId, TextKind, UserId, sealed::label};
use projector::testing::PrivatePostgres;
use vault::{Destruction, Kept, Opened, Secrets, Vault, VaultError};

/// A database for one vault, and secrets for it.
struct Place {
    folder: tempfile::TempDir,
    secrets: Secrets,
    url: String,
    _server: Option<Arc<PrivatePostgres>>,
}

impl Place {
    fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let secrets = Secrets::init(&folder.path().join("secrets")).unwrap();
        let url = format!("sqlite:{}", folder.path().join("vault.db").display());
        Self { folder, secrets, url, _server: None }
    }

    /// One on each database that is there.
    async fn each(test: &str) -> Vec<Self> {
        let mut places = vec![Self::sqlite()];
        if let Some(server) = PrivatePostgres::for_test(test).await.unwrap() {
            let url = server.database().await.unwrap();
            places.push(Self { url, _server: Some(server), ..Self::sqlite() });
        }
        places
    }

    async fn vault(&self) -> Vault {
        Vault::open(&self.url, &self.secrets).await.unwrap()
    }
}

fn user(id: u64) -> KeyScope {
    KeyScope::User(UserId::new(id))
}

fn text(kind: TextKind, author: u64, room: u64, day: &str) -> KeyScope {
    let (author, room) = (UserId::new(author), RoomId::new(room));
    KeyScope::Text { kind, author, room, day: day.parse().unwrap() }
}

async fn seal(vault: &Vault, scope: KeyScope, words: &str) -> Vec<u8> {
    vault.keys_for(&[scope]).await.unwrap().seal(scope, "x/1", words).unwrap()
}

async fn open(vault: &Vault, scope: KeyScope, sealed: &[u8]) -> Result<Opened, VaultError> {
    vault.keys(&[scope]).await?.open(scope, "x/1", sealed)
}

fn readable(opened: &Result<Opened, VaultError>) -> bool {
    matches!(opened, Ok(Opened::Text(_)))
}

#[tokio::test]
async fn keys_are_made_once_and_last() {
    for place in Place::each("vault::keys_are_made_once_and_last").await {
        let scopes = [user(1), text(TextKind::Message, 1, 2, "2026-01-01")];
        let mut sealed = Vec::new();
        {
            let vault = place.vault().await;
            for scope in scopes {
                sealed.push(seal(&vault, scope, "Ada").await);
            }
            vault.close().await;
        }
        let vault = place.vault().await;
        for (scope, sealed) in scopes.into_iter().zip(&sealed) {
            assert_eq!(open(&vault, scope, sealed).await.unwrap(), Opened::Text("Ada".into()));
            let field = Personal::Sealed(sealed.clone());
            let read = vault.read(scope, "x/1", &field).await.unwrap();
            assert_eq!(read.into_text().as_deref(), Some("Ada"));
            assert!(vault.read(scope, &label("x", 2), &field).await.is_err());
        }
    }
}

/// On SQLite they race for the journal mode, which no busy timeout covers.
#[tokio::test(flavor = "multi_thread")]
async fn several_processes_make_the_same_new_vault() {
    for _ in 0..100 {
        let place = Arc::new(Place::sqlite());
        let opening = [(); 6].map(|()| {
            let place = place.clone();
            tokio::spawn(async move { Vault::open(&place.url, &place.secrets).await })
        });
        for opening in opening {
            opening.await.unwrap().unwrap();
        }
    }
}

#[tokio::test]
async fn two_processes_that_make_the_same_key_agree() {
    for place in Place::each("vault::two_processes_that_make_the_same_key_agree").await {
        let (one, two) = (place.vault().await, place.vault().await);
        let scopes: Vec<KeyScope> = (1..200).map(user).collect();
        let (a, b) = tokio::join!(one.keys_for(&scopes), two.keys_for(&scopes));
        let (a, b) = (a.unwrap(), b.unwrap());
        for scope in scopes {
            let sealed = a.seal(scope, "x", "Ada").unwrap();
            assert_eq!(b.open(scope, "x", &sealed).unwrap(), Opened::Text("Ada".into()));
        }
    }
}

#[tokio::test]
async fn a_destroyed_key_is_erased_everywhere_and_never_made_again() {
    for place in
        Place::each("vault::a_destroyed_key_is_erased_everywhere_and_never_made_again").await
    {
        let (vault, other) = (place.vault().await, place.vault().await);
        let sealed = seal(&vault, user(1), "Ada").await;
        assert!(readable(&open(&other, user(1), &sealed).await));
        let gone = [Destruction::User(UserId::new(1))];
        vault.destroy(&gone, Position::new(7)).await.unwrap();
        other.forget(&gone);
        for vault in [&vault, &other, &place.vault().await] {
            assert_eq!(open(vault, user(1), &sealed).await.unwrap(), Opened::Erased);
            let keys = vault.keys_for(&[user(1), user(2)]).await.unwrap();
            let refused = keys.seal(user(1), "x", "Ada");
            assert!(matches!(refused, Err(VaultError::Destroyed { .. })));
            assert!(keys.seal(user(2), "x", "Bob").is_ok());
            assert_eq!(vault.swept().await.unwrap(), Position::new(7));
        }
    }
}

/// How many of these keys a destruction takes; checks that they are the right ones.
async fn erased_by(destruction: Destruction, scopes: &[KeyScope], place: &Place) -> usize {
    let vault = place.vault().await;
    let keys = vault.keys_for(scopes).await.unwrap();
    let sealed = scopes.iter().map(|scope| keys.seal(*scope, "x/1", "Ada").unwrap());
    let sealed: Vec<Vec<u8>> = sealed.collect();
    vault.destroy(&[destruction], Position::new(1)).await.unwrap();
    let mut erased = 0;
    for vault in [&vault, &place.vault().await] {
        erased = 0;
        for (scope, sealed) in scopes.iter().zip(&sealed) {
            let opened = open(vault, *scope, sealed).await.unwrap();
            assert_eq!(opened == Opened::Erased, destruction.covers(scope), "{scope}");
            erased += usize::from(opened == Opened::Erased);
        }
    }
    erased
}

#[tokio::test]
async fn each_destruction_takes_its_own_keys_and_no_others() {
    let days = ["2026-01-01", "2026-01-02"];
    let kinds = [TextKind::Message, TextKind::Transcript];
    let mut scopes = vec![user(1), user(2)];
    for (kind, day) in kinds.into_iter().flat_map(|kind| days.map(|day| (kind, day))) {
        for (author, room) in [(1, 5), (2, 5), (1, 6)] {
            scopes.push(text(kind, author, room, day));
        }
    }
    let expired = Destruction::Texts {
        room: RoomId::new(5),
        kind: TextKind::Transcript,
        before: days[1].parse().unwrap(),
    };
    for (destruction, count) in [
        (Destruction::User(UserId::new(1)), 1),
        (Destruction::Author(UserId::new(1)), 8),
        (Destruction::Room(RoomId::new(5)), 8),
        (expired, 2),
    ] {
        for place in Place::each("vault::each_destruction").await {
            assert_eq!(erased_by(destruction, &scopes, &place).await, count, "{destruction:?}");
        }
    }
}

#[tokio::test]
async fn destroyed_keys_are_nowhere_in_the_files() {
    let place = Place::sqlite();
    let vault = place.vault().await;
    seal(&vault, user(1), "Ada").await;
    let files = || {
        ["vault.db", "vault.db-wal"]
            .map(|name| std::fs::read(place.folder.path().join(name)).unwrap_or_default())
            .concat()
    };
    let pool = sqlx::SqlitePool::connect(&place.url).await.unwrap();
    let read = sqlx::query_scalar("SELECT wrapped FROM vault_key").fetch_one(&pool).await;
    let wrapped: Vec<u8> = read.unwrap();
    pool.close().await;
    let holds = |files: &[u8]| files.windows(wrapped.len()).any(|part| part == wrapped);
    assert!(holds(&files()));
    vault.destroy(&[Destruction::User(UserId::new(1))], Position::new(1)).await.unwrap();
    assert!(!holds(&files()));
}

#[tokio::test]
async fn what_does_not_belong_together_is_refused() {
    for place in Place::each("vault::what_does_not_belong_together_is_refused").await {
        let vault = place.vault().await;
        let log = LogId::derived(LogId::from_uuid(uuid::Uuid::nil()).uuid(), "log");
        assert_eq!(vault.log().await.unwrap(), None);
        vault.bind(log).await.unwrap();
        vault.bind(log).await.unwrap();
        assert_eq!(vault.log().await.unwrap(), Some(log));
        let other = LogId::derived(log.uuid(), "other");
        assert!(matches!(vault.bind(other).await, Err(VaultError::WrongLog { .. })));
        let stranger = Place::sqlite();
        let opened = Vault::open(&place.url, &stranger.secrets).await;
        assert!(matches!(opened, Err(VaultError::WrongSecrets)));
        let opened = Vault::open("mysql://user:secret@host/db", &place.secrets).await;
        assert!(!opened.err().unwrap().to_string().contains("secret"));
        // A key that never was is not an erased one: the vault is the wrong one, or too old.
        let sealed = seal(&vault, user(1), "Ada").await;
        let unknown = open(&stranger.vault().await, user(1), &sealed).await;
        assert!(matches!(unknown, Err(VaultError::KeyMissing { .. })));
    }
}

#[tokio::test]
async fn another_key_for_cookies_is_noticed() {
    let place = Place::sqlite();
    place.vault().await.close().await;
    let folder = place.folder.path().join("secrets");
    std::fs::write(folder.join("cookie.key"), format!("{}\n", "ab".repeat(32))).unwrap();
    let opened = Vault::open(&place.url, &Secrets::open(&folder).unwrap()).await;
    assert!(matches!(opened, Err(VaultError::WrongCookieKey)));
}

fn kept(user: u64, room: u64, first_seq: u64, day: &str) -> Kept {
    let day = day.parse().unwrap();
    Kept {
        room: RoomId::new(room),
        user: UserId::new(user),
        stream: "camera".to_owned(),
        first_seq,
        received_us: 1_000 * first_seq as i64,
        day,
        until: Kept::until(day, 30),
        pose: false,
        bytes: vec![user as u8, first_seq as u8, 3],
    }
}

#[tokio::test]
async fn kept_landmarks_are_sealed_and_go_with_key_room_retention_and_consent() {
    let test = "vault::kept_landmarks_are_sealed_and_go_with_key_room_retention_and_consent";
    for place in Place::each(test).await {
        let vault = place.vault().await;
        vault.keys_for(&[user(1), user(2)]).await.unwrap();
        let days = ["2026-03-01", "2026-03-02"];
        let all = [
            kept(1, 5, 0, days[0]),
            kept(1, 5, 8, days[1]),
            kept(2, 5, 0, days[1]),
            kept(1, 6, 0, days[0]),
            kept(9, 5, 0, days[0]),
        ];
        assert_eq!(vault.keep(&all).await.unwrap(), 1, "nobody's key seals for user 9");
        assert_eq!(vault.keep(&all[..1]).await.unwrap(), 0);
        let today = "2026-03-03".parse().unwrap();
        let read = async |room: u64| vault.kept(RoomId::new(room), today).await.unwrap();
        assert_eq!(read(5).await, [all[0].clone(), all[1].clone(), all[2].clone()]);
        let late = "2026-03-31".parse().unwrap();
        assert_eq!(vault.kept(RoomId::new(5), late).await.unwrap().len(), 2, "its time is over");
        assert_eq!(vault.expire_kept("2026-03-30".parse().unwrap()).await.unwrap(), 0);

        let mine = UserId::new(1);
        assert_eq!(vault.rooms_with_kept(mine).await.unwrap(), [RoomId::new(5), RoomId::new(6)]);
        let (mut one_by_one, room) = (Vec::<Kept>::new(), RoomId::new(5));
        while let Some(next) = vault.next_kept(room, mine, one_by_one.last(), today).await.unwrap()
        {
            one_by_one.push(next);
        }
        assert_eq!(one_by_one, all[..2], "in order, of nobody else, of no other room");
        assert_eq!(vault.next_kept(room, mine, None, late).await.unwrap(), Some(all[1].clone()));

        let copy = Place::sqlite();
        vault.copy_to(&copy.url).await.unwrap();
        let copied = Vault::open(&copy.url, &place.secrets).await.unwrap();
        assert_eq!(copied.kept(RoomId::new(5), today).await.unwrap(), read(5).await);

        let room = RoomId::new(5);
        let gone = |destruction: Destruction| {
            let vault = vault.clone();
            async move { vault.destroy(&[destruction], Position::new(1)).await.unwrap() }
        };
        let before = "2026-03-02".parse().unwrap();
        gone(Destruction::Texts { room, kind: TextKind::Message, before }).await;
        assert_eq!(read(5).await.len(), 3);
        gone(Destruction::Texts { room, kind: TextKind::Transcript, before }).await;
        assert_eq!(read(5).await, [all[1].clone(), all[2].clone()]);
        gone(Destruction::Kept { room, user: UserId::new(1) }).await;
        assert_eq!(read(5).await, [all[2].clone()]);
        gone(Destruction::User(UserId::new(2))).await;
        assert_eq!(read(5).await, []);
        assert_eq!(vault.keep(&all[2..3]).await.unwrap(), 1, "the key is gone for good");
        gone(Destruction::Room(RoomId::new(6))).await;
        assert_eq!(read(6).await, []);
    }
}
