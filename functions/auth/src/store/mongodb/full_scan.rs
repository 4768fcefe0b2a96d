//! Reads the whole collections of accounts and sessions, for the command that copies them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use common::idempotency::IdempotencyKey;
use common::mongodb::{Connection, Documents, at_its_id, find, names, text_of, value};
use common::problem::StoreError;
use common::schema::PAGE;
use common::storage::copy::{CopyStore, Record, RecordKind, RecordPage, read_collection};
use common::time::Timestamp;
use mongodb::bson::doc;

use super::accounts::{OnceRow, StoredAccount, account_document, read_account};
use super::sessions::{read_session, session_document};
use crate::Session;
use crate::store::record::{ACCOUNT, ExecutedChange, SESSION, account_record, session_record};
use crate::store::{SESSIONS, USERS};

pub(in crate::store) struct FullScan {
    users: Documents,
    sessions: Documents,
}

impl FullScan {
    pub(in crate::store) fn new(connection: &Arc<Connection>) -> Self {
        Self {
            users: Documents::new(connection, USERS),
            sessions: Documents::new(connection, SESSIONS),
        }
    }

    async fn read_accounts(&self, after: Option<&str>) -> Result<RecordPage, StoreError> {
        let (found, mut page) = read_collection(&self.users, after).await?;
        for document in found {
            let (id, name) = names(&self.users, &document);
            let account = read_account(document).and_then(|stored| {
                let is_its_own = stored.account.id.to_string() == id;
                account_record(&at_its_id(is_its_own, stored.account)?)
            });
            page.add(name, account.map(Some));
        }
        Ok(page)
    }

    async fn read_sessions(&self, after: Option<&str>) -> Result<RecordPage, StoreError> {
        let (found, mut page) = read_collection(&self.sessions, after).await?;
        let users: HashSet<&str> = found
            .iter()
            .filter_map(|document| text_of(document, "user"))
            .collect();
        let filter = doc! {"_id": {"$in": Vec::from_iter(users)}};
        let users = self.users.find(filter, doc! {"_id": 1}, PAGE).await?;
        let accounts: HashMap<String, _> = users
            .into_iter()
            .map(|document| (names(&self.users, &document).0, read_account(document)))
            .collect();
        for document in found {
            let (_, name) = names(&self.sessions, &document);
            let session = read_session(document).and_then(|session| living(session, &accounts));
            let record =
                session.and_then(|session| session.as_ref().map(session_record).transpose());
            page.add(name, record);
        }
        Ok(page)
    }

    /// The keys are in the accounts' documents: unreadable ones are reported with the accounts.
    async fn read_password_keys(&self, after: Option<&str>) -> Result<RecordPage, StoreError> {
        let (found, next) = find(&self.users, after).await?;
        let mut page = RecordPage {
            next,
            ..RecordPage::default()
        };
        let accounts = found
            .into_iter()
            .filter_map(|document| read_account(document).ok());
        for StoredAccount { account, once, .. } in accounts {
            for OnceRow {
                key,
                fingerprint,
                expires_at,
            } in once
            {
                let change = ExecutedChange {
                    user: account.id,
                    once: IdempotencyKey { key, fingerprint },
                    expires_at: Timestamp::from_millisecond(expires_at.saturating_mul(1000)),
                };
                page.records.push(change.into_record()?);
            }
        }
        Ok(page)
    }
}

#[async_trait]
impl CopyStore for FullScan {
    async fn read(&self, kind: &RecordKind, after: Option<&str>) -> Result<RecordPage, StoreError> {
        if *kind == ACCOUNT {
            self.read_accounts(after).await
        } else if *kind == SESSION {
            self.read_sessions(after).await
        } else {
            self.read_password_keys(after).await
        }
    }

    async fn add(&self, kind: &RecordKind, record: &Record) -> Result<(), StoreError> {
        if *kind == ACCOUNT {
            return self
                .users
                .insert(account_document(&record.content()?)?)
                .await
                .map(drop);
        }
        if *kind == SESSION {
            return self
                .sessions
                .insert(session_document(&record.content()?)?)
                .await
                .map(drop);
        }
        let ExecutedChange {
            user,
            once,
            expires_at,
        } = record.content()?;
        let filter = doc! {"_id": user.to_string(), "once.key": {"$ne": &once.key}};
        let row = value(&OnceRow::new(&once, expires_at))?;
        // Sorted with the oldest first, because the oldest are dropped first.
        let update = doc! {"$push": {"once": {"$each": [row], "$sort": {"expires_at": 1}}}};
        self.users.update(filter, update).await.map(drop)
    }
}

/// The session, if its account has not ended it.
fn living(
    session: Session,
    accounts: &HashMap<String, Result<StoredAccount, StoreError>>,
) -> Result<Option<Session>, StoreError> {
    match accounts.get(&session.user.to_string()) {
        Some(Ok(stored)) => Ok(stored.living(session)),
        Some(Err(_)) => Err(StoreError::Corrupt("its account cannot be read".into())),
        None => Ok(None),
    }
}
