//! The checks of the oracle themselves: what is wrong is seen, and what is not known is never passed.

use super::build::build;
use super::cases::{first_case, second_case};
use super::file::{Numbers, Oracle};
use super::inputs::Inputs;
use super::judge::{Check, Counts, Part, Place, Table};
use super::missing::Missing;
use super::{optimizers, schedules};
use crate::common::fields::{Fault, Fields, Lack};
use serde_json::{Value, json};
use steepest::graph::Array;
use steepest::{DType, Device, Shape};

/// Tolerances of an index.
fn index() -> Value {
    let general = json!({ "rtol": 0.0, "atol": 0.5 });
    json!({ "tolerances": { "f64": { "forward": general, "gradient": general }, "f32": general } })
}

#[test]
fn what_is_wrong_is_seen_by_the_oracle() {
    let finishes = |place: Place, case: Value, result| {
        let mut table = Table::new(&index(), &place, &[]);
        table.enter(&case, "op", "op", result);
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| table.finish())).is_ok()
    };
    let verdict = |case: Value, found: &[f64]| {
        let found = Array::new(Shape::new(&[found.len()]).unwrap(), found.to_vec());
        let expected = vec![1.0, -4.0];
        let check = Check { what: "output".to_owned(), part: Part::Forward, found, shape: vec![2], expected: expected.into() };
        finishes(Place::Device(Device::cpu()), case, Ok(vec![check]))
    };
    assert!(verdict(json!({}), &[1.25, -4.5]));
    assert!(!verdict(json!({}), &[1.0, -4.6]));
    assert!(!verdict(json!({}), &[f64::NAN, -4.0]));
    assert!(!verdict(json!({}), &[1.0]));
    assert!(verdict(json!({ "f32_relative_to_max": 0.25 }), &[1.0, -4.9]));
    assert!(!verdict(json!({ "f32_relative_to_max": 0.1 }), &[1.0, -4.45]));

    let on_reference = |result| finishes(Place::Reference, json!({}), result);
    assert!(!on_reference(Ok(vec![])) && !on_reference(Err("broken".into())));
    assert!(!on_reference(Err(Fault::Lacking(Lack::Op))));
}

#[test]
fn what_is_missing_must_be_on_the_list_of_the_oracle() {
    const MISSING: Missing =
        &[("absent", Lack::Op), ("known", Lack::field("params.odd")), ("known", Lack::value("params.mode", "b"))];
    let right = || {
        let found = Array::new(Shape::SCALAR, vec![1.0]);
        Ok(vec![Check { what: "output".to_owned(), part: Part::Forward, found, shape: vec![], expected: vec![1.0].into() }])
    };
    let lacking = |lack: Lack| Err(Fault::Lacking(lack));
    // A case that is right stands behind each, so that something was computed.
    let finishes = |op: &str, case: Value, result| {
        let mut table = Table::new(&index(), &Place::Reference, MISSING);
        table.enter(&case, op, op, result);
        table.enter(&json!({ "params": {} }), "known", "known", right());
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| table.finish())).is_ok()
    };
    assert!(finishes("absent", json!({}), lacking(Lack::Op)));
    assert!(finishes("known", json!({ "params": { "odd": 1 } }), lacking(Lack::field("params.odd"))));
    assert!(finishes("known", json!({ "params": { "mode": "b" } }), lacking(Lack::value("params.mode", "b"))));
    assert!(finishes("known", json!({ "params": { "mode": "a" } }), right()));
    // What is not listed may not be lacking.
    assert!(!finishes("known", json!({}), lacking(Lack::Op)));
    assert!(!finishes("known", json!({ "params": { "mode": "c" } }), lacking(Lack::value("params.mode", "c"))));
    assert!(!finishes("known", json!({ "inputs": [1, 2] }), lacking(Lack::Input(1))));
    // What is listed may not be there.
    assert!(!finishes("absent", json!({}), right()));
    assert!(!finishes("known", json!({ "params": { "odd": 1 } }), right()));
    assert!(!finishes("known", json!({ "params": { "mode": "b" } }), right()));
}

/// A small oracle: y = |x| at x = [2, -3], with its gradient and a second derivative of zero.
fn oracle() -> Oracle {
    let numbers = |data: &[f64]| Numbers { shape: vec![data.len()], data: data.to_vec(), dtype: DType::F32 };
    let scalar = Numbers { shape: vec![], data: vec![5.0], dtype: DType::F32 };
    let tensors = [
        ("x", numbers(&[2.0, -3.0])),
        ("y", numbers(&[2.0, 3.0])),
        ("c", numbers(&[1.0, 1.0])),
        ("g", numbers(&[1.0, -1.0])),
        ("zero", numbers(&[0.0, 0.0])),
        ("l", scalar),
        ("p", Numbers { shape: vec![2, 1], data: vec![1.0, 0.5], dtype: DType::F32 }),
        ("given", Numbers { shape: vec![1, 1], data: vec![5.0], dtype: DType::F32 }),
        ("start", numbers(&[1.0])),
    ];
    let mut index = index();
    index["steps"] = json!(1);
    index["init"] = json!(["start"]);
    index["grads"] = json!(["given"]);
    Oracle::of(index, tensors)
}

/// What a case came to, alone in a table.
fn counted(oracle: &Oracle, op: &str, case: &Value, result: Result<Vec<Check<'_>>, Fault>) -> Counts {
    let mut table = Table::new(&oracle.index, &Place::Reference, &[]);
    table.enter(case, op, op, result);
    table.counts()
}

const PASSED: Counts = Counts { cases: 1, computed: 1, passed: 1, lacking: 0 };
const LACKING: Counts = Counts { cases: 1, computed: 0, passed: 0, lacking: 1 };

/// A case with a field set to a value; the path's last name may be new.
fn with(case: &Value, path: &str, value: Value) -> Value {
    let mut changed = case.clone();
    *path.split('.').fold(&mut changed, |at, name| &mut at[name]) = value;
    changed
}

#[test]
fn what_is_not_known_is_never_passed_by_the_oracle() {
    let oracle = oracle();
    for place in [Place::Reference, Place::Device(Device::cpu())] {
        let case = json!({
            "name": "abs", "op": "abs", "group": "unary", "params": {}, "inputs": ["x"], "output": "y", "cotangent": "c", "grads": ["g"]
        });
        let first = |case: &Value| counted(&oracle, "abs", case, first_case(&oracle, &place, case, "abs"));
        assert_eq!(first(&case), PASSED);
        assert_eq!(first(&with(&case, "params.made_up", json!(0.5))), LACKING);
        assert_eq!(first(&with(&case, "made_up", json!("y"))), LACKING);
        let spare = with(&with(&case, "inputs", json!(["x", "x"])), "grads", json!(["g", null]));
        assert_eq!(first(&spare), LACKING);
        // A parameter that is null is not given.
        assert_eq!(first(&with(&case, "params.made_up", Value::Null)), PASSED);

        let case = json!({
            "name": "abs", "kind": "hvp", "op": "abs", "params": {}, "inputs": ["x"], "value": "l", "cotangent": "c", "grads": ["g"],
            "vectors": ["c"], "hvp": ["zero"]
        });
        let second = |case: &Value| counted(&oracle, "abs", case, second_case(&oracle, &place, case, "abs"));
        assert_eq!(second(&case), PASSED);
        assert_eq!(second(&with(&case, "params.made_up", json!(true))), LACKING);
        assert_eq!(second(&with(&case, "made_up", json!(1))), LACKING);

        let case =
            json!({ "name": "sgd", "optimizer": "SGD", "params": { "lr": 0.1 }, "clip": null, "trajectory": ["p"], "state": {} });
        let path = |case: &Value| counted(&oracle, "SGD", case, optimizers::trajectory(&oracle, &place, case, "SGD"));
        assert_eq!(path(&case), PASSED);
        assert_eq!(path(&with(&case, "params.made_up", json!(0.9))), LACKING);
        assert_eq!(path(&with(&case, "made_up", json!(3))), LACKING);
        assert_eq!(path(&with(&case, "clip", json!({ "kind": "made up" }))), LACKING);
        assert_eq!(path(&with(&case, "clip", json!({ "kind": "value", "clip_value": 9.0, "made_up": 1 }))), LACKING);
    }

    let case = json!({ "name": "step", "schedule": "StepLR", "base_lr": 1.0, "params": { "step_size": 1, "gamma": 0.5 }, "lr": [1.0, 0.5] });
    let rates = |case: &Value| counted(&oracle, "StepLR", case, schedules::rates(case, "StepLR"));
    assert_eq!(rates(&case), PASSED);
    assert_eq!(rates(&with(&case, "params.made_up", json!(2))), LACKING);
    assert_eq!(rates(&with(&case, "made_up", json!(2))), LACKING);
    let no_such = counted(&oracle, "no such schedule", &case, schedules::rates(&case, "no such schedule"));
    assert_eq!(no_such, LACKING);
}

#[test]
fn a_table_of_ops_knows_what_it_was_asked_for_by_the_oracle() {
    let place = Place::Device(Device::cpu());
    let recording = place.recording();
    let x = || recording.leaf(&[1], &[1.0], DType::F32, true).unwrap();
    let built = |op: &str, params: Value, inputs: usize| {
        let inputs = Inputs::new((0..inputs).map(|_| x()).collect(), &recording);
        build(op, &Fields::new(&params), &inputs)
    };
    let lacks = |result: Result<_, Fault>, wanted: Lack| matches!(result, Err(Fault::Lacking(lack)) if lack == wanted);
    assert!(built("relu", json!({}), 1).is_ok());
    assert!(lacks(built("no such op", json!({}), 1), Lack::Op));
    assert!(lacks(built("relu", json!({ "made_up": 1 }), 1), Lack::field("made_up")));
    assert!(lacks(built("relu", json!({}), 2), Lack::Input(1)));
    assert!(lacks(built("gelu", json!({ "approximate": "made up" }), 1), Lack::value("approximate", "made up")));
    assert!(lacks(built("leaky_relu", json!({ "negative_slope": "steep" }), 1), Lack::value("negative_slope", "steep")));
    assert!(lacks(built("sum", json!({ "axes": [], "keepdims": false }), 1), Lack::value("axes", "[]")));
    assert!(lacks(built("compose", json!({ "formula": "made up" }), 1), Lack::value("formula", "made up")));
    assert!(matches!(built("leaky_relu", json!({}), 1), Err(Fault::Wrong(_))));
    assert!(matches!(built("add", json!({}), 1), Err(Fault::Wrong(_))));
}
