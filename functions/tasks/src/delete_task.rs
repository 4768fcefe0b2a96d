//! Puts one of the caller's tasks into the trash.

use common::app::App;
use common::auth::Caller;
use common::http::{Endpoint, NoContent, Part, Path, user};
use common::precondition::Precondition;
use common::problem::Problem;
use common::tasks::TaskId;

pub const ENDPOINT: Endpoint =
    Endpoint::delete("delete-task", "/v1/tasks/{task_id}", &user(delete_task))
        .summary("Moves a task to the trash, where it can be restored for 30 days.")
        .uses(&[Part::Tasks]);

async fn delete_task(
    app: &App,
    caller: Caller,
    Path(id): Path<TaskId>,
    precondition: Precondition,
) -> Result<NoContent, Problem> {
    app.tasks()?
        .trash(caller.user, id, &precondition, app.clock.now())
        .await?;
    Ok(NoContent)
}
