use common::fields::Fields;
use common::idempotency::IdempotencyKey;
use common::schema::PAGE;
use common::sqlite::Text;
use common::storage::copy::read_tables;
use rusqlite::StatementStatus;
use serde_json::{Map, Value, json};

use super::*;
use crate::store::keys::{due_key, gone_key, live_key, priority_key};
use crate::store::record::ExecutedRequest;
use crate::store::sqlite_schema::SCHEMA;
use crate::{Priority, TaskDraft};

const NOW: Timestamp = Timestamp::from_millisecond(1_767_225_600_123);

fn database() -> Connection {
    let connection = Connection::open_in_memory().expect("a database");
    for statements in SCHEMA.migrations {
        connection.execute_batch(statements).expect("migrated");
    }
    connection
}

fn owner() -> UserId {
    UserId::new(NOW)
}

fn task(members: &Value) -> Task {
    let mut body: Map<String, Value> = Map::from_iter([("title".to_owned(), json!("A task"))]);
    body.extend(members.as_object().expect("an object").clone());
    Fields::read::<TaskDraft>(body)
        .expect("a valid draft")
        .into_task(NOW)
}

fn spoil(connection: &Connection, column: &str, id: TaskId) {
    let sql = format!("UPDATE tasks SET {column} = 'nonsense' WHERE id = ?1");
    let spoilt = connection.execute(&sql, [id.to_string()]);
    assert_eq!(spoilt, Ok(1));
}

/// The steps of a statement (https://www.sqlite.org/eqp.html).
fn plan(connection: &Connection, statement: &str) -> Vec<String> {
    let mut explained = connection
        .prepare(&format!("EXPLAIN QUERY PLAN {statement}"))
        .expect(statement);
    let steps = explained.raw_query().mapped(|row| row.get("detail"));
    steps.collect::<Result<_, _>>().expect(statement)
}

#[test]
fn a_list_reads_its_tasks_from_one_index_in_order() {
    let connection = database();

    for (statements, search) in [
        (
            pages::BY_CREATED,
            "tasks USING PRIMARY KEY (owner=? AND id>? AND id<?)",
        ),
        (
            pages::BY_UPDATED,
            "tasks USING INDEX tasks_by_updated (owner=? AND by_updated>? AND by_updated<?)",
        ),
        (
            pages::BY_DUE,
            "tasks USING INDEX tasks_by_due (owner=? AND by_due>? AND by_due<?)",
        ),
        (
            pages::BY_PRIORITY,
            "tasks USING INDEX tasks_by_priority (owner=? AND by_priority>? AND by_priority<?)",
        ),
        (
            pages::TRASH,
            "trash USING INDEX trash_by_updated (owner=? AND by_updated>? AND by_updated<?)",
        ),
    ] {
        for statement in statements {
            assert_eq!(
                plan(&connection, statement),
                [format!("SEARCH {search}")],
                "{statement}"
            );
        }
    }
}

#[test]
fn no_statement_reads_a_whole_table_or_sorts() {
    let connection = database();
    let statements = [
        rows::FIND,
        rows::FIND_IN_TRASH,
        rows::EXISTS,
        rows::REPLACE,
        rows::DELETE,
        rows::DELETE_FROM_TRASH,
        requests::FIND_RESULT,
    ];
    let copied = full_scan::TASKS.iter().chain(&full_scan::REQUESTS);
    let scans = copied.map(|table| table.statement);
    let sweeps = SCHEMA.sweeps.iter().map(|sweep| sweep.statement);

    for statement in statements.into_iter().chain(scans).chain(sweeps) {
        let steps = plan(&connection, statement);

        assert!(
            steps.iter().any(|step| step.starts_with("SEARCH")),
            "{statement}: {steps:?}"
        );
        assert!(
            !steps
                .iter()
                .any(|step| step.contains("SCAN") || step.contains("TEMP B-TREE")),
            "{statement}: {steps:?}"
        );
    }
}

#[test]
fn the_keys_are_the_same_as_on_every_database() {
    let connection = database();
    let owner = owner();
    let dues = [
        json!(null),
        json!("2026-03-01"),
        json!("2026-03-01T09:30:00.125Z"),
    ];

    for priority in Priority::ALL {
        for due in &dues {
            let live = task(&json!({"priority": priority, "due": due}));
            insert(&connection, owner, &live).expect("added");
            let sql = "SELECT by_updated, by_due, by_priority FROM tasks WHERE id = ?1";
            let keys: [String; 3] = connection
                .query_row(sql, [live.id.to_string()], |row| {
                    Ok([row.get(0)?, row.get(1)?, row.get(2)?])
                })
                .expect("keys");

            assert_eq!(
                keys,
                [
                    live_key(live.updated_at, live.id),
                    due_key(live.due, live.id),
                    priority_key(live.priority, live.id)
                ]
            );

            let gone = live.deleted(NOW);
            move_task(&connection, owner, &gone).expect("moved");
            let sql = "SELECT by_updated FROM trash WHERE id = ?1";
            let key: String = connection
                .query_row(sql, [gone.id.to_string()], |row| row.get(0))
                .expect("a key");

            assert_eq!(key, gone_key(gone.updated_at, gone.id));
        }
    }
}

#[test]
fn an_unreadable_task_is_an_error_that_names_it_and_the_reason() {
    let connection = database();
    let owner = owner();
    let tasks = ["2026-03-01", "2026-03-02", "2026-03-03"].map(|due| task(&json!({"due": due})));
    for task in &tasks {
        insert(&connection, owner, task).expect("added");
    }
    spoil(&connection, "created_at", tasks[1].id);

    let found = find(&connection, owner, tasks[1].id).expect_err("unreadable");
    let [ascending, _] = pages::BY_DUE;
    let listed = pages::select(&connection, ascending, owner, ("!", "~"), 10).expect("a list");
    let listed: Vec<Option<TaskId>> = listed
        .tasks
        .into_iter()
        .map(|(_, task)| Some(task.ok()?.id))
        .collect();

    assert_eq!(
        found.to_string(),
        format!(
            "the stored data is not valid: tasks {}: created_at: must be an RFC 3339 date-time, such as 2026-03-01T09:30:00Z",
            tasks[1].id
        )
    );
    assert_eq!(listed, [Some(tasks[0].id), None, Some(tasks[2].id)]);
}

#[test]
fn a_copy_reads_every_task_once_in_pages_and_reports_unreadable_ones() {
    let connection = database();
    let owners = [owner(), owner()];
    let mut ids = Vec::new();
    for _ in 0..PAGE {
        for owner in owners {
            for task in [task(&json!({})).deleted(NOW), task(&json!({}))] {
                insert(&connection, owner, &task).expect("added");
                ids.push(format!("{owner} {}", task.id));
            }
        }
    }
    let last = ids.last().expect("a task").clone();
    let spoilt = last.split_once(' ').expect("a key").1.parse();
    spoil(&connection, "updated_at", spoilt.expect("an identifier"));

    let (mut names, mut unreadable, mut after) = (Vec::new(), Vec::new(), None);
    loop {
        let page = read_tables(&connection, &full_scan::TASKS, after.as_deref()).expect("a page");
        names.extend(page.records.into_iter().map(|record| record.name));
        unreadable.extend(page.unreadable);
        after = page.next;
        if after.is_none() {
            break;
        }
    }

    let [(key, cause)] = [unreadable.remove(0)].map(|found| (found.key, found.cause));
    assert!(unreadable.is_empty());
    assert_eq!(key, format!("tasks {last}"));
    assert!(cause.starts_with("updated_at: must be"), "{cause}");

    ids.pop();
    let mut expected: Vec<String> = ids
        .iter()
        .filter_map(|id| id.split_once(' '))
        .map(|(owner, id)| format!("task {id} of account {owner}"))
        .collect();
    expected.sort_unstable();
    names.sort_unstable();
    assert_eq!(names, expected);
}

#[test]
fn a_copied_task_does_not_replace_one_in_the_lists_or_in_the_trash() {
    let connection = database();
    let owner = owner();
    let live = task(&json!({}));
    let gone = task(&json!({})).deleted(NOW);

    for task in [&live, &gone, &live.deleted(NOW), &gone.restored(NOW)] {
        insert(&connection, owner, task).expect("added or ignored");
    }

    let found = |table| {
        let sql = format!("SELECT group_concat(id) FROM {table}");
        connection.query_row(&sql, [], |row| row.get::<_, String>(0))
    };
    assert_eq!(found("tasks"), Ok(live.id.to_string()));
    assert_eq!(found("trash"), Ok(gone.id.to_string()));
}

#[test]
fn a_list_by_creation_does_not_read_the_trash() {
    let steps = |trashed: usize| {
        let connection = database();
        let owner = owner();
        for _ in 0..trashed {
            insert(&connection, owner, &task(&json!({})).deleted(NOW)).expect("added");
        }
        for _ in 0..10 {
            insert(&connection, owner, &task(&json!({}))).expect("added");
        }
        pages::BY_CREATED.map(|statement| {
            let mut statement = connection.prepare(statement).expect("a statement");
            let tasks = statement
                .query((Text(owner), "!", "~", 20))
                .expect("a list");
            assert_eq!(tasks.mapped(|_| Ok(())).count(), 10);
            statement.get_status(StatementStatus::VmStep)
        })
    };

    assert_eq!(steps(10_000), steps(0));
}

#[test]
fn a_copied_request_does_not_replace_one_that_there_is() {
    let connection = database();
    let request = |title: &str| ExecutedRequest {
        owner: UserId::from_uuid(uuid::Uuid::nil()),
        once: IdempotencyKey {
            key: "key".to_owned(),
            fingerprint: "this request".to_owned(),
        },
        expires_at: NOW.plus(TRASH_LIFETIME).whole_seconds(),
        result: task(&json!({"title": title})),
    };
    let first = request("First");
    requests::add(&connection, &first).expect("added");
    requests::add(&connection, &request("Second")).expect("ignored");

    let page = read_tables(&connection, &full_scan::REQUESTS, None).expect("a page");
    let [record] = page.records.as_slice() else {
        panic!("{:?}", page.records)
    };
    let copied: ExecutedRequest = record.content().expect("a request");

    assert_eq!(copied.result, first.result);
    assert_eq!(copied.expires_at, first.expires_at);
    assert!(page.unreadable.is_empty() && page.next.is_none());
}
