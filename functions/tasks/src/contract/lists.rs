//! Lists: every matching task once, in order, in pages of any size, and no task of another owner.

use std::collections::HashSet;

use common::auth::UserId;
use common::paging::Cursor;
use common::precondition::Precondition;
use common::problem::StoreError;
use common::time::Timestamp;
use contract::fixtures::{scan, seconds, somebody};
use contract::futures_util::future::join_all;
use contract::proptest::collection::vec;
use contract::proptest::prelude::{Just, Strategy, prop_oneof};
use contract::proptest::sample::select;
use contract::proptest::{option, prop_assert, prop_assert_eq};
use contract::{cases, check};

use super::Store;
use super::fixtures::{due, label, labels, notes, search, sort, sorts, task};
use super::model::Model;
use crate::{
    Bounds, Due, Label, Priority, Status, Task, TaskFilter, TaskId, TaskPatch, TaskQuery, TaskSort,
};

cases![
    an_empty_list_is_one_empty_page,
    every_order_shows_every_task_once_in_pages_of_any_size,
    any_filter_in_any_order_finds_what_the_model_finds,
    tasks_that_are_never_due_come_last_either_way,
    a_filter_of_several_values_means_any_of_them,
    the_first_due_bound_is_inclusive_and_the_second_exclusive,
    tasks_that_do_not_change_between_pages_are_seen_once,
    a_position_of_another_list_shows_nothing_of_another_owner,
    a_position_works_with_another_filter,
    due_bounds_on_a_page_of_undated_tasks_find_nothing,
    few_tasks_among_many_are_found_in_bounded_pages,
    a_page_of_the_largest_tasks_is_complete,
];

/// A list with ties in every order: tasks with the same due time, priority, or time of change, and
/// tasks created within one millisecond.
async fn garden(store: &Store, owner: UserId) -> Model {
    let dues = [
        None,
        Some("2026-03-01"),
        Some("2026-03-01T00:00:00Z"),
        Some("2026-03-01T00:00:00.001Z"),
        Some("2026-02-28T23:59:59.999Z"),
        None,
        Some("2026-03-02"),
        Some("0001-01-01"),
        Some("9999-12-31T23:59:59.999Z"),
    ];
    let label_sets: [&[&str]; 6] = [
        &[],
        &["home"],
        &["garden", "home"],
        &["Home"],
        &["x", "y", "z"],
        &["gar"],
    ];
    let texts = [
        "Water the Ficus",
        "repot the FICUS",
        "Prune",
        "Buy seeds",
        "S\u{e4}en",
        "S\u{c4}EN",
    ];
    let mut model = Model::default();
    let mut tasks = Vec::new();
    for n in 0..54_usize {
        let created = store.now.plus(seconds(n as u64 / 4));
        let status = Status::ALL[n % 4];
        tasks.push(Task {
            notes: (n % 5 == 0).then(|| notes(texts[(n + 3) % 6])),
            status,
            priority: Priority::ALL[n % 5],
            labels: labels(label_sets[n % 6]),
            due: dues[n % 9].map(due),
            completed_at: (status == Status::Done).then_some(created),
            updated_at: store.now.plus(seconds(100 + (n as u64 * 7) % 10)),
            ..task(texts[n / 2 % 6], created)
        });
    }
    // Not added in the order of any list.
    tasks.sort_by_key(|task| task.id.as_bytes()[15]);
    for task in tasks {
        model.create(task.clone(), None).expect("a new task");
        store.add(owner, task).await;
    }
    model
}

fn ids(tasks: &[Task]) -> Vec<TaskId> {
    tasks.iter().map(|task| task.id).collect()
}

fn any_due() -> impl Strategy<Value = Due> {
    let around = select(vec![
        "2026-03-01",
        "2026-03-01T00:00:00Z",
        "2026-03-01T00:00:00.001Z",
        "2026-02-28T23:59:59.999Z",
        "2026-03-02",
        "2026-02-28",
        "0000-01-01",
        "0001-01-01T00:00:00.001Z",
        "9999-12-31",
        "9999-12-31T23:59:59.999Z",
    ]);
    around.prop_map(due)
}

/// Any filter; most of them match some of [`garden`]'s tasks.
pub(super) fn any_filter() -> impl Strategy<Value = TaskFilter> {
    let labels =
        select(vec!["home", "garden", "gar", "Home", "x", "hom", "absent"]).prop_map(label);
    let texts = select(vec![
        "ficus",
        "FICUS",
        "e",
        "s\u{e4}en",
        "S\u{c4}E",
        "the f",
        "absent",
        ".",
    ])
    .prop_map(search);
    (
        prop_oneof![3 => Just(Vec::new()), 2 => vec(select(Status::ALL), 1..4)],
        prop_oneof![3 => Just(Vec::new()), 2 => vec(select(Priority::ALL), 1..4)],
        prop_oneof![3 => Just(Vec::new()), 2 => vec(labels, 1..4)],
        option::weighted(0.3, any_due()),
        option::weighted(0.3, any_due()),
        option::weighted(0.3, texts),
    )
        .prop_map(
            |(statuses, priorities, labels, after, before, text)| TaskFilter {
                statuses,
                priorities,
                labels,
                due: Bounds { after, before },
                text,
            },
        )
}

pub(super) fn any_sort() -> impl Strategy<Value = TaskSort> {
    select(TaskSort::NAMES.as_slice()).prop_map(sort)
}

/// Page sizes, used in turn.
pub(super) fn any_limits() -> impl Strategy<Value = Vec<usize>> {
    vec(prop_oneof![3 => 1..8_usize, 1 => 8..101_usize], 1..5)
}

async fn an_empty_list_is_one_empty_page(store: Store) {
    let owner = somebody(store.now);
    let other = somebody(store.now);
    store.add(other, task("Another's", store.now)).await;

    for sort in sorts() {
        let query = TaskQuery {
            filter: TaskFilter::default(),
            sort,
            limit: 50,
            after: None,
        };

        let page = store.tasks.list(owner, &query).await.expect("a page");

        assert!(
            page.items.is_empty() && page.next.is_none(),
            "{}",
            sort.name()
        );
    }

    let page = store
        .tasks
        .list_trash(owner, 50, None, store.now)
        .await
        .expect("a page");
    assert!(page.items.is_empty() && page.next.is_none());
}

async fn every_order_shows_every_task_once_in_pages_of_any_size(store: Store) {
    let owner = somebody(store.now);
    let other = somebody(store.now);
    let model = garden(&store, owner).await;
    garden(&store, other).await;
    let all = TaskFilter::default();

    for sort in sorts() {
        let expected = model.list(&all, sort);

        for limits in [
            &[1][..],
            &[2],
            &[7],
            &[53],
            &[54],
            &[55],
            &[100],
            &[3, 1, 20],
        ] {
            assert_eq!(
                store.listed(owner, &all, sort, limits).await,
                expected,
                "{} in pages of {limits:?}",
                sort.name()
            );
        }
    }
}

async fn any_filter_in_any_order_finds_what_the_model_finds(store: Store) {
    let owner = somebody(store.now);
    let model = garden(&store, owner).await;

    check(
        120,
        &(any_filter(), any_sort(), any_limits()),
        async |(filter, sort, limits)| {
            let listed = store.listed(owner, &filter, sort, &limits).await;
            prop_assert_eq!(listed, model.list(&filter, sort));
            Ok(())
        },
    );
}

async fn tasks_that_are_never_due_come_last_either_way(store: Store) {
    let owner = somebody(store.now);
    for due in [
        None,
        Some("2026-03-02"),
        Some("2026-03-01T12:00:00Z"),
        None,
        Some("2026-03-01"),
        None,
    ] {
        store
            .add(
                owner,
                Task {
                    due: due.map(super::fixtures::due),
                    ..task(due.unwrap_or("never"), store.now)
                },
            )
            .await;
    }

    for (order, expected) in [
        (
            "due",
            [
                "2026-03-01",
                "2026-03-01T12:00:00Z",
                "2026-03-02",
                "never",
                "never",
                "never",
            ],
        ),
        (
            "-due",
            [
                "2026-03-02",
                "2026-03-01T12:00:00Z",
                "2026-03-01",
                "never",
                "never",
                "never",
            ],
        ),
    ] {
        for limit in 1..=7 {
            let listed = store
                .listed(owner, &TaskFilter::default(), sort(order), &[limit])
                .await;

            assert_eq!(
                listed
                    .iter()
                    .map(|task| task.title.as_str())
                    .collect::<Vec<_>>(),
                expected,
                "{order} in pages of {limit}"
            );
        }
    }
}

async fn a_filter_of_several_values_means_any_of_them(store: Store) {
    let owner = somebody(store.now);
    for (title, status, priority, of) in [
        ("a", Status::Todo, Priority::None, &["home"][..]),
        ("b", Status::InProgress, Priority::Low, &["garden"]),
        ("c", Status::Done, Priority::Urgent, &["home", "garden"]),
        (
            "d",
            Status::Cancelled,
            Priority::Urgent,
            &["Home", "gardens", "ho"],
        ),
    ] {
        store
            .add(
                owner,
                Task {
                    status,
                    priority,
                    labels: labels(of),
                    ..task(title, store.now)
                },
            )
            .await;
    }
    let all = TaskFilter::default;
    let of = |texts: &[&str]| texts.iter().map(|text| label(text)).collect::<Vec<Label>>();

    for (filter, expected) in [
        (
            TaskFilter {
                statuses: vec![Status::Todo, Status::Done],
                ..all()
            },
            &["a", "c"][..],
        ),
        (
            TaskFilter {
                statuses: vec![Status::Todo, Status::Todo],
                ..all()
            },
            &["a"],
        ),
        (
            TaskFilter {
                statuses: Status::ALL.to_vec(),
                ..all()
            },
            &["a", "b", "c", "d"],
        ),
        (
            TaskFilter {
                priorities: vec![Priority::None, Priority::Urgent],
                ..all()
            },
            &["a", "c", "d"],
        ),
        (
            TaskFilter {
                labels: of(&["home"]),
                ..all()
            },
            &["a", "c"],
        ),
        (
            TaskFilter {
                labels: of(&["home", "garden"]),
                ..all()
            },
            &["a", "b", "c"],
        ),
        (
            TaskFilter {
                labels: of(&["absent", "Home"]),
                ..all()
            },
            &["d"],
        ),
        (
            TaskFilter {
                labels: of(&["hom"]),
                ..all()
            },
            &[],
        ),
        (
            TaskFilter {
                statuses: vec![Status::Done, Status::Todo],
                labels: of(&["garden"]),
                ..all()
            },
            &["c"],
        ),
        (
            TaskFilter {
                priorities: vec![Priority::Urgent],
                statuses: vec![Status::Todo],
                ..all()
            },
            &[],
        ),
    ] {
        assert_eq!(store.titles(owner, &filter).await, expected, "{filter:?}");
    }
}

async fn the_first_due_bound_is_inclusive_and_the_second_exclusive(store: Store) {
    let owner = somebody(store.now);
    let before_midnight = "2026-02-28T23:59:59.999Z";
    let day = "2026-03-01";
    let midnight = "2026-03-01T00:00:00Z";
    let after_midnight = "2026-03-01T00:00:00.001Z";
    for title in [before_midnight, day, midnight, after_midnight, "2026-03-02"] {
        store
            .add(
                owner,
                Task {
                    due: Some(due(title)),
                    ..task(title, store.now)
                },
            )
            .await;
    }
    store.add(owner, task("never", store.now)).await;

    for (after, before, expected) in [
        (
            Some(day),
            None,
            &[day, midnight, after_midnight, "2026-03-02"][..],
        ),
        (
            Some(midnight),
            None,
            &[day, midnight, after_midnight, "2026-03-02"],
        ),
        (None, Some(day), &[before_midnight]),
        (None, Some(midnight), &[before_midnight]),
        (
            Some(day),
            Some("2026-03-02"),
            &[day, midnight, after_midnight],
        ),
        (
            Some("2026-03-01T01:00:00+01:00"),
            Some("2026-03-02"),
            &[day, midnight, after_midnight],
        ),
        (Some(day), Some(after_midnight), &[day, midnight]),
        (Some(day), Some(midnight), &[]),
        (Some(day), Some(before_midnight), &[]),
        (Some("2026-03-03"), None, &[]),
        (
            None,
            Some("9999-12-31"),
            &[before_midnight, day, midnight, after_midnight, "2026-03-02"],
        ),
    ] {
        let bounds = Bounds {
            after: after.map(due),
            before: before.map(due),
        };
        let filter = TaskFilter {
            due: bounds,
            ..TaskFilter::default()
        };

        for sort in sorts() {
            let listed = store.listed(owner, &filter, sort, &[2]).await;
            let listed: HashSet<_> = listed.iter().map(|task| task.title.as_str()).collect();

            assert_eq!(
                listed,
                expected.iter().copied().collect(),
                "{bounds:?} by {}",
                sort.name()
            );
        }
    }
}

/// A change to the list while it is read.
#[derive(Clone, Debug)]
enum Meanwhile {
    Add,
    Change(usize),
    Delete(usize),
}

async fn tasks_that_do_not_change_between_pages_are_seen_once(store: Store) {
    let meanwhile = prop_oneof![
        Just(Meanwhile::Add),
        (0..20_usize).prop_map(Meanwhile::Change),
        (0..20_usize).prop_map(Meanwhile::Delete)
    ];
    let input = (
        any_sort(),
        any_limits(),
        vec(vec(meanwhile, 0..3), 1..8),
        contract::proptest::bool::ANY,
    );

    check(16, &input, async |(sort, limits, between, filtered)| {
        let owner = somebody(store.now);
        let statuses = if filtered {
            vec![Status::Todo, Status::Done]
        } else {
            Vec::new()
        };
        let filter = TaskFilter {
            statuses,
            ..TaskFilter::default()
        };
        let mut tasks = Vec::new();
        for n in 0..20_usize {
            let due = [Some("2026-03-01"), None, Some("2026-03-05T10:00:00Z")][n % 3].map(due);
            let task = Task {
                due,
                priority: Priority::ALL[n % 5],
                status: Status::ALL[n % 4],
                ..task("Mine", store.now.plus(seconds(n as u64 / 2)))
            };
            tasks.push(store.add(owner, task).await);
        }

        let mut touched = HashSet::new();
        let mut seen = Vec::new();
        let mut after = None;
        let mut between = between.into_iter();
        for limit in limits.into_iter().cycle() {
            let query = TaskQuery {
                filter: filter.clone(),
                sort,
                limit,
                after,
            };
            let page = store.tasks.list(owner, &query).await.expect("a page");
            seen.extend(ids(&page.items));
            let Some(next) = page.next else { break };
            after = Some(next);
            for what in between.next().unwrap_or_default() {
                let later = store.now.plus(seconds(60 + seen.len() as u64));
                match what {
                    Meanwhile::Add => touched.insert(store.add(owner, task("New", later)).await.id),
                    Meanwhile::Change(at) => {
                        let patch = TaskPatch {
                            due: common::fields::Change::Set(due("2026-03-03")),
                            ..TaskPatch::default()
                        };
                        // It may already be deleted.
                        let _ = store
                            .tasks
                            .update(owner, tasks[at].id, &patch, &Precondition::Any, later)
                            .await;
                        touched.insert(tasks[at].id)
                    }
                    Meanwhile::Delete(at) => {
                        let _ = store
                            .tasks
                            .trash(owner, tasks[at].id, &Precondition::Any, later)
                            .await;
                        touched.insert(tasks[at].id)
                    }
                };
            }
        }

        for task in tasks.iter().filter(|task| !touched.contains(&task.id)) {
            let times = seen.iter().filter(|id| **id == task.id).count();
            prop_assert_eq!(times, usize::from(filter.matches(task)), "{:?}", task);
        }

        Ok(())
    });
}

/// Positions that no list of this owner has returned.
fn any_position(others: Vec<String>) -> impl Strategy<Value = String> {
    let id = "[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}";
    prop_oneof![
        select(others),
        "[!-~]{1,128}",
        id,
        (
            select(vec![
                "1#",
                "2#",
                "0#",
                "4#",
                "9#",
                "2026-03-01T00:00:00.000Z#",
                "1#2026-03-01T00:00:00.000Z#",
                "1#~",
                "2#~",
                "~",
                "!"
            ]),
            id
        )
            .prop_map(|(start, id)| format!("{start}{id}")),
        select(vec![
            "1#",
            "2#",
            "2#~",
            "1#~",
            "~",
            "!",
            "$",
            "{}",
            "null",
            "[]",
            "{\"$gt\":\"\"}",
            "-1",
            "NaN"
        ])
        .prop_map(str::to_owned),
    ]
}

async fn a_position_of_another_list_shows_nothing_of_another_owner(store: Store) {
    let owner = somebody(store.now);
    let other = somebody(store.now);
    let model = garden(&store, owner).await;
    garden(&store, other).await;
    // Positions of another owner, and of this owner's lists in other orders.
    let mut positions = Vec::new();
    for whose in [owner, other] {
        for sort in sorts() {
            let query = TaskQuery {
                filter: TaskFilter::default(),
                sort,
                limit: 20,
                after: None,
            };
            let page = store.tasks.list(whose, &query).await.expect("a page");
            positions.push(page.next.expect("there are more").position);
        }
    }
    check(
        80,
        &(any_sort(), any_filter(), any_position(positions)),
        async |(sort, filter, position)| {
            let query = TaskQuery {
                filter: filter.clone(),
                sort,
                limit: 100,
                after: Some(Cursor::new(sort.name(), &position)),
            };

            let page = match store.tasks.list(owner, &query).await {
                Ok(page) => page,
                Err(StoreError::NotFound(_)) => return Ok(()),
                Err(error) => panic!("{error}"),
            };
            let wanted = model.list(&filter, sort);

            prop_assert!(
                page.items.iter().all(|task| wanted.contains(task)),
                "something else is shown"
            );

            let shown: HashSet<_> = ids(&page.items).into_iter().collect();
            prop_assert_eq!(shown.len(), page.items.len(), "something is shown twice");

            Ok(())
        },
    );
}

async fn a_position_works_with_another_filter(store: Store) {
    let owner = somebody(store.now);
    let model = garden(&store, owner).await;

    // A client may change the filter from one page to the next: what comes after the position is
    // shown.
    check(
        120,
        &(any_sort(), any_filter(), any_filter(), 1..40_usize),
        async |(sort, first, second, limit)| {
            let query = TaskQuery {
                filter: first.clone(),
                sort,
                limit,
                after: None,
            };
            let page = store.tasks.list(owner, &query).await.expect("a page");
            let (Some(next), Some(last)) = (page.next, page.items.last()) else {
                return Ok(());
            };
            let everything = model.list(&TaskFilter::default(), sort);
            let at = everything
                .iter()
                .position(|task| task.id == last.id)
                .expect("a task of the list");
            let wanted: Vec<_> = everything[at + 1..]
                .iter()
                .filter(|task| second.matches(task))
                .cloned()
                .collect();

            let rest = scan(&[100], async |limit, after| {
                let after = after.or_else(|| Some(next.clone()));
                store
                    .tasks
                    .list(
                        owner,
                        &TaskQuery {
                            filter: second.clone(),
                            sort,
                            limit,
                            after,
                        },
                    )
                    .await
            })
            .await;

            prop_assert_eq!(rest, wanted);

            Ok(())
        },
    );
}

async fn due_bounds_on_a_page_of_undated_tasks_find_nothing(store: Store) {
    let owner = somebody(store.now);
    for due in [Some("2026-03-01"), Some("2026-03-02"), None, None] {
        store
            .add(
                owner,
                Task {
                    due: due.map(super::fixtures::due),
                    ..task("Task", store.now)
                },
            )
            .await;
    }

    for order in ["due", "-due"] {
        let query = TaskQuery {
            filter: TaskFilter::default(),
            sort: sort(order),
            limit: 3,
            after: None,
        };

        let after = store.tasks.list(owner, &query).await.expect("a page").next;
        assert!(after.is_some());

        let due = Bounds {
            before: Some(due("2026-03-02")),
            after: None,
        };
        let query = TaskQuery {
            filter: TaskFilter {
                due,
                ..TaskFilter::default()
            },
            after,
            ..query
        };

        let page = store.tasks.list(owner, &query).await.expect("a page");
        assert!(page.items.is_empty() && page.next.is_none(), "{order}");
    }
}

async fn few_tasks_among_many_are_found_in_bounded_pages(store: Store) {
    const MANY: usize = 1_500;
    const EACH: usize = 150;
    let owner = somebody(store.now);
    let tasks: Vec<Task> = (0..MANY)
        .map(|n| {
            let wanted = n % EACH == EACH - 1;
            let due = (n % 3 > 0).then(|| {
                due(if n % 2 == 0 {
                    "2026-03-01"
                } else {
                    "2026-03-01T10:00:00Z"
                })
            });
            let status = if wanted { Status::Done } else { Status::Todo };
            let of: &[&str] = if wanted { &["needle"] } else { &["hay"] };
            Task {
                status,
                due,
                labels: labels(of),
                ..task(
                    if wanted { "Needle" } else { "Hay" },
                    store.now.plus(seconds(n as u64)),
                )
            }
        })
        .collect();
    for some in tasks.chunks(25) {
        for added in join_all(
            some.iter()
                .map(|task| store.tasks.create(owner, task.clone(), None)),
        )
        .await
        {
            added.expect("added");
        }
    }
    let mut model = Model::default();
    for task in tasks {
        model.create(task, None).expect("a new task");
    }
    let all = TaskFilter::default;
    let filters = [
        TaskFilter {
            statuses: vec![Status::Done],
            ..all()
        },
        TaskFilter {
            labels: vec![label("needle")],
            ..all()
        },
        TaskFilter {
            text: Some(search("needle")),
            ..all()
        },
        TaskFilter {
            text: Some(search("no such")),
            ..all()
        },
    ];

    for filter in filters {
        for sort in [sort("-created"), sort("due"), sort("-due")] {
            let pages = std::cell::Cell::new(0);
            let found = scan(&[4], async |limit, after| {
                pages.set(pages.get() + 1);
                store
                    .tasks
                    .list(
                        owner,
                        &TaskQuery {
                            filter: filter.clone(),
                            sort,
                            limit,
                            after,
                        },
                    )
                    .await
            })
            .await;
            let wanted = model.list(&filter, sort);

            assert_eq!(ids(&found), ids(&wanted), "{filter:?} by {}", sort.name());
            assert!(
                pages.get() <= 12,
                "{} pages for {} tasks: {filter:?} by {}",
                pages.get(),
                wanted.len(),
                sort.name()
            );
        }
    }

    // And all of them, in pages of 100.
    let everything = store.listed(owner, &all(), sort("created"), &[100]).await;
    assert_eq!(ids(&everything), ids(&model.list(&all(), sort("created"))));
}

async fn a_page_of_the_largest_tasks_is_complete(store: Store) {
    let owner = somebody(store.now);
    let mut model = Model::default();
    for n in 0..100 {
        let task = Task {
            status: Status::ALL[n % 4],
            ..super::text::largest_task(store.now.plus(seconds(n as u64)))
        };
        model.create(task.clone(), None).expect("a new task");
        store.add(owner, task).await;
    }
    // Together they are larger than one response of some servers can be.
    let filter = TaskFilter {
        statuses: vec![Status::Todo, Status::Done],
        ..TaskFilter::default()
    };

    for filter in [TaskFilter::default(), filter] {
        for limits in [&[100][..], &[30, 100]] {
            let listed = store.listed(owner, &filter, sort("-updated"), limits).await;
            assert_eq!(ids(&listed), ids(&model.list(&filter, sort("-updated"))));
        }
    }

    let first = TaskQuery {
        filter: TaskFilter::default(),
        sort: sort("created"),
        limit: 100,
        after: None,
    };
    assert_eq!(
        store
            .tasks
            .list(owner, &first)
            .await
            .expect("a page")
            .items
            .len(),
        100,
        "a page that is not filtered is never short"
    );

    let now: Timestamp = store.now.plus(seconds(1_000));
    for task in store.all(owner).await {
        store
            .tasks
            .trash(owner, task.id, &Precondition::Any, now)
            .await
            .expect("deleted");
    }
    assert_eq!(
        ids(&store.trash_of(owner, &[100], now).await),
        ids(&model_trash(&mut model, now))
    );
}

fn model_trash(model: &mut Model, now: Timestamp) -> Vec<Task> {
    for task in model.list(&TaskFilter::default(), sort("created")) {
        model
            .trash(task.id, &Precondition::Any, now)
            .expect("deleted");
    }
    model.list_trash(now)
}
