//! Publishes the keys that access tokens are verified with.

use common::app::App;
use common::auth::PublicKeys;
use common::http::{Endpoint, Part, PublicJson, public};
use common::problem::Problem;

pub const ENDPOINT: Endpoint =
    Endpoint::get("get-jwks", "/.well-known/jwks.json", &public(get_jwks))
        .summary("Returns the public keys that verify access tokens (RFC 7517).")
        .uses(&[Part::PublicKeys]);

async fn get_jwks(app: &App) -> Result<PublicJson<PublicKeys>, Problem> {
    Ok(PublicJson(app.public_keys()?.at(app.clock.now())))
}
