//! The vault: one key per scope, durable before it is used, gone for good once destroyed.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use events::{Head, KeyScope, LogId, Personal, PersonalField, Position};

use crate::cache::{Cache, Held, Missing};
use crate::database::{Database, SCHEMA, StoredKey};
use crate::destruction::Destruction;
use crate::error::VaultError;
use crate::key::Key;
use crate::keys::{Keys, Opened};
use crate::secrets::Secrets;

const FINGERPRINT: &str = "fingerprint";
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
    cache: Cache,
}

impl Vault {
    /// Opens `sqlite:PATH` or `postgres://…`, making it if there is none. Refuses secrets other
    /// than those it was made with.
    pub async fn open(url: &str, secrets: &Secrets) -> Result<Self, VaultError> {
        let database = Database::open(url).await?;
        let found = database.fact("schema", SCHEMA).await?;
        if found != SCHEMA {
            return Err(VaultError::Schema { found, known: SCHEMA });
        }
        let fingerprint = secrets.fingerprint();
        if database.fact(FINGERPRINT, &fingerprint).await? != fingerprint {
            return Err(VaultError::WrongSecrets);
        }
        let cookies = secrets.cookie_fingerprint();
        if database.fact(COOKIE_FINGERPRINT, &cookies).await? != cookies {
            return Err(VaultError::WrongCookieKey);
        }
        let key_encryption = secrets.key_encryption().copy();
        Ok(Self(Arc::new(Inner { database, key_encryption, cache: Cache::default() })))
    }

    /// Whether this vault was ever tied to a log; a new one holds no keys.
    pub async fn is_bound(&self) -> Result<bool, VaultError> {
        Ok(self.0.database.stated(LOG).await?.is_some())
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
                self.hold(missing, stored, found)?;
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
        self.0.database.insert(&wrapped).await?;
        // Read back: another process may have been faster, and its key is the one that counts.
        for stored in self.0.database.load(&missing.scopes).await? {
            self.hold(&missing, stored, &mut keys.0)?;
        }
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

    /// Wraps every key anew under `new`'s key-encryption key, all or nothing. Other processes must
    /// be stopped; this vault is closed and can be opened with `new` alone. Returns how many.
    pub async fn rewrap(self, new: &Secrets) -> Result<usize, VaultError> {
        let mut rewrapped = Vec::new();
        let mut last = None;
        loop {
            let page = self.0.database.page(last).await?;
            let Some((scope, _)) = page.last() else { break };
            last = Some(*scope);
            for (scope, wrapped) in page {
                let label = scope.to_string();
                let wrapped = wrapped.unwrap_or_default();
                let key = Key::unwrap(&self.0.key_encryption, &label, &wrapped)?;
                rewrapped.push((scope, key.wrap(new.key_encryption(), &label)?));
            }
        }
        self.0.database.replace(&rewrapped, FINGERPRINT, &new.fingerprint()).await?;
        self.close().await;
        Ok(rewrapped.len())
    }

    /// Copies the vault as it is now to another place, where none may be: `sqlite:PATH` or
    /// `postgres://…`. The copy opens with the same secrets.
    pub async fn copy_to(&self, url: &str) -> Result<(), VaultError> {
        let to = Database::open(url).await?;
        if !to.is_empty().await? {
            return Err(VaultError::Occupied);
        }
        self.0.database.copy_into(&to).await?;
        to.close().await;
        Ok(())
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
        self.0.database.insert(&lost).await?;
        Ok(lost.len())
    }

    /// Rewrites the files without the space of what was destroyed.
    pub async fn compact(&self) -> Result<(), VaultError> {
        self.0.database.compact().await
    }

    /// Waits for what is under way and closes the database.
    pub async fn close(&self) {
        self.0.database.close().await;
    }
}
