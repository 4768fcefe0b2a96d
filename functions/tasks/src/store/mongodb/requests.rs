//! Requests that must be executed only once: the claimed keys, the requests that claimed them, and
//! the results.

use common::auth::UserId;
use common::idempotency::{IDEMPOTENCY_KEY_LIFETIME, IdempotencyKey};
use common::mongodb::{ATTEMPTS, Documents, date, date_of, read, text_of, write};
use common::problem::StoreError;
use common::races::{lost, pause};
use common::time::Timestamp;
use mongodb::bson::{Document, doc};

use crate::Task;

/// The collection of requests with an idempotency key.
#[derive(Clone)]
pub(super) struct Requests(Documents);

/// The state of a request that has claimed its key.
pub(super) enum Claim {
    /// It has been executed, or can safely be executed again with this result.
    Executed(Task),
    /// It has no result yet; this is the `_id` of its document.
    Open(String),
}

impl Requests {
    pub(super) fn new(documents: Documents) -> Self {
        Self(documents)
    }

    /// Claims a key for a request, unless another request has it. If the result is known before the
    /// execution, it is recorded with the claim, so that a repeated request is executed with the
    /// same result.
    pub(super) async fn claim(
        &self,
        owner: UserId,
        once: &IdempotencyKey,
        result: Option<Task>,
        now: Timestamp,
    ) -> Result<Claim, StoreError> {
        let request = name_of(owner, once);
        let mut claim = request_document(
            owner,
            once,
            now.plus(IDEMPOTENCY_KEY_LIFETIME),
            result.as_ref(),
        )?;
        claim.remove("_id");
        for attempt in 0..ATTEMPTS {
            // The first call and all later ones get the same answer: which request has the key, and
            // its result if it is known.
            match self
                .0
                .upsert(doc! {"_id": &request}, doc! {"$setOnInsert": claim.clone()})
                .await?
            {
                Some(current) if lives(&current, now) => {
                    if text_of(&current, "fingerprint") != Some(&once.fingerprint) {
                        return Err(StoreError::KeyReused);
                    }
                    let task = current
                        .get_document("task")
                        .ok()
                        .cloned()
                        .map(read)
                        .transpose()?;
                    return Ok(task.map_or(Claim::Open(request), Claim::Executed));
                }
                // An expired claim no longer counts, whether or not it was swept.
                Some(expired) => drop(
                    self.0
                        .delete(doc! {"_id": &request, "expires_at": expired.get("expires_at")})
                        .await?,
                ),
                None => pause(attempt).await,
            }
        }
        Err(lost())
    }

    /// The record in the task, written by the same update that executes the request.
    pub(super) fn record(
        request: &str,
        once: &IdempotencyKey,
        result: &Task,
        now: Timestamp,
    ) -> Result<Document, StoreError> {
        Ok(doc! {
            "request": request,
            "fingerprint": &once.fingerprint,
            "expires_at": date(now.plus(IDEMPOTENCY_KEY_LIFETIME)),
            "task": write(result)?,
        })
    }

    /// Copies the record of a request from the task to the request's own document. Returns the
    /// result if it is this request's.
    pub(super) async fn complete(
        &self,
        record: &Document,
        request: &str,
        once: &IdempotencyKey,
        now: Timestamp,
    ) -> Result<Option<Task>, StoreError> {
        let (Some(recorded), true) = (text_of(record, "request"), lives(record, now)) else {
            return Ok(None);
        };
        let mut executed = record.clone();
        executed.remove("request");
        // A refused repetition may have released the key meanwhile. A request that already has its
        // result stays unchanged.
        let open = doc! {"_id": recorded, "fingerprint": executed.remove("fingerprint"), "task": {"$exists": false}};
        self.0.upsert(open, doc! {"$set": executed}).await?;
        let is_this =
            recorded == request && text_of(record, "fingerprint") == Some(&once.fingerprint);
        let task = record.get_document("task").ok().filter(|_| is_this);
        task.cloned().map(read).transpose()
    }

    /// Releases the key of a refused request.
    pub(super) async fn give_up(
        &self,
        request: &str,
        once: &IdempotencyKey,
    ) -> Result<(), StoreError> {
        let open =
            doc! {"_id": request, "fingerprint": &once.fingerprint, "task": {"$exists": false}};
        self.0.delete(open).await.map(drop)
    }
}

pub(super) fn name_of(owner: UserId, once: &IdempotencyKey) -> String {
    format!("{owner}#{}", once.key)
}

/// A request's document, with its result if known.
pub(super) fn request_document(
    owner: UserId,
    once: &IdempotencyKey,
    expires_at: Timestamp,
    result: Option<&Task>,
) -> Result<Document, StoreError> {
    let mut document = doc! {"_id": name_of(owner, once), "fingerprint": &once.fingerprint, "expires_at": date(expires_at)};
    if let Some(result) = result {
        document.insert("task", write(result)?);
    }
    Ok(document)
}

fn lives(document: &Document, now: Timestamp) -> bool {
    date_of(document, "expires_at")
        .is_some_and(|expires_at| expires_at.as_second() > now.as_second())
}
