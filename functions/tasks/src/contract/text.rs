//! Text: Unicode, stored byte for byte, up to the maximum size.

use common::fields::Change;
use common::precondition::Precondition;
use common::time::Timestamp;
use contract::cases;
use contract::fixtures::{TEXTS, once, outcome, seconds, somebody};

use super::Store;
use super::fixtures::{full_task, label, labels, notes, search, task, title};
use crate::{Labels, Status, Task, TaskFilter, TaskPatch};

cases![
    a_tasks_text_is_kept_byte_for_byte,
    labels_that_only_look_alike_are_different,
    the_largest_task_supports_every_operation,
];

/// The largest valid task, with characters of the largest size.
pub fn largest_task(now: Timestamp) -> Task {
    let many = |count: usize| "\u{1f331}".repeat(count);
    // Twenty labels that differ in their first character.
    let each = (0..20_u32).map(|n| {
        label(&format!(
            "{}{}",
            char::from_u32(0x1f400 + n).expect("an animal"),
            many(49)
        ))
    });
    Task {
        title: title(&many(500)),
        notes: Some(notes(&many(4_096))),
        labels: each.collect::<Labels>(),
        ..full_task(now)
    }
}

async fn a_tasks_text_is_kept_byte_for_byte(store: Store) {
    let owner = somebody(store.now);

    for (n, text) in (0..).zip(TEXTS) {
        let at = store.now.plus(seconds(n));
        let lines = notes(&format!("{text}\n\r\n{text}\r\t"));
        let before = store
            .add(
                owner,
                Task {
                    notes: Some(lines.clone()),
                    labels: labels(&[text, "other"]),
                    ..task(text, at)
                },
            )
            .await;

        assert_eq!(
            outcome(store.tasks.get(owner, before.id).await),
            Ok(before.clone())
        );
        assert_eq!(store.all(owner).await, std::slice::from_ref(&before));

        let found = TaskFilter {
            labels: vec![label(text)],
            text: Some(search(text)),
            ..TaskFilter::default()
        };
        assert_eq!(
            store
                .listed(owner, &found, super::fixtures::sort("due"), &[1])
                .await,
            std::slice::from_ref(&before),
            "{text:?}"
        );

        let plain = store.add(owner, task("plain", at)).await;
        let patch = TaskPatch {
            title: Some(title(text)),
            notes: Change::Set(lines),
            labels: Change::Set(labels(&["other", text])),
            ..TaskPatch::default()
        };

        let changed = store
            .tasks
            .update(owner, plain.id, &patch, &Precondition::Any, at)
            .await;
        assert_eq!(outcome(changed), Ok(patch.apply(&plain, at)));

        store
            .tasks
            .trash(owner, plain.id, &Precondition::Any, at)
            .await
            .expect("deleted");

        store
            .tasks
            .trash(owner, before.id, &Precondition::Any, at)
            .await
            .expect("deleted");
        let shown = store
            .trash_of(owner, &[100], at)
            .await
            .into_iter()
            .find(|task| task.id == before.id)
            .expect("in the trash");
        assert_eq!(
            (&shown.title, &shown.notes, &shown.labels),
            (&before.title, &before.notes, &before.labels)
        );

        let restored = store
            .tasks
            .restore(
                owner,
                before.id,
                &Precondition::Any,
                Some(&once(&n.to_string(), text)),
                at,
            )
            .await;
        let expected = before.deleted(at).restored(at);
        assert_eq!(outcome(restored), Ok(expected.clone()));
        assert_eq!(store.all(owner).await, [expected]);

        store
            .tasks
            .trash(owner, before.id, &Precondition::Any, at)
            .await
            .expect("deleted");
    }
}

async fn labels_that_only_look_alike_are_different(store: Store) {
    let owner = somebody(store.now);
    let alike = [
        "\u{e9}",
        "e\u{301}",
        "\u{c9}",
        "e",
        "\u{e9} ",
        "\u{200b}\u{e9}",
    ];
    for (n, text) in (0..).zip(alike) {
        store
            .add(
                owner,
                Task {
                    labels: labels(&[text]),
                    ..task(text, store.now.plus(seconds(n)))
                },
            )
            .await;
    }

    for text in alike {
        let filter = TaskFilter {
            labels: vec![label(text)],
            ..TaskFilter::default()
        };

        let found = store
            .listed(owner, &filter, super::fixtures::sort("created"), &[100])
            .await;

        assert_eq!(
            found
                .iter()
                .map(|task| task.title.as_str())
                .collect::<Vec<_>>(),
            [text]
        );
    }

    let every = labels(&alike);
    let task = store
        .add(
            owner,
            Task {
                labels: every.clone(),
                ..task("all of them", store.now)
            },
        )
        .await;
    assert_eq!(
        store
            .tasks
            .get(owner, task.id)
            .await
            .expect("a task")
            .labels,
        every
    );
}

async fn the_largest_task_supports_every_operation(store: Store) {
    let owner = somebody(store.now);
    let largest = largest_task(store.now);
    let key = once("key", "the largest");

    assert_eq!(
        outcome(store.tasks.create(owner, largest.clone(), Some(&key)).await),
        Ok(largest.clone())
    );
    assert_eq!(
        outcome(
            store
                .tasks
                .create(owner, largest_task(store.now), Some(&key))
                .await
        ),
        Ok(largest.clone())
    );
    assert_eq!(store.all(owner).await, std::slice::from_ref(&largest));

    let patch = TaskPatch {
        title: Some(largest.title.clone()),
        notes: Change::Set(largest.notes.clone().expect("notes")),
        labels: Change::Set(largest.labels.clone()),
        status: Change::Set(Status::Todo),
        ..TaskPatch::default()
    };
    let changed = patch.apply(&largest, store.now);
    assert_eq!(
        outcome(
            store
                .tasks
                .update(owner, largest.id, &patch, &Precondition::Any, store.now)
                .await
        ),
        Ok(changed.clone())
    );

    store
        .tasks
        .trash(owner, largest.id, &Precondition::Any, store.now)
        .await
        .expect("deleted");
    assert_eq!(store.trash_of(owner, &[100], store.now).await.len(), 1);

    let restored = store
        .tasks
        .restore(
            owner,
            largest.id,
            &Precondition::Any,
            Some(&once("restore", "it")),
            store.now,
        )
        .await;
    assert_eq!(
        outcome(restored),
        Ok(changed.deleted(store.now).restored(store.now))
    );
}
