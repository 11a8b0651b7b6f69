//! Figures: what the SVG says and where, PNG files, sketches, errors, files that are whole or not there.
#![cfg(feature = "plot")]
#![allow(clippy::unwrap_used)]

mod kinds;
mod landscape;
mod refusals;
mod svg;

use steepest::plot::{Field, Figure, Panels};
use svg::Svg;

fn ramp(n: usize) -> impl Iterator<Item = (f64, f64)> + Clone {
    (0..n).map(|i| (i as f64, 2.0 * i as f64))
}

fn bowl(n: usize) -> Field {
    Field::sample((-2.0, 2.0), (-2.0, 2.0), n, |x, y| x * x + y * y).unwrap()
}

#[test]
fn a_figure_says_what_it_shows() {
    let figure = Figure::new("Fish & <chips> for 5 $ or 6 $\u{1b}!")
        .labels("length / m", "price / €")
        .note("two \"shops\"")
        .points("cod", ramp(3))
        .line("haddock", ramp(3))
        .line("", ramp(4));
    let svg = Svg::of(&figure);
    let texts = svg.texts();
    for text in ["Fish & <chips> for 5 $ or 6 $\\u{1b}!", "length / m", "price / €", "two \"shops\"", "cod", "haddock"] {
        assert!(texts.iter().any(|t| t == text), "no `{text}` in {texts:?}");
    }
    // The legend has a line per name, and none for the nameless.
    assert_eq!(texts.iter().filter(|t| ["cod", "haddock", ""].contains(&t.as_str())).count(), 2);
}

#[test]
fn points_lie_where_they_should() {
    let figure = Figure::new("").points("", [(0.0, 10.0), (1.0, 30.0), (2.0, 20.0), (4.0, 0.0)]);
    let marks = Svg::of(&figure).circles();
    assert_eq!(marks.len(), 4);
    let (xs, ys): (Vec<f64>, Vec<f64>) = marks.iter().map(|m| (m.x, m.y)).unzip();
    // Even steps along x; the last is twice as long. Up is less.
    let step = xs[1] - xs[0];
    assert!(step > 50.0 && (xs[2] - xs[1] - step).abs() < 0.02 && (xs[3] - xs[2] - 2.0 * step).abs() < 0.02, "{xs:?}");
    assert!(ys[1] < ys[2] && ys[2] < ys[0] && ys[0] < ys[3], "{ys:?}");
    assert!((ys[3] - ys[0] - (ys[0] - ys[2])).abs() < 0.02, "{ys:?}");
    // All inside the sheet, and inside the frame.
    assert!(xs.iter().all(|x| (20.0..620.0).contains(x)) && ys.iter().all(|y| (20.0..420.0).contains(y)));
}

#[test]
fn ticks_stand_at_their_values() {
    let figure = Figure::new("").points("", [(0.0, 0.0), (10.0, 100.0)]);
    let svg = Svg::of(&figure);
    let marks = svg.circles();
    let at = |text: &str| svg.placed().into_iter().find(|t| t.text == text).unwrap_or_else(|| panic!("no {text}")).x;
    let expected = |x: f64| marks[0].x + (marks[1].x - marks[0].x) * x / 10.0;
    for tick in ["2", "4", "10"] {
        assert!((at(tick) - expected(tick.parse().unwrap())).abs() < 0.1, "{tick}");
    }
}

#[test]
fn logarithmic_axes_turn_factors_into_steps() {
    let figure = Figure::new("").log_x().log_y().points("", [(1.0, 1e-3), (10.0, 1e-1), (100.0, 1e1), (1e4, 1e-3)]);
    let svg = Svg::of(&figure);
    let marks = svg.circles();
    assert!((marks[1].x - marks[0].x - (marks[2].x - marks[1].x)).abs() < 0.02);
    assert!((marks[3].x - marks[2].x - 2.0 * (marks[1].x - marks[0].x)).abs() < 0.02);
    assert!((marks[0].y - marks[1].y - (marks[1].y - marks[2].y)).abs() < 0.02);
    for tick in ["0.001", "0.01", "1", "10"] {
        assert!(svg.texts().iter().any(|t| t == tick), "no {tick} in {:?}", svg.texts());
    }
    let wide = Figure::new("").log_y().points("", [(0.0, 1e-9), (1.0, 1e9)]);
    assert!(Svg::of(&wide).texts().iter().any(|t| t == "10⁻⁶"), "{:?}", Svg::of(&wide).texts());
}

#[test]
fn what_is_not_finite_leaves_a_gap_and_a_note() {
    let (nan, infinity) = (f64::NAN, f64::INFINITY);
    let whole = Figure::new("").line("", [(0.0, 0.0), (1.0, 1.0), (3.0, 3.0), (4.0, 4.0)]);
    let holed = Figure::new("").line("", [(0.0, 0.0), (1.0, 1.0), (2.0, nan), (3.0, 3.0), (4.0, 4.0), (infinity, 1.0)]);
    let (whole, holed) = (Svg::of(&whole), Svg::of(&holed));
    assert_eq!((whole.lines_of("#0072b2").len(), holed.lines_of("#0072b2").len()), (1, 2));
    assert!(holed.texts().contains(&"2 values are not finite and left out".to_owned()), "{:?}", holed.texts());
    assert!(!whole.texts().iter().any(|t| t.contains("finite")));
    // A point alone between two gaps is still seen.
    let alone = Figure::new("").line("", [(0.0, 0.0), (1.0, nan), (2.0, 2.0), (3.0, nan)]);
    assert_eq!(Svg::of(&alone).circles().len(), 2);
    let marks = Figure::new("").points("", [(0.0, 0.0), (1.0, nan), (2.0, 2.0)]);
    assert_eq!(Svg::of(&marks).circles().len(), 2);
    let field = bowl(5).map(|v| if v > 7.0 { nan } else { v });
    assert!(Svg::of(&Figure::new("").heat_map(&field)).texts().iter().any(|t| t.starts_with("4 values are not finite")));
}

#[test]
fn series_differ_in_colour_and_in_form() {
    let figure = Figure::new("").line("one", ramp(2)).line("two", ramp(3)).points("three", ramp(2)).points("four", ramp(3));
    let svg = Svg::of(&figure);
    // Okabe and Ito's colours, in order; the first line is whole, the second in pieces.
    let (one, two) = (svg.lines_of("#0072b2"), svg.lines_of("#d55e00"));
    assert_eq!(one.len(), 2, "the line and its sample in the legend");
    assert!(two.len() > 10, "{} dashes", two.len());
    assert!(svg.source.matches("#009e73").count() >= 3 && svg.source.matches("#cc79a7").count() >= 4);
    // The same name is the same series: one colour, one line of the legend.
    let svg = Svg::of(&Figure::new("").line("model", ramp(3)).points("model", ramp(3)));
    assert_eq!((svg.texts().iter().filter(|t| *t == "model").count(), svg.source.contains("#d55e00")), (1, false));
}

#[test]
fn a_heat_map_is_dark_where_it_is_low() {
    let svg = Svg::of(&Figure::new("").heat_map(&bowl(21)).value_label("cost"));
    let tile = |fill: &str| svg.rects().into_iter().filter(|r| r.fill == fill).collect::<Vec<_>>();
    let (low, high) = (tile("#440154"), tile("#fde725"));
    let frame = svg.frame();
    let middle = (frame.x + frame.width / 2.0, frame.y + frame.height / 2.0);
    let lowest = &low[0];
    assert!((lowest.x + lowest.width / 2.0 - middle.0).abs() < 3.0 && (lowest.y + lowest.height / 2.0 - middle.1).abs() < 3.0);
    assert_eq!(high.iter().filter(|r| r.x < frame.x + frame.width).count(), 4, "four corners");
    assert!(svg.texts().contains(&"cost".to_owned()) && svg.texts().contains(&"6".to_owned()), "{:?}", svg.texts());
}

#[test]
fn contours_of_a_bowl_are_circles_around_its_minimum() {
    let figure = Figure::new("").contour(&bowl(81)).points("", [(-1.0, -1.0), (1.0, 1.0), (0.0, 0.0)]);
    let svg = Svg::of(&figure);
    let marks = svg.circles();
    let share = |a: f64, b: f64, v: f64| -1.0 + 2.0 * (v - a) / (b - a);
    let mut radii = vec![];
    for chain in svg.chains().into_iter().filter(|c| c.len() > 40) {
        let places: Vec<(f64, f64)> =
            chain.iter().map(|p| (share(marks[0].x, marks[1].x, p.0), share(marks[0].y, marks[1].y, p.1))).collect();
        let squares: Vec<f64> = places.iter().map(|p| p.0 * p.0 + p.1 * p.1).collect();
        let level = squares.iter().sum::<f64>() / squares.len() as f64;
        assert!(squares.iter().all(|s| (s - level).abs() < 0.02 * level + 0.003), "not round: {level}");
        if level < 3.9 {
            assert_eq!(places.first(), places.last(), "not closed: {level}");
        }
        radii.push(level);
    }
    for level in [0.1, 0.2, 0.5, 1.0, 2.0] {
        assert!(radii.iter().any(|r| (r - level).abs() < 0.02 * level), "no line at {level}: {radii:?}");
    }
    // Labels name levels that are there.
    assert!(["0.5", "1", "2"].iter().filter(|l| svg.texts().iter().any(|t| t == *l)).count() >= 2, "{:?}", svg.texts());
}

#[test]
fn a_saddle_has_two_lines_per_level() {
    let saddle = Field::sample((-1.0, 1.0), (-1.0, 1.0), 40, |x, y| x * x - y * y).unwrap();
    let chains = Svg::of(&Figure::new("").contour(&saddle)).chains();
    assert!(chains.len() >= 8, "{}", chains.len());
    // None crosses from one branch to the other: no step is longer than a cell.
    for chain in chains {
        for pair in chain.windows(2) {
            assert!((pair[1].0 - pair[0].0).hypot(pair[1].1 - pair[0].1) < 30.0, "{pair:?}");
        }
    }
}

/// Two high corners that face each other, two low ones: below the middle's value the lines cut off the low corners, above it the high ones.
#[test]
fn the_middle_of_a_cell_decides_what_belongs_together() {
    let cell = Field::new(vec![0.0, 1.0], vec![0.0, 1.0], vec![1.0, 0.0, 0.0, 1.0]).unwrap();
    let svg = Svg::of(&Figure::new("").contour(&cell).size(400, 400));
    let frame = svg.frame();
    let chains = svg.chains();
    assert!(chains.len() >= 12, "{} chains", chains.len());
    for chain in chains {
        let place = |p: (f64, f64)| ((p.0 - frame.x) / frame.width, 1.0 - (p.1 - frame.y) / frame.height);
        let (a, b) = (place(chain[0]), place(chain[1]));
        assert!((a.0 - b.0).hypot(a.1 - b.1) < 0.72, "from {a:?} to {b:?}");
        // The low corners are (1, 0) and (0, 1).
        let (x, y) = ((a.0 + b.0) / 2.0, (a.1 + b.1) / 2.0);
        assert!((x - y).abs() > 0.45, "around a high corner: {x} {y}");
    }
}

#[test]
fn a_path_marks_its_ends() {
    let svg = Svg::of(&Figure::new("").contour(&bowl(11)).path("way", (0..5).map(|i| (1.0 / f64::from(1 << i), 1.0))));
    assert!(svg.circles().iter().any(|c| c.r == 5.0 && c.fill == "#ffffff"), "no open circle at the start");
    assert!(svg.source.contains("#d55e00") && svg.texts().contains(&"way".to_owned()));
}

#[test]
fn the_same_figure_gives_the_same_bytes() {
    let make = || {
        let figure = Figure::new("Twice").contour(&bowl(20)).heat_map(&bowl(9)).path("p", ramp(2)).line("l", ramp(3));
        Panels::new(2, [figure, steepest::plot::surface("s", &bowl(12))]).title("sheet")
    };
    let (one, two) = (make(), make());
    assert_eq!(one.to_svg().unwrap(), two.to_svg().unwrap());
    assert_eq!(one.to_svg().unwrap(), one.clone().to_svg().unwrap());
    assert!(one.to_png().unwrap() == two.to_png().unwrap());
    assert_eq!(one.sketch(60, 20).unwrap(), two.sketch(60, 20).unwrap());
}

#[test]
fn long_lines_make_small_files_and_keep_their_peaks() {
    let wave = (0..200_000).map(|i| (f64::from(i), if i == 77_777 { 50.0 } else { (f64::from(i) * 0.01).sin() }));
    let svg = Svg::of(&Figure::new("").line("", wave));
    assert!(svg.source.len() < 400_000, "{} bytes", svg.source.len());
    let top = svg.lines_of("#0072b2")[0].iter().map(|p| p.1).fold(f64::INFINITY, f64::min);
    assert!(top < svg.frame().y + 40.0, "the peak is lost: {top}");
}

#[test]
fn no_range_makes_nonsense() {
    let max = f64::MAX;
    let ranges = [
        (0.0, 0.0),
        (7.0, 7.0),
        (-max, max),
        (1e308, max),
        (1.0, 1.0 + f64::EPSILON),
        (0.0, 5e-324),
        (-1e-300, 1e-300),
        (1e15, 1e15 + 1.0),
    ];
    for (low, high) in ranges {
        let line = [(low, low), (high, high)];
        for figure in [Figure::new("").line("a", line), Figure::new("").points("b", line)] {
            let svg = Svg::of(&figure);
            assert!(!svg.source.contains("NaN") && !svg.source.contains("inf"), "{low} to {high}");
            let inside = |p: &(f64, f64)| (0.0..=640.0).contains(&p.0) && (0.0..=440.0).contains(&p.1);
            assert!(svg.chains().iter().flatten().all(inside), "{low} to {high}");
            figure.sketch(40, 12).unwrap();
        }
    }
    for (low, high) in [(5e-324, max), (1e-3, 1e-3), (1.0, 1.0 + f64::EPSILON), (2.0, 3.0)] {
        let svg = Svg::of(&Figure::new("").log_x().log_y().points("", [(low, high), (high, low)]));
        assert!(!svg.source.contains("NaN") && !svg.source.contains("inf"), "{low} to {high}");
    }
    for bars in [vec![0.0, 0.0], vec![-1.0, -2.0], vec![-1.0, 2.0]] {
        let svg = Svg::of(&Figure::new("").bars("", bars.into_iter().enumerate().map(|(i, v)| (i.to_string(), v))));
        assert!(!svg.source.contains("NaN") && svg.rects().iter().all(|r| r.height >= 0.0));
    }
}

#[test]
fn files_are_whole_or_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let names = |folder: &std::path::Path| {
        let mut names: Vec<String> =
            std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    let figure = Figure::new("kept").line("", ramp(3));
    let deep = folder.path().join("a/b");
    figure.save(deep.join("one.svg")).unwrap();
    figure.save(deep.join("TWO.PNG")).unwrap();
    assert_eq!(names(&deep), ["TWO.PNG", "one.svg"]);
    assert_eq!(std::fs::read_to_string(deep.join("one.svg")).unwrap(), figure.to_svg().unwrap());
    assert!(std::fs::read(deep.join("TWO.PNG")).unwrap() == figure.to_png().unwrap());

    // What cannot be drawn leaves what was there, and no folder.
    Figure::new("empty").save(deep.join("one.svg")).unwrap_err();
    assert!(std::fs::read_to_string(deep.join("one.svg")).unwrap().contains("kept"));
    Figure::new("empty").save(folder.path().join("new/x.svg")).unwrap_err();
    figure.save(folder.path().join("new/x.pdf")).unwrap_err();
    assert_eq!(names(folder.path()), ["a"]);

    // A place that cannot be written to: below a file; onto a folder.
    let below = figure.save(deep.join("one.svg/two.svg")).unwrap_err().to_string();
    assert!(below.contains("one.svg") && below.contains("folder cannot be made"), "{below}");
    std::fs::create_dir(deep.join("taken.png")).unwrap();
    let onto = figure.save(deep.join("taken.png")).unwrap_err().to_string();
    assert!(onto.contains("taken.png") && onto.contains("cannot be written"), "{onto}");
    assert_eq!(names(&deep), ["TWO.PNG", "one.svg", "taken.png"], "a temporary file is left");
    Panels::new(1, [figure.clone()]).save(deep.join("three.svg")).unwrap();
    assert_eq!(names(&deep).len(), 4);
}

#[cfg(feature = "images")]
#[test]
fn png_files_show_the_figure() {
    let figure = Figure::new("Pixels").size(300, 200).bars("", [("a".to_owned(), 1.0), ("b".to_owned(), 0.5)]);
    let picture = image::load_from_memory(&figure.to_png().unwrap()).unwrap().to_rgb8();
    assert_eq!(picture.dimensions(), (600, 400));
    let blue = |x0: u32, x1: u32| {
        (x0..x1)
            .flat_map(|x| (0..400).map(move |y| (x, y)))
            .filter(|(x, y)| picture.get_pixel(*x, *y).0 == [0, 0x72, 0xB2])
            .count() as f64
    };
    let (left, right) = (blue(0, 300), blue(300, 600));
    assert!(left > 10_000.0 && (left / right - 2.0).abs() < 0.25, "{left} and {right} blue pixels");
    assert_eq!(picture.get_pixel(0, 0).0, [255, 255, 255]);
    let sheet = Panels::new(2, [figure.clone(), figure.clone().size(200, 120), figure.size(150, 150)]).title("three");
    let picture = image::load_from_memory(&sheet.to_png().unwrap()).unwrap();
    assert_eq!((picture.width(), picture.height()), (1000, 2 * (200 + 150 + 34)));
}
