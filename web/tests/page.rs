//! What the page asks for: a table dropped in, a network saved and loaded again, plans with their shaders, and a program that does the same.

use pollster::block_on;
use serde_json::{Value, json};
use steepest::Device;
use steepest::save::ModelFile;
use steepest_web::page::{Page, SIDE};
use steepest_web::settings::{Data, Settings};

/// The programs as they are made; here the compiler sees them.
#[allow(dead_code, unused_imports)]
#[rustfmt::skip]
mod made {
    #[path = "circle.rs"]
    mod circle;
    #[path = "digits.rs"]
    mod digits;
    #[path = "table.rs"]
    mod table;
}

fn json_of(settings: &Settings) -> String {
    serde_json::to_string(settings).unwrap()
}

/// A table with a text column, holes, and a column that says the target.
fn table() -> String {
    let mut text = String::from("size,colour,price,label,copy\n");
    for i in 0..120 {
        let size = (i * 37 % 101) as f64 / 10.0;
        let colour = ["red", "green", "blue"][i * 7 % 3];
        let label = if size + f64::from(u8::from(colour == "red")) * 3.0 > 6.0 { "large" } else { "small" };
        let hole = if i % 17 == 0 { String::new() } else { size.to_string() };
        text += &format!("{hole},{colour},{},{label},{label}\n", 3.0 * size + 1.0);
    }
    text
}

#[test]
fn a_table_is_learned_saved_and_loaded() {
    let mut page = Page::new(Device::cpu());
    let loaded = page.load_table("things.csv", table().as_bytes()).unwrap();
    assert_eq!(loaded["report"]["rows"], 120);
    assert_eq!(loaded["target"], "copy");
    let chosen = page.choose_target("label", &["price".to_owned()]).unwrap();
    assert_eq!((&chosen["rows"], &chosen["classes"]), (&json!(120), &json!(["large", "small"])));
    let notes = chosen["notes"].to_string();
    assert!(notes.contains("copy"), "the column that gives the label away is left out: {notes}");
    let settings = Settings { data: Data::Table, layers: vec![12], ..Settings::default() };
    let created = page.create(&json_of(&settings)).unwrap();
    assert_eq!(created["task"], json!({"classes": 2}));
    page.train(400).unwrap();
    let progress = block_on(page.progress()).unwrap();
    assert!(progress["heldOutAccuracy"].as_f64().unwrap() > 0.9, "{progress}");
    let width = created["inputs"].as_array().unwrap().len();
    let row = vec![0.25; width];
    let said = block_on(page.predict(&row)).unwrap();

    let bytes = block_on(page.save()).unwrap();
    let file = ModelFile::parse("m.safetensors", &bytes).unwrap();
    assert!(file.preprocessing.is_some() && file.history.unwrap().lines().count() == 2);
    // The network goes on learning; what was saved comes back.
    page.train(50).unwrap();
    assert_ne!(block_on(page.predict(&row)).unwrap(), said);
    let back = page.load("m.safetensors", &bytes).unwrap();
    assert_eq!(serde_json::from_value::<Settings>(back["settings"].clone()).unwrap(), settings);
    assert_eq!(block_on(page.predict(&row)).unwrap(), said);
    let program = page.program().unwrap();
    golden("table", &program);
    assert!(block_on(page.neurons()).unwrap().is_empty());
}

#[test]
fn plans_show_their_shaders() {
    for device in [Some(Device::cpu()), Device::named("llvmpipe").ok()].into_iter().flatten() {
        let mut page = Page::new(device.clone());
        page.create(&json_of(&Settings::default())).unwrap();
        let plan = page.plan().unwrap();
        let kernels = plan["kernels"].as_array().unwrap();
        assert!(!kernels.is_empty());
        for kernel in kernels {
            assert_eq!(kernel["wgsl"].as_str().is_some_and(|text| text.contains("fn main(")), device.is_gpu(), "{kernel}");
        }
        let right = block_on(page.gradients()).unwrap();
        assert!(right.as_array().unwrap().iter().all(|check| check["right"] == true), "{right}");
        assert_eq!(block_on(page.neurons()).unwrap().len(), 11 * SIDE * SIDE);
        let curvature = block_on(page.curvature()).unwrap();
        assert_eq!(curvature["eigenvalues"].as_array().unwrap().len(), 6 * 3 + 4 * 7 + 5);
        assert_eq!(block_on(page.formula()).unwrap().len(), 12);
    }
}

fn golden(name: &str, found: &str) {
    let path = format!("{}/tests/made/{name}.rs", env!("CARGO_MANIFEST_DIR"));
    if std::env::var("UPDATE_GOLDEN").is_ok() {
        std::fs::write(&path, found).unwrap();
    }
    assert_eq!(found, std::fs::read_to_string(&path).unwrap_or_default(), "{path}: UPDATE_GOLDEN=1 writes it anew");
}

#[test]
fn programs_are_what_the_compiler_saw() {
    let mut page = Page::new(Device::cpu());
    page.create(&json_of(&Settings { l1: 0.001, l2: 0.01, ..Settings::default() })).unwrap();
    golden("circle", &page.program().unwrap());
    let points = page.points_csv().unwrap();
    assert_eq!((points.lines().count(), points.lines().next().unwrap().split(',').count()), (500, 3));
    page.create(&json_of(&Settings { data: Data::Digits, ..Settings::default() })).unwrap();
    golden("digits", &page.program().unwrap());
}

#[test]
fn faults_are_sentences_and_the_page_goes_on() {
    let mut page = Page::new(Device::cpu());
    let said = |found: steepest::Result<Value>| found.expect_err("refused").to_string();
    assert!(said(block_on(page.progress())).contains("no network is there yet"));
    assert!(said(page.choose_target("x", &[])).contains("drop a CSV file"));
    assert!(said(page.load_table("a.csv", b"a,b\n1,2\n3\n")).contains("a.csv"));
    assert!(said(page.load_table("a.csv", b"")).contains("a.csv"));
    assert!(said(page.load_table("large.csv", &vec![b'1'; steepest_web::table::MOST_BYTES + 1])).contains("steepest fit"));
    page.load_table("things.csv", table().as_bytes()).unwrap();
    assert!(said(page.choose_target("colur", &[])).contains("colur"));
    assert!(said(page.create("{\"layers\": [0]}")).contains("hidden layer 1"));
    page.create(&json_of(&Settings::default())).unwrap();
    assert!(said(page.load("m.safetensors", b"not a model")).contains("m.safetensors"));
    let bytes = block_on(page.save()).unwrap();
    // Another table's network.
    let mut other = Page::new(Device::cpu());
    other.create(&json_of(&Settings { data: Data::Digits, ..Settings::default() })).unwrap();
    let mut file = ModelFile::parse("m.safetensors", &bytes).unwrap();
    file.notes.clear();
    assert!(other.load("m.safetensors", &file.to_bytes().unwrap()).is_err());
    assert!(block_on(other.predict(&[0.0; 64])).is_ok());
    page.train(3).unwrap();
    assert_eq!(block_on(page.progress()).unwrap()["step"], 3);
    assert!(block_on(page.predict(&[1.0, 2.0, 3.0])).is_err(), "a row and a half");
}
