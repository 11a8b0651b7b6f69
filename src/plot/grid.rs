//! Pictures made of cells: a confusion matrix, small pictures with captions.

use super::canvas::{Anchor, Area, Canvas, Letters};
use super::chart::{heading, letters};
use super::figure::Figure;
use super::style::{self, FRAME, INK, LOUD, QUIET, SERIES, WHITE, text_width};
use crate::error::Result;

/// Counts per label and prediction.
#[derive(Clone, Debug)]
pub(super) struct Matrix {
    pub names: Vec<String>,
    /// `[label, prediction]`
    pub counts: Vec<u64>,
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

impl Matrix {
    pub fn row(&self, label: usize) -> &[u64] {
        let n = self.names.len();
        &self.counts[label * n..(label + 1) * n]
    }

    /// The share of a label's rows; 0 if it has none.
    pub fn share(&self, label: usize, prediction: usize) -> f64 {
        match self.row(label).iter().sum::<u64>() {
            0 => 0.0,
            all => self.row(label)[prediction] as f64 / all as f64,
        }
    }
}

/// Rows are labels, columns predictions; the shade is the share of the row.
pub(super) fn matrix(figure: &Figure, matrix: &Matrix, canvas: &mut Canvas, area: Area) -> Result<()> {
    const SIZE: u32 = 12;
    let n = matrix.names.len();
    let longest = matrix.names.iter().map(|name| text_width(name, SIZE.into())).fold(0.0, f64::max).min(130.0);
    let left = area.x + 14.0 + longest + 8.0;
    let mut top = area.y + heading(canvas, figure, &figure.notes, area.x + 14.0, area) + 4.0;
    let label = style::shortened(&figure.y_label, 13.0, area.width - 28.0);
    canvas.text(&label, area.x + 14.0, top + 7.0, letters(13, INK, Anchor::Start));
    top += 20.0;
    let shown = area.width - (left - area.x) - 18.0;
    let upright = longest > shown / n as f64 - 4.0;
    let foot = 30.0 + if upright { longest + 8.0 } else { 18.0 };
    let side = (shown / n as f64).min((area.bottom() - foot - top) / n as f64);
    if side < 1.0 {
        return Err(figure.wrong(format!("{} × {} points are too few for {n} classes", area.width, area.height)));
    }
    let shade = |share: f64| style::tint(SERIES[0], share.sqrt() * 0.95);
    let all = Area { x: left, y: top, width: side * n as f64, height: side * n as f64 };
    canvas.rect(all, Some(WHITE), None);
    for label in 0..n {
        for prediction in 0..n {
            let (share, count) = (matrix.share(label, prediction), matrix.row(label)[prediction]);
            let cell = Area { x: left + prediction as f64 * side, y: top + label as f64 * side, width: side, height: side };
            let fill = shade(share);
            canvas.rect(cell, Some(fill), Some((style::GRID, 0.6)));
            let ink = if style::lightness(fill) < 0.6 {
                WHITE
            } else if count == 0 {
                (0xBB, 0xBB, 0xBB)
            } else {
                INK
            };
            let (x, y) = (cell.x + side / 2.0, cell.y + side / 2.0);
            let text = count.to_string();
            let size = (side * 0.36).min(15.0).min(side / text_width(&text, 1.0) * 0.85);
            if size < 6.0 {
                continue;
            }
            let two = side >= 44.0 && count > 0;
            let lift = if two { 7.0 } else { 0.0 };
            let bold = label == prediction;
            canvas.text(&text, x, y - lift, Letters { size: size as u32, colour: ink, bold, anchor: Anchor::Middle });
            if two {
                canvas.text(&format!("{:.1} %", 100.0 * share), x, y + 10.0, letters(10, ink, Anchor::Middle));
            }
        }
    }
    canvas.rect(all, None, Some((FRAME, 1.0)));
    // Of very many classes only some are named.
    let every = (13.0 / side).ceil().max(1.0) as usize;
    for (i, name) in matrix.names.iter().enumerate().step_by(every) {
        let middle = (i as f64 + 0.5) * side;
        let name = style::shortened(name, SIZE.into(), 130.0);
        canvas.text(&name, left - 8.0, top + middle, letters(SIZE, INK, Anchor::End));
        if upright {
            canvas.text_upwards(&name, left + middle, all.bottom() + 6.0, letters(SIZE, INK, Anchor::End));
        } else {
            canvas.text(&name, left + middle, all.bottom() + 12.0, letters(SIZE, INK, Anchor::Middle));
        }
    }
    let x_label = style::shortened(&figure.x_label, 13.0, area.width - 28.0);
    canvas.text(&x_label, left + all.width / 2.0, all.bottom() + foot - 14.0, letters(13, INK, Anchor::Middle));
    Ok(())
}

/// How many pictures stand side by side.
pub(super) fn columns(count: usize) -> usize {
    (1..).find(|c| c * c * 5 >= count * 8).unwrap_or(1).clamp(1, count.max(1)).min(16)
}

/// The sheet that a number of pictures needs.
pub(super) fn sheet(count: usize, (height, width): (usize, usize)) -> (u32, u32) {
    let columns = columns(count);
    let rows = count.div_ceil(columns);
    let (w, h) = cell((height, width));
    ((24.0 + columns as f64 * w).max(320.0) as u32, (52.0 + rows as f64 * h) as u32)
}

/// A picture with its caption and the room around it.
fn cell((height, width): (usize, usize)) -> (f64, f64) {
    let scale = 76.0 / height.max(width) as f64;
    ((width as f64 * scale).max(60.0) + 14.0, height as f64 * scale + 34.0)
}

/// Pictures in rows; those marked wrong have a frame and a cross before their caption.
pub(super) fn pictures(figure: &Figure, pictures: &Pictures, canvas: &mut Canvas, area: Area) -> Result<()> {
    let top = area.y + heading(canvas, figure, &figure.notes, area.x + 14.0, area) + 4.0;
    let (height, width) = (pictures.height, pictures.width);
    let count = pictures.captions.len();
    let columns = columns(count);
    let rows = count.div_ceil(columns);
    let (room_x, room_y) = ((area.width - 24.0) / columns as f64, (area.bottom() - 6.0 - top) / rows as f64);
    let scale = ((room_x - 14.0) / width as f64).min((room_y - 30.0) / height as f64);
    if scale * width as f64 <= 4.0 || scale * height as f64 <= 4.0 {
        return Err(figure.wrong(format!("{} × {} points are too few for {count} pictures", area.width, area.height)));
    }
    for (i, caption) in pictures.captions.iter().enumerate() {
        let place = Area {
            x: area.x + 12.0 + (i % columns) as f64 * room_x + (room_x - scale * width as f64) / 2.0,
            y: top + (i / columns) as f64 * room_y + 6.0,
            width: scale * width as f64,
            height: scale * height as f64,
        };
        let pixels = &pictures.pixels[i * height * width..(i + 1) * height * width];
        let mut tiles = vec![];
        for (row, line) in pixels.chunks(width).enumerate() {
            let mut start = 0;
            for run in line.chunk_by(|a, b| a == b) {
                let end = start + run.len();
                let x = place.x + start as f64 * scale;
                let over = |last: bool| if last { 0.0 } else { 0.4 };
                let (w, h) = (run.len() as f64 * scale + over(end == width), scale + over(row + 1 == height));
                tiles.push((Area { x, y: place.y + row as f64 * scale, width: w, height: h }, (run[0], run[0], run[0])));
                start = end;
            }
        }
        canvas.tiles(tiles);
        let bad = pictures.wrong[i];
        let (colour, thick) = if bad { (LOUD, 3.0) } else { (FRAME, 1.0) };
        canvas.rect(place, None, Some((colour, thick)));
        let caption = if bad { format!("✗ {caption}") } else { caption.clone() };
        let caption = style::shortened(&caption, 11.0, room_x - 2.0);
        let ink = Letters { size: 11, colour: if bad { LOUD } else { QUIET }, bold: bad, anchor: Anchor::Middle };
        canvas.text(&caption, place.x + place.width / 2.0, place.bottom() + 11.0, ink);
    }
    Ok(())
}
