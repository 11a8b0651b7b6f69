// What may be fused after a kernel, four neighbours at a time.
// use: shared/extra

// v is a finished element, the xs are what the extra inputs hold for it. The body is replaced.
fn finish(v: f32, x0: u32, x1: u32, x2: u32, x3: u32) -> f32 { return v; }

// What an extra input holds for four neighbours; i is the row-major place in the output of the first, a multiple of four. Bodies are replaced.
fn load_extra0(i: u32) -> vec4<u32> { return vec4<u32>(0u); }
fn load_extra1(i: u32) -> vec4<u32> { return vec4<u32>(0u); }
fn load_extra2(i: u32) -> vec4<u32> { return vec4<u32>(0u); }
fn load_extra3(i: u32) -> vec4<u32> { return vec4<u32>(0u); }
