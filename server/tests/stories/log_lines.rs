//! What the log line of a request says about an attack: its source, its target, and its trace.

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Answer, PASSWORD, Server};
use crate::secrets::log;

/// The log line of the request with this response.
fn line(answer: &Answer) -> Value {
    let id = answer.header("x-request-id").expect("a request id");
    let lines: Vec<Value> = log()
        .lines()
        .filter(|line| line.contains(id))
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let mut requests = lines
        .into_iter()
        .filter(|line| line["event"] == "request" && line["request_id"] == id);
    let line = requests.next().expect("a line");
    assert_eq!(requests.next(), None, "one line a request");
    line
}

#[tokio::test]
async fn every_line_says_where_its_request_came_from() {
    let server = Server::start().await;
    let ada = server.register("ada.everywhere@example.com").await;

    let answers = [
        server.get("/v1/health").await,
        server.get("/v1/nowhere").await,
        server.get("/v1/me").await,
        server.post("/v1/auth/login", json!({"email": 1})).await,
        server.refresh("tlr_none.at-all").await,
        ada.get("/v1/tasks").await,
    ];

    for answer in &answers {
        assert_eq!(line(answer)["source"], "127.0.0.1", "{answer:?}");
        assert_eq!(
            line(answer).get("lambda_request_id"),
            None,
            "there is no Lambda here"
        );
    }
}

#[tokio::test]
async fn attempts_against_one_account_share_a_pseudonym_and_no_line_names_it() {
    let server = Server::start_with(&[
        ("TASKLANE_LIMIT_LOGIN_ACCOUNT_SOURCE", "3/15m"),
        ("TASKLANE_LIMIT_REGISTER_ACCOUNT", "2/1h"),
    ])
    .await;
    server.register("ada.lovelace@example.com").await;

    let mut refused = Vec::new();
    for (address, status) in [
        ("ada.lovelace@example.com", 401),
        ("Ada.Lovelace@EXAMPLE.com", 401),
        ("ada.lovelace@example.com", 401),
        ("ada.lovelace@example.com", 429),
    ] {
        let answer = server.try_log_in(address, "not her password").await;
        assert_eq!(answer.status, status);

        refused.push(line(&answer));
    }

    let taken = server
        .post(
            "/v1/auth/register",
            json!({"email": "ada.lovelace@example.com", "password": PASSWORD}),
        )
        .await;
    assert_eq!(taken.status, 409);

    refused.push(line(&taken));
    let other = line(
        &server
            .try_log_in("nobody.at.all@example.com", "not her password")
            .await,
    );

    let account = refused[0]["account"].as_str().expect("a digest");
    assert_eq!(account.len(), 16);

    for line in &refused {
        assert_eq!(
            (&line["account"], &line["caller"]),
            (&json!(account), &Value::Null),
            "{line}"
        );
    }

    assert_ne!(
        other["account"], account,
        "an address that is unknown has a digest of its own"
    );
    // Every story checks that no line contains an email address: see `secrets`.
}

#[tokio::test]
async fn a_successful_attempt_logs_the_account() {
    let server = Server::start().await;
    let ada = server.register("ada.signed.in@example.com").await;
    let user = ada.tokens["user"]["id"].clone();

    let failed = line(
        &server
            .try_log_in("ada.signed.in@example.com", "not her password")
            .await,
    );
    let login = server
        .try_log_in("ada.signed.in@example.com", PASSWORD)
        .await;
    let refresh = server
        .refresh(login.body["refresh_token"].as_str().expect("a token"))
        .await;
    let login = line(&login);
    let refresh = line(&refresh);

    assert_eq!(
        (&login["account"], &login["caller"]),
        (&failed["account"], &user)
    );
    assert_eq!(
        (&refresh["caller"], &refresh["session"]),
        (&user, &login["session"])
    );

    let read = line(&ada.get("/v1/me").await);
    assert_eq!(read["caller"], user);
    assert!(
        read["session"].is_string() && read["session"] != login["session"],
        "{read}"
    );
}

#[tokio::test]
async fn a_line_has_the_clients_trace_and_nothing_else_that_the_client_sent() {
    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let server = Server::start().await;

    for (headers, wanted) in [
        (vec![("traceparent", PARENT)], Some(PARENT)),
        (vec![("traceparent", PARENT), ("traceparent", PARENT)], None),
        (vec![("traceparent", "00-password-is-s3cret-01")], None),
        (
            vec![(
                "x-amzn-trace-id",
                "Root=1-6968b398-6d912bb8af77191319e83f82",
            )],
            None,
        ),
    ] {
        let line = line(
            &server
                .send(Method::GET, "/v1/health", None, &headers, None)
                .await,
        );

        assert_eq!(
            line.get("traceparent").and_then(Value::as_str),
            wanted,
            "{headers:?}"
        );
        assert_eq!(
            line.get("xray_trace_id"),
            None,
            "only Lambda is believed about that"
        );
    }
}

#[tokio::test]
async fn the_theft_of_a_refresh_token_is_logged_in_a_separate_line() {
    let server = Server::start().await;
    let ada = server.register("ada.robbed@example.com").await;
    let second = server.refresh(ada.refresh_token()).await;
    let second = second.body["refresh_token"].as_str().expect("a token");
    server.refresh(second).await;

    let refused = server.refresh(ada.refresh_token()).await;

    assert_eq!(refused.status, 401);

    let request = line(&refused);
    let thefts: Vec<Value> = log()
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .filter(|line: &Value| {
            line["event"] == "refresh_token_reused" && line["session"] == request["session"]
        })
        .collect();
    assert_eq!(
        thefts,
        [json!({
            "level": "warn",
            "event": "refresh_token_reused",
            "user": ada.tokens["user"]["id"],
            "session": request["session"],
            "source": "127.0.0.1"
        })]
    );
}
