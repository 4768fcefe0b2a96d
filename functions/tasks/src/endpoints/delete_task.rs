//! Moves one of the caller's tasks to the trash.

use common::auth::Caller;
use common::http::{Endpoint, NoContent, Now, Path, Use, handler};
use common::precondition::Precondition;
use common::problem::Problem;

use crate::{TaskId, Tasks};

pub const ENDPOINT: Endpoint =
    Endpoint::delete("delete-task", "/v1/tasks/{task_id}", &handler(delete_task))
        .summary("Moves a task to the trash, where it can be restored for 30 days.");

async fn delete_task(
    caller: Caller,
    Now(now): Now,
    Use(tasks): Use<Tasks>,
    Path(id): Path<TaskId>,
    precondition: Precondition,
) -> Result<NoContent, Problem> {
    tasks.trash(caller.user, id, &precondition, now).await?;
    Ok(NoContent)
}
