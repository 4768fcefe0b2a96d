//! Text: Unicode, byte for byte as it came, up to the largest that is allowed.

use auth::{Account, Session};
use common::auth::{Client, SessionId};
use common::fields::Change;
use common::precondition::Precondition;
use common::time::Timestamp;
use tasks::{Labels, Status, Task, TaskFilter, TaskPatch};

use crate::Store;
use crate::fixtures::{
    LIFETIMES, account, full_task, identifier, label, labels, notes, once, outcome, search,
    seconds, session, somebody, task, title,
};

cases![
    a_tasks_text_is_kept_byte_for_byte,
    labels_that_only_look_alike_are_different,
    names_and_user_agents_are_kept_byte_for_byte,
    the_largest_task_goes_everywhere_a_small_one_goes,
];

/// Lines that databases, and the ways to them, are known to change.
const TEXTS: [&str; 16] = [
    "plain",
    " leading and trailing ",
    "\ttabs\tin\tit\t",
    "\u{e9} in one, e\u{301} in two",
    "a\u{300}\u{301}\u{302}\u{303}\u{304}\u{305} marks",
    "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}\u{200d}\u{1f466} family, \u{1f3f3}\u{fe0f}\u{200d}\u{1f308} flag",
    "\u{10ffff}\u{10fffe}\u{e000}\u{fffd}\u{ffff}",
    "\u{202e}right to left\u{202c} and \u{2066}isolated\u{2069}",
    "\u{feff}byte order mark\u{feff}",
    "\u{2028}\u{2029}\u{a0}\u{3000}\u{200b}.",
    "\u{5e9}\u{5c1}\u{5b8}\u{5dc}\u{5d5}\u{5b9}\u{5dd} \u{645}\u{631}\u{62d}\u{628}\u{627}",
    "\u{fb01} \u{212b} \u{2126} \u{1e9e} \u{130} \u{131}",
    "\"quotes\" 'and' \\backslashes\\ \\u0041 \\n",
    "{\"$where\": \"1\"} $set.a.b #pk :sk",
    "\u{d7ff}\u{e000} around the surrogates",
    "0123 1e5 true null NaN",
];

/// The largest task that the rules allow, each character as large as one can be.
pub(crate) fn largest_task(now: Timestamp) -> Task {
    let many = |count: usize| "\u{1f331}".repeat(count);
    // Twenty that differ in their first character.
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
                .listed(owner, &found, crate::fixtures::sort("due"), &[1])
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
            .listed(owner, &filter, crate::fixtures::sort("created"), &[100])
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

async fn names_and_user_agents_are_kept_byte_for_byte(store: Store) {
    for (n, text) in TEXTS.iter().enumerate() {
        let client = Client::new(std::net::Ipv4Addr::LOCALHOST.into(), Some(text));
        let account = Account {
            name: Some(crate::fixtures::name(text)),
            ..account(&format!("ada-{n}@example.com"), store.now)
        };
        let first = Session {
            user_agent: client.user_agent,
            ..session(&account, LIFETIMES, store.now)
        };
        store
            .users
            .register(&account, &first)
            .await
            .expect("registered");
        assert_eq!(store.stored_account(account.id).await, account);
        assert_eq!(store.sessions_of(account.id, store.now).await, [first]);
        let other = TEXTS[(n + 1) % TEXTS.len()];
        let renamed = store
            .rename(
                account.id,
                &Change::Set(crate::fixtures::name(other)),
                &Precondition::Any,
                store.now,
            )
            .await;
        assert_eq!(
            renamed.expect("renamed").name,
            Some(crate::fixtures::name(other))
        );
    }
    let long = account("long@example.com", store.now);
    let client = Client::new(
        std::net::Ipv4Addr::LOCALHOST.into(),
        Some(&"\u{1f331}".repeat(300)),
    );
    let first = Session {
        id: SessionId::from_uuid(identifier(store.now)),
        user_agent: client.user_agent,
        ..session(&long, LIFETIMES, store.now)
    };
    store
        .users
        .register(&long, &first)
        .await
        .expect("registered");
    assert_eq!(store.sessions_of(long.id, store.now).await, [first]);
}

async fn the_largest_task_goes_everywhere_a_small_one_goes(store: Store) {
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
