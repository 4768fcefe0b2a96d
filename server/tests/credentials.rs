//! The server with credentials of a role that expire, as on ECS: it uses each while it is valid and
//! no longer. With the feature `credentials-chain`.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::body::Bytes;
use axum::routing::{get, post};
use axum::{Json, Router};
use http::HeaderMap;
use serde_json::json;

/// A process that is killed at the end of the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn serve(router: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

fn tasklane(arguments: &[&str], settings: &[(&str, &str)]) -> Running {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tasklane"));
    command
        .env_clear()
        .envs(settings.iter().copied())
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    Running(command.spawn().expect("the program starts"))
}

fn free_address() -> String {
    std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port")
        .to_string()
}

async fn until_it_answers(url: &str) -> reqwest::Response {
    let answering = async {
        loop {
            if let Ok(answer) = reqwest::get(url).await {
                return answer;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), answering)
        .await
        .expect("it answers within half a minute")
}

#[tokio::test]
async fn container_credentials_are_renewed_before_they_expire() {
    // The source of the credentials. It returns different ones each time, which expire at once.
    let handed_out = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&handed_out);
    let hand_out = get(move || {
        let number = count.fetch_add(1, Ordering::SeqCst);
        let expires =
            jiff::Timestamp::try_from(SystemTime::now() + Duration::from_secs(2)).expect("a time");
        let credentials = json!({
            "AccessKeyId": format!("KEY{number}"), "SecretAccessKey": "secret", "Token": "token", "Expiration": expires.to_string(),
        });
        async move { Json(credentials) }
    });
    let agent = serve(Router::new().route("/role", hand_out)).await;

    // The store, and a proxy in front of it that records the access key of each call.
    let folder = tempfile::tempdir().expect("a folder");
    let engine = free_address();
    let _engine = tasklane(
        &[
            "dynamodb",
            "--listen",
            &engine,
            "--data",
            &folder.path().to_string_lossy(),
        ],
        &[],
    );
    until_it_answers(&format!("http://{engine}/")).await;
    let callers = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&callers);
    let pass_on = move |headers: HeaderMap, body: Bytes| {
        let caller = headers["authorization"]
            .to_str()
            .expect("text")
            .split(['=', '/'])
            .nth(1)
            .expect("a key")
            .to_owned();
        heard.lock().expect("the callers").push(caller);
        let request = reqwest::Client::new()
            .post(format!("http://{engine}/"))
            .headers(headers)
            .body(body);
        async move {
            request
                .send()
                .await
                .expect("an answer")
                .bytes()
                .await
                .expect("a body")
        }
    };
    let door = serve(Router::new().route("/", post(pass_on))).await;

    let address = free_address();
    let agent = format!("http://{agent}/role");
    let door = format!("http://{door}");
    let settings = [
        ("DATABASE_URL", "dynamodb://"),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ENDPOINT_URL_DYNAMODB", door.as_str()),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", agent.as_str()),
    ];
    let _server = tasklane(
        &[
            "--listen",
            &address,
            "--data",
            &folder.path().to_string_lossy(),
        ],
        &settings,
    );

    for _ in 0..2 {
        assert_eq!(
            until_it_answers(&format!("http://{address}/v1/health"))
                .await
                .status(),
            200
        );
    }

    let callers = callers.lock().expect("the callers").clone();
    assert!(
        callers.iter().all(|caller| caller.starts_with("KEY")),
        "{callers:?}"
    );
    assert_ne!(
        callers.first(),
        callers.last(),
        "{} were handed out",
        handed_out.load(Ordering::SeqCst)
    );
}
