//! Lists a page of the caller's trash.

use common::auth::Caller;
use common::http::{Endpoint, Limit, Listing, Now, Parameters, Query, Use, handler};
use common::paging::Cursor;
use common::problem::Problem;
use schemars::JsonSchema;

use crate::{TRASH_ORDER, Task, Tasks};

pub const ENDPOINT: Endpoint = Endpoint::get("list-trash", "/v1/trash", &handler(list_trash))
    .summary("Lists the tasks in the trash, the last deleted first.");

/// The parameters of the trash.
#[derive(JsonSchema, Parameters)]
struct TrashParameters {
    limit: Limit,
    #[query(order = TRASH_ORDER)]
    cursor: Option<Cursor>,
}

async fn list_trash(
    caller: Caller,
    Now(now): Now,
    Use(tasks): Use<Tasks>,
    Query(page): Query<TrashParameters>,
) -> Result<Listing<Task>, Problem> {
    Ok(tasks
        .list_trash(caller.user, page.limit.0, page.cursor.as_ref(), now)
        .await?
        .into())
}
