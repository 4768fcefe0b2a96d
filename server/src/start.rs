//! Starts and stops the server.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::anyhow;
use common::auth::{SessionLifetimes, SigningKeys};
use common::config::{DATABASE_URL, Environment, SIGNING_KEYS};
use common::database::Database;
use common::part::Starter;
use common::storage;
use common::storage::copy::Side;
use common::telemetry::{self, Format};
use tokio::net::TcpListener;

use crate::embedded::Engine;
use crate::network_options::NetworkOptions;
use crate::{SERVICES, connections, keys, router, storages};

/// How long requests in progress may take after the stop signal.
const PATIENCE: Duration = Duration::from_secs(15);

/// The setup of the server and its commands: the environment, and the contents of the data folder
/// for settings that are missing there.
pub struct Setup<'e> {
    environment: Environment<'e>,
    keys: SigningKeys,
    /// The embedded engine, unless `DATABASE_URL` names another database.
    pub engine: Option<Engine>,
}

impl<'e> Setup<'e> {
    /// Reads every setting, then opens the data folder if the environment needs it.
    ///
    /// # Errors
    /// One line: what cannot be used, and why.
    pub async fn new(folder: &Path, environment: Environment<'e>) -> anyhow::Result<Self> {
        let sessions = SessionLifetimes::read(environment)?.absolute;
        let keys = match environment.variable(SIGNING_KEYS.name) {
            Some(_) => environment.parse(&SIGNING_KEYS, SigningKeys::parse)?,
            None => keys::load_or_create(folder, sessions)?,
        };
        let mut setup = Self {
            environment,
            keys,
            engine: None,
        };
        if environment.variable(DATABASE_URL.name).is_none() {
            setup.check_settings().await?;
            setup.engine = Some(Engine::open(folder)?);
        }
        Ok(setup)
    }

    /// Starts every endpoint on a temporary engine, so that an invalid setting is found before
    /// anything is written.
    async fn check_settings(&self) -> anyhow::Result<()> {
        let variable = |name: &str| self.variable(name);
        let environment = Environment::new(&variable);
        environment.log_level()?;
        let starter = Starter::new(environment).with(Engine::in_memory()?.database());
        for endpoint in SERVICES.iter().flat_map(|service| service.endpoints) {
            endpoint.start(&starter).await?;
        }
        Ok(())
    }

    /// A variable of the environment, or its replacement from the data folder.
    pub fn variable(&self, name: &str) -> Option<String> {
        self.environment.variable(name).or_else(|| match name {
            "DATABASE_URL" => Some("dynamodb://".to_owned()),
            "TASKLANE_SIGNING_KEYS" => Some(self.keys.to_json()),
            "TASKLANE_PUBLIC_KEYS" => serde_json::to_string(&self.keys.public()).ok(),
            _ => None,
        })
    }

    /// The starter of parts in this environment, which must be the one of [`Self::variable`].
    /// Ensures that the database has its tables and indexes.
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
        if let Some(engine) = &self.engine {
            let database = engine.database();
            create_tables(&database, environment).await?;
            return Ok(starter.with(database));
        }
        let database = starter.part().await?;
        storage::check(&database, &storages())
            .await
            .map_err(anyhow::Error::msg)?;
        Ok(starter)
    }

    /// All data in the database.
    ///
    /// # Errors
    /// A setting cannot be used.
    pub async fn everything(&self, starter: &Starter<'_>) -> anyhow::Result<Side> {
        let (database, environment) = (starter.part().await?, starter.environment);
        Ok(match self.engine {
            Some(_) => Side::new(&database, &storages(), environment, "the data folder")?,
            None => Side::of_settings(&database, &storages(), environment)?,
        })
    }
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
            "There is no DATABASE_URL: the embedded engine's tables are created when the server starts."
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
    folder: &Path,
    network_options: &NetworkOptions,
) -> anyhow::Result<()> {
    let router = router::start(starter, network_options).await?;
    let listener = TcpListener::bind(listen).await.map_err(|error| {
        anyhow!("{listen} cannot be listened on: {error}; choose another with --listen")
    })?;
    let address = listener.local_addr()?;
    if let Some(engine) = &setup.engine {
        engine.keep_swept();
    }
    // A process that reads the greeting may stop the server at once, so the signal is handled
    // first.
    let told_to_stop = signal();
    greet(address, folder, setup.engine.is_some());
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

/// Prints what users need to know after the start.
fn greet(address: SocketAddr, folder: &Path, embedded: bool) {
    let data = if embedded {
        format!("{} (embedded engine)", folder.join("tasklane.db").display())
    } else {
        "the database of DATABASE_URL".to_owned()
    };
    eprintln!(
        "Tasklane is listening on http://{address}\n  \
         docs   http://{address}/docs/\n  \
         data   {data}\n  \
         try    curl http://{address}/v1/auth/register --json '{{\"email\": \"ada@example.com\", \"password\": \"a lane of tasks\"}}'\n  \
         stop   Ctrl-C"
    );
}
