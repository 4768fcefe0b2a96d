//! Changes the caller's account.

use common::app::App;
use common::auth::LiveSession;
use common::http::{Endpoint, Json, session};
use common::precondition::Precondition;
use common::problem::{Kind, Problem};
use common::users::{NamePatch, User};

pub const ENDPOINT: Endpoint = Endpoint::patch("update-me", "/v1/me", &session(update_me))
    .summary("Updates the caller's account with a JSON Merge Patch.")
    .problems(&[Kind::NotFound]);

async fn update_me(
    app: &App,
    live: LiveSession,
    precondition: Precondition,
    Json(patch): Json<NamePatch>,
) -> Result<Json<User>, Problem> {
    app.users()?
        .rename(&live.user, &patch.name, &precondition, app.clock.now())
        .await
        .map(Json)
        .map_err(Problem::from)
}
