//! Copying everything from one database to another one, for the command that does it. It reads each
//! database from end to end, which no request ever does; no deployed function has it.
//!
//! A database is read kind by kind, a page at a time, as records that are the same whichever
//! database they are from, and records are added to the other one unless they are there. Then both
//! are read again and compared. The progress is noted in the database that is written to, after
//! each page, so that the same call resumes an interrupted copy.

mod comparing;
mod copying;
mod notes;
mod record;
mod side;

pub use comparing::Difference;
pub use copying::{Progress, Summary, copy};
pub use notes::NOTE;
pub use record::{CopyStore, Record, RecordKind, RecordPage};
pub use side::Side;
