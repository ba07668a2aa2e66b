use serde_json::{Value, json};

/// Microseconds in order: the usual points, and the curve to draw.
pub(crate) fn quantiles(mut micros: Vec<i64>) -> Value {
    micros.sort_unstable();
    let at = |share: f64| {
        let index = ((micros.len() as f64 * share).ceil() as usize).clamp(1, micros.len().max(1)) - 1;
        micros.get(index).copied().unwrap_or_default()
    };
    // As many nines as there are samples for.
    let curve: Vec<Value> =
        [0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999, 1.0]
            .iter()
            .map(|share| json!([share, at(*share)]))
            .collect();
    json!({
        "samples": micros.len(), "min": at(0.0), "p50": at(0.5), "p99": at(0.99), "p999": at(0.999), "max": at(1.0),
        "curve": curve,
    })
}
