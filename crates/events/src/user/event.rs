//! What can have happened to users. Each payload is also its newest stored shape: changing one
//! fails the golden test until a new tag is made (see [`crate::stored`]).

use serde::{Deserialize, Serialize};

use crate::command::Created;
use crate::id::{NameDigest, RoomId, TokenDigest, TokenId, UserId};
use crate::sealed::{KeyScope, Personal, PersonalField, label};
use crate::time::Timestamp;

/// What happened to users.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "each variant is documented at its payload")]
pub enum UserEvent {
    Registered(Registered),
    TokenIssued(TokenIssued),
    TokenRenewed(TokenRenewed),
    TokenRevoked(TokenRevoked),
    TokensRevoked(TokensRevoked),
    LoginFailed(LoginFailed),
    LoginFailuresCleared(LoginFailuresCleared),
    LoginLockExpired(LoginLockExpired),
    PasswordChanged(PasswordChanged),
    PasswordRehashed(PasswordChanged),
    UsernameChanged(UsernameChanged),
    EmailChanged(EmailChanged),
    ResetRequested(ResetRequested),
    AdminGranted(AdminGranted),
    AdminRevoked(AdminRevoked),
    Blocked(Blocked),
    Unblocked(Unblocked),
    ModelTaught(ModelTaught),
    Deleted(Deleted),
    Seen(Seen),
}

macro_rules! payloads {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty),* $(,)? })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[cfg_attr(test, derive(schemars::JsonSchema))]
        #[serde(deny_unknown_fields)]
        pub struct $name { $($(#[$field_doc])* pub $field: $type,)* }
    )*};
}
pub(crate) use payloads;

payloads! {
    /// A user exists now.
    Registered {
        /// Whom.
        user_id: UserId,
        /// As shown: NFC, trimmed.
        username: Personal,
        /// Of the NFKC case-folded name.
        username_digest: NameDigest,
        /// Lower case.
        email: Personal,
        /// Of the lower-case address.
        email_digest: NameDigest,
        /// bcrypt.
        password_hash: Personal,
        /// The bootstrapped administrator.
        is_admin: bool,
        /// A guest's one room; `None` for everybody else.
        guest_of: Option<RoomId>,
    }
    /// A log-in: a token or a session was handed out.
    TokenIssued {
        /// Whose.
        user_id: UserId,
        /// Its name in lists.
        token_id: TokenId,
        /// Of the secret.
        digest: TokenDigest,
        /// What it opens.
        kind: TokenKind,
        /// Refused from then on, unless renewed.
        expires_at: Timestamp,
        /// No renewal goes beyond.
        cap_at: Timestamp,
    }
    /// The same token lives longer.
    TokenRenewed {
        /// Whose.
        user_id: UserId,
        /// Which.
        token_id: TokenId,
        /// The new expiry.
        expires_at: Timestamp,
    }
    /// One token ended.
    TokenRevoked {
        /// Whose.
        user_id: UserId,
        /// Which.
        token_id: TokenId,
    }
    /// All tokens ended, but perhaps one.
    TokensRevoked {
        /// Whose.
        user_id: UserId,
        /// The one that lives on: that of the request itself.
        except: Option<TokenId>,
        /// Why.
        reason: RevocationReason,
    }
    /// Wrong passwords, counted together over a short while.
    LoginFailed {
        /// Whose account.
        user_id: UserId,
        /// How many more.
        attempts: u32,
        /// Set when the tenth in a row fell: new devices are refused until then.
        locked_until: Option<Timestamp>,
    }
    /// The counter and the lock are back at nothing.
    LoginFailuresCleared {
        /// Whose account.
        user_id: UserId,
    }
    /// The lock after too many wrong passwords is over; the counter stands until a log-in.
    LoginLockExpired {
        /// Whose account.
        user_id: UserId,
    }
    /// A new password hash.
    PasswordChanged {
        /// Whose.
        user_id: UserId,
        /// bcrypt.
        password_hash: Personal,
    }
    /// A new name.
    UsernameChanged {
        /// Whose.
        user_id: UserId,
        /// As shown.
        username: Personal,
        /// For comparing.
        username_digest: NameDigest,
    }
    /// A new address.
    EmailChanged {
        /// Whose.
        user_id: UserId,
        /// Lower case.
        email: Personal,
        /// For comparing.
        email_digest: NameDigest,
    }
    /// A link to set a new password was made; the newest one alone is good, once.
    ResetRequested {
        /// For whom.
        user_id: UserId,
        /// Of the secret in the link.
        digest: TokenDigest,
        /// Ten minutes later.
        expires_at: Timestamp,
    }
    /// An administrator from now on.
    AdminGranted {
        /// Who.
        user_id: UserId,
    }
    /// No administrator any more.
    AdminRevoked {
        /// Who.
        user_id: UserId,
    }
    /// Blocked by an administrator; every token ends with it.
    Blocked {
        /// Who.
        user_id: UserId,
        /// Why, in the administrator's words.
        reason: Personal,
    }
    /// May log in again; clears lock and counter too.
    Unblocked {
        /// Who.
        user_id: UserId,
    }
    /// A model learned a sign from clips that an administrator brought; a new model came of it.
    ModelTaught {
        /// Who taught.
        user_id: UserId,
        /// The model that learned.
        base: String,
        /// The new one.
        model: String,
        /// Clips that it learned from.
        clips: u32,
    }
    /// Gone, with tokens and owned rooms. The key is destroyed after this event.
    Deleted {
        /// Who.
        user_id: UserId,
        /// Whether the texts go too.
        erase_content: bool,
    }
    /// When users were last active, many in one commit.
    Seen {
        /// Who and when.
        seen: Vec<(UserId, Timestamp)>,
    }
}

/// What a token opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum TokenKind {
    /// The API, by bearer token.
    Api,
    /// The page, by cookie.
    Session,
    /// One room, for a guest.
    Guest,
}

/// Why all tokens ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RevocationReason {
    /// "Log out everywhere".
    LoggedOut,
    /// The password is another.
    PasswordChanged,
    /// An administrator blocked the user.
    Blocked,
}

impl UserEvent {
    /// The personal fields, all under the user's own key.
    pub fn personal(&mut self) -> Vec<PersonalField<'_>> {
        let field = |user: UserId, name, field| PersonalField {
            scope: KeyScope::User(user),
            label: label(name, user.get()),
            field,
        };
        match self {
            Self::Registered(e) => vec![
                field(e.user_id, "user.username", &mut e.username),
                field(e.user_id, "user.email", &mut e.email),
                field(e.user_id, "user.password_hash", &mut e.password_hash),
            ],
            Self::PasswordChanged(e) | Self::PasswordRehashed(e) => {
                vec![field(e.user_id, "user.password_hash", &mut e.password_hash)]
            }
            Self::UsernameChanged(e) => vec![field(e.user_id, "user.username", &mut e.username)],
            Self::EmailChanged(e) => vec![field(e.user_id, "user.email", &mut e.email)],
            Self::Blocked(e) => vec![field(e.user_id, "user.block_reason", &mut e.reason)],
            Self::TokenIssued(_)
            | Self::TokenRenewed(_)
            | Self::TokenRevoked(_)
            | Self::TokensRevoked(_)
            | Self::LoginFailed(_)
            | Self::LoginFailuresCleared(_)
            | Self::LoginLockExpired(_)
            | Self::ResetRequested(_)
            | Self::AdminGranted(_)
            | Self::AdminRevoked(_)
            | Self::Unblocked(_)
            | Self::ModelTaught(_)
            | Self::Deleted(_)
            | Self::Seen(_) => Vec::new(),
        }
    }
}

impl UserEvent {
    /// The row that it made, as the caller of the command heard of it.
    pub(crate) fn created(&self) -> Option<Created> {
        match self {
            Self::Registered(e) => Some(Created::User(e.user_id)),
            Self::TokenIssued(e) => Some(Created::Token(e.token_id)),
            Self::TokenRenewed(_)
            | Self::TokenRevoked(_)
            | Self::TokensRevoked(_)
            | Self::LoginFailed(_)
            | Self::LoginFailuresCleared(_)
            | Self::LoginLockExpired(_)
            | Self::PasswordChanged(_)
            | Self::PasswordRehashed(_)
            | Self::UsernameChanged(_)
            | Self::EmailChanged(_)
            | Self::ResetRequested(_)
            | Self::AdminGranted(_)
            | Self::AdminRevoked(_)
            | Self::Blocked(_)
            | Self::Unblocked(_)
            | Self::ModelTaught(_)
            | Self::Deleted(_)
            | Self::Seen(_) => None,
        }
    }

    /// The one user it concerns; `None` for the batched `users.seen`.
    pub fn user_id(&self) -> Option<UserId> {
        match self {
            Self::Registered(e) => Some(e.user_id),
            Self::TokenIssued(e) => Some(e.user_id),
            Self::TokenRenewed(e) => Some(e.user_id),
            Self::TokenRevoked(e) => Some(e.user_id),
            Self::TokensRevoked(e) => Some(e.user_id),
            Self::LoginFailed(e) => Some(e.user_id),
            Self::LoginFailuresCleared(e) => Some(e.user_id),
            Self::LoginLockExpired(e) => Some(e.user_id),
            Self::PasswordChanged(e) | Self::PasswordRehashed(e) => Some(e.user_id),
            Self::UsernameChanged(e) => Some(e.user_id),
            Self::EmailChanged(e) => Some(e.user_id),
            Self::ResetRequested(e) => Some(e.user_id),
            Self::AdminGranted(e) => Some(e.user_id),
            Self::AdminRevoked(e) => Some(e.user_id),
            Self::Blocked(e) => Some(e.user_id),
            Self::Unblocked(e) => Some(e.user_id),
            Self::ModelTaught(e) => Some(e.user_id),
            Self::Deleted(e) => Some(e.user_id),
            Self::Seen(_) => None,
        }
    }
}
