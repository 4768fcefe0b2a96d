//! Start, first request and warm requests of functions, their processor time and memory. The
//! results are ratios to baselines that are measured in the same rounds, so that other load on the
//! machine affects all of them equally.

mod aws;
mod process;
mod runtime_api;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::IsTerminal;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use bytes::Bytes;
use clap::Args;
use serde_json::Value;

use crate::functions::{self, Function, GET_ITEM, HELLO, Selection};
use crate::report::{Budget, Table, check};
use crate::statistics::Summary;
use aws::Aws;
use process::Process;
use runtime_api::{Poll, RuntimeApi};

/// The budget for the processor time of any function's start, as a multiple of `hello`.
const START_CPU: f64 = 2.0;
/// The budget for the start time of any function, as a multiple of `hello`. A debug build of this
/// bench answers more slowly than DynamoDB or a release build, and a function that reads signing
/// keys waits for two answers.
const START: f64 = if cfg!(debug_assertions) { 2.5 } else { 2.0 };
/// The budget for the processor time of this function's warm requests, as a multiple of `get-item`.
const GET_TASK: &str = "get-task";
const WARM: f64 = 1.05;
/// The requests of one process end after this time, whatever their number.
const WARM_TIME: Duration = Duration::from_secs(1);

/// The wait before a process starts, so that the work of the previous one is finished.
const PAUSE: Duration = Duration::from_millis(10);

#[derive(Args)]
pub(crate) struct Arguments {
    /// How often each function is started.
    #[arg(long, default_value = "40", value_name = "N")]
    runs: NonZeroUsize,
    /// How many warm requests each process answers, or as many as it can in a second.
    #[arg(long, default_value = "200", value_name = "N")]
    warm: NonZeroUsize,
    #[command(flatten)]
    selection: Selection,
    /// Fail when a ratio is over its budget by more than a quarter.
    #[arg(long)]
    check: bool,
}

/// Measures and prints the tables.
///
/// # Errors
/// A function cannot run, or gives a wrong answer; with `--check`, a budget is exceeded.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let budgets = runtime.block_on(measure(arguments))?;
    if arguments.check {
        check(&budgets)
    } else {
        Ok(())
    }
}

async fn measure(arguments: &Arguments) -> anyhow::Result<Vec<Budget>> {
    let (functions, folder) = arguments.selection.built()?;
    let mut measured = functions
        .into_iter()
        .map(|function| Measured {
            function,
            runs: Vec::new(),
        })
        .collect::<Vec<_>>();
    let aws = Aws::start().await?;
    for round in 0..=arguments.runs.get() {
        if std::io::stderr().is_terminal() {
            eprint!("\rround {round} of {} ", arguments.runs);
        }
        // The previous process leaves caches and connections behind, so the order differs in every
        // round.
        let mut order = measured.iter_mut().collect::<Vec<_>>();
        order.sort_by_key(|measured| shuffled(round, measured.function.name));
        for Measured { function, runs } in order {
            aws.reset().await?;
            tokio::time::sleep(PAUSE).await;
            let run = run_once(function, &aws, &folder, arguments.warm.get()).await;
            let run = run.context(function.name)?;
            // The first round reads files from disk that later rounds find in memory, so it is not
            // counted.
            runs.extend((round > 0).then_some(run));
        }
    }
    Ok(print(&measured))
}

/// A pseudo-random position in the order of a round.
fn shuffled(round: usize, name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (round, name).hash(&mut hasher);
    hasher.finish()
}

/// The measurements of one function, one for each start.
struct Measured {
    function: Function,
    runs: Vec<Run>,
}

/// The measurements of one process.
struct Run {
    /// From the start of the process to its first poll of the Runtime API, in milliseconds.
    start: f64,
    /// Processor time until then, in milliseconds.
    start_cpu: f64,
    /// `None` for a function without an event.
    answers: Option<Answers>,
    /// The peak memory, in megabytes.
    memory: f64,
}

struct Answers {
    /// The time from receiving the first event to answering it, in milliseconds.
    first: f64,
    /// The processor time of the first request, in milliseconds.
    first_cpu: f64,
    /// The time from receiving each later event to answering it, in milliseconds.
    warm: Vec<f64>,
    /// The median processor time of later requests, in microseconds.
    warm_cpu: f64,
}

/// Starts a function, lets it answer, and stops it.
async fn run_once(
    function: &Function,
    aws: &Aws,
    folder: &Path,
    warm: usize,
) -> anyhow::Result<Run> {
    let mut api = RuntimeApi::listen().await?;
    let environment = aws.environment(function.name, function.endpoint, api.address);
    let started = Instant::now();
    let mut process = Process::start(&folder.join(function.name), &environment)?;
    let observed = observe(function, started, &process, &mut api, aws, warm).await;
    observed.map_err(|error| anyhow!("{error:#}\n{}", process.last_words()))
}

async fn observe(
    function: &Function,
    started: Instant,
    process: &Process,
    api: &mut RuntimeApi,
    aws: &Aws,
    warm: usize,
) -> anyhow::Result<Run> {
    let poll = api.poll().await?;
    let (start, start_cpu) = (
        milliseconds(poll.at - started),
        milliseconds(process.cpu()?),
    );
    let answers = match function.event {
        Some(name) => Some(answer(&Event::read(name)?, poll, process, api, aws, warm).await?),
        None => None,
    };
    Ok(Run {
        start,
        start_cpu,
        answers,
        memory: process.peak_memory()?,
    })
}

/// Sends the same event to a function repeatedly.
async fn answer(
    event: &Event,
    poll: Poll,
    process: &Process,
    api: &mut RuntimeApi,
    aws: &Aws,
    warm: usize,
) -> anyhow::Result<Answers> {
    let mut waiting = poll;
    let (mut times, mut cpu) = (Vec::new(), Vec::new());
    let until = Instant::now() + WARM_TIME;
    while times.is_empty() || (times.len() <= warm && Instant::now() < until) {
        if event.writes {
            aws.reset().await?;
        }
        let before = process.cpu()?;
        let (time, answer) = api.invoke(waiting, event.json.clone()).await?;
        // The work of a function between its answer and its next poll is part of the request's
        // cost.
        waiting = api.poll().await?;
        cpu.push(milliseconds(process.cpu()? - before));
        times.push(milliseconds(time));
        event.check(&answer)?;
    }
    let (first, first_cpu) = (times.remove(0), cpu.remove(0));
    Ok(Answers {
        first,
        first_cpu,
        warm_cpu: Summary::of(&cpu).median * 1e3,
        warm: times,
    })
}

impl Measured {
    fn summary(&self, what: impl Fn(&Run) -> f64) -> Summary {
        Summary::of(&self.runs.iter().map(what).collect::<Vec<_>>())
    }

    /// A summary of the processes that were given events.
    fn summary_of_answers(&self, what: impl Fn(&Answers) -> f64) -> Summary {
        Summary::of(
            &self
                .runs
                .iter()
                .filter_map(|run| run.answers.as_ref().map(&what))
                .collect::<Vec<_>>(),
        )
    }

    /// A summary of all warm requests of all processes.
    fn warm(&self) -> Summary {
        Summary::of(
            &self
                .runs
                .iter()
                .filter_map(|run| run.answers.as_ref())
                .flat_map(|answers| answers.warm.clone())
                .collect::<Vec<_>>(),
        )
    }

    /// The row of the request times, relative to the processor times of `get-item`.
    fn requests_row(&self, item_first: f64, item_warm: f64) -> Vec<String> {
        let first = self.summary_of_answers(|answers| answers.first);
        let first_cpu = self.summary_of_answers(|answers| answers.first_cpu).median;
        let warm = self.warm();
        let warm_cpu = self.summary_of_answers(|answers| answers.warm_cpu).median;
        let mut row = vec![self.function.name.to_owned()];
        if first.runs == 0 {
            row.extend(std::iter::repeat_n("-".to_owned(), 7));
        } else {
            row.extend([
                first.to_string(),
                format!("{first_cpu:.2}"),
                format!("{:.2}", first_cpu / item_first),
                warm.runs.to_string(),
                warm.to_string(),
                format!("{warm_cpu:.0}"),
                format!("{:.2}", warm_cpu / item_warm),
            ]);
        }
        row.push(format!("{:.1}", self.summary(|run| run.memory).median));
        row
    }
}

struct Event {
    json: Bytes,
    /// Whether it may change the tables.
    writes: bool,
    not_found: bool,
}

impl Event {
    fn read(name: &str) -> anyhow::Result<Self> {
        let json = std::fs::read(functions::root().join(format!("events/{name}.json")))?;
        let event = serde_json::from_slice::<Value>(&json)?;
        let method = event["requestContext"]["http"]["method"]
            .as_str()
            .context("an event without a method")?;
        Ok(Self {
            writes: method != "GET",
            not_found: name == "not-found",
            json: json.into(),
        })
    }

    /// Errors are fast, so they must not be measured.
    fn check(&self, answer: &[u8]) -> anyhow::Result<()> {
        let answer = serde_json::from_slice::<Value>(answer)?;
        match answer["statusCode"].as_u64() {
            Some(404) if self.not_found => Ok(()),
            Some(200..300) if !self.not_found => Ok(()),
            _ => Err(anyhow!("it answers {answer}")),
        }
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn print(measured: &[Measured]) -> Vec<Budget> {
    let mut budgets = starts(measured);
    println!();
    budgets.extend(requests(measured));
    budgets
}

/// Prints the start times. Returns the budgets of all functions except the baselines.
fn starts(measured: &[Measured]) -> Vec<Budget> {
    let hello = measured
        .iter()
        .find(|measured| measured.function.name == HELLO.name);
    let of_hello =
        |what: fn(&Run) -> f64| hello.map_or(f64::NAN, |hello| hello.summary(what).median);
    let (hello, hello_cpu) = (of_hello(|run| run.start), of_hello(|run| run.start_cpu));
    let mut budgets = Vec::new();
    let verdict = format!("at most {START}x");
    let mut table = Table::new([
        "function",
        "runs",
        "start, ms: min / median / p99",
        "x hello",
        "CPU, ms",
        "x hello",
        &verdict,
    ]);
    for measured in measured {
        let (start, cpu) = (
            measured.summary(|run| run.start),
            measured.summary(|run| run.start_cpu),
        );
        let name = measured.function.name;
        let budget = Budget {
            what: format!("start of {name}"),
            measured: start.median / hello,
            at_most: START,
        };
        table.row(vec![
            name.to_owned(),
            start.runs.to_string(),
            start.to_string(),
            format!("{:.2}", budget.measured),
            format!("{:.2}", cpu.median),
            format!("{:.2}", cpu.median / hello_cpu),
            if measured.function.is_baseline() {
                ""
            } else {
                budget.verdict()
            }
            .to_owned(),
        ]);
        if !measured.function.is_baseline() {
            let cpu = Budget {
                what: format!("CPU of the start of {name}"),
                measured: cpu.median / hello_cpu,
                at_most: START_CPU,
            };
            budgets.extend([budget, cpu]);
        }
    }
    table.print();
    budgets
}

/// Prints the request times. Returns the budget of get-task.
fn requests(measured: &[Measured]) -> Option<Budget> {
    let item = measured
        .iter()
        .find(|measured| measured.function.name == GET_ITEM.name);
    let of_item = |what: fn(&Answers) -> f64| {
        item.map_or(f64::NAN, |item| item.summary_of_answers(what).median)
    };
    let (item_first, item_warm) = (
        of_item(|answers| answers.first_cpu),
        of_item(|answers| answers.warm_cpu),
    );
    let mut table = Table::new([
        "function",
        "first, ms: min / median / p99",
        "CPU, ms",
        "x get-item",
        "warm",
        "warm, ms: min / median / p99",
        "CPU, µs",
        "x get-item",
        "peak MB",
    ]);
    for measured in measured {
        table.row(measured.requests_row(item_first, item_warm));
    }
    table.print();
    let task = measured
        .iter()
        .find(|measured| measured.function.name == GET_TASK);
    task.map(|task| Budget {
        what: format!("CPU of a warm {GET_TASK}"),
        measured: task.summary_of_answers(|answers| answers.warm_cpu).median / item_warm,
        at_most: WARM,
    })
}
