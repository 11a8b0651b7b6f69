//! From a drawn sheet to a file: SVG and PNG; several figures on one sheet.

use super::canvas::{Anchor, Area, Canvas, Letters};
use super::figure::Figure;
use super::style::{INK, shortened};
use crate::error::{Error, Result};
use crate::files::write_whole;
use kuva::RasterBackend;
use kuva::backend::svg::SvgBackend;
use std::path::Path;

/// Pixels of a PNG per point of the SVG, each way.
const PIXELS: f32 = 2.0;

pub(super) fn svg(canvas: Canvas, (width, height): (u32, u32)) -> String {
    SvgBackend::new().with_pretty(true).render_scene(&canvas.into_scene(width.into(), height.into()))
}

pub(super) fn png(canvas: Canvas, (width, height): (u32, u32)) -> Result<Vec<u8>> {
    let scene = canvas.into_scene(width.into(), height.into());
    let drawn = RasterBackend::new().with_scale(PIXELS).render_scene(&scene);
    drawn.map_err(|message| Error::Config { what: "figure", message: format!("it cannot be drawn as PNG: {message}") })
}

pub(super) fn save(path: &Path, svg: impl FnOnce() -> Result<String>, png: impl FnOnce() -> Result<Vec<u8>>) -> Result<()> {
    let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    let bytes = match ending.as_deref() {
        Some("svg") => svg()?.into_bytes(),
        Some("png") => png()?,
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

const TITLE: f64 = 34.0;

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

    fn sheet(&self) -> Result<(Canvas, (u32, u32))> {
        let wrong = |message: String| Err(Error::Config { what: "panels", message });
        if self.figures.is_empty() || self.columns == 0 {
            return wrong(format!("{} figures in {} columns, expected at least one of each", self.figures.len(), self.columns));
        }
        let columns = self.columns.min(self.figures.len());
        let widths: Vec<u32> =
            (0..columns).map(|c| self.figures.iter().skip(c).step_by(columns).map(|f| f.size.0).max().unwrap_or(0)).collect();
        let heights: Vec<u32> = self.figures.chunks(columns).map(|row| row.iter().map(|f| f.size.1).max().unwrap_or(0)).collect();
        let top = if self.title.is_empty() { 0.0 } else { TITLE };
        let (width, height) =
            (widths.iter().map(|w| f64::from(*w)).sum::<f64>(), heights.iter().map(|h| f64::from(*h)).sum::<f64>() + top);
        if width > 16_000.0 || height > 16_000.0 {
            return wrong(format!("{width} × {height} points, expected at most 16000 each: use smaller or fewer figures"));
        }
        let mut canvas = Canvas::default();
        if !self.title.is_empty() {
            let letters = Letters { size: 17, colour: INK, bold: true, anchor: Anchor::Middle };
            canvas.text(&shortened(&self.title, 18.0, width - 20.0), width / 2.0, 22.0, letters);
        }
        for (i, figure) in self.figures.iter().enumerate() {
            let (row, column) = (i / columns, i % columns);
            let area = Area {
                x: widths[..column].iter().map(|w| f64::from(*w)).sum(),
                y: heights[..row].iter().map(|h| f64::from(*h)).sum::<f64>() + top,
                width: widths[column].into(),
                height: heights[row].into(),
            };
            figure.draw(&mut canvas, area)?;
        }
        Ok((canvas, (width as u32, height as u32)))
    }

    /// As [`Figure::save`].
    ///
    /// # Errors
    /// As [`Figure::save`]; no figures, or no columns.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        save(path.as_ref(), || self.to_svg(), || self.to_png())
    }

    /// As [`Figure::to_svg`].
    ///
    /// # Errors
    /// As [`Figure::to_svg`]; no figures, or no columns.
    pub fn to_svg(&self) -> Result<String> {
        let (canvas, size) = self.sheet()?;
        Ok(svg(canvas, size))
    }

    /// As [`Figure::to_png`].
    ///
    /// # Errors
    /// As [`Figure::to_png`]; no figures, or no columns.
    pub fn to_png(&self) -> Result<Vec<u8>> {
        let (canvas, size) = self.sheet()?;
        png(canvas, size)
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
