//! The collections from end to end, for the command that copies them.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use mongodb::bson::{Bson, Document, doc};

use super::accounts::{OnceRow, StoredAccount, account_document, read_account};
use super::requests::{name_of as name_of_request, request_document};
use super::sessions::{read_session, session_document};
use super::tasks::{name_of as name_of_task, task_document};
use super::{REQUESTS, SESSIONS, TASKS, USERS};
use crate::auth::Session;
use crate::idempotency::IdempotencyKey;
use crate::mongodb::Connection;
use crate::mongodb::SCHEMA;
use crate::mongodb::{Documents, date_of, read, text_of, value};
use crate::problem::StoreError;
use crate::store::copy::{CopyStore, PAGE, Record, RecordKind, RecordPage};
use crate::tasks::Task;
use crate::time::Timestamp;
use crate::users::UserId;

/// Starts a position among the tasks that remember a request; any other position is among the
/// requests.
const AMONG_TASKS: &str = "restored ";
/// The `_id` of the note, in the collection of the schema.
const NOTE: &str = "copy";

pub(in crate::store) struct FullScan {
    users: Documents,
    sessions: Documents,
    tasks: Documents,
    requests: Documents,
    schema: Documents,
}

/// A page of documents, and after which `_id` the collection goes on.
type Found = (Vec<Document>, Option<String>);

impl FullScan {
    /// Everything in the database of this connection.
    pub(in crate::store) fn new(connection: Connection) -> Self {
        let connection = Arc::new(connection);
        let [users, sessions, tasks, requests, schema] = [USERS, SESSIONS, TASKS, REQUESTS, SCHEMA]
            .map(|name| Documents::new(&connection, name));
        Self {
            users,
            sessions,
            tasks,
            requests,
            schema,
        }
    }

    async fn read_accounts(
        &self,
        after: Option<&str>,
        page: &mut RecordPage,
    ) -> Result<Option<String>, StoreError> {
        let (found, next) = find_or_tell(&self.users, USERS, after, page).await?;
        for document in found {
            let (id, name) = names(USERS, &document);
            let account = read_account(document).map(|stored| stored.account);
            page.add(
                name,
                account
                    .and_then(|account| {
                        at_its_id(account.id.to_string() == id, Record::Account(account))
                    })
                    .map(Some),
            );
        }
        Ok(next)
    }

    async fn read_sessions(
        &self,
        after: Option<&str>,
        page: &mut RecordPage,
    ) -> Result<Option<String>, StoreError> {
        let (found, next) = find_or_tell(&self.sessions, SESSIONS, after, page).await?;
        let users: HashSet<&str> = found
            .iter()
            .filter_map(|document| text_of(document, "user"))
            .collect();
        let users = self
            .users
            .find(
                doc! {"_id": {"$in": Vec::from_iter(users)}},
                doc! {"_id": 1},
                PAGE,
            )
            .await?;
        let accounts: HashMap<String, _> = users
            .into_iter()
            .map(|document| (names(USERS, &document).0, read_account(document)))
            .collect();
        for document in found {
            let (_, name) = names(SESSIONS, &document);
            let session = read_session(document).and_then(|session| living(session, &accounts));
            page.add(name, session.map(|session| session.map(Record::Session)));
        }
        Ok(next)
    }

    /// They are in the accounts' documents: one that cannot be read is told of among the accounts.
    async fn read_password_keys(
        &self,
        after: Option<&str>,
        page: &mut RecordPage,
    ) -> Result<Option<String>, StoreError> {
        let (found, next) = find(&self.users, after).await?;
        for StoredAccount { account, once, .. } in found
            .into_iter()
            .filter_map(|document| read_account(document).ok())
        {
            page.records.extend(once.into_iter().map(
                |OnceRow {
                     key,
                     fingerprint,
                     expires_at,
                 }| Record::PasswordKey {
                    user: account.id,
                    once: IdempotencyKey { key, fingerprint },
                    expires_at: Timestamp::from_millisecond(expires_at.saturating_mul(1000)),
                },
            ));
        }
        Ok(next)
    }

    async fn read_tasks(
        &self,
        after: Option<&str>,
        page: &mut RecordPage,
    ) -> Result<Option<String>, StoreError> {
        let (found, next) = find_or_tell(&self.tasks, TASKS, after, page).await?;
        for document in found {
            let (id, name) = names(TASKS, &document);
            page.add(name, read_task(document, &id).map(Some));
        }
        Ok(next)
    }

    /// What came of a request is in its own document, or still in the task that it restored: see
    /// docs/data-model.md. A request that nothing has come of leaves nothing to copy: whoever
    /// repeats it executes it.
    async fn read_task_keys(
        &self,
        after: Option<&str>,
        page: &mut RecordPage,
    ) -> Result<Option<String>, StoreError> {
        if let Some(after) = after.and_then(|after| after.strip_prefix(AMONG_TASKS)) {
            let next = self
                .read_restorations(Some(after).filter(|after| !after.is_empty()), page)
                .await?;
            return Ok(next.map(|next| format!("{AMONG_TASKS}{next}")));
        }
        let (found, next) = find_or_tell(&self.requests, REQUESTS, after, page).await?;
        let open = |document: &Document| {
            document.contains_key("fingerprint") && !document.contains_key("task")
        };
        for document in found.into_iter().filter(|document| !open(document)) {
            let (id, name) = names(REQUESTS, &document);
            page.add(name, read_request(&document, &id).map(Some));
        }
        Ok(Some(next.unwrap_or_else(|| AMONG_TASKS.to_owned())))
    }

    async fn read_restorations(
        &self,
        after: Option<&str>,
        page: &mut RecordPage,
    ) -> Result<Option<String>, StoreError> {
        let (found, next) = find(&self.tasks, after).await?;
        let restorations = found
            .iter()
            .filter_map(|task| Some((names(TASKS, task).1, task.get_document("restored").ok()?)));
        let requests: Vec<&str> = restorations
            .clone()
            .filter_map(|(_, restored)| text_of(restored, "request"))
            .collect();
        let filter = doc! {"_id": {"$in": requests}, "task": {"$exists": true}};
        let complete = self.requests.find(filter, doc! {"_id": 1}, PAGE).await?;
        let complete: HashSet<String> = complete
            .iter()
            .map(|document| names(REQUESTS, document).0)
            .collect();
        for (name, restored) in restorations {
            let request = text_of(restored, "request").unwrap_or_default();
            if !complete.contains(request) {
                page.add(name, read_request(restored, request).map(Some));
            }
        }
        Ok(next)
    }
}

#[async_trait]
impl CopyStore for FullScan {
    async fn read(&self, kind: RecordKind, after: Option<&str>) -> Result<RecordPage, StoreError> {
        let mut page = RecordPage::default();
        page.next = match kind {
            RecordKind::Account => self.read_accounts(after, &mut page).await?,
            RecordKind::Session => self.read_sessions(after, &mut page).await?,
            RecordKind::PasswordKey => self.read_password_keys(after, &mut page).await?,
            RecordKind::Task => self.read_tasks(after, &mut page).await?,
            RecordKind::TaskKey => self.read_task_keys(after, &mut page).await?,
        };
        Ok(page)
    }

    async fn add(&self, record: &Record) -> Result<(), StoreError> {
        match record {
            Record::Account(account) => self
                .users
                .insert(account_document(account)?)
                .await
                .map(drop),
            Record::Session(session) => self
                .sessions
                .insert(session_document(session)?)
                .await
                .map(drop),
            Record::PasswordKey {
                user,
                once,
                expires_at,
            } => {
                let filter = doc! {"_id": user.to_string(), "once.key": {"$ne": &once.key}};
                let row = value(&OnceRow::new(once, *expires_at))?;
                // The oldest first, as the account has them: those are forgotten first.
                let update = doc! {"$push": {"once": {"$each": [row], "$sort": {"expires_at": 1}}}};
                self.users.update(filter, update).await.map(drop)
            }
            Record::Task { owner, task } => self
                .tasks
                .insert(task_document(*owner, task)?)
                .await
                .map(drop),
            Record::TaskKey {
                owner,
                once,
                expires_at,
                result,
            } => self
                .requests
                .insert(request_document(*owner, once, *expires_at, Some(result))?)
                .await
                .map(drop),
        }
    }

    async fn note(&self) -> Result<Option<String>, StoreError> {
        let found = self.schema.find_one(doc! {"_id": NOTE}).await?;
        Ok(found.and_then(|document| text_of(&document, "note").map(str::to_owned)))
    }

    async fn put_note(&self, note: &str) -> Result<(), StoreError> {
        self.schema
            .put(NOTE, doc! {"_id": NOTE, "note": note})
            .await
    }
}

/// A page of a collection. What has an `_id` that is no text, which nothing here has, is told of
/// with the first one: such documents come before all others or after them.
async fn find_or_tell(
    documents: &Documents,
    collection: &str,
    after: Option<&str>,
    page: &mut RecordPage,
) -> Result<Found, StoreError> {
    if after.is_none() {
        let mut others = BTreeSet::new();
        for direction in [1, -1] {
            let outermost = documents
                .find(Document::new(), doc! {"_id": direction}, PAGE)
                .await?;
            let strange = outermost
                .iter()
                .filter(|document| text_of(document, "_id").is_none());
            others.extend(strange.map(|document| names(collection, document).1));
        }
        for name in others {
            page.add(
                name,
                Err(StoreError::Corrupt(
                    "nothing that Tasklane keeps has such an _id".into(),
                )),
            );
        }
    }
    find(documents, after).await
}

/// A page of a collection.
async fn find(documents: &Documents, after: Option<&str>) -> Result<Found, StoreError> {
    let filter = after.map_or_else(|| doc! {"$gte": ""}, |after| doc! {"$gt": after});
    let found = documents
        .find(doc! {"_id": filter}, doc! {"_id": 1}, PAGE)
        .await?;
    let Some(last) = found.last().filter(|_| found.len() == PAGE) else {
        return Ok((found, None));
    };
    let next = text_of(last, "_id")
        .ok_or_else(|| StoreError::Corrupt("a document's _id cannot be read".into()))?
        .to_owned();
    Ok((found, Some(next)))
}

/// The `_id` as text, and where the document is, for people.
fn names(collection: &str, document: &Document) -> (String, String) {
    let id = match document.get("_id") {
        Some(Bson::String(id)) => id.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let name = format!("{collection} {id}");
    (id, name)
}

/// What has an `_id` must say the same of itself.
fn at_its_id<T>(holds: bool, value: T) -> Result<T, StoreError> {
    if holds {
        Ok(value)
    } else {
        Err(StoreError::Corrupt("it is not what its _id says".into()))
    }
}

/// A session that its account has not ended.
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

fn read_task(document: Document, id: &str) -> Result<Record, StoreError> {
    let (live, trashed) = (text_of(&document, "owner"), text_of(&document, "trash_of"));
    let owner = live.or(trashed).and_then(|owner| owner.parse().ok());
    let (owner, is_live): (UserId, bool) = (
        owner.ok_or_else(|| StoreError::Corrupt("it lacks its owner".into()))?,
        live.is_some(),
    );
    let task: Task = read(document)?;
    if is_live == task.deleted_at.is_some() {
        return Err(StoreError::Corrupt(
            "it does not say whether it is in the trash".into(),
        ));
    }
    at_its_id(
        name_of_task(owner, task.id) == id,
        Record::Task { owner, task },
    )
}

/// Reads a request that was executed, by its name.
fn read_request(document: &Document, id: &str) -> Result<Record, StoreError> {
    let name = id
        .split_once('#')
        .and_then(|(owner, key)| Some((owner.parse::<UserId>().ok()?, key)));
    let (owner, key) = name.ok_or_else(|| StoreError::Corrupt("it lacks its owner".into()))?;
    let lacking =
        || StoreError::Corrupt("it lacks its fingerprint, its expiry or what came of it".into());
    let fingerprint = text_of(document, "fingerprint")
        .ok_or_else(lacking)?
        .to_owned();
    let expires_at: Timestamp = date_of(document, "expires_at").ok_or_else(lacking)?;
    let result = read(
        document
            .get_document("task")
            .map_err(|_| lacking())?
            .clone(),
    )?;
    let once = IdempotencyKey {
        key: key.to_owned(),
        fingerprint,
    };
    at_its_id(
        name_of_request(owner, &once) == id,
        Record::TaskKey {
            owner,
            once,
            expires_at,
            result,
        },
    )
}
