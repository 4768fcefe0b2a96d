//! Accounts: registering, logging in, names and passwords.

use reqwest::Method;
use serde_json::json;

use crate::client::{PASSWORD, Server};

const NEW_PASSWORD: &str = "another lane of tasks";

#[tokio::test]
async fn a_new_account_is_logged_in_at_once_and_has_the_given_fields() {
    let server = Server::start().await;

    let answer = server
        .post(
            "/v1/auth/register",
            json!({"email": "Ada@Example.com", "password": PASSWORD, "name": "Ada"}),
        )
        .await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("cache-control")),
        (201, Some("no-store"))
    );

    let tokens = &answer.body;
    assert_eq!(
        (&tokens["token_type"], &tokens["expires_in"]),
        (&json!("Bearer"), &json!(900))
    );
    assert_eq!(tokens["refresh_expires_in"], 30 * 24 * 60 * 60);

    let user = &tokens["user"];
    assert_eq!(
        (
            &user["email"],
            &user["name"],
            &user["role"],
            &user["version"]
        ),
        (
            &json!("Ada@Example.com"),
            &json!("Ada"),
            &json!("user"),
            &json!(1)
        )
    );
    assert!(user.get("password_hash").is_none() && user.get("epoch").is_none());

    let me = server
        .send(
            Method::GET,
            "/v1/me",
            tokens["access_token"].as_str(),
            &[],
            None,
        )
        .await;
    assert_eq!((&me.body, me.header("etag")), (user, Some("\"1\"")));
}

#[tokio::test]
async fn an_address_is_case_insensitive() {
    let server = Server::start().await;
    server.register("ada@example.com").await;

    let again = server
        .post(
            "/v1/auth/register",
            json!({"email": "ADA@example.COM", "password": PASSWORD}),
        )
        .await;

    assert_eq!(
        (again.status.as_u16(), again.faults()),
        (409, vec!["/email".to_owned()])
    );
    assert_eq!(
        server.try_log_in("Ada@Example.Com", PASSWORD).await.status,
        200
    );
}

#[tokio::test]
async fn a_domain_in_its_own_script_is_the_same_as_in_ascii() {
    let server = Server::start().await;
    let ada = server.register("ada@ex\u{e4}mple.com").await;

    assert_eq!(
        ada.get("/v1/me").await.body["email"],
        "ada@xn--exmple-cua.com"
    );

    for same in ["Ada@xn--exmple-cua.COM", "ada@EXA\u{308}MPLE.com"] {
        assert_eq!(
            server.try_log_in(same, PASSWORD).await.status,
            200,
            "{same}"
        );
        assert_eq!(
            server
                .post(
                    "/v1/auth/register",
                    json!({"email": same, "password": PASSWORD})
                )
                .await
                .status,
            409,
            "{same}"
        );
    }

    for bad in [
        "\u{e9}@ex\u{e4}mple.com",
        "ada@ex\u{e4}mple",
        "ada@\u{1f600} .com",
    ] {
        assert_eq!(
            server
                .post(
                    "/v1/auth/register",
                    json!({"email": bad, "password": PASSWORD})
                )
                .await
                .faults(),
            ["/email"],
            "{bad}"
        );
    }

    let padded = server
        .post(
            "/v1/auth/register",
            json!({"email": " eve@example.com", "password": PASSWORD}),
        )
        .await;
    assert!(
        padded.body["errors"][0]["detail"]
            .as_str()
            .expect("a rule")
            .contains("space"),
        "{:?}",
        padded.body
    );
}

#[tokio::test]
async fn a_password_is_the_same_in_every_unicode_form() {
    let server = Server::start().await;
    let composed = "caf\u{e9}\u{a0}au lait";
    let decomposed = "cafe\u{301} au lait";
    let account = json!({"email": "ada@example.com", "password": decomposed});

    assert_eq!(server.post("/v1/auth/register", account).await.status, 201);

    for password in [composed, decomposed] {
        assert_eq!(
            server.try_log_in("ada@example.com", password).await.status,
            200
        );
    }

    assert_eq!(
        server
            .try_log_in("ada@example.com", "cafe au lait")
            .await
            .status,
        401
    );
}

#[tokio::test]
async fn an_unknown_address_and_a_wrong_password_get_the_same_response() {
    let server = Server::start().await;
    server.register("ada@example.com").await;

    let mut wrong = server
        .try_log_in("ada@example.com", "not the password")
        .await;
    let mut unknown = server.try_log_in("eve@example.com", PASSWORD).await;

    assert_eq!(
        (wrong.status.as_u16(), wrong.header("www-authenticate")),
        (401, Some("Bearer"))
    );

    for answer in [&mut wrong, &mut unknown] {
        for varying in ["date", "x-request-id"] {
            answer.headers.remove(varying);
        }
        answer.body["request_id"] = json!(null);
    }
    assert_eq!(
        (wrong.status, wrong.headers, wrong.body),
        (unknown.status, unknown.headers, unknown.body)
    );
}

#[tokio::test]
async fn common_short_and_long_passwords_are_refused_and_no_other_is_truncated() {
    let server = Server::start().await;

    for bad in ["password1", "12345678", "seven77", &"x".repeat(257)] {
        let answer = server
            .post(
                "/v1/auth/register",
                json!({"email": "ada@example.com", "password": bad}),
            )
            .await;

        assert_eq!(
            (answer.status.as_u16(), answer.faults()),
            (422, vec!["/password".to_owned()]),
            "{bad}"
        );
        assert!(!answer.body.to_string().contains(bad), "{bad} came back");
    }

    let long = format!("{}\u{1f600}", "x y\u{301}".repeat(60));
    let answer = server
        .post(
            "/v1/auth/register",
            json!({"email": "ada@example.com", "password": long}),
        )
        .await;
    assert_eq!(answer.status, 201, "{:?}", answer.body);
    assert_eq!(
        server.try_log_in("ada@example.com", &long).await.status,
        200
    );

    let truncated: String = long.chars().take(long.chars().count() - 1).collect();
    assert_eq!(
        server
            .try_log_in("ada@example.com", &truncated)
            .await
            .status,
        401
    );
}

#[tokio::test]
async fn a_name_is_changed_cleared_and_guarded_by_its_version() {
    let server = Server::start().await;
    let ada = server.register("ada@example.com").await;

    let named = ada.patch("/v1/me", json!({"name": "Ada"})).await;
    assert_eq!(
        (&named.body["name"], named.header("etag")),
        (&json!("Ada"), Some("\"2\""))
    );

    let lost = ada
        .call(
            Method::PATCH,
            "/v1/me",
            &[("if-match", "\"1\"")],
            Some(json!({"name": "Eve"})),
        )
        .await;
    assert_eq!(
        (lost.status.as_u16(), lost.header("etag")),
        (412, Some("\"2\""))
    );
    assert_eq!(ada.patch("/v1/me", json!({})).await.body["version"], 2);
    assert_eq!(
        ada.patch("/v1/me", json!({"name": null})).await.body["name"],
        json!(null)
    );
    assert_eq!(
        ada.patch("/v1/me", json!({"name": ""})).await.faults(),
        ["/name"]
    );
}

#[tokio::test]
async fn a_new_password_ends_the_other_sessions_and_gives_this_one_new_tokens() {
    let server = Server::start().await;
    let mut here = server.register("ada@example.com").await;
    let there = server.log_in("ada@example.com").await;

    here.change_password(PASSWORD, NEW_PASSWORD).await;

    assert_eq!(server.refresh(there.refresh_token()).await.status, 401);

    here.refresh().await;
    assert_eq!(
        server.try_log_in("ada@example.com", PASSWORD).await.status,
        401
    );
    assert_eq!(
        server
            .try_log_in("ada@example.com", NEW_PASSWORD)
            .await
            .status,
        200
    );
    assert_eq!(here.get("/v1/me/sessions").await.items("current").len(), 2);
}

#[tokio::test]
async fn a_copied_refresh_token_is_void_after_a_change_of_password() {
    let server = Server::start().await;
    let mut owner = server.register("ada@example.com").await;
    let copied = owner.refresh_token().to_owned();

    owner.change_password(PASSWORD, NEW_PASSWORD).await;

    assert_ne!(owner.refresh_token(), copied);
    assert_eq!(server.refresh(&copied).await.status, 401);
    // It was presented, so there is a copy: the session ends, and the owner logs in again.
    assert_eq!(server.refresh(owner.refresh_token()).await.status, 401);
}

#[tokio::test]
async fn changing_the_password_requires_the_current_one() {
    let server = Server::start().await;
    let ada = server.register("ada@example.com").await;

    let guess = ada
        .post(
            "/v1/me/password",
            json!({"current_password": "a guess of it", "new_password": NEW_PASSWORD}),
        )
        .await;

    assert_eq!(
        (guess.status.as_u16(), guess.faults()),
        (422, vec!["/current_password".to_owned()])
    );
    assert_eq!(
        server.try_log_in("ada@example.com", PASSWORD).await.status,
        200
    );
}

#[tokio::test]
async fn a_repeated_password_change_is_made_once() {
    let server = Server::start().await;
    let ada = server.register("ada@example.com").await;
    let key = [("idempotency-key", "one")];
    let change = || Some(json!({"current_password": PASSWORD, "new_password": NEW_PASSWORD}));

    let first = ada
        .call(Method::POST, "/v1/me/password", &key, change())
        .await;
    // Without the key it would be refused: the current password has changed by now.
    let repeated = ada
        .call(Method::POST, "/v1/me/password", &key, change())
        .await;

    assert_eq!(
        (first.status.as_u16(), repeated.status.as_u16()),
        (200, 200)
    );
    assert_eq!(first.body["refresh_token"], repeated.body["refresh_token"]);

    let other = Some(json!({"current_password": NEW_PASSWORD, "new_password": "yet another lane"}));
    assert_eq!(
        ada.call(Method::POST, "/v1/me/password", &key, other)
            .await
            .status,
        422
    );
    assert_eq!(
        server
            .try_log_in("ada@example.com", NEW_PASSWORD)
            .await
            .status,
        200
    );
}
