//! Copying everything from one store to another one, for the command that does it. It reads each
//! store from end to end, which no request ever does; only a binary with both drivers has it, so no
//! deployed function does.
//!
//! A store is read kind by kind, a page at a time, as records that are the same whichever store
//! they are from, and records are added to the other store unless they are there. Then both are
//! read again and compared. Where the copy has come to is noted in the store that is written to,
//! after each page; so whatever interrupts it, the same call goes on from there.

mod comparing;
mod copying;
mod record;
mod side;

pub use comparing::Difference;
pub use copying::{Progress, Summary, copy};
pub use record::RecordKind;
pub(super) use record::{Record, RecordPage};
pub use side::Side;
pub(super) use side::{CopyStore, PAGE};
