//! Changes one of the caller's tasks.

use common::auth::Caller;
use common::http::{Endpoint, Json, Now, Path, Use, handler};
use common::precondition::Precondition;
use common::problem::{Kind, Problem};

use crate::{Task, TaskId, TaskPatch, Tasks};

pub const ENDPOINT: Endpoint =
    Endpoint::patch("update-task", "/v1/tasks/{task_id}", &handler(update_task))
        .summary("Updates a task with a JSON Merge Patch: an absent field is kept, null clears it.")
        .problems(&[Kind::FULL]);

async fn update_task(
    caller: Caller,
    Now(now): Now,
    Use(tasks): Use<Tasks>,
    Path(id): Path<TaskId>,
    precondition: Precondition,
    Json(patch): Json<TaskPatch>,
) -> Result<Json<Task>, Problem> {
    Ok(Json(
        tasks
            .update(caller.user, id, &patch, &precondition, now)
            .await?,
    ))
}
