//! Runs every case of the contracts on every available store, each as a separate test
//! (`embedded::tasks::...`), and the cases of a copy from every store to every store
//! (`embedded::copies::to_mongodb::...`).

#![expect(clippy::too_many_lines, reason = "a case reads from top to bottom")]

mod copies;
mod lost_answers;
mod records;
mod servers;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use contract::Case;
use libtest_mimic::{Arguments, Failed, Trial};

use copies::{COPIES, CopyCase, Ends};
use servers::{PATIENCE, Server};

/// The cases of every service.
const SERVICES: [&[&[Case]]; 2] = [auth::contract::CASES, tasks::contract::CASES];
/// The cases of shared code.
const SHARED: &[&[Case]] = &[records::CASES];

/// The outcome of each case, by its name and the name of the store.
type Outcomes = Arc<Mutex<BTreeMap<String, BTreeMap<&'static str, &'static str>>>>;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let servers = Server::in_environment();
    let outcomes = Outcomes::default();
    let mut trials = Vec::new();
    for server in &servers {
        if let Some(reason) = server.cannot_race() {
            println!("{}: cases that race are ignored: {reason}", server.name());
        }
        for case in SERVICES
            .into_iter()
            .chain([SHARED])
            .flatten()
            .copied()
            .flatten()
        {
            trials.push(trial(server, case, &outcomes));
        }
        for to in &servers {
            trials.extend(
                COPIES
                    .iter()
                    .map(|case| copy_trial(server, to, case, &outcomes)),
            );
        }
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    if servers.len() > 1 && !arguments.list {
        print_table(&servers, &outcomes);
    }
    conclusion.exit_code()
}

fn trial(server: &Server, case: &'static Case, outcomes: &Outcomes) -> Trial {
    let server_of_its_own = server.clone();
    let run = move || async move {
        let server = server_of_its_own;
        let made = server.make().await?;
        tokio::time::timeout(PATIENCE, (case.run)(&made.ground))
            .await
            .map_err(|_| "takes too long")?;
        Ok(made.remove().await?)
    };
    noted(
        case.name(),
        server,
        case.racing && server.cannot_race().is_some(),
        outcomes,
        run,
    )
}

fn copy_trial(from: &Server, to: &Server, case: &'static CopyCase, outcomes: &Outcomes) -> Trial {
    let name = format!("copies::to_{}::{}", to.name(), case.name);
    let servers = (from.clone(), to.clone());
    noted(name, from, false, outcomes, move || async move {
        let (from, to) = servers;
        let ends = Ends {
            from: from.make().await?,
            to: to.make().await?,
            back: from.make().await?,
        };
        tokio::time::timeout(PATIENCE, (case.run)(&ends))
            .await
            .map_err(|_| "takes too long")?;
        for made in [ends.from, ends.to, ends.back] {
            made.remove().await?;
        }
        Ok(())
    })
}

/// Creates a test with this name that records its outcome.
fn noted<F>(
    case: String,
    server: &Server,
    ignored: bool,
    outcomes: &Outcomes,
    run: impl FnOnce() -> F + Send + 'static,
) -> Trial
where
    F: Future<Output = Result<(), Failed>>,
{
    let name = format!("{}::{case}", server.name());
    let server = server.name();
    let outcomes = Arc::clone(outcomes);
    let note = move |outcome| {
        let mut outcomes = outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        outcomes
            .entry(case.clone())
            .or_default()
            .insert(server, outcome);
    };
    note(if ignored { "ignored" } else { "-" });
    Trial::test(name, move || {
        note("FAILED");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        runtime.block_on(run())?;
        note("ok");
        Ok(())
    })
    .with_ignored_flag(ignored)
}

/// Prints the outcomes by case and store.
fn print_table(servers: &[Server], outcomes: &Outcomes) {
    let outcomes = outcomes.lock().unwrap_or_else(PoisonError::into_inner);
    let ran = outcomes
        .iter()
        .filter(|(_, by_server)| by_server.values().any(|outcome| *outcome != "-"));
    let width = ran
        .clone()
        .map(|(case, _)| case.len())
        .max()
        .unwrap_or_default();
    let heads: Vec<String> = servers
        .iter()
        .map(|server| format!("{:>9}", server.name()))
        .collect();
    println!("{:width$} {}", "", heads.join(" "));
    for (case, by_server) in ran {
        let cells: Vec<String> = servers
            .iter()
            .map(|server| format!("{:>9}", by_server.get(server.name()).unwrap_or(&"-")))
            .collect();
        println!("{case:width$} {}", cells.join(" "));
    }
}
