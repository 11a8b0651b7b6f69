//! Compiled pipelines, kept in a file from run to run, where a driver gives them out (Vulkan).
//!
//! A driver may trust what it is given here, so it sees only bytes that it made itself: a file carries adapter, driver and build, lengths and a
//! checksum, and one in which anything is off is ignored and written anew.

use super::cache_files::{checksum, pack, unpack};
use super::core::Core;
use crate::files::write_cache;
use crate::platform::Instant;
use crate::threads::lock;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A larger file is not read: caches grow with every build of a program, and nothing shrinks them.
const MAX_FILE_BYTES: u64 = 256 << 20;
/// Writing takes no more than one part in so many of the time, but for the last one, when the device goes.
const SHARE: u32 = 20;

/// A device's cache of pipelines.
#[derive(Default)]
pub(super) struct PipelineCache {
    /// Whether pipelines were made that the file may not have.
    unsaved: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The file, and what must stand in it.
    place: Option<(PathBuf, String)>,
    /// `None` before the first pipeline.
    cache: Option<Option<wgpu::PipelineCache>>,
    /// Bytes of the driver's that were taken from the file.
    read: u64,
    /// Length and checksum of what is in the file.
    kept: (u64, u64),
    /// When it may be written again.
    due: Option<Instant>,
}

/// A file's bytes, unless there is none, or none that can be of use.
fn read(file: &Path) -> Option<Vec<u8>> {
    let bytes = match std::fs::metadata(file) {
        Ok(data) if data.len() > MAX_FILE_BYTES => {
            tracing::warn!("{}: {} bytes of pipelines are more than {MAX_FILE_BYTES}; written anew", file.display(), data.len());
            return None;
        }
        Ok(_) => std::fs::read(file),
        Err(error) => Err(error),
    };
    match bytes {
        Ok(bytes) => Some(bytes),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => {
            tracing::warn!("{}: pipelines are compiled anew: {error}", file.display());
            None
        }
    }
}

impl PipelineCache {
    /// The driver's cache, opened with what the file has; `None` where nothing is kept.
    pub(super) fn open(&self, core: &Core) -> Option<wgpu::PipelineCache> {
        let mut state = lock(&self.state);
        let State { place, cache, read, kept, .. } = &mut *state;
        let (file, key) = place.as_ref()?;
        let opened = cache.get_or_insert_with(|| {
            if !core.device.features().contains(wgpu::Features::PIPELINE_CACHE) {
                return None;
            }
            let bytes = self::read(file);
            let data = bytes.as_ref().and_then(|bytes| unpack(bytes, key));
            if let (Some(_), None) = (&bytes, data) {
                tracing::warn!("{}: damaged, or of another driver or build; compiled pipelines are kept anew", file.display());
            }
            let made = core.scoped(|| {
                let descriptor = wgpu::PipelineCacheDescriptor { label: Some("steepest"), data, fallback: true };
                // SAFETY: `data` must have come from `PipelineCache::get_data`. `unpack` lets through only what `save` wrote, under a key of the
                // same adapter, driver and build, byte for byte as its checksum has it, and `save` writes nothing but what `get_data` gave. Who
                // can forge a file in the user's own folder of caches can do as much without it.
                #[allow(unsafe_code)]
                unsafe {
                    core.device.create_pipeline_cache(&descriptor)
                }
            });
            if let Some(data) = data {
                (*read, *kept) = (data.len() as u64, (data.len() as u64, checksum([&[], data])));
            }
            made.inspect_err(|error| tracing::warn!("no pipelines are kept: {error}")).ok()
        });
        opened.clone()
    }

    /// Notes that a pipeline was made.
    pub(super) fn grew(&self) {
        self.unsaved.store(true, Ordering::Relaxed);
    }

    /// Writes the file if there is something new, and if that was not done just now or this is the `last` time. Whole or not at all: a program
    /// that is killed leaves the file as it was.
    pub(super) fn save(&self, last: bool) {
        if !self.unsaved.load(Ordering::Relaxed) {
            return;
        }
        let mut state = lock(&self.state);
        let State { place: Some((file, key)), cache: Some(Some(cache)), kept, due, .. } = &mut *state else { return };
        let begun = Instant::now();
        if !last && due.is_some_and(|due| begun < due) {
            return;
        }
        self.unsaved.store(false, Ordering::Relaxed);
        // A lost device gives nothing out.
        let Some(data) = cache.get_data() else { return };
        let found = (data.len() as u64, checksum([&[], &data]));
        if found != *kept {
            match write_cache(file, &pack(key, &data)) {
                Ok(()) => *kept = found,
                Err(error) => tracing::warn!("{}: compiled pipelines are not kept: {error}", file.display()),
            }
        }
        *due = Some(Instant::now() + (begun.elapsed() * SHARE).min(Duration::from_secs(60)));
    }
}

impl Drop for PipelineCache {
    fn drop(&mut self) {
        self.save(true);
    }
}

impl PipelineCache {
    /// The file in which pipelines are kept from now on, and the key they are kept under; `None` if they are not.
    pub(super) fn set_place(&self, place: Option<(PathBuf, String)>) {
        self.save(true);
        *lock(&self.state) = State { place, ..State::default() };
    }

    /// Bytes of compiled pipelines that were taken from the file, and that it has now.
    pub(super) fn bytes(&self) -> (u64, u64) {
        let state = lock(&self.state);
        (state.read, state.kept.0)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::tests::{chain, fetch_floats, floats, gpu};
    use super::*;

    /// Runs a small plan on a device that keeps its pipelines there; the bytes it took from the file and left in it.
    fn run(file: &Path) -> Option<(u64, u64)> {
        let gpu = gpu()?;
        gpu.set_pipeline_cache(Some(file.to_owned()));
        let prepared = gpu.prepare(chain(3)).unwrap();
        let leaves = [gpu.upload(&floats(&[1.0, 2.0, 3.0])).unwrap(), gpu.upload(&floats(&[10.0, 20.0, 30.0])).unwrap()];
        let out = gpu.run(&prepared, &leaves, &[], &floats(&[2.0, 3.0])).unwrap();
        assert_eq!(fetch_floats(&gpu, &out[0]), [46.0, 92.0, 138.0], "3 (2 x + y) + y");
        Some(gpu.pipeline_cache_bytes())
    }

    #[test]
    fn pipelines_are_kept_and_a_damaged_file_is_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("deeper/pipelines.bin");
        let Some((read, kept)) = run(&file) else { return };
        if kept == 0 {
            println!("SKIPPED (the driver has no pipeline cache)");
            return;
        }
        assert_eq!(read, 0, "there was no file");
        let good = std::fs::read(&file).unwrap();
        assert_eq!(std::fs::read_dir(file.parent().unwrap()).unwrap().count(), 1, "no temporary file is left");
        assert!(run(&file).unwrap().0 > 0, "the next program takes it from the file");

        let mut flipped = good.clone();
        *flipped.last_mut().unwrap() ^= 1;
        let mut huge = good.clone();
        huge[16..24].fill(0xff);
        // As if it were another driver's, or another program's, checksum and all.
        let foreign = pack("another driver", b"its pipelines");
        let own = String::from_utf8_lossy(&good[32..good.len() - kept as usize]).into_owned();
        let damaged = [good[..good.len() / 2].to_vec(), flipped, huge, foreign, vec![], b"text\n".to_vec()];
        for bytes in &damaged {
            std::fs::write(&file, bytes).unwrap();
            let (read, now) = run(&file).unwrap();
            assert_eq!(read, 0, "{} bytes of damage were taken", bytes.len());
            assert!(now > 0 && unpack(&std::fs::read(&file).unwrap(), &own).is_some(), "the file is whole again");
        }
    }

    #[test]
    fn a_place_that_cannot_be_used_does_no_harm() {
        let folder = tempfile::tempdir().unwrap();
        let taken = folder.path().join("taken");
        std::fs::write(&taken, "a file in the folder's place").unwrap();
        let Some((0, 0)) = run(&taken.join("pipelines.bin")) else { return };
        // A folder in the file's place.
        let place = folder.path().join("pipelines.bin");
        std::fs::create_dir_all(place.join("inner")).unwrap();
        assert_eq!(run(&place), Some((0, 0)));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let closed = folder.path().join("closed");
            std::fs::create_dir(&closed).unwrap();
            std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o500)).unwrap();
            run(&closed.join("pipelines.bin")).unwrap();
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().filter(|e| is_temporary(e.as_ref().unwrap())).count(), 0);
    }

    fn is_temporary(entry: &std::fs::DirEntry) -> bool {
        entry.file_name().to_string_lossy().starts_with(".tmp-")
    }
}
