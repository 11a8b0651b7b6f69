//! Absurd arguments for the public functions of `src/graph`.

use crate::odd::Odd;
use crate::{Line, Room, table};
use std::sync::Arc;
use steepest::graph::key::Graph;
use steepest::graph::op::{Kernel, Params, Spec, Variant, Wgsl};
use steepest::graph::{Node, dump, half};
use steepest::{Curvature, DType, Shape, Tensor, jvp, no_grad};

pub fn room() -> Room {
    Room { name: "graph", tables: &[TABLE], not_called: NOT_CALLED, complete: true }
}

const NOT_CALLED: &[(&str, &str)] = &[
    ("Tensor::shape", "documented to panic on an invalid tensor; try_shape does not"),
    ("Tensor::dtype", "documented to panic on an invalid tensor; spec does not"),
    ("node::record", "records an op of the caller's making: called by every method"),
    ("node::record_on", "records an op of the caller's making: called by every method"),
    ("node::record_shared", "records an op of the caller's making: called by every method"),
    ("half::at", "reads a word of a list by its index, as a slice does"),
    ("half::unpack", "reads words that were packed"),
    ("DType::unpack", "reads words that were packed"),
    ("Array::new", "documented to panic: made by an op's definition"),
    ("Array::from_fn", "the reference's arrays, of shapes that were checked"),
    ("Array::viewed", "the reference's arrays, of shapes that were checked"),
    ("Lowering::kernel", "made by an op for its own inputs"),
    ("Live::nodes", "a device's own count"),
    ("Graph::spec_of", "of a source that the graph itself named"),
    ("Io::fail", "what a kernel is handed by the machine that runs it"),
    ("Kernel::has_native", "takes no argument"),
    ("Kernel::with_native", "a closure of the caller's"),
    ("Wgsl::name", "takes no argument"),
    ("Wgsl::text", "takes no argument"),
    ("Io::read", "what a kernel is handed by the machine that runs it"),
    ("Io::write", "what a kernel is handed by the machine that runs it"),
    ("Io::scalar", "what a kernel is handed by the machine that runs it"),
];

const TYPES: &[DType] = &[DType::F32, DType::F16, DType::U32, DType::I32, DType::Bool];

fn shape(o: &mut Odd) -> Shape {
    Shape::new(&o.shape()).unwrap_or(Shape::SCALAR)
}

fn nodes(o: &mut Odd) -> Vec<Arc<Node>> {
    o.many(Odd::tensor).iter().map(|tensor| tensor.node().clone()).collect()
}

const TABLE: &[Line] = table! {
    "Tensor::node" => |o| o.tensor().node();
    "Tensor::spec" => |o| o.tensor().spec();
    "Tensor::check" => |o| o.tensor().check();
    "Tensor::requires_grad" => |o| o.tensor().requires_grad();
    "Tensor::is_frozen" => |o| o.tensor().is_frozen();
    "Tensor::id" => |o| o.tensor().id();
    "Tensor::try_shape" => |o| o.tensor().try_shape();
    "Tensor::set_frozen" => |o| {
        let x = o.tensor();
        x.set_frozen(o.flag());
        x.exp()
    };
    "Tensor::substitute" => |o| {
        let (x, y) = (o.near(&[2, 3]), o.near(&[2, 3]));
        Tensor::substitute(&[(&x, &y)], || x.exp())
    };
    "Tensor::backward" => |o| o.tensor().backward();
    "Tensor::backward" => |o| o.tensor().sum(&[]).backward();
    "Tensor::backward_with" => |o| o.tensor().backward_with(&o.tensor());
    "Tensor::backward_retaining" => |o| o.tensor().backward_retaining(&o.many(Odd::tensor).iter().collect::<Vec<_>>());
    "Tensor::backward_all" => |o| {
        let (y, v) = (o.many(Odd::tensor), o.many(Odd::tensor));
        Tensor::backward_all(&y.iter().zip(&v).collect::<Vec<_>>())
    };
    "Tensor::backward_all" => |o| {
        let (x, v) = (o.near(&[3]), o.near(&[3]));
        Tensor::backward_all(&[(&x.exp(), &v), (&x.square(), &o.tensor())])
    };
    "Tensor::jacobian_vector_product" => |o| {
        let (x, v) = (o.near(&[3]), o.tensor());
        x.exp().jacobian_vector_product(&[&x], &[&v])
    };
    "Tensor::jacobian_vector_product" => |o| {
        let (x, v) = (o.many(Odd::tensor), o.many(Odd::tensor));
        o.tensor().jacobian_vector_product(&x.iter().collect::<Vec<_>>(), &v.iter().collect::<Vec<_>>())
    };
    "forward::jvp" => |o| {
        let (x, v) = (o.many(Odd::tensor), o.many(Odd::tensor));
        jvp(|x| x.iter().map(Tensor::exp).collect(), &x.iter().collect::<Vec<_>>(), &v.iter().collect::<Vec<_>>()).map(|found| found.1)
    };
    "Tensor::jacobian" => |o| {
        let x = o.near(&[3]);
        x.exp().jacobian(&x)
    };
    "Tensor::jacobian" => |o| o.tensor().jacobian(&o.tensor());
    "Tensor::hessian" => |o| {
        let x = o.near(&[3]);
        x.exp().sum(&[]).hessian(&[&x])
    };
    "Tensor::hessian" => |o| o.tensor().hessian(&o.many(Odd::tensor).iter().collect::<Vec<_>>());
    "Tensor::hessian_vector_product" => |o| {
        let x = o.near(&[3]);
        x.exp().sum(&[]).hessian_vector_product(&[&x], &[&o.near(&[3])])
    };
    "Tensor::hessian_vector_product" => |o| {
        let x = o.near(&[3]);
        x.exp().sum(&[]).hessian_vector_product(&[&x], &o.many(|o| o.near(&[3])).iter().collect::<Vec<_>>())
    };
    "Curvature::new" => |o| Curvature::new(&o.tensor(), &o.many(Odd::tensor).iter().collect::<Vec<_>>());
    "Curvature::size" => |o| {
        let x = o.near(&[3]);
        Curvature::new(&x.exp().sum(&[]), &[&x]).map(|c| c.size())
    };
    "Curvature::parameters" => |o| {
        let x = o.near(&[3]);
        Curvature::new(&x.exp().sum(&[]), &[&x]).map(|c| c.parameters().to_vec())
    };
    "Curvature::gradient" => |o| {
        let x = o.near(&[3]);
        Curvature::new(&x.exp().sum(&[]), &[&x]).map(|c| c.gradient())
    };
    "Curvature::times" => |o| {
        let x = o.near(&[3]);
        Curvature::new(&x.exp().sum(&[]), &[&x]).map(|c| c.times(&o.many(|o| o.near(&[3])).iter().collect::<Vec<_>>()))
    };
    "Curvature::row" => |o| {
        let x = o.near(&[3]);
        Curvature::new(&x.exp().sum(&[]), &[&x]).map(|c| c.row(o.size()))
    };
    "grad::no_grad" => |o| no_grad(|| o.tensor().exp());
    "Gradients::get" => |o| {
        let x = o.near(&[3]);
        let gradients = x.exp().sum(&[]).backward();
        gradients.get(&o.tensor()).map(|found| found.cloned())
    };
    "Gradients::wrt" => |o| {
        let x = o.near(&[3]);
        let gradients = x.exp().sum(&[]).backward();
        gradients.wrt(&o.tensor())
    };
    "Gradients::wrt" => |o| {
        let x = o.near(&[3]);
        let gradients = x.exp().sum(&[]).backward();
        gradients.wrt(&x)
    };
    "Gradients::missing" => |o| {
        let x = o.near(&[3]);
        let gradients = x.exp().sum(&[]).backward();
        drop(gradients.missing(&o.tensor()))
    };
    "Gradients::check" => |o| {
        let x = o.near(&[3]);
        let gradients = x.exp().sum(&[]).backward();
        gradients.check(&o.many(Odd::tensor))
    };
    "Gradients::allow_severed" => |o| {
        let x = o.near(&[3]);
        let gradients = x.exp().sum(&[]).backward();
        gradients.allow_severed()
    };
    "Gradients::iter" => |o| {
        let x = o.near(&[3]);
        let gradients = x.exp().sum(&[]).backward();
        drop(gradients.iter())
    };
    "Gradients::map" => |o| {
        let x = o.near(&[3]);
        let gradients = x.exp().sum(&[]).backward();
        {
            let other = o.near(&[3]);
            gradients.map(|g| g.mul(&other))
        }
    };
    "Gradients::and_run" => |o| {
        let x = o.near(&[3]);
        let gradients = x.exp().sum(&[]).backward();
        gradients.and_run(&o.many(Odd::tensor).iter().collect::<Vec<_>>())
    };
    "half::from_f32" => |o| half::from_f32(o.single());
    "half::to_f32" => |o| half::to_f32(o.u32() as u16);
    "half::rounded" => |o| half::rounded(o.float());
    "half::words" => |o| half::words(o.size());
    "half::pair" => |o| half::pair(o.single(), o.single());
    "half::pack" => |o| half::pack(&o.singles());
    "DType::is_float" => |o| o.pick(TYPES).is_float();
    "DType::words" => |o| o.pick(TYPES).words(o.size());
    "DType::pack" => |o| o.pick(TYPES).pack(&o.floats());
    "DType::to_f64" => |o| o.pick(TYPES).to_f64(o.u32());
    "DType::to_word" => |o| o.pick(TYPES).to_word(o.float());
    "Spec::new" => |o| Spec::new(shape(o), o.pick(TYPES)).words();
    "Spec::f32" => |o| Spec::f32(shape(o)).words();
    "Spec::words" => |o| Spec::new(shape(o), o.pick(TYPES)).words();
    "Spec::reshaped" => |o| Spec::f32(shape(o)).reshaped(shape(o)).words();
    "Graph::collect" => |o| Graph::collect(&nodes(o));
    "Graph::collect_after_host" => |o| Graph::collect_after_host(&nodes(o));
    "dump::lines" => |o| Graph::collect(&nodes(o)).map(|graph| dump::lines(&graph));
    "dump::graphviz" => |o| Graph::collect(&nodes(o)).map(|graph| dump::graphviz(&graph));
    "Node::at" => |o| {
        let x = o.tensor();
        let _ = x.node().at();
    };
    "Node::spec" => |o| {
        let x = o.tensor();
        let _ = x.node().spec();
    };
    "Node::requires_grad" => |o| {
        let x = o.tensor();
        let _ = x.node().requires_grad();
    };
    "Node::version" => |o| {
        let x = o.tensor();
        let _ = x.node().version();
    };
    "Node::is_held" => |o| {
        let x = o.tensor();
        let _ = x.node().is_held();
    };
    "Node::op_name" => |o| {
        let x = o.tensor();
        let _ = x.node().op_name();
    };
    "Node::body" => |o| {
        let x = o.tensor();
        let _ = x.node().body();
    };
    "Node::value" => |o| {
        let x = o.tensor();
        let _ = x.node().value();
    };
    "Node::backend" => |o| {
        let x = o.tensor();
        let _ = x.node().backend();
    };
    "Node::id" => |o| {
        let x = o.tensor();
        let _ = x.node().id();
    };
    "Variant::groups" => |o| Variant::groups(o.size());
    "Variant::each_element" => |o| Variant::each_element("exp", o.size());
    "Variant::new" => |o| Variant::new("exp", [o.u32(), o.u32(), o.u32()]);
    "Variant::max_loop_iterations" => |o| Variant::new("exp", [1; 3]).max_loop_iterations(o.size());
    "Variant::in_parts" => |o| Variant::new("exp", [1; 3]).in_parts(o.size(), o.size());
    "Variant::divided" => |o| Variant::new("exp", [1; 3]).in_parts(o.size(), o.size()).divided(o.size());
    "Variant::source" => |o| Variant::source(&Wgsl::from_text(o.text(), o.text()), [o.u32(), o.u32(), o.u32()]);
    "Variant::source_each_element" => |o| Variant::source_each_element(&Wgsl::from_text(o.text(), o.text()), o.size());
    "Variant::file" => |o| Variant::source(&Wgsl::from_text(o.text(), o.text()), [1; 3]).file().len();
    "Wgsl::new" => |o| Wgsl::new("odd", "odd") == Wgsl::from_text(o.text(), o.text());
    "Wgsl::from_text" => |o| Wgsl::from_text(o.text(), o.text());
    "Kernel::new" => |o| Kernel::new("odd", Params::new().set("m", o.size()), vec![]).has_native();
    "Params::new" => |o| Params::new();
    "Params::set" => |o| Params::new().set("m", o.size());
};
