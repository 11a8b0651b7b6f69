//! A figure in characters, for terminals and logs: no colours, no escape codes; series differ by their marks.

use super::axis::{Axis, plain};
use super::chart::chains;
use super::field::Field;
use super::figure::{Content, Figure, Layer};
use super::frame::{Frame, Look, finite};
use super::grid::{self, Matrix, Pictures};
use crate::error::{Error, Result};

const LEAST: (usize, usize) = (30, 8);
/// From low to high.
const SHADES: [char; 6] = [' ', '·', '░', '▒', '▓', '█'];
/// Lines of a contour.
const LEVELS: usize = 8;
/// Classes of regions, lightly.
const CLASSES: [char; 6] = [' ', '·', ':', '-', '/', '='];

/// Characters in rows and columns.
struct Sheet {
    columns: usize,
    cells: Vec<char>,
}

impl Sheet {
    fn new(columns: usize, rows: usize) -> Sheet {
        Sheet { columns, cells: vec![' '; columns * rows] }
    }

    fn put(&mut self, column: isize, row: isize, c: char) {
        let rows = (self.cells.len() / self.columns.max(1)) as isize;
        if (0..self.columns as isize).contains(&column) && (0..rows).contains(&row) {
            self.cells[row as usize * self.columns + column as usize] = c;
        }
    }

    fn lines(&self) -> impl Iterator<Item = String> {
        self.cells.chunks(self.columns).map(|line| line.iter().collect())
    }
}

fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
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
    if columns < LEAST.0 || rows < LEAST.1 {
        let message = format!("a sketch of {columns} columns and {rows} rows, expected at least {} and {}", LEAST.0, LEAST.1);
        return Err(Error::Config { what: "figure", message });
    }
    let lines = match &figure.content {
        Content::Axes(layers) => axes(figure, layers, columns, rows)?,
        Content::Surface(field) => {
            let flat = Figure { content: Content::Axes(vec![Layer::HeatMap(field.clone())]), ..figure.clone() };
            return sketch(&flat, columns, rows);
        }
        Content::Matrix(matrix) => table(figure, matrix, columns),
        Content::Pictures(pictures) => tiles(figure, pictures, columns),
    };
    let mut lines: Vec<String> = lines.into_iter().map(|line| cut(line.trim_end(), columns)).collect();
    lines.truncate(rows);
    Ok(lines.join("\n"))
}

fn axes(figure: &Figure, layers: &[Layer], columns: usize, rows: usize) -> Result<Vec<String>> {
    let frame = Frame::of(figure, layers)?;
    let mut head = vec![shown(&figure.title)];
    head.extend(frame.notes.iter().map(|note| format!("({note})")));
    let mut entries: Vec<String> = vec![];
    for entry in &frame.legend {
        let class = layers.iter().zip(&frame.looks).find_map(|(l, _)| match l {
            Layer::Regions { names, .. } => names.iter().position(|n| *n == entry.name).map(|c| CLASSES[c % CLASSES.len()]),
            _ => None,
        });
        let mark: String = entry.glyph.into_iter().chain(class.filter(|c| *c != ' ')).collect();
        entries.push(if mark.is_empty() { entry.name.clone() } else { format!("{mark} {}", entry.name) });
    }
    let heat = layers.iter().any(|l| matches!(l, Layer::HeatMap(_)));
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
    if !entries.is_empty() {
        head.push(entries.join("   "));
    }
    if !figure.y_label.is_empty() {
        head.push(format!("{} ↑", shown(&figure.y_label)));
    }
    head.truncate(rows.saturating_sub(6).max(1));
    // Below: the axis, its labels, what it shows.
    let below = 2 + usize::from(!figure.x_label.is_empty());
    let height = rows - head.len() - below;
    let ticks: Vec<_> = frame.y.ticks((height / 4).clamp(2, 6)).into_iter().filter(|t| inside(&frame.y, t.value)).collect();
    let left = ticks.iter().map(|t| t.label.chars().count()).max().unwrap_or(0).min(columns / 3);
    let width = columns - left - 2;
    let mut sheet = Sheet::new(width, height);
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
    for (layer, set) in order {
        // Lines of equal value would be lost in the shades of a heat map.
        if !(matches!(layer, Layer::Contour(_)) && heat) {
            layer_on(&mut sheet, (width, height), &frame, layer, set);
        }
    }
    let row = |value: f64| place(&frame.y, value, height).map(|p| height - 1 - p);
    let mut lines = head;
    for (i, line) in sheet.lines().enumerate() {
        let tick = ticks.iter().find(|t| row(t.value) == Some(i));
        let label = tick.map_or(String::new(), |t| cut(&t.label, left));
        lines.push(format!("{label:>left$} {}{line}", if tick.is_some() { '┤' } else { '│' }));
    }
    let mut rule: Vec<char> = vec!['─'; width];
    let mut labels: Vec<char> = vec![' '; width + left + 2];
    let x_ticks: Vec<(f64, String)> = match frame.categories.is_empty() {
        true => frame.x.ticks((width / 12).clamp(2, 8)).into_iter().map(|t| (t.value, t.label)).collect(),
        false => frame.categories.iter().enumerate().map(|(i, c)| (i as f64, shown(c))).collect(),
    };
    let slot = if frame.categories.is_empty() { width } else { (width / frame.categories.len()).max(2) - 1 };
    let mut free = 0;
    for (value, label) in x_ticks {
        let Some(column) = place(&frame.x, value, width).filter(|_| inside(&frame.x, value)) else { continue };
        rule[column] = '┬';
        let label = cut(&label, slot);
        let length = label.chars().count();
        let start = (column + left + 2).saturating_sub(length / 2).min(labels.len().saturating_sub(length));
        if start >= free {
            label.chars().enumerate().for_each(|(i, c)| labels[start + i] = c);
            free = start + length + 1;
        }
    }
    lines.push(format!("{:left$} └{}", "", rule.into_iter().collect::<String>()));
    lines.push(labels.into_iter().collect());
    if !figure.x_label.is_empty() {
        let label = shown(&figure.x_label) + " →";
        lines.push(format!("{label:>columns$}"));
    }
    Ok(lines)
}

fn inside(axis: &Axis, value: f64) -> bool {
    (-1e-6..=1.0 + 1e-6).contains(&axis.at(value))
}

/// Which of `cells` a value lies in.
fn place(axis: &Axis, value: f64, cells: usize) -> Option<usize> {
    let share = axis.at(value);
    (share.is_finite() && cells > 0).then(|| ((share * cells as f64).floor().max(0.0) as usize).min(cells - 1))
}

fn layer_on(sheet: &mut Sheet, (width, height): (usize, usize), frame: &Frame, layer: &Layer, look: &Look) {
    let glyph = look.glyph;
    // In cells, from the top left.
    let at = |(x, y): (f64, f64)| (frame.x.at(x) * width as f64, (1.0 - frame.y.at(y)) * height as f64);
    let cell = |(x, y): (f64, f64)| {
        let (x, y) = at((x, y));
        ((x.floor() as isize).min(width as isize - 1), (y.floor() as isize).min(height as isize - 1))
    };
    match layer {
        Layer::Line(series) => {
            for chain in chains(&series.points) {
                stroke(sheet, chain, &at, glyph);
            }
        }
        Layer::Path(series) => {
            for chain in chains(&series.points) {
                stroke(sheet, chain, &at, glyph);
            }
            let finite: Vec<(f64, f64)> = series.points.iter().copied().filter(|p| finite(*p)).collect();
            for (end, mark) in [(finite.first(), 'S'), (finite.last(), 'E')] {
                if let Some((column, row)) = end.map(|p| cell(*p)) {
                    sheet.put(column, row, mark);
                }
            }
        }
        Layer::Points(series) => {
            for (column, row) in series.points.iter().copied().filter(|p| finite(*p)).map(cell) {
                sheet.put(column, row, glyph);
            }
        }
        Layer::Bars { bars, .. } => {
            let sets = frame.looks.iter().map(|l| l.set + 1).max().unwrap_or(1) as f64;
            let wide = (0.8 / sets * width as f64 / (frame.x.max - frame.x.min)).floor().max(1.0) as isize;
            for (name, value) in bars.iter().filter(|(_, v)| v.is_finite()) {
                let place = frame.categories.iter().position(|c| c == name).unwrap_or(0) as f64;
                let zero = frame.y.min.max(if frame.y.log { frame.y.min } else { 0.0 });
                let from = at((place - 0.4 + 0.8 / sets * look.set as f64, zero));
                let to = at((place, *value));
                let (top, bottom) = (from.1.min(to.1).round() as isize, from.1.max(to.1).round() as isize);
                let start = from.0.round() as isize;
                for (row, column) in (top..bottom).flat_map(|row| (start..start + wide).map(move |column| (row, column))) {
                    sheet.put(column, row, glyph);
                }
            }
        }
        Layer::Contour(field) => {
            for chain in field.levels(LEVELS).into_iter().flat_map(|level| field.contour(level)) {
                stroke(sheet, &chain, &at, '·');
            }
        }
        Layer::HeatMap(field) => {
            let (low, high) = field.range().unwrap_or((0.0, 1.0));
            let shade = |v: f64| {
                let share = (v - low) / (high - low);
                SHADES[((share * SHADES.len() as f64) as usize).min(SHADES.len() - 1)]
            };
            fill(sheet, (width, height), frame, field, |v| if v.is_finite() { shade(v) } else { '?' });
        }
        Layer::Regions { field, .. } => {
            let class = |v: f64| if v.is_finite() { CLASSES[v as usize % CLASSES.len()] } else { '?' };
            fill(sheet, (width, height), frame, field, class);
        }
    }
}

/// Steps along a chain, a mark in every cell it crosses.
fn stroke(sheet: &mut Sheet, chain: &[(f64, f64)], at: &impl Fn((f64, f64)) -> (f64, f64), glyph: char) {
    let mut put = |(x, y): (f64, f64)| {
        let rows = (sheet.cells.len() / sheet.columns.max(1)) as f64;
        sheet.put(x.min(sheet.columns as f64 - 1.0).floor() as isize, y.min(rows - 1.0).floor() as isize, glyph);
    };
    put(at(chain[0]));
    for pair in chain.windows(2) {
        let (a, b) = (at(pair[0]), at(pair[1]));
        let steps = ((b.0 - a.0).abs().max((b.1 - a.1).abs()) * 2.0).ceil().clamp(1.0, 10_000.0) as usize;
        for i in 1..=steps {
            let t = i as f64 / steps as f64;
            put((a.0 + t * (b.0 - a.0), a.1 + t * (b.1 - a.1)));
        }
    }
}

/// The nearest value of a field in every cell that it covers.
fn fill(sheet: &mut Sheet, (width, height): (usize, usize), frame: &Frame, field: &Field, character: impl Fn(f64) -> char) {
    let places = |axis: &Axis, values: &[f64], cells: usize| -> Vec<Option<usize>> {
        let shares: Vec<f64> = values.iter().map(|v| axis.at(*v)).collect();
        let (first, last) = (shares[0], shares[shares.len() - 1]);
        let nearest =
            |share: f64| (0..shares.len()).min_by(|&a, &b| (shares[a] - share).abs().total_cmp(&(shares[b] - share).abs()));
        let middle = |i: usize| (i as f64 + 0.5) / cells as f64;
        (0..cells).map(|i| nearest(middle(i)).filter(|_| (first..=last).contains(&middle(i)))).collect()
    };
    let columns = places(&frame.x, field.xs(), width);
    let rows = places(&frame.y, field.ys(), height);
    for (r, row) in rows.iter().enumerate() {
        for (c, column) in columns.iter().enumerate() {
            if let (Some(row), Some(column)) = (row, column) {
                sheet.put(c as isize, (height - 1 - r) as isize, character(field.at(*column, *row)));
            }
        }
    }
}

fn table(figure: &Figure, matrix: &Matrix, columns: usize) -> Vec<String> {
    let mut lines = vec![
        shown(&figure.title),
        format!("rows: {}, columns: {}", shown(&figure.y_label).trim_end_matches(" ↓"), shown(&figure.x_label)),
    ];
    let first = matrix.names.iter().map(|n| n.chars().count()).max().unwrap_or(1).min(columns / 3);
    let widest = matrix.counts.iter().map(|c| c.to_string().len()).max().unwrap_or(1);
    let most = (columns - first) / matrix.names.len();
    let width =
        matrix.names.iter().map(|n| n.chars().count()).max().unwrap_or(1).max(widest).min(most.saturating_sub(1).max(widest));
    let line = |name: &str, cells: Vec<String>| {
        let cells: String = cells.iter().map(|cell| format!(" {cell:>width$}")).collect();
        format!("{:>first$}{cells}", cut(name, first))
    };
    lines.push(line("", matrix.names.iter().map(|n| cut(n, width)).collect()));
    for (label, name) in matrix.names.iter().enumerate() {
        let count = |c: &u64| if *c == 0 { "·".to_owned() } else { c.to_string() };
        lines.push(line(name, matrix.row(label).iter().map(count).collect()));
    }
    lines
}

fn tiles(figure: &Figure, pictures: &Pictures, columns: usize) -> Vec<String> {
    let mut lines = vec![shown(&figure.title)];
    let (height, width) = (pictures.height, pictures.width);
    // A character is about twice as high as wide.
    let step = width.div_ceil(14).max(1);
    let cell = (width / step).max(8) + 2;
    let side = (columns / cell).clamp(1, grid::columns(pictures.captions.len()));
    for (group, captions) in pictures.captions.chunks(side).enumerate() {
        for row in (0..height).step_by(2 * step) {
            let mut line = String::new();
            for i in 0..captions.len() {
                let start = (group * side + i) * height * width + row * width;
                let shades = (0..width / step).map(|c| {
                    let v = pictures.pixels[start + c * step];
                    SHADES[usize::from(v) * (SHADES.len() - 1) / 255]
                });
                let text: String = shades.collect();
                line += &format!("{text:<cell$}");
            }
            lines.push(line);
        }
        let wrong = &pictures.wrong[group * side..];
        let captions = captions.iter().zip(wrong).map(|(c, bad)| {
            let caption = if *bad { format!("✗ {c}") } else { c.clone() };
            format!("{:<cell$}", cut(&caption, cell - 1))
        });
        lines.push(captions.collect());
    }
    lines
}
