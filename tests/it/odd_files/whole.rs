//! Numbers of one type read as another: what would become another number is refused, in arrays, IDX files and tables.

use steepest::Error;
use steepest::data::{Array, ArrayData, Dataset, Idx};

fn config<T: std::fmt::Debug>(what: &str, result: steepest::Result<T>, expected: &str) {
    match result {
        Err(error @ Error::Config { .. }) if error.to_string().contains(expected) => {}
        other => panic!("{what}: expected Error::Config with `{expected}`, got {other:?}"),
    }
}

#[test]
fn arrays_name_what_f32_cannot_hold() {
    for (data, expected) in [
        (ArrayData::F64(vec![1.0, 1e300]), "element 1 is 1e300, which is beyond the range of f32"),
        (ArrayData::F64(vec![-3.5e38]), "element 0 is -3.5e38, which is beyond"),
        (ArrayData::F64(vec![0.0, 1.0, 1e-46]), "element 2 is 1e-46, which f32 would round to 0"),
        (ArrayData::I32(vec![16_777_217]), "element 0 is 16777217, which f32 would round"),
        (ArrayData::U32(vec![16_777_216, u32::MAX]), "element 1 is 4294967295, which f32 would round"),
        (ArrayData::I64(vec![-16_777_217]), "element 0 is -16777217, which f32 would round"),
        (ArrayData::U64(vec![u64::MAX]), "element 0 is 18446744073709551615, which f32 would round"),
    ] {
        let array = Array::new(&[data.len()], data).unwrap();
        config("to_f32", array.to_f32(), expected);
        // As features of a data set, too; and as targets, unless they are classes.
        let y = Array::new(array.shape(), ArrayData::U8(vec![0; array.data().len()])).unwrap();
        config("features", Dataset::from_arrays(&array, &y), &format!("features: {expected}"));
        if matches!(array.data(), ArrayData::F64(_)) {
            config("targets", Dataset::from_arrays(&y, &array), &format!("targets: {expected}"));
        }
    }
    for (data, expected) in [
        (ArrayData::F64(vec![0.1, f64::INFINITY, 1e-45, -0.0]), vec![0.1, f32::INFINITY, 1e-45, -0.0]),
        (ArrayData::I64(vec![16_777_216, -(1 << 40), i64::MIN]), vec![16_777_216.0, -(2f32.powi(40)), -(2f32.powi(63))]),
        (ArrayData::U64(vec![1 << 63, 16_777_218]), vec![2f32.powi(63), 16_777_218.0]),
        (ArrayData::Bool(vec![true, false]), vec![1.0, 0.0]),
        (ArrayData::I8(vec![-128, 127]), vec![-128.0, 127.0]),
    ] {
        assert_eq!(Array::new(&[data.len()], data).unwrap().to_f32().unwrap(), expected);
    }
    let exact = Array::new(&[1], ArrayData::I64(vec![1 << 53])).unwrap();
    assert_eq!(exact.to_f64().unwrap(), [9_007_199_254_740_992.0]);
    let beyond = Array::new(&[2], ArrayData::U64(vec![1, (1 << 53) + 1])).unwrap();
    config("to_f64", beyond.to_f64(), "element 1 is 9007199254740993, which f64 would round");
    // Classes are told apart exactly.
    let x = Array::new(&[2, 1], ArrayData::U8(vec![0, 1])).unwrap();
    config("classes", Dataset::from_arrays(&x, &beyond), "class 9007199254740993 of row 1, expected 0 to 65535");
}

#[test]
fn idx_files_name_what_f32_cannot_hold() {
    let idx = |kind: u8, elements: &[u8]| Idx::parse("odd", &[&[0, 0, kind, 1, 0, 0, 0, 2][..], elements].concat()).unwrap();
    let whole = |a: i32, b: i32| idx(0x0c, &[a.to_be_bytes(), b.to_be_bytes()].concat()).to_f32();
    assert_eq!(whole(16_777_216, i32::MIN).unwrap(), [16_777_216.0, -(2f32.powi(31))]);
    config("i32", whole(0, i32::MAX), "element 1 is 2147483647, which f32 would round");
    let fractions = |a: f64, b: f64| idx(0x0e, &[a.to_be_bytes(), b.to_be_bytes()].concat()).to_f32();
    assert_eq!(fractions(0.1, f64::NEG_INFINITY).unwrap(), [0.1, f32::NEG_INFINITY]);
    config("f64", fractions(0.0, 1e300), "element 1 is 1e300, which is beyond the range of f32");
    config("f64", fractions(1e-300, 0.0), "element 0 is 1e-300, which f32 would round to 0");
}

#[cfg(feature = "tables")]
#[test]
fn tables_name_what_f32_cannot_hold() {
    use steepest::data::{Csv, Prepare, Scale};
    let table = |last: &str| {
        let rows: String = ["0.5", "0.25", "1e-60", last].map(|x| format!("{x},1\n")).concat();
        Csv::new().parse("odd.csv", format!("p,q\n{rows}").as_bytes()).unwrap()
    };
    let prepare = || Prepare::new().only(["p"]).scale(Scale::None);
    let (good, large) = (table("1"), table("1e300"));
    let features = prepare().fit(&good).unwrap().features(&good).unwrap();
    let noticed = features.notes.iter().find(|note| note.contains("so small")).unwrap_or_else(|| panic!("{:?}", features.notes));
    assert!(noticed.contains("column `p`: 1 numbers") && noticed.contains("line 4"), "{noticed}");
    let error = prepare().fit(&good).unwrap().features(&large).unwrap_err().to_string();
    assert!(error.contains("1e300") && error.contains("line 5"), "{error}");
}
