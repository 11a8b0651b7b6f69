//! An error names the op that was called, and its line: not an op that the method is made of, nor a line of this library.
#![allow(clippy::unwrap_used)]

use steepest::error::OpError;
use steepest::nn::batch_norm::{batch_norm_eval, batch_norm_train};
use steepest::nn::loss::{
    CrossEntropy, GaussianNll, PoissonNll, Reduction, TripletMargin, bce, bce_with_logits, cosine_embedding, hinge,
    hinge_embedding, huber, kl_div, mae, margin_ranking, mse, multi_margin, multilabel_soft_margin, nll, smooth_l1, soft_margin,
    squared_hinge,
};
use steepest::nn::norm::{group_norm, layer_norm, rms_norm};
use steepest::{
    AttentionOptions, ConvOptions, DType, Device, Error, GridSampling, Interpolation, PadMode, RopeOptions, Tensor, ops,
};

type Call = fn(&Tensor) -> Tensor;

/// Whether the tensor carries an error in that name, made in this file.
fn names(made: &Tensor, name: &str, what: &str) -> Option<String> {
    match made.check() {
        Err(Error::Op { op, at, .. }) if op == name && at.file().ends_with("named_errors.rs") => None,
        Err(Error::Op { op, at, error }) => Some(format!("{name} of {what}: {op} at {at}: {error}")),
        other => Some(format!("{name} of {what}: {other:?}")),
    }
}

/// Methods made of other ops, and what each is called with.
fn composed() -> Vec<(&'static str, Call)> {
    vec![
        ("mean", |x| x.mean(&[])),
        ("mean", |x| x.mean_keepdim(&[1])),
        ("var", |x| x.var(&[], 0)),
        ("var", |x| x.var(&[1], 1)),
        ("std", |x| x.std(&[1], 1)),
        ("norm", |x| x.norm(0.0, &[])),
        ("norm", |x| x.norm(1.0, &[])),
        ("norm", |x| x.norm(2.0, &[1])),
        ("norm", |x| x.norm(3.0, &[])),
        ("norm", |x| x.norm(-0.5, &[1])),
        ("norm", |x| x.norm(f64::INFINITY, &[])),
        ("norm", |x| x.norm(f64::NEG_INFINITY, &[])),
        ("l1_norm", |x| x.l1_norm(&[])),
        ("l1_norm", |x| x.l1_norm_keepdim(&[])),
        ("l2_norm", |x| x.l2_norm(&[])),
        ("l2_norm", |x| x.l2_norm_keepdim(&[])),
        ("frobenius_norm", |x| x.frobenius_norm()),
        ("frobenius_norm", |x| x.frobenius_norm_keepdim()),
        ("clip_by_norm", |x| x.clip_by_norm(1.0)),
        ("logsumexp", |x| x.logsumexp(&[], false)),
        ("logsumexp", |x| x.logsumexp(&[1], true)),
        ("softmax", |x| x.softmax(1)),
        ("log_softmax", |x| x.log_softmax(1)),
        ("cumsum", |x| x.cumsum(0, true)),
        ("cumprod", |x| x.cumprod(1)),
        ("lerp", |x| x.lerp(x, x)),
        ("lerp_scalar", |x| x.lerp_scalar(x, 0.5)),
        ("lt_scalar", |x| x.lt_scalar(0.5)),
        ("ge_scalar", |x| x.ge_scalar(0.5)),
        ("dropout", |x| x.dropout(0.5, 1, 0)),
        ("trace", |x| x.trace()),
        ("outer", |x| x.flatten().outer(&x.flatten())),
        ("tensordot", |x| x.tensordot(x, &[0], &[0])),
        ("diag_embed", |x| x.diag_embed(1)),
        ("diag", |x| x.flatten().diag(0)),
        ("mode", |x| x.mode(1).0),
        ("isin", |x| x.isin(x)),
        ("scatter", |x| x.scatter(1, &x.argsort(1, false), x, ops::Reduce::Mean)),
        ("scatter_over", |x| x.scatter_over(1, &x.argsort(1, false), x, ops::Reduce::Min)),
        ("index_put", |x| x.index_put(1, &x.argsort(1, false).select(0, 0), x, true)),
        ("quantile", |x| x.quantile(&[0.5], 1)),
        ("nanmedian", |x| x.nanmedian(1).0),
        ("nansum", |x| x.nansum(&[1])),
        ("nanmean", |x| x.nanmean(&[])),
        ("cummax", |x| x.cummax(1).0),
        ("cummin", |x| x.cummin(1).1),
        ("logcumsumexp", |x| x.logcumsumexp(1)),
        ("cov", |x| x.cov(1)),
        ("corrcoef", |x| x.corrcoef()),
        ("histogram", |x| x.histogram(3, 0.0, 1.0)),
        ("bucketize", |x| x.bucketize(&x.device().zeros(3), true)),
        ("cdist", |x| x.cdist(x, 2.0)),
        ("pdist", |x| x.pdist(1.0)),
        ("pairwise_distance", |x| x.pairwise_distance(x, 2.0, 1e-6)),
        ("bernoulli", |x| x.bernoulli(1, 0)),
        ("categorical", |x| x.categorical(1, 0)),
        ("dot", |x| x.flatten().dot(&x.flatten())),
        ("matmul", |x| x.flatten().matmul(&x.flatten())),
        ("conv1d", |x| x.unsqueeze(0).conv1d(&x.unsqueeze(0), None, ConvOptions::new())),
        ("conv2d", |x| x.reshape([1, 1, 2, 3]).conv2d(&x.reshape([1, 1, 2, 3]), None, ConvOptions::new())),
        ("conv_transpose2d", |x| x.reshape([1, 1, 2, 3]).conv_transpose2d(&x.reshape([1, 1, 2, 3]), None, ConvOptions::new(), 0)),
        ("max_pool1d", |x| x.unsqueeze(0).max_pool1d(2, 1, 0)),
        ("avg_pool1d", |x| x.unsqueeze(0).avg_pool1d(2, 1, 0, true)),
        ("adaptive_avg_pool1d", |x| x.unsqueeze(0).adaptive_avg_pool1d(2)),
        ("max_pool3d", |x| x.reshape([1, 1, 1, 2, 3]).max_pool3d(1, 1, 0)),
        ("avg_pool3d", |x| x.reshape([1, 1, 1, 2, 3]).avg_pool3d(1, 1, 0, true)),
        ("max_unpool1d", |x| x.unsqueeze(0).max_unpool1d(&x.unsqueeze(0), 9)),
        ("lp_pool1d", |x| x.unsqueeze(0).lp_pool1d(2.0, 2, 1)),
        ("adaptive_max_pool1d", |x| x.unsqueeze(0).adaptive_max_pool1d(2)),
        ("adaptive_avg_pool3d", |x| x.reshape([1, 1, 1, 2, 3]).adaptive_avg_pool3d(2)),
        ("global_avg_pool1d", |x| x.unsqueeze(0).global_avg_pool1d()),
        ("upsample_bilinear2d", |x| x.reshape([1, 1, 2, 3]).upsample_bilinear2d(4, true)),
        ("interpolate", |x| x.unsqueeze(0).interpolate(&[7], Interpolation::Nearest)),
        ("pad", |x| x.pad_with(&[(1, 1), (-1, 1)], PadMode::Constant(0.0))),
        ("affine_grid", |x| x.unsqueeze(0).affine_grid(2, true)),
        ("grid_sample", |x| x.device().ones([1, 1, 2, 2]).grid_sample(&x.reshape([1, 1, 3, 2]), GridSampling::new())),
        ("global_avg_pool2d", |x| x.reshape([1, 1, 2, 3]).global_avg_pool2d()),
        ("scaled_dot_product_attention", |x| x.scaled_dot_product_attention(x, x, true, None)),
        ("attention", |x| x.attention(x, x, &AttentionOptions::new())),
        ("attention_weights", |x| x.attention_weights(x, &AttentionOptions::new().causal())),
        ("rope", |x| x.slice(1, ..2).rope(&RopeOptions::new())),
        ("mse", |x| x.mse(x)),
        ("cross_entropy", |x| x.cross_entropy(x)),
        ("mse", |x| mse(x, x, Reduction::Mean)),
        ("smooth_l1", |x| smooth_l1(x, x, 1.0, Reduction::Mean)),
        ("squared_hinge", |x| squared_hinge(x, x, 1.0, Reduction::Mean)),
        ("margin_ranking", |x| margin_ranking(x, x, x, 1.0, Reduction::Mean)),
        ("cosine_embedding", |x| cosine_embedding(x, x, &x.slice(1, ..1).squeeze(&[1]), 0.5, Reduction::Mean)),
        ("hinge_embedding", |x| hinge_embedding(x, x, 1.0, Reduction::Mean)),
        ("multi_margin", |x| multi_margin(x, &x.device().tensor(&[0u32, 1], 2), 1, 1.0, None, Reduction::Mean)),
        ("triplet_margin", |x| TripletMargin::new().of(x, x, x)),
        ("gaussian_nll", |x| GaussianNll::new().of(x, x, x)),
        ("poisson_nll", |x| PoissonNll::new().of(x, x)),
        ("cosine_similarity", |x| x.cosine_similarity(x, 1, 1e-8)),
        ("log_sigmoid", |x| x.log_sigmoid()),
        ("selu", |x| x.selu()),
        ("relu6", |x| x.relu6()),
        ("prelu", |x| x.prelu(&x.slice(1, ..1).slice(0, ..1))),
        ("glu", |x| x.glu(0)),
        ("swiglu", |x| x.swiglu(x)),
        ("trunc", |x| x.trunc()),
        ("softshrink", |x| x.softshrink(0.5)),
        ("tanhshrink", |x| x.tanhshrink()),
        ("logit", |x| x.logit(0.1)),
        ("xlogy", |x| x.xlogy(x)),
        ("nan_to_num", |x| x.nan_to_num(0.0, 0.0, 0.0)),
        ("mae", |x| mae(x, x, Reduction::Sum)),
        ("huber", |x| huber(x, x, 1.0, Reduction::BatchMean)),
        ("huber", |x| huber(x, x, f64::INFINITY, Reduction::BatchMean)),
        ("bce", |x| bce(x, x, Reduction::None)),
        ("bce_with_logits", |x| bce_with_logits(x, x, None, Reduction::Mean)),
        ("bce_with_logits", |x| bce_with_logits(&x.to_f32(), &x.to_f32(), Some(x), Reduction::Mean)),
        ("multilabel_soft_margin", |x| multilabel_soft_margin(x, x, None, Reduction::Mean)),
        ("soft_margin", |x| soft_margin(x, x, Reduction::Mean)),
        ("hinge", |x| hinge(x, x, 1.0, Reduction::Mean)),
        ("kl_div", |x| kl_div(x, x, Reduction::BatchMean)),
        ("nll", |x| nll(x, &x.device().tensor(&[0u32, 1], 2), Reduction::Mean)),
        ("cross_entropy", |x| CrossEntropy::new().smoothing(0.1).of(x, &x.device().tensor(&[0u32, 1], 2))),
        ("layer_norm", |x| layer_norm(x, 1, None, None, 1e-5)),
        ("rms_norm", |x| rms_norm(x, None, 1e-5)),
        ("group_norm", |x| group_norm(x, 1, None, None, 1e-5)),
        ("batch_norm", |x| batch_norm_train(x, None, None, 1e-5).0),
        ("batch_norm", |x| {
            let v = x.slice(0, 0..1).flatten();
            batch_norm_eval(x, (&v, &v), None, None, 1e-5)
        }),
    ]
}

#[test]
fn a_type_that_does_not_fit_is_told_in_the_name_of_the_op_called() {
    let x = Device::cpu().tensor(&[1u32, 2, 3, 4, 5, 6], [2, 3]);
    // Sums and products that integers have too.
    let whole = ["cumsum", "trace", "outer", "dot", "matmul", "kron", "cross", "diff"];
    assert!(composed().into_iter().filter(|(name, _)| whole.contains(name)).all(|(_, f)| f(&x).dtype() == DType::U32));
    let others = composed().into_iter().filter(|(name, _)| !whole.contains(name));
    let wrong: Vec<String> = others.filter_map(|(name, f)| names(&f(&x), name, "integers")).collect();
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn axes_and_shapes_that_do_not_fit_are_told_in_the_name_of_the_op_called() {
    let device = Device::cpu();
    let (x, none, vector) = (device.zeros([2, 3]), device.zeros([2, 0]), device.zeros(3));
    let calls: Vec<(&str, &Tensor, Call)> = vec![
        ("mean", &x, |x| x.mean(&[5])),
        ("var", &x, |x| x.var(&[5], 0)),
        ("std", &x, |x| x.std(&[5], 0)),
        ("norm", &x, |x| x.norm(3.0, &[5])),
        ("norm", &x, |x| x.norm(2.0, &[5])),
        ("l1_norm", &x, |x| x.l1_norm(&[5])),
        ("l2_norm", &x, |x| x.l2_norm(&[5])),
        ("frobenius_norm", &vector, |x| x.frobenius_norm()),
        ("logsumexp", &x, |x| x.logsumexp(&[5], false)),
        ("softmax", &x, |x| x.softmax(5)),
        ("cumprod", &x, |x| x.cumprod(5)),
        ("trace", &vector, |x| x.trace()),
        ("topk", &x, |x| x.topk(2, 5).0),
        ("quantile", &x, |x| x.quantile(&[0.5], 5)),
        ("median", &x, |x| x.median(5).1),
        ("kthvalue", &x, |x| x.kthvalue(1, 5).0),
        ("logcumsumexp", &x, |x| x.logcumsumexp(5)),
        ("diff", &x, |x| x.diff(1, 5)),
        ("scatter", &x, |x| x.scatter(5, &x.argsort(1, false), x, ops::Reduce::Set)),
        ("index_fill", &x, |x| x.index_fill(5, &x.argmax(0), 0.0)),
        ("select", &x, |x| x.select(5, 0)),
        ("rot90", &x, |x| x.rot90(1, [0, 5])),
        ("quantile", &none, |x| x.quantile(&[0.5], 1)),
        ("sort", &x, |x| x.sort(5, false).0),
        // Of no elements.
        ("logsumexp", &none, |x| x.logsumexp(&[1], false)),
        ("norm", &none, |x| x.norm(f64::INFINITY, &[1])),
        ("norm", &none, |x| x.norm(f64::NEG_INFINITY, &[1])),
        ("max", &none, |x| x.max(&[1])),
        ("argmin", &none, |x| x.argmin(1)),
        // Shapes that do not broadcast.
        ("lerp", &x, |x| x.lerp(x, &x.device().zeros([7]))),
        ("lerp_scalar", &x, |x| x.lerp_scalar(&x.device().zeros([7]), 0.5)),
        ("ne", &x, |x| x.to_u32().ne(&x.device().tensor(&[1u32; 7], 7))),
    ];
    let wrong: Vec<String> = calls.into_iter().filter_map(|(name, x, f)| names(&f(x), name, "shapes")).collect();
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    let message = none.logsumexp(&[1], false).check().unwrap_err().to_string();
    assert!(message.contains("of no elements") && !message.contains("max"), "{message}");
}

/// An error that came before keeps its own name and line.
#[test]
fn an_earlier_error_stays_what_it_was() {
    let device = Device::cpu();
    let broken = device.zeros([2, 3]).matmul(&device.zeros([5, 3]));
    for (name, f) in composed() {
        if matches!(name, "nll" | "cross_entropy" | "bce_with_logits") {
            continue;
        }
        match f(&broken).check() {
            Err(Error::Op { op: "matmul", error: OpError::Shape(_) | OpError::DType(_) | OpError::Value(_), .. }) => {}
            other => panic!("{name}: {other:?}"),
        }
    }
}
