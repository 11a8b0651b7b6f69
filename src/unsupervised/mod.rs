//! Structure in rows without labels: clusters by k-means, principal components.
//!
//! ```
//! use steepest::{Device, unsupervised::{KMeans, Pca}};
//! let device = Device::cpu();
//! // Two heaps of three points.
//! let x = device.tensor(&[0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 9.0, 9.0, 9.0, 8.0, 8.0, 9.0], [6, 2]);
//! let clusters = KMeans::new(2).fit(&x)?;
//! assert_eq!(clusters.sizes(), [3, 3]);
//! let pca = Pca::fit(&x, 1)?;
//! assert!(pca.explained_variance_ratio()[0] > 0.98);
//! assert_eq!(pca.transform(&x).shape().dims(), [6, 1]);
//! # Ok::<(), steepest::Error>(())
//! ```

mod kmeans;
mod pca;

pub use kmeans::{Clusters, KMeans};
pub use pca::Pca;

use crate::error::{Error, Result};
use crate::{DType, Tensor};

/// A setting or rows that make no sense.
fn config(what: &'static str, message: String) -> Error {
    Error::Config { what, message }
}

/// Rows and columns of x, which must be f32 of two axes with something in both, and finite throughout.
async fn table_of(what: &'static str, x: &Tensor) -> Result<(usize, usize)> {
    let spec = x.spec()?;
    let &[rows, columns] = spec.shape.dims() else {
        return Err(config(what, format!("found {spec}, expected f32 [rows, features]")));
    };
    if spec.dtype != DType::F32 || rows == 0 || columns == 0 {
        return Err(config(what, format!("found {spec}, expected f32 [rows, features], one of each at least")));
    }
    let values = x.fetch::<f32>().await?;
    if let Some(at) = values.iter().position(|v| !v.is_finite()) {
        let (row, column) = (at / columns, at % columns);
        return Err(config(what, format!("row {row}, feature {column} is {}, expected finite numbers", values[at])));
    }
    Ok((rows, columns))
}
