//! The learning curve that `steepest fit` saves and `steepest plot` draws.

use steepest::plot::{self, Figure};
use steepest::train::History;

/// Losses, and beside them the metrics if there are any.
pub fn of(history: &History) -> Vec<Figure> {
    let metrics = history.records.iter().any(|record| !record.metrics.is_empty());
    let losses = plot::learning_curves(history);
    if metrics { vec![losses, plot::metric_curves(history)] } else { vec![losses] }
}
