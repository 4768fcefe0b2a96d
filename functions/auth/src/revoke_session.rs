//! Revokes a session of the caller.

use common::app::App;
use common::auth::{LiveSession, SessionId};
use common::http::{Endpoint, NoContent, Path, session};
use common::problem::Problem;

pub const ENDPOINT: Endpoint = Endpoint::delete(
    "revoke-session",
    "/v1/me/sessions/{session_id}",
    &session(revoke_session),
)
.summary("Revokes a session of the caller.");

async fn revoke_session(
    app: &App,
    live: LiveSession,
    Path(session): Path<SessionId>,
) -> Result<NoContent, Problem> {
    if app
        .users()?
        .end_session(live.user.id, session, app.clock.now())
        .await?
    {
        Ok(NoContent)
    } else {
        Err(Problem::not_found("There is no such session."))
    }
}
