//! Draws a figure over two axes: frame, ticks, legend, and the layers in between.

use super::axis::{Axis, Tick, plain};
use super::canvas::{Anchor, Area, Canvas, Letters, MARGIN};
use super::field::Field;
use super::figure::{Figure, Layer, Series};
use super::frame::{Frame, Look};
use super::style::{self, CIRCLE, DIAMOND, FRAME, GRID, INK, LABEL, NOTE, TICK, WHITE, text_width, viridis};
use crate::error::Result;

/// The strip of colours beside a heat map, and the room before it.
const STRIP: f64 = 14.0;
/// Colours of a heat map: neighbours of the same colour are one tile.
const SHADES: f64 = 160.0;

pub(super) fn draw(figure: &Figure, layers: &[Layer], canvas: &mut Canvas, area: Area) -> Result<()> {
    let frame = Frame::of(figure, layers)?;
    let heat = layers.iter().rev().find_map(|l| if let Layer::HeatMap(field) = l { field.range() } else { None });
    let scale = heat.map(|(low, high)| Axis::around(low, high, false, 0.0)).map(|axis| (axis, axis.ticks(6)));
    // Sizes first: what stands left and right of the plot depends on the labels of the ticks.
    let rough = (area.height - 120.0).max(60.0);
    let y_ticks = frame.y.ticks((rough / 36.0).clamp(2.0, 10.0) as usize);
    let left = area.x + MARGIN + widest(&y_ticks) + 8.0;
    let strip = scale.as_ref().map_or(0.0, |(_, ticks)| 2.0 * STRIP + 6.0 + widest(ticks));
    let right = area.right() - MARGIN - 6.0 - strip;
    let (start, mut top) = canvas.heading(&figure.title, &frame.notes, area);
    top += legend(canvas, &frame.legend, (start, top), area.right() - MARGIN) + 6.0;
    let value_label = if scale.is_some() { figure.value_label.as_str() } else { "" };
    top += canvas.labels([&figure.y_label, value_label], (start, top), area.right() - MARGIN);
    let (upright, below) = names_below(&frame.categories, right - left);
    let bottom = area.bottom() - below - if figure.x_label.is_empty() { 10.0 } else { 28.0 };
    if right - left < 40.0 || bottom - top < 40.0 {
        let (width, height) = (area.width, area.height);
        return Err(figure.wrong(format!("{width} × {height} points leave no room for the plot between its labels")));
    }
    let mut map = Map { x: frame.x, y: frame.y, plot: Area { x: left, y: top, width: right - left, height: bottom - top } };
    if figure.equal {
        map.same_scale();
    }
    let x_ticks = frame.x_ticks((map.plot.width / 62.0).clamp(2.0, 12.0) as usize);
    if !layers.iter().any(|l| matches!(l, Layer::Contour(_) | Layer::HeatMap(_) | Layer::Regions { .. })) {
        grid(canvas, &map, if frame.categories.is_empty() { &x_ticks } else { &[] }, &y_ticks);
    }
    draw_layers(canvas, layers, &frame, &map);
    canvas.rect(map.plot, None, Some((FRAME, 1.0)));
    ticks(canvas, &map, &x_ticks, &y_ticks, upright);
    let letters = Letters::of(LABEL, INK, Anchor::Middle).within(area.width - 2.0 * MARGIN);
    canvas.text(&figure.x_label, map.plot.middle().0, map.plot.bottom() + below + 8.0, letters);
    if let Some((scale, ticks)) = scale {
        strip_of(canvas, &scale, &ticks, map.plot);
    }
    Ok(())
}

fn widest(ticks: &[Tick]) -> f64 {
    style::widest(ticks.iter().map(|tick| &tick.label), TICK)
}

/// From values to places on the sheet.
struct Map {
    x: Axis,
    y: Axis,
    plot: Area,
}

impl Map {
    fn at(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (self.across(x), self.up(y))
    }

    fn across(&self, x: f64) -> f64 {
        self.plot.x + self.x.at(x) * self.plot.width
    }

    fn up(&self, y: f64) -> f64 {
        self.plot.bottom() - self.y.at(y) * self.plot.height
    }

    /// Makes the plot narrower or lower until a step is as long on both axes.
    fn same_scale(&mut self) {
        let per_x = self.plot.width / (self.x.max - self.x.min);
        let per_y = self.plot.height / (self.y.max - self.y.min);
        if per_x > per_y {
            self.plot.width *= per_y / per_x;
        } else {
            self.plot.height *= per_x / per_y;
        }
    }
}

/// Entries side by side in rows; gives back their height.
fn legend(canvas: &mut Canvas, entries: &[(String, Look)], (left, top): (f64, f64), right: f64) -> f64 {
    const SAMPLE: f64 = 28.0;
    const ROW: f64 = 20.0;
    let (mut x, mut y) = (left, top + 12.0);
    for (name, look) in entries {
        let name = style::shortened(name, TICK.into(), right - left - SAMPLE - 6.0);
        let width = SAMPLE + 6.0 + text_width(&name, TICK.into());
        if x > left && x + width > right {
            (x, y) = (left, y + ROW);
        }
        if look.area {
            let light = look.mark.is_some() || look.line.is_some();
            let fill = if light { style::tint(look.colour, 0.28) } else { look.colour };
            canvas.rect(Area { x: x + 4.0, y: y - 7.0, width: SAMPLE - 8.0, height: 14.0 }, Some(fill), None);
        }
        if let Some(dash) = look.line {
            canvas.line(&[(x, y), (x + SAMPLE, y)], look.colour, 2.0, style::dash(dash));
        }
        if let Some(mark) = look.mark {
            canvas.mark(mark, (x + SAMPLE / 2.0, y), if look.is_path { 3.2 } else { 4.2 }, look.colour, WHITE);
        }
        canvas.text(&name, x + SAMPLE + 6.0, y, Letters::of(TICK, INK, Anchor::Start));
        x += width + 18.0;
    }
    if entries.is_empty() { 0.0 } else { y + ROW / 2.0 + 2.0 - top }
}

/// Whether the names of bars must run upwards to fit, and the height of what stands at the ticks below the plot.
fn names_below(categories: &[String], width: f64) -> (bool, f64) {
    let longest = style::widest(categories, TICK);
    let upright = longest > width / categories.len().max(1) as f64 - 6.0;
    (upright, if upright { longest.min(110.0) + 10.0 } else { 22.0 })
}

fn ticks(canvas: &mut Canvas, map: &Map, x_ticks: &[Tick], y_ticks: &[Tick], upright: bool) {
    let (left, bottom) = (map.plot.x, map.plot.bottom());
    for Tick { value, label } in x_ticks {
        let x = map.across(*value);
        canvas.line(&[(x, bottom), (x, bottom + 4.0)], FRAME, 1.0, &[]);
        if upright {
            let letters = Letters { upwards: true, ..Letters::of(TICK, INK, Anchor::End) };
            canvas.text(label, x, bottom + 7.0, letters.within(110.0));
        } else {
            canvas.text(label, x, bottom + 14.0, Letters::of(TICK, INK, Anchor::Middle));
        }
    }
    for Tick { value, label } in y_ticks {
        let y = map.up(*value);
        canvas.line(&[(left - 4.0, y), (left, y)], FRAME, 1.0, &[]);
        canvas.text(label, left - 8.0, y, Letters::of(TICK, INK, Anchor::End));
    }
}

/// Lines at the ticks, and thin ones between those of a logarithmic axis.
fn grid(canvas: &mut Canvas, map: &Map, x_ticks: &[Tick], y_ticks: &[Tick]) {
    let plot = map.plot;
    let of = |values: Vec<f64>, width: f64| values.into_iter().map(move |value| (value, width));
    let all = |axis: &Axis, ticks: &[Tick]| of(axis.between(), 0.5).chain(of(ticks.iter().map(|t| t.value).collect(), 1.0));
    for (x, width) in all(&map.x, x_ticks).map(|(value, width)| (map.across(value), width)) {
        canvas.line(&[(x, plot.y), (x, plot.bottom())], GRID, width, &[]);
    }
    for (y, width) in all(&map.y, y_ticks).map(|(value, width)| (map.up(value), width)) {
        canvas.line(&[(plot.x, y), (plot.right(), y)], GRID, width, &[]);
    }
}

/// The scale of a heat map.
fn strip_of(canvas: &mut Canvas, scale: &Axis, ticks: &[Tick], plot: Area) {
    const STEPS: usize = 80;
    let strip = Area { x: plot.right() + STRIP, width: STRIP, ..plot };
    let edges: Vec<f64> = (0..=STEPS).map(|i| plot.bottom() - i as f64 * plot.height / STEPS as f64).collect();
    canvas.tiles(&[strip.x, strip.right()], &edges, |_, i| viridis((i as f64 + 0.5) / STEPS as f64));
    canvas.rect(strip, None, Some((FRAME, 1.0)));
    for tick in ticks {
        let (x, y) = (strip.right(), plot.bottom() - scale.at(tick.value) * plot.height);
        canvas.line(&[(x, y), (x + 3.0, y)], FRAME, 1.0, &[]);
        canvas.text(&tick.label, x + 6.0, y, Letters::of(TICK, INK, Anchor::Start));
    }
}

fn draw_layers(canvas: &mut Canvas, layers: &[Layer], frame: &Frame, map: &Map) {
    // What fills the plot lies under all else.
    for (layer, look) in layers.iter().zip(&frame.looks) {
        match layer {
            Layer::HeatMap(field) => {
                let (low, high) = field.range().unwrap_or((0.0, 1.0));
                let shade = |v: f64| ((v - low) / (high - low).max(f64::MIN_POSITIVE) * SHADES).round() / SHADES;
                tiles(canvas, field, map, |v| if v.is_finite() { viridis(shade(v)) } else { style::NOTHING });
            }
            Layer::Regions { field, .. } => {
                let colour = |v: f64| look.classes.get(v as usize).map_or(style::NOTHING, |c| style::tint(*c, 0.28));
                tiles(canvas, field, map, |v| if v.is_finite() { colour(v) } else { style::NOTHING });
            }
            _ => {}
        }
    }
    let over_heat = layers.iter().any(|l| matches!(l, Layer::HeatMap(_)));
    let paths = layers.iter().filter_map(|l| if let Layer::Path(series) = l { Some(series) } else { None });
    let paths: Vec<(f64, f64)> = paths.flat_map(Series::finite).map(|p| map.at(p)).collect();
    for (layer, look) in layers.iter().zip(&frame.looks) {
        match layer {
            Layer::Contour(field) => contour(canvas, field, map, over_heat, &paths),
            Layer::Line(series) => line(canvas, series, look, map, layers.len() > 1 && frame.has_field),
            Layer::Points(series) => points(canvas, series, look, map),
            Layer::Path(series) => path(canvas, series, look, map),
            Layer::Bars { bars, .. } => bars_of(canvas, bars, look, map, frame),
            Layer::HeatMap(_) | Layer::Regions { .. } => {}
        }
    }
}

/// A tile around every value of a field, cut at its rim.
fn tiles(canvas: &mut Canvas, field: &Field, map: &Map, colour: impl Fn(f64) -> style::Rgb) {
    let edges = |places: Vec<f64>| -> Vec<f64> {
        let middles = places.windows(2).map(|p| (p[0] + p[1]) / 2.0);
        std::iter::once(places[0]).chain(middles).chain(places.last().copied()).collect()
    };
    let xs = edges(field.xs().iter().map(|x| map.across(*x)).collect());
    let ys = edges(field.ys().iter().map(|y| map.up(*y)).collect());
    canvas.tiles(&xs, &ys, |column, row| colour(field.at(column, row)));
}

fn line(canvas: &mut Canvas, series: &Series, look: &Look, map: &Map, halo: bool) {
    for chain in series.chains() {
        let places: Vec<(f64, f64)> = chain.iter().map(|p| map.at(*p)).collect();
        if let [only] = places[..] {
            canvas.mark(CIRCLE, only, 2.5, look.colour, WHITE);
        }
        let places = thinned(&places);
        if halo {
            canvas.line(&places, WHITE, 4.5, &[]);
        }
        canvas.line(&places, look.colour, 2.0, look.line.map_or(&[], style::dash));
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
        let by_height = |a: &usize, b: &usize| chunk[*a].1.total_cmp(&chunk[*b].1);
        let (lowest, highest) = ((0..chunk.len()).min_by(by_height), (0..chunk.len()).rev().max_by(by_height));
        let mut picked = [0, lowest.unwrap_or(0), highest.unwrap_or(0), chunk.len() - 1];
        picked.sort_unstable();
        kept.extend(picked.chunk_by(|a, b| a == b).map(|same| chunk[same[0]]));
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
    for point in series.finite() {
        canvas.mark(look.mark.unwrap_or(CIRCLE), map.at(point), radius, look.colour, WHITE);
    }
}

fn path(canvas: &mut Canvas, series: &Series, look: &Look, map: &Map) {
    for chain in series.chains() {
        let chain: Vec<(f64, f64)> = chain.iter().map(|p| map.at(*p)).collect();
        canvas.line(&chain, WHITE, 4.0, &[]);
        canvas.line(&chain, look.colour, 1.8, &[]);
    }
    let places: Vec<(f64, f64)> = series.finite().map(|p| map.at(p)).collect();
    // Marks that would lie on one another are left out.
    let mut last: Option<(f64, f64)> = None;
    for &place in &places {
        if last.is_none_or(|l| (place.0 - l.0).hypot(place.1 - l.1) >= 5.0) {
            canvas.mark(look.mark.unwrap_or(CIRCLE), place, 3.0, look.colour, WHITE);
            last = Some(place);
        }
    }
    if let (Some(first), Some(last)) = (places.first(), places.last()) {
        canvas.mark(CIRCLE, *first, 5.0, WHITE, look.colour);
        canvas.mark(CIRCLE, *first, 2.6, look.colour, WHITE);
        canvas.mark(DIAMOND, *last, 6.0, look.colour, WHITE);
    }
}

fn bars_of(canvas: &mut Canvas, bars: &[(String, f64)], look: &Look, map: &Map, frame: &Frame) {
    let width = 0.8 / frame.sets as f64;
    let zero = if map.y.log { map.y.min } else { 0.0 };
    for (name, value) in bars.iter().filter(|(_, v)| v.is_finite()) {
        let from = frame.place(name) - 0.4 + width * look.set as f64;
        let ((x0, y0), (x1, y1)) = (map.at((from, zero)), map.at((from + width, *value)));
        let area = Area { x: x0, y: y0.min(y1), width: (x1 - x0) * 0.96, height: (y1 - y0).abs() };
        canvas.rect(area, Some(look.colour), None);
        let label = plain(*value);
        if text_width(&label, NOTE.into()) < area.width - 2.0 {
            // Inside the bar if it is long enough, else beyond its end.
            let inside = area.height > 22.0;
            let away = if (*value >= 0.0) == inside { 9.0 } else { -9.0 };
            let ink = if inside { style::ink_on(look.colour) } else { INK };
            canvas.text(&label, area.middle().0, y1 + away, Letters::of(NOTE, ink, Anchor::Middle));
        }
    }
}

fn contour(canvas: &mut Canvas, field: &Field, map: &Map, over_heat: bool, avoid: &[(f64, f64)]) {
    let levels = field.levels(10);
    let mut taken: Vec<Area> = avoid.iter().map(|p| Area { x: p.0 - 3.0, y: p.1 - 3.0, width: 6.0, height: 6.0 }).collect();
    let mut labels = vec![];
    for (i, &level) in levels.iter().enumerate() {
        let share = i as f64 / (levels.len() - 1).max(1) as f64;
        let (colour, width) = if over_heat { (WHITE, 0.9) } else { (viridis(0.85 * share), 1.3) };
        let chains = field.contour(level).into_iter().map(|chain| chain.into_iter().map(|p| map.at(p)).collect());
        let chains: Vec<Vec<(f64, f64)>> = chains.collect();
        chains.iter().for_each(|chain| canvas.line(chain, colour, width, &[]));
        let text = plain(level);
        let size = (text_width(&text, NOTE.into()) + 4.0, f64::from(NOTE) + 2.0);
        let longest = chains.iter().max_by_key(|c| c.len()).filter(|_| !over_heat);
        if let Some(place) = longest.and_then(|chain| place_on(chain, size, map.plot, &taken)) {
            taken.push(place);
            // Letters of the lightest lines would not be seen.
            labels.push((text, place, viridis((0.85 * share).min(0.6))));
        }
    }
    for (text, place, ink) in labels {
        canvas.rect(place, Some(WHITE), None);
        let (x, y) = place.middle();
        canvas.text(&text, x, y, Letters::of(NOTE, ink, Anchor::Middle));
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
