//! NumPy's `.npy`: arrays with their elements in their own type; what f32 or f64 cannot hold is named, not rounded away.

use super::{config, npy};
use crate::error::{Error, NoRoom, Result};
use crate::files::{self, write_whole};
use crate::memory;
use crate::numbers::{self, Unfit, f32_of, whole_f32, whole_f64};
use crate::shape::Shape;
use std::fmt;
use std::path::Path;

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
    ($($variant:ident $type:ty, $descr:literal, $words:literal;)+) => {
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
            pub(super) fn picked(self, from: impl ExactSizeIterator<Item = usize>) -> Result<ArrayData, NoRoom> {
                Ok(match self {
                    $(ArrayData::$variant(v) => {
                        ArrayData::$variant(memory::collected("the elements of an array, row by row", from.map(|i| v[i]))?)
                    })+
                })
            }

            /// What NumPy calls the type, and the bytes of an element.
            fn descr(&self) -> (&'static str, usize) {
                match self { $(ArrayData::$variant(_) => ($descr, size_of::<$type>()),)+ }
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
    Bool bool, "|b1", "`b1`";
    I8 i8, "|i1", "`i1`";
    I16 i16, "<i2", "`i2`";
    I32 i32, "<i4", "`i4`";
    I64 i64, "<i8", "`i8`";
    U8 u8, "|u1", "`u1`";
    U16 u16, "<u2", "`u2`";
    U32 u32, "<u4", "`u4`";
    U64 u64, "<u8", "`u8`";
    F32 f32, "<f4", "`f4`";
    F64 f64, "<f8", "`f8`";
}

impl ArrayData {
    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Element i, if they are whole numbers; true is 1.
    fn whole(&self, i: usize) -> Option<i128> {
        match self {
            ArrayData::Bool(v) => Some(i128::from(u8::from(v[i]))),
            ArrayData::I8(v) => Some(v[i].into()),
            ArrayData::I16(v) => Some(v[i].into()),
            ArrayData::I32(v) => Some(v[i].into()),
            ArrayData::I64(v) => Some(v[i].into()),
            ArrayData::U8(v) => Some(v[i].into()),
            ArrayData::U16(v) => Some(v[i].into()),
            ArrayData::U32(v) => Some(v[i].into()),
            ArrayData::U64(v) => Some(v[i].into()),
            ArrayData::F32(_) | ArrayData::F64(_) => None,
        }
    }

    /// Appends the elements, little-endian.
    fn write(&self, into: &mut Vec<u8>) {
        fn each<const N: usize, T: Copy>(elements: &[T], into: &mut Vec<u8>, bytes: fn(T) -> [u8; N]) {
            elements.iter().for_each(|&x| into.extend_from_slice(&bytes(x)));
        }
        match self {
            ArrayData::Bool(v) => each(v, into, |x| [u8::from(x)]),
            ArrayData::I8(v) => each(v, into, i8::to_le_bytes),
            ArrayData::I16(v) => each(v, into, i16::to_le_bytes),
            ArrayData::I32(v) => each(v, into, i32::to_le_bytes),
            ArrayData::I64(v) => each(v, into, i64::to_le_bytes),
            ArrayData::U8(v) => into.extend_from_slice(v),
            ArrayData::U16(v) => each(v, into, u16::to_le_bytes),
            ArrayData::U32(v) => each(v, into, u32::to_le_bytes),
            ArrayData::U64(v) => each(v, into, u64::to_le_bytes),
            ArrayData::F32(v) => each(v, into, f32::to_le_bytes),
            ArrayData::F64(v) => each(v, into, f64::to_le_bytes),
        }
    }

    fn whole_numbers(&self) -> impl Iterator<Item = i128> + '_ {
        (0..self.len()).filter_map(|i| self.whole(i))
    }

    fn f32s(&self) -> Result<Vec<f32>, Unfit> {
        match self {
            ArrayData::F32(v) => Ok(v.clone()),
            ArrayData::F64(v) => numbers::all(v.iter().copied(), f32_of),
            _ => numbers::all(self.whole_numbers(), whole_f32),
        }
    }

    fn f64s(&self) -> Result<Vec<f64>, Unfit> {
        match self {
            ArrayData::F32(v) => Ok(v.iter().map(|&x| x.into()).collect()),
            ArrayData::F64(v) => Ok(v.clone()),
            _ => numbers::all(self.whole_numbers(), whole_f64),
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

    /// The elements as f32: fractions the nearest there are, whole numbers exactly.
    ///
    /// ```
    /// use steepest::data::{Array, ArrayData};
    /// let times = Array::new(&[2], ArrayData::I64(vec![1_700_000_000, 1_700_000_001]))?;
    /// assert!(times.to_f32().is_err()); // f32 counts in steps of 128 there
    /// let since: Vec<f32> = times.to_f64()?.iter().map(|t| (t - 1.7e9) as f32).collect();
    /// assert_eq!(since, [0.0, 1.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Config`] with the first element that f32 cannot hold: a number beyond its range or so small that it would become 0, a
    /// whole number that would be rounded.
    pub fn to_f32(&self) -> Result<Vec<f32>> {
        let advice = "scale the numbers first, in f64 (`to_f64`)";
        self.data.f32s().map_err(|unfit| config("array as f32", format!("{unfit}: {advice}")))
    }

    /// The elements as f64, exactly.
    ///
    /// # Errors
    /// [`Error::Config`] with the first whole number that f64 would round: one of more than 53 bits.
    pub fn to_f64(&self) -> Result<Vec<f64>> {
        self.data.f64s().map_err(|unfit| config("array as f64", unfit.to_string()))
    }

    /// Reads a `.npy` file of bool, integers, f16, f32 or f64, of either byte order, in row-major or Fortran order. f16 becomes f32.
    ///
    /// # Errors
    /// [`Error::File`] with what was found and what was expected: a file that cannot be read, a wrong magic number, version or header,
    /// another element type (objects, text, complex numbers, records), more than 8 axes or `u32::MAX` elements, more or fewer bytes
    /// than declared, a bool that is neither 0 nor 1. [`Error::NoRoom`]: there is no memory for it.
    pub fn read(path: impl AsRef<Path>) -> Result<Array> {
        let path = path.as_ref();
        Array::parse(path, &files::read(path)?)
    }

    /// Reads what [`Array::read`] would from a file of these bytes; `name` stands for the path in errors.
    ///
    /// # Errors
    /// As [`Array::read`].
    pub fn parse(name: impl AsRef<Path>, bytes: &[u8]) -> Result<Array> {
        Array::of_bytes(bytes).map_err(|fault| match fault {
            npy::Fault::NoRoom(room) => Error::NoRoom(room),
            fault => Error::file(name.as_ref(), fault.message()),
        })
    }

    pub(super) fn of_bytes(bytes: &[u8]) -> Result<Array, npy::Fault> {
        npy::read(bytes).map(|(shape, data)| Array { shape, data })
    }

    /// The bytes of a `.npy` file, row-major and little-endian.
    ///
    /// # Errors
    /// [`Error::NoRoom`]: there is no memory for them.
    pub fn to_npy(&self) -> Result<Vec<u8>> {
        let (descr, size) = self.data.descr();
        let start = npy::start(descr, &self.shape);
        let count = self.data.len().saturating_mul(size).saturating_add(start.len());
        let mut bytes = memory::room("the bytes of a .npy file", count).map_err(Error::NoRoom)?;
        bytes.extend(start);
        self.data.write(&mut bytes);
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
        let numbers = |what: &str, array: &Array| {
            array.data.f32s().map_err(|unfit| config("data set", format!("{what}: {unfit}: scale them first, in f64")))
        };
        let labels = match &y.data {
            ArrayData::F32(_) | ArrayData::F64(_) => {
                super::Labels::Values(numbers("targets", y)?, width.first().copied().unwrap_or(1))
            }
            _ if !width.is_empty() => return wrong(format!("classes of shape {:?}, expected one per row", y.shape)),
            data => {
                let mut classes = Vec::with_capacity(rows);
                for (row, class) in data.whole_numbers().enumerate() {
                    match u16::try_from(class) {
                        Ok(class) => classes.push(u32::from(class)),
                        Err(_) => return wrong(format!("class {class} of row {row}, expected 0 to 65535")),
                    }
                }
                let count = classes.iter().max().map_or(0, |&most| most as usize + 1);
                super::Labels::Classes(classes, count)
            }
        };
        super::Dataset::new(numbers("features", x)?, row_shape, labels)
    }
}
