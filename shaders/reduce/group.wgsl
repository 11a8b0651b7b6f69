// Reductions, one workgroup per output. For long groups on hardware: neighbours read neighbours, then halve.
// use: reduce/members, reduce/one_member, reduce/totals

const WORKGROUP: u32 = 256u;
const NOWHERE: u32 = 0xffffffffu;

// What some members are combined into; of extremes also which member it is, NOWHERE of none.
struct Found {
    total: vec4<f32>,
    place: u32,
}

var<workgroup> totals: array<vec4<f32>, WORKGROUP>;
var<workgroup> places: array<u32, WORKGROUP>;

// Whether a takes the place of b. The lower index wins a tie, whatever the order of asking.
fn wins(a: Found, b: Found) -> bool {
    if a.place == NOWHERE { return false; }
    if b.place == NOWHERE { return true; }
    if beats(a.total.x, b.total.x) { return true; }
    return !beats(b.total.x, a.total.x) && a.place < b.place;
}

fn merged(a: Found, b: Found) -> Found {
    if ADDS { return Found(combined(a.total, b.total), NOWHERE); }
    if KIND == PROD { return Found(vec4<f32>(a.total.x * b.total.x), NOWHERE); }
    if wins(b, a) { return b; }
    return a;
}

fn leave(me: u32, found: Found) {
    totals[me] = found.total;
    if !ADDS && KIND != PROD { places[me] = found.place; }
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) me: u32,
) {
    let o = group.y * groups.x + group.x;
    if o >= params.outputs { return; }
    let span = span_of(o / params.chunks, o % params.chunks);
    var found = Found(vec4<f32>(select(0.0, 1.0, KIND == PROD), 0.0, FARTHEST, -FARTHEST), NOWHERE);
    for (var r = span.start + me; r < span.end; r += WORKGROUP) {
        found = merged(found, Found(total_of(span.base + member(r)), r));
    }
    leave(me, found);
    for (var width = WORKGROUP / 2u; width > 0u; width /= 2u) {
        workgroupBarrier();
        if me < width {
            found = merged(found, Found(totals[me + width], places[me + width]));
            leave(me, found);
        }
    }
    if me > 0u { return; }
    if FINDS_PLACE {
        out[o] = found.place;
    } else {
        store_total(o, found.total);
    }
}
