//! Ends the caller's session.

use common::auth::Caller;
use common::http::{Endpoint, Idempotency, NoContent, Now, Use, handler};
use common::problem::Problem;

use crate::Users;

pub const ENDPOINT: Endpoint = Endpoint::post("logout", "/v1/auth/logout", &handler(logout))
    .summary("Logs out: ends this session, whose refresh token is invalid from now on.");

// A key makes no difference: ending a session again changes nothing.
async fn logout(
    caller: Caller,
    Now(now): Now,
    Use(users): Use<Users>,
    _: Idempotency,
) -> Result<NoContent, Problem> {
    users.end_session(caller.user, caller.session, now).await?;
    Ok(NoContent)
}
