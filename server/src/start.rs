//! Starting and stopping the server.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::anyhow;
use common::app::App;
use common::auth::SigningKeys;
use common::config::{SettingError, Settings};
use common::dynamodb::create_tables;
use common::http::Part;
use common::store::Stores;
use common::store::copy::Side;
use common::telemetry::{self, Format};
use tokio::net::TcpListener;

use crate::embedded::Engine;
use crate::network_options::NetworkOptions;
use crate::router::router;
use crate::{connections, keys};

/// How long requests that are being answered may take after the signal to stop.
const PATIENCE: Duration = Duration::from_secs(15);

/// The app with everything that the environment says, or that the data folder holds where it says
/// nothing.
pub struct Started {
    /// What the handlers work with.
    pub app: App,
    /// Its stores, for whoever fills them.
    pub stores: Stores,
    /// The embedded engine, unless `DATABASE_URL` names another one.
    pub engine: Option<Engine>,
}

/// Makes the app.
///
/// # Errors
/// One line that says what cannot be used, and why.
pub async fn app(
    folder: &Path,
    environment: &dyn Fn(&str) -> Option<String>,
) -> anyhow::Result<Started> {
    let given = |name: &str| environment(name).filter(|value| !value.trim().is_empty());
    let embedded = given("DATABASE_URL").is_none();
    let keys = match given("TASKLANE_SIGNING_KEYS") {
        Some(json) => SigningKeys::parse(&json)
            .map_err(|error| SettingError::new("TASKLANE_SIGNING_KEYS", error.to_string()))?,
        None => keys::load_or_create(folder, longest_session(environment)?)?,
    };
    let filled = |name: &str| {
        given(name).or_else(|| match name {
            "DATABASE_URL" => Some("dynamodb://".to_owned()),
            "TASKLANE_SIGNING_KEYS" => Some(keys.to_json()),
            "TASKLANE_PUBLIC_KEYS" => serde_json::to_string(&keys.public()).ok(),
            _ => None,
        })
    };
    let settings = Settings::read(&filled, &|_| true)?;
    let format = if std::io::stdout().is_terminal() {
        Format::Text
    } else {
        Format::Json
    };
    telemetry::init(settings.log_level, format, Box::new(std::io::stdout()));
    let (stores, engine) = if embedded {
        let engine = Engine::open(folder)?;
        (embedded_stores(&engine, &settings).await?, Some(engine))
    } else {
        common::store::check(&settings, &filled)
            .await
            .map_err(anyhow::Error::msg)?;
        (Stores::connect(&settings, &filled, &|_| true).await?, None)
    };
    let app = App::new(&settings, stores.clone())?;
    Ok(Started {
        app,
        stores,
        engine,
    })
}

/// How long a session may live.
///
/// # Errors
/// A setting cannot be used.
pub fn longest_session(environment: &dyn Fn(&str) -> Option<String>) -> anyhow::Result<Duration> {
    Settings::read(environment, &|_| false)
        .map(|settings| settings.lifetimes.absolute)
        .map_err(anyhow::Error::from)
}

/// The whole store of an app, for whoever looks for what is in it.
///
/// # Errors
/// A setting cannot be used.
pub async fn everything(
    started: &Started,
    environment: &dyn Fn(&str) -> Option<String>,
) -> anyhow::Result<Side> {
    let filled = |name: &str| {
        environment(name).or_else(|| (name == "DATABASE_URL").then(|| "dynamodb://".to_owned()))
    };
    let settings = Settings::read(&filled, &|part| matches!(part, Part::Users | Part::Tasks))?;
    match &started.engine {
        Some(engine) => Ok(Side::dynamodb(
            engine.client(),
            &settings,
            "the data folder",
        )),
        None => Side::connect(&settings, &filled)
            .await
            .map_err(anyhow::Error::from),
    }
}

/// The stores on an engine, with tables.
///
/// # Errors
/// The engine refuses.
pub async fn embedded_stores(engine: &Engine, settings: &Settings) -> anyhow::Result<Stores> {
    let client = engine.client();
    create_tables(&client, &common::store::tables(settings)).await?;
    Ok(Stores::dynamodb(client, settings, &|_| true))
}

/// Makes the tables of the settings on an engine that other processes will use.
///
/// # Errors
/// A table's name cannot be used, or the engine refuses.
pub async fn create_embedded_tables(
    engine: &Engine,
    environment: &dyn Fn(&str) -> Option<String>,
) -> anyhow::Result<()> {
    let settings = Settings::read(environment, &|_| false)?;
    embedded_stores(engine, &settings).await.map(drop)
}

/// Makes what the database of `DATABASE_URL` needs, and prints what was done.
///
/// # Errors
/// One line that says what cannot be done, and why.
pub async fn migrate(environment: &dyn Fn(&str) -> Option<String>) -> anyhow::Result<()> {
    if environment("DATABASE_URL").is_none_or(|url| url.trim().is_empty()) {
        println!(
            "There is no DATABASE_URL: the embedded engine's tables are made when the server starts."
        );
        return Ok(());
    }
    let settings = Settings::read(environment, &|part| {
        matches!(part, Part::Users | Part::Tasks)
    })?;
    common::store::migrate(&settings, environment, &mut |line| println!("{line}"))
        .await
        .map_err(anyhow::Error::msg)
}

/// Serves until a signal says to stop, then finishes what is being answered.
///
/// # Errors
/// The address cannot be listened on.
pub async fn serve(
    started: Started,
    listen: SocketAddr,
    folder: &Path,
    network_options: &NetworkOptions,
) -> anyhow::Result<()> {
    let listener = TcpListener::bind(listen).await.map_err(|error| {
        anyhow!("{listen} cannot be listened on: {error}; choose another with --listen")
    })?;
    let address = listener.local_addr()?;
    if let Some(engine) = &started.engine {
        engine.keep_swept();
    }
    // Whoever reads the greeting may stop the server at once.
    let told_to_stop = signal();
    greet(address, folder, started.engine.is_some());
    tracing::info!(%address, "started");
    telemetry::log_panics();

    let (stop, mut stopped) = tokio::sync::watch::channel(());
    let signalled = async move {
        told_to_stop.await;
        drop(stop);
    };
    let serving = connections::serve(
        listener,
        router(&started.app, network_options),
        &network_options.connections,
        &network_options.proxies,
        signalled,
    );
    let impatience = async {
        // The sender is dropped when the signal comes.
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

/// Resolves at Ctrl-C, and at SIGTERM where there is such a thing. It listens from this call on,
/// not from the first wait.
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

/// Says what somebody who has just started it wants to know.
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
