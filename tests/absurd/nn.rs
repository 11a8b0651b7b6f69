//! Absurd arguments for the public functions of `src/nn`.

mod layers;
mod losses;
mod models;
mod sequences;

use crate::odd::Odd;
use crate::{Line, Room};
use steepest::nn::{self, Init, Module, Registry, Role};
use steepest::optim::{Optimizer, Sgd};
use steepest::{Shape, Tensor};

/// Lines of several types with the same methods: `L` is the type.
macro_rules! family {
    ($table:ident: [$($kind:ident),* $(,)?] $block:tt) => {
        pub const $table: &[&[$crate::Line]] = &[$(family!(@ $kind $block)),*];
    };
    (@ $kind:ident {$($method:literal => |$o:ident| $call:expr;)*}) => {
        &[$($crate::Line {
            name: concat!(stringify!($kind), "::", $method),
            call: |$o: &mut $crate::odd::Odd| {
                #[allow(unused_imports)]
                use $crate::outcome::{Any as _, Runs as _};
                #[allow(dead_code)]
                type L = steepest::nn::$kind;
                (&&$crate::outcome::Made::new($call)).settle($o);
            },
        }),*]
    };
}
pub(crate) use family;

pub fn room() -> Room {
    Room { name: "nn", tables: TABLES, not_called: NOT_CALLED, complete: true }
}

const TABLES: &[&[Line]] = &[
    layers::TABLE,
    layers::FLAT_CONVS[0],
    layers::CONVS[0],
    layers::CONVS[1],
    layers::CONVS[2],
    layers::CONVS[3],
    layers::CONVS[4],
    layers::CONVS[5],
    layers::MAX_POOLS[0],
    layers::MAX_POOLS[1],
    layers::MAX_POOLS[2],
    layers::MEAN_POOLS[0],
    layers::MEAN_POOLS[1],
    layers::MEAN_POOLS[2],
    layers::CELLS[0],
    layers::CELLS[1],
    layers::CELLS[2],
    layers::CELLS[3],
    layers::CELLS[4],
    layers::CELLS[5],
    losses::TABLE,
    models::TABLE,
    sequences::TABLE,
];

const NOT_CALLED: &[(&str, &str)] = &[];

/// Everything that can be asked of a layer, and its output for `x`, in training or evaluation.
pub fn used(o: &mut Odd, layer: impl Module, x: &Tensor) -> Vec<Tensor> {
    let _ = (layer.describe(), layer.parameter_count(), layer.named_state());
    if let Some(blueprint) = layer.blueprint() {
        let _ = Registry::new().build(&o.device(), &blueprint);
    }
    let shapes = [o.shape(), o.shape()];
    if let (Ok(input), Ok(output)) = (Shape::new(&shapes[0]), Shape::new(&shapes[1])) {
        let _ = layer.multiply_adds(&input, &output);
    }
    if o.flag() {
        layer.eval();
    }
    let _ = nn::summary_of(&layer, x);
    let y = layer.forward(x);
    // A step on what it gives.
    let _ = Sgd::new(layer.parameters(), 0.1).momentum(0.9).step(y.square().mean(&[]).backward());
    let y = layer.forward(x);
    if o.flag() { layer.forward_all(&[x.clone(), x.clone()]) } else { vec![y] }
}

/// How a parameter starts. Of orthonormal ones only those that take no hours.
pub fn init(o: &mut Odd) -> Init {
    let (a, b, c, d) = (o.float(), o.float(), o.float(), o.float());
    let fan = o.pick(&[nn::Fan::In, nn::Fan::Out, nn::Fan::Average]);
    let normal = o.flag();
    o.pick(&[
        Init::Constant(a),
        Init::Uniform(a),
        Init::Normal(a),
        Init::TruncatedNormal { mean: a, std: b, low: c, high: d },
        Init::KaimingUniform,
        Init::KaimingNormal,
        Init::XavierUniform,
        Init::XavierNormal,
        Init::LecunUniform,
        Init::LecunNormal,
        Init::FanIn,
        Init::Scaled { gain: a, fan, normal },
        Init::Identity,
    ])
}

/// What a parameter is to its layer.
pub fn role(o: &mut Odd) -> Role {
    let (a, b) = (o.size(), o.size());
    o.pick(&[Role::Weight, Role::Grouped(a), Role::Transposed(a), Role::Stacked(a), Role::Table, Role::Other(a, b)])
}
