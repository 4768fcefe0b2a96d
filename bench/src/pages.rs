//! A page of 50 tasks from short and long lists: every order, the common filters, and different
//! positions in the list.

use std::time::Instant;

use anyhow::{anyhow, bail};
use clap::Args;
use common::auth::UserId;
use common::config::{DATABASE_URL, Environment};
use common::database::Database;
use common::paging::Cursor;
use common::part::Starter;
use common::storage::migrate;
use common::time::{Clock, SystemClock, Timestamp};
use server::engine::Engine;
use server::start::create_tables;
use tasks::{Due, SortField, Status, Task, TaskFilter, TaskId, TaskQuery, TaskSort, Tasks};

use crate::engines::{Metered, Used, defaults, hasty, sqlite};
use crate::people::{add_tasks, tasks};
use crate::processes;
use crate::report::{Budget, Table};
use crate::statistics::Summary;

/// The number of tasks on a page.
const PAGE: usize = 50;
/// The numbers of tasks in the lists, and those of a quick run.
const SIZES: [usize; 3] = [100, 1_000, 100_000];
const QUICK_SIZES: [usize; 3] = [100, 1_000, 2_000];
/// The same for the MongoDB server of the tests: it ignores indexes, and times out with more tasks.
const INDEXLESS_SIZES: [usize; 3] = [100, 1_000, 10_000];
/// The largest time of a page from the longest list, relative to the shortest list; for filtered
/// pages, per task that is read.
const BUDGET: f64 = 1.2;

#[derive(Args)]
pub(crate) struct Arguments {
    /// How often each page is read.
    #[arg(long, default_value_t = 100, value_name = "N")]
    runs: usize,
    /// How often each page is read on MongoDB.
    #[arg(long, default_value_t = 10, value_name = "N")]
    mongodb_runs: usize,
    /// A MongoDB server to use, whose databases bench-pages-* are replaced; without it the one that
    /// the tests use.
    #[arg(long, value_name = "URL")]
    mongodb: Option<String>,
    /// Shorter lists and fewer runs, to see that it works.
    #[arg(long)]
    quick: bool,
}

/// A list of tasks, and its store.
struct List {
    owner: UserId,
    tasks: Vec<Task>,
    store: Tasks,
}

struct Case {
    name: String,
    sort: TaskSort,
    filter: TaskFilter,
    place: Place,
}

/// The position of the page in the list.
#[derive(Clone, Copy)]
enum Place {
    First,
    Middle,
    Last,
}

/// Measures and prints the tables.
///
/// # Errors
/// A store does not answer, or returns a wrong page.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let (sizes, runs) = if arguments.quick {
            (QUICK_SIZES, 3)
        } else {
            (SIZES, arguments.runs)
        };
        let now = SystemClock.now();
        on_sqlite(sizes, runs, now).await?;
        embedded(sizes, runs, now).await?;
        let (sizes, runs) = match arguments.mongodb {
            _ if arguments.quick => (QUICK_SIZES, 1),
            Some(_) => (SIZES, arguments.mongodb_runs),
            None => (INDEXLESS_SIZES, arguments.mongodb_runs),
        };
        mongodb(arguments.mongodb.as_deref(), sizes, runs, now).await
    })
}

async fn on_sqlite(sizes: [usize; 3], runs: usize, now: Timestamp) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let store = store_on(sqlite(folder.path()).await?).await?;
    let lists = filled(sizes, now, |_| store.clone()).await?;

    println!("\nSQLite: milliseconds (min / median / p99 of {runs} runs).\n");
    let mut headings = headings(sizes);
    headings.push(format!("at most {BUDGET}"));
    let mut table = Table::new(headings);
    for case in cases(now).map_err(anyhow::Error::msg)? {
        table.row(case.budgeted_row(&measure(&case, &lists, runs).await?));
    }
    table.print();
    Ok(())
}

async fn embedded(sizes: [usize; 3], runs: usize, now: Timestamp) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let lists = {
        let database = hasty(folder.path())?.database();
        create_tables(&database, defaults()).await?;
        let store = store_on(database).await?;
        filled(sizes, now, |_| store.clone()).await?
    };
    // Opened again, as by a server.
    let engine = Engine::open(folder.path())?;
    let store = store_on(engine.database()).await?;
    let lists = lists.map(|list| List {
        store: store.clone(),
        ..list
    });
    let meter = Metered::new(&engine);
    let metered = store_on(meter.database()).await?;

    println!(
        "\nDynamoDB, on its engine: milliseconds (min / median / p99 of {runs} runs), read capacity units, tasks read.\n"
    );
    let mut headings = headings(sizes);
    headings.extend([
        "units".to_owned(),
        "tasks read".to_owned(),
        format!("at most {BUDGET}"),
    ]);
    let mut table = Table::new(headings);
    for case in cases(now).map_err(anyhow::Error::msg)? {
        let measured = measure(&case, &lists, runs).await?;
        let mut used = Vec::new();
        for list in &lists {
            meter.take();
            metered.list(list.owner, &case.query(list)).await?;
            used.push(meter.take());
        }
        table.row(case.metered_row(&measured, &used));
    }
    table.print();
    Ok(())
}

async fn mongodb(
    url: Option<&str>,
    sizes: [usize; 3],
    runs: usize,
    now: Timestamp,
) -> anyhow::Result<()> {
    let own = if url.is_none() {
        Some(processes::mongodb()?)
    } else {
        None
    };
    let server = own.as_ref().map_or_else(
        || url.unwrap_or_default().to_owned(),
        |own| format!("mongodb://{}", own.address),
    );
    let mut stores: Vec<Tasks> = Vec::new();
    for size in sizes {
        // A separate database for each list: a server that reads every document would otherwise
        // read all lists.
        let name = format!("bench-pages-{size}");
        let url = format!("{}/{name}", server.trim_end_matches('/'));
        let client = ::mongodb::Client::with_uri_str(&url).await?;
        client.database(&name).drop().await?;
        let variable = |name: &str| (name == DATABASE_URL.name).then(|| url.clone());
        let environment = Environment::new(&variable);
        let starter = Starter::new(environment);
        let database = starter.part().await?;
        migrate(&database, &server::storages(), environment, &mut |_| {})
            .await
            .map_err(anyhow::Error::msg)?;
        stores.push(starter.part().await?);
    }
    let lists = filled(sizes, now, |at| stores[at].clone()).await?;

    let name = if own.is_some() {
        "mongo-java-server"
    } else {
        "the given server"
    };
    println!("\nMongoDB, on {name}: milliseconds (min / median / p99 of {runs} runs).\n");
    let mut table = Table::new(headings(sizes));
    for case in cases(now).map_err(anyhow::Error::msg)? {
        table.row(case.row(&measure(&case, &lists, runs).await?));
    }
    table.print();
    Ok(())
}

async fn store_on(database: Database) -> anyhow::Result<Tasks> {
    Ok(Starter::new(defaults()).with(database).part().await?)
}

async fn filled(
    sizes: [usize; 3],
    now: Timestamp,
    stores: impl Fn(usize) -> Tasks,
) -> anyhow::Result<[List; 3]> {
    let mut lists = Vec::new();
    for (at, size) in sizes.into_iter().enumerate() {
        let (owner, tasks, store) = (UserId::new(now), tasks(size, now)?, stores(at));
        let begun = Instant::now();
        add_tasks(&store, owner, &tasks).await?;
        eprintln!(
            "added {size} tasks in {:.1} s",
            begun.elapsed().as_secs_f64()
        );
        lists.push(List {
            owner,
            tasks,
            store,
        });
    }
    lists
        .try_into()
        .map_err(|_| anyhow!("there are three lists"))
}

fn headings(sizes: [usize; 3]) -> Vec<String> {
    let [small, middle, large] = sizes;
    let mut headings = ["order and filter", "page"].map(str::to_owned).to_vec();
    headings.extend(sizes.map(|size| format!("of {size}")));
    headings.extend([small, middle].map(|size| format!("{large} to {size}")));
    headings
}

fn cases(now: Timestamp) -> Result<Vec<Case>, String> {
    let mut cases = Vec::new();
    let mut add = |name: String, sort: TaskSort, filter: &TaskFilter| {
        cases.extend(
            [Place::First, Place::Middle, Place::Last].map(|place| Case {
                name: name.clone(),
                sort,
                filter: filter.clone(),
                place,
            }),
        );
    };
    for name in TaskSort::NAMES {
        add(name.to_owned(), name.parse()?, &TaskFilter::default());
    }
    for (name, filter) in &filters(now)? {
        add(format!("-created, {name}"), TaskSort::default(), filter);
    }
    // In the second half of the list no task matches.
    cases.push(Case {
        name: "due, due within a week".to_owned(),
        sort: "due".parse()?,
        filter: due_within_a_week(now),
        place: Place::First,
    });
    Ok(cases)
}

fn filters(now: Timestamp) -> Result<[(&'static str, TaskFilter); 7], String> {
    let of_status = |status| TaskFilter {
        statuses: vec![status],
        ..TaskFilter::default()
    };
    let with_text = |text: &str| TaskFilter {
        text: text.parse().ok(),
        ..TaskFilter::default()
    };
    let high = TaskFilter {
        priorities: vec!["high".parse()?],
        ..TaskFilter::default()
    };
    let home = TaskFilter {
        labels: vec!["home".parse()?],
        ..TaskFilter::default()
    };
    Ok([
        ("status=todo", of_status(Status::Todo)),
        ("status=done", of_status(Status::Done)),
        ("priority=high", high),
        ("label=home", home),
        ("due within a week", due_within_a_week(now)),
        ("q=landlord", with_text("landlord")),
        ("q, without matches", with_text("zeppelin")),
    ])
}

fn due_within_a_week(now: Timestamp) -> TaskFilter {
    let week = std::time::Duration::from_hours(7 * 24);
    TaskFilter {
        due: tasks::Bounds {
            after: Some(Due::At(now)),
            before: Some(Due::At(now.plus(week))),
        },
        ..TaskFilter::default()
    }
}

impl Case {
    fn query(&self, list: &List) -> TaskQuery {
        let after = self
            .before_page(list)
            .and_then(|at| self.ordered(list).into_iter().nth(at));
        let after = after.map(|(key, _)| Cursor::new(self.sort.name(), &key));
        TaskQuery {
            filter: self.filter.clone(),
            sort: self.sort,
            limit: PAGE,
            after,
        }
    }

    /// The position of the task before the page.
    fn before_page(&self, list: &List) -> Option<usize> {
        let count = list.tasks.len();
        match self.place {
            Place::First => None,
            Place::Middle => (count / 2).checked_sub(1),
            Place::Last => (count - PAGE).checked_sub(1),
        }
    }

    /// The list in its order, each task with its key as in docs/data-model.md.
    fn ordered(&self, list: &List) -> Vec<(String, TaskId)> {
        let key = |task: &Task| match (self.sort.field, task.due) {
            (SortField::Created, _) => task.id.to_string(),
            (SortField::Updated, _) => format!("live#{}#{}", task.updated_at, task.id),
            (SortField::Due, Some(due)) => format!("1#{}#{}", due.sort_key(), task.id),
            (SortField::Due, None) => format!("2#{}", task.id),
            (SortField::Priority, _) => format!("{}#{}", task.priority as u8, task.id),
        };
        let mut ordered = list
            .tasks
            .iter()
            .map(|task| (key(task), task.id))
            .collect::<Vec<_>>();
        ordered.sort();
        if self.sort.descending {
            ordered.reverse();
            if self.sort.field == SortField::Due {
                // Tasks without a due date come last in both directions.
                let undated = ordered.partition_point(|(key, _)| key.starts_with("2#"));
                ordered.rotate_left(undated);
            }
        }
        ordered
    }

    /// The first cells of the table's row.
    fn row(&self, [small, middle, large]: &[Summary; 3]) -> Vec<String> {
        let place = match self.place {
            Place::First => "first",
            Place::Middle => "middle",
            Place::Last => "last",
        };
        let mut row = vec![self.name.clone(), place.to_owned()];
        row.extend([small, middle, large].map(|summary| summary.to_string()));
        row.extend([small, middle].map(|other| format!("{:.2}", large.median / other.median)));
        row
    }

    /// The row with the budget, which only a page without a filter has: how much a filtered page
    /// reads depends on the list.
    fn budgeted_row(&self, measured: &[Summary; 3]) -> Vec<String> {
        let budget = Budget {
            what: self.name.clone(),
            measured: measured[2].median / measured[0].median,
            at_most: BUDGET,
        };
        let mut row = self.row(measured);
        row.push(if self.filter.is_empty() {
            format!("{:.2} {}", budget.measured, budget.verdict())
        } else {
            String::new()
        });
        row
    }

    /// The whole row, with what was read from each list and the budget.
    fn metered_row(&self, measured: &[Summary; 3], used: &[Used]) -> Vec<String> {
        let each =
            |show: fn(&Used) -> String| used.iter().map(show).collect::<Vec<_>>().join(" / ");
        let per_task = |at: usize| {
            measured[at].median
                / if self.filter.is_empty() {
                    1.0
                } else {
                    used[at].items.max(1) as f64
                }
        };
        let budget = Budget {
            what: self.name.clone(),
            measured: per_task(2) / per_task(0),
            at_most: BUDGET,
        };
        let mut row = self.row(measured);
        row.push(each(|used| format!("{:.1}", used.units)));
        row.push(each(|used| used.items.to_string()));
        row.push(format!("{:.2} {}", budget.measured, budget.verdict()));
        row
    }

    /// Whether this is the requested page. Filtered pages are checked by the contract's cases.
    fn check(&self, list: &List, items: &[Task]) -> anyhow::Result<()> {
        let begin = self.before_page(list).map_or(0, |at| at + 1);
        let expected = self
            .ordered(list)
            .into_iter()
            .skip(begin)
            .take(PAGE)
            .map(|(_, id)| id);
        if self.filter.is_empty() && !items.iter().map(|task| task.id).eq(expected) {
            bail!("{}: another page was answered", self.name);
        }
        Ok(())
    }
}

/// Reads a page of each list in turn, repeatedly.
async fn measure(case: &Case, lists: &[List; 3], runs: usize) -> anyhow::Result<[Summary; 3]> {
    let mut measured = [const { Vec::new() }; 3];
    let mut queries = Vec::new();
    for list in lists {
        let query = case.query(list);
        let page = list.store.list(list.owner, &query).await?;
        case.check(list, &page.items)?;
        queries.push(query);
    }
    for run in 0..runs {
        for at in 0..lists.len() {
            let at = (at + run) % lists.len();
            let (list, query) = (&lists[at], &queries[at]);
            let begun = Instant::now();
            list.store.list(list.owner, query).await?;
            measured[at].push(begun.elapsed().as_secs_f64() * 1000.0);
        }
    }
    Ok(measured.map(|measured| Summary::of(&measured)))
}
