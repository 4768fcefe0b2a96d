//! What clients need most, in a few calls. These stories also run against the functions in
//! containers (`.ci/check_sam_local.sh`) and against any other API at `TEST_API_URL`. So they use
//! only the API, and each registers a new address.

use reqwest::Method;
use serde_json::json;

use crate::client::{Api, PASSWORD};

/// A unique email address, also if the API still has data of earlier runs.
fn new_address() -> String {
    format!("{}@example.com", uuid::Uuid::new_v4().simple())
}

#[tokio::test]
async fn a_user_registers_logs_in_refreshes_and_logs_out() {
    let api = Api::anywhere().await;
    let address = new_address();
    let here = api.register(&address).await;

    assert_eq!(here.tokens["user"]["email"], json!(address));

    let taken = api
        .post(
            "/v1/auth/register",
            json!({"email": address, "password": PASSWORD}),
        )
        .await;
    assert_eq!(taken.status, 409);
    assert_eq!(
        api.try_log_in(&address, "not the password").await.status,
        401
    );

    let there = api.log_in(&address).await;
    let refreshed = api.refresh(there.refresh_token()).await;
    assert_eq!(refreshed.status, 200);

    let me = api
        .send(
            Method::GET,
            "/v1/me",
            refreshed.body["access_token"].as_str(),
            &[],
            None,
        )
        .await;
    assert_eq!(
        (me.status.as_u16(), &me.body["email"]),
        (200, &json!(address))
    );

    assert_eq!(
        there
            .call(Method::POST, "/v1/auth/logout", &[], None)
            .await
            .status,
        204
    );
    assert_eq!(
        api.refresh(refreshed.body["refresh_token"].as_str().expect("a token"))
            .await
            .status,
        401
    );
    assert_eq!(api.refresh(here.refresh_token()).await.status, 200);
}

#[tokio::test]
async fn an_owner_changes_name_and_password_and_ends_other_sessions() {
    let api = Api::anywhere().await;
    let address = new_address();
    let mut here = api.register(&address).await;

    let named = here.patch("/v1/me", json!({"name": "Ada"})).await;
    assert_eq!(
        (named.status.as_u16(), &named.body["name"]),
        (200, &json!("Ada"))
    );

    let second = api.log_in(&address).await;
    let third = api.log_in(&address).await;

    let sessions = here.get("/v1/me/sessions").await;
    assert_eq!(sessions.items("current"), [true, false, false]);

    let ended = format!(
        "/v1/me/sessions/{}",
        sessions.body["items"][1]["id"].as_str().expect("an id")
    );
    assert_eq!(here.delete(&ended).await.status, 204);
    assert_eq!(api.refresh(second.refresh_token()).await.status, 401);
    assert_eq!(here.delete("/v1/me/sessions").await.status, 204);
    assert_eq!(api.refresh(third.refresh_token()).await.status, 401);

    let fourth = api.log_in(&address).await;
    here.change_password(PASSWORD, "another lane of tasks")
        .await;
    assert_eq!(api.refresh(fourth.refresh_token()).await.status, 401);
    assert_eq!(api.try_log_in(&address, PASSWORD).await.status, 401);
    assert_eq!(
        api.try_log_in(&address, "another lane of tasks")
            .await
            .status,
        200
    );
    assert_eq!(api.refresh(here.refresh_token()).await.status, 200);
}

#[tokio::test]
async fn a_task_is_created_read_changed_deleted_and_restored() {
    let api = Api::anywhere().await;
    let ada = api.register(&new_address()).await;

    let created = ada
        .call(
            Method::POST,
            "/v1/tasks",
            &[("idempotency-key", "plants")],
            Some(json!({"title": "Water the plants"})),
        )
        .await;
    assert_eq!(
        (created.status.as_u16(), created.header("etag")),
        (201, Some("\"1\""))
    );

    let again = ada
        .call(
            Method::POST,
            "/v1/tasks",
            &[("idempotency-key", "plants")],
            Some(json!({"title": "Water the plants"})),
        )
        .await;
    assert_eq!((again.status.as_u16(), &again.body), (201, &created.body));

    let path = created.header("location").expect("a place").to_owned();
    let unchanged = ada
        .call(Method::GET, &path, &[("if-none-match", "\"1\"")], None)
        .await;
    assert_eq!(
        (unchanged.status.as_u16(), &unchanged.body),
        (304, &json!(null))
    );
    assert_eq!(
        ada.call(Method::HEAD, &path, &[], None)
            .await
            .header("etag"),
        Some("\"1\"")
    );

    let first = [("if-match", "\"1\"")];
    let done = ada
        .call(
            Method::PATCH,
            &path,
            &first,
            Some(json!({"status": "done", "notes": "The \u{1fab4} twice"})),
        )
        .await;
    assert_eq!(
        (done.status.as_u16(), done.header("etag")),
        (200, Some("\"2\""))
    );
    assert_eq!(done.body["notes"], "The \u{1fab4} twice");

    let lost = ada
        .call(
            Method::PATCH,
            &path,
            &first,
            Some(json!({"title": "Sell the plants"})),
        )
        .await;
    assert_eq!(
        (lost.status.as_u16(), lost.header("etag")),
        (412, Some("\"2\""))
    );

    let bob = api.register(&new_address()).await;
    assert_eq!(bob.get(&path).await.status, 404);
    assert_eq!(bob.delete(&path).await.status, 404);
    assert_eq!(ada.delete(&path).await.status, 204);
    assert_eq!(ada.get(&path).await.status, 404);
    assert_eq!(
        ada.get("/v1/trash").await.items("id"),
        [&created.body["id"]]
    );
    assert_eq!(
        ada.call(Method::POST, &format!("{path}/restore"), &[], None)
            .await
            .status,
        200
    );

    let back = ada.get(&path).await;
    assert_eq!(
        (
            back.status.as_u16(),
            &back.body["title"],
            &back.body["status"]
        ),
        (200, &json!("Water the plants"), &json!("done"))
    );
}

#[tokio::test]
async fn a_list_is_read_page_by_page_in_the_requested_order() {
    let api = Api::anywhere().await;
    let ada = api.register(&new_address()).await;
    for (title, due) in [
        ("Second", "2026-03-02"),
        ("Third", "2026-03-03T12:00:00+02:00"),
        ("First", "2026-03-01"),
    ] {
        ada.create_task(json!({"title": title, "due": due, "labels": ["a & b"]}))
            .await;
    }
    ada.create_task(json!({"title": "Of no interest"})).await;

    assert_eq!(
        ada.titles("limit=2&sort=due&label=a+%26+b").await,
        ["First", "Second", "Third"]
    );

    let page = ada
        .get("/v1/tasks?limit=1&status=todo&status=done&label=a%20%26%20b&sort=-due")
        .await;
    let link = page.header("link").expect("a link").to_owned();
    let next = link
        .strip_prefix('<')
        .and_then(|link| link.strip_suffix(">; rel=\"next\""))
        .expect("a next page");
    assert_eq!(
        (page.items("title"), ada.get(next).await.items("title")),
        (vec![&json!("Third")], vec![&json!("Second")])
    );
}

#[tokio::test]
async fn every_error_has_the_same_shape() {
    let api = Api::anywhere().await;

    let stranger = api.get("/v1/tasks").await;
    assert_eq!(
        (
            stranger.status.as_u16(),
            stranger.header("www-authenticate")
        ),
        (401, Some("Bearer"))
    );

    let forged = api
        .send(Method::GET, "/v1/me", Some("no.real.token"), &[], None)
        .await;
    assert_eq!(
        (forged.status.as_u16(), forged.header("www-authenticate")),
        (401, Some("Bearer error=\"invalid_token\""))
    );

    let ada = api.register(&new_address()).await;
    let refused = ada
        .post(
            "/v1/tasks",
            json!({"title": "", "priority": "soon", "colour": "red"}),
        )
        .await;
    assert_eq!(
        (refused.status.as_u16(), refused.faults()),
        (
            422,
            ["/colour", "/priority", "/title"]
                .map(str::to_owned)
                .to_vec()
        )
    );

    let unread = ada.get("/v1/tasks?limit=0").await;
    assert_eq!(
        (unread.status.as_u16(), unread.faults()),
        (400, vec!["?limit".to_owned()])
    );

    let unserved = [
        (Method::GET, "/v1/nothing", 404),
        (Method::PUT, "/v1/tasks", 405),
    ];
    for (method, path, status) in unserved {
        assert_eq!(
            api.send(method, path, None, &[], None).await.status,
            status,
            "{path}"
        );
    }
}

#[tokio::test]
async fn health_document_and_public_keys_are_served() {
    let api = Api::anywhere().await;
    assert_eq!(api.get("/v1/health").await.status, 200);
    assert_eq!(api.get("/v1/openapi.json").await.body["openapi"], "3.1.0");

    let keys = api.get("/.well-known/jwks.json").await.body;
    assert!(
        keys["keys"]
            .as_array()
            .is_some_and(|keys| !keys.is_empty() && keys.iter().all(|key| key["d"].is_null())),
        "{keys}"
    );
}
