//! `Figure`: one picture as a value, and what goes into it.

use super::canvas::Canvas;
use super::field::Field;
use super::grid::{Matrix, Pictures};
use super::{chart, grid, output, sketch, surface};
use crate::error::{Error, Result};
use std::path::Path;

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

impl Series {
    fn new(name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Series {
        Series { name: name.into(), points: points.into_iter().collect() }
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

    /// The way of a descent: a line with a mark at every point, an open circle at the start and a star-like diamond at the end.
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

    /// Writes an `.svg` or a `.png`, by the path's ending; makes the folder if need be. The file is there whole or not at all.
    ///
    /// # Errors
    /// [`Error::Config`]: what cannot be drawn. [`Error::File`]: another ending, a place that cannot be written to.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        output::save(path.as_ref(), || self.to_svg(), || self.to_png())
    }

    /// The picture as SVG text.
    ///
    /// # Errors
    /// [`Error::Config`]: what cannot be drawn.
    pub fn to_svg(&self) -> Result<String> {
        Ok(output::svg(self.canvas()?, self.size))
    }

    /// The picture as a PNG file, with two pixels per point of the SVG each way.
    ///
    /// # Errors
    /// [`Error::Config`]: what cannot be drawn.
    pub fn to_png(&self) -> Result<Vec<u8>> {
        output::png(self.canvas()?, self.size)
    }

    /// A sketch for a terminal, in plain characters: at most `rows` lines of at most `columns`. Series are told apart by their marks.
    ///
    /// # Errors
    /// [`Error::Config`]: what cannot be drawn; fewer than 30 columns or 8 rows.
    pub fn sketch(&self, columns: usize, rows: usize) -> Result<String> {
        self.check()?;
        sketch::sketch(self, columns, rows)
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

    fn canvas(&self) -> Result<Canvas> {
        let mut canvas = Canvas::default();
        let (width, height) = self.size;
        self.draw(&mut canvas, super::canvas::Area { x: 0.0, y: 0.0, width: width.into(), height: height.into() })?;
        Ok(canvas)
    }

    /// Draws into a part of a sheet.
    pub(super) fn draw(&self, canvas: &mut Canvas, area: super::canvas::Area) -> Result<()> {
        self.check()?;
        match &self.content {
            Content::Axes(layers) => chart::draw(self, layers, canvas, area),
            Content::Surface(field) => surface::draw(self, field, canvas, area),
            Content::Matrix(matrix) => grid::matrix(self, matrix, canvas, area),
            Content::Pictures(pictures) => grid::pictures(self, pictures, canvas, area),
        }
    }
}
