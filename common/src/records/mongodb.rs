//! Records on MongoDB: one document each, in a separate collection.

use std::sync::Arc;

use async_trait::async_trait;
use mongodb::bson::{Bson, Document, doc};
use uuid::Uuid;

use super::keys::{Span, escape, key_of, order_of, position};
use super::schema::ORDER_INDEXES;
use super::{
    Content, CounterStore, Put, Record, RecordId, RecordOrder, RecordQuery, RecordStore, Refused,
    Transacted, Write, check_writes, lives, page_of, without,
};
use crate::mongodb::{ATTEMPTS, Connection, Documents, date, date_of, text_of, version_of};
use crate::paging::Page;
use crate::problem::StoreError;
use crate::races::{lost, pause};
use crate::time::Timestamp;

#[derive(Clone)]
pub struct Records(Documents);

/// The result of a write.
enum Outcome {
    Done,
    /// Its condition failed: this record exists.
    Refused(Option<Box<Record>>),
}

impl Records {
    pub fn new(connection: &Arc<Connection>, collection: &'static str) -> Self {
        Self(Documents::new(connection, collection))
    }

    async fn living(&self, id: &RecordId, now: Timestamp) -> Result<Option<Document>, StoreError> {
        let document = self.0.find_one(doc! {"_id": name_of(id)}).await?;
        Ok(document.filter(|document| document_lives(document, now)))
    }

    async fn put(
        &self,
        id: &RecordId,
        content: &Content,
        write: &str,
        now: Timestamp,
    ) -> Result<Outcome, StoreError> {
        // Replaces an expired record. If the existing one has not expired, the upsert fails because
        // its `_id` is unique.
        let filter = doc! {"_id": name_of(id), "expires_at": {"$lte": date(now)}};
        let update = update(id, content, 1, write)?;
        for attempt in 0..ATTEMPTS {
            if self
                .0
                .upsert(filter.clone(), update.clone())
                .await?
                .is_some()
            {
                return Ok(Outcome::Done);
            }
            if let Some(found) = self.living(id, now).await? {
                return outcome(id, &found, write);
            }
            // It has expired or was deleted meanwhile, or cannot be read yet.
            pause(attempt).await;
        }
        Err(lost())
    }

    async fn put_in_place(
        &self,
        id: &RecordId,
        version: u64,
        content: &Content,
        write: &str,
        now: Timestamp,
    ) -> Result<Outcome, StoreError> {
        let update = update(id, content, version.saturating_add(1), write)?;
        for attempt in 0..ATTEMPTS {
            if self
                .0
                .update(at_version(id, version, now), update.clone())
                .await?
                .is_some()
            {
                return Ok(Outcome::Done);
            }
            match self.living(id, now).await? {
                // Another writer's change is not visible yet.
                Some(found) if version_of(&found) == Some(version) => pause(attempt).await,
                Some(found) => return outcome(id, &found, write),
                None => return Ok(Outcome::Refused(None)),
            }
        }
        Err(lost())
    }

    async fn delete_at(
        &self,
        id: &RecordId,
        version: u64,
        now: Timestamp,
    ) -> Result<Outcome, StoreError> {
        for attempt in 0..ATTEMPTS {
            if self.0.delete(at_version(id, version, now)).await?.is_some() {
                return Ok(Outcome::Done);
            }
            match self.living(id, now).await? {
                Some(found) if version_of(&found) == Some(version) => pause(attempt).await,
                Some(found) => return refused(id, &found),
                None => return Ok(Outcome::Refused(None)),
            }
        }
        Err(lost())
    }

    /// The existing records of these writes, in the same order.
    async fn found(
        &self,
        writes: &[Write],
        now: Timestamp,
    ) -> Result<Vec<Option<Document>>, StoreError> {
        let names: Vec<String> = writes.iter().map(|write| name_of(write.id())).collect();
        let filter = doc! {"_id": {"$in": &names}};
        let mut documents = self.0.find(filter, doc! {"_id": 1}, writes.len()).await?;
        documents.retain(|document| document_lives(document, now));
        let mut take = |name: &String| {
            documents
                .iter()
                .position(|document| text_of(document, "_id") == Some(name))
                .map(|at| documents.swap_remove(at))
        };
        Ok(names.iter().map(&mut take).collect())
    }

    async fn make(
        &self,
        transaction: &str,
        write: &Write,
        now: Timestamp,
    ) -> Result<Outcome, StoreError> {
        match write {
            Write::Put { id, content } => self.put(id, content, transaction, now).await,
            Write::Replace {
                id,
                version,
                content,
            } => {
                self.put_in_place(id, *version, content, transaction, now)
                    .await
            }
            Write::Delete { id, version } => self.delete_at(id, *version, now).await,
            Write::CheckAbsent { .. } => Ok(Outcome::Done),
        }
    }
}

#[async_trait]
impl RecordStore for Records {
    async fn put_if_absent(
        &self,
        id: &RecordId,
        content: &Content,
        now: Timestamp,
    ) -> Result<Put, StoreError> {
        let write = Uuid::new_v4().to_string();
        match self.put(id, content, &write, now).await? {
            Outcome::Refused(Some(found)) => Ok(Put::Taken(found)),
            Outcome::Refused(None) | Outcome::Done => Ok(Put::Done),
        }
    }

    async fn get(&self, id: &RecordId, now: Timestamp) -> Result<Option<Record>, StoreError> {
        let document = self.living(id, now).await?;
        document.map(|document| record(id, &document)).transpose()
    }

    async fn replace(
        &self,
        id: &RecordId,
        version: u64,
        content: &Content,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let write = Uuid::new_v4().to_string();
        match self.put_in_place(id, version, content, &write, now).await? {
            Outcome::Done => Ok(version.saturating_add(1)),
            Outcome::Refused(Some(found)) => Err(StoreError::Stale {
                current: found.version,
            }),
            Outcome::Refused(None) => Err(StoreError::NotFound(id.kind.name())),
        }
    }

    async fn delete(
        &self,
        id: &RecordId,
        version: Option<u64>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let Some(version) = version else {
            return self.0.delete(doc! {"_id": name_of(id)}).await.map(drop);
        };
        match self.delete_at(id, version, now).await? {
            Outcome::Refused(Some(found)) => Err(StoreError::Stale {
                current: found.version,
            }),
            Outcome::Refused(None) | Outcome::Done => Ok(()),
        }
    }

    async fn page(&self, query: &RecordQuery, now: Timestamp) -> Result<Page<Record>, StoreError> {
        let span = Span::of(query);
        if span.is_empty() {
            return Ok(page_of(query, Vec::new(), None));
        }
        let prefix = format!("{}#{}#", query.kind.name(), escape(&query.partition));
        let field = field_of(query.order);
        let from = if span.with_from { "$gte" } else { "$gt" };
        let range = doc! {
            from: format!("{prefix}{}", span.from),
            "$lt": format!("{prefix}{}", span.before),
        };
        // Also matches records without an expiry.
        let filter = doc! {field: range, "expires_at": {"$not": {"$lte": date(now)}}};
        let direction = if query.descending { -1 } else { 1 };
        let documents = self
            .0
            .find(
                filter,
                doc! {field: direction},
                query.limit.saturating_add(1),
            )
            .await?;
        let mut found = Vec::new();
        for document in documents {
            let position = text_of(&document, field)
                .and_then(|text| text.strip_prefix(&prefix))
                .unwrap_or_default();
            let key = key_of(query.order, position).unwrap_or_default();
            let id = RecordId::new(query.kind, &query.partition, key);
            found.push((position.to_owned(), record(&id, &document)?));
        }
        Ok(page_of(query, found, None))
    }

    async fn transact(
        &self,
        id: &str,
        writes: &[Write],
        now: Timestamp,
    ) -> Result<Transacted, StoreError> {
        check_writes(writes)?;
        let is_write = |write: &Write| !matches!(write, Write::CheckAbsent { .. });
        let first = writes.iter().position(is_write);
        let found = self.found(writes, now).await?;
        let begun = |found: Option<&Document>| found.is_some_and(|found| is_by(found, id));
        if !begun(first.and_then(|first| found[first].as_ref()))
            && let Some(refused) = first_refused(writes, &found)?
        {
            // The documents are not read atomically: the same call may be running elsewhere.
            let decides = match first {
                Some(first) => self.living(writes[first].id(), now).await?,
                None => None,
            };
            if !begun(decides.as_ref()) {
                return Ok(Transacted::Refused(refused));
            }
        }
        let mut made = 0;
        for (at, write) in writes.iter().enumerate() {
            match self.make(id, write, now).await? {
                Outcome::Refused(None)
                    if first < Some(at) && matches!(write, Write::Delete { .. }) => {}
                Outcome::Refused(found) => {
                    return Ok(Transacted::Refused(Refused {
                        write: at,
                        found,
                        made,
                    }));
                }
                Outcome::Done => {}
            }
            made += usize::from(is_write(write));
        }
        Ok(Transacted::Done)
    }
}

#[async_trait]
impl CounterStore for Records {
    async fn add(
        &self,
        id: &RecordId,
        amount: i64,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<i64, StoreError> {
        let (name, expires_at) = (name_of(id), date(expires_at));
        let living = doc! {"_id": &name, "expires_at": {"$gt": date(now)}};
        let addition = doc! {"$inc": {"count": amount}, "$set": {"expires_at": expires_at}};
        let expired = doc! {"_id": &name, "expires_at": {"$lte": date(now)}};
        let beginning = doc! {"$set": {"count": amount, "expires_at": expires_at}};
        for attempt in 0..ATTEMPTS {
            let added = self.0.upsert(living.clone(), addition.clone()).await?;
            let added = match added {
                Some(added) => Some(added),
                // An expired counter exists, or another call created one at the same moment.
                None => self.0.update(expired.clone(), beginning.clone()).await?,
            };
            if let Some(counted) = added {
                return count_of(&counted).ok_or_else(|| without(id, "count"));
            }
            pause(attempt).await;
        }
        Err(lost())
    }

    async fn count(&self, id: &RecordId, now: Timestamp) -> Result<i64, StoreError> {
        match self.living(id, now).await? {
            Some(counted) => count_of(&counted).ok_or_else(|| without(id, "count")),
            None => Ok(0),
        }
    }
}

/// The first write whose condition fails for the records that were found.
fn first_refused(
    writes: &[Write],
    found: &[Option<Document>],
) -> Result<Option<Refused>, StoreError> {
    for (at, (write, found)) in writes.iter().zip(found).enumerate() {
        let current = found.as_ref().and_then(version_of);
        let holds = match write {
            Write::Put { .. } | Write::CheckAbsent { .. } => found.is_none(),
            Write::Replace { version, .. } | Write::Delete { version, .. } => {
                current == Some(*version)
            }
        };
        if !holds {
            let found = found
                .as_ref()
                .map(|found| record(write.id(), found).map(Box::new));
            return Ok(Some(Refused {
                write: at,
                found: found.transpose()?,
                made: 0,
            }));
        }
    }
    Ok(None)
}

/// The `_id` of a record. Those of a kind in a partition have a common prefix.
fn name_of(id: &RecordId) -> String {
    placed(id, &id.key)
}

/// A position among all records of a collection.
fn placed(id: &RecordId, position: &str) -> String {
    format!("{}#{}#{position}", id.kind.name(), escape(&id.partition))
}

fn field_of(order: RecordOrder) -> &'static str {
    let [first, second] = ORDER_INDEXES;
    match order {
        RecordOrder::Key => "_id",
        RecordOrder::First => first,
        RecordOrder::Second => second,
    }
}

/// The filter for an unexpired record with this version.
fn at_version(id: &RecordId, version: u64, now: Timestamp) -> Document {
    // No record has a version that does not fit.
    let version = i64::try_from(version).unwrap_or(-1);
    doc! {
        "_id": name_of(id),
        "version": version,
        "expires_at": {"$not": {"$lte": date(now)}},
    }
}

/// The update that turns a document into this record. The write's name shows a repeated write that
/// it was already executed.
fn update(
    id: &RecordId,
    content: &Content,
    version: u64,
    write: &str,
) -> Result<Document, StoreError> {
    let version = i64::try_from(version).map_err(|error| StoreError::Corrupt(error.into()))?;
    let mut set = doc! {
        "document": content.document.to_string(),
        "version": version,
        "write": write,
    };
    let mut unset = Document::new();
    let mut put = |name: &str, value: Option<Bson>| match value {
        Some(value) => drop(set.insert(name, value)),
        None => drop(unset.insert(name, "")),
    };
    put(
        "expires_at",
        content.expires_at.map(|expires_at| date(expires_at).into()),
    );
    for (field, order) in ORDER_INDEXES.into_iter().zip(&content.order) {
        let position = order
            .as_ref()
            .map(|order| placed(id, &position(order, &id.key)));
        put(field, position.map(Bson::from));
    }
    let mut update = doc! {"$set": set};
    if !unset.is_empty() {
        update.insert("$unset", unset);
    }
    Ok(update)
}

fn is_by(document: &Document, write: &str) -> bool {
    text_of(document, "write") == Some(write)
}

/// The outcome of a write whose condition failed for this record.
fn outcome(id: &RecordId, found: &Document, write: &str) -> Result<Outcome, StoreError> {
    if is_by(found, write) {
        Ok(Outcome::Done)
    } else {
        refused(id, found)
    }
}

fn refused(id: &RecordId, found: &Document) -> Result<Outcome, StoreError> {
    record(id, found).map(|found| Outcome::Refused(Some(Box::new(found))))
}

fn document_lives(document: &Document, now: Timestamp) -> bool {
    lives(date_of(document, "expires_at"), now)
}

fn record(id: &RecordId, document: &Document) -> Result<Record, StoreError> {
    let content = text_of(document, "document").ok_or_else(|| without(id, "document"))?;
    let order = |field: &str| {
        let position = text_of(document, field)?.splitn(3, '#').nth(2)?;
        order_of(position)
    };
    Ok(Record {
        id: id.clone(),
        version: version_of(document).ok_or_else(|| without(id, "version"))?,
        content: Content {
            document: serde_json::from_str(content)
                .map_err(|error| StoreError::Corrupt(error.into()))?,
            expires_at: date_of(document, "expires_at"),
            order: ORDER_INDEXES.map(order),
        },
    })
}

fn count_of(document: &Document) -> Option<i64> {
    match document.get("count")? {
        Bson::Int32(count) => Some(i64::from(*count)),
        Bson::Int64(count) => Some(*count),
        _ => None,
    }
}
