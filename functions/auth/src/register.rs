//! Creates an account and logs its owner in.

use common::app::App;
use common::auth::{Attempt, Client, KnownSource, Limit, Session, Subject};
use common::http::{Created, Endpoint, Json, Part, public};
use common::problem::{Kind, Problem};
use common::telemetry;
use common::users::{Account, Registration, SignedIn};

pub const ENDPOINT: Endpoint = Endpoint::post("register", "/v1/auth/register", &public(register))
    .summary("Creates an account and logs its owner in.")
    .uses(&[Part::Users, Part::SigningKeys])
    .problems(&[Kind::AddressTaken, Kind::TooManyRequests]);

async fn register(
    app: &App,
    client: Client,
    Json(registration): Json<Registration>,
) -> Result<Created<SignedIn>, Problem> {
    let (now, hasher) = (app.clock.now(), app.passwords()?.admit(client.source)?);
    let address = registration.email.canonical();
    telemetry::note_account(app.issuer()?.pseudonym(&address));
    let known = KnownSource::new(&address, client.source);
    // A success counts as well: it is accounts that must not be made by the thousand.
    let checks = [
        Limit::RegisterSource.of(Subject::Source(client.source)),
        Limit::RegisterAccount.of(Subject::Name(address)),
    ];
    Attempt::begin(app, &checks).await?.keep();
    let password_hash = hasher.hash(&registration.password).await?;
    let account = Account::new(registration.email, registration.name, password_hash, now);
    let session = Session::start(&account, &client, app.lifetimes, now);
    app.users()?.register(&account, &session).await?;
    telemetry::note_caller(&account.id, &session.id);
    known.remember(app).await?;
    Ok(Created(SignedIn {
        tokens: session.tokens(app, account.role, now)?,
        user: account.into(),
    }))
}
