//! Eigenvalues and eigenvectors of symmetric matrices in f64, on the host: nalgebra's, with what it needs to be right for numbers of every size.

use nalgebra::{DMatrix, DVector, SymmetricEigen};

/// Steps of the QR iteration per row: two or three are usual.
const STEPS: usize = 60;

/// A symmetric matrix whose largest element is 1, and what it is to be multiplied by.
pub(crate) struct Symmetric {
    matrix: DMatrix<f64>,
    scale: f64,
    /// At least twice the largest eigenvalue. With this added to the diagonal, every number beside the diagonal that is below rounding is small beside
    /// its neighbours on it, and the algorithm takes it for 0; else it goes on until squares underflow, and gives NaN.
    shift: f64,
}

/// Eigenvalues, ascending, and the unit eigenvector of each as a column.
pub(crate) struct Decomposition {
    pub(crate) values: Vec<f64>,
    pub(crate) vectors: DMatrix<f64>,
}

impl Symmetric {
    /// The n×n matrix with these elements, of which there are n² > 0; `None` if one is not finite.
    pub(crate) fn new(elements: Vec<f64>, n: usize) -> Option<Symmetric> {
        let largest = elements.iter().fold(0.0f64, |most, x| most.max(x.abs()));
        if elements.iter().any(|x| !x.is_finite()) {
            return None;
        }
        let scale = if largest > 0.0 { largest } else { 1.0 };
        let matrix = DMatrix::from_vec(n, n, elements) / scale;
        // No eigenvalue is larger than the largest sum of a row's absolute values.
        let shift = 2.0 * matrix.column_iter().map(|row| row.iter().map(|x| x.abs()).sum::<f64>()).fold(1.0, f64::max);
        Some(Symmetric { matrix, scale, shift })
    }

    fn shifted(&self, shift: f64) -> DMatrix<f64> {
        &self.matrix + DMatrix::from_diagonal_element(self.matrix.nrows(), self.matrix.nrows(), shift)
    }

    /// All eigenvalues, ascending.
    pub(crate) fn values(&self) -> Vec<f64> {
        let found = self.shifted(self.shift).symmetric_eigenvalues();
        let mut values: Vec<f64> = found.iter().map(|value| (value - self.shift) * self.scale).collect();
        values.sort_unstable_by(f64::total_cmp);
        values
    }

    /// All eigenvalues and eigenvectors; `None` if the iteration does not converge.
    pub(crate) fn decompose(&self) -> Option<Decomposition> {
        let n = self.matrix.nrows();
        let found = SymmetricEigen::try_new(self.shifted(self.shift), f64::EPSILON, STEPS * n)?;
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|&i, &j| found.eigenvalues[i].total_cmp(&found.eigenvalues[j]));
        Some(Decomposition {
            values: order.iter().map(|&i| (found.eigenvalues[i] - self.shift) * self.scale).collect(),
            vectors: found.eigenvectors.select_columns(&order),
        })
    }

    /// A unit eigenvector of the lowest eigenvalue, which must be given: by inverse iteration, a small part of the work of all vectors.
    pub(crate) fn lowest_vector(&self, lowest: f64) -> Option<DVector<f64>> {
        let n = self.matrix.nrows();
        // With all eigenvalues moved just above 0 there is a Cholesky factor; if not, rounding wants a wider margin.
        let mut margin = n as f64 * f64::EPSILON;
        let factor = loop {
            match self.shifted(margin - lowest / self.scale).cholesky() {
                Some(factor) => break factor,
                None if margin < 1e-6 => margin *= 8.0,
                None => return None,
            }
        };
        // A start that is orthogonal to hardly anything, the same every time.
        let mut x = DVector::from_fn(n, |i, _| 1.0 + ((i * 37 + 11) % 101) as f64 / 101.0);
        for _ in 0..4 {
            factor.solve_mut(&mut x);
            x.normalize_mut();
        }
        Some(x)
    }
}

/// ‖a‖, also where the squares of its elements would be too small or too large for f64.
pub(crate) fn length(a: &[f64]) -> f64 {
    let largest = a.iter().fold(0.0f64, |most, x| most.max(x.abs()));
    if largest == 0.0 || !largest.is_finite() {
        return largest;
    }
    let scaled = a.iter().map(|x| (x / largest) * (x / largest)).sum::<f64>();
    largest * scaled.sqrt()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::random::Stream;

    fn symmetric(n: usize, mut f: impl FnMut(usize, usize) -> f64) -> Vec<f64> {
        let mut a = vec![0.0; n * n];
        for i in 0..n {
            for j in i..n {
                a[i * n + j] = f(i, j);
                a[j * n + i] = a[i * n + j];
            }
        }
        a
    }

    /// The eigenvalues of a matrix, whose decomposition, values alone and lowest vector must agree with it and with each other to rounding.
    fn check(what: &str, n: usize, a: &[f64]) -> Vec<f64> {
        let largest = a.iter().fold(0.0f64, |m, x| m.max(x.abs()));
        // The norm is at most this, and the sums below stay within range.
        let size = if largest > 0.0 { largest } else { 1.0 };
        let bound = 1e-14 * n as f64;
        let matrix = Symmetric::new(a.to_vec(), n).unwrap();
        let Decomposition { values, vectors } = matrix.decompose().unwrap();
        assert!(values.is_sorted());
        for (one, other) in matrix.values().iter().zip(&values) {
            assert!((one / size - other / size).abs() <= bound, "{what}, n {n}: {one} and {other}");
        }
        let residual = |value: f64, x: &[f64]| {
            let row = |i: usize| (0..n).map(|j| a[i * n + j] / size * x[j]).sum::<f64>() - value / size * x[i];
            (0..n).map(|i| row(i).abs()).fold(0.0, f64::max)
        };
        for (k, value) in values.iter().enumerate() {
            let x = vectors.column(k);
            let off = residual(*value, x.as_slice());
            assert!(off <= bound, "{what}, n {n}: vector {k}, of {value}, is off by {off}");
            for j in 0..=k {
                let product = x.dot(&vectors.column(j)) - f64::from(u8::from(j == k));
                assert!(product.abs() <= 10.0 * bound, "{what}, n {n}: vectors {j} and {k}: {product}");
            }
        }
        let lowest = matrix.lowest_vector(values[0]).unwrap();
        let off = residual(values[0], lowest.as_slice());
        assert!((lowest.norm() - 1.0).abs() < 1e-14 && off <= bound, "{what}, n {n}: the lowest vector is off by {off}");
        assert_eq!(matrix.lowest_vector(values[0]).unwrap(), lowest, "the same every time");
        values
    }

    #[test]
    fn eigenvalues_and_vectors_of_all_kinds_of_matrix() {
        let messy = |i: usize, j: usize| ((i * 31 + j * 17 + i * j * 7) % 101) as f64 / 50.0 - 1.0;
        for n in [1, 2, 3, 5, 20, 64, 300] {
            check("messy", n, &symmetric(n, messy));
        }
        for exponent in [-300, -200, -150, -20, 20, 150, 200, 300] {
            let scale = 10f64.powi(exponent);
            let (values, scaled) = (check("messy", 30, &symmetric(30, messy)), symmetric(30, |i, j| messy(i, j) * scale));
            for (one, other) in values.iter().zip(check(&format!("times 1e{exponent}"), 30, &scaled)) {
                assert!((one - other / scale).abs() < 1e-12, "1e{exponent}: {one} and {other}");
            }
        }
        assert_eq!(check("zero", 4, &[0.0; 16]), [0.0; 4]);
        assert_eq!(check("twice the identity", 5, &symmetric(5, |i, j| if i == j { 2.0 } else { 0.0 })), [2.0; 5]);
        let saddle = check("saddle", 2, &[0.0, -2.0, -2.0, 0.0]);
        assert!((saddle[0] + 2.0).abs() < 1e-14 && (saddle[1] - 2.0).abs() < 1e-14);
        // The second difference: 2 − 2 cos(kπ/(n+1)).
        let n = 50;
        let second = |i: usize, j: usize| [2.0, -1.0].get(j - i).copied().unwrap_or(0.0);
        for (k, value) in check("second difference", n, &symmetric(n, second)).iter().enumerate() {
            let exact = 2.0 - 2.0 * (std::f64::consts::PI * (k + 1) as f64 / (n + 1) as f64).cos();
            assert!((value - exact).abs() < 1e-13, "{k}: {value} {exact}");
        }
    }

    /// Eigenvalues that are equal, or as good as equal, many times over.
    #[test]
    fn equal_eigenvalues_are_no_trouble() {
        let rank_one = check("rank one", 30, &symmetric(30, |i, j| (i + 1) as f64 * (j + 1) as f64));
        assert!(rank_one[..29].iter().all(|v| v.abs() < 1e-9));
        check("ones", 100, &[1.0; 10_000]);
        let pairs = check("pairs", 60, &symmetric(60, |i, j| if i % 2 == 0 && j == i + 1 { -2.0 } else { 0.0 }));
        assert!(pairs[..30].iter().all(|v| (v + 2.0).abs() < 1e-13) && pairs[30..].iter().all(|v| (v - 2.0).abs() < 1e-13));
        check(
            "wilkinson",
            21,
            &symmetric(21, |i, j| if i == j { (i as f64 - 10.0).abs() } else { f64::from(u8::from(j == i + 1)) }),
        );
        let mut draw = Stream::new(5, 0);
        let factors: Vec<f64> = (0..5 * 200).map(|_| f64::from(draw.uniform()) - 0.5).collect();
        check("rank five", 200, &symmetric(200, |i, j| (0..5).map(|k| factors[5 * i + k] * factors[5 * j + k]).sum()));
    }

    /// Elements of all sizes in one matrix: the squares of many underflow.
    #[test]
    fn elements_of_very_different_sizes_are_no_trouble() {
        let mut draw = Stream::new(6, 0);
        for round in 0..20_000 {
            let n = 1 + draw.below(9) as usize;
            let (span, density) = ([40, 600][round % 2], 1 + draw.below(4));
            let a = symmetric(n, |_, _| {
                let size = 10f64.powi(draw.below(span) as i32 - span as i32 / 2);
                if draw.below(density) == 0 { (f64::from(draw.uniform()) - 0.5) * size } else { 0.0 }
            });
            check(&format!("round {round}"), n, &a);
        }
        check("a diagonal", 40, &symmetric(40, |i, j| if i == j { 10f64.powi(4 * i as i32 - 80) } else { 0.0 }));
    }

    #[test]
    fn what_is_not_finite_is_refused() {
        for wrong in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(Symmetric::new(vec![wrong, 1.0, 1.0, 2.0], 2).is_none());
        }
    }
}
