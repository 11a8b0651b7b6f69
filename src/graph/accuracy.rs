//! How exact a device must be at an op: plain data; what bounds follow from it is said in `ops/tolerance.rs`.

/// A class of ops that share a bound: |error| ≤ atol + rtol · |reference|, element by element.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Accuracy {
    /// Copies, comparisons, integers, random bits: no error at all.
    Exact,
    /// One rounding: + − × max min abs floor relu.
    Ulp,
    /// Division, square roots.
    Division,
    /// exp, log, tanh and what is made of a few of them. Beyond |x| = 10, (3 + 2|x|) ULP.
    Transcendental,
    /// Sums that keep what rounding loses, of any number of terms: 2 u (|sum| + Σ|terms|).
    Sum,
    /// Such sums divided by the number of terms, or by another whole number.
    Mean,
    /// Sums of the given number of products n: γ Σ|terms| with γ = (n + 8) u, which holds for any order of summation.
    Terms(usize),
    /// Sums as [`Accuracy::Terms`] of numbers of input `from` alone, chosen by the values of the others.
    Chosen {
        /// Numbers in a sum.
        terms: usize,
        /// The input they are of.
        from: usize,
    },
    /// Products of the given number of factors, each step rounding once.
    Factors(usize),
    /// Softmax, cross-entropy, normalisations, distributions.
    Normalised,
    /// One optimizer step.
    Update,
    /// Of ops that fit none of these: |error| ≤ relative · |reference| + absolute.
    Stated {
        /// Of the reference.
        relative: f64,
        /// Of any number.
        absolute: f64,
    },
}
