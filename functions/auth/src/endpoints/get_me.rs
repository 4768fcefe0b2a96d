//! Returns the caller's account.

use common::http::{Endpoint, Json, handler};
use common::problem::Problem;

use crate::{LiveSession, User};

pub const ENDPOINT: Endpoint =
    Endpoint::get("get-me", "/v1/me", &handler(get_me)).summary("Returns the caller's account.");

async fn get_me(live: LiveSession) -> Result<Json<User>, Problem> {
    Ok(Json(live.user))
}
