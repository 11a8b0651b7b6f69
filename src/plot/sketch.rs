//! A figure in characters, for terminals and logs: no colours, no escape codes; series differ by their marks.

use super::axis::{Axis, Tick, plain};
use super::field::Field;
use super::figure::{Content, Figure, Layer, Matrix, Pictures};
use super::frame::{Frame, Look};
use crate::error::{Error, Result};
use crate::escape::escaped;

const LEAST: (usize, usize) = (30, 8);
const MOST: usize = 2000;
/// From low to high.
const SHADES: [char; 6] = [' ', '·', '░', '▒', '▓', '█'];
/// Lines of a contour.
const LEVELS: usize = 8;
/// Classes of regions, lightly.
const CLASSES: [char; 6] = [' ', '·', ':', '-', '/', '='];

fn shown(text: &str) -> String {
    escaped(text).into_owned()
}

/// At most so many characters, with an ellipsis if some are missing.
fn cut(text: &str, most: usize) -> String {
    let text = shown(text);
    match text.chars().count() > most {
        true => text.chars().take(most.saturating_sub(1)).chain(['…']).take(most).collect(),
        false => text,
    }
}

pub(super) fn sketch(figure: &Figure, columns: usize, rows: usize) -> Result<String> {
    if columns < LEAST.0 || rows < LEAST.1 || columns.max(rows) > MOST {
        let expected = format!("at least {} and {}, and at most {MOST} of each", LEAST.0, LEAST.1);
        let message = format!("a sketch of {columns} columns and {rows} rows, expected {expected}");
        return Err(Error::Config { what: "figure", message });
    }
    let lines = match &figure.content {
        Content::Axes(layers) => axes(figure, layers, columns, rows)?,
        // From above.
        Content::Surface(field) => axes(figure, &[Layer::HeatMap(field.clone())], columns, rows)?,
        Content::Matrix(matrix) => table(figure, matrix, columns),
        Content::Pictures(pictures) => tiles(figure, pictures, columns),
    };
    let lines: Vec<String> = lines.into_iter().take(rows).map(|line| cut(line.trim_end(), columns)).collect();
    Ok(lines.join("\n"))
}

fn axes(figure: &Figure, layers: &[Layer], columns: usize, rows: usize) -> Result<Vec<String>> {
    let frame = Frame::of(figure, layers)?;
    let mut lines = vec![shown(&figure.title)];
    lines.extend(frame.notes.iter().map(|note| format!("({note})")));
    let heat = layers.iter().any(|l| matches!(l, Layer::HeatMap(_)));
    let key = key(layers, &frame, heat);
    if !key.is_empty() {
        lines.push(key.join("   "));
    }
    if !figure.y_label.is_empty() {
        lines.push(format!("{} ↑", shown(&figure.y_label)));
    }
    lines.truncate(rows.saturating_sub(6).max(1));
    // Below: the axis, its labels, what it shows.
    let below = 2 + usize::from(!figure.x_label.is_empty());
    let height = rows - lines.len() - below;
    let ticks = frame.y.ticks((height / 4).clamp(2, 6));
    let left = ticks.iter().map(|t| t.label.chars().count()).max().unwrap_or(0).min(columns / 3);
    let width = columns - left - 2;
    let mut sheet = Sheet { width, height, cells: vec![' '; width * height], frame: &frame };
    // Points over lines over areas: a character hides what is under it.
    let rank = |layer: &Layer| match layer {
        Layer::Contour(_) | Layer::HeatMap(_) | Layer::Regions { .. } => 0,
        Layer::Bars { .. } => 1,
        Layer::Line(_) => 2,
        Layer::Path(_) => 3,
        Layer::Points(_) => 4,
    };
    let mut order: Vec<_> = layers.iter().zip(&frame.looks).collect();
    order.sort_by_key(|(layer, _)| rank(layer));
    // Lines of equal value would be lost in the shades of a heat map.
    order.retain(|(layer, _)| !(heat && matches!(layer, Layer::Contour(_))));
    order.into_iter().for_each(|(layer, look)| sheet.layer(layer, look));
    for (i, line) in sheet.cells.chunks(width).enumerate() {
        let tick = ticks.iter().find(|t| cell(&frame.y, t.value, height) == Some(height - 1 - i));
        let label = tick.map_or(String::new(), |t| cut(&t.label, left));
        let line: String = line.iter().collect();
        lines.push(format!("{label:>left$} {}{line}", if tick.is_some() { '┤' } else { '│' }));
    }
    let (rule, labels) = foot(&frame, width, left + 2);
    lines.extend([format!("{:left$} └{rule}", ""), labels]);
    if !figure.x_label.is_empty() {
        let label = shown(&figure.x_label) + " →";
        lines.push(format!("{label:>columns$}"));
    }
    Ok(lines)
}

/// What the marks, shades and lines are.
fn key(layers: &[Layer], frame: &Frame, heat: bool) -> Vec<String> {
    let mut entries: Vec<String> = vec![];
    for (name, look) in &frame.legend {
        let class = layers.iter().find_map(|layer| match layer {
            Layer::Regions { names, .. } => names.iter().position(|n| n == name).map(|c| CLASSES[c % CLASSES.len()]),
            _ => None,
        });
        let mark: String = look.glyph.into_iter().chain(class.filter(|c| *c != ' ')).collect();
        entries.push(if mark.is_empty() { name.clone() } else { format!("{mark} {name}") });
    }
    for layer in layers {
        match layer {
            Layer::HeatMap(field) => {
                let (low, high) = field.range().unwrap_or((0.0, 1.0));
                let shades: String = SHADES.iter().collect();
                entries.push(format!("{} [{shades}] {}", plain(low), plain(high)));
            }
            Layer::Contour(field) if !heat => {
                let levels = field.levels(LEVELS);
                if let (Some(first), Some(last)) = (levels.first(), levels.last()) {
                    entries.push(format!("· {} lines, {} to {}", levels.len(), plain(*first), plain(*last)));
                }
            }
            _ => {}
        }
    }
    entries
}

/// The x axis and the labels of its ticks, as many as there is room for.
fn foot(frame: &Frame, width: usize, left: usize) -> (String, String) {
    let (mut rule, mut labels) = (vec!['─'; width], vec![' '; width + left]);
    let slot = if frame.categories.is_empty() { width } else { (width / frame.categories.len()).max(2) - 1 };
    let mut free = 0;
    for Tick { value, label } in frame.x_ticks((width / 12).clamp(2, 8)) {
        let Some(column) = cell(&frame.x, value, width) else { continue };
        rule[column] = '┬';
        let label = cut(&label, slot);
        let length = label.chars().count();
        let start = (column + left).saturating_sub(length / 2).min(labels.len().saturating_sub(length));
        if start >= free {
            label.chars().enumerate().for_each(|(i, c)| labels[start + i] = c);
            free = start + length + 1;
        }
    }
    (rule.into_iter().collect(), labels.into_iter().collect())
}

/// Which of `cells` a value lies in.
fn cell(axis: &Axis, value: f64, cells: usize) -> Option<usize> {
    let share = axis.at(value);
    (share.is_finite() && cells > 0).then(|| ((share * cells as f64).floor().max(0.0) as usize).min(cells - 1))
}

/// Characters in rows and columns, within a frame.
struct Sheet<'a> {
    width: usize,
    height: usize,
    cells: Vec<char>,
    frame: &'a Frame,
}

impl Sheet<'_> {
    /// A point in cells, from the top left.
    fn at(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (self.frame.x.at(x) * self.width as f64, (1.0 - self.frame.y.at(y)) * self.height as f64)
    }

    /// Writes into the cell of a place; one at the right or lower rim belongs to the last.
    fn put(&mut self, (x, y): (f64, f64), c: char) {
        let (column, row) = (x.min(self.width as f64 - 1.0).floor(), y.min(self.height as f64 - 1.0).floor());
        if column >= 0.0 && row >= 0.0 {
            self.cells[row as usize * self.width + column as usize] = c;
        }
    }

    fn layer(&mut self, layer: &Layer, look: &Look) {
        let glyph = look.glyph.unwrap_or(' ');
        match layer {
            Layer::Line(series) => series.chains().for_each(|chain| self.stroke(chain, glyph)),
            Layer::Path(series) => {
                series.chains().for_each(|chain| self.stroke(chain, glyph));
                for (end, mark) in [(series.finite().next(), 'S'), (series.finite().next_back(), 'E')] {
                    end.into_iter().for_each(|p| self.put(self.at(p), mark));
                }
            }
            Layer::Points(series) => series.finite().for_each(|p| self.put(self.at(p), glyph)),
            Layer::Bars { bars, .. } => self.bars(bars, look.set, glyph),
            Layer::Contour(field) => {
                for chain in field.levels(LEVELS).into_iter().flat_map(|level| field.contour(level)) {
                    self.stroke(&chain, '·');
                }
            }
            Layer::HeatMap(field) => {
                let (low, high) = field.range().unwrap_or((0.0, 1.0));
                let shade = |v: f64| ((v - low) / (high - low) * SHADES.len() as f64) as usize;
                self.fill(field, |v| SHADES[shade(v).min(SHADES.len() - 1)]);
            }
            Layer::Regions { field, .. } => self.fill(field, |v| CLASSES[v as usize % CLASSES.len()]),
        }
    }

    fn bars(&mut self, bars: &[(String, f64)], set: usize, glyph: char) {
        let (x, y) = (&self.frame.x, &self.frame.y);
        let share = 0.8 / self.frame.sets as f64;
        let wide = (share * self.width as f64 / (x.max - x.min)).floor().max(1.0) as usize;
        let zero = if y.log { y.min } else { y.min.max(0.0) };
        for (name, value) in bars.iter().filter(|(_, v)| v.is_finite()) {
            let place = self.frame.place(name);
            let (from, to) = (self.at((place - 0.4 + share * set as f64, zero)), self.at((place, *value)));
            let (top, bottom) = (from.1.min(to.1).round() as usize, from.1.max(to.1).round() as usize);
            let start = from.0.round() as usize;
            for row in top..bottom {
                (start..self.width.min(start + wide)).for_each(|column| self.put((column as f64, row as f64), glyph));
            }
        }
    }

    /// Steps along a chain, a mark in every cell it crosses.
    fn stroke(&mut self, chain: &[(f64, f64)], glyph: char) {
        self.put(self.at(chain[0]), glyph);
        for pair in chain.windows(2) {
            let (a, b) = (self.at(pair[0]), self.at(pair[1]));
            let steps = ((b.0 - a.0).abs().max((b.1 - a.1).abs()) * 2.0).ceil().clamp(1.0, 10_000.0) as usize;
            for i in 1..=steps {
                let t = i as f64 / steps as f64;
                self.put((a.0 + t * (b.0 - a.0), a.1 + t * (b.1 - a.1)), glyph);
            }
        }
    }

    /// The nearest value of a field in every cell that it covers.
    fn fill(&mut self, field: &Field, character: impl Fn(f64) -> char) {
        let nearest = |axis: &Axis, values: &[f64], cells: usize| -> Vec<Option<usize>> {
            let shares: Vec<f64> = values.iter().map(|v| axis.at(*v)).collect();
            let covered = shares[0]..=shares[shares.len() - 1];
            let far = |share: f64, i: usize| (shares[i] - share).abs();
            let nearest = |share: f64| (0..shares.len()).min_by(|&a, &b| far(share, a).total_cmp(&far(share, b)));
            let middles = (0..cells).map(|i| (i as f64 + 0.5) / cells as f64);
            middles.map(|middle| nearest(middle).filter(|_| covered.contains(&middle))).collect()
        };
        let columns = nearest(&self.frame.x, field.xs(), self.width);
        let rows = nearest(&self.frame.y, field.ys(), self.height);
        for (cells, row) in self.cells.chunks_mut(self.width).rev().zip(rows) {
            for (cell, column) in cells.iter_mut().zip(&columns) {
                if let (Some(row), Some(column)) = (row, *column) {
                    let value = field.at(column, row);
                    *cell = if value.is_finite() { character(value) } else { '?' };
                }
            }
        }
    }
}

fn table(figure: &Figure, matrix: &Matrix, columns: usize) -> Vec<String> {
    let labels = (shown(&figure.y_label), shown(&figure.x_label));
    let mut lines = vec![shown(&figure.title), format!("rows: {}, columns: {}", labels.0.trim_end_matches(" ↓"), labels.1)];
    let longest = matrix.names.iter().map(|n| n.chars().count()).max().unwrap_or(1);
    let widest = matrix.counts.iter().map(|c| c.to_string().len()).max().unwrap_or(1);
    let first = longest.min(columns / 3);
    let most = (columns - first) / matrix.names.len();
    let width = longest.max(widest).min(most.saturating_sub(1).max(widest));
    let mut line = |name: &str, cells: Vec<String>| {
        let cells: String = cells.iter().map(|cell| format!(" {cell:>width$}")).collect();
        lines.push(format!("{:>first$}{cells}", cut(name, first)));
    };
    // No more than is kept of it.
    line("", matrix.names.iter().take(columns).map(|n| cut(n, width)).collect());
    for (label, name) in matrix.names.iter().enumerate().take(MOST) {
        let count = |c: &u64| if *c == 0 { "·".to_owned() } else { c.to_string() };
        line(name, matrix.row(label).iter().take(columns).map(count).collect());
    }
    lines
}

fn tiles(figure: &Figure, pictures: &Pictures, columns: usize) -> Vec<String> {
    let mut lines = vec![shown(&figure.title)];
    let (height, width) = (pictures.height, pictures.width);
    // A character is about twice as high as wide.
    let step = width.div_ceil(14).max(1);
    let cell = (width / step).max(8) + 2;
    let side = (columns / cell).clamp(1, pictures.columns());
    let shade = |v: u8| SHADES[usize::from(v) * (SHADES.len() - 1) / 255];
    for (pixels, captions) in pictures.pixels.chunks(side * height * width).zip(pictures.captions.chunks(side)) {
        for row in (0..height).step_by(2 * step) {
            let line = |picture: &[u8]| -> String { (0..width / step).map(|c| shade(picture[row * width + c * step])).collect() };
            lines.push(pixels.chunks(height * width).map(|picture| format!("{:<cell$}", line(picture))).collect());
        }
        lines.push(captions.iter().map(|caption| format!("{:<cell$}", cut(caption, cell - 1))).collect());
    }
    lines
}
