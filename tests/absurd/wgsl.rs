//! Absurd arguments for the public functions of `src/wgsl`.

use crate::odd::Odd;
use crate::{Line, Room, table};
use steepest::wgsl::merge::{Part, merge};
use steepest::wgsl::opaque::opaque_uniforms;
use steepest::wgsl::{BindingKind, Member, declared, pack, reflect, specialise};

pub fn room() -> Room {
    Room { name: "wgsl", tables: &[TABLE], not_called: NOT_CALLED, complete: true }
}

const NOT_CALLED: &[(&str, &str)] = &[];

/// The last place between two characters that is not after `at`.
fn boundary(text: &str, at: usize) -> usize {
    (0..=at).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

/// A shader of the library, cut somewhere or with something odd in it.
fn source(o: &mut Odd) -> String {
    let name = o.pick(&["exp", "softmax", "matmul", "sum"]);
    let mut text = steepest::shaders::source(name).unwrap_or("const SIZE = 1u;\nfn f(x: f32) -> f32 { return x; }").to_owned();
    if o.flag() {
        let end = boundary(&text, o.size() % (text.len() + 1));
        text.truncate(end);
    }
    let middle = boundary(&text, text.len() / 2);
    text.insert_str(middle, &if o.flag() { o.text() } else { String::new() });
    text
}

const TABLE: &[Line] = table! {
    "opaque::opaque_uniforms" => |o| opaque_uniforms(&source(o));
    "declared::declared" => |o| declared("odd", &source(o));
    "reflect::reflect" => |o| reflect("odd", &source(o));
    "Reflected::invocations" => |o| reflect("odd", &source(o)).map(|r| r.invocations());
    "Reflected::of" => |o| reflect("odd", &source(o)).map(|r| r.of(BindingKind::Params).count());
    "specialise::specialise" => |o| specialise("odd", &source(o), &[("SIZE", o.u32())], &[("f", o.text())]);
    "pack::pack" => |o| pack(&[("m", o.many(Odd::u32))], &[Member { name: "m".to_owned(), offset: o.u32(), size: o.u32() }], o.u32());
    "Member::is_array" => |o| Member { name: o.text(), offset: o.u32(), size: o.u32() }.is_array();
    "merge::merge" => |o| merge(&[Part { source: &source(o), workgroup_size: [o.u32(), o.u32(), o.u32()], groups: [o.u32(), o.u32(), o.u32()], buffers: vec![("x", o.size(), o.size())] }], o.size(), o.u32());
};
