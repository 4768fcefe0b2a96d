//! Says whether the API works.

use common::app::App;
use common::http::{Endpoint, Health, Json, Part, public};
use common::problem::Problem;

pub const ENDPOINT: Endpoint = Endpoint::get("health", "/v1/health", &public(health))
    .summary("Checks the health of the API: 503 when its store cannot be reached.")
    .uses(&[Part::Users, Part::Tasks]);

async fn health(app: &App) -> Result<Json<Health>, Problem> {
    app.users()?.ping().await?;
    app.tasks()?.ping().await?;
    Ok(Json(Health { status: "ok" }))
}
