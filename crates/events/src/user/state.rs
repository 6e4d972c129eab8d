//! What decisions about users rest on: names only as digests, personal fields only sealed.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::event::{Registered, TokenIssued, TokenKind, UserEvent};
use crate::id::{NameDigest, ParticipantId, RoomId, TokenDigest, TokenId, UserId};
use crate::sealed::Personal;
use crate::time::Timestamp;

/// All users, and the ways to find one. A copy shares each user's record until one of both changes
/// it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Users {
    by_id: HashMap<UserId, Arc<User>>,
    by_username: HashMap<NameDigest, UserId>,
    by_email: HashMap<NameDigest, UserId>,
    by_token: HashMap<TokenDigest, (UserId, TokenId)>,
    by_reset: HashMap<TokenDigest, UserId>,
    admins: usize,
}

/// One user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct User {
    /// Sealed under the user's key.
    pub username: Personal,
    username_digest: NameDigest,
    /// Sealed under the user's key.
    pub email: Personal,
    email_digest: NameDigest,
    /// Sealed under the user's key.
    pub password_hash: Personal,
    /// How many passwords there have been: what was verified against an earlier one is worth
    /// nothing any more.
    pub passwords: u32,
    /// Grants access to the admin routes.
    pub is_admin: bool,
    /// A guest's one room.
    pub guest_of: Option<RoomId>,
    /// What a guest is called there, also after leaving it.
    pub display_name: Option<DisplayName>,
    /// Blocked or not.
    pub standing: Standing,
    /// Wrong passwords in a row.
    pub failed_login_attempts: u32,
    /// Until then, new devices are refused.
    pub login_locked_until: Option<Timestamp>,
    /// The newest password reset link that was not used.
    pub reset: Option<PasswordReset>,
    /// Live and not yet swept tokens, oldest first.
    pub tokens: Vec<Token>,
    /// When the user registered.
    pub created_at: Timestamp,
    /// The last activity that was written down.
    pub last_seen: Timestamp,
}

/// What a guest is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DisplayName {
    /// As whom the guest came in under it: the seal holds the name to that row.
    pub participant: ParticipantId,
    /// Sealed under the guest's key.
    pub name: Personal,
}

/// Whether a user may do anything at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Standing {
    /// May.
    Good,
    /// Blocked by an administrator, with the sealed reason.
    Blocked {
        /// Sealed under the user's key.
        reason: Personal,
    },
}

/// One token or session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Its name in lists.
    pub id: TokenId,
    /// Of the secret.
    pub digest: TokenDigest,
    /// What it opens.
    pub kind: TokenKind,
    /// When it was handed out.
    pub issued_at: Timestamp,
    /// Refused from then on.
    pub expires_at: Timestamp,
    /// No renewal goes beyond.
    pub cap_at: Timestamp,
}

/// A link to set a new password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordReset {
    /// Of the secret in the link.
    pub digest: TokenDigest,
    /// Good until then.
    pub expires_at: Timestamp,
}

impl User {
    /// Whether an administrator blocked the user.
    pub fn is_blocked(&self) -> bool {
        match self.standing {
            Standing::Good => false,
            Standing::Blocked { .. } => true,
        }
    }

    /// Whether new devices are refused after too many wrong passwords.
    pub fn is_locked(&self, now: Timestamp) -> bool {
        self.login_locked_until.is_some_and(|until| until > now)
    }

    /// The token of that id.
    pub fn token(&self, id: TokenId) -> Option<&Token> {
        self.tokens.iter().find(|token| token.id == id)
    }
}

/// A link that is still about is good no more.
fn drop_reset(user: &mut User, by_reset: &mut HashMap<TokenDigest, UserId>) {
    if let Some(reset) = user.reset.take() {
        by_reset.remove(&reset.digest);
    }
}

impl Users {
    /// The user of that id.
    pub fn get(&self, id: UserId) -> Option<&User> {
        self.by_id.get(&id).map(Arc::as_ref)
    }

    /// The user who has this name.
    pub fn by_username(&self, digest: NameDigest) -> Option<UserId> {
        self.by_username.get(&digest).copied()
    }

    /// The user who has this address.
    pub fn by_email(&self, digest: NameDigest) -> Option<UserId> {
        self.by_email.get(&digest).copied()
    }

    /// Whose token this is, whether or not it is still good.
    pub fn by_token(&self, digest: TokenDigest) -> Option<(UserId, &Token)> {
        let (user, token) = self.by_token.get(&digest)?;
        Some((*user, self.by_id.get(user)?.token(*token)?))
    }

    /// Whose newest password reset link this is, whether or not it is still good.
    pub fn by_reset(&self, digest: TokenDigest) -> Option<UserId> {
        self.by_reset.get(&digest).copied()
    }

    /// How many administrators there are.
    pub fn admins(&self) -> usize {
        self.admins
    }

    /// Whether nobody could administer without this user: there is no other administrator, or all
    /// others are blocked.
    pub fn is_last_admin(&self, id: UserId) -> bool {
        let can = |user: &User| user.is_admin && !user.is_blocked();
        self.get(id).is_some_and(can) && !self.iter().any(|(other, user)| other != id && can(user))
    }

    /// All users, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (UserId, &User)> {
        self.by_id.iter().map(|(id, user)| (*id, &**user))
    }

    /// Takes one event in.
    pub fn evolve(&mut self, event: &UserEvent, at: Timestamp) {
        match event {
            UserEvent::Registered(e) => self.register(e, at),
            UserEvent::TokenIssued(e) => self.issue(e, at),
            UserEvent::TokenRevoked(e) => self.revoke(e.user_id, |token| token.id == e.token_id),
            UserEvent::TokensRevoked(e) => {
                self.revoke(e.user_id, |token| Some(token.id) != e.except);
            }
            UserEvent::Deleted(e) => self.delete(e.user_id),
            UserEvent::Seen(e) => {
                for (user, seen) in &e.seen {
                    if let Some(user) = self.by_id.get_mut(user).map(Arc::make_mut) {
                        user.last_seen = *seen;
                    }
                }
            }
            UserEvent::UsernameChanged(e) => {
                if let Some(user) = self.by_id.get_mut(&e.user_id).map(Arc::make_mut) {
                    self.by_username.remove(&user.username_digest);
                    self.by_username.insert(e.username_digest, e.user_id);
                    user.username = e.username.clone();
                    user.username_digest = e.username_digest;
                }
            }
            UserEvent::EmailChanged(e) => {
                if let Some(user) = self.by_id.get_mut(&e.user_id).map(Arc::make_mut) {
                    self.by_email.remove(&user.email_digest);
                    self.by_email.insert(e.email_digest, e.user_id);
                    user.email = e.email.clone();
                    user.email_digest = e.email_digest;
                    // A link lies in the mailbox of the address that is left.
                    drop_reset(user, &mut self.by_reset);
                }
            }
            UserEvent::TokenRenewed(_)
            | UserEvent::LoginFailed(_)
            | UserEvent::LoginFailuresCleared(_)
            | UserEvent::LoginLockExpired(_)
            | UserEvent::PasswordChanged(_)
            | UserEvent::PasswordRehashed(_)
            | UserEvent::ResetRequested(_)
            | UserEvent::AdminGranted(_)
            | UserEvent::AdminRevoked(_)
            | UserEvent::Blocked(_)
            | UserEvent::Unblocked(_) => self.evolve_one(event),
            // Told to whoever asks what was done; nothing is decided by it.
            UserEvent::ModelTaught(_) => {}
        }
    }

    fn register(&mut self, e: &Registered, at: Timestamp) {
        self.by_username.insert(e.username_digest, e.user_id);
        self.by_email.insert(e.email_digest, e.user_id);
        self.admins += usize::from(e.is_admin);
        let user = User {
            username: e.username.clone(),
            username_digest: e.username_digest,
            email: e.email.clone(),
            email_digest: e.email_digest,
            password_hash: e.password_hash.clone(),
            passwords: 1,
            is_admin: e.is_admin,
            guest_of: e.guest_of,
            display_name: None,
            standing: Standing::Good,
            failed_login_attempts: 0,
            login_locked_until: None,
            reset: None,
            tokens: Vec::new(),
            created_at: at,
            last_seen: at,
        };
        self.by_id.insert(e.user_id, Arc::new(user));
    }

    /// A guest came into the room under this name.
    pub(crate) fn call(&mut self, guest: UserId, participant: ParticipantId, name: &Personal) {
        if let Some(user) = self.by_id.get_mut(&guest).map(Arc::make_mut) {
            user.display_name = Some(DisplayName { participant, name: name.clone() });
        }
    }

    /// The events that change one user's record and no index.
    fn evolve_one(&mut self, event: &UserEvent) {
        let user = event.user_id().and_then(|id| self.by_id.get_mut(&id));
        let Some(user) = user.map(Arc::make_mut) else { return };
        match event {
            UserEvent::TokenRenewed(e) => {
                for token in user.tokens.iter_mut().filter(|token| token.id == e.token_id) {
                    token.expires_at = e.expires_at;
                }
            }
            UserEvent::LoginFailed(e) => {
                user.failed_login_attempts = user.failed_login_attempts.saturating_add(e.attempts);
                user.login_locked_until = e.locked_until.or(user.login_locked_until);
            }
            UserEvent::LoginFailuresCleared(_) => {
                user.failed_login_attempts = 0;
                user.login_locked_until = None;
            }
            UserEvent::LoginLockExpired(_) => user.login_locked_until = None,
            UserEvent::PasswordChanged(e) => {
                user.password_hash = e.password_hash.clone();
                user.passwords = user.passwords.saturating_add(1);
                drop_reset(user, &mut self.by_reset);
            }
            UserEvent::PasswordRehashed(e) => user.password_hash = e.password_hash.clone(),
            UserEvent::ResetRequested(e) => {
                let reset = PasswordReset { digest: e.digest, expires_at: e.expires_at };
                if let Some(earlier) = user.reset.replace(reset) {
                    self.by_reset.remove(&earlier.digest);
                }
                self.by_reset.insert(e.digest, e.user_id);
            }
            UserEvent::AdminGranted(_) => {
                self.admins += usize::from(!user.is_admin);
                user.is_admin = true;
            }
            UserEvent::AdminRevoked(_) => {
                self.admins -= usize::from(user.is_admin);
                user.is_admin = false;
            }
            UserEvent::Blocked(e) => {
                user.standing = Standing::Blocked { reason: e.reason.clone() };
                // Else it would be good again after an unblock, and tell a stranger of the block.
                drop_reset(user, &mut self.by_reset);
            }
            UserEvent::Unblocked(_) => {
                user.standing = Standing::Good;
                user.failed_login_attempts = 0;
                user.login_locked_until = None;
            }
            UserEvent::Registered(_)
            | UserEvent::TokenIssued(_)
            | UserEvent::TokenRevoked(_)
            | UserEvent::TokensRevoked(_)
            | UserEvent::Deleted(_)
            | UserEvent::Seen(_)
            | UserEvent::UsernameChanged(_)
            | UserEvent::EmailChanged(_)
            | UserEvent::ModelTaught(_) => {}
        }
    }

    fn issue(&mut self, e: &TokenIssued, at: Timestamp) {
        let Some(user) = self.by_id.get_mut(&e.user_id).map(Arc::make_mut) else { return };
        // Tokens past their cap can never be used again: sweeping them here bounds the list.
        user.tokens.retain(|token| {
            let live = token.expires_at > at;
            if !live {
                self.by_token.remove(&token.digest);
            }
            live
        });
        user.tokens.push(Token {
            id: e.token_id,
            digest: e.digest,
            kind: e.kind,
            issued_at: at,
            expires_at: e.expires_at,
            cap_at: e.cap_at,
        });
        user.last_seen = at;
        self.by_token.insert(e.digest, (e.user_id, e.token_id));
    }

    fn revoke(&mut self, user: UserId, ends: impl Fn(&Token) -> bool) {
        let Some(user) = self.by_id.get_mut(&user).map(Arc::make_mut) else { return };
        user.tokens.retain(|token| {
            let ends = ends(token);
            if ends {
                self.by_token.remove(&token.digest);
            }
            !ends
        });
    }

    fn delete(&mut self, id: UserId) {
        let Some(user) = self.by_id.remove(&id) else { return };
        for token in &user.tokens {
            self.by_token.remove(&token.digest);
        }
        if let Some(reset) = user.reset {
            self.by_reset.remove(&reset.digest);
        }
        self.by_username.remove(&user.username_digest);
        self.by_email.remove(&user.email_digest);
        self.admins -= usize::from(user.is_admin);
    }

    /// Makes these users what they are in `from`, where everybody else is the same already.
    pub(crate) fn restore(&mut self, from: &Self, touched: &HashSet<UserId>) {
        for id in touched {
            self.delete(*id);
        }
        for (id, user) in touched.iter().filter_map(|id| Some((*id, from.by_id.get(id)?))) {
            self.by_username.insert(user.username_digest, id);
            self.by_email.insert(user.email_digest, id);
            for token in &user.tokens {
                self.by_token.insert(token.digest, (id, token.id));
            }
            self.by_reset.extend(user.reset.map(|reset| (reset.digest, id)));
            self.admins += usize::from(user.is_admin);
            self.by_id.insert(id, Arc::clone(user));
        }
    }
}
