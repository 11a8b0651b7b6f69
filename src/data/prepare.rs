//! `Prepare`: settings for how a table becomes features and target; `fitting.rs` fits them to training rows.

use super::preprocessor::Unknown;
use super::select::Select;
use super::target::Task;

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

/// What becomes of a column from which nothing can be learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// It is no feature, and [`Preprocessor::left_out`](super::Preprocessor::left_out) says so.
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
    pub(super) target: Vec<String>,
    pub(super) task: Task,
    pub(super) separator: Option<char>,
    pub(super) known: Option<Vec<String>>,
    pub(super) only: Option<Vec<String>>,
    pub(super) without: Vec<String>,
    pub(super) reasons: Vec<(String, String)>,
    pub(super) as_category: Vec<String>,
    pub(super) numbers: Impute,
    pub(super) categories: Impute,
    pub(super) imputes: Vec<(String, Impute)>,
    pub(super) was_missing: bool,
    pub(super) scale: Scale,
    pub(super) clip: Option<f64>,
    pub(super) scales: Vec<(String, Scale)>,
    pub(super) scale_target: bool,
    pub(super) log_target: bool,
    pub(super) rare: usize,
    pub(super) most_categories: usize,
    pub(super) index_above: usize,
    pub(super) dates: bool,
    pub(super) unknown: Unknown,
    pub(super) constant: Unusable,
    pub(super) empty: Unusable,
    pub(super) select: Select,
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
    /// nothing to do with the others ([`Column::far_outside`](super::Column::far_outside)) do not count for mean and deviation: one of them would stretch the scale
    /// until all others are the same.
    pub fn clip(mut self, most: f64) -> Prepare {
        self.clip = Some(most);
        self
    }

    /// Whether the target of a regression is brought to mean 0 and standard deviation 1; [`Target::inverse`](super::Target::inverse) undoes it.
    pub fn scale_target(mut self, scale: bool) -> Prepare {
        self.scale_target = scale;
        self
    }

    /// Whether the logarithm of a regression's target is learned, for positive targets whose errors grow with them (prices, counts, times);
    /// [`Target::inverse`](super::Target::inverse) gives the numbers of the table again.
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
    /// row; [`Preprocessor::indices`](super::Preprocessor::indices) names them. An index is no quantity: it is for a model that looks a row up by it, such as one that begins with
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

    /// Whether columns that are not related to the target are left out: of tables with more features than rows. [`Preprocessor::selected`](super::Preprocessor::selected)
    /// says which were kept.
    pub fn select(mut self, select: Select) -> Prepare {
        self.select = select;
        self
    }

    /// As [`Prepare::without`] of one column, with the reason that [`Preprocessor::left_out`](super::Preprocessor::left_out) gives for it.
    pub fn leave_out(mut self, column: impl Into<String>, reason: impl Into<String>) -> Prepare {
        let column = column.into();
        self.reasons.push((column.clone(), reason.into()));
        self.without([column])
    }

    /// The columns to predict.
    pub fn target_columns(&self) -> &[String] {
        &self.target
    }
}
