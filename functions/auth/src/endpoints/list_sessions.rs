//! Lists the sessions of the caller's account.

use common::http::{Endpoint, Limit, Listing, Now, Parameters, Query, Use, handler};
use common::paging::Cursor;
use common::problem::Problem;
use schemars::JsonSchema;

use crate::{LiveSession, SESSION_ORDER, SessionView, Users};

pub const ENDPOINT: Endpoint =
    Endpoint::get("list-sessions", "/v1/me/sessions", &handler(list_sessions))
        .summary("Lists the caller's sessions, the oldest first.");

/// The parameters of a list of sessions.
#[derive(JsonSchema, Parameters)]
struct SessionParameters {
    limit: Limit,
    #[query(order = SESSION_ORDER)]
    cursor: Option<Cursor>,
}

async fn list_sessions(
    live: LiveSession,
    Now(now): Now,
    Use(users): Use<Users>,
    Query(page): Query<SessionParameters>,
) -> Result<Listing<SessionView>, Problem> {
    let sessions = users
        .sessions(live.user.id, page.limit.0, page.cursor.as_ref(), now)
        .await?;
    Ok(sessions.map(|session| session.view(live.session.id)).into())
}
