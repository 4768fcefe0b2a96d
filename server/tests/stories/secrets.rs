//! Collects everything that the stories log, and everything that must not be logged.

use std::io::Write;
use std::sync::{Mutex, Once};

use common::telemetry::{self, Format, Level};
use serde_json::Value;

/// The members whose values must not be logged: secrets and personal data.
const SECRET: [&str; 6] = [
    "email",
    "password",
    "current_password",
    "new_password",
    "access_token",
    "refresh_token",
];

static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Log;

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        LOG.lock().expect("the log").extend_from_slice(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The log of all stories so far.
pub(crate) fn log() -> String {
    String::from_utf8(LOG.lock().expect("the log").clone()).expect("UTF-8")
}

/// The secrets that the client of one story has sent and received. Checks at the end of the story
/// that none of them was logged.
pub(crate) struct Secrets(Mutex<Vec<String>>);

impl Secrets {
    /// Starts to watch: from now on everything that is logged is kept, at every level.
    pub(crate) fn watch() -> Self {
        static INIT: Once = Once::new();
        INIT.call_once(|| telemetry::init(Level::Debug, Format::Json, Box::new(Log)));
        Self(Mutex::new(Vec::new()))
    }

    pub(crate) fn note_request(&self, request: &reqwest::Request) {
        if let Some(token) = request
            .headers()
            .get("authorization")
            .and_then(|value| value.to_str().ok()?.split_once(' '))
        {
            self.add(token.1);
        }
        if let Some(body) = request
            .body()
            .and_then(|body| serde_json::from_slice(body.as_bytes()?).ok())
        {
            self.note(&body);
        }
    }

    pub(crate) fn note(&self, body: &Value) {
        for secret in SECRET.iter().filter_map(|name| body.get(name)?.as_str()) {
            self.add(secret);
        }
    }

    fn add(&self, secret: &str) {
        // Shorter values, which are refused anyway, would be found in any text.
        if secret.len() >= 8 {
            self.0.lock().expect("the secrets").push(secret.to_owned());
        }
    }
}

impl Drop for Secrets {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let log = log();
        for secret in self.0.get_mut().expect("the secrets") {
            assert!(
                !log.contains(secret.as_str()),
                "a secret was logged: {secret}"
            );
        }
    }
}
