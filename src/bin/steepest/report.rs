//! What `steepest fit` prints about a table: its columns, of wide tables those worth a look, and notes, of many the first.

use crate::text::quoted;
use std::collections::HashSet;
use steepest::data::{ColumnReport, Kind, LeftOut, Report, Selected};

/// Tables of up to so many columns are reported column by column.
const MOST_COLUMNS: usize = 100;
/// So many columns of wider tables are.
const NOTABLE: usize = 15;
/// So many notes are printed; the report has all.
const MOST_NOTES: usize = 20;
/// So many names stand in a line.
const MOST_NAMES: usize = 10;

/// What is in a table: every column; of a wide table how many there are of each kind, and those of which there is something to say.
pub fn of_table(report: &Report, all: bool) -> String {
    if all || report.columns.len() <= MOST_COLUMNS {
        return report.to_string();
    }
    let kinds = [Kind::Number, Kind::Category, Kind::YesNo, Kind::Date, Kind::Text, Kind::Empty];
    let count = |kind: Kind| report.columns.iter().filter(|column| column.kind == kind).count();
    let counts: Vec<String> =
        kinds.into_iter().filter(|&kind| count(kind) > 0).map(|kind| format!("{} of kind {kind}", count(kind))).collect();
    let mut notable: Vec<&ColumnReport> =
        report.columns.iter().filter(|column| column.note.is_some() || column.missing > 0).collect();
    // Those with a note first, then those with the most missing; in order among equals.
    notable.sort_by_key(|column| (column.note.is_none(), std::cmp::Reverse(column.missing)));
    let found = notable.len();
    notable.truncate(NOTABLE);
    let mut text = format!("{}: {} rows, {} columns: {}", report.table, report.rows, report.columns.len(), counts.join(", "));
    if !notable.is_empty() {
        let columns = notable.into_iter().cloned().collect();
        let some = Report { table: String::new(), rows: report.rows, columns };
        let what = if found > NOTABLE { format!("the first {NOTABLE} of {found}") } else { format!("the {found}") };
        text += &format!("\n{what} with missing values or a note (--verbose lists all columns)");
        // Its first line is that of a whole table.
        text += some.to_string().trim_start_matches(|c| c != '\n');
    }
    text
}

/// Columns left out and not yet mentioned, those of one reason together.
pub fn left_out(left: &[LeftOut], mentioned: &HashSet<String>, all: bool) -> Vec<String> {
    let mut reasons: Vec<(&str, Vec<&str>)> = vec![];
    let asked = ["left out as asked", "not among the columns asked for"];
    let is_new = |left: &&LeftOut| !asked.contains(&left.reason.as_str()) && !mentioned.contains(&left.column);
    for left in left.iter().filter(is_new) {
        match reasons.iter_mut().find(|(reason, _)| *reason == left.reason) {
            Some((_, columns)) => columns.push(&left.column),
            None => reasons.push((&left.reason, vec![&left.column])),
        }
    }
    let line = |(reason, columns): (&str, Vec<&str>)| {
        let are = if columns.len() == 1 { "is" } else { "are" };
        format!("{} {are} left out: {}", names(&columns, all), reason.replace(" in the training rows", ""))
    };
    reasons.into_iter().map(line).collect()
}

/// Names with commas between them, of many the first.
fn names(columns: &[&str], all: bool) -> String {
    let most = if all { usize::MAX } else { MOST_NAMES };
    let some: Vec<String> = columns.iter().take(most).map(|name| format!("`{name}`")).collect();
    let more = columns.len().saturating_sub(some.len());
    if more > 0 { format!("{} and {more} more", some.join(", ")) } else { some.join(", ") }
}

/// Which columns were chosen of a table with more features than rows.
pub fn selected(selected: &Selected, target: &[String]) -> String {
    let Selected { columns, features, rows, kept } = selected;
    let target = target.join("`, `");
    let wide =
        if features > rows { format!("{features} features are more than {rows} rows can tell apart; ") } else { String::new() };
    if kept.is_empty() {
        let found = format!("none of {columns} columns by itself is related to `{target}` by more than chance would have it");
        return format!("{wide}{found}: all are learned from, and little can be expected of it");
    }
    let named = |(name, r): &(String, f64)| format!("`{name}` (r {r:.2})");
    let some: Vec<String> = kept.iter().take(MOST_NAMES).map(named).collect();
    let more = kept.len() - some.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let which = if kept.len() == 1 { "the one that is".to_owned() } else { format!("the {} that are", kept.len()) };
    let what = format!("of {columns} columns {which} related to `{target}` by more than chance");
    format!("{wide}{what}: learned from {}{more} (--select all: from all)", some.join(", "))
}

/// Notes as they are printed: all, or the first.
pub fn first_notes(mut notes: Vec<String>, all: bool, report: &str) -> Vec<String> {
    let count = notes.len();
    if !all && count > MOST_NOTES {
        notes.truncate(MOST_NOTES);
        notes.push(format!("and {} notes more: --verbose says all, and {} has them", count - MOST_NOTES, quoted(report)));
    }
    notes
}
