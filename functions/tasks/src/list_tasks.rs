//! Shows a page of the caller's tasks, filtered and in order.

use common::app::App;
use common::auth::Caller;
use common::http::{Endpoint, Listing, Part, Query, user};
use common::problem::Problem;
use common::tasks::{Task, TaskQuery};

pub const ENDPOINT: Endpoint = Endpoint::get("list-tasks", "/v1/tasks", &user(list_tasks))
    .summary("Lists the caller's tasks. A filtered page may be short; only the last page has no next_cursor.")
    .uses(&[Part::Tasks]);

async fn list_tasks(
    app: &App,
    caller: Caller,
    Query(query): Query<TaskQuery>,
) -> Result<Listing<Task>, Problem> {
    Ok(app.tasks()?.list(caller.user, &query).await?.into())
}
