//! What the command line of the machine needs of passwords: a hash of a new one, which `events`
//! takes, without a server and its threads.

use vault::Secrets;

use crate::error::ApiError;
use crate::password::{self, Lane, Passwords};
use crate::secret::Secret;

/// Why a new password was not taken: in words for a person.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct PasswordRefused(String);

/// The hash of a user's new password, at bcrypt's `cost`, if the policy allows it; `names` are the
/// user's name and address.
pub async fn hash_new_password(
    secrets: &Secrets,
    cost: u32,
    names: &[&str],
    password: &str,
) -> Result<String, PasswordRefused> {
    let refused = |error: ApiError| PasswordRefused(error.to_string());
    let wrong = password::check("password", password, names);
    if !wrong.is_empty() {
        return Err(refused(ApiError::Invalid(wrong)));
    }
    let hashing = Passwords::start(secrets.pepper(), cost).map_err(refused)?;
    let password = Secret::new(password.to_owned());
    hashing.hash(Lane::Known, password, || Ok(())).await.map_err(refused)
}
