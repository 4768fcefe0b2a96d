//! The commands that look after the SQLite file: `backup` and `check`. Both may run while the server
//! does.

use std::path::Path;
use std::sync::Arc;

use anyhow::{anyhow, bail};
use common::config::Environment;
use common::database::Database;
use common::sqlite::{self, Sqlite};
use common::storage;
use common::storage::copy::{Progress, Side, read_all};
use common::time::SystemClock;

use crate::storages;

/// Writes a copy of the file to a new one.
///
/// # Errors
/// One line: which file cannot be used, and why.
pub fn back_up(file: Option<&Path>, to: &Path) -> anyhow::Result<()> {
    let sqlite = open(file)?;
    sqlite::back_up(&sqlite, to)?;
    println!("{} is copied to {}", sqlite.path().display(), to.display());
    Ok(())
}

/// Reads the whole file, and prints everything in it that is damaged.
///
/// # Errors
/// One line: that there are faults, or why the file cannot be read.
pub async fn check(file: Option<&Path>, environment: Environment<'_>) -> anyhow::Result<()> {
    let sqlite = Arc::new(open(file)?);
    let faults = sqlite::faults(&sqlite)?;
    for fault in &faults {
        eprintln!("{fault}");
    }
    let database = Database::Sqlite(Arc::clone(&sqlite));
    storage::check(&database, &storages())
        .await
        .map_err(anyhow::Error::msg)?;
    let place = sqlite.path().display().to_string();
    let side = Side::new(&database, &storages(), environment, &place)?;
    let tell = |progress: Progress<'_>| {
        if let Progress::Unreadable(_, key, cause) = progress {
            eprintln!("{key}: {cause}");
        }
    };
    let read = read_all(&side, &SystemClock, &tell)
        .await
        .map_err(anyhow::Error::msg)?;
    let counted: Vec<String> = read
        .kinds
        .iter()
        .map(|(kind, count)| kind.counted(*count))
        .collect();
    println!("{place} has {}", counted.join(", "));
    let found = faults.len() as u64 + read.unreadable;
    if found > 0 {
        bail!("{place} has {found} faults, each named above; restore a backup");
    }
    println!("no faults");
    Ok(())
}

fn open(file: Option<&Path>) -> anyhow::Result<Sqlite> {
    let file = file.ok_or_else(|| {
        anyhow!("DATABASE_URL names another database: back it up and check it with its own tools")
    })?;
    Ok(Sqlite::open_to_read(file)?)
}
