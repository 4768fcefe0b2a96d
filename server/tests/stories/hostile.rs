//! The server on a hostile network: clients that are slow, disconnect, lie, or are very many.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use server::network_options::NetworkOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{Answer, PASSWORD, Server};

/// The timeout for steps that are not about time themselves.
const PATIENCE: Duration = Duration::from_secs(20);

async fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(server.url.strip_prefix("http://").expect("an address"))
        .await
        .expect("a connection")
}

/// Reads until the server closes or resets the connection.
async fn rest(connection: &mut TcpStream) -> String {
    let mut read = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, connection.read_to_end(&mut read))
        .await
        .expect("the server closes the connection");
    String::from_utf8_lossy(&read).into_owned()
}

/// Sends these bytes, then closes the sending side, and returns the response.
async fn exchange(server: &Server, sent: &str) -> String {
    let mut connection = connect(server).await;
    connection.write_all(sent.as_bytes()).await.expect("sent");
    connection.shutdown().await.expect("nothing more is sent");
    rest(&mut connection).await
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("none")
}

fn problem(answer: &str) -> Value {
    let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
    serde_json::from_str(body).expect("JSON")
}

fn with(change: impl FnOnce(&mut NetworkOptions)) -> NetworkOptions {
    let mut network_options = NetworkOptions::default();
    change(&mut network_options);
    network_options
}

#[tokio::test]
async fn a_connection_that_sends_nothing_or_half_a_header_is_closed_in_time() {
    let limit = Duration::from_millis(400);
    let server =
        Server::start_in(&[], &with(|given| given.connections.header_timeout = limit)).await;

    for sent in [
        "",
        "GET /v1/health HTTP/1.1\r\nhost: x\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "PRI * HT",
    ] {
        let mut connection = connect(&server).await;
        let began = Instant::now();
        connection.write_all(sent.as_bytes()).await.expect("sent");
        rest(&mut connection).await;

        assert!(
            began.elapsed() >= limit / 2,
            "{sent:?}: closed after {:?}",
            began.elapsed()
        );
    }

    // The header timeout of a second request is the same, however long the connection may be idle.
    let mut connection = connect(&server).await;
    connection
        .write_all(b"GET /v1/health HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .expect("sent");

    let mut first = [0; 15];
    connection.read_exact(&mut first).await.expect("an answer");
    assert_eq!(&first, b"HTTP/1.1 200 OK");

    let began = Instant::now();
    connection
        .write_all(b"GET /v1/health HTTP/1.1\r\n")
        .await
        .expect("sent");
    rest(&mut connection).await;
    assert!(
        began.elapsed() < PATIENCE,
        "it was closed as a slow one, not as an idle one"
    );
}

#[tokio::test]
async fn an_idle_connection_is_kept_for_the_next_request_until_it_times_out() {
    let header = Duration::from_millis(100);
    let idle = Duration::from_millis(900);
    let limits = with(|given| {
        (
            given.connections.header_timeout,
            given.connections.idle_timeout,
        ) = (header, idle)
    });
    let server = Server::start_in(&[], &limits).await;
    let mut connection = connect(&server).await;
    connection
        .write_all(b"GET /v1/health HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .expect("sent");

    let began = Instant::now();
    let answer = rest(&mut connection).await;

    assert_eq!(status(&answer), "200");
    assert!(
        began.elapsed() >= idle - header,
        "closed after {:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn connections_over_the_limit_are_refused_at_once_and_others_served_when_one_has_ended() {
    for by_source in [false, true] {
        let limits = with(|given| {
            let limit = if by_source {
                &mut given.connections.source
            } else {
                &mut given.connections.total
            };
            *limit = 3;
        });
        let server = Server::start_in(&[], &limits).await;
        let mut held = Vec::new();
        for _ in 0..3 {
            let mut connection = connect(&server).await;
            connection
                .write_all(b"GET /v1/health HTTP/1.1\r\nhost: x\r\n\r\n")
                .await
                .expect("sent");
            connection
                .read_exact(&mut [0; 15])
                .await
                .expect("an answer");
            held.push(connection);
        }

        let refused = rest(&mut connect(&server).await).await;

        assert!(
            refused.starts_with("HTTP/1.1 503 ") && refused.contains("retry-after: "),
            "{refused}"
        );

        // A connection's slot is freed however it ends: by a reset or by an orderly close.
        held[0].set_zero_linger().expect("an option");
        for connection in held.drain(..2) {
            drop(connection);
        }
        let began = Instant::now();

        while status(
            &exchange(
                &server,
                "GET /v1/health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
            )
            .await,
        ) != "200"
        {
            assert!(began.elapsed() < PATIENCE, "no place became free");
        }
    }
}

#[tokio::test]
async fn clients_behind_a_trusted_proxy_are_separate_sources() {
    let server = Server::start_in(
        &[],
        &with(|given| {
            given.connections.source = 1;
            given.proxies = "127.0.0.1".parse().expect("an address");
        }),
    )
    .await;

    let mut held = Vec::new();
    for _ in 0..3 {
        let mut connection = connect(&server).await;
        connection
            .write_all(b"GET /v1/health HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .expect("sent");
        connection
            .read_exact(&mut [0; 15])
            .await
            .expect("an answer");
        held.push(connection);
    }
}

#[tokio::test]
async fn an_incomplete_request_is_refused_and_changes_nothing() {
    let server = Server::start_in(
        &[],
        &with(|given| given.connections.body_timeout = Duration::from_millis(300)),
    )
    .await;
    let ada = server.register("ada@example.com").await;
    let head = |more: &str| {
        let token = ada.access_token();
        format!(
            "POST /v1/tasks HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n{more}\r\n\r\n"
        )
    };
    let draft = json!({"title": "Half"}).to_string();

    // Each partial body is valid JSON.
    let cut_off = exchange(&server, &(head("content-length: 100") + &draft)).await;
    let broken_chunk = exchange(
        &server,
        &(head("transfer-encoding: chunked") + &format!("{:x}\r\n{draft}\r\nzz\r\n", draft.len())),
    )
    .await;
    let no_last_chunk = exchange(
        &server,
        &(head("transfer-encoding: chunked") + &format!("{:x}\r\n{draft}\r\n", draft.len())),
    )
    .await;

    for (what, answer) in [
        ("cut off", cut_off),
        ("a broken chunk", broken_chunk),
        ("no last chunk", no_last_chunk),
    ] {
        assert_eq!(status(&answer), "400", "{what}: {answer}");
    }

    let mut slow = connect(&server).await;
    slow.write_all((head("content-length: 100") + &draft).as_bytes())
        .await
        .expect("sent");

    let answer = rest(&mut slow).await;

    assert_eq!(status(&answer), "408", "{answer}");
    assert!(
        answer.contains("connection: close")
            && answer.contains("content-type: application/problem+json"),
        "{answer}"
    );
    assert_eq!(
        problem(&answer)["type"],
        "urn:tasklane:problem:request-timeout"
    );

    assert!(ada.titles("").await.is_empty());
}

#[tokio::test]
async fn a_client_that_sends_a_whole_large_body_before_it_reads_receives_the_413() {
    let server = Server::start().await;
    let body = "x".repeat(1024 * 1024);
    let mut connection = connect(&server).await;
    let head = format!(
        "POST /v1/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );

    connection.write_all(head.as_bytes()).await.expect("sent");
    connection.write_all(body.as_bytes()).await.expect("sent");
    connection.shutdown().await.expect("nothing more is sent");
    assert_eq!(status(&rest(&mut connection).await), "413");

    // A client that sends Expect: 100-continue need not send the body at all.
    let mut connection = connect(&server).await;
    let head = head.replace(
        "content-type",
        "expect: 100-continue\r\nconnection: close\r\ncontent-type",
    );
    connection.write_all(head.as_bytes()).await.expect("sent");
    assert_eq!(status(&rest(&mut connection).await), "413");
}

#[tokio::test]
async fn a_request_has_exactly_one_host() {
    let server = Server::start().await;

    for path in ["/v1/health", "/v1/tasks", "/v1/nothing", "/docs/", "/"] {
        for host in [
            "",
            "host:\r\n",
            "host: \r\n",
            "host: x\r\nhost: x\r\n",
            "host: a b/c\r\n",
            "host: user@x\r\n",
            "host: x:port\r\n",
        ] {
            let answer = exchange(
                &server,
                &format!("GET {path} HTTP/1.1\r\n{host}connection: close\r\n\r\n"),
            )
            .await;

            assert_eq!(status(&answer), "400", "{path} {host:?}: {answer}");
            assert!(
                answer.contains("content-type: application/problem+json")
                    && answer.contains("x-request-id: "),
                "{answer}"
            );
            assert_eq!(problem(&answer)["errors"][0]["header"], "host", "{answer}");
        }

        for (version, host) in [
            ("1.1", "host: x\r\n"),
            ("1.1", "host: [::1]:80\r\n"),
            ("1.0", ""),
        ] {
            let answer = exchange(
                &server,
                &format!("GET {path} HTTP/{version}\r\n{host}connection: close\r\n\r\n"),
            )
            .await;

            assert_ne!(status(&answer), "400", "{path} {host:?}: {answer}");
        }
    }

    let preflight = exchange(
        &server,
        "OPTIONS /v1/me HTTP/1.1\r\norigin: https://app.example.com\r\nconnection: close\r\n\r\n",
    )
    .await;
    assert_eq!(status(&preflight), "400");
}

fn assert_limited(answer: &Answer, limit: &str) {
    assert_eq!(answer.status, 429, "{:?}", answer.body);
    let wait = answer.header("retry-after").expect("how long to wait");
    assert_eq!(
        answer.header("ratelimit"),
        Some(format!("\"{limit}\";r=0;t={wait}").as_str())
    );
    assert_eq!(
        answer.header("ratelimit-policy"),
        Some(format!("\"{limit}\";q=3;w=3600").as_str())
    );
}

#[tokio::test]
async fn the_requests_of_one_source_are_limited_and_others_are_served() {
    let server = Server::start_in(
        &[],
        &with(|given| {
            given.requests.source = "3/1h".parse().expect("a rate");
            given.proxies = "127.0.0.1".parse().expect("an address");
        }),
    )
    .await;
    let call = async |path: &str, source: &str| {
        server
            .answer(
                server
                    .request(Method::GET, path)
                    .header("x-forwarded-for", source),
            )
            .await
    };

    for path in ["/v1/health", "/v1/nothing", "/.well-known/jwks.json"] {
        assert_ne!(call(path, "2001:db8::1").await.status, 429);
    }

    // Addresses in one /64 network are one source, on every path, the docs page included.
    for path in ["/v1/health", "/v1/nothing", "/docs/"] {
        assert_limited(&call(path, "2001:db8::2").await, "requests-source");
    }
    assert_eq!(call("/v1/health", "2001:db8:0:1::1").await.status, 200);
}

#[tokio::test]
async fn the_requests_of_one_account_are_limited_across_sources() {
    let server = Server::start_in(
        &[],
        &with(|given| {
            given.requests.caller = "3/1h".parse().expect("a rate");
            given.proxies = "127.0.0.1".parse().expect("an address");
        }),
    )
    .await;
    let ada = server.register("ada@example.com").await;
    let bob = server.register("bob@example.com").await;

    for source in 1..=3 {
        let from = format!("192.0.2.{source}");

        assert_eq!(
            ada.call(
                Method::GET,
                "/v1/tasks",
                &[("x-forwarded-for", &from)],
                None
            )
            .await
            .status,
            200
        );
    }

    let limited = ada
        .call(
            Method::POST,
            "/v1/tasks",
            &[("x-forwarded-for", "192.0.2.4")],
            Some(json!({"title": "One more"})),
        )
        .await;
    assert_limited(&limited, "requests-caller");
    assert!(bob.titles("").await.is_empty());

    let unlimited = Server::start_in(
        &[],
        &with(|given| given.requests.caller = "off".parse().expect("none")),
    )
    .await;
    let ada = unlimited.register("ada@example.com").await;

    for _ in 0..5 {
        assert_eq!(ada.get("/v1/tasks").await.status, 200);
    }
}

#[tokio::test]
async fn a_malformed_header_of_a_trusted_proxy_is_refused_and_changes_nothing() {
    let proxies = "127.0.0.1".parse().expect("an address");
    let server = Server::start_in(
        &[],
        &NetworkOptions {
            proxies,
            ..NetworkOptions::default()
        },
    )
    .await;
    let register = async |forwarded: &[u8], status: u16| {
        let account = json!({"email": "ada@example.com", "password": PASSWORD});
        let forwarded =
            reqwest::header::HeaderValue::from_bytes(forwarded).expect("a header value");
        let request = server
            .request(Method::POST, "/v1/auth/register")
            .header("x-forwarded-for", forwarded)
            .json(&account);

        let answer = server.answer(request).await;

        assert_eq!(answer.status, status, "{:?}", answer.body);

        answer
    };

    assert_eq!(
        register(b"192.0.2.1, caf\xe9", 400).await.faults(),
        ["x-forwarded-for:"]
    );

    // Elements before the trusted proxy's own may be anything, because the client wrote them.
    register(b"caf\xe9, [2001:db8::1]:4711", 201).await;
}

#[tokio::test]
async fn responses_over_https_have_the_hsts_header() {
    let proxies = "127.0.0.1".parse().expect("an address");
    let behind = Server::start_in(
        &[],
        &NetworkOptions {
            proxies,
            ..NetworkOptions::default()
        },
    )
    .await;
    let direct = Server::start().await;

    for (server, scheme, expected) in [
        (&behind, "https", true),
        (&behind, "http", false),
        (&direct, "https", false),
    ] {
        for path in ["/v1/health", "/v1/nothing"] {
            let answer = server
                .answer(
                    server
                        .request(Method::GET, path)
                        .header("x-forwarded-proto", scheme),
                )
                .await;

            assert_eq!(
                answer.header("strict-transport-security").is_some(),
                expected,
                "{scheme} {path}"
            );
        }
    }
}

#[tokio::test]
async fn the_docs_page_does_not_store_tokens() {
    let server = Server::start().await;

    let script = server
        .request(Method::GET, "/docs/swagger-initializer.js")
        .send()
        .await
        .expect("an answer")
        .text()
        .await
        .expect("a script");

    assert!(
        script.contains("openapi.json") && !script.contains("\"persistAuthorization\": true"),
        "{script}"
    );
    assert!(
        script.contains("\"persistAuthorization\": false"),
        "{script}"
    );
}
