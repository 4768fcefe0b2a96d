//! What a store of accounts and sessions promises.

use async_trait::async_trait;

use super::account::{Account, Email, Name, User, UserId};
use crate::auth::{LiveSession, PasswordHash, Rotation, Session, SessionId};
use crate::fields::Change;
use crate::idempotency::IdempotencyKey;
use crate::paging::{Cursor, Page};
use crate::precondition::Precondition;
use crate::problem::StoreError;
use crate::time::Timestamp;

/// A change of password, verified and hashed.
#[derive(Debug)]
pub struct PasswordUpdate<'a> {
    /// The session that asked, which lives on with another refresh token; every other one ends.
    pub session: &'a Session,
    /// The account's epoch when the password was verified.
    pub epoch: u32,
    /// The hash that the current password was verified against.
    pub verified: &'a PasswordHash,
    /// The hash of the new password.
    pub new: &'a PasswordHash,
    pub now: Timestamp,
}

/// Accounts and sessions. Every method does all or nothing; what has expired is treated as gone.
#[async_trait]
pub trait UserStore: Send + Sync {
    /// Adds an account and its first session, unless the address is taken.
    async fn register(&self, account: &Account, session: &Session) -> Result<(), StoreError>;

    /// The account with this address, whatever its case.
    async fn find_by_email(&self, email: &Email) -> Result<Option<Account>, StoreError>;

    /// The account with this name.
    async fn account(&self, user: UserId) -> Result<Option<Account>, StoreError>;

    /// A session and its account's owner, for a session that lives.
    async fn live_session(
        &self,
        user: UserId,
        session: SessionId,
        now: Timestamp,
    ) -> Result<LiveSession, StoreError>;

    /// Changes what the owner, as it was read, is called, if the account is at a version that
    /// `precondition` allows.
    async fn rename(
        &self,
        user: &User,
        name: &Change<Name>,
        precondition: &Precondition,
        now: Timestamp,
    ) -> Result<User, StoreError>;

    /// Replaces a hash by one of the same password with other parameters; nothing when the password
    /// was changed meanwhile.
    async fn replace_hash(
        &self,
        user: UserId,
        old: &PasswordHash,
        new: &PasswordHash,
    ) -> Result<(), StoreError>;

    /// Whether this very password change was executed under this key before.
    async fn password_change_repeated(
        &self,
        user: UserId,
        once: &IdempotencyKey,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Sets the new password, ends every session but the one that asked, and gives that one another
    /// refresh token, in whose place any earlier one is void. Gives the session as it is then.
    /// Under a key that was used before it changes nothing.
    async fn change_password(
        &self,
        update: PasswordUpdate<'_>,
        once: Option<&IdempotencyKey>,
    ) -> Result<Session, StoreError>;

    async fn start_session(&self, session: &Session) -> Result<(), StoreError>;

    /// Ends the sessions that were used least recently where more than this many live, as many as
    /// there are too many. It keeps this one, which has just begun.
    async fn end_least_used_sessions(
        &self,
        session: &Session,
        most: usize,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Exchanges a session's refresh token of this generation. Of any number of exchanges at once,
    /// one moves the session on by one. The token that was exchanged for the current one gets that
    /// one again, or, after [`GRACE`], a new one in its place; any older or void one ends the
    /// session. A session is only given while its account has not ended it.
    ///
    /// [`GRACE`]: crate::auth::GRACE
    async fn rotate(
        &self,
        user: UserId,
        session: SessionId,
        generation: u32,
        idle: std::time::Duration,
        now: Timestamp,
    ) -> Result<Rotation, StoreError>;

    /// Ends a session; says whether there was one.
    async fn end_session(
        &self,
        user: UserId,
        session: SessionId,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Ends every session but this one.
    async fn end_other_sessions(
        &self,
        user: UserId,
        session: SessionId,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// The sessions that have not ended, oldest first.
    async fn sessions(
        &self,
        user: UserId,
        limit: usize,
        after: Option<&Cursor>,
        now: Timestamp,
    ) -> Result<Page<Session>, StoreError>;

    /// Fails when the store cannot be reached.
    async fn ping(&self) -> Result<(), StoreError>;
}
