//! Makes the app of a function from its environment, before the first event: while Lambda gives a
//! whole processor.
//!
//! Two settings may say where their value is in place of holding it, because it is a secret: the
//! signing keys, which are in a table of their own, and a MongoDB URL with a password, which is in
//! Secrets Manager.

use futures_util::future::{OptionFuture, join3};

use crate::app::App;
use crate::auth::SigningKeys;
use crate::aws::{Aws, CallError, KeyTable};
use crate::config::{DatabaseUrl, SettingError, Settings};
use crate::http::{Endpoint, Part};
use crate::problem::Problem;
use crate::store::Stores;
use crate::telemetry::{self, Format};

const SIGNING_KEYS: &str = "TASKLANE_SIGNING_KEYS";
/// In front of the name of an item in the table of signing keys.
const IN_TABLE: &str = "dynamodb:";
const DATABASE_URL: &str = "DATABASE_URL";
/// In front of the ARN of a secret.
const IN_SECRET: &str = "secretsmanager:";

type Environment<'e> = &'e dyn Fn(&str) -> Option<String>;

/// Why there is no app.
pub(super) enum StartError {
    /// Permanent until the settings are fixed.
    Setting(SettingError),
    /// What a setting refers to cannot be read or used; the next request may find it otherwise.
    Referred(&'static str, Referred),
}

/// What is wrong with a value that is kept elsewhere.
#[derive(Debug, thiserror::Error)]
pub(super) enum Referred {
    #[error(transparent)]
    Unread(CallError),
    #[error("there is nothing of this name")]
    Missing,
    #[error("{0}")]
    Unusable(String),
}

impl StartError {
    pub(super) fn log(&self, endpoint: &Endpoint) {
        let (event, cause) = match self {
            Self::Setting(error) => ("bad_setting", error.to_string()),
            Self::Referred(SIGNING_KEYS, error) => {
                ("no_signing_keys", format!("{SIGNING_KEYS}: {error}"))
            }
            Self::Referred(setting, error) => ("no_database_url", format!("{setting}: {error}")),
        };
        tracing::error!(function = endpoint.name, cause, "{event}");
    }
}

impl From<SettingError> for StartError {
    fn from(error: SettingError) -> Self {
        Self::Setting(error)
    }
}

impl From<&StartError> for Problem {
    fn from(error: &StartError) -> Self {
        match error {
            StartError::Setting(error) => Self::internal(error.to_string()),
            StartError::Referred(_, Referred::Unread(error @ CallError::Unavailable(..))) => {
                Self::unavailable(error.to_string())
            }
            StartError::Referred(_, error) => Self::internal(error.to_string()),
        }
    }
}

/// Reads the settings, creates the parts that the endpoint uses, and opens the connection to its
/// store.
pub(super) async fn start(
    endpoint: &Endpoint,
    environment: Environment<'_>,
) -> Result<App, StartError> {
    let stored = endpoint.needs(Part::Users) || endpoint.needs(Part::Tasks);
    let given = |name, is_needed: bool| {
        environment(name)
            .filter(|_| is_needed)
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    let (url, keys) = (
        given(DATABASE_URL, stored),
        given(SIGNING_KEYS, endpoint.needs(Part::SigningKeys)),
    );
    let (in_secret, in_table) = (url.strip_prefix(IN_SECRET), keys.strip_prefix(IN_TABLE));
    let is_here = |part| match part {
        Part::Users | Part::Tasks => in_secret.is_none(),
        Part::SigningKeys => in_table.is_none(),
        Part::PublicKeys => true,
    };
    let mut settings = Settings::read(environment, &|part| endpoint.needs(part) && is_here(part))?;
    telemetry::init(
        settings.log_level,
        Format::Json,
        Box::new(std::io::stdout()),
    );
    telemetry::count_in(&settings.metrics_namespace);
    telemetry::log_panics();

    let in_region = stored && in_secret.is_none() && settings.database == DatabaseUrl::DynamoDb;
    if !in_region && in_secret.is_none() && in_table.is_none() {
        let stores = Stores::connect(&settings, environment, &|part| endpoint.needs(part)).await?;
        return Ok(App::new(&settings, stores)?);
    }
    let reaching = if in_region {
        Aws::reach_dynamodb(environment).await
    } else {
        None
    };
    let reason = if in_region || in_secret.is_some() {
        DATABASE_URL
    } else {
        SIGNING_KEYS
    };
    let aws = Aws::connect(environment, settings.ca_file.as_deref(), reason).await?;
    // One TLS handshake serves the keys now and the store later. While DynamoDB works on it, the
    // request for the keys is signed and the store's client is created.
    let handshake = OptionFuture::from(match reaching {
        Some(reaching) => Some(aws.warm_up(reaching).await),
        None => None,
    });
    let reading = read_keys(&aws, &settings.keys_table, in_table);
    let connecting = connect(endpoint, environment, &aws, &settings, in_secret);
    let (_, keys, stores) = join3(handshake, reading, connecting).await;
    let (keys, stores) = (keys?, stores?);
    if keys.is_some() {
        settings.signing_keys = keys;
    }
    Ok(App::new(&settings, stores)?)
}

/// The stores of the endpoint, over these connections where their database is the region's
/// DynamoDB.
async fn connect(
    endpoint: &Endpoint,
    environment: Environment<'_>,
    aws: &Aws,
    settings: &Settings,
    secret: Option<&str>,
) -> Result<Stores, StartError> {
    let needs = |part| endpoint.needs(part);
    let Some(arn) = secret else {
        return Ok(Stores::connect_over(aws, settings, environment, &needs).await?);
    };
    let database = read_url(aws, arn)
        .await
        .map_err(|error| StartError::Referred(DATABASE_URL, error))?;
    let settings = Settings {
        database,
        ..settings.clone()
    };
    Ok(Stores::connect(&settings, environment, &needs).await?)
}

/// Reads the URL from this secret. An invalid one is read again at the next request: it may be fixed
/// by then.
async fn read_url(aws: &Aws, arn: &str) -> Result<DatabaseUrl, Referred> {
    let url = aws.secret(arn).await.map_err(Referred::Unread)?;
    match url.trim().parse() {
        Ok(url @ DatabaseUrl::MongoDb(_)) => Ok(url),
        Ok(_) => Err(Referred::Unusable(
            "the secret must hold a MongoDB URL".to_owned(),
        )),
        Err(rule) => Err(Referred::Unusable(format!("what the secret holds {rule}"))),
    }
}

/// Reads the signing keys of this name from their table. Invalid keys are a permanent error: an
/// item is written once.
async fn read_keys(
    aws: &Aws,
    table: &str,
    name: Option<&str>,
) -> Result<Option<SigningKeys>, StartError> {
    let Some(name) = name else { return Ok(None) };
    let keys = KeyTable::new(aws.clone(), table.to_owned())
        .get(name)
        .await
        .map_err(Referred::Unread);
    let keys = keys
        .and_then(|keys| keys.ok_or(Referred::Missing))
        .map_err(|error| StartError::Referred(SIGNING_KEYS, error))?;
    let parsed = SigningKeys::parse(keys.trim())
        .map_err(|error| SettingError::new(SIGNING_KEYS, error.to_string()))?;
    Ok(Some(parsed))
}

#[cfg(all(test, feature = "mongodb"))]
mod tests {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpListener;
    use std::thread::JoinHandle;

    use http::StatusCode;

    use super::*;
    use crate::app::Tasks;
    use crate::http::Use;
    use crate::http::{NoContent, RequestLine, handler};

    const ENDPOINT: Endpoint = Endpoint::get("test", "/test", &handler(nothing));
    const ARN: &str =
        "arn:aws:secretsmanager:eu-central-1:123456789012:secret:tasklane/database-Ab12Cd";

    async fn nothing(Use(_): Use<Tasks>, _: RequestLine) -> Result<NoContent, Problem> {
        Ok(NoContent)
    }

    /// Answers one call as Secrets Manager would, and returns the request.
    fn secrets_manager(status: u16, answer: &'static str) -> (String, JoinHandle<String>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let answering = std::thread::spawn(move || {
            let mut stream = BufReader::new(listener.accept().expect("a connection").0);
            let (mut head, mut length) = (String::new(), 0);
            while stream.read_line(&mut head).expect("a line") > 2 {
                let line = head.lines().last().unwrap_or_default().to_lowercase();
                length = line
                    .strip_prefix("content-length:")
                    .map_or(length, |value| value.trim().parse().expect("a length"));
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).expect("a body");
            let text = format!(
                "HTTP/1.1 {status} -\r\ncontent-length: {}\r\n\r\n{answer}",
                answer.len()
            );
            stream
                .get_mut()
                .write_all(text.as_bytes())
                .expect("answered");
            head + &String::from_utf8(body).expect("text")
        });
        (url, answering)
    }

    async fn start_with(secrets_manager: &str) -> Result<App, StartError> {
        let environment = |name: &str| match name {
            "DATABASE_URL" => Some(format!("secretsmanager:{ARN}")),
            "AWS_ENDPOINT_URL_SECRETS_MANAGER" => Some(secrets_manager.to_owned()),
            "AWS_REGION" => Some("eu-central-1".to_owned()),
            "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("local".to_owned()),
            _ => None,
        };
        start(&ENDPOINT, &environment).await
    }

    #[tokio::test]
    async fn a_database_url_is_read_from_the_secret_that_the_setting_names() {
        // Nothing listens there: whether the database answers is found out by using it.
        let answer = r#"{"SecretString": "mongodb://ada:s3cret@127.0.0.1:1/lane?serverSelectionTimeoutMS=1"}"#;
        let (url, asked) = secrets_manager(200, answer);

        let app = start_with(&url).await.unwrap_or_else(|_| panic!("no app"));

        assert!(app.tasks().is_ok());
        let asked = asked.join().expect("asked");
        assert!(
            asked.contains("secretsmanager.GetSecretValue")
                && asked.ends_with(&format!("{{\"SecretId\":\"{ARN}\"}}")),
            "{asked}"
        );
        assert!(
            asked.contains("/eu-central-1/secretsmanager/aws4_request"),
            "{asked}"
        );
    }

    #[tokio::test]
    async fn a_secret_that_is_of_no_use_is_a_500_that_may_be_mended_and_quotes_nothing() {
        for (status, answer) in [
            (
                400,
                r#"{"__type": "AccessDeniedException", "Message": "s3cret"}"#,
            ),
            (
                400,
                r#"{"__type": "ResourceNotFoundException", "Message": "s3cret"}"#,
            ),
            (200, r#"{"SecretString": "postgres://root:s3cret@db"}"#),
            (200, r#"{"SecretString": "dynamodb://"}"#),
            (200, r#"{"SecretBinary": "s3cret"}"#),
        ] {
            let (url, _) = secrets_manager(status, answer);
            let Err(error @ StartError::Referred(DATABASE_URL, _)) = start_with(&url).await else {
                panic!("{answer}")
            };
            let problem = Problem::from(&error);
            assert_eq!(
                problem.status(),
                StatusCode::INTERNAL_SERVER_ERROR,
                "{answer}"
            );
            assert!(
                !problem.cause_chain().expect("a cause").contains("s3cret"),
                "{answer}"
            );
        }
    }

    #[tokio::test]
    async fn a_secret_out_of_reach_is_a_503() {
        let Err(error) = start_with("http://127.0.0.1:1").await else {
            panic!("started")
        };
        assert_eq!(
            Problem::from(&error).status(),
            StatusCode::SERVICE_UNAVAILABLE
        );
    }
}
