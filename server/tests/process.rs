//! The program from its user's view: started, stopped, misconfigured, and restarted.

#![expect(clippy::too_many_lines, reason = "a case reads from top to bottom")]

mod program;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use clap::CommandFactory;
use program::{Server, account, command, post, run, text};
use reqwest::Client;
use serde_json::{Value, json};
use server::arguments::Arguments;

async fn get(url: String, token: &Value) -> Value {
    let answer = Client::new()
        .get(url)
        .bearer_auth(token.as_str().expect("a token"))
        .send()
        .await
        .expect("an answer");
    answer.json().await.expect("JSON")
}

#[tokio::test]
async fn it_prints_its_address_and_keeps_everything_over_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path());

    for part in [
        "/docs/",
        ".tasklane/tasklane.db",
        "curl http://",
        "/v1/auth/register",
    ] {
        assert!(server.greeting.contains(part), "{}", server.greeting);
    }

    let (status, tokens) = post(server.url("/v1/auth/register"), None, account()).await;
    assert_eq!(status, 201, "{tokens}");

    let (_, task) = post(
        server.url("/v1/tasks"),
        Some(&tokens["access_token"]),
        json!({"title": "Stay"}),
    )
    .await;
    assert!(server.stop("TERM").success());

    let server = Server::start(folder.path());
    let list = get(server.url("/v1/tasks"), &tokens["access_token"]).await;
    assert_eq!(list["items"], json!([task]));

    let (status, _) = post(
        server.url("/v1/auth/refresh"),
        None,
        json!({"refresh_token": tokens["refresh_token"]}),
    )
    .await;
    assert_eq!(status, 200);
    assert!(server.stop("INT").success());
}

#[tokio::test]
async fn acknowledged_writes_survive_kills_and_no_write_is_partial() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = Server::start(folder.path());
    let (_, tokens) = post(server.url("/v1/auth/register"), None, account()).await;
    let token = &tokens["access_token"];

    let mut acknowledged = BTreeSet::new();
    let mut sent = 0;
    for round in 0..3 {
        let written = AtomicUsize::new(0);
        let url = server.url("/v1/tasks");
        let writer = async |writer: usize| {
            let mut titles = Vec::new();
            // Until the server has been killed.
            for n in 0.. {
                let title = format!("{round}-{writer}-{n}");
                let draft = json!({"title": title, "notes": "n".repeat(1000)});
                let request = Client::new()
                    .post(&url)
                    .bearer_auth(token.as_str().expect("a token"))
                    .json(&draft);
                match request.send().await {
                    Ok(answer) => assert_eq!(answer.status(), 201),
                    Err(_) => return (titles, n + 1),
                }
                titles.push(title);
                written.fetch_add(1, Ordering::SeqCst);
            }

            unreachable!("the server is killed")
        };
        let kill = async {
            while written.load(Ordering::SeqCst) < 50 {
                tokio::task::yield_now().await;
            }
            server.signal("KILL");
        };
        let (writers, ()) = tokio::join!(futures_util::future::join_all((0..4).map(writer)), kill);
        for (titles, tried) in writers {
            acknowledged.extend(titles);
            sent += tried;
        }
        server = Server::start(folder.path());
    }

    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = get(server.url(&format!("/v1/tasks?limit=100{cursor}")), token).await;

        for task in page["items"].as_array().expect("items") {
            assert_eq!(task["notes"].as_str().map(str::len), Some(1000), "{task}");

            found.push(task["title"].as_str().expect("a title").to_owned());
        }

        let Some(next) = page["next_cursor"].as_str() else {
            break;
        };
        cursor = format!("&cursor={next}");
    }

    let stored: BTreeSet<String> = found.iter().cloned().collect();
    assert_eq!(stored.len(), found.len(), "one is there twice");
    assert!(
        stored.is_superset(&acknowledged),
        "lost: {:?}",
        acknowledged.difference(&stored)
    );

    println!(
        "server killed three times: {sent} calls made, {} acknowledged, {} found",
        acknowledged.len(),
        found.len()
    );
}

#[test]
fn a_request_that_is_being_read_is_answered_before_the_program_ends() {
    for signal in ["TERM", "INT"] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut server = Server::start(folder.path());
        let body = account().to_string();
        let mut connection = TcpStream::connect(server.address).expect("a connection");
        let head = "POST /v1/auth/register HTTP/1.1\r\nhost: tasklane\r\ncontent-type: application/json\r\nexpect: 100-continue\r\nconnection: close\r\n";
        write!(connection, "{head}content-length: {}\r\n\r\n", body.len()).expect("sent");
        let mut go_on = [0; 25];
        connection
            .read_exact(&mut go_on)
            .expect("the server asks for the body");

        assert!(
            go_on.starts_with(b"HTTP/1.1 100 Continue"),
            "{}",
            text(&go_on)
        );

        server.signal(signal);
        // After the signal it accepts no more connections.
        while TcpStream::connect(server.address).is_ok() {
            std::thread::yield_now();
        }
        connection.write_all(body.as_bytes()).expect("sent");

        let mut answer = String::new();
        connection.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 201 Created"), "{answer}");
        assert!(server.process.wait().expect("the program ends").success());
    }
}

#[test]
fn a_bad_setting_stops_the_start_with_its_name_and_a_valid_example() {
    for (name, value, good) in [
        (
            "DATABASE_URL",
            "postgres://user:hunter22@db/x",
            "DATABASE_URL=dynamodb://",
        ),
        ("TASKLANE_LOG_LEVEL", "loud", "TASKLANE_LOG_LEVEL=info"),
        (
            "TASKLANE_SESSION_IDLE",
            "a month",
            "TASKLANE_SESSION_IDLE=30d",
        ),
        (
            "TASKLANE_PASSWORD_MEMORY_KIB",
            "1024",
            "TASKLANE_PASSWORD_MEMORY_KIB=19456",
        ),
        (
            "TASKLANE_LIMIT_LOGIN_SOURCE",
            "0/15m",
            "TASKLANE_LIMIT_LOGIN_SOURCE=50/15m",
        ),
        (
            "TASKLANE_SIGNING_KEYS",
            "{\"keys\":[{\"d\":\"hunter22\"}]}",
            "TASKLANE_SIGNING_KEYS={",
        ),
        (
            "TASKLANE_LISTEN",
            "everywhere",
            "TASKLANE_LISTEN=127.0.0.1:8080",
        ),
        (
            "TASKLANE_CORS_ORIGINS",
            "*",
            "TASKLANE_CORS_ORIGINS=https://app.example.com",
        ),
        (
            "TASKLANE_CORS_ORIGINS",
            "https://App.Example.com",
            "write https://app.example.com",
        ),
        ("TASKLANE_CORS_ORIGINS", "null", "https://app.example.com"),
        ("TASKLANE_TRUSTED_PROXIES", "somebody", "10.0.0.0/8"),
        ("TASKLANE_FORWARDED_HEADER", "via", "x-forwarded-for"),
        ("TASKLANE_CONNECTIONS", "0", "1.."),
        ("TASKLANE_HEADER_TIMEOUT", "soon", "10s"),
        ("TASKLANE_LIMIT_REQUESTS_SOURCE", "many", "off"),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let ended = command(folder.path())
            .env(name, value)
            .output()
            .expect("the program runs");
        let said = text(&ended.stderr);

        assert!(!ended.status.success(), "{name}");
        assert!(said.contains(name) && said.contains(good), "{name}: {said}");
        assert!(!said.contains("hunter22"), "{name}: {said}");
        assert!(
            !folder.path().join(".tasklane/tasklane.db").exists(),
            "{name}: something was begun"
        );
    }
}

#[test]
fn an_address_that_is_in_use_is_reported_with_a_solution() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = std::net::TcpListener::bind("127.0.0.1:0")
        .expect("a port")
        .local_addr()
        .expect("an address");
    let first = command(folder.path())
        .args(["--listen", &taken.to_string()])
        .stdout(Stdio::null())
        .spawn()
        .expect("the program starts");
    let mut first = Server {
        process: first,
        address: taken,
        greeting: String::new(),
    };
    let mut lines = BufReader::new(first.process.stderr.take().expect("stderr")).lines();
    lines.next().expect("a greeting").expect("text");
    let elsewhere = tempfile::tempdir().expect("a folder");

    let second = run(elsewhere.path(), &["--listen", &taken.to_string()]);
    let said = text(&second.stderr);

    assert!(
        !second.status.success() && said.contains(&taken.to_string()) && said.contains("--listen"),
        "{said}"
    );
}

#[test]
fn the_help_page_names_every_command_and_option() {
    let folder = tempfile::tempdir().expect("a folder");
    let help = text(&run(folder.path(), &["--help"]).stdout);

    for part in [
        "seed",
        "dynamodb",
        "migrate",
        "copy",
        "openapi",
        "rotate-keys",
        "--listen",
        "--data",
        "--cors-origins",
        "--trusted-proxies",
        "--header-timeout",
        "--source-requests",
        "TASKLANE_LISTEN",
        "127.0.0.1:8080",
        "Examples:",
    ] {
        assert!(help.contains(part), "{part} is missing:\n{help}");
    }

    let unknown = text(&run(folder.path(), &["sed"]).stderr);
    assert!(unknown.contains("seed"), "{unknown}");
}

#[tokio::test]
async fn the_demo_account_is_filled_once_and_can_be_logged_into() {
    let folder = tempfile::tempdir().expect("a folder");

    let first = text(&run(folder.path(), &["seed"]).stdout);
    assert!(first.contains("demo@tasklane.example"), "{first}");
    assert!(
        first.contains("correct-horse-battery"),
        "only this machine reaches the data folder"
    );

    let again = run(folder.path(), &["seed"]);
    assert!(again.status.success() && text(&again.stdout).contains("already"));

    let password = first
        .lines()
        .find_map(|line| line.trim().strip_prefix("password"))
        .expect("a password")
        .trim();
    let server = Server::start(folder.path());

    let (status, tokens) = post(
        server.url("/v1/auth/login"),
        None,
        json!({"email": "demo@tasklane.example", "password": password}),
    )
    .await;
    assert_eq!(status, 200);
    assert_eq!(
        get(server.url("/v1/tasks"), &tokens["access_token"]).await["items"]
            .as_array()
            .map(Vec::len),
        Some(5)
    );
    assert_eq!(
        get(server.url("/v1/trash"), &tokens["access_token"]).await["items"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
}

#[tokio::test]
async fn new_keys_sign_after_a_restart_and_tokens_of_the_old_ones_stay_valid() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path());
    let (_, old) = post(server.url("/v1/auth/register"), None, account()).await;

    assert!(server.stop("TERM").success());
    assert!(run(folder.path(), &["rotate-keys"]).status.success());

    let server = Server::start(folder.path());
    let keys = get(server.url("/.well-known/jwks.json"), &old["access_token"]).await;
    assert_eq!(keys["keys"].as_array().map(Vec::len), Some(2));
    assert_eq!(
        get(server.url("/v1/me"), &old["access_token"]).await["email"],
        "ada@example.com"
    );

    let (status, new) = post(
        server.url("/v1/auth/refresh"),
        None,
        json!({"refresh_token": old["refresh_token"]}),
    )
    .await;
    assert_eq!(status, 200, "{new}");

    // The header of the new token names another key.
    let header = |tokens: &Value| {
        tokens["access_token"]
            .as_str()
            .and_then(|token| token.split('.').next())
            .map(str::to_owned)
    };

    assert_ne!(header(&old), header(&new));

    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;

        let mode = std::fs::metadata(folder.path().join(".tasklane/keys.json"))
            .expect("the keys")
            .permissions()
            .mode();

        assert_eq!(mode & 0o077, 0, "others can read the keys");
    }
}

#[test]
fn an_empty_variable_is_an_absent_one_for_every_setting() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut names: Vec<String> = server::settings()
        .into_iter()
        .map(|setting| setting.name.to_owned())
        .collect();
    let told = Arguments::command();
    let of_arguments = told.get_arguments().chain(
        told.get_subcommands()
            .flat_map(|command| command.get_arguments()),
    );
    names.extend(
        of_arguments
            .filter_map(|argument| argument.get_env())
            .map(|name| name.to_string_lossy().into_owned()),
    );

    for empty in ["", " "] {
        // Every command accepts the common arguments.
        let ended = command(folder.path())
            .envs(names.iter().map(|name| (name, empty)))
            .arg("rotate-keys")
            .output()
            .expect("the program runs");
        assert!(ended.status.success(), "{empty:?}: {}", text(&ended.stderr));
        assert!(
            folder.path().join(".tasklane/keys.json").exists(),
            "an empty TASKLANE_DATA is the default folder"
        );

        let server = Server::start_with(
            folder.path(),
            &names
                .iter()
                .map(|name| (name.as_str(), empty))
                .collect::<Vec<_>>(),
        );
        assert!(server.stop("TERM").success());
    }

    let ended = command(folder.path())
        .env("TASKLANE_COPY_FROM", "")
        .args(["copy", "--to", "sqlite://copy.db"])
        .output()
        .expect("the program runs");
    assert!(
        text(&ended.stderr).contains("--from"),
        "{}",
        text(&ended.stderr)
    );
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_can_read_data_and_keys_with_any_umask() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let mode = |path: &Path| {
        std::fs::metadata(path)
            .expect("it is there")
            .permissions()
            .mode()
            & 0o777
    };
    let mut shell = Command::new("sh");
    shell.args([
        "-c",
        "umask 0; exec \"$0\" \"$@\"",
        env!("CARGO_BIN_EXE_tasklane"),
    ]);

    let server = Server::run(
        shell
            .env_clear()
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stderr(Stdio::piped()),
    );
    assert!(!server.greeting.contains("warning"), "{}", server.greeting);

    let (status, _) = post(server.url("/v1/auth/register"), None, account()).await;
    assert_eq!(status, 201);

    let data = folder.path().join(".tasklane");
    assert_eq!(mode(&data), 0o700);

    let files: Vec<_> = std::fs::read_dir(&data)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    assert!(
        files.iter().any(|file| file.ends_with("tasklane.db")) && files.len() >= 3,
        "{files:?}"
    );

    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }

    assert!(server.stop("TERM").success());

    // It may be intentional.
    std::fs::set_permissions(
        data.join("tasklane.db"),
        std::fs::Permissions::from_mode(0o644),
    )
    .expect("changed");
    let server = Server::start(folder.path());
    assert!(
        server.greeting.contains("warning") && server.greeting.contains("chmod -R go= .tasklane"),
        "{}",
        server.greeting
    );
    assert_eq!(mode(&data.join("tasklane.db")), 0o644);
}

#[test]
fn rotations_at_the_same_time_lose_no_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let rotations: Vec<_> = (0..8)
        .map(|_| {
            command(folder.path())
                .arg("rotate-keys")
                .spawn()
                .expect("the program starts")
        })
        .collect();

    for rotation in rotations {
        assert!(
            rotation
                .wait_with_output()
                .expect("it ends")
                .status
                .success()
        );
    }

    let set: Value = serde_json::from_slice(
        &std::fs::read(folder.path().join(".tasklane/keys.json")).expect("keys"),
    )
    .expect("JSON");
    let keys = set["keys"].as_array().expect("keys");
    // The first one found no keys and created a pair; each of the eight added one.
    assert_eq!(keys.iter().filter(|key| key["kty"] == "OKP").count(), 9);
    assert_eq!(
        keys.iter()
            .filter(|key| key["retired_at"].is_null())
            .count(),
        2,
        "one of each kind signs"
    );
}

#[tokio::test]
async fn keys_that_are_revoked_refuse_every_token_from_the_restart_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path());
    let (_, old) = post(server.url("/v1/auth/register"), None, account()).await;

    assert!(server.stop("TERM").success());

    let said = text(&run(folder.path(), &["rotate-keys", "--revoke"]).stdout);
    assert!(said.contains("all users must log in again"), "{said}");

    let server = Server::start(folder.path());
    let answer = get(server.url("/v1/tasks"), &old["access_token"]).await;
    assert_eq!(answer["status"], 401);

    let (status, _) = post(
        server.url("/v1/auth/refresh"),
        None,
        json!({"refresh_token": old["refresh_token"]}),
    )
    .await;
    assert_eq!(status, 401);

    let keys = get(server.url("/.well-known/jwks.json"), &json!("")).await;
    assert_eq!(keys["keys"].as_array().map(Vec::len), Some(1));

    let (status, _) = post(server.url("/v1/auth/login"), None, account()).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn a_key_that_retired_long_ago_verifies_nothing_and_is_not_published() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path());
    let (_, old) = post(server.url("/v1/auth/register"), None, account()).await;

    assert!(server.stop("TERM").success());
    assert!(run(folder.path(), &["rotate-keys"]).status.success());

    let file = folder.path().join(".tasklane/keys.json");
    let mut set: Value =
        serde_json::from_slice(&std::fs::read(&file).expect("keys")).expect("JSON");
    for key in set["keys"].as_array_mut().expect("keys") {
        if let Some(retired) = key["retired_at"].as_i64() {
            key["retired_at"] = json!(retired - 92 * 86400);
        }
    }
    std::fs::write(&file, set.to_string()).expect("written");
    let server = Server::start(folder.path());

    assert_eq!(
        get(server.url("/v1/tasks"), &old["access_token"]).await["status"],
        401
    );

    let (status, _) = post(
        server.url("/v1/auth/refresh"),
        None,
        json!({"refresh_token": old["refresh_token"]}),
    )
    .await;
    assert_eq!(status, 401);

    let keys = get(server.url("/.well-known/jwks.json"), &json!("")).await;
    assert_eq!(keys["keys"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn the_demo_account_is_not_added_to_a_store_that_people_use_unless_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path());

    let (status, _) = post(server.url("/v1/auth/register"), None, account()).await;
    assert_eq!(status, 201);
    assert!(server.stop("TERM").success());

    let refused = run(folder.path(), &["seed"]);
    assert!(
        !refused.status.success() && text(&refused.stderr).contains("--force"),
        "{}",
        text(&refused.stderr)
    );
    assert!(
        text(&run(folder.path(), &["seed", "--force"]).stdout).contains("demo@tasklane.example")
    );
}

#[tokio::test]
async fn the_engine_on_a_port_serves_local_functions_and_refuses_web_pages() {
    let folder = tempfile::tempdir().expect("a folder");
    let listen = std::net::TcpListener::bind("127.0.0.1:0")
        .expect("a port")
        .local_addr()
        .expect("an address");
    let mut process = command(folder.path());
    process
        .args(["dynamodb", "--seed", "--listen", &listen.to_string()])
        .stdout(Stdio::null());
    let mut process = process.spawn().expect("the program starts");

    let mut greeting = String::new();
    let mut lines = BufReader::new(process.stderr.take().expect("stderr"));
    while !greeting.contains("DATABASE_URL") {
        assert!(
            lines.read_line(&mut greeting).expect("text") > 0,
            "{greeting}"
        );
    }

    assert!(
        greeting.contains(&format!("dynamodb://local@{listen}")),
        "{greeting}"
    );

    let _engine = Server {
        process,
        address: listen,
        greeting,
    };
    while TcpStream::connect(listen).is_err() {
        std::thread::yield_now();
    }

    let scan = async |headers: &[(&str, &str)]| {
        let mut request = Client::new()
            .post(format!("http://{listen}/"))
            .header("x-amz-target", "DynamoDB_20120810.Scan")
            .header("content-type", "application/x-amz-json-1.0")
            .body("{\"TableName\":\"tasklane-users\"}");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }

        let answer = request.send().await.expect("an answer");

        assert!(!answer.headers().contains_key("access-control-allow-origin"));

        (answer.status().as_u16(), answer.text().await.expect("text"))
    };
    let signed = (
        "authorization",
        "AWS4-HMAC-SHA256 Credential=local/20260301/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0",
    );

    let (status, body) = scan(&[signed]).await;
    assert!(
        status == 200 && body.contains("demo@tasklane.example"),
        "{status} {body}"
    );

    for host in [
        "localhost",
        "host.docker.internal:8000",
        "127.0.0.1",
        "[::1]:8000",
    ] {
        assert_eq!(scan(&[signed, ("host", host)]).await.0, 200, "{host}");
    }

    let other = (
        "authorization",
        "AWS4-HMAC-SHA256 Credential=AKIAOTHER/20260301/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0",
    );
    for refused in [
        &[][..],
        &[other],
        &[("authorization", "Bearer local")],
        &[signed, ("origin", "https://evil.example.com")],
        &[signed, ("origin", "null")],
        &[signed, ("sec-fetch-site", "cross-site")],
        &[signed, ("host", "evil.example.com")],
        &[signed, ("host", "192.0.2.1")],
    ] {
        let (status, body) = scan(refused).await;

        assert!(
            status == 400 && body.contains("AccessDeniedException"),
            "{refused:?}: {status} {body}"
        );
    }

    let elsewhere = tempfile::tempdir().expect("a folder");
    let seed = |url: &str| {
        command(elsewhere.path())
            .env("DATABASE_URL", url)
            .arg("seed")
            .output()
            .expect("the program runs")
    };
    let in_the_engine = seed(&format!("dynamodb://local@{listen}"));
    assert!(text(&in_the_engine.stdout).contains("already"));

    // Others may reach a database of `DATABASE_URL`, so the account gets a random password there.
    let seeded = text(&seed("sqlite://elsewhere.db").stdout);
    assert!(
        seeded.contains("password  ") && !seeded.contains("correct-horse-battery"),
        "{seeded}"
    );

    let preflight = Client::new()
        .request(reqwest::Method::OPTIONS, format!("http://{listen}/"))
        .header("origin", "https://evil.example.com");
    let answer = preflight
        .header("access-control-request-method", "POST")
        .send()
        .await
        .expect("an answer");
    assert!(
        !answer.status().is_success()
            && !answer.headers().contains_key("access-control-allow-origin")
    );
}

#[tokio::test]
async fn the_docs_page_has_everything_it_needs_from_this_server_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path());

    let page = Client::new()
        .get(server.url("/docs/"))
        .send()
        .await
        .expect("an answer")
        .text()
        .await
        .expect("a page");
    let links: Vec<_> = page
        .split(['"', '\''])
        .filter(|word| word.ends_with(".js") || word.ends_with(".css"))
        .collect();

    assert!(links.len() >= 3, "{page}");

    for link in links {
        assert!(!link.contains("//"), "{link} is elsewhere");

        let answer = Client::new()
            .get(server.url(&format!("/docs/{}", link.trim_start_matches("./"))))
            .send()
            .await
            .expect("an answer");
        assert_eq!(answer.status(), 200, "{link}");

        let policy = answer.headers()["content-security-policy"]
            .to_str()
            .expect("text");
        assert!(policy.starts_with("default-src 'self'"), "{link}: {policy}");
        assert!(!answer.text().await.expect("text").is_empty(), "{link}");
    }

    let document = get(server.url("/v1/openapi.json"), &json!("")).await;
    assert_eq!(document["info"]["title"], "Tasklane");
}
