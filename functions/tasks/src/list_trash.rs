//! Shows a page of the caller's trash.

use common::app::App;
use common::auth::Caller;
use common::http::{Endpoint, Listing, PageQuery, Part, Query, user};
use common::problem::Problem;
use common::tasks::Task;

pub const ENDPOINT: Endpoint = Endpoint::get("list-trash", "/v1/trash", &user(list_trash))
    .summary("Lists the tasks in the trash, the last deleted first.")
    .uses(&[Part::Tasks]);

async fn list_trash(
    app: &App,
    caller: Caller,
    Query(page): Query<PageQuery<Task>>,
) -> Result<Listing<Task>, Problem> {
    Ok(app
        .tasks()?
        .list_trash(
            caller.user,
            page.limit,
            page.after.as_ref(),
            app.clock.now(),
        )
        .await?
        .into())
}
