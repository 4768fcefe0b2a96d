//! The model: a simple implementation of accounts and sessions.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use common::auth::{PasswordHash, SessionId, UserId};
use common::fields::Change;
use common::idempotency::{IDEMPOTENCY_KEY_LIFETIME, IdempotencyKey};
use common::precondition::Precondition;
use common::time::Timestamp;
use contract::fixtures::check_version;

use super::fixtures::Refresh;
use crate::{Account, GRACE, Name, Session};

type Answer<T> = Result<T, String>;

#[derive(Debug, Default)]
pub(super) struct Accounts {
    accounts: BTreeMap<UserId, Account>,
    sessions: BTreeMap<SessionId, Session>,
    /// Password changes with a key: the fingerprint and when it expires.
    executed: HashMap<(UserId, String), (String, Timestamp)>,
}

impl Accounts {
    pub(super) fn register(&mut self, account: Account, session: Session) -> Answer<()> {
        if self.find(&account.email.canonical()).is_some() {
            return Err("Refused(the address is taken)".to_owned());
        }
        self.accounts.insert(account.id, account);
        self.start(session);
        Ok(())
    }

    /// The account with this address in lower case.
    pub(super) fn find(&self, address: &str) -> Option<Account> {
        self.accounts
            .values()
            .find(|account| account.email.canonical() == address)
            .cloned()
    }

    pub(super) fn rename(
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

    pub(super) fn replace_hash(&mut self, user: UserId, old: &PasswordHash, new: &PasswordHash) {
        if let Some(account) = self
            .accounts
            .get_mut(&user)
            .filter(|account| account.password_hash == *old)
        {
            account.password_hash = new.clone();
        }
    }

    pub(super) fn start(&mut self, session: Session) {
        self.sessions.insert(session.id, session);
    }

    /// How often the session was refreshed.
    pub(super) fn generation(&self, session: &Session) -> u32 {
        self.sessions
            .get(&session.id)
            .map_or(session.generation, |session| session.generation)
    }

    pub(super) fn refresh(
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

    pub(super) fn end(&mut self, session: &Session, now: Timestamp) -> bool {
        let was_alive = self.alive(session, now).is_some();
        self.sessions.remove(&session.id);
        was_alive
    }

    pub(super) fn end_others(&mut self, session: &Session, now: Timestamp) -> Answer<()> {
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

    pub(super) fn change_password(
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

    /// A session as it was stored last, whether or not it is alive.
    pub(super) fn stored(&self, session: &Session) -> Option<Session> {
        self.sessions.get(&session.id).cloned()
    }

    /// The sessions that have not ended, oldest first.
    pub(super) fn sessions(&self, user: UserId, now: Timestamp) -> Vec<Session> {
        self.sessions
            .values()
            .filter(|session| session.user == user)
            .filter_map(|session| self.alive(session, now))
            .collect()
    }

    /// Whether a session is still stored, but has been ended together with others.
    pub(super) fn is_left_behind(&self, session: &Session) -> bool {
        self.sessions
            .get(&session.id)
            .is_some_and(|stored| !self.is_of_its_accounts_epoch(stored))
    }

    fn is_of_its_accounts_epoch(&self, session: &Session) -> bool {
        self.accounts
            .get(&session.user)
            .is_some_and(|account| account.epoch == session.epoch)
    }

    /// The session, unless it has ended.
    fn alive(&self, session: &Session, now: Timestamp) -> Option<Session> {
        let stored = self.sessions.get(&session.id)?;
        (stored.expires_at > now && stored.ends_at > now && self.is_of_its_accounts_epoch(stored))
            .then(|| stored.clone())
    }
}
