//! Indexing, joining and running sums: what is refused at recording, what happens out of range when it runs, and what ranges are kept.
#![allow(clippy::unwrap_used)]

use crate::common;
use steepest::error::OpError;
use steepest::graph::{Array, DType};
use steepest::reference::{Overrides, evaluate};
use steepest::{Device, Error, Tensor, ops};

/// The tensor's words on its device, after checking that the reference has the same numbers.
fn words(tensor: &Tensor) -> Vec<u32> {
    let Array { data, .. } = evaluate(&[tensor], &Overrides::new()).unwrap().remove(0);
    let words: Vec<u32> = match tensor.dtype() {
        DType::F32 => tensor.to_vec::<f32>().unwrap().into_iter().map(f32::to_bits).collect(),
        DType::I32 => tensor.to_vec::<i32>().unwrap().into_iter().map(|x| x as u32).collect(),
        DType::U32 => tensor.to_vec().unwrap(),
        DType::Bool => tensor.to_vec::<bool>().unwrap().into_iter().map(u32::from).collect(),
        DType::F16 => panic!("nothing here gives halves: what is gathered from them is f32"),
    };
    for (&word, &number) in words.iter().zip(&data) {
        let found = tensor.dtype().to_f64(word);
        assert!(found == number || (found.is_nan() && number.is_nan()), "{found} on the device, {number} on the reference");
    }
    words
}

fn floats(tensor: &Tensor) -> Vec<f32> {
    words(tensor).into_iter().map(f32::from_bits).collect()
}

/// The op's complaint.
fn complaint(tensor: &Tensor) -> OpError {
    match tensor.check() {
        Err(Error::Op { error, .. }) => error,
        other => panic!("{other:?} where an error was expected"),
    }
}

#[test]
fn a_known_index_outside_is_an_error_at_recording() {
    let device = Device::cpu();
    let x = device.tensor(&[0.0f32; 12], [4, 3]);
    let outside = |found, size| OpError::OutOfRange { what: "index", found, size };
    let (high, low) = (device.tensor(&[0u32, 4], 2), device.tensor(&[-5i32, 1], 2));
    assert_eq!(complaint(&x.index_select(0, &high)), outside(4, 4));
    assert_eq!(complaint(&x.index_select(0, &low)), outside(-5, 4));
    assert_eq!(complaint(&x.index_select(0, &device.tensor(&[-1i32, 4], 2))), outside(4, 4));
    assert_eq!(complaint(&x.slice(0, ..2).index_add(0, &low, 4)), outside(-5, 4));
    // A row of an embedding and a label do not count from the end.
    let last = device.tensor(&[-1i32, 0], 2);
    assert_eq!(complaint(&x.embedding(&last)), outside(-1, 4));
    assert_eq!(complaint(&last.one_hot(4)), OpError::OutOfRange { what: "label", found: -1, size: 4 });
    assert_eq!(complaint(&x.embedding(&high.reshape([1, 2]))), outside(4, 4));
    assert_eq!(complaint(&x.gather(0, &high.reshape([2, 1]).expand([2, 3]))), outside(4, 4));
    assert_eq!(complaint(&x.slice(0, ..2).index_add(0, &high, 4)), outside(4, 4));
    assert_eq!(complaint(&x.slice(0, ..2).scatter_add(0, &high.reshape([2, 1]).expand([2, 3]), 4)), outside(4, 4));
    assert_eq!(complaint(&high.one_hot(4)), OpError::OutOfRange { what: "label", found: 4, size: 4 });
    assert!(x.index_select(0, &x.argmax(0)).check().is_ok());
    assert!(x.index_select(1, &x.argmax(1)).check().is_ok());
    let wide = device.tensor(&[0.0f32; 14], [2, 7]);
    assert_eq!(complaint(&x.index_select(0, &wide.argmax(1))), outside(6, 4));
}

#[test]
fn wrong_shapes_and_types_are_errors_and_spread() {
    let device = Device::cpu();
    let x = device.tensor(&[0.0f32; 12], [4, 3]);
    let index = device.tensor(&[0u32, 1], 2);
    for bad in [
        x.index_select(2, &index),
        x.index_select(0, &index.reshape([1, 2])),
        x.index_select(0, &index.to_f32()),
        x.gather(0, &index),
        x.gather(0, &index.reshape([1, 2])),
        x.index_add(0, &index, 3),
        x.scatter_add(0, &index, 3),
        x.to_u32().index_add(1, &device.tensor(&[0u32, 1, 0], 3), 2),
        x.cat(&[&x.reshape(12)], 0),
        x.cat(&[&x.reshape([3, 4])], 0),
        x.cat(&[&x.to_u32()], 0),
        x.cat(&[], 2),
        x.stack(&[&x.t()], 0),
        x.stack(&[&x], 3),
        x.cumsum(2, false),
        x.reshape(5).gather(0, &index),
        x.cat(&[&x.reshape(5)], 0),
        x.reshape(5).cat(&[&x], 0),
        device.tensor(&[0u32], [1; 8]).one_hot(3),
    ] {
        assert!(bad.check().is_err(), "{bad:?}");
        assert!(bad.to_f32().run().is_err());
    }
    assert!(ops::cat(&[], 0).is_err() && ops::stack(&[], 0).is_err());
    let parts = x.split(0, &[1, 2]);
    assert_eq!(parts.len(), 2);
    assert!(matches!(complaint(&parts[1]), OpError::Value(text) if text.contains("[1, 2]")));
    assert!(x.chunk(5, 3).iter().all(|p| p.check().is_err()));
    assert_eq!(x.chunk(0, 0).len(), 0);
}

#[test]
fn a_negative_index_counts_from_the_end() {
    for device in common::devices("negative indices") {
        let x = device.parameter(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], [3, 2]);
        let known = device.tensor(&[-1i32, 0, -3, 2], 4);
        // Converted from floats, so that nothing is known of its range.
        let unknown = device.tensor(&[-1.0f32, 0.0, -3.0, 2.0], 4).to_i32();
        for index in [known, unknown] {
            let rows = x.index_select(0, &index);
            assert_eq!(floats(&rows), [5.0, 6.0, 1.0, 2.0, 1.0, 2.0, 5.0, 6.0]);
            assert_eq!(floats(&rows.sum(&[]).backward().wrt(&x).unwrap()), [2.0, 2.0, 0.0, 0.0, 2.0, 2.0]);
            let taken = x.gather(0, &index.reshape([4, 1]).expand([4, 2]));
            assert_eq!(floats(&taken), floats(&rows));
            assert_eq!(floats(&taken.sum(&[]).backward().wrt(&x).unwrap()), [2.0, 2.0, 0.0, 0.0, 2.0, 2.0]);
            let g = device.parameter(&[1.0, 10.0, 100.0, 1000.0], 4);
            for added in [g.index_add(0, &index, 3), g.scatter_add(0, &index, 3)] {
                assert_eq!(floats(&added), [110.0, 0.0, 1001.0]);
                let slope = added.mul(&device.tensor(&[1.0f32, 2.0, 3.0], 3)).sum(&[]).backward();
                assert_eq!(floats(&slope.wrt(&g).unwrap()), [3.0, 1.0, 1.0, 3.0]);
            }
            // Along another axis, and a whole number of times the axis is still outside.
            assert_eq!(floats(&x.index_select(-1, &device.tensor(&[-2i32], 1))), [1.0, 3.0, 5.0]);
        }
        let outside = device.tensor(&[-4.0f32, -3.0], 2).to_i32();
        let rows = floats(&x.index_select(0, &outside));
        assert!(rows[..2].iter().all(|x| x.is_nan()) && rows[2..] == [1.0, 2.0], "{rows:?}");
        // Labels do not count from the end.
        let label = device.tensor(&[-1.0f32, 1.0], 2).to_i32();
        let each = steepest::nn::loss::nll(&x.slice(0, ..2), &label, steepest::nn::Reduction::None);
        assert!(floats(&each)[0].is_nan() && floats(&each)[1] == -4.0);
        assert!(floats(&x.embedding(&label))[0].is_nan());
    }
}

#[test]
fn an_unknown_index_outside_is_the_same_everywhere() {
    for device in common::devices("indices out of range") {
        // Converted from floats, so that nothing is known of their range.
        let index = device.tensor(&[1.0f32, 7.0, 0.0, -9.0], 4).to_i32();
        let x = device.tensor(&[1.0f32, 2.0, 3.0, 4.0], [2, 2]);
        let rows = floats(&x.index_select(0, &index));
        assert_eq!((&rows[..2], &rows[4..6]), (&[3.0, 4.0][..], &[1.0, 2.0][..]));
        assert!(rows[2..4].iter().chain(&rows[6..]).all(|x| x.is_nan()), "{rows:?}");
        let taken = floats(&x.reshape(4).gather(0, &index));
        assert_eq!((taken[0], taken[2]), (2.0, 1.0));
        assert!(taken[1].is_nan() && taken[3].is_nan());
        let integers = device.tensor(&[5i32, -6], 2);
        let taken = integers.index_select(0, &index);
        assert_eq!(words(&taken), [-6i32 as u32, 0, 5, 0]);
        assert_eq!(taken.spec().unwrap().range, Some((-6, 5)));
        assert_eq!(words(&integers.eq(&integers).gather(0, &index)), [1, 0, 1, 0]);
        let g = device.parameter(&[1.0, 10.0, 100.0, 1000.0], 4);
        let (scattered, added) = (g.scatter_add(0, &index, 3), g.index_add(0, &index, 3));
        assert_eq!(floats(&scattered), [100.0, 1.0, 0.0]);
        assert_eq!(floats(&added), [100.0, 1.0, 0.0]);
        // What was left out has no influence.
        assert_eq!(floats(&added.sum(&[]).backward().wrt(&g).unwrap()), [1.0, 0.0, 1.0, 0.0]);
        assert_eq!(floats(&index.one_hot(2)), [0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
        // Nothing to choose from.
        let none = device.tensor(&[0.0f32; 0], [0, 2]);
        assert!(floats(&none.index_select(0, &index)).iter().all(|x| x.is_nan()));
    }
}

/// So many entries that they are sorted first: those of a row are added up in their order, and those outside are left out.
#[test]
fn long_indices_are_added_up_in_order() {
    let (entries, rows, width) = (300usize, 601usize, 5usize);
    let numbers: Vec<f32> =
        (0..entries * width).map(|i| ((i as u32).wrapping_mul(2_654_435_761) >> 8) as f32 / 16_777_216.0 - 0.5).collect();
    // Some are outside at either end, some count from the end.
    let index: Vec<i32> = (0..entries as i32).map(|i| i * 37 % 83 * 8 - 20).map(|k| if k == -20 { -700 } else { k }).collect();
    let mut expected = vec![0.0f32; rows * width];
    for (row, &k) in numbers.chunks(width).zip(&index) {
        let k = if k < 0 { k + rows as i32 } else { k };
        if let Some(to) = usize::try_from(k).ok().filter(|&k| k < rows) {
            expected[to * width..][..width].iter_mut().zip(row).for_each(|(t, x)| *t += x);
        }
    }
    let any = |of: fn(i32, i32) -> bool| assert!(index.iter().any(|&k| of(k, rows as i32)));
    any(|k, n| k >= n);
    any(|k, n| k < -n);
    any(|k, n| k < 0 && k >= -n);
    for device in common::devices("long indices") {
        // Converted from floats, so that nothing is known of their range.
        let at = device.tensor(&index.iter().map(|&k| k as f32).collect::<Vec<_>>(), entries).to_i32();
        let g = device.tensor(&numbers, [entries, width]);
        let exact = |t: &Tensor| floats(t).iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        let wanted: Vec<u32> = expected.iter().map(|x| x.to_bits()).collect();
        assert_eq!(exact(&g.index_add(0, &at, rows)), wanted);
        assert_eq!(exact(&g.scatter_add(0, &at.reshape([entries, 1]).expand([entries, width]), rows)), wanted);
        let turned = g.t().scatter_add(1, &at.reshape([1, entries]).expand([width, entries]), rows).t();
        assert_eq!(exact(&turned), wanted);
    }
}

#[test]
fn ranges_go_where_the_integers_go() {
    let device = Device::cpu();
    let labels = device.tensor(&[3u32, 5], 2);
    let more = device.tensor(&[1u32], 1);
    let none = device.tensor(&[0u32; 0], 0);
    let range = |t: &Tensor| t.spec().unwrap().range;
    assert_eq!(range(&labels.cat(&[&more, &none], 0)), Some((1, 5)));
    assert_eq!(range(&labels.cat(&[&more.to_f32().to_u32()], 0)), None);
    assert_eq!(range(&labels.index_select(0, &device.tensor(&[1u32], 1))), Some((3, 5)));
    assert_eq!(range(&labels.index_select(0, &more.to_f32().to_u32())), Some((0, 5)));
}

#[test]
fn embeddings_splits_and_stacks() {
    for device in common::devices("embeddings, splits and stacks") {
        let table = device.parameter(&[0.0, 1.0, 10.0, 11.0, 20.0, 21.0], [3, 2]);
        let index = device.tensor(&[2i32, 0, 0, 1, 2, 2], [2, 3]);
        let rows = table.embedding(&index);
        assert_eq!(rows.shape().dims(), [2, 3, 2]);
        assert_eq!(floats(&rows)[..4], [20.0, 21.0, 0.0, 1.0]);
        assert_eq!(floats(&rows.sum(&[]).backward().wrt(&table).unwrap()), [2.0, 2.0, 1.0, 1.0, 3.0, 3.0]);
        // A row that is read twice in a product, differentiated twice.
        let energy = rows.square().mul(&rows).sum(&[]);
        let slope = energy.backward().wrt(&table).unwrap();
        let curvature = slope.sum(&[]).backward().wrt(&table).unwrap();
        assert_eq!(floats(&curvature), [0.0, 12.0, 60.0, 66.0, 360.0, 378.0]);

        let x = device.parameter(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 7);
        let parts = x.chunk(0, 3);
        assert_eq!(parts.iter().map(|p| p.shape().numel()).collect::<Vec<_>>(), [3, 2, 2]);
        assert_eq!(floats(&ops::cat(&parts.iter().collect::<Vec<_>>(), 0).unwrap()), floats(&x));
        let parts = x.split(-1, &[0, 7]);
        assert_eq!((parts[0].shape().numel(), floats(&parts[1])), (0, floats(&x)));
        let pair = parts[1].stack(&[&parts[1]], -1);
        assert_eq!(pair.shape().dims(), [7, 2]);
        assert_eq!(floats(&pair)[4..8], [2.0, 2.0, 3.0, 3.0]);
        assert_eq!(floats(&pair.sum(&[]).backward().wrt(&x).unwrap()), [2.0; 7]);
    }
}

/// Large enough that the native kernels split their work: the same bits as one after the other.
#[test]
fn threads_do_not_change_the_bits() {
    let device = Device::cpu();
    let numbers: Vec<f32> = (0..60_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 8) as f32 / 16_777_216.0 - 0.5).collect();
    let index: Vec<u32> = (0..3000u32).map(|i| i.wrapping_mul(2_654_435_761) >> 25).collect();
    let (g, at) = (device.tensor(&numbers, [3000, 20]), device.tensor(&index, 3000));
    // The sums keep what rounding loses: they are those in f64, rounded once.
    let mut expected = vec![0.0f64; 128 * 20];
    for (row, &k) in numbers.chunks(20).zip(&index) {
        expected[k as usize * 20..][..20].iter_mut().zip(row).for_each(|(t, x)| *t += f64::from(*x));
    }
    let expected: Vec<f32> = expected.into_iter().map(|sum| sum as f32).collect();
    assert_eq!(g.index_add(0, &at, 128).to_vec::<f32>().unwrap(), expected);
    let every = at.reshape([3000, 1]).expand([3000, 20]);
    assert_eq!(g.scatter_add(0, &every, 128).to_vec::<f32>().unwrap(), expected);
    let rows: Vec<f32> = index.iter().flat_map(|&k| numbers[k as usize * 20..][..20].to_vec()).collect();
    assert_eq!(g.index_select(0, &at).to_vec::<f32>().unwrap(), rows);
    assert_eq!(g.gather(0, &every).to_vec::<f32>().unwrap(), rows);
    let wide = g.cat(&[&g, &g.slice(1, ..7)], 1).to_vec::<f32>().unwrap();
    let expected: Vec<f32> = numbers.chunks(20).flat_map(|row| [row, row, &row[..7]].concat()).collect();
    assert_eq!(wide, expected);
}
