//! A server, and a client whose methods keep the stories short.

use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use common::auth::SigningKeys;
use common::config::Environment;
use common::part::Starter;
use common::storage;
use common::time::{Clock, SystemClock, Timestamp};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use server::engine::Engine;
use server::network_options::NetworkOptions;
use server::{connections, router};

use crate::secrets::Secrets;
use crate::{calls, documented};

pub(crate) const PASSWORD: &str = "a lane of tasks";

/// An API, and the usual requests to it.
pub(crate) struct Api {
    pub(crate) url: String,
    http: reqwest::Client,
    secrets: Secrets,
}

/// A server without persistent data. At the end of the story, its log is checked for secrets.
pub(crate) struct Server {
    api: Api,
    /// The signing keys of the server.
    pub(crate) keys: SigningKeys,
    clock: Arc<MovableClock>,
}

impl Deref for Server {
    type Target = Api;

    fn deref(&self) -> &Api {
        &self.api
    }
}

/// The system clock plus an offset that a story sets.
#[derive(Default)]
struct MovableClock(AtomicI64);

impl Clock for MovableClock {
    fn now(&self) -> Timestamp {
        let ahead = u64::try_from(self.0.load(Ordering::SeqCst)).expect("only put forward");
        SystemClock.now().plus(Duration::from_millis(ahead))
    }
}

/// A response: its status, headers and JSON body; the body is null if it is empty.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

/// A user who is logged in.
pub(crate) struct Person<'s> {
    api: &'s Api,
    pub(crate) tokens: Value,
}

/// A database for one story, if `TEST_MONGODB_URL` is set to a server such as
/// `mongodb://127.0.0.1:27017`.
fn database_of_its_own(folder: &Path) -> String {
    if std::env::var_os("TEST_DYNAMODB_ENGINE").is_some() {
        return ENGINE.to_owned();
    }
    match std::env::var("TEST_MONGODB_URL") {
        Ok(server) => format!(
            "{}/story-{}",
            server.trim_end_matches('/'),
            uuid::Uuid::new_v4().simple()
        ),
        Err(_) => format!("sqlite://{}", folder.join("tasklane.db").display()),
    }
}

/// The URL of the DynamoDB engine in memory.
const ENGINE: &str = "dynamodb://";

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts a server with these settings. Unless they name a database, it gets its own: on the
    /// server of `TEST_MONGODB_URL` if that is set, on the DynamoDB engine if `TEST_DYNAMODB_ENGINE`
    /// is set, or else on SQLite.
    pub(crate) async fn start_with(settings: &[(&str, &str)]) -> Self {
        Self::start_in(settings, &NetworkOptions::default()).await
    }

    /// Starts a server that trusts its clients as proxies, so that they can choose the source of a
    /// request.
    pub(crate) async fn behind_a_proxy(settings: &[(&str, &str)]) -> Self {
        let proxies = "127.0.0.0/8".parse().expect("a network");
        Self::start_in(
            settings,
            &NetworkOptions {
                proxies,
                ..NetworkOptions::default()
            },
        )
        .await
    }

    pub(crate) async fn start_in(given: &[(&str, &str)], network_options: &NetworkOptions) -> Self {
        let secrets = Secrets::watch();
        let keys = SigningKeys::generate("story").expect("keys");
        let folder = tempfile::tempdir().expect("a folder");
        let own = database_of_its_own(folder.path());
        let variable = |name: &str| match (given.iter().find(|(given, _)| *given == name), name) {
            (Some((_, value)), _) => Some((*value).to_owned()),
            (None, "DATABASE_URL") => Some(own.clone()),
            (None, "TASKLANE_SIGNING_KEYS") => Some(keys.to_json()),
            (None, "TASKLANE_PUBLIC_KEYS") => serde_json::to_string(&keys.public()).ok(),
            _ => None,
        };
        let environment = Environment::new(&variable);
        let clock = Arc::new(MovableClock::default());
        let starter = Starter::new(environment).with(clock.clone() as Arc<dyn Clock>);
        let url = variable("DATABASE_URL");
        let starter = if url.as_deref() == Some(ENGINE) {
            let engine = Engine::in_memory().expect("an engine");
            starter.with(calls::recorded_database(&engine, environment).await)
        } else {
            starter
        };
        if url.as_ref() == Some(&own) && url.as_deref() != Some(ENGINE) {
            let database = starter.part().await.expect("a database");
            storage::migrate(&database, &server::storages(), environment, &mut |_| {})
                .await
                .expect("the database answers");
        }
        let router = router::start(starter, network_options)
            .await
            .expect("a router");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let network_options = network_options.clone();
        tokio::spawn(async move {
            connections::serve(
                listener,
                router,
                &network_options.connections,
                &network_options.proxies,
                std::future::pending(),
            )
            .await;
            drop(folder);
        });
        Self {
            api: Api::at(url, secrets),
            keys,
            clock,
        }
    }

    pub(crate) fn wait(&self, time: Duration) {
        self.clock.0.fetch_add(
            i64::try_from(time.as_millis()).expect("a while"),
            Ordering::SeqCst,
        );
    }
}

impl Api {
    /// The API at `TEST_API_URL`, such as `http://127.0.0.1:3000`, or else a new server for this
    /// story.
    pub(crate) async fn anywhere() -> Self {
        let Ok(url) = std::env::var("TEST_API_URL") else {
            return Server::start().await.api;
        };
        let api = Self::at(url.trim_end_matches('/').to_owned(), Secrets::watch());
        let health = api.request(Method::GET, "/v1/health").send().await;
        assert!(
            health.is_ok(),
            "TEST_API_URL is {url}, and no API answers there: {health:?}"
        );
        api
    }

    fn at(url: String, secrets: Secrets) -> Self {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("a client");
        Self { url, http, secrets }
    }

    /// A request without headers or a body.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    /// Sends a request, and checks that the API document describes the response.
    pub(crate) async fn answer(&self, request: RequestBuilder) -> Answer {
        let request = request.build().expect("a request");
        self.secrets.note_request(&request);
        let method = request.method().clone();
        let path = request.url().path().to_owned();
        let response = self.http.execute(request).await.expect("an answer");
        let status = response.status();
        let headers = response.headers().clone();
        let text = response.text().await.expect("a body");
        let is_json = headers
            .get("content-type")
            .is_some_and(|kind| kind.as_bytes().ends_with(b"json"));
        let body = if is_json && !text.is_empty() {
            serde_json::from_str(&text).expect("JSON")
        } else {
            Value::Null
        };
        self.secrets.note(&body);
        let answer = Answer {
            status,
            headers,
            body,
        };
        documented::check(&method, &path, &answer);
        answer
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Answer {
        let mut request = self.request(method, path);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        self.answer(request).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None, &[], None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, None, &[], Some(body)).await
    }

    pub(crate) async fn register(&self, email: &str) -> Person<'_> {
        let answer = self
            .post(
                "/v1/auth/register",
                json!({"email": email, "password": PASSWORD}),
            )
            .await;
        assert_eq!(answer.status, 201, "{:?}", answer.body);
        Person {
            api: self,
            tokens: answer.body,
        }
    }

    /// Tries to log in.
    pub(crate) async fn try_log_in(&self, email: &str, password: &str) -> Answer {
        self.post(
            "/v1/auth/login",
            json!({"email": email, "password": password}),
        )
        .await
    }

    /// Tries to log in from this source, to a server behind a proxy.
    pub(crate) async fn try_log_in_from(
        &self,
        source: &str,
        email: &str,
        password: &str,
    ) -> Answer {
        let credentials = json!({"email": email, "password": password});
        self.send(
            Method::POST,
            "/v1/auth/login",
            None,
            &[("x-forwarded-for", source)],
            Some(credentials),
        )
        .await
    }

    pub(crate) async fn log_in(&self, email: &str) -> Person<'_> {
        let answer = self.try_log_in(email, PASSWORD).await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        Person {
            api: self,
            tokens: answer.body,
        }
    }

    pub(crate) async fn refresh(&self, refresh_token: &str) -> Answer {
        self.post("/v1/auth/refresh", json!({"refresh_token": refresh_token}))
            .await
    }
}

impl Answer {
    /// A header's value as text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .get(name)
            .map(|value| value.to_str().expect("a text"))
    }

    /// The locations that a problem names, in order: `/title`, `?limit`, `if-match:`.
    pub(crate) fn faults(&self) -> Vec<String> {
        let place = |error: &Value| match error.as_object().expect("an error") {
            error if error.contains_key("pointer") => {
                error["pointer"].as_str().expect("a pointer").to_owned()
            }
            error if error.contains_key("parameter") => {
                format!("?{}", error["parameter"].as_str().expect("a name"))
            }
            error => format!("{}:", error["header"].as_str().expect("a name")),
        };
        let mut places: Vec<_> = self.body["errors"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default()
            .iter()
            .map(place)
            .collect();
        places.sort();
        places
    }

    /// One field of each item of a list.
    pub(crate) fn items(&self, field: &str) -> Vec<&Value> {
        self.body["items"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|item| &item[field])
            .collect()
    }
}

impl Person<'_> {
    pub(crate) fn access_token(&self) -> &str {
        self.tokens["access_token"]
            .as_str()
            .expect("an access token")
    }

    pub(crate) fn refresh_token(&self) -> &str {
        self.tokens["refresh_token"]
            .as_str()
            .expect("a refresh token")
    }

    /// Changes the password, and takes the new tokens from the response.
    pub(crate) async fn change_password(&mut self, from: &str, to: &str) {
        let answer = self
            .post(
                "/v1/me/password",
                json!({"current_password": from, "new_password": to}),
            )
            .await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        self.tokens = answer.body;
    }

    pub(crate) async fn refresh(&mut self) {
        let answer = self.api.refresh(self.refresh_token()).await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        self.tokens = answer.body;
    }

    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Answer {
        self.api
            .send(method, path, Some(self.access_token()), headers, body)
            .await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, &[], None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, &[], Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.call(Method::PATCH, path, &[], Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path, &[], None).await
    }

    pub(crate) async fn create_task(&self, draft: Value) -> Value {
        let answer = self.post("/v1/tasks", draft).await;
        assert_eq!(answer.status, 201, "{:?}", answer.body);
        answer.body
    }

    /// Reads a whole list page by page, and returns the titles.
    pub(crate) async fn titles(&self, query: &str) -> Vec<String> {
        let mut titles = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.get(&format!("/v1/tasks?{query}{cursor}")).await;
            assert_eq!(page.status, 200, "{:?}", page.body);
            titles.extend(
                page.items("title")
                    .into_iter()
                    .map(|title| title.as_str().expect("a title").to_owned()),
            );
            let Some(next) = page.body["next_cursor"].as_str() else {
                return titles;
            };
            cursor = format!("&cursor={next}");
        }
    }
}
