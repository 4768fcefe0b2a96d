//! What all responses have in common: entity tags, methods, headers, origins, and failures.

use reqwest::Method;
use serde_json::json;
use server::network_options::NetworkOptions;

use crate::client::{PASSWORD, Server};
use crate::secrets;

#[tokio::test]
async fn a_read_with_the_current_tag_returns_304_without_content() {
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
        "/v1/openapi.json",
        "/.well-known/jwks.json",
    ] {
        let tag = ada
            .get(path)
            .await
            .header("etag")
            .expect("a tag")
            .to_owned();

        for known in [
            tag.clone(),
            format!("W/{tag}"),
            format!("\"other\", {tag}"),
            "*".to_owned(),
        ] {
            let same = ada
                .call(Method::GET, path, &[("if-none-match", &known)], None)
                .await;

            assert_eq!(
                (
                    same.status.as_u16(),
                    same.header("etag"),
                    same.header("content-type")
                ),
                (304, Some(tag.as_str()), None),
                "{path}"
            );
        }

        assert_eq!(
            ada.call(Method::GET, path, &[("if-none-match", "\"other\"")], None)
                .await
                .status,
            200,
            "{path}"
        );
    }
}

#[tokio::test]
async fn head_returns_what_get_would_without_the_content() {
    let server = Server::start().await;
    let ada = server.register("ada@example.com").await;

    for path in [
        "/v1/me",
        "/v1/tasks",
        "/v1/health",
        "/v1/openapi.json",
        "/v1/tasks/nothing",
    ] {
        let get = ada.get(path).await;
        let head = ada.call(Method::HEAD, path, &[], None).await;

        assert_eq!(head.status, get.status, "{path}");

        for name in ["content-type", "content-length", "etag", "cache-control"] {
            // A problem contains the request's identifier, which always has the same length.
            assert_eq!(head.header(name), get.header(name), "{path}: {name}");
        }

        assert!(head.body.is_null(), "{path}");
    }
}

#[tokio::test]
async fn a_path_lists_its_methods() {
    let server = Server::start().await;

    for (path, allowed) in [
        ("/v1/tasks", ["GET", "HEAD", "OPTIONS", "POST"].as_slice()),
        ("/v1/auth/login", &["OPTIONS", "POST"]),
        ("/v1/me", &["GET", "HEAD", "OPTIONS", "PATCH"]),
    ] {
        for (method, status) in [
            (Method::PUT, 405),
            (Method::OPTIONS, 204),
            (Method::TRACE, 405),
        ] {
            let answer = server.send(method, path, None, &[], None).await;
            let mut methods: Vec<_> = answer
                .header("allow")
                .expect("methods")
                .split(", ")
                .collect();
            methods.sort_unstable();

            assert_eq!(
                (answer.status.as_u16(), methods.as_slice()),
                (status, allowed),
                "{path}"
            );
        }
    }
}

#[tokio::test]
async fn an_unknown_path_returns_a_problem() {
    let server = Server::start().await;

    for path in [
        "/v1/tasks/",
        "/v1/nothing",
        "/V1/tasks",
        "/v1//tasks",
        "/v2/tasks",
        "/v1/auth/login/",
    ] {
        for method in [Method::GET, Method::POST, Method::OPTIONS] {
            assert_eq!(
                server.send(method, path, None, &[], None).await.status,
                404,
                "{path}"
            );
        }
    }
}

#[tokio::test]
async fn every_response_has_a_request_id_and_the_security_headers() {
    let server = Server::start().await;
    let ada = server.register("ada@example.com").await;

    for path in ["/v1/tasks", "/v1/tasks/nothing", "/v1/nothing"] {
        let answer = ada.get(path).await;
        assert_eq!(
            answer.header("x-content-type-options"),
            Some("nosniff"),
            "{path}"
        );
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        assert_eq!(
            answer.header("referrer-policy"),
            Some("no-referrer"),
            "{path}"
        );
        assert_eq!(
            answer.header("content-security-policy"),
            Some("default-src 'none'; frame-ancestors 'none'"),
            "{path}"
        );
        assert_eq!(
            answer.header("strict-transport-security"),
            None,
            "{path}: this is not https (RFC 6797, section 7.2)"
        );

        let id = answer.header("x-request-id").expect("a name");
        assert!(
            answer
                .body
                .get("request_id")
                .is_none_or(|named| named == id),
            "{path}"
        );
        assert!(
            secrets::log().contains(id),
            "{path}: its log line has another name"
        );
    }

    let public = server.get("/.well-known/jwks.json").await;
    assert_eq!(public.header("cache-control"), Some("public, max-age=300"));
    assert!(
        !public.body.to_string().contains("\"d\""),
        "{:?}",
        public.body
    );
}

#[tokio::test]
async fn only_scripts_of_allowed_origins_may_call() {
    let cors_origins = vec!["https://app.example.com".parse().expect("an origin")];
    let server = Server::start_in(
        &[],
        &NetworkOptions {
            cors_origins,
            ..NetworkOptions::default()
        },
    )
    .await;
    let preflight = |origin: &'static str| {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "PATCH"),
            ("access-control-request-headers", "if-match"),
        ];
        let request = headers.iter().fold(
            server.request(Method::OPTIONS, "/v1/me"),
            |request, (name, value)| request.header(*name, *value),
        );
        async { request.send().await.expect("an answer") }
    };

    let welcome = preflight("https://app.example.com").await;
    assert!(welcome.status().is_success());
    assert_eq!(
        welcome.headers()["access-control-allow-origin"],
        "https://app.example.com"
    );
    assert!(
        welcome.headers()["access-control-allow-methods"]
            .to_str()
            .expect("methods")
            .contains("PATCH")
    );
    assert!(
        !welcome
            .headers()
            .contains_key("access-control-allow-credentials")
    );
    assert!(
        !preflight("https://evil.example.com")
            .await
            .headers()
            .contains_key("access-control-allow-origin")
    );

    let request = server
        .request(Method::GET, "/v1/me")
        .header("origin", "https://app.example.com");
    let refused = server.answer(request).await;
    // The script can also read problems, with the headers that say what to do.
    assert_eq!(
        (
            refused.status.as_u16(),
            refused.header("access-control-allow-origin")
        ),
        (401, Some("https://app.example.com"))
    );
    assert!(
        refused
            .header("access-control-expose-headers")
            .is_some_and(|names| names.contains("retry-after"))
    );
}

#[tokio::test]
async fn an_unreachable_store_is_a_503_with_retry_after_and_no_details() {
    // A port without a listener: it was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .expect("a port")
        .local_addr()
        .expect("an address")
        .port();

    for scheme in ["dynamodb", "mongodb"] {
        let server =
            Server::start_with(&[("DATABASE_URL", &format!("{scheme}://127.0.0.1:{port}"))]).await;
        let account = json!({"email": "ada@example.com", "password": PASSWORD});

        for answer in [
            server.post("/v1/auth/register", account).await,
            server.get("/v1/health").await,
        ] {
            assert_eq!(
                (answer.status.as_u16(), answer.header("retry-after")),
                (503, Some("2"))
            );

            let body = answer.body.to_string();
            assert!(
                !body.contains("127.0.0.1") && !body.contains("dynamo") && !body.contains("mongo"),
                "{body}"
            );

            let logged = secrets::log();
            let line = logged
                .lines()
                .find(|line| line.contains(answer.header("x-request-id").expect("a name")))
                .expect("a line");
            assert!(
                line.contains("\"level\":\"error\"") && line.contains("\"cause\":\""),
                "{line}"
            );
        }

        // Endpoints that need no store still work.
        assert_eq!(server.get("/.well-known/jwks.json").await.status, 200);
    }
}

#[tokio::test]
async fn the_log_has_one_line_a_request_with_its_caller_and_store_calls_and_no_forged_ones() {
    let server = Server::start().await;
    let ada = server.register("ada@example.com").await;
    let agent = [("user-agent", "x\" \t{\"event\":\"forged-by-agent\"}")];

    let answer = ada
        .call(Method::GET, "/v1/tasks?q=forged-by-query", &agent, None)
        .await;

    let log = secrets::log();
    let lines: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).expect("one JSON object a line"))
        .collect();
    let named: Vec<_> = lines
        .iter()
        .filter(|line| line["request_id"] == answer.header("x-request-id").expect("a name"))
        .collect();

    let [line] = named.as_slice() else {
        panic!("{named:?}")
    };

    assert_eq!(
        (&line["function"], &line["route"], &line["status"]),
        (&json!("list-tasks"), &json!("/v1/tasks"), &json!(200))
    );
    assert_eq!(
        (&line["caller"], &line["store_calls"]),
        (&ada.tokens["user"]["id"], &json!(1))
    );
    assert_eq!((&line["requests"], &line["errors"]), (&json!(1), &json!(0)));
    assert!(
        line["latency"].is_number()
            && line["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Tasklane"
    );
    assert!(!log.contains("forged-by"));
}
