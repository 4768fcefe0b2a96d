use std::collections::BTreeMap;
use std::fs;

use reqwest::Response;
use serde_json::Value;

use crate::program::Server;
use crate::writers::{Outcome, User, library, tasklane, write_until};

async fn assert_refused_as_full(refused: Response) {
    assert_eq!(refused.status(), 507);
    assert_eq!(
        refused.headers()["content-type"],
        "application/problem+json"
    );
    let problem: Value = refused.json().await.expect("JSON");
    assert_eq!(problem["status"], 507, "{problem}");
    assert_eq!(
        problem["detail"],
        "The server's disk is full; nothing was changed."
    );
}

#[tokio::test]
async fn a_full_disk_refuses_writes_until_there_is_room_and_keeps_what_was_acknowledged() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path().canonicalize().expect("a folder");
    let library = library("disk_full.c", &folder);
    let data = folder.join(".tasklane");
    let full = data.join("full");
    let start = || {
        Server::run(
            tasklane(&folder)
                .env("LD_PRELOAD", &library)
                .env("DISK_FULL_DATA", &data),
        )
    };
    let server = start();
    let user = User::register(&server).await;

    let mut expected = BTreeMap::new();
    for round in 0..4 {
        let fill = || fs::write(&full, "").expect("written");
        let name = round.to_string();
        let outcome = write_until(&user, &server, &name, 100 + 150 * round, fill).await;
        let Outcome {
            acknowledged,
            refused,
            unanswered,
        } = outcome;
        assert_eq!((refused.len(), unanswered.len()), (16, 0));
        for (_, refusal) in refused {
            assert_refused_as_full(refusal).await;
        }
        expected.extend(acknowledged);
        assert_eq!(user.tasks().await, expected, "while the disk is full");

        fs::remove_file(&full).expect("removed");
        let title = format!("room-{round}");
        let task = user.created(&title).await;
        expected.insert(title, task["id"].clone());
        assert_eq!(user.tasks().await, expected, "when there is room again");
    }

    server.signal("KILL");
    drop(server);
    let server = start();
    assert_eq!(user.at(&server).tasks().await, expected, "after a restart");
}
