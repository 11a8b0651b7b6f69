//! Absurd arguments for the public functions of `src/files`.

use crate::{Line, Room, table};
use steepest::files::{self, Files};

pub fn room() -> Room {
    Room { name: "files", tables: &[TABLE], not_called: NOT_CALLED, complete: true }
}

const NOT_CALLED: &[(&str, &str)] = &[];

const TABLE: &[Line] = table! {
    "files::check" => |o| files::check(&o.path());
    "files::write_whole" => |o| { let path = o.path(); files::write_whole(&path, &o.bytes()).and_then(|()| files::read(&path)).map(|bytes| bytes.len()) };
    "files::fingerprint" => |o| files::fingerprint(&o.bytes());
    "Files::bytes" => |o| {
        let mut files = Files::default();
        let _ = files.bytes(&o.path(), &o.bytes());
        files.bytes(&o.path(), &o.bytes()).and_then(|()| files.keep())
    };
    "Files::in_parts" => |o| {
        let mut files = Files::default();
        let _ = files.in_parts(&o.path(), |write| write(&o.bytes()));
        files.keep()
    };
    "Files::keep" => |o| { let mut files = Files::default(); let _ = (files.bytes(&o.path(), b"a"), files.bytes(&o.path(), b"b")); files.keep() };
    "regular::read" => |o| files::read(&o.path()).map(|bytes| bytes.len());
    "regular::read_stream" => |o| files::read_stream(&o.path(), &o.bytes()[..]).map(|bytes| bytes.len());
    "regular::open" => |o| files::open(&o.path()).map(|(_, length)| length);
    "regular::is_pipe" => |o| files::is_pipe(&o.path());
    // It writes as many bytes as it is told to: no more than a disk of others can spare.
    "regular::has_room" => |o| files::has_room(&o.path(), o.size().min(1 << 20) as u64);
};
