//! The connection: one client for each environment or server, created at start, with time limits
//! that are shorter than a function's timeout. Every call is one command on one document or one
//! index, and none needs a transaction.

use std::future::Future;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mongodb::Database;
use mongodb::bson::doc;
use mongodb::error::{Error, ErrorKind, WriteFailure};
use mongodb::options::{
    Acknowledgment, ClientOptions, ConnectionString, ReadConcern, Tls, TlsOptions,
};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::config::{CA_FILE, DATABASE_URL, Environment, MongoUrl, SettingError, read_ca_file};
use crate::problem::StoreError;
use crate::telemetry;

/// The time limit of a call, including all waits: well below a function's timeout (10 seconds in
/// the template).
const OPERATION_TIMEOUT: Duration = Duration::from_secs(4);
/// How long a call waits for an available server, unless the URL says otherwise.
const SELECTION_TIMEOUT: Duration = Duration::from_secs(2);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Connections are closed after being idle for this long: the network may have dropped them.
const MAX_IDLE: Duration = Duration::from_secs(60);
/// The largest number of connections that a server keeps, unless the URL says otherwise. A Lambda
/// environment handles one request at a time.
const SERVER_POOL: u32 = 10;
const LAMBDA_POOL: u32 = 2;

/// Numbers the clients.
static CLIENTS: AtomicU64 = AtomicU64::new(0);

/// How to reach the database, and the open database.
pub struct Connection {
    string: ConnectionString,
    name: String,
    ca_file: Option<PathBuf>,
    pool: u32,
    #[cfg(feature = "mongodb-aws")]
    role: Option<RoleCredentials>,
    opened: Mutex<Option<Opened>>,
}

/// A client's database. The number tells clients apart when one is replaced.
#[derive(Clone)]
struct Opened {
    number: u64,
    database: Database,
}

/// The credentials of the function's role, which Lambda sets in the environment.
#[cfg(feature = "mongodb-aws")]
struct RoleCredentials {
    key: String,
    secret: String,
    token: Option<String>,
}

impl Connection {
    /// Creates a connection to the database of this URL. Sends nothing yet.
    ///
    /// # Errors
    /// The URL's options or the certificate file cannot be used.
    pub fn new(url: &MongoUrl, environment: Environment<'_>) -> Result<Self, SettingError> {
        if asks_for_role(url) && !cfg!(feature = "mongodb-aws") {
            let rule = "asks for MONGODB-AWS, which this binary was built without: build it with --features mongodb-aws";
            return Err(DATABASE_URL.error(rule));
        }
        let ca_file = environment.path(&CA_FILE)?;
        if let Some(path) = &ca_file {
            read_ca_file(path)?;
        }
        Ok(Self {
            string: ConnectionString::parse(url.expose()).map_err(|_| unusable_options(url))?,
            name: url.database().to_owned(),
            ca_file,
            pool: if environment.variable("AWS_LAMBDA_RUNTIME_API").is_some() {
                LAMBDA_POOL
            } else {
                SERVER_POOL
            },
            #[cfg(feature = "mongodb-aws")]
            role: environment
                .variable("AWS_ACCESS_KEY_ID")
                .zip(environment.variable("AWS_SECRET_ACCESS_KEY"))
                .map(|(key, secret)| RoleCredentials {
                    key,
                    secret,
                    token: environment.variable("AWS_SESSION_TOKEN"),
                }),
            opened: Mutex::new(None),
        })
    }

    /// Creates the client and opens its first connection. An unreachable database is not an error
    /// here: the first use will report it.
    ///
    /// # Errors
    /// The URL's options cannot be used.
    pub async fn warm_up(&self, url: &MongoUrl) -> Result<(), SettingError> {
        match self
            .call("ping", |database| async move {
                database.run_command(doc! {"ping": 1}).await
            })
            .await
        {
            Err(CallError::Driver(error))
                if matches!(*error.kind, ErrorKind::InvalidArgument { .. }) =>
            {
                Err(unusable_options(url))
            }
            Err(CallError::Driver(error))
                if matches!(*error.kind, ErrorKind::InvalidTlsConfig { .. }) =>
            {
                Err(CA_FILE.error("cannot be used, or a certificate file of DATABASE_URL cannot"))
            }
            _ => Ok(()),
        }
    }

    /// Makes a call, and records it and its duration.
    pub async fn call<T, F>(
        &self,
        operation: &'static str,
        send: impl FnOnce(Database) -> F,
    ) -> Result<T, CallError>
    where
        F: Future<Output = mongodb::error::Result<T>>,
    {
        self.call_within(OPERATION_TIMEOUT, operation, send).await
    }

    /// Makes a call with this time limit.
    pub async fn call_within<T, F>(
        &self,
        limit: Duration,
        operation: &'static str,
        send: impl FnOnce(Database) -> F,
    ) -> Result<T, CallError>
    where
        F: Future<Output = mongodb::error::Result<T>>,
    {
        let started = Instant::now();
        let mut number = None;
        let answer = timeout(limit, async {
            let opened = self.opened().await?;
            number = Some(opened.number);
            send(opened.database).await
        })
        .await;
        telemetry::note_store_call(operation, started.elapsed());
        match answer {
            Ok(answer) => answer.map_err(CallError::Driver),
            Err(_) => {
                self.give_up(number).await;
                Err(CallError::TimedOut)
            }
        }
    }

    async fn opened(&self) -> Result<Opened, Error> {
        let mut current = self.opened.lock().await;
        if let Some(opened) = &*current {
            return Ok(opened.clone());
        }
        let opened = Opened {
            number: CLIENTS.fetch_add(1, Ordering::Relaxed),
            database: self.open().await?,
        };
        Ok(current.insert(opened).clone())
    }

    /// Drops a client whose connections do not respond; the next call creates a new one. The driver
    /// waits without limit for the greeting on a new connection, and a few connections that never
    /// get it block every other call.
    async fn give_up(&self, number: Option<u64>) {
        let mut current = self.opened.lock().await;
        if current
            .as_ref()
            .is_some_and(|opened| Some(opened.number) == number)
        {
            *current = None;
        }
    }

    /// Creates the client. For mongodb+srv this queries DNS, so it may fail; the next call retries
    /// it.
    async fn open(&self) -> Result<Database, Error> {
        let mut options = ClientOptions::parse(self.string.clone()).await?;
        options
            .app_name
            .get_or_insert_with(|| "tasklane".to_owned());
        options
            .server_selection_timeout
            .get_or_insert(SELECTION_TIMEOUT);
        options.connect_timeout.get_or_insert(CONNECT_TIMEOUT);
        options.max_idle_time.get_or_insert(MAX_IDLE);
        options.max_pool_size.get_or_insert(self.pool);
        // Acknowledged writes survive the loss of a server, and so does the data that reads return.
        options
            .read_concern
            .get_or_insert_with(ReadConcern::majority);
        options
            .write_concern
            .get_or_insert_default()
            .w
            .get_or_insert(Acknowledgment::Majority);
        if let (Some(path), Some(Tls::Enabled(tls))) = (&self.ca_file, &mut options.tls) {
            let TlsOptions { ca_file_path, .. } = tls;
            ca_file_path.get_or_insert_with(|| path.clone());
        }
        #[cfg(feature = "mongodb-aws")]
        self.assume_role(&mut options);
        Ok(mongodb::Client::with_options(options)?.database(&self.name))
    }

    /// Gives the driver the credentials of the environment, so that it need not search for any.
    #[cfg(feature = "mongodb-aws")]
    fn assume_role(&self, options: &mut ClientOptions) {
        use mongodb::options::AuthMechanism;

        let Some(credential) = &mut options.credential else {
            return;
        };
        if credential.mechanism != Some(AuthMechanism::MongoDbAws) || credential.username.is_some()
        {
            return;
        }
        // Without them, as in a container, the driver asks the provider of credentials.
        let Some(role) = &self.role else { return };
        credential.username = Some(role.key.clone());
        credential.password = Some(role.secret.clone());
        credential.mechanism_properties = role
            .token
            .as_ref()
            .map(|token| doc! {"AWS_SESSION_TOKEN": token});
    }
}

/// Whether the URL asks for the role's credentials.
fn asks_for_role(url: &MongoUrl) -> bool {
    url.expose()
        .to_ascii_lowercase()
        .contains("authmechanism=mongodb-aws")
}

/// Which option of the URL the driver refuses, by its position: its text may be part of a password.
fn unusable_options(url: &MongoUrl) -> SettingError {
    let options = url
        .expose()
        .split_once('?')
        .map_or("", |(_, options)| options);
    let refused = |option: &str| match ConnectionString::parse(format!(
        "mongodb://ada:lovelace@localhost/?{option}"
    )) {
        Ok(_) => option.to_ascii_lowercase().starts_with("sockettimeoutms="),
        Err(_) => true,
    };
    let rule = match options.split('&').position(refused) {
        Some(at) if !options.is_empty() => format!(
            "has an option that cannot be used: number {} of those after the ?",
            at + 1
        ),
        _ => "has options that cannot be used together".to_owned(),
    };
    DATABASE_URL.error(rule)
}

/// Why a call failed.
#[derive(Debug)]
pub enum CallError {
    /// It timed out; it may have been executed.
    TimedOut,
    /// An error of the driver or the server.
    Driver(Error),
}

impl CallError {
    /// Whether the key already exists.
    pub fn is_duplicate(&self) -> bool {
        let Self::Driver(error) = self else {
            return false;
        };
        matches!(code(error), Some(11000 | 11001 | 12582))
    }
}

/// The store error of a call that failed unexpectedly.
pub fn failed(error: CallError) -> StoreError {
    let error = match error {
        CallError::TimedOut => return StoreError::Unavailable("no answer in time".into()),
        CallError::Driver(error) => error,
    };
    let cause = describe(&error);
    if is_temporary(&error) {
        StoreError::Unavailable(cause.into())
    } else {
        StoreError::Corrupt(cause.into())
    }
}

/// The error code, if the server sent the error.
fn code(error: &Error) -> Option<i32> {
    match &*error.kind {
        ErrorKind::Command(error) => Some(error.code),
        ErrorKind::Write(WriteFailure::WriteError(error)) => Some(error.code),
        ErrorKind::Write(WriteFailure::WriteConcernError(error)) => Some(error.code),
        _ => None,
    }
}

/// Whether the same call may succeed later.
fn is_temporary(error: &Error) -> bool {
    let by_kind = matches!(
        &*error.kind,
        ErrorKind::Io(_)
            | ErrorKind::ConnectionPoolCleared { .. }
            | ErrorKind::ServerSelection { .. }
            | ErrorKind::DnsResolve { .. }
            // The write was executed, but is not yet replicated as required.
            | ErrorKind::Write(WriteFailure::WriteConcernError(_))
    );
    let by_label = [
        "RetryableWriteError",
        "RetryableError",
        "SystemOverloadedError",
        "TransientTransactionError",
    ];
    by_kind
        || by_label.iter().any(|label| error.contains_label(label))
        || code(error).is_some_and(is_temporary_code)
}

/// Codes of servers that step down, start, stop, are slow or overloaded
/// (https://www.mongodb.com/docs/manual/reference/error-codes/).
fn is_temporary_code(code: i32) -> bool {
    const CODES: [i32; 24] = [
        6, 7, 24, 50, 64, 89, 91, 112, 134, 189, 202, 246, 262, 317, 358, 462, 9001, 10058, 10107,
        11600, 11602, 13435, 13436, 16500,
    ];
    CODES.contains(&code)
}

/// The error for the log, without documents or commands, which servers like to quote.
fn describe(error: &Error) -> String {
    let before_quotes = |message: &str| {
        message
            .split(['{', '"'])
            .next()
            .unwrap_or_default()
            .trim_end()
            .to_owned()
    };
    match &*error.kind {
        ErrorKind::Command(error) => format!(
            "error {} {}: {}",
            error.code,
            error.code_name,
            before_quotes(&error.message)
        ),
        ErrorKind::Write(WriteFailure::WriteError(error)) => format!(
            "write error {}: {}",
            error.code,
            before_quotes(&error.message)
        ),
        ErrorKind::Write(WriteFailure::WriteConcernError(error)) => {
            format!(
                "write concern error {}: {}",
                error.code,
                before_quotes(&error.message)
            )
        }
        ErrorKind::Bson(_) => "the answer could not be read".to_owned(),
        kind => kind.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use mongodb::bson::{Document, deserialize_from_document};

    use super::*;
    use crate::config::DatabaseUrl;

    fn connect(url: &str) -> Result<Connection, String> {
        let DatabaseUrl::MongoDb(address) = url.parse()? else {
            return Err("not a MongoDB URL".to_owned());
        };
        let environment = Environment::new(&|_| None);
        Connection::new(&address, environment).map_err(|error| error.to_string())
    }

    fn refusal(answer: Document) -> Error {
        ErrorKind::Command(deserialize_from_document(answer).expect("an error")).into()
    }

    #[test]
    fn an_invalid_option_is_reported_by_position_and_not_quoted() {
        for (options, rule) in [
            ("w=majority&s3cret", "number 2"),
            ("s3cret=yes", "number 1"),
            ("w=majority&tls=s3cret", "number 2"),
            ("tls=true&tls=s3cret", "number 2"),
        ] {
            let error = connect(&format!("mongodb://ada:s3cret@db/lane?{options}"))
                .err()
                .expect(options);

            assert!(
                error.starts_with("DATABASE_URL")
                    && error.contains(rule)
                    && !error.contains("s3cret"),
                "{error}"
            );
        }
    }

    #[cfg(not(feature = "mongodb-aws"))]
    #[test]
    fn a_binary_without_assume_role_support_reports_it() {
        let error = connect("mongodb+srv://db.example.net/?authMechanism=MONGODB-AWS")
            .err()
            .expect("refused");

        assert!(error.contains("--features mongodb-aws"), "{error}");
    }

    #[test]
    fn text_that_a_server_quotes_is_not_logged() {
        let message = "not authorized on lane to execute command { insert: \"users\", password_hash: \"s3cret\" }";
        let refused = refusal(doc! {"code": 13, "codeName": "Unauthorized", "errmsg": message});

        assert_eq!(
            failed(CallError::Driver(refused)).to_string(),
            "the stored data is not valid: error 13 Unauthorized: not authorized on lane to execute command"
        );
    }

    #[test]
    fn a_server_that_steps_down_or_has_too_much_to_do_is_unavailable() {
        for code in [91, 112, 189, 10107, 11600, 13435] {
            let refused =
                CallError::Driver(refusal(doc! {"code": code, "codeName": "", "errmsg": ""}));

            assert!(
                matches!(failed(refused), StoreError::Unavailable(_)),
                "{code}"
            );
        }

        assert!(matches!(
            failed(CallError::TimedOut),
            StoreError::Unavailable(_)
        ));

        let duplicate = CallError::Driver(refusal(
            doc! {"code": 11000, "codeName": "DuplicateKey", "errmsg": ""},
        ));
        assert!(duplicate.is_duplicate() && !CallError::TimedOut.is_duplicate());
    }
}
