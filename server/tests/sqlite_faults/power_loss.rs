use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::time::timeout;

use crate::disk::Disk;
use crate::program::{Server, run, text};
use crate::writers::{Outcome, User, library, tasklane, write_until};

const ROUNDS: usize = 12;

/// A server whose disk may lose power.
struct Machine {
    library: PathBuf,
    folder: PathBuf,
    disk: Disk,
}

impl Machine {
    fn new(folder: &Path) -> Self {
        // The library compares paths with those of the system.
        let folder = folder.canonicalize().expect("a folder");
        Self {
            library: library("power_loss.c", &folder),
            disk: Disk::new(&folder),
            folder,
        }
    }

    fn start(&self) -> Server {
        Server::run(
            tasklane(&self.folder)
                .env("LD_PRELOAD", &self.library)
                .env("POWER_LOSS_DATA", &self.disk.data)
                .env("POWER_LOSS_SHADOW", &self.disk.shadow),
        )
    }

    /// Writes until the server dies: from outside in even rounds, in a checkpoint in odd ones.
    async fn write_until_death(&self, mut server: Server, user: &User, round: usize) -> Outcome {
        let in_checkpoint = !round.is_multiple_of(2);
        let die = || {
            if in_checkpoint {
                fs::write(self.disk.shadow.join("die-in-checkpoint"), "").expect("written");
            } else {
                server.signal("KILL");
            }
        };
        let name = round.to_string();
        let writing = write_until(user, &server, &name, 60 + 17 * round, die);
        let outcome = timeout(Duration::from_secs(60), writing)
            .await
            .expect("it dies");
        server.process.wait().expect("it has ended");
        assert!(outcome.refused.is_empty(), "{:?}", outcome.refused);
        if in_checkpoint {
            assert!(
                self.disk.has_unsynced_pages(),
                "no checkpoint was interrupted"
            );
        }
        outcome
    }
}

#[tokio::test]
async fn a_loss_of_power_loses_nothing_that_was_acknowledged_and_leaves_nothing_half_stored() {
    let folder = tempfile::tempdir().expect("a folder");
    let machine = Machine::new(folder.path());
    let mut server = machine.start();
    let user = User::register(&server).await;

    let mut expected = BTreeMap::new();
    for round in 0..ROUNDS {
        let outcome = machine.write_until_death(server, &user, round).await;
        // Half of the losses spare some of what was not synced.
        machine
            .disk
            .lose_power((round % 4 >= 2).then_some(round as u64));
        server = machine.start();

        let checked = run(&machine.folder, &["check"]);
        assert!(checked.status.success(), "{}", text(&checked.stderr));

        let user = user.at(&server);
        let found = user.tasks().await;
        expected.extend(outcome.acknowledged.clone());
        let lost: Vec<_> = expected
            .iter()
            .filter(|(title, id)| found.get(*title) != Some(*id))
            .collect();
        let (count, all) = (lost.len(), expected.len());
        assert_eq!(count, 0, "lost in round {round}, of {all}: {lost:?}");

        // A task without its key would be created again, a key without its task not at all.
        let titles = outcome.acknowledged.keys().chain(&outcome.unanswered);
        let again = titles.map(async |title| (title, user.created(title).await));
        let again: Vec<_> = stream::iter(again).buffered(16).collect().await;
        for (title, task) in again {
            let id = expected.entry(title.clone()).or_insert(task["id"].clone());
            assert_eq!(task["id"], *id, "{title}");
            assert!(found.get(title).is_none_or(|found| found == id), "{title}");
        }
        assert_eq!(user.tasks().await, expected);
    }
}
