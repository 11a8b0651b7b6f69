//! Temporary stand-ins for two things the engine is about to have; delete this file when they are there.

use crate::Tensor;

/// Stands in for `crate::ops::random::permutation`: 0..n in an order that depends on `(seed, stream)` only.
pub(super) fn permutation(n: usize, seed: u64, stream: u64) -> Vec<u32> {
    let mut order: Vec<u32> = (0..n as u32).collect();
    let mut state = seed ^ stream.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17);
    for i in (1..n).rev() {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        order.swap(i, ((z ^ (z >> 31)) % (i as u64 + 1)) as usize);
    }
    order
}

/// Stands in for the method `Tensor::index_select`, by way of the host; the real one, being inherent, is preferred to it.
pub(super) trait IndexSelect {
    fn index_select(&self, axis: isize, index: &Tensor) -> Tensor;
}

impl IndexSelect for Tensor {
    fn index_select(&self, axis: isize, index: &Tensor) -> Tensor {
        assert_eq!(axis, 0);
        let rows = index.to_vec::<u32>().expect("an index");
        let mut dims = self.shape().dims().to_vec();
        let width: usize = dims[1..].iter().product();
        dims[0] = rows.len();
        let pick = |k: u32| k as usize * width..(k as usize + 1) * width;
        if self.dtype() == crate::DType::F32 {
            let all = self.to_vec::<f32>().expect("values");
            self.device().tensor(&rows.iter().flat_map(|&k| all[pick(k)].to_vec()).collect::<Vec<_>>(), dims)
        } else {
            let all = self.to_vec::<u32>().expect("labels");
            self.device().tensor(&rows.iter().flat_map(|&k| all[pick(k)].to_vec()).collect::<Vec<_>>(), dims)
        }
    }
}
