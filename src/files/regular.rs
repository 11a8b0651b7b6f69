//! What is a file: reading only that, and only what there is room for; and whether the disk has room for one.

use super::temporary::Temporary;
use crate::error::{Error, NoRoom, Result};
use crate::memory;
use std::fs::{self, File, FileType};
use std::io::{self, ErrorKind, Read};
use std::path::Path;

/// Bytes read, or written, at a time.
const CHUNK: usize = 1 << 20;

/// The bytes of a file, if it is one: what has no end (`/dev/zero`) or may keep one waiting (a named pipe) is refused.
///
/// ```
/// # let folder = tempfile::tempdir().unwrap();
/// # let folder = folder.path();
/// std::fs::write(folder.join("answer.txt"), "42").unwrap();
/// assert_eq!(steepest::files::read(&folder.join("answer.txt"))?, b"42");
/// let error = steepest::files::read(folder).unwrap_err();
/// assert!(error.to_string().ends_with("cannot be read: it is a folder, expected a file"));
/// # Ok::<(), steepest::Error>(())
/// ```
///
/// # Errors
/// [`Error::File`]: it is not there, is no file, or cannot be read. [`Error::NoRoom`]: it is larger than the memory that this program may use.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let (file, length) = open(path)?;
    bytes_of(path, file, length)
}

/// All that a stream gives (standard input, a pipe); `name` stands for the path in errors.
///
/// # Errors
/// [`Error::File`]: it cannot be read. [`Error::NoRoom`]: it does not end within the memory that this program may use.
pub fn read_stream(name: &Path, from: impl Read) -> Result<Vec<u8>> {
    bytes_of(name, from, 0)
}

/// A file to read from, if it is one, and its length.
///
/// # Errors
/// [`Error::File`]: it is not there, is no file, or cannot be opened.
pub fn open(path: &Path) -> Result<(File, u64)> {
    let unread = |e: io::Error| Error::file(path, format!("cannot be read: {}", in_words(path, &e)));
    // Asked before it is opened: to open a pipe is to wait for whoever writes into it.
    let found = fs::metadata(path).map_err(unread)?;
    is_file(path, found.file_type())?;
    let file = File::open(path).map_err(unread)?;
    let found = file.metadata().map_err(unread)?;
    is_file(path, found.file_type())?;
    Ok((file, found.len()))
}

/// Whether something is a named pipe, which a table may come through.
pub fn is_pipe(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| kind(found.file_type()) == Some("a named pipe"))
}

/// Finds out, before the work, whether there is room on the disk for a file of so many bytes, by writing as many beside it.
///
/// # Errors
/// [`Error::File`]: there is not, or nothing can be written there.
pub fn has_room(path: &Path, bytes: u64) -> Result<()> {
    let write = || -> io::Result<()> {
        let mut file = Temporary::new(path, super::MODE)?;
        // Not zeros, which some disks store as nothing.
        let chunk: Vec<u8> = (0..CHUNK).map(|i| (i * 31 + i / 251) as u8).collect();
        let mut left = bytes;
        while left > 0 {
            let some = left.min(CHUNK as u64) as usize;
            file.write(&chunk[..some])?;
            left -= some as u64;
        }
        file.sync()
    };
    write().map_err(|e| Error::file(path, format!("it cannot be written: {e}; it will take {bytes} bytes or more")))
}

fn is_file(path: &Path, found: FileType) -> Result<()> {
    match kind(found) {
        None => Ok(()),
        Some(kind) => Err(Error::file(path, format!("cannot be read: it is {kind}, expected a file"))),
    }
}

/// What something is that is no file.
pub(super) fn kind(found: FileType) -> Option<&'static str> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        let kinds = [
            (found.is_char_device(), "a device, such as a terminal or /dev/null"),
            (found.is_block_device(), "a disk"),
            (found.is_fifo(), "a named pipe"),
            (found.is_socket(), "a socket"),
        ];
        if let Some((_, name)) = kinds.into_iter().find(|(is, _)| *is) {
            return Some(name);
        }
    }
    match () {
        () if found.is_dir() => Some("a folder"),
        () if found.is_file() => None,
        () => Some("no file"),
    }
}

pub(super) fn in_words(path: &Path, error: &io::Error) -> String {
    match (error.kind(), fs::read_link(path)) {
        (ErrorKind::NotFound, Ok(target)) => format!("it is a link to {}, which is not there", target.display()),
        (ErrorKind::NotFound, Err(_)) => "there is no such file".to_owned(),
        _ => error.to_string(),
    }
}

/// All bytes to the end, of which there are about `expected`.
fn bytes_of(path: &Path, mut from: impl Read, expected: u64) -> Result<Vec<u8>> {
    let most = memory::most();
    let no_room = |bytes: u64| Error::NoRoom(NoRoom { what: format!("{}, read whole", path.display()), bytes, most });
    // With a byte more, so that the end is found without room for another chunk.
    let mut bytes: Vec<u8> =
        memory::room("", usize::try_from(expected).unwrap_or(usize::MAX).saturating_add(1)).map_err(|_| no_room(expected))?;
    loop {
        if bytes.len() == bytes.capacity() {
            let more = bytes.len().max(CHUNK);
            bytes.try_reserve_exact(more).map_err(|_| no_room((bytes.len() + more) as u64))?;
        }
        let room = (bytes.capacity() - bytes.len()) as u64;
        let read = from.by_ref().take(room).read_to_end(&mut bytes);
        let found = read.map_err(|e| Error::file(path, format!("cannot be read: {e}")))?;
        if bytes.len() as u64 > most {
            return Err(no_room(bytes.len() as u64));
        }
        if found == 0 {
            return Ok(bytes);
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    #[test]
    fn only_files_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "text").unwrap();
        symlink(at("file"), at("link")).unwrap();
        symlink(at("none"), at("dangling")).unwrap();
        symlink("/dev/zero", at("zero")).unwrap();
        symlink(at("loop"), at("loop")).unwrap();
        let _socket = UnixListener::bind(at("socket")).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
        for good in ["file", "link"] {
            assert_eq!(read(&at(good)).unwrap(), b"text");
        }
        assert!(is_pipe(&at("pipe")) && !is_pipe(&at("file")));
        assert!(read(&at("none")).unwrap_err().to_string().ends_with("cannot be read: there is no such file"));
        let odd = [
            (folder.path().to_owned(), "a folder"),
            (at("zero"), "a device"),
            ("/dev/full".into(), "a device"),
            (at("pipe"), "a named pipe"),
            (at("socket"), "a socket"),
            (at("dangling"), "a link to"),
            (at("loop"), "symbolic link"),
        ];
        for (path, what) in odd {
            let error = read(&path).unwrap_err();
            assert!(matches!(error, Error::File { .. }) && error.to_string().contains(what), "{error}");
        }
    }

    #[test]
    fn what_is_larger_than_memory_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sparse");
        File::create(&path).unwrap().set_len(1 << 43).unwrap();
        let Error::NoRoom(error) = read(&path).unwrap_err() else { panic!("not the error expected") };
        assert!(error.what.contains("sparse") && error.bytes == 1 << 43, "{error}");
        // A file whose length is not known before: the kernel makes it when it is read.
        assert!(read(Path::new("/proc/self/status")).unwrap().starts_with(b"Name:"));
        assert_eq!(read_stream(Path::new("(stream)"), &vec![7; 3 << 20][..]).unwrap(), vec![7; 3 << 20]);
    }

    #[test]
    fn a_probe_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        has_room(&folder.path().join("file"), (CHUNK + 5) as u64).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        let error = has_room(&folder.path().join("no/file"), 10).unwrap_err();
        assert!(error.to_string().contains("it will take 10 bytes or more"), "{error}");
    }
}
