//! Reading rows, with errors that name what cannot be read.

use std::fmt::Display;

use rusqlite::types::FromSql;
use rusqlite::{Error, Row};

use crate::problem::StoreError;

/// Reads a column.
///
/// # Errors
/// The value does not fit the type. The error names the column.
pub fn column<T: FromSql>(row: &Row<'_>, name: &str) -> Result<T, StoreError> {
    row.get(name).map_err(|error| {
        let cause = match error {
            Error::FromSqlConversionFailure(_, _, cause) => cause,
            error => error.into(),
        };
        StoreError::Corrupt(format!("{name}: {cause}").into())
    })
}

/// The error of reading a row, with the row's table and key.
pub fn in_row(table: &str, key: impl Display, error: StoreError) -> StoreError {
    match error {
        StoreError::Corrupt(cause) => StoreError::Corrupt(format!("{table} {key}: {cause}").into()),
        error => error,
    }
}
