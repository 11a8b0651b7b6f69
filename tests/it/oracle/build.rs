//! Ops of the oracle as calls of `Tensor`: one table.

use super::formulas::formula;
use super::inputs::Inputs;
use crate::common::fields::{Fault, Fields, Lack, list};
use serde_json::{Value, json};
use steepest::nn::batch_norm::{batch_norm_eval, batch_norm_train};
use steepest::nn::loss::{self, CrossEntropy, GaussianNll, PoissonNll, Reduction, TripletMargin};
use steepest::nn::recurrent::{Cell, Weights};
use steepest::nn::{GruCell, LstmCell, Recurrent, RnnCell, norm};
use steepest::{AttentionOptions, ConvNdOptions, ConvOptions, PadMode, PoolOptions, RopeOptions, Tensor, ops};

/// A tensor, or why there is none.
pub type Built = Result<Tensor, Fault>;

/// The sizes of a tensor.
fn dims(x: &Tensor) -> Result<Vec<usize>, Fault> {
    Ok(x.try_shape()?.dims().to_vec())
}

fn reduction(p: &Fields<'_>) -> Result<Reduction, Fault> {
    match p.text("reduction")? {
        "mean" => Ok(Reduction::Mean),
        "sum" => Ok(Reduction::Sum),
        "batchmean" => Ok(Reduction::BatchMean),
        _ => p.unknown("reduction"),
    }
}

/// Axes; null means all, which is an empty list here.
fn axes(p: &Fields<'_>) -> Result<Vec<isize>, Fault> {
    if p.need("axes")?.is_null() {
        return Ok(vec![]);
    }
    let axes = p.integers("axes")?;
    if axes.is_empty() { p.unknown("axes") } else { Ok(axes) }
}

/// A number for each of so many axes, or one that counts for all.
fn each<const N: usize>(p: &Fields<'_>, name: &str) -> Result<[usize; N], Fault> {
    match p.sizes(name)?[..] {
        [n] => Ok([n; N]),
        ref all => all.try_into().or_else(|_| p.unknown(name)),
    }
}

/// Two numbers, or one that counts for both.
fn pair(p: &Fields<'_>, name: &str) -> Result<[usize; 2], Fault> {
    each(p, name)
}

/// A number for each axis.
fn per_axis<const D: usize>(p: &Fields<'_>, name: &str) -> Result<[usize; D], Fault> {
    p.sizes(name)?.try_into().or_else(|_| p.unknown(name))
}

/// How the windows of a pooling lie.
fn pool<const D: usize>(p: &Fields<'_>) -> Result<PoolOptions<D>, Fault> {
    let options = PoolOptions::new(per_axis(p, "kernel")?).stride(per_axis(p, "stride")?).padding(per_axis(p, "padding")?);
    let dilation = if p.get("dilation").is_some() { per_axis(p, "dilation")? } else { [1; D] };
    Ok(options.dilation(dilation).ceil_mode(p.flag("ceil_mode")?))
}

/// How a convolution with these weights moves. The padding is a number per axis, or one before and one after it, or "same".
fn conv<const N: usize>(p: &Fields<'_>, w: &Tensor) -> Result<ConvNdOptions<N>, Fault> {
    let options = moves(p)?.groups(p.size("groups")?);
    let both = |v: &Value| list(v, Value::as_u64).filter(|sides| sides.len() == 2);
    // Of one axis the options say two numbers.
    let spread = |all: &[usize]| match all {
        [n] => Ok([*n; N]),
        all => all.try_into().or_else(|_| p.unknown("padding")),
    };
    match p.need("padding")? {
        Value::String(same) if same == "same" => Ok(options.same(spread(dims(w)?.get(2..).unwrap_or_default())?)),
        Value::Array(axes) if axes.iter().all(Value::is_array) => {
            let sides = p.read("padding", |v| list(v, both))?;
            let all = |side: usize| sides.iter().map(|axis| axis[side] as usize).collect::<Vec<_>>();
            Ok(options.sides(spread(&all(0))?, spread(&all(1))?))
        }
        _ => Ok(options.padding(each(p, "padding")?)),
    }
}

/// Stride and dilation.
fn moves<const N: usize>(p: &Fields<'_>) -> Result<ConvNdOptions<N>, Fault> {
    Ok(ConvNdOptions::new().stride(each(p, "stride")?).dilation(each(p, "dilation")?))
}

/// How the windows of unfolded images move.
fn columns(p: &Fields<'_>) -> Result<ConvOptions, Fault> {
    Ok(moves(p)?.padding(pair(p, "padding")?))
}

/// The op on these inputs. What of the parameters and the inputs it has no use for is what the case lacks.
pub fn build(op: &str, p: &Fields<'_>, inputs: &Inputs<'_>) -> Built {
    let built = call(op, p, inputs)?;
    p.all_read()?;
    inputs.all_taken()?;
    Ok(built)
}

fn call(op: &str, p: &Fields<'_>, inputs: &Inputs<'_>) -> Built {
    let input = |place: usize| inputs.get(place);
    if op == "linspace" {
        // It has no input: the device is asked for by way of a number.
        let device = inputs.constant(&[], &[0.0])?.device();
        return Ok(device.linspace(p.float("start")?, p.float("stop")?, p.size("num")?));
    }
    // Nothing else here makes numbers from parameters alone.
    let Some(x) = inputs.optional(0) else { return Err(Fault::Lacking(Lack::Op)) };
    let unary = |f: fn(&Tensor) -> Tensor| Ok(f(x));
    let binary = |f: fn(&Tensor, &Tensor) -> Tensor| Ok(f(x, input(1)?));
    match op {
        "relu" => unary(Tensor::relu),
        "leaky_relu" => Ok(x.leaky_relu(p.float("negative_slope")?)),
        "sigmoid" => unary(Tensor::sigmoid),
        "hard_sigmoid" => unary(Tensor::hard_sigmoid),
        "tanh" => unary(Tensor::tanh),
        "gelu" => match p.text("approximate")? {
            "none" => unary(Tensor::gelu),
            "tanh" => unary(Tensor::gelu_tanh),
            _ => p.unknown("approximate"),
        },
        "silu" => unary(Tensor::silu),
        "softplus" => Ok(x.softplus(p.float("beta")?)),
        "elu" => Ok(x.elu(p.float("alpha")?)),
        "exp" => unary(Tensor::exp),
        "log" => unary(Tensor::log),
        "log1p" => unary(Tensor::log1p),
        "expm1" => unary(Tensor::expm1),
        "sqrt" => unary(Tensor::sqrt),
        "rsqrt" => unary(Tensor::rsqrt),
        "reciprocal" => unary(Tensor::reciprocal),
        "abs" => unary(Tensor::abs),
        "sin" => unary(Tensor::sin),
        "cos" => unary(Tensor::cos),
        "square" => unary(Tensor::square),
        "neg" => unary(Tensor::neg),
        "erf" => unary(Tensor::erf),
        "tan" => unary(Tensor::tan),
        "asin" => unary(Tensor::asin),
        "acos" => unary(Tensor::acos),
        "atan" => unary(Tensor::atan),
        "sinh" => unary(Tensor::sinh),
        "cosh" => unary(Tensor::cosh),
        "asinh" => unary(Tensor::asinh),
        "acosh" => unary(Tensor::acosh),
        "atanh" => unary(Tensor::atanh),
        "exp2" => unary(Tensor::exp2),
        "log2" => unary(Tensor::log2),
        "log10" => unary(Tensor::log10),
        "log_sigmoid" => unary(Tensor::log_sigmoid),
        "softsign" => unary(Tensor::softsign),
        "selu" => unary(Tensor::selu),
        "relu6" => unary(Tensor::relu6),
        "hard_swish" => unary(Tensor::hard_swish),
        "mish" => unary(Tensor::mish),
        "celu" => Ok(x.celu(p.float("alpha")?)),
        "hard_tanh" => Ok(x.hard_tanh(p.float("min")?, p.float("max")?)),
        "prelu" => binary(Tensor::prelu),
        "glu" => Ok(x.glu(p.integer("axis")?)),
        "swiglu" => binary(Tensor::swiglu),
        "pow_scalar" => Ok(x.pow_scalar(p.float("exponent")?)),
        "clamp" => Ok(x.clamp(p.float_or("min", f64::NEG_INFINITY)?, p.float_or("max", f64::INFINITY)?)),

        "add" => binary(Tensor::add),
        "sub" => binary(Tensor::sub),
        "mul" => binary(Tensor::mul),
        "div" => binary(Tensor::div),
        "pow" => binary(Tensor::pow),
        "maximum" => binary(Tensor::maximum),
        "minimum" => binary(Tensor::minimum),
        "hypot" => binary(Tensor::hypot),
        "atan2" => binary(Tensor::atan2),
        "logaddexp" => binary(Tensor::logaddexp),
        "where" => Ok(x.where_(input(1)?, input(2)?)),
        "div_scalar" => Ok(x / p.float("divisor")?),
        "floor_div_scalar" => Ok((x / p.float("divisor")?).floor()),

        "sum" => reduced(x, p, Tensor::sum, Some(Tensor::sum_keepdim)),
        "mean" => reduced(x, p, Tensor::mean, Some(Tensor::mean_keepdim)),
        "max" => reduced(x, p, Tensor::max, Some(Tensor::max_keepdim)),
        "min" => reduced(x, p, Tensor::min, Some(Tensor::min_keepdim)),
        "prod" => reduced(x, p, Tensor::prod, Some(Tensor::prod_keepdim)),
        "var" => p.size("ddof").and_then(|ddof| reduced(x, p, |x, axes| x.var(axes, ddof), None)),
        "std" => p.size("ddof").and_then(|ddof| reduced(x, p, |x, axes| x.std(axes, ddof), None)),
        "l1_norm" => reduced(x, p, Tensor::l1_norm, Some(Tensor::l1_norm_keepdim)),
        "l2_norm" => reduced(x, p, Tensor::l2_norm, Some(Tensor::l2_norm_keepdim)),
        "norm" => {
            let number = |v: &Value| match v.as_str() {
                Some("inf") => Some(f64::INFINITY),
                Some("-inf") => Some(f64::NEG_INFINITY),
                _ => v.as_f64(),
            };
            let order = p.read("p", number)?;
            reduced(x, p, |x, axes| x.norm(order, axes), None)
        }
        "logsumexp" => Ok(x.logsumexp(&axes(p)?, p.flag("keepdims")?)),
        "cumprod" => Ok(x.cumprod(p.integer("axis")?)),
        "cumsum" => Ok(x.cumsum(p.integer("axis")?, false)),
        "softmax" => Ok(x.softmax(p.integer("axis")?)),
        "log_softmax" => Ok(x.log_softmax(p.integer("axis")?)),

        "matmul" => {
            let turned = |t: &Tensor, flag| Ok::<_, Fault>(if p.flag(flag)? { t.t() } else { t.clone() });
            Ok(turned(x, "transpose_a")?.matmul(&turned(input(1)?, "transpose_b")?))
        }
        "einsum" => Ok(ops::einsum(p.text("equation")?, &inputs.all())?),
        "linear" => linear(x, input(1)?, inputs.optional(2)),

        "concat" => Ok(ops::cat(&inputs.all(), p.integer("axis")?)?),
        "stack" => Ok(ops::stack(&inputs.all(), p.integer("axis")?)?),
        "slice" => {
            let (starts, stops, steps) = (p.integers("starts")?, p.integers("stops")?, p.integers("steps")?);
            let runs = starts.iter().zip(stops).zip(steps).enumerate();
            Ok(runs
                .fold(x.clone(), |t, (axis, ((&start, stop), step))| t.slice_step(axis as isize, Some(start), Some(stop), step)))
        }
        "flip" => Ok(x.flip(&axes(p)?)),
        "pad" => {
            let pair = |v: &Value| Some((v.get(0)?.as_u64()? as usize, v.get(1)?.as_u64()? as usize));
            let pads = p.read("pads", |v| list(v, pair))?;
            let signed: Vec<(isize, isize)> = pads.iter().map(|&(a, b)| (a as isize, b as isize)).collect();
            match p.text("mode")? {
                "constant" => Ok(x.pad(&pads, p.float("value")?)),
                "reflect" => Ok(x.pad_with(&signed, PadMode::Reflect)),
                "edge" => Ok(x.pad_with(&signed, PadMode::Edge)),
                "circular" => Ok(x.pad_with(&signed, PadMode::Circular)),
                _ => p.unknown("mode"),
            }
        }
        "permute" => Ok(x.permute(&p.integers("order")?)),
        "reshape" => Ok(x.reshape(p.sizes("shape")?)),
        "squeeze" => Ok(x.squeeze(&axes(p)?)),
        "unsqueeze" => Ok(x.unsqueeze(p.integer("axis")?)),
        "expand" => Ok(x.expand(p.sizes("shape")?)),
        "repeat_interleave" => {
            let repeats = if p.need("repeats")?.is_array() { p.sizes("repeats")? } else { vec![p.size("repeats")?] };
            Ok(x.repeat_interleave(&repeats, p.integer("axis")?))
        }
        "meshgrid" => {
            let indexing = match p.text("indexing")? {
                "ij" => ops::Indexing::Ij,
                "xy" => ops::Indexing::Xy,
                _ => return p.unknown("indexing"),
            };
            let grids = ops::meshgrid(&inputs.all(), indexing)?;
            Ok(ops::stack(&grids.iter().collect::<Vec<_>>(), 0)?)
        }
        "kron" => binary(Tensor::kron),
        "cross" => Ok(x.cross(input(1)?, p.integer("axis")?)),
        "roll" => Ok(x.roll(p.integer("shift")?, p.integer("axis")?)),
        "triu" => Ok(x.triu(p.integer("diagonal")?)),
        "tril" => Ok(x.tril(p.integer("diagonal")?)),
        "tile" => Ok(x.tile(&p.sizes("repeats")?)),

        "gather" => Ok(x.gather(p.integer("axis")?, input(1)?)),
        "index_select" => Ok(x.index_select(p.integer("axis")?, input(1)?)),
        "embedding" => match p.get("padding_idx") {
            Some(_) => Ok(x.embedding_padded(input(1)?, p.size("padding_idx")?)),
            None => Ok(x.embedding(input(1)?)),
        },
        "masked_fill" => Ok(x.masked_fill(input(1)?, p.float("value")?)),
        "scatter_add" => Ok(x + input(2)?.index_add(0, input(1)?, size_along(x, 0)?)),
        "index_put" => Ok(x.index_put(p.integer("axis")?, input(1)?, input(2)?, p.read("accumulate", Value::as_bool)?)),
        "scatter" => {
            let reduce = match p.text("reduce")? {
                "set" => ops::Reduce::Set,
                "add" => ops::Reduce::Add,
                "min" => ops::Reduce::Min,
                "max" => ops::Reduce::Max,
                _ => return p.unknown("reduce"),
            };
            Ok(x.scatter(p.integer("axis")?, input(1)?, input(2)?, reduce))
        }
        "one_hot_matmul" => Ok(input(1)?.one_hot(dims(x)?[0]).matmul(x)),

        "mse" => Ok(loss::mse(x, input(1)?, reduction(p)?)),
        "l1" => Ok(loss::mae(x, input(1)?, reduction(p)?)),
        "huber" => Ok(loss::huber(x, input(1)?, p.float("delta")?, reduction(p)?)),
        "bce" => Ok(loss::bce(x, input(1)?, reduction(p)?)),
        "bce_with_logits" => {
            let weight = weights(p, "pos_weight", inputs)?;
            Ok(loss::bce_with_logits(x, input(1)?, weight.as_ref(), reduction(p)?))
        }
        "hinge" => Ok(loss::hinge(x, input(1)?, p.float("margin")?, reduction(p)?)),
        "squared_hinge" => Ok(loss::squared_hinge(x, input(1)?, p.float("margin")?, reduction(p)?)),
        "smooth_l1" => Ok(loss::smooth_l1(x, input(1)?, p.float("beta")?, reduction(p)?)),
        "gaussian_nll" => {
            let nll = GaussianNll::new().eps(p.float("eps")?).reduction(reduction(p)?);
            Ok(if p.flag("full")? { nll.full() } else { nll }.of(x, input(1)?, input(2)?))
        }
        "poisson_nll" => {
            let nll = PoissonNll::new().eps(p.float("eps")?).reduction(reduction(p)?);
            let nll = if p.flag("log_input")? { nll } else { nll.of_means() };
            Ok(if p.flag("full")? { nll.full() } else { nll }.of(x, input(1)?))
        }
        "triplet_margin" => {
            let triplet = TripletMargin::new().margin(p.float("margin")?).p(p.float("p")?).eps(p.float("eps")?);
            let triplet = triplet.reduction(reduction(p)?);
            Ok(if p.flag("swap")? { triplet.swap() } else { triplet }.of(x, input(1)?, input(2)?))
        }
        "cosine_similarity" => Ok(x.cosine_similarity(input(1)?, p.integer("axis")?, p.float("eps")?)),
        "kl_div" => Ok(loss::kl_div(x, input(1)?, reduction(p)?)),
        "ctc_loss" => {
            let ctc = loss::Ctc::new().blank(p.size("blank")?).reduction(reduction(p)?);
            Ok(ctc.of(x, input(1)?, input(2)?, input(3)?))
        }
        "cross_entropy" | "cross_entropy_soft" => {
            let mut entropy = CrossEntropy::new().smoothing(p.float("label_smoothing")?).reduction(reduction(p)?);
            if let Some(weights) = weights(p, "class_weights", inputs)? {
                entropy = entropy.weights(&weights);
            }
            if p.get("ignore_index").is_some() {
                entropy = entropy.ignore(p.integer("ignore_index")? as i64);
            }
            Ok(entropy.of(x, input(1)?))
        }
        "nll" => Ok(loss::nll(x, input(1)?, reduction(p)?)),

        "batch_norm_train" => Ok(batch_norm_train(x, Some(input(1)?), Some(input(2)?), p.float("eps")?).0),
        "batch_norm_eval" => Ok(batch_norm_eval(x, (input(3)?, input(4)?), Some(input(1)?), Some(input(2)?), p.float("eps")?)),
        "layer_norm" => {
            Ok(norm::layer_norm(x, p.size("normalized_dims")?, inputs.optional(1), inputs.optional(2), p.float("eps")?))
        }
        "group_norm" => Ok(norm::group_norm(x, p.size("groups")?, Some(input(1)?), Some(input(2)?), p.float("eps")?)),
        "instance_norm" => Ok(norm::group_norm(x, dims(x)?[1], Some(input(1)?), Some(input(2)?), p.float("eps")?)),
        "rms_norm" => Ok(norm::rms_norm(x, Some(input(1)?), p.float("eps")?)),

        "conv2d" => Ok(x.conv2d(input(1)?, inputs.optional(2), conv(p, input(1)?)?)),
        "conv1d" => Ok(x.conv1d(input(1)?, inputs.optional(2), conv(p, input(1)?)?)),
        "conv_transpose2d" => {
            Ok(x.conv_transpose2d(input(1)?, inputs.optional(2), conv(p, input(1)?)?, pair(p, "output_padding")?))
        }
        "conv3d" => Ok(x.conv3d(input(1)?, inputs.optional(2), conv(p, input(1)?)?)),
        "conv_transpose1d" => {
            let (w, bias, extra) = (input(1)?, inputs.optional(2), per_axis::<1>(p, "output_padding")?[0]);
            Ok(x.conv_transpose1d(w, bias, conv(p, w)?, extra))
        }
        "unfold" => Ok(x.unfold(pair(p, "kernel")?, columns(p)?)),
        "fold" => Ok(x.fold(pair(p, "output_size")?, pair(p, "kernel")?, columns(p)?)),
        "max_pool1d" => Ok(x.max_pool1d_with(pool(p)?)),
        "max_pool2d" => Ok(x.max_pool2d_with(pool(p)?)),
        "max_pool3d" => Ok(x.max_pool3d_with(pool(p)?)),
        "avg_pool1d" => Ok(x.avg_pool1d_with(pool(p)?.count_include_pad(p.read("count_include_pad", Value::as_bool)?))),
        "avg_pool2d" => Ok(x.avg_pool2d_with(pool(p)?.count_include_pad(p.read("count_include_pad", Value::as_bool)?))),
        "avg_pool3d" => Ok(x.avg_pool3d_with(pool(p)?.count_include_pad(p.read("count_include_pad", Value::as_bool)?))),
        "global_max_pool2d" => Ok(x.global_max_pool2d()),
        "adaptive_max_pool2d" => Ok(x.adaptive_max_pool2d(pair(p, "output_size")?)),
        "adaptive_avg_pool2d" => Ok(x.adaptive_avg_pool2d(pair(p, "output_size")?)),
        "global_avg_pool2d" => Ok(x.global_avg_pool2d()),
        "pixel_shuffle" => Ok(x.pixel_shuffle(p.size("upscale")?)),
        "pixel_unshuffle" => Ok(x.pixel_unshuffle(p.size("downscale")?)),
        "upsample_nearest2d" => Ok(x.upsample_nearest2d(pair(p, "output_size")?)),
        "upsample_bilinear2d" => Ok(x.upsample_bilinear2d(pair(p, "output_size")?, p.read("align_corners", Value::as_bool)?)),
        "cnn_loss" => {
            let conv = x.conv2d(input(2)?, inputs.optional(3), ConvOptions::new().padding(1));
            let active = activation(p, conv, inputs)?;
            let pooled = active.max_pool2d(2, 2, 0);
            let rows = pooled.reshape([dims(x)?[0], dims(&pooled)?[1..].iter().product()]);
            Ok(linear(&rows, input(4)?, inputs.optional(5))?.cross_entropy(input(1)?))
        }

        "attention" => attention(inputs, p),
        "rope" => {
            let options = RopeOptions::new().base(p.float("base")?).offset(p.size("offset")?);
            match p.text("pairing")? {
                "interleaved" => Ok(x.rope(&options)),
                "half" => Ok(x.rope(&options.half())),
                _ => p.unknown("pairing"),
            }
        }
        "lstm_cell" => {
            let (h, c) = cell::<LstmCell>(inputs, 3)?.step(x, &(input(1)?.clone(), input(2)?.clone()));
            Ok(h.cat(&[&c], 1))
        }
        "lstm" => Ok(layers::<LstmCell>(inputs, 3, p)?.run(x, Some(&(input(1)?.clone(), input(2)?.clone()))).0),
        "gru" => Ok(layers::<GruCell>(inputs, 2, p)?.run(x, Some(input(1)?)).0),
        "gru_cell" => Ok(cell::<GruCell>(inputs, 2)?.step(x, input(1)?)),
        "rnn_cell" => Ok(cell::<RnnCell>(inputs, 2)?.step(x, input(1)?)),

        "compose" => formula(p, inputs),
        "mlp_loss" => mlp_loss(inputs, p),
        _ => Err(Fault::Lacking(Lack::Op)),
    }
}

/// A reduction over the case's axes; `keep` is the method that keeps them, or else they are put back.
fn reduced(
    x: &Tensor,
    p: &Fields<'_>,
    method: impl Fn(&Tensor, &[isize]) -> Tensor,
    keep: Option<fn(&Tensor, &[isize]) -> Tensor>,
) -> Built {
    let axes = axes(p)?;
    Ok(match (p.flag("keepdims")?, keep) {
        (false, _) => method(x, &axes),
        (true, Some(keep)) => keep(x, &axes),
        (true, None) => method(x, &axes).reshape(dims(&x.sum_keepdim(&axes))?),
    })
}

/// x wᵀ + b
fn linear(x: &Tensor, w: &Tensor, b: Option<&Tensor>) -> Built {
    let product = x.matmul(&w.t());
    Ok(b.map_or(product.clone(), |b| &product + b))
}

fn attention(inputs: &Inputs<'_>, p: &Fields<'_>) -> Built {
    let mut options = AttentionOptions::new();
    if let Some(scale) = p.read_or("scale", None, |v| v.as_f64().map(Some))? {
        options = options.scale(scale);
    }
    if p.flag("causal")? {
        options = options.causal();
    }
    if p.get("kv_heads").is_some() {
        options = options.kv_heads(p.size("kv_heads")?);
    }
    // The padding is the last input.
    let mut masks = inputs.from(3);
    if p.flag("key_padding")? {
        let Some((padding, others)) = masks.split_last() else { return Err("no padding".into()) };
        (options, masks) = (options.key_padding(padding), others);
    }
    match masks {
        [] => {}
        [mask] => options = options.mask(mask),
        _ => return Err(format!("{} masks", masks.len()).into()),
    }
    Ok(inputs.get(0)?.attention(inputs.get(1)?, inputs.get(2)?, &options))
}

/// The size of an axis, which counts from the end where it is negative.
fn size_along(x: &Tensor, axis: isize) -> Result<usize, Fault> {
    let shape = x.try_shape()?;
    let axis = shape.axis(axis).map_err(|e| e.to_string())?;
    Ok(shape.dims()[axis])
}

/// A parameter of weights as a tensor: one number, or a list of them.
fn weights(p: &Fields<'_>, name: &str, inputs: &Inputs<'_>) -> Result<Option<Tensor>, Fault> {
    match p.get(name) {
        None => Ok(None),
        Some(value) if value.is_number() => inputs.constant(&[], &[p.float(name)?]).map(Some),
        Some(_) => {
            let numbers = p.floats(name)?;
            inputs.constant(&[numbers.len()], &numbers).map(Some)
        }
    }
}

/// Layers of cells whose weights are the inputs from `first` on, in as many layers and directions as the case says.
fn layers<C: Cell>(inputs: &Inputs<'_>, first: usize, p: &Fields<'_>) -> Result<Recurrent<C>, Fault> {
    let (count, bidirectional) = (p.read_or("layers", 1, Value::as_u64)?, p.flag("bidirectional")?);
    let (weights, rest) = inputs.from(first).as_chunks::<4>();
    let cells = if bidirectional { 2 * count } else { count };
    if weights.len() as u64 != cells || !rest.is_empty() {
        return Err(format!("{} and {} weights of {cells} cells", weights.len(), rest.len()).into());
    }
    let mut cells = weights.iter().map(|four| {
        let [ih, hh, b_ih, b_hh] = four.each_ref().map(Tensor::clone);
        C::with_weights(Weights { ih, hh, b_ih, b_hh })
    });
    let Some(one) = cells.next() else { return Err("no cells".into()) };
    Ok(Recurrent::of_cells(one, cells, bidirectional))
}

/// The cell whose weights are the inputs from `first` on.
fn cell<C: Cell>(inputs: &Inputs<'_>, first: usize) -> Result<C, Fault> {
    match inputs.from(first) {
        [ih, hh, b_ih, b_hh] => {
            let [ih, hh, b_ih, b_hh] = [ih, hh, b_ih, b_hh].map(Tensor::clone);
            Ok(C::with_weights(Weights { ih, hh, b_ih, b_hh }))
        }
        others => Err(format!("{} weights of a cell", others.len()).into()),
    }
}

/// The function that `activation` names. It has its usual parameters.
fn activation(p: &Fields<'_>, x: Tensor, inputs: &Inputs<'_>) -> Built {
    let name = p.text("activation")?;
    let params = match name {
        "softplus" => json!({ "beta": 1.0 }),
        "gelu" => json!({ "approximate": "none" }),
        _ => json!({}),
    };
    build(name, &Fields::new(&params), &inputs.others(vec![x])).or_else(|fault| match fault {
        Fault::Lacking(_) => p.unknown("activation"),
        wrong => Err(wrong),
    })
}

fn mlp_loss(inputs: &Inputs<'_>, p: &Fields<'_>) -> Built {
    let [x, t, weights @ ..] = inputs.from(0) else { return Err("an MLP without data".into()) };
    let (layers, rest) = weights.as_chunks::<2>();
    if layers.is_empty() || !rest.is_empty() {
        return Err(format!("{} weights", weights.len()).into());
    }
    let mut y = x.clone();
    for (i, [w, b]) in layers.iter().enumerate() {
        y = linear(&y, w, Some(b))?;
        if i + 1 < layers.len() {
            y = activation(p, y, inputs)?;
        }
    }
    let loss = match p.text("loss")? {
        "mse" => y.mse(t),
        "cross_entropy" => y.cross_entropy(t),
        _ => return p.unknown("loss"),
    };
    let l2 = p.float("l2")?;
    Ok(layers.iter().filter(|_| l2 != 0.0).fold(loss, |loss, [w, _]| loss + w.square().sum(&[]) * (l2 / 2.0)))
}
