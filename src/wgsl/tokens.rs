//! Tokens of WGSL: comments blanked, words, brackets, declarations at module scope. What the passes over shader files share.

use std::ops::Range;

/// Whether a byte is part of a name or a number.
pub(super) fn is_word(b: u8) -> bool {
    b == b'_' || b.is_ascii_alphanumeric() || b >= 0x80
}

/// The source with comments turned into spaces, byte for byte, so that positions stay the same. WGSL block comments nest.
pub(super) fn blank_comments(source: &str) -> Vec<u8> {
    let mut code = source.as_bytes().to_vec();
    let (mut i, mut depth) = (0, 0usize);
    while i < code.len() {
        match (depth, code[i], code.get(i + 1).copied()) {
            (0, b'/', Some(b'/')) => {
                while i < code.len() && code[i] != b'\n' {
                    code[i] = b' ';
                    i += 1;
                }
            }
            (_, b'/', Some(b'*')) => {
                depth += 1;
                code[i..i + 2].fill(b' ');
                i += 2;
            }
            (1.., b'*', Some(b'/')) => {
                depth -= 1;
                code[i..i + 2].fill(b' ');
                i += 2;
            }
            (0, _, _) => i += 1,
            _ => {
                if code[i] != b'\n' {
                    code[i] = b' ';
                }
                i += 1;
            }
        }
    }
    code
}

/// Positions after each `keyword name` at module scope, with the keyword found there.
pub(super) fn declarations<'k>(code: &[u8], keywords: &[&'k str], name: &str) -> Vec<(&'k str, usize)> {
    let (mut found, mut depth, mut i) = (vec![], 0i64, 0);
    let mut previous: &[u8] = b"";
    while i < code.len() {
        if is_word(code[i]) {
            let start = i;
            while i < code.len() && is_word(code[i]) {
                i += 1;
            }
            let this = &code[start..i];
            if depth == 0 && this == name.as_bytes() {
                found.extend(keywords.iter().filter(|k| k.as_bytes() == previous).map(|&k| (k, i)));
            }
            previous = this;
        } else {
            match code[i] {
                b'{' => depth += 1,
                b'}' => depth -= 1,
                _ => {}
            }
            if !code[i].is_ascii_whitespace() {
                previous = b"";
            }
            i += 1;
        }
    }
    found
}

/// Where the body of a function is, braces included.
pub(super) fn body_of(code: &[u8], name: &str) -> Result<Range<usize>, String> {
    let [(_, after)] = declarations(code, &["fn"], name)[..] else {
        return Err(format!("no `fn {name}` at module scope"));
    };
    let open = code[after..].iter().position(|&b| b == b'{').map(|n| after + n);
    let open = open.ok_or_else(|| format!("`fn {name}` has no body"))?;
    let mut depth = 0;
    for (i, &b) in code.iter().enumerate().skip(open) {
        match b {
            b'{' => depth += 1,
            b'}' if depth == 1 => return Ok(open..i + 1),
            b'}' => depth -= 1,
            _ => {}
        }
    }
    Err(format!("the body of `fn {name}` does not end"))
}

/// Where the declarations at module scope are, each up to its semicolon or closing brace.
pub(super) fn items(code: &[u8]) -> Vec<Range<usize>> {
    let (mut found, mut depth, mut start) = (vec![], 0, None);
    for (i, &b) in code.iter().enumerate() {
        if start.is_none() && !b.is_ascii_whitespace() && b != b';' {
            start = Some(i);
        }
        match b {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0
            && (b == b';' || b == b'}')
            && let Some(from) = start.take()
        {
            found.push(from..i + 1);
        }
    }
    found
}

/// After `@group(0) @binding(1)` and the like.
pub(super) fn after_attributes(code: &[u8], mut i: usize) -> Option<usize> {
    while code.get(i) == Some(&b'@') {
        let (_, after) = word(code, i + 1)?;
        let open = skip_space(code, after);
        i = if code.get(open) == Some(&b'(') { matching(code, open)? + 1 } else { after };
        i = skip_space(code, i);
    }
    Some(i)
}

/// The next byte that is no white space.
pub(super) fn skip_space(code: &[u8], mut i: usize) -> usize {
    while code.get(i).is_some_and(u8::is_ascii_whitespace) {
        i += 1;
    }
    i
}

/// The word that starts here, and where it ends.
pub(super) fn word(code: &[u8], start: usize) -> Option<(String, usize)> {
    let length = code.get(start..)?.iter().take_while(|&&b| is_word(b)).count();
    let text = std::str::from_utf8(&code[start..start + length]).ok().filter(|text| !text.is_empty())?;
    Some((text.to_owned(), start + length))
}

/// Where the bracket that opens here is closed.
pub(super) fn matching(code: &[u8], open: usize) -> Option<usize> {
    let pair = match code[open] {
        b'(' => (b'(', b')'),
        b'[' => (b'[', b']'),
        _ => return None,
    };
    let mut depth = 0;
    for (i, &b) in code.iter().enumerate().skip(open) {
        depth += i32::from(b == pair.0) - i32::from(b == pair.1);
        if depth == 0 {
            return Some(i);
        }
    }
    None
}
