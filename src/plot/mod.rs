//! Pictures: SVG and PNG files, sketches for terminals.
//!
//! A [`Figure`] is a value; what goes into it is said by methods, and nothing is drawn until it is saved or shown. Colours can be told apart
//! by all kinds of colour vision (Okabe and Ito; viridis for fields), and lines and marks differ in form too. The same figure gives the same
//! bytes.
//!
//! | picture | how |
//! |---|---|
//! | lines, points, a fitted line through points | [`Figure::line`], [`Figure::points`] |
//! | contour of a cost over two parameters, with the way of a descent | [`Figure::contour`], [`Figure::path`] |
//! | the same as a heat map, and in three dimensions | [`Figure::heat_map`], [`surface`] |
//! | bars | [`Figure::bars`] |
//! | loss and metrics over epochs | [`learning_curves`], [`metric_curves`] |
//! | loss around a network's weights: slices and plane | [`loss_slices`], [`loss_surface`] |
//! | which class is seen where | [`decision_boundary`], [`Figure::regions`] |
//! | confusion matrix, ROC | [`confusion`], [`roc`] |
//! | pictures with predictions | [`images`] |
//! | activations and their derivatives | [`activations`] |
//! | several of them on one sheet | [`Panels`] |
//!
//! ```
//! use steepest::plot::{Field, Figure};
//! // Gradient descent on x² + 4 y², and the way it takes.
//! let cost = Field::sample((-2.5, 2.5), (-1.5, 1.5), 60, |x, y| x * x + 4.0 * y * y)?;
//! let way = std::iter::successors(Some((-2.0, 1.2)), |(x, y)| Some((x - 0.1 * 2.0 * x, y - 0.1 * 8.0 * y))).take(20);
//! let figure = Figure::new("Gradient descent").labels("w₁", "w₂").contour(&cost).path("rate 0.1", way);
//! println!("{}", figure.sketch(70, 24)?);
//! let folder = std::env::temp_dir().join("steepest-doc");
//! figure.save(folder.join("descent.svg"))?;
//! figure.save(folder.join("descent.png"))?; // two pixels per point
//! # Ok::<(), steepest::Error>(())
//! ```

// Each file uses only files that stand before it here: style, axis, field, canvas, figure (values), frame (what picture and sketch share);
// chart, grid, surface, sketch (each draws one kind of content, none uses another); output (files and sheets); charts, landscape (ready-made).

mod axis;
mod canvas;
mod chart;
mod charts;
mod field;
mod figure;
mod frame;
mod grid;
mod landscape;
mod output;
mod sketch;
mod style;
mod surface;

pub use charts::{Named, activations, confusion, decision_boundary, images, learning_curves, metric_curves, roc, surface};
pub use field::Field;
pub use figure::Figure;
pub use landscape::{loss_slices, loss_slices_async, loss_surface, loss_surface_async};
pub use output::Panels;
