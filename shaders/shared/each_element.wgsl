// Kernels with one invocation for each element: `element(i)` is theirs, for every i below `params.count`.

const WORKGROUP: u32 = 256u;

// Workgroups are spread over x and y, because one dimension of a dispatch holds at most 65,535.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * WORKGROUP + id.x;
    if i < params.count { element(i); }
}
