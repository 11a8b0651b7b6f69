//! The one error type: what went wrong, where, and what was expected.

use crate::shape::Shape;
use std::fmt;
use std::panic::Location;
use std::path::PathBuf;

/// The line of the caller's program that recorded an op.
pub type At = &'static Location<'static>;

/// Everything that can go wrong, in one enum. Cheap to clone: an invalid tensor hands the same error to all that follows from it.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An op cannot work on what it was given.
    #[error("{op} at {}:{}: {error}", at.file(), at.line())]
    Op {
        /// The op's name.
        op: &'static str,
        /// The caller's line.
        at: At,
        /// What is wrong.
        error: OpError,
    },
    /// No adapter or device goes by that name.
    #[error("no device named `{name}`; available: {}", available.join(", "))]
    UnknownDevice {
        /// The name asked for.
        name: String,
        /// What there is.
        available: Vec<String>,
    },
    /// There is no GPU that can be used.
    #[error("no usable GPU: {reason}")]
    NoAdapter {
        /// What was tried.
        reason: String,
    },
    /// The device went away (driver reset, unplugged). Every later run and read fails with this error too.
    #[error("device `{device}` was lost: {reason}")]
    DeviceLost {
        /// The device's name.
        device: String,
        /// What the driver said.
        reason: String,
    },
    /// The device has no room left for a buffer.
    #[error("device `{device}` is out of memory: {bytes} bytes asked for, {live} bytes live")]
    OutOfMemory {
        /// The device's name.
        device: String,
        /// Bytes asked for.
        bytes: u64,
        /// Bytes held at that moment.
        live: u64,
    },
    /// A value is larger than the device can bind.
    #[error("device `{device}` cannot bind {bytes} bytes: its limit is {limit}")]
    TooLarge {
        /// The device's name.
        device: String,
        /// Bytes asked for.
        bytes: u64,
        /// The device's limit for one binding.
        limit: u64,
    },
    /// The device or its driver refused something: a fault of this library or of the driver.
    #[error("device `{device}`: {message}")]
    Device {
        /// The device's name.
        device: String,
        /// What the driver or wgpu said.
        message: String,
    },
    /// A shader did not parse, validate or specialise.
    #[error("shader {shader}.wgsl: {message}")]
    Shader {
        /// The file's stem.
        shader: String,
        /// What naga said.
        message: String,
    },
    /// CHECK mode found a value that differs from the reference.
    #[error("check: {op} at {}:{} is wrong at element {index}: {found}, reference {expected} (bound {bound:e})", at.file(), at.line())]
    Check {
        /// The op's name.
        op: &'static str,
        /// The caller's line.
        at: At,
        /// Row-major index of the worst element.
        index: usize,
        /// The device's value.
        found: f64,
        /// The reference's value.
        expected: f64,
        /// The largest error allowed there.
        bound: f64,
    },
    /// Anomaly mode found the first value that is not finite.
    #[error("{what} in step {step}: {op} at {}:{} {detail}", at.file(), at.line())]
    NonFinite {
        /// `NaN` or `infinity`.
        what: &'static str,
        /// The op that made it, or `leaf` if it was given so.
        op: &'static str,
        /// The caller's line.
        at: At,
        /// Which step it was, counted from 1 since the mode was switched on: runs that update something, or are about to.
        step: u64,
        /// The value's shape, and what is known of its inputs.
        detail: String,
    },
    /// A file is not what it should be.
    #[error("{}: {message}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Place, what was found, what was expected.
        message: String,
    },
    /// A table holds something that cannot be worked with.
    #[error("{0}")]
    Table(Box<TableError>),
    /// A setting that makes no sense (a batch of zero rows, a NaN learning rate).
    #[error("{what}: {message}")]
    Config {
        /// What was being set.
        what: &'static str,
        /// What was found and what is allowed.
        message: String,
    },
}

/// Why an op cannot work.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OpError {
    /// Shapes that do not fit.
    #[error("{0}")]
    Shape(String),
    /// An axis outside the tensor's rank.
    #[error("axis {axis} is out of range for shape {shape} of rank {}", shape.rank())]
    Axis {
        /// The axis as given.
        axis: isize,
        /// The tensor's shape.
        shape: Shape,
    },
    /// A wrong element type.
    #[error("{0}")]
    DType(String),
    /// An argument that makes no sense, such as a step of zero.
    #[error("{0}")]
    Value(String),
    /// A label or index outside its range.
    #[error("{what} {found} is out of range 0..{size}")]
    OutOfRange {
        /// What the number stands for.
        what: &'static str,
        /// The offending number.
        found: i64,
        /// Numbers below this are allowed.
        size: usize,
    },
    /// Tensors of two devices.
    #[error("operands live on two devices, {0} and {1}")]
    Devices(String, String),
    /// A value that can no longer be computed, because a parameter it depends on was updated in place.
    #[error("{0}")]
    Spent(String),
    /// Too many recorded nodes that nothing ever ran.
    #[error(
        "{nodes} recorded nodes are alive and the limit is {limit}: a loop seems to record without running or dropping; \
         call `device.run`, `item` or `opt.step` inside it, or `detach` what is carried from one round to the next"
    )]
    NeverRun {
        /// Nodes alive.
        nodes: usize,
        /// The device's limit.
        limit: usize,
    },
    /// A parameter that was used on the way to a loss and gets no gradient from it, because this op cuts it off.
    #[error("{0}")]
    Severed(String),
    /// A gradient that does not exist.
    #[error("{0}")]
    Gradient(String),
}

/// What is wrong in a table, where, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableError {
    /// The file, or the name the table was given.
    pub path: PathBuf,
    /// The line in the file, from 1; `None` if it is not about one line.
    pub line: Option<u64>,
    /// The column's name, or its number if it has none.
    pub column: Option<String>,
    /// What was found.
    pub found: String,
    /// What was expected instead.
    pub expected: String,
    /// What to do.
    pub advice: String,
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path.display())?;
        let line = self.line.map(|line| format!("line {line}"));
        let column = self.column.as_ref().map(|column| format!("column `{column}`"));
        let place: Vec<String> = line.into_iter().chain(column).collect();
        if !place.is_empty() {
            write!(f, "{}: ", place.join(", "))?;
        }
        write!(f, "found {}, expected {}; {}", self.found, self.expected, self.advice)
    }
}

impl Error {
    /// Attaches an op's name and the caller's line.
    pub(crate) fn op(op: &'static str, at: At, error: OpError) -> Error {
        Error::Op { op, at, error }
    }

    pub(crate) fn file(path: impl Into<PathBuf>, message: impl Into<String>) -> Error {
        Error::File { path: path.into(), message: message.into() }
    }
}

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
