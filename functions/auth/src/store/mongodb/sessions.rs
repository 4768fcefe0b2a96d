//! A session's document.

use common::auth::{SessionId, UserId};
use common::mongodb::{date, date_of, read, write};
use common::problem::StoreError;
use common::time::Timestamp;
use mongodb::bson::{Document, doc};

use crate::{GRACE, Session};

/// A session's document. The TTL index uses `expires_at`.
pub(super) fn session_document(session: &Session) -> Result<Document, StoreError> {
    let mut document = write(session)?;
    document.insert("expires_at", date(session.expires_at));
    document.insert("ends_at", date(session.ends_at));
    Ok(document)
}

pub(super) fn read_session(mut document: Document) -> Result<Session, StoreError> {
    for end in ["expires_at", "ends_at"] {
        let time = date_of(&document, end)
            .ok_or_else(|| StoreError::Corrupt(format!("a session without {end}").into()))?;
        document.insert(end, time.to_string());
    }
    read(document).map(Session::within_its_lifetime)
}

pub(super) fn the_session(user: UserId, session: SessionId) -> Document {
    doc! {"_id": session.to_string(), "user": user.to_string()}
}

/// Whether a session has expired neither by idle time nor absolutely.
pub(super) fn has_time_left(session: &Session, now: Timestamp) -> bool {
    session.expires_at.as_second() > now.as_second()
}

/// The filter for a session that a token of this generation rotates: as its current token, or as
/// its previous token after the grace time.
pub(super) fn a_session_that_takes(
    user: UserId,
    session: SessionId,
    generation: u32,
    now: Timestamp,
) -> Document {
    let mut taking = the_session(user, session);
    let generation = i64::from(generation);
    taking.extend(doc! {
        "$or": [{"generation": generation}, {"previous": generation, "last_used_at": {"$lt": now.minus(GRACE).to_string()}}],
        "expires_at": {"$gt": date(now)},
        "ends_at": {"$gt": date(now)},
    });
    taking
}
