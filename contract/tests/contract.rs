//! Runs every case of the contract on every store that there is, each as a test of its own: `embedded::tasks::...`.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use contract::{Case, Server, cases};
use libtest_mimic::{Arguments, Failed, Trial};

/// How each case ended, by its name and the store's.
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
        for case in cases() {
            trials.push(trial(server, case, &outcomes));
        }
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    if servers.len() > 1 && !arguments.list {
        print_table(&servers, &outcomes);
    }
    conclusion.exit_code()
}

fn trial(server: &Server, case: &'static Case, outcomes: &Outcomes) -> Trial {
    let name = format!("{}::{}", server.name(), case.name());
    let ignored = case.racing && server.cannot_race().is_some();
    note(outcomes, case, server, if ignored { "ignored" } else { "-" });
    let (server, outcomes) = (server.clone(), Arc::clone(outcomes));
    Trial::test(name, move || {
        note(&outcomes, case, &server, "FAILED");
        run(&server, case)?;
        note(&outcomes, case, &server, "ok");
        Ok(())
    })
    .with_ignored_flag(ignored)
}

fn run(server: &Server, case: &Case) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let made = server.make().await?;
        tokio::time::timeout(contract::PATIENCE, (case.run)(made.store.clone())).await.map_err(|_| "takes too long")?;
        Ok(made.remove().await?)
    })
}

fn note(outcomes: &Outcomes, case: &Case, server: &Server, outcome: &'static str) {
    let mut outcomes = outcomes.lock().unwrap_or_else(PoisonError::into_inner);
    outcomes.entry(case.name()).or_default().insert(server.name(), outcome);
}

/// The cases by store, for whoever reads the run.
fn print_table(servers: &[Server], outcomes: &Outcomes) {
    let outcomes = outcomes.lock().unwrap_or_else(PoisonError::into_inner);
    let ran = outcomes.iter().filter(|(_, by_server)| by_server.values().any(|outcome| *outcome != "-"));
    let width = ran.clone().map(|(case, _)| case.len()).max().unwrap_or_default();
    let heads: Vec<String> = servers.iter().map(|server| format!("{:>9}", server.name())).collect();
    println!("{:width$} {}", "", heads.join(" "));
    for (case, by_server) in ran {
        let cells: Vec<String> = servers.iter().map(|server| format!("{:>9}", by_server.get(server.name()).unwrap_or(&"-"))).collect();
        println!("{case:width$} {}", cells.join(" "));
    }
}
