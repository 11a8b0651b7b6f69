//! The pages for readers: every relative link leads to a file and to a heading in it, every example they name is there, every page of the
//! path is among the doc tests and has what a page has.
#![allow(clippy::unwrap_used)]

use std::path::{Component, Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|e| panic!("{file}: {e}"))
}

/// The names in a folder that end so, in order.
fn files(folder: &str, ending: &str) -> Vec<String> {
    let entries = std::fs::read_dir(root().join(folder)).unwrap_or_else(|e| panic!("{folder}: {e}"));
    let names = entries.map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(ending)).collect();
    names.sort();
    names
}

/// All pages, from the root of the project.
fn pages() -> Vec<String> {
    let folders = [("", ""), ("docs", "docs/"), ("docs/path", "docs/path/")];
    folders
        .iter()
        .flat_map(|(folder, prefix)| files(folder, ".md").into_iter().map(move |name| format!("{prefix}{name}")))
        .collect()
}

/// The lines that are text, not code, with their numbers.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut code = false;
    (1..).zip(text.lines()).filter(move |(_, line)| {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        !code && !fence
    })
}

/// The parts of a line in backticks, and those that are not.
fn by_backticks(line: &str) -> (Vec<&str>, Vec<&str>) {
    let parts: Vec<&str> = line.split('`').collect();
    (parts.iter().skip(1).step_by(2).copied().collect(), parts.iter().step_by(2).copied().collect())
}

/// What a heading is called in a link: small letters, no punctuation, hyphens for spaces.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn has_heading(text: &str, wanted: &str) -> bool {
    prose(text).filter(|(_, line)| line.starts_with('#')).any(|(_, line)| anchor(line.trim_start_matches('#')) == wanted)
}

/// `docs/path` and `../../shaders/x.wgsl` give `shaders/x.wgsl`; a way out of the project gives nothing.
fn resolve(folder: &Path, link: &str) -> Option<PathBuf> {
    let mut at = folder.to_path_buf();
    for part in Path::new(link).components() {
        match part {
            Component::ParentDir if !at.pop() => return None,
            Component::ParentDir | Component::CurDir => (),
            Component::Normal(name) => at.push(name),
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(at)
}

/// What is wrong with the relative links of a page, and how many there are.
fn broken(page: &str, text: &str) -> (Vec<String>, usize) {
    let (mut wrong, mut count) = (vec![], 0);
    for (number, line) in prose(text) {
        // A link's text may be code; so its end is looked for in the whole line, and what is code is put aside by its backticks.
        let bare = by_backticks(line).1.join("`");
        for rest in bare.split("](").skip(1) {
            let link = rest.split(')').next().unwrap();
            if link.contains("://") {
                continue;
            }
            count += 1;
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let folder = Path::new(page).parent().unwrap();
            let target = if file.is_empty() { Some(PathBuf::from(page)) } else { resolve(folder, file) };
            let own = target.as_deref() == Some(Path::new(page));
            let Some(target) = target.filter(|target| own || root().join(target).exists()) else {
                wrong.push(format!("{page}:{number}: no file {file}"));
                continue;
            };
            let there = || has_heading(&if own { text.to_owned() } else { read(target.to_str().unwrap()) }, heading);
            if !heading.is_empty() && !there() {
                wrong.push(format!("{page}:{number}: {} has no heading #{heading}", target.display()));
            }
        }
    }
    (wrong, count)
}

#[test]
fn every_link_leads_somewhere() {
    let found: Vec<_> = pages().iter().map(|page| broken(page, &read(page))).collect();
    let wrong: Vec<&String> = found.iter().flat_map(|(wrong, _)| wrong).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let count: usize = found.iter().map(|(_, count)| count).sum();
    assert!(count > 60, "only {count} links were found");
}

#[test]
fn a_link_to_nowhere_is_found() {
    let text = "# One, two\n[a](01-a-line.md) [b](#one-two) [`c`](../nonfinite.md) [d](https://example.org/no)\n\
                ```text\n[e](not-a-link.md)\n```\n`[f](code.md)` ![g](pictures/none.svg) [h](#three) [i](../../../../etc/hosts)\n\
                [j](../../CONTRIBUTING.md#no-such-heading)";
    let (wrong, count) = broken("docs/path/page.md", text);
    let expected = [
        "docs/path/page.md:6: no file pictures/none.svg",
        "docs/path/page.md:6: docs/path/page.md has no heading #three",
        "docs/path/page.md:6: no file ../../../../etc/hosts",
        "docs/path/page.md:7: CONTRIBUTING.md has no heading #no-such-heading",
    ];
    assert_eq!((wrong, count), (expected.map(str::to_owned).to_vec(), 7));
}

/// The examples that a text names: in the column `example` of a table, after `--example`, and on a line `Run it`.
fn examples_in(text: &str) -> Vec<String> {
    let mut found = vec![];
    let (mut column, mut running) = (None, false);
    for (_, line) in prose(text) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let header = || cells.iter().position(|cell| *cell == "example");
        column = if line.starts_with('|') { column.or_else(header) } else { None };
        running = line.starts_with("**Run it:**") || (running && !line.is_empty());
        let part = column.map_or(line, |column| cells.get(column).copied().unwrap_or_default());
        for code in by_backticks(part).0 {
            let words: Vec<&str> = code.split_whitespace().collect();
            let after = words.iter().position(|word| *word == "--example").and_then(|at| words.get(at + 1));
            // `resume` or `resume -- --out DIR`.
            let alone = words.first().filter(|_| (column.is_some() || running) && words.get(1).is_none_or(|word| *word == "--"));
            let name = after.or(alone).filter(|name| name.chars().all(|c| c.is_ascii_lowercase() || c == '_'));
            found.extend(name.map(|name| (*name).to_owned()));
        }
    }
    found
}

#[test]
fn every_example_named_is_there() {
    let mut count = 0;
    for page in pages() {
        for name in examples_in(&read(&page)) {
            count += 1;
            let there =
                [format!("examples/{name}.rs"), format!("examples/{name}/main.rs")].iter().any(|file| root().join(file).exists());
            assert!(there, "{page} names the example {name}");
        }
    }
    assert!(count > 50, "only {count} names were found");
    let text = "| page | example | why |\n|---|---|\n| `a` | `b`, `c -- --out DIR` | `x` |\n\n**Run it:** `d`: `--device`,\n`e`\n\n`f` and `cargo run --example g`";
    assert_eq!(examples_in(text), ["b", "c", "d", "e", "g"]);
}

#[test]
fn every_page_of_the_path_is_tested_and_complete() {
    let (library, index) = (read("src/lib.rs"), read("docs/path/README.md"));
    for page in files("docs/path", ".md") {
        assert!(library.contains(&format!("\"{page}\"")), "{page} is not among the doc tests of src/lib.rs");
        if page == "README.md" {
            continue;
        }
        let text = read(&format!("docs/path/{page}"));
        assert!(index.contains(&format!("]({page})")), "the index does not name {page}");
        for (what, sign) in [("code that runs", "```rust\n"), ("a shader", "](../../shaders/"), ("a check", "assert")] {
            assert!(text.contains(sign), "{page} has no {what}");
        }
    }
}

#[test]
fn every_picture_is_shown_and_small() {
    let text: String = files("docs/path", ".md").iter().map(|page| read(&format!("docs/path/{page}"))).collect();
    let mut sum = 0;
    for picture in files("docs/path/pictures", "") {
        assert!(text.contains(&format!("](pictures/{picture})")), "no page shows {picture}");
        let svg = read(&format!("docs/path/pictures/{picture}"));
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"), "{picture} is no whole SVG");
        assert!(svg.len() < 300_000, "{picture} has {} bytes", svg.len());
        sum += svg.len();
    }
    assert!((100_000..1_500_000).contains(&sum), "all pictures together: {sum} bytes");
}
