//! Sizes that no machine has room for: layers, states, splits and schedules of them are errors that name what was asked for, never a panic or an abort.

use steepest::data::{self, Dataset, Labels};
use steepest::error::OpError;
use steepest::nn::{
    self, AvgPool2d, BatchNorm1d, BatchNorm2d, Bilinear, Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d,
    ConvTranspose3d, Embedding, FeatureEmbedding, GroupNorm, Gru, GruCell, Init, InstanceNorm1d, LayerNorm, Linear, Lstm,
    LstmCell, Module, MultiHeadAttention, PRelu, RmsNorm, Rnn, RnnCell, Role, TransformerBlock,
};
use steepest::optim::schedule::{Cyclic, Plateau, Schedule};
use steepest::{Device, Error, Shape, Tensor};

/// What no tensor may have, and what not even a product of sizes may have.
const SIZES: [usize; 3] = [1 << 33, 1 << 62, usize::MAX];

fn layers(device: &Device, n: usize) -> Vec<(&'static str, Box<dyn Module>)> {
    let m = n / 2;
    vec![
        ("linear", Box::new(Linear::new(device, 1, n, 1))),
        ("linear", Box::new(Linear::new(device, n, m, 1))),
        ("linear", Box::new(nn::mlp(device, &[1, n, n, 1], 1))),
        ("bilinear", Box::new(Bilinear::new(device, 2, m, n, 1))),
        ("embedding", Box::new(Embedding::new(device, n, m, 1))),
        ("embedding", Box::new(Embedding::new(device, 2, n, 1).padding(1))),
        ("prelu", Box::new(PRelu::new(device, n))),
        ("feature_embedding", Box::new(FeatureEmbedding::new(device, n, &[n, m], 2, 1))),
        ("feature_embedding", Box::new(FeatureEmbedding::new(device, 2, &[3, 1], n, 1))),
        ("conv1d", Box::new(Conv1d::new(device, 1, 2, n, 1))),
        ("conv2d", Box::new(Conv2d::new(device, n, m, n, 1).groups(n).same())),
        ("conv2d", Box::new(Conv2d::new(device, n, 3, n, 1).dilation(n).padding(n).same())),
        ("conv3d", Box::new(Conv3d::new(device, 1, 2, n, 1).stride(n))),
        ("conv_transpose1d", Box::new(ConvTranspose1d::new(device, n, m, 3, 1).output_padding(n))),
        ("conv_transpose2d", Box::new(ConvTranspose2d::new(device, 1, n, (n, m), 1).groups(0))),
        ("conv_transpose3d", Box::new(ConvTranspose3d::new(device, 3, 3, n, 1).without_bias())),
        ("batch_norm", Box::new(BatchNorm1d::new(device, n))),
        ("batch_norm", Box::new(BatchNorm2d::new(device, n).without_affine())),
        ("instance_norm", Box::new(InstanceNorm1d::new(n).affine(device))),
        ("layer_norm", Box::new(LayerNorm::new(device, [n, m]))),
        ("rms_norm", Box::new(RmsNorm::new(device, n))),
        ("group_norm", Box::new(GroupNorm::new(device, m, n))),
        ("rnn", Box::new(RnnCell::new_of(device, n, 2))),
        ("gru", Box::new(GruCell::new_of(device, 2, n))),
        ("lstm", Box::new(LstmCell::new_of(device, m, n))),
        ("rnn", Box::new(Rnn::new(device, 2, 2, 1).layers(n))),
        ("gru", Box::new(Gru::new(device, 2, 2, 1).dropout(0.5).layers(n).bidirectional())),
        ("lstm", Box::new(Lstm::new(device, n, m, 1).layers(3))),
        ("linear", Box::new(MultiHeadAttention::new(device, n, 1, 1))),
        ("linear", Box::new(TransformerBlock::new(device, 4, 2, n, 0.0, 1))),
    ]
}

/// A cell by the trait's constructor, which has the name of others here.
trait NewCell: nn::recurrent::Cell {
    fn new_of(device: &Device, inputs: usize, hidden: usize) -> Self {
        <Self as nn::recurrent::Cell>::new(device, inputs, hidden, 1)
    }
}
impl<C: nn::recurrent::Cell> NewCell for C {}

fn names_it(error: &Error, layer: &str) -> bool {
    matches!(error, Error::Op { op, at, error: OpError::Shape(_) | OpError::NoRoom(_) | OpError::Value(_) }
        if *op == layer && at.file().ends_with("impossible_sizes.rs"))
}

#[test]
fn layers_of_impossible_sizes_hold_tensors_that_say_so() {
    let device = Device::cpu();
    for n in SIZES {
        for (name, layer) in layers(&device, n) {
            let what = format!("{} of {n}", layer.describe());
            let many = what.contains(&format!(", {n} layers"));
            let held: Vec<Tensor> = layer.named_state().into_iter().map(|(_, tensor)| tensor).collect();
            let wrong = held.iter().find_map(|tensor| tensor.check().err());
            // The cells of a layer of too many are those of the first alone, which are what they should be.
            if many {
                let error = layer.forward(&device.zeros([3, 2, 2])).run().unwrap_err();
                assert!(error.to_string().contains("number of cells"), "{what}: {error}");
            } else {
                let error = wrong.unwrap_or_else(|| panic!("{what} holds nothing that is refused"));
                assert!(names_it(&error, name), "{what}: {error}");
            }
            // Whatever it is given, an error at the run point and a description without a panic.
            for shape in [vec![], vec![2, 3], vec![1, 1], vec![2, 3, 4], vec![1, 2, 3, 4], vec![1, 2, 3, 4, 5]] {
                let x = device.ones(&shape);
                assert!(layer.forward(&x).run().is_err(), "{what} for {shape:?}");
                assert!(nn::summary(&*layer, &device, &shape).is_err(), "{what} for {shape:?}");
            }
            let large = Shape::new(&[1 << 16, 1 << 15]).unwrap();
            let (work, _) = (layer.multiply_adds(&large, &large), layer.parameter_count());
            // Of a cell of which one weight was refused the other is counted.
            assert!(work == 0 || work >= large.numel() || many || what.contains("(?)"), "{what}: {work}");
        }
    }
}

#[test]
fn starts_and_roles_of_impossible_shapes_are_errors() {
    let device = Device::cpu();
    let shapes: [&[usize]; 5] = [&[usize::MAX], &[1 << 33, 1], &[1 << 40, 1 << 40, 1 << 40], &[0, usize::MAX, 2], &[1; 9]];
    for shape in shapes {
        for init in [Init::Constant(1.0), Init::Normal(1.0), Init::KaimingUniform, Init::Orthogonal(1.0), Init::Identity] {
            let error = init.parameter(&device, shape, (1, 1), 0, 0).check().unwrap_err();
            assert!(names_it(&error, "init"), "{init:?} of {shape:?}: {error}");
        }
        for role in [Role::Weight, Role::Grouped(usize::MAX), Role::Transposed(0), Role::Stacked(0), Role::Table] {
            // Saturated, never a panic: what could not be counted stays at the top.
            let (inputs, outputs) = role.fans(shape);
            let overflows = matches!(role, Role::Weight) && shape == [1 << 40, 1 << 40, 1 << 40];
            assert!(!overflows || (inputs, outputs) == (usize::MAX, usize::MAX), "{role:?}: {inputs}, {outputs}");
        }
    }
    for n in SIZES {
        assert!(nn::sinusoids(&device, n, n, 1e4).run().is_err());
        assert!(nn::alibi(&device, 2, n, n, n).run().is_err());
    }
    assert!(nn::alibi(&device, 2, 1, 1, usize::MAX).run().is_ok());
}

#[test]
fn splits_and_folds_of_impossible_sizes_are_errors() {
    for n in SIZES {
        assert!(matches!(data::random_parts(n, 0.4, 0.5, 1), Err(Error::Config { what: "split", .. })));
        assert!(matches!(data::folds(n, 2, 1), Err(Error::Config { what: "split", .. })));
        assert!(matches!(data::folds(5, n, 1), Err(Error::Config { what: "folds", .. })));
        assert!(data::stratified_folds(&[1, 2, 3], n, 1).is_err());
    }
    // Each of so many folds would name so many rows.
    assert!(matches!(data::folds(1 << 24, 1 << 24, 1), Err(Error::NoRoom(none)) if none.what.contains("folds")));
    for classes in [usize::MAX, 1 << 60, 1 << 33] {
        assert!(Dataset::new(vec![1.0], &[1], Labels::Classes(vec![0], classes)).is_err(), "{classes}");
        assert!(Dataset::new(vec![1.0], &[1], Labels::Maps(vec![0], vec![1], classes)).is_err(), "{classes}");
    }
    assert!(Dataset::new(vec![1.0], &[usize::MAX, 2, 2], Labels::Classes(vec![0], 2)).is_err());
}

#[test]
fn schedules_count_beyond_every_number() {
    let cycle = Cyclic::new(0.1, 0.2, usize::MAX).unwrap().down(usize::MAX).unwrap();
    for step in [0, 1, usize::MAX / 2, usize::MAX] {
        assert!((0.1..=0.2).contains(&cycle.lr(step)), "{step}");
    }
    let device = Device::cpu();
    let mut sgd = steepest::optim::Sgd::new([device.parameter(&[1.0], 1)], 0.1);
    let mut plateau = Plateau::new(0.5, usize::MAX).unwrap().cooldown(usize::MAX);
    plateau.restore((0.0, usize::MAX, usize::MAX));
    plateau.step(1.0, &mut sgd);
    plateau.restore((0.0, usize::MAX, 0));
    plateau.step(1.0, &mut sgd);
}

#[test]
fn pools_and_images_of_impossible_sizes_are_errors() {
    let device = Device::cpu();
    for n in SIZES {
        let y = AvgPool2d::new(n).stride(n).padding(n).forward(&device.ones([1, 1, 4, 4]));
        assert!(y.run().is_err(), "{n}");
    }
}
