//! Lists a page of the caller's trash.

use common::auth::Caller;
use common::http::{Endpoint, Listing, Now, PageQuery, Query, Use, handler};
use common::problem::Problem;

use crate::{Task, Tasks};

pub const ENDPOINT: Endpoint = Endpoint::get("list-trash", "/v1/trash", &handler(list_trash))
    .summary("Lists the tasks in the trash, the last deleted first.");

async fn list_trash(
    caller: Caller,
    Now(now): Now,
    Use(tasks): Use<Tasks>,
    Query(page): Query<PageQuery<Task>>,
) -> Result<Listing<Task>, Problem> {
    Ok(tasks
        .list_trash(caller.user, page.limit, page.after.as_ref(), now)
        .await?
        .into())
}
