//! What Tasklane costs, measured: one file for each bench. How to run them, and what they found, is in `README.md`.

mod functions;
mod report;
mod size;
mod start;
mod statistics;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// What went wrong, for whoever runs a bench.
type Error = Box<dyn std::error::Error + Send + Sync>;

/// Measures Tasklane against its budgets. What counts are ratios within one run; absolute times are the machine's.
#[derive(Parser)]
#[command(name = "bench", max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start, first and warm requests of every function, beside functions that do less and that do it the usual way.
    Start(start::Arguments),
    /// Zipped size of every function.
    Size(size::Arguments),
}

fn main() -> ExitCode {
    let measured = match Arguments::parse().command {
        Command::Start(arguments) => start::run(&arguments),
        Command::Size(arguments) => size::run(&arguments),
    };
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}
