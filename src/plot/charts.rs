//! Pictures of training and of judging: learning curves, decision boundaries, confusion matrix, ROC, pictures with predictions, activations.

use super::axis::range;
use super::field::Field;
use super::figure::{Content, Figure, Matrix, Pictures};
use super::output::Panels;
use crate::error::{Error, Result};
use crate::train::History;
use crate::train::metrics::{ConfusionMatrix, roc_auc, roc_curve};
use crate::{Device, Tensor};

/// Loss over epochs, of training and, if there is one, of validation rows; the lowest is marked. Losses that fall over magnitudes stand on a
/// logarithmic axis.
///
/// ```
/// use steepest::plot;
/// use steepest::train::{History, Record};
/// let record = |epoch, loss| Record { epoch, steps: 0, lr: 0.1, loss, val_loss: Some(loss + 0.1), metrics: vec![], seconds: 1.0 };
/// let history = History { records: vec![record(1, 0.9), record(2, 0.4), record(3, 0.3)] };
/// println!("{}", plot::learning_curves(&history).sketch(60, 16)?);
/// # Ok::<(), steepest::Error>(())
/// ```
pub fn learning_curves(history: &History) -> Figure {
    let mut figure = Figure::new("Learning curves").labels("epoch", "loss");
    let (mut all, mut lowest) = (vec![], None);
    for (column, name) in [("loss", "training loss"), ("val_loss", "validation loss")] {
        let values = history.column(column);
        if values.iter().any(Option::is_some) {
            let points = curve(history, &values);
            all.extend(points.iter().map(|p| p.1));
            lowest = points.iter().copied().filter(|p| p.1.is_finite()).min_by(|a, b| a.1.total_cmp(&b.1));
            figure = figure.line(name, points);
        }
    }
    if let Some((epoch, loss)) = lowest {
        figure = figure.points(format!("lowest: {loss:.4} after epoch {epoch}"), [(epoch, loss)]);
    }
    // Of losses that fall over magnitudes the interesting part is low.
    if range(all).is_some_and(|(low, high)| low > 0.0 && high > 30.0 * low) { figure.log_y() } else { figure }
}

fn curve(history: &History, values: &[Option<f64>]) -> Vec<(f64, f64)> {
    history.records.iter().zip(values).map(|(record, value)| (record.epoch as f64, value.unwrap_or(f64::NAN))).collect()
}

/// The metrics of the validation rows over epochs.
pub fn metric_curves(history: &History) -> Figure {
    let figure = Figure::new("Validation metrics").labels("epoch", "metric");
    let mut names: Vec<&str> = vec![];
    for (name, _) in history.records.iter().flat_map(|record| &record.metrics) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    if let [only] = names[..] {
        return figure.labels("epoch", only).line("", curve(history, &history.column(only)));
    }
    names.into_iter().fold(figure, |figure, name| figure.line(name, curve(history, &history.column(name))))
}

/// Which class a classifier sees where: `classify` is given all `n` × `n` points of a grid at once and names a class for each. The points of
/// the data set go over it with [`Figure::points`]: of a class's name, they have its colour.
///
/// ```
/// use steepest::plot;
/// let nearer = |points: &[[f32; 2]]| Ok(points.iter().map(|p| u32::from(p[0] > 0.5)).collect());
/// let figure = plot::decision_boundary("Left or right", (0.0, 1.0), (0.0, 1.0), 50, nearer, &["left", "right"])?
///     .points("left", [(0.2, 0.4)])
///     .points("right", [(0.9, 0.7)]);
/// assert!(figure.to_svg()?.contains("right"));
/// # Ok::<(), steepest::Error>(())
/// ```
///
/// # Errors
/// As [`Field::sample`]; the error of `classify`; another number of classes than points; a class without a name.
pub fn decision_boundary(
    title: impl Into<String>,
    x: (f64, f64),
    y: (f64, f64),
    n: usize,
    classify: impl FnOnce(&[[f32; 2]]) -> Result<Vec<u32>>,
    names: &[&str],
) -> Result<Figure> {
    let mut points = vec![];
    let grid = Field::sample(x, y, n, |x, y| {
        points.push([x as f32, y as f32]);
        0.0
    })?;
    let classes = classify(&points)?;
    let wrong = |message: String| Err(Error::Config { what: "decision boundary", message });
    if classes.len() != points.len() {
        return wrong(format!("{} classes for {} points", classes.len(), points.len()));
    }
    if let Some(class) = classes.iter().find(|c| **c as usize >= names.len()) {
        return wrong(format!("class {class} has no name: there are {}", names.len()));
    }
    let field = Field::new(grid.xs().to_vec(), grid.ys().to_vec(), classes.into_iter().map(f64::from).collect())?;
    Ok(Figure::new(title).regions(&field, names))
}

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

/// Which classes are taken for which: counts, and their share of the row's label. Without names, classes are called by their numbers.
///
/// ```
/// use steepest::{plot, train::metrics::ConfusionMatrix};
/// let matrix = ConfusionMatrix::new(&[0, 1, 1, 0], &[0, 1, 0, 0], 2)?;
/// println!("{}", plot::confusion(&matrix, &["cat", "dog"]).sketch(40, 10)?);
/// # Ok::<(), steepest::Error>(())
/// ```
pub fn confusion(matrix: &ConfusionMatrix, names: &[&str]) -> Figure {
    let n = matrix.classes();
    let given = names.len();
    let names: Vec<String> = (0..n).map(|c| names.get(c).map_or_else(|| c.to_string(), |&name| name.to_owned())).collect();
    let counts = (0..n).flat_map(|label| (0..n).map(move |p| matrix.count(label, p))).collect();
    let side = (n as u32 * 52).clamp(220, 620);
    let (total, right) = (matrix.total(), (0..n).map(|c| matrix.count(c, c)).sum::<u64>());
    let mut figure = Figure::of("Confusion matrix", Content::Matrix(Matrix { names, counts }))
        .labels("predicted class", "true class ↓")
        .size(side + 90, side + 140)
        .note(format!("accuracy {:.1} %: {right} of {total}; shade and % are the share of the row", 100.0 * matrix.accuracy()));
    if given != 0 && given != n {
        figure.refuse(format!("{given} names for {n} classes"));
    } else if total == 0 {
        figure.refuse("nothing was counted yet".to_owned());
    }
    figure
}

/// The ROC curve of scores for labels 0 and 1, with the area under it in the legend.
///
/// ```
/// let figure = steepest::plot::roc(&[0.9, 0.8, 0.4, 0.2], &[1, 0, 1, 0])?;
/// assert!(figure.to_svg()?.contains("AUC 0.750"));
/// # Ok::<(), steepest::Error>(())
/// ```
///
/// # Errors
/// [`Error::Config`]: labels other than 0 and 1, or as [`roc_auc`].
pub fn roc(scores: &[f32], labels: &[u32]) -> Result<Figure> {
    if let Some(row) = labels.iter().position(|l| *l > 1) {
        let message = format!("label {} of row {row}, expected 0 or 1; of several classes, one at a time", labels[row]);
        return Err(Error::Config { what: "roc", message });
    }
    let positive: Vec<bool> = labels.iter().map(|l| *l == 1).collect();
    let auc = roc_auc(scores, &positive)?;
    let curve = roc_curve(scores, &positive)?.into_iter().map(|p| (p.false_positive_rate, p.true_positive_rate));
    Ok(Figure::new("ROC curve")
        .labels("false positive rate", "true positive rate")
        .size(520, 580)
        .equal_axes()
        .line(format!("classifier, AUC {auc:.3}"), curve)
        .line("chance, AUC 0.500", [(0.0, 0.0), (1.0, 1.0)]))
}

/// Small grey pictures with captions, such as what a network saw in each; those that are `wrong` stand out. `pictures` holds them one after
/// the other, each row after row; 0 is black and 1 is white. If a value is outside 0 to 1, the least of all becomes black and the largest
/// white. `wrong` may be empty.
///
/// ```
/// use steepest::plot;
/// let captions = ["a 7".to_owned(), "a 1 for a 7".to_owned()];
/// let figure = plot::images("Two pictures", &[0.5; 2 * 3 * 4], (3, 4), &captions, &[false, true])?;
/// assert!(figure.to_svg()?.contains("a 1 for a 7"));
/// # Ok::<(), steepest::Error>(())
/// ```
///
/// # Errors
/// [`Error::Config`]: no pictures, or more than 400; sides of 0 or above 256; not as many pixels as captions ask for; not as many flags as captions; pixels
/// that are not finite.
pub fn images(
    title: impl Into<String>,
    pictures: &[f32],
    (height, width): (usize, usize),
    captions: &[String],
    wrong: &[bool],
) -> Result<Figure> {
    let refuse = |message: String| Err(Error::Config { what: "images", message });
    let count = captions.len();
    if count == 0 || count > 400 || !(1..=256).contains(&height) || !(1..=256).contains(&width) {
        return refuse(format!("{count} pictures of {height} × {width}, expected 1 to 400 of at most 256 × 256"));
    }
    if pictures.len() != count * height * width {
        return refuse(format!("{} pixels for {count} captions and pictures of {height} × {width}", pictures.len()));
    }
    if !wrong.is_empty() && wrong.len() != count {
        return refuse(format!("{} flags for {count} captions", wrong.len()));
    }
    if let Some(at) = pictures.iter().position(|v| !v.is_finite()) {
        return refuse(format!("pixel {} of picture {} is {}", at % (height * width), at / (height * width), pictures[at]));
    }
    let values = || pictures.iter().map(|v| f64::from(*v));
    let (low, high) = range(values()).filter(|(low, high)| *low < 0.0 || *high > 1.0).unwrap_or((0.0, 1.0));
    let span = (high - low).max(f64::MIN_POSITIVE);
    let pixels = values().map(|v| ((v - low) / span * 255.0).round() as u8).collect();
    let wrong = if wrong.is_empty() { vec![false; count] } else { wrong.to_vec() };
    let captions = captions.iter().zip(&wrong).map(|(c, wrong)| if *wrong { format!("✗ {c}") } else { c.clone() }).collect();
    let pictures = Pictures { height, width, pixels, captions, wrong };
    let (w, h) = pictures.size();
    Ok(Figure::of(title, Content::Pictures(pictures)).size(w, h))
}

/// A function of tensors with its name.
pub type Named<'a> = (&'a str, &'a dyn Fn(&Tensor) -> Tensor);

/// Functions of one number and their derivatives between −`reach` and `reach`, both computed on the CPU by the ops and gradients that
/// training uses.
///
/// ```
/// use steepest::{Tensor, plot};
/// let panels = plot::activations(&[("ReLU", &Tensor::relu), ("leaky", &|x: &Tensor| x.leaky_relu(0.1))], 4.0)?;
/// assert!(panels.to_svg()?.contains("Derivatives"));
/// # Ok::<(), steepest::Error>(())
/// ```
///
/// # Errors
/// [`Error::Config`]: no functions, a reach that is not positive; a function that does not give one value per value, or fails.
pub fn activations(functions: &[Named<'_>], reach: f64) -> Result<Panels> {
    let wrong = |message: String| Error::Config { what: "activations", message };
    if functions.is_empty() || !(reach > 0.0 && reach.is_finite()) {
        return Err(wrong(format!(
            "{} functions from {} to {reach}, expected at least one and a positive reach",
            functions.len(),
            -reach
        )));
    }
    const POINTS: usize = 401;
    let device = Device::cpu();
    let xs: Vec<f32> = (0..POINTS).map(|i| (reach * (2.0 * i as f64 / (POINTS - 1) as f64 - 1.0)) as f32).collect();
    let mut values = Figure::new("Activations").labels("x", "f(x)").size(560, 440);
    let mut slopes = Figure::new("Derivatives").labels("x", "f′(x)").size(560, 440);
    for (name, function) in functions {
        let x = device.parameter(&xs, [POINTS]);
        let y = function(&x);
        let shape = y.try_shape()?;
        if shape.dims() != [POINTS] {
            return Err(wrong(format!("`{name}` makes {shape} of [{POINTS}], expected the same shape")));
        }
        // The sum's derivative by each element is the function's there.
        let slope = y.sum(&[]).backward().wrt(&x)?;
        let pairs = |ys: Vec<f32>| xs.iter().zip(ys).map(|(x, y)| (f64::from(*x), f64::from(y))).collect::<Vec<_>>();
        values = values.line(*name, pairs(y.to_vec()?));
        slopes = slopes.line(*name, pairs(slope.to_vec()?));
    }
    Ok(Panels::new(2, [values, slopes]))
}
