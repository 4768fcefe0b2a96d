//! Revokes the caller's other sessions.

use common::app::App;
use common::auth::LiveSession;
use common::http::{Endpoint, NoContent, session};
use common::problem::Problem;

pub const ENDPOINT: Endpoint = Endpoint::delete(
    "revoke-other-sessions",
    "/v1/me/sessions",
    &session(revoke_other_sessions),
)
.summary("Revokes the caller's other sessions.");

async fn revoke_other_sessions(app: &App, live: LiveSession) -> Result<NoContent, Problem> {
    app.users()?
        .end_other_sessions(live.user.id, live.session.id, app.clock.now())
        .await?;
    Ok(NoContent)
}
