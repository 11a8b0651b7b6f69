// A row's largest element and the sum of its exponentials, by one invocation in two walks.
// use: shared/compensated, softmax/elements, softmax/row

fn row_by_one(number: u32, first: u32) -> Row {
    var largest = row_element(first, 0u);
    var any_nan = is_nan(largest);
    for (var k = 1u; k < params.n; k++) {
        let v = row_element(first, k);
        any_nan = any_nan || is_nan(v);
        largest = max(largest, v);
    }
    var sum = vec2<f32>(0.0);
    for (var k = 0u; k < params.n; k++) { sum = add_compensated(sum, power(row_element(first, k) - largest)); }
    return row_of(number, first, largest, select(sum.x + sum.y, nan(), any_nan));
}
