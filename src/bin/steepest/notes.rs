//! What a person should know about how a table was read and what became of its numbers, a line each.

use crate::text::{quoted, short};
use std::collections::{HashMap, HashSet};
use steepest::data::{self, Column, Kind, Preprocessor, Table};

/// At most so many columns or values are listed.
const MAX_LISTED: usize = 6;

/// `a, b, c and 4 more`.
fn listed(items: &[String]) -> String {
    let more = if items.len() > MAX_LISTED { format!(" and {} more", items.len() - MAX_LISTED) } else { String::new() };
    items.iter().take(MAX_LISTED).cloned().collect::<Vec<_>>().join(", ") + &more
}

/// How the file and the columns that are used were read.
pub fn on_reading(table: &Table, used: &[&str]) -> Vec<String> {
    let mut notes: Vec<String> = table.notes().to_vec();
    let used: HashSet<&str> = used.iter().copied().collect();
    let columns: Vec<&Column> = table.columns().filter(|column| used.contains(column.name())).collect();
    notes.extend(columns.iter().filter_map(|column| Some(format!("`{}`: {}", column.name(), column.note()?))));
    // Per marker the columns, those where it is missing and those where it is a value apart.
    let mut markers: Vec<(&str, bool, bool, Vec<String>)> = vec![];
    for column in &columns {
        let is_text = matches!(column.kind(), Kind::Category | Kind::Text | Kind::YesNo);
        for marker in column.markers() {
            if !is_text && ["NA", "NaN", "nan"].contains(&marker.text.as_str()) {
                continue;
            }
            let place = format!("`{}` ({}, first in line {})", column.name(), marker.rows, marker.line);
            let same = |m: &&mut (&str, bool, bool, Vec<String>)| m.0 == marker.text && m.1 == marker.missing && m.2 == is_text;
            match markers.iter_mut().find(same) {
                Some((.., places)) => places.push(place),
                None => markers.push((&marker.text, marker.missing, is_text, vec![place])),
            }
        }
    }
    for (text, missing, is_text, places) in markers {
        let places = listed(&places);
        notes.push(match (missing, is_text) {
            (true, false) => format!("`{text}` counts as missing in {places}"),
            (true, true) => format!("`{text}` counts as missing in {places}; with --no-default-missing it is a value"),
            (false, _) => format!("`{text}` is taken for a value in {places}; --missing {} makes it missing", quoted(text)),
        });
    }
    notes
}

/// Columns with more categories than are told apart.
pub fn on_categories(preprocessor: &Preprocessor) -> Vec<String> {
    let note = |(name, own, shared): (&str, usize, usize)| {
        let all = own + shared;
        format!(
            "`{name}` has {all} categories: the {own} most frequent are told apart, {shared} count as one (--most-categories)"
        )
    };
    preprocessor.grouped().into_iter().map(note).collect()
}

/// `999999 (line 17)` for some rows of a column, every value once.
fn values(column: &Column, table: &Table, rows: &[usize]) -> String {
    let mut found: Vec<(f64, u64, usize)> = vec![];
    for &row in rows.iter().take(2_000) {
        let x = column.number(row).unwrap_or(f64::NAN);
        match found.iter().position(|(value, ..)| *value == x) {
            Some(at) => found[at].2 += 1,
            None => found.push((x, table.line(row).unwrap_or(0), 1)),
        }
    }
    found.sort_by(|a, b| b.0.abs().total_cmp(&a.0.abs()));
    let written = |&(x, line, count): &(f64, u64, usize)| match count {
        1 => format!("{} (line {line})", plain(x)),
        n => format!("{} ({n} times, first in line {line})", plain(x)),
    };
    listed(&found.iter().map(written).collect::<Vec<_>>())
}

/// A number as a person would write it.
fn plain(x: f64) -> String {
    if x.abs() < 1e15 { x.to_string() } else { format!("{x:e}") }
}

/// The one of two limits that a number is taken for.
fn limit(x: f64, (low, high): (f64, f64)) -> String {
    short(if x < low { low } else { high })
}

/// Numbers that have nothing to do with the others of their column, of features and targets, and numbers that are taken for nearer ones.
pub fn on_numbers(preprocessor: &Preprocessor, table: &Table, targets: &[String]) -> Vec<String> {
    let mut notes = vec![];
    let clipped = preprocessor.clipped(table);
    let clipped: HashMap<&str, &data::Clipped> = clipped.iter().map(|clipped| (clipped.column.as_str(), clipped)).collect();
    let known: HashSet<&str> = preprocessor.columns().collect();
    let mut tails = vec![];
    for column in table.columns().filter(|column| known.contains(column.name())) {
        let (name, far) = (column.name(), column.far_outside());
        let within = clipped.get(name).map(|clipped| (clipped.within, &clipped.rows));
        if let Some(&row) = far.first() {
            let value = column.number(row).unwrap_or(0.0);
            let becomes = match within {
                Some((within, _)) => format!("taken for {}; --outliers 0 takes it as it is, ", limit(value, within)),
                None => "taken as it is; ".to_owned(),
            };
            let (count, marker) = (far.len(), quoted(&plain(value)));
            let verb = if count == 1 { "is" } else { "are" };
            notes.push(format!(
                "`{name}`: {count} of {} numbers {verb} far outside the others: {}: {becomes}--missing {marker} makes it missing",
                table.len() - column.missing(),
                values(column, table, &far)
            ));
        }
        if let Some((within, rows)) = within {
            // Both in the order of the rows.
            let tail: Vec<usize> = rows.iter().copied().filter(|row| far.binary_search(row).is_err()).collect();
            let middle = within.0 / 2.0 + within.1 / 2.0;
            let from = |row: usize| column.number(row).map_or(0.0, |x| (x - middle).abs());
            // Of several the first.
            let most = tail.iter().copied().reduce(|most, row| if from(row) > from(most) { row } else { most });
            if let Some((row, x)) = most.and_then(|row| Some((row, column.number(row)?))) {
                let (count, line) = (tail.len(), table.line(row).unwrap_or(0));
                tails.push(format!("`{name}` {count} (such as {} in line {line}, taken for {})", plain(x), limit(x, within)));
            }
        }
    }
    if !tails.is_empty() {
        let all = listed(&tails);
        notes.push(format!("numbers of a long tail are taken for the outermost that count (--outliers): {all}"));
    }
    for column in table.columns().filter(|column| targets.iter().any(|name| name == column.name())) {
        let far = column.far_outside();
        if let Some(&row) = far.first() {
            let marker = quoted(&plain(column.number(row).unwrap_or(0.0)));
            notes.push(format!(
                "the target `{}` has {} far outside the others, which the model will try to reach: {}; are they mistakes? \
                 --missing {marker} leaves such rows out",
                column.name(),
                if far.len() == 1 { "a number".to_owned() } else { format!("{} numbers", far.len()) },
                values(column, table, &far)
            ));
        }
    }
    notes
}

/// What a model takes for other numbers in new rows, a line per column.
pub fn on_new_numbers(preprocessor: &Preprocessor, table: &Table) -> Vec<String> {
    let note = |clipped: data::Clipped| {
        let column = table.column(&clipped.column).ok()?;
        let (first, count) = (*clipped.rows.first()?, clipped.rows.len());
        let (rows, becomes) = (if count == 1 { "row" } else { "rows" }, limit(column.number(first)?, clipped.within));
        let values = values(column, table, &clipped.rows);
        Some(format!("column `{}`: {count} {rows} beyond what training goes by, taken for {becomes}: {values}", clipped.column))
    };
    preprocessor.clipped(table).into_iter().filter_map(note).collect()
}
