//! Passwords: the policy, and hashing on threads of its own behind a short queue, so that a
//! flood of log-ins slows no other route.
//!
//! Kept is `bcrypt(base64(HMAC-SHA-384(password, pepper)))`: 64 characters go into bcrypt, so
//! nothing is cut at its 72 bytes, and a stolen table is worth nothing without the pepper.

mod pool;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha384;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use crate::error::{ApiError, FieldError};
use crate::secret::Secret;

pub(crate) use pool::Lane;
use pool::{Full, Job, Pool};

/// Fewest characters of a password.
pub(crate) const LENGTH_MIN: usize = 12;
/// Most characters of a password.
pub(crate) const LENGTH_MAX: usize = 256;

/// Words that a guesser tries here first, beside the user's own name and address.
const CONTEXT: [&str; 1] = ["signcall"];
/// Fewest letters of a word of the user's own that counts.
const WORD_MIN: usize = 3;

/// The threads that hash.
pub(crate) struct Passwords {
    pool: Pool,
    hasher: Arc<Hasher>,
    /// What an unknown user's password is compared with: as costly as any other.
    dummy: String,
}

struct Hasher {
    pepper: Zeroizing<Vec<u8>>,
    cost: u32,
}

/// How a password compared.
pub(crate) struct Verified {
    /// It is the right one.
    pub(crate) right: bool,
    /// It is right, and was hashed at another cost: the hash at today's.
    pub(crate) rehashed: Option<String>,
}

impl Passwords {
    /// Starts one thread less than there are processors, but at least one.
    pub(crate) fn start(pepper: &[u8], cost: u32) -> Result<Self, ApiError> {
        let hasher = Arc::new(Hasher { pepper: Zeroizing::new(pepper.to_vec()), cost });
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| ApiError::Internal(error.to_string()))?;
        let dummy = hasher.hash(&hex::encode(random))?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let pool = Pool::start(cores.saturating_sub(1).max(1))
            .map_err(|error| ApiError::Internal(error.to_string()))?;
        Ok(Self { pool, hasher, dummy })
    }

    /// Hashes a password that has passed [`check`], unless `still` says, when its turn comes, that
    /// it is not wanted any more.
    pub(crate) async fn hash(
        &self,
        lane: Lane,
        password: Secret,
        still: impl FnOnce() -> Result<(), ApiError> + Send + 'static,
    ) -> Result<String, ApiError> {
        let hasher = Arc::clone(&self.hasher);
        self.run(lane, move || still().and_then(|()| hasher.hash(password.expose()))).await?
    }

    /// Compares with a stored hash, or, where there is none, with one that nothing matches: always
    /// exactly one hash, and one more only when a right password has to be hashed anew.
    pub(crate) async fn verify(
        &self,
        lane: Lane,
        password: Secret,
        stored: Option<String>,
    ) -> Result<Verified, ApiError> {
        let hasher = Arc::clone(&self.hasher);
        let known = stored.is_some();
        let stored = stored.unwrap_or_else(|| self.dummy.clone());
        self.run(lane, move || {
            let right = hasher.verify(password.expose(), &stored) && known;
            let rehashed = if right && hasher.is_outdated(&stored) {
                hasher.hash(password.expose()).ok()
            } else {
                None
            };
            Verified { right, rehashed }
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        lane: Lane,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move || {
            // Who has gone meanwhile needs no answer.
            if !reply.is_closed() {
                drop(reply.send(work()));
            }
        });
        self.pool.push(lane, job).map_err(|Full| ApiError::PasswordsBusy)?;
        answer.await.map_err(|_| ApiError::Stopping)
    }
}

impl Hasher {
    /// 64 characters, whatever the password's length.
    fn peppered(&self, password: &str) -> Result<Zeroizing<String>, ApiError> {
        let mut mac = Hmac::<Sha384>::new_from_slice(&self.pepper)
            .map_err(|error| ApiError::Internal(error.to_string()))?;
        mac.update(password.as_bytes());
        Ok(Zeroizing::new(BASE64.encode(mac.finalize().into_bytes())))
    }

    fn hash(&self, password: &str) -> Result<String, ApiError> {
        let peppered = self.peppered(password)?;
        count();
        bcrypt::non_truncating_hash(peppered.as_bytes(), self.cost)
            .map_err(|error| ApiError::Internal(error.to_string()))
    }

    fn verify(&self, password: &str, stored: &str) -> bool {
        let Ok(text) = self.peppered(password) else { return false };
        count();
        let right = bcrypt::verify(text.as_bytes(), stored).unwrap_or(false);
        if !right {
            // A hash of a smaller cost was compared faster than an unknown user's would be. Each
            // cost is twice the one before: one hash of each in between makes up for it.
            for cost in cost_of(stored).unwrap_or(self.cost)..self.cost {
                std::hint::black_box(bcrypt::bcrypt(cost, [0; 16], text.as_bytes()));
            }
        }
        right
    }

    /// Whether a hash has another cost than today's.
    fn is_outdated(&self, stored: &str) -> bool {
        cost_of(stored) != Some(self.cost)
    }
}

fn cost_of(stored: &str) -> Option<u32> {
    stored.split('$').nth(2)?.parse().ok()
}

/// One more password was hashed or compared.
fn count() {
    metrics::counter!("signcall_password_hashes_total").increment(1);
}

/// What a guesser makes of a user's name and address: each as it is, and the words in it, down to
/// three letters; shorter ones are in every second password.
fn words<'a>(inputs: &[&'a str]) -> Vec<&'a str> {
    let parts = inputs.iter().flat_map(|input| {
        let halves = input.split('@');
        let words = input.split(|c: char| !c.is_alphanumeric());
        std::iter::once(*input).chain(halves).chain(words)
    });
    parts.filter(|part| part.chars().count() >= WORD_MIN).chain(CONTEXT).collect()
}

/// Everything that is wrong with a new password, in words that a person can act on. `inputs` are
/// what a guesser would try first: the user's own name and address.
pub(crate) fn check(field: &str, password: &str, inputs: &[&str]) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let length = password.chars().count();
    if password.contains('\0') {
        errors.push(FieldError::new(field, "contains U+0000; leave it out"));
    }
    if length < LENGTH_MIN {
        let detail = format!("has {length} characters; at least {LENGTH_MIN} are needed");
        errors.push(FieldError::new(field, detail));
    }
    if length > LENGTH_MAX {
        let detail = format!("has {length} characters; at most {LENGTH_MAX} are allowed");
        errors.push(FieldError::new(field, detail));
        return errors;
    }
    let entropy = zxcvbn::zxcvbn(password, &words(inputs));
    if entropy.score() < zxcvbn::Score::Three {
        let feedback = entropy.feedback();
        let warning = feedback
            .and_then(zxcvbn::feedback::Feedback::warning)
            .map(|warning| warning.to_string());
        let why = warning.unwrap_or_else(|| "A few more unusual words would do.".to_owned());
        errors.push(FieldError::new(field, format!("is too easy to guess. {why}")));
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    const COST: u32 = 4;

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[expect(clippy::unnecessary_wraps, reason = "others may find that it is wanted no more")]
    fn wanted() -> Result<(), ApiError> {
        Ok(())
    }

    #[tokio::test]
    async fn long_passwords_are_not_truncated() {
        let passwords = Passwords::start(b"pepper", COST).unwrap();
        let long = "a".repeat(200);
        let hash = passwords.hash(Lane::Known, secret(&long), wanted).await.unwrap();
        assert!(hash.len() <= 128);
        assert!(
            passwords.verify(Lane::Known, secret(&long), Some(hash.clone())).await.unwrap().right
        );
        let other = "a".repeat(199);
        assert!(!passwords.verify(Lane::Known, secret(&other), Some(hash)).await.unwrap().right);
    }

    #[tokio::test]
    async fn an_unknown_user_never_matches() {
        let passwords = Passwords::start(b"pepper", COST).unwrap();
        assert!(
            !passwords.verify(Lane::Known, secret("anything at all"), None).await.unwrap().right
        );
    }

    #[tokio::test]
    async fn a_hash_of_another_cost_is_made_anew_and_only_when_right() {
        let old = Passwords::start(b"pepper", COST).unwrap();
        let hash = old.hash(Lane::Known, secret("right"), wanted).await.unwrap();
        let new = Passwords::start(b"pepper", COST + 1).unwrap();
        let verified = new.verify(Lane::Known, secret("right"), Some(hash.clone())).await.unwrap();
        assert!(verified.rehashed.unwrap().starts_with("$2b$05$"));
        assert!(
            new.verify(Lane::Known, secret("wrong"), Some(hash)).await.unwrap().rehashed.is_none()
        );
    }

    #[tokio::test]
    async fn another_pepper_matches_nothing() {
        let one = Passwords::start(b"one", COST).unwrap();
        let hash = one.hash(Lane::Known, secret("right"), wanted).await.unwrap();
        let other = Passwords::start(b"two", COST).unwrap();
        assert!(!other.verify(Lane::Known, secret("right"), Some(hash)).await.unwrap().right);
    }

    #[tokio::test]
    async fn a_full_queue_refuses_at_once() {
        let passwords = Passwords::start(b"pepper", 9).unwrap();
        let attempts = (0..200).map(|_| passwords.verify(Lane::Strangers, secret("x"), None));
        let attempts = futures::future::join_all(attempts);
        let known = passwords.verify(Lane::Known, secret("x"), None);
        let (busy, known) = tokio::join!(attempts, known);
        let refused = busy.iter().filter(|r| matches!(r, Err(ApiError::PasswordsBusy))).count();
        assert!(refused > 100, "{refused}");
        assert!(known.is_ok(), "whom the server knows is not refused for strangers");
    }

    #[tokio::test]
    async fn a_hash_that_nobody_needs_any_more_is_not_made() {
        let passwords = Passwords::start(b"pepper", COST).unwrap();
        let taken = || Err(events::Rejection::UsernameTaken.into());
        let refused = passwords.hash(Lane::Strangers, secret("x"), taken).await;
        assert!(matches!(refused, Err(ApiError::Rejected(events::Rejection::UsernameTaken))));
    }

    #[test]
    fn a_cheaper_hash_is_as_much_work_as_todays() {
        let hasher = |cost| Hasher { pepper: Zeroizing::new(b"pepper".to_vec()), cost };
        let (old, new) = (hasher(5).hash("right").unwrap(), hasher(9).hash("right").unwrap());
        let time = |stored: &str| {
            let measure = |_| {
                let began = std::time::Instant::now();
                assert!(!hasher(9).verify("wrong", stored));
                began.elapsed()
            };
            (0..9).map(measure).min().unwrap().as_secs_f64()
        };
        let ratio = time(&old) / time(&new);
        assert!((0.6..1.6).contains(&ratio), "{ratio}");
    }

    #[test]
    fn all_failures_are_told_in_one_answer() {
        let errors = check("password", "ada", &["ada"]);
        assert_eq!(errors.len(), 2, "{errors:?}");
        assert!(check("password", "correct horse battery staple", &["ada"]).is_empty());
        assert_eq!(check("password", &"x".repeat(257), &[]).len(), 1);
        assert!(!check("password", "adalovelace1815", &["adalovelace"]).is_empty());
        assert!(!check("password", "signcallsigncall", &[]).is_empty());
        // The words of a name and of an address, on both sides of its @.
        let mine = ["Grace Hopper", "grace.m.hopper@navylabs.example"];
        for easy in ["hopperhopper1", "Navylabs2026", "grace.m.hopper", "HopperNavylabs"] {
            assert!(!check("password", easy, &mine).is_empty(), "{easy}");
        }
        assert!(check("password", "correct horse battery staple", &mine).is_empty());
        assert!(check("password", "ぬるぽガッ犬猫鳥魚馬牛羊", &[]).is_empty());
    }
}
