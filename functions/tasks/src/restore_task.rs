//! Restores a task from the trash.

use common::app::App;
use common::auth::Caller;
use common::http::{Endpoint, Idempotency, Json, Part, Path, user};
use common::precondition::Precondition;
use common::problem::{Kind, Problem};
use common::tasks::{Task, TaskId};

pub const ENDPOINT: Endpoint = Endpoint::post(
    "restore-task",
    "/v1/tasks/{task_id}/restore",
    &user(restore_task),
)
.summary("Restores a task from the trash.")
.uses(&[Part::Tasks])
.problems(&[Kind::NotInTrash, Kind::Full]);

async fn restore_task(
    app: &App,
    caller: Caller,
    Path(id): Path<TaskId>,
    precondition: Precondition,
    Idempotency(once): Idempotency,
) -> Result<Json<Task>, Problem> {
    Ok(Json(
        app.tasks()?
            .restore(
                caller.user,
                id,
                &precondition,
                once.as_ref(),
                app.clock.now(),
            )
            .await?,
    ))
}
