//! Copies everything from one store to another.

use std::cell::Cell;
use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use common::config::{DATABASE_URL, DatabaseUrl, Environment};
use common::database::Database;
use common::part::Starter;
use common::storage;
use common::storage::copy::{Difference, Progress, Side, Summary};
use common::time::SystemClock;

use crate::engine::Engine;
use crate::{start, storages};

/// The prefix of a file of the DynamoDB engine, in which the server kept its data before it had a
/// store of its own.
const EMBEDDED: &str = "embedded:";
/// How often the progress is printed if it is not on a terminal.
const BETWEEN_LINES: Duration = Duration::from_secs(10);

/// One end of a copy.
pub struct End {
    /// The option of this end, for messages.
    pub option: &'static str,
    pub url: String,
    /// Its tables, if they are not those of the settings.
    pub tables: Option<Tables>,
}

/// The tables of a DynamoDB-compatible store: the name of each setting, and the table's name.
#[derive(Clone, Debug)]
pub struct Tables(pub Vec<(&'static str, String)>);

/// Creates what the target store needs, copies everything to it, compares both stores, and prints
/// the progress.
///
/// # Errors
/// One line: what cannot be used and why, or which differences were found.
pub async fn copy(from: &End, to: &End, environment: Environment<'_>) -> anyhow::Result<()> {
    if from.url == to.url && from.tables.is_none() && to.tables.is_none() {
        bail!("--from and --to are the same");
    }
    if to.file().is_some() {
        bail!("--to must be a URL as DATABASE_URL has it: an embedded: file is only copied from");
    }
    let (_, source) = from.open(environment).await?;
    let (database, target) = to.open(environment).await?;
    if source.name() == target.name() {
        bail!("--from and --to are the same: {}", source.name());
    }
    println!("from {}\nto {}", source.name(), target.name());
    to.migrate(&database, environment).await?;
    let printer = Printer::new();
    let tell = |progress: Progress<'_>| printer.tell(&progress);
    let summary = tokio::select! {
        copied = common::storage::copy::copy(&source, &target, &SystemClock, &tell) => copied.map_err(anyhow::Error::msg)?,
        () = start::signal() => {
            printer.clear();
            bail!("stopped; run the same command again to resume");
        }
    };
    conclude(&summary)
}

fn conclude(summary: &Summary) -> anyhow::Result<()> {
    let Summary {
        kinds,
        unreadable,
        differences,
        and_more,
    } = summary;
    if summary.is_whole() {
        let counted: Vec<String> = kinds
            .iter()
            .map(|(kind, count)| kind.counted(*count))
            .collect();
        println!(
            "Everything was copied, and both stores have the same data: {}.",
            counted.join(", ")
        );
        return Ok(());
    }
    let at_least = if *and_more { "at least " } else { "" };
    bail!(
        "not everything is the same on both sides: {unreadable} could not be read, {at_least}{differences} differ, each named above; \
         fix them, or empty the target store, and run the same command again"
    )
}

impl End {
    /// The file of the engine, if it is one.
    fn file(&self) -> Option<&Path> {
        self.url.strip_prefix(EMBEDDED).map(Path::new)
    }

    /// Names this option instead of `DATABASE_URL` in an error.
    fn say(&self, error: impl Display) -> anyhow::Error {
        anyhow!(error.to_string().replace("DATABASE_URL", self.option))
    }

    /// A variable of the environment, or this end's value for it.
    fn variable(&self, environment: Environment<'_>, name: &str) -> Option<String> {
        if name == DATABASE_URL.name {
            let url = self.file().map_or(self.url.as_str(), |_| "dynamodb://");
            return Some(url.to_owned());
        }
        let tables = self
            .tables
            .as_ref()
            .map_or(&[][..], |tables| tables.0.as_slice());
        let table = tables.iter().find(|(setting, _)| *setting == name);
        table
            .map(|(_, table)| table.clone())
            .or_else(|| environment.variable(name))
    }

    async fn database(&self, environment: Environment<'_>) -> anyhow::Result<Database> {
        if let Some(file) = self.file() {
            let opened = Engine::open_file(file);
            return Ok(opened.with_context(|| self.option)?.database());
        }
        let rule = |rule| {
            let option = self.option;
            anyhow!(
                "{option} must be `{EMBEDDED}FILE` or a URL as DATABASE_URL has it, which {rule}"
            )
        };
        let url: DatabaseUrl = self.url.parse().map_err(rule)?;
        if let (DatabaseUrl::Sqlite(file), "--from") = (&url, self.option)
            && !file.exists()
        {
            bail!("--from names {}, which does not exist", file.display());
        }
        Starter::new(environment)
            .part()
            .await
            .map_err(|error| self.say(error))
    }

    /// The database, and all data in it. One to copy from must have its tables.
    async fn open(&self, environment: Environment<'_>) -> anyhow::Result<(Database, Side)> {
        let variable = |name: &str| self.variable(environment, name);
        let environment = Environment::new(&variable);
        let database = self.database(environment).await?;
        if self.option == "--from" {
            storage::check(&database, &storages())
                .await
                .map_err(|error| self.say(error))?;
        }
        let side = match self.file() {
            Some(file) => {
                let place = format!("the file {} of the DynamoDB engine", file.display());
                Side::new(&database, &storages(), environment, &place)
            }
            None => Side::of_settings(&database, &storages(), environment),
        };
        Ok((database, side.map_err(|error| self.say(error))?))
    }

    /// Creates what the store needs before anything is copied to it.
    async fn migrate(
        &self,
        database: &Database,
        environment: Environment<'_>,
    ) -> anyhow::Result<()> {
        let variable = |name: &str| self.variable(environment, name);
        let environment = Environment::new(&variable);
        let mut tell = |line: &str| println!("{line}");
        storage::migrate(database, &storages(), environment, &mut tell)
            .await
            .map_err(|error| self.say(error))
    }
}

/// Prints the progress: on a terminal in one line that is overwritten, otherwise a line at
/// intervals.
struct Printer {
    terminal: bool,
    /// Whether a line that can be overwritten is shown.
    dirty: Cell<bool>,
    /// Whether the wait for a store was already reported.
    waiting: Cell<bool>,
    told: Cell<Instant>,
}

impl Printer {
    fn new() -> Self {
        Self {
            terminal: std::io::stdout().is_terminal(),
            dirty: Cell::new(false),
            waiting: Cell::new(false),
            told: Cell::new(Instant::now()),
        }
    }

    fn tell(&self, progress: &Progress<'_>) {
        let waited = self
            .waiting
            .replace(matches!(progress, Progress::Waiting(..)));
        match progress {
            Progress::Resumed(Some((kind, count))) => {
                self.say(&format!("resumed after {}", kind.counted(*count)))
            }
            Progress::Resumed(None) => self.say("resumed: everything was copied before"),
            Progress::Copied(kind, count, false) => {
                self.show(&format!("copying: {} so far", kind.counted(*count)))
            }
            Progress::Copied(kind, count, true) => {
                self.say(&format!("copied {}", kind.counted(*count)))
            }
            Progress::Comparing(kind, count) => {
                self.show(&format!("comparing: {} read so far", kind.counted(*count)))
            }
            Progress::Compared(kind, count) => {
                self.say(&format!("compared {}", kind.counted(*count)))
            }
            Progress::Waiting(_, _) if waited => {}
            Progress::Waiting(name, error) => {
                self.warn(&format!("{name}: {error}; trying again for a minute"))
            }
            Progress::Unreadable(name, key, cause) => {
                self.warn(&format!("cannot be read: {key} in {name}: {cause}"))
            }
            Progress::Different(name, difference) => self.warn(&match difference {
                Difference::Missing => {
                    format!("differs: {name} is missing in the target store")
                }
                Difference::Extra => {
                    format!("differs: {name} is only in the target store")
                }
                Difference::Changed => format!("differs: {name} is not the same on both sides"),
            }),
        }
    }

    /// Removes the line that can be overwritten.
    fn clear(&self) {
        if self.dirty.replace(false) {
            print!("\r\x1b[K");
            let _ = std::io::stdout().flush();
        }
    }

    fn say(&self, line: &str) {
        self.clear();
        println!("{line}");
    }

    fn warn(&self, line: &str) {
        self.clear();
        eprintln!("{line}");
    }

    fn show(&self, line: &str) {
        if self.terminal {
            print!("\r\x1b[K{line}");
            let _ = std::io::stdout().flush();
            self.dirty.set(true);
        } else if self.told.get().elapsed() >= BETWEEN_LINES {
            println!("{line}");
            self.told.set(Instant::now());
        }
    }
}
