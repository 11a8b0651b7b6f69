//! The drawn data sets: points of the plane within −1 to 1, with a class or a value each.

use crate::settings::Data;
use std::f64::consts::PI;
use steepest::{Device, Result};

/// A point with what is to be said of it: −1 or 1 for two classes, else a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Where it is.
    pub at: [f32; 2],
    /// Its class or value.
    pub label: f32,
}

/// Draws points. The same seed draws the same ones, on every machine.
///
/// # Errors
/// No memory.
pub fn draw(data: Data, count: usize, noise: f64, seed: u64) -> Result<Vec<Point>> {
    let host = Device::cpu();
    let draws = host.uniform([count, 3], 0.0, 1.0, seed).to_vec::<f32>()?;
    let off = host.normal([count, 2], 0.0, 1.0, seed.wrapping_add(1)).to_vec::<f32>()?;
    let point = |i: usize| {
        let [u, v, w] = [draws[3 * i], draws[3 * i + 1], draws[3 * i + 2]].map(f64::from);
        let off = [off[2 * i], off[2 * i + 1]].map(|z| noise * f64::from(z));
        // The classes take turns, so both have as many points.
        let class = if i.is_multiple_of(2) { 1.0 } else { -1.0 };
        let (at, label) = place(data, class, [u, v, w], off);
        Point { at: at.map(|x| x.clamp(-1.5, 1.5) as f32), label: label as f32 }
    };
    Ok((0..count).map(point).collect())
}

/// A point of three draws from 0 to 1, its class, and how far it is off.
fn place(data: Data, class: f64, [u, v, w]: [f64; 3], [dx, dy]: [f64; 2]) -> ([f64; 2], f64) {
    let turned = |radius: f64, angle: f64| [radius * angle.cos() + 0.5 * dx, radius * angle.sin() + 0.5 * dy];
    match data {
        Data::Circle => (turned(if class > 0.0 { 0.4 * u.sqrt() } else { 0.6 + 0.35 * u }, 2.0 * PI * v), class),
        Data::Xor => {
            let (x, y) = (0.08 + 0.87 * u, 0.08 + 0.87 * v);
            let (x, y) = if w < 0.5 { (x, class * y) } else { (-x, -class * y) };
            ([x + 0.5 * dx, y + 0.5 * dy], class)
        }
        Data::Clouds => {
            ([0.45 * class + (0.12 + noise_of(dx)) * normal(u, v), 0.45 * class + (0.12 + noise_of(dy)) * normal(v, w)], class)
        }
        Data::Spiral => (turned(0.05 + 0.9 * u, 3.5 * PI * u + if class > 0.0 { 0.0 } else { PI }), class),
        Data::Moons => {
            let angle = PI * u;
            let at = if class > 0.0 { [angle.cos() - 0.5, angle.sin() - 0.25] } else { [0.5 - angle.cos(), 0.25 - angle.sin()] };
            ([0.6 * at[0] + 0.5 * dx, 0.6 * at[1] + 0.5 * dy], class)
        }
        Data::Slope => {
            let [x, y] = [2.0 * u - 1.0, 2.0 * v - 1.0];
            ([x, y], (x + y) / 2.0 + dx)
        }
        _ => {
            let [x, y] = [2.0 * u - 1.0, 2.0 * v - 1.0];
            let hill = |cx: f64, cy: f64| (-((x - cx).powi(2) + (y - cy).powi(2)) / 0.12).exp();
            ([x, y], hill(-0.5, 0.5) + hill(0.5, -0.5) - hill(0.5, 0.5) - hill(-0.5, -0.5) + dx)
        }
    }
}

/// Two uniform draws as a normal one.
fn normal(u: f64, v: f64) -> f64 {
    (-2.0 * u.max(1e-12).ln()).sqrt() * (2.0 * PI * v).cos()
}

/// How much wider a cloud is for how far its point is off.
fn noise_of(off: f64) -> f64 {
    off.abs()
}
