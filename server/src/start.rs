//! Starts and stops the server.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{anyhow, bail};
use common::auth::{SessionLifetimes, SigningKeys};
use common::config::{DATABASE_URL, DatabaseUrl, Environment, SIGNING_KEYS};
use common::database::Database;
use common::part::Starter;
use common::sqlite::{self, Sqlite};
use common::storage;
use common::storage::copy::Side;
use common::telemetry::{self, Format};
use common::time::{Clock, SystemClock};
use tokio::net::TcpListener;

use crate::engine::Engine;
use crate::network_options::NetworkOptions;
use crate::{SERVICES, connections, keys, private, router, storages};

/// How long requests in progress may take after the stop signal.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often expired rows are deleted from an SQLite file.
const SWEEP: Duration = Duration::from_secs(60);

/// The setup of the server and its commands: the environment, and the contents of the data folder
/// for settings that are missing there.
pub struct Setup<'e> {
    environment: Environment<'e>,
    keys: SigningKeys,
    /// The SQLite file: in the data folder, unless `DATABASE_URL` names a database.
    file: Option<PathBuf>,
    /// Whether the file is created by this start.
    is_new: bool,
    /// Whether the file is in the data folder, which only this machine reaches.
    pub is_local: bool,
}

impl<'e> Setup<'e> {
    /// Reads every setting, then creates the data folder and the file if the environment needs
    /// them.
    ///
    /// # Errors
    /// One line: what cannot be used, and why.
    pub async fn new(folder: &Path, environment: Environment<'e>) -> anyhow::Result<Self> {
        let sessions = SessionLifetimes::read(environment)?.absolute;
        let keys = match environment.variable(SIGNING_KEYS.name) {
            Some(_) => environment.parse(&SIGNING_KEYS, SigningKeys::parse)?,
            None => keys::load_or_create(folder, sessions)?,
        };
        let is_local = environment.variable(DATABASE_URL.name).is_none();
        let file = file_of(folder, environment)?;
        let setup = Self {
            environment,
            keys,
            is_new: file.as_ref().is_none_or(|file| !file.exists()),
            file,
            is_local,
        };
        if let Some(file) = &setup.file {
            setup.check_settings().await?;
            if is_local {
                private::create_folder(folder)?;
            }
            if Engine::owns(file) {
                bail!(
                    "{} was written by an earlier version; rename it, and copy it once: tasklane copy --from embedded:NEW_NAME --to sqlite://{0}",
                    file.display()
                );
            }
        }
        Ok(setup)
    }

    /// Starts every endpoint on a temporary database, so that an invalid setting is found before
    /// anything is written.
    async fn check_settings(&self) -> anyhow::Result<()> {
        let variable = |name: &str| self.variable(name);
        let environment = Environment::new(&variable);
        environment.log_level()?;
        let temporary = Database::Sqlite(Arc::new(Sqlite::in_memory()?));
        let starter = Starter::new(environment).with(temporary);
        for endpoint in SERVICES.iter().flat_map(|service| service.endpoints) {
            endpoint.start(&starter).await?;
        }
        Ok(())
    }

    /// A variable of the environment, or its replacement from the data folder.
    pub fn variable(&self, name: &str) -> Option<String> {
        self.environment.variable(name).or_else(|| match name {
            "DATABASE_URL" => Some(format!("sqlite://{}", self.file.as_ref()?.display())),
            "TASKLANE_SIGNING_KEYS" => Some(self.keys.to_json()),
            "TASKLANE_PUBLIC_KEYS" => serde_json::to_string(&self.keys.public()).ok(),
            _ => None,
        })
    }

    /// The starter of parts in this environment, which must be the one of [`Self::variable`].
    /// Ensures that the database has its tables and indexes; those of an SQLite file are brought
    /// up to date.
    ///
    /// # Errors
    /// One line: what cannot be used, and why.
    pub async fn starter<'s>(&self, environment: Environment<'s>) -> anyhow::Result<Starter<'s>> {
        let format = if std::io::stdout().is_terminal() {
            Format::Text
        } else {
            Format::Json
        };
        telemetry::init(
            environment.log_level()?,
            format,
            Box::new(std::io::stdout()),
        );
        let starter = Starter::new(environment);
        let database: Database = starter.part().await?;
        let ready = if let Database::Sqlite(_) = database {
            let mut tell = |line: &str| {
                if !self.is_new {
                    eprintln!("tasklane: {line}");
                }
            };
            storage::migrate(&database, &storages(), environment, &mut tell).await
        } else {
            storage::check(&database, &storages()).await
        };
        ready.map_err(anyhow::Error::msg)?;
        Ok(starter)
    }

    /// All data in the database.
    ///
    /// # Errors
    /// A setting cannot be used.
    pub async fn everything(&self, starter: &Starter<'_>) -> anyhow::Result<Side> {
        let (database, environment) = (starter.part().await?, starter.environment);
        Ok(Side::of_settings(&database, &storages(), environment)?)
    }
}

/// The SQLite file of `DATABASE_URL`, or the one in the data folder if there is no `DATABASE_URL`.
/// `None` if it names another database.
///
/// # Errors
/// `DATABASE_URL` cannot be used.
pub fn file_of(folder: &Path, environment: Environment<'_>) -> anyhow::Result<Option<PathBuf>> {
    if environment.variable(DATABASE_URL.name).is_none() {
        return Ok(Some(folder.join("tasklane.db")));
    }
    Ok(match environment.get(&DATABASE_URL)? {
        DatabaseUrl::Sqlite(file) => Some(file),
        DatabaseUrl::DynamoDb | DatabaseUrl::DynamoDbAt(_) | DatabaseUrl::MongoDb(_) => None,
    })
}

/// Creates the tables of these settings on an engine.
///
/// # Errors
/// A table's name cannot be used, or the engine refuses.
pub async fn create_tables(
    database: &Database,
    environment: Environment<'_>,
) -> anyhow::Result<()> {
    for service in storages() {
        storage::create_tables(database, &[service.table(environment)?]).await?;
    }
    Ok(())
}

/// Creates what the database of `DATABASE_URL` needs, and prints what was created.
///
/// # Errors
/// One line: what cannot be done, and why.
pub async fn migrate(environment: Environment<'_>) -> anyhow::Result<()> {
    if environment.variable(DATABASE_URL.name).is_none() {
        println!(
            "There is no DATABASE_URL: the tables in the data folder are created when the server starts."
        );
        return Ok(());
    }
    let database = Starter::new(environment).part().await?;
    storage::migrate(&database, &storages(), environment, &mut |line| {
        println!("{line}")
    })
    .await
    .map_err(anyhow::Error::msg)
}

/// Serves until a stop signal, then finishes the requests in progress.
///
/// # Errors
/// A part cannot start, or the server cannot listen on the address.
pub async fn serve(
    setup: &Setup<'_>,
    starter: Starter<'_>,
    listen: SocketAddr,
    network_options: &NetworkOptions,
) -> anyhow::Result<()> {
    let database: Database = starter.part().await?;
    let router = router::start(starter, network_options).await?;
    let listener = TcpListener::bind(listen).await.map_err(|error| {
        anyhow!("{listen} cannot be listened on: {error}; choose another with --listen")
    })?;
    let address = listener.local_addr()?;
    if let Database::Sqlite(sqlite) = database {
        tokio::spawn(keep_swept(sqlite));
    }
    // A process that reads the greeting may stop the server at once, so the signal is handled
    // first.
    let told_to_stop = signal();
    greet(address, setup.file.as_deref());
    tracing::info!(%address, "started");
    telemetry::log_panics();

    let (stop, mut stopped) = tokio::sync::watch::channel(());
    let signalled = async move {
        told_to_stop.await;
        drop(stop);
    };
    let serving = connections::serve(
        listener,
        router,
        &network_options.connections,
        &network_options.proxies,
        signalled,
    );
    let impatience = async {
        // The sender is dropped when the signal arrives.
        let _ = stopped.changed().await;
        tokio::time::sleep(PATIENCE).await;
    };
    tokio::select! {
        () = serving => {}
        () = impatience => {}
    }
    tracing::info!("stopped");
    Ok(())
}

/// Resolves at Ctrl-C, and at SIGTERM on Unix. It listens from this call on, not from the first
/// poll.
pub fn signal() -> impl Future<Output = ()> {
    #[cfg(unix)]
    let signals = {
        use tokio::signal::unix::{SignalKind, signal};
        signal(SignalKind::terminate())
            .and_then(|terminate| Ok((terminate, signal(SignalKind::interrupt())?)))
    };
    async move {
        #[cfg(unix)]
        if let Ok((mut terminate, mut interrupt)) = signals {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            return;
        }
        let _ = tokio::signal::ctrl_c().await;
    }
}

/// Deletes expired rows now and every minute, until the runtime ends.
async fn keep_swept(sqlite: Arc<Sqlite>) {
    let schemas = storage::schemas(&storages());
    let mut ticks = tokio::time::interval(SWEEP);
    loop {
        ticks.tick().await;
        if let Err(error) = sqlite::sweep(&sqlite, &schemas, SystemClock.now()).await {
            tracing::warn!(cause = %error, "sweep_failed");
        }
    }
}

/// Prints what users need to know after the start.
fn greet(address: SocketAddr, file: Option<&Path>) {
    let data = file.map_or_else(
        || "the database of DATABASE_URL".to_owned(),
        |file| file.display().to_string(),
    );
    eprintln!(
        "Tasklane is listening on http://{address}\n  \
         docs   http://{address}/docs/\n  \
         data   {data}\n  \
         try    curl http://{address}/v1/auth/register --json '{{\"email\": \"ada@example.com\", \"password\": \"a lane of tasks\"}}'\n  \
         stop   Ctrl-C"
    );
}
