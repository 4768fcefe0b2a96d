//! How the domain's types stand in requests and answers: names, versions, locations, and examples
//! for the document.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};

use super::body::Example;
use super::path::PathParameter;
use super::query::{Listed, Parameters, QueryFields};
use super::response::{Listing, Representation};
use crate::auth::{PublicKeys, RefreshRequest, SessionId, SessionView, Tokens};
use crate::paging::Page;
use crate::tasks::{
    Bounds, Due, Task, TaskDraft, TaskFilter, TaskId, TaskPatch, TaskQuery, TaskQuerySchema,
};
use crate::users::{Credentials, NamePatch, PasswordChange, Registration, SignedIn, User};

impl PathParameter for TaskId {
    const NAME: &'static str = "task_id";
}

impl PathParameter for SessionId {
    const NAME: &'static str = "session_id";
}

impl Listed for SessionView {
    const ORDER: &'static str = crate::users::SESSION_ORDER;
}

impl Listed for Task {
    const ORDER: &'static str = crate::tasks::TRASH_ORDER;
}

impl<T> From<Page<T>> for Listing<T> {
    fn from(page: Page<T>) -> Self {
        Self {
            items: page.items,
            next_cursor: page.next.map(|cursor| cursor.to_string()),
        }
    }
}

impl Parameters for TaskQuery {
    fn read(fields: &mut QueryFields) -> Option<Self> {
        let sort = fields.one("sort");
        let order = sort.flatten().unwrap_or_default();
        let (limit, after) = fields.page(crate::tasks::TaskSort::name(order));
        let (statuses, priorities, labels) = (
            fields.many("status"),
            fields.many("priority"),
            fields.many("label"),
        );
        let (before, due_after) = (
            fields.one_with("due_before", read_due),
            fields.one_with("due_after", read_due),
        );
        let text = fields.one("q");
        sort?;
        Some(Self {
            filter: TaskFilter {
                statuses: statuses?,
                priorities: priorities?,
                labels: labels?,
                due: Bounds {
                    after: due_after?,
                    before: before?,
                },
                text: text?,
            },
            sort: order,
            limit: limit?,
            after: after?,
        })
    }
}

/// Reads a bound. A plus sign that was not percent-encoded has become a space by now, which no date
/// has.
fn read_due(text: &str) -> Result<Due, String> {
    text.parse().map_err(|rule| {
        if text.contains(' ') {
            format!("{rule}; a + in a query is sent as %2B")
        } else {
            rule
        }
    })
}

impl JsonSchema for TaskQuery {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        TaskQuerySchema::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        TaskQuerySchema::json_schema(generator)
    }
}

impl Representation for Task {
    fn version(&self) -> Option<u64> {
        Some(self.version)
    }

    fn location(&self) -> Option<String> {
        Some(format!("/v1/tasks/{}", self.id))
    }

    fn example() -> Value {
        json!({
            "id": "0190a5d2-6f3c-7cc1-b2a9-3f2f9a1d7e55",
            "title": "Water the plants",
            "notes": "The *ficus* twice.",
            "status": "todo",
            "priority": "high",
            "labels": ["home"],
            "due": "2026-03-07",
            "completed_at": null,
            "created_at": "2026-03-01T09:30:00.000Z",
            "updated_at": "2026-03-01T09:30:00.000Z",
            "version": 1,
        })
    }
}

impl Example for TaskDraft {
    fn example() -> Value {
        json!({"title": "Water the plants", "notes": "The *ficus* twice.", "priority": "high", "labels": ["home"], "due": "2026-03-07"})
    }
}

impl Example for TaskPatch {
    fn example() -> Value {
        json!({"status": "done", "due": null})
    }
}

impl Representation for User {
    fn version(&self) -> Option<u64> {
        Some(self.version)
    }

    fn example() -> Value {
        json!({
            "id": "0190a5d2-6f3c-7cc1-b2a9-3f2f9a1d7e55",
            "email": "ada@example.com",
            "name": "Ada",
            "role": "user",
            "created_at": "2026-03-01T09:30:00.000Z",
            "updated_at": "2026-03-01T09:30:00.000Z",
            "version": 1,
        })
    }
}

impl Representation for SignedIn {
    fn location(&self) -> Option<String> {
        Some("/v1/me".to_owned())
    }

    fn example() -> Value {
        let mut example = Tokens::example();
        example["user"] = User::example();
        example
    }
}

impl Representation for Tokens {
    fn example() -> Value {
        json!({
            "access_token": "eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJFZERTQSJ9.e30.c2lnbmF0dXJl",
            "token_type": "Bearer",
            "expires_in": 900,
            "refresh_token": "tlr_mac-1.AQ",
            "refresh_expires_in": 2_592_000,
        })
    }
}

impl Representation for SessionView {
    fn example() -> Value {
        json!({
            "id": "0190a5d2-6f3c-7cc1-b2a9-3f2f9a1d7e55",
            "current": true,
            "created_at": "2026-03-01T09:30:00.000Z",
            "last_used_at": "2026-03-02T08:00:00.000Z",
            "expires_at": "2026-04-01T08:00:00.000Z",
            "user_agent": "Mozilla/5.0",
        })
    }
}

impl Representation for PublicKeys {
    fn example() -> Value {
        json!({"keys": [{
            "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": "sig-1",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        }]})
    }
}

impl Example for Registration {
    fn example() -> Value {
        json!({"email": "ada@example.com", "password": "a lane of tasks", "name": "Ada"})
    }
}

impl Example for Credentials {
    fn example() -> Value {
        json!({"email": "ada@example.com", "password": "a lane of tasks"})
    }
}

impl Example for RefreshRequest {
    fn example() -> Value {
        json!({"refresh_token": "tlr_mac-1.AQ"})
    }
}

impl Example for NamePatch {
    fn example() -> Value {
        json!({"name": "Ada Lovelace"})
    }
}

impl Example for PasswordChange {
    fn example() -> Value {
        json!({"current_password": "a lane of tasks", "new_password": "another lane of tasks"})
    }
}
