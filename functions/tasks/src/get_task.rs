//! Shows one of the caller's tasks.

use common::app::App;
use common::auth::Caller;
use common::http::{Endpoint, Json, Part, Path, user};
use common::problem::Problem;
use common::tasks::{Task, TaskId};

pub const ENDPOINT: Endpoint = Endpoint::get("get-task", "/v1/tasks/{task_id}", &user(get_task))
    .summary("Returns a task, unless it is in the trash.")
    .uses(&[Part::Tasks]);

async fn get_task(
    app: &App,
    caller: Caller,
    Path(id): Path<TaskId>,
) -> Result<Json<Task>, Problem> {
    Ok(Json(app.tasks()?.get(caller.user, id).await?))
}
