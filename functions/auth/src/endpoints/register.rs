//! Creates an account and logs its owner in.

use std::sync::Arc;

use common::auth::{
    Attempt, Client, Issuer, KnownSource, Limit as _, Passwords, SessionLifetimes, Subject,
};
use common::http::{Created, Endpoint, Json, Now, Use, handler};
use common::problem::{Kind, Problem};
use common::telemetry;

use crate::problems::ADDRESS_TAKEN;
use crate::{Account, Limit, Limiter, Registration, Session, SignedIn, Users};

pub const ENDPOINT: Endpoint = Endpoint::post("register", "/v1/auth/register", &handler(register))
    .summary("Creates an account and logs its owner in.")
    .problems(&[ADDRESS_TAKEN, Kind::TOO_MANY_REQUESTS]);

async fn register(
    Now(now): Now,
    Use(users): Use<Users>,
    Use(passwords): Use<Arc<Passwords>>,
    Use(issuer): Use<Arc<Issuer>>,
    Use(limiter): Use<Limiter>,
    Use(lifetimes): Use<SessionLifetimes>,
    client: Client,
    Json(registration): Json<Registration>,
) -> Result<Created<SignedIn>, Problem> {
    let hasher = passwords.admit(client.source)?;
    let address = registration.email.canonical();
    telemetry::note_account(issuer.pseudonym(&address));
    let known = KnownSource::new(&address, client.source);
    // A success counts as well: the limit is on the number of new accounts.
    let checks = [
        Limit::RegisterSource.of(Subject::Source(client.source)),
        Limit::RegisterAccount.of(Subject::Name(address)),
    ];
    Attempt::begin(&limiter, &checks).await?.keep();
    let password_hash = hasher.hash(&registration.password).await?;
    let account = Account::new(registration.email, registration.name, password_hash, now);
    let session = Session::start(&account, &client, lifetimes, now);
    users.register(&account, &session).await?;
    telemetry::note_caller(&account.id, &session.id);
    known.remember(&limiter).await?;
    Ok(Created(SignedIn {
        tokens: session.tokens(&issuer, account.role, now)?,
        user: account.into(),
    }))
}
