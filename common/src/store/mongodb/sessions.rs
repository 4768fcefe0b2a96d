//! A session's document.

use mongodb::bson::{Document, doc};
use serde::{Deserialize, Serialize};

use crate::auth::{GRACE, Session, SessionId};
use crate::mongodb::{date, date_of, read, write};
use crate::problem::StoreError;
use crate::time::Timestamp;
use crate::users::UserId;

/// A session's fields, but for its two ends, which are dates.
#[derive(Serialize, Deserialize)]
struct SessionRow {
    id: SessionId,
    user: UserId,
    generation: u32,
    previous: Option<u32>,
    epoch: u32,
    created_at: Timestamp,
    last_used_at: Timestamp,
    user_agent: Option<String>,
}

/// A session's document. `expires_at` is what the TTL index looks at.
pub(super) fn session_document(session: &Session) -> Result<Document, StoreError> {
    let Session {
        id,
        user,
        generation,
        previous,
        epoch,
        created_at,
        last_used_at,
        expires_at,
        ends_at,
        user_agent,
    } = session.clone();
    let mut document = write(&SessionRow {
        id,
        user,
        generation,
        previous,
        epoch,
        created_at,
        last_used_at,
        user_agent,
    })?;
    document.insert("expires_at", date(expires_at));
    document.insert("ends_at", date(ends_at));
    Ok(document)
}

pub(super) fn read_session(document: Document) -> Result<Session, StoreError> {
    let end = |name| {
        date_of(&document, name)
            .ok_or_else(|| StoreError::Corrupt(format!("a session without {name}").into()))
    };
    let (expires_at, ends_at) = (end("expires_at")?, end("ends_at")?);
    let SessionRow {
        id,
        user,
        generation,
        previous,
        epoch,
        created_at,
        last_used_at,
        user_agent,
    } = read(document)?;
    // Every refresh moves the idle end on, but nothing moves the absolute one.
    let expires_at = expires_at.earlier_of(ends_at);
    Ok(Session {
        id,
        user,
        generation,
        previous,
        epoch,
        created_at,
        last_used_at,
        expires_at,
        ends_at,
        user_agent,
    })
}

pub(super) fn the_session(user: UserId, session: SessionId) -> Document {
    doc! {"_id": session.to_string(), "user": user.to_string()}
}

/// Whether a session has neither been idle for too long nor lasted too long.
pub(super) fn has_time_left(session: &Session, now: Timestamp) -> bool {
    session.expires_at.as_second() > now.as_second()
}

/// Whether a token of this generation moves the session on: see [`a_session_that_takes`].
pub(super) fn takes(session: &Session, generation: u32, now: Timestamp) -> bool {
    let is_late_repetition =
        session.previous == Some(generation) && session.last_used_at < now.minus(GRACE);
    has_time_left(session, now) && (generation == session.generation || is_late_repetition)
}

/// Describes a session that a token of this generation moves on: as its current one, or as the one
/// before it after the grace time.
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
