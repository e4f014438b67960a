//! Where the histograms divide what they measure: `histogram_quantile` is as fine as these are.

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder};

/// From a hand-over at once to one that waited for the morning.
const DELAYS: &[f64] = &[
    0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1_800.0, 3_600.0, 21_600.0, 86_400.0,
];

/// A transaction or a dialogue over the network.
const WORK: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

const COUNTS: &[f64] = &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0];

const BUCKETS: &[(&str, &[f64])] = &[
    ("declic_event_age_seconds", DELAYS),
    ("declic_event_batch_seconds", WORK),
    ("declic_event_batch_size", COUNTS),
    ("declic_hand_over_seconds", WORK),
    ("declic_rate_wait_seconds", WORK),
    ("declic_send_delay_seconds", DELAYS),
];

/// Histograms that can be added up over workers, which summaries cannot.
pub(super) fn set(builder: PrometheusBuilder) -> Result<PrometheusBuilder, BuildError> {
    BUCKETS.iter().try_fold(builder, |builder, (name, buckets)| {
        builder.set_buckets_for_metric(Matcher::Full((*name).to_owned()), buckets)
    })
}
