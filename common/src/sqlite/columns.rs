//! Reading columns of a row.

use rusqlite::Row;
use rusqlite::types::FromSql;

use super::Text;
use crate::problem::StoreError;

/// Reads a column by its position.
///
/// # Errors
/// The value does not fit the type. The error names the column.
pub fn column<T: FromSql>(row: &Row<'_>, at: usize) -> Result<T, StoreError> {
    T::column_result(row.get_ref(at)?).map_err(|cause| {
        let name = row.as_ref().column_name(at).unwrap_or_default();
        StoreError::Corrupt(format!("{name}: {cause}").into())
    })
}

/// Reads a column that was written as [`Text`].
///
/// # Errors
/// As [`column`].
pub fn text_column<T>(row: &Row<'_>, at: usize) -> Result<T, StoreError>
where
    Text<T>: FromSql,
{
    column(row, at).map(|Text(value)| value)
}
