//! What others do to the file while the server runs.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::program::{Server, run, text};
use crate::writers::{User, write_until};

/// Starts a server that writes its log to a file.
fn start_logged(folder: &Path) -> Server {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "exec \"$0\" \"$@\" > log"])
        .arg(env!("CARGO_BIN_EXE_tasklane"))
        .env_clear()
        .current_dir(folder)
        .stdin(Stdio::null())
        .stderr(Stdio::piped());
    Server::run(&mut shell)
}

async fn assert_stopped_serving(user: &User, folder: &Path) {
    for request in [user.create("refused"), user.get("/v1/tasks")] {
        let refused = request.send().await.expect("an answer");
        assert_eq!(refused.status(), 503);
        assert_eq!(
            refused.headers()["content-type"],
            "application/problem+json"
        );
    }
    let log = fs::read_to_string(folder.join("log")).expect("the log");
    for said in [
        "database_file_removed",
        "removed or replaced; restart the server",
    ] {
        assert!(log.contains(said), "{log}");
    }
}

#[tokio::test]
async fn a_server_whose_file_is_moved_away_acknowledges_nothing_more() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join(".tasklane");
    let away = folder.path().join("away");
    let server = start_logged(folder.path());
    let user = User::register(&server).await;

    let move_away = || fs::rename(&data, &away).expect("moved");
    let outcome = write_until(&user, &server, "task", 200, move_away).await;

    assert_eq!(outcome.refused.len(), 16);
    for (title, refused) in outcome.refused {
        assert_eq!(refused.status(), 503, "{title}");
    }
    fs::rename(&away, &data).expect("moved");
    assert_stopped_serving(&user, folder.path()).await;

    assert!(server.stop("TERM").success());
    let server = Server::start(folder.path());
    let found = user.at(&server).tasks().await;
    for (title, id) in &outcome.acknowledged {
        assert_eq!(found.get(title), Some(id), "{title} is lost");
    }
    assert!(!found.contains_key("refused"));
}

#[tokio::test]
async fn a_server_whose_log_or_file_is_removed_stops_serving() {
    for removed in ["tasklane.db", "tasklane.db-wal", "tasklane.db-shm"] {
        let folder = tempfile::tempdir().expect("a folder");
        let server = start_logged(folder.path());
        let user = User::register(&server).await;
        user.created("before").await;

        fs::remove_file(folder.path().join(".tasklane").join(removed)).expect("removed");

        assert_stopped_serving(&user, folder.path()).await;
    }
}

#[tokio::test]
async fn a_backup_that_replaces_the_file_is_served_after_a_restart_and_not_before() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = start_logged(folder.path());
    let user = User::register(&server).await;
    user.created("before").await;
    assert!(
        run(folder.path(), &["backup", "backup.db"])
            .status
            .success()
    );
    let backup = user.tasks().await;
    user.created("after").await;

    let file = folder.path().join(".tasklane/tasklane.db");
    fs::rename(folder.path().join("backup.db"), file).expect("replaced");

    let read = user.get("/v1/tasks").send().await.expect("an answer");
    assert_eq!(read.status(), 503);
    assert_stopped_serving(&user, folder.path()).await;
    for beside in ["-wal", "-shm"] {
        let file = format!(".tasklane/tasklane.db{beside}");
        fs::remove_file(folder.path().join(file)).expect("removed");
    }
    assert!(server.stop("TERM").success());
    let server = Server::start(folder.path());
    assert_eq!(user.at(&server).tasks().await, backup);
}

#[tokio::test]
async fn a_second_server_on_the_file_stops_and_names_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = Server::start(folder.path());
    assert!(first.greeting.contains(".tasklane/tasklane.db"));
    let user = User::register(&first).await;

    let second = run(folder.path(), &["--listen", "127.0.0.1:0"]);

    let said = text(&second.stderr);
    assert!(!second.status.success());
    assert!(
        said.contains(".tasklane/tasklane.db: another process has opened it"),
        "{said}"
    );
    user.created("first-still-writes").await;
}
