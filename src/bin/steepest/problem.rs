//! The problem that is learned: a table, its target, and which columns are features. Whatever is left out or changed is named, with the reason.

use crate::metrics;
use crate::notes;
use crate::settings::{Select, Settings, TargetScale, Task};
use crate::table::{Reading, columns, refuse};
use crate::text::quoted;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;
use steepest::data::{self, Column, Kind, LeftOut, Prepare, Report, Table, Target, Unknown, Unusable};

/// Fewer rows than this are not parted into rows to learn from, to stop by and to judge by.
const LEAST_ROWS: usize = 10;
/// Codes with more different values than this are no categories.
const MOST_CODES: usize = 50;
/// A column with more categories than this is an index into a table of weights instead of a feature for each.
const MOST_FEATURES: usize = 64;
/// So many categories of all such columns together are told apart, unless the user says how many of each; a table of weights for as many
/// takes some hundred megabytes in training.
const MOST_CATEGORIES: usize = 1 << 17;

pub struct Problem {
    /// The rows with a target.
    pub table: Table,
    /// What is done to them; the kind of target and its classes are settled.
    pub prepare: Prepare,
    pub targets: Vec<String>,
    pub reading: Reading,
    /// What a person should know, a line each.
    pub notes: Vec<String>,
    /// Columns that were left out and that the notes mention.
    pub mentioned: HashSet<String>,
    /// Columns that are no features, and why.
    pub left: Vec<LeftOut>,
    /// The class of each row, if rows have one.
    pub classes: Option<Vec<u32>>,
    pub strict: bool,
    /// What the table holds, column by column.
    pub report: Report,
    /// The size of the table's file.
    pub bytes: u64,
}

/// What the command line says about which columns are learned from.
struct Asked {
    /// These and no others.
    only: Option<Vec<String>>,
    /// The same, to be looked up.
    wanted: Option<HashSet<String>>,
    without: Vec<String>,
    /// Columns about which there is nothing to decide: left out or kept by name, and the targets.
    closed: HashSet<String>,
}

impl Asked {
    /// Whether it is to be decided if a column is a feature.
    fn is_open(&self, name: &str) -> bool {
        self.wanted.as_ref().is_none_or(|wanted| wanted.contains(name)) && !self.closed.contains(name)
    }
}

impl Problem {
    /// Reads a table and decides what of it is learned.
    pub fn read(path: &Path, settings: &Settings) -> anyhow::Result<Problem> {
        let strict = settings.strict.unwrap_or(false);
        let reading = reading(settings, strict);
        let (table, bytes) = reading.read_sized(path)?;
        let named = settings.target.clone().unwrap_or_default();
        if named.is_empty() {
            let names: Vec<String> = table.names().iter().map(|name| format!("`{name}`")).collect();
            let advice = format!("name the column to predict: --target {}", quoted(table.names().last().unwrap_or(&"COLUMN")));
            return Err(refuse(
                &table,
                Some(1),
                None,
                format!("the columns {}", names.join(", ")),
                "one of them as target",
                advice,
            ));
        }
        let targets = columns(&table, Some(&named))?;
        let [only, without, keep, category] =
            [&settings.only, &settings.without, &settings.keep, &settings.category].map(|list| columns(&table, list.as_ref()));
        let (only, without, keep) = (settings.only.is_some().then_some(only).transpose()?, without?, keep?);
        category?;
        for name in &targets {
            let also = [("without", Some(&without)), ("only", only.as_ref()), ("keep", Some(&keep))];
            if let Some((flag, _)) = also.into_iter().find(|(_, list)| list.is_some_and(|list| list.contains(name))) {
                anyhow::bail!("--{flag}: the column `{name}` is the target, and never learned from");
            }
        }
        let closed = without.iter().chain(&keep).chain(&targets).cloned().collect();
        let wanted = only.as_ref().map(|only| only.iter().cloned().collect());
        let asked = Asked { only, wanted, without, closed };
        // Of the whole table: without the rows that have no target a counter would have gaps.
        let counters: Vec<(String, String)> =
            table.columns().filter_map(|column| Some((column.name().to_owned(), numbers_rows(column)?))).collect();
        let (report, prepare) = (table.report(), Prepare::new().dates(true));
        let mut problem = Problem {
            table,
            prepare,
            targets,
            reading,
            notes: vec![],
            mentioned: HashSet::new(),
            left: vec![],
            classes: None,
            strict,
            report,
            bytes,
        };
        problem.rows()?;
        let outliers = settings.outliers.unwrap_or(4.0);
        anyhow::ensure!(outliers >= 0.0 && outliers.is_finite(), "--outliers: found {outliers}, expected 0 or more");
        anyhow::ensure!(settings.most_categories != Some(0), "--most-categories: found 0, expected 1 or more");
        problem.columns(&asked, outliers, &counters)?;
        problem.categories(settings.most_categories);
        problem.target(settings)?;
        problem.spellings()?;
        Ok(problem)
    }

    /// Leaves out rows without a target.
    fn rows(&mut self) -> anyhow::Result<()> {
        let all = self.table.len();
        for name in &self.targets {
            let column = self.table.column(name)?;
            if column.missing() == all {
                let found = format!("nothing but missing values in {all} rows");
                return Err(refuse(
                    &self.table,
                    None,
                    Some(name),
                    found,
                    "values to learn",
                    "choose another target, or fill it in",
                ));
            }
        }
        self.table = self.table.without_missing_rows(&self.targets)?;
        let left = all - self.table.len();
        if left > 0 {
            self.notes.push(format!("{left} of {all} rows are left out: their target is missing"));
            self.report = self.table.report();
        }
        if self.table.len() < LEAST_ROWS {
            let found = match left {
                0 => format!("{all} rows"),
                _ => format!("{} rows with a target", self.table.len()),
            };
            let expected = format!("{LEAST_ROWS} or more, some to learn from and some to judge by");
            return Err(refuse(
                &self.table,
                None,
                None,
                found,
                expected,
                "add rows: nothing reliable can be learned from so few",
            ));
        }
        Ok(())
    }

    /// Decides which columns are features.
    fn columns(&mut self, asked: &Asked, outliers: f64, counters: &[(String, String)]) -> anyhow::Result<()> {
        self.refuse_empty(asked)?;
        self.prepare = std::mem::take(&mut self.prepare).targets(self.targets.clone()).empty(Unusable::LeaveOut);
        if outliers > 0.0 {
            self.prepare = std::mem::take(&mut self.prepare).clip(outliers);
        }
        if asked.only.is_none() {
            self.giveaways(asked)?;
            self.counters_and_codes(asked, counters);
        }
        if self.strict {
            self.prepare = std::mem::take(&mut self.prepare).constant(Unusable::Refuse).unknown(Unknown::Refuse);
        }
        if let Some(only) = &asked.only {
            self.prepare = std::mem::take(&mut self.prepare).only(only.clone());
        }
        self.prepare = std::mem::take(&mut self.prepare).without(asked.without.clone());
        Ok(())
    }

    /// Refuses columns without a value where nothing is left out silently, or they were asked for by name.
    fn refuse_empty(&self, asked: &Asked) -> anyhow::Result<()> {
        let empty = |column: &&Column| column.kind() == Kind::Empty && asked.is_open(column.name());
        match self.table.columns().find(empty).filter(|_| self.strict || asked.only.is_some()) {
            None => Ok(()),
            Some(column) => {
                let name = column.name();
                let found = format!("nothing but missing values in {} rows", self.table.len());
                let advice = format!("fill the column in, or leave it out: --without {}", quoted(name));
                Err(refuse(&self.table, Some(1), Some(name), found, "some values", advice))
            }
        }
    }

    /// Leaves out columns that give the target away.
    fn giveaways(&mut self, asked: &Asked) -> anyhow::Result<()> {
        for target in &self.targets {
            for (name, reason) in self.table.giveaways(target)? {
                if !asked.is_open(&name) || self.mentioned.contains(&name) {
                    continue;
                }
                let keep = quoted(&name);
                if self.strict {
                    let advice = format!("leave it out (--without {keep}), or learn from it all the same (--keep {keep})");
                    let expected = "a feature that is known before the target is";
                    return Err(refuse(&self.table, Some(1), Some(&name), reason, expected, advice));
                }
                self.notes
                    .push(format!("`{name}` gives the target away and is left out: {reason} (--keep {keep} to learn from it)"));
                self.prepare = std::mem::take(&mut self.prepare).leave_out(&name, format!("it gives the target away: {reason}"));
                self.mentioned.insert(name);
            }
        }
        Ok(())
    }

    /// Leaves out columns that only number the rows, unless there is nothing else, and takes codes as categories. `counters` are columns that number
    /// the rows, each with the reason.
    fn counters_and_codes(&mut self, asked: &Asked, counters: &[(String, String)]) {
        let counters: HashMap<&str, &str> = counters.iter().map(|(name, reason)| (name.as_str(), reason.as_str())).collect();
        let is_open = |name: &str, mentioned: &HashSet<String>| asked.is_open(name) && !mentioned.contains(name);
        let is_useful = |other: &Column| {
            let usable = !matches!(other.kind(), Kind::Text | Kind::Empty);
            usable && is_open(other.name(), &self.mentioned) && !counters.contains_key(other.name())
        };
        let others = self.table.columns().any(is_useful);
        for column in self.table.columns() {
            let name = column.name();
            if !is_open(name, &self.mentioned) {
                continue;
            }
            if let Some(reason) = counters.get(name) {
                if !others {
                    self.notes.push(format!("`{name}` is learned from though {reason}: there is nothing else"));
                    continue;
                }
                let keep = quoted(name);
                self.notes
                    .push(format!("`{name}` only numbers the rows and is left out: {reason} (--keep {keep} to learn from it)"));
                self.prepare = std::mem::take(&mut self.prepare).leave_out(name, format!("it only numbers the rows: {reason}"));
                self.mentioned.insert(name.to_owned());
            } else if is_code(column, self.table.len()) {
                self.notes.push(format!("`{name}` is taken as a category: its numbers are codes, written with leading zeros"));
                self.prepare = std::mem::take(&mut self.prepare).as_category([name]);
            }
        }
    }

    /// Decides how columns with very many categories are learned.
    fn categories(&mut self, most: Option<usize>) {
        let wide = |column: &&steepest::data::ColumnReport| column.kind == Kind::Category && column.distinct > MOST_FEATURES;
        let wide = self.report.columns.iter().filter(wide).count().max(1);
        let most = most.unwrap_or((MOST_CATEGORIES / wide).max(MOST_FEATURES));
        self.prepare = std::mem::take(&mut self.prepare).most_categories(most).index_above(MOST_FEATURES);
    }

    /// Settles the kind of target, its classes, and whether logarithms are learned.
    fn target(&mut self, settings: &Settings) -> anyhow::Result<()> {
        let task = match settings.task.unwrap_or_default() {
            Task::Auto => data::Task::Auto,
            Task::Regression => data::Task::Regression,
            Task::Classes => data::Task::Classes,
            Task::Labels => data::Task::Labels,
        };
        anyhow::ensure!(
            task != data::Task::Classes || self.targets.len() == 1,
            "--task classes: found {} targets, expected one: each row is of one class of one column",
            self.targets.len()
        );
        let prepare = self.prepare.clone().task(task);
        let settled = prepare.settled(&self.table)?.select(match settings.select.unwrap_or_default() {
            Select::Wide => data::Select::Wide,
            Select::Related => data::Select::Related,
            Select::All => data::Select::All,
        });
        // Fitted to all rows only to see what kind of target it is, and that there are features at all.
        let whole = settled.clone().select(data::Select::All).fit(&self.table)?;
        self.left = whole.left_out().to_vec();
        let is_values = matches!(whole.target(), Some(Target::Values { .. }));
        let used: Vec<&str> = whole.columns().chain(self.targets.iter().map(String::as_str)).collect();
        let mut notes = notes::on_reading(&self.table, &used);
        notes.append(&mut self.notes);
        self.notes = notes;
        self.notes.extend(notes::on_categories(&whole));
        self.notes.extend(notes::on_numbers(&whole, &self.table, if is_values { &self.targets } else { &[] }));
        if matches!(whole.target(), Some(Target::Classes { .. })) {
            let (classes, names) = self.table.classes(&self.targets[0])?;
            let counts = metrics::counted(&classes, names.len());
            let few: Vec<String> =
                names.iter().zip(&counts).filter(|&(_, &n)| n < 5).map(|(name, n)| format!("`{name}` ({n})")).collect();
            if !few.is_empty() {
                self.notes.push(format!("classes with fewer than 5 rows, of which little can be learned: {}", few.join(", ")));
            }
            self.classes = Some(classes);
        }
        let scale = settings.target_scale.unwrap_or_default();
        anyhow::ensure!(
            is_values || scale == TargetScale::Auto,
            "--target-scale: `{}` is not learned as a number; do without the flag, or, if it is a column of numbers, add --task regression",
            self.targets.join("`, `")
        );
        self.prepare = if is_values { settled.log_target(self.log(scale)?) } else { settled };
        Ok(())
    }

    /// Says where one class is spelled in several ways, and where categories differ in small and capital letters only.
    fn spellings(&mut self) -> anyhow::Result<()> {
        if self.classes.is_some() {
            for texts in self.table.spellings(&self.targets[0])? {
                if let [(first, _), others @ ..] = &texts[..]
                    && !others.is_empty()
                {
                    let others: Vec<String> = others.iter().map(|(text, n)| format!("`{text}` ({n} rows)")).collect();
                    let name = &self.targets[0];
                    self.notes.push(format!(
                        "`{name}`: the class `{first}` is also written {}; predictions say `{first}`",
                        others.join(", ")
                    ));
                }
            }
        }
        let closed: HashSet<&str> = self.mentioned.iter().map(String::as_str).collect();
        for column in self.table.columns().filter(|column| column.kind() == Kind::Category && !closed.contains(column.name())) {
            let texts: BTreeSet<&str> = (0..self.table.len()).filter_map(|row| column.text(row)).collect();
            let mut alike: BTreeMap<String, Vec<&str>> = BTreeMap::new();
            for text in texts {
                alike.entry(text.to_lowercase()).or_default().push(text);
            }
            for texts in alike.values().filter(|texts| texts.len() > 1) {
                let name = column.name();
                let what = if self.targets.iter().any(|target| target == name) { "classes" } else { "categories" };
                let listed = texts.join("` and `");
                self.notes
                    .push(format!("`{name}`: `{listed}` are {} {what}; if they mean the same, write them alike", texts.len()));
            }
        }
        Ok(())
    }

    /// Whether logarithms of the target are learned.
    fn log(&self, scale: TargetScale) -> anyhow::Result<bool> {
        let mut better = true;
        for name in &self.targets {
            let column = self.table.column(name)?;
            let values: Vec<f64> = (0..self.table.len()).filter_map(|row| column.number(row)).collect();
            let (least, most) = values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), &x| (a.min(x), b.max(x)));
            // Of numbers that are all nearly the same the logarithm is as skewed as they are.
            better &= least > 0.0 && most >= 2.0 * least;
            if better {
                let logs: Vec<f64> = values.iter().map(|x| x.ln()).collect();
                better = skewness(&values) > 1.0 && skewness(&logs).abs() < skewness(&values).abs();
            }
        }
        Ok(match scale {
            TargetScale::Auto => better,
            TargetScale::Standard => false,
            TargetScale::Log => true,
        })
    }
}

/// How the settings say the file is read.
fn reading(settings: &Settings, strict: bool) -> Reading {
    let mut missing = settings.missing.clone();
    if strict {
        missing.get_or_insert_default().push("NA".to_owned());
    }
    Reading {
        delimiter: settings.delimiter.clone(),
        no_header: settings.no_header.unwrap_or(false),
        missing,
        category: settings.category.clone().unwrap_or_default(),
        no_default_missing: strict || settings.no_default_missing.unwrap_or(false),
        decimal: settings.decimal.clone(),
        thousands: settings.thousands.clone(),
        dates: settings.dates,
        strict,
        without: settings.without.clone().unwrap_or_default(),
        only: settings.only.clone().map(|only| only.into_iter().chain(settings.target.clone().unwrap_or_default()).collect()),
        model: None,
    }
}

/// The third standardised moment: how much longer the tail is to the right.
fn skewness(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let moment = |k: i32| values.iter().map(|x| (x - mean).powi(k)).sum::<f64>() / n;
    let variance = moment(2);
    if variance > 0.0 { moment(3) / variance.powf(1.5) } else { 0.0 }
}

/// Why a column says nothing but which row it is.
fn numbers_rows(column: &Column) -> Option<String> {
    let name = column.name();
    if name.starts_with("Unnamed: 0") {
        return Some("it has no name in the header, as the names or numbers of rows have none".to_owned());
    }
    if column.counts_rows() {
        return Some("it counts up by one".to_owned());
    }
    let lower = name.to_lowercase();
    let is_id = ["id", "pid", "uid", "uuid", "index", "key"].contains(&lower.as_str())
        || ["_id", " id", "-id", ".id"].iter().any(|end| lower.ends_with(end))
        || name.ends_with("Id")
        || name.ends_with("ID");
    (is_id && column.differs_in_every_row()).then(|| "another whole number in every row, and the name of an id".to_owned())
}

/// Whether a column of numbers is written as codes are: digits only, and some with a zero in front.
fn is_code(column: &Column, rows: usize) -> bool {
    let texts = || (0..rows).filter_map(|row| column.text(row));
    if column.kind() != Kind::Number || !texts().all(|text| text.bytes().all(|b| b.is_ascii_digit())) {
        return false;
    }
    let mut different = HashSet::new();
    for text in texts() {
        different.insert(text);
        if different.len() > MOST_CODES {
            return false;
        }
    }
    different.iter().any(|text| text.len() > 1 && text.starts_with('0'))
}
