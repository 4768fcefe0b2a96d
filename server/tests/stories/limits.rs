//! Rate limits: guessing is slow, and a stranger cannot lock an owner out of an existing session.

use std::time::Duration;

use serde_json::json;

use crate::client::{Answer, PASSWORD, Server};

fn assert_limited(answer: &Answer, limit: &str) {
    assert_eq!(answer.status, 429, "{:?}", answer.body);
    let wait: u64 = answer
        .header("retry-after")
        .expect("how long to wait")
        .parse()
        .expect("seconds");
    assert!((1..=3600).contains(&wait), "{wait}");
    assert_eq!(
        answer.header("ratelimit"),
        Some(format!("\"{limit}\";r=0;t={wait}").as_str())
    );
    assert!(
        answer
            .header("ratelimit-policy")
            .is_some_and(|policy| policy.starts_with(&format!("\"{limit}\";q=")))
    );
}

#[tokio::test]
async fn guessing_a_password_is_limited_until_retry_after_has_passed() {
    let server = Server::start_with(&[("TASKLANE_LIMIT_LOGIN_ACCOUNT_SOURCE", "3/15m")]).await;
    server.register("ada@example.com").await;

    for _ in 0..3 {
        assert_eq!(
            server
                .try_log_in("ada@example.com", "a guess of it")
                .await
                .status,
            401
        );
    }

    // Otherwise the right password could be distinguished from a wrong one.
    let limited = server.try_log_in("ada@example.com", PASSWORD).await;
    assert_limited(&limited, "login-account-source");
    assert_eq!(
        server.try_log_in("ADA@example.com", PASSWORD).await.status,
        429
    );

    let wait = limited
        .header("retry-after")
        .expect("how long to wait")
        .parse()
        .expect("seconds");
    server.wait(Duration::from_secs(wait));
    assert_eq!(
        server.try_log_in("ada@example.com", PASSWORD).await.status,
        200
    );
}

#[tokio::test]
async fn a_login_with_the_right_password_does_not_count_as_a_guess() {
    let server = Server::start_with(&[
        ("TASKLANE_LIMIT_LOGIN_ACCOUNT_SOURCE", "2/15m"),
        ("TASKLANE_LIMIT_LOGIN_SOURCE", "2/15m"),
    ])
    .await;
    server.register("ada@example.com").await;

    for _ in 0..5 {
        assert_eq!(
            server.try_log_in("ada@example.com", PASSWORD).await.status,
            200
        );
    }
}

#[tokio::test]
async fn an_unknown_address_is_limited_like_a_known_one() {
    let server = Server::start_with(&[("TASKLANE_LIMIT_LOGIN_ACCOUNT_SOURCE", "2/15m")]).await;

    for _ in 0..2 {
        assert_eq!(
            server
                .try_log_in("nobody@example.com", PASSWORD)
                .await
                .status,
            401
        );
    }

    assert_limited(
        &server.try_log_in("nobody@example.com", PASSWORD).await,
        "login-account-source",
    );
}

#[tokio::test]
async fn a_stranger_who_uses_up_every_limit_leaves_the_owners_session_alone() {
    let limits = [
        ("TASKLANE_LIMIT_LOGIN_ACCOUNT_SOURCE", "2/15m"),
        ("TASKLANE_LIMIT_LOGIN_SOURCE", "4/15m"),
        ("TASKLANE_LIMIT_REFRESH_SOURCE", "2/15m"),
        ("TASKLANE_LIMIT_REGISTER_ACCOUNT", "2/1h"),
    ];
    let server = Server::start_with(&limits).await;
    let owner = server.register("ada@example.com").await;

    // The worst case: the stranger has the same address as the owner.
    for _ in 0..6 {
        server.try_log_in("ada@example.com", "a guess of it").await;
        server.refresh("tlr_forged.token").await;
        server
            .post(
                "/v1/auth/register",
                json!({"email": "ada@example.com", "password": PASSWORD}),
            )
            .await;
    }
    assert_limited(&server.refresh("tlr_forged.token").await, "refresh-source");

    let refreshed = server.refresh(owner.refresh_token()).await;
    assert_eq!(refreshed.status, 200, "{:?}", refreshed.body);
    assert_eq!(owner.get("/v1/tasks").await.status, 200);

    let change = json!({"current_password": PASSWORD, "new_password": "another lane of tasks"});
    assert_eq!(owner.post("/v1/me/password", change).await.status, 200);
}

#[tokio::test]
async fn the_refreshes_of_one_session_are_limited() {
    let server = Server::start_with(&[("TASKLANE_LIMIT_REFRESH_SESSION", "2/15m")]).await;
    let ada = server.register("ada@example.com").await;
    let bob = server.register("bob@example.com").await;

    let mut token = ada.refresh_token().to_owned();
    for _ in 0..2 {
        token = server.refresh(&token).await.body["refresh_token"]
            .as_str()
            .expect("a token")
            .to_owned();
    }

    assert_limited(&server.refresh(&token).await, "refresh-session");
    assert_eq!(server.refresh(bob.refresh_token()).await.status, 200);
}

#[tokio::test]
async fn registrations_from_one_source_are_limited() {
    let server = Server::start_with(&[("TASKLANE_LIMIT_REGISTER_SOURCE", "2/1h")]).await;
    server.register("ada@example.com").await;
    server.register("bob@example.com").await;

    let third = server
        .post(
            "/v1/auth/register",
            json!({"email": "eve@example.com", "password": PASSWORD}),
        )
        .await;

    assert_limited(&third, "register-source");
    assert_eq!(
        server.try_log_in("eve@example.com", PASSWORD).await.status,
        401
    );
}

#[tokio::test]
async fn guessing_the_password_of_a_stolen_session_is_stopped() {
    let server = Server::start_with(&[("TASKLANE_LIMIT_PASSWORD_ACCOUNT", "2/15m")]).await;
    let ada = server.register("ada@example.com").await;
    let guess =
        || json!({"current_password": "a guess of it", "new_password": "another lane of tasks"});

    for _ in 0..2 {
        assert_eq!(ada.post("/v1/me/password", guess()).await.status, 422);
    }

    assert_limited(
        &ada.post("/v1/me/password", guess()).await,
        "password-account",
    );
}

#[tokio::test]
async fn forwarded_addresses_count_only_behind_a_trusted_proxy() {
    let limit = [("TASKLANE_LIMIT_REGISTER_SOURCE", "1/1h")];
    let behind = Server::behind_a_proxy(&limit).await;
    let direct = Server::start_with(&limit).await;

    for (server, statuses) in [(&behind, [201, 201, 429]), (&direct, [201, 429, 429])] {
        for (source, expected) in ["192.0.2.1", "192.0.2.2", "192.0.2.2"]
            .into_iter()
            .zip(statuses)
        {
            let account =
                json!({"email": format!("{expected}-{source}@example.com"), "password": PASSWORD});
            let request = server
                .request(reqwest::Method::POST, "/v1/auth/register")
                .header("x-forwarded-for", source)
                .json(&account);

            assert_eq!(server.answer(request).await.status, expected, "{source}");
        }
    }
}

const OWNER: &str = "192.0.2.1";
const STRANGER: &str = "198.51.100.7";

#[tokio::test]
async fn a_stranger_who_guesses_within_the_limits_cannot_lock_the_owner_out() {
    let server = Server::behind_a_proxy(&[("TASKLANE_LIMIT_LOGIN_ACCOUNT", "20/24h")]).await;
    server.register("ada@example.com").await;

    for _ in 0..10 {
        assert_eq!(
            server
                .try_log_in_from(STRANGER, "ada@example.com", "a guess of it")
                .await
                .status,
            401
        );
    }

    let stranger = server
        .try_log_in_from(STRANGER, "ada@example.com", "a guess of it")
        .await;
    assert_limited(&stranger, "login-account-source");

    assert_eq!(
        server
            .try_log_in_from(OWNER, "ada@example.com", PASSWORD)
            .await
            .status,
        200
    );

    // Day after day, from one source after another.
    for number in 0..12 {
        server
            .try_log_in_from(
                &format!("203.0.113.{number}"),
                "ada@example.com",
                "a guess of it",
            )
            .await;
    }
    assert_eq!(
        server
            .try_log_in_from(OWNER, "ada@example.com", PASSWORD)
            .await
            .status,
        200,
        "the account knows this source"
    );
}

#[tokio::test]
async fn guessing_from_many_sources_is_stopped_for_a_day_but_where_the_account_was_logged_in_before()
 {
    let server = Server::behind_a_proxy(&[("TASKLANE_LIMIT_LOGIN_ACCOUNT", "5/24h")]).await;
    server.register("ada@example.com").await;

    assert_eq!(
        server
            .try_log_in_from(OWNER, "ada@example.com", PASSWORD)
            .await
            .status,
        200
    );

    for number in 0..5 {
        let guess = server
            .try_log_in_from(
                &format!("203.0.113.{number}"),
                "ada@example.com",
                "a guess of it",
            )
            .await;

        assert_eq!(guess.status, 401);
    }

    let sixth = server
        .try_log_in_from("203.0.113.5", "ada@example.com", PASSWORD)
        .await;

    assert_eq!(
        sixth.status, 429,
        "even the right password, so that nobody learns it"
    );
    assert!(
        sixth
            .header("ratelimit")
            .is_some_and(|limit| limit.starts_with("\"login-account\";r=0"))
    );
    assert_eq!(
        server
            .try_log_in_from(OWNER, "ada@example.com", PASSWORD)
            .await
            .status,
        200
    );

    // A known source may guess no more often than any other.
    for _ in 0..10 {
        assert_eq!(
            server
                .try_log_in_from(OWNER, "ada@example.com", "a guess of it")
                .await
                .status,
            401
        );
    }

    assert_limited(
        &server
            .try_log_in_from(OWNER, "ada@example.com", PASSWORD)
            .await,
        "login-account-source",
    );

    server.wait(Duration::from_secs(24 * 60 * 60));
    assert_eq!(
        server
            .try_log_in_from("203.0.113.5", "ada@example.com", PASSWORD)
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn a_source_is_forgotten_thirty_days_after_the_last_login_from_it() {
    let server = Server::behind_a_proxy(&[("TASKLANE_LIMIT_LOGIN_ACCOUNT", "1/24h")]).await;
    server.register("ada@example.com").await;

    assert_eq!(
        server
            .try_log_in_from(OWNER, "ada@example.com", PASSWORD)
            .await
            .status,
        200
    );

    let day = Duration::from_secs(24 * 60 * 60);
    for (days, status) in [(29, 200), (31, 429)] {
        server.wait(day * days);

        assert_eq!(
            server
                .try_log_in_from(STRANGER, "ada@example.com", "a guess of it")
                .await
                .status,
            401,
            "a new day"
        );
        assert_eq!(
            server
                .try_log_in_from(OWNER, "ada@example.com", PASSWORD)
                .await
                .status,
            status,
            "after {days} days"
        );
    }
}

#[tokio::test]
async fn addresses_of_one_ipv6_network_share_a_limit() {
    let server = Server::behind_a_proxy(&[("TASKLANE_LIMIT_LOGIN_SOURCE", "1/15m")]).await;
    let guess = async |source: String| {
        let account = format!("{}@example.com", source.replace(':', "-"));
        server
            .try_log_in_from(&source, &account, "a guess of it")
            .await
            .status
            .as_u16()
    };

    assert_eq!(guess("2001:db8:0:1::1".to_owned()).await, 401);
    assert_eq!(
        guess("2001:db8:0:1:ffff::2".to_owned()).await,
        429,
        "the same /64"
    );

    for network in 2..=4 {
        assert_eq!(guess(format!("2001:db8:0:{network}::1")).await, 401);
    }

    assert_eq!(
        guess("2001:db8:0:5::1".to_owned()).await,
        429,
        "the same /56, four times as often"
    );

    for network in 1..=12 {
        assert_eq!(guess(format!("2001:db8:0:{network:x}00::1")).await, 401);
    }

    assert_eq!(
        guess("2001:db8:0:d00::1".to_owned()).await,
        429,
        "the same /48, sixteen times as often"
    );
    assert_eq!(
        guess("2001:db8:1:1::1".to_owned()).await,
        401,
        "another /48"
    );
}

#[tokio::test]
async fn successful_requests_are_limited_as_well() {
    let limits = [
        ("TASKLANE_LIMIT_LOGIN_TOTAL_ACCOUNT", "3/15m"),
        ("TASKLANE_LIMIT_LOGIN_TOTAL_SOURCE", "5/15m"),
        ("TASKLANE_LIMIT_PASSWORD_TOTAL_ACCOUNT", "2/1h"),
    ];
    let server = Server::start_with(&limits).await;
    let mut ada = server.register("ada@example.com").await;
    server.register("bob@example.com").await;

    for _ in 0..3 {
        server.log_in("ada@example.com").await;
    }
    assert_limited(
        &server.try_log_in("ada@example.com", PASSWORD).await,
        "login-total-account",
    );
    assert_eq!(
        ada.get("/v1/me/sessions").await.items("id").len(),
        4,
        "no session was begun"
    );

    server.log_in("bob@example.com").await;
    assert_limited(
        &server.try_log_in("bob@example.com", PASSWORD).await,
        "login-total-source",
    );

    ada.change_password(PASSWORD, "another lane of tasks").await;
    let change = || {
        Some(
            json!({"current_password": "another lane of tasks", "new_password": "a third lane of tasks"}),
        )
    };
    let key = [("idempotency-key", "one")];

    let first = ada
        .call(reqwest::Method::POST, "/v1/me/password", &key, change())
        .await;
    assert_eq!(first.status, 200);

    let repeated = ada
        .call(reqwest::Method::POST, "/v1/me/password", &key, change())
        .await;
    assert_limited(&repeated, "password-total-account");
}
