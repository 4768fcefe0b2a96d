//! Revokes a session of the caller.

use common::auth::SessionId;
use common::http::{Endpoint, NoContent, Now, Path, Use, handler};
use common::problem::Problem;

use crate::{LiveSession, Users};

pub const ENDPOINT: Endpoint = Endpoint::delete(
    "revoke-session",
    "/v1/me/sessions/{session_id}",
    &handler(revoke_session),
)
.summary("Revokes a session of the caller.");

async fn revoke_session(
    live: LiveSession,
    Now(now): Now,
    Use(users): Use<Users>,
    Path(session): Path<SessionId>,
) -> Result<NoContent, Problem> {
    if users.end_session(live.user.id, session, now).await? {
        Ok(NoContent)
    } else {
        Err(Problem::not_found("There is no such session."))
    }
}
