//! Numbers read as another type: rounded where that is all that happens to them, refused where another number would come of it.

use std::fmt;

/// A number that the type it is read as cannot hold.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Unfit {
    /// Which one, counted row by row from 0.
    pub(crate) index: usize,
    /// The number.
    pub(crate) value: String,
    /// What would become of it.
    pub(crate) why: &'static str,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "element {} is {}, {}", self.index, self.value, self.why)
    }
}

/// All numbers as another type, or the first that cannot be.
pub(crate) fn all<T: Copy + fmt::Debug, U>(
    numbers: impl Iterator<Item = T>,
    of: impl Fn(T) -> Result<U, &'static str>,
) -> Result<Vec<U>, Unfit> {
    let one = |(index, x): (usize, T)| of(x).map_err(|why| Unfit { index, value: format!("{x:?}"), why });
    numbers.enumerate().map(one).collect()
}

/// The nearest f32. A finite number must not become infinite, nor one beside zero become zero.
pub(crate) fn f32_of(x: f64) -> Result<f32, &'static str> {
    let near = x as f32;
    if near.is_infinite() && x.is_finite() {
        Err("which is beyond the range of f32, 3.4e38")
    } else if near == 0.0 && x != 0.0 {
        Err("which f32 would round to 0: it holds 1.4e-45 and more")
    } else {
        Ok(near)
    }
}

/// The same whole number in f32.
pub(crate) fn whole_f32(x: i128) -> Result<f32, &'static str> {
    let near = x as f32;
    if near as i128 == x { Ok(near) } else { Err("which f32 would round: it holds all whole numbers only up to 16777216") }
}

/// The same whole number in f64.
#[cfg_attr(not(feature = "arrays"), allow(dead_code))]
pub(crate) fn whole_f64(x: i128) -> Result<f64, &'static str> {
    let near = x as f64;
    if near as i128 == x { Ok(near) } else { Err("which f64 would round: it holds all whole numbers only up to 2^53") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges() {
        let largest = f64::from(f32::MAX);
        // Half a unit in the last place above the largest rounds to infinity, a little less to the largest.
        let tie = largest + 2f64.powi(103);
        assert!(f32_of(tie).is_err() && f32_of(-tie).is_err() && f32_of(1e300).is_err());
        assert_eq!(f32_of(tie - 2f64.powi(80)), Ok(f32::MAX));
        let smallest = 2f64.powi(-149);
        assert_eq!(f32_of(0.75 * smallest), Ok(smallest as f32));
        assert!(f32_of(0.5 * smallest).is_err() && f32_of(-5e-324).is_err());
        assert_eq!(f32_of(-0.0).map(f32::to_bits), Ok((-0.0f32).to_bits()));
        assert_eq!((f32_of(f64::INFINITY), f32_of(0.1)), (Ok(f32::INFINITY), Ok(0.1)));
        assert!(f32_of(f64::NAN).is_ok_and(f32::is_nan));
        for x in [0, 1, -16_777_216, 16_777_216, 16_777_218, 1 << 40, i128::from(i64::MIN)] {
            assert_eq!(whole_f32(x).map(|y| y as i128), Ok(x));
        }
        assert!(whole_f32(16_777_217).is_err() && whole_f32(-16_777_217).is_err() && whole_f32(i128::from(i64::MAX)).is_err());
        assert_eq!(whole_f64(1 << 53), Ok(9_007_199_254_740_992.0));
        assert!(whole_f64((1 << 53) + 1).is_err() && whole_f64(u64::MAX.into()).is_err());
        let unfit = all([1.0, 1e39].into_iter(), f32_of).expect_err("too large");
        assert_eq!(unfit.to_string(), "element 1 is 1e39, which is beyond the range of f32, 3.4e38");
    }
}
