//! Pictures made of cells: a confusion matrix, small pictures with captions.

use super::canvas::{Anchor, Area, Canvas, Letters, MARGIN};
use super::figure::{Figure, Matrix, Pictures};
use super::style::{self, FRAME, INK, LABEL, LOUD, NOTE, QUIET, SERIES, TICK, WHITE, text_width};
use crate::error::Result;

/// A longer name of a class is cut.
const LONGEST: f64 = 130.0;
/// A file of more cells than these classes have would be of no use.
const MOST_CLASSES: usize = 500;

/// Rows are labels, columns predictions; the shade is the share of the row.
pub(super) fn matrix(figure: &Figure, matrix: &Matrix, canvas: &mut Canvas, area: Area) -> Result<()> {
    let n = matrix.names.len();
    if n > MOST_CLASSES {
        return Err(figure.wrong(format!("{n} classes, expected at most {MOST_CLASSES}")));
    }
    let longest = style::widest(&matrix.names, TICK).min(LONGEST);
    let (start, mut top) = canvas.heading(&figure.title, &figure.notes, area);
    top += canvas.labels([&figure.y_label, ""], (start, top + 4.0), area.right() - MARGIN);
    let left = start + longest + 8.0;
    let room = area.right() - left - 18.0;
    let upright = longest > room / n as f64 - 4.0;
    let foot = 30.0 + if upright { longest + 8.0 } else { 18.0 };
    let side = (room / n as f64).min((area.bottom() - foot - top) / n as f64);
    if side < 1.0 {
        return Err(figure.wrong(format!("{} × {} points are too few for {n} classes", area.width, area.height)));
    }
    let all = Area { x: left, y: top, width: side * n as f64, height: side * n as f64 };
    canvas.rect(all, Some(WHITE), None);
    for label in 0..n {
        for prediction in 0..n {
            let (x, y) = (left + prediction as f64 * side, top + label as f64 * side);
            cell(canvas, matrix, (label, prediction), Area { x, y, width: side, height: side });
        }
    }
    canvas.rect(all, None, Some((FRAME, 1.0)));
    // Of very many classes only some are named.
    let every = (13.0 / side).ceil().max(1.0) as usize;
    for (i, name) in matrix.names.iter().enumerate().step_by(every) {
        let middle = (i as f64 + 0.5) * side;
        let letters = |anchor: Anchor| Letters::of(TICK, INK, anchor).within(LONGEST);
        canvas.text(name, left - 8.0, top + middle, letters(Anchor::End));
        if upright {
            canvas.text(name, left + middle, all.bottom() + 6.0, Letters { upwards: true, ..letters(Anchor::End) });
        } else {
            canvas.text(name, left + middle, all.bottom() + 12.0, letters(Anchor::Middle));
        }
    }
    let letters = Letters::of(LABEL, INK, Anchor::Middle).within(area.width - 2.0 * MARGIN);
    canvas.text(&figure.x_label, all.middle().0, all.bottom() + foot - 14.0, letters);
    Ok(())
}

/// A count with its share of the row, as large as there is room.
fn cell(canvas: &mut Canvas, matrix: &Matrix, (label, prediction): (usize, usize), area: Area) {
    let row = matrix.row(label);
    let (count, all) = (row[prediction], row.iter().sum::<u64>());
    let share = if all == 0 { 0.0 } else { count as f64 / all as f64 };
    let fill = style::tint(SERIES[0], share.sqrt() * 0.95);
    canvas.rect(area, Some(fill), Some((style::GRID, 0.6)));
    let ink = if count == 0 { (0xBB, 0xBB, 0xBB) } else { style::ink_on(fill) };
    let (x, y) = area.middle();
    let text = count.to_string();
    let size = (area.width * 0.36).min(15.0).min(area.width / text_width(&text, 1.0) * 0.85);
    if size < 6.0 {
        return;
    }
    let two = area.width >= 44.0 && count > 0;
    let lift = if two { 7.0 } else { 0.0 };
    let letters = Letters { bold: label == prediction, ..Letters::of(size as u32, ink, Anchor::Middle) };
    canvas.text(&text, x, y - lift, letters);
    if two {
        canvas.text(&format!("{:.1} %", 100.0 * share), x, y + 10.0, Letters::of(10, ink, Anchor::Middle));
    }
}

/// Pictures in rows; those marked wrong stand out.
pub(super) fn pictures(figure: &Figure, pictures: &Pictures, canvas: &mut Canvas, area: Area) -> Result<()> {
    let (_, top) = canvas.heading(&figure.title, &figure.notes, area);
    let top = top + 4.0;
    let (height, width, count, columns) = (pictures.height, pictures.width, pictures.captions.len(), pictures.columns());
    let room_x = (area.width - 2.0 * MARGIN) / columns as f64;
    let room_y = (area.bottom() - 6.0 - top) / count.div_ceil(columns) as f64;
    let scale = ((room_x - 14.0) / width as f64).min((room_y - 30.0) / height as f64);
    if scale * width as f64 <= 4.0 || scale * height as f64 <= 4.0 {
        return Err(figure.wrong(format!("{} × {} points are too few for {count} pictures", area.width, area.height)));
    }
    for (i, (caption, pixels)) in pictures.captions.iter().zip(pictures.pixels.chunks(height * width)).enumerate() {
        let place = Area {
            x: area.x + MARGIN + (i % columns) as f64 * room_x + (room_x - scale * width as f64) / 2.0,
            y: top + (i / columns) as f64 * room_y + 6.0,
            width: scale * width as f64,
            height: scale * height as f64,
        };
        let edges = |start: f64, n: usize| -> Vec<f64> { (0..=n).map(|i| start + i as f64 * scale).collect() };
        let grey = |column: usize, row: usize| [pixels[row * width + column]; 3].into();
        canvas.tiles(&edges(place.x, width), &edges(place.y, height), grey);
        let bad = pictures.wrong[i];
        let (frame, ink) = if bad { ((LOUD, 3.0), LOUD) } else { ((FRAME, 1.0), QUIET) };
        canvas.rect(place, None, Some(frame));
        let letters = Letters { bold: bad, ..Letters::of(NOTE, ink, Anchor::Middle) };
        canvas.text(caption, place.middle().0, place.bottom() + 11.0, letters.within(room_x - 2.0));
    }
    Ok(())
}
