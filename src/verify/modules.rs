//! Every shader module that a device may be given: what shader tests, other compilers and budgets go through.

use super::cases::cases;
use super::kernels::{kernels, lowered, specs};
use super::probe::driver_variants;
use crate::graph::op::{Kernel, Lowering, Params, Target, Variant};
use crate::plan::pointwise::{Arg, Instruction, Load, Program};
use crate::shaders::{self, Epilogue};
use crate::wgsl::merge::{Part, merge};
use crate::wgsl::{BindingKind, Reflected, Result, reflect, specialise};
use rustc_hash::FxHasher;
use std::collections::BTreeMap;
use std::hash::Hasher;

/// A variant of a kernel that some test case uses.
#[derive(Clone, Debug)]
pub struct CaseVariant {
    /// Its file, its constants and what its bodies are of: `matmul/tiles (matmul) TILE=4`. No other has this name.
    pub name: String,
    /// The variant.
    pub variant: Variant,
    /// Its kernel's parameters, in the first case that uses it.
    pub params: Params,
    /// Whether it is the last of its kernel, the one for every browser.
    pub last: bool,
}

/// What was made of a variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Form {
    /// Specialised, and nothing else.
    Plain,
    /// Done in several dispatches, for a driver whose loops end early.
    InParts,
    /// With an elementwise function fused after it.
    Fused,
    /// Merged with itself and a product into one dispatch.
    Merged,
}

/// A module as a device is given it.
#[derive(Clone, Debug)]
pub struct ShaderModule {
    /// The name of its variant, and its form where that is not the plain one: `reduce/group (sum) GROUP=256, merged`.
    pub name: String,
    /// The file.
    pub shader: &'static str,
    /// What kind of device the variant is for.
    pub target: Target,
    /// What was made of the variant.
    pub form: Form,
    /// WGSL.
    pub text: String,
}

/// A body for what finishes elements, which calls functions and reads what it is given.
const FINISH: &str = "{ return select(tanh_(v), exp_(v) + log1p_(v * v), v > 0.5); }";

/// The kernels of every test case of every op, each of their variants once, by name. No test case has the table of a driver's functions,
/// the look-out for what is not finite and what measures a device's peak: these come too.
#[doc(hidden)]
pub fn variants() -> Vec<CaseVariant> {
    let mut found = BTreeMap::new();
    for variant in driver_variants() {
        enter(&mut found, "probe", &variant, &Params::new().set("count", 1u32), true);
    }
    let params = Params::new().set("start", 0u32).set("count", 0u32).set("slot", 0u32);
    enter(&mut found, "nonfinite", &crate::plan::nonfinite::variant(1), &params, true);
    let params = Params::new().set("count", 0u32).set("rounds", 0u32);
    enter(&mut found, "peak", &Variant::new("checks/peak", [1; 3]).max_loop_iterations(9), &params, true);
    for (_, case) in cases("") {
        let of_case = match lowered(&case) {
            Ok(Lowering::View(view)) => {
                let copy = Instruction { rule: None, args: vec![Arg::Load(0)] };
                vec![Program::new(view.numel(), vec![Load { view }], vec![copy]).kernel()]
            }
            // Alone and with another one behind it.
            Ok(Lowering::Update(joined)) => {
                let n = specs(&case)[0].shape.numel();
                let next = n.next_multiple_of(64);
                vec![joined(std::slice::from_ref(&(0..n))), joined(&[0..n, next..next + n])]
            }
            _ => kernels(&case).unwrap_or_default().into_iter().map(|(kernel, ..)| kernel).collect(),
        };
        for kernel in of_case {
            enter_kernel(&mut found, &kernel);
        }
    }
    found.into_values().collect()
}

/// Every module that some device may be given of these variants, each text once.
///
/// # Errors
/// A shader that does not parse.
#[doc(hidden)]
pub fn modules(variants: &[CaseVariant]) -> Result<Vec<ShaderModule>> {
    let mut found: BTreeMap<String, ShaderModule> = BTreeMap::new();
    for of in variants {
        let mut add = |form, text: String, how: &str| {
            let Variant { shader, target, .. } = of.variant;
            let module = || ShaderModule { name: format!("{}{how}", of.name), shader, target, form, text: text.clone() };
            found.entry(text.clone()).or_insert_with(module);
        };
        add(Form::Plain, text(&of.variant, &[], &[])?, "");
        if of.variant.parts.is_some() {
            add(Form::InParts, text(&of.variant, &[("PART", 7)], &[])?, ", in parts");
        }
        let finished = of.variant.bodies.iter().any(|(name, _)| ["epilogue", "finish"].contains(name));
        match shaders::epilogue(of.variant.shader).filter(|_| !finished) {
            Some(Epilogue::Four) if !of.variant.consts.iter().any(|(name, _)| *name == "FUSED") => {
                add(Form::Fused, text(&of.variant, &[("FUSED", 1)], &[("finish", FINISH.to_owned())])?, ", fused");
            }
            Some(Epilogue::One) => {
                add(Form::Fused, text(&of.variant, &[], &[("epilogue", FINISH.to_owned())])?, ", fused");
            }
            _ => {}
        }
        if let Some(text) = merged_with_a_product(&of.variant)? {
            add(Form::Merged, text, ", merged");
        }
    }
    Ok(found.into_values().collect())
}

/// A variant merged with itself and with a product, as if all shared one buffer; `None` if it cannot be merged.
///
/// # Errors
/// A shader that does not parse.
#[doc(hidden)]
pub fn merged_with_a_product(variant: &Variant) -> Result<Option<String>> {
    let whole = |variant: &Variant| -> Result<(String, Reflected)> {
        let text = text(variant, &[], &[])?;
        let shader = reflect(variant.shader, &text)?;
        Ok((text, shader))
    };
    // As it is on hardware.
    let product = Variant { consts: vec![("ROWS", 8)], ..Variant::new("matmul/registers", [3, 1, 1]) };
    let (own, product) = (whole(variant)?, whole(&product)?);
    let parts = [part(&own, 0), part(&product, 128), part(&own, 256)];
    Ok(merge(&parts, 2, 64))
}

/// A shader as a part of a merged one, its buffers from this word on.
fn part((source, shader): &(String, Reflected), first: usize) -> Part<'_> {
    let used = shader.of(BindingKind::Input).chain(shader.of(BindingKind::Output)).filter(|b| b.used);
    let buffers = used.enumerate().map(|(i, b)| (b.name.as_str(), i.min(1), first + 64 * i)).collect();
    Part { source, workgroup_size: shader.workgroup_size, groups: [2, 1, 1], buffers }
}

/// Text of a variant with more constants and bodies put into it.
fn text(variant: &Variant, consts: &[(&'static str, u32)], bodies: &[(&'static str, String)]) -> Result<String> {
    let source = shaders::source(variant.shader).unwrap_or_default();
    let (consts, bodies) = ([&variant.consts[..], consts].concat(), [&variant.bodies[..], bodies].concat());
    specialise(variant.shader, source, &consts, &bodies)
}

/// What a plan's kernel is given: its variants, of which each is found once.
#[doc(hidden)]
pub fn variants_of<'k>(kernels: impl IntoIterator<Item = &'k Kernel>) -> Vec<CaseVariant> {
    let mut found = BTreeMap::new();
    kernels.into_iter().for_each(|kernel| enter_kernel(&mut found, kernel));
    found.into_values().collect()
}

fn enter_kernel(found: &mut BTreeMap<String, CaseVariant>, kernel: &Kernel) {
    for (i, variant) in kernel.variants.iter().enumerate() {
        enter(found, kernel.name, variant, &kernel.params, i + 1 == kernel.variants.len());
    }
}

fn enter(found: &mut BTreeMap<String, CaseVariant>, kernel: &str, variant: &Variant, params: &Params, last: bool) {
    let key = format!("{} {:?} {:?}", variant.shader, variant.consts, variant.bodies);
    let made = || CaseVariant { name: name(kernel, variant), variant: variant.clone(), params: params.clone(), last: false };
    found.entry(key).or_insert_with(made).last |= last;
}

/// A short name: bodies are long, so what tells them apart is a number made of them.
fn name(kernel: &str, variant: &Variant) -> String {
    let mut name = format!("{} ({kernel})", variant.shader);
    for (constant, value) in &variant.consts {
        name += &format!(" {constant}={value}");
    }
    if !variant.bodies.is_empty() {
        let mut hasher = FxHasher::default();
        hasher.write(format!("{:?}", variant.bodies).as_bytes());
        name += &format!(" #{:08x}", (hasher.finish() >> 16) as u32);
    }
    name
}
