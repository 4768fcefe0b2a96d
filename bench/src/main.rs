//! Benchmarks of Tasklane, one file for each. `README.md` explains how to run them, and has their
//! results.

mod clients;
mod engines;
mod functions;
mod growth;
mod load;
mod pages;
mod people;
mod processes;
mod report;
mod size;
mod start;
mod statistics;
mod usage;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Measures Tasklane against its budgets. Compare the ratios within one run; absolute times
/// depend on the machine.
#[derive(Parser)]
#[command(name = "bench", max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start, first and warm requests of every function, compared with smaller functions and with one
    /// written in the usual way.
    Start(start::Arguments),
    /// Zipped size of every function.
    Size(size::Arguments),
    /// A page of 50 tasks out of lists of 100, 1,000 and 100,000, on DynamoDB's interface and on
    /// MongoDB's.
    Pages(pages::Arguments),
    /// Requests per second and latency of the server, compared with a task API as in tutorials.
    /// Needs wrk and Node.
    Load(load::Arguments),
    /// The cost of a request with 10, 1,000 and 100,000 accounts, and as many tasks of one owner.
    Growth(growth::Arguments),
}

fn main() -> ExitCode {
    let measured = match Arguments::parse().command {
        Command::Start(arguments) => start::run(&arguments),
        Command::Size(arguments) => size::run(&arguments),
        Command::Pages(arguments) => pages::run(&arguments),
        Command::Load(arguments) => load::run(&arguments),
        Command::Growth(arguments) => growth::run(&arguments),
    };
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
