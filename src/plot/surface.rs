//! A field in three dimensions: faces between neighbouring values, the farthest drawn first.

use super::axis::{Axis, Tick};
use super::canvas::{Anchor, Area, Canvas, Letters, MARGIN};
use super::field::Field;
use super::figure::Figure;
use super::style::{self, FRAME, GRID, INK, LABEL, TICK, viridis};
use crate::error::Result;

/// More faces than this per side are smaller than can be seen.
const MOST: usize = 48;
/// How far the box is turned and tilted, in radians: x runs to the right and away, y to the left and away.
const TURN: f64 = 0.66;
const TILT: f64 = 0.52;
const HEIGHT: f64 = 0.72;

/// Shares of the axes to the right, to the left, and up.
type Place = (f64, f64, f64);

/// Edges of the box behind the field, then those in front of it, which carry the ticks.
const BEHIND: [[Place; 2]; 6] = [
    [(0.0, 1.0, 1.0), (1.0, 1.0, 1.0)],
    [(1.0, 1.0, 1.0), (1.0, 0.0, 1.0)],
    [(1.0, 1.0, 0.0), (1.0, 1.0, 1.0)],
    [(0.0, 1.0, 0.0), (1.0, 1.0, 0.0)],
    [(1.0, 1.0, 0.0), (1.0, 0.0, 0.0)],
    [(1.0, 0.0, 0.0), (1.0, 0.0, 1.0)],
];
const FRONT: [[Place; 2]; 3] =
    [[(0.0, 0.0, 0.0), (1.0, 0.0, 0.0)], [(0.0, 0.0, 0.0), (0.0, 1.0, 0.0)], [(0.0, 1.0, 0.0), (0.0, 1.0, 1.0)]];

/// Across, up and away from the viewer.
fn turned((x, y, z): Place) -> (f64, f64, f64) {
    let (x, y, z) = (x - 0.5, y - 0.5, (z - 0.5) * HEIGHT);
    let (across, away) = (x * TURN.cos() - y * TURN.sin(), x * TURN.sin() + y * TURN.cos());
    (across, z * TILT.cos() + away * TILT.sin(), away * TILT.cos() - z * TILT.sin())
}

/// A box of 1 × 1 × [`HEIGHT`], seen from the side and above.
struct View {
    scale: (f64, f64),
    shift: (f64, f64),
}

impl View {
    /// Fills an area with the box.
    fn of(area: Area) -> View {
        let (mut low, mut high) = ((0.0_f64, 0.0_f64), (0.0_f64, 0.0_f64));
        for (across, up, _) in BEHIND.iter().chain(&FRONT).flatten().map(|place| turned(*place)) {
            (low, high) = ((low.0.min(across), low.1.min(up)), (high.0.max(across), high.1.max(up)));
        }
        // Not much flatter or steeper than it is.
        let (x, y) = (area.width / (high.0 - low.0), area.height / (high.1 - low.1));
        let scale = (x.min(1.25 * y), y.min(1.25 * x));
        let middle = ((low.0 + high.0) / 2.0, (low.1 + high.1) / 2.0);
        let shift = (area.x + area.width / 2.0 - middle.0 * scale.0, area.y + area.height / 2.0 + middle.1 * scale.1);
        View { scale, shift }
    }

    fn at(&self, place: Place) -> (f64, f64) {
        let (across, up, _) = turned(place);
        (self.shift.0 + across * self.scale.0, self.shift.1 - up * self.scale.1)
    }

    fn line(&self, canvas: &mut Canvas, ends: [Place; 2], colour: style::Rgb) {
        canvas.line(&ends.map(|end| self.at(end)), colour, 1.0, &[]);
    }
}

/// How many quarter turns bring the lowest corner to the front, where it hides nothing.
#[derive(Clone, Copy)]
struct Turn(usize);

impl Turn {
    fn of(field: &Field) -> Turn {
        let (columns, rows) = (field.xs().len(), field.ys().len());
        // The mean of the quarter in front; of equal ones the first.
        let front = |turn: usize| {
            let (mut sum, mut count) = (0.0, 0.0);
            for (r, c) in (0..rows).flat_map(|r| (0..columns).map(move |c| (r, c))) {
                let place = Turn(turn).put((c as f64 / (columns - 1) as f64, r as f64 / (rows - 1) as f64));
                let value = field.at(c, r);
                if place.0 < 0.5 && place.1 < 0.5 && value.is_finite() {
                    (sum, count) = (sum + value, count + 1.0);
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
}

/// An axis of the box with its ticks, at shares of its length.
struct Side<'a> {
    ticks: Vec<(f64, Tick)>,
    label: &'a str,
}

impl<'a> Side<'a> {
    fn of(axis: Axis, reversed: bool, wanted: usize, label: &'a str) -> Side<'a> {
        let share = |value: f64| if reversed { 1.0 - axis.at(value) } else { axis.at(value) };
        Side { ticks: axis.ticks(wanted).into_iter().map(|tick| (share(tick.value), tick)).collect(), label }
    }

    fn widest(&self) -> f64 {
        style::widest(self.ticks.iter().map(|(_, tick)| &tick.label), TICK)
    }
}

/// The two axes of the floor.
fn floor(field: &Field) -> [Axis; 2] {
    [field.xs(), field.ys()].map(|at| Axis { min: at[0], max: at[at.len() - 1], log: false, whole: false })
}

pub(super) fn draw(figure: &Figure, field: &Field, canvas: &mut Canvas, area: Area) -> Result<()> {
    if figure.log_x || figure.log_y {
        return Err(figure.wrong("a surface has no logarithmic axes; `Field::map` takes the logarithm of its values".to_owned()));
    }
    let (low, high) = field.range().unwrap_or((0.0, 1.0));
    let z = Axis::around(low, high, false, 0.02);
    let turn = Turn::of(field);
    let [x, y] = floor(field);
    // Which axis lies to the right: after a quarter turn the other one.
    let x = Side::of(x, matches!(turn.0, 1 | 2), 5, &figure.x_label);
    let y = Side::of(y, turn.0 > 1, 5, &figure.y_label);
    let (right, left) = if turn.0.is_multiple_of(2) { (x, y) } else { (y, x) };
    let up = Side::of(z, false, 6, "");

    let (start, mut top) = canvas.heading(&figure.title, &figure.notes, area);
    top += canvas.labels([&figure.value_label, ""], (start, top + 4.0), area.right() - MARGIN);
    let edge = start + up.widest() + 12.0;
    let room = Area { x: edge, y: top + 6.0, width: area.right() - 44.0 - edge, height: area.bottom() - 42.0 - top };
    if room.width < 60.0 || room.height < 60.0 {
        return Err(figure.wrong(format!("{} × {} points leave no room for a surface", area.width, area.height)));
    }
    let view = View::of(room);
    walls(canvas, &view, [&right, &left, &up]);
    faces(canvas, field, &view, turn, &z);
    FRONT.iter().for_each(|ends| view.line(canvas, *ends, FRAME));
    write(canvas, &view, area, [&right, &left, &up]);
    Ok(())
}

/// The floor and the two walls behind, with a line per tick.
fn walls(canvas: &mut Canvas, view: &View, [right, left, up]: [&Side<'_>; 3]) {
    let mut corners = |corners: [Place; 3]| {
        let [a, b, c] = corners;
        [[a, b], [b, c]].into_iter().for_each(|ends| view.line(canvas, ends, GRID));
    };
    right.ticks.iter().for_each(|(at, _)| corners([(*at, 0.0, 0.0), (*at, 1.0, 0.0), (*at, 1.0, 1.0)]));
    left.ticks.iter().for_each(|(at, _)| corners([(0.0, *at, 0.0), (1.0, *at, 0.0), (1.0, *at, 1.0)]));
    up.ticks.iter().for_each(|(at, _)| corners([(0.0, 1.0, *at), (1.0, 1.0, *at), (1.0, 0.0, *at)]));
    BEHIND.iter().for_each(|ends| view.line(canvas, *ends, GRID));
}

/// What stands at the ticks, and what the axes of the floor show.
fn write(canvas: &mut Canvas, view: &View, area: Area, [right, left, up]: [&Side<'_>; 3]) {
    let mut ticks = |side: &Side<'_>, place: fn(f64) -> Place, (dx, dy): (f64, f64), anchor: Anchor| {
        for (at, tick) in &side.ticks {
            let (x, y) = view.at(place(*at));
            canvas.line(&[(x, y), (x + 0.4 * dx, y + 0.4 * dy)], FRAME, 1.0, &[]);
            canvas.text(&tick.label, x + dx, y + dy, Letters::of(TICK, INK, anchor));
        }
    };
    ticks(right, |at| (at, 0.0, 0.0), (7.0, 9.0), Anchor::Start);
    ticks(left, |at| (0.0, at, 0.0), (-7.0, 10.0), Anchor::End);
    ticks(up, |at| (0.0, 1.0, at), (-8.0, -2.0), Anchor::End);
    let (x, y) = view.at((0.5, 0.0, 0.0));
    let start = x + right.widest() + 14.0;
    let letters = Letters::of(LABEL, INK, Anchor::Start).within(area.right() - 8.0 - start);
    canvas.text(right.label, start, y + 26.0, letters);
    let (x, y) = view.at((0.0, 0.5, 0.0));
    let end = x - left.widest() - 14.0;
    let letters = Letters::of(LABEL, INK, Anchor::End).within(end - area.x - 8.0);
    canvas.text(left.label, end, y + 26.0, letters);
}

/// A face between every four neighbours that are all finite, coloured by their mean.
fn faces(canvas: &mut Canvas, field: &Field, view: &View, turn: Turn, z: &Axis) {
    let [x, y] = floor(field);
    // Of more than can be seen, evenly left out rows and columns, the last ones kept.
    let kept = |n: usize| -> Vec<usize> {
        let m = n.min(MOST);
        (0..m).map(|i| i * (n - 1) / (m - 1)).collect()
    };
    let (columns, rows) = (kept(field.xs().len()), kept(field.ys().len()));
    let (low, high) = field.range().unwrap_or((0.0, 1.0));
    let mut found = vec![];
    for (r, c) in rows.windows(2).flat_map(|r| columns.windows(2).map(move |c| (r, c))) {
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
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    for (_, places, fill) in found {
        let darker = |c: u8| (f64::from(c) * 0.78) as u8;
        let edge = (darker(fill.0), darker(fill.1), darker(fill.2));
        canvas.polygon(&places.map(|p| view.at(p)), fill, (edge, 0.5));
    }
}
