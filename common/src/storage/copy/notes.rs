//! The progress of a copy, noted in the database that is written to: a record next to those of the
//! first service.

use std::sync::Arc;

use crate::database::Database;
use crate::problem::StoreError;
use crate::records::{self, Content, Kind, Put, RecordId, RecordStore};
use crate::time::Timestamp;

pub const NOTE: &str = "copy";
const COLLECTION: &str = "copies";

pub(super) struct Notes {
    records: Arc<dyn RecordStore>,
    id: RecordId,
}

impl Notes {
    pub(super) fn new(database: &Database, table: &str) -> Self {
        Self {
            records: records::on(database, table, COLLECTION),
            id: RecordId::new(Kind::new(NOTE), NOTE, "note"),
        }
    }

    pub(super) async fn read(&self, now: Timestamp) -> Result<Option<String>, StoreError> {
        let note = self.records.get(&self.id, now).await?;
        note.map(|note| note.read()).transpose()
    }

    /// Replaces the note.
    pub(super) async fn write(&self, note: &str, now: Timestamp) -> Result<(), StoreError> {
        let content = Content::new(&note)?;
        if let Put::Taken(before) = self.records.put_if_absent(&self.id, &content, now).await? {
            self.records
                .replace(&self.id, before.version, &content, now)
                .await?;
        }
        Ok(())
    }
}
