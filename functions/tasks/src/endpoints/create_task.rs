//! Creates a task.

use common::auth::Caller;
use common::http::{Created, Endpoint, Idempotency, Json, Now, Use, handler};
use common::problem::{Kind, Problem};

use crate::{Task, TaskDraft, Tasks};

pub const ENDPOINT: Endpoint = Endpoint::post("create-task", "/v1/tasks", &handler(create_task))
    .summary("Creates a task.")
    .problems(&[Kind::FULL]);

async fn create_task(
    caller: Caller,
    Now(now): Now,
    Use(tasks): Use<Tasks>,
    Idempotency(once): Idempotency,
    Json(draft): Json<TaskDraft>,
) -> Result<Created<Task>, Problem> {
    let task = draft.into_task(now);
    Ok(Created(
        tasks.create(caller.user, task, once.as_ref()).await?,
    ))
}
