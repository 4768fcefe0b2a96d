//! Returns the API document.

use common::http::{Document, Endpoint, PublicJson, handler};
use common::problem::Problem;

pub const ENDPOINT: Endpoint =
    Endpoint::get("get-openapi", "/v1/openapi.json", &handler(get_openapi))
        .summary("Returns this API document (OpenAPI 3.1).");

async fn get_openapi() -> Result<PublicJson<Document>, Problem> {
    Document::parse(crate::OPENAPI).map(PublicJson)
}
