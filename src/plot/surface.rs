//! A field in three dimensions: faces between neighbouring values, the farthest drawn first.

use super::axis::{Axis, Tick};
use super::canvas::{Anchor, Area, Canvas};
use super::chart::{heading, letters};
use super::field::Field;
use super::figure::{Content, Figure};
use super::style::{self, FRAME, GRID, INK, Rgb, viridis};
use crate::error::Result;

/// More faces than this per side are smaller than can be seen.
const MOST: usize = 48;

/// A field in three dimensions, seen from the side and above: height and colour are the value. Labels are set by [`Figure::labels`] and
/// [`Figure::value_label`].
///
/// ```
/// use steepest::plot::{self, Field};
/// let bowl = Field::sample((-2.0, 2.0), (-2.0, 2.0), 25, |x, y| x * x + y * y)?;
/// let figure = plot::surface("A bowl", &bowl).labels("x", "y").value_label("cost");
/// assert!(figure.to_svg()?.contains("A bowl"));
/// # Ok::<(), steepest::Error>(())
/// ```
pub fn surface(title: impl Into<String>, field: &Field) -> Figure {
    let mut figure = Figure::of(title, Content::Surface(field.clone())).size(640, 520);
    if field.range().is_none() {
        figure.refuse(format!("none of the {} values of a field is finite", field.values().len()));
    } else if field.gaps() > 0 {
        figure = figure.note(format!("{} values are not finite and left out", field.gaps()));
    }
    figure
}

/// How far the box is turned and tilted, in radians: x runs to the right and away, y to the left and away.
const TURN: f64 = 0.66;
const TILT: f64 = 0.52;
const HEIGHT: f64 = 0.72;

/// A box of 1 × 1 × [`HEIGHT`], seen from the side and above.
struct View {
    scale: (f64, f64),
    shift: (f64, f64),
}

/// Across, up and away from the viewer, of shares of the three axes.
fn turned((x, y, z): (f64, f64, f64)) -> (f64, f64, f64) {
    let (x, y, z) = (x - 0.5, y - 0.5, (z - 0.5) * HEIGHT);
    let (across, away) = (x * TURN.cos() - y * TURN.sin(), x * TURN.sin() + y * TURN.cos());
    (across, z * TILT.cos() + away * TILT.sin(), away * TILT.cos() - z * TILT.sin())
}

impl View {
    /// Fills an area with the box.
    fn of(area: Area) -> View {
        let corners: Vec<(f64, f64, f64)> =
            (0..8).map(|i| turned((f64::from(i & 1), f64::from(i >> 1 & 1), f64::from(i >> 2)))).collect();
        let span = |of: fn(&(f64, f64, f64)) -> f64| {
            let values = corners.iter().map(of);
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)))
        };
        let ((left, right), (low, high)) = (span(|c| c.0), span(|c| c.1));
        // Not much flatter or steeper than it is.
        let (x, y) = (area.width / (right - left), area.height / (high - low));
        let scale = (x.min(1.25 * y), y.min(1.25 * x));
        let middle = ((left + right) / 2.0, (low + high) / 2.0);
        let shift = (area.x + area.width / 2.0 - middle.0 * scale.0, area.y + area.height / 2.0 + middle.1 * scale.1);
        View { scale, shift }
    }

    fn at(&self, place: (f64, f64, f64)) -> (f64, f64) {
        let (across, up, _) = turned(place);
        (self.shift.0 + across * self.scale.0, self.shift.1 - up * self.scale.1)
    }
}

/// How many quarter turns bring the lowest corner to the front, where it hides nothing.
#[derive(Clone, Copy)]
struct Turn(usize);

/// An edge of the floor with what is written along it.
struct Side {
    axis: Axis,
    reversed: bool,
    label: String,
}

impl Side {
    fn at(&self, value: f64) -> f64 {
        if self.reversed { 1.0 - self.axis.at(value) } else { self.axis.at(value) }
    }
}

/// The two axes of the floor.
fn floor(field: &Field) -> (Axis, Axis) {
    let axis = |values: &[f64]| Axis { min: values[0], max: values[values.len() - 1], log: false, whole: false };
    (axis(field.xs()), axis(field.ys()))
}

impl Turn {
    fn of(field: &Field) -> Turn {
        let (columns, rows) = (field.xs().len(), field.ys().len());
        // The mean of the quarter in front; of equal ones the first.
        let front = |turn: usize| {
            let (mut sum, mut count) = (0.0, 0.0);
            for r in 0..rows {
                for c in 0..columns {
                    let place = Turn(turn).put((c as f64 / (columns - 1) as f64, r as f64 / (rows - 1) as f64));
                    let value = field.at(c, r);
                    if place.0 < 0.5 && place.1 < 0.5 && value.is_finite() {
                        (sum, count) = (sum + value, count + 1.0);
                    }
                }
            }
            if count > 0.0 { sum / count } else { f64::INFINITY }
        };
        Turn((1..4).fold(0, |best, turn| if front(turn) < front(best) { turn } else { best }))
    }

    /// Shares of x and y as shares to the right and to the left.
    fn put(self, (x, y): (f64, f64)) -> (f64, f64) {
        [(x, y), (y, 1.0 - x), (1.0 - x, 1.0 - y), (1.0 - y, x)][self.0 % 4]
    }

    /// The right edge in front, then the left one.
    fn sides(self, figure: &Figure, field: &Field) -> [Side; 2] {
        let (x, y) = floor(field);
        let side = |is_x: bool, reversed: bool| Side {
            axis: if is_x { x } else { y },
            reversed,
            label: if is_x { figure.x_label.clone() } else { figure.y_label.clone() },
        };
        match self.0 {
            0 => [side(true, false), side(false, false)],
            1 => [side(false, false), side(true, true)],
            2 => [side(true, true), side(false, true)],
            _ => [side(false, true), side(true, false)],
        }
    }
}

pub(super) fn draw(figure: &Figure, field: &Field, canvas: &mut Canvas, area: Area) -> Result<()> {
    if figure.log_x || figure.log_y {
        return Err(figure.wrong("a surface has no logarithmic axes; `Field::map` takes the logarithm of its values".to_owned()));
    }
    const SIZE: u32 = 12;
    let (low, high) = field.range().unwrap_or((0.0, 1.0));
    let z = Axis::around(low, high, false, 0.02);
    let turn = Turn::of(field);
    let sides = turn.sides(figure, field);
    let within = |axis: &Axis, wanted: usize| -> Vec<Tick> {
        axis.ticks(wanted).into_iter().filter(|t| (-1e-6..=1.0 + 1e-6).contains(&axis.at(t.value))).collect()
    };
    let [right_ticks, left_ticks] = [0, 1].map(|i| within(&sides[i].axis, 5));
    let z_ticks = within(&z, 6);
    let wide = |ticks: &[Tick]| ticks.iter().map(|t| style::text_width(&t.label, SIZE.into())).fold(0.0, f64::max);
    let widest = wide(&z_ticks);

    let mut top = area.y + heading(canvas, figure, &figure.notes, area.x + 14.0, area) + 4.0;
    if !figure.value_label.is_empty() {
        let label = style::shortened(&figure.value_label, 13.0, area.width - 28.0);
        canvas.text(&label, area.x + 14.0, top + 8.0, letters(13, INK, Anchor::Start));
        top += 20.0;
    }
    let left = area.x + 14.0 + widest + 12.0;
    let room = Area { x: left, y: top + 6.0, width: area.right() - 44.0 - left, height: area.bottom() - 42.0 - top };
    if room.width < 60.0 || room.height < 60.0 {
        return Err(figure.wrong(format!("{} × {} points leave no room for a surface", area.width, area.height)));
    }
    let view = View::of(room);
    let mut stroke = |ends: [(f64, f64, f64); 2], colour: Rgb, width: f64| {
        canvas.line(&ends.map(|p| view.at(p)), colour, width, &[]);
    };
    // The floor and the two walls behind, with a line per tick.
    for t in &right_ticks {
        let at = sides[0].at(t.value);
        stroke([(at, 0.0, 0.0), (at, 1.0, 0.0)], GRID, 1.0);
        stroke([(at, 1.0, 0.0), (at, 1.0, 1.0)], GRID, 1.0);
    }
    for t in &left_ticks {
        let at = sides[1].at(t.value);
        stroke([(0.0, at, 0.0), (1.0, at, 0.0)], GRID, 1.0);
        stroke([(1.0, at, 0.0), (1.0, at, 1.0)], GRID, 1.0);
    }
    for t in &z_ticks {
        let at = z.at(t.value);
        stroke([(0.0, 1.0, at), (1.0, 1.0, at)], GRID, 1.0);
        stroke([(1.0, 1.0, at), (1.0, 0.0, at)], GRID, 1.0);
    }
    for ends in [
        [(0.0, 1.0, 1.0), (1.0, 1.0, 1.0)],
        [(1.0, 1.0, 1.0), (1.0, 0.0, 1.0)],
        [(1.0, 1.0, 0.0), (1.0, 1.0, 1.0)],
        [(0.0, 1.0, 0.0), (1.0, 1.0, 0.0)],
        [(1.0, 1.0, 0.0), (1.0, 0.0, 0.0)],
        [(1.0, 0.0, 0.0), (1.0, 0.0, 1.0)],
    ] {
        stroke(ends, GRID, 1.0);
    }
    faces(canvas, field, &view, turn, &z);
    let mut stroke = |ends: [(f64, f64, f64); 2]| canvas.line(&ends.map(|p| view.at(p)), FRAME, 1.0, &[]);
    stroke([(0.0, 0.0, 0.0), (1.0, 0.0, 0.0)]);
    stroke([(0.0, 0.0, 0.0), (0.0, 1.0, 0.0)]);
    stroke([(0.0, 1.0, 0.0), (0.0, 1.0, 1.0)]);

    let mut write = |place: (f64, f64, f64), (dx, dy): (f64, f64), text: &str, anchor: Anchor| {
        let (px, py) = view.at(place);
        canvas.line(&[(px, py), (px + 0.4 * dx, py + 0.4 * dy)], FRAME, 1.0, &[]);
        canvas.text(text, px + dx, py + dy, letters(SIZE, INK, anchor));
    };
    right_ticks.iter().for_each(|t| write((sides[0].at(t.value), 0.0, 0.0), (7.0, 9.0), &t.label, Anchor::Start));
    left_ticks.iter().for_each(|t| write((0.0, sides[1].at(t.value), 0.0), (-7.0, 10.0), &t.label, Anchor::End));
    z_ticks.iter().for_each(|t| write((0.0, 1.0, z.at(t.value)), (-8.0, -2.0), &t.label, Anchor::End));
    let (px, py) = view.at((0.5, 0.0, 0.0));
    let start = px + wide(&right_ticks) + 14.0;
    let label = style::shortened(&sides[0].label, 13.0, area.right() - 8.0 - start);
    canvas.text(&label, start, py + 26.0, letters(13, INK, Anchor::Start));
    let (px, py) = view.at((0.0, 0.5, 0.0));
    let end = px - wide(&left_ticks) - 14.0;
    let label = style::shortened(&sides[1].label, 13.0, end - area.x - 8.0);
    canvas.text(&label, end, py + 26.0, letters(13, INK, Anchor::End));
    Ok(())
}

/// A face between every four neighbours that are all finite, coloured by their mean.
fn faces(canvas: &mut Canvas, field: &Field, view: &View, turn: Turn, z: &Axis) {
    let (x, y) = floor(field);
    // Of more than can be seen, evenly left out rows and columns, the last ones kept.
    let kept = |n: usize| -> Vec<usize> {
        let m = n.min(MOST);
        (0..m).map(|i| i * (n - 1) / (m - 1)).collect()
    };
    let (columns, rows) = (kept(field.xs().len()), kept(field.ys().len()));
    let (low, high) = field.range().unwrap_or((0.0, 1.0));
    let mut found = vec![];
    for r in rows.windows(2) {
        for c in columns.windows(2) {
            let corners = [(c[0], r[0]), (c[1], r[0]), (c[1], r[1]), (c[0], r[1])];
            if corners.iter().any(|&(c, r)| !field.at(c, r).is_finite()) {
                continue;
            }
            let places = corners.map(|(c, r)| {
                let (right, left) = turn.put((x.at(field.xs()[c]), y.at(field.ys()[r])));
                (right, left, z.at(field.at(c, r)))
            });
            // Faces of one grid never pass through one another: their places on the floor decide.
            let away = places.iter().map(|p| turned((p.0, p.1, 0.5)).2).sum::<f64>();
            let mean = corners.iter().map(|&(c, r)| field.at(c, r) / 4.0).sum::<f64>();
            found.push((away, places, viridis((mean - low) / (high - low).max(f64::MIN_POSITIVE))));
        }
    }
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    for (_, places, fill) in found {
        let darker = |c: u8| (f64::from(c) * 0.78) as u8;
        canvas.polygon(&places.map(|p| view.at(p)), fill, Some(((darker(fill.0), darker(fill.1), darker(fill.2)), 0.5)));
    }
}
