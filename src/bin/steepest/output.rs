//! Lines on standard output and standard error that survive a reader who leaves (`steepest inspect t.csv | head`), and the exit code.

use anyhow::Context;
use serde::Serialize;
use std::fmt::Arguments;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::process::ExitCode;
use steepest::escape::{escaped, escaped_json, escaped_lines};

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

/// A text with names of tables and models in it, as it may be shown: one line, after the empty ones it begins with.
fn one_line(text: Arguments<'_>) -> String {
    let text = text.to_string();
    let line = text.trim_start_matches('\n');
    let empty = &text[..text.len() - line.len()];
    format!("{empty}{}\n", escaped(line))
}

/// A line on standard output.
pub fn line(text: Arguments<'_>) -> anyhow::Result<()> {
    bytes(one_line(text).as_bytes())
}

/// Several lines on standard output. Names in them are shown as they may be by whoever put them there.
pub fn lines(text: Arguments<'_>) -> anyhow::Result<()> {
    bytes(format!("{}\n", escaped_lines(&text.to_string())).as_bytes())
}

/// A value as JSON on standard output: its texts are exact, and steer no terminal.
pub fn json(value: &impl Serialize) -> anyhow::Result<()> {
    bytes(format!("{}\n", escaped_json(&serde_json::to_string_pretty(value)?)).as_bytes())
}

/// What is data, on standard output: to the byte for programs, on a terminal as it may be shown.
pub fn data(text: &str) -> anyhow::Result<()> {
    if io::stdout().is_terminal() { bytes(escaped_lines(text).as_bytes()) } else { bytes(text.as_bytes()) }
}

/// A line on standard error: what is not the answer itself. If that fails there is nowhere to say so.
pub fn aside(text: Arguments<'_>) {
    let _ = io::stderr().lock().write_all(one_line(text).as_bytes());
}

/// Several lines on standard error.
pub fn aside_lines(text: Arguments<'_>) {
    let _ = writeln!(io::stderr().lock(), "{}", escaped_lines(&text.to_string()));
}

/// As `println!` of one line; a full disk is an error, by `?`.
#[macro_export]
macro_rules! say {
    ($($arg:tt)*) => { $crate::output::line(format_args!($($arg)*))? };
}

/// As `eprintln!` of one line, without a panic.
#[macro_export]
macro_rules! aside {
    ($($arg:tt)*) => { $crate::output::aside(format_args!($($arg)*)) };
}
