//! The folder of secrets: what protects the vault's keys, the passwords, the names' digests and
//! the cookies. Made once, 0600 in a 0700 folder, never printed, never in a database.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use events::{NameDigest, TokenDigest};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::error::VaultError;
use crate::key::{KEY_BYTES, Key};

const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
const KEY_ENCRYPTION: &str = "key-encryption.key";
const PASSWORD_PEPPER: &str = "password-pepper.key";
const NAME_DIGEST: &str = "name-digest.key";
const COOKIE: &str = "cookie.key";
const HMAC_BLOCK_BYTES: usize = 64;

/// The keys that protect everything else. Has no `Debug` and can't be serialized.
pub struct Secrets {
    key_encryption: Key,
    pepper: Key,
    names: Key,
    cookies: Key,
}

impl Secrets {
    /// Makes a new folder of secrets; refuses to touch an existing one's files.
    pub fn init(folder: &Path) -> Result<Self, VaultError> {
        let secrets = Self {
            key_encryption: Key::random()?,
            pepper: Key::random()?,
            names: Key::random()?,
            cookies: Key::random()?,
        };
        secrets.write(folder)?;
        Ok(secrets)
    }

    /// The same secrets with a fresh key-encryption key, in a new folder: the first half of a
    /// rotation; [`crate::Vault::rewrap`] is the second.
    pub fn init_rotated(&self, folder: &Path) -> Result<Self, VaultError> {
        let secrets = Self {
            key_encryption: Key::random()?,
            pepper: self.pepper.copy(),
            names: self.names.copy(),
            cookies: self.cookies.copy(),
        };
        secrets.write(folder)?;
        Ok(secrets)
    }

    /// Reads a folder that [`Self::init`] made.
    pub fn open(folder: &Path) -> Result<Self, VaultError> {
        if !folder.is_dir() {
            return Err(VaultError::SecretsMissing { path: shown(folder) });
        }
        check_mode(folder, FOLDER_MODE)?;
        Ok(Self {
            key_encryption: read(&folder.join(KEY_ENCRYPTION))?,
            pepper: read(&folder.join(PASSWORD_PEPPER))?,
            names: read(&folder.join(NAME_DIGEST))?,
            cookies: read(&folder.join(COOKIE))?,
        })
    }

    /// The same secrets in a new folder, such as that of a backup.
    pub fn copy_to(&self, folder: &Path) -> Result<(), VaultError> {
        self.write(folder)
    }

    /// Puts the key-encryption key of `next` in the place of the one in `folder`, and removes `next`:
    /// the end of a rotation. It is the one or the other at any moment.
    pub fn adopt(next: &Path, folder: &Path) -> Result<(), VaultError> {
        let (from, to) = (next.join(KEY_ENCRYPTION), folder.join(KEY_ENCRYPTION));
        let file_error = |path: &Path| {
            let path = shown(path);
            move |source| VaultError::File { path, source }
        };
        fs::rename(from, &to).map_err(file_error(&to))?;
        let opened = fs::File::open(folder).map_err(file_error(folder))?;
        opened.sync_all().map_err(file_error(folder))?;
        fs::remove_dir_all(next).map_err(file_error(next))
    }

    /// Whether a folder holds secrets already.
    pub fn exist(folder: &Path) -> bool {
        folder.join(KEY_ENCRYPTION).exists()
    }

    fn write(&self, folder: &Path) -> Result<(), VaultError> {
        let file_error = |path: &Path| {
            let path = shown(path);
            move |source| VaultError::File { path, source }
        };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(FOLDER_MODE)
            .create(folder)
            .map_err(file_error(folder))?;
        check_mode(folder, FOLDER_MODE)?;
        // The key-encryption key last: a folder is whole when it has that one.
        let keys = [
            (PASSWORD_PEPPER, &self.pepper),
            (NAME_DIGEST, &self.names),
            (COOKIE, &self.cookies),
            (KEY_ENCRYPTION, &self.key_encryption),
        ];
        for (name, key) in keys {
            let path = folder.join(name);
            let opened =
                fs::OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(&path);
            let mut file = opened.map_err(|source| {
                if source.kind() == std::io::ErrorKind::AlreadyExists {
                    VaultError::SecretsExist { path: shown(&path) }
                } else {
                    VaultError::File { path: shown(&path), source }
                }
            })?;
            let text =
                Zeroizing::new(format!("{}\n", Zeroizing::new(hex::encode(key.bytes())).as_str()));
            file.write_all(text.as_bytes()).map_err(file_error(&path))?;
            file.sync_all().map_err(file_error(&path))?;
        }
        let opened = fs::File::open(folder).map_err(file_error(folder))?;
        opened.sync_all().map_err(file_error(folder))
    }

    /// Names these secrets without telling anything of them: 64 hexadecimal characters.
    pub fn fingerprint(&self) -> String {
        let all = [&self.key_encryption, &self.pepper, &self.names]
            .map(|key| mac(key, "fingerprint", b""));
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

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn check_mode(path: &Path, wanted: u32) -> Result<(), VaultError> {
    let metadata =
        fs::metadata(path).map_err(|source| VaultError::File { path: shown(path), source })?;
    let mode = metadata.mode() & 0o777;
    if mode & !wanted != 0 {
        return Err(VaultError::SecretsExposed { path: shown(path), mode, wanted });
    }
    Ok(())
}

fn read(path: &Path) -> Result<Key, VaultError> {
    let text = fs::read_to_string(path).map(Zeroizing::new).map_err(|source| {
        if source.kind() == std::io::ErrorKind::NotFound {
            VaultError::SecretsMissing { path: shown(path) }
        } else {
            VaultError::File { path: shown(path), source }
        }
    })?;
    check_mode(path, FILE_MODE)?;
    let malformed = || VaultError::SecretsMalformed { path: shown(path) };
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    hex::decode_to_slice(text.trim(), &mut *bytes).map_err(|_| malformed())?;
    Key::take(&mut *bytes).ok_or_else(malformed)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn made() -> (tempfile::TempDir, Secrets) {
        let folder = tempfile::tempdir().unwrap();
        let secrets = Secrets::init(&folder.path().join("secrets")).unwrap();
        (folder, secrets)
    }

    #[test]
    fn what_was_made_opens_again_with_the_same_fingerprint() {
        let (folder, secrets) = made();
        let again = Secrets::open(&folder.path().join("secrets")).unwrap();
        assert_eq!(again.fingerprint(), secrets.fingerprint());
        assert_eq!(again.pepper(), secrets.pepper());
        assert_ne!(made().1.fingerprint(), secrets.fingerprint());
    }

    #[test]
    fn nothing_is_overwritten_and_nothing_missing_is_made_up() {
        let (folder, _secrets) = made();
        let folder = folder.path().join("secrets");
        assert!(matches!(Secrets::init(&folder), Err(VaultError::SecretsExist { .. })));
        fs::remove_file(folder.join(COOKIE)).unwrap();
        assert!(matches!(Secrets::open(&folder), Err(VaultError::SecretsMissing { .. })));
        let nowhere = folder.join("nowhere");
        assert!(matches!(Secrets::open(&nowhere), Err(VaultError::SecretsMissing { .. })));
        assert!(!Secrets::exist(&nowhere) && Secrets::exist(&folder));
    }

    #[test]
    fn files_that_others_can_read_are_refused() {
        let (folder, _secrets) = made();
        let file = folder.path().join("secrets").join(NAME_DIGEST);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        let refused = Secrets::open(&folder.path().join("secrets")).err().unwrap();
        assert!(refused.to_string().contains("chmod 600"), "{refused}");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&file, "abc").unwrap();
        let refused = Secrets::open(&folder.path().join("secrets")).err().unwrap();
        assert!(matches!(refused, VaultError::SecretsMalformed { .. }));
    }

    #[test]
    fn names_that_compare_equal_have_one_digest_in_each_domain() {
        let (_folder, secrets) = made();
        assert_eq!(secrets.username_digest("ＡＤＡ"), secrets.username_digest(" ada"));
        assert_eq!(
            secrets.email_digest("Ada@Example.org "),
            secrets.email_digest("ada@example.org")
        );
        assert_ne!(secrets.username_digest("ada"), secrets.email_digest("ada"));
        assert_ne!(made().1.username_digest("ada"), secrets.username_digest("ada"));
        assert_ne!(secrets.body_digest(b"{}"), secrets.body_digest(b"{ }"));
    }

    #[test]
    fn cookies_are_ours_or_nobodys() {
        let (_folder, secrets) = made();
        let signed = secrets.sign_cookie("device.12");
        assert_eq!(secrets.verify_cookie(&signed), Some("device.12"));
        assert_eq!(secrets.verify_cookie(&signed.replace("12", "13")), None);
        assert_eq!(made().1.verify_cookie(&signed), None);
        assert_eq!(secrets.verify_cookie("device"), None);
    }

    #[test]
    fn a_rotation_changes_the_key_encryption_key_alone() {
        let (folder, secrets) = made();
        let rotated = secrets.init_rotated(&folder.path().join("next")).unwrap();
        assert_ne!(rotated.fingerprint(), secrets.fingerprint());
        assert_eq!(rotated.username_digest("ada"), secrets.username_digest("ada"));
        assert_eq!(rotated.pepper(), secrets.pepper());
    }
}
