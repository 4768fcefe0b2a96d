//! `tasklane`: every function of the API in one process.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use http::HeaderValue;
use server::copy::{End, Tables};
use server::embedded::Engine;
use server::proxies::TrustedProxies;
use server::router::Surroundings;
use server::{copy, keys, seed, start};

/// A task-management API, in one process.
///
/// Without a command it serves the API. Data and signing keys are kept in the data folder, unless DATABASE_URL and
/// TASKLANE_SIGNING_KEYS say otherwise. Every setting is in the README.
#[derive(Parser)]
#[command(
    name = "tasklane",
    version,
    max_term_width = 100,
    after_help = "Examples:\n  \
    tasklane                                   serve on 127.0.0.1:8080, data in .tasklane\n  \
    tasklane seed                              fill a demo account\n  \
    tasklane --listen 0.0.0.0:80 --data /data  serve for others\n  \
    tasklane dynamodb --listen 127.0.0.1:8000  give Lambda functions on this machine a database\n  \
    tasklane copy --from embedded --to mongodb://127.0.0.1:27017/tasklane\n  \
    \x20                                          move from the data folder to a MongoDB server"
)]
struct Arguments {
    /// The address and port to listen on [default: 127.0.0.1:8080, for dynamodb 127.0.0.1:8000].
    #[arg(long, global = true, env = "TASKLANE_LISTEN", hide_env_values = true, value_name = "ADDRESS", value_parser = listen)]
    listen: Option<SocketAddr>,

    /// The folder for data and signing keys.
    #[arg(long, global = true, env = "TASKLANE_DATA", hide_env_values = true, value_name = "FOLDER", default_value = ".tasklane")]
    data: PathBuf,

    /// The origins whose scripts may call the API (CORS), separated by commas.
    #[arg(long, env = "TASKLANE_CORS_ORIGINS", hide_env_values = true, value_name = "ORIGINS", value_delimiter = ',', value_parser = origin)]
    cors_origins: Vec<HeaderValue>,

    /// The proxies that are believed about where a request comes from: addresses or networks, separated by commas.
    #[arg(long, env = "TASKLANE_TRUSTED_PROXIES", hide_env_values = true, value_name = "NETWORKS", default_value = "", hide_default_value = true, value_parser = proxies)]
    trusted_proxies: TrustedProxies,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Fill a demo account: an address, a password and a few tasks.
    Seed,
    /// Serve the embedded DynamoDB engine on a port, so that Lambda functions on this machine can use its data.
    Dynamodb,
    /// Make what the database of DATABASE_URL needs: MongoDB's collections and indexes, DynamoDB's tables. It can be run again.
    Migrate,
    /// Copy everything from one store to another, empty one, and compare both. An interrupted copy is gone on with by the same
    /// command.
    ///
    /// Each is `embedded`, for the engine in the data folder, or a URL as DATABASE_URL has it. Nothing else may use either of
    /// them meanwhile: stop the server first.
    Copy {
        /// The store to copy from.
        #[arg(long, env = "TASKLANE_COPY_FROM", hide_env_values = true, value_name = "URL")]
        from: String,

        /// The store to copy to; it gets the tables, collections and indexes that it needs.
        #[arg(long, env = "TASKLANE_COPY_TO", hide_env_values = true, value_name = "URL")]
        to: String,

        /// The tables to copy from, where they are not those of TASKLANE_USERS_TABLE and TASKLANE_TASKS_TABLE.
        #[arg(long, value_name = "USERS,TASKS", value_parser = tables)]
        from_tables: Option<Tables>,

        /// The tables to copy to, likewise.
        #[arg(long, value_name = "USERS,TASKS", value_parser = tables)]
        to_tables: Option<Tables>,
    },
    /// Print the API document (OpenAPI 3.1).
    Openapi,
    /// Add new signing keys, which are used from the next start on. Tokens of the old ones stay valid.
    RotateKeys,
}

fn listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "TASKLANE_LISTEN must be an address and a port; a good value: TASKLANE_LISTEN=127.0.0.1:8080".to_owned())
}

fn origin(text: &str) -> Result<HeaderValue, String> {
    let refused = || {
        "TASKLANE_CORS_ORIGINS must be origins; a good value: TASKLANE_CORS_ORIGINS=https://app.example.com,http://localhost:5173"
            .to_owned()
    };
    let text = text.trim();
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).ok_or_else(refused)?;
    if host.is_empty() || host.contains(['/', '*', '?', '#', '@']) {
        return Err(refused());
    }
    text.parse().map_err(|_| refused())
}

fn proxies(text: &str) -> Result<TrustedProxies, String> {
    text.parse().map_err(|rule| format!("TASKLANE_TRUSTED_PROXIES {rule}"))
}

fn tables(text: &str) -> Result<Tables, String> {
    match text.split_once(',') {
        Some((users, tasks)) if !tasks.contains(',') => Ok(Tables { users: users.to_owned(), tasks: tasks.to_owned() }),
        _ => Err("must be two names with a comma between them, the users table's first".to_owned()),
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.to_string()),
    };
    match runtime.block_on(run(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn fail(error: &str) -> ExitCode {
    eprintln!("tasklane: {error}");
    ExitCode::FAILURE
}

async fn run(arguments: Arguments) -> Result<(), String> {
    let Arguments { listen, data, cors_origins, trusted_proxies, command } = arguments;
    let environment = |name: &str| std::env::var(name).ok();
    match command {
        None => {
            let started = start::app(&data, &environment).await?;
            let surroundings = Surroundings { cors_origins, proxies: trusted_proxies };
            start::serve(started, listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 8080))), &data, &surroundings).await
        }
        Some(Command::Seed) => {
            let started = start::app(&data, &environment).await?;
            println!("{}", seed::seed(&started).await?);
            Ok(())
        }
        Some(Command::Dynamodb) => {
            let engine = Engine::open(&data)?;
            let listen = listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 8000)));
            start::create_embedded_tables(&engine, &environment).await?;
            engine.keep_swept();
            eprintln!("The embedded engine is listening on {listen}\n  use it with DATABASE_URL=dynamodb://{listen}");
            engine.serve(listen, start::signal()).await
        }
        Some(Command::Migrate) => start::migrate(&environment).await,
        Some(Command::Copy { from, to, from_tables, to_tables }) => {
            let from = End { option: "--from", url: from, tables: from_tables };
            let to = End { option: "--to", url: to, tables: to_tables };
            copy::copy(&from, &to, &data, &environment).await
        }
        Some(Command::Openapi) => {
            print!("{}", server::openapi());
            Ok(())
        }
        Some(Command::RotateKeys) => {
            let file = keys::rotate(&data)?;
            println!("Added new keys to {}; restart the server to use them.", file.display());
            Ok(())
        }
    }
}
