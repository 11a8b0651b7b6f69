//! The one error type: what went wrong, where, and what was expected.

use crate::escape::{shown, shown_lines};
use crate::shape::Shape;
use std::fmt;
use std::path::PathBuf;

pub use crate::location::{At, LayerPath};

/// Everything that can go wrong, in one enum. Cheap to clone: an invalid tensor hands the same error to all that follows from it.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An op cannot work on what it was given.
    #[error("{}: {error}", at.of(op))]
    Op {
        /// The op's name.
        op: &'static str,
        /// The caller's line, and the layer.
        at: At,
        /// What is wrong.
        error: OpError,
    },
    /// No adapter or device goes by that name.
    #[error("no device named `{}`; available: {}", shown(name), shown(available.join(", ")))]
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
    /// A GPU was asked for by name or by kind, and this build of the library has no GPU support.
    #[error(
        "device `{}`: this build of steepest has no GPU support (its feature `gpu` is off); there is only `cpu`",
        shown(device)
    )]
    NoGpuSupport {
        /// What was asked for.
        device: String,
    },
    /// The device went away (driver reset, unplugged). Every later run and read fails with this error too.
    #[error("device `{device}` was lost: {reason}")]
    DeviceLost {
        /// The device's name.
        device: String,
        /// What the driver said.
        reason: String,
    },
    /// The device has no room left for something. Nothing else is wrong: once there is room, what failed can be done again.
    #[error("device `{device}` is out of memory for {what}: {bytes} bytes asked for, {live} bytes live, {}", limit_of(*limit))]
    OutOfMemory {
        /// The device's name.
        device: String,
        /// What it was for: a value with the op that computes it and the caller's line, or what else needs memory.
        what: String,
        /// Bytes asked for.
        bytes: u64,
        /// Bytes in use at that moment.
        live: u64,
        /// Bytes that the device may use in all, see [`Device::set_memory_limit`](crate::Device::set_memory_limit); `None` if it has no such limit.
        limit: Option<u64>,
    },
    /// An array of a size that the caller's numbers ask for has no room in this program's memory.
    #[error("{0}")]
    NoRoom(NoRoom),
    /// The device was opened before this process was forked from the one that opened it: threads that it needs are only there.
    #[error(
        "device `{device}` belongs to the process that opened it; after a fork, the new process opens a device of its own{}",
        also(device)
    )]
    Forked {
        /// The device's name.
        device: String,
    },
    /// Something is to be waited for in a browser, where nothing may wait.
    #[error(
        "device `{}`: nothing can wait in a browser; use the call's async form (`named_async`, `item_async`, `to_vec_async`)",
        shown(device)
    )]
    CannotWait {
        /// The device's name.
        device: String,
    },
    /// A device that the application opened cannot be used; see [`Device::from_wgpu`](crate::Device::from_wgpu).
    #[error("device `{device}`, opened by the application, cannot be used: {reason}")]
    UnfitDevice {
        /// The device's name.
        device: String,
        /// What it lacks.
        reason: Unfit,
    },
    /// A buffer that the application handed in cannot be used, or there is none to hand out; see
    /// [`Device::tensor_from_buffer`](crate::Device::tensor_from_buffer).
    #[error("device `{device}`: {fault}")]
    Buffer {
        /// The device's name.
        device: String,
        /// What is wrong.
        fault: BufferFault,
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
    #[error("shader {shader}.wgsl: {}{message}", before(place.as_ref()))]
    Shader {
        /// The file's stem.
        shader: String,
        /// Where it is wrong, if that is known.
        place: Option<ShaderPlace>,
        /// What naga said, or what was expected.
        message: String,
    },
    /// A kernel cannot run: its shader is no valid WGSL or does not fit its op, or its native form failed. Nothing else is harmed.
    #[error("{0}")]
    Kernel(Box<KernelFault>),
    /// CHECK mode found a value that differs from the reference.
    #[error("check: {} is wrong at element {index} ({how}): {found}, reference {expected} (bound {bound:e})", at.of(op))]
    Check {
        /// The op's name.
        op: &'static str,
        /// The caller's line, and the layer.
        at: At,
        /// `op by op`: the op's own kernel is wrong. `as planned`: that is right, and the kernels that the program ran, which compute several
        /// ops at once and share memory, are wrong in or before this op.
        how: &'static str,
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
    #[error("{what} in step {step}: {} {detail}", at.of(op))]
    NonFinite {
        /// `NaN` or `infinity`.
        what: &'static str,
        /// The op that made it, or `leaf` if it was given so.
        op: &'static str,
        /// The caller's line, and the layer.
        at: At,
        /// Which step it was, counted from 1 since the mode was switched on: runs that update something, or are about to.
        step: u64,
        /// The value's shape, and what is known of its inputs.
        detail: String,
    },
    /// A file is not what it should be.
    #[error("{}: {}", shown(path.display()), shown(message))]
    File {
        /// The file.
        path: PathBuf,
        /// Place, what was found, what was expected.
        message: String,
    },
    /// A model's description does not say how to build it.
    #[error("description of a `{}`: {}", shown(kind), shown(message))]
    Blueprint {
        /// The kind of layer.
        kind: String,
        /// What was found and what was expected.
        message: String,
    },
    /// The tensors of a file or a state are not those of the model.
    #[error("the state does not fit the model: {}", shown_lines(report))]
    State {
        /// What is missing, unexpected, of another shape.
        report: String,
    },
    /// The loss of a training step is not a finite number.
    #[error("epoch {epoch}, step {step}: the loss is {loss} at learning rate {lr:e}; a lower rate or clipped gradients may help")]
    Diverged {
        /// The epoch, counted from 1.
        epoch: usize,
        /// The step, counted from 1 over all epochs.
        step: u64,
        /// The loss.
        loss: f32,
        /// The learning rate of that step.
        lr: f64,
    },
    /// A file of tensors is not what it should be.
    #[error("{}: {}", shown(path.display()), shown(fault))]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: Malformed,
    },
    /// A table holds something that cannot be worked with.
    #[error("{0}")]
    Table(Box<TableError>),
    /// A setting that makes no sense (a batch of zero rows, a NaN learning rate).
    #[error("{what}: {}", shown_lines(message))]
    Config {
        /// What was being set.
        what: &'static str,
        /// What was found and what is allowed.
        message: String,
    },
}

/// Why a device that the application opened cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unfit {
    /// One of its limits is below what kernels need.
    #[error("its limit `{limit}` is {found}, needed is at least {needed}")]
    TooLow {
        /// The limit, by wgpu's name.
        limit: &'static str,
        /// What the device was opened with.
        found: u64,
        /// What kernels need.
        needed: u64,
    },
    /// An alignment that it asks for is larger than the distances at which values are stored.
    #[error("its limit `{limit}` is {found}, allowed is at most {most}")]
    TooHigh {
        /// The limit, by wgpu's name.
        limit: &'static str,
        /// What the device was opened with.
        found: u64,
        /// What is allowed.
        most: u64,
    },
    /// Its adapter has no compute shaders.
    #[error("its adapter has no compute shaders")]
    NoCompute,
    /// It is reached through OpenGL, where wrong numbers were seen.
    #[error("it is reached through OpenGL, which is not supported: wrong numbers were seen there")]
    OpenGl,
    /// The adapter is not the one that the device was opened on.
    #[error("the adapter `{adapter}` is not the one it was opened on")]
    OtherAdapter {
        /// The adapter's name.
        adapter: String,
    },
    /// The queue is another device's.
    #[error("the queue is another device's")]
    OtherQueue,
}

/// What is wrong with a buffer that the application handed in, or with handing one out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BufferFault {
    /// The device is no GPU: its values are in no buffer of wgpu's.
    #[error("its values are in main memory, not in buffers of wgpu's")]
    NoGpu,
    /// It was made without a usage that is needed.
    #[error("the buffer was made without the usage {missing}")]
    Usage {
        /// What is missing, by wgpu's names.
        missing: String,
    },
    /// The value starts where no kernel can bind it.
    #[error("offset {offset} in the buffer is no multiple of {alignment}")]
    Alignment {
        /// The offset in bytes.
        offset: u64,
        /// What it must be a multiple of.
        alignment: u64,
    },
    /// It ends before the value does.
    #[error("the buffer has {found} bytes from offset {offset} on, needed are {needed}")]
    TooSmall {
        /// The offset in bytes.
        offset: u64,
        /// Bytes needed from there on.
        needed: u64,
        /// Bytes there.
        found: u64,
    },
    /// Another device made it.
    #[error("the buffer is another device's")]
    OtherDevice,
    /// The application has it mapped.
    #[error("the buffer is mapped: unmap it before a tensor in it is used")]
    Mapped,
    /// The application has destroyed it.
    #[error("the buffer was destroyed")]
    Destroyed,
    /// The value would be updated in place.
    #[error("a value in the application's buffer is not updated in place; update a tensor of the library's own")]
    Updated,
}

/// A place in a shader.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}.wgsl, line {line}, column {column}", shown(file))]
pub struct ShaderPlace {
    /// The file, without `.wgsl`: of this library's under `shaders/`, else the name that the op gives it.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
}

/// What is wrong with a kernel, and of which op it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: kernel `{kernel}`: {}{}", at.of(ops), before(place.as_ref()), shown_lines(message))]
pub struct KernelFault {
    /// The ops that the kernel computes, and the shape of what it makes.
    pub ops: String,
    /// The caller's line.
    pub at: At,
    /// The kernel's name.
    pub kernel: &'static str,
    /// The place in its shader, if it is about one.
    pub place: Option<ShaderPlace>,
    /// What was found, and what was expected.
    pub message: String,
}

/// More main memory was asked for than there is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: no room for {bytes} bytes, this program may use {most}", shown(what))]
pub struct NoRoom {
    /// What it was for.
    pub what: String,
    /// Bytes asked for; `u64::MAX` stands for more than can be counted.
    pub bytes: u64,
    /// Bytes that this program may use: the machine's, or the environment variable `STEEPEST_MEMORY`.
    pub most: u64,
}

/// What is wrong with a safetensors file.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// Too short to hold the length of its header.
    #[error("it has {bytes} bytes, too short for a safetensors file, which has 8 before its header")]
    Short {
        /// Bytes found.
        bytes: u64,
    },
    /// A header without bytes, longer than the file, or longer than any header may be.
    #[error("its header should be {length} bytes long, expected 1 to {most}")]
    HeaderLength {
        /// The length declared.
        length: u64,
        /// What there is room for.
        most: u64,
    },
    /// A header that is not text.
    #[error("its header is no UTF-8 at byte {at}")]
    Utf8 {
        /// Where in the header.
        at: usize,
    },
    /// A header that is not the JSON object it should be.
    #[error("its header is not the JSON it should be: {0}")]
    Json(String),
    /// Two tensors of one name.
    #[error("it has two tensors named `{0}`")]
    Duplicate(String),
    /// A name that no tensor may have.
    #[error("a tensor is named {name:?}, which {why}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A tensor without dtype, shape or place, or with one of them twice.
    #[error("tensor `{tensor}`: {message}")]
    Field {
        /// The tensor.
        tensor: String,
        /// What is missing or too much.
        message: String,
    },
    /// An element type that is not known.
    #[error("tensor `{tensor}` has elements of type `{found}`, which is not known")]
    DType {
        /// The tensor.
        tensor: String,
        /// Its type.
        found: String,
    },
    /// Too many axes.
    #[error("tensor `{tensor}` has more than 8 axes")]
    Rank {
        /// The tensor.
        tensor: String,
    },
    /// A size or a place that is no whole number.
    #[error("tensor `{tensor}`: {found} is no size and no place in a file, expected a whole number")]
    Number {
        /// The tensor.
        tensor: String,
        /// What was found.
        found: String,
    },
    /// More elements than can be counted.
    #[error("tensor `{tensor}`: {shape:?} has more elements than can be counted")]
    Overflow {
        /// The tensor.
        tensor: String,
        /// Its shape.
        shape: Vec<u64>,
    },
    /// A place that ends before it starts or after the file.
    #[error("tensor `{tensor}` is at {start}..{end} of {length} bytes")]
    Place {
        /// The tensor.
        tensor: String,
        /// Its first byte.
        start: u64,
        /// The byte after its last.
        end: u64,
        /// Bytes of all tensors.
        length: u64,
    },
    /// Shape and type do not give the number of bytes.
    #[error("tensor `{tensor}` has {found} bytes, its shape and type need {expected}")]
    Size {
        /// The tensor.
        tensor: String,
        /// Bytes it has.
        found: u64,
        /// Bytes it should have.
        expected: u64,
    },
    /// Two tensors in one place.
    #[error("tensors `{first}` and `{second}` overlap")]
    Overlap {
        /// The one that starts first.
        first: String,
        /// The other.
        second: String,
    },
    /// Bytes between tensors that belong to none.
    #[error("{bytes} bytes before tensor `{tensor}` belong to no tensor")]
    Hole {
        /// The tensor after the hole.
        tensor: String,
        /// Its size.
        bytes: u64,
    },
    /// Bytes after the last tensor.
    #[error("{bytes} bytes after the last tensor belong to none")]
    Trailing {
        /// How many.
        bytes: u64,
    },
    /// A bool that is neither 0 nor 1.
    #[error("element {index} of tensor `{tensor}` is {found}, expected a bool: 0 or 1")]
    Bool {
        /// The tensor.
        tensor: String,
        /// The element.
        index: usize,
        /// The byte.
        found: u8,
    },
    /// The file changed since it was written.
    #[error("its checksum is {found}, computed {expected}: it was changed or is damaged")]
    Checksum {
        /// What the file says.
        found: String,
        /// What its bytes give.
        expected: String,
    },
    /// What this library writes into a file is missing from it, or cannot be read.
    #[error("`{key}` in its metadata: {message}")]
    Metadata {
        /// The entry.
        key: String,
        /// What was found and what was expected.
        message: String,
    },
    /// A number that the type it is read as cannot hold.
    #[error("tensor `{tensor}`: element {index} is {value}, {why}")]
    Range {
        /// The tensor.
        tensor: String,
        /// The element, counted row by row from 0.
        index: usize,
        /// The number.
        value: String,
        /// What would become of it.
        why: &'static str,
    },
    /// A tensor of a type that no tensor of this library has.
    #[error("tensor `{tensor}` has elements of type {dtype}; f16, bf16, f32, f64, bool and integers can be loaded")]
    Unsupported {
        /// The tensor.
        tensor: String,
        /// Its type.
        dtype: &'static str,
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
    /// A result of the host's that has no room in this program's memory.
    #[error("{0}")]
    NoRoom(NoRoom),
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
    /// A matrix that has no such inverse, factor or solution: found at a run point, because only its numbers say so.
    #[error("matrix {index} of the batch {found}, expected {expected}")]
    Matrix {
        /// Which matrix of the batch, row-major from 0; 0 where there is no batch.
        index: usize,
        /// What is wrong with it.
        found: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// Tensors of two devices.
    #[error("operands live on two devices, {0} and {1}")]
    Devices(String, String),
    /// A value that can no longer be computed, because a parameter it depends on was updated in place.
    #[error("{0}")]
    Stale(String),
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
    Disconnected(String),
    /// A gradient that does not exist.
    #[error("{0}")]
    Gradient(String),
    /// What an op says of its kernels ([`Op::lower`](crate::graph::Op::lower)) does not fit its inputs and its output.
    #[error("{0}")]
    Lowering(String),
    /// An op's definition in f64 ([`Op::reference`](crate::graph::Op::reference)) was asked for, and there is none, or one that does not fit.
    #[error("{0}")]
    Definition(String),
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
        write!(f, "{}: ", shown(self.path.display()))?;
        let line = self.line.map(|line| format!("line {line}"));
        let column = self.column.as_ref().map(|column| format!("column `{}`", shown(column)));
        let place: Vec<String> = line.into_iter().chain(column).collect();
        if !place.is_empty() {
            write!(f, "{}: ", place.join(", "))?;
        }
        write!(f, "found {}, expected {}; {}", shown(&self.found), shown(&self.expected), shown(&self.advice))
    }
}

impl Error {
    /// Attaches an op's name and the caller's line.
    pub(crate) fn op(op: &'static str, at: impl Into<At>, error: OpError) -> Error {
        Error::Op { op, at: at.into(), error }
    }

    /// Says what memory was for, where that is known better than where it was refused.
    pub(crate) fn for_what(self, say: impl FnOnce() -> String) -> Error {
        match self {
            Error::OutOfMemory { device, bytes, live, limit, .. } => {
                Error::OutOfMemory { device, what: say(), bytes, live, limit }
            }
            other => other,
        }
    }

    pub(crate) fn file(path: impl Into<PathBuf>, message: impl Into<String>) -> Error {
        Error::File { path: path.into(), message: message.into() }
    }
}

/// What a fork allows, by the device that was asked for.
fn also(device: &str) -> &'static str {
    if device == "cpu" { "" } else { ": the CPU, or a GPU if no driver had been loaded before the fork" }
}

fn before(place: Option<&ShaderPlace>) -> String {
    place.map_or_else(String::new, |place| format!("{place}: "))
}

fn limit_of(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "no limit set".to_owned(), |bytes| format!("the limit is {bytes}"))
}

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Whether a number is one in f32, too: what options are held to.
pub(crate) fn finite(x: f64) -> bool {
    (x as f32).is_finite()
}

/// Whether a number is above 0 in f32, too, where very small numbers are 0.
pub(crate) fn above_zero(x: f64) -> bool {
    finite(x) && x >= f64::from(f32::MIN_POSITIVE)
}
