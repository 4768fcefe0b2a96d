//! Publishes the API document.

use common::app::App;
use common::http::{Document, Endpoint, PublicJson, public};
use common::problem::Problem;

pub const ENDPOINT: Endpoint =
    Endpoint::get("get-openapi", "/v1/openapi.json", &public(get_openapi))
        .summary("Returns this API document (OpenAPI 3.1).");

async fn get_openapi(_: &App) -> Result<PublicJson<Document>, Problem> {
    Document::parse(crate::OPENAPI).map(PublicJson)
}
