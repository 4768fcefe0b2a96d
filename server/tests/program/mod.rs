//! The program as its user runs it: for the tests that start, stop and kill it.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use reqwest::Client;
use serde_json::{Value, json};

/// A running server with its own folder.
pub(crate) struct Server {
    pub(crate) process: Child,
    pub(crate) address: SocketAddr,
    /// What it printed at start.
    pub(crate) greeting: String,
}

pub(crate) fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tasklane"));
    // Without the settings of the environment that runs the tests.
    command
        .env_clear()
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs a command to its end.
pub(crate) fn run(folder: &Path, arguments: &[&str]) -> Output {
    command(folder)
        .args(arguments)
        .output()
        .expect("the program runs")
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Server {
    pub(crate) fn start(folder: &Path) -> Self {
        Self::start_with(folder, &[])
    }

    pub(crate) fn start_with(folder: &Path, environment: &[(&str, &str)]) -> Self {
        Self::run(command(folder).envs(environment.iter().copied()))
    }

    pub(crate) fn run(command: &mut Command) -> Self {
        // These tests do not need the log, and a pipe that is not read would fill up.
        let mut process = command
            .args(["--listen", "127.0.0.1:0"])
            .stdout(Stdio::null())
            .spawn()
            .expect("the program starts");
        let mut lines = BufReader::new(process.stderr.take().expect("stderr")).lines();
        let mut greeting = String::new();
        while !greeting.contains("Ctrl-C") {
            greeting += &(lines.next().expect("the program greets").expect("text") + "\n");
        }
        let (_, after) = greeting.split_once("http://").expect("an address");
        let address = after
            .lines()
            .next()
            .expect("a line")
            .parse()
            .expect("an address");
        Self {
            process,
            address,
            greeting,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn signal(&self, signal: &str) {
        let killed = Command::new("sh")
            .args(["-c", &format!("kill -{signal} {}", self.process.id())])
            .status()
            .expect("a shell");
        assert!(killed.success());
    }

    pub(crate) fn stop(mut self, signal: &str) -> ExitStatus {
        self.signal(signal);
        self.process.wait().expect("the program ends")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) async fn post(url: String, token: Option<&Value>, body: Value) -> (u16, Value) {
    let mut request = Client::new().post(url).json(&body);
    if let Some(token) = token {
        request = request.bearer_auth(token.as_str().expect("a token"));
    }
    let answer = request.send().await.expect("an answer");
    (answer.status().as_u16(), answer.json().await.expect("JSON"))
}

pub(crate) fn account() -> Value {
    json!({"email": "ada@example.com", "password": "a lane of tasks"})
}
