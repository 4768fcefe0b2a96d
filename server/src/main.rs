//! `tasklane`: all functions of the API in one process.

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;

use common::auth::SessionLifetimes;
use common::config::{Environment, variable};
use common::dynamodb::LOCAL_ACCESS_KEY;
use common::part::Starter;
use server::arguments::{Arguments, Command};
use server::copy::End;
use server::engine::Engine;
use server::start::Setup;
use server::{copy, emulator, keys, private, seed, start, upkeep};

fn main() -> ExitCode {
    let arguments = Arguments::read();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.to_string()),
    };
    match runtime.block_on(run(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&format!("{error:#}")),
    }
}

fn fail(error: &str) -> ExitCode {
    eprintln!("tasklane: {error}");
    ExitCode::FAILURE
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let Arguments {
        listen,
        data,
        network_options,
        command,
    } = arguments;
    let environment = Environment::new(&variable);
    private::warn_about_others(&data);
    match command {
        None => {
            let setup = Setup::new(&data, environment).await?;
            let variable = |name: &str| setup.variable(name);
            let starter = setup.starter(Environment::new(&variable)).await?;
            let listen = listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 8080)));
            start::serve(&setup, starter, listen, &network_options).await
        }
        Some(Command::Seed { force }) => seed(&data, force, environment).await,
        Some(Command::Dynamodb { seed }) => {
            let listen = listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 8000)));
            serve_engine(&data, listen, seed, environment).await
        }
        Some(Command::Migrate) => start::migrate(environment).await,
        Some(Command::Copy {
            from,
            to,
            from_tables,
            to_tables,
        }) => {
            let from = End {
                option: "--from",
                url: from,
                tables: from_tables,
            };
            let to = End {
                option: "--to",
                url: to,
                tables: to_tables,
            };
            copy::copy(&from, &to, environment).await
        }
        Some(Command::Backup { to }) => {
            upkeep::back_up(start::file_of(&data, environment)?.as_deref(), &to)
        }
        Some(Command::Check) => {
            upkeep::check(start::file_of(&data, environment)?.as_deref(), environment).await
        }
        Some(Command::Openapi) => {
            print!("{}", server::openapi());
            Ok(())
        }
        Some(Command::RotateKeys { revoke }) => rotate_keys(&data, revoke, environment),
    }
}

async fn seed(data: &Path, force: bool, environment: Environment<'_>) -> anyhow::Result<()> {
    let setup = Setup::new(data, environment).await?;
    let variable = |name: &str| setup.variable(name);
    let starter = setup.starter(Environment::new(&variable)).await?;
    if !force {
        seed::check(&starter, &setup.everything(&starter).await?).await?;
    }
    println!("{}", seed::seed(&starter, setup.is_local).await?);
    Ok(())
}

async fn serve_engine(
    data: &Path,
    listen: SocketAddr,
    with_demo: bool,
    environment: Environment<'_>,
) -> anyhow::Result<()> {
    let engine = Engine::open(data)?;
    start::create_tables(&engine.database(), environment).await?;
    engine.keep_swept();
    if with_demo {
        let starter = Starter::new(environment).with(engine.database());
        println!("{}", seed::seed(&starter, true).await?);
    }
    eprintln!(
        "The DynamoDB engine is listening on {listen}\n  use it with DATABASE_URL=dynamodb://{LOCAL_ACCESS_KEY}@{listen}"
    );
    emulator::serve(&engine, listen, start::signal()).await
}

fn rotate_keys(data: &Path, revoke: bool, environment: Environment<'_>) -> anyhow::Result<()> {
    let sessions = SessionLifetimes::read(environment)?.absolute;
    let file = keys::rotate(data, sessions, revoke)?;
    let old = if revoke {
        "The old ones are removed: all users must log in again."
    } else {
        "Tokens of the old ones stay valid."
    };
    println!(
        "Added new keys to {}; restart the server within a day to use them. {old}",
        file.display()
    );
    Ok(())
}
