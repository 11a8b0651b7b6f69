//! Data sets in memory, the files they come from, and loaders that cut them into batches.
//!
//! ```
//! use steepest::{Device, data};
//! let device = Device::cpu();
//! let (train, test) = data::digits()?.stratified_split(0.2, 7)?;
//! let loader = data::DataLoader::new(&train, 64).shuffle(7).on_device(&device)?;
//! for batch in loader.epoch() {
//!     assert_eq!(batch.x.shape().dims(), [batch.len, 64]);
//! }
//! assert_eq!((train.len(), test.len()), (1438, 359));
//! # Ok::<(), steepest::Error>(())
//! ```
//!
//! From a file to batches: [`Table`] (CSV), [`Idx`], `Array` (`.npy`, `.npz`) or `Pictures` give a [`Dataset`], tables by way of a
//! [`Preprocessor`] that is fitted to training rows; [`random_parts`] and [`folds`] say which rows those are; a [`DataLoader`] cuts batches. [`Sequences`] of different
//! lengths are cut by a [`SequenceLoader`], padded to the lengths of [`Buckets`].

#[cfg(feature = "arrays")]
mod arrays;
mod buckets;
#[cfg(feature = "tables")]
mod compact;
#[cfg(feature = "tables")]
mod csv;
mod dataset;
#[cfg(feature = "tables")]
mod dates;
mod digits;
#[cfg(feature = "tables")]
mod fitting;
mod idx;
#[cfg(feature = "images")]
mod images;
#[cfg(feature = "tables")]
mod infer;
#[cfg(feature = "tables")]
mod layout;
#[cfg(feature = "tables")]
mod lazy;
mod loader;
mod mnist;
#[cfg(feature = "arrays")]
mod npy;
#[cfg(feature = "arrays")]
mod npz;
#[cfg(feature = "tables")]
mod numbers;
#[cfg(feature = "tables")]
mod prepare;
#[cfg(feature = "tables")]
mod preprocessor;
#[cfg(feature = "tables")]
mod report;
mod scaler;
#[cfg(feature = "tables")]
mod select;
mod sequences;
#[cfg(feature = "tables")]
mod source;
#[cfg(feature = "tables")]
mod spelling;
mod split;
#[cfg_attr(not(feature = "tables"), allow(dead_code))]
mod stats;
#[cfg(feature = "tables")]
mod table;
#[cfg(feature = "tables")]
mod target;
#[cfg(feature = "tables")]
mod validate;
#[cfg(feature = "tables")]
mod values;

#[cfg(feature = "arrays")]
pub use arrays::{Array, ArrayData};
pub use buckets::Buckets;
#[cfg(feature = "tables")]
pub use csv::Csv;
pub use dataset::{Dataset, Elements, Labels};
#[cfg(feature = "tables")]
pub use dates::DateOrder;
pub use digits::digits;
pub use idx::{Idx, IdxData};
#[cfg(feature = "images")]
pub use images::Pictures;
pub use loader::{Batch, DataLoader, Epoch, LoaderOptions};
pub use mnist::{MNIST_MEAN, MNIST_STD, mnist};
#[cfg(feature = "arrays")]
pub use npz::{Npz, parse_npz, read_npz, write_npz};
#[cfg(feature = "tables")]
pub use numbers::NumberFormat;
#[cfg(feature = "tables")]
pub use prepare::{Impute, Prepare, Scale, Unusable};
#[cfg(feature = "tables")]
pub use preprocessor::{Clipped, Features, LeftOut, Preprocessor, Unknown};
#[cfg(feature = "tables")]
pub use report::{ColumnReport, NumberReport, Report};
pub use scaler::Scaler;
#[cfg(feature = "tables")]
pub use select::{Select, Selected};
pub use sequences::{SequenceBatch, SequenceLoader, SequenceOptions, Sequences};
pub use split::{Fold, FoldScores, Parts, folds, random_parts, stratified_folds, stratified_parts};
#[cfg(feature = "tables")]
pub use table::{Column, Kind, Marker, Table};
#[cfg(feature = "tables")]
pub use target::{Target, Task};
#[cfg(feature = "tables")]
pub use validate::{FoldData, cross_validate};

use crate::random::permutation;

/// A setting that makes no sense.
fn config(what: &'static str, message: impl Into<String>) -> crate::Error {
    crate::Error::Config { what, message: message.into() }
}
