//! The contract of a store of tasks, as cases.

#![expect(clippy::too_many_lines, reason = "a case reads from top to bottom")]

pub mod fixtures;
mod histories;
mod keys;
mod lists;
mod model;
mod search;
mod tasks;
mod text;
mod trash;

use common::auth::UserId;
use common::time::Timestamp;
use contract::fixtures::scan;
use contract::{Case, Ground};

use self::fixtures::sort;
use crate::{STORAGE, Task, TaskFilter, TaskQuery, TaskSort, Tasks};
pub use histories::any_history_of_tasks_agrees_with_the_model;
pub use text::largest_task;

/// Every case of this service.
pub const CASES: &[&[Case]] = &[
    tasks::CASES,
    trash::CASES,
    keys::CASES,
    lists::CASES,
    search::CASES,
    text::CASES,
    histories::CASES,
];

/// The tasks of a case, initially empty.
#[derive(Clone)]
pub struct Store {
    pub tasks: Tasks,
    /// The start time of the case.
    pub now: Timestamp,
}

impl From<&Ground> for Store {
    fn from(ground: &Ground) -> Self {
        let table = ground.table(STORAGE.table.name);
        Self {
            tasks: Tasks::new(&ground.database, table),
            now: ground.now,
        }
    }
}

impl Store {
    pub async fn add(&self, owner: UserId, task: Task) -> Task {
        self.tasks.create(owner, task, None).await.expect("a task")
    }

    /// All matching tasks, read in pages of these sizes.
    pub async fn listed(
        &self,
        owner: UserId,
        filter: &TaskFilter,
        sort: TaskSort,
        limits: &[usize],
    ) -> Vec<Task> {
        scan(limits, async |limit, after| {
            let query = TaskQuery {
                filter: filter.clone(),
                sort,
                limit,
                after,
            };
            self.tasks.list(owner, &query).await
        })
        .await
    }

    /// The titles of all matching tasks, in alphabetical order.
    pub async fn titles(&self, owner: UserId, filter: &TaskFilter) -> Vec<String> {
        let listed = self.listed(owner, filter, sort("created"), &[2]).await;
        let mut titles: Vec<_> = listed
            .iter()
            .map(|task| task.title.as_str().to_owned())
            .collect();
        titles.sort_unstable();
        titles
    }

    /// All tasks of an owner, the newest first.
    pub async fn all(&self, owner: UserId) -> Vec<Task> {
        self.listed(owner, &TaskFilter::default(), TaskSort::default(), &[100])
            .await
    }

    /// The whole trash, read in pages of these sizes.
    pub async fn trash_of(&self, owner: UserId, limits: &[usize], now: Timestamp) -> Vec<Task> {
        scan(limits, async |limit, after| {
            self.tasks
                .list_trash(owner, limit, after.as_ref(), now)
                .await
        })
        .await
    }
}
