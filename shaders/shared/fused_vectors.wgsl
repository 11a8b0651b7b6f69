// What may be fused after a kernel, four neighbours at a time.
// use: shared/extra

// v is a finished element, the xs are what the extra inputs hold for it. The body is replaced.
fn finish(v: f32, x0: u32, x1: u32, x2: u32, x3: u32) -> f32 { return v; }

// What an extra input holds for four neighbours; i is the row-major place in the output of the first, a multiple of four. Bodies are replaced.
fn load_extra0(i: u32) -> vec4<u32> { return vec4<u32>(0u); }
fn load_extra1(i: u32) -> vec4<u32> { return vec4<u32>(0u); }
fn load_extra2(i: u32) -> vec4<u32> { return vec4<u32>(0u); }
fn load_extra3(i: u32) -> vec4<u32> { return vec4<u32>(0u); }

// Four finished neighbours, of which the first is element i.
fn finish_four(v: vec4<f32>, i: u32) -> vec4<f32> {
    let a = load_extra0(i);
    let b = load_extra1(i);
    let c = load_extra2(i);
    let d = load_extra3(i);
    return vec4<f32>(
        finish(v.x, a.x, b.x, c.x, d.x),
        finish(v.y, a.y, b.y, c.y, d.y),
        finish(v.z, a.z, b.z, c.z, d.z),
        finish(v.w, a.w, b.w, c.w, d.w),
    );
}
