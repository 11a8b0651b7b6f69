//! Ops of the oracle as calls of `Tensor`: one table.

use serde_json::Value;
use steepest::nn::batch_norm::{batch_norm_eval, batch_norm_train};
use steepest::nn::loss::{self, CrossEntropy, Reduction};
use steepest::nn::recurrent::{Cell, Weights};
use steepest::nn::{GruCell, Lstm, LstmCell, RnnCell, norm};
use steepest::{ConvOptions, Tensor, ops};

/// A tensor, or why a case cannot be built as its index says.
pub type Built = Result<Tensor, String>;

/// The sizes of a tensor.
pub fn dims(x: &Tensor) -> Result<Vec<usize>, String> {
    x.try_shape().map(|s| s.dims().to_vec()).map_err(|error| error.to_string())
}

/// The parameters of a case. One that is missing or of another kind is an error: a case is never built half.
#[derive(Clone, Copy)]
pub struct Params<'a>(pub &'a Value);

impl<'a> Params<'a> {
    fn get(self, name: &str) -> Result<&'a Value, String> {
        self.0.get(name).ok_or_else(|| format!("no parameter {name}"))
    }
    fn wrong<T>(self, name: &str) -> Result<T, String> {
        Err(format!("parameter {name} is {}", self.0[name]))
    }
    fn float(self, name: &str) -> Result<f64, String> {
        self.get(name)?.as_f64().map_or_else(|| self.wrong(name), Ok)
    }
    /// A number, or `absent` for null.
    fn float_or(self, name: &str, absent: f64) -> Result<f64, String> {
        if self.get(name)?.is_null() { Ok(absent) } else { self.float(name) }
    }
    fn integer(self, name: &str) -> Result<isize, String> {
        self.get(name)?.as_i64().map_or_else(|| self.wrong(name), |i| Ok(i as isize))
    }
    fn size(self, name: &str) -> Result<usize, String> {
        self.get(name)?.as_u64().map_or_else(|| self.wrong(name), |i| Ok(i as usize))
    }
    /// True or false; false where it is not given.
    fn flag(self, name: &str) -> Result<bool, String> {
        match self.0.get(name) {
            None => Ok(false),
            Some(value) => value.as_bool().map_or_else(|| self.wrong(name), Ok),
        }
    }
    fn text(self, name: &str) -> Result<&'a str, String> {
        self.get(name)?.as_str().map_or_else(|| self.wrong(name), Ok)
    }
    fn reduction(self) -> Result<Reduction, String> {
        match self.text("reduction")? {
            "mean" => Ok(Reduction::Mean),
            "sum" => Ok(Reduction::Sum),
            "batchmean" => Ok(Reduction::BatchMean),
            _ => self.wrong("reduction"),
        }
    }
    fn integers(self, name: &str) -> Result<Vec<isize>, String> {
        let list = self.get(name)?.as_array().and_then(|l| l.iter().map(|v| v.as_i64().map(|i| i as isize)).collect());
        list.map_or_else(|| self.wrong(name), Ok)
    }
    fn sizes(self, name: &str) -> Result<Vec<usize>, String> {
        let list = self.get(name)?.as_array().and_then(|l| l.iter().map(|v| v.as_u64().map(|i| i as usize)).collect());
        list.map_or_else(|| self.wrong(name), Ok)
    }
    /// Two numbers, or one that counts for both.
    fn pair(self, name: &str) -> Result<[usize; 2], String> {
        match self.sizes(name)?[..] {
            [n] => Ok([n, n]),
            [height, width] => Ok([height, width]),
            _ => self.wrong(name),
        }
    }
    fn conv(self) -> Result<ConvOptions, String> {
        let options = ConvOptions::new().stride(self.pair("stride")?).padding(self.pair("padding")?);
        Ok(options.dilation(self.pair("dilation")?).groups(self.size("groups")?))
    }
    /// Axes; null means all, which is an empty list here.
    fn axes(self) -> Result<Vec<isize>, String> {
        if self.get("axes")?.is_null() {
            return Ok(vec![]);
        }
        let axes = self.integers("axes")?;
        if axes.is_empty() { self.wrong("axes") } else { Ok(axes) }
    }
}

/// The op on these inputs. `Ok(None)` means that there is no such op here; an error, that the op is known and the case is not understood.
pub fn build(op: &str, params: Params<'_>, inputs: &[Tensor]) -> Result<Option<Tensor>, String> {
    let p = params;
    let input = |i: usize| inputs.get(i).ok_or_else(|| format!("{op} has {} inputs", inputs.len()));
    let x = input(0)?;
    let all: Vec<&Tensor> = inputs.iter().collect();
    let unary = |f: fn(&Tensor) -> Tensor| Ok(f(x));
    let binary = |f: fn(&Tensor, &Tensor) -> Tensor| Ok(f(x, input(1)?));
    let built: Built = match op {
        "relu" => unary(Tensor::relu),
        "leaky_relu" => Ok(x.leaky_relu(p.float("negative_slope")?)),
        "sigmoid" => unary(Tensor::sigmoid),
        "hard_sigmoid" => unary(Tensor::hard_sigmoid),
        "tanh" => unary(Tensor::tanh),
        "gelu" => match p.text("approximate")? {
            "none" => unary(Tensor::gelu),
            "tanh" => unary(Tensor::gelu_tanh),
            _ => p.wrong("approximate"),
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
        "pow_scalar" => Ok(x.pow_scalar(p.float("exponent")?)),
        "clamp" => Ok(x.clamp(p.float_or("min", f64::NEG_INFINITY)?, p.float_or("max", f64::INFINITY)?)),

        "add" => binary(Tensor::add),
        "sub" => binary(Tensor::sub),
        "mul" => binary(Tensor::mul),
        "div" => binary(Tensor::div),
        "pow" => binary(Tensor::pow),
        "maximum" => binary(Tensor::maximum),
        "minimum" => binary(Tensor::minimum),
        "where" => Ok(x.where_(input(1)?, input(2)?)),

        "sum" => reduced(x, p, Tensor::sum, Some(Tensor::sum_keepdim)),
        "mean" => reduced(x, p, Tensor::mean, Some(Tensor::mean_keepdim)),
        "max" => reduced(x, p, Tensor::max, Some(Tensor::max_keepdim)),
        "min" => reduced(x, p, Tensor::min, Some(Tensor::min_keepdim)),
        "prod" => reduced(x, p, Tensor::prod, Some(Tensor::prod_keepdim)),
        "var" => p.size("ddof").and_then(|ddof| reduced(x, p, |x, axes| x.var(axes, ddof), None)),
        "std" => p.size("ddof").and_then(|ddof| reduced(x, p, |x, axes| x.std(axes, ddof), None)),
        "l1_norm" => reduced(x, p, Tensor::l1_norm, Some(Tensor::l1_norm_keepdim)),
        "l2_norm" => reduced(x, p, Tensor::l2_norm, Some(Tensor::l2_norm_keepdim)),
        "logsumexp" => Ok(x.logsumexp(&p.axes()?, p.flag("keepdims")?)),
        "cumsum" => Ok(x.cumsum(p.integer("axis")?, false)),
        "softmax" => Ok(x.softmax(p.integer("axis")?)),
        "log_softmax" => Ok(x.log_softmax(p.integer("axis")?)),

        "matmul" => {
            let turned = |t: &Tensor, flag| Ok::<_, String>(if p.flag(flag)? { t.t() } else { t.clone() });
            Ok(turned(x, "transpose_a")?.matmul(&turned(input(1)?, "transpose_b")?))
        }
        "linear" => linear(x, input(1)?, inputs.get(2)),

        "concat" => ops::cat(&all, p.integer("axis")?).map_err(|e| e.to_string()),
        "stack" => ops::stack(&all, p.integer("axis")?).map_err(|e| e.to_string()),
        "slice" => {
            let (starts, stops, steps) = (p.integers("starts")?, p.integers("stops")?, p.integers("steps")?);
            let runs = starts.iter().zip(stops).zip(steps).enumerate();
            Ok(runs
                .fold(x.clone(), |t, (axis, ((&start, stop), step))| t.slice_step(axis as isize, Some(start), Some(stop), step)))
        }
        "flip" => Ok(x.flip(&p.axes()?)),
        "pad" => {
            let pair = |v: &Value| Some((v.get(0)?.as_u64()? as usize, v.get(1)?.as_u64()? as usize));
            let pads: Option<Vec<_>> = p.get("pads")?.as_array().and_then(|pads| pads.iter().map(pair).collect());
            match (pads, p.text("mode")?) {
                (Some(pads), "constant") => Ok(x.pad(&pads, p.float("value")?)),
                (None, _) => p.wrong("pads"),
                _ => p.wrong("mode"),
            }
        }
        "permute" => Ok(x.permute(&p.integers("order")?)),
        "reshape" => Ok(x.reshape(p.sizes("shape")?)),
        "squeeze" => Ok(x.squeeze(&p.axes()?)),
        "unsqueeze" => Ok(x.unsqueeze(p.integer("axis")?)),
        "expand" => Ok(x.expand(p.sizes("shape")?)),
        "tile" => Ok(x.tile(&p.sizes("repeats")?)),

        "gather" => Ok(x.gather(p.integer("axis")?, input(1)?)),
        "index_select" => Ok(x.index_select(p.integer("axis")?, input(1)?)),
        "embedding" => Ok(x.embedding(input(1)?)),
        "one_hot_matmul" => Ok(input(1)?.one_hot(dims(x)?[0]).matmul(x)),

        "mse" => Ok(loss::mse(x, input(1)?, p.reduction()?)),
        "l1" => Ok(loss::mae(x, input(1)?, p.reduction()?)),
        "huber" => Ok(loss::huber(x, input(1)?, p.float("delta")?, p.reduction()?)),
        "bce" => Ok(loss::bce(x, input(1)?, p.reduction()?)),
        "bce_with_logits" => Ok(loss::bce_with_logits(x, input(1)?, None, p.reduction()?)),
        "hinge" => Ok(loss::hinge(x, input(1)?, p.float("margin")?, p.reduction()?)),
        "kl_div" => Ok(loss::kl_div(x, input(1)?, p.reduction()?)),
        "cross_entropy" | "cross_entropy_soft" => {
            Ok(CrossEntropy::new().smoothing(p.float("label_smoothing")?).reduction(p.reduction()?).of(x, input(1)?))
        }
        "nll" => Ok(loss::nll(x, input(1)?, p.reduction()?)),

        "batch_norm_train" => Ok(batch_norm_train(x, Some(input(1)?), Some(input(2)?), p.float("eps")?).0),
        "batch_norm_eval" => Ok(batch_norm_eval(x, (input(3)?, input(4)?), Some(input(1)?), Some(input(2)?), p.float("eps")?)),
        "layer_norm" => Ok(norm::layer_norm(x, p.size("normalized_dims")?, inputs.get(1), inputs.get(2), p.float("eps")?)),
        "group_norm" => Ok(norm::group_norm(x, p.size("groups")?, Some(input(1)?), Some(input(2)?), p.float("eps")?)),
        "rms_norm" => Ok(norm::rms_norm(x, Some(input(1)?), p.float("eps")?)),

        "conv2d" => Ok(x.conv2d(input(1)?, inputs.get(2), p.conv()?)),
        "conv1d" => Ok(x.conv1d(input(1)?, inputs.get(2), p.conv()?)),
        "conv_transpose2d" => Ok(x.conv_transpose2d(input(1)?, inputs.get(2), p.conv()?, p.pair("output_padding")?)),
        "max_pool2d" => Ok(x.max_pool2d(p.pair("kernel")?, p.pair("stride")?, p.pair("padding")?)),
        "avg_pool2d" => {
            let (kernel, stride, padding) = (p.pair("kernel")?, p.pair("stride")?, p.pair("padding")?);
            p.get("count_include_pad")?;
            Ok(x.avg_pool2d(kernel, stride, padding, p.flag("count_include_pad")?))
        }
        "adaptive_avg_pool2d" => Ok(x.adaptive_avg_pool2d(p.pair("output_size")?)),
        "global_avg_pool2d" => Ok(x.global_avg_pool2d()),
        "cnn_loss" => {
            let conv = x.conv2d(input(2)?, inputs.get(3), ConvOptions::new().padding(1));
            let name = p.text("activation")?;
            let active = build(name, Params(&serde_json::json!({})), &[conv])?.ok_or_else(|| format!("no activation {name}"))?;
            let pooled = active.max_pool2d(2, 2, 0);
            let rows = pooled.reshape([dims(x)?[0], dims(&pooled)?[1..].iter().product()]);
            Ok(linear(&rows, input(4)?, inputs.get(5))?.cross_entropy(input(1)?))
        }

        "attention" => attention(x, input(1)?, input(2)?, p),
        "lstm_cell" => {
            let (h, c) = cell::<LstmCell>(inputs, 3)?.step(x, &(input(1)?.clone(), input(2)?.clone()));
            Ok(h.cat(&[&c], 1))
        }
        "lstm" => Ok(Lstm::of(cell(inputs, 3)?).run(x, Some(&(input(1)?.clone(), input(2)?.clone()))).0),
        "gru_cell" => Ok(cell::<GruCell>(inputs, 2)?.step(x, input(1)?)),
        "rnn_cell" => Ok(cell::<RnnCell>(inputs, 2)?.step(x, input(1)?)),

        "compose" => match formula(p.text("formula")?, inputs)? {
            Some(built) => Ok(built),
            None => return Ok(None),
        },
        "mlp_loss" => mlp_loss(inputs, p),
        _ => return Ok(None),
    };
    built.map(Some)
}

/// A reduction over the case's axes; `keep` is the method that keeps them, or else they are put back.
fn reduced(
    x: &Tensor,
    p: Params<'_>,
    method: impl Fn(&Tensor, &[isize]) -> Tensor,
    keep: Option<fn(&Tensor, &[isize]) -> Tensor>,
) -> Built {
    let axes = p.axes()?;
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

fn attention(q: &Tensor, k: &Tensor, v: &Tensor, p: Params<'_>) -> Built {
    let scale = if p.get("scale")?.is_null() { None } else { Some(p.float("scale")?) };
    Ok(q.scaled_dot_product_attention(k, v, p.flag("causal")?, scale))
}

/// The cell whose weights are the inputs from `first` on.
fn cell<C: Cell>(inputs: &[Tensor], first: usize) -> Result<C, String> {
    match inputs.get(first..) {
        Some([ih, hh, b_ih, b_hh]) => {
            let [ih, hh, b_ih, b_hh] = [ih, hh, b_ih, b_hh].map(Tensor::clone);
            Ok(C::with_weights(Weights { ih, hh, b_ih, b_hh }))
        }
        _ => Err(format!("{} inputs", inputs.len())),
    }
}

fn mlp_loss(inputs: &[Tensor], p: Params<'_>) -> Built {
    let [x, t, weights @ ..] = inputs else { return Err("an MLP without data".to_owned()) };
    let (layers, rest) = weights.as_chunks::<2>();
    if layers.is_empty() || !rest.is_empty() {
        return Err(format!("{} weights", weights.len()));
    }
    let activation = match p.text("activation")? {
        "softplus" => serde_json::json!({ "beta": 1.0 }),
        "gelu" => serde_json::json!({ "approximate": "none" }),
        _ => serde_json::json!({}),
    };
    let mut y = x.clone();
    for (i, [w, b]) in layers.iter().enumerate() {
        y = linear(&y, w, Some(b))?;
        if i + 1 < layers.len() {
            let name = p.text("activation")?;
            y = build(name, Params(&activation), &[y])?.ok_or_else(|| format!("no activation {name}"))?;
        }
    }
    let loss = match p.text("loss")? {
        "mse" => y.mse(t),
        "cross_entropy" => y.cross_entropy(t),
        _ => return p.wrong("loss"),
    };
    let l2 = p.float("l2")?;
    Ok(layers.iter().filter(|_| l2 != 0.0).fold(loss, |loss, [w, _]| loss + w.square().sum(&[]) * (l2 / 2.0)))
}

/// The written-out compositions; `None` for a formula that is not among them.
fn formula(text: &str, inputs: &[Tensor]) -> Result<Option<Tensor>, String> {
    let x = &inputs[0];
    let two = || inputs.get(1).ok_or_else(|| "one input".to_owned());
    let repeat = |n: usize, start: &Tensor, f: &dyn Fn(Tensor) -> Tensor| (0..n).fold(start.clone(), |t, _| f(t));
    Ok(Some(match text {
        "sin(x)*x + exp(x)*sin(x)" => x.sin() * x + x.exp() * x.sin(),
        "x*x*x - x*(x+x)" => x * x * x - x * (x + x),
        "exp(x - max(x,-1,keepdims)) / sum(exp(x - max(x,-1,keepdims)),-1,keepdims)" => {
            let e = (x - x.max_keepdim(&[-1])).exp();
            &e / e.sum_keepdim(&[-1])
        }
        "mean((x - mean(x,0,keepdims))**2, 0)" => (x - x.mean_keepdim(&[0])).pow_scalar(2.0).mean(&[0]),
        "sum(tanh(a@b) * relu(a@b))" => {
            let product = x.matmul(two()?);
            (product.tanh() * product.relu()).sum(&[])
        }
        "transpose(a)@a + a[0]*b" => x.t().matmul(x) + x.slice(0, 0..1).squeeze(&[0]) * two()?,
        "log(1 + sum(a*b,-1)**2) / (2 + cos(sum(a,-1)))" => {
            ((x * two()?).sum(&[-1]).square() + 1.0).log() / (x.sum(&[-1]).cos() + 2.0)
        }
        "y=tanh(x), repeated 10 times" => repeat(10, x, &|t| t.tanh()),
        "x = a; 6 times: x = x*sigmoid(x) + b; mean(x)" => {
            let b = two()?;
            repeat(6, x, &|t| &t * t.sigmoid() + b).mean(&[])
        }
        "sqrt(sum((a[:,None,:]-b[None,:,:])**2,-1))" => (x.unsqueeze(1) - two()?.unsqueeze(0)).square().sum(&[-1]).sqrt(),
        _ => return Ok(None),
    }))
}
