//! What cannot be drawn is a typed error that says what, where, and what was expected.

use super::{bowl, ramp};
use steepest::plot::{self, Field, Figure, Panels};
use steepest::train::metrics::ConfusionMatrix;
use steepest::{Error, Result, Tensor};

/// The message, from whatever way it is asked for; all ways refuse alike.
fn refusal(figure: &Figure) -> String {
    let message = |error: Error| {
        assert!(matches!(error, Error::Config { .. }), "{error:?}");
        error.to_string()
    };
    let told = message(figure.to_svg().unwrap_err());
    assert_eq!(message(figure.to_png().unwrap_err()), told);
    assert_eq!(message(Panels::new(1, [figure.clone()]).to_svg().unwrap_err()), told);
    told
}

fn says<T>(result: Result<T>, parts: &[&str]) {
    let Err(error) = result else { panic!("not refused: {parts:?}") };
    let told = error.to_string();
    for part in parts {
        assert!(told.contains(part), "no `{part}` in: {told}");
    }
}

#[test]
fn figures_with_nothing_in_them() {
    assert_eq!(refusal(&Figure::new("T")), "figure: `T`: there is nothing to draw; add a line, points, bars or a field");
    assert!(refusal(&Figure::new("T").line("a", [])).contains("nothing to draw"));
    let nan = [(f64::NAN, 1.0), (2.0, f64::INFINITY)];
    assert!(refusal(&Figure::new("T").points("a", nan)).contains("none of 2 values is finite"));
    assert!(refusal(&Figure::new("T").contour(&bowl(3).map(|_| f64::NAN))).contains("none of the 9 values of a field"));
    assert!(refusal(&plot::surface("T", &bowl(3).map(|_| f64::NAN))).contains("none of the 9 values"));
    says(Figure::new("T").sketch(60, 20), &["nothing to draw"]);
}

#[test]
fn logarithmic_axes() {
    let figure = Figure::new("T").line("loss", [(1.0, 1.0), (2.0, 0.0)]);
    assert!(figure.to_svg().is_ok());
    let told = refusal(&figure.clone().log_y());
    assert!(told.contains("point 1 of `loss` has y = 0") && told.contains("use a linear axis"), "{told}");
    assert!(figure.clone().log_x().to_svg().is_ok());
    assert!(refusal(&Figure::new("T").line("a", [(-1.0, 1.0)]).log_x()).contains("point 0 of `a` has x = -1"));
    assert!(refusal(&Figure::new("T").heat_map(&bowl(3)).log_x()).contains("a field that starts at (-2, -2)"));
    assert!(refusal(&Figure::new("T").bars("", [("a".to_owned(), 0.0)]).log_y()).contains("bar `a` is 0"));
    assert!(refusal(&Figure::new("T").bars("", [("a".to_owned(), 1.0)]).log_x()).contains("beside one another"));
    assert!(refusal(&plot::surface("T", &bowl(3)).log_y()).contains("`Field::map`"));
    says(figure.log_y().sketch(60, 20), &["point 1 of `loss`"]);
}

#[test]
fn sizes() {
    let figure = Figure::new("T").line("", ramp(3));
    for (width, height) in [(0, 0), (119, 400), (400, 8001)] {
        assert!(refusal(&figure.clone().size(width, height)).contains("expected 120 to 8000"));
    }
    let full = (0..30).fold(Figure::new("T"), |f, i| f.line(format!("a series with a long name, {i}"), ramp(3)));
    assert!(refusal(&full.size(200, 200)).contains("no room"));
    for (columns, rows) in [(0, 0), (29, 20), (60, 7)] {
        says(figure.sketch(columns, rows), &["expected at least 30 and 8"]);
    }
    says(Panels::new(2, []).to_svg(), &["0 figures in 2 columns"]);
    says(Panels::new(0, [figure.clone()]).to_svg(), &["1 figures in 0 columns"]);
    says(Panels::new(3, vec![figure.clone().size(8000, 200); 3]).to_svg(), &["at most 16000"]);
    figure.size(120, 120).to_png().unwrap();
}

#[test]
fn endings() {
    let figure = Figure::new("T").line("", ramp(3));
    let folder = tempfile::tempdir().unwrap();
    for (name, found) in
        [("a.pdf", "ends in `.pdf`"), ("a", "has no ending"), (".svg", "has no ending"), ("a.svg.gz", "ends in `.gz`")]
    {
        let error = figure.save(folder.path().join(name)).unwrap_err();
        assert!(matches!(error, Error::File { .. }), "{error:?}");
        says::<()>(Err(error), &[found, "expected `.svg` or `.png`"]);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn fields() {
    says(Field::new(vec![0.0], vec![0.0, 1.0], vec![1.0, 2.0]), &["1 xs", "at least 2 × 2"]);
    says(Field::new(vec![0.0, 1.0], vec![], vec![]), &["0 ys"]);
    says(Field::new(vec![0.0, 1.0], vec![0.0, 1.0], vec![1.0; 3]), &["3 values for 2 columns and 2 rows"]);
    says(Field::new(vec![0.0, f64::NAN], vec![0.0, 1.0], vec![1.0; 4]), &["xs[1] is NaN"]);
    says(Field::new(vec![0.0, 1.0], vec![1.0, 1.0], vec![1.0; 4]), &["ys[0] is 1 and the next is 1"]);
    says(Field::sample((0.0, 1.0), (0.0, 1.0), 1, |_, _| 0.0), &["1 values per side"]);
    says(Field::sample((0.0, 1.0), (0.0, 1.0), 1001, |_, _| 0.0), &["1001 values per side"]);
    says(Field::sample((1.0, 0.0), (0.0, 1.0), 2, |_, _| 0.0), &["expected increasing"]);
    let mut calls = 0;
    let failing = Field::try_sample((0.0, 1.0), (0.0, 1.0), 3, |_, _| {
        calls += 1;
        if calls < 5 { Ok(0.0) } else { Err(Error::Config { what: "cost", message: "lost".to_owned() }) }
    });
    says(failing, &["cost: lost"]);
    assert_eq!(calls, 5);
}

#[test]
fn regions_and_bars() {
    for value in [0.5, -1.0, 64.0] {
        let field = Field::new(vec![0.0, 1.0], vec![0.0, 1.0], vec![0.0, 0.0, value, 0.0]).unwrap();
        let told = refusal(&Figure::new("T").regions(&field, &[]));
        assert!(told.contains("value 2 of a field of regions") && told.contains("class numbers 0 to 63"), "{told}");
    }
    let three = Field::new(vec![0.0, 1.0], vec![0.0, 1.0], vec![0.0, 1.0, 2.0, 0.0]).unwrap();
    assert!(refusal(&Figure::new("T").regions(&three, &["a", "b"])).contains("2 names for 3 classes"));
    assert!(Figure::new("T").regions(&three, &[]).to_svg().unwrap().contains("class 2"));
    let twice = ["a", "b", "a"].map(|n| (n.to_owned(), 1.0));
    assert!(refusal(&Figure::new("T").bars("set", twice)).contains("two bars of `set` are named `a`"));
    let many = (0..401).map(|i| (i.to_string(), 1.0));
    assert!(refusal(&Figure::new("T").bars("", many)).contains("401 bars"));
    assert!(refusal(&plot::surface("T", &bowl(3)).line("", ramp(3))).contains("only a figure over two axes"));
}

#[test]
fn ready_made_pictures() {
    says(plot::roc(&[0.1, 0.2], &[0, 2]), &["label 2 of row 1", "expected 0 or 1"]);
    says(plot::roc(&[0.1, 0.2], &[0, 0]), &["metrics"]);
    says(plot::roc(&[0.1], &[0, 1]), &["1 scores for 2 labels"]);
    let matrix = ConfusionMatrix::new(&[0, 1], &[0, 1], 2).unwrap();
    assert!(refusal(&plot::confusion(&matrix, &["a"])).contains("1 names for 2 classes"));
    assert!(refusal(&plot::confusion(&ConfusionMatrix::empty(3).unwrap(), &[])).contains("nothing was counted"));
    let one = ["a".to_owned()];
    says(plot::images("", &[], (2, 2), &[], &[]), &["0 pictures"]);
    says(plot::images("", &[0.0; 4], (0, 4), &one, &[]), &["1 pictures of 0 × 4"]);
    says(plot::images("", &[0.0; 5], (2, 2), &one, &[]), &["5 pixels for 1 captions"]);
    says(plot::images("", &[0.0; 4], (2, 2), &one, &[true, false]), &["2 flags for 1"]);
    says(plot::images("", &[0.0, f32::NAN, 0.0, 0.0], (2, 2), &one, &[]), &["pixel 1 of picture 0 is NaN"]);
    let boundary = |classes: Vec<u32>| plot::decision_boundary("", (0.0, 1.0), (0.0, 1.0), 2, |_| Ok(classes), &["a", "b"]);
    says(boundary(vec![0; 3]), &["3 classes for 4 points"]);
    says(boundary(vec![0, 1, 2, 0]), &["class 2 has no name: there are 2"]);
    let fails = |_: &[[f32; 2]]| Err(Error::Config { what: "model", message: "gone".to_owned() });
    says(plot::decision_boundary("", (0.0, 1.0), (0.0, 1.0), 2, fails, &["a"]), &["model: gone"]);
    let sum: &dyn Fn(&Tensor) -> Tensor = &|x: &Tensor| x.sum(&[]);
    let constant: &dyn Fn(&Tensor) -> Tensor = &|x: &Tensor| x.detach();
    says(plot::activations(&[("sum", sum)], 1.0), &["`sum` makes", "expected the same shape"]);
    assert!(plot::activations(&[("constant", constant)], 1.0).is_err());
    says(plot::activations(&[], 1.0), &["0 functions"]);
    for reach in [0.0, f64::NAN, f64::INFINITY] {
        says(plot::activations(&[("ReLU", &Tensor::relu)], reach), &["a positive reach"]);
    }
}
