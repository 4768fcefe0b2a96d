//! Start, first and warm requests of functions.

use clap::Args;

/// What to measure.
#[derive(Args)]
pub(crate) struct Arguments {
    /// How often each function is started.
    #[arg(long, default_value_t = 40, value_name = "N")]
    runs: usize,
}

/// Measures, and prints the table.
///
/// # Errors
/// A function cannot be run, or answers what it should not.
pub(crate) fn run(arguments: &Arguments) -> Result<(), String> {
    Err(format!("cannot start anything {} times yet", arguments.runs))
}
