//! Changes one of the caller's tasks.

use common::app::App;
use common::auth::Caller;
use common::http::{Endpoint, Json, Part, Path, user};
use common::precondition::Precondition;
use common::problem::{Kind, Problem};
use common::tasks::{Task, TaskId, TaskPatch};

pub const ENDPOINT: Endpoint =
    Endpoint::patch("update-task", "/v1/tasks/{task_id}", &user(update_task))
        .summary("Updates a task with a JSON Merge Patch: an absent field stays, null clears it.")
        .uses(&[Part::Tasks])
        .problems(&[Kind::Full]);

async fn update_task(
    app: &App,
    caller: Caller,
    Path(id): Path<TaskId>,
    precondition: Precondition,
    Json(patch): Json<TaskPatch>,
) -> Result<Json<Task>, Problem> {
    Ok(Json(
        app.tasks()?
            .update(caller.user, id, &patch, &precondition, app.clock.now())
            .await?,
    ))
}
