//! A model of a table as the npm package offers it, natively: fitted, judged, asked, saved and loaded; files of `steepest fit` and back.
#![allow(clippy::unwrap_used)]

use pollster::block_on;
use serde_json::Value;
use steepest::Device;
use steepest::save::ModelFile;
use steepest_web::model::{Epoch, Model, Options};

fn table(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/../examples/data/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn options(json: &str) -> Options {
    Options::from_json(json).unwrap()
}

fn fit(bytes: &[u8], json: &str) -> steepest::Result<Model> {
    block_on(Model::fit(&Device::cpu(), bytes, &options(json), |_| true))
}

fn evaluate(model: &Model, bytes: &[u8]) -> Value {
    block_on(model.evaluate("again.csv", bytes)).unwrap()
}

fn predict(model: &Model, bytes: &[u8]) -> Value {
    block_on(model.predict("again.csv", bytes)).unwrap()
}

fn figure(found: &Value, name: &str) -> f64 {
    found["figures"][name].as_f64().unwrap_or_else(|| panic!("{name}: {found}"))
}

const IRIS: &str = r#"{"target": "species", "layers": [8], "epochs": 80, "rate": 0.01}"#;

#[test]
fn classes_are_learned_and_told_with_probabilities() {
    let iris = table("iris.csv");
    let mut epochs: Vec<Epoch> = vec![];
    let told = |epoch| {
        epochs.push(epoch);
        true
    };
    let model = block_on(Model::fit(&Device::cpu(), &iris, &options(IRIS), told)).unwrap();
    assert!(epochs.iter().enumerate().all(|(i, e)| e.epoch == i + 1 && e.held_out_loss.is_some()), "{epochs:?}");
    assert!(epochs.last().unwrap().loss < 0.3 * epochs[0].loss, "{epochs:?}");

    let found = evaluate(&model, &iris);
    assert_eq!(found["rows"], 150);
    assert!(figure(&found, "accuracy") > 0.93 && figure(&found, "rocAuc") > 0.98 && figure(&found, "logLoss") < 0.3, "{found}");
    let counts: u64 = found["confusion"]["counts"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|row| row.as_array().unwrap())
        .map(|n| n.as_u64().unwrap())
        .sum();
    assert_eq!(counts, 150);

    let said = predict(&model, &iris);
    let text = String::from_utf8(iris).unwrap();
    let right = text
        .lines()
        .skip(1)
        .zip(said["predictions"].as_array().unwrap())
        .filter(|(line, said)| line.ends_with(said.as_str().unwrap()));
    assert_eq!(right.count() as f64 / 150.0, figure(&found, "accuracy"));
    for (row, said) in said["probabilities"].as_array().unwrap().iter().zip(said["predictions"].as_array().unwrap()) {
        let row: Vec<f64> = row.as_array().unwrap().iter().map(|p| p.as_f64().unwrap()).collect();
        assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        let best = (0..3).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap();
        assert_eq!(["setosa", "versicolor", "virginica"][best], said.as_str().unwrap());
    }
}

#[test]
fn numbers_are_told_in_their_own_units() {
    let mpg = table("mpg.csv");
    let model = fit(&mpg, r#"{"target": "mpg", "layers": [16], "epochs": 60, "rate": 0.01, "heldOut": 0}"#).unwrap();
    let found = evaluate(&model, &mpg);
    assert!(figure(&found, "r2") > 0.85 && figure(&found, "mae") < figure(&found, "rmse"), "{found}");
    let said = predict(&model, &mpg);
    assert_eq!(said["probabilities"], Value::Null);
    assert!(said["predictions"].as_array().unwrap().iter().all(|x| (0.0..60.0).contains(&x.as_f64().unwrap())));
}

#[test]
fn a_saved_model_says_the_same_and_the_same_seed_gives_the_same_file() {
    let iris = table("iris.csv");
    let [one, two] = [0, 1].map(|_| block_on(fit(&iris, IRIS).unwrap().save()).unwrap());
    // Only how long its epochs took may differ.
    let weights = |bytes: &[u8]| {
        ModelFile::parse("m", bytes)
            .unwrap()
            .build(&Device::cpu())
            .unwrap()
            .parameters()
            .iter()
            .map(|p| p.to_vec::<f32>().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(weights(&one), weights(&two));
    let again = Model::load(&Device::cpu(), "m.safetensors", &one).unwrap();
    assert_eq!(predict(&again, &iris), predict(&fit(&iris, IRIS).unwrap(), &iris));
    assert_eq!(block_on(again.save()).unwrap(), one);
    assert_eq!(again.describe()["target"], serde_json::json!(["species"]));
}

/// `steepest fit examples/data/iris.csv --target species --layers 8 --ensemble 1 --epochs 100 --seed 1 --device cpu`
#[test]
fn a_model_of_the_command_line_is_read() {
    let model = Model::load(&Device::cpu(), "native", include_bytes!("files/fitted_natively.safetensors")).unwrap();
    let found = evaluate(&model, &table("iris.csv"));
    assert!(figure(&found, "accuracy") > 0.9, "{found}");
}

/// The caller ends it: the model is as good as it was then.
#[test]
fn a_fit_ends_when_told() {
    let mut seen = 0;
    let told = |_| {
        seen += 1;
        seen < 3
    };
    let model = block_on(Model::fit(&Device::cpu(), &table("iris.csv"), &options(IRIS), told)).unwrap();
    assert!(evaluate(&model, &table("iris.csv"))["rows"] == 150);
    assert_eq!(seen, 3);
}

#[test]
fn what_is_wrong_is_said() {
    let refused = |json: &str| Options::from_json(json).unwrap_err().to_string();
    for (json, part) in [
        ("{}", "target is not said"),
        (r#"{"target": "a", "rate": 0}"#, "rate is 0"),
        (r#"{"target": "a", "heldOut": 1}"#, "heldOut is 1; choose 0 to 0.9"),
        (r#"{"target": "a", "layers": [0]}"#, "the size of a layer is 0"),
        (r#"{"target": "a", "epochs": 0}"#, "epochs is 0"),
        (r#"{"target": "a", "activation": "cube"}"#, "unknown variant `cube`"),
        (r#"{"target": "a", "device": "tpu"}"#, "unknown variant `tpu`"),
        (r#"{"target": "a", "batchSize": 3}"#, "unknown field `batchSize`"),
        ("[", "EOF"),
    ] {
        assert!(refused(json).contains(part), "{json}: {}", refused(json));
    }
    let fault = |bytes: &[u8], json: &str| fit(bytes, json).err().unwrap().to_string();
    for (bytes, part) in [
        (&b""[..], "line 1: found nothing"),
        (b"a,b\n", "rows"),
        (b"a,b\n1,2\n3\n", "3"),
        (b"a,c\n1,2\n", "column `b`: found no such column"),
        (b"a,b\n1,\n2,\n3,\n", "the column b is missing in all 3 rows"),
        (b"a,b\n\xff\xfe\x00,1\n", "found a NUL byte"),
    ] {
        let found = fault(bytes, r#"{"target": "b"}"#);
        assert!(found.contains(part), "{}: {found}", String::from_utf8_lossy(bytes));
    }
    let model = fit(&table("iris.csv"), IRIS).unwrap();
    assert!(block_on(model.predict("mpg.csv", &table("mpg.csv"))).unwrap_err().to_string().contains("no column"));
    assert!(
        block_on(model.evaluate("x.csv", b"sepal_length,sepal_width,petal_length,petal_width\n1,2,3,4\n"))
            .unwrap_err()
            .to_string()
            .contains("species")
    );
    let mut plain = ModelFile::parse("m", &block_on(model.save()).unwrap()).unwrap();
    plain.preprocessing = None;
    let found = Model::load(&Device::cpu(), "m", &plain.to_bytes().unwrap()).err().unwrap().to_string();
    assert!(found.contains("holds no preprocessing"), "{found}");
    assert!(Model::load(&Device::cpu(), "m", b"nothing").is_err());
}
