//! Absurd arguments for the public functions of `src/verify`.

use crate::odd::Odd;
use crate::{Line, Room, table};
use steepest::Device;
use steepest::verify::{GradCheck, GradCheckOptions, Report, cases, derivative, grad_check, grad_check_with, quotients};

pub fn room() -> Room {
    Room { name: "verify", tables: &[TABLE], not_called: NOT_CALLED, complete: true }
}

const NOT_CALLED: &[(&str, &str)] = &[
    ("Outcome::cases", "takes no argument"),
    ("Outcome::elements", "takes no argument"),
    ("Outcome::failures", "takes no argument"),
    ("Outcome::passed", "takes no argument"),
    ("OpCheck::failures", "takes no argument"),
    ("OpCheck::passed", "takes no argument"),
    ("check_op::check_op", "of cases of the caller's; what is wrong with them is in its result: tests/it/check_op.rs"),
    ("first::gradient_of", "of a case of the catalogue"),
    ("first::gradients", "the whole check of gradients: runs for minutes"),
    ("full::full", "the whole check of a device: runs for minutes"),
    ("modules::merged_with_a_product", "of variants of the catalogue"),
    ("modules::modules", "of variants of the catalogue"),
    ("modules::variants", "takes no argument"),
    ("modules::variants_of", "of kernels of a plan"),
    ("second::second_order", "the whole check of second derivatives: runs for minutes"),
    ("values::ops", "the whole check of a device: runs for minutes"),
    ("values::one", "of a case of the catalogue"),
    ("plant::wrong", "of a case of the catalogue"),
    ("probe::driver", "takes no argument but a device"),
    ("probe::driver_variants", "takes no argument"),
];

const TABLE: &[Line] = table! {
    "derivative::derivative" => |o| derivative(|x| x * x, o.float());
    "derivative::quotients" => |o| quotients(|x| x * x, o.float(), o.maybe(Odd::float));
    "gradcheck::grad_check" => |o| {
        let x = o.near(&[2, 3]);
        drop(grad_check(|x| x[0].exp().sum(&[]), &[x]))
    };
    "gradcheck::grad_check" => |o| grad_check(|x| x.first().map_or_else(|| Device::cpu().scalar(1.0), |x| x.exp()), &o.many(Odd::tensor));
    "gradcheck::grad_check_with" => |o| {
        let x = o.near(&[2, 3]);
        drop(grad_check_with(|x| x[0].exp().sum(&[]), &[x], GradCheckOptions { elements: o.size(), step: o.float(), rtol: o.float(), atol: o.float() }))
    };
    "GradCheck::passed" => |o| GradCheck { value: o.float(), entries: vec![] }.passed();
    "Report::new" => |o| Report::new(o.text());
    "cases::cases" => |o| cases(&o.text());
};
