//! Runs as a Lambda function, and always answers: whatever the request is, and whatever goes wrong.

use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::time::Duration;

use common::auth::SessionLifetimes;
use common::aws::{Aws, Https};
use common::config::{Environment, SettingError, variable};
use common::telemetry::{self, Format};
use futures_util::FutureExt;
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::{Value, json};
use tracing::field::Empty;

use crate::make_keys::{failed, handle};
use crate::request::{Outcome, Request};

/// How long the work may take. With the answer it fits inside the function's time in the template,
/// a minute.
const WORK: Duration = Duration::from_secs(30);
/// One attempt to answer gives up after this; there are as many as waits, and one more.
const ATTEMPT: Duration = Duration::from_secs(4);
const WAITS: [Duration; 3] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(3),
];

/// The `main` of the function.
pub fn main() -> ExitCode {
    let handler =
        service_fn(|event: LambdaEvent<Value>| async move { serve(&event.payload).await });
    telemetry::subscribe();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let served = runtime
        .map_err(|error| error.to_string())
        .and_then(|runtime| {
            telemetry::log_panics();
            runtime
                .block_on(lambda_runtime::run(handler))
                .map_err(|error| error.to_string())
        });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(cause = error, "stopped");
            ExitCode::FAILURE
        }
    }
}

/// What the function tells its caller. An error makes Lambda call again, which does no harm.
async fn serve(event: &Value) -> Result<Value, lambda_runtime::Error> {
    let Some(request) = Request::new(event) else {
        tracing::warn!("unsupported_event");
        return Ok(
            json!({"message": "This function answers requests of a custom resource of AWS CloudFormation."}),
        );
    };
    let tools = tools().await;
    let work = async {
        match &tools {
            Ok(tools) => handle(&request, &tools.aws, tools.sessions).await,
            Err(error) => failed(&request, error.to_string()),
        }
    };
    // The panic itself is logged where it happens.
    let outcome = match tokio::time::timeout(WORK, AssertUnwindSafe(work).catch_unwind()).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => failed(
            &request,
            "the function failed: its log says where".to_owned(),
        ),
        Err(_) => failed(&request, format!("the keys were not made within {WORK:?}")),
    };
    log(&request, &outcome);
    answer(&request, &outcome).await?;
    Ok(json!({"status": if outcome.result.is_ok() { "SUCCESS" } else { "FAILED" }}))
}

struct Tools {
    aws: Aws,
    sessions: Duration,
}

/// Made for each request: there is one in months, and a setting that cannot be used is an answer as
/// well.
async fn tools() -> Result<Tools, SettingError> {
    let environment = Environment::new(&variable);
    telemetry::init(
        environment.log_level()?,
        Format::Json,
        Box::new(std::io::stdout()),
    );
    let sessions = SessionLifetimes::read(environment)?.absolute;
    let aws = Aws::connect(environment, "the table of signing keys").await?;
    Ok(Tools { aws, sessions })
}

fn log(request: &Request<'_>, outcome: &Outcome) {
    let (request_id, kind) = (request.request_id(), request.kind());
    let resource = outcome.physical_id.as_str();
    match &outcome.result {
        Ok(_) => tracing::info!(request_id, kind, resource, cause = Empty, "keys"),
        Err(cause) => tracing::error!(request_id, kind, resource, cause, "keys"),
    }
}

/// Puts the answer where CloudFormation waits for it. The address is signed for a request without a
/// content type.
async fn answer(request: &Request<'_>, outcome: &Outcome) -> Result<(), lambda_runtime::Error> {
    let body = request.answer(outcome);
    // The answer does not depend on the settings: only what AWS itself uses is trusted.
    let https = Https::new(None).map_err(|error| error.to_string())?;
    let mut waits = WAITS.iter();
    loop {
        let put = http::Request::put(request.response_url())
            .header("content-type", "")
            .body(body.clone())?;
        let failure = match https.send(put, ATTEMPT).await {
            Ok((200..300, _)) => return Ok(()),
            Ok((status, _)) => format!("status {status}"),
            Err(error) => error.to_string(),
        };
        match waits.next() {
            Some(wait) => tokio::time::sleep(*wait).await,
            None => {
                let request_id = request.request_id();
                tracing::error!(request_id, cause = failure, "no_answer");
                return Err(format!("CloudFormation cannot be answered: {failure}").into());
            }
        }
    }
}
