//! A safetensors file in memory: tensors by name, and text by name.

use super::header::{self, Entry, Kind, METADATA};
use crate::error::{Error, Malformed, Result};
use crate::files::{self, write_whole};
use crate::memory;
use crate::nn::{Array, StateDict, Values};
use crate::numbers::{self, Unfit, f32_of};
use flate2::Crc;
use half::f16;
use std::collections::BTreeMap;
use std::path::Path;

/// The entry of the metadata that holds the checksum of the whole file, computed with zeros in its place.
const CHECKSUM: &str = "steepest.checksum";
const NO_SUM: &str = "crc32:00000000";

/// A safetensors file: tensors, and text beside them. PyTorch, NumPy and JAX read it with the `safetensors` package.
///
/// ```
/// use steepest::{nn::Array, save::TensorFile};
/// let mut file = TensorFile::default();
/// file.tensors.insert("w", Array::f32(vec![1.0, 2.0], &[2]));
/// file.metadata.insert("note".to_owned(), "two numbers".to_owned());
/// assert_eq!(TensorFile::parse("memory", &file.to_bytes()?)?, file);
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TensorFile {
    /// The tensors.
    pub tensors: StateDict,
    /// The texts.
    pub metadata: BTreeMap<String, String>,
    /// Tensors of the file that are not among `tensors`, by name: those whose numbers cannot be had here.
    pub left_out: BTreeMap<String, LeftOut>,
}

/// A tensor of a file that was not read, for all that the file itself is sound.
#[derive(Clone, Debug, PartialEq)]
pub struct LeftOut {
    /// The element type, by its name in the file.
    pub dtype: &'static str,
    /// Sizes of the axes.
    pub shape: Vec<usize>,
    /// Why: [`Malformed::Unsupported`] or [`Malformed::Range`].
    pub fault: Malformed,
}

fn refuse(message: String) -> Error {
    Error::Config { what: "tensors of a file", message }
}

impl TensorFile {
    /// Reads a file. f16, bf16 and f64 become f32, i8, i16 and i64 i32, u8, u16 and u64 u32. A tensor of another type, or with a number
    /// that cannot be had so, does not keep the others from being read: see [`TensorFile::left_out`].
    ///
    /// ```
    /// use steepest::{error::Malformed, save::TensorFile};
    /// let header = r#"{"a":{"dtype":"F64","shape":[1],"data_offsets":[0,8]},"b":{"dtype":"I64","shape":[1],"data_offsets":[8,16]}}"#;
    /// let length = (header.len() as u64).to_le_bytes();
    /// let bytes = [&length[..], header.as_bytes(), &1e300f64.to_le_bytes(), &7i64.to_le_bytes()].concat();
    /// let file = TensorFile::parse("memory", &bytes)?;
    /// assert_eq!(file.tensors.names().collect::<Vec<_>>(), ["b"]);
    /// assert!(matches!(file.left_out["a"].fault, Malformed::Range { index: 0, .. })); // f32 ends at 3.4e38
    /// # Ok::<(), steepest::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::File`]: it cannot be read. [`Error::Malformed`]: it is not what it should be, in any way that can be told.
    pub fn read(path: impl AsRef<Path>) -> Result<TensorFile> {
        let path = path.as_ref();
        let bytes = files::read(path)?;
        TensorFile::parse(path, &bytes)
    }

    /// Reads the bytes of a file; `path` is for messages.
    ///
    /// # Errors
    /// [`Error::Malformed`], as [`TensorFile::read`].
    pub fn parse(path: impl AsRef<Path>, bytes: &[u8]) -> Result<TensorFile> {
        parse(bytes).map_err(|fault| Error::Malformed { path: path.as_ref().to_owned(), fault })
    }

    /// The bytes of the file: the same for the same content.
    ///
    /// # Errors
    /// [`Error::Config`]: a name that no tensor may have, more than 8 axes, elements that are not as many as the shape says, a header
    /// longer than the format allows; tensors that were left out when the file was read and would now be lost (clear `left_out`).
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        if let Some(left) = self.left_out.values().next() {
            let advice = "it would be lost; clear `left_out` if it is not needed";
            return Err(refuse(format!("one was not read: {}: {advice}", left.fault)));
        }
        // Elements of four bytes first, so that all of them are aligned.
        let mut order: Vec<(&str, &Array)> = self.tensors.iter().collect();
        order.sort_by_key(|(_, array)| matches!(array.values, Values::Bool(_)));
        let mut tensors = vec![];
        let mut end = 0;
        for (name, array) in &order {
            if let Some(why) = header::wrong_name(name) {
                return Err(refuse(format!("the name {name:?} {why}")));
            }
            let numel = array.shape.iter().try_fold(1usize, |n, &dim| n.checked_mul(dim));
            if *name == METADATA || array.shape.len() > 8 || numel != Some(array.len()) {
                return Err(refuse(format!("`{name}`: {} elements of shape {:?} cannot be written", array.len(), array.shape)));
            }
            let (kind, bytes) = match &array.values {
                Values::F32(v) => (Kind::F32, 4 * v.len()),
                Values::U32(v) => (Kind::U32, 4 * v.len()),
                Values::I32(v) => (Kind::I32, 4 * v.len()),
                Values::Bool(v) => (Kind::Bool, v.len()),
            };
            let start = end;
            end += bytes;
            let place = serde_json::json!({ "dtype": kind.name(), "shape": array.shape, "data_offsets": [start, end] });
            tensors.push((*name, place));
        }
        let mut metadata = self.metadata.clone();
        metadata.insert(CHECKSUM.to_owned(), NO_SUM.to_owned());
        let mut header = format!("{{{}:{}", serde_json::json!(METADATA), serde_json::json!(metadata));
        for (name, place) in tensors {
            header += &format!(",{}:{place}", serde_json::json!(name));
        }
        header.push('}');
        // Spaces, so that the tensors start at a multiple of 8 bytes.
        header.extend(std::iter::repeat_n(' ', header.len().next_multiple_of(8) - header.len()));
        if header.len() as u64 > header::LONGEST {
            return Err(refuse(format!("a header of {} bytes, expected at most {}", header.len(), header::LONGEST)));
        }
        let mut bytes = memory::room("the bytes of a file", 8 + header.len() + end).map_err(Error::NoRoom)?;
        bytes.extend((header.len() as u64).to_le_bytes());
        bytes.extend(header.as_bytes());
        for (_, array) in order {
            match &array.values {
                Values::F32(v) => v.iter().for_each(|x| bytes.extend(x.to_le_bytes())),
                Values::U32(v) => v.iter().for_each(|x| bytes.extend(x.to_le_bytes())),
                Values::I32(v) => v.iter().for_each(|x| bytes.extend(x.to_le_bytes())),
                Values::Bool(v) => bytes.extend(v.iter().map(|&x| u8::from(x))),
            }
        }
        if let Some((at, sum)) = checksum(&bytes, 8 + header.len()) {
            bytes[at..at + sum.len()].copy_from_slice(sum.as_bytes());
        }
        Ok(bytes)
    }

    /// Writes the file: beside its place first, then with its name, so that there is never half a file.
    ///
    /// # Errors
    /// As [`TensorFile::to_bytes`], and [`Error::File`] if it cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        write_whole(path.as_ref(), &self.to_bytes()?)
    }
}

/// Where the checksum stands and what it should be; `None` in a file without one.
fn checksum(bytes: &[u8], header: usize) -> Option<(usize, String)> {
    // Inside another text, or at the end of another name, the first quote would have a backslash before it.
    let key = format!("\"{CHECKSUM}\":\"");
    let is_there = |at: usize| bytes[at..].starts_with(key.as_bytes()) && bytes[at - 1] != b'\\';
    let at = (1..header.checked_sub(key.len())?).find(|&at| is_there(at))? + key.len();
    let end = at.checked_add(NO_SUM.len()).filter(|&end| end < header)?;
    let mut crc = Crc::new();
    crc.update(&bytes[..at]);
    crc.update(NO_SUM.as_bytes());
    crc.update(&bytes[end..]);
    Some((at, format!("crc32:{:08x}", crc.sum())))
}

fn parse(bytes: &[u8]) -> Result<TensorFile, Malformed> {
    let header = header::read(bytes)?;
    let mut metadata = header.metadata;
    let found = metadata.remove(CHECKSUM);
    // Files of other programs have none; one of ours that has none was damaged just there.
    if found.is_some() || metadata.get("format").is_some_and(|format| format == "steepest") {
        let found = found.unwrap_or_else(|| "missing".to_owned());
        let expected = checksum(bytes, header.length).map_or_else(|| "as this library writes it".to_owned(), |(_, sum)| sum);
        if found != expected {
            return Err(Malformed::Checksum { found, expected });
        }
    }
    let mut file = TensorFile { metadata, ..TensorFile::default() };
    for entry in header.entries {
        let bytes = &bytes[header.length..][entry.start..entry.end];
        match values(&entry, bytes) {
            Ok(values) => file.tensors.insert(entry.name, Array { shape: entry.shape, values }),
            Err(fault) => {
                let left = LeftOut { dtype: entry.kind.name(), shape: entry.shape, fault };
                file.left_out.insert(entry.name, left);
            }
        }
    }
    Ok(file)
}

/// Elements of N bytes each.
fn each<const N: usize, T>(bytes: &[u8], of: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks::<N>().0.iter().map(|&chunk| of(chunk)).collect()
}

/// A tensor's elements, or why this library has no tensor of them.
fn values(entry: &Entry, bytes: &[u8]) -> Result<Values, Malformed> {
    let tensor = || entry.name.clone();
    let range = |Unfit { index, value, why }| Malformed::Range { tensor: tensor(), index, value, why };
    Ok(match entry.kind {
        Kind::F32 => Values::F32(each(bytes, f32::from_le_bytes)),
        Kind::F64 => Values::F32(checked(bytes, f64::from_le_bytes, f32_of).map_err(range)?),
        Kind::Bf16 => Values::F32(each(bytes, |b| f32::from_bits(u32::from(u16::from_le_bytes(b)) << 16))),
        Kind::F16 => Values::F32(each(bytes, |b| f16::from_le_bytes(b).to_f32())),
        Kind::U8 => Values::U32(bytes.iter().map(|&x| x.into()).collect()),
        Kind::U16 => Values::U32(each(bytes, |b| u16::from_le_bytes(b).into())),
        Kind::U32 => Values::U32(each(bytes, u32::from_le_bytes)),
        Kind::U64 => Values::U32(
            checked(bytes, u64::from_le_bytes, |x| u32::try_from(x).map_err(|_| "expected at most 4294967295, as u32 holds"))
                .map_err(range)?,
        ),
        Kind::I8 => Values::I32(each(bytes, |b| i8::from_le_bytes(b).into())),
        Kind::I16 => Values::I32(each(bytes, |b| i16::from_le_bytes(b).into())),
        Kind::I32 => Values::I32(each(bytes, i32::from_le_bytes)),
        Kind::I64 => Values::I32(
            checked(bytes, i64::from_le_bytes, |x| {
                i32::try_from(x).map_err(|_| "expected -2147483648 to 2147483647, as i32 holds")
            })
            .map_err(range)?,
        ),
        Kind::Bool => Values::Bool(bytes.iter().map(|&byte| byte != 0).collect()),
        Kind::Foreign(dtype) => return Err(Malformed::Unsupported { tensor: tensor(), dtype }),
    })
}

/// Elements of N bytes each, as another type that may not hold them.
fn checked<const N: usize, T: Copy + std::fmt::Debug, U>(
    bytes: &[u8],
    read: impl Fn([u8; N]) -> T,
    of: impl Fn(T) -> Result<U, &'static str>,
) -> Result<Vec<U>, Unfit> {
    numbers::all(bytes.as_chunks::<N>().0.iter().map(|&chunk| read(chunk)), of)
}
