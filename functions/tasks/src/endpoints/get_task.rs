//! Returns one of the caller's tasks.

use common::auth::Caller;
use common::http::{Endpoint, Json, Path, Use, handler};
use common::problem::Problem;

use crate::{Task, TaskId, Tasks};

pub const ENDPOINT: Endpoint = Endpoint::get("get-task", "/v1/tasks/{task_id}", &handler(get_task))
    .summary("Returns a task, unless it is in the trash.");

async fn get_task(
    caller: Caller,
    Use(tasks): Use<Tasks>,
    Path(id): Path<TaskId>,
) -> Result<Json<Task>, Problem> {
    Ok(Json(tasks.get(caller.user, id).await?))
}
