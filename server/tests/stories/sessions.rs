//! Sessions and their refresh tokens.

use std::collections::HashSet;

use futures_util::future::join_all;
use serde_json::json;

use crate::client::{PASSWORD, Server};

#[tokio::test(flavor = "multi_thread")]
async fn fifty_refreshes_of_one_token_at_once_hold_the_same_successor_and_a_living_session() {
    let server = Server::start().await;
    let ada = server.register("ada@example.com").await;
    let answers = join_all((0..50).map(|_| server.refresh(ada.refresh_token()))).await;
    let successors: HashSet<_> = answers.iter().map(|answer| answer.body["refresh_token"].to_string()).collect();
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    assert_eq!(successors.len(), 1);
    let successor = answers[0].body["refresh_token"].as_str().expect("a token");
    assert_eq!(server.refresh(successor).await.status, 200);
}

#[tokio::test]
async fn a_refresh_token_older_than_the_last_one_ends_the_session() {
    let server = Server::start().await;
    let ada = server.register("ada@example.com").await;
    let second = server.refresh(ada.refresh_token()).await.body["refresh_token"].as_str().expect("a token").to_owned();
    let third = server.refresh(&second).await.body["refresh_token"].as_str().expect("a token").to_owned();
    assert_eq!(server.refresh(ada.refresh_token()).await.status, 401);
    assert_eq!(server.refresh(&third).await.status, 401);
}

#[tokio::test]
async fn one_of_ten_racing_registrations_gets_the_address() {
    let server = Server::start().await;
    // Ten attempts an hour at one address are within its limit.
    let answers =
        join_all((0..10).map(|_| server.post("/v1/auth/register", json!({"email": "ada@example.com", "password": PASSWORD})))).await;
    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [&[201][..], &[409; 9]].concat());
}
