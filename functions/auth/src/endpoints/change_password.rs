//! Changes the caller's password, ends the caller's other sessions, and returns new tokens for this
//! one.

use std::sync::Arc;

use common::auth::{Attempt, Client, Issuer, Limit as _, Passwords, Subject};
use common::http::{Endpoint, Idempotency, Json, Now, Use, handler};
use common::problem::{Kind, Problem};

use crate::problems::{CONFLICT, WRONG_PASSWORD, wrong_password};
use crate::{Limit, Limiter, LiveSession, PasswordChange, PasswordUpdate, Session, Tokens, Users};

pub const ENDPOINT: Endpoint = Endpoint::post("change-password", "/v1/me/password", &handler(change_password))
    .summary("Changes the caller's password, ends the caller's other sessions, and returns new tokens for this one.")
    .problems(&[WRONG_PASSWORD, CONFLICT, Kind::TOO_MANY_REQUESTS]);

async fn change_password(
    live: LiveSession,
    Now(now): Now,
    Use(users): Use<Users>,
    Use(passwords): Use<Arc<Passwords>>,
    Use(limiter): Use<Limiter>,
    Use(issuer): Use<Arc<Issuer>>,
    client: Client,
    Idempotency(once): Idempotency,
    Json(change): Json<PasswordChange>,
) -> Result<Json<Tokens>, Problem> {
    let hasher = passwords.admit(client.source)?;
    let LiveSession { session, user } = live;
    let tokens = |session: Session| session.tokens(&issuer, user.role, now).map(Json);
    let (source, account) = (
        Subject::Source(client.source),
        Subject::Name(user.id.to_string()),
    );
    let checks = [
        Limit::PasswordSource.of(source.clone()),
        Limit::PasswordAccount.of(account.clone()),
        Limit::PasswordTotalSource.of(source),
        Limit::PasswordTotalAccount.of(account),
    ];
    let attempt = Attempt::begin(&limiter, &checks).await?;
    let once = match once {
        // The body contains passwords, so the stored fingerprint must be as slow to guess from as a
        // password hash.
        Some(once) => Some(once.slowly(&hasher, user.id).await?),
        None => None,
    };
    if let Some(once) = &once
        && users.password_change_repeated(user.id, once, now).await?
    {
        attempt.succeeded(&limiter).await?;
        return tokens(session);
    }
    let account = users
        .account(user.id)
        .await?
        .ok_or_else(|| Problem::invalid_token("there is no such account"))?;
    if !hasher
        .verify(&change.current_password, Some(&account.password_hash))
        .await?
        .right
    {
        return Err(wrong_password("/current_password"));
    }
    let new = hasher.hash(&change.new_password).await?;
    let update = PasswordUpdate {
        session: &session,
        epoch: account.epoch,
        verified: &account.password_hash,
        new: &new,
        now,
    };
    let session = users.change_password(update, once.as_ref()).await?;
    attempt.succeeded(&limiter).await?;
    tokens(session)
}
