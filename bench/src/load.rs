//! The server under load, compared with PocketBase and with a task API as in tutorials.

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
const TASKLANE: &str = "Tasklane, SQLite";
const POCKETBASE: &str = "PocketBase";
const EXPRESS: &str = "Express on MongoDB";
/// The targets: Tasklane's requests per second, divided by PocketBase's and by Express's.
const TO_POCKETBASE: f64 = 2.0;
const TO_EXPRESS: f64 = 5.0;
/// What the MongoDB server of the tests promises.
const IN_MEMORY: &str = "the test server keeps its data in memory: a restart loses everything.";
/// A login takes a hundred times as long as other requests, so it is measured for longer. Of 128
/// logins at the same time, a server may answer the first one after several seconds.
const LOGIN_SECONDS: u32 = 5;
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
    /// For how many seconds each time; logins for five times as long.
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
    /// What it promises about a write that it has acknowledged.
    durability: &'static str,
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
    /// The server's, then the store's.
    costs: Vec<Cost>,
}

/// What one process used during a run.
struct Cost {
    /// Microseconds of processor time for each request.
    processor: f64,
    /// Its peak memory, in MB.
    memory: f64,
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
        "\n{runs} runs of {seconds} s each, of logins {LOGIN_SECONDS} times as long. Latency in milliseconds: min / median / p99. CPU in microseconds per request. Memory in MB: the peak of the run.\n"
    );
    let mut table = empty_table();
    let position = |name| subjects.iter().position(|subject| subject.name == name);
    let (Some(pocketbase), Some(express)) = (position(POCKETBASE), position(EXPRESS)) else {
        bail!("there is nothing to compare with");
    };
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
            let load = |subject: &Subject, requests: &[Request]| {
                subject.load(requests, connections, seconds, folder.path())
            };
            let measured = in_turn(&subjects, &requests, runs, load)?;
            for (subject, loads) in subjects.iter().zip(&measured) {
                table.row(row(
                    operation,
                    connections,
                    subject.name,
                    loads,
                    [&measured[pocketbase], &measured[express]],
                ));
            }
        }
    }
    table.print();
    print_terms(&subjects);
    Ok(())
}

fn print_terms(subjects: &[Subject]) {
    println!(
        "\nThe targets on reads and writes are {TO_POCKETBASE} times the requests per second of PocketBase and {TO_EXPRESS} times those of Express.\n"
    );
    for subject in subjects {
        println!("- {}: {}", subject.name, subject.durability);
    }
}

/// Loads the subjects in turn, so that all of them meet the same moods of the machine. Returns the
/// runs of each.
fn in_turn(
    subjects: &[Subject],
    requests: &[Vec<Request>],
    runs: usize,
    load: impl Fn(&Subject, &[Request]) -> anyhow::Result<Load>,
) -> anyhow::Result<Vec<Vec<Load>>> {
    let mut measured = subjects.iter().map(|_| Vec::new()).collect::<Vec<_>>();
    for _ in 0..runs {
        for ((subject, requests), measured) in subjects.iter().zip(requests).zip(&mut measured) {
            measured.push(load(subject, requests)?);
        }
    }
    Ok(measured)
}

fn empty_table() -> Table {
    let at_least = format!("at least {TO_POCKETBASE}");
    Table::new([
        "operation",
        "connections",
        "server",
        "per second",
        "latency",
        "CPU of the server",
        "CPU of the store",
        "memory of the server",
        "memory of the store",
        "per second, to PocketBase",
        &at_least,
        "per second, to Express",
        "CPU of Express, to this server's",
    ])
}

/// Starts the servers and fills them with the same people and tasks.
async fn subjects(folder: &Path, drafts: &[Value]) -> anyhow::Result<Vec<Subject>> {
    let program = processes::build_server()?;
    let (on_mongodb, beside) = tasklane_on_mongodb(&program, &folder.join("mongodb"))?;
    // A separate database server, so that neither has to search the other's data.
    let theirs = processes::mongodb()?;
    let mut subjects = vec![
        Subject {
            name: TASKLANE,
            durability: "WAL, synchronous=FULL: each acknowledged write is on disk.",
            dialect: Dialect::TASKLANE,
            server: processes::tasklane(&program, &folder.join("sqlite"), &LIMITS)?,
            store: None,
            people: Vec::new(),
        },
        Subject {
            name: POCKETBASE,
            durability: "WAL, synchronous=NORMAL: a loss of power may lose the last writes.",
            dialect: Dialect::POCKETBASE,
            server: pocketbase(&folder.join("pocketbase"))?,
            store: None,
            people: Vec::new(),
        },
        Subject {
            name: "Tasklane on MongoDB",
            durability: IN_MEMORY,
            dialect: Dialect::TASKLANE,
            server: on_mongodb,
            store: Some(beside),
            people: Vec::new(),
        },
        Subject {
            name: EXPRESS,
            durability: IN_MEMORY,
            dialect: Dialect::EXPRESS,
            server: express(&format!("mongodb://{}/tasks", theirs.address))?,
            store: Some(theirs),
            people: Vec::new(),
        },
    ];
    for subject in &mut subjects {
        subject.people = subject
            .dialect
            .people(&subject.server, PEOPLE, drafts)
            .await
            .context(subject.name)?;
    }
    Ok(subjects)
}

/// Starts Tasklane's server and its database server.
fn tasklane_on_mongodb(program: &Path, folder: &Path) -> anyhow::Result<(Process, Process)> {
    let store = processes::mongodb()?;
    let url = format!("mongodb://{}/tasklane", store.address);
    migrate(program, &url)?;
    let settings = [&LIMITS[..], &[("DATABASE_URL", url.as_str())]].concat();
    Ok((processes::tasklane(program, folder, &settings)?, store))
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

/// Builds PocketBase with the flags of its own releases, and starts it on this folder.
fn pocketbase(folder: &Path) -> anyhow::Result<Process> {
    let program = root().join("target/baselines/pocketbase");
    let built = Command::new("go")
        .args(["build", "-ldflags", "-s -w", "-o"])
        .arg(&program)
        .current_dir(root().join("bench/baselines/pocketbase"))
        .env("CGO_ENABLED", "0")
        .status()
        .context("go cannot be started; install Go, version 1.25 or later")?;
    if !built.success() {
        bail!("PocketBase could not be built");
    }
    let mut command = Command::new(program);
    command.args(["serve", "--dir"]).arg(folder);
    Process::start(&mut command, Says::Output)
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
        for process in self.processes() {
            process.reset_peak_memory()?;
        }
        let before = self.processor_times()?;
        let loaded = Command::new("wrk")
            .args(["--threads", "1", "--timeout", "30s"])
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
        let peaks = self
            .processes()
            .map(Process::peak_memory)
            .collect::<Result<Vec<_>, _>>()?;
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
        let costs = before.iter().zip(&after).zip(peaks);
        Ok(Load {
            per_second: requests / (duration / 1_000_000.0),
            latency: [min, median, p99].map(|microseconds| microseconds / 1000.0),
            costs: costs
                .map(|((before, after), memory)| Cost {
                    processor: (*after - *before).as_secs_f64() * 1_000_000.0 / requests,
                    memory,
                })
                .collect(),
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
                .zip(&before)
                .all(|(now, before)| *now - *before < BETWEEN_LOOKS / 10)
            {
                break;
            }
            before = now;
        }
        Ok(())
    }

    /// The server, then the store.
    fn processes(&self) -> impl Iterator<Item = &Process> {
        std::iter::once(&self.server).chain(&self.store)
    }

    fn processor_times(&self) -> anyhow::Result<Vec<Duration>> {
        self.processes().map(Process::processor_time).collect()
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

fn row(
    operation: Operation,
    connections: u32,
    server: &str,
    loads: &[Load],
    [pocketbase, express]: [&[Load]; 2],
) -> Vec<String> {
    let [min, middle, p99] = [0, 1, 2].map(|at| median(loads, |load| load.latency[at]));
    // The cells of the store are empty if the server has no separate store.
    let cost = |at: usize, of: fn(&Cost) -> f64| {
        if loads.iter().all(|load| at < load.costs.len()) {
            format!("{:.0}", median(loads, |load| of(&load.costs[at])))
        } else {
            String::new()
        }
    };
    let per_second = |loads| median(loads, |load| load.per_second);
    let processor = |loads| median(loads, |load| load.costs[0].processor);
    let to_pocketbase = per_second(loads) / per_second(pocketbase);
    let has_target = server == TASKLANE && operation != Operation::LogIn;
    let verdict = match (has_target, to_pocketbase >= TO_POCKETBASE) {
        (false, _) => "",
        (true, true) => "yes",
        (true, false) => "NO",
    };
    vec![
        operation.name().to_owned(),
        connections.to_string(),
        server.to_owned(),
        format!("{:.0}", per_second(loads)),
        format!("{min:.2} / {middle:.2} / {p99:.2}"),
        cost(0, |cost| cost.processor),
        cost(1, |cost| cost.processor),
        cost(0, |cost| cost.memory),
        cost(1, |cost| cost.memory),
        format!("{to_pocketbase:.2}"),
        verdict.to_owned(),
        format!("{:.1}", per_second(loads) / per_second(express)),
        format!("{:.1}", processor(express) / processor(loads)),
    ]
}

/// The median of the runs.
fn median(loads: &[Load], of: impl Fn(&Load) -> f64) -> f64 {
    Summary::of(&loads.iter().map(of).collect::<Vec<_>>()).median
}
