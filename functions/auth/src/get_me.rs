//! Returns the caller's account.

use common::app::App;
use common::auth::LiveSession;
use common::http::{Endpoint, Json, session};
use common::problem::Problem;
use common::users::User;

pub const ENDPOINT: Endpoint =
    Endpoint::get("get-me", "/v1/me", &session(get_me)).summary("Returns the caller's account.");

async fn get_me(_: &App, live: LiveSession) -> Result<Json<User>, Problem> {
    Ok(Json(live.user))
}
