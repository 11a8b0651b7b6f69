//! Absurd arguments for the public functions of `src/optim`.

use crate::odd::Odd;
use crate::{Line, Room, table};
use steepest::optim::schedule::{
    Constant, ConstantFactor, Cosine, CosineRestarts, Cyclic, Exponential, Lambda, Linear, MultiStep, OneCycle, Plateau,
    Polynomial, Product, Schedule, Sequence, Step, Warmup,
};
use steepest::optim::{
    Accumulator, AdaGrad, Adadelta, Adafactor, Adam, Adamax, Average, Group, Lamb, Lbfgs, Lion, Muon, MuonScale, NAdam,
    Optimizer, RAdam, RmsProp, Sgd, State,
};
use steepest::{Error, Gradients, Tensor};

pub fn room() -> Room {
    Room { name: "optim", tables: &[OPTIMIZERS, OTHERS, SCHEDULES], not_called: NOT_CALLED, complete: true }
}

const NOT_CALLED: &[(&str, &str)] = &[];

/// Parameters, among them some that are none.
fn parameters(o: &mut Odd) -> Vec<Tensor> {
    let device = o.device();
    let mut all = vec![device.parameter(&[0.5; 6], [2, 3]), device.parameter(&[0.5; 3], 3)];
    all.extend(o.many(|o| o.near(&[2, 2])));
    all
}

fn gradients(of: &[Tensor]) -> Gradients {
    let terms = of.iter().map(|p| p.square().sum(&[]));
    terms.reduce(|sum, term| sum + term).expect("there are parameters").backward()
}

/// Steps, and what is carried from one to the next put back.
fn stepped<P: Optimizer>(o: &mut Odd, make: impl FnOnce(&mut Odd, Vec<Tensor>) -> P) -> Result<(), Error> {
    let of = parameters(o);
    let mut optimizer = make(o, of.clone());
    let first = optimizer.step(gradients(&of));
    optimizer.set_lr(o.float());
    let _ = optimizer.step(gradients(&of));
    let mut state = State::of(&optimizer)?;
    if o.flag() {
        state.steps.iter_mut().for_each(|step| *step = o.seed());
    }
    if let Some(tensors) = state.tensors.values_mut().next().filter(|_| o.flag()) {
        tensors.extend(o.many(|o| o.singles()));
    }
    let _ = optimizer.restore(&state);
    let _ = optimizer.step(gradients(&of));
    first
}

/// The rates of a schedule at the ends of its range.
fn rates<S: Schedule>(o: &mut Odd, schedule: Result<S, Error>) -> Result<(), Error> {
    let schedule = schedule?;
    for epoch in [0, 1, o.size(), usize::MAX / 2, usize::MAX] {
        let _ = schedule.lr(epoch);
    }
    schedule.set(o.size(), &mut Sgd::new(parameters(o), 0.1));
    Ok(())
}

const OPTIMIZERS: &[Line] = table! {
    "Sgd::new" => |o| stepped(o, |o, p| Sgd::new(p, o.float()).weight_decay(o.float()).l1(o.float()).maximize(o.flag()));
    "Sgd::momentum" => |o| stepped(o, |o, p| Sgd::new(p, 0.1).momentum(o.float()));
    "Sgd::dampening" => |o| stepped(o, |o, p| Sgd::new(p, 0.1).momentum(0.9).dampening(o.float()));
    "Sgd::nesterov" => |o| stepped(o, |o, p| Sgd::new(p, 0.1).momentum(o.share()).nesterov(o.flag()));
    "Adam::new" => |o| stepped(o, |o, p| Adam::new(p, o.float()).betas(o.float(), o.float()).eps(o.float()));
    "Adam::w" => |o| stepped(o, |o, p| Adam::w(p, o.float()).weight_decay(o.float()));
    "Adam::amsgrad" => |o| stepped(o, |o, p| Adam::new(p, 0.1).amsgrad(o.flag()));
    "Adamax::new" => |o| stepped(o, |o, p| Adamax::new(p, o.float()).betas(o.float(), o.float()));
    "AdaGrad::new" => |o| stepped(o, |o, p| AdaGrad::new(p, o.float()));
    "AdaGrad::lr_decay" => |o| stepped(o, |o, p| AdaGrad::new(p, 0.1).lr_decay(o.float()));
    "AdaGrad::initial_sum" => |o| stepped(o, |o, p| AdaGrad::new(p, 0.1).initial_sum(o.float()));
    "AdaGrad::eps" => |o| stepped(o, |o, p| AdaGrad::new(p, 0.1).eps(o.float()));
    "Adadelta::new" => |o| stepped(o, |o, p| Adadelta::new(p, o.float()));
    "Adadelta::rho" => |o| stepped(o, |o, p| Adadelta::new(p, 1.0).rho(o.float()));
    "Adadelta::eps" => |o| stepped(o, |o, p| Adadelta::new(p, 1.0).eps(o.float()));
    "Adafactor::new" => |o| stepped(o, |o, p| Adafactor::new(p, o.float()));
    "Adafactor::beta2_decay" => |o| stepped(o, |o, p| Adafactor::new(p, 0.1).beta2_decay(o.float()));
    "Adafactor::eps" => |o| stepped(o, |o, p| Adafactor::new(p, 0.1).eps(o.float(), o.float()));
    "Adafactor::clip" => |o| stepped(o, |o, p| Adafactor::new(p, 0.1).clip(o.float()));
    "Lamb::new" => |o| stepped(o, |o, p| Lamb::new(p, o.float()).betas(o.float(), o.float()).eps(o.float()));
    "Lion::new" => |o| stepped(o, |o, p| Lion::new(p, o.float()).betas(o.float(), o.float()));
    "NAdam::new" => |o| stepped(o, |o, p| NAdam::new(p, o.float()).betas(o.float(), o.float()));
    "NAdam::momentum_decay" => |o| stepped(o, |o, p| NAdam::new(p, 0.1).momentum_decay(o.float()));
    "RAdam::new" => |o| stepped(o, |o, p| RAdam::new(p, o.float()).betas(o.float(), o.float()));
    "RmsProp::new" => |o| stepped(o, |o, p| RmsProp::new(p, o.float()));
    "RmsProp::alpha" => |o| stepped(o, |o, p| RmsProp::new(p, 0.1).alpha(o.float()));
    "RmsProp::eps" => |o| stepped(o, |o, p| RmsProp::new(p, 0.1).eps(o.float()));
    "RmsProp::momentum" => |o| stepped(o, |o, p| RmsProp::new(p, 0.1).momentum(o.float()));
    "RmsProp::centered" => |o| stepped(o, |o, p| RmsProp::new(p, 0.1).centered(o.flag()).momentum(o.share()));
    "Muon::new" => |o| stepped(o, |o, p| Muon::new(p, o.float()));
    "Muon::by_adam" => |o| stepped(o, |o, p| { let some = o.size().min(p.len()); Muon::new(p.clone(), 0.1).by_adam(p[..some].to_vec()) });
    "Muon::adam_lr_factor" => |o| stepped(o, |o, p| Muon::new(p, 0.1).adam_lr_factor(o.float()));
    "Muon::momentum" => |o| stepped(o, |o, p| Muon::new(p, 0.1).momentum(o.float()));
    "Muon::nesterov" => |o| stepped(o, |o, p| Muon::new(p, 0.1).nesterov(o.flag()));
    "Muon::newton_schulz" => |o| stepped(o, |o, p| Muon::new(p, 0.1).newton_schulz(o.size(), (o.float(), o.float(), o.float())));
    "Muon::scale" => |o| stepped(o, |_, p| Muon::new(p, 0.1).scale(MuonScale::default()));
    "Group::new" => |o| stepped(o, |o, p| Sgd::new(p, 0.1).group(Group::new(o.many(|o| o.near(&[2])))));
    "Group::lr_factor" => |o| stepped(o, |o, p| Sgd::new([], 0.1).group(Group::new(p).lr_factor(o.float())));
    "Group::weight_decay" => |o| stepped(o, |o, p| Sgd::new([], 0.1).group(Group::new(p).weight_decay(o.float())));
    "Group::l1" => |o| stepped(o, |o, p| Adam::new([], 0.1).group(Group::new(p).l1(o.float())));
    "Group::matching" => |o| {
        let mut named: Vec<(String, Tensor)> = parameters(o).into_iter().map(|p| (o.text(), p)).collect();
        Group::matching(&mut named, &o.text()).and_then(|group| stepped(o, |_, p| Sgd::new(p, 0.1).group(group)))
    };
    "Group::vectors" => |o| {
        let mut named: Vec<(String, Tensor)> = parameters(o).into_iter().map(|p| (o.text(), p)).collect();
        let group = Group::vectors(&mut named);
        stepped(o, |_, p| Sgd::new(p, 0.1).group(group))
    };
};

fn average(o: &mut Odd) -> Average {
    let of = parameters(o);
    if o.flag() { Average::ema(of, o.share()) } else { Average::swa(of) }
}

/// L-BFGS on a square, or on whatever an input makes of it.
fn descended(o: &mut Odd, set: impl FnOnce(&mut Odd, Lbfgs) -> Lbfgs) -> Result<(), Error> {
    let p = o.device().parameter(&[0.5, -2.0], 2);
    let scale = o.near(&[2]);
    let mut lbfgs = set(o, Lbfgs::new([p.clone()]));
    lbfgs.step(|| p.mul(&scale).square().sum(&[]))?;
    lbfgs.forget();
    lbfgs.step(|| p.square().sum(&[])).map(|_| ())
}

const OTHERS: &[Line] = table! {
    "State::of" => |o| { let of = parameters(o); State::of(&Sgd::new(of, o.float())).map(|state| state.lr) };
    "Average::ema" => |o| { let of = parameters(o); Average::ema(of, o.float()).update() };
    "Average::swa" => |o| { let of = parameters(o); Average::swa(of).update() };
    "Average::warmup" => |o| { let mut average = average(o).warmup(); average.update().and_then(|()| average.update()) };
    "Average::update" => |o| average(o).update();
    "Average::updates" => |o| average(o).updates();
    "Average::averages" => |o| average(o).averages().to_vec();
    "Average::swap" => |o| { let mut average = average(o); average.swap().and_then(|()| average.update()) };
    "Average::evaluate" => |o| average(o).evaluate(|| 1.0f64);
    "Average::copy_to" => |o| { let to = parameters(o); average(o).copy_to(&to) };
    "Average::state" => |o| average(o).state().map(|state| state.lr);
    "Average::restore" => |o| {
        let mut average = average(o);
        average.state().and_then(|mut state| {
            state.steps = vec![o.seed(); o.size().min(3)];
            if o.flag() {
                state.tensors.insert(o.text(), o.many(|o| o.singles()));
            }
            average.restore(&state)?;
            average.update()
        })
    };
    "Accumulator::sum" => |o| { let of = parameters(o); let mut sum = Accumulator::sum(); sum.add(gradients(&of)).and_then(|()| sum.take()) };
    "Accumulator::mean" => |o| { let of = parameters(o); let mut sum = Accumulator::mean(); sum.add(gradients(&of)).and_then(|()| sum.take()) };
    "Accumulator::is_empty" => |o| { let of = parameters(o); let mut sum = Accumulator::sum(); let _ = sum.add(gradients(&of)); sum.is_empty() };
    "Accumulator::add" => |o| Accumulator::sum().add(o.tensor().backward());
    "Accumulator::add_weighted" => |o| {
        let of = parameters(o);
        let mut sum = Accumulator::mean();
        let _ = sum.add_weighted(gradients(&of), o.float());
        sum.add_weighted(gradients(&of), o.float()).and_then(|()| sum.take())
    };
    "Accumulator::take" => |o| { let _ = o.flag(); Accumulator::mean().take() };
    "Gradients::norm" => |o| { let of = parameters(o); gradients(&of).norm() };
    "Gradients::clip_by_norm" => |o| { let of = parameters(o); gradients(&of).clip_by_norm(o.float()) };
    "Gradients::clip_by_value" => |o| { let of = parameters(o); gradients(&of).clip_by_value(o.float()) };
    "Lbfgs::new" => |o| { let of = parameters(o); let first = of[0].clone(); Lbfgs::new(of).step(|| first.square().sum(&[])).map(|r| r.loss) };
    "Lbfgs::lr" => |o| descended(o, |o, l| l.lr(o.float()));
    "Lbfgs::history" => |o| descended(o, |o, l| l.history(o.size()));
    "Lbfgs::max_iterations" => |o| descended(o, |o, l| l.max_iterations(o.size()));
    "Lbfgs::max_evaluations" => |o| descended(o, |o, l| l.max_evaluations(o.size()));
    "Lbfgs::tolerances" => |o| descended(o, |o, l| l.tolerances(o.float(), o.float()));
    "Lbfgs::without_search" => |o| descended(o, |o, l| l.without_search().lr(o.float()));
    "Lbfgs::forget" => |o| Lbfgs::new(parameters(o)).forget();
    "Lbfgs::step" => |o| { let (p, other) = (o.near(&[2]), o.near(&[2])); Lbfgs::new([p.clone()]).step(|| p.mul(&other)).map(|r| r.loss) };
};

const SCHEDULES: &[Line] = table! {
    "Constant::new" => |o| { let s = Constant::new(o.float()); rates(o, s) };
    "Step::new" => |o| { let s = Step::new(o.share(), o.size(), o.float()); rates(o, s) };
    "MultiStep::new" => |o| { let s = MultiStep::new(o.share(), o.sizes(), o.float()); rates(o, s) };
    "Exponential::new" => |o| { let s = Exponential::new(o.share(), o.float()); rates(o, s) };
    "Cosine::new" => |o| { let s = Cosine::new(o.share(), o.size(), o.share()); rates(o, s) };
    "Warmup::new" => |o| { let s = Constant::new(0.1).and_then(|then| Warmup::new(o.size(), o.float(), then)); rates(o, s) };
    "OneCycle::new" => |o| { let s = OneCycle::new(o.share(), o.size()); rates(o, s) };
    "OneCycle::rises" => |o| { let s = OneCycle::new(0.1, o.size_near(10)).and_then(|s| s.rises(o.share())); rates(o, s) };
    "OneCycle::divides" => |o| { let s = OneCycle::new(0.1, o.size_near(10)).and_then(|s| s.divides(o.float(), o.float())); rates(o, s) };
    "OneCycle::linear" => |o| { let s = OneCycle::new(0.1, o.size_near(10)).map(OneCycle::linear); rates(o, s) };
    "Linear::new" => |o| { let s = Linear::new(o.share(), o.float(), o.float(), o.size()); rates(o, s) };
    "ConstantFactor::new" => |o| { let s = ConstantFactor::new(o.share(), o.float(), o.size()); rates(o, s) };
    "Sequence::new" => |o| { let s = Lambda::new(o.share(), |epoch| 1.0 / (epoch as f64)).map(Sequence::new); rates(o, s) };
    "Sequence::before" => |o| {
        let (first, second) = (o.size(), o.size());
        let s = Constant::new(0.1).map(Sequence::new);
        let s = s.and_then(|s| s.before(Constant::new(0.2)?, first)).and_then(|s| s.before(Constant::new(0.2)?, second));
        rates(o, s)
    };
    "Product::new" => |o| {
        let all = o.many(|o| Step::new(0.5, o.size(), o.float()).ok().map(|s| Box::new(s) as Box<dyn Schedule>));
        let s = Product::new(o.float(), all.into_iter().flatten());
        rates(o, s)
    };
    "CosineRestarts::new" => |o| { let s = CosineRestarts::new(o.share(), o.size(), o.size(), o.share()); rates(o, s) };
    "Cyclic::new" => |o| { let s = Cyclic::new(o.share(), o.share(), o.size()); rates(o, s) };
    "Cyclic::down" => |o| { let s = Cyclic::new(0.1, 0.2, o.size()).and_then(|s| s.down(o.size())); rates(o, s) };
    "Cyclic::halving" => |o| { let s = Cyclic::new(0.1, 0.2, o.size()).map(Cyclic::halving); rates(o, s) };
    "Cyclic::falling" => |o| { let s = Cyclic::new(0.1, 0.2, o.size()).and_then(|s| s.falling(o.share())); rates(o, s) };
    "Polynomial::new" => |o| { let s = Polynomial::new(o.share(), o.size(), o.float()); rates(o, s) };
    "Plateau::new" => |o| { let s = Plateau::new(o.share(), o.size()); measured(o, s) };
    "Plateau::upwards" => |o| { let s = Plateau::new(0.5, o.size()).map(Plateau::upwards); measured(o, s) };
    "Plateau::threshold" => |o| { let s = Plateau::new(0.5, 1).and_then(|s| s.threshold(o.float())); measured(o, s) };
    "Plateau::absolute_threshold" => |o| { let s = Plateau::new(0.5, 1).and_then(|s| s.absolute_threshold(o.float())); measured(o, s) };
    "Plateau::cooldown" => |o| { let s = Plateau::new(0.5, 1).map(|s| s.cooldown(o.size())); measured(o, s) };
    "Plateau::least" => |o| { let s = Plateau::new(0.5, 1).and_then(|s| s.least(o.float())); measured(o, s) };
    "Plateau::least_change" => |o| { let s = Plateau::new(0.5, 1).and_then(|s| s.least_change(o.float())); measured(o, s) };
    "Plateau::state" => |o| Plateau::new(o.share(), o.size()).map(|s| s.state().0);
    "Plateau::restore" => |o| { let s = Plateau::new(0.5, o.size()); measured(o, s) };
    "Plateau::step" => |o| { let s = Plateau::new(o.share(), 0); measured(o, s) };
};

/// A plateau that is measured a few times, from any state.
fn measured(o: &mut Odd, plateau: Result<Plateau, Error>) -> Result<(), Error> {
    let mut plateau = plateau?;
    let mut sgd = Sgd::new(parameters(o), 0.1);
    plateau.step(o.float(), &mut sgd);
    plateau.restore((o.float(), o.size(), o.size()));
    plateau.step(o.float(), &mut sgd);
    plateau.step(o.float(), &mut sgd);
    Ok(())
}
