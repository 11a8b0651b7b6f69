//! IDX files, the format of MNIST: `0 0 type rank`, one big-endian u32 a dimension, then the elements; plain or in gzip.

use crate::error::{Error, NoRoom, Result};
use crate::numbers::{self, f32_of, whole_f32};
use crate::shape::{MAX_RANK, Shape};
use crate::{files, memory};
use flate2::read::MultiGzDecoder;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// The most that a compressed file may unpack to. A plain file is its own proof of what it holds; a header in a small
/// compressed one may claim anything.
const MOST_UNPACKED: u64 = 1 << 30;

/// Deflate cannot do better than this many bytes out of one.
const DEFLATE_RATIO: u64 = 1032;

/// How much memory is asked for at a time while a compressed file is unpacked.
const CHUNK: usize = 1 << 16;

/// What vectors are for, in errors.
const ELEMENTS: &str = "the elements of an IDX file";

/// The content of an IDX file.
///
/// ```
/// use steepest::data::{Idx, IdxData};
/// let bytes = [0, 0, 8, 1, 0, 0, 0, 3, 3, 1, 4]; // u8, one axis of 3
/// let idx = Idx::parse("example", &bytes)?;
/// assert_eq!(idx.dims, [3]);
/// assert_eq!(idx.data, IdxData::U8(vec![3, 1, 4]));
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Idx {
    /// Sizes, outermost first: 1 to 8 of them.
    pub dims: Vec<usize>,
    /// The elements, row-major: as many as the product of the sizes.
    pub data: IdxData,
}

/// The elements of an IDX file in their own type.
#[derive(Clone, Debug, PartialEq)]
pub enum IdxData {
    /// Type 0x08.
    U8(Vec<u8>),
    /// Type 0x09.
    I8(Vec<i8>),
    /// Type 0x0b.
    I16(Vec<i16>),
    /// Type 0x0c.
    I32(Vec<i32>),
    /// Type 0x0d.
    F32(Vec<f32>),
    /// Type 0x0e.
    F64(Vec<f64>),
}

#[derive(Clone, Copy)]
enum Kind {
    U8,
    I8,
    I16,
    I32,
    F32,
    F64,
}

impl Kind {
    fn of(byte: u8) -> Option<Kind> {
        Some(match byte {
            0x08 => Kind::U8,
            0x09 => Kind::I8,
            0x0b => Kind::I16,
            0x0c => Kind::I32,
            0x0d => Kind::F32,
            0x0e => Kind::F64,
            _ => return None,
        })
    }

    fn bytes(self) -> u64 {
        match self {
            Kind::U8 | Kind::I8 => 1,
            Kind::I16 => 2,
            Kind::I32 | Kind::F32 => 4,
            Kind::F64 => 8,
        }
    }

    fn elements(self, bytes: Vec<u8>) -> Result<IdxData, NoRoom> {
        fn convert<const N: usize, T>(bytes: &[u8], from: impl Fn([u8; N]) -> T) -> Result<Vec<T>, NoRoom> {
            memory::collected(ELEMENTS, bytes.as_chunks().0.iter().map(|&b| from(b)))
        }
        Ok(match self {
            Kind::U8 => IdxData::U8(bytes),
            Kind::I8 => IdxData::I8(convert(&bytes, i8::from_be_bytes)?),
            Kind::I16 => IdxData::I16(convert(&bytes, i16::from_be_bytes)?),
            Kind::I32 => IdxData::I32(convert(&bytes, i32::from_be_bytes)?),
            Kind::F32 => IdxData::F32(convert(&bytes, f32::from_be_bytes)?),
            Kind::F64 => IdxData::F64(convert(&bytes, f64::from_be_bytes)?),
        })
    }
}

impl fmt::Display for IdxData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            IdxData::U8(_) => "u8",
            IdxData::I8(_) => "i8",
            IdxData::I16(_) => "i16",
            IdxData::I32(_) => "i32",
            IdxData::F32(_) => "f32",
            IdxData::F64(_) => "f64",
        })
    }
}

impl Idx {
    /// Reads a file, plain or gzip (told by its first two bytes, not by its name).
    ///
    /// Of a plain file no more than its own length is held in memory, of a compressed one no more than its header declares plus
    /// one byte, and a header that declares more than 1 GiB, or more than the compressed bytes could hold, is refused at once.
    ///
    /// # Errors
    /// [`Error::File`] with the byte, what was found and what was expected: a file that cannot be opened or read, a wrong
    /// magic number, an unknown type, a rank that is not 1 to 8, more than `u32::MAX` elements, fewer bytes than declared
    /// (cut off) or more, damaged gzip. [`Error::NoRoom`]: there is no memory for it.
    pub fn read(path: impl AsRef<Path>) -> Result<Idx> {
        let path = path.as_ref();
        let (file, length) = files::open(path)?;
        decode(path, BufReader::new(file), length)
    }

    /// Reads what [`Idx::read`] would from a file of these bytes; `name` stands for the path in errors.
    ///
    /// # Errors
    /// As [`Idx::read`].
    pub fn parse(name: impl AsRef<Path>, bytes: &[u8]) -> Result<Idx> {
        decode(name.as_ref(), bytes, bytes.len() as u64)
    }

    /// The number of elements.
    pub fn numel(&self) -> usize {
        self.dims.iter().fold(1, |n, &dim| n.saturating_mul(dim))
    }

    /// The elements as f32: fractions the nearest there are, whole numbers exactly.
    ///
    /// # Errors
    /// [`Error::Config`] with the first element that f32 cannot hold: a number beyond its range or so small that it would become 0, a
    /// whole number that would be rounded.
    pub fn to_f32(&self) -> Result<Vec<f32>> {
        let narrow = match &self.data {
            IdxData::U8(v) => Ok(v.iter().map(|&x| f32::from(x)).collect()),
            IdxData::I8(v) => Ok(v.iter().map(|&x| f32::from(x)).collect()),
            IdxData::I16(v) => Ok(v.iter().map(|&x| f32::from(x)).collect()),
            IdxData::I32(v) => numbers::all(v.iter().copied(), |x| whole_f32(x.into())),
            IdxData::F32(v) => Ok(v.clone()),
            IdxData::F64(v) => numbers::all(v.iter().copied(), f32_of),
        };
        narrow.map_err(|unfit| super::config("IDX as f32", format!("{unfit}: scale the numbers first, in f64")))
    }
}

fn decode(path: &Path, mut source: impl BufRead, length: u64) -> Result<Idx> {
    let start = source.fill_buf().map_err(|e| Error::file(path, format!("byte 0: cannot be read: {e}")))?;
    if start.starts_with(&[0x1f, 0x8b]) {
        Reader { path, packed: Some(length), length, at: 0, source: MultiGzDecoder::new(source) }.idx()
    } else {
        Reader { path, packed: None, length, at: 0, source }.idx()
    }
}

/// Reads on and knows where it is.
struct Reader<'p, R> {
    path: &'p Path,
    /// The length of the compressed file, if it is one.
    packed: Option<u64>,
    length: u64,
    /// The next byte: of the file, or of what it unpacks to.
    at: u64,
    source: R,
}

impl<R: Read> Reader<'_, R> {
    fn fail(&self, at: u64, message: impl fmt::Display) -> Error {
        let unpacked = if self.packed.is_some() { " of the unpacked data" } else { "" };
        Error::file(self.path, format!("byte {at}{unpacked}: {message}"))
    }

    /// Some of the next bytes; none at the end.
    fn some(&mut self, into: &mut [u8]) -> Result<usize> {
        loop {
            match self.source.read(into) {
                Ok(n) => {
                    self.at += n as u64;
                    return Ok(n);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if self.packed.is_some() => {
                    return Err(self.fail(self.at, format!("the gzip data is damaged or cut off: {e}")));
                }
                Err(e) => return Err(self.fail(self.at, format!("cannot be read: {e}"))),
            }
        }
    }

    fn word(&mut self, what: impl fmt::Display) -> Result<[u8; 4]> {
        let (mut word, mut filled) = ([0; 4], 0);
        while filled < 4 {
            match self.some(&mut word[filled..])? {
                0 => return Err(self.fail(self.at, format!("the file is cut off in {what}: {filled} of 4 bytes are there"))),
                n => filled += n,
            }
        }
        Ok(word)
    }

    fn idx(mut self) -> Result<Idx> {
        let [zero, zero_too, kind, rank] = self.word("the magic number")?;
        if (zero, zero_too) != (0, 0) {
            let found = format!("{zero:02x} {zero_too:02x}");
            return Err(self.fail(0, format!("found {found}, expected 00 00 (IDX), or 1f 8b for a plain file (gzip)")));
        }
        let Some(kind) = Kind::of(kind) else {
            let known = "08 (u8), 09 (i8), 0b (i16), 0c (i32), 0d (f32) or 0e (f64)";
            return Err(self.fail(2, format!("found element type {kind:02x}, expected {known}")));
        };
        let rank = usize::from(rank);
        if rank == 0 || rank > MAX_RANK {
            return Err(self.fail(3, format!("found {rank} dimensions, expected 1 to {MAX_RANK}")));
        }
        let mut dims = Vec::with_capacity(rank);
        for axis in 0..rank {
            dims.push(u32::from_be_bytes(self.word(format_args!("the size of dimension {axis} of {rank}"))?) as usize);
        }
        let shape = Shape::new(&dims).map_err(|e| self.fail(4, format!("the header declares too much: {e}")))?;
        let bytes = self.elements(&shape, shape.numel() as u64 * kind.bytes())?;
        Ok(Idx { dims, data: kind.elements(bytes).map_err(Error::NoRoom)? })
    }

    /// The rest, which must be `declared` bytes.
    fn elements(&mut self, shape: &Shape, declared: u64) -> Result<Vec<u8>> {
        let start = self.at;
        let header = format!("the header's {shape} declares {declared} bytes of elements");
        let cut = |there: u64| format!("{header}, but {there} are there: the file is cut off");
        let trailing = || format!("{header}, but the file goes on after them");
        match self.packed {
            // The length decides before anything is allocated.
            None => match self.length.saturating_sub(start) {
                there if there < declared => return Err(self.fail(self.length, cut(there))),
                there if there > declared => return Err(self.fail(start + declared, trailing())),
                _ => {}
            },
            Some(_) if declared > MOST_UNPACKED => {
                return Err(self.fail(4, format!("{header}; a compressed file may hold {MOST_UNPACKED}: unpack it first")));
            }
            Some(packed) if declared > packed.saturating_mul(DEFLATE_RATIO) => {
                return Err(self.fail(
                    4,
                    format!("{header}; {packed} compressed bytes cannot hold as many: the file is cut off or damaged"),
                ));
            }
            Some(_) => {}
        }
        // One byte more than declared shows whether the file goes on, and makes gzip compare its checksum.
        let Ok(limit) = usize::try_from(declared + 1) else {
            return Err(self.fail(4, format!("{header}: more than this machine can address")));
        };
        let mut bytes: Vec<u8> = Vec::new();
        let mut filled = 0;
        while filled < limit {
            if filled == bytes.len() {
                // Plain files have shown their length; from gzip no more is believed than has come so far.
                let step = if self.packed.is_some() { filled.max(CHUNK) } else { limit };
                let more = step.min(limit - filled);
                if declared > memory::most() || bytes.try_reserve_exact(more).is_err() {
                    let what = format!("{}: its elements", self.path.display());
                    return Err(Error::NoRoom(NoRoom { what, bytes: declared, most: memory::most() }));
                }
                bytes.resize(filled + more, 0);
            }
            match self.some(&mut bytes[filled..])? {
                0 => break,
                n => filled += n,
            }
        }
        match filled as u64 {
            there if there < declared => Err(self.fail(self.at, cut(there))),
            there if there > declared => Err(self.fail(start + declared, trailing())),
            _ => {
                bytes.truncate(filled);
                Ok(bytes)
            }
        }
    }
}
