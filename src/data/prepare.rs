//! `Prepare`: how a table becomes features and target; fitted to training rows it gives a [`Preprocessor`].

use super::dates::{DateOrder, DateParts};
use super::numbers::NumberFormat;
use super::preprocessor::{Absent, Encoding, Fitted, LeftOut, Preprocessor, Unknown};
use super::select::Select;
use super::table::{Column, Kind, Table, class_order};
use super::target::{Target, Task};
use super::{config, stats};
use crate::error::Result;

/// What becomes of a missing value.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Impute {
    /// The mean of the training rows. Numbers only.
    Mean,
    /// The median of the training rows. Numbers only.
    Median,
    /// The most frequent value of the training rows, of several the first.
    MostFrequent,
    /// This number. Numbers only.
    Number(f64),
    /// This text, which need not occur. Categories and yes/no only.
    Text(String),
    /// Missing is a category of its own if any was missing in training; otherwise none of the categories. Of yes/no: the most frequent
    /// answer, and a feature that says it was missing. Not for numbers.
    Own,
    /// As `Own`, and the feature is there even if nothing was missing in training. Not for numbers.
    OwnAlways,
    /// An error with its line.
    Refuse,
}

/// How columns of numbers are scaled, by the numbers of the training rows with missing ones filled in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scale {
    /// (x − mean) / standard deviation (over n, not n − 1).
    #[default]
    Standard,
    /// (x − min) / (max − min): 0 to 1 in training.
    MinMax,
    /// As they are.
    None,
}

/// Why a column is left out that somebody named to be.
const ASKED: &str = "left out as asked";

/// What becomes of a column from which nothing can be learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// It is no feature, and [`Preprocessor::left_out`] says so.
    LeaveOut,
    /// An error.
    Refuse,
}

/// Settings for turning a table into numbers. [`Prepare::fit`] learns from the training rows what it needs: means, categories, scales.
///
/// At first: all columns but the target, dates and free text; missing numbers become the median and a feature says which were missing;
/// missing is a category of its own where training has any; numbers are brought to mean 0 and standard deviation 1, targets of a
/// regression too; columns with one value only are left out, and a column without any value is refused.
///
/// ```
/// use steepest::data::{Impute, Labels, Prepare, Table};
/// let train = Table::parse("train.csv", b"rooms,alley,price\nNA,Pave,127500\n2,NA,106000\n4,NA,178100\n")?;
/// let fitted = Prepare::new().target("price").numbers(Impute::Mean).fit(&train)?;
/// assert_eq!(fitted.feature_names(), ["rooms", "rooms (was missing)", "alley=Pave", "alley=(missing)"]);
///
/// let new = Table::parse("new.csv", b"alley,rooms\nGravel,4\n")?;
/// let features = fitted.features(&new)?;
/// assert_eq!(features.values[1..], [0.0, 0.0, 0.0]);
/// assert_eq!(features.notes.len(), 1); // `Gravel` was not there in training
/// let (set, _) = fitted.dataset(&train)?;
/// assert!(matches!(set.labels(), Labels::Values(prices, 1) if prices[0].abs() < 1.0));
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use = "settings prepare nothing; end with fit"]
pub struct Prepare {
    target: Vec<String>,
    task: Task,
    separator: Option<char>,
    known: Option<Vec<String>>,
    only: Option<Vec<String>>,
    without: Vec<String>,
    reasons: Vec<(String, String)>,
    as_category: Vec<String>,
    numbers: Impute,
    categories: Impute,
    imputes: Vec<(String, Impute)>,
    was_missing: bool,
    scale: Scale,
    clip: Option<f64>,
    scales: Vec<(String, Scale)>,
    scale_target: bool,
    log_target: bool,
    rare: usize,
    most_categories: usize,
    index_above: usize,
    dates: bool,
    unknown: Unknown,
    constant: Unusable,
    empty: Unusable,
    select: Select,
}

impl Default for Prepare {
    fn default() -> Prepare {
        Prepare::new()
    }
}

impl Prepare {
    /// The settings described above, without a target.
    pub fn new() -> Prepare {
        Prepare {
            target: Vec::new(),
            task: Task::Auto,
            separator: None,
            known: None,
            only: None,
            without: Vec::new(),
            reasons: Vec::new(),
            as_category: Vec::new(),
            numbers: Impute::Median,
            categories: Impute::Own,
            imputes: Vec::new(),
            was_missing: true,
            scale: Scale::Standard,
            clip: None,
            scales: Vec::new(),
            scale_target: true,
            log_target: false,
            rare: 0,
            most_categories: usize::MAX,
            index_above: usize::MAX,
            dates: false,
            unknown: Unknown::Note,
            constant: Unusable::LeaveOut,
            empty: Unusable::Refuse,
            select: Select::All,
        }
    }

    /// The column to predict.
    pub fn target(self, column: impl Into<String>) -> Prepare {
        self.targets([column])
    }

    /// The columns to predict together: numbers, or labels that each hold or not.
    pub fn targets(mut self, columns: impl IntoIterator<Item = impl Into<String>>) -> Prepare {
        self.target = columns.into_iter().map(Into::into).collect();
        self
    }

    /// The column to predict lists labels with this between them: `red;round`.
    pub fn target_list(mut self, column: impl Into<String>, separator: char) -> Prepare {
        self.separator = Some(separator);
        self.target(column)
    }

    /// What kind of target it is, instead of deciding by its values.
    pub fn task(mut self, task: Task) -> Prepare {
        self.task = task;
        self
    }

    /// All classes or labels there are, in order, instead of those in the training rows: for rows of a class that only others have.
    pub fn classes(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Prepare {
        self.known = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// These columns and no others, in this order; text among them becomes a category, and so do dates unless [`Prepare::dates`] says other.
    pub fn only(mut self, columns: impl IntoIterator<Item = impl Into<String>>) -> Prepare {
        self.only = Some(columns.into_iter().map(Into::into).collect());
        self
    }

    /// Leaves out these columns.
    pub fn without(mut self, columns: impl IntoIterator<Item = impl Into<String>>) -> Prepare {
        self.without.extend(columns.into_iter().map(Into::into));
        self
    }

    /// Takes columns of numbers (a code, a month) as categories.
    pub fn as_category(mut self, columns: impl IntoIterator<Item = impl Into<String>>) -> Prepare {
        self.as_category.extend(columns.into_iter().map(Into::into));
        self
    }

    /// What becomes of missing numbers.
    pub fn numbers(mut self, impute: Impute) -> Prepare {
        self.numbers = impute;
        self
    }

    /// What becomes of missing categories and answers.
    pub fn categories(mut self, impute: Impute) -> Prepare {
        self.categories = impute;
        self
    }

    /// What becomes of missing values of one column.
    pub fn impute(mut self, column: impl Into<String>, impute: Impute) -> Prepare {
        self.imputes.push((column.into(), impute));
        self
    }

    /// Whether a feature says of a filled-in value that it was missing, for columns with any missing in training.
    pub fn was_missing(mut self, say: bool) -> Prepare {
        self.was_missing = say;
        self
    }

    /// How numbers are scaled.
    pub fn scale(mut self, scale: Scale) -> Prepare {
        self.scale = scale;
        self
    }

    /// How the numbers of one column are scaled.
    pub fn scale_column(mut self, column: impl Into<String>, scale: Scale) -> Prepare {
        self.scales.push((column.into(), scale));
        self
    }

    /// Takes numbers that are beyond ±`most` after scaling for ±`most`: with standard scaling, so many standard deviations from the mean.
    /// A row far outside the others then neither bends a model towards it nor gets an answer far outside theirs. Numbers that have
    /// nothing to do with the others ([`Column::far_outside`]) do not count for mean and deviation: one of them would stretch the scale
    /// until all others are the same.
    pub fn clip(mut self, most: f64) -> Prepare {
        self.clip = Some(most);
        self
    }

    /// Whether the target of a regression is brought to mean 0 and standard deviation 1; [`Target::inverse`] undoes it.
    pub fn scale_target(mut self, scale: bool) -> Prepare {
        self.scale_target = scale;
        self
    }

    /// Whether the logarithm of a regression's target is learned, for positive targets whose errors grow with them (prices, counts, times);
    /// [`Target::inverse`] gives the numbers of the table again.
    ///
    /// ```
    /// use steepest::data::{Prepare, Table};
    /// let table = Table::parse("t.csv", b"size,price\n1,10\n2,100\n3,1000\n")?;
    /// let fitted = Prepare::new().target("price").log_target(true).fit(&table)?;
    /// let back = fitted.target().map(|target| target.inverse(&[0.0]));
    /// assert!((back.expect("a target")[0] - 100.0).abs() < 1e-9); // the geometric mean
    /// # Ok::<(), steepest::Error>(())
    /// ```
    pub fn log_target(mut self, log: bool) -> Prepare {
        self.log_target = log;
        self
    }

    /// Categories with fewer rows than this in training share one feature.
    pub fn rare(mut self, fewer_than: usize) -> Prepare {
        self.rare = fewer_than;
        self
    }

    /// The most categories of a column that are told apart. Of a column with more the most frequent ones are that have two rows or
    /// more in training; the others count as one. Without a bound a table of many rows and categories fills the memory, if each category
    /// has a feature (see [`Prepare::index_above`]).
    pub fn most_categories(mut self, most: usize) -> Prepare {
        self.most_categories = most.max(1);
        self
    }

    /// A column with more categories than this is one feature, an index, instead of one feature for each: 1 for the first category and
    /// so on, then one for missing if that is a category, and 0 for those that are rare or not known. These features are the last of a
    /// row; [`Preprocessor::indices`] names them. An index is no quantity: it is for a model that looks a row up by it, such as one that begins with
    /// [`FeatureEmbedding`](crate::nn::FeatureEmbedding). A column whose missing values become a category of others and are told by a
    /// feature besides keeps a feature for each.
    ///
    /// ```
    /// use steepest::{Device, data::{Prepare, Table}, nn::{FeatureEmbedding, Module}};
    /// let table = Table::parse("t.csv", b"city,size,y\nRome,1,2\nOslo,2,3\nLima,3,5\nRome,4,6\n")?;
    /// let fitted = Prepare::new().target("y").index_above(2).fit(&table)?;
    /// assert_eq!((fitted.feature_names(), fitted.indices()), (vec!["size".to_owned(), "city".to_owned()], vec![("city", 4)]));
    /// let rows = fitted.features(&table)?.to_f32();
    /// assert_eq!([rows[1], rows[3], rows[5], rows[7]], [3.0, 2.0, 1.0, 3.0]);
    ///
    /// let device = Device::cpu();
    /// let model = FeatureEmbedding::new(&device, 1, &[4], 1, 0);
    /// assert_eq!(model.forward(&device.tensor(&rows, [4, 2])).shape().dims(), [4, 1]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    pub fn index_above(mut self, categories: usize) -> Prepare {
        self.index_above = categories;
        self
    }

    /// Whether dates are features: the days since the first, the year, the month, the day of the week and the hour, as far as they differ in
    /// training. A missing date is 0 in all of them, and a feature says so. Otherwise they are left out.
    ///
    /// ```
    /// use steepest::data::{Prepare, Table};
    /// let table = Table::parse("t.csv", b"day,sold\n2024-05-31,7\n2024-06-01,9\n")?;
    /// let fitted = Prepare::new().target("sold").dates(true).fit(&table)?;
    /// assert_eq!(fitted.feature_names(), ["day (days)", "day (month 5)", "day (month 6)", "day (Friday)", "day (Saturday)"]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    pub fn dates(mut self, features: bool) -> Prepare {
        self.dates = features;
        self
    }

    /// What becomes of categories that only new rows have.
    pub fn unknown(mut self, unknown: Unknown) -> Prepare {
        self.unknown = unknown;
        self
    }

    /// What becomes of columns with one value only.
    pub fn constant(mut self, unusable: Unusable) -> Prepare {
        self.constant = unusable;
        self
    }

    /// What becomes of columns without any value. (A column that only the training rows have nothing of is left out.)
    pub fn empty(mut self, unusable: Unusable) -> Prepare {
        self.empty = unusable;
        self
    }

    /// Whether columns that are not related to the target are left out: of tables with more features than rows. [`Preprocessor::selected`]
    /// says which were kept.
    pub fn select(mut self, select: Select) -> Prepare {
        self.select = select;
        self
    }

    /// As [`Prepare::without`] of one column, with the reason that [`Preprocessor::left_out`] gives for it.
    pub fn leave_out(mut self, column: impl Into<String>, reason: impl Into<String>) -> Prepare {
        let column = column.into();
        self.reasons.push((column.clone(), reason.into()));
        self.without([column])
    }

    /// The columns to predict.
    pub fn target_columns(&self) -> &[String] {
        &self.target
    }

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
        let (mut fitted, mut left_out): (Vec<Fitted>, Vec<LeftOut>) = (Vec::new(), Vec::new());
        for column in asked.into_iter().filter(|column| !self.target.iter().any(|name| name == column.name())) {
            if fitted.iter().any(|f| f.name == column.name()) {
                return Err(config("prepare", format!("the column `{}` is named twice", column.name())));
            }
            match self.column(train, column)? {
                Ok(column) => fitted.push(column),
                Err(reason) => left_out.push(LeftOut { column: column.name().to_owned(), reason }),
            }
        }
        if let Some(names) = &self.only {
            let others = train.names().into_iter().filter(|name| !self.target.iter().chain(names).any(|n| n == name));
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
    fn column(&self, train: &Table, column: &Column) -> Result<Result<Fitted, String>> {
        let name = column.name();
        if self.without.iter().any(|n| n == name) {
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
        let kind = match column.kind() {
            Kind::Number | Kind::YesNo if as_category => Kind::Category,
            Kind::Date if self.dates && !as_category => Kind::Date,
            Kind::Date if !listed && !as_category => return Ok(Err("dates are left as text".to_owned())),
            Kind::Text if !listed && !as_category => return Ok(Err(column.note().unwrap_or("free text").to_owned())),
            Kind::Date | Kind::Text => Kind::Category,
            kind => kind,
        };
        let own = self.imputes.iter().rev().find(|(n, _)| n == name).map(|(_, impute)| impute);
        let impute = own.unwrap_or(if matches!(kind, Kind::Number | Kind::Date) { &self.numbers } else { &self.categories });
        let is_own = matches!(impute, Impute::Own | Impute::OwnAlways);
        // With a value missing, whether it is missing differs from row to row.
        let differs = missing > 0 && (self.was_missing || (is_own && kind != Kind::Number));
        if column.is_constant() && !differs && *impute != Impute::OwnAlways {
            if self.constant == Unusable::Refuse {
                let row = (0..train.len()).find(|&row| column.text(row).is_some()).unwrap_or(0);
                let found = format!("`{}` in every row", super::csv::shortened(column.text(row).unwrap_or("")));
                let advice = format!("leave the column out (`without([\"{name}\"])`): nothing can be learned from it");
                return Err(train.error(None, Some(name), found, "values that differ", advice));
            }
            return Ok(Err("one value only in the training rows".to_owned()));
        }
        if *impute == Impute::Refuse
            && let Some(row) = (0..train.len()).find(|&row| column.text(row).is_none())
        {
            return Err(train.missing(column, row));
        }
        let unfit = || config("prepare", format!("column `{name}` is of kind {kind}: {impute:?} does not fit"));
        let (encoding, says_itself) = match kind {
            Kind::Number => (self.number(train, column, impute).map_err(|e| e.unwrap_or_else(unfit))?, false),
            Kind::Date => {
                let days: Vec<f64> = column.numbers.iter().copied().filter(|x| !x.is_nan()).collect();
                let order = column.order.unwrap_or(DateOrder::YearMonthDay);
                (Encoding::Date(DateParts::fit(order, &days, self.clip, *impute == Impute::Refuse)), false)
            }
            Kind::YesNo => {
                let present: Vec<f64> = column.numbers.iter().copied().filter(|x| !x.is_nan()).collect();
                let fill = match impute {
                    Impute::MostFrequent | Impute::Own | Impute::OwnAlways => Some(stats::most_frequent(&present)),
                    Impute::Text(text) => Some(super::infer::yes_no(text).map(|yes| f64::from(u8::from(yes))).ok_or_else(unfit)?),
                    Impute::Refuse => None,
                    _ => return Err(unfit()),
                };
                let says = *impute == Impute::OwnAlways || (is_own && missing > 0);
                let fitted = Fitted { name: name.to_owned(), encoding: Encoding::YesNo { fill }, was_missing: says };
                let was_missing = says || (self.was_missing && missing > 0);
                return Ok(Ok(Fitted { was_missing, ..fitted }));
            }
            _ => {
                let absent = match impute {
                    Impute::Own if missing == 0 => Absent::None,
                    Impute::Own | Impute::OwnAlways => Absent::Own,
                    Impute::Text(text) => Absent::Is(text.clone()),
                    Impute::MostFrequent => Absent::Is(most_frequent(column)),
                    Impute::Refuse => Absent::Refuse,
                    _ => return Err(unfit()),
                };
                (self.category(column, absent), is_own)
            }
        };
        let was_missing = self.was_missing && missing > 0 && !says_itself;
        let encoding = match encoding {
            Encoding::Category { categories, rare, missing } if categories.len() > self.index_above && !was_missing => {
                Encoding::Index { categories, rare, missing }
            }
            other => other,
        };
        Ok(Ok(Fitted { name: name.to_owned(), encoding, was_missing }))
    }

    /// `Err(None)`: the way of filling in does not fit numbers.
    fn number(&self, train: &Table, column: &Column, impute: &Impute) -> Result<Encoding, Option<crate::Error>> {
        let present: Vec<f64> = column.numbers.iter().copied().filter(|x| !x.is_nan()).collect();
        let fill = match impute {
            Impute::Mean => Some(stats::mean(&present)),
            Impute::Median => Some(stats::median(&present)),
            Impute::MostFrequent => Some(stats::most_frequent(&present)),
            Impute::Number(x) if x.is_finite() => Some(*x),
            Impute::Refuse => None,
            _ => return Err(None),
        };
        let mut whole: Vec<f64> = column.numbers.iter().filter_map(|&x| if x.is_nan() { fill } else { Some(x) }).collect();
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
            return Err(Some(train.error(None, Some(column.name()), found, "numbers whose differences are finite", advice)));
        }
        Ok(Encoding::Number { fill, shift, scale, clip: self.clip })
    }

    fn category(&self, column: &Column, missing: Absent) -> Encoding {
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
        Encoding::Category { categories, rare: (!rare.is_empty()).then_some(rare), missing }
    }
}

fn most_frequent(column: &Column) -> String {
    let order = class_order(column);
    let counts: std::collections::HashMap<String, usize> = column.counts().into_iter().collect();
    // The first of those with the most: `max_by_key` would give the last.
    let most = counts.values().copied().max().unwrap_or(0);
    order.into_iter().find(|category| counts[category] == most).unwrap_or_default()
}
