//! Layers one by one: made of absurd sizes, set up absurdly, given plausible and absurd inputs.

use super::{family, init, role, used};
use crate::odd::Odd;
use crate::{Line, table};
use steepest::nn::{self, Activation, GlobalPool, Module, Nonlinearity};
use steepest::{ConvOptions, Interpolation, PadMode, PoolOptions, Tensor};

/// An input of images of 4 channels, or one like it, or any; for layers over `axes` axes.
fn image(o: &mut Odd, axes: usize) -> Tensor {
    o.near(&[2, 4, 6, 6, 6][..2 + axes])
}

/// How many axes a layer is over, by the number in its name.
fn axes<L>() -> usize {
    let name = std::any::type_name::<L>();
    name.chars().filter_map(|c| c.to_digit(10)).next_back().map_or(2, |n| n as usize)
}

trait Imaged: Module + Sized {
    /// Used on images.
    fn seen(self, o: &mut Odd) -> Vec<Tensor> {
        let x = image(o, axes::<Self>());
        used(o, self, &x)
    }
}
impl<L: Module> Imaged for L {}

fn mode(o: &mut Odd) -> PadMode {
    let value = o.float();
    o.pick(&[PadMode::Constant(value), PadMode::Reflect, PadMode::Edge, PadMode::Circular])
}

/// A size of kernels, strides and paddings. Of those that a machine could do, only such as take it no minutes.
fn reach(o: &mut Odd) -> usize {
    let size = o.size();
    if (1 << 10..1 << 30).contains(&size) { size % 61 } else { size }
}

fn conv_options(o: &mut Odd) -> ConvOptions {
    let options = ConvOptions::new().stride(o.array::<2>()).sides(o.array::<2>(), o.array::<2>()).dilation(o.array::<2>());
    if o.flag() { options.groups(o.size()) } else { options }
}

family! { FLAT_CONVS: [Conv1d] { "padding_mode" => |o| {
    let layer = L::new(&o.device(), 4, 2, 3, 1).padding(o.size());
    layer.padding_mode(mode(o)).seen(o)
}; } }

family! { CONVS: [Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d] {
    "new" => |o| L::new(&o.device(), o.size_near(4), o.size(), reach(o), o.seed()).seen(o);
    "stride" => |o| L::new(&o.device(), 4, 2, 3, 1).stride(o.size()).seen(o);
    "padding" => |o| L::new(&o.device(), 4, 2, 2, 1).stride(reach(o)).padding(reach(o)).seen(o);
    "sides" => |o| L::new(&o.device(), 4, 2, 2, 1).sides(reach(o), reach(o)).seen(o);
    "same" => |o| L::new(&o.device(), 4, 2, reach(o), 1).dilation(o.size()).same().stride(o.size()).seen(o);
    "dilation" => |o| L::new(&o.device(), 4, 2, 2, 1).dilation(o.size()).padding(reach(o)).seen(o);
    "groups" => |o| L::new(&o.device(), 4, o.size(), 2, 1).groups(o.size()).seen(o);
    "without_bias" => |o| L::new(&o.device(), 4, 2, reach(o), 1).without_bias().groups(o.size()).seen(o);
    "init" => |o| {
        let layer = L::new(&o.device(), o.size_near(4), o.size(), 2, 1).groups(o.size());
        let (weight, bias, seed) = (init(o), init(o), o.seed());
        layer.init(weight, bias, seed).map(|layer| layer.seen(o))
    };
    "weight" => |o| L::new(&o.device(), o.size(), o.size(), o.size(), 1).weight().clone();
    "bias" => |o| L::new(&o.device(), o.size(), o.size(), o.size(), 1).bias().cloned();
} }

macro_rules! pools {
    ($($table:ident: [$($kind:ident),*] $method:literal, |$layer:ident, $o:ident| $call:expr;)*) => {
        $(family! { $table: [$($kind),*] {
            "new" => |o| L::new(o.size()).seen(o);
            "with" => |o| {
                let options = PoolOptions::new(o.size()).stride(o.size()).padding(o.size()).dilation(o.size());
                L::with(options.ceil_mode(o.flag()).count_include_pad(o.flag())).seen(o)
            };
            "stride" => |o| L::new(2).stride(o.size()).seen(o);
            "padding" => |o| L::new(o.size()).padding(o.size()).seen(o);
            "ceil_mode" => |o| L::new(o.size()).stride(o.size()).ceil_mode(o.flag()).seen(o);
            $method => |$o| { let $layer = L::new($o.size()); $call.seen($o) };
        } })*
    };
}

pools! {
    MAX_POOLS: [MaxPool1d, MaxPool2d, MaxPool3d] "dilation", |layer, o| layer.dilation(o.size());
    MEAN_POOLS: [AvgPool1d, AvgPool2d, AvgPool3d] "count_include_pad", |layer, o| layer.padding(o.size()).count_include_pad(o.flag());
}

family! { CELLS: [
    AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d, AdaptiveMaxPool1d, AdaptiveMaxPool2d, AdaptiveMaxPool3d
] { "new" => |o| L::new(o.size()).seen(o); } }

fn batch_norm<const D: usize>(o: &mut Odd) -> nn::BatchNorm<D> {
    let layer = nn::BatchNorm::<D>::new(&o.device(), o.size_near(4)).momentum(o.share()).eps(o.float());
    if o.flag() { layer.without_affine() } else { layer }
}

fn activation(o: &mut Odd) -> Activation {
    let (a, b, axis) = (o.float(), o.float(), o.axis());
    o.pick(&[
        Activation::LeakyRelu(a),
        Activation::Elu(a),
        Activation::Celu(a),
        Activation::HardTanh(a, b),
        Activation::SoftplusBeta(a),
        Activation::Softshrink(a),
        Activation::Hardshrink(a),
        Activation::Threshold(a, b),
        Activation::Softmax(axis),
        Activation::LogSoftmax(axis),
        Activation::Mish,
        Activation::Gelu,
    ])
}

pub const TABLE: &[Line] = table! {
    "Linear::new" => |o| { let x = o.near(&[2, 4]); let l = nn::Linear::new(&o.device(), o.size_near(4), o.size(), o.seed()); used(o, l, &x) };
    "Linear::with_init" => |o| {
        let (x, weight, bias) = (o.near(&[2, 4]), init(o), init(o));
        let l = nn::Linear::with_init(&o.device(), o.size_near(4), o.size(), weight, bias, o.seed());
        used(o, l, &x)
    };
    "Linear::init" => |o| {
        let (x, weight, bias) = (o.near(&[2, 4]), init(o), init(o));
        nn::Linear::new(&o.device(), o.size_near(4), o.size(), 1).init(weight, bias, o.seed()).map(|l| used(o, l, &x))
    };
    "Linear::from_parameters" => |o| {
        let (x, weight, bias) = (o.tensor(), o.tensor(), o.maybe(Odd::tensor));
        nn::Linear::from_parameters(weight, bias).map(|l| used(o, l, &x))
    };
    "Linear::without_bias" => |o| { let x = o.tensor(); let l = nn::Linear::new(&o.device(), o.size(), o.size(), 1).without_bias(); used(o, l, &x) };
    "Linear::weight" => |o| nn::Linear::new(&o.device(), o.size(), o.size(), 1).weight().clone();
    "Linear::bias" => |o| nn::Linear::new(&o.device(), o.size(), o.size(), 1).bias().cloned();
    "Bilinear::new" => |o| {
        let l = nn::Bilinear::new(&o.device(), o.size_near(3), o.size_near(2), o.size(), o.seed());
        let inputs = [o.near(&[2, 3]), o.near(&[2, 2])];
        let y = l.forward_all(&inputs);
        used(o, l, &y[0]);
        y
    };
    "Bilinear::of" => |o| nn::Bilinear::new(&o.device(), 3, 2, o.size(), 1).of(&o.near(&[2, 3]), &o.near(&[2, 2]));
    "Bilinear::without_bias" => |o| nn::Bilinear::new(&o.device(), o.size(), 2, 2, 1).without_bias().of(&o.tensor(), &o.tensor());
    "Bilinear::weight" => |o| nn::Bilinear::new(&o.device(), o.size(), o.size(), o.size(), 1).weight().clone();
    "Bilinear::bias" => |o| nn::Bilinear::new(&o.device(), o.size(), o.size(), o.size(), 1).bias().cloned();
    "Embedding::new" => |o| { let x = o.labels(&[2, 3], 4); let l = nn::Embedding::new(&o.device(), o.size_near(4), o.size(), o.seed()); used(o, l, &x) };
    "Embedding::with_init" => |o| {
        let (x, weight) = (o.labels(&[2, 3], 4), init(o));
        let l = nn::Embedding::with_init(&o.device(), o.size_near(4), o.size(), weight, o.seed());
        used(o, l, &x)
    };
    "Embedding::init" => |o| {
        let (x, weight) = (o.labels(&[2, 3], 4), init(o));
        nn::Embedding::new(&o.device(), o.size_near(4), o.size(), 1).init(weight, o.seed()).map(|l| used(o, l, &x))
    };
    "Embedding::from_parameters" => |o| { let x = o.labels(&[2, 3], 4); nn::Embedding::from_parameters(o.tensor()).map(|l| used(o, l, &x)) };
    "Embedding::padding" => |o| { let x = o.labels(&[2, 3], 4); let l = nn::Embedding::new(&o.device(), o.size_near(4), o.size(), 1).padding(o.size()); used(o, l, &x) };
    "Embedding::weight" => |o| nn::Embedding::new(&o.device(), o.size(), o.size(), 1).weight().clone();
    "FeatureEmbedding::new" => |o| {
        let x = o.near(&[2, 4]);
        let l = nn::FeatureEmbedding::new(&o.device(), o.size_near(2), &[o.size_near(3), o.size()], o.size(), o.seed());
        used(o, l, &x)
    };
    "FeatureEmbedding::with_init" => |o| {
        let (x, weight, bias) = (o.near(&[2, 3]), init(o), init(o));
        let l = nn::FeatureEmbedding::with_init(&o.device(), o.size(), &o.sizes(), o.size(), weight, bias, o.seed());
        used(o, l, &x)
    };
    "FeatureEmbedding::weight" => |o| nn::FeatureEmbedding::new(&o.device(), o.size(), &o.sizes(), o.size(), 1).weight().cloned();
    "FeatureEmbedding::bias" => |o| nn::FeatureEmbedding::new(&o.device(), o.size(), &o.sizes(), o.size(), 1).bias().clone();
    "FeatureEmbedding::tables" => |o| nn::FeatureEmbedding::new(&o.device(), o.size(), &o.sizes(), o.size(), 1).tables().to_vec();
    "PRelu::new" => |o| { let x = o.near(&[2, 4]); let l = nn::PRelu::new(&o.device(), o.size_near(4)); used(o, l, &x) };
    "PRelu::starting_at" => |o| { let x = o.near(&[2, 4]); let l = nn::PRelu::starting_at(&o.device(), o.size_near(4), o.float()); used(o, l, &x) };
    "PRelu::init" => |o| { let start = init(o); nn::PRelu::new(&o.device(), o.size()).init(start, o.seed()).map(|l| l.weight().clone()) };
    "PRelu::weight" => |o| nn::PRelu::new(&o.device(), o.size()).weight().clone();
    "Glu::new" => |o| { let x = o.near(&[2, 4]); let l = nn::Glu::new(o.axis()); used(o, l, &x) };
    "SwiGlu::new" => |o| { let x = o.near(&[2, 4]); let l = nn::SwiGlu::new(o.axis()); used(o, l, &x) };
    "Function::new" => |o| { let x = o.tensor(); let a = activation(o); used(o, a, &x); let name = o.text(); used(o, nn::Function::new(name, |x| x * 2.0), &x) };
    "FlattenAxes::new" => |o| { let x = o.tensor(); let l = nn::FlattenAxes::new(o.axis(), o.axis()); used(o, l, &x) };
    "Unflatten::new" => |o| { let x = o.near(&[2, 4]); let l = nn::Unflatten::new(o.axis(), o.sizes()); used(o, l, &x) };
    "Residual::new" => |o| { let x = o.near(&[2, 4]); let l = nn::Residual::new(nn::Linear::new(&o.device(), o.size_near(4), o.size_near(4), 1)); used(o, l, &x) };
    "Upsample::to" => |o| {
        let how = o.pick(&[Interpolation::Nearest, Interpolation::Linear { align_corners: true }, Interpolation::Cubic { align_corners: false }, Interpolation::Area]);
        let l = nn::Upsample::to(&o.sizes(), how);
        let axes = o.pick(&[1, 2, 3]);
        let x = image(o, axes);
        used(o, l, &x)
    };
    "Upsample::by" => |o| {
        let how = o.pick(&[Interpolation::Nearest, Interpolation::NearestExact, Interpolation::Linear { align_corners: true }, Interpolation::Area]);
        nn::Upsample::by(o.float(), how).seen(o)
    };
    "Pad::new" => |o| { let pads = o.many(|o| (o.int(), o.int())); nn::Pad::new(&pads, mode(o)).seen(o) };
    "PixelShuffle::new" => |o| nn::PixelShuffle::new(o.size_near(2)).seen(o);
    "PixelUnshuffle::new" => |o| nn::PixelUnshuffle::new(o.size_near(2)).seen(o);
    "ChannelShuffle::new" => |o| nn::ChannelShuffle::new(o.size_near(2)).seen(o);
    "Unfold::new" => |o| { let options = conv_options(o); GlobalPool::Max.seen(o); nn::Unfold::new(o.array::<2>(), options).seen(o) };
    "Fold::new" => |o| {
        let options = conv_options(o);
        let x = o.near(&[2, 8, 9]);
        let l = nn::Fold::new(o.array::<2>(), o.array::<2>(), options);
        used(o, l, &x)
    };
    "Dropout::new" => |o| { let x = o.tensor(); let l = nn::Dropout::new(o.share(), o.seed()); used(o, l, &x) };
    "ChannelDropout::new" => |o| nn::ChannelDropout::new(o.share(), o.seed()).seen(o);
    "AlphaDropout::new" => |o| { let x = o.tensor(); let l = nn::AlphaDropout::new(o.share(), o.seed()); used(o, l, &x) };
    "BatchNorm::new" => |o| { let x = image(o, 1); let l = nn::BatchNorm1d::new(&o.device(), o.size_near(4)); used(o, l, &x) };
    "BatchNorm::without_affine" => |o| { let x = image(o, 2); let l = batch_norm::<2>(o).without_affine(); used(o, l, &x) };
    "BatchNorm::momentum" => |o| { let x = image(o, 2); let l = batch_norm::<2>(o); used(o, l, &x) };
    "BatchNorm::eps" => |o| { let x = image(o, 3); let l = batch_norm::<3>(o).eps(o.float()); used(o, l, &x) };
    "batch_norm::batch_norm_train" => |o| nn::batch_norm::batch_norm_train(&image(o, 1), o.maybe(|o| o.near(&[4])).as_ref(), o.maybe(|o| o.near(&[4])).as_ref(), o.float());
    "batch_norm::batch_norm_eval" => |o| nn::batch_norm::batch_norm_eval(&image(o, 1), (&o.near(&[4]), &o.near(&[4])), o.maybe(|o| o.near(&[4])).as_ref(), None, o.float());
    "InstanceNorm::new" => |o| { let x = image(o, 1); let l = nn::InstanceNorm1d::new(o.size_near(4)); used(o, l, &x) };
    "InstanceNorm::affine" => |o| { let x = image(o, 2); let l = nn::InstanceNorm2d::new(o.size_near(4)).affine(&o.device()); used(o, l, &x) };
    "InstanceNorm::eps" => |o| { let x = image(o, 3); let l = nn::InstanceNorm3d::new(o.size_near(4)).eps(o.float()); used(o, l, &x) };
    "instance_norm::instance_norm" => |o| nn::instance_norm::instance_norm(&image(o, 1), o.maybe(|o| o.near(&[4])).as_ref(), None, o.float());
    "LayerNorm::new" => |o| { let x = o.near(&[2, 4]); let l = nn::LayerNorm::new(&o.device(), o.shape()); used(o, l, &x) };
    "LayerNorm::without_affine" => |o| { let x = o.near(&[2, 4]); let l = nn::LayerNorm::new(&o.device(), o.size_near(4)).without_affine(); used(o, l, &x) };
    "LayerNorm::eps" => |o| { let x = o.near(&[2, 4]); let l = nn::LayerNorm::new(&o.device(), o.size_near(4)).eps(o.float()); used(o, l, &x) };
    "LayerNorm::init" => |o| {
        let (x, gamma, beta) = (o.near(&[2, 4]), init(o), init(o));
        nn::LayerNorm::new(&o.device(), o.shape()).init(gamma, beta, o.seed()).map(|l| used(o, l, &x))
    };
    "norm::layer_norm" => |o| nn::norm::layer_norm(&o.near(&[2, 4]), o.size_near(1), o.maybe(|o| o.near(&[4])).as_ref(), None, o.float());
    "RmsNorm::new" => |o| { let x = o.near(&[2, 4]); let l = nn::RmsNorm::new(&o.device(), o.size_near(4)); used(o, l, &x) };
    "RmsNorm::eps" => |o| { let x = o.near(&[2, 4]); let l = nn::RmsNorm::new(&o.device(), o.size_near(4)).eps(o.float()); used(o, l, &x) };
    "norm::rms_norm" => |o| nn::norm::rms_norm(&o.near(&[2, 4]), o.maybe(|o| o.near(&[4])).as_ref(), o.float());
    "GroupNorm::new" => |o| nn::GroupNorm::new(&o.device(), o.size(), o.size_near(4)).seen(o);
    "GroupNorm::without_affine" => |o| nn::GroupNorm::new(&o.device(), o.size(), o.size_near(4)).without_affine().seen(o);
    "GroupNorm::eps" => |o| nn::GroupNorm::new(&o.device(), o.size(), o.size_near(4)).eps(o.float()).seen(o);
    "norm::group_norm" => |o| nn::norm::group_norm(&image(o, 2), o.size(), o.maybe(|o| o.near(&[4])).as_ref(), None, o.float());
    "Init::parameter" => |o| { let start = init(o); start.parameter(&o.device(), &o.shape(), (o.size(), o.size()), o.seed(), o.seed()) };
    "Init::fill" => |o| { let (start, role) = (init(o), role(o)); start.fill(&o.near(&[4, 2]), role, o.seed()) };
    "Role::fans" => |o| { let role = role(o); role.fans(&o.shape()) };
    "Nonlinearity::gain" => |o| { let slope = o.float(); o.pick(&[Nonlinearity::LeakyRelu(slope), Nonlinearity::Selu]).gain() };
};
