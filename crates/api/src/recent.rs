//! Where each log-in last wrote, so that it reads its own writes without asking for it.

use std::collections::HashMap;

use events::{Position, TokenId};
use parking_lot::Mutex;

/// Log-ins remembered in one generation; two generations are kept, so what was written a moment
/// ago is never the one forgotten.
const GENERATION_MAX: usize = 16_384;

/// The newest position of each log-in that wrote lately.
#[derive(Default)]
pub(crate) struct Recent(Mutex<Generations>);

#[derive(Default)]
struct Generations {
    young: HashMap<TokenId, Position>,
    old: HashMap<TokenId, Position>,
}

impl Recent {
    pub(crate) fn note(&self, token: TokenId, position: Position) {
        let mut generations = self.0.lock();
        if generations.young.len() >= GENERATION_MAX {
            generations.old = std::mem::take(&mut generations.young);
        }
        generations.young.insert(token, position);
    }

    /// Where the log-in last wrote, if lately.
    pub(crate) fn of(&self, token: TokenId) -> Option<Position> {
        let generations = self.0.lock();
        generations.young.get(&token).or_else(|| generations.old.get(&token)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_is_never_the_one_forgotten() {
        let recent = Recent::default();
        for id in 0..3 * GENERATION_MAX as u64 {
            recent.note(TokenId::new(id), Position::new(id));
            assert_eq!(recent.of(TokenId::new(id)), Some(Position::new(id)));
        }
        assert_eq!(recent.of(TokenId::new(0)), None);
    }
}
