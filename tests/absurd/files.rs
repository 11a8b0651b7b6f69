//! Absurd arguments for the public functions of `src/files.rs`.

use crate::{Line, Room, table};
use steepest::files::{self, Files};

pub fn room() -> Room {
    Room { name: "files", tables: &[TABLE], not_called: NOT_CALLED, complete: true }
}

const NOT_CALLED: &[(&str, &str)] = &[];

const TABLE: &[Line] = table! {
    "files::check" => |o| files::check(&o.path());
    "Files::bytes" => |o| { let mut files = Files::default(); files.bytes(&o.path(), &o.bytes()).and_then(|()| files.keep()) };
    "Files::keep" => |o| { let mut files = Files::default(); let _ = (files.bytes(&o.path(), b"a"), files.bytes(&o.path(), b"b")); files.keep() };
    "write_whole" => |o| files::write_whole(&o.path(), &o.bytes());
    "fingerprint" => |o| files::fingerprint(&o.bytes());
    "read" => |o| files::read(&o.path());
    "read_stream" => |o| files::read_stream(&o.path(), &o.bytes()[..]);
    "open" => |o| files::open(&o.path()).map(|(_, length)| length);
    "is_pipe" => |o| files::is_pipe(&o.path());
    "replaceable" => |o| files::replaceable(&o.path());
    "has_room" => |o| files::has_room(&o.path(), (o.size() % (1 << 24)) as u64);
};
