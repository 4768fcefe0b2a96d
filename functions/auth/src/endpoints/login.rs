//! Logs in.

use std::sync::Arc;

use common::auth::{
    Attempt, Client, Issuer, KnownSource, Limit as _, Passwords, SessionLifetimes, Subject,
};
use common::http::{Endpoint, Json, Now, Use, handler};
use common::problem::{Kind, Problem};
use common::telemetry;

use crate::problems::{WRONG_CREDENTIALS, wrong_credentials};
use crate::{Credentials, Limit, Limiter, MAX_SESSIONS, Session, SignedIn, Users};

pub const ENDPOINT: Endpoint = Endpoint::post("login", "/v1/auth/login", &handler(login))
    .summary("Logs in.")
    .problems(&[WRONG_CREDENTIALS, Kind::TOO_MANY_REQUESTS]);

async fn login(
    Now(now): Now,
    Use(users): Use<Users>,
    Use(passwords): Use<Arc<Passwords>>,
    Use(issuer): Use<Arc<Issuer>>,
    Use(limiter): Use<Limiter>,
    Use(lifetimes): Use<SessionLifetimes>,
    client: Client,
    Json(Credentials { email, password }): Json<Credentials>,
) -> Result<Json<SignedIn>, Problem> {
    let hasher = passwords.admit(client.source)?;
    let address = email.canonical();
    telemetry::note_account(issuer.pseudonym(&address));
    let known = KnownSource::new(&address, client.source);
    let checks = [
        Limit::LoginSource.of(Subject::Source(client.source)),
        Limit::LoginAccountSource.of(Subject::NameAt(address.clone(), client.source)),
        Limit::LoginAccount
            .of(Subject::Name(address.clone()))
            .unless_known(known.clone()),
        Limit::LoginTotalSource.of(Subject::Source(client.source)),
    ];
    let attempt = Attempt::begin(&limiter, &checks).await?;
    let account = users.find_by_email(&email).await?;
    // An unknown address is verified as well, so that it takes the same time.
    let hash = account.as_ref().map(|account| &account.password_hash);
    let verified = hasher.verify(&password, hash).await?;
    let Some(account) = account.filter(|_| verified.right) else {
        return Err(wrong_credentials());
    };

    attempt.succeeded(&limiter).await?;
    Attempt::begin(
        &limiter,
        &[Limit::LoginTotalAccount.of(Subject::Name(address))],
    )
    .await?
    .keep();
    known.remember(&limiter).await?;
    if verified.outdated {
        let hash = hasher.rehash(&password).await?;
        users
            .replace_hash(account.id, &account.password_hash, &hash)
            .await?;
    }
    let session = Session::start(&account, &client, lifetimes, now);
    telemetry::note_caller(&account.id, &session.id);
    users.start_session(&session).await?;
    users
        .end_least_used_sessions(&session, MAX_SESSIONS, now)
        .await?;
    Ok(Json(SignedIn {
        tokens: session.tokens(&issuer, account.role, now)?,
        user: account.into(),
    }))
}
