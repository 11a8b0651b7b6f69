//! A profile in Chrome's trace format: JSON that Perfetto and chrome://tracing show.

use super::Profile;
use std::fmt::Write;

/// One track with a complete event ("X") per call; times in microseconds.
pub(super) fn text(profile: &Profile) -> String {
    let mut text = String::from("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n");
    let mut name = profile.device.clone();
    if profile.dropped > 0 {
        // Writing to a String cannot fail.
        let _ = write!(name, " ({} later calls are left out)", profile.dropped);
    }
    let clock = if profile.timestamps { "kernels" } else { "kernels (the host's clock)" };
    for (what, name) in [("process_name", name.as_str()), ("thread_name", clock)] {
        let _ =
            writeln!(text, "{{\"ph\":\"M\",\"pid\":1,\"tid\":1,\"name\":\"{what}\",\"args\":{{\"name\":{}}}}},", quoted(name));
    }
    for (i, event) in profile.events.iter().enumerate() {
        let row = &profile.rows[event.row as usize];
        let microseconds = |ns: u64| ns as f64 * 1e-3;
        let _ = write!(
            text,
            "{}{{\"ph\":\"X\",\"pid\":1,\"tid\":1,\"cat\":\"kernel\",\"name\":{},\"ts\":{},\"dur\":{},\"args\":{{\"what\":{},\"where\":{},\"layer\":{},\
             \"flops\":{},\"bytes\":{}}}}}",
            if i > 0 { ",\n" } else { "" },
            quoted(row.kernel),
            microseconds(event.start),
            microseconds(event.time),
            quoted(&row.label),
            quoted(&format!("{}:{}", row.file, row.line)),
            quoted(row.layer),
            row.flops,
            row.bytes
        );
    }
    if profile.events.is_empty() {
        // The comma after the last of the names.
        text.truncate(text.trim_end().trim_end_matches(',').len());
    }
    text.push_str("\n]}\n");
    text
}

/// A JSON string.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c < ' ' => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
