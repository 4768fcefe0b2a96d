//! Exchanges a refresh token for new tokens.

use std::sync::Arc;

use common::auth::{Attempt, Client, Issuer, Limit as _, RefreshToken, SessionLifetimes, Subject};
use common::http::{Endpoint, Json, Now, Use, handler};
use common::problem::{Kind, Problem};
use common::telemetry;

use crate::problems::{INVALID_REFRESH_TOKEN, invalid_refresh_token};
use crate::{Limit, Limiter, RefreshRequest, Rotation, Tokens, Users};

pub const ENDPOINT: Endpoint =
    Endpoint::post("refresh-token", "/v1/auth/refresh", &handler(refresh_token))
        .summary("Exchanges a refresh token for new tokens. A refresh token can be used once.")
        .problems(&[INVALID_REFRESH_TOKEN, Kind::TOO_MANY_REQUESTS]);

async fn refresh_token(
    Now(now): Now,
    Use(users): Use<Users>,
    Use(issuer): Use<Arc<Issuer>>,
    Use(limiter): Use<Limiter>,
    Use(lifetimes): Use<SessionLifetimes>,
    client: Client,
    Json(request): Json<RefreshRequest>,
) -> Result<Json<Tokens>, Problem> {
    let Some(token) = RefreshToken::open(request.refresh_token.as_str(), &issuer) else {
        // Only tokens without a valid MAC count against the address, so that clients who share it
        // cannot lock others out.
        Attempt::begin(
            &limiter,
            &[Limit::RefreshSource.of(Subject::Source(client.source))],
        )
        .await?
        .keep();
        return Err(invalid_refresh_token("the refresh token is not authentic"));
    };
    telemetry::note_caller(&token.user, &token.session);
    Attempt::begin(
        &limiter,
        &[Limit::RefreshSession.of(Subject::Name(token.session.to_string()))],
    )
    .await?
    .keep();
    let (session, role) = match users
        .rotate(
            token.user,
            token.session,
            token.generation,
            lifetimes.idle,
            now,
        )
        .await?
    {
        Rotation::Rotated(session, role) | Rotation::Repeated(session, role) => (session, role),
        Rotation::Ended => return Err(invalid_refresh_token("the session has ended")),
        Rotation::Stolen => {
            tracing::warn!(
                user = %token.user,
                session = %token.session,
                source = %client.source,
                "refresh_token_reused"
            );
            return Err(invalid_refresh_token(
                "an old refresh token was used again: the session was revoked",
            ));
        }
    };
    Ok(Json(session.tokens(&issuer, role, now)?))
}
