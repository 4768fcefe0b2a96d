//! Ends the caller's session.

use common::app::App;
use common::auth::Caller;
use common::http::{Endpoint, Idempotency, NoContent, Part, user};
use common::problem::Problem;

pub const ENDPOINT: Endpoint = Endpoint::post("logout", "/v1/auth/logout", &user(logout))
    .summary("Logs out: ends this session, whose refresh token is invalid from now on.")
    .uses(&[Part::Users]);

// A key makes no difference: a session that has ended has ended, however often that is asked for.
async fn logout(app: &App, caller: Caller, _: Idempotency) -> Result<NoContent, Problem> {
    app.users()?
        .end_session(caller.user, caller.session, app.clock.now())
        .await?;
    Ok(NoContent)
}
