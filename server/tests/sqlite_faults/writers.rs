//! Clients that write at the same time, and what they know afterwards.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use futures_util::future::join_all;
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::program::{Server, account, command, post};

/// The program, without limits on the requests of one address and account.
pub(crate) fn tasklane(folder: &Path) -> Command {
    let mut command = command(folder);
    command
        .env("TASKLANE_LIMIT_REQUESTS_SOURCE", "off")
        .env("TASKLANE_LIMIT_REQUESTS_CALLER", "off");
    command
}

/// An account that is used over one connection.
pub(crate) struct User {
    client: Client,
    url: String,
    token: String,
}

/// What a client knows of its requests to create tasks, by their titles.
#[derive(Default)]
pub(crate) struct Outcome {
    /// The ids of acknowledged tasks.
    pub(crate) acknowledged: BTreeMap<String, Value>,
    pub(crate) refused: Vec<(String, Response)>,
    /// These may have been created.
    pub(crate) unanswered: Vec<String>,
}

impl User {
    pub(crate) async fn register(server: &Server) -> Self {
        let (status, tokens) = post(server.url("/v1/auth/register"), None, account()).await;
        assert_eq!(status, 201, "{tokens}");
        let token = tokens["access_token"].as_str().expect("a token").to_owned();
        Self {
            client: Client::new(),
            url: server.url(""),
            token,
        }
    }

    /// The same account over another connection, perhaps to another start of the server.
    pub(crate) fn at(&self, server: &Server) -> Self {
        Self {
            client: Client::new(),
            url: server.url(""),
            token: self.token.clone(),
        }
    }

    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.url);
        self.client.get(url).bearer_auth(&self.token)
    }

    /// Creates a task whose idempotency key is its title.
    pub(crate) fn create(&self, title: &str) -> RequestBuilder {
        self.client
            .post(format!("{}/v1/tasks", self.url))
            .bearer_auth(&self.token)
            .header("idempotency-key", title)
            .json(&json!({"title": title, "notes": "n".repeat(1000)}))
    }

    pub(crate) fn rename(&self, id: &Value, title: &str) -> RequestBuilder {
        let id = id.as_str().expect("an id");
        self.client
            .patch(format!("{}/v1/tasks/{id}", self.url))
            .bearer_auth(&self.token)
            .json(&json!({"title": title}))
    }

    /// Creates a task, or finds the one that the same request created before.
    pub(crate) async fn created(&self, title: &str) -> Value {
        let answer = self.create(title).send().await.expect("an answer");
        assert_eq!(answer.status(), 201, "{title}");
        answer.json().await.expect("a task")
    }

    /// The ids of all tasks by their titles. Each must be whole, and there once.
    pub(crate) async fn tasks(&self) -> BTreeMap<String, Value> {
        let mut found = BTreeMap::new();
        let mut cursor = String::new();
        loop {
            let path = format!("/v1/tasks?limit=100{cursor}");
            let answer = self.get(&path).send().await.expect("an answer");
            let page: Value = answer.json().await.expect("JSON");
            for task in page["items"].as_array().expect("items") {
                let title = task["title"].as_str().expect("a title").to_owned();
                assert_eq!(task["notes"].as_str().map(str::len), Some(1000), "{title}");
                let other = found.insert(title.clone(), task["id"].clone());
                assert_eq!(other, None, "{title} is there twice");
            }
            let Some(next) = page["next_cursor"].as_str() else {
                return found;
            };
            cursor = format!("&cursor={next}");
        }
    }

    /// Creates tasks one after the other until one is refused or not answered.
    async fn write(self, name: String, acknowledged: &watch::Sender<usize>) -> Outcome {
        let mut outcome = Outcome::default();
        for n in 0.. {
            let title = format!("{name}-{n}");
            let answer = match self.create(&title).send().await {
                Ok(answer) if answer.status() == 201 => answer.json::<Value>().await,
                Ok(refusal) => {
                    outcome.refused.push((title, refusal));
                    break;
                }
                Err(error) => Err(error),
            };
            let Ok(task) = answer else {
                outcome.unanswered.push(title);
                break;
            };
            outcome.acknowledged.insert(title, task["id"].clone());
            acknowledged.send_modify(|count| *count += 1);
        }
        outcome
    }
}

/// Sixteen connections create tasks until each fails; `fault` is called when there are as many
/// acknowledged ones as given.
pub(crate) async fn write_until(
    user: &User,
    server: &Server,
    name: &str,
    count: usize,
    fault: impl FnOnce(),
) -> Outcome {
    let (acknowledged, mut watched) = watch::channel(0);
    let writers = (0..16).map(|writer| {
        let name = format!("{name}-{writer}");
        user.at(server).write(name, &acknowledged)
    });
    let fail = async {
        watched
            .wait_for(|acknowledged| *acknowledged >= count)
            .await
            .expect("the writers run");
        fault();
    };
    let (outcomes, ()) = tokio::join!(join_all(writers), fail);
    outcomes
        .into_iter()
        .fold(Outcome::default(), |mut all, each| {
            all.acknowledged.extend(each.acknowledged);
            all.refused.extend(each.refused);
            all.unanswered.extend(each.unanswered);
            all
        })
}

/// Compiles a C library of this folder, for `LD_PRELOAD`.
pub(crate) fn library(source: &str, folder: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/sqlite_faults")
        .join(source);
    let library = folder.join("preloaded.so");
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-Wall", "-Werror", "-o"])
        .args([&library, &source])
        .arg("-ldl")
        .output()
        .expect("this test needs a C compiler: cc");
    assert!(compiled.status.success(), "{compiled:?}");
    library
}
