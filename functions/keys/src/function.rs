//! The Lambda function. It always answers, even to invalid requests and after errors.

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

/// The time limit of the work. Together with the answer it fits into the function's timeout in the
/// template, a minute.
const WORK: Duration = Duration::from_secs(30);
/// The time limit of one attempt to answer; there is one attempt more than waits.
const ATTEMPT: Duration = Duration::from_secs(4);
const WAITS: [Duration; 3] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(3),
];

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

/// Handles a request. After an error Lambda calls again, which is safe.
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
    // The panic hook has already logged the panic.
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

/// Created for each request: requests are months apart, and an invalid setting must be answered as
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

/// Puts the answer to CloudFormation's URL. The URL is signed for a request without a content type.
async fn answer(request: &Request<'_>, outcome: &Outcome) -> Result<(), lambda_runtime::Error> {
    let body = request.answer(outcome);
    // The answer must not depend on settings: only AWS's own certificate authorities are trusted.
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
