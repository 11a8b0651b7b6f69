// Elementwise chains, four neighbouring elements per invocation: out[i] = one(load0[i], …).
// use: elementwise/program, shared/each_element
// The bodies of `one` and of the loads in use are replaced; unchanged it copies. For chains whose inputs can all be read four at
// a time, or one for all four. A load is told the index of the first of its four elements.

@group(0) @binding(0) var<storage, read> in0: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> in1: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> in2: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> in3: array<vec4<u32>>;
@group(0) @binding(4) var<storage, read> in4: array<vec4<u32>>;
@group(0) @binding(5) var<storage, read> in5: array<vec4<u32>>;
@group(0) @binding(6) var<storage, read_write> out: array<vec4<u32>>;

fn load0(i: u32) -> vec4<u32> { return in0[i / 4u]; }
fn load1(i: u32) -> vec4<u32> { return vec4<u32>(0u); }
fn load2(i: u32) -> vec4<u32> { return vec4<u32>(0u); }
fn load3(i: u32) -> vec4<u32> { return vec4<u32>(0u); }
fn load4(i: u32) -> vec4<u32> { return vec4<u32>(0u); }
fn load5(i: u32) -> vec4<u32> { return vec4<u32>(0u); }

fn one(x0: u32, x1: u32, x2: u32, x3: u32, x4: u32, x5: u32) -> u32 { return x0; }

fn element(at: u32) {
    let i = 4u * at;
    if i >= params.count { return; }
    let a = load0(i);
    let b = load1(i);
    let c = load2(i);
    let d = load3(i);
    let e = load4(i);
    let f = load5(i);
    out[at] = vec4<u32>(
        one(a.x, b.x, c.x, d.x, e.x, f.x),
        one(a.y, b.y, c.y, d.y, e.y, f.y),
        one(a.z, b.z, c.z, d.z, e.z, f.z),
        one(a.w, b.w, c.w, d.w, e.w, f.w),
    );
}
