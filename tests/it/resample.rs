//! Interpolation, padding, shuffles and grid sampling against their definitions in f64, on every device.
//!
//! Bugs that were planted to see these tests fail: a weight of 0 that multiplies NaN, a mirror that repeats the edge, weights of a transposed matrix
//! in the wrong order, a border whose slope leads out of the image, reflection without its second turn.
#![allow(clippy::unwrap_used)]

use crate::common;
use steepest::error::OpError;
use steepest::nn::{self, Module, Registry};
use steepest::verify::grad_check;
use steepest::{Device, Error, GridPadding, GridSampling, Interpolation, PadMode, Tensor, random};

const LINEAR: Interpolation = Interpolation::Linear { align_corners: false };
const WAYS: [Interpolation; 7] = [
    Interpolation::Nearest,
    Interpolation::NearestExact,
    LINEAR,
    Interpolation::Linear { align_corners: true },
    Interpolation::Cubic { align_corners: false },
    Interpolation::Cubic { align_corners: true },
    Interpolation::Area,
];

fn floats(x: &Tensor) -> Vec<f32> {
    x.to_vec().unwrap()
}

fn normal(count: usize, stream: u64) -> Vec<f32> {
    random::normal_host(count, 0.0, 1.0, 21, stream)
}

#[track_caller]
fn close(found: &[f32], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (f, e) in found.iter().zip(expected) {
        assert!((f64::from(*f) - e).abs() <= 2e-5 * (1.0 + e.abs()), "{what}: {f} for {e}");
    }
}

#[track_caller]
fn refused(x: &Tensor, op: &str, words: &str) {
    match x.check() {
        Err(Error::Op { op: found, error: OpError::Shape(text) | OpError::Value(text) | OpError::DType(text), .. }) => {
            assert!(found == op && text.contains(words), "{found}: {text}");
        }
        other => panic!("{other:?} where {op} was to be refused for {words}"),
    }
}

/// Output j of a line of o, by the formula.
fn between(line: &[f64], j: usize, o: usize, scale: f64, how: Interpolation) -> f64 {
    let n = line.len() as i64;
    let at = |i: i64| line[i.clamp(0, n - 1) as usize];
    let place = |align: bool| match align {
        true => j as f64 * (n - 1) as f64 / (o as f64 - 1.0).max(1.0),
        false => (j as f64 + 0.5) * scale - 0.5,
    };
    match how {
        Interpolation::Nearest => at((j as f64 * scale + 1e-9).floor() as i64),
        Interpolation::NearestExact => at(((j as f64 + 0.5) * scale + 1e-9).floor() as i64),
        Interpolation::Linear { align_corners } => {
            let p = place(align_corners).max(0.0);
            let i = p.floor();
            at(i as i64) * (1.0 - (p - i)) + at(i as i64 + 1) * (p - i)
        }
        Interpolation::Cubic { align_corners } => {
            let p = place(align_corners);
            let kernel = |d: f64| match d.abs() {
                d if d <= 1.0 => 1.25 * d.powi(3) - 2.25 * d * d + 1.0,
                d if d < 2.0 => -0.75 * (d.powi(3) - 5.0 * d * d + 8.0 * d - 4.0),
                _ => 0.0,
            };
            (-1..=2).map(|k| p.floor() as i64 + k).map(|i| at(i) * kernel(p - i as f64)).sum()
        }
        Interpolation::Area => {
            let cell = j * line.len() / o..((j + 1) * line.len()).div_ceil(o);
            line[cell.clone()].iter().sum::<f64>() / cell.len() as f64
        }
    }
}

/// An image by lines, then columns.
fn resized(x: &[f32], [h, w]: [usize; 2], [oh, ow]: [usize; 2], scales: [f64; 2], how: Interpolation) -> Vec<f64> {
    let mut out = vec![];
    for image in x.chunks_exact(h * w) {
        let rows: Vec<Vec<f64>> = image
            .chunks_exact(w)
            .map(|row| row.iter().map(|&x| f64::from(x)).collect::<Vec<_>>())
            .map(|row| (0..ow).map(|j| between(&row, j, ow, scales[1], how)).collect())
            .collect();
        for i in 0..oh {
            out.extend((0..ow).map(|j| between(&rows.iter().map(|row| row[j]).collect::<Vec<_>>(), i, oh, scales[0], how)));
        }
    }
    out
}

#[test]
fn interpolation_is_its_formula() {
    for device in common::devices("interpolation") {
        for (from, to) in
            [([3, 5], [6, 10]), ([3, 5], [7, 4]), ([1, 4], [3, 1]), ([6, 1], [2, 5]), ([4, 4], [4, 9]), ([9, 7], [3, 3])]
        {
            let numbers = normal(6 * from[0] * from[1], 1);
            let x = device.tensor(&numbers, [2, 3, from[0], from[1]]);
            for how in WAYS {
                let scales = [from[0] as f64 / to[0] as f64, from[1] as f64 / to[1] as f64];
                let y = x.interpolate(&to, how);
                assert_eq!(y.shape().dims(), [2, 3, to[0], to[1]]);
                close(&floats(&y), &resized(&numbers, from, to, scales, how), &format!("{how:?} {from:?} to {to:?}"));
            }
        }
        for (from, factors, to) in [([3, 5], [2.0, 1.5], [6, 7]), ([4, 5], [0.6, 3.3], [2, 16]), ([2, 2], [1.0, 1.9], [2, 3])] {
            let numbers = normal(from[0] * from[1], 2);
            let x = device.tensor(&numbers, [1, 1, from[0], from[1]]);
            for how in WAYS {
                let y = x.interpolate_by(&factors, how);
                assert_eq!(y.shape().dims(), [1, 1, to[0], to[1]]);
                let expected = resized(&numbers, from, to, factors.map(|f| 1.0 / f), how);
                close(&floats(&y), &expected, &format!("{how:?} {from:?} by {factors:?}"));
            }
        }
        // The example of PyTorch's documentation.
        let x = device.tensor(&[1.0, 2.0, 3.0, 4.0], [1, 1, 2, 2]);
        let soft = [1.0, 1.25, 1.75, 2.0, 1.5, 1.75, 2.25, 2.5, 2.5, 2.75, 3.25, 3.5, 3.0, 3.25, 3.75, 4.0];
        assert_eq!(floats(&x.upsample_bilinear2d(4, false)), soft);
        assert_eq!(floats(&x.upsample_nearest2d((2, 3))), [1.0, 1.0, 2.0, 3.0, 3.0, 4.0]);
        assert_eq!(floats(&x.upsample_bicubic2d([2, 2], true)), [1.0, 2.0, 3.0, 4.0]);
        let line = device.tensor(&[0.0, 3.0], [1, 1, 2]);
        assert_eq!(floats(&line.upsample_linear1d(4, true)), [0.0, 1.0, 2.0, 3.0]);
        assert_eq!(floats(&line.upsample_nearest1d(3)), [0.0, 0.0, 3.0]);
        let cube = device.arange(8).reshape([1, 1, 2, 2, 2]);
        assert_eq!(floats(&cube.upsample_trilinear3d(3, true).slice(2, 1..2)), [2.0, 2.5, 3.0, 3.0, 3.5, 4.0, 4.0, 4.5, 5.0]);
        assert_eq!(floats(&cube.upsample_nearest3d([1, 2, 4])), [0.0, 0.0, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0]);
    }
}

#[test]
fn what_has_no_weight_is_not_touched() {
    for device in common::devices("interpolation of what is not finite") {
        let x = device.tensor(&[-0.0, f32::NAN, 2.0, f32::INFINITY, 1.0], [1, 1, 5]);
        let y = floats(&x.upsample_nearest1d(5));
        assert!(y[0].is_sign_negative() && y[1].is_nan() && y[3] == f32::INFINITY);
        // Every second output lies on a number.
        let y = floats(&x.upsample_linear1d(9, true));
        assert_eq!((y[0], y[4], y[8]), (0.0, 2.0, 1.0));
        assert!(y[0].is_sign_negative() && y[1].is_nan() && y[2].is_nan() && y[3].is_nan());
        assert_eq!((y[5], y[6], y[7]), (f32::INFINITY, f32::INFINITY, f32::INFINITY));
        let padded = floats(&x.pad_with(&[(0, 0), (0, 0), (2, 1)], PadMode::Reflect));
        assert!(padded[1].is_nan() && padded[2].is_sign_negative() && padded[7] == f32::INFINITY);
    }
}

#[test]
fn gradients_are_those_of_differences() {
    let device = Device::cpu();
    let x = device.parameter(&normal(2 * 3 * 4, 3), [1, 2, 3, 4]);
    let check = |f: &dyn Fn(&Tensor) -> Tensor| {
        let found = grad_check(|x| f(&x[0]).square().sum(&[]), std::slice::from_ref(&x)).unwrap();
        assert!(found.passed(), "{found}");
        // And that of the gradient, in which the transposed matrix is applied.
        let twice = |x: &[Tensor]| f(&x[0]).square().square().sum(&[]).backward().wrt(&x[0]).unwrap().square().sum(&[]);
        let found = grad_check(twice, std::slice::from_ref(&x)).unwrap();
        assert!(found.passed(), "{found}");
    };
    for how in WAYS {
        check(&|x| x.interpolate(&[5, 3], how));
        check(&|x| x.interpolate_by(&[1.3, 2.0], how));
    }
    for mode in [PadMode::Reflect, PadMode::Edge, PadMode::Circular, PadMode::Constant(2.0)] {
        check(&|x| x.pad_with(&[(0, 0), (0, 1), (2, 1), (-1, 2)], mode));
    }
    check(&|x| x.reshape([1, 4, 2, 3]).pixel_shuffle(2));
    check(&|x| x.reshape([1, 1, 4, 6]).pixel_unshuffle(2));
    check(&|x| x.channel_shuffle(2));
}

/// Where a walk of |i| steps is that starts at the first of n and turns at the ends.
fn mirrored(i: isize, n: isize) -> usize {
    let (mut at, mut step) = (0, -1);
    for _ in 0..i.unsigned_abs() {
        step = if at + step < 0 || at + step >= n { -step } else { step };
        at += step;
    }
    at as usize
}

#[test]
fn padding_is_what_stands_inside() {
    for device in common::devices("padding") {
        let numbers: Vec<u32> = (0..2 * 3 * 4).collect();
        let x = device.tensor(&numbers, [2, 3, 4]);
        for mode in [PadMode::Reflect, PadMode::Edge, PadMode::Circular] {
            for (rows, columns) in
                [((1, 2), (3, 1)), ((0, 0), (2, 2)), ((2, 0), (0, 3)), ((-1, 1), (1, -2)), ((-1, -1), (-2, -1))]
            {
                let source = |n: isize, (before, after): (isize, isize)| -> Vec<usize> {
                    let (first, end) = ((-before).max(0), n - (-after).max(0));
                    let (left, before, after) = (end - first, before.max(0), after.max(0));
                    let inside = |i: isize| match mode {
                        PadMode::Edge => i.clamp(0, left - 1) as usize,
                        PadMode::Circular => ((i + 9 * left) % left) as usize,
                        // From the end the walk backwards begins at the last element.
                        _ if i >= left => (left - 1) as usize - mirrored(-(i - left + 1), left),
                        _ if i < 0 => mirrored(i, left),
                        _ => i as usize,
                    };
                    (-before..left + after).map(|i| first as usize + inside(i)).collect()
                };
                let (rows_of, columns_of) = (source(3, rows), source(4, columns));
                let mut expected = vec![];
                for b in 0..2 {
                    for r in &rows_of {
                        expected.extend(columns_of.iter().map(|c| (b * 12 + r * 4 + c) as u32));
                    }
                }
                let what = format!("{mode:?} {rows:?} {columns:?}");
                let pads = [(0, 0), rows, columns];
                let y = x.pad_with(&pads, mode);
                assert_eq!(y.shape().dims(), [2, rows_of.len(), columns_of.len()], "{what}");
                assert_eq!(y.to_vec::<u32>().unwrap(), expected, "{what}");
                let y = floats(&x.to_f32().pad_with(&pads, mode));
                assert_eq!(y.iter().map(|&x| x as u32).collect::<Vec<_>>(), expected, "{what}");
            }
        }
        let y = x.to_f32().pad_with(&[(0, -1), (1, -2), (0, 1)], PadMode::Constant(7.0));
        assert_eq!(y.shape().dims(), [1, 2, 5]);
        assert_eq!(floats(&y), [7.0, 7.0, 7.0, 7.0, 7.0, 0.0, 1.0, 2.0, 3.0, 7.0]);
        assert_eq!(
            x.pad_with(&[(0, 0), (0, 0), (-1, -2)], PadMode::Constant(0.0)).to_vec::<u32>().unwrap(),
            [1, 5, 9, 13, 17, 21]
        );
        let bools = device.tensor(&[true, false, false], 3);
        assert_eq!(
            bools.pad_with(&[(1, 2)], PadMode::Circular).to_vec::<bool>().unwrap(),
            [false, true, false, false, true, false]
        );
        // More than once around; one element; all of it taken away; no elements on another axis.
        let y = device.arange(2).pad_with(&[(3, 4)], PadMode::Circular);
        assert_eq!(floats(&y), [1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0]);
        assert_eq!(floats(&device.arange(1).pad_with(&[(2, 1)], PadMode::Edge)), [0.0; 4]);
        assert_eq!(floats(&device.arange(3).pad_with(&[(-1, -2)], PadMode::Reflect)), [0.0f32; 0]);
        assert_eq!(device.zeros([0, 3]).pad_with(&[(0, 0), (2, 2)], PadMode::Reflect).shape().dims(), [0, 7]);
    }
}

#[test]
fn channels_and_room_change_places() {
    for device in common::devices("shuffles") {
        let (n, c, h, w, r) = (2, 3, 2, 4, 3);
        let x = device.arange(n * c * r * r * h * w).reshape([n, c * r * r, h, w]);
        let y = x.pixel_shuffle(r);
        assert_eq!(y.shape().dims(), [n, c, h * r, w * r]);
        let found = floats(&y);
        for (at, found) in found.iter().enumerate() {
            let (image, channel, row, column) =
                (at / (c * h * r * w * r), at / (h * r * w * r) % c, at / (w * r) % (h * r), at % (w * r));
            let from = channel * r * r + row % r * r + column % r;
            let expected = ((image * c * r * r + from) * h + row / r) * w + column / r;
            assert_eq!(*found, expected as f32);
        }
        assert_eq!(floats(&y.pixel_unshuffle(r)), floats(&x));
        // With no axis before the channels, with several, and of another type.
        assert_eq!(x.reshape([n * c * r * r, h, w]).pixel_shuffle(r).shape().dims(), [n * c, h * r, w * r]);
        assert_eq!(floats(&x.reshape([n, 1, c * r * r, h, w]).pixel_shuffle(r)), found);
        assert_eq!(x.to_u32().pixel_shuffle(r).to_f32().to_vec::<f32>().unwrap(), found);
        assert_eq!(device.zeros([0, 4, 2, 2]).pixel_shuffle(2).shape().dims(), [0, 1, 4, 4]);
        let x = device.arange(12).reshape([1, 6, 2]);
        assert_eq!(floats(&x.channel_shuffle(3)), [0.0, 1.0, 4.0, 5.0, 8.0, 9.0, 2.0, 3.0, 6.0, 7.0, 10.0, 11.0]);
        assert_eq!(floats(&x.channel_shuffle(3).channel_shuffle(2)), floats(&x));
    }
}

/// A sample by its definition.
fn sampled(image: &[f32], [h, w]: [usize; 2], [gx, gy]: [f32; 2], options: GridSampling) -> f64 {
    let place = |g: f32, n: usize| {
        let g = if g.is_nan() { -1.0 } else { f64::from(g).clamp(-1e6, 1e6) };
        let n = n as f64;
        let p = if options.align_corners { (g + 1.0) / 2.0 * (n - 1.0) } else { ((g + 1.0) * n - 1.0) / 2.0 };
        match options.padding {
            GridPadding::Zeros => p,
            GridPadding::Border => p.clamp(0.0, n - 1.0),
            GridPadding::Reflection => {
                let (low, high) = if options.align_corners { (0.0, n - 1.0) } else { (-0.5, n - 0.5) };
                let period = 2.0 * (high - low);
                let turned = if period == 0.0 { 0.0 } else { (p - low).rem_euclid(period) };
                (low + turned.min(period - turned)).clamp(0.0, n - 1.0)
            }
        }
    };
    let (x, y) = (place(gx, w), place(gy, h));
    let at = |y: f64, x: f64| {
        let inside = y >= 0.0 && x >= 0.0 && y < h as f64 && x < w as f64;
        if inside { f64::from(image[y as usize * w + x as usize]) } else { 0.0 }
    };
    if options.nearest {
        return at(y.round_ties_even(), x.round_ties_even());
    }
    let (x0, y0) = (x.floor(), y.floor());
    let mut sum = 0.0;
    for (row, wy) in [(y0, 1.0 - (y - y0)), (y0 + 1.0, y - y0)] {
        for (column, wx) in [(x0, 1.0 - (x - x0)), (x0 + 1.0, x - x0)] {
            sum += at(row, column) * wy * wx;
        }
    }
    sum
}

fn samplings() -> Vec<GridSampling> {
    let paddings = [GridPadding::Zeros, GridPadding::Border, GridPadding::Reflection];
    let both = [false, true];
    let all = paddings.into_iter().flat_map(|p| both.map(|a| GridSampling::new().padding(p).align_corners(a)));
    all.flat_map(|options| both.map(|nearest| options.nearest(nearest))).collect()
}

#[test]
fn samples_are_their_definition() {
    for device in common::devices("grid sampling") {
        for [h, w] in [[3, 5], [1, 4], [4, 1], [1, 1]] {
            let numbers = normal(2 * 3 * h * w, 4);
            let mut grid: Vec<f32> = normal(2 * 5 * 6 * 2, 5).iter().map(|x| 1.3 * x).collect();
            // Beside the image by far, at corners, and no numbers.
            let odd = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30, -1e30, 1.0, -1.0, 0.0, 9.3, -7.7];
            grid[..20].copy_from_slice(&odd.iter().chain(odd.iter().rev()).copied().collect::<Vec<_>>());
            let (x, g) = (device.tensor(&numbers, [2, 3, h, w]), device.tensor(&grid, [2, 5, 6, 2]));
            for options in samplings() {
                let y = x.grid_sample(&g, options);
                assert_eq!(y.shape().dims(), [2, 3, 5, 6]);
                for (at, found) in floats(&y).into_iter().enumerate() {
                    let (n, c, q) = (at / 90, at / 30 % 3, at % 30);
                    let place = [grid[(n * 30 + q) * 2], grid[(n * 30 + q) * 2 + 1]];
                    // What is reflected from afar has no digits left; it is a number of the image.
                    if place.iter().any(|g| g.abs() > 100.0) && options.padding == GridPadding::Reflection {
                        assert!(found.is_finite());
                        continue;
                    }
                    let image = &numbers[(n * 3 + c) * h * w..][..h * w];
                    let expected = sampled(image, [h, w], place, options);
                    let close = (f64::from(found) - expected).abs() <= 1e-4 * (1.0 + expected.abs());
                    assert!(close, "{options:?} of {h}×{w} at {place:?}: {found} for {expected}");
                }
            }
        }
    }
}

#[test]
fn samples_have_gradients_by_image_and_grid() {
    let device = Device::cpu();
    let x = device.parameter(&normal(2 * 2 * 3 * 4, 6), [2, 2, 3, 4]);
    let g = device.parameter(&normal(2 * 2 * 3 * 2, 7), [2, 2, 3, 2]);
    for options in samplings() {
        let inputs: &[Tensor] = if options.nearest { std::slice::from_ref(&x) } else { &[x.clone(), g.clone()] };
        let f = |p: &[Tensor]| p[0].grid_sample(p.get(1).unwrap_or(&g), options).square().sum(&[]);
        let found = grad_check(f, inputs).unwrap();
        assert!(found.passed(), "{options:?}: {found}");
        let twice = |p: &[Tensor]| {
            let gradients = f(p).backward();
            p.iter().map(|p| gradients.wrt(p).unwrap().square().sum(&[])).reduce(|a, b| a + b).unwrap()
        };
        let found = grad_check(twice, inputs).unwrap();
        assert!(found.passed(), "{options:?}, twice: {found}");
    }
    // At the ends of the image nothing leads out of it, and NaN and far away have no slope.
    for device in common::devices("slopes of grids") {
        let x = device.tensor(&[1.0, 2.0, 4.0], [1, 1, 1, 3]);
        let grid = device.parameter(&[1.0, 0.0, f32::NAN, 0.0, f32::INFINITY, 0.0, 0.5, 0.0], [1, 1, 4, 2]);
        let options = GridSampling::new().align_corners(true).padding(GridPadding::Border);
        let gradient = x.grid_sample(&grid, options).sum(&[]).backward().wrt(&grid).unwrap();
        assert_eq!(floats(&gradient), [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0, 0.0]);
    }
}

#[test]
fn affine_grids_turn_images() {
    for device in common::devices("affine grids") {
        let x = device.arange(12).reshape([1, 1, 3, 4]);
        for corners in [false, true] {
            let options = GridSampling::new().align_corners(corners);
            let by =
                |m: [f32; 6], size: [usize; 2]| x.grid_sample(&device.tensor(&m, [1, 2, 3]).affine_grid(size, corners), options);
            let expected = floats(&x).iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
            close(&floats(&by([1.0, 0.0, 0.0, 0.0, 1.0, 0.0], [3, 4])), &expected, "the same");
            let expected = floats(&x.flip(&[2, 3])).iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
            close(&floats(&by([-1.0, 0.0, 0.0, 0.0, -1.0, 0.0], [3, 4])), &expected, "half a turn");
            let turned = floats(&x.transpose(2, 3)).iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
            close(&floats(&by([0.0, 1.0, 0.0, 1.0, 0.0, 0.0], [4, 3])), &turned, "transposed");
        }
        // One column to the right: a step of 2/4 of the image.
        let moved = device.tensor(&[1.0, 0.0, 0.5, 0.0, 1.0, 0.0], [1, 2, 3]).affine_grid([3, 4], false);
        let y = floats(&x.grid_sample(&moved, GridSampling::new()));
        close(&y, &[1.0, 2.0, 3.0, 0.0, 5.0, 6.0, 7.0, 0.0, 9.0, 10.0, 11.0, 0.0], "moved");
        assert_eq!(floats(&device.tensor(&[2.0, 3.0, 5.0, 7.0, 11.0, 13.0], [1, 2, 3]).affine_grid(1, true)), [5.0, 13.0]);
    }
    let device = Device::cpu();
    let theta = device.parameter(&normal(12, 8), [2, 2, 3]);
    let image = device.tensor(&normal(2 * 9, 9), [2, 1, 3, 3]);
    let f = |p: &[Tensor]| image.grid_sample(&p[0].affine_grid(4, false), GridSampling::new()).square().sum(&[]);
    assert!(grad_check(f, &[theta]).unwrap().passed());
}

#[test]
fn what_cannot_be_done_is_told() {
    let device = Device::cpu();
    let (line, image) = (device.zeros([1, 2, 3]), device.zeros([1, 2, 3, 4]));
    refused(&image.interpolate(&[2], LINEAR), "interpolate", "1 sizes");
    refused(&image.interpolate(&[], LINEAR), "interpolate", "0 sizes");
    refused(&image.interpolate(&[2, 0], LINEAR), "interpolate", "to size 0");
    refused(&image.interpolate(&[2, usize::MAX], LINEAR), "interpolate", "expected 1 to");
    refused(&device.zeros([1, 1, 0]).interpolate(&[2], LINEAR), "interpolate", "from size 0");
    refused(&image.upsample_nearest1d(2), "upsample_nearest1d", "1 sizes");
    refused(&line.upsample_bilinear2d(2, true), "upsample_bilinear2d", "2 sizes");
    refused(&line.to_u32().upsample_linear1d(2, true), "upsample_linear1d", "expected f32");
    for factor in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        refused(&line.interpolate_by(&[factor], LINEAR), "interpolate_by", "factor is");
    }
    refused(&line.interpolate_by(&[2.0, 2.0], LINEAR), "interpolate_by", "2 sizes");
    refused(&line.interpolate_by(&[0.1], LINEAR), "interpolate_by", "to size 0");
    refused(&line.interpolate_by(&[1e300], LINEAR), "interpolate_by", "expected 1 to");
    assert_eq!(device.zeros([0, 2, 3]).interpolate(&[1 << 20], LINEAR).shape().dims(), [0, 2, 1 << 20]);

    let x = device.zeros([2, 3]);
    refused(&x.pad_with(&[(0, 1)], PadMode::Edge), "pad", "1 pairs for the 2 axes");
    refused(&x.pad_with(&[(0, 0), (3, 0)], PadMode::Reflect), "pad", "a pad of 3 beside 3 elements, expected at most 2");
    refused(&x.pad_with(&[(0, 0), (-1, 2)], PadMode::Reflect), "pad", "a pad of 2 beside 2 elements");
    refused(&x.pad_with(&[(1, -3), (0, 0)], PadMode::Edge), "pad", "cut more away");
    refused(&x.pad_with(&[(1, -2), (0, 0)], PadMode::Circular), "pad", "nothing to pad with");
    refused(&x.pad_with(&[(0, 0), (-2, -2)], PadMode::Constant(0.0)), "pad", "cut more away");
    refused(&x.pad_with(&[(0, 0), (isize::MIN, isize::MAX)], PadMode::Constant(0.0)), "pad", "cut more away");
    refused(&x.to_u32().pad_with(&[(0, 0), (1, 1)], PadMode::Constant(0.0)), "pad", "expected f32");
    assert!(x.pad_with(&[(0, 0), (isize::MAX, isize::MAX)], PadMode::Circular).check().is_err());
    assert!(x.pad_with(&[(0, 0), (0, isize::MAX)], PadMode::Constant(0.0)).check().is_err());

    refused(&image.pixel_shuffle(2), "pixel_shuffle", "2 is no multiple of 4");
    refused(&image.pixel_shuffle(0), "pixel_shuffle", "upscale is 0");
    refused(&image.pixel_shuffle(usize::MAX), "pixel_shuffle", "upscale is");
    refused(&x.pixel_shuffle(1), "pixel_shuffle", "three axes");
    refused(&image.pixel_unshuffle(2), "pixel_unshuffle", "the height 3 is no multiple of 2");
    refused(&image.pixel_unshuffle(0), "pixel_unshuffle", "downscale is 0");
    refused(&image.channel_shuffle(3), "channel_shuffle", "2 is no multiple of 3");
    refused(&image.channel_shuffle(0), "channel_shuffle", "groups is 0");
    refused(&device.zeros(3).channel_shuffle(1), "channel_shuffle", "two axes");

    let grid = device.zeros([1, 5, 6, 2]);
    let plain = GridSampling::new();
    refused(&line.grid_sample(&grid, plain), "grid_sample", "expected [N, C, H, W]");
    refused(&image.grid_sample(&grid.reshape([1, 2, 5, 6]), plain), "grid_sample", "[N, H, W, 2]");
    refused(&device.zeros([2, 2, 3, 4]).grid_sample(&grid, plain), "grid_sample", "2 images and 1 grids");
    refused(&device.zeros([1, 2, 0, 4]).grid_sample(&grid, plain), "grid_sample", "sides from 1");
    refused(&image.to_i32().grid_sample(&grid, plain), "grid_sample", "expected f32");
    assert!(matches!(image.grid_sample(&grid.to_u32(), plain).check(), Err(Error::Op { op: "grid_sample", .. })));
    assert_eq!(image.grid_sample(&device.zeros([1, 0, 6, 2]), plain).to_vec::<f32>().unwrap(), [0.0f32; 0]);
    refused(&image.affine_grid(2, true), "affine_grid", "expected [N, 2, 3]");
    refused(&device.zeros([1, 2, 3]).affine_grid([0, 2], true), "affine_grid", "a grid of 0×2");
    // An operand's own error goes on.
    let bad = x.reshape(7);
    for y in [
        bad.interpolate(&[2], LINEAR),
        bad.pad_with(&[(1, 1)], PadMode::Edge),
        bad.pixel_shuffle(2),
        bad.grid_sample(&grid, plain),
        image.grid_sample(&bad, plain),
        bad.affine_grid(2, true),
    ] {
        assert!(matches!(y.check(), Err(Error::Op { op: "reshape", .. })), "{y:?}");
    }
}

#[test]
fn layers_say_what_they_do_and_come_back() {
    let device = Device::cpu();
    let x = device.arange(4 * 6 * 6).reshape([1, 4, 6, 6]);
    let layers: Vec<(Box<dyn Module>, &str, [usize; 4])> = vec![
        (Box::new(nn::Upsample::by(1.5, Interpolation::Nearest)), "Upsample(×1.5, nearest)", [1, 4, 9, 9]),
        (Box::new(nn::Upsample::to(&[3, 8], WAYS[3])), "Upsample(to 3×8, linear, aligned corners)", [1, 4, 3, 8]),
        (Box::new(nn::Upsample::to(&[3, 8], WAYS[4])), "Upsample(to 3×8, cubic)", [1, 4, 3, 8]),
        (Box::new(nn::Upsample::by(0.5, Interpolation::Area)), "Upsample(×0.5, area)", [1, 4, 3, 3]),
        (Box::new(nn::Upsample::to(&[7, 7], Interpolation::NearestExact)), "Upsample(to 7×7, nearest-exact)", [1, 4, 7, 7]),
        (Box::new(nn::Pad::new(&[(1, 2), (-1, 0)], PadMode::Edge)), "Pad(1+2, -1+0, edge)", [1, 4, 9, 5]),
        (Box::new(nn::Pad::new(&[(0, 3)], PadMode::Constant(-1.5))), "Pad(0+3, constant -1.5)", [1, 4, 6, 9]),
        (Box::new(nn::Pad::new(&[(2, 2), (2, 2)], PadMode::Circular)), "Pad(2+2, 2+2, circular)", [1, 4, 10, 10]),
        (Box::new(nn::PixelShuffle::new(2)), "PixelShuffle(2)", [1, 1, 12, 12]),
        (Box::new(nn::PixelUnshuffle::new(3)), "PixelUnshuffle(3)", [1, 36, 2, 2]),
        (Box::new(nn::ChannelShuffle::new(2)), "ChannelShuffle(2)", [1, 4, 6, 6]),
    ];
    for (layer, text, dims) in &layers {
        assert_eq!(&layer.describe(), text);
        let y = layer.forward(&x);
        assert_eq!(y.shape().dims(), dims, "{text}");
        let blueprint = layer.blueprint().unwrap();
        let same = Registry::new().build(&device, &blueprint).unwrap();
        assert_eq!(same.blueprint().unwrap(), blueprint);
        assert_eq!(floats(&same.forward(&x)), floats(&y), "{text}");
    }
    assert!(nn::Pad::new(&[(1, 1); 5], PadMode::Edge).forward(&x).check().is_err());
    assert!(nn::Pad::new(&[(1, 1)], PadMode::Constant(f64::INFINITY)).blueprint().is_none());
    let pad = nn::Pad::new(&[(1, 1)], PadMode::Edge).blueprint().unwrap();
    for wrong in [
        pad.clone().set("mode", "mirror"),
        pad.clone().set("cut_after", &[0usize, 1][..]),
        pad.set("after", &[1usize, 2][..]).set("cut_after", &[0usize, 0][..]),
    ] {
        assert!(matches!(Registry::new().build(&device, &wrong).map(|_| ()), Err(Error::Blueprint { .. })));
    }
}
