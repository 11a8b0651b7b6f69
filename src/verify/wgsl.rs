//! What can be said of an op's WGSL without a device: that it is valid and fits what is bound to it, and that a browser can run the last variant.

use super::kernels::kernels;
use super::report::Report;
use crate::error::{Error, Result};
use crate::graph::op::{Kernel, Variant};
use crate::ops::case::Case;
use crate::wgsl::{self, BindingKind, Reflected};

/// Enters every variant of a case's kernels into a report.
pub(super) fn enter(case: &Case, place: &str, report: &mut Report) {
    let found = match kernels(case) {
        Ok(found) => found,
        Err(message) => return report.failures.push(format!("{place}: {message}")),
    };
    for (kernel, reads, writes) in found {
        report.cases += 1;
        for (i, variant) in kernel.variants.iter().enumerate() {
            let last = i + 1 == kernel.variants.len();
            let wrong = fits(variant, &kernel, [reads, writes], case.op.scalars().len(), last);
            if let Err(message) = wrong {
                report.failures.push(format!("{place}: kernel `{}`: {message}", kernel.name));
            }
        }
    }
}

/// A variant's shader, read.
fn read(variant: &Variant) -> Result<Reflected> {
    if let Some(own) = &variant.source {
        return wgsl::reflect_foreign(own.name(), &wgsl::foreign(own.name(), own.text(), &variant.consts, &variant.bodies)?);
    }
    let missing =
        || Error::Shader { shader: variant.shader.to_owned(), place: None, message: "there is no such file".to_owned() };
    let source = crate::shaders::source(variant.shader).ok_or_else(missing)?;
    wgsl::reflect(variant.shader, &wgsl::specialise(variant.shader, source, &variant.consts, &variant.bodies)?)
}

/// Whether what a shader declares is what its kernel gives it; the last variant must run in every browser.
fn fits(variant: &Variant, kernel: &Kernel, bound: [usize; 2], scalars: usize, last: bool) -> Result<(), String> {
    let shader = read(variant).map_err(|error| error.to_string())?;
    let name = variant.file();
    let declared = [BindingKind::Input, BindingKind::Output].map(|kind| shader.of(kind).count());
    let needed = [BindingKind::Input, BindingKind::Output]
        .map(|kind| shader.of(kind).enumerate().filter(|(_, binding)| binding.used).map(|(i, _)| i + 1).max().unwrap_or(0));
    if (0..2).any(|i| bound[i] > declared[i] || bound[i] < needed[i]) {
        let [reads, writes] = bound;
        return Err(format!(
            "{name}.wgsl: the op binds {reads} buffers to read and {writes} to write, it declares {} `var<storage, read>` and {} \
             `var<storage, read_write>`",
            declared[0], declared[1]
        ));
    }
    if let Some(params) = shader.of(BindingKind::Params).next() {
        wgsl::pack(&kernel.params.members, &params.members, params.bytes).map_err(|message| format!("{name}.wgsl: {message}"))?;
    }
    if let Some(room) = shader.of(BindingKind::Scalars).next().filter(|binding| 4 * scalars > binding.bytes as usize) {
        return Err(format!("{name}.wgsl: {scalars} scalars for `scalars` of {} bytes", room.bytes));
    }
    let buffers = shader.bindings.iter().filter(|b| b.used && matches!(b.kind, BindingKind::Input | BindingKind::Output)).count();
    let size = [
        (buffers, 8, "buffers"),
        (shader.workgroup_bytes as usize, 16 << 10, "bytes of workgroup memory"),
        (
            shader.workgroup_size.iter().fold(1usize, |all, &size| all.saturating_mul(size as usize)),
            256,
            "invocations in a workgroup",
        ),
        (variant.groups.into_iter().max().unwrap_or(0) as usize, 65_535, "workgroups along an axis"),
    ];
    match size.into_iter().find(|(found, most, _)| last && found > most) {
        Some((found, most, what)) => {
            Err(format!("{name}.wgsl: {found} {what}, where every browser allows {most}: the last variant must run everywhere"))
        }
        None => Ok(()),
    }
}
