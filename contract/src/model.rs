//! What stores promise, as plainly as it can be said: the models that histories and lists are held
//! against.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use auth::{Account, GRACE, Name, Session};
use common::auth::{PasswordHash, SessionId, UserId};
use common::fields::Change;
use common::idempotency::{IDEMPOTENCY_KEY_LIFETIME, IdempotencyKey};
use common::precondition::Precondition;
use common::time::Timestamp;
use tasks::{SortField, TRASH_LIFETIME, Task, TaskFilter, TaskId, TaskPatch, TaskSort};

use crate::fixtures::Refresh;

#[derive(Debug, Default)]
pub(crate) struct Model {
    tasks: BTreeMap<TaskId, Task>,
    executed: HashMap<String, Executed>,
}

#[derive(Debug)]
struct Executed {
    fingerprint: String,
    result: Task,
    expires_at: Timestamp,
}

type Answer<T> = Result<T, String>;

fn not_found<T>() -> Answer<T> {
    Err("NotFound(\"task\")".to_owned())
}

fn check_version(version: u64, precondition: &Precondition) -> Answer<()> {
    if precondition.allows(version) {
        Ok(())
    } else {
        Err(format!("Stale {{ current: {version} }}"))
    }
}

fn is_gone(task: &Task, now: Timestamp) -> bool {
    task.deleted_at
        .is_some_and(|deleted_at| deleted_at.plus(TRASH_LIFETIME) <= now)
}

impl Model {
    pub(crate) fn create(&mut self, task: Task, once: Option<&IdempotencyKey>) -> Answer<Task> {
        let now = task.created_at;
        if let Some(result) = self.replay(once, now)? {
            return Ok(result);
        }
        self.tasks.insert(task.id, task.clone());
        self.record(once, &task, now);
        Ok(task)
    }

    pub(crate) fn get(&self, id: TaskId) -> Answer<Task> {
        self.tasks
            .get(&id)
            .filter(|task| task.deleted_at.is_none())
            .cloned()
            .map_or_else(not_found, Ok)
    }

    pub(crate) fn update(
        &mut self,
        id: TaskId,
        patch: &TaskPatch,
        precondition: &Precondition,
        now: Timestamp,
    ) -> Answer<Task> {
        let task = self.get(id)?;
        check_version(task.version, precondition)?;
        let changed = if patch.is_empty() {
            task
        } else {
            patch.apply(&task, now)
        };
        self.tasks.insert(id, changed.clone());
        Ok(changed)
    }

    pub(crate) fn trash(
        &mut self,
        id: TaskId,
        precondition: &Precondition,
        now: Timestamp,
    ) -> Answer<()> {
        let task = self.get(id)?;
        check_version(task.version, precondition)?;
        self.tasks.insert(id, task.deleted(now));
        Ok(())
    }

    pub(crate) fn restore(
        &mut self,
        id: TaskId,
        precondition: &Precondition,
        once: Option<&IdempotencyKey>,
        now: Timestamp,
    ) -> Answer<Task> {
        if let Some(result) = self.replay(once, now)? {
            return Ok(result);
        }
        let Some(task) = self.tasks.get(&id).filter(|task| !is_gone(task, now)) else {
            return not_found();
        };
        if task.deleted_at.is_none() {
            return Err("Refused(the task is not in the trash)".to_owned());
        }
        check_version(task.version, precondition)?;
        let restored = task.restored(now);
        self.tasks.insert(id, restored.clone());
        self.record(once, &restored, now);
        Ok(restored)
    }

    /// The tasks that are wanted, in order.
    pub(crate) fn list(&self, filter: &TaskFilter, sort: TaskSort) -> Vec<Task> {
        let mut wanted: Vec<Task> = self
            .tasks
            .values()
            .filter(|task| task.deleted_at.is_none() && filter.matches(task))
            .cloned()
            .collect();
        wanted.sort_by(|a, b| compare(a, b, sort));
        wanted
    }

    /// The trash, the last deleted first.
    pub(crate) fn list_trash(&self, now: Timestamp) -> Vec<Task> {
        let mut trash: Vec<Task> = self
            .tasks
            .values()
            .filter(|task| task.deleted_at.is_some() && !is_gone(task, now))
            .cloned()
            .collect();
        trash.sort_by_key(|task| std::cmp::Reverse((task.deleted_at, task.id)));
        trash
    }

    fn replay(&self, once: Option<&IdempotencyKey>, now: Timestamp) -> Answer<Option<Task>> {
        let Some(once) = once else { return Ok(None) };
        match self
            .executed
            .get(&once.key)
            .filter(|executed| executed.expires_at > now)
        {
            None => Ok(None),
            Some(executed) if executed.fingerprint == once.fingerprint => {
                Ok(Some(executed.result.clone()))
            }
            Some(_) => Err("KeyReused".to_owned()),
        }
    }

    fn record(&mut self, once: Option<&IdempotencyKey>, result: &Task, now: Timestamp) {
        if let Some(IdempotencyKey { key, fingerprint }) = once.cloned() {
            self.executed.insert(
                key,
                Executed {
                    fingerprint,
                    result: result.clone(),
                    expires_at: now.plus(IDEMPOTENCY_KEY_LIFETIME),
                },
            );
        }
    }
}

/// Which of two tasks comes first. Where the order does not tell, the identifiers do, the same way
/// round; tasks that are never due come last whichever way round.
fn compare(a: &Task, b: &Task, sort: TaskSort) -> Ordering {
    let undated_last = if sort.field == SortField::Due {
        a.due.is_none().cmp(&b.due.is_none())
    } else {
        Ordering::Equal
    };
    let ascending = match sort.field {
        SortField::Created => a.id.cmp(&b.id),
        SortField::Updated => a.updated_at.cmp(&b.updated_at),
        SortField::Due => a
            .due
            .map(tasks::Due::sort_key)
            .cmp(&b.due.map(tasks::Due::sort_key)),
        SortField::Priority => a.priority.cmp(&b.priority),
    }
    .then(a.id.cmp(&b.id));
    undated_last.then(if sort.descending {
        ascending.reverse()
    } else {
        ascending
    })
}

#[derive(Debug, Default)]
pub(crate) struct Accounts {
    accounts: BTreeMap<UserId, Account>,
    sessions: BTreeMap<SessionId, Session>,
    /// Changes of passwords: the fingerprint, and until when it is remembered.
    executed: HashMap<(UserId, String), (String, Timestamp)>,
}

impl Accounts {
    pub(crate) fn register(&mut self, account: Account, session: Session) -> Answer<()> {
        if self.find(&account.email.canonical()).is_some() {
            return Err("Refused(the address is taken)".to_owned());
        }
        self.accounts.insert(account.id, account);
        self.start(session);
        Ok(())
    }

    /// The account with this address, which is in lower case.
    pub(crate) fn find(&self, address: &str) -> Option<Account> {
        self.accounts
            .values()
            .find(|account| account.email.canonical() == address)
            .cloned()
    }

    pub(crate) fn rename(
        &mut self,
        user: UserId,
        name: &Change<Name>,
        precondition: &Precondition,
        now: Timestamp,
    ) -> Answer<Account> {
        let Some(account) = self.accounts.get_mut(&user) else {
            return Err("NotFound(\"account\")".to_owned());
        };
        check_version(account.version, precondition)?;
        let name = match name {
            Change::Keep => return Ok(account.clone()),
            Change::Clear => None,
            Change::Set(name) => Some(name.clone()),
        };
        *account = Account {
            name,
            updated_at: now,
            version: account.version + 1,
            ..account.clone()
        };
        Ok(account.clone())
    }

    pub(crate) fn replace_hash(&mut self, user: UserId, old: &PasswordHash, new: &PasswordHash) {
        if let Some(account) = self
            .accounts
            .get_mut(&user)
            .filter(|account| account.password_hash == *old)
        {
            account.password_hash = new.clone();
        }
    }

    pub(crate) fn start(&mut self, session: Session) {
        self.sessions.insert(session.id, session);
    }

    /// How often the session was refreshed.
    pub(crate) fn generation(&self, session: &Session) -> u32 {
        self.sessions
            .get(&session.id)
            .map_or(session.generation, |session| session.generation)
    }

    pub(crate) fn refresh(
        &mut self,
        session: &Session,
        generation: u32,
        idle: Duration,
        now: Timestamp,
    ) -> Refresh {
        let Some(stored) = self.alive(session, now) else {
            return Refresh::Ended;
        };
        if generation > stored.generation {
            Refresh::Ended
        } else if generation == stored.generation
            || (stored.previous == Some(generation) && now > stored.last_used_at.plus(GRACE))
        {
            let expires_at = now.plus(idle).earlier_of(stored.ends_at);
            let next = stored.generation + 1;
            let moved = Session {
                generation: next,
                previous: Some(generation),
                last_used_at: now,
                expires_at,
                ..stored
            };
            self.start(moved.clone());
            Refresh::Rotated(moved)
        } else if stored.previous == Some(generation) {
            Refresh::Repeated(stored)
        } else {
            self.sessions.remove(&session.id);
            Refresh::Stolen
        }
    }

    pub(crate) fn end(&mut self, session: &Session, now: Timestamp) -> bool {
        let was_alive = self.alive(session, now).is_some();
        self.sessions.remove(&session.id);
        was_alive
    }

    pub(crate) fn end_others(&mut self, session: &Session, now: Timestamp) -> Answer<()> {
        let Some(kept) = self.alive(session, now) else {
            return Err("Refused(the session has ended)".to_owned());
        };
        if let Some(account) = self.accounts.get_mut(&session.user) {
            account.epoch += 1;
            self.sessions.insert(
                kept.id,
                Session {
                    epoch: account.epoch,
                    ..kept
                },
            );
        }
        Ok(())
    }

    pub(crate) fn change_password(
        &mut self,
        session: &Session,
        verified: &PasswordHash,
        new: &PasswordHash,
        once: Option<&IdempotencyKey>,
        now: Timestamp,
    ) -> Answer<Session> {
        let key = once.map(|once| (session.user, once.key.clone()));
        let executed = key
            .as_ref()
            .and_then(|key| self.executed.get(key))
            .filter(|(_, expires_at)| *expires_at > now);
        if let (Some((fingerprint, _)), Some(once)) = (executed, once) {
            let repeated = *fingerprint == once.fingerprint;
            let ended = || "Refused(the session has ended)".to_owned();
            return if repeated {
                self.alive(session, now).ok_or_else(ended)
            } else {
                Err("KeyReused".to_owned())
            };
        }
        let Some(asking) = self.alive(session, now) else {
            return Err("Refused(the session has ended)".to_owned());
        };
        match self.accounts.get_mut(&session.user) {
            Some(account) if account.password_hash == *verified => {
                account.password_hash = new.clone()
            }
            _ => return Err("Refused(the password was changed meanwhile)".to_owned()),
        }
        if let (Some(key), Some(once)) = (key, once) {
            self.executed.insert(
                key,
                (once.fingerprint.clone(), now.plus(IDEMPOTENCY_KEY_LIFETIME)),
            );
        }
        self.start(Session {
            generation: asking.generation + 1,
            previous: None,
            ..asking
        });
        self.end_others(session, now)?;
        self.stored(session)
            .ok_or_else(|| "Refused(the session has ended)".to_owned())
    }

    /// A session as it was left, whether or not it lives.
    pub(crate) fn stored(&self, session: &Session) -> Option<Session> {
        self.sessions.get(&session.id).cloned()
    }

    /// The sessions that have not ended, oldest first.
    pub(crate) fn sessions(&self, user: UserId, now: Timestamp) -> Vec<Session> {
        self.sessions
            .values()
            .filter(|session| session.user == user)
            .filter_map(|session| self.alive(session, now))
            .collect()
    }

    /// Whether a session is still there, but ended with others.
    pub(crate) fn is_left_behind(&self, session: &Session) -> bool {
        self.sessions
            .get(&session.id)
            .is_some_and(|stored| !self.is_of_its_accounts_epoch(stored))
    }

    fn is_of_its_accounts_epoch(&self, session: &Session) -> bool {
        self.accounts
            .get(&session.user)
            .is_some_and(|account| account.epoch == session.epoch)
    }

    /// The session as it is, unless it has ended.
    fn alive(&self, session: &Session, now: Timestamp) -> Option<Session> {
        let stored = self.sessions.get(&session.id)?;
        (stored.expires_at > now && stored.ends_at > now && self.is_of_its_accounts_epoch(stored))
            .then(|| stored.clone())
    }
}
