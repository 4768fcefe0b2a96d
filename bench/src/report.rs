//! Markdown tables as in `README.md`, and budgets.

use anyhow::anyhow;

/// A table whose columns are as wide as their contents.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(headings: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            rows: vec![headings.into_iter().map(Into::into).collect()],
        }
    }

    /// Adds a row, with one cell for each heading.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    pub(crate) fn print(&self) {
        let columns = self.rows.first().map_or(0, Vec::len);
        let width = |column: usize| {
            self.rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths = (0..columns).map(width).collect::<Vec<_>>();
        for (index, row) in self.rows.iter().enumerate() {
            let cells = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:width$}", width = *width))
                .collect::<Vec<_>>();
            println!("| {} |", cells.join(" | "));
            if index == 0 {
                println!(
                    "|{}|",
                    widths
                        .iter()
                        .map(|width| "-".repeat(width + 2))
                        .collect::<Vec<_>>()
                        .join("|")
                );
            }
        }
    }
}

/// By which factor a value may exceed its budget before a check fails: measurements vary on a busy
/// machine.
const TOLERANCE: f64 = 1.25;

/// A measured value and its budget.
pub(crate) struct Budget {
    /// The name of the value, such as `start of get-task`.
    pub(crate) what: String,
    pub(crate) measured: f64,
    /// The budget.
    pub(crate) at_most: f64,
}

impl Budget {
    /// Whether the budget is met, for a table.
    pub(crate) fn verdict(&self) -> &'static str {
        if self.measured <= self.at_most {
            "yes"
        } else {
            "NO"
        }
    }
}

/// Fails if a value exceeds its budget by more than a quarter.
///
/// # Errors
/// The values that do, and by how much.
pub(crate) fn check(budgets: &[Budget]) -> anyhow::Result<()> {
    let broken = budgets
        .iter()
        .filter(|budget| budget.measured > budget.at_most * TOLERANCE);
    let lines = broken.map(|budget| {
        format!(
            "{} is {:.2}, at most {:.2}",
            budget.what, budget.measured, budget.at_most
        )
    });
    let lines = lines.collect::<Vec<_>>();
    if lines.is_empty() {
        Ok(())
    } else {
        Err(anyhow!(
            "over budget by more than a quarter:\n  {}",
            lines.join("\n  ")
        ))
    }
}
