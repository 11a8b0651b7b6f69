//! The sheet that pictures are drawn on: lines, areas, marks and letters, which kuva writes as SVG or PNG.

use super::style::{self, Mark, Rgb};
use crate::error::{Error, Result};
use crate::escape::escaped;
use crate::memory;
use kuva::RasterBackend;
use kuva::backend::svg::SvgBackend;
use kuva::render::color::Color;
pub(super) use kuva::render::render::TextAnchor as Anchor;
use kuva::render::render::{PathData, Primitive, Scene, TextSpan};
use std::fmt::Write as _;

/// Pixels of a PNG per point of the SVG, each way.
const PIXELS: f32 = 2.0;
/// Around all that is drawn.
pub(super) const MARGIN: f64 = 12.0;

/// A part of the sheet, in points of the SVG; y grows downwards.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Area {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

impl Area {
    pub fn right(self) -> f64 {
        self.x + self.width
    }

    pub fn bottom(self) -> f64 {
        self.y + self.height
    }

    pub fn middle(self) -> (f64, f64) {
        (self.x + self.width / 2.0, self.y + self.height / 2.0)
    }
}

/// How a text looks, which end of it lies at its place, and how wide it may be: longer ones end in an ellipsis.
#[derive(Clone, Copy, Debug)]
pub(super) struct Letters {
    pub size: u32,
    pub colour: Rgb,
    pub anchor: Anchor,
    pub bold: bool,
    pub upwards: bool,
    pub most: f64,
}

impl Letters {
    pub fn of(size: u32, colour: Rgb, anchor: Anchor) -> Letters {
        Letters { size, colour, anchor, bold: false, upwards: false, most: f64::INFINITY }
    }

    pub fn within(self, most: f64) -> Letters {
        Letters { most, ..self }
    }
}

/// A sheet and what has been drawn on it so far, the lowest first.
pub(super) struct Canvas {
    scene: Scene,
}

fn colour((r, g, b): Rgb) -> Color {
    Color::Rgb(r, g, b)
}

/// What a renderer can show: control characters are not allowed in SVG, and are written out.
fn clean(text: &str) -> String {
    escaped(text).replace(['\u{FFFE}', '\u{FFFF}'], " ")
}

impl Canvas {
    /// A white sheet.
    pub fn new(width: u32, height: u32) -> Canvas {
        let mut scene = Scene::new(width.into(), height.into());
        scene.font_family = Some("DejaVu Sans, Verdana, Helvetica, Arial, sans-serif".to_owned());
        Canvas { scene }
    }

    /// All of it.
    pub fn area(&self) -> Area {
        Area { x: 0.0, y: 0.0, width: self.scene.width, height: self.scene.height }
    }

    /// The sheet as SVG text.
    pub fn svg(&self) -> String {
        SvgBackend::new().with_pretty(true).render_scene(&self.scene)
    }

    /// The sheet as a PNG file.
    pub fn png(&self) -> Result<Vec<u8>> {
        // Four bytes a pixel, and as many again where they are packed.
        let pixels = (f64::from(PIXELS).powi(2) * self.scene.width * self.scene.height) as usize;
        memory::room::<u8>("the pixels of a figure", pixels.saturating_mul(8)).map_err(Error::NoRoom)?;
        let drawn = RasterBackend::new().with_scale(PIXELS).render_scene(&self.scene);
        drawn.map_err(|message| Error::Config { what: "figure", message: format!("it cannot be drawn as PNG: {message}") })
    }

    /// Title and notes at the top of an area; gives back where what is below them starts.
    pub fn heading(&mut self, title: &str, notes: &[String], area: Area) -> (f64, f64) {
        let (x, mut y) = (area.x + MARGIN + 2.0, area.y + MARGIN);
        let most = area.right() - x - MARGIN;
        let bold = Letters { bold: true, ..Letters::of(style::TITLE, style::INK, Anchor::Start) };
        for line in style::wrapped(title, f64::from(style::TITLE) * style::BOLD, most) {
            self.text(&line, x, y + 8.0, bold);
            y += 20.0;
        }
        for note in notes.iter().flat_map(|note| style::wrapped(note, style::NOTE.into(), most)) {
            self.text(&note, x, y + 7.0, Letters::of(style::NOTE, style::QUIET, Anchor::Start));
            y += 16.0;
        }
        (x, y)
    }

    /// What the upright axis and the colours show stands over them, where it can be read without turning the head; gives back its height.
    pub fn labels(&mut self, [left, right]: [&str; 2], (start, top): (f64, f64), end: f64) -> f64 {
        let half = if left.is_empty() || right.is_empty() { 1.0 } else { 0.5 };
        for (label, x, anchor) in [(left, start, Anchor::Start), (right, end, Anchor::End)] {
            let letters = Letters::of(style::LABEL, style::INK, anchor);
            self.text(label, x, top + 7.0, letters.within((end - start) * half - 6.0));
        }
        if left.is_empty() && right.is_empty() { 0.0 } else { 24.0 }
    }

    /// A text whose middle line lies at `y`, or at `x` if it runs upwards.
    pub fn text(&mut self, text: &str, x: f64, y: f64, letters: Letters) {
        let Letters { size, anchor, bold, upwards, most, .. } = letters;
        let text = clean(&style::shortened(text, f64::from(size) * if bold { style::BOLD } else { 1.0 }, most));
        let drop = 0.35 * f64::from(size);
        let (x, y, rotate) = if upwards { (x + drop, y, Some(-90.0)) } else { (x, y + drop, None) };
        let color = Some(colour(letters.colour));
        if bold && !text.is_empty() {
            // The PNG renderer knows bold letters in this form only.
            let spans = vec![TextSpan { bold, ..TextSpan::plain(text) }];
            self.scene.add(Primitive::RichText { x, y, spans, size, anchor, color });
        } else if !text.is_empty() {
            // A dollar is a dollar, not the start of a formula.
            let content = text.replace('$', "\\$");
            self.scene.add(Primitive::Text { x, y, content, size, anchor, rotate, bold, color });
        }
    }

    /// A chain of straight lines. Dashes are cut here, over the whole chain: renderers would start them anew at every point.
    pub fn line(&mut self, points: &[(f64, f64)], stroke: Rgb, width: f64, dash: &[f64]) {
        let pieces = if dash.is_empty() { vec![points.to_vec()] } else { dashed(points, dash) };
        // One element for all dashes: a file of hundreds of them would be twice as large.
        let d: String = pieces.iter().filter(|p| p.len() > 1).map(|piece| way(piece)).collect();
        if !d.is_empty() {
            self.draw(d, None, Some((stroke, width)));
        }
    }

    /// A rectangle, filled or framed.
    pub fn rect(&mut self, Area { x, y, width, height }: Area, fill: Option<Rgb>, stroke: Option<(Rgb, f64)>) {
        let fill = fill.map_or(Color::None, colour);
        let (stroke, stroke_width) = stroke.map(|(c, width)| (colour(c), width)).unzip();
        self.scene.add(Primitive::Rect { x, y, width, height, fill, stroke, stroke_width, opacity: None });
    }

    /// Rectangles between neighbouring edges, each as wide as its colour reaches. The rows lie in the order of `ys`, up or down.
    pub fn tiles(&mut self, xs: &[f64], ys: &[f64], tile: impl Fn(usize, usize) -> Rgb) {
        let (mut x, mut y, mut w, mut h, mut fills) = (vec![], vec![], vec![], vec![], vec![]);
        let columns: Vec<usize> = (1..xs.len()).collect();
        // Half a point of overlap towards what is drawn later hides the seams.
        let over = |next: usize, edges: &[f64]| if next + 1 < edges.len() { 0.5 } else { 0.0 };
        for (row, edge) in ys.windows(2).enumerate() {
            for run in columns.chunk_by(|a, b| tile(a - 1, row) == tile(b - 1, row)) {
                let (start, end) = (run[0] - 1, run[run.len() - 1]);
                let lift = over(row + 1, ys);
                x.push(xs[start]);
                y.push(if edge[1] < edge[0] { edge[1] - lift } else { edge[0] });
                w.push(xs[end] - xs[start] + over(end, xs));
                h.push((edge[1] - edge[0]).abs() + lift);
                fills.push(colour(tile(start, row)));
            }
        }
        self.scene.add(Primitive::RectBatch { x, y, w, h, fills });
    }

    /// A mark around a point, filled, with a thin edge: a white one parts it from its neighbours.
    pub fn mark(&mut self, mark: Mark, (cx, cy): (f64, f64), r: f64, fill: Rgb, edge: Rgb) {
        if mark.corners.is_empty() {
            let (fill, stroke) = (colour(fill), Some(colour(edge)));
            return self.scene.add(Primitive::Circle { cx, cy, r, fill, fill_opacity: None, stroke, stroke_width: Some(0.8) });
        }
        let turned = |(x, y): (f64, f64), turn: usize| [(x, y), (-y, x), (-x, -y), (y, -x)][turn % 4];
        let corners = (0..mark.turns).flat_map(|turn| mark.corners.iter().map(move |corner| turned(*corner, turn)));
        let corners: Vec<(f64, f64)> = corners.map(|(dx, dy)| (cx + dx * r, cy + dy * r)).collect();
        self.polygon(&corners, fill, (edge, 0.8));
    }

    /// A filled area with an edge.
    pub fn polygon(&mut self, corners: &[(f64, f64)], fill: Rgb, edge: (Rgb, f64)) {
        self.draw(way(corners) + "Z", Some(fill), Some(edge));
    }

    fn draw(&mut self, d: String, fill: Option<Rgb>, stroke: Option<(Rgb, f64)>) {
        let (stroke, stroke_width) = stroke.map_or((Color::None, 0.0), |(c, width)| (colour(c), width));
        let path = PathData { d, fill: fill.map(colour), stroke, stroke_width, opacity: None, stroke_dasharray: None };
        self.scene.add(Primitive::Path(Box::new(path)));
    }
}

/// A chain of points as SVG says it, to a hundredth of a point: `M1.5 2L3 4.25`.
fn way(points: &[(f64, f64)]) -> String {
    let mut d = String::new();
    for (i, (x, y)) in points.iter().enumerate() {
        let (x, y) = ((x * 100.0).round() / 100.0, (y * 100.0).round() / 100.0);
        // Writing to a text cannot fail.
        let _ = write!(d, "{}{x} {y}", if i == 0 { 'M' } else { 'L' });
    }
    d
}

/// The drawn pieces of a dashed chain.
fn dashed(points: &[(f64, f64)], dash: &[f64]) -> Vec<Vec<(f64, f64)>> {
    let mut pieces = vec![];
    let (mut at, mut left) = (0, dash[0]);
    let mut piece: Vec<(f64, f64)> = points.first().copied().into_iter().collect();
    for pair in points.windows(2) {
        let (mut from, to) = (pair[0], pair[1]);
        let mut length = (to.0 - from.0).hypot(to.1 - from.1);
        while length > left {
            let t = left / length;
            from = (from.0 + t * (to.0 - from.0), from.1 + t * (to.1 - from.1));
            if at % 2 == 0 {
                piece.push(from);
                pieces.push(std::mem::take(&mut piece));
            } else {
                piece = vec![from];
            }
            at = (at + 1) % dash.len();
            left = dash[at];
            length = (to.0 - from.0).hypot(to.1 - from.1);
        }
        left -= length;
        if at % 2 == 0 {
            piece.push(to);
        }
    }
    pieces.push(piece);
    pieces
}
