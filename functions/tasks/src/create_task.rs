//! Creates a task.

use common::app::App;
use common::auth::Caller;
use common::http::{Created, Endpoint, Idempotency, Json, Part, user};
use common::problem::{Kind, Problem};
use common::tasks::{Task, TaskDraft};

pub const ENDPOINT: Endpoint = Endpoint::post("create-task", "/v1/tasks", &user(create_task))
    .summary("Creates a task.")
    .uses(&[Part::Tasks])
    .problems(&[Kind::Full]);

async fn create_task(
    app: &App,
    caller: Caller,
    Idempotency(once): Idempotency,
    Json(draft): Json<TaskDraft>,
) -> Result<Created<Task>, Problem> {
    let task = draft.into_task(app.clock.now());
    Ok(Created(
        app.tasks()?
            .create(caller.user, task, once.as_ref())
            .await?,
    ))
}
