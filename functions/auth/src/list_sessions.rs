//! Shows the sessions of the caller's account.

use common::app::App;
use common::auth::{LiveSession, SessionView};
use common::http::{Endpoint, Listing, PageQuery, Query, session};
use common::problem::Problem;

pub const ENDPOINT: Endpoint =
    Endpoint::get("list-sessions", "/v1/me/sessions", &session(list_sessions))
        .summary("Lists the caller's sessions, the oldest first.");

async fn list_sessions(
    app: &App,
    live: LiveSession,
    Query(page): Query<PageQuery<SessionView>>,
) -> Result<Listing<SessionView>, Problem> {
    let sessions = app
        .users()?
        .sessions(
            live.user.id,
            page.limit,
            page.after.as_ref(),
            app.clock.now(),
        )
        .await?;
    Ok(sessions.map(|session| session.view(live.session.id)).into())
}
