//! What clients see when the store is unreachable, slow, or killed: clear responses in time, and no
//! lost or duplicate write.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;

use crate::client::{Answer, PASSWORD, Person, Server};
use crate::network::{Fault, Network, StoreKind, StoreProcess};

/// Less than the ten seconds after which a function is stopped.
const IN_TIME: Duration = Duration::from_secs(9);

/// A server with a store behind a network that can be broken.
async fn start(store: &StoreProcess) -> (Network, Server) {
    let network = Network::to(store.address).await;
    let server = Server::start_with(&[("DATABASE_URL", &store.url_at(network.address))]).await;
    (network, server)
}

async fn create_once(person: &Person<'_>, title: &str) -> Answer {
    person
        .call(
            Method::POST,
            "/v1/tasks",
            &[("idempotency-key", title)],
            Some(json!({"title": title})),
        )
        .await
}

/// Creates tasks from four clients in parallel. Each has its own idempotency key, and is retried
/// until it is acknowledged.
async fn create_many(
    person: &Person<'_>,
    count: u32,
    acknowledged: &AtomicU32,
    attempts: &AtomicU32,
) {
    let client = async |first: u32| {
        for n in (first..count).step_by(4) {
            loop {
                attempts.fetch_add(1, Ordering::SeqCst);
                let answer = create_once(person, &format!("task-{n}")).await;
                match answer.status.as_u16() {
                    201 => break,
                    // An unknown outcome, or a request that is still running: retry the same
                    // request.
                    503 | 409 => {
                        assert!(answer.header("retry-after").is_some(), "{:?}", answer.body)
                    }
                    _ => panic!("{:?}", answer.body),
                }
            }
            acknowledged.fetch_add(1, Ordering::SeqCst);
        }
    };
    join_all((0..4).map(client)).await;
}

/// Checks that every task exists completely and exactly once.
async fn assert_each_once(person: &Person<'_>, count: u32) {
    let mut found = BTreeMap::new();
    for title in person.titles("limit=100").await {
        *found.entry(title).or_insert(0) += 1;
    }
    let expected: BTreeMap<String, i32> = (0..count).map(|n| (format!("task-{n}"), 1)).collect();
    assert_eq!(found, expected);
}

async fn every_call_returns_503_in_time_and_the_service_recovers_by_itself(
    kind: StoreKind,
    faults: &[Fault],
) {
    let store = StoreProcess::start(kind).await;
    let (network, server) = start(&store).await;
    let ada = server.register("ada@example.com").await;
    let task = format!(
        "/v1/tasks/{}",
        ada.create_task(json!({"title": "One"})).await["id"]
            .as_str()
            .expect("an id")
    );

    for fault in faults {
        network.be(*fault);
        let begun = Instant::now();
        let login = json!({"email": "ada@example.com", "password": PASSWORD});
        let (mut answers, public) = tokio::join!(
            join_all([
                ada.call(Method::GET, "/v1/tasks", &[], None),
                ada.call(Method::GET, &task, &[], None),
                ada.call(
                    Method::POST,
                    "/v1/tasks",
                    &[("idempotency-key", "k")],
                    Some(json!({"title": "k"}))
                ),
                ada.call(Method::PATCH, &task, &[], Some(json!({"title": "Three"}))),
                ada.call(Method::DELETE, "/v1/me/sessions", &[], None),
            ]),
            join_all([
                server.send(Method::GET, "/v1/health", None, &[], None),
                server.send(
                    Method::POST,
                    "/v1/auth/refresh",
                    None,
                    &[],
                    Some(json!({"refresh_token": ada.refresh_token()}))
                ),
                server.send(Method::POST, "/v1/auth/login", None, &[], Some(login)),
            ])
        );
        answers.extend(public);

        assert!(
            begun.elapsed() < IN_TIME,
            "{fault:?}: {:?}",
            begun.elapsed()
        );

        for answer in answers {
            assert_eq!(
                (answer.status.as_u16(), answer.header("retry-after")),
                (503, Some("2")),
                "{fault:?}: {:?}",
                answer.body
            );
        }

        network.be(Fault::None);
        // Nothing is restarted: a driver that has lost its server finds it again by itself.
        let mended = Instant::now();
        let back = loop {
            let answer = create_once(&ada, "k").await;
            if answer.status != 503 || mended.elapsed() > IN_TIME {
                break answer;
            }
        };
        assert_eq!(back.status, 201, "{fault:?}");
        assert_eq!(ada.get(&task).await.status, 200, "{fault:?}");
    }

    assert_eq!(
        ada.titles("").await.len(),
        2,
        "one task, and one under its key"
    );
}

async fn a_lost_response_makes_no_duplicate(kind: StoreKind, every: u32) {
    let store = StoreProcess::start(kind).await;
    let (network, server) = start(&store).await;
    let ada = server.register("ada@example.com").await;
    let acknowledged = AtomicU32::new(0);
    let attempts = AtomicU32::new(0);

    network.be(Fault::CutAnswers(every));
    create_many(&ada, 100, &acknowledged, &attempts).await;
    network.be(Fault::None);

    assert_each_once(&ada, 100).await;
    println!(
        "every {every}. answer cut: {attempts:?} calls made, {acknowledged:?} acknowledged, 100 found"
    );
}

async fn a_store_that_is_killed_keeps_every_acknowledged_write(kind: StoreKind) {
    let mut store = StoreProcess::start(kind).await;
    let server = Server::start_with(&[("DATABASE_URL", &store.url_at(store.address))]).await;
    let ada = server.register("ada@example.com").await;
    let acknowledged = AtomicU32::new(0);
    let attempts = AtomicU32::new(0);
    let crash = async {
        for crash in 1..=3 {
            while acknowledged.load(Ordering::SeqCst) < crash * 40 {
                tokio::task::yield_now().await;
            }
            store.kill();
            store.start_again().await;
        }
    };

    tokio::join!(create_many(&ada, 200, &acknowledged, &attempts), crash);

    assert_each_once(&ada, 200).await;
    println!(
        "store killed three times: {attempts:?} calls made, {acknowledged:?} acknowledged, 200 found"
    );
}

mod dynamodb {
    use common::config::Environment;
    use common::part::Starter;
    use tasks::Tasks;

    use super::*;

    // On one thread, as in a function.
    #[tokio::test]
    async fn the_start_opens_the_connection_of_the_first_call() {
        let store = StoreProcess::start(StoreKind::DynamoDb).await;
        let network = Network::to(store.address).await;
        let variable = |name: &str| match name {
            "DATABASE_URL" => Some("dynamodb://".to_owned()),
            "AWS_ENDPOINT_URL_DYNAMODB" => Some(format!("http://{}", network.address)),
            "AWS_REGION" | "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => {
                Some("local".to_owned())
            }
            _ => None,
        };
        let starter = Starter::new(Environment::new(&variable));
        let tasks: Tasks = starter.part().await.expect("tasks");
        let opened = async {
            while network.connections() == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(IN_TIME, opened)
            .await
            .expect("a connection before the first call");

        tasks.ping().await.expect("an answer");

        assert_eq!(network.connections(), 1);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn every_call_returns_503_in_time_and_the_service_recovers_by_itself() {
        let faults = [
            Fault::Broken,
            Fault::CutAnswers(1),
            Fault::BlackHole,
            Fault::Slow(Duration::from_secs(5)),
            Fault::Throttled,
        ];
        super::every_call_returns_503_in_time_and_the_service_recovers_by_itself(
            StoreKind::DynamoDb,
            &faults,
        )
        .await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_lost_response_makes_no_duplicate() {
        super::a_lost_response_makes_no_duplicate(StoreKind::DynamoDb, 2).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_store_that_is_killed_keeps_every_acknowledged_write() {
        super::a_store_that_is_killed_keeps_every_acknowledged_write(StoreKind::DynamoDb).await;
    }
}

/// On the server that `.ci/stores/build.sh` builds. Run with `--ignored` once it is built.
mod mongodb {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs .ci/stores/build.sh"]
    async fn every_call_returns_503_in_time_and_the_service_recovers_by_itself() {
        let faults = [
            Fault::Broken,
            Fault::CutAnswers(1),
            Fault::BlackHole,
            Fault::Slow(Duration::from_secs(5)),
        ];
        super::every_call_returns_503_in_time_and_the_service_recovers_by_itself(
            StoreKind::MongoDb,
            &faults,
        )
        .await;
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs .ci/stores/build.sh"]
    async fn a_lost_response_makes_no_duplicate() {
        // The driver marks the server as unknown after each cut, and finds it again over the same
        // network.
        super::a_lost_response_makes_no_duplicate(StoreKind::MongoDb, 20).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs .ci/stores/build.sh"]
    async fn a_store_that_is_killed_keeps_every_acknowledged_write() {
        super::a_store_that_is_killed_keeps_every_acknowledged_write(StoreKind::MongoDb).await;
    }
}
