//! Random histories: for any calls in any order, the store returns and stores the same as the
//! model.

use std::time::Duration;

use common::fields::Change;
use common::idempotency::IDEMPOTENCY_KEY_LIFETIME;
use common::precondition::Precondition;
use contract::fixtures::{any_precondition, end_of_histories, once, outcome, seconds, somebody};
use contract::proptest::collection::vec;
use contract::proptest::prelude::{Just, Strategy, prop_oneof};
use contract::proptest::sample::select;
use contract::proptest::{option, prop_assert_eq};
use contract::{cases, check};

use super::Store;
use super::fixtures::{due, labels, notes, sorts, task, title};
use super::lists::{any_filter, any_limits, any_sort};
use super::model::Model;
use crate::{Priority, Status, TRASH_LIFETIME, Task, TaskFilter, TaskId, TaskPatch, TaskSort};

cases![any_history_of_tasks_agrees_with_the_model];

/// The number of histories, and the length of the longest.
const HISTORIES: u32 = 32;
const LONGEST: usize = 60;

/// A call of the store. A task is given by its position among the attempts to create one, a key by
/// its number.
#[derive(Clone, Debug)]
enum TaskStep {
    Create(TaskPatch, Option<(u8, bool)>),
    Get(usize),
    Update(usize, TaskPatch, Precondition),
    Trash(usize, Precondition),
    Restore(usize, Precondition, Option<u8>),
    List(TaskFilter, TaskSort, Vec<usize>),
    ListTrash(Vec<usize>),
    Wait(Duration),
}

fn any_change<T: Clone + std::fmt::Debug + 'static>(
    values: Vec<T>,
) -> impl Strategy<Value = Change<T>> {
    prop_oneof![3 => Just(Change::Keep), 1 => Just(Change::Clear), 2 => select(values).prop_map(Change::Set)]
}

fn any_patch() -> impl Strategy<Value = TaskPatch> {
    (
        option::weighted(
            0.3,
            select(vec!["Water the Ficus", "Prune", "S\u{c4}EN", "e\u{301}"]).prop_map(title),
        ),
        any_change(vec![
            notes(""),
            notes("repot the ficus"),
            notes("\u{10ffff}"),
        ]),
        any_change(Status::ALL.to_vec()),
        any_change(Priority::ALL.to_vec()),
        any_change(vec![
            labels(&[]),
            labels(&["home"]),
            labels(&["garden", "home"]),
            labels(&["x", "Home"]),
        ]),
        any_change(vec![
            due("2026-03-01"),
            due("2026-03-01T00:00:00.001Z"),
            due("2026-02-28"),
            due("2027-01-01T12:00:00Z"),
        ]),
    )
        .prop_map(|(title, notes, status, priority, labels, due)| TaskPatch {
            title,
            notes,
            status,
            priority,
            labels,
            due,
        })
}

fn any_wait() -> impl Strategy<Value = Duration> {
    select(vec![
        seconds(0),
        seconds(1),
        seconds(3_600),
        IDEMPOTENCY_KEY_LIFETIME - seconds(1),
        IDEMPOTENCY_KEY_LIFETIME,
        TRASH_LIFETIME - seconds(1),
        TRASH_LIFETIME,
    ])
}

fn any_task_step() -> impl Strategy<Value = TaskStep> {
    let which = || 0..12_usize;
    prop_oneof![
        4 => (any_patch(), option::weighted(0.4, (0..3_u8, contract::proptest::bool::weighted(0.8)))).prop_map(|(patch, key)| TaskStep::Create(patch, key)),
        1 => which().prop_map(TaskStep::Get),
        4 => (which(), any_patch(), any_precondition()).prop_map(|(which, patch, precondition)| TaskStep::Update(which, patch, precondition)),
        3 => (which(), any_precondition()).prop_map(|(which, precondition)| TaskStep::Trash(which, precondition)),
        3 => (which(), any_precondition(), option::weighted(0.4, 0..3_u8)).prop_map(|(which, precondition, key)| TaskStep::Restore(which, precondition, key)),
        2 => (any_filter(), any_sort(), any_limits()).prop_map(|(filter, sort, limits)| TaskStep::List(filter, sort, limits)),
        1 => any_limits().prop_map(TaskStep::ListTrash),
        2 => any_wait().prop_map(TaskStep::Wait),
    ]
}

pub async fn any_history_of_tasks_agrees_with_the_model(store: Store) {
    check(
        HISTORIES,
        &vec(any_task_step(), 1..LONGEST),
        async |history| {
            let owner = somebody(store.now);
            let mut model = Model::default();
            let waits = history.iter().map(|step| match step {
                TaskStep::Wait(time) => *time,
                _ => Duration::ZERO,
            });
            let mut now = end_of_histories(store.now).minus(waits.sum());
            let mut asked: Vec<TaskId> = vec![task("never created", now).id];

            for step in history {
                let place = |which: usize| asked[which % asked.len()];
                match &step {
                    TaskStep::Create(patch, key) => {
                        let made = task("New", now);
                        let made = Task {
                            id: made.id,
                            version: 1,
                            ..patch.apply(&made, now)
                        };
                        let key = key.map(|(key, same)| {
                            once(
                                &key.to_string(),
                                if same { "create" } else { "create another" },
                            )
                        });
                        let answer =
                            outcome(store.tasks.create(owner, made.clone(), key.as_ref()).await);
                        asked.push(made.id);

                        prop_assert_eq!(answer, model.create(made, key.as_ref()), "{:?}", step);
                    }
                    TaskStep::Get(which) => {
                        let id = place(*which);

                        prop_assert_eq!(
                            outcome(store.tasks.get(owner, id).await),
                            model.get(id),
                            "{:?}",
                            step
                        );
                    }
                    TaskStep::Update(which, patch, precondition) => {
                        let id = place(*which);
                        let answer = outcome(
                            store
                                .tasks
                                .update(owner, id, patch, precondition, now)
                                .await,
                        );

                        prop_assert_eq!(
                            answer,
                            model.update(id, patch, precondition, now),
                            "{:?}",
                            step
                        );
                    }
                    TaskStep::Trash(which, precondition) => {
                        let id = place(*which);
                        let answer = outcome(store.tasks.trash(owner, id, precondition, now).await);

                        prop_assert_eq!(answer, model.trash(id, precondition, now), "{:?}", step);
                    }
                    TaskStep::Restore(which, precondition, key) => {
                        let id = place(*which);
                        let key = key.map(|key| once(&key.to_string(), &id.to_string()));
                        let answer = outcome(
                            store
                                .tasks
                                .restore(owner, id, precondition, key.as_ref(), now)
                                .await,
                        );

                        prop_assert_eq!(
                            answer,
                            model.restore(id, precondition, key.as_ref(), now),
                            "{:?}",
                            step
                        );
                    }
                    TaskStep::List(filter, sort, limits) => {
                        prop_assert_eq!(
                            store.listed(owner, filter, *sort, limits).await,
                            model.list(filter, *sort),
                            "{:?}",
                            step
                        );
                    }
                    TaskStep::ListTrash(limits) => {
                        prop_assert_eq!(
                            store.trash_of(owner, limits, now).await,
                            model.list_trash(now),
                            "{:?}",
                            step
                        );
                    }
                    TaskStep::Wait(time) => now = now.plus(*time),
                }
            }

            for sort in sorts() {
                let all = TaskFilter::default();

                prop_assert_eq!(
                    store.listed(owner, &all, sort, &[7]).await,
                    model.list(&all, sort),
                    "at the end, by {}",
                    sort.name()
                );
            }

            prop_assert_eq!(
                store.trash_of(owner, &[7], now).await,
                model.list_trash(now),
                "at the end"
            );

            Ok(())
        },
    );
}
