//! Revokes the caller's other sessions.

use common::http::{Endpoint, NoContent, Now, Use, handler};
use common::problem::Problem;

use crate::{LiveSession, Users};

pub const ENDPOINT: Endpoint = Endpoint::delete(
    "revoke-other-sessions",
    "/v1/me/sessions",
    &handler(revoke_other_sessions),
)
.summary("Revokes the caller's other sessions.");

async fn revoke_other_sessions(
    live: LiveSession,
    Now(now): Now,
    Use(users): Use<Users>,
) -> Result<NoContent, Problem> {
    users
        .end_other_sessions(live.user.id, live.session.id, now)
        .await?;
    Ok(NoContent)
}
