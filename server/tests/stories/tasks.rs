//! Tasks: lists, versions, the trash, and requests that are repeated.

use reqwest::Method;
use serde_json::json;

use crate::client::Server;

#[tokio::test]
async fn a_task_that_changed_meanwhile_is_not_overwritten() {
    let server = Server::start().await;
    let ada = server.register("ada@example.com").await;
    let task = ada.create_task(json!({"title": "Water the plants"})).await;
    let path = format!("/v1/tasks/{}", task["id"].as_str().expect("an id"));
    let done = ada.call(Method::PATCH, &path, &[("if-match", "\"1\"")], Some(json!({"status": "done"}))).await;
    assert_eq!((done.status.as_u16(), &done.headers["etag"]), (200, &"\"2\"".parse().expect("a value")));
    let lost = ada.call(Method::PATCH, &path, &[("if-match", "\"1\"")], Some(json!({"title": "Sell the plants"}))).await;
    assert_eq!((lost.status.as_u16(), &lost.headers["etag"]), (412, &"\"2\"".parse().expect("a value")));
    assert_eq!(ada.get(&path).await.body["title"], "Water the plants");
}

#[tokio::test]
async fn a_repeated_key_creates_one_task_and_another_body_is_refused() {
    let server = Server::start().await;
    let ada = server.register("ada@example.com").await;
    let key = [("idempotency-key", "one")];
    let draft = || Some(json!({"title": "Once"}));
    let first = ada.call(Method::POST, "/v1/tasks", &key, draft()).await;
    let again = ada.call(Method::POST, "/v1/tasks", &key, draft()).await;
    assert_eq!((again.status, &again.body), (first.status, &first.body));
    assert_eq!(ada.call(Method::POST, "/v1/tasks", &key, Some(json!({"title": "Twice"}))).await.status, 422);
    assert_eq!(ada.get("/v1/tasks").await.body["items"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn every_order_pages_through_every_task_once_with_undated_ones_last() {
    let server = Server::start().await;
    let ada = server.register("ada@example.com").await;
    for n in 0..7 {
        let due = if n % 2 == 0 { json!(format!("2026-03-0{}", n + 1)) } else { json!(null) };
        ada.create_task(json!({"title": format!("Task {n}"), "due": due, "priority": if n % 2 == 0 { "low" } else { "high" }})).await;
    }
    for sort in ["created", "-created", "updated", "-updated", "due", "-due", "priority", "-priority"] {
        let (mut titles, mut undated, mut query) = (Vec::new(), Vec::new(), format!("/v1/tasks?limit=2&sort={sort}"));
        loop {
            let page = ada.get(&query).await.body;
            for task in page["items"].as_array().expect("items") {
                titles.push(task["title"].to_string());
                undated.push(task["due"].is_null());
            }
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            query = format!("/v1/tasks?limit=2&sort={sort}&cursor={cursor}");
        }
        let last_undated = undated == [false, false, false, false, true, true, true];
        assert!(last_undated || !sort.ends_with("due"), "{sort}");
        titles.sort();
        titles.dedup();
        assert_eq!(titles.len(), 7, "{sort}");
    }
}

#[tokio::test]
async fn a_deleted_task_waits_in_the_trash_and_comes_back() {
    let server = Server::start().await;
    let (ada, bob) = (server.register("ada@example.com").await, server.register("bob@example.com").await);
    let task = ada.create_task(json!({"title": "Water the plants"})).await;
    let path = format!("/v1/tasks/{}", task["id"].as_str().expect("an id"));
    assert_eq!(bob.get(&path).await.status, 404);
    assert_eq!(bob.call(Method::DELETE, &path, &[], None).await.status, 404);
    assert_eq!(ada.call(Method::DELETE, &path, &[], None).await.status, 204);
    assert_eq!(ada.get(&path).await.status, 404);
    assert_eq!(ada.get("/v1/trash").await.body["items"][0]["id"], task["id"]);
    assert_eq!(ada.call(Method::POST, &format!("{path}/restore"), &[], None).await.status, 200);
    assert_eq!(ada.get("/v1/tasks?sort=-due").await.body["items"][0]["id"], task["id"]);
}
