//! Convolutions over one, two and three axes and their transposes, unfolding and folding: against their definitions in f64, at the edges of every
//! option, with gradients of first and second order, and what is refused.
//!
//! Bugs that were planted to see these tests fail: taps along the depth in the order of the kernel, the padding before the depth taken for that
//! after it and the other way round, a fold that begins in the padding, windows of a gradient that is padded by one too many.
#![allow(clippy::unwrap_used)]

use crate::common;
use steepest::error::OpError;
use steepest::reference::{Overrides, evaluate};
use steepest::verify::grad_check;
use steepest::{Conv3dOptions, ConvOptions, Device, Error, Tensor, random};

/// A convolution over the last of three axes; the first ones have one element where there are fewer.
#[derive(Clone, Copy, Debug)]
struct Case {
    batch: usize,
    channels: usize,
    filters: usize,
    groups: usize,
    image: [usize; 3],
    kernel: [usize; 3],
    stride: [usize; 3],
    before: [usize; 3],
    after: [usize; 3],
    dilation: [usize; 3],
}

/// Three axes with padding that is alike on both sides.
const PLAIN: Case = Case {
    batch: 2,
    channels: 2,
    filters: 3,
    groups: 1,
    image: [4, 5, 6],
    kernel: [2, 3, 2],
    stride: [1; 3],
    before: [0; 3],
    after: [0; 3],
    dilation: [1; 3],
};

/// Every option by itself and together, on both sides of every edge.
fn cases() -> Vec<Case> {
    let padded = |before, after| Case { before, after, ..PLAIN };
    vec![
        PLAIN,
        Case { kernel: [1; 3], ..PLAIN },
        Case { kernel: [1; 3], stride: [2, 3, 1], ..PLAIN },
        // The kernel is the image; a single element.
        Case { kernel: PLAIN.image, ..PLAIN },
        Case { image: [1; 3], kernel: [1; 3], batch: 1, channels: 1, filters: 1, ..PLAIN },
        Case { image: [1; 3], kernel: [3; 3], before: [1; 3], after: [1; 3], ..PLAIN },
        // Strides beyond the kernel, and beyond the image.
        Case { stride: [3, 4, 5], kernel: [1, 2, 3], ..PLAIN },
        Case { stride: [9, 9, 9], ..PLAIN },
        Case { stride: [2, 2, 2], kernel: [2, 2, 2], image: [6, 4, 6], ..PLAIN },
        Case { stride: [2, 1, 3], ..padded([1, 1, 0], [1, 1, 0]) },
        // Padding on one side only, more than the kernel, and far more than the image.
        padded([0, 2, 1], [1, 0, 3]),
        padded([2, 0, 0], [0, 0, 0]),
        padded([0, 0, 2], [0, 0, 0]),
        padded([5, 4, 6], [6, 5, 4]),
        Case { stride: [2, 3, 2], ..padded([3, 0, 4], [2, 5, 0]) },
        Case { image: [2, 1, 3], ..padded([11, 9, 12], [10, 12, 9]) },
        Case { dilation: [3, 2, 5], ..PLAIN },
        Case { dilation: [2, 2, 3], stride: [2, 1, 2], ..padded([1, 2, 3], [2, 1, 0]) },
        // Holes between the elements of a kernel as large as the image.
        Case { image: [4, 5, 6], kernel: [2, 2, 2], dilation: [3, 4, 5], ..PLAIN },
        Case { channels: 4, filters: 6, groups: 2, ..PLAIN },
        Case { channels: 3, filters: 3, groups: 3, ..padded([1; 3], [1; 3]) },
        Case { channels: 3, filters: 6, groups: 3, stride: [2; 3], ..PLAIN },
        Case { batch: 0, ..PLAIN },
        Case { batch: 0, stride: [2; 3], ..padded([1; 3], [1; 3]) },
    ]
}

impl Case {
    /// The same over the last axes only.
    fn flat(self, axes: usize) -> Case {
        let keep = |sizes: [usize; 3], other| std::array::from_fn(|axis| if axis + axes < 3 { other } else { sizes[axis] });
        Case {
            image: keep(self.image, 1),
            kernel: keep(self.kernel, 1),
            stride: keep(self.stride, 1),
            before: keep(self.before, 0),
            after: keep(self.after, 0),
            dilation: keep(self.dilation, 1),
            ..self
        }
    }

    fn output(&self) -> [usize; 3] {
        std::array::from_fn(|a| {
            let padded = self.image[a] + self.before[a] + self.after[a];
            (padded - self.dilation[a] * (self.kernel[a] - 1) - 1) / self.stride[a] + 1
        })
    }

    fn x(&self) -> Vec<usize> {
        [&[self.batch, self.channels][..], &self.image].concat()
    }

    fn w(&self) -> Vec<usize> {
        [&[self.filters, self.channels / self.groups][..], &self.kernel].concat()
    }

    fn y(&self) -> Vec<usize> {
        [&[self.batch, self.filters][..], &self.output()].concat()
    }

    /// Every term of the definition: its element of x, of w and of y.
    fn each(&self, mut term: impl FnMut(usize, usize, usize)) {
        let (x, w, y) = (self.x(), self.w(), self.y());
        let count = y.iter().product::<usize>() * w[1..].iter().product::<usize>();
        for number in 0..count {
            let mut rest = number;
            let mut next = |n: usize| {
                let i = rest % n;
                rest /= n;
                i
            };
            let taps: [usize; 3] = std::array::from_fn(|a| next(self.kernel[a]));
            let (c, n, o) = (next(w[1]), next(y[0]), next(y[1]));
            let cell: [usize; 3] = std::array::from_fn(|a| next(y[a + 2]));
            let place: Option<Vec<usize>> = (0..3)
                .map(|a| {
                    let p = (cell[a] * self.stride[a] + taps[a] * self.dilation[a]).checked_sub(self.before[a])?;
                    (p < self.image[a]).then_some(p)
                })
                .collect();
            let Some(place) = place else { continue };
            let at = |sizes: &[usize], index: &[usize]| index.iter().zip(sizes).fold(0, |at, (i, n)| at * n + i);
            let channel = o / (self.filters / self.groups) * w[1] + c;
            let at_x = at(&x, &[&[n, channel], &place[..]].concat());
            term(at_x, at(&w, &[&[o, c], &taps[..]].concat()), at(&y, &[&[n, o], &cell[..]].concat()));
        }
    }

    fn pairs(&self) -> ConvOptions {
        let two = |sizes: [usize; 3]| [sizes[1], sizes[2]];
        let options = ConvOptions::new().stride(two(self.stride)).dilation(two(self.dilation)).groups(self.groups);
        options.sides(two(self.before), two(self.after))
    }

    fn triples(&self) -> Conv3dOptions {
        let options = Conv3dOptions::new().stride(self.stride).dilation(self.dilation).groups(self.groups);
        options.sides(self.before, self.after)
    }

    /// x by w over the last `axes` axes, whose tensors have no others.
    fn conv(&self, axes: usize, x: &Tensor, w: &Tensor, b: Option<&Tensor>) -> Tensor {
        match axes {
            1 => x.conv1d(w, b, self.pairs()),
            2 => x.conv2d(w, b, self.pairs()),
            _ => x.conv3d(w, b, self.triples()),
        }
    }

    /// y by w, so that the result is as large as x.
    fn transposed(&self, axes: usize, y: &Tensor, w: &Tensor) -> Tensor {
        let output = self.output();
        let extra: [usize; 3] = std::array::from_fn(|a| {
            let full = (output[a] - 1) * self.stride[a] + self.dilation[a] * (self.kernel[a] - 1) + 1;
            self.image[a] + self.before[a] + self.after[a] - full
        });
        match axes {
            1 => y.conv_transpose1d(w, None, self.pairs(), extra[2]),
            2 => y.conv_transpose2d(w, None, self.pairs(), [extra[1], extra[2]]),
            _ => y.conv_transpose3d(w, None, self.triples(), extra),
        }
    }
}

/// Sizes without the axes that there are not.
fn last(dims: &[usize], axes: usize) -> Vec<usize> {
    [&dims[..2], &dims[5 - axes..]].concat()
}

fn numbers(dims: &[usize], seed: u64) -> Vec<f32> {
    random::uniform_host(dims.iter().product(), -1.0, 1.0, seed, 0)
}

/// The device's and the reference's numbers, each compared with what is expected.
fn check(what: &str, tensor: &Tensor, dims: &[usize], expected: &[f64]) {
    assert_eq!(tensor.shape().dims(), dims, "{what}");
    let found = tensor.to_vec::<f32>().unwrap();
    let reference = evaluate(&[tensor], &Overrides::new()).unwrap().remove(0).data;
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, expected) in expected.iter().enumerate() {
        assert!((reference[i] - expected).abs() < 1e-12, "{what}: {} on the reference, not {expected}", reference[i]);
        assert!((f64::from(found[i]) - expected).abs() < 1e-5, "{what}: {} on {}, not {expected}", found[i], tensor.device());
    }
}

#[test]
fn convolutions_and_their_transposes_are_what_they_are_defined_to_be() {
    for device in common::devices("definitions of convolutions") {
        for axes in 1..=3 {
            for case in cases().into_iter().map(|case| case.flat(axes)) {
                let what = format!("{case:?} over {axes} axes on {device}");
                let (x, w, y) = (numbers(&case.x(), 1), numbers(&case.w(), 2), numbers(&case.y(), 3));
                let bias: Vec<f32> = (0..case.filters).map(|o| o as f32 - 1.0).collect();
                let plane = case.output().iter().product::<usize>();
                let mut forward: Vec<f64> = (0..y.len()).map(|i| f64::from(bias[i / plane % case.filters])).collect();
                let (mut back, mut slope) = (vec![0.0; x.len()], vec![0.0; w.len()]);
                case.each(|at_x, at_w, at_y| {
                    forward[at_y] += f64::from(x[at_x]) * f64::from(w[at_w]);
                    back[at_x] += f64::from(y[at_y]) * f64::from(w[at_w]);
                    slope[at_w] += f64::from(y[at_y]) * f64::from(x[at_x]);
                });
                let [dx, dw, dy] = [case.x(), case.w(), case.y()].map(|dims| last(&dims, axes));
                let given = |values: &[f32], dims: &[usize]| device.parameter(values, dims);
                let (x, w, y, b) = (given(&x, &dx), given(&w, &dw), given(&y, &dy), given(&bias, &[case.filters]));
                let made = case.conv(axes, &x, &w, Some(&b));
                check(&what, &made, &dy, &forward);
                let gradients = made.mul(&y.detach()).sum(&[]).backward();
                check(&format!("{what}: slope by x"), &gradients.wrt(&x).unwrap(), &dx, &back);
                check(&format!("{what}: slope by w"), &gradients.wrt(&w).unwrap(), &dw, &slope);
                check(&format!("{what}: transposed"), &case.transposed(axes, &y, &w), &dx, &back);
            }
        }
    }
}

/// Of first and second order: what is checked is the gradient of |∇f|².
#[test]
fn gradients_of_convolutions_over_volumes_match_differences() {
    let device = Device::cpu();
    let small = Case { batch: 1, image: [3, 3, 4], ..PLAIN };
    for case in [
        small,
        Case { before: [2, 1, 0], after: [0, 1, 2], ..small },
        Case { stride: [2, 1, 2], before: [1; 3], after: [1; 3], ..small },
        Case { channels: 2, filters: 2, groups: 2, dilation: [2, 1, 2], ..small },
    ] {
        let parameter = |dims: &[usize], seed| device.parameter(&numbers(dims, seed), dims);
        let inputs = [parameter(&case.x(), 1), parameter(&case.w(), 2), parameter(&[case.filters], 3)];
        let f = |p: &[Tensor]| case.conv(3, &p[0], &p[1], Some(&p[2])).tanh().square().sum(&[]);
        assert!(grad_check(f, &inputs).unwrap().passed(), "{case:?}");
        let steep = |p: &[Tensor]| {
            let gradients = f(p).backward();
            p.iter().map(|p| gradients.wrt(p).unwrap().square().sum(&[])).reduce(|a, b| a + b).unwrap()
        };
        assert!(grad_check(steep, &inputs).unwrap().passed(), "second order: {case:?}");
        let inputs = [parameter(&case.y(), 4), parameter(&case.w(), 5)];
        let f = |p: &[Tensor]| case.transposed(3, &p[0], &p[1]).tanh().square().sum(&[]);
        assert!(grad_check(f, &inputs).unwrap().passed(), "transposed: {case:?}");
        let steep = |p: &[Tensor]| {
            let gradients = f(p).backward();
            gradients.wrt(&p[0]).unwrap().square().sum(&[]) + gradients.wrt(&p[1]).unwrap().square().sum(&[])
        };
        assert!(grad_check(steep, &inputs).unwrap().passed(), "transposed, second order: {case:?}");
    }
}

#[test]
fn unfolding_and_folding_are_each_others_transpose() {
    for device in common::devices("unfolding") {
        for case in cases().into_iter().map(|case| case.flat(2)).filter(|case| case.groups == 1) {
            let what = format!("{case:?} on {device}");
            let (kernel, size) = ([case.kernel[1], case.kernel[2]], [case.image[1], case.image[2]]);
            let (rows, places) = (case.channels * kernel[0] * kernel[1], case.output().iter().product::<usize>());
            let (dx, dy) = (last(&case.x(), 2), vec![case.batch, rows, places]);
            let (x, y) = (numbers(&dx, 1), numbers(&dy, 2));
            // Each element of the kernel as a filter of its own, for one channel at a time.
            let (mut unfolded, mut folded) = (vec![0.0; y.len()], vec![0.0; x.len()]);
            let one = Case { channels: 1, filters: 1, batch: 1, ..case };
            for plane in 0..case.batch * case.channels {
                one.each(|at_x, at_w, at_y| {
                    let at_x = plane * size[0] * size[1] + at_x;
                    let at_y = (plane * kernel[0] * kernel[1] + at_w) * places + at_y;
                    unfolded[at_y] = f64::from(x[at_x]);
                    folded[at_x] += f64::from(y[at_y]);
                });
            }
            let (x, y) = (device.parameter(&x, &dx[..]), device.parameter(&y, &dy[..]));
            let columns = x.unfold(kernel, case.pairs());
            check(&what, &columns, &dy, &unfolded);
            check(&format!("{what}: slope"), &columns.mul(&y.detach()).sum(&[]).backward().wrt(&x).unwrap(), &dx, &folded);
            let images = y.fold(size, kernel, case.pairs());
            check(&format!("{what}: folded"), &images, &dx, &folded);
            check(&format!("{what}: its slope"), &images.mul(&x.detach()).sum(&[]).backward().wrt(&y).unwrap(), &dy, &unfolded);
        }
        // A convolution is a product with the columns.
        let (x, w) = (device.uniform([2, 3, 5, 6], -1.0, 1.0, 1), device.uniform([4, 3, 2, 3], -1.0, 1.0, 2));
        let options = ConvOptions::new().stride([1, 2]).padding(1);
        let product = w.reshape([4, 18]).matmul(&x.unfold([2, 3], options)).reshape([2, 4, 6, 3]);
        let apart = product.sub(&x.conv2d(&w, None, options)).abs().max(&[]).item().unwrap();
        assert!(apart < 1e-5, "{apart} on {device}");
    }
}

#[test]
fn windows_along_an_axis_overlap_and_add() {
    for device in common::devices("windows along an axis") {
        let x = device.parameter(&(0..12).map(|i| i as f32).collect::<Vec<_>>(), [2, 6]);
        let w = x.windows(1, 3, 2);
        check("windows", &w, &[2, 2, 3], &[0.0, 1.0, 2.0, 2.0, 3.0, 4.0, 6.0, 7.0, 8.0, 8.0, 9.0, 10.0]);
        // The last element is in no window, the third in two.
        let slope = w.sum(&[]).backward().wrt(&x).unwrap();
        check("its slope", &slope, &[2, 6], &[1.0, 1.0, 2.0, 1.0, 1.0, 0.0, 1.0, 1.0, 2.0, 1.0, 1.0, 0.0]);
        check("windows", &x.windows(-2, 1, 5), &[1, 6, 1], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        check("put back", &w.overlap_add(1, 2), &[2, 5], &[0.0, 1.0, 4.0, 3.0, 4.0, 6.0, 7.0, 16.0, 9.0, 10.0]);
        check("far apart", &w.overlap_add(-2, 4).slice(0, ..1), &[1, 7], &[0.0, 1.0, 2.0, 0.0, 2.0, 3.0, 4.0]);
    }
}

#[track_caller]
fn refused(tensor: &Tensor, name: &str, words: &[&str]) {
    match tensor.check() {
        Err(Error::Op { op, at, error: OpError::Shape(text) | OpError::Value(text) | OpError::DType(text) }) => {
            assert!(op == name && at.file().ends_with("windows.rs"), "{op} at {at}: {text}");
            assert!(words.iter().all(|word| text.contains(word)), "{text}");
        }
        other => panic!("{other:?} where an error of {name} was expected"),
    }
    assert!(tensor.run().is_err());
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let device = Device::cpu();
    let (x, w) = (device.zeros([2, 4, 6, 5, 4]), device.zeros([6, 4, 3, 3, 3]));
    let plain = Conv3dOptions::new();
    let conv = |options| x.conv3d(&w, None, options);
    assert_eq!(conv(plain).shape().dims(), [2, 6, 4, 3, 2]);
    refused(&conv(plain.dilation([3, 1, 1])), "conv3d", &["depth 3", "dilation 3", "reaches over 7", "6"]);
    refused(&conv(plain.dilation([1, 1, 2])), "conv3d", &["width 3", "reaches over 5", "4"]);
    refused(&conv(plain.stride([0, 1, 1])), "conv3d", &["the stride is 0 along the depth"]);
    refused(&conv(plain.dilation([1, 0, 1])), "conv3d", &["the dilation is 0 along the height"]);
    refused(&x.conv3d(&device.zeros([6, 4, 0, 3, 3]), None, plain), "conv3d", &["the kernel is 0 along the depth"]);
    refused(&x.conv3d(&device.zeros([6, 4, 3, 3]), None, plain), "conv3d", &["the weights", "five axes"]);
    refused(&x.reshape([8, 6, 5, 4]).conv3d(&w, None, plain), "conv3d", &["the input", "five axes"]);
    refused(&conv(plain.groups(2)), "conv3d", &["for 4 in each"]);
    refused(&conv(plain.groups(0)), "conv3d", &["0 groups"]);
    refused(&conv(plain.groups(4)), "conv3d", &["4 groups do not divide 4 input and 6 output"]);
    refused(&conv(plain.padding([usize::MAX, 0, 0])), "conv3d", &["depth", "supported"]);
    refused(&conv(plain.padding([0, 1 << 28, 0])), "conv3d", &["height", "supported"]);
    refused(&conv(plain.padding(3000)), "conv3d", &["elements"]);
    refused(&x.conv3d(&w, Some(&device.zeros(5)), plain), "conv3d", &["bias [5]"]);
    refused(&x.to_i32().conv3d(&w, None, plain), "conv3d", &["the input is i32", "to_f32"]);
    refused(&x.conv3d(&w.to_u32(), None, plain), "conv3d", &["the weights is u32"]);
    // A stride beyond the volume is never taken.
    assert_eq!(conv(plain.stride(usize::MAX)).shape().dims(), [2, 6, 1, 1, 1]);
    assert_eq!(conv(plain.stride(usize::MAX)).to_vec::<f32>().unwrap(), [0.0; 12]);

    let w = device.zeros([4, 3, 3, 3, 3]);
    let turned = |options, extra: usize| x.conv_transpose3d(&w, None, options, extra);
    assert_eq!(turned(plain.stride(2), 1).shape().dims(), [2, 3, 14, 12, 10]);
    refused(&turned(plain.stride(2), 2), "conv_transpose3d", &["output_padding 2 is not below the stride 2 along the depth"]);
    refused(&turned(plain.padding([4, 0, 0]), 0), "conv_transpose3d", &["leaves nothing", "depth 8"]);
    refused(&turned(plain.stride([1, 1, 1 << 28]), 0), "conv_transpose3d", &["width"]);
    refused(&turned(plain.groups(3), 0), "conv_transpose3d", &["divide"]);
    refused(&x.conv_transpose3d(&device.zeros([3, 4, 3, 3, 3]), None, plain, 0), "conv_transpose3d", &["first axis"]);
    refused(&x.conv_transpose3d(&w, Some(&device.zeros(4)), plain, 0), "conv_transpose3d", &["bias [4]"]);
    let line = device.zeros([2, 4, 6]);
    let options = ConvOptions::new();
    refused(&line.conv_transpose1d(&w, None, options, 0), "conv_transpose1d", &["[N, C, L]"]);
    refused(
        &line.conv_transpose1d(&device.zeros([4, 3, 3]), None, options.padding(4), 0),
        "conv_transpose1d",
        &["leaves nothing"],
    );
    refused(
        &line.conv_transpose1d(&device.zeros([4, 3, 3]), None, options.stride(2), 2),
        "conv_transpose1d",
        &["output_padding 2"],
    );

    let image = device.zeros([2, 4, 6, 5]);
    refused(&image.unfold([7, 1], options), "unfold", &["height 7", "reaches over 7"]);
    refused(&image.unfold(2, options.groups(2)), "unfold", &["2 groups"]);
    refused(&image.unfold(0, options), "unfold", &["the kernel is 0"]);
    refused(&line.unfold(1, options), "unfold", &["[2,4,6]", "[N, C, H, W]"]);
    refused(&image.fold(3, 2, options), "fold", &["[N, C·kH·kW, L]"]);
    refused(&line.fold(3, 2, options), "fold", &["6 columns", "2×2 places", "[3, 3]"]);
    refused(&line.fold(3, [1, 3], options), "fold", &["4 rows", "3 elements"]);
    refused(&line.fold([1, 2], [1, 3], options), "fold", &["width 3"]);
    refused(&line.to_u32().fold([3, 4], [2, 2], options), "fold", &["u32"]);

    refused(&line.windows(2, 7, 1), "windows", &["axis 2", "7"]);
    refused(&line.windows(2, 2, 0), "windows", &["the stride is 0 along the axis 2"]);
    refused(&line.windows(2, 0, 1), "windows", &["the kernel is 0"]);
    refused(&line.overlap_add(2, 1), "overlap_add", &["the last"]);
    refused(&line.overlap_add(1, 0), "overlap_add", &["the step is 0"]);
    refused(&device.zeros([2, 0, 3]).overlap_add(1, 1), "overlap_add", &["the number of windows is 0"]);
    assert!(line.windows(3, 1, 1).check().is_err() && device.scalar(1.0).overlap_add(0, 1).check().is_err());
}

/// The padding that keeps the size: for the dilation whenever it was given, and refused with a stride, as PyTorch does.
#[test]
fn same_padding_keeps_the_size_or_is_refused() {
    let device = Device::cpu();
    let (x, w) = (device.zeros([1, 2, 7, 6]), device.zeros([2, 2, 4, 3]));
    let same = ConvOptions::new().same([4, 3]);
    for options in [same, same.dilation([1, 2]), ConvOptions::new().dilation([2, 1]).same([4, 3]), same.groups(1)] {
        assert_eq!(x.conv2d(&w, None, options).shape(), x.shape(), "{options:?}");
        assert_eq!(x.conv_transpose2d(&w, None, options, 0).shape(), x.shape(), "{options:?}");
    }
    assert_eq!((same.padding, same.after), ([1, 1], [2, 1]));
    assert_eq!((same.dilation(2).padding, same.dilation(2).after), ([3, 2], [3, 2]));
    refused(&x.conv2d(&w, None, same.stride(2)), "conv2d", &["`same` padding", "stride [2, 2]", "expected stride 1"]);
    refused(&x.conv2d(&w, None, same.stride([1, 2])), "conv2d", &["stride [1, 2]"]);
    refused(&x.conv2d(&w, None, ConvOptions::new().same(3)), "conv2d", &["for a kernel of [3, 3]", "[4, 3]"]);
    // Another padding takes its place.
    assert!(x.conv2d(&w, None, same.stride(2).padding(1)).check().is_ok());
    let (line, kernel) = (device.zeros([1, 2, 6]), device.zeros([2, 2, 4]));
    assert_eq!(line.conv1d(&kernel, None, ConvOptions::new().same(4)).shape(), line.shape());
    refused(&line.conv1d(&kernel, None, ConvOptions::new().same(4).stride(2)), "conv1d", &["stride"]);
    let (volume, kernel) = (device.zeros([1, 2, 4, 5, 6]), device.zeros([2, 2, 4, 3, 2]));
    let same = Conv3dOptions::new().same([4, 3, 2]);
    assert_eq!(volume.conv3d(&kernel, None, same.dilation([1, 2, 3])).shape(), volume.shape());
    refused(&volume.conv3d(&kernel, None, same.stride([2, 1, 1])), "conv3d", &["stride [2, 1, 1]"]);
}
