//! The ready-made pictures: what they say, and where.

use super::svg::Svg;
use super::{bowl, ramp};
use steepest::Tensor;
use steepest::plot::{self, Figure, Panels};
use steepest::train::metrics::ConfusionMatrix;
use steepest::train::{History, Record};

fn history(losses: &[(f64, Option<f64>)]) -> History {
    let record = |(i, (loss, val_loss)): (usize, &(f64, Option<f64>))| Record {
        epoch: i + 1,
        steps: 10,
        lr: 0.1,
        loss: *loss,
        val_loss: *val_loss,
        metrics: vec![("accuracy".to_owned(), 0.5 + 0.1 * i as f64), ("f1".to_owned(), 0.4)],
        seconds: 1.0,
    };
    History { records: losses.iter().enumerate().map(record).collect() }
}

#[test]
fn learning_curves_show_both_losses_and_the_lowest() {
    let history = history(&[(0.9, Some(1.0)), (0.5, Some(0.6)), (0.3, Some(0.8))]);
    let svg = Svg::of(&plot::learning_curves(&history));
    let texts = svg.texts();
    for text in ["Learning curves", "epoch", "loss", "training loss", "validation loss", "lowest: 0.6000 after epoch 2"] {
        assert!(texts.iter().any(|t| t == text), "no `{text}` in {texts:?}");
    }
    // Epochs are whole numbers.
    assert!(texts.contains(&"2".to_owned()) && !texts.contains(&"1.5".to_owned()), "{texts:?}");
    let metrics = Svg::of(&plot::metric_curves(&history)).texts();
    assert!(metrics.contains(&"accuracy".to_owned()) && metrics.contains(&"f1".to_owned()));

    let alone = Svg::of(&plot::learning_curves(&self::history(&[(0.9, None), (1e-4, None)]))).texts();
    assert!(!alone.iter().any(|t| t.contains("validation")), "{alone:?}");
    assert!(alone.iter().any(|t| t == "0.001" || t == "10⁻³"), "a loss of magnitudes needs a logarithmic axis: {alone:?}");
    assert!(plot::learning_curves(&History::default()).to_svg().unwrap_err().to_string().contains("nothing to draw"));
}

#[test]
fn a_confusion_matrix_counts_and_shades() {
    let matrix = ConfusionMatrix::new(&[0, 0, 0, 1, 1, 1, 1, 1], &[0, 0, 0, 0, 1, 1, 1, 1], 2).unwrap();
    let svg = Svg::of(&plot::confusion(&matrix, &["cat", "dog"]));
    let texts = svg.texts();
    for text in ["3", "1", "4", "0", "75.0 %", "25.0 %", "100.0 %", "predicted class", "true class ↓"] {
        assert!(texts.iter().any(|t| t == text), "no `{text}` in {texts:?}");
    }
    assert_eq!(texts.iter().filter(|t| ["cat", "dog"].contains(&t.as_str())).count(), 4);
    assert!(texts.iter().any(|t| t.starts_with("accuracy 87.5 %: 7 of 8")));
    // A mistaken cat stands in the first row, second column: right of and level with the right ones.
    let at = |text: &str| svg.placed().into_iter().find(|t| t.text == text).unwrap();
    assert!(at("1").x > at("3").x && (at("1").y - at("3").y).abs() < 0.1 && at("4").y > at("1").y);
    // The larger the share, the darker: the row's, not the counts.
    let cells: Vec<_> = svg.rects().into_iter().filter(|r| r.stroke == "#e4e4e4").collect();
    let light = |i: usize| u32::from_str_radix(&cells[i].fill[1..3], 16).unwrap();
    assert!(cells.len() == 4 && light(3) < light(0) && light(0) < light(1) && light(1) < light(2));
    let large = ConfusionMatrix::new(&[0, 99], &[0, 99], 100).unwrap();
    Svg::of(&plot::confusion(&large, &[]));
}

#[test]
fn roc_starts_and_ends_in_the_corners() {
    let svg = Svg::of(&plot::roc(&[0.9, 0.8, 0.7, 0.6, 0.3], &[1, 1, 0, 1, 0]).unwrap());
    assert!(svg.texts().contains(&"classifier, AUC 0.833".to_owned()), "{:?}", svg.texts());
    let curve = svg.lines_of("#0072b2").into_iter().max_by_key(Vec::len).unwrap();
    let (first, last) = (curve[0], curve[curve.len() - 1]);
    assert!(curve.windows(2).all(|p| p[1].0 >= p[0].0 && p[1].1 <= p[0].1), "{curve:?}");
    // As wide as high: one unit is as long on both axes.
    assert!((last.0 - first.0 - (first.1 - last.1)).abs() < 0.1, "{first:?} to {last:?}");
}

#[test]
fn images_stand_in_rows_with_what_is_wrong_marked() {
    let captions: Vec<String> = (0..10).map(|i| format!("picture {i}")).collect();
    let mut wrong = vec![false; 10];
    wrong[3] = true;
    // A picture of black above and white below.
    let pixels: Vec<f32> = (0..10).flat_map(|_| [0.0, 0.0, 1.0, 1.0]).collect();
    let svg = Svg::of(&plot::images("Ten", &pixels, (2, 2), &captions, &wrong).unwrap());
    let texts = svg.texts();
    assert!(texts.contains(&"✗ picture 3".to_owned()) && texts.contains(&"picture 4".to_owned()), "{texts:?}");
    assert_eq!(svg.rects().iter().filter(|r| r.stroke == "#d55e00").count(), 1);
    let (black, white): (Vec<_>, Vec<_>) =
        svg.rects().into_iter().filter(|r| r.stroke.is_empty()).partition(|r| r.fill == "#000000");
    assert_eq!((black.len(), white.len()), (10, 10));
    assert!(black.iter().zip(&white).all(|(b, w)| b.y < w.y && b.x == w.x));
    // Values of any range are spread over black to white.
    let spread = Svg::of(&plot::images("", &[-3.0, 5.0], (1, 2), &captions[..1], &[]).unwrap());
    let fills: Vec<String> = spread.rects().into_iter().filter(|r| r.stroke.is_empty()).map(|r| r.fill).collect();
    assert_eq!(fills, ["#000000", "#ffffff"]);
}

#[test]
fn a_decision_boundary_lies_where_classes_change() {
    let classify = |points: &[[f32; 2]]| {
        assert_eq!((points.len(), points[0], points[2499]), (2500, [-1.0, 0.0], [1.0, 4.0]));
        Ok(points.iter().map(|p| u32::from(p[0] > 0.5)).collect())
    };
    let figure = plot::decision_boundary("Sides", (-1.0, 1.0), (0.0, 4.0), 50, classify, &["left", "right"]).unwrap();
    let svg = Svg::of(&figure.points("right", [(0.9, 1.0), (0.8, 2.0)]));
    let frame = svg.frame();
    let left: Vec<_> = svg.rects().into_iter().filter(|r| r.fill == "#b8d8e9" && r.width > 60.0).collect();
    assert_eq!(left.len(), 50, "a tile per row");
    for tile in &left {
        assert!((tile.width / frame.width - 0.75).abs() < 0.02, "{} of {}", tile.width, frame.width);
    }
    assert_eq!(svg.texts().iter().filter(|t| *t == "right").count(), 1, "one line of the legend for area and points");
    assert!(svg.source.contains("#d55e00"), "points in their area's colour");
}

#[test]
fn activations_are_drawn_with_their_derivatives() {
    let square: &dyn Fn(&Tensor) -> Tensor = &|x: &Tensor| x * x;
    let panels = plot::activations(&[("square", square), ("ReLU", &Tensor::relu)], 2.0).unwrap();
    let svg = Svg::sheet(&panels);
    for text in ["Activations", "Derivatives", "f(x)", "f′(x)", "ReLU"] {
        assert!(svg.texts().iter().any(|t| t == text), "no {text}");
    }
    // The derivative of a square is a straight line, of twice the reach.
    let lines = svg.lines_of("#0072b2");
    let slope = lines.iter().filter(|l| l.len() == 401).nth(1).unwrap();
    let (a, b) = (slope[0], slope[400]);
    for p in slope {
        let expected = a.1 + (b.1 - a.1) * (p.0 - a.0) / (b.0 - a.0);
        assert!((p.1 - expected).abs() < 0.05, "{p:?}");
    }
    assert!(svg.texts().contains(&"−4".to_owned()) && svg.texts().contains(&"4".to_owned()), "{:?}", svg.texts());
}

#[test]
fn a_surface_has_a_face_between_four_values() {
    let faces =
        |figure: &Figure| Svg::of(figure).source.lines().filter(|l| l.trim().starts_with("<path") && l.contains('Z')).count();
    let figure = plot::surface("bowl", &bowl(12)).labels("x", "y").value_label("cost");
    assert_eq!(faces(&figure), 121);
    let mut holed = bowl(12).values().to_vec();
    holed[5 * 12 + 5] = f64::NAN;
    let holed = plot::Field::new(bowl(12).xs().to_vec(), bowl(12).ys().to_vec(), holed).unwrap();
    assert_eq!(faces(&plot::surface("", &holed)), 117);
    assert_eq!(faces(&plot::surface("", &bowl(200))), 47 * 47);
    let svg = Svg::of(&figure);
    for text in ["bowl", "x", "y", "cost", "−2", "0", "8"] {
        assert!(svg.texts().iter().any(|t| t == text), "no {text} in {:?}", svg.texts());
    }
    // The lowest corner is turned to the front: of a slope that falls along x, x rises from the viewer's right.
    let slope = |sign: f64| {
        let field = plot::Field::sample((0.0, 4.0), (10.0, 14.0), 9, |x, _| sign * x).unwrap();
        let placed = Svg::of(&plot::surface("", &field)).placed();
        let front = placed.iter().filter(|t| ["0", "4"].contains(&t.text.as_str())).max_by(|a, b| a.y.total_cmp(&b.y)).unwrap();
        front.text.clone()
    };
    assert_eq!((slope(1.0), slope(-1.0)), ("0".to_owned(), "4".to_owned()));
}

#[test]
fn bars_are_as_high_as_their_values() {
    let bars = |name: &str, values: [f64; 3]| {
        (name.to_owned(), ["a", "b", "c"].map(str::to_owned).into_iter().zip(values).collect::<Vec<_>>())
    };
    let ((one, first), (two, second)) = (bars("one", [1.0, 2.0, 4.0]), bars("two", [4.0, -1.0, 0.5]));
    let svg = Svg::of(&Figure::new("").bars(one, first).bars(two, second));
    let heights =
        |fill: &str| -> Vec<f64> { svg.rects().iter().filter(|r| r.fill == fill && r.width > 25.0).map(|r| r.height).collect() };
    let (blue, red) = (heights("#0072b2"), heights("#d55e00"));
    assert_eq!((blue.len(), red.len()), (3, 3), "bars");
    let unit = blue[0];
    for (height, value) in blue.iter().zip([1.0, 2.0, 4.0]).chain(red.iter().zip([4.0, 1.0, 0.5])) {
        assert!((height / unit - value).abs() < 0.01, "{height} for {value}");
    }
    // Without negative ones they stand on the frame.
    let svg_up = Svg::of(&Figure::new("").bars("", [("a".to_owned(), 1.0), ("b".to_owned(), 3.0)]));
    let bottom = svg_up.frame().y + svg_up.frame().height;
    let feet: Vec<f64> = svg_up.rects().iter().filter(|r| r.fill == "#0072b2").map(|r| r.y + r.height).collect();
    assert!(feet.len() == 2 && feet.iter().all(|y| (y - bottom).abs() < 0.02), "{feet:?} on {bottom}");
    for text in ["a", "b", "c", "one", "two", "−1", "0.5"] {
        assert!(svg.texts().iter().any(|t| t == text), "no {text}");
    }
}

#[test]
fn panels_lie_side_by_side() {
    let figure = |title: &str| Figure::new(title).line("", ramp(3)).size(300, 200);
    let svg = Svg::sheet(&Panels::new(2, [figure("one"), figure("two"), figure("three")]).title("all"));
    let at = |text: &str| svg.placed().into_iter().find(|t| t.text == text).unwrap();
    assert!((at("two").x - at("one").x - 300.0).abs() < 0.1 && (at("three").y - at("one").y - 200.0).abs() < 0.1);
    assert!(at("all").y < at("one").y && svg.source.contains("width=\"600\" height=\"434\""));
}

#[test]
fn sketches_fit_and_tell_series_apart() {
    let captions = vec!["seven".to_owned(); 5];
    let matrix = ConfusionMatrix::new(&[0, 1, 2], &[0, 1, 1], 3).unwrap();
    let figures = [
        Figure::new("A title that is much longer than any terminal is wide, which is cut and ends in dots").line("up", ramp(20)),
        Figure::new("both").labels("x", "y").line("up", ramp(20)).points("dots", ramp(5)).note("a note"),
        Figure::new("field").contour(&bowl(30)).path("way", ramp(2)),
        Figure::new("heat").heat_map(&bowl(30)),
        Figure::new("bars").bars("b", ["a long name", "another long name"].map(|n| (n.to_owned(), 2.0))),
        plot::surface("surface", &bowl(9)),
        plot::confusion(&matrix, &["a class", "another class", "c"]),
        plot::images("images", &[0.5; 5 * 64], (8, 8), &captions, &[]).unwrap(),
        plot::roc(&[0.9, 0.2, 0.7], &[1, 0, 0]).unwrap(),
        Figure::new("log").log_y().line("", [(0.0, 1e-9), (1.0, 1e12)]),
    ];
    for figure in &figures {
        for (columns, rows) in [(30, 8), (79, 24), (200, 60)] {
            let sketch = figure.sketch(columns, rows).unwrap();
            assert!(sketch.lines().count() <= rows, "{columns} × {rows}:\n{sketch}");
            assert!(sketch.lines().all(|l| l.chars().count() <= columns), "{columns} × {rows}:\n{sketch}");
            assert!(!sketch.chars().any(|c| c.is_control() && c != '\n'));
        }
    }
    let sketch = figures[1].sketch(60, 20).unwrap();
    assert!(sketch.starts_with("both\n(a note)\n* up   o dots\ny ↑\n"), "{sketch}");
    // The line rises to the right.
    let columns: Vec<usize> = sketch.lines().skip(4).filter_map(|l| l.chars().position(|c| c == '*')).collect();
    assert!(columns.len() > 6 && columns.windows(2).all(|p| p[1] < p[0]), "{sketch}");
    assert!(sketch.contains('o') && sketch.trim_end().ends_with("x →"));
    // The middle of the bowl is low, its corners are high.
    let heat = figures[3].sketch(60, 20).unwrap();
    let rows: Vec<Vec<char>> = heat.lines().skip(2).take(16).map(|l| l.chars().skip(4).collect()).collect();
    assert_eq!((rows[0].last(), rows[8][28]), (Some(&'█'), ' '), "{heat}");
    assert!(figures[6].sketch(60, 20).unwrap().contains("another class"));
}

/// Runs the example as a newcomer does, with few steps.
#[test]
fn the_gallery_fills_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = std::process::Command::new(env!("CARGO"));
    command.args(["run", "--quiet", "--all-features", "--example", "gallery", "--", "--device", "cpu", "--epochs", "3", "--out"]);
    let output = command.arg(folder.path()).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}\n{errors}");
    for name in ["descents", "cost", "boundary", "roc", "landscape", "learning", "recall", "confusion", "images", "activations"] {
        for ending in ["svg", "png"] {
            let path = folder.path().join(format!("{name}.{ending}"));
            assert!(path.metadata().is_ok_and(|m| m.len() > 2_000), "{}", path.display());
            assert!(text.contains(&path.display().to_string()), "{name} is not told:\n{text}");
        }
    }
}
