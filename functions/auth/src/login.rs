//! Logs in.

use common::app::App;
use common::auth::{Attempt, Client, KnownSource, Limit, MAX_SESSIONS, Session, Subject};
use common::http::{Endpoint, Json, Part, public};
use common::problem::{Kind, Problem};
use common::telemetry;
use common::users::{Credentials, SignedIn};

pub const ENDPOINT: Endpoint = Endpoint::post("login", "/v1/auth/login", &public(login))
    .summary("Logs in.")
    .uses(&[Part::Users, Part::SigningKeys])
    .problems(&[Kind::WrongCredentials, Kind::TooManyRequests]);

async fn login(
    app: &App,
    client: Client,
    Json(Credentials { email, password }): Json<Credentials>,
) -> Result<Json<SignedIn>, Problem> {
    let (now, users, hasher) = (
        app.clock.now(),
        app.users()?,
        app.passwords()?.admit(client.source)?,
    );
    let address = email.canonical();
    telemetry::note_account(app.issuer()?.pseudonym(&address));
    let known = KnownSource::new(&address, client.source);
    let checks = [
        Limit::LoginSource.of(Subject::Source(client.source)),
        Limit::LoginAccountSource.of(Subject::NameAt(address.clone(), client.source)),
        Limit::LoginAccount
            .of(Subject::Name(address.clone()))
            .unless_known(known.clone()),
        Limit::LoginTotalSource.of(Subject::Source(client.source)),
    ];
    let attempt = Attempt::begin(app, &checks).await?;
    let account = users.find_by_email(&email).await?;
    // An unknown address is verified as well, so that it takes as long.
    let hash = account.as_ref().map(|account| &account.password_hash);
    let verified = hasher.verify(&password, hash).await?;
    let Some(account) = account.filter(|_| verified.right) else {
        return Err(Problem::wrong_credentials());
    };

    attempt.succeeded(app).await?;
    Attempt::begin(app, &[Limit::LoginTotalAccount.of(Subject::Name(address))])
        .await?
        .keep();
    known.remember(app).await?;
    if verified.outdated {
        let hash = hasher.rehash(&password).await?;
        users
            .replace_hash(account.id, &account.password_hash, &hash)
            .await?;
    }
    let session = Session::start(&account, &client, app.lifetimes, now);
    telemetry::note_caller(&account.id, &session.id);
    users.start_session(&session).await?;
    users
        .end_least_used_sessions(&session, MAX_SESSIONS, now)
        .await?;
    Ok(Json(SignedIn {
        tokens: session.tokens(app, account.role, now)?,
        user: account.into(),
    }))
}
