//! Which cases a verification of a device checks.

use super::cases::cases;
use super::plant;
use crate::graph::op::{Lowering, Op, Spec};
use crate::ops::case::{Case, SWITCHED_OFF};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How much is checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Every case; else of each op and each form of its kernels a small case, a large one and the extremes.
    pub deep: bool,
    /// Families whose name contains this; empty means all.
    pub filter: String,
    /// Test hook: the op of this name gets wrong kernels, so that one can see the verification fail.
    pub plant: Option<String>,
}

/// A case with the op whose definition is its truth.
pub(super) struct Item {
    pub(super) family: &'static str,
    pub(super) case: Case,
    pub(super) truth: Arc<dyn Op>,
    /// Forms of the kernel with the most of them.
    pub(super) variants: usize,
}

/// The cases of a depth.
pub(super) fn items(depth: &Depth) -> Vec<Item> {
    let mut all: Vec<(Item, String, usize)> = vec![];
    for (family, case) in cases(&depth.filter) {
        let (variants, form) = form(&case);
        let elements: usize = case.inputs.iter().map(|i| i.array.data.len()).sum();
        let truth = case.op.clone();
        let planted = depth.plant.as_deref() == Some(case.op.name());
        let case = if planted { plant::wrong(&case) } else { case };
        all.push((Item { family, case, truth, variants }, form, elements));
    }
    if !depth.deep {
        // Of each form: the smallest case that is not empty, the largest that is not large, the first at the extremes; and every one at which it is
        // switched off.
        let mut chosen: BTreeMap<String, [Option<usize>; 3]> = BTreeMap::new();
        for (i, (item, form, elements)) in all.iter().enumerate() {
            let [small, large, extreme] = chosen.entry(form.clone()).or_default();
            if !item.case.smooth {
                extreme.get_or_insert(i);
                continue;
            }
            if *elements > 0 && small.is_none_or(|s: usize| *elements < all[s].2) {
                *small = Some(i);
            }
            if *elements <= 20_000 && large.is_none_or(|l: usize| *elements > all[l].2) {
                *large = Some(i);
            }
        }
        let off = all.iter().enumerate().filter(|(_, (item, ..))| item.case.label.starts_with(SWITCHED_OFF)).map(|(i, _)| i);
        let wanted: BTreeSet<usize> = chosen.into_values().flatten().flatten().chain(off).collect();
        return all.into_iter().enumerate().filter(|(i, _)| wanted.contains(i)).map(|(_, (item, ..))| item).collect();
    }
    all.into_iter().map(|(item, ..)| item).collect()
}

/// How many forms the kernels of a case have, and a name for the set of them.
fn form(case: &Case) -> (usize, String) {
    let specs: Vec<Spec> = case.inputs.iter().map(|i| Spec::new(i.array.shape, i.dtype)).collect();
    let name = case.op.name();
    let Ok(output) = case.op.infer(&specs) else { return (1, name.to_owned()) };
    match case.op.lower(&specs, &output) {
        Lowering::Stages { stages, .. } => {
            let most = stages.iter().map(|s| s.kernel.variants.len()).max().unwrap_or(1);
            let variants = stages.iter().flat_map(|s| &s.kernel.variants);
            let text: Vec<String> = variants.map(|v| format!("{} {:?} {:?}", v.file(), v.consts, v.bodies)).collect();
            (most, format!("{name} {}", text.join("; ")))
        }
        _ => (1, name.to_owned()),
    }
}
