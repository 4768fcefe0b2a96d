//! Malformed and invalid requests: each returns a 4xx that names the location of the error, and
//! stores nothing.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::client::{Answer, PASSWORD, Person, Server};

/// Sends these bytes unchanged.
async fn send_raw(
    server: &Server,
    person: &Person<'_>,
    content_type: &str,
    body: impl Into<Vec<u8>>,
) -> Answer {
    let request = server
        .request(Method::POST, "/v1/tasks")
        .bearer_auth(person.access_token())
        .header("content-type", content_type);
    server.answer(request.body(body.into())).await
}

#[tokio::test]
async fn a_body_that_is_not_strict_json_is_refused_with_the_position_of_the_error() {
    let server = Server::start().await;
    let ada = server.register("ada@example.com").await;
    let deep = format!(r#"{{"title": {}{}}}"#, "[".repeat(40), "]".repeat(40));
    let cases: [(&[u8], &str, &str); 13] = [
        (b"", "", "EOF"),
        (b"{", "", "EOF"),
        (b"{} {}", "", "trailing"),
        (b"[]", "", "object"),
        (b"\"title\"", "", "object"),
        (
            b"{\"title\": \"a\", \"title\": \"b\"}",
            "/title",
            "more than once",
        ),
        (
            b"{\"title\": \"a\", \"labels\": [\"a\", {\"b\": 1, \"b\": 2}]}",
            "/labels/1/b",
            "more than once",
        ),
        (b"{\"title\": 1e999}", "/title", "out of range"),
        (b"{\"title\": \"\\ud800\"}", "/title", "hex escape"),
        (b"{\"title\": \"\xff\"}", "", "UTF-8"),
        (b"\xef\xbb\xbf{}", "", "expected value"),
        (b"{\"title\": NaN}", "/title", "expected"),
        (deep.as_bytes(), "", "nests deeper"),
    ];

    for (body, pointer, rule) in cases {
        let answer = send_raw(&server, &ada, "application/json", body).await;
        let shown = String::from_utf8_lossy(body);
        assert_eq!(
            (answer.status.as_u16(), &answer.body["title"]),
            (400, &json!("Malformed body")),
            "{shown}"
        );

        let error = &answer.body["errors"][0];
        assert!(
            error["pointer"]
                .as_str()
                .expect("a pointer")
                .starts_with(pointer),
            "{shown}: {error}"
        );
        assert!(
            error["detail"].as_str().expect("a rule").contains(rule),
            "{shown}: {error}"
        );
    }

    assert_eq!(ada.titles("").await, Vec::<String>::new());
}

#[tokio::test]
async fn every_invalid_field_is_named_at_once() {
    let server = Server::start().await;
    let ada = server.register("ada@example.com").await;
    let draft = json!({
        "title": "", "notes": "a\u{0}b", "status": "later", "priority": 3, "labels": ["", "home", "home", 1],
        "due": "2026-02-30", "colour": "red", "a/b~c": 1,
    });

    let answer = ada.post("/v1/tasks", draft).await;
    assert_eq!(answer.status, 422);

    let named = [
        "/a~1b~0c",
        "/colour",
        "/due",
        "/labels/0",
        "/labels/2",
        "/labels/3",
        "/notes",
        "/priority",
        "/status",
        "/title",
    ];
    assert_eq!(answer.faults(), named);
    assert_eq!(ada.post("/v1/tasks", json!({})).await.faults(), ["/title"]);
    assert_eq!(ada.titles("").await, Vec::<String>::new());
}

#[tokio::test]
async fn an_error_is_small_for_any_request() {
    let server = Server::start().await;
    let ada = server.register("ada@example.com").await;
    let fields: serde_json::Map<String, Value> =
        (0..6_000).map(|n| (format!("f{n}"), json!(0))).collect();
    let long = serde_json::Map::from_iter([("n".repeat(60_000), json!(0))]);

    for body in [fields, long] {
        // This needs no token.
        let answer = server.post("/v1/auth/register", Value::Object(body)).await;
        assert_eq!(answer.status, 422);

        let errors = answer.body["errors"].as_array().expect("errors");
        assert!(
            errors.len() <= 51 && answer.body.to_string().len() < 8_000,
            "{} errors: {}",
            errors.len(),
            answer.body
        );
    }

    // The longest line that the server reads; API Gateway reads a third of that.
    let answer = ada.get(&format!("/v1/tasks?{}", "a&".repeat(10_000))).await;
    let errors = answer.body["errors"].as_array().expect("errors");
    assert_eq!((answer.status.as_u16(), errors.len()), (400, 51));
    assert_eq!(
        errors[50],
        json!({"parameter": "", "detail": "has 9950 more errors, which are not listed"})
    );
    assert!(answer.body.to_string().len() < 8_000);
}

#[tokio::test]
async fn texts_are_limited_in_characters_and_notes_in_bytes() {
    let server = Server::start().await;
    let ada = server.register("ada@example.com").await;
    let longest = "\u{1f600}".repeat(500);

    let task = ada
        .create_task(json!({"title": longest, "notes": "\u{e9}".repeat(8192)}))
        .await;

    assert_eq!(
        (&task["title"], task["notes"].as_str().map(str::len)),
        (&json!(longest), Some(16384))
    );

    let over =
        json!({"title": "x".repeat(501), "notes": "\u{e9}".repeat(8193), "labels": vec!["x"; 21]});
    assert_eq!(
        ada.post("/v1/tasks", over).await.faults(),
        ["/labels", "/notes", "/title"]
    );

    // Byte for byte: composed and decomposed text is not changed.
    let line = " e\u{301} \u{e9} \u{200f}\u{202e} \t \u{10ffff}";
    let lines = "one\r\ntwo\rthree\n\t";
    let task = ada
        .create_task(json!({"title": line, "notes": lines, "labels": [line, "Home", "home"]}))
        .await;

    let shown = ada
        .get(&format!(
            "/v1/tasks/{}",
            task["id"].as_str().expect("an id")
        ))
        .await
        .body;
    assert_eq!(
        (&shown["title"], &shown["notes"], &shown["labels"]),
        (&json!(line), &json!(lines), &json!([line, "Home", "home"]))
    );
}

#[tokio::test]
async fn titles_labels_and_names_are_one_line_with_a_visible_character() {
    let server = Server::start().await;
    let ada = server.register("ada@example.com").await;
    let task = ada.create_task(json!({"title": "One"})).await;
    let path = format!("/v1/tasks/{}", task["id"].as_str().expect("an id"));

    for bad in [
        "   ",
        "\u{200b}",
        "\t\u{3000}\u{2060}",
        "two\nlines",
        "two\r\nlines",
    ] {
        assert_eq!(
            ada.post("/v1/tasks", json!({"title": bad, "labels": ["home", bad]}))
                .await
                .faults(),
            ["/labels/1", "/title"],
            "{bad:?}"
        );
        assert_eq!(
            ada.patch(&path, json!({"title": bad, "labels": [bad]}))
                .await
                .faults(),
            ["/labels/0", "/title"],
            "{bad:?}"
        );
        assert_eq!(
            ada.patch("/v1/me", json!({"name": bad})).await.faults(),
            ["/name"],
            "{bad:?}"
        );

        let registration = json!({"email": "eve@example.com", "password": PASSWORD, "name": bad});
        assert_eq!(
            server
                .post("/v1/auth/register", registration)
                .await
                .faults(),
            ["/name"],
            "{bad:?}"
        );
    }

    assert_eq!(ada.get(&path).await.body, task);
}

#[tokio::test]
async fn a_body_of_another_type_is_refused_with_the_accepted_types() {
    let server = Server::start().await;
    let ada = server.register("ada@example.com").await;
    let path = format!(
        "/v1/tasks/{}",
        ada.create_task(json!({"title": "One"})).await["id"]
            .as_str()
            .expect("an id")
    );

    for (method, path, header, taken) in [
        (Method::POST, "/v1/tasks", "accept-post", "application/json"),
        (
            Method::PATCH,
            &path,
            "accept-patch",
            "application/merge-patch+json, application/json",
        ),
    ] {
        let send = |name: &'static str, value: &'static str| {
            let request = server
                .request(method.clone(), path)
                .bearer_auth(ada.access_token())
                .header(name, value);
            server.answer(request.body("{}"))
        };

        let answer = send("content-type", "text/plain").await;
        assert_eq!(
            (
                answer.status.as_u16(),
                answer.header(header),
                answer.header("accept-encoding")
            ),
            (415, Some(taken), None)
        );

        let answer = send("content-encoding", "gzip").await;
        assert_eq!(
            (
                answer.status.as_u16(),
                answer.header("accept-encoding"),
                answer.header(header)
            ),
            (415, Some("identity"), None)
        );
    }
}

#[tokio::test]
async fn a_body_of_another_type_or_charset_or_too_large_is_refused() {
    let server = Server::start().await;
    let ada = server.register("ada@example.com").await;
    let draft = r#"{"title": "One"}"#;

    for wrong in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=latin1",
        "application/merge-patch+json",
        "",
    ] {
        assert_eq!(
            send_raw(&server, &ada, wrong, draft).await.status,
            415,
            "{wrong}"
        );
    }

    let untyped = server
        .request(Method::POST, "/v1/tasks")
        .bearer_auth(ada.access_token())
        .body(draft);
    assert_eq!(server.answer(untyped).await.status, 415);

    let large = format!(
        r#"{{"title": "One", "notes": "{}"}}"#,
        "x".repeat(64 * 1024)
    );
    assert_eq!(
        send_raw(&server, &ada, "application/json", large)
            .await
            .status,
        413
    );
    assert_eq!(ada.titles("").await, Vec::<String>::new());
    assert_eq!(
        send_raw(&server, &ada, "Application/JSON; Charset=\"UTF-8\"", draft)
            .await
            .status,
        201
    );
}

#[tokio::test]
async fn a_malformed_query_parameter_is_refused_by_name() {
    let server = Server::start().await;
    let ada = server.register("ada@example.com").await;

    for (query, named) in [
        ("limit=0", vec!["?limit"]),
        ("limit=101", vec!["?limit"]),
        ("limit=%2B5", vec!["?limit"]),
        ("limit=1&limit=2", vec!["?limit"]),
        ("limit=99999999999999999999", vec!["?limit"]),
        ("sort=title", vec!["?sort"]),
        ("cursor=nothing", vec!["?cursor"]),
        ("status=todo&status=later", vec!["?status"]),
        (
            "due_before=soon&due_after=2026-02-30",
            vec!["?due_after", "?due_before"],
        ),
        ("q=", vec!["?q"]),
        ("q=%CC%81", vec!["?q"]),
        ("label=+", vec!["?label"]),
        ("q=%ff", vec!["?q"]),
        ("q=%0", vec!["?q"]),
        ("Limit=5&colour=red", vec!["?Limit", "?colour"]),
    ] {
        let answer = ada.get(&format!("/v1/tasks?{query}")).await;

        assert_eq!(
            (answer.status.as_u16(), answer.faults()),
            (400, named.into_iter().map(str::to_owned).collect()),
            "{query}"
        );
    }
}

#[tokio::test]
async fn an_error_points_out_a_plus_sign_that_was_not_encoded() {
    let server = Server::start().await;
    let ada = server.register("ada@example.com").await;

    for name in ["due_after", "due_before"] {
        let answer = ada
            .get(&format!("/v1/tasks?{name}=2026-03-01T11:30:00+02:00"))
            .await;

        assert_eq!(
            (answer.status.as_u16(), answer.faults()),
            (400, vec![format!("?{name}")])
        );
        assert!(
            answer.body["errors"][0]["detail"]
                .as_str()
                .expect("a rule")
                .contains("%2B"),
            "{:?}",
            answer.body
        );
    }

    let other = ada.get("/v1/tasks?due_after=soon").await;
    assert!(!other.body.to_string().contains("%2B"), "{:?}", other.body);
}

#[tokio::test]
async fn a_malformed_path_parameter_is_refused_by_name() {
    let server = Server::start().await;
    let ada = server.register("ada@example.com").await;

    for id in [
        "1",
        "01a20bd0-62ad-7516-a457-6fd19772332",
        "%00",
        "%ff",
        "..%2f..",
        "01a20bd062ad7516a4576fd197723328",
    ] {
        let answer = ada.get(&format!("/v1/tasks/{id}")).await;

        assert_eq!(
            (answer.status.as_u16(), answer.faults()),
            (400, vec!["?task_id".to_owned()]),
            "{id}"
        );
    }
}

#[tokio::test]
async fn a_malformed_header_is_refused_by_name() {
    let server = Server::start().await;
    let ada = server.register("ada@example.com").await;
    let path = format!(
        "/v1/tasks/{}",
        ada.create_task(json!({"title": "One"})).await["id"]
            .as_str()
            .expect("an id")
    );
    let patch = || Some(json!({"title": "Two"}));

    for tag in ["1", "\"1", "\"1\" \"2\"", "1, 2", "*, \"1\""] {
        let answer = ada
            .call(Method::PATCH, &path, &[("if-match", tag)], patch())
            .await;

        assert_eq!(
            (answer.status.as_u16(), answer.faults()),
            (400, vec!["if-match:".to_owned()]),
            "{tag}"
        );
        assert_eq!(
            ada.call(Method::GET, &path, &[("if-none-match", tag)], None)
                .await
                .status,
            400,
            "{tag}"
        );
    }

    for key in ["", "two words", "\u{e9}", &"k".repeat(256)] {
        let answer = ada
            .call(
                Method::POST,
                "/v1/tasks",
                &[("idempotency-key", key)],
                Some(json!({"title": "Three"})),
            )
            .await;

        assert_eq!(
            (answer.status.as_u16(), answer.faults()),
            (400, vec!["idempotency-key:".to_owned()]),
            "{key}"
        );
    }

    let twice = [("idempotency-key", "a"), ("idempotency-key", "b")];
    assert_eq!(
        ada.call(
            Method::POST,
            "/v1/tasks",
            &twice,
            Some(json!({"title": "Three"}))
        )
        .await
        .status,
        400
    );
    assert_eq!(ada.titles("").await, ["One"]);
}

#[tokio::test]
async fn a_patch_of_a_read_only_field_is_refused_by_name() {
    let server = Server::start().await;
    let ada = server.register("ada@example.com").await;
    let task = ada.create_task(json!({"title": "One"})).await;
    let path = format!("/v1/tasks/{}", task["id"].as_str().expect("an id"));

    let answer = ada
        .patch(
            &path,
            json!({"title": null, "id": "x", "version": 7, "created_at": "2026-01-01T00:00:00Z"}),
        )
        .await;

    assert_eq!(
        (answer.status.as_u16(), answer.faults().join(" ")),
        (422, "/created_at /id /title /version".to_owned())
    );
    assert_eq!(ada.get(&path).await.body, task);
}

#[tokio::test]
async fn the_body_of_a_read_is_ignored() {
    let server = Server::start().await;
    let ada = server.register("ada@example.com").await;

    // A read with a body: HTTP gives it no meaning (RFC 9110, section 9.3.1).
    let answer = ada
        .call(Method::GET, "/v1/tasks", &[], Some(Value::Null))
        .await;

    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_request_is_completed_even_if_the_client_disconnects() {
    let limits = [
        ("TASKLANE_LIMIT_LOGIN_ACCOUNT", "1000/15m"),
        ("TASKLANE_LIMIT_LOGIN_SOURCE", "1000/15m"),
    ];
    let server = Server::start_with(&limits).await;
    let body = json!({"email": "ada@example.com", "password": PASSWORD}).to_string();
    let head = format!(
        "POST /v1/auth/register HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}",
        body.len()
    );

    let mut connection = TcpStream::connect(server.url.trim_start_matches("http://"))
        .await
        .expect("a connection");
    connection
        .write_all(format!("{head}\r\n\r\n{body}").as_bytes())
        .await
        .expect("sent");
    drop(connection);

    // Each attempt waits for a free hashing slot, as the registration does.
    for _ in 0..100 {
        if server.try_log_in("ada@example.com", PASSWORD).await.status == 200 {
            return;
        }
    }

    panic!("nobody was registered");
}
