//! Numbers as people read them, and words as shells do.

/// Shares with three digits after the point, errors in the target's unit with four that are significant.
pub fn figure(name: &str, value: f64) -> String {
    match name {
        "RMSE" | "MAE" => short(value),
        _ => format!("{value:.3}"),
    }
}

/// A number with four digits that matter, or as many as stand before the point.
pub fn short(x: f64) -> String {
    if x == 0.0 || !x.is_finite() {
        return x.to_string();
    }
    let digits = x.abs().log10().floor() as i32;
    match digits {
        3..=14 => format!("{x:.0}"),
        -4..=2 => {
            let text = format!("{x:.*}", (3 - digits) as usize);
            if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
        }
        _ => format!("{x:.3e}"),
    }
}

/// A word as a shell reads it.
pub fn quoted(text: &str) -> String {
    let plain = !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "_-.+/:=".contains(c));
    if plain { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}
