//! Whether what an op says of its kernels fits its call: numbers of inputs, sizes, what is read and written. Kernels may come from anywhere, and
//! nothing that follows looks again.

use crate::error::OpError;
use crate::graph::key::Call;
use crate::graph::op::{DType, Elementwise, Lowering, Operand, Spec, Stage};
use crate::shape::View;

/// What the op says of its kernels, if it fits.
///
/// # Errors
/// [`OpError::Lowering`] with what does not fit, and what was expected.
pub(super) fn checked(call: &Call, inputs: &[Spec], lowering: Lowering) -> Result<Lowering, OpError> {
    let output = &call.spec;
    let wrong = match &lowering {
        Lowering::Elementwise(e) => elementwise(e, call, inputs, output),
        Lowering::View(view) => match inputs {
            [input] => reads(view, input.words(), output),
            _ => Some(format!("it is a view of one input, and has {}", inputs.len())),
        },
        Lowering::Alias => match inputs {
            [input] if input.words() == output.words() => None,
            [input] => Some(format!("it is its input under another shape, and {input} has not the size of {output}")),
            _ => Some(format!("it is its input under another shape, and has {} inputs", inputs.len())),
        },
        Lowering::Update(_) => match call.op.mutates().iter().find(|&&i| i >= inputs.len()) {
            Some(i) => Some(format!("it overwrites input {i}, and has {}", inputs.len())),
            None if inputs.len() < 2 || call.op.mutates().is_empty() => {
                Some("an update overwrites some of its inputs (`Op::mutates`), and input 1 is its gradient".to_owned())
            }
            None => None,
        },
        Lowering::Host if call.op.on_host().is_none() => Some("it has no kernel, and `Op::on_host` gives none".to_owned()),
        Lowering::Host => None,
        Lowering::Stages { temps, stages } => stages_fit(temps, stages, inputs.len(), output),
    };
    wrong.map_or(Ok(lowering), |wrong| Err(OpError::Lowering(wrong)))
}

fn elementwise(e: &Elementwise, call: &Call, inputs: &[Spec], output: &Spec) -> Option<String> {
    let (rule, scalars) = (e.rule, call.op.scalars().len());
    if [rule.inputs.len(), e.views.len()] != [inputs.len(); 2] {
        let (views, takes) = (e.views.len(), rule.inputs.len());
        return Some(format!("its rule `{}` takes {takes} inputs and it has {views} views of {}", rule.name, inputs.len()));
    }
    if scalars != rule.scalars {
        return Some(format!("its rule `{}` takes {} scalars, and it has {scalars}", rule.name, rule.scalars));
    }
    e.views.iter().zip(inputs).find_map(|(view, input)| reads(view, input.words(), output))
}

/// What is wrong with reading a value of so many words through a view, element by element of the output.
fn reads(view: &View, words: usize, output: &Spec) -> Option<String> {
    let wanted = if output.dtype == DType::F16 { output.words() } else { output.shape.numel() };
    if view.numel() != wanted {
        return Some(format!("a view of {} elements for an output of {wanted}", view.numel()));
    }
    if wanted == 0 {
        return None;
    }
    let reach = |dim: &crate::shape::ViewDim| (dim.size as i128 - 1) * dim.stride as i128;
    let first = view.offset as i128 + view.dims.iter().map(|dim| reach(dim).min(0)).sum::<i128>();
    let last = view.offset as i128 + view.dims.iter().map(|dim| reach(dim).max(0)).sum::<i128>();
    let inside = first >= 0 && last < words as i128;
    (!inside).then(|| format!("a view that reads elements {first} to {last} of an input of {words}"))
}

fn stages_fit(temps: &[usize], stages: &[Stage], inputs: usize, output: &Spec) -> Option<String> {
    for stage in stages {
        let name = stage.kernel.name;
        for operand in stage.reads.iter().chain(&stage.writes) {
            match *operand {
                Operand::Input(i) if i >= inputs => return Some(format!("kernel `{name}` is bound to input {i} of {inputs}")),
                Operand::Temp(i) if i >= temps.len() => {
                    return Some(format!("kernel `{name}` is bound to temporary {i} of {}", temps.len()));
                }
                _ => {}
            }
        }
        if stage.writes.iter().any(|operand| matches!(operand, Operand::Input(_))) {
            return Some(format!("kernel `{name}` writes an input: only an update may"));
        }
        if let Some(both) = stage.writes.iter().find(|operand| stage.reads.contains(operand)) {
            return Some(format!("kernel `{name}` reads and writes {both:?}: it can only do one of them"));
        }
        if (1..stage.writes.len()).any(|i| stage.writes[..i].contains(&stage.writes[i])) {
            return Some(format!("kernel `{name}` writes {:?}, with one of them twice", stage.writes));
        }
    }
    let written = stages.iter().any(|stage| stage.writes.contains(&Operand::Output));
    (!written && output.words() > 0).then(|| "none of its kernels writes the output".to_owned())
}
