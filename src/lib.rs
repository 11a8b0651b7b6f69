//! `steepest`: a GPU compute-shader engine for training neural networks.
//!
//! WGSL kernels on wgpu do the work on any GPU; the same program runs with native kernels on the CPU; a naive f64 reference says
//! what is right. Start with [`Device`] and [`Tensor`]; [`nn`], [`optim`] and [`data`] are what a training program needs.
//!
//! ```
//! use steepest::prelude::*;
//!
//! let device = Device::cpu();
//! let x = device.tensor(&[0.0, 1.0, 2.0, 3.0], [4, 1]);
//! let y = device.tensor(&[1.0, 3.0, 5.0, 7.0], [4, 1]);
//! let model = Linear::new(&device, 1, 1, 0);
//! let mut opt = Sgd::new(model.parameters(), 0.1);
//! for _ in 0..200 {
//!     let loss = model.forward(&x).mse(&y);
//!     opt.step(loss.backward())?;
//! }
//! assert!((model.weight().item()? - 2.0).abs() < 0.05);
//! # Ok::<(), steepest::Error>(())
//! ```
//!
//! # The map of the house
//!
//! | module | what |
//! |---|---|
//! | [`graph`] | WHAT to compute: recorded nodes, gradients, keys |
//! | [`ops`] | the catalogue: one file per op or family |
//! | [`plan`] | HOW: kernels, buffers, order, as plain data |
//! | [`shaders`], `wgsl` | the WGSL files; how they are joined, specialised and read |
//! | [`gpu`], [`cpu`] | the machines that run plans |
//! | [`mod@reference`], [`verify`] | the truth, and the comparison with it |
//! | [`profile`] | what kernels cost: a table and a trace |
//! | [`critical`] | Hessians, their eigenvalues, minima and saddles |
//! | [`device`] | ties both ends |
//! | [`nn`], [`optim`], [`data`], [`train`] | layers, optimizers, data sets, the training loop and its metrics |
//! | [`unsupervised`] | clusters by k-means, principal components |
//! | `save` | models in files, checkpoints (feature `save`) |
//! | `plot` | figures as SVG, PNG and terminal sketches (feature `plot`) |
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `gpu` (default) | every GPU, by wgpu; without it [`Device::gpu`] is [`Error::NoGpuSupport`] and `wgsl` is not there |
//! | `save` | models in safetensors files, checkpoints, runs that go on where they stopped |
//! | `tables` | comma-separated tables: reading, cleaning, preparing |
//! | `progress` | a progress bar in the terminal, Ctrl-C that ends an epoch cleanly |
//! | `plot` | figures as SVG, PNG and terminal sketches |
//! | `images` | data sets of pictures in folders |
//! | `arrays` | NumPy's `.npy` and `.npz` files |
//! | `cli` | the program `steepest`, and all of the above but `gpu` |
//!
//! Layers, losses, optimizers, gradients, linear algebra, data loaders and the training loop are always there.
//!
//! Who comes from PyTorch finds its names in [`from_pytorch`].

// Links lead to what other features bring; the documentation is built, and its links are checked, with all of them.
#![cfg_attr(not(all(feature = "gpu", feature = "cli")), allow(rustdoc::broken_intra_doc_links))]

mod budget;
pub mod cpu;
pub mod critical;
pub mod data;
pub mod device;
mod eigen;
pub mod error;
pub mod escape;
pub mod executor;
mod factor;
pub mod files;
pub mod from_pytorch;
#[cfg(feature = "gpu")]
pub mod gpu;
#[cfg(not(feature = "gpu"))]
#[path = "no_gpu.rs"]
pub mod gpu;
mod gpu_info;
pub mod graph;
mod location;
pub mod memory;
pub mod nn;
mod numbers;
mod oneshot;
pub mod ops;
pub mod optim;
mod pattern;
pub mod plan;
mod platform;
#[cfg(feature = "plot")]
pub mod plot;
pub mod profile;
pub mod reference;
#[cfg(feature = "save")]
pub mod save;
pub mod shaders;
pub mod shape;
mod threads;
pub mod train;
mod turns;
pub mod unsupervised;
pub mod verify;
#[cfg(feature = "gpu")]
pub mod wgsl;
mod worker;
mod workspace;

pub use budget::MemoryUse;
#[doc(inline)]
pub use device::{Anomaly, Device, DeviceInfo, PlanCacheUse, Precision};
#[doc(inline)]
pub use error::{Error, Result};
#[doc(inline)]
pub use graph::{Curvature, DType, Gradients, Tensor, jvp, no_grad};
#[doc(inline)]
pub use location::layer;
#[doc(inline)]
pub use ops::attention::AttentionOptions;
#[doc(inline)]
pub use ops::conv::{Conv3dOptions, ConvNdOptions, ConvOptions};
#[doc(inline)]
pub use ops::fft::FftNorm;
#[doc(inline)]
pub use ops::linalg::{MatrixNorm, Triangular};
#[doc(inline)]
pub use ops::pool::PoolOptions;
#[doc(inline)]
pub use ops::random;
#[doc(inline)]
pub use ops::resample::{GridPadding, GridSampling, Interpolation, PadMode};
#[doc(inline)]
pub use ops::rope::{Pairing, RopeOptions, RopeTables};
#[doc(inline)]
pub use ops::window::{ToPair, ToSizes, ToTriple};
#[doc(inline)]
pub use shape::{Shape, ToShape};

#[cfg(feature = "gpu")]
#[doc(no_inline)]
pub use gpu::wgpu;

/// What most programs want: `use steepest::prelude::*;`
pub mod prelude {
    pub use crate::data::{DataLoader, Dataset, Labels};
    pub use crate::nn::{Activation, Dropout, Flatten, Init, Linear, Module, Sequential};
    pub use crate::optim::{Adam, Optimizer, Sgd};
    pub use crate::{DType, Device, Error, Gradients, Precision, Shape, Tensor, no_grad};
}

/// The README's programs are tests.
#[cfg(all(doctest, feature = "tables", feature = "save"))]
#[doc = include_str!("../README.md")]
mod readme {}

/// The page on programs that have a GPU open already is a test.
#[cfg(all(doctest, feature = "gpu"))]
#[doc = include_str!("../docs/embedding.md")]
mod embedding {}

/// The pages of the path are tests too: the code on them compiles, runs, and what it asserts holds.
#[cfg(all(doctest, feature = "tables", feature = "save", feature = "plot"))]
mod path {
    macro_rules! pages {
        ($($module:ident = $file:literal,)*) => {
            $(#[doc = include_str!(concat!("../docs/path/", $file))] mod $module {})*
        };
    }
    pages! {
        index = "README.md",
        a_line = "01-a-line.md",
        many_features = "02-many-features.md",
        two_classes = "03-two-classes.md",
        curves = "04-curves.md",
        tensors = "05-tensors.md",
        data = "06-data.md",
        gradients = "07-gradients.md",
        many_classes = "08-many-classes.md",
        a_network = "09-a-network.md",
        when_training_fails = "10-when-training-fails.md",
        optimisation = "11-optimisation.md",
        normalisation = "12-normalisation.md",
        pictures = "13-pictures.md",
        wider_map = "14-the-wider-map.md",
        how_a_step_runs = "15-how-a-step-runs.md",
        in_your_browser = "16-in-your-browser.md",
    }
}
