//! WGSL that comes from outside this library: the text of a kernel's file, under a name for errors.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// The WGSL of a kernel that is none of this library's: a file, or a text made while the program runs.
///
/// The rules are those of the files in `shaders/`: the buffers read are `var<storage, read>` in the order of their numbers, those written
/// `var<storage, read_write>`; `var<uniform> params: Params` and `scalars: Scalars` are optional; the entry point is `main`. A line
/// `// use: shared/each_element, shared/math` joins parts of this library to it. What it may and may not do is checked when a device first
/// uses it, and indices, divisions and loops always carry WGSL's own checks.
///
/// ```
/// use steepest::graph::{Variant, Wgsl};
/// static DOUBLE: Wgsl = Wgsl::new("double", "
/// // use: shared/each_element
/// struct Params { count: u32 }
/// @group(0) @binding(0) var<storage, read> x: array<f32>;
/// @group(0) @binding(6) var<storage, read_write> y: array<f32>;
/// @group(0) @binding(14) var<uniform> params: Params;
/// fn element(i: u32) { y[i] = 2.0 * x[i]; }
/// ");
/// assert_eq!(Variant::source_each_element(&DOUBLE, 1000).groups, [4, 1, 1]);
/// ```
#[derive(Clone)]
pub struct Wgsl {
    name: Text,
    text: Text,
    hash: u64,
}

#[derive(Clone)]
enum Text {
    Static(&'static str),
    Shared(Arc<str>),
}

impl Text {
    fn get(&self) -> &str {
        match self {
            Text::Static(text) => text,
            Text::Shared(text) => text,
        }
    }
}

impl Wgsl {
    /// A file that is part of the program, `Wgsl::new("scale", include_str!("scale.wgsl"))`. Its name, without `.wgsl`, is what errors call it.
    pub const fn new(name: &'static str, text: &'static str) -> Wgsl {
        Wgsl { name: Text::Static(name), text: Text::Static(text), hash: fnv(fnv(BASIS, name.as_bytes()), text.as_bytes()) }
    }

    /// A text that is made or read while the program runs.
    pub fn from_text(name: impl Into<String>, text: impl Into<String>) -> Wgsl {
        let (name, text): (String, String) = (name.into(), text.into());
        let hash = fnv(fnv(BASIS, name.as_bytes()), text.as_bytes());
        Wgsl { name: Text::Shared(name.into()), text: Text::Shared(text.into()), hash }
    }

    /// What errors call it.
    pub fn name(&self) -> &str {
        self.name.get()
    }

    /// The text, without the parts it names.
    pub fn text(&self) -> &str {
        self.text.get()
    }

    /// A number that goes into plans' keys; worked out once.
    pub(super) fn number(&self) -> u64 {
        self.hash
    }
}

impl PartialEq for Wgsl {
    fn eq(&self, other: &Wgsl) -> bool {
        self.hash == other.hash && self.name() == other.name() && self.text() == other.text()
    }
}

impl Eq for Wgsl {}

impl Hash for Wgsl {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl fmt::Debug for Wgsl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.wgsl#{:016x}", self.name(), self.hash)
    }
}

const BASIS: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a, which can be worked out when a program is compiled; a zero byte ends each text.
const fn fnv(mut hash: u64, bytes: &[u8]) -> u64 {
    let mut i = 0;
    while i < bytes.len() {
        hash = (hash ^ bytes[i] as u64).wrapping_mul(0x0100_0000_01b3);
        i += 1;
    }
    hash.wrapping_mul(0x0100_0000_01b3)
}
