//! Clients of task APIs: Tasklane's, and those that it is compared with.

use anyhow::{Context, bail};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use tasks::Task;

use crate::people::{PASSWORD, address};
use crate::processes::Process;

/// An API: paths and names differ.
#[derive(Clone, Copy)]
pub(crate) struct Dialect {
    /// The paths to register, to log in, and of tasks.
    register: &'static str,
    login: &'static str,
    tasks: &'static str,
    /// The query of the newest 50 tasks.
    page: &'static str,
    registration: Registration,
    /// The names of a login's address, of the access token, of a page's tasks and of an identifier.
    address: &'static str,
    token: &'static str,
    items: &'static str,
    identifier: &'static str,
}

/// How people register.
#[derive(Clone, Copy)]
enum Registration {
    /// The API returns an access token.
    LogsIn,
    /// The API asks for the password twice and returns the account. A login returns the access
    /// token, and a new task names the account as its owner.
    CreatesRecord,
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
    /// The owner that a new task must name, if the API asks for it.
    pub(crate) owner: Option<String>,
    pub(crate) tasks: Vec<String>,
}

impl Person {
    /// The body that creates a task of this person.
    fn new_task(&self, draft: &Value) -> Value {
        let mut body = draft.clone();
        if let Some(owner) = &self.owner {
            body["owner"] = json!(owner);
        }
        body
    }
}

impl Dialect {
    pub(crate) const TASKLANE: Self = Self {
        register: "/v1/auth/register",
        login: "/v1/auth/login",
        tasks: "/v1/tasks",
        page: "limit=50",
        registration: Registration::LogsIn,
        address: "email",
        token: "access_token",
        items: "items",
        identifier: "id",
    };
    /// The API of `baselines/pocketbase`.
    pub(crate) const POCKETBASE: Self = Self {
        register: "/api/collections/users/records",
        login: "/api/collections/users/auth-with-password",
        tasks: "/api/collections/tasks/records",
        // The other APIs do not count the tasks either.
        page: "perPage=50&sort=-created&skipTotal=1",
        registration: Registration::CreatesRecord,
        address: "identity",
        token: "token",
        items: "items",
        identifier: "id",
    };
    /// The API of `baselines/express`.
    pub(crate) const EXPRESS: Self = Self {
        register: "/auth/register",
        login: "/auth/login",
        tasks: "/tasks",
        page: "limit=50",
        registration: Registration::LogsIn,
        address: "email",
        token: "token",
        items: "tasks",
        identifier: "_id",
    };

    fn task(self, identifier: &str) -> String {
        format!("{}/{identifier}", self.tasks)
    }

    fn list(self) -> String {
        format!("{}?{}", self.tasks, self.page)
    }

    pub(crate) fn login(self, number: usize) -> Request {
        let body = json!({(self.address): address(number), "password": PASSWORD});
        Request {
            method: "POST",
            path: self.login.to_owned(),
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
        let of = |person: &Person, method, path, body| Request {
            method,
            path,
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
                .map(|person| of(person, "GET", self.list(), None))
                .collect(),
            Operation::Get => {
                each(&|person, turn| of(person, "GET", self.task(&person.tasks[turn]), None))
            }
            Operation::Update => each(&|person, turn| {
                let body = json!({"title": format!("Call the bank again, turn {turn}"), "status": "in_progress"});
                of(person, "PATCH", self.task(&person.tasks[turn]), Some(body))
            }),
            // A person may have more tasks than there are drafts.
            Operation::Create => each(&|person, turn| {
                let draft = drafts.iter().cycle().nth(turn);
                let body = draft.map(|draft| person.new_task(draft));
                of(person, "POST", self.tasks.to_owned(), body)
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
        let url = |path: &str| format!("http://{}{path}", server.address);
        let mut people = Vec::new();
        for number in 0..count {
            let mut person = self.register(server, &http, number).await?;
            for draft in drafts {
                let create = http.post(url(self.tasks)).bearer_auth(&person.token);
                let task = send(create.json(&person.new_task(draft))).await?;
                person.tasks.push(text(&task, self.identifier)?);
            }
            let list = send(http.get(url(&self.list())).bearer_auth(&person.token)).await?;
            if list[self.items].as_array().map(Vec::len) != Some(drafts.len().min(50)) {
                bail!("a page holds something else: {list}");
            }
            people.push(person);
        }
        Ok(people)
    }

    async fn register(
        self,
        server: &Process,
        http: &Client,
        number: usize,
    ) -> anyhow::Result<Person> {
        let mut body = json!({"email": address(number), "password": PASSWORD, "name": format!("Person {number}")});
        if let Registration::CreatesRecord = self.registration {
            body["passwordConfirm"] = json!(PASSWORD);
        }
        let url = format!("http://{}{}", server.address, self.register);
        let account = send(http.post(url).json(&body)).await?;
        let (token, owner) = match self.registration {
            Registration::LogsIn => (text(&account, self.token)?, None),
            Registration::CreatesRecord => {
                let login = send(self.login(number).to(server, http)?).await?;
                let owner = text(&account, self.identifier)?;
                (text(&login, self.token)?, Some(owner))
            }
        };
        Ok(Person {
            number,
            token,
            owner,
            tasks: Vec::new(),
        })
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
