//! Tasks: lists, versions, the trash, and requests that are repeated.

use std::time::Duration;

use common::http::{Access, Method as Declared};
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use server::SERVICES;

use crate::client::Server;

#[tokio::test]
async fn a_task_that_changed_in_the_meantime_is_not_overwritten() {
    let server = Server::start().await;
    let ada = server.register("ada@example.com").await;
    let task = ada.create_task(json!({"title": "Water the plants"})).await;
    let path = format!("/v1/tasks/{}", task["id"].as_str().expect("an id"));

    let done = ada
        .call(
            Method::PATCH,
            &path,
            &[("if-match", "\"1\"")],
            Some(json!({"status": "done"})),
        )
        .await;
    assert_eq!(
        (done.status.as_u16(), &done.headers["etag"]),
        (200, &"\"2\"".parse().expect("a value"))
    );

    let lost = ada
        .call(
            Method::PATCH,
            &path,
            &[("if-match", "\"1\"")],
            Some(json!({"title": "Sell the plants"})),
        )
        .await;
    assert_eq!(
        (lost.status.as_u16(), &lost.headers["etag"]),
        (412, &"\"2\"".parse().expect("a value"))
    );
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
    assert_eq!(
        ada.call(
            Method::POST,
            "/v1/tasks",
            &key,
            Some(json!({"title": "Twice"}))
        )
        .await
        .status,
        422
    );
    assert_eq!(
        ada.get("/v1/tasks").await.body["items"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
}

#[tokio::test]
async fn every_order_pages_through_every_task_once_with_undated_ones_last() {
    let server = Server::start().await;
    let ada = server.register("ada@example.com").await;
    for n in 0..7 {
        let due = if n % 2 == 0 {
            json!(format!("2026-03-0{}", n + 1))
        } else {
            json!(null)
        };
        ada.create_task(json!({"title": format!("Task {n}"), "due": due, "priority": if n % 2 == 0 { "low" } else { "high" }})).await;
    }

    for sort in [
        "created",
        "-created",
        "updated",
        "-updated",
        "due",
        "-due",
        "priority",
        "-priority",
    ] {
        let mut titles = Vec::new();
        let mut undated = Vec::new();
        let mut query = format!("/v1/tasks?limit=2&sort={sort}");
        loop {
            let page = ada.get(&query).await.body;
            for task in page["items"].as_array().expect("items") {
                titles.push(task["title"].to_string());
                undated.push(task["due"].is_null());
            }
            let Some(cursor) = page["next_cursor"].as_str() else {
                break;
            };
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
async fn a_deleted_task_is_in_the_trash_until_it_is_restored() {
    let server = Server::start().await;
    let ada = server.register("ada@example.com").await;
    let bob = server.register("bob@example.com").await;
    let task = ada.create_task(json!({"title": "Water the plants"})).await;
    let path = format!("/v1/tasks/{}", task["id"].as_str().expect("an id"));

    assert_eq!(bob.get(&path).await.status, 404);
    assert_eq!(bob.call(Method::DELETE, &path, &[], None).await.status, 404);
    assert_eq!(ada.call(Method::DELETE, &path, &[], None).await.status, 204);
    assert_eq!(ada.get(&path).await.status, 404);
    assert_eq!(
        ada.get("/v1/trash").await.body["items"][0]["id"],
        task["id"]
    );
    assert_eq!(
        ada.call(Method::POST, &format!("{path}/restore"), &[], None)
            .await
            .status,
        200
    );
    assert_eq!(
        ada.get("/v1/tasks?sort=-due").await.body["items"][0]["id"],
        task["id"]
    );
}

#[tokio::test]
async fn a_new_task_has_defaults_a_location_and_a_tag() {
    let server = Server::start().await;
    let ada = server.register("ada@example.com").await;

    let created = ada
        .post("/v1/tasks", json!({"title": "Water the plants"}))
        .await;
    let task = &created.body;

    assert_eq!(created.header("etag"), Some("\"1\""));
    assert_eq!(
        &ada.get(created.header("location").expect("a location"))
            .await
            .body,
        task
    );

    let defaults = json!({"notes": null, "status": "todo", "priority": "none", "labels": [], "due": null, "completed_at": null, "version": 1});
    for (field, value) in defaults.as_object().expect("fields") {
        assert_eq!(&task[field], value, "{field}");
    }

    assert_eq!(task["created_at"], task["updated_at"]);
    assert!(task.get("deleted_at").is_none());
}

#[tokio::test]
async fn a_patch_keeps_absent_fields_and_clears_null_ones() {
    let server = Server::start().await;
    let ada = server.register("ada@example.com").await;
    let full = json!({"title": "One", "notes": "n", "status": "done", "priority": "high", "labels": ["b", "a"], "due": "2026-03-01"});
    let task = ada.create_task(full).await;
    let path = format!("/v1/tasks/{}", task["id"].as_str().expect("an id"));

    assert!(task["completed_at"].is_string());

    let titled = ada.patch(&path, json!({"title": "Two"})).await.body;
    for kept in [
        "notes",
        "status",
        "priority",
        "labels",
        "due",
        "completed_at",
        "created_at",
    ] {
        assert_eq!(titled[kept], task[kept], "{kept}");
    }

    let cleared = ada
        .patch(
            &path,
            json!({"notes": null, "status": null, "priority": null, "labels": null, "due": null}),
        )
        .await
        .body;
    let defaults = json!({"title": "Two", "notes": null, "status": "todo", "priority": "none", "labels": [], "due": null, "completed_at": null});

    for (field, value) in defaults.as_object().expect("fields") {
        assert_eq!(&cleared[field], value, "{field}");
    }

    assert_eq!(cleared["version"], 3);

    // The media type of RFC 7396 is also accepted.
    let request = server
        .request(Method::PATCH, &path)
        .bearer_auth(ada.access_token());
    let request = request
        .header("content-type", "application/merge-patch+json")
        .body(r#"{"due": "2026-03-01T10:00:00+02:00"}"#);
    assert_eq!(
        server.answer(request).await.body["due"],
        "2026-03-01T08:00:00.000Z"
    );
}

#[tokio::test]
async fn one_of_twenty_racing_writers_of_a_version_wins() {
    let server = Server::start().await;
    let ada = server.register("ada@example.com").await;
    let task = ada.create_task(json!({"title": "Zero"})).await;
    let path = format!("/v1/tasks/{}", task["id"].as_str().expect("an id"));
    let write = async |n: u32| {
        ada.call(
            Method::PATCH,
            &path,
            &[("if-match", "\"1\"")],
            Some(json!({"title": n.to_string()})),
        )
        .await
        .status
        .as_u16()
    };

    let mut statuses = join_all((0..20).map(write)).await;
    statuses.sort_unstable();

    assert_eq!(statuses, [&[200][..], &[412; 19]].concat());
    assert_eq!(ada.get(&path).await.body["version"], 2);
}

#[tokio::test]
async fn deleting_and_restoring_check_the_version_and_the_trash_expires_after_thirty_days() {
    let server = Server::start().await;
    let ada = server.register("ada@example.com").await;
    let kept = ada.create_task(json!({"title": "Kept"})).await;
    let lost = ada.create_task(json!({"title": "Lost"})).await;
    let path = |task: &Value| format!("/v1/tasks/{}", task["id"].as_str().expect("an id"));

    assert_eq!(
        ada.call(Method::DELETE, &path(&kept), &[("if-match", "\"9\"")], None)
            .await
            .status,
        412
    );
    assert_eq!(
        ada.post(&format!("{}/restore", path(&kept)), json!({}))
            .await
            .status,
        409
    );

    for task in [&kept, &lost] {
        assert_eq!(ada.delete(&path(task)).await.status, 204);
        assert_eq!(ada.delete(&path(task)).await.status, 404);
        assert_eq!(
            ada.patch(&path(task), json!({"title": "Undead"}))
                .await
                .status,
            404
        );
    }

    let restore = format!("{}/restore", path(&kept));
    assert_eq!(
        ada.call(Method::POST, &restore, &[("if-match", "\"1\"")], None)
            .await
            .status,
        412
    );

    server.wait(Duration::from_secs(29 * 24 * 60 * 60));
    let ada = server.log_in("ada@example.com").await;
    assert_eq!(ada.get("/v1/trash").await.items("title"), ["Lost", "Kept"]);
    assert_eq!(
        ada.call(Method::POST, &restore, &[("if-match", "\"2\"")], None)
            .await
            .status,
        200
    );

    server.wait(Duration::from_secs(25 * 60 * 60));
    let ada = server.log_in("ada@example.com").await;
    assert_eq!(ada.get("/v1/trash").await.items("title").len(), 0);
    assert_eq!(
        ada.call(Method::POST, &format!("{}/restore", path(&lost)), &[], None)
            .await
            .status,
        404
    );
    assert_eq!(ada.titles("").await, ["Kept"]);
}

#[tokio::test]
async fn a_repeated_restore_gets_the_same_response_even_if_the_task_has_changed() {
    let server = Server::start().await;
    let ada = server.register("ada@example.com").await;
    let task = ada.create_task(json!({"title": "One"})).await;
    let path = format!("/v1/tasks/{}", task["id"].as_str().expect("an id"));
    ada.delete(&path).await;
    let restore = format!("{path}/restore");
    let key = [("idempotency-key", "one")];

    let first = ada.call(Method::POST, &restore, &key, None).await;
    assert_eq!(first.status, 200);

    ada.delete(&path).await;
    let again = ada.call(Method::POST, &restore, &key, None).await;
    assert_eq!(
        (again.status, &again.body, again.header("etag")),
        (first.status, &first.body, first.header("etag"))
    );
    assert_eq!(ada.get(&path).await.status, 404);
}

#[tokio::test]
async fn an_identifier_in_upper_case_is_the_same_one_for_a_key() {
    let server = Server::start().await;
    let ada = server.register("ada@example.com").await;
    let id = ada.create_task(json!({"title": "One"})).await["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    ada.delete(&format!("/v1/tasks/{id}")).await;
    let restore = async |id: &str| {
        ada.call(
            Method::POST,
            &format!("/v1/tasks/{id}/restore"),
            &[("idempotency-key", "one")],
            None,
        )
        .await
    };

    let first = restore(&id).await;

    assert_eq!(first.status, 200);

    for same in [id.to_uppercase(), id.replacen('0', "%30", 1)] {
        let again = restore(&same).await;

        assert_eq!(
            (again.status, &again.body),
            (first.status, &first.body),
            "{same}"
        );
    }

    assert_eq!(
        restore("0190a5d2-6f3c-7cc1-b2a9-3f2f9a1d7e55").await.status,
        422
    );
}

#[tokio::test]
async fn fifty_racing_repetitions_of_one_key_create_one_task() {
    let server = Server::start().await;
    let ada = server.register("ada@example.com").await;
    let create = || async {
        loop {
            let answer = ada
                .call(
                    Method::POST,
                    "/v1/tasks",
                    &[("idempotency-key", "one")],
                    Some(json!({"title": "One"})),
                )
                .await;
            // The first request is still running: retry.
            if answer.status != 409 {
                return answer;
            }
        }
    };

    let answers = join_all((0..50).map(|_| create())).await;

    assert!(
        answers
            .iter()
            .all(|answer| answer.status == 201 && answer.body == answers[0].body),
        "{answers:?}"
    );
    assert_eq!(ada.titles("").await, ["One"]);
}

#[tokio::test]
async fn a_key_belongs_to_its_owner_and_expires_after_a_day() {
    let server = Server::start().await;
    let ada = server.register("ada@example.com").await;
    let bob = server.register("bob@example.com").await;
    let key = [("idempotency-key", "one")];

    for (person, title) in [(&ada, "Ada's"), (&bob, "Bob's")] {
        assert_eq!(
            person
                .call(
                    Method::POST,
                    "/v1/tasks",
                    &key,
                    Some(json!({"title": title}))
                )
                .await
                .body["title"],
            title
        );
    }

    server.wait(Duration::from_secs(24 * 60 * 60 + 1));
    let ada = server.log_in("ada@example.com").await;
    assert_eq!(
        ada.call(
            Method::POST,
            "/v1/tasks",
            &key,
            Some(json!({"title": "Another"}))
        )
        .await
        .body["title"],
        "Another"
    );
}

#[tokio::test]
async fn every_post_with_a_token_accepts_an_idempotency_key() {
    let document: Value = serde_json::from_str(system::OPENAPI).expect("JSON");

    for endpoint in SERVICES.iter().flat_map(|service| service.endpoints.iter()) {
        if endpoint.method == Declared::Post && endpoint.access != Access::Public {
            let parameters = document["paths"][endpoint.path]["post"]["parameters"]
                .as_array()
                .expect("parameters");

            assert!(
                parameters
                    .iter()
                    .any(|parameter| parameter["name"] == "Idempotency-Key"),
                "{}",
                endpoint.name
            );
        }
    }
}

#[tokio::test]
async fn a_call_that_ignores_an_idempotency_key_says_so() {
    let document: Value = serde_json::from_str(system::OPENAPI).expect("JSON");

    for endpoint in SERVICES.iter().flat_map(|service| service.endpoints.iter()) {
        if matches!(endpoint.method, Declared::Get | Declared::Any) {
            continue;
        }
        let operation = &document["paths"][endpoint.path][endpoint.method.as_str().to_lowercase()];
        let takes = operation["parameters"]
            .as_array()
            .expect("parameters")
            .iter()
            .any(|parameter| parameter["name"] == "Idempotency-Key");
        let ignores = operation["description"]
            .as_str()
            .is_some_and(|text| text.contains("ignores an Idempotency-Key"));

        assert!(takes != ignores, "{}", endpoint.name);
    }
}
