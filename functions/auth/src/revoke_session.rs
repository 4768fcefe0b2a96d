//! Ends one of the caller's sessions.

use common::app::App;
use common::auth::{Caller, SessionId};
use common::http::{Endpoint, NoContent, Part, Path, user};
use common::problem::Problem;

/// `DELETE /v1/me/sessions/{session_id}`
pub const ENDPOINT: Endpoint = Endpoint::delete("revoke-session", "/v1/me/sessions/{session_id}", &user(revoke_session))
    .summary("Ends one of the caller's sessions.")
    .uses(&[Part::Users]);

async fn revoke_session(app: &App, caller: Caller, Path(session): Path<SessionId>) -> Result<NoContent, Problem> {
    if app.users()?.end_session(caller.user, session, app.clock.now()).await? {
        Ok(NoContent)
    } else {
        Err(Problem::not_found("There is no such session."))
    }
}
