//! Absurd arguments for the public functions of `src/plot`.

use crate::odd::Odd;
use crate::train::history;
use crate::{Line, Room, table};
use steepest::Error;
use steepest::plot::{self, Field, Figure, Panels};
use steepest::train::metrics::ConfusionMatrix;

pub fn room() -> Room {
    Room { name: "plot", tables: &[TABLE], not_called: NOT_CALLED, complete: true }
}

const NOT_CALLED: &[(&str, &str)] = &[];

fn points(o: &mut Odd) -> Vec<(f64, f64)> {
    o.many(|o| (o.float(), o.float()))
}

/// A small field, or one of any numbers.
fn field(o: &mut Odd) -> Result<Field, Error> {
    if o.flag() {
        return Field::new(o.floats(), o.floats(), o.floats());
    }
    let scale = o.float();
    Field::sample((o.float(), o.float()), (-1.0, 1.0), o.size_near(5), |x, y| scale * x * y)
}

/// Drawn as SVG, and as characters of any number; rarely as PNG, which takes long.
fn drawn(o: &mut Odd, figure: Figure) -> Result<usize, Error> {
    let figure = if o.flag() { figure } else { figure.size(o.u32(), o.u32()) };
    let sketch = figure.sketch(o.size_near(60), o.size_near(20));
    if o.pick(&[0; 8]) == 0 && o.flag() {
        let _ = figure.save(o.path());
    }
    let svg = figure.to_svg()?;
    Ok(svg.len() + sketch?.len())
}

fn with_field(o: &mut Odd, add: impl FnOnce(&mut Odd, Figure, &Field) -> Figure) -> Result<usize, Error> {
    let field = field(o)?;
    let figure = add(o, Figure::new("a field"), &field);
    drawn(o, figure)
}

fn line(o: &mut Odd) -> Figure {
    Figure::new("a line").line(o.text(), points(o))
}

fn panels(o: &mut Odd) -> Panels {
    Panels::new(o.size_near(2), o.many(line))
}

const TABLE: &[Line] = table! {
    "Figure::new" => |o| { let f = Figure::new(o.text()).line("", points(o)); drawn(o, f) };
    "Figure::labels" => |o| { let f = line(o).labels(o.text(), o.text()); drawn(o, f) };
    "Figure::value_label" => |o| with_field(o, |o, f, field| f.heat_map(field).value_label(o.text()));
    "Figure::line" => |o| { let f = line(o).line(o.text(), points(o)); drawn(o, f) };
    "Figure::points" => |o| { let f = line(o).points(o.text(), points(o)); drawn(o, f) };
    "Figure::path" => |o| { let f = line(o).path(o.text(), points(o)); drawn(o, f) };
    "Figure::bars" => |o| { let bars = o.many(|o| (o.text(), o.float())); let f = Figure::new("bars").bars(o.text(), bars); drawn(o, f) };
    "Figure::contour" => |o| with_field(o, |_, f, field| f.contour(field));
    "Figure::heat_map" => |o| with_field(o, |_, f, field| f.heat_map(field));
    "Figure::regions" => |o| with_field(o, |o, f, field| { let name = o.text(); f.regions(field, &[&name, "b"]) });
    "Figure::log_x" => |o| { let f = line(o).log_x(); drawn(o, f) };
    "Figure::log_y" => |o| { let f = line(o).log_y().log_x(); drawn(o, f) };
    "Figure::equal_axes" => |o| { let f = line(o).equal_axes(); drawn(o, f) };
    "Figure::note" => |o| { let f = line(o).note(o.text()); drawn(o, f) };
    "Figure::size" => |o| { let f = line(o).size(o.u32(), o.u32()); drawn(o, f) };
    "Figure::save" => |o| { let path = o.path().with_extension(o.pick(&["svg", "png", "gif", ""])); line(o).size(o.u32(), 200).save(path) };
    "Figure::to_svg" => |o| line(o).to_svg().map(|text| text.len());
    "Figure::to_png" => |o| line(o).size(o.size_near(200) as u32, 200).to_png().map(|bytes| bytes.len());
    "Figure::sketch" => |o| line(o).sketch(o.size(), o.size()).map(|text| text.len());
    "Panels::new" => |o| panels(o).to_svg().map(|text| text.len());
    "Panels::title" => |o| panels(o).title(o.text()).to_svg().map(|text| text.len());
    "Panels::figures" => |o| panels(o).figures().len();
    "Panels::save" => |o| { let path = o.path().with_extension("svg"); panels(o).save(path) };
    "Panels::to_svg" => |o| { let all = o.many(|o| line(o).size(o.u32(), o.u32())); Panels::new(o.size(), all).to_svg().map(|text| text.len()) };
    "Panels::to_png" => |o| Panels::new(o.size(), [line(o)]).to_png().map(|bytes| bytes.len());
    "Panels::sketch" => |o| panels(o).sketch(o.size(), o.size()).map(|text| text.len());
    "Field::new" => |o| Field::new(o.floats(), o.floats(), o.floats()).map(|f| f.values().len());
    "Field::sample" => |o| Field::sample((o.float(), o.float()), (o.float(), o.float()), o.size(), |x, y| x + y).map(|f| f.values().len());
    "Field::try_sample" => |o| Field::try_sample((o.float(), 1.0), (0.0, o.float()), o.size(), |x, y| Ok(x * y)).map(|f| f.values().len());
    "Field::xs" => |o| field(o).map(|f| f.xs().len());
    "Field::ys" => |o| field(o).map(|f| f.ys().len());
    "Field::values" => |o| field(o).map(|f| f.values().len());
    "Field::at" => |o| field(o).map(|f| f.at(o.size(), o.size()));
    "Field::map" => |o| { let by = o.float(); field(o).and_then(|f| { let f = Figure::new("a field").contour(&f.map(|v| v * by)); drawn(o, f) }) };
    "Field::range" => |o| field(o).map(|f| f.range().is_some());
    "charts::learning_curves" => |o| { let f = plot::learning_curves(&history(o)); drawn(o, f) };
    "charts::metric_curves" => |o| { let f = plot::metric_curves(&history(o)); drawn(o, f) };
    "charts::decision_boundary" => |o| {
        let (count, class) = (o.size_near(25), o.u32());
        plot::decision_boundary(o.text(), (o.float(), o.float()), (-1.0, 1.0), o.size_near(5), |points| Ok(vec![class; count.min(points.len())]), &["a", "b", "c"])
            .and_then(|f| drawn(o, f))
    };
    "charts::surface" => |o| field(o).and_then(|f| { let f = plot::surface(o.text(), &f); drawn(o, f) });
    "charts::confusion" => |o| ConfusionMatrix::new(&[0, 1], &[1, 1], o.size_near(3)).and_then(|m| { let f = plot::confusion(&m, &[&o.text()]); let g = plot::confusion(&m, &[]); let _ = drawn(o, f); drawn(o, g) });
    "charts::roc" => |o| { let labels: Vec<u32> = (0..4).map(|_| o.u32()).collect(); plot::roc(&o.singles(), &labels).and_then(|f| drawn(o, f)) };
    "charts::images" => |o| {
        let (pixels, captions, size) = (o.singles(), o.texts(), (o.size(), o.size()));
        let _ = plot::images(o.text(), &pixels, size, &captions, &[o.flag()]);
        let pixels: Vec<f32> = (0..12).map(|_| o.single()).collect();
        plot::images(o.text(), &pixels, (2, 3), &["a".to_owned(), o.text()], &[]).and_then(|f| drawn(o, f))
    };
    "charts::activations" => |o| { let by = o.float(); plot::activations(&[("a", &|x| x.mul_scalar(by)), ("b", &|x| x.sum(&[]))], o.float()).and_then(|p| p.to_svg()).map(|text| text.len()) };
    "landscape::loss_slices" => |o| {
        let w = o.near(&[2, 2]);
        plot::loss_slices(std::slice::from_ref(&w), o.seed(), o.float(), o.size_near(5), || w.square().sum(&[]).item()).and_then(|f| drawn(o, f))
    };
    "landscape::loss_surface" => |o| {
        let w = o.near(&[2, 2]);
        plot::loss_surface(std::slice::from_ref(&w), o.seed(), o.float(), o.size_near(3), || w.square().sum(&[]).item()).map(|f| f.values().len())
    };
};
