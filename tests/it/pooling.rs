//! Pooling with every option against its definition in f64: rounded up, dilated, of one to three axes, with indices and back, in cells, of whole
//! channels.
#![allow(clippy::unwrap_used)]

use crate::common;
use steepest::error::OpError;
use steepest::nn::{self, Blueprint, Module, Registry};
use steepest::verify::grad_check;
use steepest::{Device, Error, PoolOptions, Tensor, random};

/// The places of each window along an axis, and how many a mean with the padding counts; by PyTorch's rule for their number.
fn along(n: usize, [k, s, p, d]: [usize; 4], ceil: bool) -> Vec<(Vec<usize>, usize)> {
    let (n, k, s, p, d) = (n as i64, k as i64, s as i64, p as i64, d as i64);
    let room = n + 2 * p - d * (k - 1) - 1 + if ceil { s - 1 } else { 0 };
    let mut count = room.div_euclid(s) + 1;
    if ceil && (count - 1) * s >= n + p {
        count -= 1;
    }
    let window = |w: i64| {
        let start = w * s - p;
        let places = (0..k).map(|i| start + i * d).filter(|at| (0..n).contains(at)).map(|at| at as usize).collect();
        (places, ((start + k).min(n + p) - start) as usize)
    };
    (0..count).map(window).collect()
}

/// The largest of every window of [planes, D, H, W], the place of the first of them, and the mean.
fn defined(x: &[f32], sizes: [usize; 3], o: PoolOptions<3>) -> (Vec<f32>, Vec<usize>, Vec<f64>) {
    let axis = |a: usize| along(sizes[a], [o.kernel[a], o.stride[a], o.padding[a], o.dilation[a]], o.ceil_mode);
    let (depths, rows, columns) = (axis(0), axis(1), axis(2));
    let (mut largest, mut places, mut means) = (vec![], vec![], vec![]);
    for volume in x.chunks_exact(sizes.iter().product()) {
        for (zs, nz) in &depths {
            for (ys, ny) in &rows {
                for (xs, nx) in &columns {
                    let at = |z: &usize, y: &usize, x: &usize| (z * sizes[1] + y) * sizes[2] + x;
                    let all: Vec<usize> =
                        zs.iter().flat_map(|z| ys.iter().flat_map(move |y| xs.iter().map(move |x| at(z, y, x)))).collect();
                    let best = all.iter().copied().reduce(|a, b| if volume[b] > volume[a] { b } else { a }).unwrap();
                    largest.push(volume[best]);
                    places.push(best);
                    let count = if o.count_include_pad { nz * ny * nx } else { all.len() };
                    means.push(all.iter().map(|&i| f64::from(volume[i])).sum::<f64>() / count as f64);
                }
            }
        }
    }
    (largest, places, means)
}

fn close(found: &[f32], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (f, e) in found.iter().zip(expected) {
        assert!((f64::from(*f) - e).abs() <= 1e-5 * (1.0 + e.abs()), "{what}: {f} for {e}");
    }
}

/// Options of all kinds, with sizes they fit.
fn kinds() -> Vec<([usize; 3], PoolOptions<3>)> {
    let new = PoolOptions::new([2, 3, 2]);
    vec![
        ([5, 6, 7], new),
        ([5, 6, 7], new.ceil_mode(true)),
        ([4, 5, 6], new.stride([2, 1, 3]).padding([1, 1, 0])),
        ([4, 5, 6], new.stride([3, 2, 2]).padding(1).ceil_mode(true)),
        ([7, 7, 7], PoolOptions::new(3).stride(2).padding(1).ceil_mode(true).count_include_pad(false)),
        ([6, 5, 8], PoolOptions::new(3).stride(3).padding(1).ceil_mode(true)),
        ([7, 6, 9], new.stride(1).dilation([3, 2, 4])),
        ([7, 6, 9], new.stride(2).dilation([2, 1, 3]).padding([1, 1, 0]).ceil_mode(true)),
        ([1, 1, 1], PoolOptions::new(1)),
        ([3, 3, 3], PoolOptions::new(3)),
        ([5, 5, 5], PoolOptions::new(2).stride(4)),
        ([2, 2, 2], PoolOptions::new(3).stride(2).ceil_mode(true)),
        ([5, 1, 9], PoolOptions::new([2, 1, 4]).stride([3, 9, 3]).padding([1, 0, 2]).ceil_mode(true).count_include_pad(false)),
    ]
}

#[test]
fn every_option_is_what_its_definition_says() {
    for device in common::devices("pooling with options") {
        for (i, (sizes, options)) in kinds().into_iter().enumerate() {
            let count = 3 * sizes.iter().product::<usize>();
            // Ties on purpose: few different numbers.
            let numbers: Vec<f32> = random::normal_host(count, 0.0, 1.0, 5, i as u64).iter().map(|x| (2.0 * x).round()).collect();
            let what = format!("{sizes:?} {options:?}");
            let (largest, places, means) = defined(&numbers, sizes, options);
            let x = device.parameter(&numbers, [1, 3, sizes[0], sizes[1], sizes[2]]);
            let y = x.max_pool3d_with(options);
            assert_eq!(y.to_vec::<f32>().unwrap(), largest, "{what}");
            let (same, at) = x.max_pool3d_with_indices(options);
            assert_eq!(same.to_vec::<f32>().unwrap(), largest, "{what}");
            assert_eq!(at.to_vec::<u32>().unwrap(), places.iter().map(|&p| p as u32).collect::<Vec<_>>(), "{what}");
            // Back where they were, where windows share none: else the last of those that share, which are equal.
            let back = y.max_unpool3d(&at, sizes);
            let mut expected = vec![0.0; count];
            for (k, place) in places.iter().enumerate() {
                expected[k / (largest.len() / 3) * (count / 3) + place] = largest[k];
            }
            assert_eq!(back.to_vec::<f32>().unwrap(), expected, "{what}");
            // All of the gradient goes to the first of equals.
            let weights: Vec<f32> = (0..largest.len()).map(|k| (k % 5 + 1) as f32).collect();
            let gradient = y.backward_with(&device.tensor(&weights, y.shape())).wrt(&x).unwrap().to_vec::<f32>().unwrap();
            let mut expected = vec![0.0; count];
            let windows = largest.len() / 3;
            for (k, (place, weight)) in places.iter().zip(&weights).enumerate() {
                expected[k / windows * (count / 3) + place] += weight;
            }
            assert_eq!(gradient, expected, "{what}");
            if options.dilation == [1; 3] {
                close(&x.avg_pool3d_with(options).to_vec().unwrap(), &means, &what);
            }
            // The planes of one depth, and the lines of one row.
            let flat = |axes: [usize; 3]| {
                [options.kernel, options.stride, options.padding, options.dilation].map(|s| axes.map(|a| s[a]))
            };
            let [k, s, p, d] = flat([1, 2, 2]);
            let plane = PoolOptions::<2>::new([k[0], k[1]]).stride([s[0], s[1]]).padding([p[0], p[1]]).dilation([d[0], d[1]]);
            let plane = plane.ceil_mode(options.ceil_mode).count_include_pad(options.count_include_pad);
            let one = |k: [usize; 2], v: usize| [v, k[0], k[1]];
            let mut deep = PoolOptions::new(one(plane.kernel, 1)).stride(one(plane.stride, 1)).padding(one(plane.padding, 0));
            deep =
                deep.dilation(one(plane.dilation, 1)).ceil_mode(options.ceil_mode).count_include_pad(options.count_include_pad);
            let (largest, places, means) = defined(&numbers, [1, sizes[1], sizes[2]], deep);
            let planes = x.reshape([3, sizes[0], sizes[1], sizes[2]]);
            let (y, at) = planes.max_pool2d_with_indices(plane);
            assert_eq!(y.to_vec::<f32>().unwrap(), largest, "{what}");
            assert_eq!(at.to_vec::<u32>().unwrap(), places.iter().map(|&p| p as u32).collect::<Vec<_>>(), "{what}");
            if plane.dilation == [1; 2] {
                close(&planes.avg_pool2d_with(plane).to_vec().unwrap(), &means, &what);
            }
            let line = PoolOptions::<1>::new(k[1]).stride(s[1]).padding(p[1]).dilation(d[1]).ceil_mode(options.ceil_mode);
            let mut thin = PoolOptions::new([1, 1, k[1]]).stride([1, 1, s[1]]).padding([0, 0, p[1]]).dilation([1, 1, d[1]]);
            thin = thin.ceil_mode(options.ceil_mode);
            let (largest, places, means) = defined(&numbers, [1, 1, sizes[2]], thin);
            let lines = x.reshape([3, sizes[0] * sizes[1], sizes[2]]);
            let (y, at) = lines.max_pool1d_with_indices(line);
            assert_eq!(y.to_vec::<f32>().unwrap(), largest, "{what}");
            assert_eq!(at.to_vec::<u32>().unwrap(), places.iter().map(|&p| p as u32).collect::<Vec<_>>(), "{what}");
            if line.dilation == [1] {
                close(&lines.avg_pool1d_with(line).to_vec().unwrap(), &means, &what);
            }
        }
    }
}

#[test]
fn gradients_are_those_of_differences() {
    let device = Device::cpu();
    for (sizes, options) in kinds() {
        let x =
            device.parameter(&random::normal_host(sizes.iter().product(), 0.0, 1.0, 3, 0), [1, 1, sizes[0], sizes[1], sizes[2]]);
        let check = |f: &dyn Fn(&Tensor) -> Tensor| grad_check(|x| f(&x[0]).square().sum(&[]), std::slice::from_ref(&x)).unwrap();
        assert!(check(&|x| x.max_pool3d_with(options)).passed(), "{options:?}");
        if options.dilation == [1; 3] {
            assert!(check(&|x| x.avg_pool3d_with(options)).passed(), "{options:?}");
        }
        assert!(check(&|x| x.adaptive_avg_pool3d([2, 1, 3])).passed());
        assert!(check(&|x| x.adaptive_max_pool3d([2, 1, 3])).passed());
    }
}

/// Cell i covers ⌊i·n/o⌋ to ⌈(i+1)·n/o⌉, also where there are more cells than elements.
#[test]
fn cells_cover_what_they_say() {
    for device in common::devices("adaptive pooling") {
        for (sizes, output) in [([3, 5, 7], [2, 3, 4]), ([4, 4, 4], [1, 1, 1]), ([2, 3, 1], [5, 3, 2]), ([6, 2, 9], [6, 2, 3])] {
            let numbers = random::normal_host(2 * sizes.iter().product::<usize>(), 0.0, 1.0, 9, 0);
            let x = device.tensor(&numbers, [2, 1, sizes[0], sizes[1], sizes[2]]);
            let cell = |a: usize, i: usize| i * sizes[a] / output[a]..((i + 1) * sizes[a]).div_ceil(output[a]);
            let (mut means, mut largest) = (vec![], vec![]);
            for volume in numbers.chunks_exact(sizes.iter().product()) {
                for z in 0..output[0] {
                    for y in 0..output[1] {
                        for x in 0..output[2] {
                            let inside = cell(0, z).flat_map(|z| cell(1, y).map(move |y| (z, y)));
                            let inside = inside.flat_map(|(z, y)| cell(2, x).map(move |x| (z * sizes[1] + y) * sizes[2] + x));
                            let found: Vec<f64> = inside.map(|i| f64::from(volume[i])).collect();
                            means.push(found.iter().sum::<f64>() / found.len() as f64);
                            largest.push(found.iter().copied().fold(f64::NEG_INFINITY, f64::max));
                        }
                    }
                }
            }
            let what = format!("{sizes:?} to {output:?}");
            close(&x.adaptive_avg_pool3d(output).to_vec().unwrap(), &means, &what);
            close(&x.adaptive_max_pool3d(output).to_vec().unwrap(), &largest, &what);
        }
        let x = device.tensor(&[1.0, f32::NAN, 3.0, -1.0, 5.0, 2.0], [1, 1, 6]);
        assert_eq!(x.slice(2, 2..).adaptive_max_pool1d(2).to_vec::<f32>().unwrap(), [3.0, 5.0]);
        assert!(x.adaptive_max_pool1d(3).to_vec::<f32>().unwrap()[0].is_nan());
    }
}

#[test]
fn whole_channels() {
    for device in common::devices("global pooling") {
        let x = device.arange(24);
        for shape in [&[2, 3, 4][..], &[2, 3, 2, 2], &[2, 3, 1, 2, 2]] {
            let x = x.reshape(shape);
            let (mean, max) = match shape.len() {
                3 => (x.global_avg_pool1d(), x.global_max_pool1d()),
                4 => (x.global_avg_pool2d(), x.global_max_pool2d()),
                _ => (x.global_avg_pool3d(), x.global_max_pool3d()),
            };
            assert_eq!(mean.shape().dims(), [2, 3]);
            assert_eq!(mean.to_vec::<f32>().unwrap(), [1.5, 5.5, 9.5, 13.5, 17.5, 21.5]);
            assert_eq!(max.to_vec::<f32>().unwrap(), [3.0, 7.0, 11.0, 15.0, 19.0, 23.0]);
            assert_eq!(nn::GlobalPool::Mean.forward(&x).to_vec::<f32>().unwrap(), mean.to_vec::<f32>().unwrap());
            assert_eq!(nn::GlobalPool::Max.forward(&x).to_vec::<f32>().unwrap(), max.to_vec::<f32>().unwrap());
        }
        assert!(nn::GlobalPool::Mean.forward(&x.reshape([4, 6])).check().is_err());
    }
}

/// What goes back to its place brings its gradient from there; of several for one place the last alone.
#[test]
fn largest_go_back_to_their_places() {
    for device in common::devices("unpooling") {
        let y = device.parameter(&[1.0, 2.0, 3.0, 4.0], [1, 2, 2]);
        let places = device.tensor(&[4u32, 0, 1, 1], [1, 2, 2]);
        let back = y.max_unpool1d(&places, 5);
        assert_eq!(back.to_vec::<f32>().unwrap(), [2.0, 0.0, 0.0, 0.0, 1.0, 0.0, 4.0, 0.0, 0.0, 0.0]);
        let weights = device.arange(10).reshape([1, 2, 5]);
        let gradient = back.backward_with(&weights).wrt(&y).unwrap();
        assert_eq!(gradient.to_vec::<f32>().unwrap(), [4.0, 0.0, 0.0, 6.0]);
        let plane = y.reshape([1, 1, 2, 2]).max_unpool2d(&places.reshape([1, 1, 2, 2]), (1, 5));
        assert_eq!(plane.to_vec::<f32>().unwrap(), [2.0, 4.0, 0.0, 0.0, 1.0]);
        refused(&y.max_unpool1d(&places.reshape([1, 1, 4]), 5), "max_unpool1d", "places [1,1,4]");
        refused(&y.max_unpool2d(&places, 5), "max_unpool2d", "2 more of both");
        let outside = y.max_unpool1d(&places, 4).check().unwrap_err().to_string();
        assert!(outside.contains("max_unpool1d") && outside.contains('4'), "{outside}");
        let type_of_places = y.max_unpool1d(&places.to_f32(), 5).check().unwrap_err().to_string();
        assert!(type_of_places.contains("max_unpool1d") && type_of_places.contains("u32"), "{type_of_places}");
        assert_eq!(device.zeros([0, 1, 2]).max_unpool1d(&device.tensor(&[0u32; 0], [0, 1, 2]), 3).shape().dims(), [0, 1, 3]);
    }
}

/// Roots of sums of powers: of an even power, an odd one, a broken one, and 1; a window of zeros has no slope.
#[test]
fn powers_of_windows() {
    for device in common::devices("pooling by powers") {
        let x = device.parameter(&[3.0, 4.0, 0.0, 0.0, 1.0, 2.0], [1, 1, 1, 6]);
        let line = x.reshape([1, 1, 6]);
        for (power, expected) in [
            (1.0, [7.0, 0.0, 3.0]),
            (2.0, [5.0, 0.0, 5f64.sqrt()]),
            (3.0, [91f64.cbrt(), 0.0, 9f64.cbrt()]),
            (0.5, [(3f64.sqrt() + 2.0).powi(2), 0.0, (1.0 + 2f64.sqrt()).powi(2)]),
        ] {
            close(&x.lp_pool2d(power, [1, 2], [1, 2]).to_vec().unwrap(), &expected, "planes");
            close(&line.lp_pool1d(power, 2, 2).to_vec().unwrap(), &expected, "lines");
        }
        let y = line.lp_pool1d(2.0, 2, 2).sum(&[]);
        let gradient = y.backward().wrt(&x).unwrap().to_vec::<f32>().unwrap();
        close(&gradient, &[0.6, 0.8, 0.0, 0.0, 1.0 / 5f64.sqrt(), 2.0 / 5f64.sqrt()], "slopes");
        for power in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e300, 1e-300] {
            refused(&line.lp_pool1d(power, 2, 2), "lp_pool1d", "power is");
            refused(&x.lp_pool2d(power, 2, 2), "lp_pool2d", "power is");
        }
        refused(&line.lp_pool1d(2.0, 7, 1), "lp_pool1d", "a kernel of width 7");
        refused(&line.lp_pool1d(2.0, 0, 1), "lp_pool1d", "the kernel is 0");
    }
    let device = Device::cpu();
    let x = device.parameter(&[0.5, 1.5, 2.0, 0.7, 1.0, 3.0, 0.2, 0.9], [1, 1, 2, 4]);
    let f = |p: f64| grad_check(|x| x[0].lp_pool2d(p, 2, 1).square().sum(&[]), std::slice::from_ref(&x)).unwrap();
    assert!([1.0, 2.0, 3.5].into_iter().all(|p| f(p).passed()));
}

#[track_caller]
fn refused(x: &Tensor, op: &str, words: &str) {
    match x.check() {
        Err(Error::Op { op: found, error: OpError::Shape(text) | OpError::Value(text), .. }) => {
            assert!(found == op && text.contains(words), "{found}: {text}");
        }
        other => panic!("{other:?} where {op} was to be refused for {words}"),
    }
}

#[test]
fn what_cannot_be_pooled_is_told() {
    let device = Device::cpu();
    let (line, image, volume) = (device.zeros([1, 2, 3]), device.zeros([1, 2, 3, 4]), device.zeros([1, 2, 3, 4, 5]));
    refused(&volume.max_pool3d([4, 1, 1], 1, 0), "max_pool3d", "a kernel of depth 4");
    refused(&volume.max_pool3d([1, 5, 1], 1, 0), "max_pool3d", "a kernel of height 5");
    refused(&volume.avg_pool3d(2, 1, [2, 0, 0], true), "avg_pool3d", "more than half of the kernel 2 along the depth");
    refused(&volume.avg_pool3d_with(PoolOptions::new(2).dilation([2, 1, 1])), "avg_pool3d", "a mean has none");
    refused(&volume.avg_pool3d_with(PoolOptions::new(2).dilation([1, 1, 2])), "avg_pool3d", "a mean has none");
    refused(&image.avg_pool2d_with(PoolOptions::new(2).dilation(2)), "avg_pool2d", "a mean has none");
    refused(&line.avg_pool1d_with(PoolOptions::new(2).dilation(2)), "avg_pool1d", "a mean has none");
    refused(&image.max_pool3d(1, 1, 0), "max_pool3d", "five axes");
    refused(&volume.max_pool2d(1, 1, 0), "max_pool2d", "four axes");
    refused(&image.max_pool1d_with(PoolOptions::new(1)), "max_pool1d", "three axes");
    refused(&volume.adaptive_max_pool3d([0, 1, 1]), "adaptive_max_pool3d", "no cells");
    refused(&volume.adaptive_avg_pool3d([1, 1, 0]), "adaptive_avg_pool3d", "no cells");
    refused(&image.adaptive_max_pool2d(0), "adaptive_max_pool2d", "no cells");
    refused(&image.adaptive_avg_pool2d(0), "adaptive_avg_pool2d", "no cells");
    refused(&line.adaptive_max_pool1d(0), "adaptive_max_pool1d", "no cells");
    refused(&device.zeros([1, 1, 0, 4, 4]).max_pool3d(1, 1, 0), "max_pool3d", "no elements");
    refused(&line.max_pool1d_with(PoolOptions::new(0)), "max_pool1d", "the kernel is 0");
    refused(&line.max_pool1d_with(PoolOptions::new(2).dilation(0)), "max_pool1d", "the dilation is 0");
    refused(&line.max_pool1d_with(PoolOptions::new(2).stride(0).ceil_mode(true)), "max_pool1d", "the stride is 0");
    refused(&line.max_pool1d_with(PoolOptions::new(usize::MAX).ceil_mode(true)), "max_pool1d", "are supported");
    // A window of the two paddings only, and rounding up that would leave no window.
    refused(&line.max_pool1d_with(PoolOptions::new(2).stride(1).padding(1).dilation(4)), "max_pool1d", "no element of the image");
    refused(&line.max_pool1d_with(PoolOptions::new(6).stride(3).ceil_mode(true)), "max_pool1d", "reaches over 6");
    assert_eq!(line.max_pool1d_with(PoolOptions::new(5).stride(3).ceil_mode(true)).shape().dims(), [1, 2, 1]);
    refused(&image.global_max_pool1d(), "global_max_pool1d", "three axes");
    refused(&line.global_max_pool2d(), "global_max_pool2d", "four axes");
    refused(&image.global_avg_pool3d(), "global_avg_pool3d", "five axes");
    // No images are none afterwards.
    assert_eq!(device.zeros([0, 2, 4, 4, 4]).max_pool3d(2, 2, 0).to_vec::<f32>().unwrap(), [0.0f32; 0]);
}

#[test]
fn layers_say_what_they_do_and_older_files_are_read() {
    let device = Device::cpu();
    let x = device.arange(2 * 7 * 6 * 5).reshape([1, 2, 7, 6, 5]);
    let layers: Vec<(Box<dyn Module>, &str)> = vec![
        (Box::new(nn::MaxPool1d::new(3)), "MaxPool1d(3)"),
        (Box::new(nn::MaxPool2d::new(3).dilation([1, 2]).ceil_mode(true)), "MaxPool2d(3×3, dilation 1×2, rounded up)"),
        (Box::new(nn::MaxPool3d::new((1, 2, 3)).stride(2)), "MaxPool3d(1×2×3, stride 2)"),
        (Box::new(nn::AvgPool1d::new(3).padding(1)), "AvgPool1d(3, padding 1)"),
        (
            Box::new(nn::AvgPool3d::new(2).ceil_mode(true).count_include_pad(false)),
            "AvgPool3d(2×2×2, rounded up, without its padding)",
        ),
        (Box::new(nn::AdaptiveAvgPool1d::new(2)), "AdaptiveAvgPool1d(2)"),
        (Box::new(nn::AdaptiveMaxPool3d::new((1, 2, 3))), "AdaptiveMaxPool3d(1×2×3)"),
        (Box::new(nn::GlobalPool::Max), "GlobalPool(max)"),
    ];
    for (layer, text) in &layers {
        assert_eq!(&layer.describe(), text);
        let x = match text {
            _ if text.contains("1d") => x.reshape([1, 2 * 7 * 6, 5]),
            _ if text.contains("2d") => x.reshape([1, 2 * 7, 6, 5]),
            _ => x.clone(),
        };
        let same = Registry::new().build(&device, &layer.blueprint().unwrap()).unwrap();
        assert_eq!(same.describe(), layer.describe());
        assert_eq!(same.forward(&x).to_vec::<f32>().unwrap(), layer.forward(&x).to_vec::<f32>().unwrap(), "{text}");
    }
    // What files of earlier builds hold.
    let pair = |n: usize| [n, n];
    let old = Blueprint::new("MaxPool2d").set("kernel", &pair(2)[..]).set("stride", &pair(2)[..]).set("padding", &pair(0)[..]);
    assert_eq!(nn::MaxPool2d::new(2).blueprint().unwrap(), old);
    assert_eq!(Registry::new().build(&device, &old).unwrap().describe(), "MaxPool2d(2×2)");
    let wrong = Blueprint::new("MaxPool1d").set("kernel", &pair(2)[..]).set("stride", &pair(2)[..]).set("padding", &pair(0)[..]);
    assert!(matches!(Registry::new().build(&device, &wrong).map(|_| ()), Err(Error::Blueprint { .. })));
}
