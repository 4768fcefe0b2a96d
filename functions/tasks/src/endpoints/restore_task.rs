//! Restores a task from the trash.

use common::auth::Caller;
use common::http::{Endpoint, Idempotency, Json, Now, Path, Use, handler};
use common::precondition::Precondition;
use common::problem::{Kind, Problem};

use crate::problems::NOT_IN_TRASH;
use crate::{Task, TaskId, Tasks};

pub const ENDPOINT: Endpoint = Endpoint::post(
    "restore-task",
    "/v1/tasks/{task_id}/restore",
    &handler(restore_task),
)
.summary("Restores a task from the trash.")
.problems(&[NOT_IN_TRASH, Kind::FULL]);

async fn restore_task(
    caller: Caller,
    Now(now): Now,
    Use(tasks): Use<Tasks>,
    Path(id): Path<TaskId>,
    precondition: Precondition,
    Idempotency(once): Idempotency,
) -> Result<Json<Task>, Problem> {
    Ok(Json(
        tasks
            .restore(caller.user, id, &precondition, once.as_ref(), now)
            .await?,
    ))
}
