//! What may be switched off.

use crate::error::{Error, Result};

/// What may be switched off. Every optimisation can be, and none changes the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Switches {
    /// Elementwise calls run as one kernel with their neighbours.
    pub fuse: bool,
    /// Buffers of values that are no longer needed are used again.
    pub reuse: bool,
    /// Plans are kept and found again by structure.
    pub cache: bool,
    /// Small dispatches that follow each other run as one, where the device is a GPU.
    pub merge: bool,
}

impl Default for Switches {
    fn default() -> Switches {
        Switches { fuse: true, reuse: true, cache: true, merge: true }
    }
}

impl Switches {
    /// The switches by name.
    pub const NAMES: [&str; 4] = ["fuse", "reuse", "cache", "merge"];

    /// The switch of that name.
    fn named(&mut self, name: &str) -> Option<&mut bool> {
        match name {
            "fuse" => Some(&mut self.fuse),
            "reuse" => Some(&mut self.reuse),
            "cache" => Some(&mut self.cache),
            "merge" => Some(&mut self.merge),
            _ => None,
        }
    }

    /// Everything on but the switch of that name; `None` if there is no such switch.
    pub fn without(name: &str) -> Option<Switches> {
        let mut switches = Switches::default();
        *switches.named(name)? = false;
        Some(switches)
    }

    /// For tests: every combination of the others without merging; with it, all on, as is usual, and fusion and reuse off: the most to merge.
    pub fn all() -> impl Iterator<Item = Switches> {
        let all =
            (0..16).map(|bits| Switches { fuse: bits & 1 > 0, reuse: bits & 2 > 0, cache: bits & 4 > 0, merge: bits & 8 > 0 });
        all.filter(|s| !s.merge || *s == Switches::default() || [s.fuse, s.reuse] == [false; 2])
    }
}

/// `fuse=off,cache=on`: the switches not named are on.
impl std::str::FromStr for Switches {
    type Err = Error;

    fn from_str(text: &str) -> Result<Switches> {
        let mut switches = Switches::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            match (switches.named(name), value) {
                (Some(switch), "on") => *switch = true,
                (Some(switch), "off") => *switch = false,
                _ => {
                    let message =
                        format!("`{part}`; expected NAME=on or NAME=off with NAME one of {}", Switches::NAMES.join(", "));
                    return Err(Error::Config { what: "switches", message });
                }
            }
        }
        Ok(switches)
    }
}
