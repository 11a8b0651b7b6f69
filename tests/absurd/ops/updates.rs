//! Absurd arguments: updates in place, random numbers.

use crate::odd::Odd;
use crate::{Line, table};
use steepest::Shape;
use steepest::ops::random::{self, Kind, Random, Stream};
use steepest::ops::update::scaled::{AdaGrad, Adadelta, RmsProp};
use steepest::ops::update::{Adafactor, Adam, Adamax, Lamb, Lion, Muon, NAdam, RAdam, Scale, Sgd, Variance};

const MATRIX: &[usize] = &[3, 4];

fn betas(o: &mut Odd) -> (f64, f64) {
    (o.share(), o.share())
}

fn muon(o: &mut Odd) -> Muon {
    Muon {
        lr: o.float(),
        momentum: o.share(),
        nesterov: o.flag(),
        weight_decay: o.share(),
        steps: o.size_near(5),
        coefficients: (o.float(), o.float(), o.float()),
        scale: o.pick(&[Scale::Original, Scale::MatchAdam, Scale::None]),
    }
}

fn sgd(o: &mut Odd) -> Sgd {
    Sgd { lr: o.float(), momentum: o.maybe(Odd::share), gain: o.share(), nesterov: o.flag(), weight_decay: o.share() }
}

fn shape(o: &mut Odd) -> Shape {
    Shape::new(&o.shape()).unwrap_or(Shape::SCALAR)
}

pub const TABLE: &[Line] = table! {
    "Tensor::adagrad_update" => |o| o.near(MATRIX).adagrad_update(&o.near(MATRIX), &o.near(MATRIX), AdaGrad { lr: o.float(), lr_decay: o.share(), eps: o.float(), weight_decay: o.share(), step: o.seed() });
    "Tensor::rmsprop_update" => |o| o.near(MATRIX).rmsprop_update(&o.near(MATRIX), &o.many(|o| o.near(MATRIX)).iter().collect::<Vec<_>>(), RmsProp { lr: o.float(), alpha: o.share(), eps: o.float(), momentum: o.maybe(Odd::share), centered: o.flag(), weight_decay: o.share() });
    "Tensor::adadelta_update" => |o| o.near(MATRIX).adadelta_update(&o.near(MATRIX), &o.near(MATRIX), &o.near(MATRIX), Adadelta { lr: o.float(), rho: o.share(), eps: o.float(), weight_decay: o.share() });
    "Tensor::adamax_update" => |o| o.near(MATRIX).adamax_update(&o.near(MATRIX), &o.near(MATRIX), &o.near(MATRIX), Adamax { lr: o.float(), betas: betas(o), eps: o.float(), weight_decay: o.share(), decoupled: o.flag(), step: o.seed() });
    "Tensor::lamb_update" => |o| o.near(MATRIX).lamb_update(&o.near(MATRIX), &o.near(MATRIX), &o.near(MATRIX), &Lamb { lr: o.float(), betas: betas(o), eps: o.float(), weight_decay: o.share(), step: o.seed() });
    "Tensor::running_update" => |o| o.near(MATRIX).running_update(&o.near(MATRIX), o.float(), o.float());
    "Tensor::sgd_update" => |o| o.near(MATRIX).sgd_update(&o.near(MATRIX), o.maybe(|o| o.near(MATRIX)).as_ref().map(|v| (v, 0.9, true)), o.float(), o.float());
    "Tensor::sgd_update_with" => |o| o.near(MATRIX).sgd_update_with(&o.near(MATRIX), o.maybe(|o| o.near(MATRIX)).as_ref(), sgd(o));
    "Tensor::adam_update" => |o| o.near(MATRIX).adam_update(&o.near(MATRIX), &o.near(MATRIX), &o.near(MATRIX), o.maybe(|o| o.near(MATRIX)).as_ref(), Adam { lr: o.float(), betas: betas(o), eps: o.float(), weight_decay: o.share(), decoupled: o.flag(), amsgrad: o.flag(), step: o.seed() });
    "Tensor::adafactor_update" => |o| o.near(MATRIX).adafactor_update(&o.near(MATRIX), Variance::Whole(&o.near(MATRIX)), &Adafactor { lr: o.float(), beta2_decay: o.float(), eps: (o.float(), o.float()), d: o.float(), weight_decay: o.share(), step: o.seed() });
    "Tensor::adafactor_update" => |o| o.near(MATRIX).adafactor_update(&o.near(MATRIX), Variance::Factors(&o.near(&[3, 1]), &o.near(&[1, 4])), &Adafactor { lr: o.float(), beta2_decay: o.float(), eps: (o.float(), o.float()), d: o.float(), weight_decay: o.share(), step: o.seed() });
    "Tensor::radam_update" => |o| o.near(MATRIX).radam_update(&o.near(MATRIX), &o.near(MATRIX), &o.near(MATRIX), RAdam { lr: o.float(), betas: betas(o), eps: o.float(), weight_decay: o.share(), decoupled: o.flag(), step: o.seed() });
    "Tensor::nadam_update" => |o| o.near(MATRIX).nadam_update(&o.near(MATRIX), &o.near(MATRIX), &o.near(MATRIX), NAdam { lr: o.float(), betas: betas(o), eps: o.float(), weight_decay: o.share(), decoupled: o.flag(), momentum_decay: o.float(), step: o.seed(), product: o.float() });
    "Tensor::lion_update" => |o| o.near(MATRIX).lion_update(&o.near(MATRIX), &o.near(MATRIX), Lion { lr: o.float(), betas: betas(o), weight_decay: o.share() });
    "Tensor::muon_update" => |o| o.near(MATRIX).muon_update(&o.near(MATRIX), &o.near(MATRIX), &muon(o));
    "Adafactor::factors" => |o| Adafactor::factors(&o.shape());
    "Scale::of" => |o| o.pick(&[Scale::Original, Scale::MatchAdam, Scale::None]).of(o.size(), o.size());
    "NAdam::momentum" => |o| NAdam::momentum(o.float(), o.float(), o.seed());
    "Tensor::dropout" => |o| o.tensor().dropout(o.share(), o.seed(), o.seed());
    "Random::new" => |o| Random::new(o.pick(&[Kind::Bits, Kind::Uniform, Kind::Normal, Kind::Mask, Kind::Open, Kind::Below]), shape(o), o.seed(), o.seed());
    "Random::mask" => |o| Random::mask(shape(o), o.share(), o.seed(), o.seed());
    "Random::whole" => |o| Random::whole(shape(o), o.i64(), o.i64(), o.seed(), o.seed());
    "random::philox" => |o| random::philox([o.u32(), o.u32(), o.u32(), o.u32()], [o.u32(), o.u32()]);
    "Stream::new" => |o| Stream::new(o.seed(), o.seed()).bits();
    "Stream::bits" => |o| Stream::new(o.seed(), o.seed()).bits();
    "Stream::below" => |o| Stream::new(o.seed(), o.seed()).below(o.u32());
    "Stream::uniform" => |o| Stream::new(o.seed(), o.seed()).uniform();
    "Stream::weighted" => |o| Stream::new(o.seed(), o.seed()).weighted(&o.singles());
    // Their lists are the caller's own: a length beyond all memory is documented to panic.
    "random::uniform_host" => |o| random::uniform_host(o.size().min(1 << 20), o.single(), o.single(), o.seed(), o.seed());
    "random::normal_host" => |o| random::normal_host(o.size().min(1 << 20), o.single(), o.single(), o.seed(), o.seed());
    "random::permutation" => |o| random::permutation(o.size().min(1 << 20), o.seed(), o.seed());
};
