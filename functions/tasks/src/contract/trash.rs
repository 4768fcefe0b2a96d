//! The trash: deleted tasks stay there for thirty days and can be restored.

use std::time::Duration;

use common::fields::Change;
use common::paging::Cursor;
use common::precondition::Precondition;
use contract::cases;
use contract::fixtures::{RACERS, once, outcome, refused, seconds, somebody};
use contract::futures_util::future::join_all;

use super::Store;
use super::fixtures::{due, full_task, retitled, sorts, task};
use crate::{Status, TRASH_LIFETIME, TRASH_ORDER, Task, TaskFilter, TaskPatch};

cases![
    a_deleted_task_is_in_the_trash_and_nowhere_else,
    a_restored_task_has_its_fields_and_is_in_every_list_again,
    a_task_that_is_not_in_the_trash_cannot_be_restored,
    deleting_another_version_changes_nothing_and_returns_the_version,
    restoring_another_version_changes_nothing_and_returns_the_version,
    the_trash_shows_the_last_deleted_first_in_pages_of_any_size,
    a_deleted_task_expires_after_thirty_days,
    a_task_in_the_trash_can_be_restored_to_the_last_millisecond,
    a_task_can_be_deleted_and_restored_again_and_again,
    a_forged_position_in_the_trash_shows_nothing_of_another_owner;
    racing:
    of_fifty_deletions_at_once_one_finds_the_task,
    of_fifty_restorations_at_once_one_finds_the_task_in_the_trash,
    a_task_that_is_deleted_during_a_change_is_fully_deleted,
];

const NOT_FOUND: &str = "NotFound(\"task\")";

async fn a_deleted_task_is_in_the_trash_and_nowhere_else(store: Store) {
    let owner = somebody(store.now);
    let task = store.add(owner, full_task(store.now)).await;
    let later = store.now.plus(seconds(60));

    store
        .tasks
        .trash(owner, task.id, &Precondition::Any, later)
        .await
        .expect("deleted");

    assert_eq!(refused(store.tasks.get(owner, task.id).await), NOT_FOUND);

    for precondition in [
        Precondition::Any,
        Precondition::OneOf(vec![1]),
        Precondition::OneOf(vec![2]),
    ] {
        assert_eq!(
            refused(
                store
                    .tasks
                    .update(owner, task.id, &retitled("x"), &precondition, later)
                    .await
            ),
            NOT_FOUND
        );
        assert_eq!(
            refused(
                store
                    .tasks
                    .update(owner, task.id, &TaskPatch::default(), &precondition, later)
                    .await
            ),
            NOT_FOUND
        );
        assert_eq!(
            refused(
                store
                    .tasks
                    .trash(owner, task.id, &precondition, later)
                    .await
            ),
            NOT_FOUND
        );
    }

    for sort in sorts() {
        assert!(
            store
                .listed(owner, &TaskFilter::default(), sort, &[100])
                .await
                .is_empty(),
            "{}",
            sort.name()
        );

        let done = TaskFilter {
            statuses: vec![Status::Done],
            ..TaskFilter::default()
        };
        assert!(
            store.listed(owner, &done, sort, &[100]).await.is_empty(),
            "{}",
            sort.name()
        );
    }

    assert_eq!(
        store.trash_of(owner, &[100], later).await,
        [task.deleted(later)]
    );
}

async fn a_restored_task_has_its_fields_and_is_in_every_list_again(store: Store) {
    let dated = Task {
        due: Some(due("2026-03-01")),
        ..task("On a day", store.now)
    };

    for before in [full_task(store.now), dated, task("Bare", store.now)] {
        let owner = somebody(store.now);
        store.add(owner, before.clone()).await;
        let later = store.now.plus(seconds(60));
        store
            .tasks
            .trash(owner, before.id, &Precondition::Any, later)
            .await
            .expect("deleted");
        let latest = later.plus(seconds(60));

        let restored = store
            .tasks
            .restore(owner, before.id, &Precondition::Any, None, latest)
            .await
            .expect("restored");

        assert_eq!(
            restored,
            Task {
                updated_at: latest,
                version: 3,
                ..before.clone()
            }
        );
        assert_eq!(
            outcome(store.tasks.get(owner, before.id).await),
            Ok(restored.clone())
        );

        for sort in sorts() {
            assert_eq!(
                store
                    .listed(owner, &TaskFilter::default(), sort, &[100])
                    .await,
                std::slice::from_ref(&restored),
                "{}",
                sort.name()
            );
        }

        assert!(store.trash_of(owner, &[100], latest).await.is_empty());
    }
}

async fn a_task_that_is_not_in_the_trash_cannot_be_restored(store: Store) {
    let owner = somebody(store.now);
    let task = store.add(owner, full_task(store.now)).await;

    for precondition in [
        Precondition::Any,
        Precondition::OneOf(vec![1]),
        Precondition::OneOf(vec![2]),
    ] {
        assert_eq!(
            refused(
                store
                    .tasks
                    .restore(owner, task.id, &precondition, None, store.now)
                    .await
            ),
            "Refused(the task is not in the trash)"
        );
    }

    assert_eq!(outcome(store.tasks.get(owner, task.id).await), Ok(task));
}

async fn deleting_another_version_changes_nothing_and_returns_the_version(store: Store) {
    let owner = somebody(store.now);
    let task = store.add(owner, full_task(store.now)).await;
    let trash = async |precondition| {
        outcome(
            store
                .tasks
                .trash(owner, task.id, &precondition, store.now)
                .await,
        )
    };
    let one_of = Precondition::OneOf;
    let none_of = Precondition::NoneOf;

    for precondition in [
        one_of(vec![]),
        one_of(vec![0]),
        one_of(vec![2, 3]),
        none_of(vec![1]),
        none_of(vec![2, 1]),
    ] {
        assert_eq!(
            trash(precondition).await,
            Err("Stale { current: 1 }".to_owned())
        );
    }

    assert_eq!(
        outcome(store.tasks.get(owner, task.id).await),
        Ok(task.clone())
    );
    assert_eq!(trash(one_of(vec![4, 1])).await, Ok(()));

    let other = store.add(owner, full_task(store.now)).await;
    assert_eq!(
        outcome(
            store
                .tasks
                .trash(owner, other.id, &none_of(vec![2]), store.now)
                .await
        ),
        Ok(())
    );
}

async fn restoring_another_version_changes_nothing_and_returns_the_version(store: Store) {
    let owner = somebody(store.now);
    let task = store.add(owner, full_task(store.now)).await;
    store
        .tasks
        .trash(owner, task.id, &Precondition::Any, store.now)
        .await
        .expect("deleted");
    let one_of = Precondition::OneOf;
    let none_of = Precondition::NoneOf;

    for key in [None, Some(once("key", "restore"))] {
        let restore = async |precondition| {
            outcome(
                store
                    .tasks
                    .restore(owner, task.id, &precondition, key.as_ref(), store.now)
                    .await,
            )
        };

        for precondition in [
            one_of(vec![]),
            one_of(vec![1]),
            one_of(vec![3, 4]),
            none_of(vec![2]),
            none_of(vec![1, 2]),
        ] {
            assert_eq!(
                restore(precondition).await,
                Err("Stale { current: 2 }".to_owned())
            );
        }
    }

    assert_eq!(
        store.trash_of(owner, &[100], store.now).await,
        [task.deleted(store.now)]
    );

    let key = once("another", "restore");
    let restored = store
        .tasks
        .restore(owner, task.id, &none_of(vec![1, 3]), Some(&key), store.now)
        .await;
    assert_eq!(restored.expect("restored").version, 3);

    store
        .tasks
        .trash(owner, task.id, &one_of(vec![9, 3]), store.now)
        .await
        .expect("deleted");

    for (precondition, version) in [(one_of(vec![9, 4]), 5), (none_of(vec![4]), 7)] {
        let restored = store
            .tasks
            .restore(owner, task.id, &precondition, None, store.now)
            .await
            .expect("restored");

        assert_eq!(restored.version, version);

        store
            .tasks
            .trash(owner, task.id, &Precondition::Any, store.now)
            .await
            .expect("deleted");
    }
}

async fn the_trash_shows_the_last_deleted_first_in_pages_of_any_size(store: Store) {
    let owner = somebody(store.now);
    let mut expected = Vec::new();
    for n in 0..9 {
        let task = store
            .add(owner, task(&format!("Task {n}"), store.now))
            .await;
        // Three of them at the same moment.
        let at = store.now.plus(seconds([7, 3, 5, 3, 1, 9, 3, 2, 8][n]));
        store
            .tasks
            .trash(owner, task.id, &Precondition::Any, at)
            .await
            .expect("deleted");
        expected.push(task.deleted(at));
    }
    store.add(owner, task("Alive", store.now)).await;
    expected.sort_by_key(|task| std::cmp::Reverse((task.deleted_at, task.id)));

    for limits in [&[1][..], &[2], &[3, 1], &[8], &[9], &[100]] {
        assert_eq!(
            store
                .trash_of(owner, limits, store.now.plus(seconds(60)))
                .await,
            expected,
            "in pages of {limits:?}"
        );
    }
}

async fn a_deleted_task_expires_after_thirty_days(store: Store) {
    let owner = somebody(store.now);
    let first = store
        .add(owner, task("First", store.now.minus(seconds(1))))
        .await;
    let second = store
        .add(owner, task("Second", store.now.minus(seconds(1))))
        .await;
    store
        .tasks
        .trash(owner, first.id, &Precondition::Any, store.now)
        .await
        .expect("deleted");
    store
        .tasks
        .trash(
            owner,
            second.id,
            &Precondition::Any,
            store.now.plus(seconds(10)),
        )
        .await
        .expect("deleted");

    let last_moment = store.now.plus(TRASH_LIFETIME).minus(seconds(1));
    assert_eq!(store.trash_of(owner, &[1], last_moment).await.len(), 2);

    let gone = store.now.plus(TRASH_LIFETIME);
    let left: Vec<_> = store
        .trash_of(owner, &[1], gone)
        .await
        .iter()
        .map(|task| task.id)
        .collect();
    assert_eq!(left, [second.id]);

    for precondition in [
        Precondition::Any,
        Precondition::OneOf(vec![2]),
        Precondition::OneOf(Vec::new()),
    ] {
        assert_eq!(
            refused(
                store
                    .tasks
                    .restore(owner, first.id, &precondition, None, gone)
                    .await
            ),
            NOT_FOUND
        );
    }

    assert_eq!(refused(store.tasks.get(owner, first.id).await), NOT_FOUND);
    assert_eq!(
        refused(
            store
                .tasks
                .trash(owner, first.id, &Precondition::Any, gone)
                .await
        ),
        NOT_FOUND
    );
    assert!(store.all(owner).await.is_empty());

    store
        .tasks
        .restore(owner, second.id, &Precondition::Any, None, gone)
        .await
        .expect("restored");
    // The position of a task that is no longer in the trash is still valid.
    let page = store
        .tasks
        .list_trash(owner, 1, None, last_moment)
        .await
        .expect("a page");
    assert_eq!(
        page.items.iter().map(|task| task.id).collect::<Vec<_>>(),
        [first.id]
    );

    let after = Cursor::new(TRASH_ORDER, &format!("gone#{}#{}", store.now, first.id));
    assert!(
        store
            .tasks
            .list_trash(owner, 1, Some(&after), gone)
            .await
            .expect("a page")
            .items
            .is_empty()
    );
}

async fn a_task_in_the_trash_can_be_restored_to_the_last_millisecond(store: Store) {
    let owner = somebody(store.now);
    let milliseconds = Duration::from_millis;

    for (n, offset) in [-1_000, -999, -501, -500, -1, 0, 1, 499, 500, 999]
        .into_iter()
        .enumerate()
    {
        let task = store
            .add(owner, task(&format!("Task {n}"), store.now))
            .await;
        store
            .tasks
            .trash(
                owner,
                task.id,
                &Precondition::Any,
                store.now.plus(milliseconds(500)),
            )
            .await
            .expect("deleted");
        let end = store.now.plus(milliseconds(500)).plus(TRASH_LIFETIME);
        let at = common::time::Timestamp::from_millisecond(end.as_millisecond() + offset);

        let shown = store
            .trash_of(owner, &[100], at)
            .await
            .iter()
            .any(|shown| shown.id == task.id);
        assert_eq!(shown, offset < 0, "{offset} ms from the end");

        let restored = store
            .tasks
            .restore(owner, task.id, &Precondition::Any, None, at)
            .await;
        assert_eq!(restored.is_ok(), shown, "{offset} ms from the end");
    }
}

async fn a_task_can_be_deleted_and_restored_again_and_again(store: Store) {
    let owner = somebody(store.now);
    let mut task = store.add(owner, full_task(store.now)).await;
    let mut at = store.now;
    for _ in 0..5 {
        // Almost as long as the trash keeps it: each deletion starts its time again.
        at = at.plus(TRASH_LIFETIME).minus(seconds(1));
        store
            .tasks
            .trash(owner, task.id, &Precondition::OneOf(vec![task.version]), at)
            .await
            .expect("deleted");
        at = at.plus(TRASH_LIFETIME).minus(seconds(1));
        task = store
            .tasks
            .restore(
                owner,
                task.id,
                &Precondition::OneOf(vec![task.version + 1]),
                None,
                at,
            )
            .await
            .expect("restored");
    }

    assert_eq!(task.version, 11);

    // A live task never expires.
    let much_later = at.plus(TRASH_LIFETIME * 10);
    let patch = TaskPatch {
        due: Change::Clear,
        ..TaskPatch::default()
    };

    let changed = store
        .tasks
        .update(owner, task.id, &patch, &Precondition::Any, much_later)
        .await
        .expect("updated");
    assert_eq!(store.all(owner).await, [changed]);
}

async fn a_forged_position_in_the_trash_shows_nothing_of_another_owner(store: Store) {
    let ada = somebody(store.now);
    let bob = somebody(store.now);
    let mut bobs = Vec::new();
    for owner in [ada, bob] {
        for n in 0..3 {
            let task = store.add(owner, task("Deleted", store.now)).await;
            store
                .tasks
                .trash(
                    owner,
                    task.id,
                    &Precondition::Any,
                    store.now.plus(seconds(n)),
                )
                .await
                .expect("deleted");
            bobs.push(format!("{}#{}", store.now.plus(seconds(n)), task.id));
        }
    }
    let now = store.now.plus(seconds(60));
    let page = store
        .tasks
        .list_trash(bob, 1, None, now)
        .await
        .expect("a page");
    bobs.extend(page.next.map(|cursor| cursor.position));
    bobs.extend(
        [
            "!",
            "~",
            "$",
            "{}",
            "9999-12-31T23:59:59.999Z#",
            "-000001-01-01",
        ]
        .map(str::to_owned),
    );
    let hers = store.trash_of(ada, &[100], now).await;

    for position in bobs {
        let page = store
            .tasks
            .list_trash(ada, 100, Some(&Cursor::new(TRASH_ORDER, &position)), now)
            .await
            .expect("a page");

        assert!(hers.ends_with(&page.items), "{position}");
    }
}

async fn of_fifty_deletions_at_once_one_finds_the_task(store: Store) {
    let owner = somebody(store.now);
    let task = store.add(owner, full_task(store.now)).await;

    let answers = join_all((0..RACERS).map(|_| {
        store
            .tasks
            .trash(owner, task.id, &Precondition::Any, store.now)
    }))
    .await;
    let answers: Vec<_> = answers.into_iter().map(outcome).collect();

    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert!(
        answers
            .iter()
            .filter_map(|answer| answer.as_ref().err())
            .all(|error| error == NOT_FOUND),
        "{answers:?}"
    );
    assert_eq!(
        store.trash_of(owner, &[100], store.now).await,
        [task.deleted(store.now)]
    );
}

async fn of_fifty_restorations_at_once_one_finds_the_task_in_the_trash(store: Store) {
    let owner = somebody(store.now);
    let task = store.add(owner, full_task(store.now)).await;
    store
        .tasks
        .trash(owner, task.id, &Precondition::Any, store.now)
        .await
        .expect("deleted");

    let answers = join_all((0..RACERS).map(|_| {
        store
            .tasks
            .restore(owner, task.id, &Precondition::Any, None, store.now)
    }))
    .await;
    let answers: Vec<_> = answers.into_iter().map(outcome).collect();

    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert!(
        answers
            .iter()
            .filter_map(|answer| answer.as_ref().err())
            .all(|error| error == "Refused(the task is not in the trash)"),
        "{answers:?}"
    );
    assert_eq!(
        store.all(owner).await,
        [task.deleted(store.now).restored(store.now)]
    );
}

async fn a_task_that_is_deleted_during_a_change_is_fully_deleted(store: Store) {
    let owner = somebody(store.now);
    let id = store
        .add(owner, task("Water the plants", store.now))
        .await
        .id;
    let patch = TaskPatch {
        due: Change::Set(due("2026-03-01")),
        ..TaskPatch::default()
    };
    let updates = join_all((0..RACERS).map(|_| {
        store
            .tasks
            .update(owner, id, &patch, &Precondition::Any, store.now)
    }));
    let trashing = async {
        contract::tokio::task::yield_now().await;
        store
            .tasks
            .trash(owner, id, &Precondition::Any, store.now)
            .await
    };

    let (updates, trashed) = contract::futures_util::future::join(updates, trashing).await;
    trashed.expect("deleted");
    let updates: Vec<_> = updates.into_iter().map(outcome).collect();
    let made = updates.iter().filter(|update| update.is_ok()).count();

    assert!(
        updates
            .iter()
            .filter_map(|update| update.as_ref().err())
            .all(|error| error == NOT_FOUND),
        "{updates:?}"
    );

    for sort in sorts() {
        assert!(
            store
                .listed(owner, &TaskFilter::default(), sort, &[100])
                .await
                .is_empty(),
            "{}",
            sort.name()
        );
    }

    let trash = store.trash_of(owner, &[100], store.now).await;
    assert_eq!(
        trash.iter().map(|task| task.version).collect::<Vec<_>>(),
        [made as u64 + 2]
    );

    let restored = store
        .tasks
        .restore(owner, id, &Precondition::Any, None, store.now)
        .await
        .expect("restored");
    assert_eq!(
        store
            .listed(
                owner,
                &TaskFilter::default(),
                super::fixtures::sort("due"),
                &[100]
            )
            .await,
        [restored]
    );
}
