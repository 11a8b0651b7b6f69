// Numbers of a contiguous row from any place on, out of vectors that start at multiples of four: two shifts, by at & 1 and by at & 2.

fn shifted_by_one(at: i32, v: vec4<f32>, next: f32) -> vec4<f32> {
    return select(v, vec4<f32>(v.yzw, next), vec4<bool>((at & 1) != 0));
}
fn shifted_by_two(at: i32, v: vec4<f32>, next: vec2<f32>) -> vec4<f32> {
    return select(v, vec4<f32>(v.zw, next), vec4<bool>((at & 2) != 0));
}
