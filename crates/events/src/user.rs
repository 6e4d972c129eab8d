//! The aggregate of users: accounts, log-ins, tokens, administration.

pub mod command;
mod event;
mod state;

pub use command::UserCommand;
pub(crate) use event::payloads;
pub use event::{
    AdminGranted, AdminRevoked, Blocked, Deleted, EmailChanged, LoginFailed, LoginFailuresCleared,
    LoginLockExpired, ModelTaught, PasswordChanged, Registered, ResetRequested, RevocationReason,
    Seen, TokenIssued, TokenKind, TokenRenewed, TokenRevoked, TokensRevoked, Unblocked, UserEvent,
    UsernameChanged,
};
pub use state::{DisplayName, PasswordReset, Standing, Token, User, Users};
