//! Requests that must be executed once: who has claimed which key, for which request, and what came
//! of it.

use mongodb::bson::{Document, doc};

use crate::Task;
use common::auth::UserId;
use common::idempotency::{IDEMPOTENCY_KEY_LIFETIME, IdempotencyKey};
use common::mongodb::{ATTEMPTS, Documents, date, date_of, read, text_of, write};
use common::problem::StoreError;
use common::races::{lost, pause};
use common::time::Timestamp;

/// The collection of requests with a key.
#[derive(Clone)]
pub(super) struct Requests(Documents);

/// What is known of a request whose key has been claimed for it.
pub(super) enum Claim {
    /// It has been executed, or is to be executed again with this very result, which does no harm.
    Executed(Task),
    /// Nothing has come of it yet; this is its name.
    Open(String),
}

impl Requests {
    /// The requests in this collection.
    pub(super) fn new(documents: Documents) -> Self {
        Self(documents)
    }

    /// Claims a key for a request, unless another request has it. Where the result is known before
    /// it is executed, it is recorded with the claim, so that whoever repeats the request executes
    /// it with the same result.
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
            // Whoever claims it first is told the same as whoever comes later: whose it is, and
            // what is known to come of it.
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
                // An expired one is gone, whether or not it was swept.
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

    /// What is written into the task, in the same update that executes the request.
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

    /// Copies what a task records of a request to where the request is remembered. Gives the result
    /// if it is this request's.
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
        // A repetition that was refused may have let go of the key meanwhile; and one that is
        // complete already stays so.
        let open = doc! {"_id": recorded, "fingerprint": executed.remove("fingerprint"), "task": {"$exists": false}};
        self.0.upsert(open, doc! {"$set": executed}).await?;
        let is_this =
            recorded == request && text_of(record, "fingerprint") == Some(&once.fingerprint);
        let task = record.get_document("task").ok().filter(|_| is_this);
        task.cloned().map(read).transpose()
    }

    /// Lets go of a key whose request was refused.
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

/// The name of a request's document.
pub(super) fn name_of(owner: UserId, once: &IdempotencyKey) -> String {
    format!("{owner}#{}", once.key)
}

/// A request's document, with what came of it if that is known.
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
