//! Fitting a [`Prepare`] to training rows: what each column needs to become features, which ones are none and why.

use super::dates::{DateOrder, DateParts};
use super::numbers::NumberFormat;
use super::prepare::{Impute, Prepare, Scale, Unusable};
use super::preprocessor::{Absent, Encoding, Fitted, LeftOut, Preprocessor};
use super::table::{Column, Kind, Table, class_order};
use super::target::{Target, Task};
use super::{config, stats};
use crate::error::Result;
use std::collections::HashSet;

/// Why a column is left out that somebody named to be.
const ASKED: &str = "left out as asked";

impl Prepare {
    /// The same with the kind of target and its classes or labels decided by all rows of a table, so that every part of it is encoded alike
    /// whichever rows it got. Nothing else is taken from the rows; without a target nothing changes.
    ///
    /// # Errors
    /// [`Error::Table`](crate::Error::Table): as [`Prepare::fit`] of the target.
    pub fn settled(&self, table: &Table) -> Result<Prepare> {
        Ok(match self.fit_target(table)? {
            None => self.clone(),
            Some(Target::Values { .. }) => self.clone().task(Task::Regression),
            Some(Target::Classes { classes, .. }) => self.clone().task(Task::Classes).classes(classes),
            Some(Target::Labels { labels, .. }) => self.clone().task(Task::Labels).classes(labels),
        })
    }

    /// The target alone as [`Prepare::fit`] finds it in these rows; `None` if there is none.
    ///
    /// # Errors
    /// As [`Prepare::fit`] of the target.
    pub fn fit_target(&self, train: &Table) -> Result<Option<Target>> {
        if self.target.is_empty() {
            return Ok(None);
        }
        let known = self.known.as_deref();
        Target::fit(train, &self.target, self.task, self.separator, (self.scale_target, self.log_target), known).map(Some)
    }

    /// Learns from these rows, and no others, what the features and the target of any rows need.
    ///
    /// # Errors
    /// [`Error::Table`](crate::Error::Table): a column that was named does not exist; a target with missing values, one class, one
    /// value; a column without values, or with one value where that is to be refused; a missing value where it is to be refused.
    /// [`Error::Config`](crate::Error::Config): no rows, no features left, a setting that does not fit the kind of column.
    pub fn fit(&self, train: &Table) -> Result<Preprocessor> {
        if train.is_empty() {
            return Err(config("prepare", "there are no rows to fit to"));
        }
        if let Some(most) = self.clip.filter(|most| !(*most > 0.0 && most.is_finite())) {
            return Err(config("prepare", format!("numbers are to be clipped at {most}, expected a number above 0")));
        }
        let named = [&self.target, &self.without, &self.as_category].into_iter().flatten();
        let named = named.chain(self.imputes.iter().map(|(name, _)| name)).chain(self.scales.iter().map(|(name, _)| name));
        named.chain(self.only.iter().flatten()).try_for_each(|name| train.column(name).map(drop))?;
        let target = self.fit_target(train)?;
        let asked: Vec<&Column> = match &self.only {
            Some(names) => names.iter().map(|name| train.column(name)).collect::<Result<_>>()?,
            None => train.columns().collect(),
        };
        let mut seen = HashSet::new();
        let left_names: HashSet<&str> = self.without.iter().map(String::as_str).collect();
        let (mut fitted, mut left_out): (Vec<Fitted>, Vec<LeftOut>) = (Vec::new(), Vec::new());
        for column in asked.into_iter().filter(|column| !self.target.iter().any(|name| name == column.name())) {
            if !seen.insert(column.name()) && fitted.iter().any(|f| f.name == column.name()) {
                return Err(config("prepare", format!("the column `{}` is named twice", column.name())));
            }
            match self.column(train, column, &left_names)? {
                Ok(column) => fitted.push(column),
                Err(reason) => left_out.push(LeftOut { column: column.name().to_owned(), reason }),
            }
        }
        if let Some(names) = &self.only {
            let named: HashSet<&str> = self.target.iter().chain(names).map(String::as_str).collect();
            let others = train.names().into_iter().filter(|name| !named.contains(name));
            let reason = "not among the columns asked for";
            left_out.extend(others.map(|name| LeftOut { column: name.to_owned(), reason: reason.to_owned() }));
        }
        // Indices are the last features.
        fitted.sort_by_key(|column| column.indices().is_some());
        // How numbers are written, where that is not the usual way.
        let used = fitted.iter().map(|f| f.name.as_str()).chain(self.target.iter().map(String::as_str));
        let format = |name: &str| Some((name.to_owned(), train.column(name).ok()?.format()?.clone()));
        let formats = used.filter_map(format).filter(|(_, format)| *format != NumberFormat::default()).collect();
        let fitted = Preprocessor::new(fitted, left_out, self.unknown, target, formats);
        if fitted.width() == 0 {
            return Err(self.nothing_left(train, fitted.left_out()));
        }
        self.select.apply(fitted, train)
    }

    /// What to say where no column is a feature.
    fn nothing_left(&self, train: &Table, left_out: &[LeftOut]) -> crate::Error {
        let others: Vec<&str> =
            train.names().into_iter().filter(|name| !self.target.iter().any(|target| target == name)).collect();
        if others.is_empty() {
            let found =
                format!("no column but {}", self.target.iter().map(|t| format!("`{t}`")).collect::<Vec<_>>().join(" and "));
            let advice = "add the columns that the target is to be predicted from";
            return train.error(Some(1), None, found, "columns to learn from besides the target", advice);
        }
        let some: Vec<String> = left_out.iter().take(10).map(|left| format!("`{}` ({})", left.column, left.reason)).collect();
        let asked = left_out.iter().any(|left| left.reason == ASKED);
        let advice =
            if asked { "leave fewer columns out" } else { "add columns that differ from row to row and say something about it" };
        let more = if left_out.len() > 10 { format!("; and {} more", left_out.len() - 10) } else { String::new() };
        let found = format!("no column to learn from: {}{more}", some.join("; "));
        train.error(None, None, found, "at least one", advice)
    }

    /// One column as fitted, or why it is no feature.
    fn column(&self, train: &Table, column: &Column, without: &HashSet<&str>) -> Result<Result<Fitted, String>> {
        let name = column.name();
        let kind = match self.kind(train, column, without)? {
            Ok(kind) => kind,
            Err(reason) => return Ok(Err(reason)),
        };
        let missing = column.missing();
        let own = self.imputes.iter().rev().find(|(n, _)| n == name).map(|(_, impute)| impute);
        let impute = own.unwrap_or(if matches!(kind, Kind::Number | Kind::Date) { &self.numbers } else { &self.categories });
        let is_own = matches!(impute, Impute::Own | Impute::OwnAlways);
        // With a value missing, whether it is missing differs from row to row.
        let differs = missing > 0 && (self.was_missing || (is_own && kind != Kind::Number));
        if column.is_constant() && !differs && *impute != Impute::OwnAlways {
            return self.constant_column(train, column).map(Err);
        }
        if *impute == Impute::Refuse
            && let Some(row) = (0..train.len()).find(|&row| column.text(row).is_none())
        {
            return Err(train.missing(column, row));
        }
        let unfit = || config("prepare", format!("column `{name}` is of kind {kind}: {impute:?} does not fit"));
        let encoding = match kind {
            Kind::Number => self.number(train, column, impute)?,
            Kind::Date => Some(self.date(column, impute)),
            Kind::YesNo => yes_no(column, impute),
            _ => self.category(column, impute),
        };
        let encoding = encoding.ok_or_else(unfit)?;
        // Categories have a value for missing. Of yes/no a feature says it, also where nothing was missing if that was asked for.
        let was_missing = match kind {
            Kind::Number | Kind::Date => self.was_missing && missing > 0,
            Kind::YesNo => *impute == Impute::OwnAlways || ((is_own || self.was_missing) && missing > 0),
            _ => self.was_missing && missing > 0 && !is_own,
        };
        let encoding = match encoding {
            Encoding::Category { categories, rare, missing } if categories.len() > self.index_above && !was_missing => {
                Encoding::Index { categories, rare, missing }
            }
            other => other,
        };
        Ok(Ok(Fitted { name: name.to_owned(), encoding, was_missing }))
    }

    /// As what kind a column is learned, or why it is no feature.
    fn kind(&self, train: &Table, column: &Column, without: &HashSet<&str>) -> Result<Result<Kind, String>> {
        let name = column.name();
        if without.contains(name) {
            let why = self.reasons.iter().find(|(n, _)| n == name).map_or(ASKED, |(_, reason)| reason);
            return Ok(Err(why.to_owned()));
        }
        let missing = column.missing();
        if missing == train.len() {
            if column.kind() == Kind::Empty && self.empty == Unusable::Refuse {
                let advice = format!("leave the column out (`without([\"{name}\"])`), or fill it in");
                let found = format!("nothing but missing values in {missing} rows");
                return Err(train.error(None, Some(name), found, "some values", advice));
            }
            return Ok(Err("nothing but missing values in the training rows".to_owned()));
        }
        let listed = self.only.is_some();
        let as_category = self.as_category.iter().any(|n| n == name);
        Ok(Ok(match column.kind() {
            Kind::Number | Kind::YesNo if as_category => Kind::Category,
            Kind::Date if self.dates && !as_category => Kind::Date,
            Kind::Date if !listed && !as_category => return Ok(Err("dates are left as text".to_owned())),
            Kind::Text if !listed && !as_category => return Ok(Err(column.note().unwrap_or("free text").to_owned())),
            Kind::Date | Kind::Text => Kind::Category,
            kind => kind,
        }))
    }

    /// Why a column with one value only is no feature, if that is not refused.
    fn constant_column(&self, train: &Table, column: &Column) -> Result<String> {
        if self.constant == Unusable::Refuse {
            let row = (0..train.len()).find(|&row| column.text(row).is_some()).unwrap_or(0);
            let found = format!("`{}` in every row", super::csv::shortened(column.text(row).unwrap_or("")));
            let advice = format!("leave the column out (`without([\"{}\"])`): nothing can be learned from it", column.name());
            return Err(train.error(None, Some(column.name()), found, "values that differ", advice));
        }
        Ok("one value only in the training rows".to_owned())
    }

    /// `None`, here and below: the way of filling in does not fit the kind of column.
    fn number(&self, train: &Table, column: &Column, impute: &Impute) -> Result<Option<Encoding>> {
        let present = present(column);
        let fill = match impute {
            Impute::Mean => Some(stats::mean(&present)),
            Impute::Median => Some(stats::median(&present)),
            Impute::MostFrequent => Some(stats::most_frequent(&present)),
            Impute::Number(x) if x.is_finite() => Some(*x),
            Impute::Refuse => None,
            _ => return Ok(None),
        };
        let mut whole: Vec<f64> = column.numbers.iter().filter_map(|x| if x.is_nan() { fill } else { Some(x) }).collect();
        if self.clip.is_some() {
            let (low, high) = stats::fences(&present);
            whole.retain(|x| (low..=high).contains(x));
        }
        let scale = self.scales.iter().rev().find(|(n, _)| n == column.name()).map_or(self.scale, |&(_, scale)| scale);
        let (least, most) = stats::min_max(&whole);
        let (shift, scale) = match scale {
            Scale::None => (0.0, 1.0),
            Scale::MinMax => (least, most - least),
            Scale::Standard => stats::mean_std(&whole),
        };
        // Asked of the values and not of the deviation, which rounding makes a little more than zero.
        let scale = if least >= most || scale == 0.0 { 1.0 } else { scale };
        if !shift.is_finite() || !scale.is_finite() {
            let found = format!("values from {least:e} to {most:e}, whose difference is no finite number");
            let advice = "use another unit, or name such values as missing";
            return Err(train.error(None, Some(column.name()), found, "numbers whose differences are finite", advice));
        }
        Ok(Some(Encoding::Number { fill, shift, scale, clip: self.clip }))
    }

    fn date(&self, column: &Column, impute: &Impute) -> Encoding {
        let order = column.order.unwrap_or(DateOrder::YearMonthDay);
        Encoding::Date(DateParts::fit(order, &present(column), self.clip, *impute == Impute::Refuse))
    }

    fn category(&self, column: &Column, impute: &Impute) -> Option<Encoding> {
        let missing = match impute {
            Impute::Own if column.missing() == 0 => Absent::None,
            Impute::Own | Impute::OwnAlways => Absent::Own,
            Impute::Text(text) => Absent::Is(text.clone()),
            Impute::MostFrequent => Absent::Is(most_frequent(column)),
            Impute::Refuse => Absent::Refuse,
            _ => return None,
        };
        let (mut categories, mut rare) = (Vec::new(), Vec::new());
        let counts: std::collections::HashMap<String, usize> = column.counts().into_iter().collect();
        for category in class_order(column) {
            if counts[&category] < self.rare { rare.push(category) } else { categories.push(category) }
        }
        /// So that each index is a number of f32, that of missing too.
        const MOST_INDICES: usize = (1 << 24) - 2;
        let most = if self.index_above == usize::MAX { usize::MAX } else { MOST_INDICES }.min(self.most_categories);
        if categories.len() > most {
            /// A category of one row teaches nothing that is worth a feature.
            const ROWS: usize = 2;
            let mut sizes: Vec<usize> = categories.iter().map(|category| counts[category]).collect();
            sizes.sort_unstable_by(|a, b| b.cmp(a));
            let least = sizes[most - 1].max(ROWS);
            // Of those with just as many rows as the last one, the first.
            let above = sizes.iter().filter(|&&size| size > least).count();
            let mut places = most - above;
            let (kept, others): (Vec<String>, Vec<String>) = categories.into_iter().partition(|category| {
                let last = counts[category] == least && places > 0;
                places -= usize::from(last);
                counts[category] > least || last
            });
            categories = kept;
            rare.extend(others);
        }
        // What missing values become counts as known, whether it occurs or not.
        if let Absent::Is(text) = &missing
            && !categories.contains(text)
            && !rare.contains(text)
        {
            categories.push(text.clone());
        }
        Some(Encoding::Category { categories, rare: (!rare.is_empty()).then_some(rare), missing })
    }
}

fn yes_no(column: &Column, impute: &Impute) -> Option<Encoding> {
    let fill = match impute {
        Impute::MostFrequent | Impute::Own | Impute::OwnAlways => Some(stats::most_frequent(&present(column))),
        Impute::Text(text) => Some(f64::from(u8::from(super::infer::yes_no(text)?))),
        Impute::Refuse => None,
        _ => return None,
    };
    Some(Encoding::YesNo { fill })
}

/// The values that are there, in the order of the rows.
fn present(column: &Column) -> Vec<f64> {
    column.numbers.present()
}

fn most_frequent(column: &Column) -> String {
    let order = class_order(column);
    let counts: std::collections::HashMap<String, usize> = column.counts().into_iter().collect();
    // The first of those with the most: `max_by_key` would give the last.
    let most = counts.values().copied().max().unwrap_or(0);
    order.into_iter().find(|category| counts[category] == most).unwrap_or_default()
}
