//! A server and a client whose verbs keep each story to its intent.

use std::net::SocketAddr;

use common::app::App;
use common::auth::SigningKeys;
use common::config::Settings;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use server::embedded::Engine;
use server::router::{Surroundings, router};
use server::start::embedded_stores;

pub(crate) const PASSWORD: &str = "a lane of tasks";

/// A server that forgets everything when the story is over.
pub(crate) struct Server {
    pub(crate) url: String,
    /// What the server signs with.
    pub(crate) keys: SigningKeys,
    http: reqwest::Client,
}

/// An answer: its status and its JSON body, null when it has none.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

/// Somebody who is logged in.
pub(crate) struct Person<'s> {
    server: &'s Server,
    pub(crate) tokens: Value,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let keys = SigningKeys::generate("story").expect("keys");
        let environment = |name: &str| match name {
            "DATABASE_URL" => Some("dynamodb://".to_owned()),
            "TASKLANE_SIGNING_KEYS" => Some(keys.to_json()),
            "TASKLANE_PUBLIC_KEYS" => serde_json::to_string(&keys.public()).ok(),
            _ => None,
        };
        let settings = Settings::read(&environment, &|_| true).expect("settings");
        let engine = Engine::in_memory().expect("an engine");
        let stores = embedded_stores(&engine, &settings).await.expect("tables");
        let app = App::new(&settings, stores).expect("an app");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let service = router(&app, &Surroundings::default()).into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        Self { url, keys, http: reqwest::Client::new() }
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Answer {
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        Answer::read(request.send().await.expect("an answer")).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, None, &[], Some(body)).await
    }

    pub(crate) async fn register(&self, email: &str) -> Person<'_> {
        let answer = self.post("/v1/auth/register", json!({"email": email, "password": PASSWORD})).await;
        assert_eq!(answer.status, 201, "{:?}", answer.body);
        Person { server: self, tokens: answer.body }
    }

    pub(crate) async fn refresh(&self, refresh_token: &str) -> Answer {
        self.post("/v1/auth/refresh", json!({"refresh_token": refresh_token})).await
    }
}

impl Answer {
    async fn read(response: Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.expect("a body");
        let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).expect("JSON") };
        Self { status, headers, body }
    }
}

impl Person<'_> {
    pub(crate) fn refresh_token(&self) -> &str {
        self.tokens["refresh_token"].as_str().expect("a refresh token")
    }

    pub(crate) async fn call(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Option<Value>) -> Answer {
        let token = self.tokens["access_token"].as_str().expect("an access token");
        self.server.send(method, path, Some(token), headers, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, &[], None).await
    }

    pub(crate) async fn create_task(&self, draft: Value) -> Value {
        let answer = self.call(Method::POST, "/v1/tasks", &[], Some(draft)).await;
        assert_eq!(answer.status, 201, "{:?}", answer.body);
        answer.body
    }
}
