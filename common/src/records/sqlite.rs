//! Records on SQLite: a row each, in a separate table. Counters are in a table of their own.

use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::keys::{Span, key_of, order_of, position};
use super::schema::ORDER_INDEXES;
use super::{
    Content, CounterStore, Put, Record, RecordId, RecordOrder, RecordQuery, RecordStore, Refused,
    Transacted, Write, check_writes, page_of,
};
use crate::paging::Page;
use crate::problem::StoreError;
use crate::sqlite::{Json, Sqlite, Text};
use crate::time::Timestamp;

#[derive(Clone)]
pub(super) struct Records {
    sqlite: Arc<Sqlite>,
    table: &'static str,
}

/// A record that has not expired, and the name of its last write.
struct Stored {
    record: Record,
    write: String,
}

impl Records {
    pub(super) fn new(sqlite: &Arc<Sqlite>, table: &'static str) -> Self {
        Self {
            sqlite: Arc::clone(sqlite),
            table,
        }
    }

    /// Makes the write if its condition holds. Returns why not: the record that there is, if any.
    fn make(
        &self,
        connection: &Connection,
        write: &Write,
        name: &str,
        now: Timestamp,
    ) -> Result<Result<(), Option<Stored>>, StoreError> {
        let found = self.find(connection, write.id(), now)?;
        let current = found.as_ref().map(|found| found.record.version);
        match write {
            Write::Put { id, content } if current.is_none() => {
                self.store(connection, id, content, 1, name)?;
            }
            Write::Replace {
                id,
                version,
                content,
            } if current == Some(*version) => {
                self.store(connection, id, content, version.saturating_add(1), name)?;
            }
            Write::Delete { id, version } if current == Some(*version) => {
                self.remove(connection, id)?;
            }
            Write::CheckAbsent { .. } if current.is_none() => {}
            _ => return Ok(Err(found)),
        }
        Ok(Ok(()))
    }

    fn find(
        &self,
        connection: &Connection,
        id: &RecordId,
        now: Timestamp,
    ) -> Result<Option<Stored>, StoreError> {
        let sql = format!(
            "SELECT key, document, version, expires_at, by_order_1, by_order_2, write FROM {}
             WHERE kind = ?1 AND partition = ?2 AND key = ?3
             AND (expires_at IS NULL OR expires_at > ?4)",
            self.table
        );
        let found = connection.prepare_cached(&sql)?.query_row(
            params![id.kind.name(), id.partition, id.key, Text(now)],
            |row| {
                Ok(Stored {
                    record: record(id, row)?,
                    write: row.get("write")?,
                })
            },
        );
        Ok(found.optional()?)
    }

    /// Writes the record in place of any other, expired or not.
    fn store(
        &self,
        connection: &Connection,
        id: &RecordId,
        content: &Content,
        version: u64,
        name: &str,
    ) -> Result<(), StoreError> {
        let sql = format!(
            "INSERT OR REPLACE INTO {} (kind, partition, key, document, version, write,
             expires_at, by_order_1, by_order_2) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            self.table
        );
        let [first, second] = content.order.each_ref().map(|order| {
            let order = order.as_ref()?;
            Some(position(order, &id.key))
        });
        let expires_at = content.expires_at.map(Timestamp::whole_seconds).map(Text);
        connection.prepare_cached(&sql)?.execute(params![
            id.kind.name(),
            id.partition,
            id.key,
            Json(&content.document),
            version,
            name,
            expires_at,
            first,
            second
        ])?;
        Ok(())
    }

    fn remove(&self, connection: &Connection, id: &RecordId) -> Result<(), StoreError> {
        let sql = format!(
            "DELETE FROM {} WHERE kind = ?1 AND partition = ?2 AND key = ?3",
            self.table
        );
        connection
            .prepare_cached(&sql)?
            .execute(params![id.kind.name(), id.partition, id.key])?;
        Ok(())
    }

    /// Makes one write, and returns why it was not made.
    async fn write(
        &self,
        write: Write,
        now: Timestamp,
    ) -> Result<Result<(), Option<Stored>>, StoreError> {
        let records = self.clone();
        let name = Uuid::new_v4().to_string();
        self.sqlite
            .write(move |connection| records.make(connection, &write, &name, now))
            .await
    }

    fn read_page(
        &self,
        connection: &Connection,
        query: &RecordQuery,
        span: &Span,
        now: Timestamp,
    ) -> Result<Vec<(String, Record)>, StoreError> {
        let column = column_of(query.order);
        let (from, direction) = (
            if span.with_from { ">=" } else { ">" },
            if query.descending { "DESC" } else { "ASC" },
        );
        let sql = format!(
            "SELECT key, document, version, expires_at, by_order_1, by_order_2, {column} AS position
             FROM {} WHERE kind = ?1 AND partition = ?2 AND {column} {from} ?3 AND {column} < ?4
             AND (expires_at IS NULL OR expires_at > ?5) ORDER BY {column} {direction} LIMIT ?6",
            self.table
        );
        let mut statement = connection.prepare_cached(&sql)?;
        let rows = statement.query_map(
            params![
                query.kind.name(),
                query.partition,
                span.from,
                span.before,
                Text(now),
                query.limit.saturating_add(1)
            ],
            |row| {
                let position: String = row.get("position")?;
                let key = key_of(query.order, &position).unwrap_or_default();
                let id = RecordId::new(query.kind, &query.partition, key);
                let record = record(&id, row)?;
                Ok((position, record))
            },
        )?;
        Ok(rows.collect::<Result<_, _>>()?)
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
        let write = Write::Put {
            id: id.clone(),
            content: content.clone(),
        };
        Ok(match self.write(write, now).await? {
            Err(Some(found)) => Put::Taken(Box::new(found.record)),
            Err(None) | Ok(()) => Put::Done,
        })
    }

    async fn get(&self, id: &RecordId, now: Timestamp) -> Result<Option<Record>, StoreError> {
        let found = self
            .sqlite
            .read(|connection| self.find(connection, id, now))?;
        Ok(found.map(|found| found.record))
    }

    async fn replace(
        &self,
        id: &RecordId,
        version: u64,
        content: &Content,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let write = Write::Replace {
            id: id.clone(),
            version,
            content: content.clone(),
        };
        match self.write(write, now).await? {
            Ok(()) => Ok(version.saturating_add(1)),
            Err(Some(found)) => Err(StoreError::Stale {
                current: found.record.version,
            }),
            Err(None) => Err(StoreError::NotFound(id.kind.name())),
        }
    }

    async fn delete(
        &self,
        id: &RecordId,
        version: Option<u64>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let Some(version) = version else {
            let (records, id) = (self.clone(), id.clone());
            let delete = move |connection: &Connection| records.remove(connection, &id);
            return self.sqlite.write(delete).await;
        };
        let write = Write::Delete {
            id: id.clone(),
            version,
        };
        match self.write(write, now).await? {
            Err(Some(found)) => Err(StoreError::Stale {
                current: found.record.version,
            }),
            Err(None) | Ok(()) => Ok(()),
        }
    }

    async fn page(&self, query: &RecordQuery, now: Timestamp) -> Result<Page<Record>, StoreError> {
        let span = Span::of(query);
        let found = self
            .sqlite
            .read(|connection| self.read_page(connection, query, &span, now))?;
        Ok(page_of(query, found, None))
    }

    async fn transact(
        &self,
        id: &str,
        writes: &[Write],
        now: Timestamp,
    ) -> Result<Transacted, StoreError> {
        check_writes(writes)?;
        let (records, id, writes) = (self.clone(), id.to_owned(), writes.to_vec());
        self.sqlite
            .write(move |connection| {
                // Earlier it was made as a whole or not at all, so one record tells.
                for write in &writes {
                    let found = records.find(connection, write.id(), now)?;
                    if found.is_some_and(|found| found.write == id) {
                        return Ok(Transacted::Done);
                    }
                }
                // An error rolls back the writes before it, and carries the reason.
                connection.execute_batch("SAVEPOINT records")?;
                for (at, write) in writes.iter().enumerate() {
                    if let Err(found) = records.make(connection, write, &id, now)? {
                        connection.execute_batch("ROLLBACK TO records; RELEASE records")?;
                        return Ok(Transacted::Refused(Refused {
                            write: at,
                            found: found.map(|found| Box::new(found.record)),
                            made: 0,
                        }));
                    }
                }
                connection.execute_batch("RELEASE records")?;
                Ok(Transacted::Done)
            })
            .await
    }
}

/// The counters of a table.
#[derive(Clone)]
pub(super) struct Counters {
    sqlite: Arc<Sqlite>,
    table: &'static str,
}

impl Counters {
    pub(super) fn new(sqlite: &Arc<Sqlite>, table: &'static str) -> Self {
        Self {
            sqlite: Arc::clone(sqlite),
            table,
        }
    }
}

#[async_trait]
impl CounterStore for Counters {
    async fn add(
        &self,
        id: &RecordId,
        amount: i64,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<i64, StoreError> {
        let table = self.table;
        let id = id.clone();
        // A count that a loss of power loses admits one more attempt.
        self.sqlite
            .write_unsynced(move |connection| {
                let sql = format!(
                    "INSERT INTO {table} (kind, partition, key, count, expires_at)
                     VALUES (?1, ?2, ?3, ?4, ?5)
                     ON CONFLICT DO UPDATE SET expires_at = excluded.expires_at,
                     count = excluded.count + iif(expires_at > ?6, count, 0) RETURNING count"
                );
                let count = connection.prepare_cached(&sql)?.query_row(
                    params![
                        id.kind.name(),
                        id.partition,
                        id.key,
                        amount,
                        Text(expires_at.whole_seconds()),
                        Text(now)
                    ],
                    |row| row.get(0),
                )?;
                Ok(count)
            })
            .await
    }

    async fn count(&self, id: &RecordId, now: Timestamp) -> Result<i64, StoreError> {
        let sql = format!(
            "SELECT count FROM {} WHERE kind = ?1 AND partition = ?2 AND key = ?3
             AND expires_at > ?4",
            self.table
        );
        self.sqlite.read(|connection| {
            let count = connection
                .prepare_cached(&sql)?
                .query_row(
                    params![id.kind.name(), id.partition, id.key, Text(now)],
                    |row| row.get(0),
                )
                .optional()?;
            Ok(count.unwrap_or(0))
        })
    }
}

fn column_of(order: RecordOrder) -> &'static str {
    let [first, second] = ORDER_INDEXES;
    match order {
        RecordOrder::Key => "key",
        RecordOrder::First => first,
        RecordOrder::Second => second,
    }
}

fn record(id: &RecordId, row: &Row<'_>) -> rusqlite::Result<Record> {
    let order = |column: &str| {
        let position: Option<String> = row.get(column)?;
        Ok::<_, rusqlite::Error>(position.as_deref().and_then(order_of))
    };
    let expires_at: Option<Text<Timestamp>> = row.get("expires_at")?;
    let [first, second] = ORDER_INDEXES;
    Ok(Record {
        id: id.clone(),
        version: row.get("version")?,
        content: Content {
            document: row.get::<_, Json<_>>("document")?.0,
            expires_at: expires_at.map(|Text(expires_at)| expires_at),
            order: [order(first)?, order(second)?],
        },
    })
}
