//! The sheet that pictures are drawn on: lines, areas, marks and letters, handed to kuva as a scene.

use super::style::{Marker, Rgb, WHITE};
use kuva::render::color::Color;
use kuva::render::render::{PathData, Primitive, Scene, TextAnchor, TextSpan};
use std::fmt::Write as _;

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
}

/// Which end of a text lies at its place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// How a text looks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Letters {
    pub size: u32,
    pub colour: Rgb,
    pub bold: bool,
    pub anchor: Anchor,
}

/// What has been drawn so far, the lowest first.
#[derive(Default)]
pub(super) struct Canvas {
    elements: Vec<Primitive>,
}

fn colour((r, g, b): Rgb) -> Color {
    Color::Rgb(r, g, b)
}

/// What a renderer can show: no control characters, which are not allowed in SVG; and a dollar is a dollar, not the start of a formula.
fn clean(text: &str) -> String {
    let shown = text.chars().map(|c| if c.is_control() || matches!(c, '\u{FFFE}' | '\u{FFFF}') { ' ' } else { c });
    shown.collect::<String>().replace('$', "\\$")
}

impl Canvas {
    /// A text whose middle line lies at `y`.
    pub fn text(&mut self, text: &str, x: f64, y: f64, letters: Letters) {
        self.write(text, x, y + 0.35 * f64::from(letters.size), letters, None);
    }

    /// A text that runs upwards, its middle at this place.
    pub fn text_upwards(&mut self, text: &str, x: f64, y: f64, letters: Letters) {
        self.write(text, x + 0.35 * f64::from(letters.size), y, letters, Some(-90.0));
    }

    fn write(&mut self, text: &str, x: f64, y: f64, letters: Letters, rotate: Option<f64>) {
        if text.is_empty() {
            return;
        }
        let anchor = match letters.anchor {
            Anchor::Start => TextAnchor::Start,
            Anchor::Middle => TextAnchor::Middle,
            Anchor::End => TextAnchor::End,
        };
        if letters.bold && rotate.is_none() {
            // The PNG renderer knows bold letters in this form only; and here a dollar is no formula.
            let span = TextSpan { bold: true, ..TextSpan::plain(clean(text).replace("\\$", "$")) };
            let (size, color) = (letters.size, Some(colour(letters.colour)));
            return self.elements.push(Primitive::RichText { x, y, spans: vec![span], size, anchor, color });
        }
        self.elements.push(Primitive::Text {
            x,
            y,
            content: clean(text),
            size: letters.size,
            anchor,
            rotate,
            bold: letters.bold,
            color: Some(colour(letters.colour)),
        });
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
    pub fn rect(&mut self, area: Area, fill: Option<Rgb>, stroke: Option<(Rgb, f64)>) {
        self.elements.push(Primitive::Rect {
            x: area.x,
            y: area.y,
            width: area.width,
            height: area.height,
            fill: fill.map_or(Color::None, colour),
            stroke: stroke.map(|(c, _)| colour(c)),
            stroke_width: stroke.map(|(_, width)| width),
            opacity: None,
        });
    }

    /// Rectangles without frames.
    pub fn tiles(&mut self, tiles: impl IntoIterator<Item = (Area, Rgb)>) {
        let (mut x, mut y, mut w, mut h, mut fills) = (vec![], vec![], vec![], vec![], vec![]);
        for (area, fill) in tiles {
            x.push(area.x);
            y.push(area.y);
            w.push(area.width);
            h.push(area.height);
            fills.push(colour(fill));
        }
        self.elements.push(Primitive::RectBatch { x, y, w, h, fills });
    }

    /// A mark around a point, filled, with a thin white edge that parts it from its neighbours.
    pub fn marker(&mut self, marker: Marker, (x, y): (f64, f64), radius: f64, fill: Rgb) {
        self.edged_marker(marker, (x, y), radius, fill, WHITE);
    }

    /// [`Canvas::marker`] with an edge of another colour.
    pub fn edged_marker(&mut self, marker: Marker, (x, y): (f64, f64), radius: f64, fill: Rgb, edge: Rgb) {
        let r = radius;
        let corners: &[(f64, f64)] = match marker {
            Marker::Circle => {
                return self.elements.push(Primitive::Circle {
                    cx: x,
                    cy: y,
                    r,
                    fill: colour(fill),
                    fill_opacity: None,
                    stroke: Some(colour(edge)),
                    stroke_width: Some(0.8),
                });
            }
            Marker::Cross => &[
                (-0.4, 0.0),
                (-1.0, -0.6),
                (-0.6, -1.0),
                (0.0, -0.4),
                (0.6, -1.0),
                (1.0, -0.6),
                (0.4, 0.0),
                (1.0, 0.6),
                (0.6, 1.0),
                (0.0, 0.4),
                (-0.6, 1.0),
                (-1.0, 0.6),
            ],
            Marker::Plus => &[
                (-0.32, -0.32),
                (-0.32, -1.15),
                (0.32, -1.15),
                (0.32, -0.32),
                (1.15, -0.32),
                (1.15, 0.32),
                (0.32, 0.32),
                (0.32, 1.15),
                (-0.32, 1.15),
                (-0.32, 0.32),
                (-1.15, 0.32),
                (-1.15, -0.32),
            ],
            Marker::Square => &[(-0.88, -0.88), (0.88, -0.88), (0.88, 0.88), (-0.88, 0.88)],
            Marker::Triangle => &[(0.0, -1.25), (1.1, 0.75), (-1.1, 0.75)],
            Marker::Down => &[(0.0, 1.25), (1.1, -0.75), (-1.1, -0.75)],
            Marker::Diamond => &[(0.0, -1.3), (1.05, 0.0), (0.0, 1.3), (-1.05, 0.0)],
        };
        let corners: Vec<(f64, f64)> = corners.iter().map(|(dx, dy)| (x + dx * r, y + dy * r)).collect();
        self.polygon(&corners, fill, Some((edge, 0.8)));
    }

    /// A filled area.
    pub fn polygon(&mut self, corners: &[(f64, f64)], fill: Rgb, stroke: Option<(Rgb, f64)>) {
        self.draw(way(corners) + "Z", Some(fill), stroke);
    }

    fn draw(&mut self, d: String, fill: Option<Rgb>, stroke: Option<(Rgb, f64)>) {
        self.elements.push(Primitive::Path(Box::new(PathData {
            d,
            fill: fill.map(colour),
            stroke: stroke.map_or(Color::None, |(c, _)| colour(c)),
            stroke_width: stroke.map_or(0.0, |(_, width)| width),
            opacity: None,
            stroke_dasharray: None,
        })));
    }

    /// All that was drawn, on white.
    pub fn into_scene(self, width: f64, height: f64) -> Scene {
        let mut scene = Scene::new(width, height);
        scene.font_family = Some("DejaVu Sans, Verdana, Helvetica, Arial, sans-serif".to_owned());
        scene.elements = self.elements;
        scene
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
        loop {
            let length = (to.0 - from.0).hypot(to.1 - from.1);
            if length <= left {
                left -= length;
                if at % 2 == 0 {
                    piece.push(to);
                }
                break;
            }
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
        }
    }
    pieces.push(piece);
    pieces
}
