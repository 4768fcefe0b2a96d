//! Shows the caller's account.

use common::app::App;
use common::auth::Caller;
use common::http::{Endpoint, Json, Part, user};
use common::problem::{Kind, Problem};
use common::users::User;

/// `GET /v1/me`
pub const ENDPOINT: Endpoint = Endpoint::get("get-me", "/v1/me", &user(get_me))
    .summary("Shows the caller's account.")
    .uses(&[Part::Users])
    .problems(&[Kind::NotFound]);

async fn get_me(app: &App, caller: Caller) -> Result<Json<User>, Problem> {
    let account = app.users()?.account(caller.user).await?;
    account.map(|account| Json(account.into())).ok_or_else(|| Problem::not_found("There is no such account."))
}
