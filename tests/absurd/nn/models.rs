//! Models: containers, wrappers, descriptions that build layers, states, summaries.

use super::used;
use crate::odd::Odd;
use crate::{Line, table};
use steepest::nn::{
    self, Array, Blueprint, Ensemble, Linear, Module, Registry, Row, Sequential, SpectralNorm, StateDict, Values, WeightNorm,
};
use steepest::{Tensor, error::Error};

fn linear(o: &mut Odd) -> Linear {
    Linear::new(&o.device(), o.size_near(4), o.size_near(3), o.seed())
}

fn boxed(o: &mut Odd) -> Box<dyn Module> {
    let _ = o.flag();
    Box::new(linear(o))
}

fn x(o: &mut Odd) -> Tensor {
    o.near(&[2, 4])
}

/// Any kind of layer with settings of any size, some of which it has.
fn blueprint(o: &mut Odd, depth: usize) -> Blueprint {
    const SIZES: &[&str] = &[
        "inputs",
        "outputs",
        "groups",
        "hidden",
        "layers",
        "width",
        "heads",
        "kv_heads",
        "rows",
        "padding",
        "channels",
        "slopes",
        "first",
        "second",
        "seed",
        "seed1",
        "seed2",
        "seed3",
        "attention_seed",
        "offset",
        "iterations",
        "axis",
        "upscale",
        "downscale",
    ];
    const LISTS: &[&str] = &[
        "kernel",
        "stride",
        "padding",
        "padding_after",
        "dilation",
        "output_padding",
        "shape",
        "size",
        "sizes",
        "output",
        "before",
        "after",
        "cut_before",
        "cut_after",
        "rows",
        "inputs",
    ];
    const NUMBERS: &[&str] =
        &["p", "dropout", "attention_dropout", "eps", "momentum", "base", "factor", "value", "slope", "alpha", "axis"];
    const FLAGS: &[&str] = &[
        "bias",
        "affine",
        "batch_first",
        "last_only",
        "bidirectional",
        "causal",
        "align_corners",
        "count_include_pad",
        "ceil_mode",
        "same",
        "post_norm",
        "rms_norm",
        "gated",
        "cross_attention",
    ];
    let kinds: Vec<String> = Registry::new().kinds().map(str::to_owned).collect();
    let kind = o.pick(&kinds);
    let mut made = Blueprint::new(kind);
    made = made.set("parameter", "weight").set("mode", o.pick(&["nearest", "constant", "reflect"]));
    made = made.set("of", "mean").set("function", "elu").set("pairing", o.pick(&["half", "interleaved"]));
    for name in NUMBERS {
        made = made.set(*name, o.float());
    }
    for name in LISTS {
        let sizes: Vec<usize> = if o.flag() { o.sizes() } else { o.array::<2>().to_vec() };
        made = made.set(*name, &sizes[..]);
    }
    for name in SIZES {
        if o.flag() || !LISTS.contains(name) && !NUMBERS.contains(name) {
            made = made.set(*name, o.size());
        }
    }
    for name in FLAGS {
        made = made.set(*name, o.flag());
    }
    for part in ["inner", "0", "norm", "activation"].into_iter().take(if depth > 2 { 0 } else { 4 }) {
        if o.flag() {
            made = made.with_part(part, blueprint(o, depth + 2));
        }
    }
    made
}

fn built(o: &mut Odd, made: Result<Box<dyn Module>, Error>) -> Vec<Tensor> {
    let Ok(model) = made else { return vec![] };
    let _ = (model.describe(), model.parameter_count());
    model.forward_all(&[x(o)])
}

fn array(o: &mut Odd) -> Array {
    let values = o.singles();
    if o.flag() {
        return Array { shape: o.sizes(), values: Values::U32(values.iter().map(|v| *v as u32).collect()) };
    }
    let shape = [o.size_near(values.len())];
    Array::f32(values, &shape)
}

fn state(o: &mut Odd) -> StateDict {
    let named = o.many(|o| (o.pick(&["weight", "bias", "other"]).to_owned(), array(o)));
    named.into_iter().collect()
}

pub const TABLE: &[Line] = table! {
    "Sequential::new" => |o| { let x = x(o); used(o, Sequential::new(), &x) };
    "Sequential::add" => |o| { let (x, a, b) = (x(o), linear(o), linear(o)); used(o, Sequential::new().add(a).add(nn::Flatten).add(b), &x) };
    "Sequential::layers" => |o| { let a = linear(o); Sequential::new().add(a).layers().len() };
    "sequential::mlp" => |o| { let x = x(o); let model = nn::mlp(&o.device(), &o.sizes(), o.seed()); used(o, model, &x) };
    "Ensemble::new" => |o| { let (x, all) = (x(o), Ensemble::new(o.many(boxed))); used(o, all, &x) };
    "Ensemble::members" => |o| Ensemble::new(o.many(boxed)).members().len();
    "Registry::new" => |o| { let made = blueprint(o, 0); let made = Registry::new().build(&o.device(), &made); built(o, made) };
    "Registry::build" => |o| { let made = blueprint(o, 2); let made = Registry::new().build(&o.device(), &made); built(o, made) };
    "Registry::build_within" => |o| { let made = blueprint(o, 0); let made = Registry::new().build_within(&o.device(), &made, o.seed()); built(o, made) };
    "Registry::kinds" => |o| { let kind = o.text(); Registry::new().kinds().any(|known| known == kind) };
    "Registry::register" => |o| {
        let registry = Registry::new().register(o.text(), |site| site.part("inner"));
        let made = Blueprint::new(o.text()).with_part("inner", blueprint(o, 2));
        let made = registry.build(&o.device(), &made);
        built(o, made)
    };
    "Site::blueprint" => |o| at_site(o, |site, _| Ok(site.blueprint().depth()));
    "Site::device" => |o| at_site(o, |site, n| site.device().zeros([n]).run().map(|()| 0));
    "Site::size" => |o| at_site(o, |site, _| site.size("width"));
    "Site::number" => |o| at_site(o, |site, _| site.number("eps").map(|x| x as usize));
    "Site::flag" => |o| at_site(o, |site, _| site.flag("bias").map(usize::from));
    "Site::reserve" => |o| at_site(o, |site, n| site.reserve(&[&[n, n], &[], &[0, n]]).map(|()| 0));
    "Site::part" => |o| at_site(o, |site, _| site.part("inner").map(|part| part.parameter_count()));
    "Site::parts" => |o| at_site(o, |site, _| site.parts().map(|parts| parts.len()));
    "Blueprint::new" => |o| Blueprint::new(o.text()).depth();
    "Blueprint::set" => |o| Blueprint::new("Linear").set(o.text(), o.size()).set(o.text(), &o.sizes()[..]).set(o.text(), o.float()).depth();
    "Blueprint::part" => |o| { let inner = boxed(o); Blueprint::new("Residual").part(o.text(), &*inner).map(|b| b.depth()) };
    "Blueprint::with_part" => |o| { let part = blueprint(o, 2); Blueprint::new("Residual").with_part(o.text(), part).depth() };
    "Blueprint::of" => |o| { let model = boxed(o); Blueprint::of(&*model).map(|b| b.shared().len()) };
    "Blueprint::share" => |o| {
        let names = [o.text(), "0.weight".to_owned(), "weight".to_owned(), o.text()];
        let shared = blueprint(o, 1).share(names.into_iter().skip(o.pick(&[0usize, 1, 2])));
        Registry::new().build(&o.device(), &shared).map(|model| model.parameter_count())
    };
    "Blueprint::shared" => |o| blueprint(o, 2).share([o.text()]).shared().len();
    "Blueprint::kind" => |o| blueprint(o, 2).kind().len();
    "Blueprint::settings" => |o| blueprint(o, 2).settings().len();
    "Blueprint::parts" => |o| blueprint(o, 0).parts().len();
    "Blueprint::depth" => |o| blueprint(o, 0).depth();
    "Blueprint::refuse" => |o| blueprint(o, 2).refuse(o.text()).to_string();
    "Blueprint::size" => |o| blueprint(o, 2).size(&o.text());
    "Blueprint::whole" => |o| blueprint(o, 2).whole("seed");
    "Blueprint::sizes" => |o| blueprint(o, 2).sizes("shape").map(|sizes| sizes.len());
    "Blueprint::list" => |o| blueprint(o, 2).list("shape").map(|sizes| sizes.len());
    "Blueprint::pair" => |o| blueprint(o, 2).pair("kernel").map(|pair| pair[0]);
    "Blueprint::number" => |o| blueprint(o, 2).number("eps");
    "Blueprint::flag" => |o| blueprint(o, 2).flag(&o.text());
    "Blueprint::text" => |o| blueprint(o, 2).text("mode").map(str::len);
    "WeightNorm::new" => |o| { let (x, inner) = (x(o), linear(o)); WeightNorm::new(inner).map(|l| used(o, l, &x)) };
    "WeightNorm::of" => |o| { let (x, inner, name) = (x(o), boxed(o), o.pick(&["weight", "bias", "none"])); WeightNorm::of(inner, name, o.size()).map(|l| used(o, l, &x)) };
    "WeightNorm::weight" => |o| { let inner = linear(o); WeightNorm::new(inner).map(|l| l.weight()) };
    "WeightNorm::finished" => |o| { let inner = linear(o); WeightNorm::new(inner).and_then(|l| l.finished()).map(|l| l.parameters()) };
    "SpectralNorm::new" => |o| { let (x, inner) = (x(o), linear(o)); SpectralNorm::new(inner, o.seed()).map(|l| used(o, l, &x)) };
    "SpectralNorm::of" => |o| { let (x, inner, name) = (x(o), boxed(o), o.pick(&["weight", "bias"])); SpectralNorm::of(inner, name, o.size(), o.seed()).map(|l| used(o, l, &x)) };
    "SpectralNorm::iterations" => |o| { let (x, inner, most) = (x(o), linear(o), o.size()); SpectralNorm::new(inner, 1).map(|l| used(o, l.iterations(most), &x)) };
    "SpectralNorm::weight" => |o| { let inner = linear(o); SpectralNorm::new(inner, o.seed()).map(|l| l.weight()) };
    "SpectralNorm::finished" => |o| { let inner = linear(o); SpectralNorm::new(inner, 1).and_then(|l| l.finished()).map(|l| l.parameters()) };
    "Array::of" => |o| Array::of(&o.tensor()).map(|a| a.len());
    "Array::f32" => |o| Array::f32(o.singles(), &o.sizes()).len();
    "Array::dtype" => |o| array(o).dtype().to_string();
    "Array::len" => |o| array(o).len();
    "Array::is_empty" => |o| array(o).is_empty();
    "Array::as_f32" => |o| array(o).as_f32().map(<[f32]>::len);
    "StateDict::of" => |o| { let model = linear(o); StateDict::of(&model).map(|state| state.numbers()) };
    "StateDict::insert" => |o| { let mut state = state(o); state.insert(o.text(), array(o)) };
    "StateDict::get" => |o| state(o).get(&o.text()).map(Array::len);
    "StateDict::remove" => |o| state(o).remove(&o.text()).map(|a| a.len());
    "StateDict::names" => |o| state(o).names().count();
    "StateDict::iter" => |o| state(o).iter().count();
    "StateDict::len" => |o| state(o).len();
    "StateDict::is_empty" => |o| state(o).is_empty();
    "StateDict::numbers" => |o| state(o).numbers();
    "StateDict::renamed" => |o| { let name = o.text(); state(o).renamed(|_| Some(name.clone())).len() };
    "StateDict::compare" => |o| { let model = linear(o); state(o).compare(&model).to_string() };
    "StateDict::load" => |o| { let model = linear(o); state(o).load(&model) };
    "StateDict::load_partial" => |o| { let model = linear(o); state(o).load_partial(&model).map(|report| report.to_string()) };
    "LoadReport::is_complete" => |o| { let model = linear(o); state(o).compare(&model).is_complete() };
    "Row::of" => |o| { let (model, x) = (linear(o), x(o)); Row::of(&o.text(), &model, &x, &o.tensor()).bytes };
    "Row::of_all" => |o| { let model = linear(o); Row::of_all(&o.text(), &model, &o.many(x), &o.many(|o| o.tensor())).multiply_adds };
    "summary::summary" => |o| { let model = linear(o); nn::summary(&model, &o.device(), o.shape()).map(|s| s.to_string()) };
    "summary::summary_of" => |o| { let model = linear(o); nn::summary_of(&model, &o.tensor()).map(|s| s.to_string()) };
    "summary::summary_of_all" => |o| { let model = linear(o); nn::summary_of_all(&model, &o.many(x)).map(|s| s.to_string()) };
    "statistics::update_statistics" => |o| { let model = nn::BatchNorm1d::new(&o.device(), o.size_near(4)); nn::update_statistics(&model, o.many(x)) };
    "statistics::update_statistics_all" => |o| { let model = nn::BatchNorm1d::new(&o.device(), o.size_near(4)); nn::update_statistics_all(&model, o.many(|o| o.many(x))) };
    "watch::watch" => |o| { let (a, b) = (linear(o), linear(o)); nn::watch(&Sequential::new().add(a).add(b), &x(o)).0 };
    "watch::watch_all" => |o| { let model = linear(o); nn::watch_all(&model, &o.many(x)).0 };
    "LayerOutput::output" => |o| { let model = linear(o); nn::watch(&model, &x(o)).1[0].output().cloned() };
    "LayerOutput::statistics" => |o| { let model = linear(o); nn::watch(&model, &x(o)).1[0].statistics().map(|s| s.mean) };
    "LayerOutput::histogram" => |o| { let model = linear(o); nn::watch(&model, &x(o)).1[0].histogram(o.size()).map(|(edges, _)| edges.len()) };
    "parts::with_parameters" => |o| { let (model, x, weight) = (linear(o), x(o), o.near(&[3, 4])); nn::with_parameters(&model, &[(&o.text(), &weight), ("weight", &weight)], || model.forward(&x)) };
    "per_sample::per_sample_gradients" => |o| { let (model, batch) = (linear(o), o.many(x)); nn::per_sample_gradients(&model, &batch.iter().collect::<Vec<_>>(), |sample| model.forward(&sample[0]).sum(&[])).map(|found| found.into_iter().map(|(_, g)| g).collect::<Vec<_>>()) };
    "parts::wrong_inputs" => |o| nn::wrong_inputs(&o.text(), &o.many(x), o.size());
};

/// What a maker is told where it builds, of any settings.
fn at_site(o: &mut Odd, ask: fn(&nn::Site<'_>, usize) -> Result<usize, Error>) -> Result<(), Error> {
    let n = o.size();
    let registry = Registry::new().register("mine", move |site| {
        ask(site, n)?;
        Ok(Box::new(nn::Identity))
    });
    let mut made = Blueprint::new("mine").set("width", o.size()).set("eps", o.float()).set("bias", o.flag());
    if o.flag() {
        made = made.with_part("inner", blueprint(o, 2));
    }
    registry.build_within(&o.device(), &made, o.seed()).map(|_| ())
}
