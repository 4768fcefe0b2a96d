//! Returns the public keys that verify access tokens.

use std::sync::Arc;

use common::auth::PublicKeys;
use common::http::{Endpoint, Now, PublicJson, Use, handler};
use common::problem::Problem;

pub const ENDPOINT: Endpoint =
    Endpoint::get("get-jwks", "/.well-known/jwks.json", &handler(get_jwks))
        .summary("Returns the public keys that verify access tokens (RFC 7517).");

async fn get_jwks(
    Now(now): Now,
    Use(keys): Use<Arc<PublicKeys>>,
) -> Result<PublicJson<PublicKeys>, Problem> {
    Ok(PublicJson(keys.at(now)))
}
