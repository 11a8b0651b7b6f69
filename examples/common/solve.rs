//! Small systems of linear equations, solved on the host in f64: what the normal equation needs besides two products.

use anyhow::{bail, ensure};
use steepest::Tensor;

/// x of A x = b by Gaussian elimination with row pivoting; A is row-major.
pub fn solve(a: &[f64], b: &[f64]) -> anyhow::Result<Vec<f64>> {
    let n = b.len();
    ensure!(a.len() == n * n, "{} numbers are no {n}×{n} matrix", a.len());
    let mut rows: Vec<Vec<f64>> = a.chunks(n).zip(b).map(|(row, b)| row.iter().chain([b]).copied().collect()).collect();
    for column in 0..n {
        let Some(best) = (column..n).max_by(|&i, &j| rows[i][column].abs().total_cmp(&rows[j][column].abs())) else { continue };
        rows.swap(column, best);
        if rows[column][column].abs() < 1e-9 * rows[column].iter().fold(1.0, |most, v| v.abs().max(most)) {
            bail!("the equations do not determine unknown {column}: a feature is a sum of others");
        }
        let (above, below) = rows.split_at_mut(column + 1);
        let pivot = &above[column];
        for row in below {
            let factor = row[column] / pivot[column];
            row.iter_mut().zip(pivot).skip(column).for_each(|(value, p)| *value -= factor * p);
        }
    }
    let mut x = vec![0.0; n];
    for row in (0..n).rev() {
        let known: f64 = (row + 1..n).map(|at| rows[row][at] * x[at]).sum();
        x[row] = (rows[row][n] - known) / rows[row][row];
    }
    Ok(x)
}

/// The normal equation: θ = (XᵀX + λ D)⁻¹ Xᵀ y, the least of ‖X θ − y‖² + λ Σ θⱼ² (without θ₀, whose column of ones comes first).
///
/// The products are made on the device, x [m,n] and y [m,1]; the n×n system is solved here.
pub fn normal_equation(x: &Tensor, y: &Tensor, lambda: f64) -> anyhow::Result<Vec<f64>> {
    let wide = |tensor: Tensor| anyhow::Ok(tensor.to_vec::<f32>()?.into_iter().map(f64::from).collect::<Vec<f64>>());
    let (mut a, b) = (wide(x.t().matmul(x))?, wide(x.t().matmul(y))?);
    (1..b.len()).for_each(|j| a[j * b.len() + j] += lambda);
    solve(&a, &b)
}
