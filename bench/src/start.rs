//! Start, first and warm requests of functions, their processor time and their memory: as ratios to
//! baselines that are measured in the same rounds, so that whatever else the machine does hits all
//! of them alike.

mod aws;
mod process;
mod runtime_api;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::IsTerminal;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::Args;
use serde_json::Value;

use crate::Error;
use crate::functions::{self, Function, GET_ITEM, HELLO, Selection};
use crate::report::{Budget, Table, check};
use crate::statistics::Summary;
use aws::Aws;
use process::Process;
use runtime_api::{Poll, RuntimeApi};

/// The processor time of the start of any function, in times that of `hello`.
const START_CPU: f64 = 2.0;
/// The start of any function, in times that of `hello`. A debug build of this bench takes longer to
/// answer than DynamoDB and a release build do, and a function that reads signing keys waits for two
/// answers.
const START: f64 = if cfg!(debug_assertions) { 2.5 } else { 2.0 };
/// The processor time of this function's warm requests, in times that of `get-item`.
const GET_TASK: &str = "get-task";
const WARM: f64 = 1.05;
/// Requests of one process end after this, however many there are still to be.
const WARM_TIME: Duration = Duration::from_secs(1);

/// Before a process is started, so that what the last one left behind is done with.
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

/// Measures, and prints the tables.
///
/// # Errors
/// A function cannot be run, or answers what it should not; with `--check`, a budget is broken.
pub(crate) fn run(arguments: &Arguments) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let budgets = runtime
        .block_on(measure(arguments))
        .map_err(|error| error.to_string())?;
    if arguments.check {
        check(&budgets)
    } else {
        Ok(())
    }
}

async fn measure(arguments: &Arguments) -> Result<Vec<Budget>, Error> {
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
        // What ran before leaves caches and connections behind: in every round that is another one.
        let mut order = measured.iter_mut().collect::<Vec<_>>();
        order.sort_by_key(|measured| shuffled(round, measured.function.name));
        for Measured { function, runs } in order {
            aws.reset().await?;
            tokio::time::sleep(PAUSE).await;
            let run = run_once(function, &aws, &folder, arguments.warm.get()).await;
            let run = run.map_err(|error| format!("{}: {error}", function.name))?;
            // The first round reads files that the others find in memory.
            runs.extend((round > 0).then_some(run));
        }
    }
    Ok(print(&measured))
}

/// A place in the order of a round that has nothing to do with any other.
fn shuffled(round: usize, name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (round, name).hash(&mut hasher);
    hasher.finish()
}

/// What was measured of one function, each time that it was started.
struct Measured {
    function: Function,
    runs: Vec<Run>,
}

/// What was measured of one process.
struct Run {
    /// From the start of the process to its first poll of the Runtime API, in milliseconds.
    start: f64,
    /// Processor time until then, in milliseconds.
    start_cpu: f64,
    /// `None` for a function that was given no event.
    answers: Option<Answers>,
    /// The most memory that it had, in megabytes.
    memory: f64,
}

struct Answers {
    /// From when the first event is given to when it is answered, in milliseconds.
    first: f64,
    /// Processor time of that, in milliseconds.
    first_cpu: f64,
    /// From when a later event is given to when it is answered, for each of them, in milliseconds.
    warm: Vec<f64>,
    /// Processor time of one of these: their median, in microseconds.
    warm_cpu: f64,
}

/// Starts a function, lets it answer, and ends it.
async fn run_once(
    function: &Function,
    aws: &Aws,
    folder: &Path,
    warm: usize,
) -> Result<Run, Error> {
    let mut api = RuntimeApi::listen().await?;
    let environment = aws.environment(function.name, function.endpoint, api.address);
    let started = Instant::now();
    let mut process = Process::start(&folder.join(function.name), &environment)?;
    let observed = observe(function, started, &process, &mut api, aws, warm).await;
    observed.map_err(|error| format!("{error}\n{}", process.last_words()).into())
}

async fn observe(
    function: &Function,
    started: Instant,
    process: &Process,
    api: &mut RuntimeApi,
    aws: &Aws,
    warm: usize,
) -> Result<Run, Error> {
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

/// Gives a function that polls the same event again and again.
async fn answer(
    event: &Event,
    poll: Poll,
    process: &Process,
    api: &mut RuntimeApi,
    aws: &Aws,
    warm: usize,
) -> Result<Answers, Error> {
    let mut waiting = poll;
    let (mut times, mut cpu) = (Vec::new(), Vec::new());
    let until = Instant::now() + WARM_TIME;
    while times.is_empty() || (times.len() <= warm && Instant::now() < until) {
        if event.writes {
            aws.reset().await?;
        }
        let before = process.cpu()?;
        let (time, answer) = api.invoke(waiting, event.json.clone()).await?;
        // What a function does after its answer and before its next poll is a part of the request's
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

    /// Of each process that was given events.
    fn summary_of_answers(&self, what: impl Fn(&Answers) -> f64) -> Summary {
        Summary::of(
            &self
                .runs
                .iter()
                .filter_map(|run| run.answers.as_ref().map(&what))
                .collect::<Vec<_>>(),
        )
    }

    /// Of each warm request of all processes.
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
}

struct Event {
    json: Bytes,
    /// Whether it may change what the tables hold.
    writes: bool,
    not_found: bool,
}

impl Event {
    fn read(name: &str) -> Result<Self, Error> {
        let json = std::fs::read(functions::root().join(format!("events/{name}.json")))?;
        let event = serde_json::from_slice::<Value>(&json)?;
        let method = event["requestContext"]["http"]["method"]
            .as_str()
            .ok_or("an event without a method")?;
        Ok(Self {
            writes: method != "GET",
            not_found: name == "not-found",
            json: json.into(),
        })
    }

    /// Errors are fast: they are never measured.
    fn check(&self, answer: &[u8]) -> Result<(), Error> {
        let answer = serde_json::from_slice::<Value>(answer)?;
        match answer["statusCode"].as_u64() {
            Some(404) if self.not_found => Ok(()),
            Some(200..300) if !self.not_found => Ok(()),
            _ => Err(format!("it answers {answer}").into()),
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

/// Prints what starts took; the budgets of all functions but the baselines.
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

/// Prints what requests took; the budget of get-task.
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
    let mut budget = None;
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
        let name = measured.function.name;
        let (first, first_cpu) = (
            measured.summary_of_answers(|answers| answers.first),
            measured.summary_of_answers(|answers| answers.first_cpu),
        );
        let (warm, warm_cpu) = (
            measured.warm(),
            measured.summary_of_answers(|answers| answers.warm_cpu),
        );
        let memory = format!("{:.1}", measured.summary(|run| run.memory).median);
        if first.runs == 0 {
            let nothing = std::iter::repeat_n("-".to_owned(), 7);
            table.row(
                [name.to_owned()]
                    .into_iter()
                    .chain(nothing)
                    .chain([memory])
                    .collect(),
            );
            continue;
        }
        table.row(vec![
            name.to_owned(),
            first.to_string(),
            format!("{:.2}", first_cpu.median),
            format!("{:.2}", first_cpu.median / item_first),
            warm.runs.to_string(),
            warm.to_string(),
            format!("{:.0}", warm_cpu.median),
            format!("{:.2}", warm_cpu.median / item_warm),
            memory,
        ]);
        if name == GET_TASK {
            budget = Some(Budget {
                what: format!("CPU of a warm {name}"),
                measured: warm_cpu.median / item_warm,
                at_most: WARM,
            });
        }
    }
    table.print();
    budget
}
