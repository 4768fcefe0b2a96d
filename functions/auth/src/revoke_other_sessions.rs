//! Ends every session of the caller but the one that asks.

use common::app::App;
use common::auth::Caller;
use common::http::{Endpoint, NoContent, Part, user};
use common::problem::Problem;

/// `DELETE /v1/me/sessions`
pub const ENDPOINT: Endpoint = Endpoint::delete("revoke-other-sessions", "/v1/me/sessions", &user(revoke_other_sessions))
    .summary("Ends every session of the caller but the one that asks.")
    .uses(&[Part::Users]);

async fn revoke_other_sessions(app: &App, caller: Caller) -> Result<NoContent, Problem> {
    app.users()?.end_other_sessions(caller.user, caller.session, app.clock.now()).await?;
    Ok(NoContent)
}
