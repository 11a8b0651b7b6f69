//! The GPU as an executor of plans; the only room that names wgpu. Knows plans and buffers, nothing of graphs or ops.
//!
//! [`Gpu::prepare`] turns a [`Plan`](crate::plan::Plan) into pipelines and memory once; [`Gpu::run`] replays it: one pass, in a
//! command list that runs may share, and in a steady loop nothing is made anew. Errors of wgpu never panic: a refused call is an `Err` where it
//! happened, and a lost device is an `Err` from then on.
//!
//! No file imports from one that imports from it. From below: `counters`, `checks`, `adapters`, `quirks`, `pending`, `liveness` → `core` (the open device),
//! `open`, `queue` (command lists) → `buffers`, `staging`, `pipeline_cache`, `pipelines`, `tuned` → `context` (the [`Gpu`]) → `dispatch_list`, `bind`,
//! `lend` (buffers in and out) → `prepare`, `merge`, `run`, `guard`, `timing`, `readback`, `tune`, `self_test`, `borrowed` (a device that the application opened) → `executor`.

mod adapters;
mod bind;
mod borrowed;
mod buffers;
mod cache_files;
mod checks;
mod context;
mod core;
mod counted;
mod counters;
mod dispatch_list;
mod executor;
mod guard;
mod lend;
mod liveness;
mod merge;
mod open;
mod pending;
mod pipeline_cache;
mod pipelines;
mod prepare;
mod queue;
mod quirks;
mod readback;
mod run;
mod self_test;
mod staging;
#[cfg(test)]
mod tests;
mod timing;
mod tune;
mod tuned;

pub use self::core::GpuLimits;
pub use adapters::{AdapterInfo, adapters};
pub use buffers::GpuBuffer;
pub use checks::ShaderChecks;
pub use context::Gpu;
pub use counters::Counts;
pub use dispatch_list::Prepared;
pub use lend::TensorBuffer;
pub use open::OpenOptions;
pub use quirks::window_extensions::drivers_loaded;
pub use tuned::Tune;
/// The version of wgpu whose handles this library takes and gives.
pub use wgpu;
