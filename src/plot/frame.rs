//! What a picture and a sketch of it share: the axes' ranges, who has which colour and mark, what is refused, what is noted.

use super::axis::{Axis, Tick};
use super::field::Field;
use super::figure::{Figure, Layer, Series};
use super::style::{Mark, Rgb, SERIES, mark};
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
    /// Names with what stands before them.
    pub legend: Vec<(String, Look)>,
    /// Sets of bars.
    pub sets: usize,
    pub has_field: bool,
}

/// How a series is drawn.
#[derive(Clone, Debug, Default)]
pub(super) struct Look {
    pub colour: Rgb,
    /// Filled: bars and regions.
    pub area: bool,
    /// The dash of a line.
    pub line: Option<usize>,
    pub mark: Option<Mark>,
    pub is_path: bool,
    /// A character for sketches.
    pub glyph: Option<char>,
    /// The colours of a layer of regions.
    pub classes: Vec<Rgb>,
    /// Which of the sets of bars it is.
    pub set: usize,
}

/// Marks of series in sketches, and what bars are filled with there.
const GLYPHS: [char; 8] = ['*', 'o', '+', 'x', '#', '@', '%', '&'];
const FILLS: [char; 4] = ['█', '▒', '░', '▓'];

impl Frame {
    /// Looks at all layers.
    ///
    /// # Errors
    /// Nothing to draw, values that do not fit a logarithmic axis, regions that are no class numbers.
    pub fn of(figure: &Figure, layers: &[Layer]) -> Result<Frame> {
        let categories = categories(figure, layers)?;
        let mut span = Span { flush: false, whole: true, left_out: 0, range: None };
        for layer in layers {
            span.layer(figure, layer, &categories)?;
        }
        let left_out = span.left_out;
        let (x, y) = span.axes(figure, categories.len())?;
        let mut notes = figure.notes.clone();
        if left_out > 0 {
            let is = if left_out == 1 { "value is" } else { "values are" };
            notes.push(format!("{left_out} {is} not finite and left out"));
        }
        let has_field = layers.iter().any(|l| matches!(l, Layer::Contour(_) | Layer::HeatMap(_)));
        let mut key = Key { over_field: has_field, names: vec![], legend: vec![], lines: 0, sets: 0 };
        let looks = layers.iter().map(|layer| key.look(figure, layer)).collect::<Result<_>>()?;
        Ok(Frame { x, y, categories, notes, looks, legend: key.legend, sets: key.sets, has_field })
    }

    /// The ticks of the x axis: about as many as asked for, or one per category.
    pub fn x_ticks(&self, wanted: usize) -> Vec<Tick> {
        match self.categories.is_empty() {
            true => self.x.ticks(wanted),
            false => self.categories.iter().enumerate().map(|(i, c)| Tick { value: i as f64, label: c.clone() }).collect(),
        }
    }

    /// The place of a bar on the x axis.
    pub fn place(&self, name: &str) -> f64 {
        place(&self.categories, name)
    }
}

fn place(categories: &[String], name: &str) -> f64 {
    categories.iter().position(|c| c == name).unwrap_or(0) as f64
}

/// The smallest rectangle around what is drawn, and what else the axes depend on.
struct Span {
    range: Option<((f64, f64), (f64, f64))>,
    /// No air around fields.
    flush: bool,
    /// Whole numbers along x.
    whole: bool,
    left_out: usize,
}

impl Span {
    fn add(&mut self, (x, y): (f64, f64)) {
        let ((x0, x1), (y0, y1)) = self.range.unwrap_or(((x, x), (y, y)));
        self.range = Some(((x0.min(x), x1.max(x)), (y0.min(y), y1.max(y))));
    }

    fn layer(&mut self, figure: &Figure, layer: &Layer, categories: &[String]) -> Result<()> {
        match layer {
            Layer::Line(series) | Layer::Points(series) | Layer::Path(series) => {
                logarithms(figure, series)?;
                self.left_out += series.points.len() - series.finite().count();
                self.whole &= series.finite().all(|p| p.0.fract() == 0.0);
                series.finite().for_each(|p| self.add(p));
            }
            Layer::Bars { bars, .. } => {
                if figure.log_x {
                    return Err(figure.wrong("bars stand beside one another: their axis cannot be logarithmic".to_owned()));
                }
                for (name, value) in bars {
                    if figure.log_y && *value <= 0.0 {
                        let message = "a logarithmic axis has positive values only: use a linear axis";
                        return Err(figure.wrong(format!("bar `{name}` is {value}; {message}")));
                    }
                    if value.is_finite() {
                        let (at, zero) = (place(categories, name), if figure.log_y { *value } else { 0.0 });
                        [(at, *value), (at, zero)].into_iter().for_each(|p| self.add(p));
                    } else {
                        self.left_out += 1;
                    }
                }
            }
            Layer::Contour(field) | Layer::HeatMap(field) | Layer::Regions { field, .. } => {
                (self.flush, self.whole) = (true, false);
                self.field(figure, field)?;
            }
        }
        Ok(())
    }

    fn field(&mut self, figure: &Figure, field: &Field) -> Result<()> {
        let last = |values: &[f64]| values[values.len() - 1];
        let (x, y) = (field.xs()[0], field.ys()[0]);
        if field.range().is_none() {
            return Err(figure.wrong(format!("none of the {} values of a field is finite", field.values().len())));
        }
        if (figure.log_x && x <= 0.0) || (figure.log_y && y <= 0.0) {
            let message = "on a logarithmic axis, which has positive values only";
            return Err(figure.wrong(format!("a field that starts at ({x}, {y}) {message}")));
        }
        self.left_out += field.gaps();
        [(x, y), (last(field.xs()), last(field.ys()))].into_iter().for_each(|p| self.add(p));
        Ok(())
    }

    /// The axes around it, with some air.
    fn axes(self, figure: &Figure, categories: usize) -> Result<(Axis, Axis)> {
        let Some(((x0, x1), (y0, y1))) = self.range else {
            return Err(figure.wrong(match self.left_out {
                0 => "there is nothing to draw; add a line, points, bars or a field".to_owned(),
                n => format!("there is nothing to draw: none of {n} values is finite"),
            }));
        };
        let (air_x, air_y) = if self.flush { (0.0, 0.0) } else { (0.04, 0.06) };
        let mut x = Axis::around(x0, x1, figure.log_x, air_x);
        let mut y = Axis::around(y0, y1, figure.log_y, air_y);
        x.whole = self.whole && !figure.log_x;
        if categories > 0 {
            (x.min, x.max) = (-0.6, categories as f64 - 0.4);
            // Bars start at zero.
            if !figure.log_y && y0 >= 0.0 {
                y.min = 0.0;
            } else if !figure.log_y && y1 <= 0.0 {
                y.max = 0.0;
            }
        }
        Ok((x, y))
    }
}

/// A logarithmic axis has no place for zero and less.
fn logarithms(figure: &Figure, series: &Series) -> Result<()> {
    for (i, (x, y)) in series.points.iter().enumerate() {
        for (on, axis, value) in [(figure.log_x, "x", x), (figure.log_y, "y", y)] {
            if on && *value <= 0.0 {
                let message = "a logarithmic axis has positive values only: leave it out or use a linear axis";
                return Err(figure.wrong(format!("point {i} of `{}` has {axis} = {value}; {message}", series.name)));
            }
        }
    }
    Ok(())
}

fn categories(figure: &Figure, layers: &[Layer]) -> Result<Vec<String>> {
    let mut found: Vec<String> = vec![];
    for layer in layers {
        let Layer::Bars { name: set, bars } = layer else { continue };
        // Before they are compared with each other.
        if bars.len() > MOST_BARS {
            return Err(figure.wrong(format!("{} bars, expected at most {MOST_BARS}", bars.len())));
        }
        for (i, (name, _)) in bars.iter().enumerate() {
            if bars[..i].iter().any(|(other, _)| other == name) {
                return Err(figure.wrong(format!("two bars of `{set}` are named `{name}`")));
            }
            if !found.contains(name) {
                found.push(name.clone());
            }
        }
    }
    match found.len() {
        n if n > MOST_BARS => Err(figure.wrong(format!("{n} bars, expected at most {MOST_BARS}"))),
        _ => Ok(found),
    }
}

/// Gives out colours, dashes and marks in the order in which names come.
struct Key {
    over_field: bool,
    names: Vec<String>,
    legend: Vec<(String, Look)>,
    lines: usize,
    sets: usize,
}

impl Key {
    fn look(&mut self, figure: &Figure, layer: &Layer) -> Result<Look> {
        Ok(match layer {
            Layer::Line(Series { name, .. }) | Layer::Points(Series { name, .. }) | Layer::Path(Series { name, .. }) => {
                let (is_line, is_path) = (matches!(layer, Layer::Line(_)), matches!(layer, Layer::Path(_)));
                let line = if is_path { Some(0) } else { is_line.then_some(self.lines) };
                self.lines += usize::from(is_line);
                let form = |n: usize| Look { line, is_path, mark: (!is_line).then(|| mark(n)), ..Look::default() };
                self.name(name, |n| Look { glyph: Some(GLYPHS[n % GLYPHS.len()]), ..form(n) })
            }
            Layer::Bars { name, .. } => {
                self.sets += 1;
                let set = self.sets - 1;
                self.name(name, |_| Look { area: true, set, glyph: Some(FILLS[set % FILLS.len()]), ..Look::default() })
            }
            Layer::Regions { field, names } => {
                let classes = classes(figure, field, names)?;
                let name = |class: usize| names.get(class).cloned().unwrap_or_else(|| format!("class {class}"));
                let colour = |class| self.name(&name(class), |_| Look { area: true, ..Look::default() }).colour;
                Look { classes: (0..classes).map(colour).collect(), ..Look::default() }
            }
            Layer::Contour(_) | Layer::HeatMap(_) => Look::default(),
        })
    }

    /// The look of a name, by its number, with its colour; and its line in the legend.
    fn name(&mut self, name: &str, look: impl FnOnce(usize) -> Look) -> Look {
        /// Over a field those colours that viridis does not have come first.
        const OVER_FIELD: [usize; 7] = [1, 6, 3, 4, 0, 5, 2];
        let known = self.names.iter().position(|n| n == name && !n.is_empty());
        let number = known.unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.names.len() - 1
        });
        let place = number % SERIES.len();
        let colour = SERIES[if self.over_field { OVER_FIELD[place] } else { place }];
        let look = Look { colour, ..look(number) };
        match self.legend.iter_mut().find(|(other, _)| other == name) {
            Some((_, known)) => {
                known.area |= look.area;
                known.is_path |= look.is_path;
                known.line = known.line.or(look.line);
                known.mark = known.mark.or(look.mark);
                known.glyph = known.glyph.or(look.glyph);
            }
            None if name.is_empty() => {}
            None => self.legend.push((name.to_owned(), look.clone())),
        }
        look
    }
}

/// How many classes a field of regions has.
fn classes(figure: &Figure, field: &Field, names: &[String]) -> Result<usize> {
    let is_class = |v: f64| v.fract() == 0.0 && (0.0..MOST_CLASSES as f64).contains(&v);
    if let Some((i, value)) = field.values().iter().enumerate().find(|(_, v)| v.is_finite() && !is_class(**v)) {
        let most = MOST_CLASSES - 1;
        return Err(figure.wrong(format!("value {i} of a field of regions is {value}, expected class numbers 0 to {most}")));
    }
    let classes = field.range().map_or(0, |(_, high)| high as usize + 1);
    if !names.is_empty() && names.len() < classes {
        return Err(figure.wrong(format!("{} names for {classes} classes", names.len())));
    }
    Ok(classes.max(names.len()))
}
