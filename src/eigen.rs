//! Eigenvalues and eigenvectors of symmetric matrices in f64, on the host: Householder's reduction to a tridiagonal matrix, then the QL iteration with
//! Wilkinson's shifts (Bowdler, Martin, Reinsch and Wilkinson 1968), with what it needs to be right for numbers of every size.

/// Steps of the QL iteration per eigenvalue: two or three are usual.
const STEPS: usize = 60;

/// A number beside the diagonal that is this small, where the matrix has elements of 1, is far below rounding.
const NOTHING: f64 = 1e-100;

/// A symmetric matrix whose largest element is 1, and what it is to be multiplied by.
pub(crate) struct Symmetric {
    n: usize,
    /// Row-major.
    matrix: Vec<f64>,
    scale: f64,
    /// At least twice the largest eigenvalue. With this added to a tridiagonal matrix, every number beside the diagonal that is below rounding is small
    /// beside its neighbours on it, and the iteration takes it for 0; else it goes on until squares underflow.
    shift: f64,
}

/// Eigenvalues, ascending, and the unit eigenvector of each.
pub(crate) struct Decomposition {
    pub(crate) values: Vec<f64>,
    pub(crate) vectors: Vec<Vec<f64>>,
}

impl Symmetric {
    /// The n×n matrix with these elements, of which there are n² > 0; `None` if one is not finite.
    pub(crate) fn new(mut elements: Vec<f64>, n: usize) -> Option<Symmetric> {
        let largest = elements.iter().fold(0.0f64, |most, x| most.max(x.abs()));
        if elements.iter().any(|x| !x.is_finite()) {
            return None;
        }
        let scale = if largest > 0.0 { largest } else { 1.0 };
        elements.iter_mut().for_each(|x| *x /= scale);
        // No eigenvalue is larger than the largest sum of a row's absolute values.
        let sums = elements.chunks(n).map(|row| row.iter().map(|x| x.abs()).sum::<f64>());
        let shift = 2.0 * sums.fold(1.0, f64::max);
        Some(Symmetric { n, matrix: elements, scale, shift })
    }

    fn shifted(&self, shift: f64) -> Vec<f64> {
        let mut matrix = self.matrix.clone();
        matrix.iter_mut().step_by(self.n + 1).for_each(|x| *x += shift);
        matrix
    }

    /// Tridiagonal, with the shift on its diagonal.
    fn reduced(&self) -> Tridiagonal {
        let mut reduced = Tridiagonal::of(self.matrix.clone(), self.n);
        reduced.diagonal.iter_mut().for_each(|x| *x += self.shift);
        reduced
    }

    fn unshifted(&self, value: f64) -> f64 {
        (value - self.shift) * self.scale
    }

    /// All eigenvalues, ascending; `None` if the iteration does not converge.
    pub(crate) fn values(&self) -> Option<Vec<f64>> {
        let mut reduced = self.reduced();
        reduced.diagonalise(&mut [])?;
        reduced.diagonal.sort_unstable_by(f64::total_cmp);
        Some(reduced.diagonal.into_iter().map(|value| self.unshifted(value)).collect())
    }

    /// All eigenvalues and eigenvectors; `None` if the iteration does not converge.
    pub(crate) fn decompose(&self) -> Option<Decomposition> {
        let mut reduced = self.reduced();
        let mut vectors = reduced.basis();
        reduced.diagonalise(&mut vectors)?;
        let mut found: Vec<(f64, Vec<f64>)> = reduced.diagonal.into_iter().zip(vectors).collect();
        found.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        let (values, vectors): (Vec<f64>, _) = found.into_iter().unzip();
        Some(Decomposition { values: values.into_iter().map(|value| self.unshifted(value)).collect(), vectors })
    }

    /// A unit eigenvector of the lowest eigenvalue, which must be given: by inverse iteration, a small part of the work of all vectors.
    pub(crate) fn lowest_vector(&self, lowest: f64) -> Option<Vec<f64>> {
        let n = self.n;
        // With all eigenvalues moved just above 0 there is a Cholesky factor; if not, rounding wants a wider margin.
        let mut margin = n as f64 * f64::EPSILON;
        let factor = loop {
            match cholesky(self.shifted(margin - lowest / self.scale), n) {
                Some(factor) => break factor,
                None if margin < 1e-6 => margin *= 8.0,
                None => return None,
            }
        };
        // A start that is orthogonal to hardly anything, the same every time.
        let mut x: Vec<f64> = (0..n).map(|i| 1.0 + ((i * 37 + 11) % 101) as f64 / 101.0).collect();
        for _ in 0..4 {
            solve_with_factor(&factor, &mut x);
            let size = length(&x);
            x.iter_mut().for_each(|x| *x /= size);
        }
        Some(x)
    }
}

/// A symmetric matrix made tridiagonal: A = Q T Qᵀ, with Q a product of reflections I − 2 v vᵀ.
struct Tridiagonal {
    diagonal: Vec<f64>,
    /// The numbers beside the diagonal, and a 0 at the end.
    beside: Vec<f64>,
    /// The unit vector of each reflection, which begins at the element after its number; empty where nothing was to be reflected.
    reflections: Vec<Vec<f64>>,
}

impl Tridiagonal {
    /// By reflections that make one row after the other zero beyond its neighbour of the diagonal.
    fn of(mut a: Vec<f64>, n: usize) -> Tridiagonal {
        let (mut diagonal, mut beside, mut reflections) = (vec![], vec![], vec![]);
        for k in 0..n {
            diagonal.push(a[k * n + k]);
            let mut v = a[k * n + k + 1..(k + 1) * n].to_vec();
            if v.is_empty() {
                beside.push(0.0);
                break;
            }
            let first = v[0];
            if v[1..].iter().all(|x| x.abs() < NOTHING) {
                beside.push(first);
                reflections.push(vec![]);
                continue;
            }
            let size = length(&v);
            let onto = -size.copysign(first);
            v[0] -= onto;
            let size = length(&v);
            v.iter_mut().for_each(|x| *x /= size);
            beside.push(onto);
            reflect_both_sides(&mut a, n, &v);
            reflections.push(v);
        }
        Tridiagonal { diagonal, beside, reflections }
    }

    /// The columns of Q.
    fn basis(&self) -> Vec<Vec<f64>> {
        let n = self.diagonal.len();
        let mut columns: Vec<Vec<f64>> = (0..n).map(|i| (0..n).map(|j| f64::from(u8::from(i == j))).collect()).collect();
        for (k, v) in self.reflections.iter().enumerate().rev().filter(|(_, v)| !v.is_empty()) {
            for column in &mut columns[k + 1..] {
                let part = &mut column[k + 1..];
                let along = 2.0 * dot(v, part);
                add_times(part, -along, v);
            }
        }
        columns
    }

    /// Makes the diagonal the eigenvalues, and turns vectors, if any are given, alike. `None` if it does not converge.
    fn diagonalise(&mut self, vectors: &mut [Vec<f64>]) -> Option<()> {
        let n = self.diagonal.len();
        for first in 0..n {
            let mut steps = 0;
            loop {
                let d = &self.diagonal;
                let split = |k: &usize| self.beside[*k].abs() <= f64::EPSILON * (d[*k].abs() + d[*k + 1].abs());
                let last = (first..n - 1).find(split).unwrap_or(n - 1);
                if last == first {
                    break;
                }
                if steps == STEPS {
                    return None;
                }
                steps += 1;
                self.step(first, last, vectors);
            }
        }
        self.diagonal.iter().all(|x| x.is_finite()).then_some(())
    }

    /// A step of QL on the rows from `first` to `last`, between which no number beside the diagonal is 0.
    fn step(&mut self, first: usize, last: usize, vectors: &mut [Vec<f64>]) {
        let (d, e) = (&mut self.diagonal, &mut self.beside);
        // The eigenvalue of the first two rows that is closer to the first.
        let half = (d[first + 1] - d[first]) / (2.0 * e[first]);
        let shift = d[first] - e[first] / (half + half.hypot(1.0).copysign(half));
        let (mut sine, mut cosine, mut moved) = (1.0, 1.0, 0.0);
        let mut g = d[last] - shift;
        for i in (first..last).rev() {
            let (f, b) = (sine * e[i], cosine * e[i]);
            let r = f.hypot(g);
            e[i + 1] = r;
            if r == 0.0 {
                // The matrix falls apart here.
                d[i + 1] -= moved;
                e[last] = 0.0;
                return;
            }
            (sine, cosine) = (f / r, g / r);
            let rest = d[i + 1] - moved;
            let mixed = (d[i] - rest) * sine + 2.0 * cosine * b;
            moved = sine * mixed;
            d[i + 1] = rest + moved;
            g = cosine * mixed - b;
            if let [x, y] = vectors.get_mut(i..i + 2).unwrap_or_default() {
                for (x, y) in x.iter_mut().zip(y) {
                    (*x, *y) = (cosine * *x - sine * *y, sine * *x + cosine * *y);
                }
            }
        }
        d[first] -= moved;
        e[first] = g;
        e[last] = 0.0;
    }
}

/// (I − 2 v vᵀ) A (I − 2 v vᵀ) in the last rows and columns, as many as v has: A − v wᵀ − w vᵀ with w = 2 (A v − (vᵀ A v) v).
fn reflect_both_sides(a: &mut [f64], n: usize, v: &[f64]) {
    let start = n - v.len();
    let mut w: Vec<f64> = a.chunks(n).skip(start).map(|row| dot(&row[start..], v)).collect();
    let along = dot(&w, v);
    w.iter_mut().zip(v).for_each(|(w, v)| *w = 2.0 * (*w - along * v));
    for (i, row) in a.chunks_mut(n).skip(start).enumerate() {
        for ((x, v_j), w_j) in row[start..].iter_mut().zip(v).zip(&w) {
            *x -= v[i] * w_j + w[i] * v_j;
        }
    }
}

/// The lower triangular L with L Lᵀ = A, row-major, zeros above; reads the lower triangle. `None` if A is not positive definite.
pub(crate) fn cholesky(mut a: Vec<f64>, n: usize) -> Option<Vec<f64>> {
    for i in 0..n {
        let (above, row) = a.split_at_mut(i * n);
        for j in 0..i {
            let other = &above[j * n..][..=j];
            row[j] = (row[j] - dot(&row[..j], &other[..j])) / other[j];
        }
        let square = row[i] - dot(&row[..i], &row[..i]);
        if square <= 0.0 || !square.is_finite() {
            return None;
        }
        row[i] = square.sqrt();
        row[i + 1..n].fill(0.0);
    }
    Some(a)
}

/// Makes b the solution of L Lᵀ x = b.
fn solve_with_factor(factor: &[f64], b: &mut [f64]) {
    let n = b.len();
    for i in 0..n {
        let row = &factor[i * n..];
        b[i] = (b[i] - dot(&row[..i], &b[..i])) / row[i];
    }
    for i in (0..n).rev() {
        let row = &factor[i * n..];
        b[i] /= row[i];
        let x = b[i];
        add_times(&mut b[..i], -x, &row[..i]);
    }
}

/// Σ x y, in eight sums side by side: they round less than one, and a processor adds them at a time.
pub(crate) fn dot(x: &[f64], y: &[f64]) -> f64 {
    let ((x, x_rest), (y, y_rest)) = (x.as_chunks::<8>(), y.as_chunks::<8>());
    let mut sums = [0.0; 8];
    for (x, y) in x.iter().zip(y) {
        sums.iter_mut().zip(x).zip(y).for_each(|((sum, x), y)| *sum += x * y);
    }
    sums.iter().sum::<f64>() + x_rest.iter().zip(y_rest).map(|(x, y)| x * y).sum::<f64>()
}

/// x ← x + factor y
pub(crate) fn add_times(x: &mut [f64], factor: f64, y: &[f64]) {
    x.iter_mut().zip(y).for_each(|(x, y)| *x += factor * y);
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
        for (one, other) in matrix.values().unwrap().iter().zip(&values) {
            assert!((one / size - other / size).abs() <= bound, "{what}, n {n}: {one} and {other}");
        }
        let residual = |value: f64, x: &[f64]| {
            let row = |i: usize| (0..n).map(|j| a[i * n + j] / size * x[j]).sum::<f64>() - value / size * x[i];
            (0..n).map(|i| row(i).abs()).fold(0.0, f64::max)
        };
        for (k, value) in values.iter().enumerate() {
            let x = &vectors[k];
            let off = residual(*value, x);
            assert!(off <= bound, "{what}, n {n}: vector {k}, of {value}, is off by {off}");
            for (j, other) in vectors[..=k].iter().enumerate() {
                let product = dot(x, other) - f64::from(u8::from(j == k));
                assert!(product.abs() <= 10.0 * bound, "{what}, n {n}: vectors {j} and {k}: {product}");
            }
        }
        let lowest = matrix.lowest_vector(values[0]).unwrap();
        let off = residual(values[0], &lowest);
        assert!((length(&lowest) - 1.0).abs() < 1e-14 && off <= bound, "{what}, n {n}: the lowest vector is off by {off}");
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
    fn eigenvalues_are_those_that_nalgebra_finds() {
        let mut draw = Stream::new(7, 0);
        for n in (1..40).chain([100]) {
            let a = symmetric(n, |_, _| f64::from(draw.uniform()) - 0.5);
            let found = Symmetric::new(a.clone(), n).unwrap().values().unwrap();
            let mut expected = nalgebra::DMatrix::from_vec(n, n, a).symmetric_eigenvalues().as_slice().to_vec();
            expected.sort_by(f64::total_cmp);
            for (found, expected) in found.iter().zip(&expected) {
                assert!((found - expected).abs() < 1e-13 * n as f64, "{n}: {found} and {expected}");
            }
        }
    }

    #[test]
    fn what_is_not_finite_is_refused() {
        for wrong in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(Symmetric::new(vec![wrong, 1.0, 1.0, 2.0], 2).is_none());
        }
    }
}
