//! What each binding of a dispatch is bound to.

use super::dispatch_list::{BindingSource, StepBinding, UniformAllocator};
use super::pipelines::Shader;
use crate::error::{Error, Result};
use crate::plan::{Dispatch, Place};
use crate::wgsl::{Binding, BindingKind};
use std::collections::HashMap;

/// Bytes that may be bound of what is smaller: one vector of four.
const MOST_PADDING: u64 = 16;

/// Where the uniforms of a list go.
pub(super) struct Uniforms {
    pub(super) params: UniformAllocator,
    pub(super) scalars: UniformAllocator,
}

impl Uniforms {
    /// None yet; see [`UniformAllocator::new`].
    pub(super) fn new(alignment: u64) -> Uniforms {
        Uniforms { params: UniformAllocator::new(alignment), scalars: UniformAllocator::new(alignment) }
    }
}

/// Finds what each binding a shader uses is bound to; `part` is the `params.first` of one that does a part of a dispatch.
pub(super) fn bind(dispatch: &Dispatch, part: Option<u32>, shader: &Shader, uniforms: &mut Uniforms) -> Result<Vec<StepBinding>> {
    let fault = |message: String| fault(dispatch, shader, message);
    let declared = |kind| shader.bindings.iter().filter(|binding| binding.kind == kind).count();
    let (inputs, outputs) = (declared(BindingKind::Input), declared(BindingKind::Output));
    let (reads, writes) = (dispatch.reads.len(), dispatch.writes.len());
    if reads > inputs || writes > outputs {
        return Err(fault(format!(
            "the op binds {reads} buffers to read and {writes} to write, it declares {inputs} `var<storage, read>` and {outputs} \
             `var<storage, read_write>`"
        )));
    }
    let mut counts = HashMap::new();
    let mut bindings = vec![];
    for binding in &shader.bindings {
        let count: &mut usize = counts.entry(binding.kind).or_default();
        let nth = *count;
        *count += 1;
        if !binding.used {
            continue;
        }
        let least = u64::from(binding.bytes).max(4);
        let pick = |places: &[Place]| {
            let place = places.get(nth).copied();
            let place =
                place.ok_or_else(|| fault(format!("`{}` has no buffer: the dispatch gives {}", binding.name, places.len())))?;
            // More than one vector beyond a value's end may be another value.
            if least > MOST_PADDING.max(4 * place.words as u64) {
                let (name, bytes) = (&binding.name, 4 * place.words);
                return Err(fault(format!(
                    "`{name}` has {least} bytes, what is bound to it {bytes}: declare an array without a length"
                )));
            }
            Ok(place)
        };
        let source = match binding.kind {
            BindingKind::Input => BindingSource::Read { place: pick(&dispatch.reads)?, least, measured: binding.measured },
            BindingKind::Output => BindingSource::Write { place: pick(&dispatch.writes)?, least, measured: binding.measured },
            BindingKind::Params => {
                let (at, size) = uniforms.params.push(&params(dispatch, part, shader, binding)?, binding.bound);
                BindingSource::Params { at, size }
            }
            BindingKind::Scalars => {
                let words = dispatch.scalars.len();
                if 4 * words > binding.bytes as usize {
                    return Err(fault(format!("{words} words for `{}` of {} bytes", binding.name, binding.bytes)));
                }
                let (at, size) = uniforms.scalars.push(&[], binding.bound);
                BindingSource::Scalars { at, size, pieces: vec![((at / 4) as usize, dispatch.scalars.clone())] }
            }
        };
        bindings.push(StepBinding { number: binding.number, source });
    }
    Ok(bindings)
}

/// The words of a dispatch's `params`.
fn params(dispatch: &Dispatch, part: Option<u32>, shader: &Shader, binding: &Binding) -> Result<Vec<u32>> {
    let mut words = shader.params(&dispatch.kernel)?;
    if let Some(first) = part {
        let member = binding.members.iter().find(|member| member.name == "first");
        let member =
            member.ok_or_else(|| fault(dispatch, shader, "it is done in parts, and `params` has no `first`".to_owned()))?;
        words[member.offset as usize / 4] = first;
    }
    Ok(words)
}

fn fault(dispatch: &Dispatch, shader: &Shader, message: String) -> Error {
    dispatch.fault(format!("{}.wgsl: {message}", shader.stem))
}
