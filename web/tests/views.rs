//! What the page's views ask for, as the page asks: verification, weights that are put back, a saved network of another table.

use pollster::block_on;
use serde_json::Value;
use steepest::Device;
use steepest_web::page::Page;
use steepest_web::settings::{Data, Settings};

fn json_of(settings: &Settings) -> String {
    serde_json::to_string(settings).unwrap()
}

fn said(found: steepest::Result<Value>) -> String {
    found.expect_err("refused").to_string()
}

#[test]
fn a_verification_counts_finds_what_is_wrong_and_tells_how_far_it_is() {
    let page = Page::new(Device::cpu());
    assert!(page.families().contains(&"matmul"), "{:?}", page.families());
    let mut told = vec![];
    let found =
        block_on(page.verify("matmul", None, &mut |part, done, total| told.push((part.to_owned(), done, total)))).unwrap();
    assert_eq!((&found["passed"], &found["wrong"]), (&Value::Bool(true), &Value::from(0)));
    assert!(found["cases"].as_u64().unwrap() > 10);
    assert!(found["text"].as_str().unwrap().contains("0 wrong"));
    let last = told.last().unwrap();
    assert!(last.1 == last.2 && told.windows(2).all(|pair| pair[0].1 <= pair[1].1), "{last:?}");
    // An op that computes something wrong is found, and named.
    let found = block_on(page.verify("matmul", Some("matmul".to_owned()), &mut |_, _, _| {})).unwrap();
    assert_eq!(found["passed"], false);
    assert!(found["failures"][0].as_str().unwrap().contains("matmul") && found["text"].as_str().unwrap().contains("WRONG"));
    // An op's name means its family.
    assert!(block_on(page.verify("tanh", None, &mut |_, _, _| {})).unwrap()["cases"].as_u64().unwrap() > 0);
    assert!(said(block_on(page.verify("tahn", None, &mut |_, _, _| {}))).contains("no operation has `tahn`"));
}

#[test]
fn weights_are_put_back_as_the_page_has_them() {
    let mut page = Page::new(Device::cpu());
    assert!(page.restore("[]", 0, 0).is_err());
    page.create(&json_of(&Settings::default())).unwrap();
    page.train(30).unwrap();
    let (weights, before) = (block_on(page.weights()).unwrap().to_string(), block_on(page.progress()).unwrap());
    page.create(&json_of(&Settings { seed: 1, ..Settings::default() })).unwrap();
    page.restore(&weights, 30, 2).unwrap();
    assert_eq!(block_on(page.progress()).unwrap(), before);
    for wrong in ["[]", "no JSON", "[{\"weight\":[[null]],\"bias\":[0]}]", "[{\"weight\":[[1]],\"bias\":[0]}]"] {
        assert!(page.restore(wrong, 0, 0).is_err(), "{wrong}");
    }
    assert_eq!(block_on(page.progress()).unwrap(), before);
    // What was looked at is forgotten once a weight has changed.
    assert!(said(block_on(page.leave(1.0))).contains("look around first"));
    block_on(page.to_saddle()).unwrap();
    block_on(page.look_around()).unwrap();
    page.train(1).unwrap();
    assert!(said(block_on(page.leave(1.0))).contains("look around first"));
}

#[test]
fn a_network_of_another_table_is_refused_and_the_one_there_stays() {
    let rows = |names: &str| {
        let line = |i: usize| format!("{},{},{}\n", i % 7, (i * 5) % 11, if i % 7 + (i * 5) % 11 > 8 { "yes" } else { "no" });
        format!("{names}\n{}", (0..60).map(line).collect::<String>())
    };
    let table = Settings { data: Data::Table, layers: vec![3], ..Settings::default() };
    let mut page = Page::new(Device::cpu());
    page.load_table("a.csv", rows("size,weight,ripe").as_bytes()).unwrap();
    page.choose_target("ripe", &[]).unwrap();
    page.create(&json_of(&table)).unwrap();
    page.train(20).unwrap();
    let file = block_on(page.save()).unwrap();
    let weights = block_on(page.weights()).unwrap();

    // Without its table, and with another one.
    let mut other = Page::new(Device::cpu());
    other.create(&json_of(&Settings::default())).unwrap();
    let message = said(other.load("m.safetensors", &file));
    assert!(message.contains("size, weight, ripe") && message.contains("drop that file"), "{message}");
    other.load_table("b.csv", rows("length,weight,ripe").as_bytes()).unwrap();
    let message = said(other.load("m.safetensors", &file));
    assert!(message.contains("b.csv has no column size"), "{message}");
    other.train(1).unwrap();
    assert_eq!(block_on(other.progress()).unwrap()["step"], 1, "the network before stays");
    // With its own, also where other rows are in it: the numbers are scaled as they were when it was trained.
    other.load_table("c.csv", rows("size,weight,ripe").replace("\n6,", "\n60,").as_bytes()).unwrap();
    let found = other.load("m.safetensors", &file).unwrap();
    assert_eq!(found["target"], "ripe");
    assert_eq!(block_on(other.weights()).unwrap(), weights);
    assert!(said(other.load("m.safetensors", b"PK\x03\x04")).contains("m.safetensors"));
    assert!(said(other.load("m.safetensors", &file[..file.len() / 2])).contains("m.safetensors"));
    assert_eq!(block_on(other.weights()).unwrap(), weights);
}
