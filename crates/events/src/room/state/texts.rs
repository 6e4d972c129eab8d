//! Whose the texts of a room are, in as little memory as it takes: there is one entry for every
//! message that is kept.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::id::UserId;
use crate::time::Timestamp;

/// Whose text a message or a segment is, and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextOf {
    /// Who wrote or signed it.
    pub author: UserId,
    /// The newest revision.
    pub revision: u32,
    /// Days since 1970 when it was first stored.
    day: u16,
    /// A person's hand was last on it.
    pub by_person: bool,
    /// A tombstone.
    pub deleted: bool,
}

impl TextOf {
    pub(super) fn first(author: UserId, by_person: bool, at: Timestamp) -> Self {
        let days = at.day().signed_duration_since(NaiveDate::default()).num_days();
        let day = u16::try_from(days.max(0)).unwrap_or(u16::MAX);
        Self { author, revision: 1, day, by_person, deleted: false }
    }

    /// The UTC day on which it was first stored (until 2149, which is the last).
    pub fn day(&self) -> NaiveDate {
        NaiveDate::default() + chrono::Days::new(u64::from(self.day))
    }
}

/// Texts by their ids, 24 bytes each. Ids rise in log order, so the next one goes to the end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Texts<Id>(Vec<(Id, TextOf)>);

impl<Id> Default for Texts<Id> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<Id: Ord + Copy> Texts<Id> {
    /// The newest.
    pub(super) fn last(&self) -> Option<Id> {
        self.0.last().map(|(id, _)| *id)
    }

    pub(super) fn get(&self, id: Id) -> Option<&TextOf> {
        self.place(id).ok().and_then(|place| self.0.get(place)).map(|(_, text)| text)
    }

    pub(super) fn get_mut(&mut self, id: Id) -> Option<&mut TextOf> {
        let place = self.place(id).ok()?;
        self.0.get_mut(place).map(|(_, text)| text)
    }

    pub(super) fn insert(&mut self, id: Id, text: TextOf) {
        if self.0.last().is_none_or(|(last, _)| *last < id) {
            return self.0.push((id, text));
        }
        match self.place(id) {
            Ok(place) => self.0[place].1 = text,
            Err(place) => self.0.insert(place, (id, text)),
        }
    }

    pub(super) fn keep_from(&mut self, day: NaiveDate) {
        self.0.retain(|(_, text)| text.day() >= day);
        self.0.shrink_to_fit();
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &TextOf> {
        self.0.iter().map(|(_, text)| text)
    }

    fn place(&self, id: Id) -> Result<usize, usize> {
        self.0.binary_search_by_key(&id, |(id, _)| *id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::MessageId;

    #[test]
    fn texts_take_24_bytes_and_are_found_in_whatever_order_they_came() {
        assert_eq!(size_of::<(MessageId, TextOf)>(), 24);
        let at = Timestamp::from_micros(1_767_225_600_000_000);
        let text = |author| TextOf::first(UserId::new(author), true, at);
        let mut texts = Texts::default();
        for id in [1, 5, 9, 3, 7, 5] {
            texts.insert(MessageId::new(id), text(id));
        }
        assert_eq!(texts.values().count(), 5);
        for id in 0..12 {
            let found = texts.get(MessageId::new(id)).map(|text| text.author.get());
            assert_eq!(found, [1, 3, 5, 7, 9].contains(&id).then_some(id));
        }
        assert_eq!(text(1).day(), at.day());
        texts.keep_from(at.day().succ_opt().unwrap());
        assert_eq!(texts, Texts::default());
    }
}
