//! Reads the whole collections of tasks and their requests, for the command that copies them.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use common::auth::UserId;
use common::idempotency::IdempotencyKey;
use common::mongodb::{Connection, Documents, at_its_id, date_of, find, names, read, text_of};
use common::problem::StoreError;
use common::schema::PAGE;
use common::storage::copy::{CopyStore, Record, RecordKind, RecordPage, read_collection};
use common::time::Timestamp;
use mongodb::bson::{Document, doc};

use super::requests::{name_of as name_of_request, request_document};
use super::{name_of as name_of_task, task_document};
use crate::Task;
use crate::store::record::{ExecutedRequest, OwnedTask, TASK};
use crate::store::{REQUESTS, TASKS};

/// The prefix of a position among the tasks that remember a request; any other position is among
/// the requests.
const AMONG_TASKS: &str = "restored ";

pub(in crate::store) struct FullScan {
    tasks: Documents,
    requests: Documents,
}

impl FullScan {
    pub(in crate::store) fn new(connection: &Arc<Connection>) -> Self {
        Self {
            tasks: Documents::new(connection, TASKS),
            requests: Documents::new(connection, REQUESTS),
        }
    }

    async fn read_tasks(&self, after: Option<&str>) -> Result<RecordPage, StoreError> {
        let (found, mut page) = read_collection(&self.tasks, after).await?;
        for document in found {
            let (id, name) = names(&self.tasks, &document);
            page.add(name, read_task(document, &id).map(Some));
        }
        Ok(page)
    }

    /// The result of a request is in its own document, or still in the task that it restored: see
    /// docs/data-model.md. A request without a result is not copied: repeating it executes it.
    async fn read_task_keys(&self, after: Option<&str>) -> Result<RecordPage, StoreError> {
        if let Some(after) = after.and_then(|after| after.strip_prefix(AMONG_TASKS)) {
            let after = Some(after).filter(|after| !after.is_empty());
            return self.read_restorations(after).await;
        }
        let (found, mut page) = read_collection(&self.requests, after).await?;
        page.next.get_or_insert_with(|| AMONG_TASKS.to_owned());
        let open = |document: &Document| {
            document.contains_key("fingerprint") && !document.contains_key("task")
        };
        for document in found.into_iter().filter(|document| !open(document)) {
            let (id, name) = names(&self.requests, &document);
            page.add(name, read_request(&document, &id).map(Some));
        }
        Ok(page)
    }

    async fn read_restorations(&self, after: Option<&str>) -> Result<RecordPage, StoreError> {
        let (found, next) = find(&self.tasks, after).await?;
        let next = next.map(|next| format!("{AMONG_TASKS}{next}"));
        let mut page = RecordPage {
            next,
            ..RecordPage::default()
        };
        let restorations = found.iter().filter_map(|task| {
            Some((
                names(&self.tasks, task).1,
                task.get_document("restored").ok()?,
            ))
        });
        let requests: Vec<&str> = restorations
            .clone()
            .filter_map(|(_, restored)| text_of(restored, "request"))
            .collect();
        let filter = doc! {"_id": {"$in": requests}, "task": {"$exists": true}};
        let complete = self.requests.find(filter, doc! {"_id": 1}, PAGE).await?;
        let complete: HashSet<String> = complete
            .iter()
            .map(|document| names(&self.requests, document).0)
            .collect();
        for (name, restored) in restorations {
            let request = text_of(restored, "request").unwrap_or_default();
            if !complete.contains(request) {
                page.add(name, read_request(restored, request).map(Some));
            }
        }
        Ok(page)
    }
}

#[async_trait]
impl CopyStore for FullScan {
    async fn read(&self, kind: &RecordKind, after: Option<&str>) -> Result<RecordPage, StoreError> {
        if *kind == TASK {
            self.read_tasks(after).await
        } else {
            self.read_task_keys(after).await
        }
    }

    async fn add(&self, kind: &RecordKind, record: &Record) -> Result<(), StoreError> {
        let inserted = if *kind == TASK {
            let OwnedTask { owner, task } = record.content()?;
            self.tasks.insert(task_document(owner, &task)?).await
        } else {
            let ExecutedRequest {
                owner,
                once,
                expires_at,
                result,
            } = record.content()?;
            let document = request_document(owner, &once, expires_at, Some(&result))?;
            self.requests.insert(document).await
        };
        inserted.map(drop)
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
        OwnedTask { owner, task },
    )?
    .into_record()
}

/// Reads an executed request from its document.
fn read_request(document: &Document, id: &str) -> Result<Record, StoreError> {
    let name = id
        .split_once('#')
        .and_then(|(owner, key)| Some((owner.parse::<UserId>().ok()?, key)));
    let (owner, key) = name.ok_or_else(|| StoreError::Corrupt("it lacks its owner".into()))?;
    let lacking =
        || StoreError::Corrupt("it lacks its fingerprint, its expiry or its result".into());
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
        ExecutedRequest {
            owner,
            once,
            expires_at,
            result,
        },
    )?
    .into_record()
}
