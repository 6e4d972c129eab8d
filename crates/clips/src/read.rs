//! A little-endian reader that never reads past the end and always knows its place.

use crate::error::{ClipError, ClipFault};

/// A cursor over untrusted bytes.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0 }
    }

    /// Bytes read so far.
    pub(crate) fn offset(&self) -> usize {
        self.offset
    }

    /// Bytes not read yet.
    pub(crate) fn left(&self) -> usize {
        self.bytes.len() - self.offset
    }

    /// Refuses unless `needed` more bytes are there; nothing is read.
    pub(crate) fn need(&self, needed: u64, what: &'static str) -> Result<(), ClipError> {
        let left = self.left() as u64;
        if needed > left {
            return Err(ClipFault::Truncated { what, needed, left }.at(self.offset));
        }
        Ok(())
    }

    /// The next `n` bytes.
    pub(crate) fn take(&mut self, n: usize, what: &'static str) -> Result<&'a [u8], ClipError> {
        self.need(n as u64, what)?;
        let taken = &self.bytes[self.offset..self.offset + n];
        self.offset += n;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], ClipError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N, what)?);
        Ok(array)
    }

    pub(crate) fn u8(&mut self, what: &'static str) -> Result<u8, ClipError> {
        Ok(u8::from_le_bytes(self.array(what)?))
    }

    pub(crate) fn u16(&mut self, what: &'static str) -> Result<u16, ClipError> {
        Ok(u16::from_le_bytes(self.array(what)?))
    }

    pub(crate) fn u32(&mut self, what: &'static str) -> Result<u32, ClipError> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    pub(crate) fn u64(&mut self, what: &'static str) -> Result<u64, ClipError> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }

    pub(crate) fn f32(&mut self, what: &'static str) -> Result<f32, ClipError> {
        Ok(f32::from_le_bytes(self.array(what)?))
    }

    /// A `u16` length and that many bytes of UTF-8.
    pub(crate) fn string(&mut self, what: &'static str) -> Result<&'a str, ClipError> {
        let length = usize::from(self.u16(what)?);
        let start = self.offset;
        std::str::from_utf8(self.take(length, what)?)
            .map_err(|_| ClipFault::NotUtf8 { what }.at(start))
    }

    /// Refuses bytes after the end.
    pub(crate) fn finish(self) -> Result<(), ClipError> {
        match self.left() {
            0 => Ok(()),
            bytes => Err(ClipFault::Trailing { bytes: bytes as u64 }.at(self.offset)),
        }
    }
}
