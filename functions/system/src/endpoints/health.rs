//! Returns whether the API works.

use auth::Users;
use common::http::{Endpoint, Health, Json, Use, handler};
use common::problem::Problem;
use tasks::Tasks;

pub const ENDPOINT: Endpoint = Endpoint::get("health", "/v1/health", &handler(health))
    .summary("Checks the health of the API; returns 503 if its store cannot be reached.");

async fn health(Use(tasks): Use<Tasks>, Use(users): Use<Users>) -> Result<Json<Health>, Problem> {
    users.ping().await?;
    tasks.ping().await?;
    Ok(Json(Health { status: "ok" }))
}
