//! `Device`: the one place that sees both ends. Graphs become plans, and an [`Executor`](crate::executor::Executor) executes plans.
//!
//! `state` has the device itself, above what it holds (`cached`, `watch`, `profiler`); the other files are what can be asked of it.

mod anomaly;
mod cached;
mod check;
mod create;
mod draws;
#[cfg(feature = "gpu")]
mod embed;
mod environment;
mod found;
mod host;
mod leaves;
mod memory;
mod open;
mod peak;
mod plans;
mod precision;
mod profile;
mod profiler;
mod put_off;
mod random;
mod read;
mod run;
mod state;
mod tune;
mod waiting;
mod watch;

pub use crate::gpu::{ShaderChecks, Tune};
pub use cached::PlanCacheUse;
pub use found::Unique;
pub use open::DeviceInfo;
pub use precision::Precision;
pub use state::Device;
pub use watch::Anomaly;
