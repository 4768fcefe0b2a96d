//! Changes the caller's account.

use common::http::{Endpoint, Json, Now, Use, handler};
use common::precondition::Precondition;
use common::problem::{Kind, Problem};

use crate::{LiveSession, NamePatch, User, Users};

pub const ENDPOINT: Endpoint = Endpoint::patch("update-me", "/v1/me", &handler(update_me))
    .summary("Updates the caller's account with a JSON Merge Patch.")
    .problems(&[Kind::NOT_FOUND]);

async fn update_me(
    live: LiveSession,
    Now(now): Now,
    Use(users): Use<Users>,
    precondition: Precondition,
    Json(patch): Json<NamePatch>,
) -> Result<Json<User>, Problem> {
    users
        .rename(&live.user, &patch.name, &precondition, now)
        .await
        .map(Json)
        .map_err(Problem::from)
}
