//! Idempotency keys of tasks: a repeated request is executed once and gets the same response.

use std::collections::HashSet;

use common::auth::UserId;
use common::idempotency::{IDEMPOTENCY_KEY_LIFETIME, IdempotencyKey};
use common::precondition::Precondition;
use common::problem::StoreError;
use common::time::Timestamp;
use contract::cases;
use contract::fixtures::{RACERS, once, outcome, refused, seconds, somebody};
use contract::futures_util::future::join_all;

use super::Store;
use super::fixtures::{full_task, retitled, task};
use crate::{TRASH_LIFETIME, Task, TaskId};

cases![
    a_repeated_creation_adds_nothing_and_returns_the_task_as_it_was_created,
    a_key_used_for_another_creation_is_refused,
    a_key_belongs_to_its_owner,
    a_key_expires_after_a_day,
    a_repeated_restoration_changes_nothing_and_returns_the_task_as_it_was_restored,
    a_key_used_for_another_restoration_is_refused,
    a_refused_restoration_does_not_use_up_its_key,
    a_restoration_with_a_key_checks_the_same_conditions_as_one_without,
    keys_are_case_sensitive;
    racing:
    fifty_repetitions_of_one_creation_at_once_add_one_task_and_all_return_it,
    of_fifty_creations_with_one_key_at_once_one_is_made,
    fifty_repetitions_of_one_restoration_at_once_restore_once_and_all_return_the_task,
];

/// Adds a task with a key. Retries while the store reports that another attempt is still running.
async fn create(
    store: &Store,
    owner: UserId,
    task: Task,
    once: &IdempotencyKey,
) -> Result<Task, String> {
    loop {
        match store.tasks.create(owner, task.clone(), Some(once)).await {
            Err(StoreError::StillRunning) => contract::tokio::time::sleep(seconds(1) / 100).await,
            answer => return outcome(answer),
        }
    }
}

/// Restores a task with a key. Retries while the store reports that another attempt is still
/// running.
async fn restore(
    store: &Store,
    owner: UserId,
    id: TaskId,
    precondition: &Precondition,
    once: &IdempotencyKey,
    now: Timestamp,
) -> Result<Task, String> {
    loop {
        match store
            .tasks
            .restore(owner, id, precondition, Some(once), now)
            .await
        {
            Err(StoreError::StillRunning) => contract::tokio::time::sleep(seconds(1) / 100).await,
            answer => return outcome(answer),
        }
    }
}

async fn a_repeated_creation_adds_nothing_and_returns_the_task_as_it_was_created(store: Store) {
    let owner = somebody(store.now);
    let key = once("key", "this task");
    let later = store.now.plus(seconds(60));

    for first in [full_task(store.now), task("Bare", store.now)] {
        let key = IdempotencyKey {
            key: format!("{}-{}", key.key, first.id),
            ..key.clone()
        };
        assert_eq!(
            create(&store, owner, first.clone(), &key).await,
            Ok(first.clone())
        );

        // The handler creates a new task from the same body, with another identifier.
        let again = Task {
            id: full_task(later).id,
            created_at: later,
            updated_at: later,
            ..first.clone()
        };
        assert_eq!(
            create(&store, owner, again.clone(), &key).await,
            Ok(first.clone())
        );

        store
            .tasks
            .update(
                owner,
                first.id,
                &retitled("Changed"),
                &Precondition::Any,
                later,
            )
            .await
            .expect("updated");
        assert_eq!(
            create(&store, owner, again.clone(), &key).await,
            Ok(first.clone()),
            "whatever became of it"
        );

        store
            .tasks
            .trash(owner, first.id, &Precondition::Any, later)
            .await
            .expect("deleted");
        assert_eq!(create(&store, owner, again, &key).await, Ok(first));
        assert!(store.all(owner).await.is_empty());
    }

    assert_eq!(store.trash_of(owner, &[100], later).await.len(), 2);
}

async fn a_key_used_for_another_creation_is_refused(store: Store) {
    let owner = somebody(store.now);

    let first = create(&store, owner, task("This", store.now), &once("key", "this"))
        .await
        .expect("added");
    let other = create(&store, owner, task("That", store.now), &once("key", "that")).await;

    assert_eq!(other, Err("KeyReused".to_owned()));
    assert_eq!(store.all(owner).await, [first]);
}

async fn a_key_belongs_to_its_owner(store: Store) {
    let ada = somebody(store.now);
    let bob = somebody(store.now);

    let hers = create(&store, ada, task("Hers", store.now), &once("key", "hers"))
        .await
        .expect("added");
    let his = create(&store, bob, task("His", store.now), &once("key", "his"))
        .await
        .expect("added");

    assert_eq!(
        (store.all(ada).await, store.all(bob).await),
        (vec![hers], vec![his])
    );
}

async fn a_key_expires_after_a_day(store: Store) {
    let owner = somebody(store.now);
    let key = once("key", "this task");
    let first = create(&store, owner, task("First", store.now), &key)
        .await
        .expect("added");
    let known = store.now.plus(IDEMPOTENCY_KEY_LIFETIME).minus(seconds(1));
    let forgotten = store.now.plus(IDEMPOTENCY_KEY_LIFETIME);

    assert_eq!(
        create(&store, owner, task("Second", known), &key).await,
        Ok(first.clone())
    );

    let second = task("Second", forgotten);
    assert_eq!(
        create(&store, owner, second.clone(), &once("key", "another")).await,
        Ok(second.clone())
    );
    // From now on the key belongs to the second one.
    assert_eq!(
        create(
            &store,
            owner,
            task("Third", forgotten),
            &once("key", "another")
        )
        .await,
        Ok(second.clone())
    );
    assert_eq!(
        create(&store, owner, task("Third", forgotten), &key).await,
        Err("KeyReused".to_owned())
    );
    assert_eq!(store.all(owner).await, [second, first.clone()]);

    let key = once("restore", "this task");
    let mut restored = Vec::new();
    for at in [forgotten, forgotten.plus(IDEMPOTENCY_KEY_LIFETIME)] {
        store
            .tasks
            .trash(owner, first.id, &Precondition::Any, at)
            .await
            .expect("deleted");
        restored.push(
            restore(&store, owner, first.id, &Precondition::Any, &key, at)
                .await
                .expect("restored")
                .version,
        );
    }

    assert_eq!(restored, [3, 5]);
}

async fn a_repeated_restoration_changes_nothing_and_returns_the_task_as_it_was_restored(
    store: Store,
) {
    let owner = somebody(store.now);
    let task = store.add(owner, full_task(store.now)).await;
    store
        .tasks
        .trash(owner, task.id, &Precondition::Any, store.now)
        .await
        .expect("deleted");
    let key = once("key", "restore it");
    let later = store.now.plus(seconds(60));
    let restored = Task {
        updated_at: later,
        version: 3,
        ..task.clone()
    };

    for _ in 0..2 {
        // The version of the first attempt is no longer current at the second.
        let at_two = Precondition::OneOf(vec![2]);

        assert_eq!(
            restore(&store, owner, task.id, &at_two, &key, later).await,
            Ok(restored.clone())
        );
        assert_eq!(store.all(owner).await, std::slice::from_ref(&restored));
    }

    store
        .tasks
        .trash(owner, task.id, &Precondition::Any, later)
        .await
        .expect("deleted again");
    assert_eq!(
        restore(&store, owner, task.id, &Precondition::Any, &key, later).await,
        Ok(restored)
    );
    assert!(
        store.all(owner).await.is_empty(),
        "it is not restored a second time"
    );
    assert_eq!(
        restore(
            &store,
            owner,
            task.id,
            &Precondition::Any,
            &once("other", "restore it"),
            later
        )
        .await
        .map(|task| task.version),
        Ok(5)
    );
}

async fn a_key_used_for_another_restoration_is_refused(store: Store) {
    let owner = somebody(store.now);
    let first = store.add(owner, task("First", store.now)).await;
    let second = store.add(owner, task("Second", store.now)).await;
    for task in [&first, &second] {
        store
            .tasks
            .trash(owner, task.id, &Precondition::Any, store.now)
            .await
            .expect("deleted");
    }
    restore(
        &store,
        owner,
        first.id,
        &Precondition::Any,
        &once("key", "first"),
        store.now,
    )
    .await
    .expect("restored");

    let other = restore(
        &store,
        owner,
        second.id,
        &Precondition::Any,
        &once("key", "second"),
        store.now,
    )
    .await;
    assert_eq!(other, Err("KeyReused".to_owned()));

    // An owner's key is shared by all operations.
    let creation = create(
        &store,
        owner,
        task("Third", store.now),
        &once("key", "third"),
    )
    .await;
    assert_eq!(creation, Err("KeyReused".to_owned()));
    assert_eq!(
        store
            .all(owner)
            .await
            .iter()
            .map(|task| task.id)
            .collect::<Vec<_>>(),
        [first.id]
    );
}

async fn a_refused_restoration_does_not_use_up_its_key(store: Store) {
    let owner = somebody(store.now);
    let task = store.add(owner, full_task(store.now)).await;
    let key = |fingerprint| once("key", fingerprint);

    let not_deleted = restore(
        &store,
        owner,
        task.id,
        &Precondition::Any,
        &key("not deleted"),
        store.now,
    )
    .await;
    assert_eq!(
        not_deleted,
        Err("Refused(the task is not in the trash)".to_owned())
    );

    let absent = restore(
        &store,
        owner,
        full_task(store.now).id,
        &Precondition::Any,
        &key("not there"),
        store.now,
    )
    .await;
    assert_eq!(absent, Err("NotFound(\"task\")".to_owned()));

    store
        .tasks
        .trash(owner, task.id, &Precondition::Any, store.now)
        .await
        .expect("deleted");

    let stale = restore(
        &store,
        owner,
        task.id,
        &Precondition::OneOf(vec![1]),
        &key("another version"),
        store.now,
    )
    .await;
    assert_eq!(stale, Err("Stale { current: 2 }".to_owned()));

    let other = restore(
        &store,
        somebody(store.now),
        task.id,
        &Precondition::Any,
        &key("not mine"),
        store.now,
    )
    .await;
    assert_eq!(other, Err("NotFound(\"task\")".to_owned()));
    assert_eq!(
        restore(
            &store,
            owner,
            task.id,
            &Precondition::Any,
            &key("at last"),
            store.now
        )
        .await
        .map(|task| task.version),
        Ok(3)
    );
}

async fn a_restoration_with_a_key_checks_the_same_conditions_as_one_without(store: Store) {
    let owner = somebody(store.now);
    let task = store
        .add(owner, full_task(store.now.minus(seconds(1))))
        .await;
    store
        .tasks
        .trash(owner, task.id, &Precondition::Any, store.now)
        .await
        .expect("deleted");
    let key = once("key", "restore it");
    let gone = store.now.plus(TRASH_LIFETIME);

    assert_eq!(
        refused(
            store
                .tasks
                .restore(owner, task.id, &Precondition::Any, Some(&key), gone)
                .await
        ),
        "NotFound(\"task\")"
    );

    let last_moment = gone.minus(seconds(1));
    let restored = restore(
        &store,
        owner,
        task.id,
        &Precondition::OneOf(vec![2]),
        &key,
        last_moment,
    )
    .await;
    assert_eq!(
        restored,
        Ok(Task {
            updated_at: last_moment,
            version: 3,
            ..task
        })
    );
}

async fn keys_are_case_sensitive(store: Store) {
    let owner = somebody(store.now);

    for key in [
        "key",
        "KEY",
        "Key",
        "key.",
        "k:e/y=+~",
        &"k".repeat(255),
        &"k".repeat(254),
    ] {
        create(&store, owner, task(key, store.now), &once(key, key))
            .await
            .expect("added");
    }

    assert_eq!(store.all(owner).await.len(), 7);
}

async fn fifty_repetitions_of_one_creation_at_once_add_one_task_and_all_return_it(store: Store) {
    let owner = somebody(store.now);
    let key = once("key", "this task");

    let answers =
        join_all((0..RACERS).map(|_| create(&store, owner, full_task(store.now), &key))).await;

    let given: HashSet<TaskId> = answers
        .iter()
        .map(|answer| answer.as_ref().expect("a task").id)
        .collect();
    assert_eq!(given.len(), 1);

    let listed = store.all(owner).await;
    assert_eq!(listed.len(), 1);
    assert!(
        answers
            .iter()
            .all(|answer| answer.as_ref() == Ok(&listed[0]))
    );
}

async fn of_fifty_creations_with_one_key_at_once_one_is_made(store: Store) {
    let owner = somebody(store.now);
    let attempts: Vec<_> = (0..RACERS)
        .map(|n| {
            (
                task(&format!("Task {n}"), store.now),
                once("key", &n.to_string()),
            )
        })
        .collect();

    let answers = join_all(
        attempts
            .iter()
            .map(|(task, once)| create(&store, owner, task.clone(), once)),
    )
    .await;

    let mut made = Vec::new();
    for answer in answers {
        match answer {
            Ok(task) => made.push(task),
            Err(error) => assert_eq!(error, "KeyReused"),
        }
    }

    assert_eq!(made.len(), 1);
    assert_eq!(store.all(owner).await, made);
}

async fn fifty_repetitions_of_one_restoration_at_once_restore_once_and_all_return_the_task(
    store: Store,
) {
    let owner = somebody(store.now);
    let task = store.add(owner, full_task(store.now)).await;
    store
        .tasks
        .trash(owner, task.id, &Precondition::Any, store.now)
        .await
        .expect("deleted");
    let key = once("key", "restore it");

    let answers = join_all(
        (0..RACERS).map(|_| restore(&store, owner, task.id, &Precondition::Any, &key, store.now)),
    )
    .await;
    let restored = task.deleted(store.now).restored(store.now);

    assert!(
        answers
            .iter()
            .all(|answer| answer.as_ref() == Ok(&restored)),
        "{answers:?}"
    );
    assert_eq!(store.all(owner).await, [restored]);
}
