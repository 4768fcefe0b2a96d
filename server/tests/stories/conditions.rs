//! Preconditions (RFC 9110, section 13), the same for every method and every kind of response.

use common::http::Method as Declared;
use reqwest::Method;
use serde_json::json;
use server::SERVICES;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{PASSWORD, Server};

#[tokio::test]
async fn a_write_whose_condition_fails_changes_nothing_and_returns_the_current_version() {
    let server = Server::start().await;
    let ada = server.register("ada@example.com").await;
    let live = ada.create_task(json!({"title": "Live"})).await;
    let gone = ada.create_task(json!({"title": "Gone"})).await;
    let path =
        |task: &serde_json::Value| format!("/v1/tasks/{}", task["id"].as_str().expect("an id"));
    ada.delete(&path(&gone)).await;
    let title = || Some(json!({"title": "Changed"}));

    for (method, path, body, version) in [
        (Method::PATCH, path(&live), title(), 1),
        (Method::PATCH, path(&live), Some(json!({})), 1),
        (Method::DELETE, path(&live), None, 1),
        (Method::POST, format!("{}/restore", path(&gone)), None, 2),
        (
            Method::PATCH,
            "/v1/me".to_owned(),
            Some(json!({"name": "Eve"})),
            1,
        ),
    ] {
        let tag = format!("\"{version}\"");

        for (header, value) in [
            ("if-none-match", "*".to_owned()),
            ("if-none-match", tag.clone()),
            ("if-none-match", format!("W/{tag}")),
            ("if-none-match", format!("\"9\",,{tag}")),
            ("if-match", "\"9\"".to_owned()),
            ("if-match", format!("W/{tag}")),
            ("if-match", ", ,".to_owned()),
        ] {
            let refused = ada
                .call(method.clone(), &path, &[(header, &value)], body.clone())
                .await;

            assert_eq!(
                (refused.status.as_u16(), refused.header("etag")),
                (412, Some(tag.as_str())),
                "{method} {path} {header}: {value}"
            );
        }

        // Both must hold: the first alone is not enough.
        let both = [("if-match", tag.as_str()), ("if-none-match", &tag)];
        assert_eq!(
            ada.call(method.clone(), &path, &both, body.clone())
                .await
                .status,
            412,
            "{method} {path}"
        );
    }

    assert_eq!(ada.get(&path(&live)).await.body, live);
    assert_eq!(ada.get("/v1/trash").await.items("version"), [2]);
    assert_eq!(ada.get("/v1/me").await.body["version"], 1);

    // A write whose conditions hold is made.
    let allowed = [
        ("if-match", ",, \"9\" ,,\"1\""),
        ("if-none-match", "\"2\", \"other\""),
    ];
    assert_eq!(
        ada.call(Method::PATCH, &path(&live), &allowed, title())
            .await
            .status,
        200
    );
    assert_eq!(
        ada.call(
            Method::DELETE,
            &path(&live),
            &[("if-none-match", "\"1\"")],
            None
        )
        .await
        .status,
        204
    );

    let restore = format!("{}/restore", path(&live));
    assert_eq!(
        ada.call(
            Method::POST,
            &restore,
            &[("if-none-match", "\"2\""), ("if-match", "*")],
            None
        )
        .await
        .status,
        200
    );
    assert_eq!(
        ada.call(
            Method::PATCH,
            "/v1/me",
            &[("if-none-match", "")],
            Some(json!({"name": "Ada"}))
        )
        .await
        .status,
        200
    );
}

#[tokio::test]
async fn a_read_checks_if_match_before_if_none_match() {
    let server = Server::start().await;
    let ada = server.register("ada@example.com").await;
    let task = format!(
        "/v1/tasks/{}",
        ada.create_task(json!({"title": "One"})).await["id"]
            .as_str()
            .expect("an id")
    );

    for path in [
        "/v1/me",
        "/v1/me/sessions",
        "/v1/tasks",
        "/v1/trash",
        &task,
        "/v1/health",
        "/v1/openapi.json",
        "/.well-known/jwks.json",
    ] {
        let tag = ada
            .get(path)
            .await
            .header("etag")
            .expect("a tag")
            .to_owned();

        for method in [Method::GET, Method::HEAD] {
            for (if_match, status) in [
                ("*", 200),
                (tag.as_str(), 200),
                (&format!("\"a\",,{tag}"), 200),
                ("\"a\"", 412),
                (&format!("W/{tag}"), 412),
                ("", 412),
            ] {
                let answer = ada
                    .call(method.clone(), path, &[("if-match", if_match)], None)
                    .await;

                assert_eq!(
                    (answer.status.as_u16(), answer.header("etag")),
                    (status, Some(tag.as_str())),
                    "{method} {path} {if_match}"
                );
            }

            let other = ada
                .call(
                    method.clone(),
                    path,
                    &[("if-match", "\"a\""), ("if-none-match", &tag)],
                    None,
                )
                .await;
            let same = ada
                .call(
                    method.clone(),
                    path,
                    &[("if-match", &tag), ("if-none-match", &tag)],
                    None,
                )
                .await;

            assert_eq!(
                (other.status.as_u16(), same.status.as_u16()),
                (412, 304),
                "{method} {path}"
            );
        }
    }

    // A missing resource has no version, so the condition makes no difference.
    assert_eq!(
        ada.call(Method::GET, "/v1/nothing", &[("if-match", "\"1\"")], None)
            .await
            .status,
        404
    );
    assert_eq!(
        ada.call(Method::POST, "/v1/nothing", &[("if-match", "\"1\"")], None)
            .await
            .status,
        404
    );
    assert_eq!(
        ada.call(Method::PUT, "/v1/tasks", &[("if-match", "\"1\"")], None)
            .await
            .status,
        405
    );
}

#[tokio::test]
async fn if_match_on_a_write_without_a_version_fails() {
    let server = Server::start().await;
    let ada = server.register("ada@example.com").await;
    let endpoints = SERVICES.iter().flat_map(|service| service.endpoints.iter());

    for endpoint in endpoints
        .filter(|endpoint| endpoint.method == Declared::Post && !endpoint.path.contains('{'))
    {
        let refused = ada
            .call(Method::POST, endpoint.path, &[("if-match", "\"1\"")], None)
            .await;

        assert_eq!(
            (refused.status.as_u16(), refused.header("etag")),
            (412, None),
            "{}",
            endpoint.name
        );
        assert_eq!(
            ada.call(Method::POST, endpoint.path, &[("if-none-match", "1")], None)
                .await
                .status,
            400,
            "{}",
            endpoint.name
        );
    }

    let stranger = server
        .send(
            Method::POST,
            "/v1/tasks",
            None,
            &[("if-match", "\"1\"")],
            None,
        )
        .await;
    assert_eq!(stranger.status, 401);
    assert_eq!(ada.titles("").await, Vec::<String>::new());

    // The resource does not exist yet, so the condition holds.
    let first = ada
        .call(
            Method::POST,
            "/v1/tasks",
            &[("if-none-match", "*")],
            Some(json!({"title": "One"})),
        )
        .await;
    assert_eq!(first.status, 201);
    assert_eq!(
        server.try_log_in("ada@example.com", PASSWORD).await.status,
        200
    );
}

/// The header of a response, as it is sent over the connection.
async fn head_of(server: &Server, request: &str) -> String {
    let mut connection = TcpStream::connect(server.url.trim_start_matches("http://"))
        .await
        .expect("a connection");
    connection
        .write_all(request.as_bytes())
        .await
        .expect("sent");
    let mut answer = String::new();
    connection
        .read_to_string(&mut answer)
        .await
        .expect("an answer");
    answer
        .split("\r\n\r\n")
        .next()
        .unwrap_or_default()
        .to_lowercase()
}

#[tokio::test]
async fn no_304_has_a_false_content_length() {
    let server = Server::start().await;
    let whole = server.get("/v1/health").await;
    let tag = whole.header("etag").expect("a tag");
    let length = whole.header("content-length").expect("a length");

    for method in ["HEAD", "GET"] {
        let head =
            head_of(&server, &format!("{method} /v1/health HTTP/1.1\r\nhost: x\r\nconnection: close\r\nif-none-match: {tag}\r\n\r\n"))
                .await;
        assert!(head.starts_with("http/1.1 304"), "{head}");

        let said = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        assert!(said.is_none_or(|said| said == length), "{method}: {head}");
    }
}
