//! Where something was recorded: the line of the caller's program, and the layer inside the model.
//!
//! `#[track_caller]` ends where a layer is called through `dyn Module`, or from a closure: what is recorded there would name this library's own
//! file. So a layer notes on its way in which line of the program called it (the innermost one that is no line of this library) and which layer of
//! the model it is; what is recorded inside takes both from the thread.

use rustc_hash::FxHashMap;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::panic::Location;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{LazyLock, PoisonError, RwLock};

/// The folder of this library's files, as a location's `file` begins.
fn library() -> &'static str {
    let here = file!();
    here.get(..here.len() - "location.rs".len()).unwrap_or_default()
}

/// Whether a line is this library's own.
fn is_own(location: &Location<'_>) -> bool {
    is_own_file(location.file())
}

/// Whether a file is this library's own. The command-line program beside it is a program like any other.
fn is_own_file(file: &str) -> bool {
    file.strip_prefix(library()).is_some_and(|rest| !rest.starts_with("bin"))
}

/// The most paths that are known; of a program that makes up more names than that, later layers have the path of what is around them.
const MOST: usize = 1 << 16;
/// The most bytes of a path; a longer one is that of what is around it.
const LONGEST: usize = 1 << 10;

/// A layer's path inside a model, such as `encoder.0.attention`; the kind of layer where no path is known. Cheap to copy: the text is kept once.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct LayerPath(u32);

/// All paths there were, the empty one first.
#[derive(Default)]
struct Paths {
    texts: Vec<&'static str>,
    numbers: HashMap<&'static str, u32>,
}

static PATHS: LazyLock<RwLock<Paths>> =
    LazyLock::new(|| RwLock::new(Paths { texts: vec![""], numbers: HashMap::from([("", 0)]) }));

impl LayerPath {
    /// What is in no layer.
    pub const NONE: LayerPath = LayerPath(0);

    /// The path of that text; `None` if it is too long, or there are too many.
    pub(crate) fn of(text: &str) -> Option<LayerPath> {
        if let Some(&number) = PATHS.read().unwrap_or_else(PoisonError::into_inner).numbers.get(text) {
            return Some(LayerPath(number));
        }
        let mut paths = PATHS.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(&number) = paths.numbers.get(text) {
            return Some(LayerPath(number));
        }
        if paths.texts.len() >= MOST || text.len() > LONGEST {
            return None;
        }
        // Kept as long as the program runs, and there are at most so many.
        let text: &'static str = Box::leak(text.to_owned().into_boxed_str());
        let number = paths.texts.len() as u32;
        paths.texts.push(text);
        paths.numbers.insert(text, number);
        Some(LayerPath(number))
    }

    /// The text; empty for what is in no layer.
    pub fn as_str(self) -> &'static str {
        let paths = PATHS.read().unwrap_or_else(PoisonError::into_inner);
        paths.texts.get(self.0 as usize).copied().unwrap_or_default()
    }

    /// Whether it is in no layer.
    pub fn is_empty(self) -> bool {
        self == LayerPath::NONE
    }

    /// As a number, to be kept in an atomic.
    pub(crate) fn number(self) -> u32 {
        self.0
    }

    /// That of [`LayerPath::number`].
    pub(crate) fn numbered(number: u32) -> LayerPath {
        LayerPath(number)
    }

    /// The path of a part.
    fn joined(self, part: &str) -> LayerPath {
        if part.is_empty() {
            return self;
        }
        let text = if self.is_empty() { part.to_owned() } else { format!("{}.{part}", self.as_str()) };
        LayerPath::of(&text).unwrap_or(self)
    }

    /// The path of the layer whose parameter has this path, called by `name` inside the layer.
    fn without(self, name: &str) -> Option<LayerPath> {
        let whole = self.as_str();
        let path = whole.strip_suffix(name)?;
        LayerPath::of(if path.is_empty() { path } else { path.strip_suffix('.')? })
    }
}

impl fmt::Display for LayerPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::escape::escaped(self.as_str()))
    }
}

impl fmt::Debug for LayerPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// The line of the caller's program that recorded something, and the layer it was recorded in.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct At {
    location: &'static Location<'static>,
    layer: LayerPath,
}

impl At {
    /// The caller's line; inside a layer, that of the program that called the layer, unless the caller is the program itself.
    #[track_caller]
    pub(crate) fn caller() -> At {
        At::from(Location::caller())
    }

    /// The file, as the compiler names it.
    pub fn file(&self) -> &'static str {
        self.location.file()
    }

    /// The line, from 1.
    pub fn line(&self) -> u32 {
        self.location.line()
    }

    /// The layer inside the model.
    pub fn layer(&self) -> LayerPath {
        self.layer
    }

    /// `matmul at src/main.rs:31`, or `layer encoder.0.attention (at src/main.rs:31): matmul`.
    pub(crate) fn of(self, op: &str) -> String {
        let (file, line) = (self.file(), self.line());
        match self.layer.is_empty() {
            true => format!("{op} at {file}:{line}"),
            false => format!("layer {} (at {file}:{line}): {op}", self.layer),
        }
    }
}

/// What is recorded there now: in the layer that is entered, and by the line of the program that called it.
impl From<&'static Location<'static>> for At {
    fn from(caller: &'static Location<'static>) -> At {
        let here = HERE.get();
        let location = match here.line {
            Some(line) if is_own(caller) => line,
            _ => caller,
        };
        At { location, layer: here.layer }
    }
}

/// `src/main.rs:31`, and the layer if it is in one.
impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file(), self.line())?;
        if self.layer.is_empty() { Ok(()) } else { write!(f, " in layer {}", self.layer) }
    }
}

impl fmt::Debug for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Where a thread is.
#[derive(Clone, Copy)]
struct Here {
    /// The line of the program that called the layer.
    line: Option<&'static Location<'static>>,
    layer: LayerPath,
    /// Whether the path is that of the layer that is called next, by what calls it.
    named: bool,
}

/// How often a parameter got a name: what was worked out from names is as good as it was then.
static RENAMED: AtomicU32 = AtomicU32::new(0);

/// Notes that a parameter has another name.
pub(crate) fn renamed() {
    RENAMED.fetch_add(1, Ordering::Relaxed);
}

/// The path of a layer that has many parameters, kept until some parameter gets another name.
#[derive(Debug, Default)]
pub(crate) struct KeptPath(AtomicU64);

/// A copy of a layer is another layer.
impl Clone for KeptPath {
    fn clone(&self) -> KeptPath {
        KeptPath::default()
    }
}

impl KeptPath {
    /// The path, found anew where it may be another one.
    pub(crate) fn or(&self, find: impl FnOnce() -> Option<LayerPath>) -> Option<LayerPath> {
        // One more, so that a new one is not known.
        let now = u64::from(RENAMED.load(Ordering::Relaxed).wrapping_add(1)) << 32;
        let kept = self.0.load(Ordering::Relaxed);
        let path = if kept & !u64::from(u32::MAX) == now {
            LayerPath(kept as u32)
        } else {
            let path = find().unwrap_or_default();
            self.0.store(now | u64::from(path.0), Ordering::Relaxed);
            path
        };
        (!path.is_empty()).then_some(path)
    }
}

/// What joins a path and a name that was seen before: no text is made for it. The name by where it is in the program, or its number.
type Joined = (LayerPath, usize, usize);

thread_local! {
    static HERE: Cell<Here> = const { Cell::new(Here { line: None, layer: LayerPath::NONE, named: false }) };
    static JOINED: RefCell<FxHashMap<Joined, LayerPath>> = RefCell::default();
}

/// The path of a part, by a key that stands for its name.
fn joined(key: Joined, make: impl FnOnce() -> LayerPath) -> LayerPath {
    JOINED.with_borrow_mut(|known| {
        if known.len() >= MOST {
            known.clear();
        }
        *known.entry(key).or_insert_with(make)
    })
}

/// Where the thread was, which it is again when this goes.
pub(crate) struct Within(Here);

impl Within {
    fn set(here: Here) -> Within {
        Within(HERE.replace(here))
    }
}

impl Drop for Within {
    fn drop(&mut self) {
        HERE.set(self.0);
    }
}

/// The innermost line of the program.
fn line(caller: &'static Location<'static>, here: &Here) -> Option<&'static Location<'static>> {
    if is_own(caller) { here.line.or(Some(caller)) } else { Some(caller) }
}

/// On the way into something of this library that records for its caller: until the result goes, what is recorded has the caller's line.
#[track_caller]
pub(crate) fn on_behalf_of_caller() -> Within {
    let (here, caller) = (HERE.get(), Location::caller());
    // What the program calls is not what a container of ours has named.
    Within::set(Here { line: line(caller, &here), named: here.named && is_own(caller), ..here })
}

/// A future that records for its caller, whoever polls it: [`on_behalf_of_caller`] in every poll.
#[track_caller]
pub(crate) fn recording_for_caller<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let (here, caller) = (HERE.get(), Location::caller());
    let here = Here { line: line(caller, &here), named: here.named && is_own(caller), ..here };
    async move {
        let mut future = std::pin::pin!(future);
        std::future::poll_fn(|context| {
            let _line = Within::set(here);
            future.as_mut().poll(context)
        })
        .await
    }
}

/// On the way into a layer: until the result goes, what is recorded has the caller's line and the layer's path. That is what the container that calls
/// it says; else that of the layer's first parameter, where the model's parameters were listed before; else the kind of layer.
#[track_caller]
pub(crate) fn into_layer(kind: impl FnOnce() -> &'static str, own: impl FnOnce() -> Option<LayerPath>) -> Within {
    let (here, caller) = (HERE.get(), Location::caller());
    let layer = if here.named && is_own(caller) {
        here.layer
    } else if let Some(path) = own() {
        path
    } else if is_own(caller) && !here.layer.is_empty() {
        here.layer
    } else {
        let kind = kind();
        joined((here.layer, kind.as_ptr().addr(), kind.len()), || here.layer.joined(kind))
    };
    Within::set(Here { line: line(caller, &here), layer, named: false })
}

/// On the way into a container, which is where its path is known to be, or else where the thread is: [`into_layer`] without a kind.
#[track_caller]
pub(crate) fn into_container(own: impl FnOnce() -> Option<LayerPath>) -> Within {
    let (here, caller) = (HERE.get(), Location::caller());
    let layer = if here.named && is_own(caller) { here.layer } else { own().unwrap_or(here.layer) };
    Within::set(Here { line: line(caller, &here), layer, named: false })
}

/// The path of a layer, by that of its parameter and the parameter's name inside the layer.
pub(crate) fn layer_of(parameter: LayerPath, name: &str) -> Option<LayerPath> {
    if parameter.is_empty() {
        return None;
    }
    // The whole path and how much of it is the name say what is left.
    let path = joined((parameter, usize::MAX, name.len()), || parameter.without(name).unwrap_or_default());
    (!path.is_empty()).then_some(path)
}

/// On the way into part `name` of a container: until the result goes, the layer that is called next has that path.
pub(crate) fn into_part(name: &'static str) -> Within {
    let here = HERE.get();
    let layer = joined((here.layer, name.as_ptr().addr(), name.len()), || here.layer.joined(name));
    Within::set(Here { layer, named: true, ..here })
}

/// [`into_part`] of a container whose parts have numbers.
pub(crate) fn into_numbered(part: usize) -> Within {
    let here = HERE.get();
    // No text is as long.
    let layer = joined((here.layer, part, usize::MAX), || here.layer.joined(&part.to_string()));
    Within::set(Here { layer, named: true, ..here })
}

/// Runs `f` with all that it records under this name in errors, plans, profiles and traces: a part of a program, or of a layer of one's own, as
/// `named_scope` of JAX. Names inside each other are joined with dots; one that makes the whole longer than 1,024 bytes is left out.
///
/// ```
/// use steepest::{Device, layer};
/// let device = Device::cpu();
/// let (x, w) = (device.zeros([2, 3]), device.zeros([2, 3]));
/// let y = layer("encoder", || layer("scores", || x.matmul(&w)));
/// assert!(y.item().unwrap_err().to_string().starts_with("layer encoder.scores (at "));
/// ```
pub fn layer<R>(name: &str, f: impl FnOnce() -> R) -> R {
    let here = HERE.get();
    let _within = Within::set(Here { layer: here.layer.joined(name), named: false, ..here });
    f()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_beside_the_library_is_none_of_it() {
        let folder = library();
        let own = |file: &str| is_own_file(&format!("{folder}{file}"));
        assert!(own("nn/linear.rs") && own("lib.rs") && own("location.rs"));
        assert!(!own("bin/steepest/fit.rs") && !own(r"bin\steepest\main.rs"));
        assert!(!is_own_file("elsewhere/nn/linear.rs") && !is_own_file("tests/it/lines.rs"));
    }

    #[test]
    fn a_path_is_that_of_the_innermost_name() {
        assert!(At::caller().layer().is_empty());
        {
            let _outer = into_part("encoder");
            let _part = into_numbered(3);
            assert_eq!(At::caller().layer().as_str(), "encoder.3");
            {
                let _layer = into_layer(|| "Linear", || None);
                assert_eq!(At::caller().layer().as_str(), "encoder.3");
            }
        }
        assert!(At::caller().layer().is_empty());
        let of = |path: &str, name: &str| layer_of(LayerPath::of(path).expect("a short path"), name).map(LayerPath::as_str);
        assert_eq!(of("a.b.weight", "weight"), Some("a.b"));
        assert_eq!(of("a.b.weight", "b.weight"), Some("a"));
        assert_eq!((of("weight", "weight"), of("a.overweight", "weight"), of("a.b", "weight")), (None, None, None));
    }
}
