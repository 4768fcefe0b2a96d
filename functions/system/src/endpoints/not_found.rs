//! Answers requests that no other endpoint serves: 405 if the path is known, otherwise 404.

use common::http::{Document, Endpoint, Options, RequestLine, handler};
use common::problem::Problem;

/// API Gateway's `$default` route.
pub const ENDPOINT: Endpoint = Endpoint::fallback("not-found", &handler(not_found))
    .summary("Answers requests to unknown paths.");

async fn not_found(request: RequestLine) -> Result<Options, Problem> {
    let allowed = Document::parse(crate::OPENAPI)?.methods_at(&request.path)?;
    if allowed.is_empty() {
        return Err(Problem::not_found("There is nothing at this path."));
    }
    request.answer_with(&allowed)
}
