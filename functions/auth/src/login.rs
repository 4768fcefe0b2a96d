//! Logs the owner of an account in.

use common::app::App;
use common::auth::{Attempt, Client, Session, Subject};
use common::http::{Endpoint, Json, Part, public};
use common::problem::{Kind, Problem};
use common::users::{Credentials, SignedIn};

/// `POST /v1/auth/login`
pub const ENDPOINT: Endpoint = Endpoint::post("login", "/v1/auth/login", &public(login))
    .summary("Logs the owner of an account in.")
    .uses(&[Part::Users, Part::SigningKeys])
    .problems(&[Kind::WrongCredentials, Kind::TooManyRequests]);

async fn login(app: &App, client: Client, Json(Credentials { email, password }): Json<Credentials>) -> Result<Json<SignedIn>, Problem> {
    let now = app.clock.now();
    let source = (app.limits.login_source, Subject::Source(client.source));
    let address = (app.limits.login_account, Subject::Name(email.canonical()));
    let attempt = Attempt::begin(app, &[source, address]).await?;
    let account = app.users()?.find_by_email(&email).await?;
    // An unknown address is verified as well, so that it takes as long.
    let verified = app.passwords()?.verify(&password, account.as_ref().map(|account| &account.password_hash)).await?;
    let Some(account) = account.filter(|_| verified.right) else { return Err(Problem::wrong_credentials()) };
    attempt.give_back(app).await?;
    if verified.outdated {
        let hash = app.passwords()?.rehash(&password).await?;
        app.users()?.replace_hash(account.id, &account.password_hash, &hash).await?;
    }
    let session = Session::start(&account, &client, app.lifetimes, now);
    app.users()?.start_session(&session).await?;
    Ok(Json(SignedIn { tokens: session.tokens(app, account.role, now)?, user: account.into() }))
}
