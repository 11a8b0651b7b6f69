//! Losses of predictions and targets that fit, nearly fit, and do not.

use crate::odd::Odd;
use crate::{Line, table};
use steepest::Tensor;
use steepest::nn::loss::{self, CrossEntropy, Ctc, GaussianNll, PoissonNll, Reduction, TripletMargin};

fn reduction(o: &mut Odd) -> Reduction {
    o.pick(&[Reduction::Mean, Reduction::Sum, Reduction::BatchMean, Reduction::None])
}

fn pair(o: &mut Odd) -> (Tensor, Tensor) {
    (o.near(&[2, 3]), o.near(&[2, 3]))
}

/// Logits and labels of rows, or of places of images.
fn classes(o: &mut Odd, of: &CrossEntropy) -> Tensor {
    match o.pick(&[0, 1, 2]) {
        0 => of.of(&o.near(&[2, 3]), &o.labels(&[2], 3)),
        1 => of.of(&o.near(&[2, 3, 2]), &o.labels(&[2, 2], 3)),
        _ => of.of(&o.near(&[2, 3]), &o.near(&[2, 3])),
    }
}

fn sequences(o: &mut Odd, of: &Ctc) -> Tensor {
    of.of(&o.near(&[4, 2, 3]), &o.labels(&[2, 2], 3), &o.labels(&[2], 5), &o.labels(&[2], 3))
}

macro_rules! paired {
    ($o:ident, |$x:ident, $y:ident, $how:ident| $call:expr) => {{
        let (($x, $y), $how) = (pair($o), reduction($o));
        $call
    }};
}

pub const TABLE: &[Line] = table! {
    "Reduction::of" => |o| { let how = reduction(o); how.of(&o.tensor()) };
    "loss::mse" => |o| paired!(o, |x, y, how| loss::mse(&x, &y, how));
    "loss::mae" => |o| paired!(o, |x, y, how| loss::mae(&x, &y, how));
    "loss::huber" => |o| paired!(o, |x, y, how| loss::huber(&x, &y, o.float(), how));
    "loss::smooth_l1" => |o| paired!(o, |x, y, how| loss::smooth_l1(&x, &y, o.float(), how));
    "loss::bce" => |o| paired!(o, |x, y, how| loss::bce(&x, &y, how));
    "loss::bce_with_logits" => |o| paired!(o, |x, y, how| loss::bce_with_logits(&x, &y, o.maybe(|o| o.near(&[3])).as_ref(), how));
    "loss::multilabel_soft_margin" => |o| paired!(o, |x, y, how| loss::multilabel_soft_margin(&x, &y, o.maybe(|o| o.near(&[3])).as_ref(), how));
    "loss::soft_margin" => |o| paired!(o, |x, y, how| loss::soft_margin(&x, &y, how));
    "loss::hinge" => |o| paired!(o, |x, y, how| loss::hinge(&x, &y, o.float(), how));
    "loss::kl_div" => |o| paired!(o, |x, y, how| loss::kl_div(&x, &y, how));
    "loss::nll" => |o| { let how = reduction(o); loss::nll(&o.near(&[2, 3]), &o.labels(&[2], 3), how) };
    "margin::squared_hinge" => |o| paired!(o, |x, y, how| loss::squared_hinge(&x, &y, o.float(), how));
    "margin::margin_ranking" => |o| paired!(o, |x, y, how| loss::margin_ranking(&x, &y, &o.near(&[2, 3]), o.float(), how));
    "margin::cosine_embedding" => |o| paired!(o, |x, y, how| loss::cosine_embedding(&x, &y, &o.near(&[2]), o.float(), how));
    "margin::hinge_embedding" => |o| paired!(o, |x, y, how| loss::hinge_embedding(&x, &y, o.float(), how));
    "margin::multi_margin" => |o| {
        let how = reduction(o);
        loss::multi_margin(&o.near(&[2, 3]), &o.labels(&[2], 3), o.u32(), o.float(), o.maybe(|o| o.near(&[3])).as_ref(), how)
    };
    "CrossEntropy::new" => |o| classes(o, &CrossEntropy::new());
    "CrossEntropy::weights" => |o| { let of = CrossEntropy::new().weights(&o.near(&[3])); classes(o, &of) };
    "CrossEntropy::smoothing" => |o| { let of = CrossEntropy::new().smoothing(o.share()); classes(o, &of) };
    "CrossEntropy::ignore" => |o| { let of = CrossEntropy::new().ignore(o.i64()); classes(o, &of) };
    "CrossEntropy::reduction" => |o| { let of = CrossEntropy::new().reduction(reduction(o)); classes(o, &of) };
    "CrossEntropy::of" => |o| {
        let of = CrossEntropy::new().smoothing(o.share()).ignore(o.i64()).weights(&o.near(&[3])).reduction(reduction(o));
        classes(o, &of)
    };
    "CrossEntropy::nll" => |o| CrossEntropy::new().ignore(o.i64()).nll(&o.near(&[2, 3]), &o.labels(&[2], 3));
    "Ctc::new" => |o| sequences(o, &Ctc::new());
    "Ctc::blank" => |o| { let of = Ctc::new().blank(o.size()); sequences(o, &of) };
    "Ctc::zero_infinity" => |o| sequences(o, &Ctc::new().zero_infinity());
    "Ctc::reduction" => |o| { let of = Ctc::new().reduction(reduction(o)); sequences(o, &of) };
    "Ctc::of" => |o| Ctc::new().of(&o.tensor(), &o.tensor(), &o.tensor(), &o.tensor());
    "GaussianNll::new" => |o| paired!(o, |x, y, how| GaussianNll::new().reduction(how).of(&x, &y, &o.near(&[2, 3])));
    "GaussianNll::full" => |o| paired!(o, |x, y, how| GaussianNll::new().full().reduction(how).of(&x, &y, &o.near(&[2, 1])));
    "GaussianNll::eps" => |o| paired!(o, |x, y, _how| GaussianNll::new().eps(o.float()).of(&x, &y, &o.near(&[2, 3])));
    "GaussianNll::reduction" => |o| paired!(o, |x, y, how| GaussianNll::new().reduction(how).of(&x, &y, &o.tensor()));
    "GaussianNll::of" => |o| GaussianNll::new().of(&o.tensor(), &o.tensor(), &o.tensor());
    "PoissonNll::new" => |o| paired!(o, |x, y, _how| PoissonNll::new().of(&x, &y));
    "PoissonNll::of_means" => |o| paired!(o, |x, y, how| PoissonNll::new().of_means().reduction(how).of(&x, &y));
    "PoissonNll::full" => |o| paired!(o, |x, y, how| PoissonNll::new().full().reduction(how).of(&x, &y));
    "PoissonNll::eps" => |o| paired!(o, |x, y, _how| PoissonNll::new().of_means().eps(o.float()).of(&x, &y));
    "PoissonNll::reduction" => |o| paired!(o, |x, y, how| PoissonNll::new().reduction(how).of(&x, &y));
    "PoissonNll::of" => |o| PoissonNll::new().of(&o.tensor(), &o.tensor());
    "TripletMargin::new" => |o| paired!(o, |x, y, _how| TripletMargin::new().of(&x, &y, &o.near(&[2, 3])));
    "TripletMargin::margin" => |o| paired!(o, |x, y, _how| TripletMargin::new().margin(o.float()).of(&x, &y, &o.near(&[2, 3])));
    "TripletMargin::p" => |o| paired!(o, |x, y, _how| TripletMargin::new().p(o.float()).of(&x, &y, &o.near(&[2, 3])));
    "TripletMargin::eps" => |o| paired!(o, |x, y, _how| TripletMargin::new().eps(o.float()).of(&x, &y, &o.near(&[2, 3])));
    "TripletMargin::swap" => |o| paired!(o, |x, y, how| TripletMargin::new().swap().reduction(how).of(&x, &y, &o.near(&[2, 3])));
    "TripletMargin::reduction" => |o| paired!(o, |x, y, how| TripletMargin::new().reduction(how).of(&x, &y, &o.near(&[2, 3])));
    "TripletMargin::of" => |o| TripletMargin::new().of(&o.tensor(), &o.tensor(), &o.tensor());
};
