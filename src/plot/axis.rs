//! An axis: which values it spans, where each lies, which are written beside it.

/// Values of one direction, laid along a unit of length.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Axis {
    pub min: f64,
    pub max: f64,
    pub log: bool,
    /// Whole numbers only (epochs, classes): no tick in between.
    pub whole: bool,
}

/// The least and the largest of finite values; `None` if there are none.
pub(super) fn range(values: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    let finite = values.into_iter().filter(|v| v.is_finite());
    finite.map(|v| (v, v)).reduce(|(low, high), (v, _)| (low.min(v), high.max(v)))
}

/// A value with its label.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tick {
    pub value: f64,
    pub label: String,
}

impl Axis {
    /// Spans these values, with some air (a share of the length) at both ends.
    pub fn around(min: f64, max: f64, log: bool, air: f64) -> Axis {
        let mut axis = Axis { min, max, log, whole: false };
        if log {
            let (low, high) = (min.log10(), max.log10());
            let room = if high > low { (high - low) * air } else { 0.5 };
            (axis.min, axis.max) = (10f64.powf(low - room), 10f64.powf(high + room));
        } else {
            let room = if max > min { (max - min) * air } else { 0.5 * if min == 0.0 { 1.0 } else { 0.2 * min.abs() } };
            (axis.min, axis.max) = (min - room, max + room);
        }
        // Numbers so large or so close that the room is lost in rounding, or out of range.
        if !(axis.min.is_finite() && axis.max.is_finite() && axis.min < axis.max && (!log || axis.min > 0.0)) {
            (axis.min, axis.max) = if min < max { (min, max) } else { (min.next_down(), max.next_up()) };
        }
        axis
    }

    /// Where a value lies: 0 at the lower end, 1 at the upper.
    pub fn at(&self, value: f64) -> f64 {
        if self.log {
            (value.log10() - self.min.log10()) / (self.max.log10() - self.min.log10())
        } else {
            match self.max - self.min {
                length if length.is_finite() => (value - self.min) / length,
                // Of the largest numbers only halves have a difference.
                _ => (0.5 * value - 0.5 * self.min) / (0.5 * self.max - 0.5 * self.min),
            }
        }
    }

    /// About as many round values within the range as asked for.
    pub fn ticks(&self, wanted: usize) -> Vec<Tick> {
        let mut ticks = if self.log { self.log_ticks(wanted) } else { self.even_ticks(wanted) };
        ticks.retain(|tick| self.holds(tick.value));
        ticks
    }

    /// Whether a value lies within the range.
    pub fn holds(&self, value: f64) -> bool {
        (-1e-6..=1.0 + 1e-6).contains(&self.at(value))
    }

    fn even_ticks(&self, wanted: usize) -> Vec<Tick> {
        let length = self.max - self.min;
        let rough = if length.is_finite() { length } else { f64::MAX } / wanted.max(1) as f64;
        let unit = 10f64.powf(rough.log10().floor());
        let mut step = [1.0, 2.0, 5.0, 10.0].map(|m| m * unit).into_iter().find(|s| *s >= 0.999 * rough).unwrap_or(rough);
        if self.whole {
            step = step.max(1.0).ceil();
        }
        let (first, last) = ((self.min / step - 1e-9).ceil(), (self.max / step + 1e-9).floor());
        if !(first.is_finite() && last.is_finite()) || last - first > 100.0 || last < first || step == 0.0 {
            return [self.min, self.max].map(|v| Tick { value: v, label: plain(v) }).to_vec();
        }
        let values: Vec<f64> = (0..=(last - first) as usize).map(|i| (first + i as f64) * step).collect();
        let largest = self.min.abs().max(self.max.abs());
        let decimals = (-step.log10() - 1e-9).ceil().max(0.0);
        let label = |v: f64| {
            if v == 0.0 || v.abs() < 1e-9 * step {
                "0".to_owned()
            } else if !(1e-3..1e5).contains(&largest) {
                // As many digits as tell neighbours apart.
                let digits = (v.abs().log10().floor() - (step.log10() + 1e-9).floor()).max(0.0);
                scientific(v, digits as usize)
            } else {
                minus(format!("{v:.*}", decimals as usize))
            }
        };
        values.into_iter().map(|value| Tick { value, label: label(value) }).collect()
    }

    fn log_ticks(&self, wanted: usize) -> Vec<Tick> {
        let (low, high) = (self.min.log10(), self.max.log10());
        let (first, last) = (low.floor() as i32, high.ceil() as i32);
        let inside = |v: f64| v >= self.min * (1.0 - 1e-9) && v <= self.max * (1.0 + 1e-9);
        // Within a few decades also numbers in between.
        for multiples in [&[1.0][..], &[1.0, 3.0], &[1.0, 2.0, 5.0], &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0]] {
            let values: Vec<f64> =
                (first..=last).flat_map(|e| multiples.iter().map(move |m| m * 10f64.powi(e))).filter(|v| inside(*v)).collect();
            if values.len() >= 3 || (values.len() == 2 && multiples.len() > 2) {
                let every = values.len().div_ceil(wanted.max(3));
                // Of many powers of ten those with round exponents.
                let first = match multiples.len() {
                    1 => values.iter().position(|v| (v.log10().round() as i64).rem_euclid(every as i64) == 0).unwrap_or(0),
                    _ => 0,
                };
                let far = high - low > 5.5 || self.max >= 1e5 || self.min < 1e-4;
                let label = |v: f64| if far { scientific(v, usize::from(multiples.len() > 3)) } else { plain(v) };
                return values.into_iter().skip(first).step_by(every).map(|value| Tick { value, label: label(value) }).collect();
            }
        }
        self.even_ticks(wanted)
    }

    /// Lines between the labelled ones of a logarithmic axis of few decades: 2 to 9 of each.
    pub fn between(&self) -> Vec<f64> {
        let (low, high) = (self.min.log10(), self.max.log10());
        if !self.log || high - low > 5.0 {
            return vec![];
        }
        let decades = low.floor() as i32..=high.ceil() as i32;
        let values = decades.flat_map(|e| (2..10).map(move |m| f64::from(m) * 10f64.powi(e)));
        values.filter(|v| (self.min..=self.max).contains(v)).collect()
    }
}

/// A true minus sign.
fn minus(text: String) -> String {
    text.replace('-', "−")
}

/// A number with few digits, as people write it.
pub(super) fn plain(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 {
        "0".to_owned()
    } else if !(1e-3..1e5).contains(&size) {
        scientific(value, 1)
    } else {
        let decimals = (2.0 - size.log10().floor()).clamp(0.0, 5.0) as usize;
        let text = format!("{value:.decimals$}");
        let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
        minus(text.to_owned())
    }
}

/// 2.5×10⁻³; a mantissa of 1 is left out.
fn scientific(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let mantissa = if mantissa.contains('.') { mantissa.trim_end_matches('0').trim_end_matches('.') } else { mantissa };
    let raised: String = exponent
        .chars()
        .map(|c| match c.to_digit(10) {
            Some(digit) => ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'][digit as usize],
            None => '⁻',
        })
        .collect();
    match mantissa {
        "1" => format!("10{raised}"),
        "-1" => format!("−10{raised}"),
        mantissa => minus(format!("{mantissa}×10{raised}")),
    }
}
