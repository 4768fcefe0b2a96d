//! Copies everything from one database to another, for the command that does so. It reads each
//! database completely, which no request ever does; no deployed function contains it.
//!
//! A database is read kind by kind and page by page, as records that are the same for every
//! database, and records are added to the other database unless they exist there. Then both are
//! read again and compared. The progress is noted in the database that is written to, after each
//! page, so that another call resumes an interrupted copy.

#[cfg(feature = "mongodb")]
mod collection;
mod comparing;
mod copying;
mod notes;
mod record;
mod side;
#[cfg(feature = "sqlite")]
mod tables;

#[cfg(feature = "mongodb")]
pub use collection::read_collection;
pub use comparing::Difference;
pub use copying::{Progress, Summary, copy, read_all};
pub use notes::NOTE;
pub use record::{CopyStore, Record, RecordKind, RecordPage};
pub use side::Side;
#[cfg(feature = "sqlite")]
pub use tables::{CopiedTable, read_tables};
