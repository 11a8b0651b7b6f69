//! Principal components: the covariance on the device, its eigenvectors on the host, projections on the device again.

use super::{config, table_of};
use crate::eigen::{Decomposition, Symmetric};
use crate::error::Result;
use crate::platform::waited;
use crate::{Tensor, no_grad};

/// Principal components of rows: the orthogonal directions in which they differ most, in falling order.
///
/// They are the eigenvectors of the covariance Σ (x − x̄)(x − x̄)ᵀ / (rows − 1), each with its largest entry positive; the eigenvalues are the
/// variances along them. The covariance is summed in f32 on the device: variances below a millionth of the largest are rounding. The time of
/// the eigenvectors grows with the cube of the features: half a second at 500.
///
/// ```
/// use steepest::{Device, unsupervised::Pca};
/// // Points on the line through (1, 2).
/// let x = Device::cpu().tensor(&[1.0, 2.0, 2.0, 4.0, 3.0, 6.0], [3, 2]);
/// let pca = Pca::fit(&x, 1)?;
/// assert!((pca.explained_variance()[0] - 5.0).abs() < 1e-5);
/// let again = pca.inverse(&pca.transform(&x)).to_vec::<f32>()?;
/// assert!(again.iter().zip([1.0, 2.0, 2.0, 4.0, 3.0, 6.0]).all(|(a, b)| (a - b).abs() < 1e-5));
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Pca {
    mean: Tensor,
    components: Tensor,
    variances: Vec<f64>,
    ratios: Vec<f64>,
}

impl Pca {
    /// The first components of the rows of x \[rows, features\].
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config): fewer than two rows, no components or more than features, rows that do not differ at all, x not
    /// f32 of two axes or not finite. Else what the device reports.
    pub fn fit(x: &Tensor, components: usize) -> Result<Pca> {
        waited(x.device().name(), Pca::fit_async(x, components))
    }

    /// [`Pca::fit`] without blocking.
    ///
    /// # Errors
    /// As [`Pca::fit`].
    pub async fn fit_async(x: &Tensor, components: usize) -> Result<Pca> {
        let (rows, n) = table_of("principal components", x).await?;
        let wrong = |message: String| Err(config("principal components", message));
        if rows < 2 {
            return wrong(format!("found {rows} row, expected 2 or more"));
        }
        if components == 0 || components > n {
            return wrong(format!("found {components} components of {n} features, expected 1 to {n}"));
        }
        let device = x.device();
        let (mean, covariance) = no_grad(|| {
            let mean = x.mean_keepdim(&[0]);
            let centred = x - &mean;
            (mean, centred.t().matmul(&centred) / (rows - 1) as f64)
        });
        device.run_async([&mean, &covariance]).await?;
        let mut matrix: Vec<f64> = covariance.fetch::<f32>().await?.into_iter().map(f64::from).collect();
        for i in 0..n {
            for j in 0..i {
                let both = (matrix[i * n + j] + matrix[j * n + i]) / 2.0;
                (matrix[i * n + j], matrix[j * n + i]) = (both, both);
            }
        }
        let total: f64 = (0..n).map(|i| matrix[i * n + i]).sum();
        if total <= 0.0 || !total.is_finite() {
            return wrong(format!(
                "the variances of all features sum to {total}, expected rows that differ, in numbers that can be squared"
            ));
        }
        let Some(Decomposition { values, vectors }) = Symmetric::new(matrix, n).and_then(|covariance| covariance.decompose())
        else {
            return wrong("the covariance has elements that are not finite, expected numbers that can be squared".to_owned());
        };
        let variances: Vec<f64> = values.iter().rev().take(components).map(|value| value.max(0.0)).collect();
        let largest_first = vectors.into_iter().rev().take(components);
        let directions: Vec<f32> = largest_first.flat_map(upright).collect();
        let ratios = variances.iter().map(|value| value / total).collect();
        Ok(Pca { mean: mean.detach(), components: device.tensor(&directions, [components, n]), variances, ratios })
    }

    /// The mean that is subtracted, f32 \[1, features\].
    pub fn mean(&self) -> &Tensor {
        &self.mean
    }

    /// The components, f32 \[components, features\]: orthogonal rows of length 1.
    pub fn components(&self) -> &Tensor {
        &self.components
    }

    /// The variance along each component, over rows − 1.
    pub fn explained_variance(&self) -> &[f64] {
        &self.variances
    }

    /// The share of each component in the variance of all features.
    pub fn explained_variance_ratio(&self) -> &[f64] {
        &self.ratios
    }

    /// Coordinates of rows along the components: \[rows, features\] → \[rows, components\]. An op like others: it can be differentiated.
    #[track_caller]
    pub fn transform(&self, x: &Tensor) -> Tensor {
        (x - &self.mean).matmul(&self.components.t())
    }

    /// The rows that have these coordinates: \[rows, components\] → \[rows, features\]. What lies outside the components is lost.
    #[track_caller]
    pub fn inverse(&self, coordinates: &Tensor) -> Tensor {
        coordinates.matmul(&self.components) + &self.mean
    }
}

/// The direction or its opposite, whichever has its largest entry positive.
fn upright(vector: Vec<f64>) -> impl Iterator<Item = f32> {
    let largest = vector.iter().copied().fold(0.0f64, |most, v| if v.abs() > most.abs() { v } else { most });
    let sign = if largest < 0.0 { -1.0 } else { 1.0 };
    vector.into_iter().map(move |v| (v * sign) as f32)
}
