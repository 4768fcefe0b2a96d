//! The zipped size of functions: what is uploaded, and what Lambda fetches before a start.

use std::io::Write;

use anyhow::Context;
use clap::Args;
use flate2::Compression;
use flate2::write::DeflateEncoder;

use crate::functions::Selection;
use crate::report::{Budget, Table, check};

/// The budget for the zipped binary of any function, in megabytes of a million bytes.
const ZIPPED: f64 = 2.5;

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    selection: Selection,
    /// Fail when a function is over its budget by more than a quarter.
    #[arg(long)]
    check: bool,
}

/// Measures and prints the table.
///
/// # Errors
/// A function cannot be built or read; with `--check`, a budget is exceeded.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let budgets = measure(&arguments.selection)?;
    if arguments.check {
        check(&budgets)
    } else {
        Ok(())
    }
}

fn measure(selection: &Selection) -> anyhow::Result<Vec<Budget>> {
    let (functions, folder) = selection.built()?;
    let (mut table, mut budgets) = (
        Table::new(["function", "binary, MB", "zipped, MB", "at most 2.5 MB"]),
        Vec::new(),
    );
    for function in functions {
        let path = folder.join(function.name);
        let binary = std::fs::read(&path).with_context(|| path.display().to_string())?;
        let budget = Budget {
            what: format!("zipped {}", function.name),
            measured: zipped(&binary)? / 1e6,
            at_most: ZIPPED,
        };
        table.row(vec![
            function.name.to_owned(),
            format!("{:.2}", binary.len() as f64 / 1e6),
            format!("{:.2}", budget.measured),
            if function.is_baseline() {
                ""
            } else {
                budget.verdict()
            }
            .to_owned(),
        ]);
        budgets.extend((!function.is_baseline()).then_some(budget));
    }
    table.print();
    Ok(budgets)
}

/// The deployed size of a binary in bytes: deflated at the default level, as by the SAM CLI and
/// `zip`. The archive itself adds a hundred bytes.
fn zipped(binary: &[u8]) -> anyhow::Result<f64> {
    let mut deflated = DeflateEncoder::new(Vec::new(), Compression::default());
    deflated.write_all(binary)?;
    Ok(deflated.finish()?.len() as f64)
}
