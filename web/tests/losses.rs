//! Losses of three trainings on the CPU: `losses.txt` holds them for the page, which must print the same. `UPDATE_GOLDEN=1` writes it anew.

use pollster::block_on;
use std::fmt::Write;
use steepest::Device;
use steepest_web::page::Page;
use steepest_web::settings::{Data, Settings};

/// The table that the page's test drops.
pub fn table() -> String {
    let mut text = String::from("size,colour,holes,label\n");
    for i in 0..150 {
        let (size, red) = (i * 37 % 101, i * 7 % 3 == 0);
        let hole = if i % 13 > 0 { (i * 3 % 17).to_string() } else { String::new() };
        let label = if size + if red { 30 } else { 0 } > 60 { "large" } else { "small" };
        let _ = writeln!(text, "{size},{},{hole},{label}", ["red", "green", "blue"][i * 7 % 3]);
    }
    text
}

#[test]
fn the_losses_are_those_of_the_page() {
    let mut found = String::new();
    for (name, data) in [("xor", Data::Xor), ("digits", Data::Digits), ("table", Data::Table)] {
        let mut page = Page::new(Device::cpu());
        page.load_table("things.csv", table().as_bytes()).unwrap();
        page.choose_target("label", &[]).unwrap();
        page.create(&serde_json::to_string(&Settings { data, ..Settings::default() }).unwrap()).unwrap();
        // As the page takes them: eight at a time.
        for _ in 0..=40 {
            let progress = block_on(page.progress()).unwrap();
            let _ = writeln!(found, "{name} {} {} {}", progress["step"], progress["loss"], progress["heldOutLoss"]);
            page.train(8).unwrap();
        }
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/losses.txt");
    if std::env::var("UPDATE_GOLDEN").is_ok() {
        std::fs::write(path, &found).unwrap();
    }
    let expected = std::fs::read_to_string(path).unwrap_or_default();
    for (found, expected) in found.lines().zip(expected.lines()) {
        let (found, expected): (Vec<&str>, Vec<&str>) = (found.split(' ').collect(), expected.split(' ').collect());
        assert_eq!(found[..2], expected[..2]);
        for (found, expected) in found[2..].iter().zip(&expected[2..]) {
            let [found, expected] = [found, expected].map(|number| number.parse::<f64>().unwrap());
            // Processors without fused multiplication and addition round otherwise.
            assert!((found / expected - 1.0).abs() < 1e-4, "{found} {expected}");
        }
    }
    assert_eq!(found.lines().count(), expected.lines().count());
}
