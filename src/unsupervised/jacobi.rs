//! Eigenvalues and eigenvectors of a small symmetric matrix by Jacobi's rotations, in f64 on the host.

/// Sweeps after which it is over: convergence is quadratic, ten are many.
const SWEEPS: usize = 60;

/// Eigenvalues, falling, and the unit eigenvector of each, of the symmetric n×n matrix `a` (row-major).
///
/// Each rotation zeroes a pair of elements off the diagonal (Golub and Van Loan, Matrix Computations, 8.5); sweeps go on until what is left
/// there is no more than rounding.
pub(super) fn eigen(mut a: Vec<f64>, n: usize) -> (Vec<f64>, Vec<Vec<f64>>) {
    // Row i becomes the eigenvector of the i-th element of the diagonal.
    let mut v: Vec<f64> = (0..n * n).map(|i| f64::from(u8::from(i / n == i % n))).collect();
    let size = a.iter().map(|x| x * x).sum::<f64>().sqrt();
    for _ in 0..SWEEPS {
        let off: f64 = (0..n * n).filter(|i| i / n != i % n).map(|i| a[i] * a[i]).sum::<f64>().sqrt();
        if off <= 1e-15 * size {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                let apq = a[p * n + q];
                if apq == 0.0 {
                    continue;
                }
                // The smaller root t of t² + 2 τ t − 1 = 0 is the tangent of the angle.
                let tau = (a[q * n + q] - a[p * n + p]) / (2.0 * apq);
                let t = if tau >= 0.0 { 1.0 } else { -1.0 } / (tau.abs() + (1.0 + tau * tau).sqrt());
                let c = 1.0 / (1.0 + t * t).sqrt();
                let s = t * c;
                for k in 0..n {
                    let (x, y) = (a[k * n + p], a[k * n + q]);
                    (a[k * n + p], a[k * n + q]) = (c * x - s * y, s * x + c * y);
                }
                for k in 0..n {
                    let (x, y) = (a[p * n + k], a[q * n + k]);
                    (a[p * n + k], a[q * n + k]) = (c * x - s * y, s * x + c * y);
                    let (x, y) = (v[p * n + k], v[q * n + k]);
                    (v[p * n + k], v[q * n + k]) = (c * x - s * y, s * x + c * y);
                }
            }
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| a[j * n + j].total_cmp(&a[i * n + i]));
    (order.iter().map(|&i| a[i * n + i]).collect(), order.iter().map(|&i| v[i * n..(i + 1) * n].to_vec()).collect())
}

#[cfg(test)]
mod tests {
    use super::eigen;

    #[test]
    fn vectors_are_orthonormal_and_make_the_matrix_again() {
        let n = 7;
        let mut numbers = crate::random::Stream::new(3, 0);
        let b: Vec<f64> = (0..n * n).map(|_| f64::from(numbers.uniform()) - 0.5).collect();
        let a: Vec<f64> = (0..n * n).map(|i| b[i] + b[i % n * n + i / n]).collect();
        let (values, vectors) = eigen(a.clone(), n);
        assert!(values.windows(2).all(|pair| pair[0] >= pair[1]));
        for i in 0..n {
            for j in 0..n {
                let again: f64 = (0..n).map(|k| values[k] * vectors[k][i] * vectors[k][j]).sum();
                let product: f64 = (0..n).map(|k| vectors[i][k] * vectors[j][k]).sum();
                assert!((again - a[i * n + j]).abs() < 1e-13 && (product - f64::from(u8::from(i == j))).abs() < 1e-13);
            }
        }
    }

    #[test]
    fn equal_values_and_zeros_are_no_trouble() {
        assert_eq!(eigen(vec![2.0, 0.0, 0.0, 2.0], 2).0, [2.0, 2.0]);
        assert_eq!(eigen(vec![0.0; 9], 3).0, [0.0; 3]);
        let (values, vectors) = eigen(vec![1.0, 1.0, 1.0, 1.0], 2);
        assert!((values[0] - 2.0).abs() < 1e-15 && values[1].abs() < 1e-15 && (vectors[0][0] - vectors[0][1]).abs() < 1e-15);
    }
}
