//! Reading rows, with errors that name what cannot be read.

use std::fmt::Display;

use rusqlite::types::FromSql;
use rusqlite::{Row, RowIndex};

use super::Text;
use crate::problem::StoreError;

/// Reads a column, by its position or its name.
///
/// # Errors
/// The value does not fit the type. The error names the column.
pub fn column<T: FromSql>(row: &Row<'_>, index: impl RowIndex) -> Result<T, StoreError> {
    let at = index.idx(row.as_ref())?;
    T::column_result(row.get_ref(at)?).map_err(|cause| {
        let name = row.as_ref().column_name(at).unwrap_or_default();
        StoreError::Corrupt(format!("{name}: {cause}").into())
    })
}

/// Reads a column that was written as [`Text`].
///
/// # Errors
/// As [`column`].
pub fn text_column<T>(row: &Row<'_>, index: impl RowIndex) -> Result<T, StoreError>
where
    Text<T>: FromSql,
{
    column(row, index).map(|Text(value)| value)
}

/// The error of reading a row, with the row's table and key.
pub fn in_row(table: &str, key: impl Display, error: StoreError) -> StoreError {
    match error {
        StoreError::Corrupt(cause) => StoreError::Corrupt(format!("{table} {key}: {cause}").into()),
        error => error,
    }
}
