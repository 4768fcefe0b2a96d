//! Clients of task APIs: Tasklane's, and the API that it is compared with.

use anyhow::{Context, bail};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use tasks::Task;

use crate::people::{PASSWORD, address};
use crate::processes::Process;

/// An API: paths and names differ.
#[derive(Clone, Copy)]
pub(crate) struct Dialect {
    /// The prefix of every path.
    prefix: &'static str,
    /// The names of the access token, of a page's tasks and of a task's identifier.
    token: &'static str,
    items: &'static str,
    identifier: &'static str,
}

/// The operations that are measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Operation {
    LogIn,
    Get,
    List,
    /// Changes the title and status of a task.
    Update,
    Create,
}

impl Operation {
    /// All operations; those that make lists longer come last.
    pub(crate) const ALL: [Self; 5] = [
        Self::LogIn,
        Self::Get,
        Self::List,
        Self::Update,
        Self::Create,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::LogIn => "login",
            Self::Get => "get",
            Self::List => "list",
            Self::Update => "update",
            Self::Create => "create",
        }
    }
}

/// A request without a host.
pub(crate) struct Request {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) token: Option<String>,
    pub(crate) body: Option<Value>,
}

impl Request {
    /// Builds the request to this server.
    ///
    /// # Errors
    /// There is no such method.
    pub(crate) fn to(&self, server: &Process, http: &Client) -> anyhow::Result<RequestBuilder> {
        let mut request = http.request(
            self.method.parse()?,
            format!("http://{}{}", server.address, self.path),
        );
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = &self.body {
            request = request.json(body);
        }
        Ok(request)
    }
}

/// A user of an API, and their data.
pub(crate) struct Person {
    /// The number in their address.
    pub(crate) number: usize,
    pub(crate) token: String,
    pub(crate) tasks: Vec<String>,
}

impl Dialect {
    pub(crate) const TASKLANE: Self = Self {
        prefix: "/v1",
        token: "access_token",
        items: "items",
        identifier: "id",
    };
    /// The API of `baselines/express`.
    pub(crate) const EXPRESS: Self = Self {
        prefix: "",
        token: "token",
        items: "tasks",
        identifier: "_id",
    };

    fn path(self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    pub(crate) fn login(self, number: usize) -> Request {
        let body = json!({"email": address(number), "password": PASSWORD});
        Request {
            method: "POST",
            path: self.path("/auth/login"),
            token: None,
            body: Some(body),
        }
    }

    /// The requests of an operation, to send in turn.
    pub(crate) fn requests(
        self,
        operation: Operation,
        people: &[Person],
        drafts: &[Value],
    ) -> Vec<Request> {
        let of = |person: &Person, method, path: &str, body| Request {
            method,
            path: self.path(path),
            token: Some(person.token.clone()),
            body,
        };
        // In turn from person to person, so that successive requests are from different people.
        let turns = people.first().map_or(0, |person| person.tasks.len());
        let each = |make: &dyn Fn(&Person, usize) -> Request| {
            (0..turns)
                .flat_map(|turn| people.iter().map(move |person| make(person, turn)))
                .collect::<Vec<_>>()
        };
        match operation {
            Operation::LogIn => people
                .iter()
                .map(|person| self.login(person.number))
                .collect(),
            Operation::List => people
                .iter()
                .map(|person| of(person, "GET", "/tasks?limit=50", None))
                .collect(),
            Operation::Get => each(&|person, turn| {
                of(
                    person,
                    "GET",
                    &format!("/tasks/{}", person.tasks[turn]),
                    None,
                )
            }),
            Operation::Update => each(&|person, turn| {
                let body = json!({"title": format!("Call the bank again, turn {turn}"), "status": "in_progress"});
                of(
                    person,
                    "PATCH",
                    &format!("/tasks/{}", person.tasks[turn]),
                    Some(body),
                )
            }),
            // A person may have more tasks than there are drafts.
            Operation::Create => each(&|person, turn| {
                of(
                    person,
                    "POST",
                    "/tasks",
                    drafts.iter().cycle().nth(turn).cloned(),
                )
            }),
        }
    }

    /// Registers people with these tasks each.
    ///
    /// # Errors
    /// The API fails.
    pub(crate) async fn people(
        self,
        server: &Process,
        count: usize,
        drafts: &[Value],
    ) -> anyhow::Result<Vec<Person>> {
        let http = Client::new();
        let url = |path: &str| format!("http://{}{}", server.address, self.path(path));
        let mut people = Vec::new();
        for number in 0..count {
            let body = json!({"email": address(number), "password": PASSWORD, "name": format!("Person {number}")});
            let token = text(
                &send(http.post(url("/auth/register")).json(&body)).await?,
                self.token,
            )?;
            let mut tasks = Vec::new();
            for draft in drafts {
                let task = send(http.post(url("/tasks")).bearer_auth(&token).json(draft)).await?;
                tasks.push(text(&task, self.identifier)?);
            }
            let list = send(http.get(url("/tasks?limit=50")).bearer_auth(&token)).await?;
            if list[self.items].as_array().map(Vec::len) != Some(drafts.len().min(50)) {
                bail!("a page holds something else: {list}");
            }
            people.push(Person {
                number,
                token,
                tasks,
            });
        }
        Ok(people)
    }

    /// Gives people new access tokens.
    ///
    /// # Errors
    /// The API fails.
    pub(crate) async fn log_in_again(
        self,
        server: &Process,
        people: &mut [Person],
    ) -> anyhow::Result<()> {
        let http = Client::new();
        for person in people {
            let login = self.login(person.number).to(server, &http)?;
            person.token = text(&send(login).await?, self.token)?;
        }
        Ok(())
    }
}

/// The body that creates this task.
pub(crate) fn draft(task: &Task) -> Value {
    json!({
        "title": task.title,
        "notes": task.notes.as_ref().map(|notes| notes.as_str()).unwrap_or_default(),
        "status": task.status,
        "priority": task.priority,
        "labels": task.labels,
        "due": task.due,
    })
}

async fn send(request: RequestBuilder) -> anyhow::Result<Value> {
    let answer = request.send().await?;
    let status = answer.status();
    let body = answer.text().await?;
    if !status.is_success() {
        bail!("{status}: {body}");
    }
    Ok(serde_json::from_str(&body)?)
}

fn text(answer: &Value, name: &str) -> anyhow::Result<String> {
    answer[name]
        .as_str()
        .map(str::to_owned)
        .with_context(|| format!("there is no {name} in {answer}"))
}
