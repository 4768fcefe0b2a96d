//! The server under load, compared with a task API as in tutorials.

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use clap::Args;
use common::time::{Clock, SystemClock};
use serde_json::Value;

use crate::clients::{Dialect, Operation, Person, Request, draft};
use crate::functions::root;
use crate::people::tasks;
use crate::processes::{self, Process, Says};
use crate::report::Table;
use crate::statistics::Summary;

/// The number of people who use each API, and of tasks of each person.
const PEOPLE: usize = 10;
const TASKS: usize = 100;
/// The numbers of open connections.
const CONNECTIONS: [u32; 3] = [1, 16, 128];
/// The target: how many times as many requests as the other API Tasklane should answer.
const TARGET: f64 = 5.0;
/// A login takes a hundred times as long as other requests, so it is measured for longer.
const LOGIN_SECONDS: u32 = 3;
/// How long to wait for a server that is still working for disconnected clients, and how often to
/// check.
const PATIENCE: Duration = Duration::from_secs(10);
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);
/// Everybody logs in from the same address.
const LIMITS: [(&str, &str); 6] = [
    ("TASKLANE_LIMIT_LOGIN_SOURCE", "1000000/15m"),
    ("TASKLANE_LIMIT_LOGIN_ACCOUNT_SOURCE", "1000000/15m"),
    ("TASKLANE_LIMIT_LOGIN_ACCOUNT", "1000000/15m"),
    ("TASKLANE_LIMIT_LOGIN_TOTAL_SOURCE", "1000000/15m"),
    ("TASKLANE_LIMIT_LOGIN_TOTAL_ACCOUNT", "1000000/15m"),
    ("TASKLANE_PASSWORD_QUEUE", "1000"),
];

#[derive(Args)]
pub(crate) struct Arguments {
    /// How often everything is measured.
    #[arg(long, default_value_t = 3, value_name = "N")]
    runs: usize,
    /// For how many seconds each time; logins for three times as long.
    #[arg(long, default_value_t = 2, value_name = "SECONDS")]
    seconds: u32,
    /// Only these operations: login, get, list, update, create.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    only: Vec<String>,
    /// One short run, to see that it works.
    #[arg(long)]
    quick: bool,
}

impl Arguments {
    fn runs_and_seconds(&self) -> (usize, u32) {
        if self.quick {
            (1, 1)
        } else {
            (self.runs, self.seconds)
        }
    }

    fn include(&self, operation: Operation) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == operation.name())
    }
}

/// A server that is measured.
struct Subject {
    name: &'static str,
    dialect: Dialect,
    server: Process,
    /// The database server, if it is a separate process.
    store: Option<Process>,
    people: Vec<Person>,
}

/// The results of one run of `wrk`.
struct Load {
    per_second: f64,
    /// Milliseconds: the fastest answer, the median, the 99th percentile.
    latency: [f64; 3],
    /// Microseconds of processor time for each request.
    server: f64,
    store: f64,
}

/// Measures and prints the table.
///
/// # Errors
/// A server cannot run, or answers with an error.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let (runs, seconds) = arguments.runs_and_seconds();
    let folder = tempfile::tempdir()?;
    let drafts = tasks(TASKS, SystemClock.now())?
        .iter()
        .map(draft)
        .collect::<Vec<_>>();
    let mut subjects = runtime.block_on(subjects(folder.path(), &drafts))?;

    println!(
        "\n{runs} runs of {seconds} s each, of logins {LOGIN_SECONDS} times as long. Latency in milliseconds: min / median / p99. CPU in microseconds per request.\n"
    );
    let mut table = empty_table();
    for operation in Operation::ALL {
        if !arguments.include(operation) {
            continue;
        }
        for subject in &mut subjects {
            runtime.block_on(subject.log_in_again())?;
        }
        let seconds = if operation == Operation::LogIn {
            seconds * LOGIN_SECONDS
        } else {
            seconds
        };
        let requests = subjects
            .iter()
            .map(|subject| {
                subject
                    .dialect
                    .requests(operation, &subject.people, &drafts)
            })
            .collect::<Vec<_>>();
        for connections in CONNECTIONS {
            let mut measured = subjects.iter().map(|_| Vec::new()).collect::<Vec<_>>();
            for _ in 0..runs {
                for ((subject, requests), measured) in
                    subjects.iter().zip(&requests).zip(&mut measured)
                {
                    measured.push(subject.load(requests, connections, seconds, folder.path())?);
                }
            }
            for (subject, loads) in subjects.iter().zip(&measured) {
                // The others are compared with the last one.
                let express = measured.last().unwrap_or(loads);
                table.row(row(
                    [operation.name(), &connections.to_string(), subject.name],
                    loads,
                    express,
                ));
            }
        }
    }
    table.print();
    println!(
        "\nThe target is {TARGET} times the requests per second of Express on reads and writes."
    );
    Ok(())
}

fn empty_table() -> Table {
    Table::new([
        "operation",
        "connections",
        "server",
        "per second",
        "latency",
        "CPU of the server",
        "of the store",
        "per second, to Express",
        "CPU of Express, to this server's",
    ])
}

/// Starts the servers and fills them with the same people and tasks.
async fn subjects(folder: &Path, drafts: &[Value]) -> anyhow::Result<Vec<Subject>> {
    let program = processes::build_server()?;
    let embedded = processes::tasklane(&program, &folder.join("embedded"), &LIMITS)?;
    let beside = processes::mongodb()?;
    let url = format!("mongodb://{}/tasklane", beside.address);
    let settings = [&LIMITS[..], &[("DATABASE_URL", url.as_str())]].concat();
    migrate(&program, &url)?;
    let on_mongodb = processes::tasklane(&program, &folder.join("mongodb"), &settings)?;
    // A separate database server, so that neither has to search the other's data.
    let theirs = processes::mongodb()?;
    let express = express(&format!("mongodb://{}/tasks", theirs.address))?;
    let mut subjects = Vec::new();
    for (name, dialect, server, store) in [
        ("Tasklane, embedded", Dialect::TASKLANE, embedded, None),
        (
            "Tasklane on MongoDB",
            Dialect::TASKLANE,
            on_mongodb,
            Some(beside),
        ),
        (
            "Express on MongoDB",
            Dialect::EXPRESS,
            express,
            Some(theirs),
        ),
    ] {
        let people = dialect
            .people(&server, PEOPLE, drafts)
            .await
            .context(name)?;
        subjects.push(Subject {
            name,
            dialect,
            server,
            store,
            people,
        });
    }
    Ok(subjects)
}

fn migrate(program: &Path, url: &str) -> anyhow::Result<()> {
    let migrated = Command::new(program)
        .arg("migrate")
        .env_clear()
        .env("DATABASE_URL", url)
        .output();
    let migrated = migrated?;
    if migrated.status.success() {
        Ok(())
    } else {
        Err(anyhow!("{}", String::from_utf8_lossy(&migrated.stderr)))
    }
}

fn express(database: &str) -> anyhow::Result<Process> {
    let folder = root().join("bench/baselines/express");
    if !folder.join("node_modules").exists() {
        bail!(
            "install the other API first: npm ci --prefix {}",
            folder.display()
        );
    }
    let mut command = Command::new("node");
    command
        .arg("server.js")
        .current_dir(folder)
        .env("NODE_ENV", "production");
    command
        .env("DATABASE_URL", database)
        .env("JWT_SECRET", "only for this bench")
        .env("PORT", "0");
    Process::start(&mut command, Says::Output)
}

impl Subject {
    async fn log_in_again(&mut self) -> anyhow::Result<()> {
        self.dialect
            .log_in_again(&self.server, &mut self.people)
            .await
    }

    /// Sends requests in turn over this many connections, for this many seconds.
    fn load(
        &self,
        requests: &[Request],
        connections: u32,
        seconds: u32,
        folder: &Path,
    ) -> anyhow::Result<Load> {
        let file = folder.join("requests");
        write(requests, &file)?;
        let before = self.processor_times()?;
        let loaded = Command::new("wrk")
            .args(["--threads", "1", "--timeout", "10s"])
            .args([
                "--connections",
                &connections.to_string(),
                "--duration",
                &format!("{seconds}s"),
            ])
            .arg("--script")
            .arg(root().join("bench/src/load.lua"))
            .arg(format!("http://{}", self.server.address))
            .arg("--")
            .arg(file)
            .output()
            .context("wrk cannot be started; install it, as with apt-get install wrk")?;
        let after = self.processor_times()?;
        self.settle()?;
        let output = String::from_utf8_lossy(&loaded.stdout);
        let line = output.lines().find_map(|line| line.strip_prefix("result "));
        let numbers = line
            .unwrap_or_default()
            .split(' ')
            .map_while(|number| number.parse::<f64>().ok())
            .collect::<Vec<_>>();
        let [requests, duration, errors, min, median, p99] = numbers[..] else {
            bail!(
                "wrk failed: {output}{}",
                String::from_utf8_lossy(&loaded.stderr)
            );
        };
        if errors > 0.0 || requests == 0.0 {
            bail!("{}: {errors} of {requests} requests failed", self.name);
        }
        let each = |at: usize| (after[at] - before[at]).as_secs_f64() * 1_000_000.0 / requests;
        Ok(Load {
            per_second: requests / (duration / 1_000_000.0),
            latency: [min, median, p99].map(|microseconds| microseconds / 1000.0),
            server: each(0),
            store: each(1),
        })
    }

    /// Waits until the server is idle, so that the next one has the whole machine.
    fn settle(&self) -> anyhow::Result<()> {
        let begun = Instant::now();
        let mut before = self.processor_times()?;
        while begun.elapsed() < PATIENCE {
            std::thread::sleep(BETWEEN_LOOKS);
            let now = self.processor_times()?;
            if now
                .iter()
                .zip(before)
                .all(|(now, before)| *now - before < BETWEEN_LOOKS / 10)
            {
                break;
            }
            before = now;
        }
        Ok(())
    }

    fn processor_times(&self) -> anyhow::Result<[Duration; 2]> {
        let store = self
            .store
            .as_ref()
            .map(Process::processor_time)
            .transpose()?;
        Ok([self.server.processor_time()?, store.unwrap_or_default()])
    }
}

fn write(requests: &[Request], file: &Path) -> std::io::Result<()> {
    let mut file = std::io::BufWriter::new(std::fs::File::create(file)?);
    for Request {
        method,
        path,
        token,
        body,
    } in requests
    {
        let body = body.as_ref().map(Value::to_string).unwrap_or_default();
        writeln!(
            file,
            "{method}\t{path}\t{}\t{body}",
            token.as_deref().unwrap_or_default()
        )?;
    }
    file.flush()
}

fn row(names: [&str; 3], loads: &[Load], express: &[Load]) -> Vec<String> {
    let median = |of: &dyn Fn(&Load) -> f64, loads: &[Load]| {
        Summary::of(&loads.iter().map(of).collect::<Vec<_>>()).median
    };
    let [min, middle, p99] = [0, 1, 2].map(|at| median(&|load| load.latency[at], loads));
    let mut cells = names.map(str::to_owned).to_vec();
    cells.extend([
        format!("{:.0}", median(&|load| load.per_second, loads)),
        format!("{min:.2} / {middle:.2} / {p99:.2}"),
        format!("{:.0}", median(&|load| load.server, loads)),
        format!("{:.0}", median(&|load| load.store, loads)),
        format!(
            "{:.1}",
            median(&|load| load.per_second, loads) / median(&|load| load.per_second, express)
        ),
        format!(
            "{:.1}",
            median(&|load| load.server, express) / median(&|load| load.server, loads)
        ),
    ]);
    cells
}
