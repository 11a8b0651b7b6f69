//! Draws a figure over two axes: frame, ticks, legend, and the layers in between.

use super::axis::{Axis, Tick};
use super::canvas::{Anchor, Area, Canvas, Letters};
use super::field::Field;
use super::figure::{Figure, Layer, Series};
use super::frame::{Entry, Frame, Look, finite};
use super::style::{self, FRAME, GRID, INK, Marker, QUIET, Rgb, WHITE, text_width, viridis};
use crate::error::Result;

const TITLE: u32 = 15;
const LABEL: u32 = 13;
const TICK: u32 = 12;
const NOTE: u32 = 11;
const MARGIN: f64 = 12.0;
/// The strip of colours beside a heat map.
const STRIP: f64 = 14.0;
/// Colours of a heat map: neighbours of the same colour are one tile.
const SHADES: f64 = 160.0;

pub(super) fn letters(size: u32, colour: Rgb, anchor: Anchor) -> Letters {
    Letters { size, colour, bold: false, anchor }
}

/// Title and notes; gives back how high they are.
pub(super) fn heading(canvas: &mut Canvas, figure: &Figure, notes: &[String], x: f64, area: Area) -> f64 {
    let mut y = area.y + MARGIN;
    let most = area.right() - x - MARGIN;
    for line in style::wrapped(&figure.title, f64::from(TITLE) * 1.08, most) {
        canvas.text(&line, x, y + 8.0, Letters { size: TITLE, colour: INK, bold: true, anchor: Anchor::Start });
        y += 20.0;
    }
    for note in notes.iter().flat_map(|note| style::wrapped(note, f64::from(NOTE), most)) {
        canvas.text(&note, x, y + 7.0, letters(NOTE, QUIET, Anchor::Start));
        y += 16.0;
    }
    y - area.y
}

/// From values to places on the sheet.
struct Map {
    x: Axis,
    y: Axis,
    plot: Area,
}

impl Map {
    fn at(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (self.plot.x + self.x.at(x) * self.plot.width, self.plot.bottom() - self.y.at(y) * self.plot.height)
    }
}

pub(super) fn draw(figure: &Figure, layers: &[Layer], canvas: &mut Canvas, area: Area) -> Result<()> {
    let frame = Frame::of(figure, layers)?;
    let heat = layers.iter().rev().find_map(|l| if let Layer::HeatMap(field) = l { Some(field) } else { None });
    let scale = heat.and_then(|field| field.range()).map(|(low, high)| Axis::around(low, high, false, 0.0));
    let scale_ticks: Vec<Tick> =
        scale.map_or(vec![], |s| s.ticks(6)).into_iter().filter(|t| scale.is_some_and(|s| inside(&s, t.value))).collect();

    // Sizes first: what stands left and right of the plot depends on the labels of the ticks.
    let rough = (area.height - 120.0).max(60.0);
    let y_ticks: Vec<Tick> =
        frame.y.ticks((rough / 36.0).clamp(2.0, 10.0) as usize).into_iter().filter(|t| inside(&frame.y, t.value)).collect();
    let widest = |ticks: &[Tick]| ticks.iter().map(|t| text_width(&t.label, TICK.into())).fold(0.0, f64::max);
    let left = area.x + MARGIN + widest(&y_ticks) + 8.0;
    let strip = if scale.is_some() { 14.0 + STRIP + 6.0 + widest(&scale_ticks) } else { 0.0 };
    let right = area.right() - MARGIN - 6.0 - strip;
    let start = area.x + MARGIN + 2.0;
    let mut top = area.y + heading(canvas, figure, &frame.notes, start, area);
    top += legend(canvas, &frame.legend, start, top, area.right() - MARGIN) + 6.0;
    // What the upright axis and the colours show stands over them, where it can be read without turning the head.
    let value_label = if scale.is_some() { figure.value_label.as_str() } else { "" };
    if !(figure.y_label.is_empty() && value_label.is_empty()) {
        let half = if figure.y_label.is_empty() || value_label.is_empty() { 1.0 } else { 0.5 };
        let most = (area.right() - MARGIN - start) * half - 6.0;
        let write = |canvas: &mut Canvas, label: &str, x: f64, anchor: Anchor| {
            canvas.text(&style::shortened(label, LABEL.into(), most), x, top + 7.0, letters(LABEL, INK, anchor));
        };
        write(canvas, &figure.y_label, start, Anchor::Start);
        write(canvas, value_label, area.right() - MARGIN, Anchor::End);
        top += 24.0;
    }
    let slot = (right - left) / frame.categories.len().max(1) as f64;
    let longest = frame.categories.iter().map(|c| text_width(c, TICK.into())).fold(0.0, f64::max);
    let upright = longest > slot - 6.0;
    let tick_height = if upright && !frame.categories.is_empty() { longest.min(110.0) + 10.0 } else { 22.0 };
    let bottom = area.bottom() - tick_height - if figure.x_label.is_empty() { 6.0 } else { 24.0 } - 4.0;
    if right - left < 40.0 || bottom - top < 40.0 {
        return Err(
            figure.wrong(format!("{} × {} points leave no room for the plot between its labels", area.width, area.height))
        );
    }
    let mut map = Map { x: frame.x, y: frame.y, plot: Area { x: left, y: top, width: right - left, height: bottom - top } };
    if figure.equal {
        same_scale(&mut map);
    }
    let plot = map.plot;

    let wanted = (plot.width / 62.0).clamp(2.0, 12.0) as usize;
    let x_ticks: Vec<Tick> = match frame.categories.is_empty() {
        true => map.x.ticks(wanted).into_iter().filter(|t| inside(&map.x, t.value)).collect(),
        false => frame.categories.iter().enumerate().map(|(i, c)| Tick { value: i as f64, label: c.clone() }).collect(),
    };
    let under = |l: &Layer| matches!(l, Layer::HeatMap(_) | Layer::Regions { .. });
    for (layer, look) in layers.iter().zip(&frame.looks).filter(|(l, _)| under(l)) {
        match layer {
            Layer::HeatMap(field) => {
                let (low, high) = field.range().unwrap_or((0.0, 1.0));
                let shade = |v: f64| ((v - low) / (high - low).max(f64::MIN_POSITIVE) * SHADES).round() / SHADES;
                tiles(canvas, field, &map, |v| if v.is_finite() { viridis(shade(v)) } else { style::NOTHING });
            }
            Layer::Regions { field, .. } => {
                let colour = |v: f64| look.classes.get(v as usize).map_or(style::NOTHING, |c| style::tint(*c, 0.28));
                tiles(canvas, field, &map, |v| if v.is_finite() { colour(v) } else { style::NOTHING });
            }
            _ => {}
        }
    }
    if !layers.iter().any(|l| under(l) || matches!(l, Layer::Contour(_))) {
        grid(canvas, &map, &x_ticks, &y_ticks, frame.categories.is_empty());
    }
    let paths: Vec<(f64, f64)> = layers
        .iter()
        .filter_map(|l| if let Layer::Path(s) = l { Some(s) } else { None })
        .flat_map(|s| s.points.iter().filter(|p| finite(**p)).map(|p| map.at(*p)))
        .collect();
    let sets = layers.iter().filter(|l| matches!(l, Layer::Bars { .. })).count();
    for (layer, look) in layers.iter().zip(&frame.looks) {
        match layer {
            Layer::Contour(field) => contour(canvas, field, &map, heat.is_some(), &paths),
            Layer::Line(series) => line(canvas, series, look, &map, layers.len() > 1 && frame.has_field),
            Layer::Points(series) => points(canvas, series, look, &map),
            Layer::Path(series) => path(canvas, series, look, &map),
            Layer::Bars { bars, .. } => bars_of(canvas, bars, look, &map, (&frame.categories, sets)),
            Layer::HeatMap(_) | Layer::Regions { .. } => {}
        }
    }
    canvas.rect(plot, None, Some((FRAME, 1.0)));

    for tick in &x_ticks {
        let x = map.at((tick.value, map.y.min)).0;
        canvas.line(&[(x, plot.bottom()), (x, plot.bottom() + 4.0)], FRAME, 1.0, &[]);
        if upright && !frame.categories.is_empty() {
            let label = style::shortened(&tick.label, TICK.into(), 110.0);
            canvas.text_upwards(&label, x, plot.bottom() + 7.0, letters(TICK, INK, Anchor::End));
        } else {
            canvas.text(&tick.label, x, plot.bottom() + 14.0, letters(TICK, INK, Anchor::Middle));
        }
    }
    for tick in &y_ticks {
        let y = map.at((map.x.min, tick.value)).1;
        canvas.line(&[(plot.x - 4.0, y), (plot.x, y)], FRAME, 1.0, &[]);
        canvas.text(&tick.label, plot.x - 8.0, y, letters(TICK, INK, Anchor::End));
    }
    if !figure.x_label.is_empty() {
        let label = style::shortened(&figure.x_label, LABEL.into(), area.width - 2.0 * MARGIN);
        canvas.text(&label, plot.x + plot.width / 2.0, plot.bottom() + tick_height + 8.0, letters(LABEL, INK, Anchor::Middle));
    }
    if let Some(scale) = scale {
        strip_of(canvas, &scale, &scale_ticks, plot);
    }
    Ok(())
}

fn inside(axis: &Axis, value: f64) -> bool {
    (-1e-6..=1.0 + 1e-6).contains(&axis.at(value))
}

/// Makes the plot narrower or lower until a step is as long on both axes.
fn same_scale(map: &mut Map) {
    let per_x = map.plot.width / (map.x.max - map.x.min);
    let per_y = map.plot.height / (map.y.max - map.y.min);
    if per_x > per_y {
        map.plot.width *= per_y / per_x;
    } else {
        map.plot.height *= per_x / per_y;
    }
}

fn grid(canvas: &mut Canvas, map: &Map, x_ticks: &[Tick], y_ticks: &[Tick], upright: bool) {
    let plot = map.plot;
    let vertical = |canvas: &mut Canvas, value: f64, width: f64| {
        let x = map.at((value, map.y.min)).0;
        canvas.line(&[(x, plot.y), (x, plot.bottom())], GRID, width, &[]);
    };
    let level = |canvas: &mut Canvas, value: f64, width: f64| {
        let y = map.at((map.x.min, value)).1;
        canvas.line(&[(plot.x, y), (plot.right(), y)], GRID, width, &[]);
    };
    map.x.between().into_iter().for_each(|v| vertical(canvas, v, 0.5));
    map.y.between().into_iter().for_each(|v| level(canvas, v, 0.5));
    if upright {
        x_ticks.iter().for_each(|t| vertical(canvas, t.value, 1.0));
    }
    y_ticks.iter().for_each(|t| level(canvas, t.value, 1.0));
}

/// Entries side by side in rows; gives back their height.
fn legend(canvas: &mut Canvas, entries: &[Entry], left: f64, top: f64, right: f64) -> f64 {
    const SAMPLE: f64 = 28.0;
    const ROW: f64 = 20.0;
    let (mut x, mut y) = (left, top + 12.0);
    for entry in entries {
        let name = style::shortened(&entry.name, TICK.into(), right - left - SAMPLE - 6.0);
        let width = SAMPLE + 6.0 + text_width(&name, TICK.into());
        if x > left && x + width > right {
            (x, y) = (left, y + ROW);
        }
        let middle = (x + SAMPLE / 2.0, y);
        if entry.patch {
            let light = entry.marker.is_some() || entry.line.is_some();
            let fill = if light { style::tint(entry.colour, 0.28) } else { entry.colour };
            canvas.rect(Area { x: x + 4.0, y: y - 7.0, width: SAMPLE - 8.0, height: 14.0 }, Some(fill), None);
        }
        if let Some(dash) = entry.line {
            canvas.line(&[(x, y), (x + SAMPLE, y)], entry.colour, 2.0, style::dash(dash));
        }
        if let Some(marker) = entry.marker {
            canvas.marker(marker, middle, if entry.path { 3.2 } else { 4.2 }, entry.colour);
        }
        canvas.text(&name, x + SAMPLE + 6.0, y, letters(TICK, INK, Anchor::Start));
        x += width + 18.0;
    }
    if entries.is_empty() { 0.0 } else { y + ROW / 2.0 + 2.0 - top }
}

/// A tile around every value of a field, cut at its rim; neighbours of one colour in a row are one tile.
fn tiles(canvas: &mut Canvas, field: &Field, map: &Map, colour: impl Fn(f64) -> Rgb) {
    let edges = |at: &[f64], place: &dyn Fn(f64) -> f64| -> Vec<f64> {
        let places: Vec<f64> = at.iter().map(|v| place(*v)).collect();
        let middles = places.windows(2).map(|p| (p[0] + p[1]) / 2.0);
        std::iter::once(places[0]).chain(middles).chain(places.last().copied()).collect()
    };
    let xs = edges(field.xs(), &|x| map.at((x, map.y.min)).0);
    let ys = edges(field.ys(), &|y| map.at((map.x.min, y)).1);
    let (columns, rows) = (field.xs().len(), field.ys().len());
    let mut found = vec![];
    for row in 0..rows {
        let mut start = 0;
        while start < columns {
            let fill = colour(field.at(start, row));
            let end = (start + 1..columns).find(|&c| colour(field.at(c, row)) != fill).unwrap_or(columns);
            // Half a point of overlap towards what is drawn later hides the seams.
            let over = |i: usize, last: usize| if i < last { 0.5 } else { 0.0 };
            let (x, width) = (xs[start], xs[end] - xs[start] + over(end, columns));
            let lift = over(row + 1, rows);
            found.push((Area { x, y: ys[row + 1] - lift, width, height: ys[row] - ys[row + 1] + lift }, fill));
            start = end;
        }
    }
    canvas.tiles(found);
}

fn strip_of(canvas: &mut Canvas, scale: &Axis, ticks: &[Tick], plot: Area) {
    const STEPS: usize = 80;
    let x = plot.right() + 14.0;
    let step = plot.height / STEPS as f64;
    let piece = |i: usize| {
        let y = plot.bottom() - (i + 1) as f64 * step;
        (Area { x, y, width: STRIP, height: step + if i == 0 { 0.0 } else { 0.5 } }, viridis((i as f64 + 0.5) / STEPS as f64))
    };
    canvas.tiles((0..STEPS).map(piece));
    canvas.rect(Area { x, width: STRIP, ..plot }, None, Some((FRAME, 1.0)));
    for tick in ticks {
        let y = plot.bottom() - scale.at(tick.value) * plot.height;
        canvas.line(&[(x + STRIP, y), (x + STRIP + 3.0, y)], FRAME, 1.0, &[]);
        canvas.text(&tick.label, x + STRIP + 6.0, y, letters(TICK, INK, Anchor::Start));
    }
}

/// Chains of neighbouring finite points: a gap where one is not.
pub(super) fn chains(points: &[(f64, f64)]) -> impl Iterator<Item = &[(f64, f64)]> {
    points.split(|p| !finite(*p)).filter(|chain| !chain.is_empty())
}

fn line(canvas: &mut Canvas, series: &Series, look: &Look, map: &Map, halo: bool) {
    for chain in chains(&series.points) {
        let places: Vec<(f64, f64)> = chain.iter().map(|p| map.at(*p)).collect();
        if let [only] = places[..] {
            canvas.marker(Marker::Circle, only, 2.5, look.colour);
        }
        let places = thinned(&places);
        if halo {
            canvas.line(&places, WHITE, 4.5, &[]);
        }
        canvas.line(&places, look.colour, 2.0, style::dash(look.dash));
    }
}

/// The same picture with fewer points: of those within a quarter of a point of the sheet's width, the first, the lowest, the highest and the last.
fn thinned(places: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if places.len() <= 4000 {
        return straightened(places);
    }
    let column = |p: &(f64, f64)| (p.0 * 4.0).floor();
    let mut kept = vec![];
    for chunk in places.chunk_by(|a, b| column(a) == column(b)) {
        let extreme =
            |best: fn(f64, f64) -> bool| (1..chunk.len()).fold(0, |at, i| if best(chunk[i].1, chunk[at].1) { i } else { at });
        let mut picked = [0, extreme(|a, b| a < b), extreme(|a, b| a > b), chunk.len() - 1];
        picked.sort_unstable();
        kept.extend(picked.iter().enumerate().filter(|(i, p)| *i == 0 || picked[i - 1] != **p).map(|(_, p)| chunk[*p]));
    }
    kept
}

/// Without the points in the middle of level and upright runs, as stairs have many.
fn straightened(places: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut kept: Vec<(f64, f64)> = vec![];
    for &place in places {
        if let [.., a, b] = kept[..] {
            let on = |a: f64, b: f64, c: f64| (b - a) * (c - b) > 0.0;
            let level = a.1 == b.1 && b.1 == place.1 && on(a.0, b.0, place.0);
            if level || (a.0 == b.0 && b.0 == place.0 && on(a.1, b.1, place.1)) {
                kept.pop();
            }
        }
        kept.push(place);
    }
    kept
}

fn points(canvas: &mut Canvas, series: &Series, look: &Look, map: &Map) {
    let radius = match series.points.len() {
        0..=300 => 4.0,
        301..=2000 => 3.0,
        _ => 2.0,
    };
    for point in series.points.iter().filter(|p| finite(**p)) {
        canvas.marker(look.marker.unwrap_or(Marker::Circle), map.at(*point), radius, look.colour);
    }
}

fn path(canvas: &mut Canvas, series: &Series, look: &Look, map: &Map) {
    let places: Vec<(f64, f64)> = series.points.iter().filter(|p| finite(**p)).map(|p| map.at(*p)).collect();
    for chain in chains(&series.points) {
        let chain: Vec<(f64, f64)> = chain.iter().map(|p| map.at(*p)).collect();
        canvas.line(&chain, WHITE, 4.0, &[]);
        canvas.line(&chain, look.colour, 1.8, &[]);
    }
    // Marks that would lie on one another are left out.
    let mut last: Option<(f64, f64)> = None;
    for &place in &places {
        if last.is_none_or(|l| (place.0 - l.0).hypot(place.1 - l.1) >= 5.0) {
            canvas.marker(look.marker.unwrap_or(Marker::Circle), place, 3.0, look.colour);
            last = Some(place);
        }
    }
    if let (Some(first), Some(last)) = (places.first(), places.last()) {
        canvas.edged_marker(Marker::Circle, *first, 5.0, WHITE, look.colour);
        canvas.marker(Marker::Circle, *first, 2.6, look.colour);
        canvas.marker(Marker::Diamond, *last, 6.0, look.colour);
    }
}

fn bars_of(canvas: &mut Canvas, bars: &[(String, f64)], look: &Look, map: &Map, (categories, sets): (&[String], usize)) {
    let width = 0.8 / sets.max(1) as f64;
    let zero = if map.y.log { map.y.min } else { 0.0 };
    for (name, value) in bars.iter().filter(|(_, v)| v.is_finite()) {
        let at = categories.iter().position(|c| c == name).unwrap_or(0) as f64;
        let from = at - 0.4 + width * look.set as f64;
        let ((x0, y0), (x1, y1)) = (map.at((from, zero)), map.at((from + width, *value)));
        let area = Area { x: x0, y: y0.min(y1), width: (x1 - x0) * 0.96, height: (y1 - y0).abs() };
        canvas.rect(area, Some(look.colour), None);
        let label = super::axis::plain(*value);
        if text_width(&label, NOTE.into()) < area.width - 2.0 {
            // Inside the bar if it is long enough, else beyond its end.
            let inside = area.height > 22.0;
            let away = if (*value >= 0.0) == inside { 9.0 } else { -9.0 };
            let dark = style::lightness(look.colour) < 0.6;
            let ink = if inside && dark { WHITE } else { INK };
            canvas.text(&label, area.x + area.width / 2.0, y1 + away, letters(NOTE, ink, Anchor::Middle));
        }
    }
}

fn contour(canvas: &mut Canvas, field: &Field, map: &Map, over_heat: bool, avoid: &[(f64, f64)]) {
    let levels = field.levels(10);
    let mut boxes: Vec<Area> = avoid.iter().map(|p| Area { x: p.0 - 3.0, y: p.1 - 3.0, width: 6.0, height: 6.0 }).collect();
    let mut labels = vec![];
    for (i, &level) in levels.iter().enumerate() {
        let share = i as f64 / (levels.len() - 1).max(1) as f64;
        let colour = if over_heat { WHITE } else { viridis(0.85 * share) };
        let chains: Vec<Vec<(f64, f64)>> =
            field.contour(level).into_iter().map(|chain| chain.into_iter().map(|p| map.at(p)).collect()).collect();
        for chain in &chains {
            canvas.line(chain, colour, if over_heat { 0.9 } else { 1.3 }, &[]);
        }
        if over_heat {
            continue;
        }
        let longest = chains.iter().max_by_key(|c| c.len());
        let text = super::axis::plain(level);
        let size = (text_width(&text, NOTE.into()) + 4.0, f64::from(NOTE) + 2.0);
        if let Some(place) = longest.and_then(|chain| place_on(chain, size, map.plot, &boxes)) {
            boxes.push(place);
            labels.push((text, place, colour));
        }
    }
    for (text, place, colour) in labels {
        canvas.rect(place, Some(WHITE), None);
        let dark = if style::lightness(colour) > 0.55 { style::viridis(0.6) } else { colour };
        canvas.text(&text, place.x + place.width / 2.0, place.y + place.height / 2.0, letters(NOTE, dark, Anchor::Middle));
    }
}

/// A place for a label on a chain: where it runs level, inside the plot, away from what is there.
fn place_on(chain: &[(f64, f64)], (width, height): (f64, f64), plot: Area, taken: &[Area]) -> Option<Area> {
    let apart =
        |a: &Area, b: &Area| a.right() + 3.0 < b.x || b.right() + 3.0 < a.x || a.bottom() + 2.0 < b.y || b.bottom() + 2.0 < a.y;
    let length: f64 = chain.windows(2).map(|p| (p[1].0 - p[0].0).hypot(p[1].1 - p[0].1)).sum();
    if length < 2.5 * width {
        return None;
    }
    let steepness = |i: usize| {
        let (a, b) = (chain[i.saturating_sub(2)], chain[(i + 2).min(chain.len() - 1)]);
        (b.1 - a.1).abs() / (b.0 - a.0).abs().max(1e-3)
    };
    let place = |i: usize| Area { x: chain[i].0 - width / 2.0, y: chain[i].1 - height / 2.0, width, height };
    let fits = |a: &Area| {
        let within =
            a.x > plot.x + 2.0 && a.right() < plot.right() - 2.0 && a.y > plot.y + 2.0 && a.bottom() < plot.bottom() - 2.0;
        within && taken.iter().all(|b| apart(a, b))
    };
    let candidates = (0..chain.len()).filter(|&i| fits(&place(i)));
    candidates.min_by(|&a, &b| steepness(a).total_cmp(&steepness(b))).map(place)
}
