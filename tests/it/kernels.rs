//! What a kernel is told, as data: parameters as words, how many workgroups, how it is done in parts, and numbers as the words of a buffer.
#![allow(clippy::unwrap_used)]

use steepest::DType;
use steepest::graph::op::{Params, SelfTest, Trial, Variant};

#[test]
fn parameters_are_words_by_name() {
    let params = Params::new()
        .set("count", 7_usize)
        .set("huge", usize::MAX)
        .set("raw", 0x8000_0001_u32)
        .set("offset", -2_i32)
        .set("on", true)
        .set("off", false)
        .set("sizes", [3_usize, 4, 5])
        .set("strides", vec![-1_i32, 1]);
    let expected: [(&str, &[u32]); 8] = [
        ("count", &[7]),
        ("huge", &[u32::MAX]),
        ("raw", &[0x8000_0001]),
        ("offset", &[0xffff_fffe]),
        ("on", &[1]),
        ("off", &[0]),
        ("sizes", &[3, 4, 5]),
        ("strides", &[u32::MAX, 1]),
    ];
    let found: Vec<(&str, &[u32])> = params.members.iter().map(|(name, words)| (*name, &words[..])).collect();
    assert_eq!(found, expected);
}

/// There are enough workgroups, none of three numbers is beyond what a dispatch may have, and there is always one.
#[test]
fn workgroups_are_spread_over_two_axes() {
    assert_eq!([0, 1, 2, 65_535].map(Variant::groups), [[1, 1, 1], [1, 1, 1], [2, 1, 1], [65_535, 1, 1]]);
    assert_eq!(Variant::groups(65_536), [65_535, 2, 1]);
    for n in [65_537, 131_070, 131_071, 10_000_000, 65_535 * 65_535] {
        let [x, y, z] = Variant::groups(n);
        assert!(x <= 65_535 && y <= 65_535 && z == 1, "{n}");
        assert!(x as usize * y as usize >= n && x as usize * (y as usize - 1) < n, "{n}");
    }
    // One invocation per element, 256 to a workgroup.
    assert_eq!([1, 256, 257].map(|count| Variant::each_element("copy", count).groups[0]), [1, 1, 2]);
}

/// A loop that is too long for a device is parted, or the variant is not for that device.
#[test]
fn long_loops_are_parted() {
    let plain = || Variant::new("matmul", [1, 1, 1]);
    let whole = Some((usize::MAX, 1));
    assert_eq!(plain().divided(1), whole, "no bound is known");
    assert_eq!(plain().max_loop_iterations(100).divided(100), whole);
    assert_eq!(plain().max_loop_iterations(101).divided(100), None);
    let parted = |most| plain().max_loop_iterations(1010).in_parts(1000, 10).divided(most);
    assert_eq!(parted(1010), whole);
    assert_eq!(parted(1009), Some((999, 2)));
    assert_eq!(parted(110), Some((100, 10)));
    assert_eq!(parted(109), Some((99, 11)));
    assert_eq!(parted(11), Some((1, 1000)));
    assert_eq!([parted(10), parted(9), parted(0)], [None; 3], "the other loops alone are too long");
    // A bound that is larger than what the loop does.
    assert_eq!(plain().max_loop_iterations(500).in_parts(50, 10).divided(200), Some((50, 1)));
}

#[test]
fn self_tests_are_told_apart_by_name() {
    fn none(_: &Variant) -> Vec<Trial> {
        vec![]
    }
    fn other(_: &Variant) -> Vec<Trial> {
        vec![]
    }
    let test = |name| SelfTest { name, trials: none };
    assert!(test("a") == SelfTest { name: "a", trials: other } && test("a") != test("b"));
}

#[test]
fn numbers_are_words_and_come_back() {
    let numbers = [0.0, 1.0, -1.0, 2.5, 65_504.0, f64::INFINITY];
    let words = |dtype: DType| dtype.pack(&numbers);
    assert_eq!(words(DType::F32), [0.0f32, 1.0, -1.0, 2.5, 65_504.0, f32::INFINITY].map(f32::to_bits));
    assert_eq!(words(DType::I32), [0, 1, u32::MAX, 2, 65_504, i32::MAX as u32]);
    assert_eq!(words(DType::U32), [0, 1, 0, 2, 65_504, u32::MAX]);
    assert_eq!(words(DType::Bool), [0, 1, 1, 1, 1, 1]);
    // Two halves to a word, the first in its low bits.
    assert_eq!(words(DType::F16), [0x3c00_0000, 0x4100_bc00, 0x7c00_7bff]);
    for dtype in [DType::F32, DType::F16] {
        assert_eq!(dtype.unpack(&dtype.pack(&numbers), 6), numbers, "{dtype}");
        assert_eq!(dtype.unpack(&dtype.pack(&numbers), 3), numbers[..3], "{dtype}");
    }
    assert_eq!(DType::I32.unpack(&words(DType::I32), 3), [0.0, 1.0, -1.0]);
    assert_eq!(DType::F16.to_f64(0xffff_3c00), 1.0);
    assert_eq!(DType::F16.to_word(1.0 + 1e-9), 0x3c00);
}
