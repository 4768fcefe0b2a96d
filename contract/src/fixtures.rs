//! What cases are made of: accounts, sessions and tasks, and the few calls that most cases make.

use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use auth::{Account, Email, LiveSession, Name, Rotation, Session, User};
use common::auth::{Client, PasswordHash, Role, SessionId, SessionLifetimes, UserId};
use common::fields::Change;
use common::idempotency::IdempotencyKey;
use common::paging::{Cursor, Page};
use common::precondition::Precondition;
use common::problem::StoreError;
use common::time::Timestamp;
use tasks::{
    Due, Label, Notes, Priority, SearchText, Status, Task, TaskFilter, TaskId, TaskPatch,
    TaskQuery, TaskSort, Title,
};
use uuid::{NoContext, Uuid};

use crate::Store;

/// How many calls are made at the same moment where a case races.
pub(crate) const RACERS: usize = 50;
/// How long sessions live when nothing else is said.
pub(crate) const LIFETIMES: SessionLifetimes = SessionLifetimes {
    idle: Duration::from_hours(24),
    absolute: Duration::from_hours(10 * 24),
};

/// What became of a refresh token at its endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refresh {
    /// The session has moved on by one.
    Rotated(Session),
    /// The session is as it was.
    Repeated(Session),
    /// The session is gone: the token was an old one.
    Stolen,
    Ended,
}

/// Seconds, to be added to a time.
pub(crate) const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// A UUIDv7 of this time. The domain's own never go back in time, within a whole process, and cases
/// do.
pub(crate) fn identifier(now: Timestamp) -> Uuid {
    let milliseconds = u64::try_from(now.as_millisecond()).expect("a case is after 1970");
    let nanoseconds = u32::try_from(milliseconds % 1000).expect("less than a thousand") * 1_000_000;
    Uuid::new_v7(uuid::Timestamp::from_unix(
        NoContext,
        milliseconds / 1000,
        nanoseconds,
    ))
}

pub(crate) fn email(text: &str) -> Email {
    text.to_owned().try_into().expect("a valid address")
}

pub(crate) fn name(text: &str) -> Name {
    text.to_owned().try_into().expect("a valid name")
}

/// A hash that is told from others by this text. No store looks inside.
pub(crate) fn hash(text: &str) -> PasswordHash {
    serde_json::from_value(format!("$argon2id$v=19$m=19456,t=2,p=1${text}").into()).expect("a text")
}

pub(crate) fn once(key: &str, fingerprint: &str) -> IdempotencyKey {
    IdempotencyKey {
        key: key.to_owned(),
        fingerprint: fingerprint.to_owned(),
    }
}

/// An account that is not stored yet.
pub(crate) fn account(address: &str, now: Timestamp) -> Account {
    Account {
        id: UserId::from_uuid(identifier(now)),
        ..Account::new(email(address), Some(name("Ada")), hash("first"), now)
    }
}

/// A session that is not stored yet.
pub(crate) fn session(account: &Account, lifetimes: SessionLifetimes, now: Timestamp) -> Session {
    let client = Client::new(Ipv4Addr::LOCALHOST.into(), Some("contract"));
    Session {
        id: SessionId::from_uuid(identifier(now)),
        ..Session::start(account, &client, lifetimes, now)
    }
}

/// A task that is not stored yet.
pub(crate) fn task(title: &str, now: Timestamp) -> Task {
    Task {
        id: TaskId::from_uuid(identifier(now)),
        title: title.parse().expect("a valid title"),
        notes: None,
        status: Status::Todo,
        priority: Priority::None,
        labels: labels(&[]),
        due: None,
        completed_at: None,
        created_at: now,
        updated_at: now,
        version: 1,
        deleted_at: None,
    }
}

/// A task with every field.
pub(crate) fn full_task(now: Timestamp) -> Task {
    Task {
        notes: Some(notes("More about it")),
        status: Status::Done,
        priority: Priority::High,
        labels: labels(&["home", "garden"]),
        due: Some(due("2026-03-01T09:30:00.125Z")),
        completed_at: Some(now),
        ..task("Water the plants", now)
    }
}

pub(crate) fn title(text: &str) -> Title {
    text.parse().expect("a valid title")
}

pub(crate) fn notes(text: &str) -> Notes {
    text.parse().expect("valid notes")
}

pub(crate) fn label(text: &str) -> Label {
    text.parse().expect("a valid label")
}

pub(crate) fn labels(texts: &[&str]) -> tasks::Labels {
    texts.iter().map(|text| label(text)).collect()
}

pub(crate) fn due(text: &str) -> Due {
    text.parse().expect("a valid due date")
}

pub(crate) fn search(text: &str) -> SearchText {
    text.parse().expect("a text to look for")
}

pub(crate) fn sort(name: &str) -> TaskSort {
    name.parse().expect("a valid order")
}

pub(crate) fn sorts() -> impl Iterator<Item = TaskSort> {
    TaskSort::NAMES.iter().map(|name| sort(name))
}

/// A patch of the title alone.
pub(crate) fn retitled(text: &str) -> TaskPatch {
    TaskPatch {
        title: Some(title(text)),
        ..TaskPatch::default()
    }
}

/// Somebody's name, for tasks; a store of tasks does not ask whether there is such an account.
pub(crate) fn somebody(now: Timestamp) -> UserId {
    UserId::from_uuid(identifier(now))
}

/// What a call came to, so that it can be compared: the error in its own words.
///
/// A store that cannot answer, or does not understand what it stored, ends the case: no promise
/// allows for that.
pub(crate) fn outcome<T>(result: Result<T, StoreError>) -> Result<T, String> {
    match result {
        Err(error @ (StoreError::Unavailable(_) | StoreError::Corrupt(_) | StoreError::Full)) => {
            panic!("{error}")
        }
        other => other.map_err(|error| format!("{error:?}")),
    }
}

/// The words of an error that was to be expected.
pub(crate) fn refusal(error: &StoreError) -> String {
    format!("{error:?}")
}

/// The error of a call that had to fail, in its own words.
pub(crate) fn refused<T: std::fmt::Debug>(result: Result<T, StoreError>) -> String {
    outcome(result).expect_err("it should have been refused")
}

/// Walks through a list page by page, checking that no page is too long and that the scan comes to
/// an end. The limits of the pages are taken in turn.
pub(crate) async fn scan<T>(
    limits: &[usize],
    page: impl AsyncFn(usize, Option<Cursor>) -> Result<Page<T>, StoreError>,
) -> Vec<T> {
    let (mut items, mut after) = (Vec::new(), None);
    let mut seen = HashSet::new();
    for limit in limits.iter().cycle() {
        let page = page(*limit, after).await.expect("a page");
        assert!(
            page.items.len() <= *limit,
            "a page of {} items where {limit} are the most",
            page.items.len()
        );
        items.extend(page.items);
        let Some(next) = page.next else { break };
        // What clients get is its text, and nothing may be lost on the way there and back.
        let text = next.to_string();
        assert_eq!(text.parse().as_ref(), Ok(&next));
        assert!(seen.insert(text), "the scan stands still at {next:?}");
        after = Some(next);
    }
    items
}

impl Store {
    /// Registers somebody, with a session.
    pub(crate) async fn register(&self, address: &str) -> (Account, Session) {
        let account = account(address, self.now);
        let session = session(&account, LIFETIMES, self.now);
        self.users
            .register(&account, &session)
            .await
            .expect("registered");
        (account, session)
    }

    /// The account as it is stored.
    pub(crate) async fn stored_account(&self, user: UserId) -> Account {
        self.users
            .account(user)
            .await
            .expect("an answer")
            .expect("an account")
    }

    /// What an account's owner sees of it.
    pub(crate) async fn stored_user(&self, user: UserId) -> User {
        self.stored_account(user).await.into()
    }

    /// Renames an account's owner as its endpoint does.
    pub(crate) async fn rename(
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
    pub(crate) async fn live(
        &self,
        session: &Session,
        now: Timestamp,
    ) -> Result<LiveSession, StoreError> {
        self.users.live_session(session.user, session.id, now).await
    }

    pub(crate) async fn log_in(&self, user: UserId, now: Timestamp) -> Session {
        let session = session(&self.stored_account(user).await, LIFETIMES, now);
        self.users.start_session(&session).await.expect("a session");
        session
    }

    /// Exchanges a refresh token as its endpoint does.
    pub(crate) async fn refresh(
        &self,
        session: &Session,
        generation: u32,
        now: Timestamp,
    ) -> Refresh {
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

    /// Every session of an account, as its list shows them.
    pub(crate) async fn sessions_of(&self, user: UserId, now: Timestamp) -> Vec<Session> {
        scan(&[100], async |limit, after| {
            self.users.sessions(user, limit, after.as_ref(), now).await
        })
        .await
    }

    /// The names of every session of an account.
    pub(crate) async fn session_ids(&self, user: UserId, now: Timestamp) -> Vec<SessionId> {
        self.sessions_of(user, now)
            .await
            .into_iter()
            .map(|session| session.id)
            .collect()
    }

    pub(crate) async fn add(&self, owner: UserId, task: Task) -> Task {
        self.tasks.create(owner, task, None).await.expect("a task")
    }

    /// Every task that is wanted, read in pages of these sizes.
    pub(crate) async fn listed(
        &self,
        owner: UserId,
        filter: &TaskFilter,
        sort: TaskSort,
        limits: &[usize],
    ) -> Vec<Task> {
        scan(limits, async |limit, after| {
            let query = TaskQuery {
                filter: filter.clone(),
                sort,
                limit,
                after,
            };
            self.tasks.list(owner, &query).await
        })
        .await
    }

    /// The titles of every task that is wanted, in alphabetical order.
    pub(crate) async fn titles(&self, owner: UserId, filter: &TaskFilter) -> Vec<String> {
        let listed = self.listed(owner, filter, sort("created"), &[2]).await;
        let mut titles: Vec<_> = listed
            .iter()
            .map(|task| task.title.as_str().to_owned())
            .collect();
        titles.sort_unstable();
        titles
    }

    /// Every task of an owner, the newest first.
    pub(crate) async fn all(&self, owner: UserId) -> Vec<Task> {
        self.listed(owner, &TaskFilter::default(), TaskSort::default(), &[100])
            .await
    }

    /// The whole trash, read in pages of these sizes.
    pub(crate) async fn trash_of(
        &self,
        owner: UserId,
        limits: &[usize],
        now: Timestamp,
    ) -> Vec<Task> {
        scan(limits, async |limit, after| {
            self.tasks
                .list_trash(owner, limit, after.as_ref(), now)
                .await
        })
        .await
    }
}
