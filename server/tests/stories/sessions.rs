//! Sessions and their refresh tokens.

use std::collections::HashSet;
use std::time::Duration;

use common::http::Access;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;

use crate::client::{PASSWORD, Server};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[tokio::test(flavor = "multi_thread")]
async fn fifty_refreshes_of_one_token_at_once_get_the_same_successor_and_keep_the_session() {
    let server = Server::start().await;
    let ada = server.register("ada@example.com").await;

    let answers = join_all((0..50).map(|_| server.refresh(ada.refresh_token()))).await;
    let successors: HashSet<_> = answers
        .iter()
        .map(|answer| answer.body["refresh_token"].to_string())
        .collect();

    assert!(
        answers.iter().all(|answer| answer.status == 200),
        "{answers:?}"
    );
    assert_eq!(successors.len(), 1);

    let successor = answers[0].body["refresh_token"].as_str().expect("a token");
    assert_eq!(server.refresh(successor).await.status, 200);
}

#[tokio::test]
async fn a_refresh_token_older_than_the_last_one_ends_the_session() {
    let server = Server::start().await;
    let ada = server.register("ada@example.com").await;
    let second = server.refresh(ada.refresh_token()).await.body["refresh_token"]
        .as_str()
        .expect("a token")
        .to_owned();

    let third = server.refresh(&second).await.body["refresh_token"]
        .as_str()
        .expect("a token")
        .to_owned();

    assert_eq!(server.refresh(ada.refresh_token()).await.status, 401);
    assert_eq!(server.refresh(&third).await.status, 401);
}

#[tokio::test]
async fn one_of_ten_racing_registrations_gets_the_address() {
    let server = Server::start().await;

    // The limit allows ten registrations of one address in an hour.
    let answers = join_all((0..10).map(|_| {
        server.post(
            "/v1/auth/register",
            json!({"email": "ada@example.com", "password": PASSWORD}),
        )
    }))
    .await;
    let mut statuses: Vec<_> = answers
        .iter()
        .map(|answer| answer.status.as_u16())
        .collect();
    statuses.sort_unstable();

    assert_eq!(statuses, [&[201][..], &[409; 9]].concat());
}

#[tokio::test]
async fn the_token_just_before_gets_the_same_successor_for_half_a_minute_and_then_a_new_one() {
    let server = Server::start().await;
    let ada = server.register("ada@example.com").await;
    let successor = server.refresh(ada.refresh_token()).await.body["refresh_token"].clone();

    server.wait(Duration::from_secs(25));
    assert_eq!(
        server.refresh(ada.refresh_token()).await.body["refresh_token"],
        successor
    );

    server.wait(Duration::from_secs(10));
    let late = server.refresh(ada.refresh_token()).await;
    assert_eq!(
        late.status, 200,
        "the answer was lost, so the client has nothing else"
    );
    assert_ne!(late.body["refresh_token"], successor);
    assert_eq!(
        server
            .refresh(late.body["refresh_token"].as_str().expect("a token"))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn a_client_whose_responses_are_lost_stays_logged_in_while_it_retries() {
    let server = Server::start().await;
    let mut phone = server.register("ada@example.com").await;

    for _ in 0..5 {
        // These tokens are lost on the way.
        assert_eq!(server.refresh(phone.refresh_token()).await.status, 200);

        server.wait(Duration::from_secs(32));
    }

    phone.refresh().await;
    phone.refresh().await;
    assert_eq!(phone.get("/v1/me").await.status, 200);
}

#[tokio::test]
async fn a_thief_with_a_copy_of_a_used_token_is_found_when_the_owner_refreshes_next() {
    let server = Server::start().await;
    let mut owner = server.register("ada@example.com").await;
    let copied = owner.refresh_token().to_owned();
    owner.refresh().await;
    server.wait(Duration::from_secs(32));

    let thief = server.refresh(&copied).await;

    assert_eq!(thief.status, 200, "it looks like an answer that was lost");

    assert_eq!(server.refresh(owner.refresh_token()).await.status, 401);

    assert_eq!(
        server
            .refresh(thief.body["refresh_token"].as_str().expect("a token"))
            .await
            .status,
        401
    );
    assert_eq!(server.refresh(&copied).await.status, 401);
}

#[tokio::test]
async fn a_session_that_has_ended_can_neither_read_nor_change_its_account() {
    let server = Server::start().await;
    let mut owner = server.register("ada@example.com").await;
    let revoked = server.log_in("ada@example.com").await;
    let logged_out = server.log_in("ada@example.com").await;
    let sessions = owner.get("/v1/me/sessions").await;
    let session = |which: usize| {
        format!(
            "/v1/me/sessions/{}",
            sessions.items("id")[which].as_str().expect("an id")
        )
    };
    let owners = session(0);
    let second = session(1);

    assert_eq!(owner.delete(&second).await.status, 204);
    assert_eq!(
        logged_out
            .call(Method::POST, "/v1/auth/logout", &[], None)
            .await
            .status,
        204
    );

    let outdated = server.log_in("ada@example.com").await;
    owner
        .change_password(PASSWORD, "another lane of tasks")
        .await;
    let name = || Some(json!({"name": "Eve"}));
    let change = || {
        Some(
            json!({"current_password": "another lane of tasks", "new_password": "a lane of somebody else"}),
        )
    };

    for ended in [&revoked, &logged_out, &outdated] {
        for (method, path, body) in [
            (Method::GET, "/v1/me", None),
            (Method::PATCH, "/v1/me", name()),
            (Method::POST, "/v1/me/password", change()),
            (Method::GET, "/v1/me/sessions", None),
            (Method::DELETE, "/v1/me/sessions", None),
            (Method::DELETE, owners.as_str(), None),
        ] {
            let answer = ended.call(method.clone(), path, &[], body).await;

            assert_eq!(answer.status, 401, "{method} {path}");
            assert_eq!(
                answer.header("www-authenticate"),
                Some("Bearer error=\"invalid_token\"")
            );
        }

        // As documented: task endpoints do not read the store of accounts, so the token works for
        // its fifteen minutes.
        assert_eq!(ended.get("/v1/tasks").await.status, 200);
    }

    assert_eq!(owner.get("/v1/me").await.body["name"], json!(null));
    assert_eq!(owner.get("/v1/me/sessions").await.items("current"), [true]);

    owner.refresh().await;
}

#[test]
fn every_account_endpoint_except_logout_requires_a_live_session() {
    let by_token = auth::SERVICE
        .endpoints
        .iter()
        .filter(|endpoint| endpoint.access == Access::User);
    let by_token: Vec<_> = by_token.map(|endpoint| endpoint.name).collect();

    assert_eq!(by_token, ["logout"]);
}

#[tokio::test]
async fn an_account_has_a_hundred_sessions_at_most_and_the_one_used_least_recently_ends() {
    let server = Server::start_with(&[("TASKLANE_LIMIT_LOGIN_TOTAL_ACCOUNT", "1000/15m")]).await;
    let mut first = server.register("ada@example.com").await;
    let second = server.log_in("ada@example.com").await;
    server.wait(Duration::from_secs(60));
    first.refresh().await;

    for _ in 2..100 {
        server.log_in("ada@example.com").await;
    }
    assert_eq!(
        first
            .get("/v1/me/sessions?limit=100")
            .await
            .items("id")
            .len(),
        100
    );

    server.log_in("ada@example.com").await;

    let page = first.get("/v1/me/sessions?limit=100").await;
    assert_eq!(
        (page.items("id").len(), &page.body["next_cursor"]),
        (100, &json!(null))
    );
    assert_eq!(server.refresh(second.refresh_token()).await.status, 401);

    first.refresh().await;
}

#[tokio::test]
async fn a_session_that_is_not_refreshed_for_thirty_days_has_ended() {
    let server = Server::start().await;
    let ada = server.register("ada@example.com").await;
    server.wait(DAY * 30 - Duration::from_secs(60));

    let refreshed = server.refresh(ada.refresh_token()).await;
    assert_eq!(refreshed.status, 200);

    server.wait(DAY * 30 + Duration::from_secs(1));
    assert_eq!(
        server
            .refresh(refreshed.body["refresh_token"].as_str().expect("a token"))
            .await
            .status,
        401
    );
}

#[tokio::test]
async fn a_session_that_is_always_refreshed_ends_after_ninety_days() {
    let server = Server::start().await;
    let ada = server.register("ada@example.com").await;

    let mut token = ada.refresh_token().to_owned();
    for _ in 0..4 {
        server.wait(DAY * 20);
        let refreshed = server.refresh(&token).await.body;
        token = refreshed["refresh_token"]
            .as_str()
            .expect("a token")
            .to_owned();
    }
    let last = server.refresh(&token).await.body;

    let left = last["refresh_expires_in"].as_i64().expect("seconds");
    assert!((10 * 86_400 - 60..=10 * 86_400).contains(&left), "{left}");

    server.wait(DAY * 10 + Duration::from_secs(1));
    assert_eq!(
        server
            .refresh(last["refresh_token"].as_str().expect("a token"))
            .await
            .status,
        401
    );
}

#[tokio::test]
async fn an_access_token_ends_after_fifteen_minutes_and_a_refresh_gives_another() {
    let server = Server::start().await;
    let ada = server.register("ada@example.com").await;

    server.wait(Duration::from_secs(15 * 60 - 5));
    assert_eq!(ada.get("/v1/me").await.status, 200);

    server.wait(Duration::from_secs(6));
    let expired = ada.get("/v1/me").await;
    assert_eq!(
        (expired.status.as_u16(), expired.header("www-authenticate")),
        (401, Some("Bearer error=\"invalid_token\""))
    );

    let refreshed = server.refresh(ada.refresh_token()).await.body;
    let token = refreshed["access_token"].as_str();
    assert_eq!(
        server
            .send(Method::GET, "/v1/me", token, &[], None)
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn a_forged_refresh_token_is_refused() {
    let server = Server::start().await;
    let other = Server::start().await;
    let ada = server.register("ada@example.com").await;
    let foreign = other.register("ada@example.com").await;
    let token = ada.refresh_token();
    let mut changed = token.to_owned().into_bytes();
    let last = changed.len() - 5;
    changed[last] = if changed[last] == b'A' { b'B' } else { b'A' };
    let changed = String::from_utf8(changed).expect("ASCII");

    for bad in [
        foreign.refresh_token(),
        &changed,
        &token[..token.len() - 1],
        &format!("{token}A"),
        ada.access_token(),
        "tlr_",
        "x",
    ] {
        let answer = server.refresh(bad).await;

        assert_eq!(
            (answer.status.as_u16(), &answer.body["title"]),
            (401, &json!("Invalid refresh token")),
            "{bad}"
        );
    }

    // None of these counts as theft.
    assert_eq!(server.refresh(token).await.status, 200);
}

#[tokio::test]
async fn logging_out_ends_this_session_and_no_other() {
    let server = Server::start().await;
    let here = server.register("ada@example.com").await;
    let there = server.log_in("ada@example.com").await;

    for _ in 0..2 {
        assert_eq!(
            here.call(Method::POST, "/v1/auth/logout", &[], None)
                .await
                .status,
            204
        );
    }

    assert_eq!(server.refresh(here.refresh_token()).await.status, 401);
    assert_eq!(server.refresh(there.refresh_token()).await.status, 200);
}

#[tokio::test]
async fn an_owner_sees_every_session_and_ends_them_one_by_one_or_all_but_this() {
    let server = Server::start().await;
    let here = server.register("ada@example.com").await;
    let second = server.log_in("ada@example.com").await;
    let third = server.log_in("ada@example.com").await;

    let sessions = here.get("/v1/me/sessions").await;
    assert_eq!(sessions.items("current"), [true, false, false]);

    let oldest = &sessions.body["items"][0];
    for time in ["created_at", "last_used_at", "expires_at"] {
        assert!(
            oldest[time]
                .as_str()
                .is_some_and(|time| time.ends_with('Z')),
            "{oldest}"
        );
    }

    let page = here.get("/v1/me/sessions?limit=2").await;
    let rest = here
        .get(&format!(
            "/v1/me/sessions?cursor={}",
            page.body["next_cursor"].as_str().expect("more")
        ))
        .await;
    assert_eq!((page.items("id").len(), rest.items("id").len()), (2, 1));

    let path = format!(
        "/v1/me/sessions/{}",
        sessions.body["items"][1]["id"].as_str().expect("an id")
    );
    assert_eq!(
        (
            here.delete(&path).await.status.as_u16(),
            here.delete(&path).await.status.as_u16()
        ),
        (204, 404)
    );
    assert_eq!(server.refresh(second.refresh_token()).await.status, 401);
    assert_eq!(here.delete("/v1/me/sessions").await.status, 204);
    assert_eq!(server.refresh(third.refresh_token()).await.status, 401);
    assert_eq!(here.get("/v1/me/sessions").await.items("current"), [true]);
    assert_eq!(server.refresh(here.refresh_token()).await.status, 200);
    // A session that has ended cannot end others.
    assert_eq!(third.delete("/v1/me/sessions").await.status, 401);
}
