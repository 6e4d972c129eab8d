//! Table `user`: who is registered, as it is shown to themselves and to administrators.

use std::collections::HashMap;

use events::user::{Registered, TokenIssued, TokenKind, UserEvent};
use events::{Event, Timestamp, TokenDigest, TokenId, UserId};

use super::{At, text};
use crate::error::StoreError;
use crate::read::{Listing, Order, Page, pattern};
use crate::search;
use crate::store::Store;
use crate::value::{Value, record};
use crate::work::Work;

record! {
    /// A row of `user`. Serialized without the password's hash and the token's digest.
    pub UserRow of "user", key 1 {
        /// Below 2^53.
        id: UserId,
        /// As shown.
        username: String,
        /// Lower case.
        email: String,
        /// bcrypt.
        #[serde(skip)]
        password_hash: String,
        /// The last activity that was written down.
        last_seen: Timestamp,
        /// Grants access to the admin routes.
        is_admin: bool,
        /// Set by an administrator.
        is_blocked: bool,
        /// Wrong passwords in a row.
        failed_login_attempts: u32,
        /// When they registered.
        created_at: Timestamp,
        /// Digest of the newest API token, while it is not revoked.
        #[serde(skip)]
        token: Option<TokenDigest>,
        /// When that token expires.
        token_expiration: Option<Timestamp>,
        /// Its name in lists.
        #[serde(skip)]
        token_id: Option<TokenId>,
        /// Until then new devices can't log in.
        login_locked_until: Option<Timestamp>,
        /// A guest of one room.
        is_guest: bool,
        /// Why they are blocked.
        block_reason: Option<String>,
        /// Name and address as they are searched.
        #[serde(skip)]
        folded: Option<String>,
    }
}

/// What stands for a name whose key is gone while its row still has to be there: no user name or
/// address can have a colon in front.
pub(crate) fn placeholder(user: UserId) -> String {
    format!(":{user}")
}

pub(crate) fn apply(work: &mut Work, event: &Event, at: At) {
    match event {
        Event::User(event) => apply_user(work, event, at),
        Event::Room(_) | Event::Webhook(_) => {}
    }
}

fn apply_user(work: &mut Work, event: &UserEvent, at: At) {
    match event {
        UserEvent::Registered(e) => {
            work.users.insert(e.user_id, UserRow::registered(e, at));
        }
        UserEvent::Deleted(e) => {
            work.users.remove(&e.user_id);
            work.sweep.users.push(e.user_id);
            if e.erase_content {
                work.sweep.erased.push(e.user_id);
            }
        }
        UserEvent::Seen(e) => {
            for (user, seen) in &e.seen {
                if let Some(row) = work.users.edit(user) {
                    row.last_seen = *seen;
                }
            }
        }
        UserEvent::UsernameChanged(e) => {
            if let Some(row) = work.users.edit(&e.user_id) {
                row.username = text(&e.username).unwrap_or_else(|| placeholder(e.user_id));
                row.fold();
                work.sweep.names.push(e.user_id);
            }
        }
        UserEvent::EmailChanged(e) => {
            if let Some(row) = work.users.edit(&e.user_id) {
                row.email = text(&e.email).unwrap_or_else(|| placeholder(e.user_id));
                row.fold();
                work.sweep.names.push(e.user_id);
            }
        }
        UserEvent::ModelTaught(_) => {}
        UserEvent::TokenIssued(_)
        | UserEvent::TokenRenewed(_)
        | UserEvent::TokenRevoked(_)
        | UserEvent::TokensRevoked(_)
        | UserEvent::LoginFailed(_)
        | UserEvent::LoginFailuresCleared(_)
        | UserEvent::LoginLockExpired(_)
        | UserEvent::PasswordChanged(_)
        | UserEvent::PasswordRehashed(_)
        | UserEvent::ResetRequested(_)
        | UserEvent::AdminGranted(_)
        | UserEvent::AdminRevoked(_)
        | UserEvent::Blocked(_)
        | UserEvent::Unblocked(_) => {
            if let Some(row) = event.user_id().and_then(|user| work.users.edit(&user)) {
                row.apply(event, at);
            }
        }
    }
}

impl UserRow {
    /// As it is when the user has just registered.
    fn registered(e: &Registered, at: At) -> Self {
        let mut row = Self {
            id: e.user_id,
            username: text(&e.username).unwrap_or_else(|| placeholder(e.user_id)),
            email: text(&e.email).unwrap_or_else(|| placeholder(e.user_id)),
            password_hash: text(&e.password_hash).unwrap_or_default(),
            last_seen: at.time,
            is_admin: e.is_admin,
            is_blocked: false,
            failed_login_attempts: 0,
            created_at: at.time,
            token: None,
            token_expiration: None,
            token_id: None,
            login_locked_until: None,
            is_guest: e.guest_of.is_some(),
            block_reason: None,
            folded: None,
        };
        row.fold();
        row
    }

    /// Folds name and address anew.
    pub(crate) fn fold(&mut self) {
        self.folded = Some(search::fold(&format!("{}\n{}", self.username, self.email)));
    }

    /// The events that change nothing but the row itself.
    fn apply(&mut self, event: &UserEvent, at: At) {
        match event {
            UserEvent::TokenIssued(e) => self.issue(e, at),
            UserEvent::TokenRenewed(e) => {
                if self.token_id == Some(e.token_id) {
                    self.token_expiration = Some(e.expires_at);
                }
            }
            UserEvent::TokenRevoked(e) => self.revoke_if(self.token_id == Some(e.token_id)),
            UserEvent::TokensRevoked(e) => {
                self.revoke_if(e.except.is_none() || self.token_id != e.except);
            }
            UserEvent::LoginFailed(e) => {
                self.failed_login_attempts = self.failed_login_attempts.saturating_add(e.attempts);
                self.login_locked_until = e.locked_until.or(self.login_locked_until);
            }
            UserEvent::LoginFailuresCleared(_) => self.clear_failures(),
            UserEvent::LoginLockExpired(_) => self.login_locked_until = None,
            UserEvent::PasswordChanged(e) | UserEvent::PasswordRehashed(e) => {
                self.password_hash = text(&e.password_hash).unwrap_or_default();
            }
            UserEvent::AdminGranted(_) => self.is_admin = true,
            UserEvent::AdminRevoked(_) => self.is_admin = false,
            UserEvent::Blocked(e) => {
                self.is_blocked = true;
                self.block_reason = text(&e.reason);
            }
            UserEvent::Unblocked(_) => {
                self.is_blocked = false;
                self.block_reason = None;
                self.clear_failures();
            }
            UserEvent::Registered(_)
            | UserEvent::UsernameChanged(_)
            | UserEvent::EmailChanged(_)
            | UserEvent::ResetRequested(_)
            | UserEvent::ModelTaught(_)
            | UserEvent::Deleted(_)
            | UserEvent::Seen(_) => {}
        }
    }

    fn issue(&mut self, e: &TokenIssued, at: At) {
        self.last_seen = at.time;
        match e.kind {
            TokenKind::Api | TokenKind::Guest => {
                self.token = Some(e.digest);
                self.token_expiration = Some(e.expires_at);
                self.token_id = Some(e.token_id);
            }
            TokenKind::Session => {}
        }
    }

    fn revoke_if(&mut self, revoked: bool) {
        if revoked {
            self.token = None;
            self.token_expiration = None;
            self.token_id = None;
        }
    }

    fn clear_failures(&mut self) {
        self.failed_login_attempts = 0;
        self.login_locked_until = None;
    }
}

impl Store {
    /// The user of that id.
    pub async fn user(&self, id: UserId) -> Result<Option<UserRow>, StoreError> {
        self.find("WHERE id = $1", vec![Value::Int(id.get() as i64)]).await
    }

    /// Users, newest first; with `q` only those whose name or address contains it, whatever its case
    /// and accents.
    pub async fn users(
        &self,
        q: Option<&str>,
        page: Page<UserId>,
    ) -> Result<Listing<UserRow>, StoreError> {
        let Some(q) = q else {
            return self.page("TRUE", vec![], Order::NewestFirst, page).await;
        };
        let args = vec![Value::Text(pattern(&search::fold(q)))];
        self.page("folded LIKE $1 ESCAPE '\\'", args, Order::NewestFirst, page).await
    }

    /// The shown names of these users, as far as they still exist.
    pub async fn usernames(&self, ids: &[UserId]) -> Result<HashMap<UserId, String>, StoreError> {
        let rows: Vec<UserRow> = self.find_all("id", ids.iter().map(|id| id.get())).await?;
        Ok(rows.into_iter().map(|row| (row.id, row.username)).collect())
    }
}
