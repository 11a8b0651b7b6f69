//! What a picture and a sketch of it share: the axes' ranges, who has which colour and mark, what is refused, what is noted.

use super::axis::Axis;
use super::field::Field;
use super::figure::{Figure, Layer, Series};
use super::style::{Marker, Rgb, SERIES, marker};
use crate::error::Result;

/// Classes of a field of regions, and categories of bars.
const MOST_CLASSES: usize = 64;
const MOST_BARS: usize = 400;

/// The axes of a figure and what stands beside them.
pub(super) struct Frame {
    pub x: Axis,
    pub y: Axis,
    /// Names of the places 0, 1, … on the x axis, if there are bars.
    pub categories: Vec<String>,
    pub notes: Vec<String>,
    /// One per layer.
    pub looks: Vec<Look>,
    pub legend: Vec<Entry>,
    pub has_field: bool,
}

/// How the series of a layer is drawn.
#[derive(Clone, Debug, Default)]
pub(super) struct Look {
    pub colour: Rgb,
    pub dash: usize,
    pub marker: Option<Marker>,
    /// A character for sketches.
    pub glyph: char,
    /// The colours of a layer of regions.
    pub classes: Vec<Rgb>,
    /// Which of the sets of bars it is.
    pub set: usize,
}

/// A line of the legend.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub name: String,
    pub colour: Rgb,
    pub patch: bool,
    pub line: Option<usize>,
    pub marker: Option<Marker>,
    pub path: bool,
    pub glyph: Option<char>,
}

/// Colours in the order in which names come; over a field those that viridis does not have come first.
fn palette(number: usize, over_field: bool) -> Rgb {
    const OVER_FIELD: [usize; 7] = [1, 6, 3, 4, 0, 5, 2];
    let number = number % SERIES.len();
    SERIES[if over_field { OVER_FIELD[number] } else { number }]
}

/// Marks of series in sketches, and what bars are filled with there.
const GLYPHS: [char; 8] = ['*', 'o', '+', 'x', '#', '@', '%', '&'];

const FILLS: [char; 4] = ['█', '▒', '░', '▓'];

/// Whether both coordinates are numbers.
pub(super) fn finite((x, y): (f64, f64)) -> bool {
    x.is_finite() && y.is_finite()
}

impl Frame {
    /// Looks at all layers.
    ///
    /// # Errors
    /// Nothing to draw, values that do not fit a logarithmic axis, regions that are no class numbers.
    pub fn of(figure: &Figure, layers: &[Layer]) -> Result<Frame> {
        let categories = categories(figure, layers)?;
        let mut span = Span::default();
        let mut left_out = 0;
        let mut whole = true;
        let mut flush = false;
        for layer in layers {
            match layer {
                Layer::Line(series) | Layer::Points(series) | Layer::Path(series) => {
                    logarithms(figure, series)?;
                    left_out += series.points.iter().filter(|p| !finite(**p)).count();
                    series.points.iter().filter(|p| finite(**p)).for_each(|p| span.add(*p));
                    whole &= series.points.iter().all(|p| p.0.fract() == 0.0 || !finite(*p));
                }
                Layer::Bars { bars, .. } => {
                    if figure.log_x {
                        return Err(figure.wrong("bars stand beside one another: their axis cannot be logarithmic".to_owned()));
                    }
                    if let Some((name, value)) = bars.iter().find(|(_, v)| figure.log_y && *v <= 0.0) {
                        let message =
                            format!("bar `{name}` is {value}; a logarithmic axis has positive values only: use a linear axis");
                        return Err(figure.wrong(message));
                    }
                    left_out += bars.iter().filter(|(_, v)| !v.is_finite()).count();
                    for (name, value) in bars.iter().filter(|(_, v)| v.is_finite()) {
                        let at = categories.iter().position(|c| c == name).unwrap_or(0) as f64;
                        [(at, *value), (at, if figure.log_y { *value } else { 0.0 })].into_iter().for_each(|p| span.add(p));
                    }
                }
                Layer::Contour(field) | Layer::HeatMap(field) | Layer::Regions { field, .. } => {
                    flush = true;
                    whole = false;
                    span.field(figure, field)?;
                    left_out += field.gaps();
                }
            }
        }
        let Some(((x0, x1), (y0, y1))) = span.range.filter(|_| span.seen) else {
            return Err(figure.wrong(match left_out {
                0 => "there is nothing to draw; add a line, points, bars or a field".to_owned(),
                n => format!("there is nothing to draw: none of {n} values is finite"),
            }));
        };
        let air = if flush { 0.0 } else { 0.04 };
        let mut x = Axis::around(x0, x1, figure.log_x, air);
        let mut y = Axis::around(y0, y1, figure.log_y, if flush { 0.0 } else { 0.06 });
        if !categories.is_empty() {
            (x.min, x.max) = (-0.6, categories.len() as f64 - 0.4);
            // Bars start at zero.
            match (figure.log_y, y0 >= 0.0, y1 <= 0.0) {
                (true, ..) => {}
                (false, true, _) => y.min = 0.0,
                (false, false, true) => y.max = 0.0,
                (false, false, false) => {}
            }
        }
        x.whole = whole && !figure.log_x;
        let mut notes = figure.notes.clone();
        if left_out > 0 {
            let is = if left_out == 1 { "value is" } else { "values are" };
            notes.push(format!("{left_out} {is} not finite and left out"));
        }
        let has_field = layers.iter().any(|l| matches!(l, Layer::Contour(_) | Layer::HeatMap(_)));
        let (looks, legend) = looks(figure, layers, has_field)?;
        Ok(Frame { x, y, categories, notes, looks, legend, has_field })
    }
}

/// The smallest rectangle around what is drawn.
#[derive(Default)]
struct Span {
    range: Option<((f64, f64), (f64, f64))>,
    seen: bool,
}

impl Span {
    fn add(&mut self, (x, y): (f64, f64)) {
        self.seen = true;
        let wider = |(low, high): (f64, f64), v: f64| (low.min(v), high.max(v));
        self.range = Some(self.range.map_or(((x, x), (y, y)), |(xs, ys)| (wider(xs, x), wider(ys, y))));
    }

    fn field(&mut self, figure: &Figure, field: &Field) -> Result<()> {
        let last = |values: &[f64]| values[values.len() - 1];
        let corners = [(field.xs()[0], field.ys()[0]), (last(field.xs()), last(field.ys()))];
        if field.range().is_none() {
            return Err(figure.wrong(format!("none of the {} values of a field is finite", field.values().len())));
        }
        if (figure.log_x && corners[0].0 <= 0.0) || (figure.log_y && corners[0].1 <= 0.0) {
            let (x, y) = corners[0];
            return Err(
                figure.wrong(format!("a field that starts at ({x}, {y}) on a logarithmic axis, which has positive values only"))
            );
        }
        corners.into_iter().for_each(|p| self.add(p));
        Ok(())
    }
}

/// A logarithmic axis has no place for zero and less.
fn logarithms(figure: &Figure, series: &Series) -> Result<()> {
    for (i, (x, y)) in series.points.iter().enumerate() {
        for (on, axis, value) in [(figure.log_x, "x", x), (figure.log_y, "y", y)] {
            if on && *value <= 0.0 {
                let name = &series.name;
                return Err(figure.wrong(format!(
                    "point {i} of `{name}` has {axis} = {value}; a logarithmic axis has positive values only: leave it out or use a linear axis"
                )));
            }
        }
    }
    Ok(())
}

fn categories(figure: &Figure, layers: &[Layer]) -> Result<Vec<String>> {
    let mut found: Vec<String> = vec![];
    for layer in layers {
        if let Layer::Bars { name: set, bars } = layer {
            for (i, (name, _)) in bars.iter().enumerate() {
                if bars[..i].iter().any(|(other, _)| other == name) {
                    return Err(figure.wrong(format!("two bars of `{set}` are named `{name}`")));
                }
                if !found.contains(name) {
                    found.push(name.clone());
                }
            }
        }
    }
    match found.len() {
        n if n > MOST_BARS => Err(figure.wrong(format!("{n} bars, expected at most {MOST_BARS}"))),
        _ => Ok(found),
    }
}

fn looks(figure: &Figure, layers: &[Layer], over_field: bool) -> Result<(Vec<Look>, Vec<Entry>)> {
    let mut names: Vec<String> = vec![];
    let (mut legend, mut looks): (Vec<Entry>, Vec<Look>) = (vec![], vec![]);
    let (mut lines, mut sets) = (0, 0);
    let mut number = |name: &str| {
        let known = names.iter().position(|n| n == name && !n.is_empty());
        known.unwrap_or_else(|| {
            names.push(name.to_owned());
            names.len() - 1
        })
    };
    let mut note = |entry: Entry| {
        if entry.name.is_empty() {
            return;
        }
        match legend.iter_mut().find(|e| e.name == entry.name) {
            Some(known) => {
                known.patch |= entry.patch;
                known.path |= entry.path;
                known.line = known.line.or(entry.line);
                known.marker = known.marker.or(entry.marker);
                known.glyph = known.glyph.or(entry.glyph);
            }
            None => legend.push(entry),
        }
    };
    for layer in layers {
        let mut look = Look::default();
        match layer {
            Layer::Line(Series { name, .. }) | Layer::Points(Series { name, .. }) | Layer::Path(Series { name, .. }) => {
                let n = number(name);
                look.colour = palette(n, over_field);
                look.glyph = GLYPHS[n % GLYPHS.len()];
                let (is_line, is_path) = (matches!(layer, Layer::Line(_)), matches!(layer, Layer::Path(_)));
                if is_line {
                    look.dash = lines;
                    lines += 1;
                } else {
                    look.marker = Some(marker(n));
                }
                let line = (is_line || is_path).then_some(look.dash);
                note(Entry {
                    name: name.clone(),
                    colour: look.colour,
                    patch: false,
                    line,
                    marker: look.marker,
                    path: is_path,
                    glyph: Some(look.glyph),
                });
            }
            Layer::Bars { name, .. } => {
                look.colour = palette(number(name), over_field);
                (look.set, look.glyph) = (sets, FILLS[sets % FILLS.len()]);
                sets += 1;
                let (name, colour, glyph) = (name.clone(), look.colour, Some(look.glyph));
                note(Entry { name, colour, patch: true, line: None, marker: None, path: false, glyph });
            }
            Layer::Regions { field, names } => {
                for (i, value) in field.values().iter().enumerate() {
                    if value.is_finite() && (value.fract() != 0.0 || *value < 0.0 || *value >= MOST_CLASSES as f64) {
                        let message = format!(
                            "value {i} of a field of regions is {value}, expected class numbers 0 to {}",
                            MOST_CLASSES - 1
                        );
                        return Err(figure.wrong(message));
                    }
                }
                let classes = field.range().map_or(0, |(_, high)| high as usize + 1);
                if !names.is_empty() && names.len() < classes {
                    return Err(figure.wrong(format!("{} names for {classes} classes", names.len())));
                }
                for class in 0..classes.max(names.len()) {
                    let name = names.get(class).cloned().unwrap_or_else(|| format!("class {class}"));
                    let colour = palette(number(&name), over_field);
                    look.classes.push(colour);
                    note(Entry { name, colour, patch: true, line: None, marker: None, path: false, glyph: None });
                }
            }
            Layer::Contour(_) | Layer::HeatMap(_) => {}
        }
        looks.push(look);
    }
    Ok((looks, legend))
}
