//! A field in three dimensions: kuva's surface with our heading.

use super::canvas::{Area, Canvas};
use super::chart::heading;
use super::field::Field;
use super::figure::{Content, Figure};
use crate::error::Result;
use kuva::plot::colormap::ColorMap;
use kuva::plot::surface3d::Surface3DPlot;
use kuva::render::layout::Layout;
use kuva::render::plots::Plot;
use kuva::render::render::render_multiple;

/// More faces than this per side are smaller than can be seen.
const MOST: usize = 60;

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

pub(super) fn draw(figure: &Figure, field: &Field, canvas: &mut Canvas, area: Area) -> Result<()> {
    if figure.log_x || figure.log_y {
        return Err(figure.wrong("a surface has no logarithmic axes; `Field::map` takes the logarithm of its values".to_owned()));
    }
    let top = heading(canvas, figure, &figure.notes, area.x + 14.0, area);
    // Evenly left out rows and columns, the last ones kept.
    let kept = |n: usize| -> Vec<usize> {
        let m = n.min(MOST);
        (0..m).map(|i| i * (n - 1) / (m - 1)).collect()
    };
    let (columns, rows) = (kept(field.xs().len()), kept(field.ys().len()));
    let z: Vec<Vec<f64>> = rows.iter().map(|&r| columns.iter().map(|&c| field.at(c, r)).collect()).collect();
    let mut plot = Surface3DPlot::new(z)
        .with_x_coords(columns.iter().map(|&c| field.xs()[c]).collect::<Vec<f64>>())
        .with_y_coords(rows.iter().map(|&r| field.ys()[r]).collect::<Vec<f64>>())
        .with_z_colormap(ColorMap::Viridis)
        .with_wireframe_color("#555555")
        .with_wireframe_width(0.3)
        .with_azimuth(-55.0)
        .with_elevation(32.0);
    for (label, set) in [
        (&figure.x_label, Surface3DPlot::with_x_label::<String> as fn(Surface3DPlot, String) -> Surface3DPlot),
        (&figure.y_label, Surface3DPlot::with_y_label::<String>),
        (&figure.value_label, Surface3DPlot::with_z_label::<String>),
    ] {
        if !label.is_empty() {
            plot = set(plot, label.replace('$', "\\$"));
        }
    }
    let plots: Vec<Plot> = vec![plot.into()];
    let layout = Layout::auto_from_plots(&plots).with_width(area.width).with_height((area.height - top).max(60.0));
    canvas.put(render_multiple(plots, layout), area.x, area.y + top);
    Ok(())
}
