// For software adapters, where reading costs: a row's largest element and the sum of its exponentials, by one invocation in one walk, four
// neighbours at a time. The size of a row is a multiple of four.
// use: shared/compensated, softmax/row

const WORKGROUP: u32 = 8u;

@group(0) @binding(0) var<storage, read> in0: array<vec4<f32>>;

// The bits without the sign: those of NaNs are the largest.
fn magnitude(v: vec4<f32>) -> vec4<u32> { return bitcast<vec4<u32>>(v) & vec4<u32>(0x7fffffffu); }
fn powers(v: vec4<f32>) -> vec4<f32> { return exp(max(v, vec4<f32>(-200.0))); }
fn sum_of_four(v: vec4<f32>) -> f32 { return (v.x + v.y) + (v.z + v.w); }
fn largest_with(a: f32, v: vec4<f32>) -> f32 { return max(a, max(max(v.x, v.y), max(v.z, v.w))); }

fn row_by_fours(number: u32) -> Row {
    let first = number * (params.n / 4u);
    let end = first + params.n / 4u;
    var largest = LOWEST;
    var sum = vec2<f32>(0.0);
    var bits = vec4<u32>(0u);
    var k = first;
    // Sixteen elements for each time the sum has to be brought to another largest one.
    for (; k + 4u <= end; k += 4u) {
        let a = in0[k];
        let b = in0[k + 1u];
        let c = in0[k + 2u];
        let d = in0[k + 3u];
        bits = max(max(max(bits, magnitude(a)), magnitude(b)), max(magnitude(c), magnitude(d)));
        let next = largest_with(largest, max(max(a, b), max(c, d)));
        let more = sum_of_four((powers(a - next) + powers(b - next)) + (powers(c - next) + powers(d - next)));
        sum = add_compensated(sum * power(largest - next), more);
        largest = next;
    }
    for (; k < end; k++) {
        let a = in0[k];
        bits = max(bits, magnitude(a));
        let next = largest_with(largest, a);
        sum = add_compensated(sum * power(largest - next), sum_of_four(powers(a - next)));
        largest = next;
    }
    let any_nan = max(max(bits.x, bits.y), max(bits.z, bits.w)) > INF_BITS;
    return row_of(number, 4u * first, largest, select(sum.x + sum.y, nan(), any_nan));
}
