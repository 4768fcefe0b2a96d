//! Changes the caller's account.

use common::app::App;
use common::auth::Caller;
use common::contract::IfMatch;
use common::http::{Endpoint, Json, Part, user};
use common::problem::{Kind, Problem};
use common::users::{NamePatch, User};

/// `PATCH /v1/me`
pub const ENDPOINT: Endpoint = Endpoint::patch("update-me", "/v1/me", &user(update_me))
    .summary("Changes what the caller is called, by a JSON Merge Patch.")
    .uses(&[Part::Users])
    .problems(&[Kind::NotFound]);

async fn update_me(app: &App, caller: Caller, if_match: IfMatch, Json(patch): Json<NamePatch>) -> Result<Json<User>, Problem> {
    let account = app.users()?.rename(caller.user, &patch.name, &if_match, app.clock.now()).await?;
    Ok(Json(account.into()))
}
