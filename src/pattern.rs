//! Names by pattern: which of a model's parameters are meant.

use crate::error::{Error, Result};

/// Whether a name is meant by a pattern, in which `*` stands for any text, also for none, and `?` for any one character.
pub fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    // Where the last star stands, and up to where of the name it reaches so far.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match (pattern.get(p), star) {
            (Some('*'), _) => {
                star = Some((p, n));
                p += 1;
            }
            (Some(&c), _) if c == '?' || c == name[n] => (p, n) = (p + 1, n + 1),
            // One character more for the star.
            (_, Some((at, reach))) => {
                star = Some((at, reach + 1));
                (p, n) = (at + 1, reach + 1);
            }
            (_, None) => return false,
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

/// An error for a pattern that means none of these names.
///
/// # Errors
/// [`Error::Config`]: none is meant.
pub fn check<'a>(pattern: &str, names: impl Iterator<Item = &'a str> + Clone) -> Result<()> {
    if names.clone().any(|name| matches(pattern, name)) {
        return Ok(());
    }
    let shown: Vec<&str> = names.clone().take(8).collect();
    let more = if names.count() > shown.len() { ", …" } else { "" };
    let message = format!("`{pattern}` matches none of the parameters {}{more}", shown.join(", "));
    Err(Error::Config { what: "pattern of names", message })
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn stars_and_question_marks() {
        for (pattern, name, expected) in [
            ("*", "", true),
            ("*", "encoder.0.weight", true),
            ("", "", true),
            ("", "a", false),
            ("?", "", false),
            ("?", "é", true),
            ("encoder.*", "encoder.0.weight", true),
            ("encoder.*", "encoder", false),
            ("*.bias", "0.bias", true),
            ("*.bias", "bias", false),
            ("*.bias", "0.bias.bias", true),
            ("*bias", "0.bias.b", false),
            ("layer.?.weight", "layer.3.weight", true),
            ("layer.?.weight", "layer.13.weight", false),
            ("*a*b*c", "xxaxbxbxc", true),
            ("*a*b*c", "xxaxcxbx", false),
            ("a**b", "ab", true),
            ("weight", "0.weight", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
