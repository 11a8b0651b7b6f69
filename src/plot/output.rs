//! From figures to files: SVG, PNG and sketches; several figures on one sheet.

use super::canvas::{Anchor, Area, Canvas, Letters};
use super::figure::{Content, Figure};
use super::style::INK;
use super::{chart, grid, sketch, surface};
use crate::error::{Error, Result};
use crate::files::write_whole;
use std::path::Path;

fn save(path: &Path, canvas: impl FnOnce() -> Result<Canvas>) -> Result<()> {
    let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    let bytes = match ending.as_deref() {
        Some("svg") => canvas()?.svg().into_bytes(),
        Some("png") => canvas()?.png()?,
        other => {
            let found = other.map_or("has no ending".to_owned(), |ending| format!("ends in `.{ending}`"));
            return Err(Error::file(path, format!("a figure's file {found}, expected `.svg` or `.png`")));
        }
    };
    if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|e| Error::file(folder, format!("the folder cannot be made: {e}")))?;
    }
    write_whole(path, &bytes)
}

impl Figure {
    /// Writes an `.svg` or a `.png`, by the path's ending; makes the folder if need be. The file is there whole or not at all.
    ///
    /// # Errors
    /// [`Error::Config`]: what cannot be drawn. [`Error::File`]: another ending, a place that cannot be written to.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        save(path.as_ref(), || self.canvas())
    }

    /// The picture as SVG text.
    ///
    /// # Errors
    /// [`Error::Config`]: what cannot be drawn.
    pub fn to_svg(&self) -> Result<String> {
        Ok(self.canvas()?.svg())
    }

    /// The picture as a PNG file, with two pixels per point of the SVG each way.
    ///
    /// # Errors
    /// [`Error::Config`]: what cannot be drawn.
    pub fn to_png(&self) -> Result<Vec<u8>> {
        self.canvas()?.png()
    }

    /// A sketch for a terminal, in plain characters: at most `rows` lines of at most `columns`. Series are told apart by their marks.
    ///
    /// # Errors
    /// [`Error::Config`]: what cannot be drawn; fewer than 30 columns or 8 rows.
    pub fn sketch(&self, columns: usize, rows: usize) -> Result<String> {
        self.check()?;
        sketch::sketch(self, columns, rows)
    }

    fn canvas(&self) -> Result<Canvas> {
        let mut canvas = Canvas::new(self.size.0, self.size.1);
        let area = canvas.area();
        self.draw(&mut canvas, area)?;
        Ok(canvas)
    }

    /// Draws into a part of a sheet.
    fn draw(&self, canvas: &mut Canvas, area: Area) -> Result<()> {
        self.check()?;
        match &self.content {
            Content::Axes(layers) => chart::draw(self, layers, canvas, area),
            Content::Surface(field) => surface::draw(self, field, canvas, area),
            Content::Matrix(matrix) => grid::matrix(self, matrix, canvas, area),
            Content::Pictures(pictures) => grid::pictures(self, pictures, canvas, area),
        }
    }
}

/// Several figures on one sheet, row after row.
///
/// ```
/// use steepest::plot::{Figure, Panels};
/// let wave = |f: f64| (0..=100).map(move |i| (0.1 * f64::from(i), (f * 0.1 * f64::from(i)).sin()));
/// let slow = Figure::new("slow").line("", wave(1.0));
/// let fast = Figure::new("fast").line("", wave(2.0));
/// let sheet = Panels::new(2, [slow, fast]);
/// assert!(sheet.to_svg()?.contains("fast"));
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Panels {
    title: String,
    columns: usize,
    figures: Vec<Figure>,
}

/// How high the title over all figures is.
const TITLE: u32 = 34;
/// Sides of a sheet, in points of the SVG.
const MOST: u32 = 16_000;

impl Panels {
    /// Figures in so many columns. A column is as wide as its widest figure, a row as high as its highest.
    pub fn new(columns: usize, figures: impl IntoIterator<Item = Figure>) -> Panels {
        Panels { title: String::new(), columns, figures: figures.into_iter().collect() }
    }

    /// A title over all of them.
    pub fn title(mut self, title: impl Into<String>) -> Panels {
        self.title = title.into();
        self
    }

    /// The figures, row after row.
    pub fn figures(&self) -> &[Figure] {
        &self.figures
    }

    fn canvas(&self) -> Result<Canvas> {
        let wrong = |message: String| Err(Error::Config { what: "panels", message });
        if self.figures.is_empty() || self.columns == 0 {
            return wrong(format!("{} figures in {} columns, expected at least one of each", self.figures.len(), self.columns));
        }
        let columns = self.columns.min(self.figures.len());
        let (mut widths, mut heights) = (vec![0; columns], vec![0; self.figures.len().div_ceil(columns)]);
        for (i, figure) in self.figures.iter().enumerate() {
            let (width, height) = (&mut widths[i % columns], &mut heights[i / columns]);
            (*width, *height) = (figure.size.0.max(*width), figure.size.1.max(*height));
        }
        let top = if self.title.is_empty() { 0 } else { TITLE };
        let sum = |sides: &[u32]| sides.iter().fold(0, |sum: u32, side| sum.saturating_add(*side));
        let (width, height) = (sum(&widths), sum(&heights).saturating_add(top));
        if width > MOST || height > MOST {
            return wrong(format!("{width} × {height} points, expected at most {MOST} each: use smaller or fewer figures"));
        }
        let mut canvas = Canvas::new(width, height);
        if !self.title.is_empty() {
            let letters = Letters { bold: true, ..Letters::of(17, INK, Anchor::Middle) };
            let middle = f64::from(width) / 2.0;
            canvas.text(&self.title, middle, 22.0, letters.within(2.0 * middle - 20.0));
        }
        for (i, figure) in self.figures.iter().enumerate() {
            let (row, column) = (i / columns, i % columns);
            let (x, y) = (sum(&widths[..column]).into(), (top + sum(&heights[..row])).into());
            figure.draw(&mut canvas, Area { x, y, width: widths[column].into(), height: heights[row].into() })?;
        }
        Ok(canvas)
    }

    /// As [`Figure::save`], with its errors; and no figures or no columns is one.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        save(path.as_ref(), || self.canvas())
    }

    /// As [`Figure::to_svg`], with the errors of [`Panels::save`].
    pub fn to_svg(&self) -> Result<String> {
        Ok(self.canvas()?.svg())
    }

    /// As [`Figure::to_png`], with the errors of [`Panels::save`].
    pub fn to_png(&self) -> Result<Vec<u8>> {
        self.canvas()?.png()
    }

    /// The figures' sketches, one below the other, each of at most so many columns and rows.
    ///
    /// # Errors
    /// As [`Figure::sketch`].
    pub fn sketch(&self, columns: usize, rows: usize) -> Result<String> {
        let sketches: Result<Vec<String>> = self.figures.iter().map(|figure| figure.sketch(columns, rows)).collect();
        Ok(sketches?.join("\n\n"))
    }
}
