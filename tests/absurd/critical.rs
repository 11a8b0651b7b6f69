//! Absurd arguments for the public functions of `src/critical`.

use crate::odd::Odd;
use crate::{Line, Room, table};
use steepest::Result;
use steepest::critical::{self, CriticalPoint, Method, Options, Precision};

pub fn room() -> Room {
    Room { name: "critical", tables: &[TABLE], not_called: NOT_CALLED, complete: true }
}

const NOT_CALLED: &[(&str, &str)] = &[
    ("CriticalPoint::verdict", "called on every point that the lines find"),
    ("Spectrum::lowest", "called on every point that the lines find"),
    ("Spectrum::highest", "called on every point that the lines find"),
];

fn found(o: &mut Odd, point: Result<CriticalPoint>) -> Result<()> {
    let point = point?;
    o.note(&format!(" {} {} {}", point.spectrum.lowest(), point.spectrum.highest(), point.verdict().len()));
    Ok(())
}

fn options(o: &mut Odd) -> Options {
    Options {
        precision: o.pick(&[Precision::Device, Precision::Reference]),
        method: o.pick(&[Method::Auto, Method::Full, Method::Lanczos]),
        gradient: o.float(),
        flat: o.maybe(Odd::float),
        steps: o.size(),
        seed: o.seed(),
    }
}

const TABLE: &[Line] = table! {
    "critical::examine" => |o| {
        let x = o.near(&[2, 3]);
        found(o, critical::examine(&x.square().sum(&[]), &[&x]))
    };
    "critical::examine" => |o| {
        let loss = o.tensor();
        let point = critical::examine(&loss, &o.many(Odd::tensor).iter().collect::<Vec<_>>());
        found(o, point)
    };
    "critical::examine_with" => |o| {
        let x = o.near(&[2, 3]);
        let options = options(o);
        found(o, critical::examine_with(&x.square().sum(&[]), &[&x], options))
    };
    "CriticalPoint::leave" => |o| {
        let (x, y) = (o.near(&[2, 3]), o.near(&[2, 3]));
        let step = o.float();
        critical::examine(&x.square().sum(&[]).neg(), &[&x]).and_then(|point| point.leave(&[&y], step))
    };
};
