//! Tasks: adding, reading, changing field by field, versions, and owners.

use std::collections::HashSet;

use common::fields::Change;
use common::precondition::Precondition;
use contract::cases;
use contract::fixtures::{RACERS, once, outcome, refused, seconds, somebody};
use contract::futures_util::future::join_all;

use super::Store;
use super::fixtures::{due, full_task, labels, notes, retitled, sort, sorts, task, title};
use super::model::Model;
use crate::{Bounds, Priority, Status, Task, TaskFilter, TaskPatch};

cases![
    a_reachable_store_is_healthy,
    a_task_is_stored_whole,
    a_task_that_is_not_there_is_not_found,
    a_task_of_another_owner_is_not_found,
    two_owners_may_have_tasks_with_the_same_identifier,
    every_field_can_be_kept_or_cleared_or_set,
    a_patch_of_nothing_changes_nothing,
    a_task_has_a_completion_time_only_while_it_is_done,
    a_change_of_another_version_changes_nothing_and_returns_the_version,
    a_change_that_excludes_the_version_changes_nothing_and_returns_it,
    a_change_advances_the_time_of_a_task_even_if_the_clock_jumps_back;
    racing:
    of_fifty_changes_of_one_version_at_once_one_wins,
    fifty_changes_of_any_version_at_once_are_all_made,
    fifty_changes_of_different_fields_at_once_do_not_overwrite_each_other,
    fifty_tasks_at_once_are_all_added,
];

const NOT_FOUND: &str = "NotFound(\"task\")";

async fn a_reachable_store_is_healthy(store: Store) {
    store.tasks.ping().await.expect("an answer");
}

async fn a_task_is_stored_whole(store: Store) {
    let owner = somebody(store.now);
    let plain = task("Buy seeds", store.now);
    let full = full_task(store.now.plus(seconds(1)));
    let dated = Task {
        due: Some(due("2026-03-01")),
        notes: Some(notes("")),
        ..task("On a day", store.now.plus(seconds(2)))
    };

    for task in [&plain, &full, &dated] {
        assert_eq!(store.add(owner, task.clone()).await, *task);
        assert_eq!(
            outcome(store.tasks.get(owner, task.id).await),
            Ok(task.clone())
        );
    }

    assert_eq!(store.all(owner).await, [dated, full, plain]);
}

async fn a_task_that_is_not_there_is_not_found(store: Store) {
    let owner = somebody(store.now);
    store.add(owner, task("Another", store.now)).await;
    let absent = task("Absent", store.now).id;

    for precondition in [
        Precondition::Any,
        Precondition::OneOf(vec![1]),
        Precondition::OneOf(Vec::new()),
        Precondition::NoneOf(vec![1]),
    ] {
        assert_eq!(
            refused(
                store
                    .tasks
                    .update(owner, absent, &retitled("x"), &precondition, store.now)
                    .await
            ),
            NOT_FOUND
        );
        assert_eq!(
            refused(
                store
                    .tasks
                    .update(
                        owner,
                        absent,
                        &TaskPatch::default(),
                        &precondition,
                        store.now
                    )
                    .await
            ),
            NOT_FOUND
        );
        assert_eq!(
            refused(
                store
                    .tasks
                    .trash(owner, absent, &precondition, store.now)
                    .await
            ),
            NOT_FOUND
        );
        assert_eq!(
            refused(
                store
                    .tasks
                    .restore(owner, absent, &precondition, None, store.now)
                    .await
            ),
            NOT_FOUND
        );
    }

    assert_eq!(refused(store.tasks.get(owner, absent).await), NOT_FOUND);
    assert_eq!(store.all(owner).await.len(), 1);
    assert!(store.trash_of(owner, &[100], store.now).await.is_empty());
}

async fn a_task_of_another_owner_is_not_found(store: Store) {
    let ada = somebody(store.now);
    let bob = somebody(store.now);
    let live = store.add(ada, full_task(store.now)).await;
    let gone = store.add(ada, task("Deleted", store.now)).await;
    store
        .tasks
        .trash(ada, gone.id, &Precondition::Any, store.now)
        .await
        .expect("deleted");

    for id in [live.id, gone.id] {
        assert_eq!(refused(store.tasks.get(bob, id).await), NOT_FOUND);
        assert_eq!(
            refused(
                store
                    .tasks
                    .update(bob, id, &retitled("Mine"), &Precondition::Any, store.now)
                    .await
            ),
            NOT_FOUND
        );
        assert_eq!(
            refused(
                store
                    .tasks
                    .update(
                        bob,
                        id,
                        &TaskPatch::default(),
                        &Precondition::Any,
                        store.now
                    )
                    .await
            ),
            NOT_FOUND
        );
        assert_eq!(
            refused(
                store
                    .tasks
                    .trash(bob, id, &Precondition::Any, store.now)
                    .await
            ),
            NOT_FOUND
        );
        assert_eq!(
            refused(
                store
                    .tasks
                    .restore(bob, id, &Precondition::Any, None, store.now)
                    .await
            ),
            NOT_FOUND
        );
    }

    assert!(store.all(bob).await.is_empty());
    assert!(store.trash_of(bob, &[100], store.now).await.is_empty());
    assert_eq!(store.all(ada).await, [live]);
    assert_eq!(store.trash_of(ada, &[100], store.now).await.len(), 1);
}

async fn two_owners_may_have_tasks_with_the_same_identifier(store: Store) {
    let ada = somebody(store.now);
    let bob = somebody(store.now);
    let hers = store.add(ada, task("Hers", store.now)).await;
    let his = store
        .add(
            bob,
            Task {
                title: title("His"),
                ..hers.clone()
            },
        )
        .await;

    store
        .tasks
        .trash(bob, his.id, &Precondition::Any, store.now)
        .await
        .expect("deleted");

    assert_eq!(
        outcome(store.tasks.get(ada, hers.id).await),
        Ok(hers.clone())
    );
    assert_eq!(store.all(ada).await, [hers]);
    assert!(store.all(bob).await.is_empty());
}

async fn every_field_can_be_kept_or_cleared_or_set(store: Store) {
    let owner = somebody(store.now);
    let kept = TaskPatch::default();
    let mut patches = vec![retitled("Renamed")];
    patches.extend(
        [Change::Clear, Change::Set(notes("Other notes"))].map(|notes| TaskPatch {
            notes,
            ..kept.clone()
        }),
    );
    patches.extend(
        [
            Change::Clear,
            Change::Set(Status::InProgress),
            Change::Set(Status::Done),
        ]
        .map(|status| TaskPatch {
            status,
            ..kept.clone()
        }),
    );
    patches.extend(
        [Change::Clear, Change::Set(Priority::Urgent)].map(|priority| TaskPatch {
            priority,
            ..kept.clone()
        }),
    );
    patches.extend(
        [
            Change::Clear,
            Change::Set(labels(&["x", "y", "home"])),
            Change::Set(labels(&[])),
        ]
        .map(|labels| TaskPatch {
            labels,
            ..kept.clone()
        }),
    );
    patches.extend(
        [
            Change::Clear,
            Change::Set(due("2027-12-31")),
            Change::Set(due("1999-12-31T23:59:59.999Z")),
        ]
        .map(|due| TaskPatch {
            due,
            ..kept.clone()
        }),
    );
    patches.push(TaskPatch {
        title: Some(title("Everything")),
        notes: Change::Set(notes("at")),
        status: Change::Set(Status::Cancelled),
        priority: Change::Set(Priority::Low),
        labels: Change::Set(labels(&["once"])),
        due: Change::Set(due("2026-01-01")),
    });
    patches.push(TaskPatch {
        title: None,
        notes: Change::Clear,
        status: Change::Clear,
        priority: Change::Clear,
        labels: Change::Clear,
        due: Change::Clear,
    });

    let mut model = Model::default();
    for (n, patch) in (0..).zip(&patches) {
        for before in [
            full_task(store.now.plus(seconds(n))),
            task("Bare", store.now.plus(seconds(n))),
        ] {
            let before = store.add(owner, before).await;
            let later = store.now.plus(seconds(1_000 + n));
            let after = patch.apply(&before, later);

            assert_eq!(
                outcome(
                    store
                        .tasks
                        .update(owner, before.id, patch, &Precondition::Any, later)
                        .await
                ),
                Ok(after.clone()),
                "{patch:?}"
            );
            assert_eq!(
                outcome(store.tasks.get(owner, before.id).await),
                Ok(after.clone()),
                "{patch:?}"
            );

            model.create(after, None).expect("a new task");
        }
    }

    // Each task is now at its new position.
    let day = Bounds {
        after: Some(due("2026-01-01")),
        before: Some(due("2026-12-31")),
    };
    for filter in [
        TaskFilter::default(),
        TaskFilter {
            due: day,
            ..TaskFilter::default()
        },
    ] {
        for sort in sorts() {
            assert_eq!(
                store.listed(owner, &filter, sort, &[10]).await,
                model.list(&filter, sort),
                "{}",
                sort.name()
            );
        }
    }
}

async fn a_patch_of_nothing_changes_nothing(store: Store) {
    let owner = somebody(store.now);
    let before = store.add(owner, full_task(store.now)).await;
    let later = store.now.plus(seconds(60));
    let update = async |precondition| {
        outcome(
            store
                .tasks
                .update(
                    owner,
                    before.id,
                    &TaskPatch::default(),
                    &precondition,
                    later,
                )
                .await,
        )
    };

    assert_eq!(update(Precondition::Any).await, Ok(before.clone()));
    assert_eq!(
        update(Precondition::OneOf(vec![1])).await,
        Ok(before.clone())
    );
    assert_eq!(
        update(Precondition::OneOf(vec![2])).await,
        Err("Stale { current: 1 }".to_owned())
    );
    assert_eq!(outcome(store.tasks.get(owner, before.id).await), Ok(before));
}

async fn a_task_has_a_completion_time_only_while_it_is_done(store: Store) {
    let owner = somebody(store.now);
    let id = store
        .add(owner, task("Water the plants", store.now))
        .await
        .id;
    let at = |n: u64| store.now.plus(seconds(n));
    let becomes = async |status: Status, n| {
        let patch = TaskPatch {
            status: Change::Set(status),
            ..TaskPatch::default()
        };
        store
            .tasks
            .update(owner, id, &patch, &Precondition::Any, at(n))
            .await
            .expect("updated")
            .completed_at
    };

    assert_eq!(becomes(Status::InProgress, 1).await, None);
    assert_eq!(becomes(Status::Done, 2).await, Some(at(2)));
    assert_eq!(
        becomes(Status::Done, 3).await,
        Some(at(2)),
        "it was done already"
    );

    let renamed = store
        .tasks
        .update(owner, id, &retitled("Done"), &Precondition::Any, at(4))
        .await
        .expect("updated");
    assert_eq!(
        (renamed.completed_at, renamed.updated_at),
        (Some(at(2)), at(4))
    );
    assert_eq!(becomes(Status::Cancelled, 5).await, None);
    assert_eq!(becomes(Status::Done, 6).await, Some(at(6)));

    let patch = TaskPatch {
        status: Change::Clear,
        ..TaskPatch::default()
    };
    let cleared = store
        .tasks
        .update(owner, id, &patch, &Precondition::Any, at(7))
        .await
        .expect("updated");
    assert_eq!(
        (cleared.status, cleared.completed_at, cleared.version),
        (Status::Todo, None, 8)
    );
}

async fn a_change_advances_the_time_of_a_task_even_if_the_clock_jumps_back(store: Store) {
    let owner = somebody(store.now);
    let ahead = store.now.plus(seconds(60));
    let other = store
        .add(owner, task("Changed by a clock that is right", ahead))
        .await;
    let mut expected = store.add(owner, task("Water the plants", ahead)).await;
    let id = expected.id;
    let after = |milliseconds| ahead.plus(std::time::Duration::from_millis(milliseconds));

    for (title, time) in [("Once", after(1)), ("Twice", after(2))] {
        expected = retitled(title).apply(&expected, store.now);

        assert_eq!(
            outcome(
                store
                    .tasks
                    .update(owner, id, &retitled(title), &Precondition::Any, store.now)
                    .await
            ),
            Ok(expected.clone())
        );
        assert_eq!(expected.updated_at, time);
    }

    store
        .tasks
        .trash(owner, id, &Precondition::Any, store.now)
        .await
        .expect("deleted");
    expected = expected.deleted(store.now);
    assert_eq!(
        store.trash_of(owner, &[100], store.now).await,
        [expected.clone()]
    );
    assert_eq!(
        (expected.updated_at, expected.deleted_at),
        (after(3), Some(after(3)))
    );

    expected = expected.restored(store.now);
    assert_eq!(
        outcome(
            store
                .tasks
                .restore(owner, id, &Precondition::Any, None, store.now)
                .await
        ),
        Ok(expected.clone())
    );
    assert_eq!(expected.updated_at, after(4));

    store
        .tasks
        .trash(owner, id, &Precondition::Any, store.now)
        .await
        .expect("deleted");
    expected = expected.deleted(store.now).restored(store.now);
    let key = once("key", "restore");

    assert_eq!(
        outcome(
            store
                .tasks
                .restore(owner, id, &Precondition::Any, Some(&key), store.now)
                .await
        ),
        Ok(expected.clone())
    );
    assert_eq!(expected.updated_at, after(6));

    assert_eq!(
        store
            .listed(owner, &TaskFilter::default(), sort("-updated"), &[100])
            .await,
        [expected, other]
    );
}

async fn a_change_of_another_version_changes_nothing_and_returns_the_version(store: Store) {
    let owner = somebody(store.now);
    let before = store.add(owner, full_task(store.now)).await;
    let update = async |versions: &[u64]| {
        outcome(
            store
                .tasks
                .update(
                    owner,
                    before.id,
                    &retitled("Changed"),
                    &Precondition::OneOf(versions.to_vec()),
                    store.now,
                )
                .await,
        )
    };

    for versions in [&[][..], &[0], &[2], &[2, 3, u64::MAX]] {
        assert_eq!(
            update(versions).await,
            Err("Stale { current: 1 }".to_owned()),
            "{versions:?}"
        );
    }

    assert_eq!(
        outcome(store.tasks.get(owner, before.id).await),
        Ok(before.clone())
    );
    assert_eq!(update(&[5, 1]).await.expect("changed").version, 2);
    assert_eq!(update(&[1]).await, Err("Stale { current: 2 }".to_owned()));
    assert_eq!(update(&[2]).await.expect("changed").version, 3);
}

async fn a_change_that_excludes_the_version_changes_nothing_and_returns_it(store: Store) {
    let owner = somebody(store.now);
    let before = store.add(owner, full_task(store.now)).await;
    let update = async |patch: TaskPatch, versions: &[u64]| {
        outcome(
            store
                .tasks
                .update(
                    owner,
                    before.id,
                    &patch,
                    &Precondition::NoneOf(versions.to_vec()),
                    store.now,
                )
                .await,
        )
    };

    for versions in [&[1][..], &[0, 1], &[2, 1, u64::MAX]] {
        for patch in [
            retitled("Changed"),
            TaskPatch::default(),
            TaskPatch {
                status: Change::Set(Status::Done),
                ..TaskPatch::default()
            },
        ] {
            assert_eq!(
                update(patch, versions).await,
                Err("Stale { current: 1 }".to_owned()),
                "{versions:?}"
            );
        }
    }

    assert_eq!(
        outcome(store.tasks.get(owner, before.id).await),
        Ok(before.clone())
    );

    for (versions, version) in [(&[][..], 2), (&[1], 3), (&[1, 2, u64::MAX], 4)] {
        assert_eq!(
            update(retitled("Changed"), versions)
                .await
                .expect("changed")
                .version,
            version
        );
    }
}

async fn of_fifty_changes_of_one_version_at_once_one_wins(store: Store) {
    let owner = somebody(store.now);
    let id = store
        .add(owner, task("Water the plants", store.now))
        .await
        .id;
    let patches: Vec<_> = (0..RACERS)
        .map(|n| retitled(&format!("Changed by {n}")))
        .collect();
    let first = Precondition::OneOf(vec![1]);

    let answers = join_all(
        patches
            .iter()
            .map(|patch| store.tasks.update(owner, id, patch, &first, store.now)),
    )
    .await;

    let mut winners = Vec::new();
    for answer in answers {
        match outcome(answer) {
            Ok(task) => winners.push(task),
            Err(error) => assert_eq!(error, "Stale { current: 2 }"),
        }
    }

    assert_eq!(winners, [store.tasks.get(owner, id).await.expect("a task")]);
}

async fn fifty_changes_of_any_version_at_once_are_all_made(store: Store) {
    let owner = somebody(store.now);
    let id = store
        .add(owner, task("Water the plants", store.now))
        .await
        .id;
    let patches: Vec<_> = (0..RACERS)
        .map(|n| retitled(&format!("Changed by {n}")))
        .collect();

    let answers = join_all(patches.iter().map(|patch| {
        store
            .tasks
            .update(owner, id, patch, &Precondition::Any, store.now)
    }))
    .await;

    let mut answers: Vec<Task> = answers
        .into_iter()
        .map(|answer| answer.expect("updated"))
        .collect();
    for (patch, answer) in patches.iter().zip(&answers) {
        assert_eq!(
            Some(&answer.title),
            patch.title.as_ref(),
            "each is answered what it made"
        );
    }

    let mut versions: Vec<_> = answers.iter().map(|task| task.version).collect();
    versions.sort_unstable();
    assert!(
        versions.iter().copied().eq(2..=RACERS as u64 + 1),
        "{versions:?}"
    );

    answers.sort_unstable_by_key(|task| task.version);
    assert!(
        answers.is_sorted_by(|earlier, later| earlier.updated_at < later.updated_at),
        "each has a time of its own"
    );
    assert_eq!(
        store.tasks.get(owner, id).await.ok().as_ref(),
        answers.last()
    );
}

async fn fifty_changes_of_different_fields_at_once_do_not_overwrite_each_other(store: Store) {
    let owner = somebody(store.now);
    let id = store
        .add(owner, task("Water the plants", store.now))
        .await
        .id;
    let kept = TaskPatch::default();
    let patches = [
        retitled("Changed"),
        TaskPatch {
            notes: Change::Set(notes("changed")),
            ..kept.clone()
        },
        TaskPatch {
            status: Change::Set(Status::Done),
            ..kept.clone()
        },
        TaskPatch {
            priority: Change::Set(Priority::High),
            ..kept.clone()
        },
        TaskPatch {
            labels: Change::Set(labels(&["changed"])),
            ..kept.clone()
        },
        TaskPatch {
            due: Change::Set(due("2026-03-01")),
            ..kept
        },
    ];

    let updates = (0..RACERS).map(|n| {
        store.tasks.update(
            owner,
            id,
            &patches[n % patches.len()],
            &Precondition::Any,
            store.now,
        )
    });
    for answer in join_all(updates).await {
        answer.expect("updated");
    }

    let all_at_once = patches
        .iter()
        .fold(task("Water the plants", store.now), |task, patch| {
            patch.apply(&task, store.now)
        });
    let stored = store.tasks.get(owner, id).await.expect("stored");

    assert_eq!(
        stored,
        Task {
            id,
            version: RACERS as u64 + 1,
            updated_at: stored.updated_at,
            ..all_at_once
        }
    );
    assert_eq!(store.all(owner).await, [stored]);
}

async fn fifty_tasks_at_once_are_all_added(store: Store) {
    let owner = somebody(store.now);
    let tasks: Vec<_> = (0..RACERS)
        .map(|n| task(&format!("Task {n}"), store.now))
        .collect();

    for answer in join_all(
        tasks
            .iter()
            .map(|task| store.tasks.create(owner, task.clone(), None)),
    )
    .await
    {
        answer.expect("added");
    }
    let listed: HashSet<_> = store.all(owner).await.iter().map(|task| task.id).collect();

    assert_eq!(listed, tasks.iter().map(|task| task.id).collect());
}
