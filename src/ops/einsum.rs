//! Einsum: `"ij,jk->ik"` names the axes of its operands; `out[i,k] = Σ a[i,j] b[j,k]`, a sum over every label that the output does not have.
//!
//! A composition, so its gradient is that of its parts: repeated labels become diagonals, labels of one operand alone are summed at once,
//! and operands are contracted from left to right by a permutation (a view), a reshape where labels join, and a matrix product.

use super::layout::{Permute, Reshape};
use crate::error::{At, Error, OpError, Result};
use crate::graph::op::DType;
use crate::graph::{Tensor, record};
use crate::shape::Shape;
use std::collections::BTreeMap;

/// A subscript, taken apart: the labels of each operand and of the output.
#[derive(Debug, PartialEq, Eq)]
struct Subscript {
    inputs: Vec<Vec<char>>,
    output: Vec<char>,
}

/// Stands for an ellipsis until the ranks of the operands are known.
const ELLIPSIS: char = '…';

/// The label of an axis that an ellipsis stands for: the k-th from the right.
fn unnamed(k: usize) -> char {
    // Shapes have few axes, and all of these are characters.
    char::from_u32(0xE000 + k as u32).unwrap_or(ELLIPSIS)
}

impl Subscript {
    /// Parses `"ab,bc->ac"`. Without an arrow the output has the axes of the ellipses and then the labels that occur once, in alphabetical
    /// order.
    fn parse(text: &str) -> Result<Subscript, OpError> {
        let fail = |what: String| Err(OpError::Value(format!("subscript \"{text}\": {what}")));
        let (left, right) = match text.split_once("->") {
            Some((left, right)) => (left, Some(right)),
            None => (text, None),
        };
        let bad = |part: &str, also: Option<char>| {
            part.replace("...", "").chars().find(|c| !c.is_ascii_alphabetic() && *c != ' ' && Some(*c) != also)
        };
        if let Some(c) = bad(left, Some(',')).or_else(|| bad(right.unwrap_or_default(), None)) {
            return fail(format!(
                "'{c}' is no label; labels are the letters a-z and A-Z, one an axis, and ... stands for further axes"
            ));
        }
        let labels = |part: &str| {
            let marked = part.replace("...", ELLIPSIS.encode_utf8(&mut [0; 4]));
            marked.chars().filter(|c| *c != ' ').collect::<Vec<char>>()
        };
        let inputs: Vec<Vec<char>> = left.split(',').map(labels).collect();
        let output = right.map(labels);
        if inputs.iter().chain(&output).any(|labels| labels.iter().filter(|c| **c == ELLIPSIS).count() > 1) {
            return fail("... stands twice in one operand or in the output".to_owned());
        }
        let mut count = BTreeMap::new();
        inputs.iter().flatten().for_each(|&c| *count.entry(c).or_insert(0usize) += 1);
        let spread = count.remove(&ELLIPSIS).is_some();
        let Some(output) = output else {
            let once = count.iter().filter(|(_, n)| **n == 1).map(|(&c, _)| c);
            return Ok(Subscript { output: spread.then_some(ELLIPSIS).into_iter().chain(once).collect(), inputs });
        };
        if spread != output.contains(&ELLIPSIS) {
            let (there, lacking) = if spread { ("an operand", "the output") } else { ("the output", "the operands") };
            return fail(format!("{there} has ..., and {lacking} not"));
        }
        if spread {
            count.insert(ELLIPSIS, 1);
        }
        if let Some(c) = output.iter().find(|c| !count.contains_key(c)) {
            return fail(format!("the output's label '{c}' is in no operand"));
        }
        if let Some((_, c)) = output.iter().enumerate().find(|(i, c)| output[..*i].contains(c)) {
            return fail(format!("the output has label '{c}' twice"));
        }
        Ok(Subscript { inputs, output })
    }

    /// Puts labels in the place of every ellipsis: those of its operand's further axes, counted from the right, and in the output those of the
    /// operand that has most.
    fn name_further_axes(&mut self, shapes: &[Shape]) {
        let place = |labels: &[char]| labels.iter().position(|c| *c == ELLIPSIS);
        let fill = |labels: &mut Vec<char>, axes: usize| {
            if let Some(at) = place(labels) {
                labels.splice(at..=at, (0..axes).rev().map(unnamed));
            }
        };
        let mut most = 0;
        for (labels, shape) in self.inputs.iter_mut().zip(shapes) {
            if place(labels).is_some() {
                let axes = (shape.rank() + 1).saturating_sub(labels.len());
                fill(labels, axes);
                most = most.max(axes);
            }
        }
        fill(&mut self.output, most);
    }

    /// The size of every label. One that an ellipsis stands for may be 1 in some operands and another size in the others.
    fn sizes(&self, text: &str, shapes: &[Shape]) -> Result<BTreeMap<char, usize>, OpError> {
        let (found, named) = (shapes.len(), self.inputs.len());
        if found != named {
            return Err(OpError::Value(format!("subscript \"{text}\" names {named} operands, and {found} are given")));
        }
        let mut sizes = BTreeMap::new();
        for (i, (labels, shape)) in self.inputs.iter().zip(shapes).enumerate() {
            if labels.len() != shape.rank() {
                let (named, rank) = (labels.len(), shape.rank());
                return Err(OpError::Shape(format!(
                    "subscript \"{text}\": {named} labels for operand {i}, {shape}, which has {rank} axes"
                )));
            }
            for (&label, &size) in labels.iter().zip(shape.dims()) {
                let before = *sizes.entry(label).or_insert(size);
                let spreads = !label.is_ascii_alphabetic() && (before == 1 || size == 1);
                if spreads {
                    sizes.insert(label, if before == 1 { size } else { before });
                } else if before != size {
                    let axis = if label.is_ascii_alphabetic() { format!("label '{label}'") } else { "an axis of ...".to_owned() };
                    return Err(OpError::Shape(format!(
                        "subscript \"{text}\": {axis} has size {before}, and size {size} in operand {i}, {shape}"
                    )));
                }
            }
        }
        Ok(sizes)
    }
}

/// A tensor whose axes have labels, each once.
struct Labelled {
    tensor: Tensor,
    labels: Vec<char>,
}

impl Labelled {
    /// With each repeated label's axes replaced by their diagonal, and summed over every label that `keep` does not want.
    #[track_caller]
    fn prepared(tensor: &Tensor, labels: &[char], keep: impl Fn(char) -> bool) -> Labelled {
        let mut this = Labelled { tensor: tensor.clone(), labels: labels.to_vec() };
        let twice = |labels: &[char]| {
            let second = (0..labels.len()).find_map(|j| Some((labels[..j].iter().position(|c| *c == labels[j])?, j)));
            second.map(|(i, j)| (i, j, labels[j]))
        };
        while let Some((i, j, label)) = twice(&this.labels) {
            let others: Vec<usize> = (0..this.labels.len()).filter(|&k| k != i && k != j).collect();
            let order = [&others[..], &[i, j]].concat();
            this.tensor = permuted(&this.tensor, order).diagonal(0);
            this.labels = others.iter().map(|&k| this.labels[k]).chain([label]).collect();
        }
        let gone: Vec<isize> = (0..this.labels.len()).filter(|&k| !keep(this.labels[k])).map(|k| k as isize).collect();
        if !gone.is_empty() {
            this.tensor = this.tensor.sum(&gone);
            this.labels.retain(|&c| keep(c));
        }
        this
    }

    /// The axes in the order of `labels`, which are this tensor's own.
    #[track_caller]
    fn in_order(&self, labels: &[char]) -> Tensor {
        let order = labels.iter().filter_map(|c| self.labels.iter().position(|own| own == c)).collect();
        permuted(&self.tensor, order)
    }

    /// The contraction with another operand: labels of both that `keep` does not want are summed over.
    #[track_caller]
    fn contracted(
        &self,
        other: &Labelled,
        sizes: &BTreeMap<char, usize>,
        keep: impl Fn(char) -> bool,
    ) -> Result<Labelled, OpError> {
        let shared = |keeping: bool| {
            let both = self.labels.iter().copied().filter(|c| other.labels.contains(c));
            both.filter(|&c| keep(c) == keeping).collect::<Vec<char>>()
        };
        let (batch, summed) = (shared(true), shared(false));
        let own = |from: &Labelled, by: &Labelled| {
            from.labels.iter().copied().filter(|c| !by.labels.contains(c)).collect::<Vec<char>>()
        };
        let (left, right) = (own(self, other), own(other, self));
        let size = |labels: &[char]| labels.iter().map(|c| sizes[c]).collect::<Vec<usize>>();
        let all = |labels: &[char]| labels.iter().map(|c| sizes[c]).product::<usize>();
        let labels = [&batch[..], &left, &right].concat();
        let shape = Shape::new(&size(&labels))?;
        let tensor = if summed.is_empty() {
            // Nothing to sum: a product with broadcasting.
            let a = shaped(
                &self.in_order(&[&batch[..], &left].concat()),
                &[size(&batch), size(&left), vec![1; right.len()]].concat(),
            )?;
            let b = shaped(
                &other.in_order(&[&batch[..], &right].concat()),
                &[size(&batch), vec![1; left.len()], size(&right)].concat(),
            )?;
            a.mul(&b)
        } else if left.is_empty() && right.is_empty() {
            let order = [&batch[..], &summed].concat();
            let axes: Vec<isize> = (batch.len()..order.len()).map(|k| k as isize).collect();
            self.in_order(&order).mul(&other.in_order(&order)).sum(&axes)
        } else {
            let matrix =
                |t: Tensor, rows: &[char], columns: &[char]| shaped(&t, &[size(&batch), vec![all(rows), all(columns)]].concat());
            let a = matrix(self.in_order(&[&batch[..], &left, &summed].concat()), &left, &summed)?;
            let b = matrix(other.in_order(&[&batch[..], &summed, &right].concat()), &summed, &right)?;
            shaped(&a.matmul(&b), shape.dims())?
        };
        Ok(Labelled { tensor, labels })
    }
}

/// `permute`, but the tensor itself where nothing moves.
#[track_caller]
fn permuted(tensor: &Tensor, order: Vec<usize>) -> Tensor {
    if order.is_sorted() { tensor.clone() } else { record(Permute { order }, &[tensor]) }
}

/// `reshape`, but the tensor itself where it has that shape: a matrix product looks for a transpose just below it.
#[track_caller]
fn shaped(tensor: &Tensor, dims: &[usize]) -> Result<Tensor, OpError> {
    let shape = Shape::new(dims)?;
    let same = tensor.try_shape().is_ok_and(|own| own == shape);
    Ok(if same { tensor.clone() } else { record(Reshape { shape }, &[tensor]) })
}

/// Sums of products of f32 tensors, named by a subscript as in `numpy.einsum`.
///
/// Each operand has one letter (a–z, A–Z) an axis; operands are divided by commas. Axes with the same label run together and have the same
/// size; a label twice in one operand takes its diagonal. After `->` stand the labels of the output, in its order; the others are summed
/// over. Without `->` the output has the labels that occur once, in alphabetical order. `...` stands for the further axes of an operand, any
/// number of them: they meet those of other operands from the right and broadcast (a size of 1 fits every other), and stand in the output
/// where it has `...`, or first where there is no `->`. Spaces do not count.
///
/// ```
/// use steepest::{Device, ops};
/// let device = Device::cpu();
/// let a = device.tensor(&[1.0, 2.0, 3.0, 4.0], [2, 2]);
/// assert_eq!(ops::einsum("ij,jk->ik", &[&a, &a])?.to_vec::<f32>()?, [7.0, 10.0, 15.0, 22.0]);
/// assert_eq!(ops::einsum("ii", &[&a])?.item()?, 5.0);
/// assert_eq!(ops::einsum("ij->ji", &[&a])?.to_vec::<f32>()?, [1.0, 3.0, 2.0, 4.0]);
/// # Ok::<(), steepest::Error>(())
/// ```
///
/// # Errors
/// An empty list: there is no device to record on. Everything else is reported by the tensor returned: a character that is no label, a label
/// of the output that is in no operand or stands there twice, another number of operands or of axes than the subscript names, sizes of one
/// label that differ, an operand that is not f32, more than 8 axes on the way.
#[track_caller]
pub fn einsum(subscript: &str, operands: &[&Tensor]) -> Result<Tensor> {
    let Some(first) = operands.first() else {
        let error = OpError::Value("no tensors given; at least one is needed".to_owned());
        return Err(Error::op("einsum", At::caller(), error));
    };
    if let Some(invalid) = operands.iter().find(|t| t.check().is_err()) {
        return Ok((*invalid).clone());
    }
    Ok(build(subscript, operands).unwrap_or_else(|error| first.refuse("einsum", error)))
}

#[track_caller]
fn build(text: &str, operands: &[&Tensor]) -> Result<Tensor, OpError> {
    let mut subscript = Subscript::parse(text)?;
    let specs: Vec<_> = operands.iter().filter_map(|t| t.spec().ok()).collect();
    if let Some((i, spec)) = specs.iter().enumerate().find(|(_, spec)| spec.dtype != DType::F32) {
        return Err(OpError::DType(format!("operand {i} is {spec}, expected f32; convert with to_f32()")));
    }
    let shapes: Vec<_> = specs.iter().map(|s| s.shape).collect();
    subscript.name_further_axes(&shapes);
    let sizes = subscript.sizes(text, &shapes)?;
    // An axis of size 1 that meets a larger one of another operand is none.
    let mut narrow: Vec<Tensor> = operands.iter().map(|t| (*t).clone()).collect();
    for ((labels, tensor), shape) in subscript.inputs.iter_mut().zip(&mut narrow).zip(&shapes) {
        let gone: Vec<usize> = (0..labels.len()).filter(|&k| shape.dims()[k] != sizes[&labels[k]]).collect();
        if !gone.is_empty() {
            *tensor = tensor.squeeze(&gone.iter().map(|&k| k as isize).collect::<Vec<_>>());
            *labels = (0..labels.len()).filter(|k| !gone.contains(k)).map(|k| labels[k]).collect();
        }
    }
    let Subscript { inputs, output } = &subscript;
    let prepared = |i: usize| {
        let elsewhere = |c: char| inputs.iter().enumerate().any(|(k, labels)| k != i && labels.contains(&c));
        Labelled::prepared(&narrow[i], &inputs[i], |c| output.contains(&c) || elsewhere(c))
    };
    let mut result = prepared(0);
    for i in 1..operands.len() {
        let later = |c: char| output.contains(&c) || inputs[i + 1..].iter().any(|labels| labels.contains(&c));
        result = result.contracted(&prepared(i), &sizes, later)?;
    }
    Ok(result.in_order(output))
}
