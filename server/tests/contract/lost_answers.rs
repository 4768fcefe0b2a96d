//! The embedded engine behind a network that loses answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use server::engine::Engine;

/// Executes every second write and loses its answer. If writes are made one after the other, this
/// is the first attempt of each.
#[derive(Clone, Debug)]
pub(crate) struct LosesAnswers {
    engine: Engine,
    loses_next: Arc<AtomicBool>,
}

impl LosesAnswers {
    pub(crate) fn of(engine: &Engine) -> Self {
        Self {
            engine: engine.clone(),
            loses_next: Arc::new(AtomicBool::new(true)),
        }
    }
}

impl HttpConnector for LosesAnswers {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let operation = request.headers().get("x-amz-target").unwrap_or_default();
        let writes = ["PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"]
            .iter()
            .any(|write| operation.ends_with(write));
        let answer = self.engine.call(request);
        if !writes || !self.loses_next.fetch_xor(true, Ordering::Relaxed) {
            return answer;
        }
        HttpConnectorFuture::new(async move {
            answer.await?;
            Err(ConnectorError::io("the answer is lost".into()))
        })
    }
}

impl HttpClient for LosesAnswers {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}
