//! Changes the caller's password and ends the caller's other sessions.

use common::app::App;
use common::auth::{Attempt, Caller, Client, Subject};
use common::http::{Endpoint, Idempotency, Json, NoContent, Part, user};
use common::problem::{Kind, Problem};
use common::users::{PasswordChange, PasswordUpdate};

/// `POST /v1/me/password`
pub const ENDPOINT: Endpoint = Endpoint::post("change-password", "/v1/me/password", &user(change_password))
    .summary("Changes the caller's password and ends the caller's other sessions.")
    .uses(&[Part::Users])
    .problems(&[Kind::WrongPassword, Kind::Conflict, Kind::TooManyRequests]);

async fn change_password(
    app: &App,
    caller: Caller,
    client: Client,
    Idempotency(once): Idempotency,
    Json(change): Json<PasswordChange>,
) -> Result<NoContent, Problem> {
    let (now, users, passwords) = (app.clock.now(), app.users()?, app.passwords()?);
    let source = (app.limits.password_source, Subject::Source(client.source));
    let account = (app.limits.password_account, Subject::Name(caller.user.to_string()));
    let attempt = Attempt::begin(app, &[source, account]).await?;
    let once = match once {
        // The body holds passwords, so what is stored to recognise it must be as slow to guess from as they are.
        Some(once) => Some(once.slowly(passwords, caller.user).await?),
        None => None,
    };
    if let Some(once) = &once
        && users.password_change_repeated(caller.user, once, now).await?
    {
        attempt.give_back(app).await?;
        return Ok(NoContent);
    }
    let account = users.account(caller.user).await?.ok_or_else(|| Problem::invalid_token("there is no such account"))?;
    if !passwords.verify(&change.current_password, Some(&account.password_hash)).await?.right {
        return Err(Problem::wrong_password("/current_password"));
    }
    let new = passwords.hash(&change.new_password).await?;
    let update = PasswordUpdate {
        user: caller.user,
        session: caller.session,
        epoch: account.epoch,
        verified: &account.password_hash,
        new: &new,
        now,
    };
    users.change_password(update, once.as_ref()).await?;
    attempt.give_back(app).await?;
    Ok(NoContent)
}
