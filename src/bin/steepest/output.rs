//! Lines on standard output and standard error that survive a reader who leaves (`steepest inspect t.csv | head`), and the exit code.

use anyhow::Context;
use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

/// What a subcommand ends with: 0 all is well, 1 something it looked for is wrong; an error is 2.
pub type Verdict = anyhow::Result<ExitCode>;

/// Bytes to standard output. When nobody reads any more that is no error: what is left of the work is done, and what is left of the text is
/// dropped.
pub fn bytes(bytes: &[u8]) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result.context("standard output"),
    }
}

/// A line on standard output.
pub fn line(text: Arguments<'_>) -> anyhow::Result<()> {
    bytes(format!("{text}\n").as_bytes())
}

/// A line on standard error: what is not the answer itself. If that fails there is nowhere to say so.
pub fn aside(text: Arguments<'_>) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// As `println!`; a full disk is an error, by `?`.
#[macro_export]
macro_rules! say {
    ($($arg:tt)*) => { $crate::output::line(format_args!($($arg)*))? };
}

/// As `eprintln!`, without a panic.
#[macro_export]
macro_rules! aside {
    ($($arg:tt)*) => { $crate::output::aside(format_args!($($arg)*)) };
}
