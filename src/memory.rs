//! What memory this program may use, and vectors of sizes that the caller's numbers decide: an error where there is no room, never an abort.

use crate::error::NoRoom;
use crate::platform;
use std::fmt;
use std::sync::LazyLock;

/// Bytes that this program may use: `STEEPEST_MEMORY` (such as `800MB`, `2GiB` or a number of bytes), else what the machine has, or less where a
/// container or a limit of the process allows less. What asks for more in one piece is [`Error::NoRoom`](crate::Error::NoRoom).
///
/// ```
/// assert!(steepest::memory::most() > 1 << 20);
/// ```
pub fn most() -> u64 {
    static MOST: LazyLock<u64> = LazyLock::new(|| {
        let Ok(text) = std::env::var("STEEPEST_MEMORY") else { return of_the_machine() };
        bytes_of(&text).unwrap_or_else(|| {
            if !text.is_empty() {
                tracing::warn!(
                    "STEEPEST_MEMORY={text} is no number of bytes such as 800MB or 2GiB; the machine's memory is the limit"
                );
            }
            of_the_machine()
        })
    });
    *MOST
}

/// An empty vector with room for exactly `count` elements; `what` names them in the error.
pub(crate) fn room<T>(what: impl fmt::Display, count: usize) -> Result<Vec<T>, NoRoom> {
    let bytes = (count as u64).saturating_mul(size_of::<T>() as u64);
    let mut found = Vec::new();
    if bytes <= most() && found.try_reserve_exact(count).is_ok() {
        return Ok(found);
    }
    Err(NoRoom { what: what.to_string(), bytes, most: most() })
}

/// `count` equal elements, with [`room`].
pub(crate) fn filled<T: Clone>(what: impl fmt::Display, count: usize, value: T) -> Result<Vec<T>, NoRoom> {
    let mut found = room(what, count)?;
    found.resize(count, value);
    Ok(found)
}

/// As many elements as an iterator says it has, with [`room`].
pub(crate) fn collected<T>(what: impl fmt::Display, elements: impl ExactSizeIterator<Item = T>) -> Result<Vec<T>, NoRoom> {
    let mut found = room(what, elements.len())?;
    found.extend(elements);
    Ok(found)
}

/// Whether this program could have so many bytes more at this moment: addresses for them, and, where the system says, memory.
pub(crate) fn is_there(bytes: u64) -> bool {
    let mut probe = Vec::<u8>::new();
    let addresses = usize::try_from(bytes).is_ok_and(|count| probe.try_reserve_exact(count).is_ok());
    // Else a compiler may leave out an allocation that nobody uses.
    std::hint::black_box(&probe);
    addresses && (!cfg!(target_os = "linux") || bytes <= free_in_machine())
}

/// What programs could get of the machine's memory now, swap included.
fn free_in_machine() -> u64 {
    let Some(text) = proc("meminfo") else { return u64::MAX };
    let [available, swap] = ["MemAvailable", "SwapFree"].map(|name| size_in(&text, name));
    // A system that does not say.
    available.map_or(u64::MAX, |bytes| bytes.saturating_add(swap.unwrap_or(0)))
}

/// A file in which Linux says something of itself; `None` elsewhere.
fn proc(name: &str) -> Option<String> {
    std::fs::read_to_string(std::path::Path::new("/proc").join(name)).ok()
}

/// The bytes of a line such as `MemTotal:  32768 kB`.
fn size_in(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

/// A number of bytes, with one of the units of 1000 (`kB`, `MB`, `GB`, `TB`) or 1024 (`KiB`, `MiB`, `GiB`, `TiB`), in any case.
fn bytes_of(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit: f64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "t" | "tb" => 1e12,
        "kib" => 1024.0,
        "mib" => 1024.0 * 1024.0,
        "gib" => 1024.0 * 1024.0 * 1024.0,
        "tib" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    let bytes = number.parse::<f64>().ok()? * unit;
    (bytes >= 1.0).then_some(bytes as u64)
}

/// What the machine has, or less where a container or a limit of the process allows less.
fn of_the_machine() -> u64 {
    let limits = [in_machine(), in_container(), of_the_process(), Some(platform::ADDRESSES)];
    limits.into_iter().flatten().min().unwrap_or(u64::MAX)
}

/// Bytes of the machine's memory; `None` of a system that does not say.
#[cfg(target_os = "linux")]
fn in_machine() -> Option<u64> {
    size_in(&proc("meminfo")?, "MemTotal")
}

/// Bytes of the machine's memory; `None` of a system that does not say.
#[cfg(not(any(target_os = "linux", target_family = "wasm")))]
fn in_machine() -> Option<u64> {
    let mut system = sysinfo::System::new();
    system.refresh_memory();
    Some(system.total_memory()).filter(|bytes| *bytes > 0)
}

/// A browser does not say.
#[cfg(target_family = "wasm")]
fn in_machine() -> Option<u64> {
    None
}

/// The limit of the control group that this program runs in, as Linux's containers have it: of the newer kind, or of the older.
fn in_container() -> Option<u64> {
    let files = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    // `max` where there is none.
    files.iter().find_map(|file| std::fs::read_to_string(file).ok()?.trim().parse().ok())
}

/// The limit that Linux holds this process's addresses to (`ulimit -v`), if there is one.
fn of_the_process() -> Option<u64> {
    let limits = proc("self/limits")?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max address space"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_they_are_written() {
        let known = [
            ("1", 1),
            ("4096", 4096),
            ("800MB", 800_000_000),
            ("2 GiB", 2 << 30),
            ("1.5kb", 1500),
            ("512mib", 512 << 20),
            (" 3G ", 3_000_000_000),
        ];
        for (text, bytes) in known {
            assert_eq!(bytes_of(text), Some(bytes), "{text}");
        }
        for text in ["", "lots", "-1", "1.2.3", "GB", "0", "0.0001", "1 XB", "1e9"] {
            assert_eq!(bytes_of(text), None, "{text}");
        }
    }

    #[test]
    fn what_linux_says_of_its_memory_is_read() {
        let text = "MemTotal:       32768 kB\nMemFree:  1 kB\nMemAvailable:    2048 kB\nSwapFree:              0 kB\n";
        assert_eq!([size_in(text, "MemTotal"), size_in(text, "MemAvailable")], [Some(32 << 20), Some(2 << 20)]);
        assert_eq!([size_in(text, "Mem"), size_in("MemTotal: lots kB", "MemTotal"), size_in("", "MemTotal")], [None; 3]);
        if cfg!(target_os = "linux") {
            assert!(in_machine().unwrap() > 1 << 24 && free_in_machine() > 1 << 20);
            assert!(free_in_machine() < u64::MAX && of_the_machine() <= in_machine().unwrap());
        }
    }

    #[test]
    fn no_room_is_an_error_that_says_for_what() {
        assert!(most() > 1 << 24);
        assert_eq!(filled("the letters", 3, 'x').unwrap(), ['x'; 3]);
        assert_eq!(collected("the numbers", 0..3).unwrap(), [0, 1, 2]);
        for count in [usize::MAX, usize::MAX / 8, 1 << 45] {
            let error = room::<u64>("the identity matrix", count).unwrap_err();
            assert_eq!((error.what.as_str(), error.most), ("the identity matrix", most()));
            assert_eq!(error.bytes, (count as u64).saturating_mul(8));
            assert!(error.to_string().starts_with("the identity matrix: "), "{error}");
        }
    }
}
