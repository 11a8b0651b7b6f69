//! Where in a file the table begins: comment lines and titles above the header, headers with a name less than there are columns.

use ::csv::StringRecord;

/// So many records are looked at before it is decided.
pub(super) const PEEK: usize = 60;
/// At most so many lines above the header are titles.
const MOST_TITLES: usize = 10;
/// What a first column without a name is called, as pandas does.
pub(super) const UNNAMED: &str = "Unnamed: 0";

/// The separator of a first line `sep=;`, as Excel writes it, and where the next line begins.
pub(super) fn separator_line(bytes: &[u8]) -> Option<(u8, usize)> {
    let line = &bytes[..bytes.iter().position(|&b| b == b'\n' || b == b'\r')?];
    let plain = line.strip_prefix(b"\"").and_then(|line| line.strip_suffix(b"\"")).unwrap_or(line);
    let rest = plain.strip_prefix(b"sep=").or(plain.strip_prefix(b"SEP="))?;
    let &[delimiter] = rest else { return None };
    let end = line.len() + if bytes[line.len()..].starts_with(b"\r\n") { 2 } else { 1 };
    (delimiter.is_ascii() && delimiter != b'"').then_some((delimiter, end))
}

/// A column for which the header has no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extra {
    None,
    /// The first: names of rows, as R writes them.
    First,
    /// The last, which holds nothing: every row ends with a separator.
    Last,
}

/// What was found in front of the rows.
#[derive(Debug)]
pub(super) struct Layout {
    /// The lines of comments.
    pub(super) comments: Vec<u64>,
    pub(super) notes: Vec<String>,
    extra: Extra,
}

/// The columns by their names; empty where there is none.
pub(super) struct Head {
    pub(super) names: Vec<String>,
    pub(super) extra: Extra,
}

impl Layout {
    pub(super) fn head(&self, header: &StringRecord, bare: bool) -> Head {
        let given = header.iter().map(str::to_owned);
        let names = match self.extra {
            _ if bare => (1..=header.len()).map(|i| format!("column{i}")).collect(),
            Extra::None => given.collect(),
            Extra::First => std::iter::once(String::new()).chain(given).collect(),
            Extra::Last => given.chain([String::new()]).collect(),
        };
        Head { names, extra: self.extra }
    }
}

fn is_number(text: &str) -> bool {
    text.parse::<f64>().is_ok()
}

fn filled(record: &StringRecord) -> usize {
    record.iter().filter(|field| !field.is_empty()).count()
}

/// Whether a record can hold names: none is a number, none is missing but perhaps the first, and they differ.
fn names(record: &StringRecord) -> bool {
    let rest = record.iter().skip(1);
    let differ = record.iter().collect::<std::collections::HashSet<_>>().len() == record.len();
    differ && rest.clone().all(|field| !field.is_empty()) && !record.iter().any(is_number)
}

/// Takes comments and titles from the first records; the first that is left is the header.
pub(super) fn of(first: &mut Vec<(u64, StringRecord)>, header: Option<bool>) -> Layout {
    let mut layout = Layout { comments: vec![], notes: vec![], extra: Extra::None };
    while first.first().is_some_and(|(_, record)| record.get(0).is_some_and(|text| text.starts_with('#'))) {
        if first.len() > 1 && is_header(&first[0].1, &first[1].1) {
            break;
        }
        layout.comments.push(first.remove(0).0);
    }
    if header == Some(false) || first.len() < 2 {
        return layout;
    }
    let width = most_frequent(first.iter().skip(1).map(|(_, record)| record.len()));
    if let Some(titles) = titles(first, width) {
        let last = first[titles - 1].0;
        let text = super::csv::shortened(first[0].1.get(0).unwrap_or(""));
        let lines = if first[0].0 == last { format!("line {last}") } else { format!("lines {} to {last}", first[0].0) };
        layout.notes.push(format!("{lines} above the header: skipped (`{text}`)"));
        first.drain(..titles);
    }
    let rows = &first[1..];
    if first[0].1.len() + 1 == width
        && rows.iter().all(|(_, row)| row.len() == width || row.get(0).is_some_and(|t| t.starts_with('#')))
    {
        let firsts: Vec<&str> = rows.iter().filter_map(|(_, row)| row.get(0)).collect();
        if rows.iter().all(|(_, row)| row.get(width - 1) == Some("")) {
            layout.extra = Extra::Last;
        } else if names_rows(&firsts) {
            layout.extra = Extra::First;
        }
    }
    layout
}

/// `#id,name` above `1,x` is a header, and `# a list, of 2024` above `id,name` a comment.
fn is_header(record: &StringRecord, next: &StringRecord) -> bool {
    let marked = record.iter().skip(1).any(is_number);
    record.len() > 1 && record.len() == next.len() && !marked && next.iter().any(is_number)
}

fn most_frequent(lengths: impl Iterator<Item = usize> + Clone) -> usize {
    let count = |length: usize| lengths.clone().filter(|&l| l == length).count();
    lengths.clone().max_by_key(|&length| count(length)).unwrap_or(0)
}

/// How many records stand above the header: shorter ones, or with one field filled, where below them names come, and below those rows that
/// differ from names.
fn titles(first: &[(u64, StringRecord)], width: usize) -> Option<usize> {
    let is_title = |record: &StringRecord| record.len() < width || (filled(record) <= 1 && width > 2);
    let titles = first.iter().take(MOST_TITLES).take_while(|(_, record)| is_title(record)).count();
    if titles == 0 || titles == MOST_TITLES || first.len() < titles + 2 || width < 2 {
        return None;
    }
    let header = &first[titles].1;
    let rows = &first[titles + 1..];
    let numbers =
        (0..width).any(|i| rows.iter().all(|(_, row)| row.get(i).is_some_and(|text| text.is_empty() || is_number(text))));
    let fits = header.len() == width && names(header) && numbers;
    fits.then_some(titles)
}

/// Whether texts are names of rows: all differ, and are either no numbers or go up by one.
fn names_rows(texts: &[&str]) -> bool {
    let differ = texts.iter().collect::<std::collections::HashSet<_>>().len() == texts.len();
    let numbers: Vec<f64> = texts.iter().filter_map(|text| text.parse().ok()).collect();
    let counts = numbers.len() == texts.len()
        && numbers.windows(2).all(|pair| pair[1] == pair[0] + 1.0)
        && numbers.first().is_some_and(|first| *first <= 1.0);
    !texts.is_empty() && differ && (numbers.is_empty() || counts)
}
