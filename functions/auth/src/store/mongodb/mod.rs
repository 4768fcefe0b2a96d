//! Accounts and sessions: a collection each.

mod accounts;
mod full_scan;
mod sessions;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use common::auth::{PasswordHash, Role, SessionId, UserId};
use common::fields::Change;
use common::idempotency::IdempotencyKey;
use common::mongodb::{ATTEMPTS, Connection, Documents, at_version, date, value};
use common::paging::{Cursor, Page};
use common::precondition::Precondition;
use common::problem::StoreError;
use common::races::{lost, pause};
use common::time::Timestamp;
use mongodb::bson::doc;

use crate::problems::{THE_ADDRESS_IS_TAKEN, THE_PASSWORD_WAS_CHANGED, THE_SESSION_HAS_ENDED};
use crate::store::{SESSIONS, USERS, session_page};
use crate::{
    Account, Email, LiveSession, Name, PasswordUpdate, Rotation, Session, User, UserStore, Verdict,
};
use accounts::{NOT_THE_OWNERS, Owner, StoredAccount, account_document, read_account, read_owner};
pub(super) use full_scan::FullScan;
use sessions::{a_session_that_takes, has_time_left, read_session, session_document, the_session};

/// The largest number of sessions that one page reads, including ended ones.
const SESSION_READS: usize = 500;

#[derive(Clone)]
pub(super) struct UserCollections {
    users: Documents,
    sessions: Documents,
}

impl UserCollections {
    pub(super) fn new(connection: &Arc<Connection>) -> Self {
        let [users, sessions] = [USERS, SESSIONS].map(|name| Documents::new(connection, name));
        Self { users, sessions }
    }

    async fn stored(&self, user: UserId) -> Result<Option<StoredAccount>, StoreError> {
        self.users
            .find_one(doc! {"_id": user.to_string()})
            .await?
            .map(read_account)
            .transpose()
    }

    async fn owner(&self, user: UserId) -> Result<Option<Owner>, StoreError> {
        self.users
            .find_one_without(doc! {"_id": user.to_string()}, &NOT_THE_OWNERS)
            .await?
            .map(read_owner)
            .transpose()
    }

    /// A session that has not expired.
    async fn session(
        &self,
        user: UserId,
        session: SessionId,
        now: Timestamp,
    ) -> Result<Option<Session>, StoreError> {
        let document = self.sessions.find_one(the_session(user, session)).await?;
        Ok(document
            .map(read_session)
            .transpose()?
            .filter(|session| has_time_left(session, now)))
    }

    /// A session that has not expired and that its account has not ended.
    async fn living(
        &self,
        account: &StoredAccount,
        session: SessionId,
        now: Timestamp,
    ) -> Result<Option<Session>, StoreError> {
        let session = self.session(account.account.id, session, now).await?;
        Ok(session.and_then(|session| account.living(session)))
    }

    /// The session with its account's role, unless the account has ended it.
    async fn with_role(&self, session: Session) -> Result<Option<(Session, Role)>, StoreError> {
        let Some(owner) = self.owner(session.user).await? else {
            return Ok(None);
        };
        Ok(owner
            .living
            .living(session)
            .map(|session| (session, owner.user.role)))
    }

    /// Gives a session the next refresh token; all earlier ones become void.
    async fn renew(&self, session: Session, now: Timestamp) -> Result<Session, StoreError> {
        let mut current = session;
        for attempt in 0..ATTEMPTS {
            let mut filter = the_session(current.user, current.id);
            filter.insert("generation", i64::from(current.generation));
            let update = doc! {"$set": {"generation": i64::from(current.generation) + 1}, "$unset": {"previous": ""}};
            if let Some(document) = self.sessions.update(filter, update).await? {
                return Ok(Session {
                    epoch: current.epoch,
                    ..read_session(document)?
                });
            }
            // It was refreshed meanwhile, so renew it again; or it has ended.
            let stored = self
                .session(current.user, current.id, now)
                .await?
                .ok_or(StoreError::Refused(THE_SESSION_HAS_ENDED))?;
            current = Session {
                epoch: current.epoch,
                ..stored
            };
            pause(attempt).await;
        }
        Err(lost())
    }
}

#[async_trait]
impl UserStore for UserCollections {
    async fn register(&self, account: &Account, session: &Session) -> Result<(), StoreError> {
        // The account's document decides, because its address is unique. A session without an
        // account is harmless: nobody has its token.
        if !self.sessions.insert(session_document(session)?).await? {
            return Err(StoreError::Refused(THE_ADDRESS_IS_TAKEN));
        }
        if self.users.insert(account_document(account)?).await? {
            return Ok(());
        }
        self.sessions
            .delete(the_session(session.user, session.id))
            .await?;
        Err(StoreError::Refused(THE_ADDRESS_IS_TAKEN))
    }

    async fn find_by_email(&self, email: &Email) -> Result<Option<Account>, StoreError> {
        let document = self
            .users
            .find_one(doc! {"email_canonical": email.canonical()})
            .await?;
        Ok(document
            .map(read_account)
            .transpose()?
            .map(|stored| stored.account))
    }

    async fn account(&self, user: UserId) -> Result<Option<Account>, StoreError> {
        Ok(self.stored(user).await?.map(|stored| stored.account))
    }

    async fn live_session(
        &self,
        user: UserId,
        session: SessionId,
        now: Timestamp,
    ) -> Result<LiveSession, StoreError> {
        let owner = self
            .owner(user)
            .await?
            .ok_or(StoreError::Refused(THE_SESSION_HAS_ENDED))?;
        let session = self
            .session(user, session, now)
            .await?
            .ok_or(StoreError::Refused(THE_SESSION_HAS_ENDED))?;
        let session = owner
            .living
            .living(session)
            .ok_or(StoreError::Refused(THE_SESSION_HAS_ENDED))?;
        Ok(LiveSession {
            session,
            user: owner.user,
        })
    }

    async fn rename(
        &self,
        user: &User,
        name: &Change<Name>,
        precondition: &Precondition,
        now: Timestamp,
    ) -> Result<User, StoreError> {
        let mut set = doc! {"updated_at": now.to_string()};
        let mut update = doc! {"$inc": {"version": 1_i64}};
        match name {
            Change::Keep => {
                return precondition.check(user.version).map(|()| user.clone());
            }
            Change::Clear => {
                update.insert("$unset", doc! {"name": ""});
            }
            Change::Set(name) => {
                set.insert("name", value(name)?);
            }
        }
        update.insert("$set", set);
        for attempt in 0..ATTEMPTS {
            let filter = at_version(doc! {"_id": user.id.to_string()}, precondition);
            // Not every server can exclude the hash from an update's answer; it is dropped here.
            if let Some(document) = self.users.update(filter, update.clone()).await? {
                return Ok(read_owner(document)?.user);
            }
            let current = self.owner(user.id).await?.map(|owner| owner.user.version);
            match current {
                None => return Err(StoreError::NotFound("account")),
                Some(current) if !precondition.allows(current) => {
                    return Err(StoreError::Stale { current });
                }
                Some(_) => pause(attempt).await,
            }
        }
        Err(lost())
    }

    async fn replace_hash(
        &self,
        user: UserId,
        old: &PasswordHash,
        new: &PasswordHash,
    ) -> Result<(), StoreError> {
        let filter = doc! {"_id": user.to_string(), "password_hash": value(old)?};
        self.users
            .update(filter, doc! {"$set": {"password_hash": value(new)?}})
            .await
            .map(drop)
    }

    async fn password_change_repeated(
        &self,
        user: UserId,
        once: &IdempotencyKey,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.stored(user)
            .await?
            .map_or(Ok(false), |stored| stored.repeats(once, now))
    }

    async fn change_password(
        &self,
        change: PasswordUpdate<'_>,
        once: Option<&IdempotencyKey>,
    ) -> Result<Session, StoreError> {
        let PasswordUpdate {
            session: Session {
                id: session, user, ..
            },
            epoch,
            verified,
            new,
            now,
        } = change;
        let (user, session) = (*user, *session);
        for attempt in 0..ATTEMPTS {
            let stored = self
                .stored(user)
                .await?
                .ok_or(StoreError::Refused(THE_SESSION_HAS_ENDED))?;
            let living = self.living(&stored, session, now).await?;
            if let Some(once) = once
                && stored.repeats(once, now)?
            {
                return living.ok_or(StoreError::Refused(THE_SESSION_HAS_ENDED));
            }
            let Some(living) = living else {
                return Err(StoreError::Refused(THE_SESSION_HAS_ENDED));
            };
            if stored.account.epoch != epoch || stored.account.password_hash != *verified {
                return Err(StoreError::Refused(THE_PASSWORD_WAS_CHANGED));
            }
            let mut set = stored.keep_only(session);
            set.insert("password_hash", value(new)?);
            if let Some(once) = once {
                set.insert("once", stored.remembering(once, now)?);
            }
            // Every such change increases the epoch, so the filter protects the remembered changes
            // as well.
            if self
                .users
                .update(stored.unchanged()?, doc! {"$set": set})
                .await?
                .is_some()
            {
                return self
                    .renew(
                        Session {
                            epoch: epoch + 1,
                            ..living
                        },
                        now,
                    )
                    .await;
            }
            pause(attempt).await;
        }
        Err(lost())
    }

    async fn start_session(&self, session: &Session) -> Result<(), StoreError> {
        self.sessions
            .put(&session.id.to_string(), session_document(session)?)
            .await
    }

    async fn end_least_used_sessions(
        &self,
        kept: &Session,
        most: usize,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let owner = self
            .owner(kept.user)
            .await?
            .ok_or(StoreError::Refused(THE_SESSION_HAS_ENDED))?;
        let mut filter = owner.living.filter(kept.user);
        filter.insert("expires_at", doc! {"$gt": date(now)});
        filter.insert("_id", doc! {"$ne": kept.id.to_string()});
        let documents = self
            .sessions
            .find(filter, doc! {"user": 1, "_id": 1}, SESSION_READS)
            .await?;
        // An unreadable session must not hide the others.
        let sessions = documents
            .into_iter()
            .filter_map(|document| read_session(document).ok());
        let living = sessions
            .filter(|session| has_time_left(session, now))
            .filter_map(|session| owner.living.living(session));
        let mut others: Vec<_> = living
            .map(|session| (session.last_used_at, session.id))
            .collect();
        others.sort();
        let too_many = (others.len() + 1).saturating_sub(most);
        for (_, session) in others.into_iter().take(too_many) {
            self.end_session(kept.user, session, now).await?;
        }
        Ok(())
    }

    async fn rotate(
        &self,
        user: UserId,
        session: SessionId,
        generation: u32,
        idle: Duration,
        now: Timestamp,
    ) -> Result<Rotation, StoreError> {
        let current = a_session_that_takes(user, session, generation, now);
        let update = doc! {
            "$inc": {"generation": 1_i64},
            "$set": {"previous": i64::from(generation), "last_used_at": now.to_string(), "expires_at": date(now.plus(idle))},
        };
        for attempt in 0..ATTEMPTS {
            if let Some(document) = self
                .sessions
                .update(current.clone(), update.clone())
                .await?
            {
                let rotated = self.with_role(read_session(document)?).await?;
                return Ok(rotated.map_or(Rotation::Ended, |(session, role)| {
                    Rotation::Rotated(session, role)
                }));
            }
            let Some(document) = self.sessions.find_one(the_session(user, session)).await? else {
                return Ok(Rotation::Ended);
            };
            let stored = read_session(document)?;
            if stored.takes(generation, now) {
                // Another request has just rotated it, which is not visible yet.
                pause(attempt).await;
                continue;
            }
            return match stored.verdict(generation, now) {
                Verdict::Ended => Ok(Rotation::Ended),
                Verdict::Repeated => {
                    let repeated = self.with_role(stored).await?;
                    Ok(repeated.map_or(Rotation::Ended, |(session, role)| {
                        Rotation::Repeated(session, role)
                    }))
                }
                Verdict::Reused => self
                    .end_session(user, session, now)
                    .await
                    .map(|_| Rotation::Stolen),
            };
        }
        Err(lost())
    }

    async fn end_session(
        &self,
        user: UserId,
        session: SessionId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let ended = self.sessions.delete(the_session(user, session)).await?;
        Ok(ended.is_some_and(|document| {
            read_session(document).is_ok_and(|session| has_time_left(&session, now))
        }))
    }

    async fn end_other_sessions(
        &self,
        user: UserId,
        session: SessionId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut first_epoch = None;
        for attempt in 0..ATTEMPTS {
            let stored = self
                .stored(user)
                .await?
                .ok_or(StoreError::Refused(THE_SESSION_HAS_ENDED))?;
            if self.living(&stored, session, now).await?.is_none() {
                return Err(StoreError::Refused(THE_SESSION_HAS_ENDED));
            }
            let epoch = stored.account.epoch;
            // The other sessions were ended meanwhile and this session was kept, so the work is
            // done.
            if *first_epoch.get_or_insert(epoch) < epoch {
                return Ok(());
            }
            let filter = doc! {"_id": user.to_string(), "epoch": i64::from(epoch)};
            if self
                .users
                .update(filter, doc! {"$set": stored.keep_only(session)})
                .await?
                .is_some()
            {
                return Ok(());
            }
            pause(attempt).await;
        }
        Err(lost())
    }

    async fn sessions(
        &self,
        user: UserId,
        limit: usize,
        after: Option<&Cursor>,
        now: Timestamp,
    ) -> Result<Page<Session>, StoreError> {
        let owner = self
            .owner(user)
            .await?
            .ok_or(StoreError::Refused(THE_SESSION_HAS_ENDED))?;
        let mut filter = doc! {"user": user.to_string()};
        // Only the identifier of a session is a valid position.
        if let Some(after) = after.and_then(|cursor| cursor.position.parse::<SessionId>().ok()) {
            filter.insert("_id", doc! {"$gt": after.to_string()});
        }
        let documents = self
            .sessions
            .find(filter, doc! {"user": 1, "_id": 1}, SESSION_READS)
            .await?;
        let last = documents
            .last()
            .filter(|_| documents.len() == SESSION_READS);
        let rest = last
            .and_then(|document| document.get_str("_id").ok())
            .map(str::to_owned);
        let living = |session: Session| {
            Some(session)
                .filter(|session| has_time_left(session, now))
                .and_then(|session| owner.living.living(session))
        };
        let sessions = documents
            .into_iter()
            .filter_map(|document| read_session(document).map(living).transpose());
        Ok(session_page(sessions, limit, rest))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.users.find_one(doc! {"_id": "ping"}).await.map(drop)
    }
}
