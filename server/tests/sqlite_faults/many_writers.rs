use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::Value;

use crate::program::Server;
use crate::writers::{User, tasklane};

/// Creates twenty tasks, and renames the shared task five times. Returns the created tasks, and the
/// versions of the shared one.
async fn write(user: User, writer: usize, shared: &Value) -> (Vec<(String, Value)>, Vec<u64>) {
    let (mut created, mut versions) = (Vec::new(), Vec::new());
    for n in 0..20 {
        let title = format!("{writer}-{n}");
        let task = user.created(&title).await;
        created.push((title.clone(), task["id"].clone()));
        if n % 4 == 0 {
            let rename = user.rename(&shared["id"], &format!("shared {title}"));
            let renamed = rename.send().await.expect("an answer");
            assert_eq!(renamed.status(), 200);
            let task: Value = renamed.json().await.expect("a task");
            versions.push(task["version"].as_u64().expect("a version"));
        }
    }
    (created, versions)
}

#[tokio::test]
async fn a_hundred_writers_lose_no_task_and_no_update_of_a_shared_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::run(&mut tasklane(folder.path()));
    let user = User::register(&server).await;
    let shared = user.created("shared").await;

    let writers = (0..100).map(|writer| write(user.at(&server), writer, &shared));
    let (created, versions): (Vec<_>, Vec<_>) = join_all(writers).await.into_iter().unzip();

    let versions: BTreeSet<u64> = versions.into_iter().flatten().collect();
    assert_eq!(versions, (2..=501).collect());

    server.signal("KILL");
    drop(server);
    let server = Server::start(folder.path());
    let user = user.at(&server);
    let path = format!("/v1/tasks/{}", shared["id"].as_str().expect("an id"));
    let answer = user.get(&path).send().await.expect("an answer");
    let shared: Value = answer.json().await.expect("a task");
    assert_eq!(shared["version"], 501);

    let title = shared["title"].as_str().expect("a title").to_owned();
    let expected = created.into_iter().flatten();
    let expected = expected.chain([(title, shared["id"].clone())]);
    assert_eq!(user.tasks().await, expected.collect());
}
