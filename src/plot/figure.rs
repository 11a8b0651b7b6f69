//! `Figure`: one picture as a value, and what goes into it. How it is drawn and written stands in the files above this one.

use super::field::Field;
use crate::error::{Error, Result};

/// One picture. Nothing is drawn until it is saved or shown.
///
/// What cannot be drawn (nothing in it, a negative value on a logarithmic axis) is told by [`Figure::save`], [`Figure::to_svg`],
/// [`Figure::to_png`] and [`Figure::sketch`]. Points that are not finite are left out, with a gap in their line, and counted in a note under
/// the title. Series of the same name share a colour and a line of the legend; an empty name has no line there.
///
/// ```
/// use steepest::plot::Figure;
/// let figure = Figure::new("Cost of a bridge")
///     .labels("length / m", "cost / M€")
///     .points("built", [(10.0, 1.2), (20.0, 1.9), (30.0, 3.1)])
///     .line("fitted", [(10.0, 1.1), (30.0, 3.0)]);
/// assert!(figure.to_svg()?.contains("length / m"));
/// println!("{}", figure.sketch(60, 20)?);
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Figure {
    pub(super) title: String,
    pub(super) x_label: String,
    pub(super) y_label: String,
    pub(super) value_label: String,
    pub(super) size: (u32, u32),
    pub(super) log_x: bool,
    pub(super) log_y: bool,
    pub(super) equal: bool,
    pub(super) notes: Vec<String>,
    pub(super) content: Content,
    /// What went wrong while it was made: told when it is to be drawn.
    pub(super) fault: Option<Error>,
}

/// What a figure shows.
#[derive(Clone, Debug)]
pub(super) enum Content {
    /// Layers over two axes, the lowest first.
    Axes(Vec<Layer>),
    /// A field in three dimensions.
    Surface(Field),
    /// A table of counts.
    Matrix(Matrix),
    /// Small pictures with captions.
    Pictures(Pictures),
}

/// Something drawn over two axes.
#[derive(Clone, Debug)]
pub(super) enum Layer {
    Line(Series),
    Points(Series),
    Path(Series),
    Bars { name: String, bars: Vec<(String, f64)> },
    Contour(Field),
    HeatMap(Field),
    Regions { field: Field, names: Vec<String> },
}

/// Points with a name.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

/// Whether both coordinates are numbers.
pub(super) fn finite((x, y): (f64, f64)) -> bool {
    x.is_finite() && y.is_finite()
}

impl Series {
    fn new(name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Series {
        Series { name: name.into(), points: points.into_iter().collect() }
    }

    /// Points whose coordinates are numbers.
    pub fn finite(&self) -> impl DoubleEndedIterator<Item = (f64, f64)> {
        self.points.iter().copied().filter(|p| finite(*p))
    }

    /// Neighbouring points whose coordinates are numbers: a gap where one is not.
    pub fn chains(&self) -> impl Iterator<Item = &[(f64, f64)]> {
        self.points.split(|p| !finite(*p)).filter(|chain| !chain.is_empty())
    }
}

/// Counts per label and prediction.
#[derive(Clone, Debug)]
pub(super) struct Matrix {
    pub names: Vec<String>,
    /// `[label, prediction]`
    pub counts: Vec<u64>,
}

impl Matrix {
    pub fn row(&self, label: usize) -> &[u64] {
        let n = self.names.len();
        &self.counts[label * n..(label + 1) * n]
    }
}

/// Grey pictures of one size.
#[derive(Clone, Debug)]
pub(super) struct Pictures {
    pub height: usize,
    pub width: usize,
    /// 0 (black) to 255 (white), picture after picture.
    pub pixels: Vec<u8>,
    pub captions: Vec<String>,
    pub wrong: Vec<bool>,
}

impl Pictures {
    /// How many stand side by side.
    pub fn columns(&self) -> usize {
        let count = self.captions.len();
        (1..).find(|c| c * c * 5 >= count * 8).unwrap_or(1).clamp(1, count.max(1)).min(16)
    }

    /// The sheet they need, with their captions and the room around them.
    pub fn size(&self) -> (u32, u32) {
        let (columns, rows) = (self.columns() as f64, self.captions.len().div_ceil(self.columns()) as f64);
        let scale = 76.0 / self.height.max(self.width) as f64;
        let (width, height) = ((self.width as f64 * scale).max(60.0) + 14.0, self.height as f64 * scale + 34.0);
        ((24.0 + columns * width).max(320.0) as u32, (52.0 + rows * height) as u32)
    }
}

/// Sides of a picture, in points of the SVG.
const SIDES: std::ops::RangeInclusive<u32> = 120..=8000;

impl Figure {
    /// An empty picture of 640 × 440 points.
    pub fn new(title: impl Into<String>) -> Figure {
        Figure::of(title, Content::Axes(vec![]))
    }

    pub(super) fn of(title: impl Into<String>, content: Content) -> Figure {
        Figure {
            title: title.into(),
            x_label: String::new(),
            y_label: String::new(),
            value_label: String::new(),
            size: (640, 440),
            log_x: false,
            log_y: false,
            equal: false,
            notes: vec![],
            content,
            fault: None,
        }
    }

    /// What the axes show, with units: `"time / s"`.
    pub fn labels(mut self, x: impl Into<String>, y: impl Into<String>) -> Figure {
        (self.x_label, self.y_label) = (x.into(), y.into());
        self
    }

    /// What the values of a field are, with their unit: stands at the scale of a heat map and at the upright axis of a surface.
    pub fn value_label(mut self, label: impl Into<String>) -> Figure {
        self.value_label = label.into();
        self
    }

    fn layer(mut self, layer: Layer) -> Figure {
        match &mut self.content {
            Content::Axes(layers) => layers.push(layer),
            _ => self.refuse("only a figure over two axes takes lines, points, bars and fields".to_owned()),
        }
        self
    }

    pub(super) fn refuse(&mut self, message: String) {
        self.fault.get_or_insert(Error::Config { what: "figure", message: format!("`{}`: {message}", self.title) });
    }

    /// Points joined by a line.
    pub fn line(self, name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Figure {
        self.layer(Layer::Line(Series::new(name, points)))
    }

    /// Points, each with a mark.
    pub fn points(self, name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Figure {
        self.layer(Layer::Points(Series::new(name, points)))
    }

    /// The way of a descent: a line with a mark at every point, an open circle at the start and a diamond at the end.
    pub fn path(self, name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Figure {
        self.layer(Layer::Path(Series::new(name, points)))
    }

    /// A bar per category; several sets of bars stand side by side.
    pub fn bars(self, name: impl Into<String>, bars: impl IntoIterator<Item = (String, f64)>) -> Figure {
        self.layer(Layer::Bars { name: name.into(), bars: bars.into_iter().collect() })
    }

    /// Lines of equal value, with the values written on them.
    pub fn contour(self, field: &Field) -> Figure {
        self.layer(Layer::Contour(field.clone()))
    }

    /// A field as colours, dark for low, with a scale beside it.
    pub fn heat_map(self, field: &Field) -> Figure {
        self.layer(Layer::HeatMap(field.clone()))
    }

    /// A field of class numbers (0, 1, …) as coloured areas; `names[class]` stands in the legend.
    pub fn regions(self, field: &Field, names: &[&str]) -> Figure {
        let names = names.iter().map(|&name| name.to_owned()).collect();
        self.layer(Layer::Regions { field: field.clone(), names })
    }

    /// A logarithmic x axis: positive values only.
    pub fn log_x(mut self) -> Figure {
        self.log_x = true;
        self
    }

    /// A logarithmic y axis: positive values only.
    pub fn log_y(mut self) -> Figure {
        self.log_y = true;
        self
    }

    /// The same length for the same difference on both axes, for coordinates of a plane.
    pub fn equal_axes(mut self) -> Figure {
        self.equal = true;
        self
    }

    /// A line in small letters under the title.
    pub fn note(mut self, note: impl Into<String>) -> Figure {
        self.notes.push(note.into());
        self
    }

    /// Width and height in points of the SVG; a PNG has twice as many pixels each way. 120 to 8,000.
    pub fn size(mut self, width: u32, height: u32) -> Figure {
        self.size = (width, height);
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        let (width, height) = self.size;
        if !SIDES.contains(&width) || !SIDES.contains(&height) {
            return Err(self.wrong(format!("{width} × {height} points, expected {} to {} each", SIDES.start(), SIDES.end())));
        }
        Ok(())
    }

    pub(super) fn wrong(&self, message: String) -> Error {
        Error::Config { what: "figure", message: format!("`{}`: {message}", self.title) }
    }
}
