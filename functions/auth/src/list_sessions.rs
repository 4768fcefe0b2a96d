//! Shows the sessions of the caller's account.

use common::app::App;
use common::auth::{Caller, SessionView};
use common::http::{Endpoint, Listing, PageQuery, Part, Query, user};
use common::problem::Problem;

/// `GET /v1/me/sessions`
pub const ENDPOINT: Endpoint = Endpoint::get("list-sessions", "/v1/me/sessions", &user(list_sessions))
    .summary("Shows a page of the caller's sessions, the oldest first.")
    .uses(&[Part::Users]);

async fn list_sessions(app: &App, caller: Caller, Query(page): Query<PageQuery<SessionView>>) -> Result<Listing<SessionView>, Problem> {
    let sessions = app.users()?.sessions(caller.user, page.limit, page.after.as_ref(), app.clock.now()).await?;
    Ok(sessions.map(|session| session.view(caller.session)).into())
}
