//! CloudWatch's embedded metrics of a request.
//! https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html

use std::sync::OnceLock;

use serde::Serialize;

use crate::time::Timestamp;

/// The default namespace of the metrics in CloudWatch.
const NAMESPACE: &str = "Tasklane";

static CHOSEN: OnceLock<String> = OnceLock::new();

/// Sets the CloudWatch namespace of the metrics. Only the first call has an effect.
pub fn count_in(namespace: &str) {
    let _ = CHOSEN.set(namespace.to_owned());
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Metrics<'l> {
    timestamp: i64,
    cloud_watch_metrics: [MetricSet<'l>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct MetricSet<'l> {
    namespace: &'l str,
    dimensions: [&'static [&'static str]; 2],
    metrics: [Metric; 4],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metric {
    name: &'static str,
    unit: &'static str,
}

const METRICS_OF_A_REQUEST: [Metric; 4] = [
    Metric {
        name: "requests",
        unit: "Count",
    },
    Metric {
        name: "errors",
        unit: "Count",
    },
    Metric {
        name: "store_errors",
        unit: "Count",
    },
    Metric {
        name: "latency",
        unit: "Milliseconds",
    },
];

impl Metrics<'static> {
    pub(super) fn at(now: Timestamp) -> Self {
        Metrics {
            timestamp: now.as_millisecond(),
            cloud_watch_metrics: [MetricSet {
                namespace: CHOSEN.get().map_or(NAMESPACE, String::as_str),
                // By function for people, and in total for alarms.
                dimensions: [&["function"], &[]],
                metrics: METRICS_OF_A_REQUEST,
            }],
        }
    }
}
