//! SQLite's errors as errors of a store (https://www.sqlite.org/rescode.html).

use rusqlite::{Error, ErrorCode};

use crate::problem::StoreError;

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        failed(&error)
    }
}

pub(super) fn failed(error: &Error) -> StoreError {
    let cause = error.to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::DiskFull,
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::ReadOnly
            | ErrorCode::PermissionDenied
            | ErrorCode::OutOfMemory
            | ErrorCode::OperationAborted,
        ) => StoreError::Unavailable(cause.into()),
        _ => StoreError::Corrupt(cause.into()),
    }
}
