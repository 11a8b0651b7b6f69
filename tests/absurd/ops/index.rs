//! Absurd arguments: reductions, indices, sorting, scans, statistics.

use crate::{Line, table};
use steepest::Tensor;
use steepest::ops::Reduce;

const HOW: &[Reduce] = &[Reduce::Set, Reduce::Add, Reduce::Mean, Reduce::Min, Reduce::Max];

fn of(tensors: &[Tensor]) -> Vec<&Tensor> {
    tensors.iter().collect()
}

pub const TABLE: &[Line] = table! {
    "Tensor::sum" => |o| o.tensor().sum(&o.axes());
    "Tensor::mean" => |o| o.tensor().mean(&o.axes());
    "Tensor::prod" => |o| o.tensor().prod(&o.axes());
    "Tensor::max" => |o| o.tensor().max(&o.axes());
    "Tensor::min" => |o| o.tensor().min(&o.axes());
    "Tensor::sum_keepdim" => |o| o.tensor().sum_keepdim(&o.axes());
    "Tensor::mean_keepdim" => |o| o.tensor().mean_keepdim(&o.axes());
    "Tensor::prod_keepdim" => |o| o.tensor().prod_keepdim(&o.axes());
    "Tensor::max_keepdim" => |o| o.tensor().max_keepdim(&o.axes());
    "Tensor::min_keepdim" => |o| o.tensor().min_keepdim(&o.axes());
    "Tensor::any" => |o| o.tensor().any(&o.axes());
    "Tensor::all" => |o| o.tensor().all(&o.axes());
    "Tensor::l1_norm" => |o| o.tensor().l1_norm(&o.axes());
    "Tensor::l1_norm_keepdim" => |o| o.tensor().l1_norm_keepdim(&o.axes());
    "Tensor::l2_norm" => |o| o.tensor().l2_norm(&o.axes());
    "Tensor::l2_norm_keepdim" => |o| o.tensor().l2_norm_keepdim(&o.axes());
    "Tensor::nansum" => |o| o.tensor().nansum(&o.axes());
    "Tensor::nanmean" => |o| o.tensor().nanmean(&o.axes());
    "Tensor::count_nonzero" => |o| o.tensor().count_nonzero(&o.axes());
    "Tensor::argmax" => |o| o.tensor().argmax(o.axis());
    "Tensor::argmin" => |o| o.tensor().argmin(o.axis());
    "Tensor::softmax" => |o| o.tensor().softmax(o.axis());
    "Tensor::log_softmax" => |o| o.tensor().log_softmax(o.axis());
    "Tensor::median" => |o| o.tensor().median(o.axis());
    "Tensor::nanmedian" => |o| o.tensor().nanmedian(o.axis());
    "Tensor::mode" => |o| o.tensor().mode(o.axis());
    "Tensor::cummax" => |o| o.tensor().cummax(o.axis());
    "Tensor::cummin" => |o| o.tensor().cummin(o.axis());
    "Tensor::logcumsumexp" => |o| o.tensor().logcumsumexp(o.axis());
    "Tensor::cumprod" => |o| o.tensor().cumprod(o.axis());
    "Tensor::var" => |o| o.tensor().var(&o.axes(), o.size());
    "Tensor::std" => |o| o.tensor().std(&o.axes(), o.size());
    "Tensor::frobenius_norm" => |o| o.tensor().frobenius_norm();
    "Tensor::frobenius_norm_keepdim" => |o| o.tensor().frobenius_norm_keepdim();
    "Tensor::corrcoef" => |o| o.tensor().corrcoef();
    "Tensor::clip_by_norm" => |o| o.tensor().clip_by_norm(o.float());
    "Tensor::norm" => |o| o.tensor().norm(o.float(), &o.axes());
    "Tensor::logsumexp" => |o| o.tensor().logsumexp(&o.axes(), o.flag());
    "Tensor::cov" => |o| o.tensor().cov(o.size());
    "Tensor::cov" => |o| o.near(&[3, 4]).cov(o.size());
    "Tensor::cross_entropy_rows" => |o| o.near(&[3, 4]).cross_entropy_rows(&o.labels(&[3], 4));
    "Tensor::cross_entropy" => |o| o.near(&[3, 4]).cross_entropy(&o.labels(&[3], 4));
    "Tensor::mse" => |o| o.near(&[3, 4]).mse(&o.near(&[3, 4]));
    "Tensor::argsort" => |o| o.tensor().argsort(o.axis(), o.flag());
    "Tensor::sort" => |o| o.tensor().sort(o.axis(), o.flag());
    "Tensor::topk" => |o| o.tensor().topk(o.size(), o.axis());
    "Tensor::kthvalue" => |o| o.tensor().kthvalue(o.size(), o.axis());
    "Tensor::quantile" => |o| o.tensor().quantile(&o.floats(), o.axis());
    "Tensor::quantile" => |o| o.near(&[3, 4]).quantile(&[o.share()], o.axis());
    "Tensor::cumsum" => |o| o.tensor().cumsum(o.axis(), o.flag());
    "Tensor::recurrence" => |o| o.near(&[3, 4]).recurrence(&o.near(&[3, 4]), o.axis(), o.flag());
    "Tensor::gather" => |o| o.near(&[3, 4]).gather(o.axis(), &o.labels(&[3, 2], 3));
    "Tensor::index_select" => |o| o.near(&[3, 4]).index_select(o.axis(), &o.labels(&[2], 3));
    "Tensor::embedding" => |o| o.near(&[3, 4]).embedding(&o.labels(&[2, 2], 3));
    "Tensor::embedding_padded" => |o| o.near(&[3, 4]).embedding_padded(&o.labels(&[2, 2], 3), o.size());
    "Tensor::take" => |o| o.near(&[3, 4]).take(&o.labels(&[5], 12));
    "Tensor::masked_fill" => |o| o.near(&[3, 4]).masked_fill(&o.mask(&[3, 4]), o.float());
    "Tensor::masked_scatter" => |o| o.near(&[3, 4]).masked_scatter(&o.mask(&[3, 4]), &o.near(&[12]));
    "Tensor::scatter_add" => |o| o.near(&[3, 4]).scatter_add(o.axis(), &o.labels(&[3, 4], 3), o.size_near(3));
    "Tensor::index_add" => |o| o.near(&[3, 4]).index_add(o.axis(), &o.labels(&[3], 3), o.size_near(3));
    "Tensor::one_hot" => |o| o.labels(&[3], 4).one_hot(o.size_near(4));
    "Tensor::scatter" => |o| o.near(&[3, 4]).scatter(o.axis(), &o.labels(&[3, 4], 3), &o.near(&[3, 4]), o.pick(HOW));
    "Tensor::scatter_over" => |o| o.near(&[3, 4]).scatter_over(o.axis(), &o.labels(&[3, 4], 3), &o.near(&[3, 4]), o.pick(HOW));
    "Tensor::index_put" => |o| o.near(&[3, 4]).index_put(o.axis(), &o.labels(&[3], 3), &o.near(&[3, 4]), o.flag());
    "Tensor::index_fill" => |o| o.near(&[3, 4]).index_fill(o.axis(), &o.labels(&[3], 3), o.float());
    "Tensor::searchsorted" => |o| o.near(&[5]).searchsorted(&o.tensor(), o.flag());
    "Tensor::bucketize" => |o| o.tensor().bucketize(&o.near(&[5]), o.flag());
    "Tensor::isin" => |o| o.tensor().isin(&o.near(&[5]));
    "Tensor::histogram" => |o| o.tensor().histogram(o.size(), o.float(), o.float());
    "Tensor::histogram" => |o| o.near(&[5]).histogram(o.size(), 0.0, 1.0);
    "Tensor::at" => |o| o.near(&[3, 4]).at(&of(&o.many(|o| o.labels(&[2], 3))));
    "Tensor::put_at" => |o| o.near(&[3, 4]).put_at(&of(&o.many(|o| o.labels(&[2], 3))), &o.near(&[2]), o.flag());
};
