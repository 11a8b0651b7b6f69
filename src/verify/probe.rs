//! What a driver's own functions are worth: exp, log, tanh, division, fma in units in the last place, and what it does with NaN, infinities
//! and subnormals. Nothing here is right or wrong: WGSL allows much. The engine's own functions stand beside them.

use crate::device::Device;
use crate::error::{OpError, Result};
use crate::graph::op::{Array, GradCtx, Io, Kernel, Lowering, Op, Params, Spec, Variant};
use crate::graph::{Tensor, record};
use crate::ops::case::Gen;
use crate::platform::{self, waited};
use std::sync::Arc;

/// A row of the table.
#[derive(Clone, Debug, PartialEq)]
pub enum DriverRow {
    /// How exact a function is.
    Accuracy {
        /// The function.
        name: &'static str,
        /// The driver's largest error, in units in the last place (ULP).
        driver: f64,
        /// Where: its arguments.
        at: Vec<f32>,
        /// The engine's largest error on the same arguments; `None` where it has no such op.
        engine: Option<f64>,
        /// Arguments tried.
        tried: usize,
    },
    /// What it does in a special case.
    Behaviour {
        /// The statement.
        name: &'static str,
        /// Whether it is true here.
        holds: bool,
    },
}

/// A function of three numbers, in every form.
struct Function {
    name: &'static str,
    wgsl: &'static str,
    native: fn(f32, f32, f32) -> f32,
    kind: Kind,
}

enum Kind {
    /// Compared with `exact` on arguments drawn by `draw`, and so is the engine's op.
    Accuracy {
        exact: fn(f64, f64, f64) -> f64,
        draw: fn(&mut Gen, usize) -> [f32; 3],
        engine: Option<fn(&[Tensor; 3]) -> Tensor>,
    },
    /// Asked once; the statement is true if the answer's bits satisfy `holds`.
    Behaviour { ask: [f32; 3], holds: fn(f32) -> bool },
}

/// Arguments tried per function.
const TRIED: usize = 20_000;

fn between(g: &mut Gen, low: f64, high: f64) -> f32 {
    g.uniform(low, high) as f32
}

/// A positive number of any size from 1e-37 to 1e37.
fn any_size(g: &mut Gen) -> f32 {
    10f64.powf(g.uniform(-37.0, 37.0)) as f32
}

const SUBNORMAL: f32 = f32::from_bits(0x0000_4000);

/// The rows, in order. `None` where nothing is drawn for an argument.
static FUNCTIONS: &[Function] = &[
    Function {
        name: "exp",
        wgsl: "exp(a)",
        native: |a, _, _| a.exp(),
        kind: Kind::Accuracy {
            exact: |a, _, _| a.exp(),
            draw: |g, _| [between(g, -87.0, 88.0), 0.0, 0.0],
            engine: Some(|t| t[0].exp()),
        },
    },
    Function {
        name: "log",
        wgsl: "log(a)",
        native: |a, _, _| a.ln(),
        kind: Kind::Accuracy {
            exact: |a, _, _| a.ln(),
            draw: |g, i| [if i % 2 == 0 { any_size(g) } else { between(g, 0.5, 2.0) }, 0.0, 0.0],
            engine: Some(|t| t[0].log()),
        },
    },
    Function {
        name: "tanh",
        wgsl: "tanh(a)",
        native: |a, _, _| a.tanh(),
        kind: Kind::Accuracy {
            exact: |a, _, _| a.tanh(),
            draw: |g, i| [if i % 2 == 0 { between(g, -9.0, 9.0) } else { between(g, -0.6, 0.6) }, 0.0, 0.0],
            engine: Some(|t| t[0].tanh()),
        },
    },
    Function {
        name: "sin",
        wgsl: "sin(a)",
        native: |a, _, _| a.sin(),
        kind: Kind::Accuracy {
            exact: |a, _, _| a.sin(),
            draw: |g, _| [between(g, -3.0, 3.0), 0.0, 0.0],
            engine: Some(|t| t[0].sin()),
        },
    },
    Function {
        name: "cos",
        wgsl: "cos(a)",
        native: |a, _, _| a.cos(),
        kind: Kind::Accuracy {
            exact: |a, _, _| a.cos(),
            draw: |g, _| [between(g, -1.5, 1.5), 0.0, 0.0],
            engine: Some(|t| t[0].cos()),
        },
    },
    Function {
        name: "pow",
        wgsl: "pow(a, b)",
        native: |a, b, _| a.powf(b),
        kind: Kind::Accuracy {
            exact: |a, b, _| a.powf(b),
            draw: |g, _| [between(g, 0.1, 10.0), between(g, -8.0, 8.0), 0.0],
            engine: Some(|t| t[0].pow(&t[1])),
        },
    },
    Function {
        name: "division",
        wgsl: "a / b",
        native: |a, b, _| a / b,
        kind: Kind::Accuracy {
            exact: |a, b, _| a / b,
            draw: |g, _| [between(g, -100.0, 100.0), between(g, 0.01, 10.0), 0.0],
            engine: Some(|t| t[0].div(&t[1])),
        },
    },
    Function {
        name: "sqrt",
        wgsl: "sqrt(a)",
        native: |a, _, _| a.sqrt(),
        kind: Kind::Accuracy { exact: |a, _, _| a.sqrt(), draw: |g, _| [any_size(g), 0.0, 0.0], engine: Some(|t| t[0].sqrt()) },
    },
    Function {
        name: "inverseSqrt",
        wgsl: "inverseSqrt(a)",
        native: |a, _, _| 1.0 / a.sqrt(),
        kind: Kind::Accuracy {
            exact: |a, _, _| 1.0 / a.sqrt(),
            draw: |g, _| [any_size(g), 0.0, 0.0],
            engine: Some(|t| t[0].rsqrt()),
        },
    },
    Function {
        name: "fma",
        wgsl: "fma(a, b, c)",
        native: |a, b, c| a.mul_add(b, c),
        kind: Kind::Accuracy {
            exact: |a, b, c| a * b + c,
            draw: |g, _| [between(g, 0.0, 10.0), between(g, 0.0, 10.0), between(g, 0.0, 10.0)],
            engine: None,
        },
    },
    Function {
        name: "fma rounds once",
        wgsl: "fma(a, b, c)",
        native: |a, b, c| a.mul_add(b, c),
        // (1 + u)(1 − u) − 1 = −u²; rounded in between it is 0.
        kind: Kind::Behaviour { ask: [1.0 + 1.0 / 4096.0, 1.0 - 1.0 / 4096.0, -1.0], holds: |y| y != 0.0 },
    },
    Function {
        name: "NaN != NaN is true",
        wgsl: "select(0.0, 1.0, a != a)",
        native: |a, _, _| if a.is_nan() { 1.0 } else { 0.0 },
        kind: Kind::Behaviour { ask: [f32::NAN, 0.0, 0.0], holds: |y| y == 1.0 },
    },
    Function {
        name: "max(NaN, 0) is NaN",
        wgsl: "max(a, b)",
        // Rust's max gives the number, too.
        native: |a, b, _| a.max(b),
        kind: Kind::Behaviour { ask: [f32::NAN, 0.0, 0.0], holds: f32::is_nan },
    },
    Function {
        name: "NaN * 0 is NaN",
        wgsl: "a * 0.0",
        native: |a, _, _| a * 0.0,
        kind: Kind::Behaviour { ask: [f32::NAN, 0.0, 0.0], holds: f32::is_nan },
    },
    Function {
        name: "inf - inf is NaN",
        wgsl: "a - a",
        native: |a, b, _| a - (a + b),
        kind: Kind::Behaviour { ask: [f32::INFINITY, 0.0, 0.0], holds: f32::is_nan },
    },
    Function {
        name: "1 / 0 is inf",
        wgsl: "a / b",
        native: |a, b, _| a / b,
        kind: Kind::Behaviour { ask: [1.0, 0.0, 0.0], holds: |y| y == f32::INFINITY },
    },
    Function {
        name: "exp(89) is inf",
        wgsl: "exp(a)",
        native: |a, _, _| a.exp(),
        kind: Kind::Behaviour { ask: [89.0, 0.0, 0.0], holds: |y| y == f32::INFINITY },
    },
    Function {
        name: "a subnormal is copied as it is",
        wgsl: "a",
        native: |a, _, _| a,
        kind: Kind::Behaviour { ask: [SUBNORMAL, 0.0, 0.0], holds: |y| y == SUBNORMAL },
    },
    Function {
        name: "a subnormal is kept by a product",
        wgsl: "a * b",
        native: |a, b, _| a * b,
        kind: Kind::Behaviour { ask: [SUBNORMAL, 0.5, 0.0], holds: |y| y == SUBNORMAL / 2.0 },
    },
    Function {
        name: "a subnormal is kept by a sum",
        wgsl: "a + b",
        native: |a, b, _| a + b,
        kind: Kind::Behaviour { ask: [SUBNORMAL, SUBNORMAL, 0.0], holds: |y| y == 2.0 * SUBNORMAL },
    },
    Function {
        name: "a product of normal numbers may be subnormal",
        wgsl: "a * b",
        native: |a, b, _| a * b,
        kind: Kind::Behaviour { ask: [f32::MIN_POSITIVE, 0.25, 0.0], holds: |y| y == f32::MIN_POSITIVE / 4.0 },
    },
    Function {
        name: "-0 is kept",
        wgsl: "a * b",
        native: |a, b, _| a * b,
        kind: Kind::Behaviour { ask: [-1.0, 0.0, 0.0], holds: |y| y == 0.0 && y.is_sign_negative() },
    },
];

/// One of the functions as an op, by its index.
#[derive(Clone, Debug)]
struct Probe(usize);

fn variant(function: &Function, count: usize) -> Variant {
    let bodies = vec![("probe", format!("{{ return {}; }}", function.wgsl))];
    Variant { bodies, ..Variant::each_element("checks/probe", count).max_loop_iterations(0) }
}

/// The shaders this table runs, for the shader tests.
#[doc(hidden)]
pub fn driver_variants() -> Vec<Variant> {
    FUNCTIONS.iter().map(|function| variant(function, 1)).collect()
}

impl Op for Probe {
    fn name(&self) -> &'static str {
        "probe"
    }
    fn params(&self) -> Vec<u32> {
        vec![self.0 as u32]
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        Ok(inputs[0])
    }
    fn lower(&self, _: &[Spec], output: &Spec) -> Lowering {
        let count = output.shape.numel();
        let native = FUNCTIONS[self.0].native;
        let native = move |io: &mut Io<'_>| {
            let (a, b, c) = (io.read(0), io.read(1), io.read(2));
            io.write(0).iter_mut().enumerate().for_each(|(i, y)| *y = native(a[i], b[i], c[i]));
        };
        let variants = vec![variant(&FUNCTIONS[self.0], count)];
        let params = Params::new().set("count", count);
        Lowering::kernel(Kernel { name: "probe", params, variants, native: Arc::new(native) }, 3)
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        let at = |k: usize, i: usize| inputs[k].data[i] as f32;
        Array::from_fn(output.shape, |i| f64::from((FUNCTIONS[self.0].native)(at(0, i), at(1, i), at(2, i))))
    }
    fn grad(&self, _: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        vec![None, None, None]
    }
}

/// The table for a device. `each` is called after every row.
///
/// # Errors
/// What the device reports: a function it refuses, or that it was lost.
pub fn driver(device: &Device, each: impl FnMut()) -> Result<Vec<DriverRow>> {
    waited(device.name(), driver_async(device, each))
}

/// [`driver`] without blocking.
///
/// # Errors
/// As [`driver`].
pub async fn driver_async(device: &Device, mut each: impl FnMut()) -> Result<Vec<DriverRow>> {
    let mut rows = Vec::with_capacity(FUNCTIONS.len());
    for (index, function) in FUNCTIONS.iter().enumerate() {
        platform::let_page_go_on().await;
        rows.push(match function.kind {
            Kind::Behaviour { ask, holds } => {
                let [a, b, c] = ask.map(|x| device.tensor(&[x], 1));
                let answer = record(Probe(index), &[&a, &b, &c]).fetch::<f32>().await?;
                DriverRow::Behaviour { name: function.name, holds: holds(answer[0]) }
            }
            Kind::Accuracy { exact, draw, engine } => {
                let mut g = Gen::new(17);
                let drawn: Vec<[f32; 3]> = (0..TRIED).map(|i| draw(&mut g, i)).collect();
                let column = |k: usize| device.tensor(&drawn.iter().map(|x| x[k]).collect::<Vec<_>>(), TRIED);
                let inputs = [column(0), column(1), column(2)];
                let worst = |found: &[f32]| {
                    let errors = drawn.iter().zip(found).map(|(x, &y)| {
                        let exact = exact(f64::from(x[0]), f64::from(x[1]), f64::from(x[2]));
                        (ulps(y, exact), x)
                    });
                    errors.fold((0.0, &drawn[0]), |worst, next| if next.0 > worst.0 { next } else { worst })
                };
                let found = record(Probe(index), &[&inputs[0], &inputs[1], &inputs[2]]).fetch::<f32>().await?;
                let (driver, at) = worst(&found);
                let engine = match engine {
                    Some(op) => Some(worst(&op(&inputs).fetch::<f32>().await?).0),
                    None => None,
                };
                DriverRow::Accuracy { name: function.name, driver, at: at.to_vec(), engine, tried: TRIED }
            }
        });
        each();
    }
    Ok(rows)
}

/// Rows of the table.
pub(super) fn rows() -> usize {
    FUNCTIONS.len()
}

/// The error of `found` in units in the last place of the exact value; 0 where that is beyond the range of normal numbers.
fn ulps(found: f32, exact: f64) -> f64 {
    if !(f64::from(f32::MIN_POSITIVE)..=f64::from(f32::MAX)).contains(&exact.abs()) {
        return 0.0;
    }
    let unit = 2f64.powi(exact.abs().log2().floor() as i32 - 23);
    let error = (f64::from(found) - exact).abs() / unit;
    if error.is_nan() { f64::INFINITY } else { error }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn units_in_the_last_place() {
        assert_eq!(ulps(1.0, 1.0), 0.0);
        assert_eq!(ulps(1.0 + f32::EPSILON, 1.0), 1.0);
        assert_eq!(ulps(2.0, 2.0 - 2f64.powi(-23)), 1.0);
        assert_eq!(ulps(f32::NAN, 1.0), f64::INFINITY);
        assert_eq!(ulps(0.0, 1e-40), 0.0);
    }

    #[test]
    fn the_native_functions_are_good() {
        let rows = driver(&Device::cpu(), || {}).unwrap();
        for row in rows {
            match row {
                DriverRow::Accuracy { name, driver, engine, .. } => {
                    assert!(driver < 2.0 && engine.unwrap_or(0.0) < 4.0, "{name}: {driver} {engine:?}");
                }
                // Rust's max gives the number.
                DriverRow::Behaviour { name, holds } => assert_eq!(holds, name != "max(NaN, 0) is NaN", "{name}"),
            }
        }
    }
}
