//! Gives values to consts and overrides, another type to aliases, another body to named functions.

use super::errors::fault;
use super::tokens::{blank_comments, body_of, declarations, is_word};
use crate::error::Result;
use crate::shaders;
use std::ops::Range;
use std::sync::LazyLock;

/// Specialises a shader: sets `const NAME: u32` or `override NAME: u32` at module scope, and replaces named texts: the bodies of functions
/// (braces included) and the types of aliases. Everything else, comments too, stays as it is. If a new body calls a function of
/// one of the parts [`shaders::MATH`], that part is joined to it.
///
/// # Errors
/// [`Error::Shader`](crate::Error::Shader) if a name is not declared in that form, or a body is not in braces.
pub fn specialise(stem: &str, source: &str, consts: &[(&'static str, u32)], texts: &[(&'static str, String)]) -> Result<String> {
    let code = blank_comments(source);
    let mut edits: Vec<(Range<usize>, String)> = Vec::with_capacity(consts.len() + texts.len());
    for &(name, value) in consts {
        let place = value_of(&code, name).map_err(|message| fault(stem, message))?;
        edits.push((place, format!(" = {value}u")));
    }
    for (name, text) in texts {
        let text = text.trim();
        if let [(_, after)] = declarations(&code, &["alias"], name)[..] {
            let place = type_of(&code, after).ok_or_else(|| fault(stem, format!("`alias {name}` has no type")))?;
            edits.push((place, format!(" {text}")));
            continue;
        }
        if !(text.starts_with('{') && text.ends_with('}')) {
            return Err(fault(stem, format!("the new body of `{name}` is not in braces: {text}")));
        }
        let place = body_of(&code, name).map_err(|message| fault(stem, message))?;
        edits.push((place, text.to_owned()));
    }
    edits.sort_by_key(|(place, _)| place.start);
    let mut result = String::with_capacity(source.len() + 64);
    let mut at = 0;
    for (place, text) in edits {
        if place.start < at {
            return Err(fault(stem, "a name is specialised twice".to_owned()));
        }
        result.push_str(&source[at..place.start]);
        result.push_str(&text);
        at = place.end;
    }
    result.push_str(&source[at..]);
    let called = called_math(texts.iter().map(|(_, text)| text.as_str()));
    Ok(called.into_iter().fold(result, shaders::with_part))
}

/// Which of the parts of [`shaders::MATH`] bodies call functions of, or of the parts that these use themselves: each function's first.
fn called_math<'a>(bodies: impl Iterator<Item = &'a str>) -> Vec<&'static str> {
    static FUNCTIONS: LazyLock<Vec<(&str, &str)>> = LazyLock::new(|| {
        let files = |&part: &&'static str| shaders::with_parts(&[part]).into_iter().map(move |file| (file, part));
        let mut found: Vec<(&str, &str)> = vec![];
        for (file, part) in shaders::MATH.iter().flat_map(files) {
            for line in shaders::file(file).unwrap_or_default().lines().filter_map(|line| line.strip_prefix("fn ")) {
                let name = line.split('(').next().unwrap_or_default();
                if !found.iter().any(|(known, _)| *known == name) {
                    found.push((name, part));
                }
            }
        }
        found
    });
    let mut called = vec![];
    for body in bodies {
        let code = blank_comments(body);
        let mut start = None;
        for (i, &b) in code.iter().enumerate() {
            match (is_word(b), start) {
                (true, None) => start = Some(i),
                (false, Some(from)) => {
                    let found = FUNCTIONS.iter().find(|(name, _)| b == b'(' && name.as_bytes() == &code[from..i]);
                    if let Some((_, part)) = found.filter(|(_, part)| !called.contains(part)) {
                        called.push(*part);
                    }
                    start = None;
                }
                _ => {}
            }
        }
    }
    called
}

/// Where the type of an alias is, from after the equals sign to before the semicolon.
fn type_of(code: &[u8], after: usize) -> Option<Range<usize>> {
    let end = code[after..].iter().position(|&b| b == b';').map(|n| after + n)?;
    let equals = code[after..end].iter().position(|&b| b == b'=').map(|n| after + n)?;
    Some(equals + 1..end)
}

/// Where the ` = value` of a u32 constant is; empty, before the semicolon, for an override without a value.
fn value_of(code: &[u8], name: &str) -> Result<Range<usize>, String> {
    let [(keyword, after)] = declarations(code, &["const", "override"], name)[..] else {
        return Err(format!("no `const {name}: u32` or `override {name}: u32` at module scope"));
    };
    let end = code[after..].iter().position(|&b| b == b';').map(|n| after + n);
    let end = end.ok_or_else(|| format!("`{keyword} {name}` has no semicolon"))?;
    let equals = code[after..end].iter().position(|&b| b == b'=').map_or(end, |n| after + n);
    let declared: String = code[after..equals].iter().map(|&b| char::from(b)).filter(|c| !c.is_whitespace()).collect();
    if declared != ":u32" {
        return Err(format!("`{keyword} {name}` is not declared `: u32`"));
    }
    let mut start = equals;
    while code[start - 1].is_ascii_whitespace() {
        start -= 1;
    }
    Ok(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::wgsl::{EXAMPLE as FILE, reflect};

    #[test]
    fn consts_and_bodies_are_replaced_where_they_are_declared() {
        let bodies = [("epilogue", "{ return max(v, 0.0); }".to_owned())];
        let text = specialise("t", FILE, &[("TILE", 8), ("ROWS", 1), ("DEPTH", 3)], &bodies).expect("specialises");
        assert!(
            text.contains("\nconst TILE: u32 = 8u;\n@id(1) override ROWS : u32 = 1u;\noverride DEPTH: u32 = 3u;\n"),
            "{text}"
        );
        assert!(
            text.contains(
                "\nfn epilogue(v: f32) -> f32 { return max(v, 0.0); }\nfn TILES() -> u32 { let TILE = 9u; return TILE; }\n"
            ),
            "{text}"
        );
        assert!(text.starts_with("// const TILE: u32 = 1u; fn epilogue() { } — a comment"), "{text}");
        assert_eq!(specialise("t", FILE, &[], &[]).expect("nothing to do"), FILE);
    }

    #[test]
    fn an_alias_gets_another_type() {
        let file = FILE.replace("array<f32>;", "array<Element>;") + "alias Element = f32;\n";
        let text = specialise("t", &file, &[], &[("Element", "vec2<u32>".to_owned())]).expect("specialises");
        assert!(text.ends_with("\nalias Element = vec2<u32>;\n"), "{text}");
        assert!(specialise("t", &file, &[], &[("Elements", "u32".to_owned())]).is_err());
    }

    #[test]
    fn math_comes_with_a_body_that_calls_it() {
        let with = |body: &str| specialise("t", FILE, &[], &[("epilogue", body.to_owned())]).expect("specialises");
        for body in ["{ return tanh_(v); }", "{ return 1.0 + exp_(v); }", "{\n    if is_nan(v) { return v; }\n    return 0.0;\n}"]
        {
            let text = with(body);
            assert!(text.contains("\nfn exp_("), "{text}");
            reflect("t", &text.replace("override DEPTH: u32", "const DEPTH: u32 = 1u")).expect("valid");
        }
        // A part of its own for what fewer ops need.
        let text = with("{ return sinh_(v) + tanh_(v); }");
        assert!(text.contains("\nfn sinh_(") && text.matches("\nfn exp_(").count() == 1, "{text}");
        assert!(!with("{ return tanh_(v); }").contains("fn sinh_("));
        // Built-in functions, longer names and comments are none of its.
        for body in ["{ return max(v, 0.0); }", "{ let exp_ = v; return exp_; }", "{ return v; /* exp_(v) */ }"] {
            assert!(!with(body).contains("fn exp_("));
        }
        assert!(!specialise("t", FILE, &[("TILE", 8)], &[]).expect("specialises").contains("fn exp_("));
    }

    #[test]
    fn names_that_are_not_there_are_errors() {
        let bad = |consts: &[(&'static str, u32)], bodies: &[(&'static str, String)]| match specialise("t", FILE, consts, bodies)
        {
            Err(Error::Shader { shader, message, .. }) => format!("{shader}: {message}"),
            other => panic!("{other:?}"),
        };
        assert!(bad(&[("tile", 1)], &[]).contains("no `const tile: u32`"));
        assert!(bad(&[("TIL", 1)], &[]).contains("no `const TIL: u32`"));
        assert!(bad(&[("epilogue", 1)], &[]).contains("no `const epilogue"));
        assert!(bad(&[], &[("TILE", "{}".to_owned())]).contains("no `fn TILE`"));
        assert!(bad(&[], &[("epilogue", "return v;".to_owned())]).contains("not in braces"));
        assert!(bad(&[("TILE", 1), ("TILE", 2)], &[]).contains("twice"));
        let float = specialise("t", "const A: f32 = 1.0;", &[("A", 1)], &[]);
        assert!(matches!(float, Err(Error::Shader { message, .. }) if message.contains("not declared `: u32`")));
    }
}
