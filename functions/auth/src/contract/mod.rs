//! The contract of a store of accounts and sessions, as cases.

#![expect(clippy::too_many_lines, reason = "a case reads from top to bottom")]

mod accounts;
pub mod fixtures;
mod histories;
mod model;
mod passwords;
mod refresh;
mod sessions;
mod text;

use common::auth::{Role, SessionId, UserId};
use common::fields::Change;
use common::precondition::Precondition;
use common::problem::StoreError;
use common::time::Timestamp;
use contract::fixtures::scan;
use contract::{Case, Ground};

use self::fixtures::{LIFETIMES, Refresh, account, session};
use crate::{Account, Counters, LiveSession, Name, Rotation, STORAGE, Session, User, Users};
pub use histories::any_history_of_accounts_and_sessions_agrees_with_the_model;

/// Every case of this service.
pub const CASES: &[&[Case]] = &[
    accounts::CASES,
    sessions::CASES,
    passwords::CASES,
    refresh::CASES,
    text::CASES,
    histories::CASES,
];

/// The accounts and sessions of a case, initially empty.
#[derive(Clone)]
pub struct Store {
    pub users: Users,
    pub counters: Counters,
    /// The start time of the case.
    pub now: Timestamp,
}

impl From<&Ground> for Store {
    fn from(ground: &Ground) -> Self {
        let table = ground.table(STORAGE.table.name);
        Self {
            users: Users::new(&ground.database, table),
            counters: Counters::new(&ground.database, table),
            now: ground.now,
        }
    }
}

impl Store {
    /// Registers an account with a session.
    pub async fn register(&self, address: &str) -> (Account, Session) {
        let account = account(address, self.now);
        let session = session(&account, LIFETIMES, self.now);
        self.users
            .register(&account, &session)
            .await
            .expect("registered");
        (account, session)
    }

    /// The account as it is stored.
    pub async fn stored_account(&self, user: UserId) -> Account {
        self.users
            .account(user)
            .await
            .expect("an answer")
            .expect("an account")
    }

    /// An account as its owner sees it.
    pub async fn stored_user(&self, user: UserId) -> User {
        self.stored_account(user).await.into()
    }

    /// Renames an account's owner, as the endpoint does.
    pub async fn rename(
        &self,
        user: UserId,
        name: &Change<Name>,
        precondition: &Precondition,
        now: Timestamp,
    ) -> Result<User, StoreError> {
        let user = self.stored_user(user).await;
        self.users.rename(&user, name, precondition, now).await
    }

    /// A session as its account's endpoints find it.
    pub async fn live(&self, session: &Session, now: Timestamp) -> Result<LiveSession, StoreError> {
        self.users.live_session(session.user, session.id, now).await
    }

    pub async fn log_in(&self, user: UserId, now: Timestamp) -> Session {
        let session = session(&self.stored_account(user).await, LIFETIMES, now);
        self.users.start_session(&session).await.expect("a session");
        session
    }

    /// Exchanges a refresh token, as the endpoint does.
    pub async fn refresh(&self, session: &Session, generation: u32, now: Timestamp) -> Refresh {
        let rotation = self
            .users
            .rotate(session.user, session.id, generation, LIFETIMES.idle, now)
            .await;
        let refresh = match rotation.expect("an answer to a refresh token") {
            Rotation::Rotated(session, role) => (Refresh::Rotated(session), role),
            Rotation::Repeated(session, role) => (Refresh::Repeated(session), role),
            Rotation::Stolen => return Refresh::Stolen,
            Rotation::Ended => return Refresh::Ended,
        };
        assert_eq!(refresh.1, Role::User, "somebody else's role");
        refresh.0
    }

    /// All sessions of an account, as the list shows them.
    pub async fn sessions_of(&self, user: UserId, now: Timestamp) -> Vec<Session> {
        scan(&[100], async |limit, after| {
            self.users.sessions(user, limit, after.as_ref(), now).await
        })
        .await
    }

    /// The identifiers of all sessions of an account.
    pub async fn session_ids(&self, user: UserId, now: Timestamp) -> Vec<SessionId> {
        self.sessions_of(user, now)
            .await
            .into_iter()
            .map(|session| session.id)
            .collect()
    }
}
