//! Start, first and warm requests of functions, their processor time and their memory: as ratios to baselines that are
//! measured in the same rounds, so that whatever else the machine does hits all of them alike.

mod aws;
mod process;
mod runtime_api;

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
use runtime_api::RuntimeApi;

/// The start of any function, in times that of `hello`.
const START: f64 = 2.0;
/// The processor time of a warm get-task, in times that of `get-item`.
const WARM: f64 = 1.25;
/// Warm requests of one process end after this, however many there are still to be.
const WARM_TIME: Duration = Duration::from_secs(1);

/// What to measure.
#[derive(Args)]
pub(crate) struct Arguments {
    /// How often each function is started.
    #[arg(long, default_value_t = 40, value_name = "N")]
    runs: usize,
    /// How many warm requests each process answers, or as many as it can in a second.
    #[arg(long, default_value_t = 200, value_name = "N")]
    warm: usize,
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
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    let budgets = runtime.block_on(measure(arguments)).map_err(|error| error.to_string())?;
    if arguments.check { check(&budgets) } else { Ok(()) }
}

async fn measure(arguments: &Arguments) -> Result<Vec<Budget>, Error> {
    let (functions, folder) = arguments.selection.built()?;
    let mut measured = functions.into_iter().map(Measured::of).collect::<Vec<_>>();
    let aws = Aws::start().await?;
    // The first round reads files that the others find in memory.
    for round in 0..=arguments.runs {
        eprint!("\rround {round} of {}", arguments.runs);
        for measured in &mut measured {
            let name = measured.function.name;
            measured.round(&aws, &folder, arguments.warm, round > 0).await.map_err(|error| format!("{name}: {error}"))?;
        }
    }
    eprintln!();
    Ok(print(&measured))
}

/// What was measured of one function: a number for each time that it was started.
struct Measured {
    function: Function,
    /// From the start of the process to its first poll of the Runtime API, in milliseconds.
    start: Vec<f64>,
    /// Processor time until then, in milliseconds.
    start_cpu: Vec<f64>,
    /// From when the first event is given to when it is answered, in milliseconds.
    first: Vec<f64>,
    /// The same for every event after it.
    warm: Vec<f64>,
    /// Processor time of one of these, in microseconds: the average of a process.
    warm_cpu: Vec<f64>,
    /// The most memory that the process had, in megabytes.
    memory: Vec<f64>,
}

impl Measured {
    fn of(function: Function) -> Self {
        let none = Vec::new;
        Self { function, start: none(), start_cpu: none(), first: none(), warm: none(), warm_cpu: none(), memory: none() }
    }

    /// Starts the function, lets it answer, and ends it.
    async fn round(&mut self, aws: &Aws, folder: &Path, warm: usize, counts: bool) -> Result<(), Error> {
        aws.reset().await?;
        let mut api = RuntimeApi::listen().await?;
        let environment = aws.environment(self.function.name, self.function.endpoint, api.address);
        let started = Instant::now();
        let mut process = Process::start(&folder.join(self.function.name), &environment)?;
        let before = self.warm.len();
        match self.observe(started, &process, &mut api, aws, warm).await {
            Ok(()) if counts => Ok(()),
            // As if it had not been.
            Ok(()) => {
                self.warm.truncate(before);
                for all in [&mut self.start, &mut self.start_cpu, &mut self.first, &mut self.warm_cpu, &mut self.memory] {
                    all.clear();
                }
                Ok(())
            }
            Err(error) => Err(format!("{error}\n{}", process.last_words()).into()),
        }
    }

    async fn observe(&mut self, started: Instant, process: &Process, api: &mut RuntimeApi, aws: &Aws, warm: usize) -> Result<(), Error> {
        let mut poll = api.poll().await?;
        self.start.push(milliseconds(poll.at - started));
        self.start_cpu.push(milliseconds(process.cpu()?));
        if let Some(name) = self.function.event {
            let event = Event::read(name)?;
            let (time, answer) = api.invoke(poll, event.json.clone()).await?;
            event.check(&answer)?;
            self.first.push(milliseconds(time));
            poll = api.poll().await?;

            let (until, mut cpu, mut requests) = (Instant::now() + WARM_TIME, Duration::ZERO, 0);
            while requests < warm && Instant::now() < until {
                if event.writes {
                    aws.reset().await?;
                }
                let before = process.cpu()?;
                let (time, answer) = api.invoke(poll, event.json.clone()).await?;
                poll = api.poll().await?;
                cpu += process.cpu()? - before;
                event.check(&answer)?;
                self.warm.push(milliseconds(time));
                requests += 1;
            }
            self.warm_cpu.push(cpu.as_secs_f64() * 1e6 / f64::from(u32::try_from(requests)?));
        }
        self.memory.push(process.peak_memory()?);
        Ok(())
    }
}

/// A sample event.
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
        let method = event["requestContext"]["http"]["method"].as_str().ok_or("an event without a method")?;
        Ok(Self { writes: method != "GET", not_found: name == "not-found", json: json.into() })
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
    let median = |name: &str, what: fn(&Measured) -> &[f64]| {
        measured.iter().find(|measured| measured.function.name == name).map_or(f64::NAN, |measured| Summary::of(what(measured)).median)
    };
    let (hello, hello_cpu) = (median(HELLO.name, |m| &m.start), median(HELLO.name, |m| &m.start_cpu));
    let (item, item_first) = (median(GET_ITEM.name, |m| &m.warm_cpu), median(GET_ITEM.name, |m| &m.first));
    let mut budgets = Vec::new();

    let of_first_poll = ["function", "runs", "start, ms: min / median / p99", "x hello", "CPU, ms", "x hello", "at most 2x"];
    let mut table = Table::new(&of_first_poll);
    for measured in measured {
        let (start, cpu) = (Summary::of(&measured.start), Summary::of(&measured.start_cpu));
        let budget = Budget { what: format!("start of {}", measured.function.name), measured: start.median / hello, at_most: START };
        let is_ours = !measured.function.is_baseline();
        table.row(vec![
            measured.function.name.to_owned(),
            start.runs.to_string(),
            start.to_string(),
            format!("{:.2}", budget.measured),
            format!("{:.2}", cpu.median),
            format!("{:.2}", cpu.median / hello_cpu),
            if is_ours { budget.verdict() } else { "" }.to_owned(),
        ]);
        budgets.extend(is_ours.then_some(budget));
    }
    table.print();
    println!();

    let of_requests = [
        "function",
        "first, ms: min / median / p99",
        "x get-item",
        "warm",
        "warm, ms: min / median / p99",
        "CPU, µs",
        "x get-item",
        "peak MB",
    ];
    let mut table = Table::new(&of_requests);
    for measured in measured {
        let (first, warm, cpu) = (Summary::of(&measured.first), Summary::of(&measured.warm), Summary::of(&measured.warm_cpu));
        let answers = |text: String| if first.runs == 0 { "-".to_owned() } else { text };
        if measured.function.name == "get-task" {
            budgets.push(Budget { what: "CPU of a warm get-task".to_owned(), measured: cpu.median / item, at_most: WARM });
        }
        table.row(vec![
            measured.function.name.to_owned(),
            answers(first.to_string()),
            answers(format!("{:.2}", first.median / item_first)),
            warm.runs.to_string(),
            answers(warm.to_string()),
            answers(format!("{:.0}", cpu.median)),
            answers(format!("{:.2}", cpu.median / item)),
            format!("{:.1}", Summary::of(&measured.memory).median),
        ]);
    }
    table.print();
    budgets
}
