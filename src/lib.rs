//! `steepest`: a GPU compute-shader engine for training neural networks.

pub mod cpu;
pub mod device;
pub mod error;
pub mod gpu;
pub mod graph;
pub mod nn;
pub mod ops;
pub mod optim;
pub mod plan;
pub mod reference;
pub mod shaders;
pub mod shape;
pub mod verify;

pub use device::{Device, DeviceInfo};
pub use error::{Error, Result};
pub use graph::{DType, Gradients, Tensor, no_grad};
pub use ops::conv::ConvOptions;
pub use ops::random;
pub use ops::window::ToPair;
pub use shape::{Shape, ToShape};
