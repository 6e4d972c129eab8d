//! One symmetric key, and the only two things done with it: XChaCha20-Poly1305 both ways.

use std::cell::RefCell;

use chacha20poly1305::aead::{Aead as _, AeadInOut as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::{Zeroize as _, ZeroizeOnDrop, Zeroizing};

use crate::error::VaultError;

/// Bytes of a key.
pub(crate) const KEY_BYTES: usize = 32;
/// Bytes of the nonce in front of every ciphertext; random, which 192 bits make safe.
const NONCE_BYTES: usize = 24;

/// Bytes of the tag at the end of every ciphertext.
const TAG_BYTES: usize = 16;
/// Nonces that a thread draws from the operating system at once.
const NONCES_AT_ONCE: usize = 128;

/// Drawn and not used yet. Nonces are no secrets: they are stored beside what they sealed.
struct Nonces {
    drawn: [[u8; NONCE_BYTES]; NONCES_AT_ONCE],
    left: usize,
}

thread_local! {
    static NONCES: RefCell<Nonces> =
        const { RefCell::new(Nonces { drawn: [[0; NONCE_BYTES]; NONCES_AT_ONCE], left: 0 }) };
}

/// One that was never handed out before.
fn nonce() -> Result<[u8; NONCE_BYTES], VaultError> {
    NONCES.with_borrow_mut(|nonces| {
        if nonces.left == 0 {
            getrandom::fill(nonces.drawn.as_flattened_mut()).map_err(VaultError::Random)?;
            nonces.left = NONCES_AT_ONCE;
        }
        nonces.left -= 1;
        Ok(nonces.drawn[nonces.left])
    })
}

/// 256 bits that are wiped when dropped and can't be printed.
#[derive(ZeroizeOnDrop)]
pub(crate) struct Key([u8; KEY_BYTES]);

impl Key {
    /// A fresh key from the operating system.
    pub(crate) fn random() -> Result<Self, VaultError> {
        let mut key = Self([0; KEY_BYTES]);
        getrandom::fill(&mut key.0).map_err(VaultError::Random)?;
        Ok(key)
    }

    /// Takes over bytes that were stored, and wipes the slice.
    pub(crate) fn take(bytes: &mut [u8]) -> Option<Self> {
        let key = <[u8; KEY_BYTES]>::try_from(&*bytes).ok().map(Self);
        bytes.zeroize();
        key
    }

    pub(crate) fn copy(&self) -> Self {
        Self(self.0)
    }

    pub(crate) fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// Nonce and ciphertext; `label` must be given again to open it.
    pub(crate) fn seal(&self, label: &str, text: &[u8]) -> Result<Vec<u8>, VaultError> {
        let nonce = nonce()?;
        let mut sealed = Vec::with_capacity(NONCE_BYTES + text.len() + TAG_BYTES);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(text);
        let (_, body) = sealed.split_at_mut(NONCE_BYTES);
        let tag = XChaCha20Poly1305::new((&self.0).into())
            .encrypt_inout_detached(&XNonce::from(nonce), label.as_bytes(), body.into())
            .map_err(|_| VaultError::Unreadable { what: label.to_owned() })?;
        sealed.extend_from_slice(&tag);
        Ok(sealed)
    }

    /// The text of [`Self::seal`].
    pub(crate) fn open(
        &self,
        label: &str,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let unreadable = || VaultError::Unreadable { what: label.to_owned() };
        let (nonce, msg) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or_else(unreadable)?;
        XChaCha20Poly1305::new((&self.0).into())
            .decrypt(&XNonce::from(*nonce), Payload { msg, aad: label.as_bytes() })
            .map(Zeroizing::new)
            .map_err(|_| unreadable())
    }

    /// This key sealed under another one.
    pub(crate) fn wrap(&self, by: &Key, label: &str) -> Result<Vec<u8>, VaultError> {
        by.seal(label, &self.0)
    }

    /// The key of [`Self::wrap`].
    pub(crate) fn unwrap(by: &Key, label: &str, wrapped: &[u8]) -> Result<Self, VaultError> {
        let mut bytes = by.open(label, wrapped)?;
        Self::take(&mut bytes).ok_or_else(|| VaultError::Unreadable { what: label.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_opens_only_with_its_key_and_label() {
        let (key, other) = (Key::random().unwrap(), Key::random().unwrap());
        let sealed = key.seal("user.username/1", b"Ada").unwrap();
        assert_eq!(&key.open("user.username/1", &sealed).unwrap()[..], b"Ada");
        assert!(key.open("user.username/2", &sealed).is_err());
        assert!(other.open("user.username/1", &sealed).is_err());
        for place in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[place] ^= 1;
            assert!(key.open("user.username/1", &damaged).is_err());
        }
        assert!(key.open("user.username/1", &sealed[..10]).is_err());
    }

    #[test]
    fn no_two_seals_are_alike() {
        let key = Key::random().unwrap();
        assert_ne!(key.seal("x", b"Ada").unwrap(), key.seal("x", b"Ada").unwrap());
    }

    #[test]
    fn wrapped_keys_come_back() {
        let (by, key) = (Key::random().unwrap(), Key::random().unwrap());
        let wrapped = key.wrap(&by, "user/1").unwrap();
        assert_eq!(Key::unwrap(&by, "user/1", &wrapped).unwrap().bytes(), key.bytes());
        assert!(Key::unwrap(&by, "user/2", &wrapped).is_err());
    }
}
