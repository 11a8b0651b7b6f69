//! Absurd arguments for the public functions of `src/files.rs`.

use crate::{Line, Room, table};
use steepest::Error;
use steepest::files::{self, Files};

pub fn room() -> Room {
    Room { name: "files", tables: &[TABLE], not_called: NOT_CALLED, complete: true }
}

const NOT_CALLED: &[(&str, &str)] = &[];

const TABLE: &[Line] = table! {
    "files::check" => |o| files::check(&o.path());
    "Files::bytes" => |o| { let mut files = Files::default(); files.bytes(&o.path(), &o.bytes()).and_then(|()| files.keep()) };
    "Files::write" => |o| {
        let (bytes, mut files) = (o.bytes(), Files::default());
        let _ = files.write(&o.path(), |path| std::fs::write(path, &bytes).map_err(|e| Error::Config { what: "file", message: e.to_string() }));
        files.write(&o.path(), |_| Ok::<(), Error>(()))
    };
    "Files::keep" => |o| { let mut files = Files::default(); let _ = (files.bytes(&o.path(), b"a"), files.bytes(&o.path(), b"b")); files.keep() };
};
