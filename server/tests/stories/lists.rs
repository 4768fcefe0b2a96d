//! Lists: filters, orders, pages, and cursors of other clients.

use futures_util::StreamExt;
use reqwest::Method;
use serde_json::json;

use crate::client::{Person, Server};

/// Creates six tasks that differ in everything that a list can filter or sort by.
async fn fill(person: &Person<'_>) {
    for draft in [
        json!({"title": "Water the plants", "notes": "The FICUS twice", "labels": ["home", "green"], "due": "2026-03-01"}),
        json!({"title": "Call the bank", "priority": "high", "status": "in_progress", "due": "2026-03-01T09:30:00Z"}),
        json!({"title": "\u{c9}TUDES", "labels": ["music"], "status": "done", "due": "2026-02-28T23:59:59.999Z"}),
        json!({"title": "100% wool", "priority": "low", "labels": ["home"], "due": "2026-03-02"}),
        json!({"title": "Buy a bell", "priority": "urgent", "status": "cancelled"}),
        json!({"title": "Sleep", "priority": "low"}),
    ] {
        person.create_task(draft).await;
    }
}

#[tokio::test]
async fn a_repeated_filter_matches_any_value_and_different_filters_must_all_match() {
    let server = Server::start().await;
    let ada = server.register("ada@example.com").await;
    fill(&ada).await;
    let all = [
        "Water the plants",
        "Call the bank",
        "\u{c9}TUDES",
        "100% wool",
        "Buy a bell",
        "Sleep",
    ];

    for (query, expected) in [
        ("", vec![0, 1, 2, 3, 4, 5]),
        ("status=todo", vec![0, 3, 5]),
        ("status=done&status=cancelled", vec![2, 4]),
        ("priority=low&priority=urgent", vec![3, 4, 5]),
        ("priority=low&status=todo&label=home", vec![3]),
        ("label=home", vec![0, 3]),
        ("label=music&label=green", vec![0, 2]),
        ("label=Home", vec![]),
        ("due_after=2026-03-01", vec![0, 1, 3]),
        ("due_before=2026-03-01", vec![2]),
        ("due_after=2026-03-01&due_before=2026-03-02", vec![0, 1]),
        (
            "due_after=2026-03-01T09:30:00Z&due_before=2026-03-02T00:00:00.001Z",
            vec![1, 3],
        ),
        ("due_after=2026-03-01T11:30:00%2B02:00", vec![1, 3]),
        ("due_after=2026-03-02&due_before=2026-03-01", vec![]),
        ("q=ficus", vec![0]),
        ("q=THE", vec![0, 1]),
        ("q=%C3%A9tu", vec![2]),
        ("q=e%CC%81tu", vec![2]),
        ("q=etudes", vec![2]),
        ("q=100%25", vec![3]),
        ("q=.*", vec![]),
        ("q=the+plants", vec![0]),
        ("label=home&q=wool", vec![3]),
    ] {
        for limit in [1, 50] {
            let titles = ada
                .titles(&format!("{query}&sort=created&limit={limit}"))
                .await;

            assert_eq!(
                titles,
                expected.iter().map(|at| all[*at]).collect::<Vec<_>>(),
                "{query}"
            );
        }
    }
}

#[tokio::test]
async fn every_order_sorts_as_its_name_says() {
    let server = Server::start().await;
    let ada = server.register("ada@example.com").await;
    fill(&ada).await;
    let oldest = ada.get("/v1/tasks?sort=created&limit=1").await.body["items"][0]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    ada.patch(&format!("/v1/tasks/{oldest}"), json!({"notes": null}))
        .await;
    let titles = |sort: &str| format!("sort={sort}");
    let created = [
        "Water the plants",
        "Call the bank",
        "\u{c9}TUDES",
        "100% wool",
        "Buy a bell",
        "Sleep",
    ];

    assert_eq!(ada.titles(&titles("created")).await, created);
    assert_eq!(
        ada.titles("").await,
        created.into_iter().rev().collect::<Vec<_>>()
    );
    assert_eq!(ada.titles(&titles("-updated")).await[0], "Water the plants");
    assert_eq!(ada.titles(&titles("updated")).await[5], "Water the plants");
    assert_eq!(
        ada.titles(&titles("due")).await[..4],
        [
            "\u{c9}TUDES",
            "Water the plants",
            "Call the bank",
            "100% wool"
        ]
    );
    assert_eq!(
        ada.titles(&titles("-due")).await[..4],
        [
            "100% wool",
            "Call the bank",
            "Water the plants",
            "\u{c9}TUDES"
        ]
    );
    assert_eq!(
        ada.titles(&titles("-priority")).await[..2],
        ["Buy a bell", "Call the bank"]
    );
    assert_eq!(
        ada.titles(&titles("priority")).await[4..],
        ["Call the bank", "Buy a bell"]
    );
}

#[tokio::test]
async fn a_page_links_to_the_next_one_with_the_same_filters() {
    let server = Server::start().await;
    let ada = server.register("ada@example.com").await;
    fill(&ada).await;
    let first = ada.get("/v1/tasks?limit=2&status=todo&sort=due").await;
    let link = first.header("link").expect("a link").to_owned();
    let next = link
        .strip_prefix('<')
        .and_then(|link| link.strip_suffix(">; rel=\"next\""))
        .expect("a next page");

    let second = ada.get(next).await;

    assert_eq!(
        (first.items("title").len(), second.items("title").len()),
        (2, 1)
    );
    assert_eq!(
        (&second.body["next_cursor"], second.header("link")),
        (&json!(null), None)
    );
}

#[tokio::test]
async fn a_link_has_one_cursor_even_if_the_last_one_was_percent_encoded() {
    let server = Server::start().await;
    let ada = server.register("ada@example.com").await;
    fill(&ada).await;
    let first = ada.get("/v1/tasks?limit=2").await.body["next_cursor"]
        .as_str()
        .expect("a cursor")
        .to_owned();

    for name in ["cursor", "c%75rsor", "%63ursor"] {
        let page = ada.get(&format!("/v1/tasks?{name}={first}&limit=2")).await;
        let next = page.body["next_cursor"].as_str().expect("a cursor");

        assert_eq!(
            page.header("link"),
            Some(format!("</v1/tasks?limit=2&cursor={next}>; rel=\"next\"").as_str()),
            "{name}"
        );
    }
}

#[tokio::test]
async fn paging_returns_every_remaining_task_once_while_others_are_added_and_deleted() {
    let server = Server::start().await;
    let ada = server.register("ada@example.com").await;
    fill(&ada).await;
    let first = ada.get("/v1/tasks?sort=created&limit=2").await;
    let seen = first.items("id");
    let cursor = first.body["next_cursor"].as_str().expect("a cursor");
    // The cursor is the position of the page's last task.
    ada.delete(&format!("/v1/tasks/{}", seen[1].as_str().expect("an id")))
        .await;
    ada.create_task(json!({"title": "New"})).await;

    let rest = ada
        .get(&format!("/v1/tasks?sort=created&cursor={cursor}"))
        .await;

    assert_eq!(
        rest.items("title"),
        ["\u{c9}TUDES", "100% wool", "Buy a bell", "Sleep", "New"]
    );
}

#[tokio::test]
async fn a_cursor_of_another_owner_shows_only_the_callers_list() {
    let server = Server::start().await;
    let ada = server.register("ada@example.com").await;
    let bob = server.register("bob@example.com").await;
    fill(&ada).await;
    bob.create_task(json!({"title": "Bob's"})).await;

    let cursor = ada.get("/v1/tasks?sort=created&limit=1").await.body["next_cursor"]
        .as_str()
        .expect("a cursor")
        .to_owned();
    assert_eq!(
        bob.get(&format!("/v1/tasks?sort=created&cursor={cursor}"))
            .await
            .items("title"),
        ["Bob's"]
    );

    let refused = bob
        .get(&format!("/v1/tasks?sort=due&cursor={cursor}"))
        .await;
    assert_eq!(
        (refused.status.as_u16(), refused.faults()),
        (400, vec!["?cursor".to_owned()])
    );
}

#[tokio::test]
async fn a_rare_match_among_many_tasks_is_found_in_short_pages_of_bounded_work() {
    let server = Server::start().await;
    let ada = server.register("ada@example.com").await;
    ada.create_task(json!({"title": "The needle"})).await;
    // No more connections at once than the listener's backlog holds.
    let hay = (0..1050).map(|_| ada.create_task(json!({"title": "Hay"})));
    futures_util::stream::iter(hay)
        .buffer_unordered(50)
        .collect::<Vec<_>>()
        .await;

    let first = ada.call(Method::GET, "/v1/tasks?q=needle", &[], None).await;
    assert_eq!(first.items("title").len(), 0);

    let second = ada
        .get(&format!(
            "/v1/tasks?q=needle&cursor={}",
            first.body["next_cursor"].as_str().expect("more to read")
        ))
        .await;
    assert_eq!(
        (second.items("title"), &second.body["next_cursor"]),
        (vec![&json!("The needle")], &json!(null))
    );
}
