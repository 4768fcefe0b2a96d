//! Copying everything from one store to another: the copy must be complete, whatever interrupts it.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::pin::Pin;

use auth::contract::any_history_of_accounts_and_sessions_agrees_with_the_model;
use auth::contract::fixtures::{LIFETIMES, Refresh, email, hash, name, session};
use auth::{Account, PasswordUpdate, Session};
use aws_sdk_dynamodb::types::AttributeValue;
use common::auth::{SessionLifetimes, UserId};
use common::fields::Change;
use common::idempotency::IDEMPOTENCY_KEY_LIFETIME;
use common::precondition::Precondition;
use common::records::{Kind, RecordId};
use common::sqlite::Sqlite;
use common::storage::copy::{Difference, Progress, Summary, copy};
use common::time::{Clock, Timestamp};
use contract::fixtures::{end_of_histories, once, outcome, refused, seconds};
use futures_util::{FutureExt, TryStreamExt};
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Document, doc};
use rusqlite::Connection;
use rusqlite::types::Value;
use tasks::contract::any_history_of_tasks_agrees_with_the_model;
use tasks::contract::fixtures::{due, full_task, retitled, sorts, task};
use tasks::{Priority, TRASH_LIFETIME, Task, TaskFilter, TaskPatch};

use crate::servers::{Kept, Made, Store};

/// The stores of a case, all separate and empty.
pub(crate) struct Ends {
    pub(crate) from: Made,
    /// The store to copy to.
    pub(crate) to: Made,
    /// The store to copy back to, on the same server as the first.
    pub(crate) back: Made,
}

/// One promise of a copy, or a few related ones.
pub(crate) struct CopyCase {
    pub(crate) name: &'static str,
    /// Panics if the copy breaks the promise.
    pub(crate) run: for<'e> fn(&'e Ends) -> Pin<Box<dyn Future<Output = ()> + 'e>>,
}

macro_rules! copies {
    ($($name:ident),+ $(,)?) => {
        /// Every case of a copy.
        pub(crate) const COPIES: &[CopyCase] = &[
            $(CopyCase { name: stringify!($name), run: |ends| Box::pin($name(ends)) },)+
        ];
    };
}

copies![
    accounts_sessions_and_tasks_work_after_a_copy,
    ended_and_expired_records_do_not_come_back,
    a_copy_there_and_back_is_identical,
    a_copy_that_is_interrupted_anywhere_can_be_resumed,
    changes_during_a_copy_are_found_and_reported,
    a_copy_to_a_store_that_is_not_empty_is_refused,
    a_finished_copy_is_only_compared,
    a_copy_from_another_store_is_refused,
    an_unreadable_record_is_reported_and_the_rest_is_copied,
    a_result_that_is_stored_only_with_the_restored_task_is_copied,
    any_history_is_copied_whole,
];

/// A clock that is stopped.
struct At(Timestamp);

impl Clock for At {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// The progress messages of a copy.
#[derive(Default)]
struct Told {
    resumed: Cell<u32>,
    unreadable: RefCell<Vec<String>>,
    different: RefCell<Vec<(String, Difference)>>,
}

impl Told {
    fn note(&self, progress: &Progress<'_>) {
        match progress {
            Progress::Resumed(_) => self.resumed.set(self.resumed.get() + 1),
            Progress::Unreadable(_, key, _) => self.unreadable.borrow_mut().push((*key).to_owned()),
            Progress::Different(name, difference) => self
                .different
                .borrow_mut()
                .push(((*name).to_owned(), *difference)),
            Progress::Waiting(name, error) => panic!("{name}: {error}"),
            Progress::Copied(..) | Progress::Comparing(..) | Progress::Compared(..) => {}
        }
    }
}

/// A counter of attempts.
fn counter() -> RecordId {
    RecordId::new(Kind::new("limit"), "login#ada", 1)
}

/// The number of records of each kind.
fn counts(summary: &Summary) -> Vec<(&'static str, u64)> {
    summary
        .kinds
        .iter()
        .map(|(kind, count)| (kind.name, *count))
        .collect()
}

async fn copied(from: &Made, to: &Made) -> (Result<Summary, String>, Told) {
    copied_at(from, to, from.store.now).await
}

async fn copied_at(from: &Made, to: &Made, now: Timestamp) -> (Result<Summary, String>, Told) {
    let told = Told::default();
    let summary = copy(&from.side, &to.side, &At(now), &|progress| {
        told.note(&progress)
    })
    .await;
    (summary, told)
}

/// Copies everything. Panics if that fails.
async fn copy_whole(from: &Made, to: &Made) -> Summary {
    copy_whole_at(from, to, from.store.now).await
}

async fn copy_whole_at(from: &Made, to: &Made, now: Timestamp) -> Summary {
    let (summary, told) = copied_at(from, to, now).await;
    let summary = summary.expect("copied");
    assert!(
        summary.is_whole(),
        "{summary:?}, {:?}, {:?}",
        told.unreadable,
        told.different
    );
    summary
}

/// Copies until `stop` returns true for a progress message, then drops the copy, as if the process
/// had been killed. Returns the result if the copy was not stopped.
async fn copy_until(
    from: &Made,
    to: &Made,
    told: &Told,
    stop: impl Fn(&Progress<'_>) -> bool,
) -> Option<Result<Summary, String>> {
    struct Stopped;
    let clock = At(from.store.now);
    let tell = |progress: Progress<'_>| {
        told.note(&progress);
        if stop(&progress) {
            resume_unwind(Box::new(Stopped));
        }
    };
    match AssertUnwindSafe(copy(&from.side, &to.side, &clock, &tell))
        .catch_unwind()
        .await
    {
        Ok(summary) => Some(summary),
        Err(panic) if panic.is::<Stopped>() => None,
        Err(panic) => resume_unwind(panic),
    }
}

async fn change_password(
    store: &Store,
    user: UserId,
    session: &Session,
    hashes: [&str; 2],
    key: &str,
) {
    let epoch = store.accounts.stored_account(user).await.epoch;
    let [verified, new] = hashes.map(hash);
    let update = PasswordUpdate {
        session,
        epoch,
        verified: &verified,
        new: &new,
        now: store.now,
    };
    store
        .accounts
        .users
        .change_password(update, Some(&once(key, "this change")))
        .await
        .expect("changed");
}

/// A store with every kind of data that Tasklane stores.
struct Filled {
    ada: Account,
    /// The session that ended all others, and one that began later.
    sessions: [Session; 2],
    /// A session that was ended with all others.
    ended: Session,
    created: Task,
    restored: Task,
}

async fn fill(store: &Store) -> Filled {
    let now = store.now;
    let (ada, kept) = store.accounts.register("Ada.Lovelace@Example.com").await;
    store.accounts.register("bob@example.com").await;
    store
        .accounts
        .rename(
            ada.id,
            &Change::Set(name("Augusta \u{1f98a} e\u{301}")),
            &Precondition::Any,
            now.plus(seconds(1)),
        )
        .await
        .expect("renamed");
    let ended = store.accounts.log_in(ada.id, now).await;
    change_password(store, ada.id, &kept, ["first", "second"], "password").await;
    let Refresh::Rotated(kept) = store.accounts.refresh(&kept, 1, now.plus(seconds(2))).await
    else {
        panic!("a session that lives")
    };
    let next = store.accounts.log_in(ada.id, now.plus(seconds(3))).await;

    let created_key = once("create", "this");
    let restored_key = once("restore", "that");
    let created = store
        .lists
        .tasks
        .create(ada.id, full_task(now), Some(&created_key))
        .await
        .expect("created");
    let patch = TaskPatch {
        due: Change::Set(due("2026-03-02")),
        ..retitled("Changed since")
    };
    store
        .lists
        .tasks
        .update(
            ada.id,
            created.id,
            &patch,
            &Precondition::Any,
            now.plus(seconds(4)),
        )
        .await
        .expect("updated");
    let restored = store.lists.add(ada.id, task("Restored", now)).await;
    store
        .lists
        .tasks
        .trash(ada.id, restored.id, &Precondition::Any, now)
        .await
        .expect("deleted");
    let restored = store
        .lists
        .tasks
        .restore(
            ada.id,
            restored.id,
            &Precondition::Any,
            Some(&restored_key),
            now.plus(seconds(5)),
        )
        .await
        .expect("restored");
    for n in 0..3_u64 {
        let at = now.plus(seconds(10 + n));
        let priority = Priority::ALL[usize::try_from(n).expect("a small number") + 2];
        let task = store
            .lists
            .add(
                ada.id,
                Task {
                    priority,
                    due: (n > 0).then(|| due("2026-04-01T08:00:00.250Z")),
                    ..full_task(at)
                },
            )
            .await;
        if n == 1 {
            store
                .lists
                .tasks
                .trash(ada.id, task.id, &Precondition::Any, at.plus(seconds(1)))
                .await
                .expect("deleted");
        }
    }
    store
        .accounts
        .counters
        .add(&counter(), 3, now.plus(seconds(60)), now)
        .await
        .expect("counted");
    Filled {
        ada: store.accounts.stored_account(ada.id).await,
        sessions: [kept, next],
        ended,
        created,
        restored,
    }
}

/// Checks that two stores return the same data of this user.
async fn assert_same(one: &Store, other: &Store, user: UserId) {
    let now = one.now;
    assert_eq!(
        one.accounts.users.account(user).await.expect("an answer"),
        other.accounts.users.account(user).await.expect("an answer")
    );
    assert_eq!(
        one.accounts.sessions_of(user, now).await,
        other.accounts.sessions_of(user, now).await
    );
    for sort in sorts() {
        let all = TaskFilter::default();
        assert_eq!(
            one.lists.listed(user, &all, sort, &[2]).await,
            other.lists.listed(user, &all, sort, &[3]).await,
            "{}",
            sort.name()
        );
    }
    assert_eq!(
        one.lists.trash_of(user, &[1], now).await,
        other.lists.trash_of(user, &[2], now).await
    );
}

async fn accounts_sessions_and_tasks_work_after_a_copy(ends: &Ends) {
    let Filled {
        ada,
        sessions,
        created,
        restored,
        ..
    } = fill(&ends.from.store).await;
    let summary = copy_whole(&ends.from, &ends.to).await;
    let kinds = [
        ("account", 2),
        ("session", 3),
        ("password_key", 1),
        ("task", 5),
        ("task_key", 2),
    ];

    assert_eq!(counts(&summary), kinds);
    assert_same(&ends.from.store, &ends.to.store, ada.id).await;

    let store = &ends.to.store;
    let later = ends.from.store.now.plus(seconds(20));
    // An account, by its address in any case; the address is taken.
    assert_eq!(
        store
            .accounts
            .users
            .find_by_email(&email("ADA.lovelace@example.com"))
            .await
            .expect("an answer"),
        Some(ada.clone())
    );

    let again = auth::contract::fixtures::account("ada.lovelace@example.com", later);
    assert_eq!(
        refused(
            store
                .accounts
                .users
                .register(&again, &session(&again, LIFETIMES, later))
                .await
        ),
        "Refused(the address is taken)"
    );

    // Sessions, with the token whose response was lost a moment before.
    let [kept, next] = &sessions;
    assert!(
        matches!(store.accounts.refresh(kept, 1, later).await, Refresh::Repeated(session) if session.generation == 2)
    );
    assert!(
        matches!(store.accounts.refresh(kept, 2, later).await, Refresh::Rotated(session) if session.generation == 3)
    );

    for generation in [0, 1] {
        assert!(matches!(
            store.accounts.refresh(next, generation, later).await,
            Refresh::Rotated(_)
        ));
    }

    assert_eq!(
        store.accounts.refresh(next, 0, later).await,
        Refresh::Stolen
    );

    // Idempotency keys.
    let repeated = |fingerprint: &'static str| async move {
        outcome(
            store
                .accounts
                .users
                .password_change_repeated(ada.id, &once("password", fingerprint), later)
                .await,
        )
    };

    assert_eq!(repeated("this change").await, Ok(true));
    assert_eq!(repeated("another").await, Err("KeyReused".to_owned()));

    let create = async |fingerprint: &str| {
        outcome(
            store
                .lists
                .tasks
                .create(ada.id, full_task(later), Some(&once("create", fingerprint)))
                .await,
        )
    };

    assert_eq!(create("this").await, Ok(created.clone()));
    assert_eq!(create("another").await, Err("KeyReused".to_owned()));

    let restore = store
        .lists
        .tasks
        .restore(
            ada.id,
            restored.id,
            &Precondition::Any,
            Some(&once("restore", "that")),
            later,
        )
        .await;
    assert_eq!(outcome(restore), Ok(restored));
    // Tasks, at their versions, and the trash.
    assert_eq!(store.lists.all(ada.id).await.len(), 4);

    let stale = store
        .lists
        .tasks
        .update(
            ada.id,
            created.id,
            &retitled("Late"),
            &Precondition::OneOf(vec![1]),
            later,
        )
        .await;
    assert_eq!(refused(stale), "Stale { current: 2 }");

    store
        .lists
        .tasks
        .update(
            ada.id,
            created.id,
            &retitled("In time"),
            &Precondition::OneOf(vec![2]),
            later,
        )
        .await
        .expect("updated");

    let trashed = store.lists.trash_of(ada.id, &[100], later).await;
    let back = store
        .lists
        .tasks
        .restore(ada.id, trashed[0].id, &Precondition::Any, None, later)
        .await
        .expect("restored");

    assert_eq!(
        back,
        Task {
            deleted_at: None,
            updated_at: later,
            version: 3,
            ..trashed[0].clone()
        }
    );

    for sort in sorts() {
        assert_eq!(
            store
                .lists
                .listed(ada.id, &TaskFilter::default(), sort, &[2])
                .await
                .len(),
            5,
            "{}",
            sort.name()
        );
    }
}

async fn ended_and_expired_records_do_not_come_back(ends: &Ends) {
    let store = &ends.from.store;
    let now = ends.from.store.now;
    let Filled { ada, ended, .. } = fill(store).await;
    let ends_now = session(
        &ada,
        SessionLifetimes {
            idle: seconds(60),
            absolute: seconds(60),
        },
        now.minus(seconds(60)),
    );
    store
        .accounts
        .users
        .start_session(&ends_now)
        .await
        .expect("a session");
    let logged_out = store.accounts.log_in(ada.id, now).await;
    store
        .accounts
        .users
        .end_session(ada.id, logged_out.id, now)
        .await
        .expect("an answer");
    let then = now.minus(TRASH_LIFETIME);
    let purged = store
        .lists
        .add(ada.id, full_task(then.minus(seconds(1))))
        .await;
    store
        .lists
        .tasks
        .trash(ada.id, purged.id, &Precondition::Any, then)
        .await
        .expect("deleted");
    let long_ago = Task {
        created_at: now.minus(IDEMPOTENCY_KEY_LIFETIME),
        ..task("Long ago", now)
    };
    store
        .lists
        .tasks
        .create(ada.id, long_ago, Some(&once("forgotten", "long ago")))
        .await
        .expect("created");

    let summary = copy_whole(&ends.from, &ends.to).await;
    let kinds = [
        ("account", 2),
        ("session", 3),
        ("password_key", 1),
        ("task", 6),
        ("task_key", 2),
    ];

    assert_eq!(counts(&summary), kinds);

    let store = &ends.to.store;
    for session in [&ended, &logged_out, &ends_now] {
        assert_eq!(
            store.accounts.refresh(session, 0, now).await,
            Refresh::Ended
        );
    }

    assert_eq!(
        refused(
            store
                .lists
                .tasks
                .restore(ada.id, purged.id, &Precondition::Any, None, now)
                .await
        ),
        "NotFound(\"task\")"
    );

    let anew = task("Anew", now);
    assert_eq!(
        outcome(
            store
                .lists
                .tasks
                .create(ada.id, anew.clone(), Some(&once("forgotten", "anew")))
                .await
        ),
        Ok(anew)
    );
    assert_eq!(
        store
            .accounts
            .counters
            .add(&counter(), 1, now.plus(seconds(60)), now)
            .await
            .expect("counted"),
        1,
        "counters start again"
    );
}

async fn a_copy_there_and_back_is_identical(ends: &Ends) {
    let ada = fill(&ends.from.store).await.ada;
    let there = copy_whole(&ends.from, &ends.to).await;
    assert_eq!(copy_whole(&ends.to, &ends.back).await, there);
    assert_same(&ends.from.store, &ends.back.store, ada.id).await;

    let before = raw(&ends.from).await;
    let after = raw(&ends.back).await;

    for (key, kept) in &after {
        assert_eq!(before.get(key), Some(kept), "{key}");
    }

    // The counter, and the session that had ended, where it is not deleted when it ends.
    let left: Vec<&String> = before
        .keys()
        .filter(|key| !after.contains_key(*key))
        .collect();
    let expected = match ends.from.kept {
        Kept::File(_) => 1,
        Kept::Tables(..) | Kept::Collections(_) => 2,
    };
    assert_eq!(left.len(), expected, "{left:?}");
}

/// An item or a document as it is stored.
#[derive(Debug, PartialEq)]
enum Raw {
    Item(HashMap<String, AttributeValue>),
    Document(Document),
    /// The values of a row, in the order of its columns.
    Row(Vec<Value>),
}

/// The rows of a table by its name and their key.
fn rows(sqlite: &Sqlite, table: &str) -> Vec<(String, Raw)> {
    let read = |connection: &Connection| {
        let mut statement = connection.prepare(&format!("SELECT * FROM {table}"))?;
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| {
            let values: Vec<Value> = (0..columns)
                .map(|at| row.get(at))
                .collect::<Result<_, _>>()?;
            Ok((format!("{table} {:?}", &values[..2]), Raw::Row(values)))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    };
    sqlite.read(read).expect("rows")
}

/// All data of a store by its location, without the store's internal bookkeeping.
async fn raw(made: &Made) -> HashMap<String, Raw> {
    let mut found = HashMap::new();
    match &made.kept {
        Kept::Tables(client, names) => {
            for (table, name) in names.iter().zip(["users", "tasks"]) {
                for mut item in client
                    .scan()
                    .table_name(table)
                    .send()
                    .await
                    .expect("items")
                    .items
                    .unwrap_or_default()
                {
                    // The name of the last write.
                    item.remove("write");
                    let [pk, sk] = ["pk", "sk"].map(|key| item[key].as_s().expect("a text"));
                    found.insert(format!("{name} {pk} {sk}"), Raw::Item(item));
                }
            }
        }
        Kept::Collections(database) => {
            for name in ["users", "sessions", "counters", "tasks", "requests"] {
                let documents = database
                    .collection::<Document>(name)
                    .find(doc! {})
                    .await
                    .expect("documents");
                for mut document in documents.try_collect::<Vec<_>>().await.expect("documents") {
                    // The result of a restoration is also in its request, and a task in the trash
                    // is in no list.
                    document.remove("restored");
                    if document.contains_key("trash_of") {
                        document.remove("by_updated");
                    }
                    // A copy writes the kept session with its account's epoch.
                    document.remove("kept_session");
                    if name == "sessions" {
                        document.remove("epoch");
                    }
                    found.insert(
                        format!("{name} {}", document.get_str("_id").expect("a text")),
                        Raw::Document(document),
                    );
                }
            }
        }
        Kept::File(sqlite) => {
            for table in [
                "accounts",
                "sessions",
                "password_changes",
                "counters",
                "tasks",
                "trash",
                "task_requests",
            ] {
                found.extend(rows(sqlite, table));
            }
        }
    }
    // The note of a copy.
    found.remove("users copy copy#note");
    found
}

async fn a_copy_that_is_interrupted_anywhere_can_be_resumed(ends: &Ends) {
    let ada = fill(&ends.from.store).await.ada;
    let told = Told::default();

    for last in 1.. {
        let events = Cell::new(0);
        let stop = |_: &Progress<'_>| {
            events.set(events.get() + 1);
            events.get() == last
        };
        let Some(summary) = copy_until(&ends.from, &ends.to, &told, stop).await else {
            continue;
        };

        assert!(summary.as_ref().is_ok_and(Summary::is_whole), "{summary:?}");
        assert_eq!(
            told.resumed.get(),
            last - 1,
            "every call but the first one went on"
        );

        break;
    }

    assert_same(&ends.from.store, &ends.to.store, ada.id).await;
}

async fn changes_during_a_copy_are_found_and_reported(ends: &Ends) {
    let Filled {
        ada,
        created,
        restored,
        ..
    } = fill(&ends.from.store).await;
    let told = Told::default();
    let after_tasks = |progress: &Progress<'_>| matches!(progress, Progress::Copied(kind, _, true) if kind.name == "task_key");

    assert!(
        copy_until(&ends.from, &ends.to, &told, after_tasks)
            .await
            .is_none()
    );

    let from = &ends.from.store;
    let to = &ends.to.store;
    let now = ends.from.store.now.plus(seconds(30));
    from.lists
        .tasks
        .update(
            ada.id,
            created.id,
            &retitled("Late"),
            &Precondition::Any,
            now,
        )
        .await
        .expect("updated");
    let (late, _) = from.accounts.register("late@example.com").await;
    let theirs = to.lists.add(ada.id, task("Only there", now)).await;

    let expected = [
        (format!("account {}", late.id), Difference::Missing),
        (
            format!("task {} of account {}", created.id, ada.id),
            Difference::Changed,
        ),
        (
            format!("task {} of account {}", theirs.id, ada.id),
            Difference::Extra,
        ),
    ];

    let (summary, told) = copied(&ends.from, &ends.to).await;
    assert_eq!(told.resumed.get(), 1);

    let mut named = told.different.take();
    named.retain(|(name, _)| !name.starts_with("session"));
    named.sort_by(|(one, _), (other, _)| one.cmp(other));

    let mut wanted = expected.to_vec();
    wanted.sort_by(|(one, _), (other, _)| one.cmp(other));
    assert_eq!(named, wanted);

    let summary = summary.expect("compared");
    assert!(
        !summary.is_whole() && summary.differences == 4,
        "{summary:?}"
    );

    // The next run copies what is missing, and overwrites nothing.
    let (summary, told) = copied(&ends.from, &ends.to).await;
    assert_eq!(summary.expect("compared").differences, 2);
    assert!(
        told.different
            .take()
            .iter()
            .all(|(_, difference)| *difference != Difference::Missing)
    );
    assert_eq!(to.accounts.stored_account(late.id).await, late);
    assert_eq!(
        to.lists
            .tasks
            .get(ada.id, restored.id)
            .await
            .expect("a task"),
        restored
    );
    assert_eq!(
        to.lists
            .tasks
            .get(ada.id, created.id)
            .await
            .expect("a task")
            .version,
        2
    );
}

async fn a_copy_to_a_store_that_is_not_empty_is_refused(ends: &Ends) {
    let (bob, _) = ends.to.store.accounts.register("bob@example.com").await;

    let nothing = copied(&ends.from, &ends.back)
        .await
        .0
        .expect_err("there is nothing to copy");
    assert!(nothing.contains("nothing to copy"), "{nothing}");

    let ada = fill(&ends.from.store).await.ada;
    let refused = copied(&ends.from, &ends.to)
        .await
        .0
        .expect_err("it is not empty");
    assert!(
        refused.contains("must be empty") && refused.contains(&bob.id.to_string()),
        "{refused}"
    );
    assert_eq!(
        ends.to
            .store
            .accounts
            .users
            .account(ada.id)
            .await
            .expect("an answer"),
        None
    );
    assert_eq!(ends.to.store.accounts.stored_account(bob.id).await, bob);
}

async fn a_finished_copy_is_only_compared(ends: &Ends) {
    let Filled { ada, sessions, .. } = fill(&ends.from.store).await;

    let summary = copy_whole(&ends.from, &ends.to).await;
    assert_eq!(copy_whole(&ends.from, &ends.to).await, summary);

    // The store is in use by now: a session that has ended there does not come back.
    let store = &ends.to.store;
    let now = ends.from.store.now;
    assert!(
        store
            .accounts
            .users
            .end_session(ada.id, sessions[1].id, now)
            .await
            .expect("an answer")
    );

    for _ in 0..2 {
        let (again, told) = copied(&ends.from, &ends.to).await;

        assert_eq!(
            (again.expect("compared").differences, told.resumed.get()),
            (1, 1)
        );
        assert_eq!(
            store.accounts.session_ids(ada.id, now).await,
            [sessions[0].id]
        );
    }

    // Any other copy treats it as a store that is not empty.
    copy_whole(&ends.to, &ends.back).await;
    let refused = copied(&ends.back, &ends.to)
        .await
        .0
        .expect_err("it is not empty");
    assert!(refused.contains("must be empty"), "{refused}");
}

async fn a_copy_from_another_store_is_refused(ends: &Ends) {
    let Filled { ada, .. } = fill(&ends.from.store).await;
    ends.to.store.accounts.register("bob@example.com").await;
    let told = Told::default();
    let begun = |progress: &Progress<'_>| matches!(progress, Progress::Copied(kind, ..) if kind.name == "session");

    assert!(
        copy_until(&ends.from, &ends.back, &told, begun)
            .await
            .is_none()
    );

    let refused = copied(&ends.to, &ends.back)
        .await
        .0
        .expect_err("another copy");
    assert!(
        refused.contains(ends.from.side.name()) && refused.contains("interrupted"),
        "{refused}"
    );

    copy_whole(&ends.from, &ends.back).await;
    assert_same(&ends.from.store, &ends.back.store, ada.id).await;
}

async fn an_unreadable_record_is_reported_and_the_rest_is_copied(ends: &Ends) {
    let filled = fill(&ends.from.store).await;
    let unreadable = spoil(&ends.from, &filled).await;

    let (summary, told) = copied(&ends.from, &ends.to).await;
    let named = told.unreadable.take();

    for key in &unreadable {
        assert_eq!(
            named.iter().filter(|named| named.contains(key)).count(),
            1,
            "{key} in {named:?}"
        );
    }

    assert_eq!(named.len(), unreadable.len(), "{named:?}");

    let summary = summary.expect("compared");
    assert_eq!(
        (summary.unreadable, summary.differences),
        (u64::try_from(unreadable.len()).expect("a few"), 0),
        "{:?}",
        told.different
    );
    assert!(!summary.is_whole());

    let store = &ends.to.store;
    assert_eq!(
        store.accounts.stored_account(filled.ada.id).await,
        filled.ada
    );
    assert_eq!(
        store.accounts.session_ids(filled.ada.id, store.now).await,
        [filled.sessions[0].id]
    );
    assert_eq!(store.lists.all(filled.ada.id).await.len(), 3);
    assert_eq!(
        refused(
            store
                .lists
                .tasks
                .get(filled.ada.id, filled.restored.id)
                .await
        ),
        "NotFound(\"task\")"
    );
}

/// Makes a session, a task, a key, and an account with its session unreadable, and adds unknown
/// data. Returns a part of the name of each.
async fn spoil(made: &Made, filled: &Filled) -> Vec<String> {
    let Filled {
        ada,
        sessions,
        restored,
        ..
    } = filled;
    let bob = made
        .store
        .accounts
        .users
        .find_by_email(&email("bob@example.com"))
        .await
        .expect("an answer")
        .expect("an account")
        .id;
    let bobs = made.store.accounts.session_ids(bob, made.store.now).await[0];
    let spoilt = match &made.kept {
        Kept::Tables(client, tables) => {
            let [users, tasks, ..] = &tables[..] else {
                panic!("two tables")
            };
            let keys = [
                (
                    users,
                    format!("user#{bob}"),
                    "account".to_owned(),
                    "version",
                ),
                (
                    users,
                    format!("user#{}", ada.id),
                    format!("session#{}", sessions[1].id),
                    "generation",
                ),
                (
                    tasks,
                    ada.id.to_string(),
                    format!("task#{}", restored.id),
                    "version",
                ),
                (
                    tasks,
                    ada.id.to_string(),
                    "once#create".to_owned(),
                    "fingerprint",
                ),
            ];
            for (table, pk, sk, attribute) in &keys {
                let update = client
                    .update_item()
                    .table_name(*table)
                    .key("pk", AttributeValue::S(pk.clone()));
                let update = update
                    .key("sk", AttributeValue::S(sk.clone()))
                    .update_expression("SET #attribute = :nonsense");
                let update = update.expression_attribute_names("#attribute", *attribute);
                let update =
                    update.expression_attribute_values(":nonsense", AttributeValue::Bool(true));
                update.send().await.expect("spoilt");
            }
            let strange = [
                (users, "user#nobody", "account"),
                (users, "what", "is this"),
                (tasks, "what", "is that"),
            ];
            for (table, pk, sk) in strange {
                let put = client
                    .put_item()
                    .table_name(table)
                    .item("pk", AttributeValue::S(pk.to_owned()));
                put.item("sk", AttributeValue::S(sk.to_owned()))
                    .send()
                    .await
                    .expect("added");
            }
            let strange = strange.map(|(_, pk, sk)| format!("{pk} {sk}"));
            keys.into_iter()
                .map(|(_, pk, sk, _)| format!("{pk} {sk}"))
                .chain(strange)
                .collect()
        }
        Kept::File(sqlite) => {
            let tasks = &made.store.lists.tasks;
            let trash = tasks.list_trash(ada.id, 1, None, made.store.now).await;
            let deleted = &trash.expect("the trash").items[0];
            let keys = [
                ("accounts", "id", bob.to_string(), "created_at"),
                ("sessions", "id", sessions[1].id.to_string(), "created_at"),
                ("tasks", "id", restored.id.to_string(), "created_at"),
                ("trash", "id", deleted.id.to_string(), "created_at"),
                ("task_requests", "key", "create".to_owned(), "expires_at"),
            ];
            let named: Vec<String> = keys
                .iter()
                .map(|(table, _, key, _)| match *table {
                    "tasks" | "trash" | "task_requests" => format!("{table} {} {key}", ada.id),
                    _ => format!("{table} {key}"),
                })
                .collect();
            let spoil = move |connection: &Connection| {
                for (table, column, key, field) in &keys {
                    let sql =
                        format!("UPDATE {table} SET {field} = 'nonsense' WHERE {column} = ?1");
                    assert_eq!(connection.execute(&sql, [key])?, 1, "{sql}");
                }
                Ok(())
            };
            sqlite.write(spoil).await.expect("spoilt");
            named
        }
        Kept::Collections(database) => {
            let keys = [
                ("users", bob.to_string(), "version"),
                ("sessions", sessions[1].id.to_string(), "generation"),
                ("tasks", format!("{}#{}", ada.id, restored.id), "version"),
                ("requests", format!("{}#create", ada.id), "fingerprint"),
            ];
            for (collection, id, field) in &keys {
                let update = doc! {"$set": {*field: true}};
                database
                    .collection::<Document>(collection)
                    .update_one(doc! {"_id": id}, update)
                    .await
                    .expect("spoilt");
            }
            let strange = ObjectId::new();
            let number = 7;
            database
                .collection("users")
                .insert_one(doc! {"_id": "nobody", "email_canonical": "nobody"})
                .await
                .expect("added");
            database
                .collection("tasks")
                .insert_one(doc! {"_id": strange})
                .await
                .expect("added");
            database
                .collection("sessions")
                .insert_one(doc! {"_id": number})
                .await
                .expect("added");
            let strange = [
                "users nobody".to_owned(),
                format!("{strange}"),
                format!("sessions {number}"),
            ];
            keys.into_iter()
                .map(|(collection, id, _)| format!("{collection} {id}"))
                .chain(strange)
                .collect::<Vec<_>>()
        }
    };
    spoilt.into_iter().chain([bobs.to_string()]).collect()
}

async fn a_result_that_is_stored_only_with_the_restored_task_is_copied(ends: &Ends) {
    let Filled { ada, restored, .. } = fill(&ends.from.store).await;
    if let Kept::Collections(database) = &ends.from.kept {
        // The state after an interruption: the task is restored, and its request does not have the
        // result yet.
        let request = doc! {"_id": format!("{}#restore", ada.id)};
        database
            .collection::<Document>("requests")
            .update_one(request, doc! {"$unset": {"task": ""}})
            .await
            .expect("updated");
        // And a request without a result.
        let open = doc! {"_id": format!("{}#open", ada.id), "fingerprint": "open", "expires_at": mongodb::bson::DateTime::MAX};
        database
            .collection::<Document>("requests")
            .insert_one(open)
            .await
            .expect("added");
    }

    assert_eq!(
        counts(&copy_whole(&ends.from, &ends.to).await)[4],
        ("task_key", 2)
    );

    let store = &ends.to.store;
    let later = ends.from.store.now.plus(seconds(60));

    let restore = store
        .lists
        .tasks
        .restore(
            ada.id,
            restored.id,
            &Precondition::Any,
            Some(&once("restore", "that")),
            later,
        )
        .await;
    assert_eq!(outcome(restore), Ok(restored));

    let executed = task("Executed", later);
    assert_eq!(
        outcome(
            store
                .lists
                .tasks
                .create(ada.id, executed.clone(), Some(&once("open", "anything")))
                .await
        ),
        Ok(executed)
    );
}

async fn any_history_is_copied_whole(ends: &Ends) {
    any_history_of_tasks_agrees_with_the_model(ends.from.store.lists.clone()).await;
    any_history_of_accounts_and_sessions_agrees_with_the_model(ends.from.store.accounts.clone())
        .await;

    let now = end_of_histories(ends.from.store.now);
    let there = copy_whole_at(&ends.from, &ends.to, now).await;

    assert_eq!(copy_whole_at(&ends.to, &ends.back, now).await, there);
}
