//! Pages of SQLite tables, for the services' copies.

use rusqlite::{Connection, Row, ToSql, params_from_iter};
use serde::{Deserialize, Serialize};

use super::record::{Record, RecordPage};
use crate::problem::StoreError;
use crate::schema::PAGE;
use crate::sqlite::column;

/// A table whose rows are records.
pub struct CopiedTable {
    pub name: &'static str,
    /// Selects the rows after a key, in the order of their keys, up to a number. Its parameters are
    /// the columns of the key, which are text, and the number. Its first columns are the key.
    pub statement: &'static str,
    pub read: fn(&Connection, &Row<'_>) -> Result<Record, StoreError>,
}

/// Where a page starts. It is stored as JSON: a key that is not Tasklane's may contain any
/// character.
#[derive(Default, Serialize, Deserialize)]
struct Position {
    /// The index of the table.
    table: usize,
    /// The key of the row before; empty at the beginning of the table.
    after: Vec<String>,
}

/// Reads a page of the tables' rows, from the beginning or after the previous page. A page has rows
/// of one table.
///
/// # Errors
/// The database cannot be read, or this is not the end of a page of these tables.
pub fn read_tables(
    connection: &Connection,
    tables: &[CopiedTable],
    after: Option<&str>,
) -> Result<RecordPage, StoreError> {
    let Position { table, mut after } = after.map_or_else(|| Ok(Position::default()), parse)?;
    let copied = tables
        .get(table)
        .ok_or_else(|| StoreError::Corrupt("a position in a table that is not copied".into()))?;
    let mut statement = connection.prepare_cached(copied.statement)?;
    let key_columns = statement.parameter_count() - 1;
    if after.is_empty() {
        after.resize(key_columns, String::new());
    }
    let key = after.iter().map(|part| part as &dyn ToSql);
    let mut rows = statement.query(params_from_iter(key.chain([&PAGE as &dyn ToSql])))?;
    let mut page = RecordPage::default();
    let mut last = Vec::new();
    let mut count = 0;
    while let Some(row) = rows.next()? {
        last = (0..key_columns)
            .map(|at| column(row, at))
            .collect::<Result<Vec<String>, _>>()?;
        let name = format!("{} {}", copied.name, last.join(" "));
        page.add(name, (copied.read)(connection, row).map(Some));
        count += 1;
    }
    let next = if count == PAGE {
        Some(Position { table, after: last })
    } else {
        let table = table + 1;
        let after = Vec::new();
        (table < tables.len()).then_some(Position { table, after })
    };
    page.next = next.as_ref().map(text).transpose()?;
    Ok(page)
}

fn text(position: &Position) -> Result<String, StoreError> {
    serde_json::to_string(position).map_err(|error| StoreError::Corrupt(error.into()))
}

fn parse(position: &str) -> Result<Position, StoreError> {
    serde_json::from_str(position).map_err(|error| StoreError::Corrupt(error.into()))
}
