//! Lists the sessions of the caller's account.

use common::http::{Endpoint, Listing, Now, PageQuery, Query, Use, handler};
use common::problem::Problem;

use crate::{LiveSession, SessionView, Users};

pub const ENDPOINT: Endpoint =
    Endpoint::get("list-sessions", "/v1/me/sessions", &handler(list_sessions))
        .summary("Lists the caller's sessions, the oldest first.");

async fn list_sessions(
    live: LiveSession,
    Now(now): Now,
    Use(users): Use<Users>,
    Query(page): Query<PageQuery<SessionView>>,
) -> Result<Listing<SessionView>, Problem> {
    let sessions = users
        .sessions(live.user.id, page.limit, page.after.as_ref(), now)
        .await?;
    Ok(sessions.map(|session| session.view(live.session.id)).into())
}
