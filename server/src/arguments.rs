//! The program's arguments, and the environment variables that replace them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::copy::Tables;
use crate::network_options::NetworkOptions;
use crate::storages;

/// A task-management API, in one process.
///
/// Without a command it serves the API. Data and signing keys are kept in the data folder, unless
/// DATABASE_URL and TASKLANE_SIGNING_KEYS say otherwise. Every setting is in the README.
#[derive(Parser)]
#[command(
    name = "tasklane",
    version,
    max_term_width = 100,
    after_help = "Examples:\n  \
    tasklane                                   serve on 127.0.0.1:8080, data in .tasklane\n  \
    tasklane seed                              fill a demo account\n  \
    tasklane --listen 0.0.0.0:80 --data /data  serve for others\n  \
    tasklane dynamodb --seed                   give Lambda functions on this machine a database\n  \
    tasklane copy --from sqlite://.tasklane/tasklane.db --to mongodb://127.0.0.1:27017/tasklane\n  \
    \x20                                          move to a MongoDB server"
)]
pub struct Arguments {
    /// The address and port to listen on [default: 127.0.0.1:8080, for dynamodb 127.0.0.1:8000].
    #[arg(long, global = true, env = "TASKLANE_LISTEN", hide_env_values = true, value_name = "ADDRESS", value_parser = listen)]
    pub listen: Option<SocketAddr>,

    /// The folder for data and signing keys.
    #[arg(
        long,
        global = true,
        env = "TASKLANE_DATA",
        hide_env_values = true,
        value_name = "FOLDER",
        default_value = ".tasklane"
    )]
    pub data: PathBuf,

    /// The server's network options.
    #[command(flatten)]
    pub network_options: NetworkOptions,

    #[command(subcommand)]
    /// The command to run instead of serving the API.
    pub command: Option<Command>,
}

/// Commands other than serving the API.
#[derive(Subcommand)]
pub enum Command {
    /// Create a demo account with an address, a password and a few tasks.
    Seed {
        /// Add it to a store that has other accounts.
        #[arg(long)]
        force: bool,
    },
    /// Serve a DynamoDB engine for Lambda functions on this machine. Its data is in the data
    /// folder, apart from the server's.
    Dynamodb {
        /// First create the demo account of the sample events, unless it exists.
        #[arg(long)]
        seed: bool,
    },
    /// Create the collections and indexes (MongoDB) or the tables (DynamoDB, SQLite) in the
    /// database of DATABASE_URL, or bring them up to date. It can be run again.
    Migrate,
    /// Copy everything from one store to another, empty one, and compare both. Run the same command
    /// again to resume an interrupted copy.
    ///
    /// Each store is a URL in the format of DATABASE_URL; the one to copy from may also be
    /// `embedded:FILE`, a data file of a version before there was SQLite. Nothing else may use the
    /// stores meanwhile: stop the server first.
    Copy {
        /// The store to copy from.
        #[arg(
            long,
            env = "TASKLANE_COPY_FROM",
            hide_env_values = true,
            value_name = "URL"
        )]
        from: String,

        /// The store to copy to; its tables, collections and indexes are created.
        #[arg(
            long,
            env = "TASKLANE_COPY_TO",
            hide_env_values = true,
            value_name = "URL"
        )]
        to: String,

        /// The tables to copy from, if they are not those of TASKLANE_USERS_TABLE and
        /// TASKLANE_TASKS_TABLE.
        #[arg(long, value_name = "USERS,TASKS", value_parser = tables)]
        from_tables: Option<Tables>,

        /// The tables to copy to, if they are not those of the settings.
        #[arg(long, value_name = "USERS,TASKS", value_parser = tables)]
        to_tables: Option<Tables>,
    },
    /// Copy the SQLite file to a new file, also while the server runs. The copy is complete and
    /// consistent, and can be served itself.
    Backup {
        /// The file to create.
        #[arg(value_name = "FILE")]
        to: PathBuf,
    },
    /// Read the whole SQLite file, also while the server runs, and name everything that is damaged.
    Check,
    /// Print the API document (OpenAPI 3.1).
    Openapi,
    /// Add new signing keys, which are used from the next start on. Restart the server within a
    /// day: the old ones are kept until then, and those of refresh tokens for as long as a session
    /// lives.
    RotateKeys {
        /// Remove the old keys at once, for example after a leak: all users must log in again.
        #[arg(long)]
        revoke: bool,
    },
}

fn listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "TASKLANE_LISTEN must be an address and a port; a good value: TASKLANE_LISTEN=127.0.0.1:8080".to_owned())
}

fn tables(text: &str) -> Result<Tables, String> {
    let settings: Vec<&str> = storages()
        .iter()
        .map(|storage| storage.table.name)
        .collect();
    let names: Vec<String> = text.split(',').map(str::to_owned).collect();
    if names.len() == settings.len() {
        Ok(Tables(settings.into_iter().zip(names).collect()))
    } else {
        Err(format!(
            "must be {} names separated by commas, in the order of {}",
            settings.len(),
            settings.join(", ")
        ))
    }
}

/// Parses a duration such as `10s` or `5m`.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    let time = text
        .trim()
        .parse::<jiff::SignedDuration>()
        .ok()
        .and_then(|time| Duration::try_from(time).ok());
    time.filter(|time| (Duration::from_millis(1)..=Duration::from_hours(24)).contains(time))
        .ok_or("must be a time, such as 10s or 5m".to_owned())
}

impl Arguments {
    /// Reads the arguments of this process. Exits with a message if they are invalid.
    pub fn read() -> Self {
        let mut command = without_empty_variables(Self::command());
        command.build();
        let matches = command
            .clone()
            .try_get_matches()
            .unwrap_or_else(|error| refuse(&command, &error));
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }
}

/// Also names the variable that can replace the invalid argument.
fn refuse(command: &clap::Command, error: &clap::Error) -> ! {
    if let Some(ContextValue::String(refused)) = error.get(ContextKind::InvalidArg)
        && let Some(argument) = command
            .get_arguments()
            .find(|argument| argument.to_string() == *refused)
        && let Some(variable) = argument
            .get_env()
            .filter(|variable| std::env::var_os(variable).is_some())
    {
        eprintln!("{} cannot be used:", variable.to_string_lossy());
    }
    error.exit()
}

/// Many tools write an absent variable as an empty one.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    let is_empty = |argument: &clap::Arg| {
        let value = argument.get_env().and_then(|name| std::env::var(name).ok());
        value.is_some_and(|value| value.trim().is_empty())
    };
    command
        .mut_args(move |argument| {
            if is_empty(&argument) {
                argument.env(Resettable::Reset)
            } else {
                argument
            }
        })
        .mut_subcommands(without_empty_variables)
}
