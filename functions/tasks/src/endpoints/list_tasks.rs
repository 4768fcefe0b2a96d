//! Lists a page of the caller's tasks, filtered and sorted.

use common::auth::Caller;
use common::http::{Endpoint, Listing, Query, Use, handler};
use common::problem::Problem;

use crate::{Task, TaskParameters, Tasks};

pub const ENDPOINT: Endpoint = Endpoint::get("list-tasks", "/v1/tasks", &handler(list_tasks))
    .summary("Lists the caller's tasks. A filtered page may be short; only the last page has no next_cursor.");

async fn list_tasks(
    caller: Caller,
    Use(tasks): Use<Tasks>,
    Query(parameters): Query<TaskParameters>,
) -> Result<Listing<Task>, Problem> {
    Ok(tasks.list(caller.user, &parameters.into()).await?.into())
}
