//! The folder of secrets: what protects the vault's keys, the passwords, the names' digests and
//! the cookies. Made once, 0600 in a 0700 folder, never printed, never in a database.
//!
//! The key-encryption key may come from elsewhere ([`KeyEncryption`]), such as the machine's own
//! store of secrets; then it is not in the folder, nor in a backup.

mod folder;

use std::path::Path;

use events::{NameDigest, TokenDigest};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::error::VaultError;
use crate::key::{KEY_BYTES, Key};

const KEY_ENCRYPTION: &str = "key-encryption.key";
/// Beside it while a rotation runs: in the same folder, since that may be a file system of its own.
const KEY_ENCRYPTION_NEXT: &str = "key-encryption.key.next";
const PASSWORD_PEPPER: &str = "password-pepper.key";
const NAME_DIGEST: &str = "name-digest.key";
const COOKIE: &str = "cookie.key";
const HMAC_BLOCK_BYTES: usize = 64;

/// A key-encryption key that is kept outside the folder: 64 hexadecimal characters.
pub struct KeyEncryption(Key);

impl KeyEncryption {
    /// Reads it from text; `from` is what the text came from, for the error.
    pub fn parse(text: &str, from: &str) -> Result<Self, VaultError> {
        let malformed = || VaultError::SecretsMalformed { path: from.to_owned() };
        folder::parse(text).map(Self).ok_or_else(malformed)
    }

    /// Reads it from a file. Who may read that file is the affair of whoever provides it: a
    /// container's secrets are commonly 0444 and seen by nobody else.
    pub fn read(file: &Path) -> Result<Self, VaultError> {
        folder::read_any(file).map(Self)
    }
}

/// The keys that protect everything else. Has no `Debug` and can't be serialized.
pub struct Secrets {
    key_encryption: Key,
    /// It is kept elsewhere.
    given: bool,
    /// The one that a rotation was to put in its place, if one was begun.
    next: Option<Key>,
    pepper: Key,
    names: Key,
    cookies: Key,
}

impl Secrets {
    /// Makes a new folder of secrets; refuses to touch an existing one's files. What was interrupted
    /// is gone on with: the keys that are there stay.
    pub fn init(folder: &Path) -> Result<Self, VaultError> {
        Self::init_with(folder, None)
    }

    /// As [`Self::init`], but for a key-encryption key that is kept elsewhere.
    pub fn init_with(folder: &Path, given: Option<KeyEncryption>) -> Result<Self, VaultError> {
        folder::make(folder)?;
        if Self::exist_with(folder, given.is_some()) {
            let last = if given.is_some() { COOKIE } else { KEY_ENCRYPTION };
            return Err(VaultError::SecretsExist { path: folder::shown(&folder.join(last)) });
        }
        // The key-encryption key last: a folder is whole when it has that one.
        Ok(Self {
            pepper: folder::put(folder, PASSWORD_PEPPER, &Key::random()?)?,
            names: folder::put(folder, NAME_DIGEST, &Key::random()?)?,
            cookies: folder::put(folder, COOKIE, &Key::random()?)?,
            given: given.is_some(),
            key_encryption: match given {
                Some(given) => given.0,
                None => folder::put(folder, KEY_ENCRYPTION, &Key::random()?)?,
            },
            next: None,
        })
    }

    /// Reads a folder that [`Self::init`] made.
    pub fn open(folder: &Path) -> Result<Self, VaultError> {
        Self::open_with(folder, None)
    }

    /// As [`Self::open`], but with the key-encryption key that is given, whether or not there is one
    /// in the folder.
    pub fn open_with(folder: &Path, given: Option<KeyEncryption>) -> Result<Self, VaultError> {
        folder::check(folder)?;
        let is_given = given.is_some();
        let key_encryption = if let Some(given) = given {
            given.0
        } else {
            let path = folder.join(KEY_ENCRYPTION);
            let missing = || VaultError::KeyEncryptionMissing { path: folder::shown(&path) };
            folder::read_if_there(&path)?.ok_or_else(missing)?
        };
        Ok(Self {
            key_encryption,
            given: is_given,
            next: folder::read_if_there(&folder.join(KEY_ENCRYPTION_NEXT))?,
            pepper: folder::read(&folder.join(PASSWORD_PEPPER))?,
            names: folder::read(&folder.join(NAME_DIGEST))?,
            cookies: folder::read(&folder.join(COOKIE))?,
        })
    }

    /// The same secrets in a new folder, such as that of a backup; without the key-encryption key if
    /// that is kept elsewhere.
    pub fn copy_to(&self, folder: &Path) -> Result<(), VaultError> {
        folder::make(folder)?;
        let copy = |name: &str, key: &Key| {
            if folder::put(folder, name, key)?.bytes() == key.bytes() {
                return Ok(());
            }
            Err(VaultError::SecretsExist { path: folder::shown(&folder.join(name)) })
        };
        copy(PASSWORD_PEPPER, &self.pepper)?;
        copy(NAME_DIGEST, &self.names)?;
        copy(COOKIE, &self.cookies)?;
        if self.given { Ok(()) } else { copy(KEY_ENCRYPTION, &self.key_encryption) }
    }

    /// Whether a folder holds secrets already.
    pub fn exist(folder: &Path) -> bool {
        Self::exist_with(folder, false)
    }

    /// As [`Self::exist`]; whether the key-encryption key is kept elsewhere.
    pub fn exist_with(folder: &Path, given: bool) -> bool {
        folder.join(if given { COOKIE } else { KEY_ENCRYPTION }).exists()
    }

    /// The same secrets under another key-encryption key, which is kept elsewhere.
    #[must_use]
    pub fn with(&self, key_encryption: KeyEncryption) -> Self {
        self.under(key_encryption.0, true)
    }

    /// The same secrets under a fresh key-encryption key, which lies in the folder beside the one
    /// that is there: the first step of a rotation. [`crate::Vault::rewrap`] is the second,
    /// [`Self::adopt_next`] the third.
    pub fn make_next(&self, folder: &Path) -> Result<Self, VaultError> {
        folder::clear_halves(folder)?;
        folder::remove_if_there(&folder.join(KEY_ENCRYPTION_NEXT))?;
        let next = folder::put(folder, KEY_ENCRYPTION_NEXT, &Key::random()?)?;
        Ok(self.under(next, false))
    }

    /// The same secrets under the key that a rotation was to put in place, if one was begun.
    pub fn next(&self) -> Option<Self> {
        Some(self.under(self.next.as_ref()?.copy(), false))
    }

    /// Puts the key of a rotation in the place of the one in `folder`: the end of a rotation. It is
    /// the one or the other at any moment.
    pub fn adopt_next(folder: &Path) -> Result<(), VaultError> {
        folder::rename(folder, KEY_ENCRYPTION_NEXT, KEY_ENCRYPTION)
    }

    fn under(&self, key_encryption: Key, given: bool) -> Self {
        Self {
            key_encryption,
            given,
            next: None,
            pepper: self.pepper.copy(),
            names: self.names.copy(),
            cookies: self.cookies.copy(),
        }
    }

    /// Whether the key-encryption key is kept outside the folder.
    pub fn is_given(&self) -> bool {
        self.given
    }

    /// Names these secrets without telling anything of them: 64 hexadecimal characters.
    pub fn fingerprint(&self) -> String {
        self.fingerprint_under(&self.key_encryption)
    }

    /// As [`Self::fingerprint`], under the key of a rotation that was begun.
    pub(crate) fn next_fingerprint(&self) -> Option<String> {
        self.next.as_ref().map(|next| self.fingerprint_under(next))
    }

    fn fingerprint_under(&self, key_encryption: &Key) -> String {
        let all =
            [key_encryption, &self.pepper, &self.names].map(|key| mac(key, "fingerprint", b""));
        hex::encode(Sha256::digest(all.concat()))
    }

    /// Names the key that signs cookies, alone: 64 hexadecimal characters.
    pub fn cookie_fingerprint(&self) -> String {
        hex::encode(mac(&self.cookies, "fingerprint", b""))
    }

    /// Digest of a user name as it is compared (NFKC, case folded).
    pub fn username_digest(&self, typed: &str) -> NameDigest {
        self.digest_of("username", &events::text::compared_name(typed))
    }

    /// Digest of an e-mail address as it is compared (trimmed, lower case).
    pub fn email_digest(&self, typed: &str) -> NameDigest {
        self.digest_of("email", &events::text::email(typed))
    }

    fn digest_of(&self, domain: &str, compared: &str) -> NameDigest {
        let digest = mac(&self.names, domain, compared.as_bytes());
        NameDigest::from_bytes(digest.first_chunk().copied().unwrap_or_default())
    }

    /// Keyed digest of a request's body, to tell a retry from another request.
    pub fn body_digest(&self, body: &[u8]) -> u64 {
        let digest = mac(&self.names, "body", body);
        u64::from_be_bytes(digest.first_chunk().copied().unwrap_or_default())
    }

    /// The secret that goes into every password hash.
    pub fn pepper(&self) -> &[u8; KEY_BYTES] {
        self.pepper.bytes()
    }

    /// A cookie's value with its signature: `value.signature`.
    pub fn sign_cookie(&self, value: &str) -> String {
        format!("{value}.{}", hex::encode(mac(&self.cookies, "cookie", value.as_bytes())))
    }

    /// The value of [`Self::sign_cookie`], if the signature is ours.
    pub fn verify_cookie<'a>(&self, signed: &'a str) -> Option<&'a str> {
        let (value, signature) = signed.rsplit_once('.')?;
        let signature = hex::decode(signature).ok()?;
        keyed(&self.cookies, "cookie", value.as_bytes()).verify_slice(&signature).ok()?;
        Some(value)
    }

    pub(crate) fn key_encryption(&self) -> &Key {
        &self.key_encryption
    }
}

/// Digest of a token, session or link secret. No key: the secret itself is 128 random bits.
pub fn token_digest(secret: &str) -> TokenDigest {
    let digest: [u8; 32] = Sha256::digest(secret.as_bytes()).into();
    TokenDigest::from_bytes(digest.first_chunk().copied().unwrap_or_default())
}

fn keyed(key: &Key, domain: &str, text: &[u8]) -> Hmac<Sha256> {
    // A shorter key is padded with zeros: the definition of HMAC, here without a failing path.
    let mut padded = Zeroizing::new([0; HMAC_BLOCK_BYTES]);
    padded[..KEY_BYTES].copy_from_slice(key.bytes());
    let mut mac = Hmac::<Sha256>::new((&*padded).into());
    mac.update(domain.as_bytes());
    mac.update(&[0]);
    mac.update(text);
    mac
}

fn mac(key: &Key, domain: &str, text: &[u8]) -> [u8; 32] {
    keyed(key, domain, text).finalize().into_bytes().into()
}

#[cfg(test)]
mod tests;
