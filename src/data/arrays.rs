//! NumPy's `.npy` and `.npz`: read after checking that what the header declares is there, and written.

use super::config;
use crate::error::{Error, Result};
use crate::shape::{MAX_RANK, Shape};
use npyz::{DType, NpyFile, Order, WriterBuilder};
use std::fmt;
use std::io::{Cursor, Read, Write};
use std::path::Path;

/// The most that one array of an archive may unpack to, and no more than deflate can make of its bytes.
const MOST_UNPACKED: u64 = 1 << 30;
const DEFLATE_RATIO: u64 = 1032;
/// NumPy writes headers of a few hundred bytes.
const MOST_HEADER: usize = 1 << 14;

/// An array as NumPy stores it, row-major here whatever its order in the file.
///
/// ```
/// use steepest::data::{Array, ArrayData};
/// let array = Array::new(&[2, 2], ArrayData::F32(vec![1.0, 2.0, 3.0, 4.0]))?;
/// let bytes = array.to_npy()?;
/// assert_eq!(Array::parse("example.npy", &bytes)?, array);
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    shape: Vec<usize>,
    data: ArrayData,
}

macro_rules! types {
    ($($variant:ident $type:ty, $words:literal;)+) => {
        /// The elements of an [`Array`] in their own type.
        #[derive(Clone, Debug, PartialEq)]
        pub enum ArrayData {
            $(#[doc = $words] $variant(Vec<$type>),)+
        }

        impl ArrayData {
            /// The number of elements.
            pub fn len(&self) -> usize {
                match self { $(ArrayData::$variant(v) => v.len(),)+ }
            }

            /// The elements in another order: place i gets the element `from[i]`.
            fn picked(self, from: &[usize]) -> ArrayData {
                match self { $(ArrayData::$variant(v) => ArrayData::$variant(from.iter().map(|&i| v[i]).collect()),)+ }
            }

            fn write(&self, shape: &[u64], into: &mut Vec<u8>) -> std::io::Result<()> {
                match self {
                    $(ArrayData::$variant(v) => {
                        let mut writer = npyz::WriteOptions::new().default_dtype().shape(shape).writer(into).begin_nd()?;
                        writer.extend(v.iter())?;
                        writer.finish()
                    })+
                }
            }
        }

        impl fmt::Display for ArrayData {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(ArrayData::$variant(_) => stringify!($type),)+ })
            }
        }
    };
}

types! {
    Bool bool, "`b1`";
    I8 i8, "`i1`";
    I16 i16, "`i2`";
    I32 i32, "`i4`";
    I64 i64, "`i8`";
    U8 u8, "`u1`";
    U16 u16, "`u2`";
    U32 u32, "`u4`";
    U64 u64, "`u8`";
    F32 f32, "`f4`";
    F64 f64, "`f8`";
}

impl ArrayData {
    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Each element as f64: exact but for integers of more than 53 bits; true is 1.
    fn f64s(&self) -> Vec<f64> {
        match self {
            ArrayData::Bool(v) => v.iter().map(|&x| f64::from(u8::from(x))).collect(),
            ArrayData::I8(v) => v.iter().map(|&x| x.into()).collect(),
            ArrayData::I16(v) => v.iter().map(|&x| x.into()).collect(),
            ArrayData::I32(v) => v.iter().map(|&x| x.into()).collect(),
            ArrayData::I64(v) => v.iter().map(|&x| x as f64).collect(),
            ArrayData::U8(v) => v.iter().map(|&x| x.into()).collect(),
            ArrayData::U16(v) => v.iter().map(|&x| x.into()).collect(),
            ArrayData::U32(v) => v.iter().map(|&x| x.into()).collect(),
            ArrayData::U64(v) => v.iter().map(|&x| x as f64).collect(),
            ArrayData::F32(v) => v.iter().map(|&x| x.into()).collect(),
            ArrayData::F64(v) => v.clone(),
        }
    }
}

impl Array {
    /// An array of these sizes, outermost first; none for a single element.
    ///
    /// # Errors
    /// [`Error::Config`]: another number of elements, or more than 8 axes.
    pub fn new(shape: &[usize], data: ArrayData) -> Result<Array> {
        let numel = Shape::new(shape).map_err(|e| config("array", e.to_string()))?.numel();
        if numel != data.len() {
            return Err(config("array", format!("{} elements do not fit the shape {shape:?}", data.len())));
        }
        Ok(Array { shape: shape.to_vec(), data })
    }

    /// The sizes, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The elements, row-major.
    pub fn data(&self) -> &ArrayData {
        &self.data
    }

    /// The elements as f32, the nearest there is.
    pub fn to_f32(&self) -> Vec<f32> {
        match &self.data {
            ArrayData::F32(v) => v.clone(),
            data => data.f64s().into_iter().map(|x| x as f32).collect(),
        }
    }

    /// The elements as f64.
    pub fn to_f64(&self) -> Vec<f64> {
        self.data.f64s()
    }

    /// Reads a `.npy` file of bool, integers, f32 or f64, of either byte order, in row-major or Fortran order.
    ///
    /// # Errors
    /// [`Error::File`] with what was found and what was expected: a file that cannot be read, a wrong magic number, version or header,
    /// another element type (objects, text, f16, complex numbers, records), more than 8 axes or `u32::MAX` elements, more or fewer bytes
    /// than declared, a bool that is neither 0 nor 1.
    pub fn read(path: impl AsRef<Path>) -> Result<Array> {
        let path = path.as_ref();
        Array::parse(path, &bytes_of(path)?)
    }

    /// Reads what [`Array::read`] would from a file of these bytes; `name` stands for the path in errors.
    ///
    /// # Errors
    /// As [`Array::read`].
    pub fn parse(name: impl AsRef<Path>, bytes: &[u8]) -> Result<Array> {
        parse(bytes).map_err(|message| Error::file(name.as_ref(), message))
    }

    /// The bytes of a `.npy` file, row-major and little-endian.
    ///
    /// # Errors
    /// [`Error::Config`]: they cannot be written; not to be expected.
    pub fn to_npy(&self) -> Result<Vec<u8>> {
        let shape: Vec<u64> = self.shape.iter().map(|&d| d as u64).collect();
        let mut bytes = Vec::new();
        self.data.write(&shape, &mut bytes).map_err(|e| config("array", format!("cannot be written: {e}")))?;
        Ok(bytes)
    }

    /// Writes a `.npy` file, whole or not at all.
    ///
    /// # Errors
    /// [`Error::File`]: it cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        write_whole(path.as_ref(), &self.to_npy()?)
    }
}

fn bytes_of(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|e| Error::file(path, format!("cannot be read: {e}")))
}

/// Writes beside the file first, so that it is never there in part.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = path.with_file_name(name);
    let written = std::fs::write(&part, bytes).and_then(|()| std::fs::rename(&part, path));
    written.map_err(|e| {
        // What is left of it is of no use; that it cannot be removed either is not worth more words.
        let _ = std::fs::remove_file(&part);
        Error::file(path, format!("cannot be written: {e}"))
    })
}

/// Reads the arrays of a `.npz` file with their names, in the order of the file.
///
/// # Errors
/// [`Error::File`]: not a zip archive, a damaged or encrypted entry, one that is no array, one that unpacks to more than it declares, than
/// 1 GiB or than its bytes can hold; and as [`Array::read`], with the name of the array.
pub fn read_npz(path: impl AsRef<Path>) -> Result<Vec<(String, Array)>> {
    let path = path.as_ref();
    parse_npz(path, &bytes_of(path)?)
}

/// Reads what [`read_npz`] would from a file of these bytes; `name` stands for the path in errors.
///
/// # Errors
/// As [`read_npz`].
pub fn parse_npz(name: impl AsRef<Path>, bytes: &[u8]) -> Result<Vec<(String, Array)>> {
    let fail = |message: String| Error::file(name.as_ref(), message);
    let archive = npyz::npz::NpzArchive::new(Cursor::new(bytes));
    let mut archive = archive.map_err(|e| fail(format!("not a zip archive as numpy.savez writes: {e}")))?;
    let zip = archive.zip_archive();
    let mut arrays: Vec<(String, Array)> = Vec::new();
    for index in 0..zip.len() {
        let mut entry = zip.by_index(index).map_err(|e| fail(format!("entry {index} cannot be read: {e}")))?;
        let full = entry.name().to_owned();
        let Some(array) = full.strip_suffix(".npy").filter(|name| !name.is_empty() && !name.contains('\0')) else {
            return Err(fail(format!("found the entry `{}`, expected names that end in .npy", full.escape_debug())));
        };
        if arrays.iter().any(|(known, _)| known == array) {
            return Err(fail(format!("found the array `{array}` twice")));
        }
        let (declared, packed) = (entry.size(), entry.compressed_size());
        if declared > MOST_UNPACKED || declared > packed.saturating_mul(DEFLATE_RATIO) {
            let most = "expected at most 1 GiB, and no more than its bytes can hold";
            return Err(fail(format!("array `{array}`: found {declared} bytes declared for {packed} compressed ones, {most}")));
        }
        let mut unpacked = Vec::new();
        let read = entry.by_ref().take(declared + 1).read_to_end(&mut unpacked);
        read.map_err(|e| fail(format!("array `{array}`: damaged or cut off: {e}")))?;
        if unpacked.len() as u64 != declared {
            let found = if unpacked.len() as u64 > declared { "more".to_owned() } else { unpacked.len().to_string() };
            return Err(fail(format!("array `{array}`: found {found} bytes, expected the {declared} declared")));
        }
        let read = parse(&unpacked).map_err(|message| fail(format!("array `{array}`: {message}")))?;
        arrays.push((array.to_owned(), read));
    }
    Ok(arrays)
}

/// Writes arrays with names as a `.npz` file, whole or not at all.
///
/// ```
/// use steepest::data::{Array, ArrayData, read_npz, write_npz};
/// let folder = tempfile::tempdir().expect("a folder");
/// let path = folder.path().join("set.npz");
/// let y = Array::new(&[3], ArrayData::I64(vec![1, 0, 1]))?;
/// write_npz(&path, [("y", &y)])?;
/// assert_eq!(read_npz(&path)?, [("y".to_owned(), y)]);
/// # Ok::<(), steepest::Error>(())
/// ```
///
/// # Errors
/// [`Error::Config`]: a name that is empty, holds NUL, or comes twice. [`Error::File`]: the file cannot be written.
pub fn write_npz<'a>(path: impl AsRef<Path>, arrays: impl IntoIterator<Item = (&'a str, &'a Array)>) -> Result<()> {
    let path = path.as_ref();
    let fail = |e: &dyn fmt::Display| Error::file(path, format!("cannot be written: {e}"));
    let mut writer = npyz::npz::NpzWriter::new(Cursor::new(Vec::new()));
    let zip = writer.zip_writer();
    let mut names: Vec<&str> = Vec::new();
    for (name, array) in arrays {
        if name.is_empty() || name.contains('\0') || names.contains(&name) {
            return Err(config("array name", format!("found `{}`, expected a name of its own", name.escape_debug())));
        }
        names.push(name);
        zip.start_file(format!("{name}.npy"), Default::default()).map_err(|e| fail(&e))?;
        zip.write_all(&array.to_npy()?).map_err(|e| fail(&e))?;
    }
    let bytes = zip.finish().map_err(|e| fail(&e))?.into_inner();
    write_whole(path, &bytes)
}

/// The header's text and where the elements begin.
fn header(bytes: &[u8]) -> Result<(&str, usize), String> {
    let start = bytes.get(..8).ok_or_else(|| format!("byte 0: found {} bytes, expected 93 NUMPY and a version", bytes.len()))?;
    if &start[..6] != b"\x93NUMPY" {
        return Err(format!("byte 0: found {:02x?}, expected 93 and `NUMPY`", &start[..6]));
    }
    let (wide, version) = (start[6] > 1, (start[6], start[7]));
    if !matches!(version, (1..=3, 0)) {
        return Err(format!("byte 6: found version {}.{}, expected 1.0, 2.0 or 3.0", version.0, version.1));
    }
    let from = if wide { 12 } else { 10 };
    let length = match bytes.get(8..from) {
        Some(&[a, b]) => usize::from(u16::from_le_bytes([a, b])),
        Some(&[a, b, c, d]) => u32::from_le_bytes([a, b, c, d]) as usize,
        _ => return Err(format!("byte 8: the file is cut off in the length of the header, after {} bytes", bytes.len())),
    };
    if length > MOST_HEADER {
        return Err(format!("byte 8: found a header of {length} bytes, expected at most {MOST_HEADER}"));
    }
    let text = bytes.get(from..from + length);
    let text =
        text.ok_or_else(|| format!("byte {from}: the header declares {length} bytes, but {} are there", bytes.len() - from))?;
    let text = std::str::from_utf8(text).map_err(|_| format!("byte {from}: the header is not UTF-8"))?;
    Ok((text, from + length))
}

/// The shape in a header. The library multiplies sizes without looking, and goes as deep as brackets do: this looks before.
fn declared_shape(text: &str) -> Result<Vec<usize>, String> {
    let wrong = |what: &str| format!("header: {what}, expected a dictionary of `descr`, `fortran_order` and `shape`");
    let deepest = text.bytes().scan(0i32, |depth, byte| {
        *depth += i32::from(matches!(byte, b'(' | b'[' | b'{')) - i32::from(matches!(byte, b')' | b']' | b'}'));
        Some(*depth)
    });
    if deepest.max().unwrap_or(0) > 4 || text.contains('\\') {
        return Err(wrong("found brackets five deep, or a backslash"));
    }
    let mut places = text.match_indices("shape").map(|(at, _)| at);
    let (Some(at), None) = (places.next(), places.next()) else {
        return Err(wrong("found no `shape`, or more than one"));
    };
    let list = text[at..].split_once('(').and_then(|(_, rest)| rest.split_once(')')).map(|(list, _)| list);
    let list = list.ok_or_else(|| wrong("found no list of sizes"))?;
    let mut sizes = Vec::new();
    for size in list.split(',').map(str::trim).filter(|size| !size.is_empty()) {
        // Python 2 wrote 3L.
        let size = size.parse::<u32>().map_err(|_| format!("header: found the size `{size}`, expected 0 to {}", u32::MAX))?;
        sizes.push(size as usize);
    }
    if sizes.len() > MAX_RANK {
        return Err(format!("header: found {} axes, expected at most {MAX_RANK}", sizes.len()));
    }
    Shape::new(&sizes).map_err(|e| format!("header: declares too much: {e}"))?;
    Ok(sizes)
}

fn parse(bytes: &[u8]) -> Result<Array, String> {
    let (text, start) = header(bytes)?;
    let shape = declared_shape(text)?;
    let file = NpyFile::new(bytes).map_err(|e| format!("header: {e}"))?;
    if file.shape().iter().map(|&d| d as usize).ne(shape.iter().copied()) {
        return Err(format!("header: found the shape {:?} beside {shape:?}", file.shape()));
    }
    let known = "expected bool, integers of 1 to 8 bytes, f32 (f4) or f64 (f8)";
    let DType::Plain(kind) = file.dtype() else {
        return Err(format!("header: found records, {known}: write each field as an array of its own"));
    };
    let name = kind.to_string();
    let advice = match name.as_str() {
        name if name.ends_with('O') => ": objects are Python's own; convert with `.astype(float)`, or store texts in a table",
        _ => ": convert with `.astype`",
    };
    let unknown = || format!("header: found elements of type `{name}`, {known}{advice}");
    let size = match &name[1..] {
        "b1" | "i1" | "u1" => 1,
        "i2" | "u2" => 2,
        "i4" | "u4" | "f4" => 4,
        "i8" | "u8" | "f8" => 8,
        _ => return Err(unknown()),
    };
    let numel: usize = shape.iter().product();
    let (declared, there) = (numel as u64 * size, (bytes.len() - start) as u64);
    if declared != there {
        let what = if there < declared { "the file is cut off" } else { "the file goes on after them" };
        return Err(format!("byte {start}: {shape:?} of `{name}` declares {declared} bytes, but {there} are there: {what}"));
    }
    if &name[1..] == "b1"
        && let Some(at) = bytes[start..].iter().position(|&b| b > 1)
    {
        return Err(format!("byte {}: found the bool {:02x}, expected 00 or 01", start + at, bytes[start + at]));
    }
    let fortran = file.order() == Order::Fortran;
    let data = match &name[1..] {
        "b1" => file.into_vec().map(ArrayData::Bool),
        "i1" => file.into_vec().map(ArrayData::I8),
        "i2" => file.into_vec().map(ArrayData::I16),
        "i4" => file.into_vec().map(ArrayData::I32),
        "i8" => file.into_vec().map(ArrayData::I64),
        "u1" => file.into_vec().map(ArrayData::U8),
        "u2" => file.into_vec().map(ArrayData::U16),
        "u4" => file.into_vec().map(ArrayData::U32),
        "u8" => file.into_vec().map(ArrayData::U64),
        "f4" => file.into_vec().map(ArrayData::F32),
        _ => file.into_vec().map(ArrayData::F64),
    };
    let data = data.map_err(|e| format!("byte {start}: {e}"))?;
    let data = if fortran && shape.len() > 1 { data.picked(&from_fortran(&shape)) } else { data };
    Ok(Array { shape, data })
}

/// For each place in row-major order the place in column-major order.
fn from_fortran(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in 1..shape.len() {
        strides[axis] = strides[axis - 1] * shape[axis - 1];
    }
    let numel = shape.iter().product();
    let place = |mut i: usize| {
        let mut at = 0;
        for (&size, &stride) in shape.iter().zip(&strides).rev() {
            at += i % size * stride;
            i /= size;
        }
        at
    };
    (0..numel).map(place).collect()
}

impl super::Dataset {
    /// A data set of two arrays: features `[rows, …]`, and of integers or bool `[rows]` a class per row, of floating-point numbers
    /// `[rows]` or `[rows, n]` values to predict.
    ///
    /// # Errors
    /// [`Error::Config`]: shapes that do not fit each other, a class below zero, more than 65,536 classes; and as
    /// [`Dataset::new`](super::Dataset::new).
    pub fn from_arrays(x: &Array, y: &Array) -> Result<super::Dataset> {
        let wrong = |message: String| Err(config("data set", message));
        let (Some((&rows, row_shape)), Some((&targets, width))) = (x.shape.split_first(), y.shape.split_first()) else {
            return wrong(format!("features of shape {:?} and targets of {:?}, expected rows", x.shape, y.shape));
        };
        if rows != targets || width.len() > 1 {
            return wrong(format!("features of shape {:?} and targets of {:?} are not the same rows", x.shape, y.shape));
        }
        let labels = match &y.data {
            ArrayData::F32(_) | ArrayData::F64(_) => super::Labels::Values(y.to_f32(), width.first().copied().unwrap_or(1)),
            _ if !width.is_empty() => return wrong(format!("classes of shape {:?}, expected one per row", y.shape)),
            data => {
                let classes = data.f64s();
                if let Some(row) = classes.iter().position(|c| !(0.0..65_536.0).contains(c)) {
                    return wrong(format!("class {} of row {row}, expected 0 to 65535", classes[row]));
                }
                let count = classes.iter().fold(0.0f64, |most, &c| most.max(c + 1.0)) as usize;
                super::Labels::Classes(classes.into_iter().map(|c| c as u32).collect(), count)
            }
        };
        super::Dataset::new(x.to_f32(), row_shape, labels)
    }
}
