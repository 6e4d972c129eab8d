//! The vault: one key per scope, durable before it is used, gone for good once destroyed.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use events::{Head, KeyScope, LogId, Personal, PersonalField, Position};

use crate::cache::{Cache, Held, Missing};
use crate::database::{Database, FINGERPRINT, SCHEMA, StoredKey};
use crate::destruction::Destruction;
use crate::error::VaultError;
use crate::key::Key;
use crate::keys::{Keys, Opened};
use crate::secrets::Secrets;

const COOKIE_FINGERPRINT: &str = "cookie_fingerprint";
const LOG: &str = "log";
const SWEPT: &str = "swept";
const ANCHOR: &str = "anchor";

/// The keys of one log. Cheap to clone; safe to share between tasks and processes.
#[derive(Clone)]
pub struct Vault(Arc<Inner>);

struct Inner {
    database: Database,
    key_encryption: Key,
    /// Of the secrets with that key.
    fingerprint: String,
    cache: Cache,
}

impl Vault {
    /// Opens `sqlite:PATH` or `postgres://…`, making it if there is none. Refuses secrets other
    /// than those it was made with.
    pub async fn open(url: &str, secrets: &Secrets) -> Result<Self, VaultError> {
        Self::over(Database::open(url).await?, secrets, Whole::Only).await
    }

    /// As [`Self::open`], but makes none: [`VaultError::Missing`] where there is none.
    pub async fn open_existing(url: &str, secrets: &Secrets) -> Result<Self, VaultError> {
        Self::over(Database::open_existing(url).await?, secrets, Whole::Only).await
    }

    async fn over(database: Database, secrets: &Secrets, whole: Whole) -> Result<Self, VaultError> {
        if let Err(error) = check(&database, secrets, whole).await {
            database.close().await;
            return Err(error);
        }
        let (key_encryption, fingerprint) =
            (secrets.key_encryption().copy(), secrets.fingerprint());
        let cache = Cache::default();
        Ok(Self(Arc::new(Inner { database, key_encryption, fingerprint, cache })))
    }

    /// Whether the keys are still wrapped under these secrets; [`VaultError::WrongSecrets`] when
    /// they were rotated since.
    pub async fn check_secrets(&self) -> Result<(), VaultError> {
        match self.0.database.stated(FINGERPRINT).await? {
            Some(found) if found == self.0.fingerprint => Ok(()),
            Some(_) | None => Err(VaultError::WrongSecrets),
        }
    }

    /// The log that this vault is tied to, if it is to one.
    pub async fn log(&self) -> Result<Option<LogId>, VaultError> {
        let Some(found) = self.0.database.stated(LOG).await? else { return Ok(None) };
        let unreadable = |_| VaultError::Unreadable { what: format!("the mark {LOG}") };
        found.parse().map(|id| Some(LogId::from_uuid(id))).map_err(unreadable)
    }

    /// Ties this vault to a log, the first time; afterwards refuses every other one.
    pub async fn bind(&self, log: LogId) -> Result<(), VaultError> {
        let found = self.0.database.fact(LOG, &log.to_string()).await?;
        if found == log.to_string() {
            return Ok(());
        }
        let found = found.parse().map_or(log, LogId::from_uuid);
        Err(VaultError::WrongLog { found, expected: log })
    }

    /// The keys of these scopes for reading. A scope without a key is no error until it is used.
    pub async fn keys(&self, scopes: &[KeyScope]) -> Result<Keys, VaultError> {
        let mut found = HashMap::with_capacity(scopes.len());
        let missing = self.0.cache.take(scopes, &mut found);
        self.load(&missing, &mut found).await?;
        Ok(Keys(found))
    }

    async fn load(
        &self,
        missing: &Missing,
        found: &mut HashMap<KeyScope, Held>,
    ) -> Result<(), VaultError> {
        if !missing.scopes.is_empty() {
            for stored in self.0.database.load(&missing.scopes).await? {
                if let Err(error) = self.hold(missing, stored, found) {
                    // It is no damage if it was wrapped anew.
                    self.check_secrets().await?;
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// The keys of these scopes for writing: where there never was one, one is made, and durable
    /// before this returns. Destroyed ones stay destroyed.
    pub async fn keys_for(&self, scopes: &[KeyScope]) -> Result<Keys, VaultError> {
        let mut keys = Keys(HashMap::with_capacity(scopes.len()));
        let unknown = self.0.cache.take(scopes, &mut keys.0);
        if unknown.scopes.is_empty() {
            return Ok(keys);
        }
        self.load(&unknown, &mut keys.0).await?;
        let missing = self.0.cache.take(&unknown.scopes, &mut keys.0);
        if missing.scopes.is_empty() {
            return Ok(keys);
        }
        let mut wrapped = Vec::with_capacity(missing.scopes.len());
        for scope in &missing.scopes {
            let key = Key::random()?.wrap(&self.0.key_encryption, &scope.to_string())?;
            wrapped.push((*scope, Some(key)));
        }
        self.0.database.insert(&wrapped, &self.0.fingerprint).await?;
        // Read back: another process may have been faster, and its key is the one that counts.
        self.load(&missing, &mut keys.0).await?;
        Ok(keys)
    }

    fn hold(
        &self,
        missing: &Missing,
        (scope, wrapped): StoredKey,
        found: &mut HashMap<KeyScope, Held>,
    ) -> Result<(), VaultError> {
        let held = match wrapped {
            Some(wrapped) => Held::Key(Arc::new(Key::unwrap(
                &self.0.key_encryption,
                &scope.to_string(),
                &wrapped,
            )?)),
            None => Held::Destroyed,
        };
        self.0.cache.put(missing, scope, held.clone());
        found.insert(scope, held);
        Ok(())
    }

    pub(crate) fn database(&self) -> &Database {
        &self.0.database
    }

    /// Opens one field; batches are faster through [`Self::keys`].
    pub async fn read(
        &self,
        scope: KeyScope,
        label: &str,
        field: &Personal,
    ) -> Result<Opened, VaultError> {
        match field {
            Personal::Clear(text) => Ok(Opened::Text(text.clone())),
            Personal::Sealed(bytes) => self.keys(&[scope]).await?.open(scope, label, bytes),
            Personal::Erased => Ok(Opened::Erased),
        }
    }

    /// Opens the fields that [`events::Event::personal`] names, in place.
    pub async fn read_fields(&self, fields: Vec<PersonalField<'_>>) -> Result<(), VaultError> {
        let scopes: Vec<KeyScope> = fields.iter().map(|field| field.scope).collect();
        self.keys(&scopes).await?.open_fields(fields)
    }

    /// Destroys keys for good, and remembers that everything up to this position was. Call it
    /// after the event that says so is durable, with positions that never fall.
    pub async fn destroy(&self, gone: &[Destruction], upto: Position) -> Result<(), VaultError> {
        let destroyed = self.0.database.destroy(gone, upto.get()).await;
        self.forget(gone);
        destroyed
    }

    /// Up to where the log's destructions are known to be done.
    pub async fn swept(&self) -> Result<Position, VaultError> {
        let swept = self.0.database.stated(SWEPT).await?.unwrap_or_else(|| "0".to_owned());
        swept.parse().map_err(|_| VaultError::Unreadable { what: format!("the mark {SWEPT}") })
    }

    /// The end of the log as it was when the anchor was last moved; `None` before the first time.
    pub async fn anchor(&self) -> Result<Option<Head>, VaultError> {
        let Some(text) = self.0.database.stated(ANCHOR).await? else { return Ok(None) };
        let unreadable = || VaultError::Unreadable { what: format!("the mark {ANCHOR}") };
        serde_json::from_str(&text).map(Some).map_err(|_| unreadable())
    }

    /// Remembers that the log reached so far, unless it is known to have reached further.
    pub async fn move_anchor(&self, head: Head) -> Result<(), VaultError> {
        if self.anchor().await?.is_none_or(|known| known.block < head.block) {
            self.state(ANCHOR, &head).await?;
        }
        Ok(())
    }

    /// Goes back to an end of the log that lies before the anchor, because what came after is given
    /// up. Keys whose destruction was in it are no longer known to be destroyed for the log's sake.
    pub async fn move_back(&self, head: Head) -> Result<(), VaultError> {
        self.state(ANCHOR, &head).await?;
        if self.swept().await? > head.position {
            self.0.database.state(SWEPT, &head.position.to_string()).await?;
        }
        Ok(())
    }

    async fn state(&self, name: &str, head: &Head) -> Result<(), VaultError> {
        let unreadable = |_| VaultError::Unreadable { what: format!("the mark {name}") };
        self.0.database.state(name, &serde_json::to_string(head).map_err(unreadable)?).await
    }

    /// Drops keys from this process's memory because the log says that they are gone.
    pub fn forget(&self, gone: &[Destruction]) {
        if !gone.is_empty() {
            self.0.cache.forget(gone);
        }
    }

    /// Wraps every key anew under `new`'s key-encryption key, all or nothing; this vault is closed
    /// and can be opened with `new` alone. Other processes that run on with the old one are refused
    /// with [`VaultError::WrongSecrets`] when they want to read or make a key. Returns how many.
    pub async fn rewrap(self, new: &Secrets) -> Result<usize, VaultError> {
        let wrap = |scope: KeyScope, wrapped: &[u8]| {
            let label = scope.to_string();
            let key = Key::unwrap(&self.0.key_encryption, &label, wrapped)?;
            key.wrap(new.key_encryption(), &label)
        };
        let rewrapped =
            self.0.database.rewrap(&self.0.fingerprint, &new.fingerprint(), wrap).await?;
        self.close().await;
        Ok(rewrapped)
    }

    /// Copies the vault as it is now to another place, where none may be: `sqlite:PATH` or
    /// `postgres://…`. The copy opens with the same secrets.
    pub async fn copy_to(&self, url: &str) -> Result<(), VaultError> {
        let to = Database::open(url).await?;
        self.0.database.copy_into(&to).await?;
        to.finish().await?;
        to.close().await;
        Ok(())
    }

    /// As [`Self::copy_to`], and opens the copy, which nobody else can until it is brought up to
    /// the log and [`Self::finish_restore`] is called. What was interrupted before that is begun
    /// anew. [`VaultError::Occupied`] where a vault is in use: one tied to a log, or with keys.
    pub async fn restore_to(&self, url: &str, secrets: &Secrets) -> Result<Self, VaultError> {
        let to = Database::open(url).await?;
        if let Err(error) = self.0.database.copy_into(&to).await {
            to.close().await;
            return Err(error);
        }
        Self::over(to, secrets, Whole::OrNot).await
    }

    /// The end of [`Self::restore_to`].
    pub async fn finish_restore(&self) -> Result<(), VaultError> {
        self.0.database.finish().await
    }

    /// Gives up the keys that are not there, so that what they sealed reads as erased: the end of
    /// keys that were made after the backup from which this vault came. Returns how many.
    pub async fn give_up(&self, scopes: &[KeyScope]) -> Result<usize, VaultError> {
        let missing = self.0.cache.take(scopes, &mut HashMap::new());
        let known = self.0.database.load(&missing.scopes).await?;
        let known: HashSet<KeyScope> = known.into_iter().map(|(scope, _)| scope).collect();
        let lost: Vec<StoredKey> = missing
            .scopes
            .into_iter()
            .filter(|scope| !known.contains(scope))
            .map(|scope| (scope, None))
            .collect();
        self.0.database.insert(&lost, &self.0.fingerprint).await?;
        Ok(lost.len())
    }

    /// Rewrites the files without the space of what was destroyed. False when somebody reads an
    /// older state of them all along: then they still hold it.
    pub async fn compact(&self) -> Result<bool, VaultError> {
        self.0.database.compact().await
    }

    /// Waits for what is under way and closes the database.
    pub async fn close(&self) {
        self.0.database.close().await;
    }
}

/// Whether half a vault is opened too.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whole {
    Only,
    OrNot,
}

/// Whether this is a whole vault that this binary knows and these secrets open.
async fn check(database: &Database, secrets: &Secrets, whole: Whole) -> Result<(), VaultError> {
    let found = database.fact("schema", SCHEMA).await?;
    if found != SCHEMA {
        return Err(VaultError::Schema { found, known: SCHEMA });
    }
    if whole == Whole::Only && database.is_unfinished().await? {
        return Err(VaultError::Unfinished);
    }
    let fingerprint = secrets.fingerprint();
    let found = database.fact(FINGERPRINT, &fingerprint).await?;
    if found != fingerprint {
        return Err(match secrets.next_fingerprint() {
            Some(next) if next == found => VaultError::RotationUnfinished,
            Some(_) | None => VaultError::WrongSecrets,
        });
    }
    let cookies = secrets.cookie_fingerprint();
    if database.fact(COOKIE_FINGERPRINT, &cookies).await? != cookies {
        return Err(VaultError::WrongCookieKey);
    }
    Ok(())
}
