//! What training needs besides models and optimizers.

pub mod metrics;
