//! The cost of a request with many accounts, and with many tasks of one owner.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::anyhow;
use auth::{Account, Users};
use clap::Args;
use common::auth::{Issuer, PasswordHash, Passwords, Role, SessionId, SessionLifetimes};
use common::part::Starter;
use common::time::{Clock, SystemClock, Timestamp};
use serde_json::Value;
use tasks::Tasks;

use crate::clients::{Dialect, Operation, Person, Request, draft};
use crate::engines::{defaults, sqlite};
use crate::people::{add_accounts, add_tasks, hash, tasks};
use crate::processes::{self, Process};
use crate::report::{Budget, Table};
use crate::statistics::Summary;

/// The numbers of accounts, and of an owner's tasks.
const SIZES: [usize; 3] = [10, 1_000, 100_000];
const QUICK_SIZES: [usize; 3] = [10, 100, 1_000];
/// How many of the accounts are used, and how many tasks each of those has.
const PEOPLE: usize = 10;
const TASKS: usize = 100;
/// How many of an owner's tasks are used.
const USED: usize = 1_000;
/// How many requests one server gets before the next one's turn.
const TURN: usize = 20;
/// A login is mostly hashing a password, which is slow and does not depend on the data: every tenth
/// run is enough.
const LOGINS: usize = 10;
/// The largest cost with the most data, relative to the cost with the least.
const BUDGET: f64 = 1.2;

#[derive(Args)]
pub(crate) struct Arguments {
    /// How many requests of each kind.
    #[arg(long, default_value_t = 1_000, value_name = "N")]
    runs: usize,
    /// Less data and fewer requests, to see that it works.
    #[arg(long)]
    quick: bool,
}

#[derive(Clone, Copy)]
enum Grows {
    Accounts,
    Tasks,
}

/// A server with a given amount of data.
struct Subject {
    server: Process,
    people: Vec<Person>,
}

/// Measures and prints the tables.
///
/// # Errors
/// A server cannot run, or answers with an error.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let (sizes, runs) = if arguments.quick {
        (QUICK_SIZES, 40)
    } else {
        (SIZES, arguments.runs)
    };
    let program = processes::build_server()?;
    runtime.block_on(async {
        compare(&program, Grows::Accounts, sizes, runs).await?;
        compare(&program, Grows::Tasks, sizes, runs).await
    })
}

async fn compare(
    program: &Path,
    grows: Grows,
    sizes: [usize; 3],
    runs: usize,
) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let subjects = subjects(program, folder.path(), grows, sizes).await?;

    let name = grows.name();
    println!(
        "\nWith {} / {} / {} {name}: milliseconds (min / median / p99 of {runs} runs, of logins a tenth), microseconds of CPU.\n",
        sizes[0], sizes[1], sizes[2]
    );
    let mut table = Table::new(headings(name, sizes));
    let drafts = tasks(TASKS, SystemClock.now())?
        .iter()
        .map(draft)
        .collect::<Vec<_>>();
    for operation in Operation::ALL {
        let runs = if operation == Operation::LogIn {
            runs / LOGINS
        } else {
            runs
        };
        table.row(measure(&subjects, operation, &drafts, runs).await?);
    }
    let memory = subjects
        .iter()
        .map(|subject| subject.server.memory())
        .collect::<Result<Vec<_>, _>>()?;
    table.row(row(
        "memory, MiB",
        memory
            .iter()
            .map(|kib| format!("{:.1}", *kib as f64 / 1024.0)),
        memory[2] as f64 / memory[0] as f64,
        None,
    ));
    table.print();
    Ok(())
}

/// Starts a server for each size.
async fn subjects(
    program: &Path,
    folder: &Path,
    grows: Grows,
    sizes: [usize; 3],
) -> anyhow::Result<Vec<Subject>> {
    let mut subjects = Vec::new();
    for size in sizes {
        let folder = folder.join(size.to_string());
        let begun = Instant::now();
        let people = fill(&folder, grows, size).await?;
        eprintln!(
            "filled {size} {} in {:.1} s",
            grows.name(),
            begun.elapsed().as_secs_f64()
        );
        subjects.push(Subject {
            server: processes::tasklane(program, &folder, &[])?,
            people,
        });
    }
    Ok(subjects)
}

fn headings(name: &str, sizes: [usize; 3]) -> Vec<String> {
    let mut headings = vec!["request".to_owned()];
    headings.extend(sizes.map(|size| format!("{size} {name}")));
    let [first, _, last] = sizes;
    headings.extend([
        format!("{last} to {first}"),
        "CPU".to_owned(),
        format!("CPU, {last} to {first}"),
        format!("at most {BUDGET}"),
    ]);
    headings
}

impl Grows {
    fn name(self) -> &'static str {
        match self {
            Self::Accounts => "accounts",
            Self::Tasks => "tasks of one owner",
        }
    }
}

/// Fills a folder. Returns the people who will use it, with access tokens.
async fn fill(folder: &Path, grows: Grows, size: usize) -> anyhow::Result<Vec<Person>> {
    std::fs::create_dir_all(folder)?;
    let now = SystemClock.now();
    let (database, environment) = (sqlite(folder).await?, defaults());
    let lifetimes = SessionLifetimes::read(environment)?;
    let keys = server::keys::load_or_create(folder, lifetimes.absolute)?;
    let starter = Starter::new(environment)
        .with(database)
        .with(Arc::new(keys));
    let users: Users = starter.part().await?;
    let store: Tasks = starter.part().await?;
    let passwords: Arc<Passwords> = starter.part().await?;
    let issuer: Arc<Issuer> = starter.part().await?;
    let hash: PasswordHash = hash(&passwords).await?;
    let (accounts, active, count) = match grows {
        Grows::Accounts => (size, PEOPLE, TASKS),
        Grows::Tasks => (1, 1, size),
    };
    let mut people = Vec::new();
    let own = tasks(count, now)?;
    for (number, account) in add_accounts(&users, lifetimes, &hash, accounts)
        .await?
        .iter()
        .enumerate()
    {
        if number < active {
            let added = add_tasks(&store, account.id, &own).await?;
            // Spread over the whole list.
            let used = added
                .iter()
                .step_by(added.len().div_ceil(USED))
                .map(ToString::to_string);
            people.push(Person {
                number,
                token: token(&issuer, account, now)?,
                owner: None,
                tasks: used.collect(),
            });
        } else {
            add_tasks(&store, account.id, &own[..1]).await?;
        }
    }
    Ok(people)
}

fn token(issuer: &Issuer, account: &Account, now: Timestamp) -> anyhow::Result<String> {
    Ok(issuer.issue(account.id, SessionId::new(now), Role::User, now)?)
}

/// Sends the requests of an operation to each server in turn.
async fn measure(
    subjects: &[Subject],
    operation: Operation,
    drafts: &[Value],
    runs: usize,
) -> anyhow::Result<Vec<String>> {
    let http = reqwest::Client::new();
    let requests = subjects
        .iter()
        .map(|subject| Dialect::TASKLANE.requests(operation, &subject.people, drafts))
        .collect::<Vec<_>>();
    let mut measured = vec![Vec::new(); subjects.len()];
    let mut used = vec![0.0; subjects.len()];
    // The first turn is not counted, because it opens connections.
    for turn in 0..=runs.div_ceil(TURN) {
        for (at, subject) in subjects.iter().enumerate() {
            let before = subject.server.processor_time()?;
            for number in 0..TURN.min(runs) {
                let request = &requests[at][(turn * TURN + number) % requests[at].len()];
                let took = time(&http, &subject.server, request).await?;
                if turn > 0 {
                    measured[at].push(took);
                }
            }
            if turn > 0 {
                used[at] += (subject.server.processor_time()? - before).as_secs_f64();
            }
        }
    }
    let summaries = measured
        .iter()
        .map(|measured| Summary::of(measured))
        .collect::<Vec<_>>();
    let each = used
        .iter()
        .zip(&summaries)
        .map(|(used, summary)| used * 1_000_000.0 / summary.runs as f64)
        .collect::<Vec<_>>();
    let ratio = summaries[2].median / summaries[0].median;
    Ok(row(
        operation.name(),
        summaries.iter().map(ToString::to_string),
        ratio,
        Some(&each),
    ))
}

async fn time(http: &reqwest::Client, server: &Process, request: &Request) -> anyhow::Result<f64> {
    let sent = request.to(server, http)?;
    let begun = Instant::now();
    let answer = sent.send().await?;
    let status = answer.status();
    answer.bytes().await?;
    let took = begun.elapsed().as_secs_f64() * 1000.0;
    if status.is_success() {
        Ok(took)
    } else {
        Err(anyhow!("{} was answered with {status}", request.path))
    }
}

fn row(
    name: &str,
    cells: impl Iterator<Item = String>,
    ratio: f64,
    used: Option<&[f64]>,
) -> Vec<String> {
    let budget = Budget {
        what: name.to_owned(),
        measured: ratio,
        at_most: BUDGET,
    };
    let mut row = vec![name.to_owned()];
    row.extend(cells);
    row.push(format!("{ratio:.2}"));
    match used {
        Some(used) => {
            row.push(
                used.iter()
                    .map(|used| format!("{used:.0}"))
                    .collect::<Vec<_>>()
                    .join(" / "),
            );
            row.push(format!("{:.2}", used[2] / used[0]));
        }
        None => row.extend(["", ""].map(str::to_owned)),
    }
    row.push(budget.verdict().to_owned());
    row
}
