//! Dates: how those of a column are written, the day each one is, and the features that are made of it.

/// In which order day, month and year stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DateOrder {
    /// `2024-05-31`, `2024/5/31`.
    YearMonthDay,
    /// `31.5.2024`, `31/5/2024`, `31 May 2024`.
    DayMonthYear,
    /// `5/31/2024`, `May 31, 2024`.
    MonthDayYear,
}

const MONTHS: [&str; 12] =
    ["january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"];

/// The days from 1970-01-01 to a day of the Gregorian calendar; `None` if there is no such day.
fn day_number(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let most = match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=most).contains(&day) || !(1..=9999).contains(&year) {
        return None;
    }
    // Years that begin in March end with the leap day.
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * month + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

/// Year, month, day of the month, day of the week.
type Day = (i64, usize, i64, usize);

/// Year, month (1 to 12), day of the month, and day of the week (0 is Monday) of a day counted from 1970-01-01.
pub(super) fn calendar(days: i64) -> Day {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year_of_era + later, month as usize, day, (days + 3).rem_euclid(7) as usize)
}

/// A day as `2024-05-31`.
pub(super) fn iso(days: f64) -> String {
    let (year, month, day, _) = calendar(days.floor() as i64);
    format!("{year:04}-{month:02}-{day:02}")
}

fn digits(text: &str, most: usize) -> Option<i64> {
    (!text.is_empty() && text.len() <= most && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

/// The year of two digits or four: 69 to 99 belong to the twentieth century, as in C.
fn year(text: &str) -> Option<i64> {
    let year = digits(text, 4)?;
    match text.len() {
        2 if year >= 69 => Some(1900 + year),
        2 => Some(2000 + year),
        4 => Some(year),
        _ => None,
    }
}

/// The number of a month by its name or the name's first three letters or more, in any case.
fn month_named(text: &str) -> Option<i64> {
    let text = text.trim_end_matches('.').to_lowercase();
    let found = MONTHS
        .iter()
        .position(|month| text.len() >= 3 && (month.starts_with(&text) || (*month == "september" && text == "sept")));
    found.map(|at| at as i64 + 1)
}

/// The share of a day of `12:30`, `12:30:15.5`, `3:45 PM`, with `Z` or `+02:00` after it, which is not applied: the clock on the wall counts.
fn time(text: &str) -> Option<f64> {
    let text = text.trim();
    let lower = text.to_ascii_lowercase();
    let (clock, afternoon) = match (lower.strip_suffix("am"), lower.strip_suffix("pm")) {
        (Some(rest), _) => (rest.trim(), Some(false)),
        (_, Some(rest)) => (rest.trim(), Some(true)),
        _ => (lower.as_str(), None),
    };
    let clock = clock.strip_suffix(" utc").or(clock.strip_suffix('z')).unwrap_or(clock).trim_end();
    let zone = clock.rfind(['+', '-']).filter(|&at| at >= 4);
    if let Some(at) = zone
        && !clock[at + 1..].bytes().all(|b| b.is_ascii_digit() || b == b':')
    {
        return None;
    }
    let clock = zone.map_or(clock, |at| clock[..at].trim_end());
    let mut parts = clock.split(':');
    let (hour, minute) = (digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    let second = match parts.next() {
        Some(text) if text.bytes().all(|b| b.is_ascii_digit() || b == b'.') => text.parse::<f64>().ok()?,
        Some(_) => return None,
        None => 0.0,
    };
    let hour = match afternoon {
        Some(_) if !(1..=12).contains(&hour) => return None,
        Some(afternoon) => hour % 12 + if afternoon { 12 } else { 0 },
        None => hour,
    };
    let fits = parts.next().is_none() && hour < 24 && minute < 60 && second < 61.0;
    fits.then(|| (hour as f64 + (minute as f64 + second / 60.0) / 60.0) / 24.0)
}

impl DateOrder {
    /// All orders.
    pub(super) const ALL: [DateOrder; 3] = [DateOrder::YearMonthDay, DateOrder::DayMonthYear, DateOrder::MonthDayYear];

    /// The days from 1970-01-01 to the date of a text, with the time as a fraction; `None` if it is no date in this order. With the name
    /// of a month the order does not matter.
    pub(super) fn parse(self, text: &str) -> Option<f64> {
        if text.len() < 6 || text.len() > 40 || !text.is_ascii() || !text.bytes().any(|b| b.is_ascii_digit()) {
            return None;
        }
        let (day, clock) = split(text)?;
        let clock = if clock.is_empty() { 0.0 } else { time(clock)? };
        let parts: Vec<&str> = day.split(['-', '/', '.', ' ', ',']).filter(|part| !part.is_empty()).collect();
        let days = match parts[..] {
            // The name of a day in front says nothing new.
            [name, a, b, c] if name.len() >= 3 && name.bytes().all(|x| x.is_ascii_alphabetic()) => named(a, b, c)?,
            [a, b, c] => match named(a, b, c) {
                Some(days) => days,
                None => self.numbered(day, a, b, c)?,
            },
            [a, b] if a.len() == 4 && b.len() == 2 && self == DateOrder::YearMonthDay && day == format!("{a}-{b}") => {
                day_number(year(a)?, digits(b, 2)?, 1)?
            }
            _ => return None,
        };
        Some(days as f64 + clock)
    }

    /// What is expected where a text is no such date.
    pub(super) fn expected(self) -> &'static str {
        match self {
            DateOrder::YearMonthDay => "a date as in training, such as 2024-05-31",
            DateOrder::DayMonthYear => "a date as in training, the day first",
            DateOrder::MonthDayYear => "a date as in training, the month first",
        }
    }

    fn numbered(self, text: &str, a: &str, b: &str, c: &str) -> Option<i64> {
        let separator = ['-', '/', '.'].into_iter().find(|&s| text == format!("{a}{s}{b}{s}{c}"))?;
        let (y, m, d) = match self {
            DateOrder::YearMonthDay if a.len() == 4 => (a, b, c),
            DateOrder::DayMonthYear => (c, b, a),
            // Nobody writes months first with points between.
            DateOrder::MonthDayYear if separator != '.' => (c, a, b),
            _ => return None,
        };
        day_number(year(y)?, digits(m, 2)?, digits(d, 2)?)
    }
}

/// The day and the time of a text.
fn split(text: &str) -> Option<(&str, &str)> {
    let Some(colon) = text.find(':') else { return Some((text, "")) };
    // The hour stands between the day and the first colon.
    let front = text[..colon].trim_end_matches(|c: char| c.is_ascii_digit());
    let day = front.strip_suffix('T').or(front.strip_suffix(' ')).or(front.strip_suffix('t'))?;
    Some((day.trim_end_matches([' ', ',']), &text[front.len()..]))
}

/// `31 May 2024`, `May 31 2024`, `2024 May 31`.
fn named(a: &str, b: &str, c: &str) -> Option<i64> {
    let ordinal = |text: &str| {
        let text = ["st", "nd", "rd", "th"].iter().find_map(|end| text.strip_suffix(end)).unwrap_or(text).to_owned();
        digits(&text, 2)
    };
    if let Some(month) = month_named(a) {
        return day_number(year(c)?, month, ordinal(b)?);
    }
    let month = month_named(b)?;
    // `31st` has four characters, too.
    if digits(a, 4).is_some() && a.len() == 4 {
        day_number(year(a)?, month, ordinal(c)?)
    } else {
        day_number(year(c)?, month, ordinal(a)?)
    }
}

/// What is found of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) order: DateOrder,
    /// How many fields fit.
    pub(super) fit: usize,
    /// Whether day and month could change places in all of them, and that would make a difference.
    pub(super) open: bool,
}

/// The order that most of the texts have; `None` if none is a date.
pub(super) fn find<'t, I: Iterator<Item = &'t str>>(texts: impl Fn() -> I, said: Option<DateOrder>) -> Option<Found> {
    if !texts().take(1000).any(|text| DateOrder::ALL.iter().any(|order| order.parse(text).is_some())) {
        return None;
    }
    let count = |order: DateOrder| texts().filter(|text| order.parse(text).is_some()).count();
    if let Some(order) = said {
        let fit = count(order);
        if fit > 0 {
            return Some(Found { order, fit, open: false });
        }
    }
    let counts = DateOrder::ALL.map(count);
    let [years, days, months] = counts;
    if years > 0 && years >= days && years >= months {
        return Some(Found { order: DateOrder::YearMonthDay, fit: years, open: false });
    }
    let order = if days >= months { DateOrder::DayMonthYear } else { DateOrder::MonthDayYear };
    let differs = || texts().any(|text| DateOrder::DayMonthYear.parse(text) != DateOrder::MonthDayYear.parse(text));
    Some(Found { order, fit: days.max(months), open: days == months && differs() })
}

/// The features of a date, as found in the training rows: days since the first, scaled; the year; the month and the day of the week, of which one is
/// 1; the hour, as a point on the clock. What never changed in training is left out.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct DateParts {
    pub(super) order: DateOrder,
    /// Mean and standard deviation of the days.
    pub(super) days: (f64, f64),
    /// Mean and standard deviation of the years, if there is more than one.
    pub(super) years: Option<(f64, f64)>,
    /// The months that occur, from 1, if there is more than one.
    pub(super) months: Vec<usize>,
    /// The days of the week that occur, from 0 for Monday, if there is more than one.
    pub(super) weekdays: Vec<usize>,
    pub(super) hours: bool,
    /// The most that days and years may be, after scaling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) clip: Option<f64>,
    /// Whether a missing date is refused; else all its features are 0.
    pub(super) refused: bool,
}

const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

impl DateParts {
    /// What these days need; they are finite.
    pub(super) fn fit(order: DateOrder, days: &[f64], clip: Option<f64>, refused: bool) -> DateParts {
        let scaled = |values: &[f64]| {
            let (mean, std) = super::stats::mean_std(values);
            let (least, most) = super::stats::min_max(values);
            (mean, if least >= most || std == 0.0 { 1.0 } else { std })
        };
        let calendars: Vec<_> = days.iter().map(|&day| calendar(day.floor() as i64)).collect();
        let years: Vec<f64> = calendars.iter().map(|c| c.0 as f64).collect();
        let occur = |of: fn(&Day) -> usize| {
            let found: std::collections::BTreeSet<usize> = calendars.iter().map(of).collect();
            if found.len() > 1 { found.into_iter().collect() } else { vec![] }
        };
        DateParts {
            order,
            days: scaled(days),
            years: years.iter().any(|y| *y != years[0]).then(|| scaled(&years)),
            months: occur(|c| c.1),
            weekdays: occur(|c| c.3),
            hours: days.iter().any(|day| (day - day.floor()) != (days[0] - days[0].floor())),
            clip,
            refused,
        }
    }

    pub(super) fn width(&self) -> usize {
        1 + usize::from(self.years.is_some()) + self.months.len() + self.weekdays.len() + 2 * usize::from(self.hours)
    }

    pub(super) fn names(&self, name: &str, names: &mut Vec<String>) {
        names.push(format!("{name} (days)"));
        names.extend(self.years.map(|_| format!("{name} (year)")));
        names.extend(self.months.iter().map(|month| format!("{name} (month {month})")));
        names.extend(self.weekdays.iter().map(|&day| format!("{name} ({})", WEEKDAYS[day.min(6)])));
        if self.hours {
            names.extend([format!("{name} (hour, sine)"), format!("{name} (hour, cosine)")]);
        }
    }

    /// Writes the features of one date.
    pub(super) fn apply(&self, days: f64, features: &mut [f64]) {
        let scaled = |x: f64, (mean, scale): (f64, f64)| {
            let x = (x - mean) / scale;
            self.clip.map_or(x, |most| x.clamp(-most, most))
        };
        let (year, month, _, weekday) = calendar(days.floor() as i64);
        features[0] = scaled(days, self.days);
        let mut at = 1;
        if let Some(years) = self.years {
            features[at] = scaled(year as f64, years);
            at += 1;
        }
        for (value, list) in [(month, &self.months), (weekday, &self.weekdays)] {
            for own in list {
                features[at] = f64::from(u8::from(*own == value));
                at += 1;
            }
        }
        if self.hours {
            let turn = (days - days.floor()) * std::f64::consts::TAU;
            (features[at], features[at + 1]) = (turn.sin(), turn.cos());
        }
    }

    /// Whether it can be applied at all.
    pub(super) fn check(&self) -> bool {
        let good = |(mean, scale): (f64, f64)| mean.is_finite() && scale.is_finite() && scale > 0.0;
        let clips = self.clip.is_none_or(|most| most.is_finite() && most > 0.0);
        good(self.days)
            && self.years.is_none_or(good)
            && clips
            && self.months.iter().all(|m| (1..=12).contains(m))
            && self.weekdays.iter().all(|&d| d < 7)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use DateOrder::{DayMonthYear as D, MonthDayYear as M, YearMonthDay as Y};

    #[test]
    fn days_are_those_of_the_calendar() {
        assert_eq!(day_number(1970, 1, 1), Some(0));
        assert_eq!(day_number(2000, 2, 29), Some(11_016));
        assert_eq!((day_number(1900, 2, 29), day_number(2023, 4, 31), day_number(2023, 13, 1)), (None, None, None));
        // Every day follows the one before, forwards and back.
        let (mut year, mut month, mut day) = (1899, 12, 31);
        for number in day_number(1900, 1, 1).unwrap()..day_number(2101, 1, 1).unwrap() {
            (year, month, day) = [(year, month, day + 1), (year, month + 1, 1), (year + 1, 1, 1)]
                .into_iter()
                .find(|&(y, m, d)| day_number(y, m, d).is_some())
                .unwrap();
            assert_eq!(day_number(year, month, day), Some(number));
            let found = calendar(number);
            assert_eq!((found.0, found.1 as i64, found.2), (year, month, day));
        }
        // 2024-05-31 was a Friday.
        assert_eq!(calendar(day_number(2024, 5, 31).unwrap()).3, 4);
    }

    #[test]
    fn ways_to_write_a_date() {
        let day = day_number(2024, 5, 31).map(|d| d as f64);
        for (order, text, added) in [
            (Y, "2024-05-31", 0.0),
            (Y, "2024/5/31", 0.0),
            (Y, "2024-05-31T12:00:00Z", 0.5),
            (Y, "2024-05-31 06:00", 0.25),
            (Y, "2024-05-31T18:00:00.000+02:00", 0.75),
            (D, "31.5.2024", 0.0),
            (D, "31/05/24", 0.0),
            (M, "5/31/2024 6:00 PM", 0.75),
            (M, "05-31-2024", 0.0),
            (M, "31 May 2024", 0.0),
            (D, "May 31, 2024", 0.0),
            (Y, "31-MAY-24", 0.0),
            (Y, "2024-May-31", 0.0),
            (D, "Fri, 31 May 2024 12:00", 0.5),
            (D, "31st May 2024", 0.0),
        ] {
            assert_eq!(order.parse(text), day.map(|d| d + added), "{text}");
        }
        assert_eq!(Y.parse("2024-05").map(iso), Some("2024-05-01".to_owned()));
        for text in [
            "1.2.3.4",
            "2024-13-01",
            "2024-02-30",
            "1-2",
            "31/31/2024",
            "2024-5-31x",
            "2024-05-31 25:00",
            "5 kg",
            "12:30",
            "20240531",
        ] {
            assert!(DateOrder::ALL.iter().all(|order| order.parse(text).is_none()), "{text}");
        }
        let found = |texts: &[&str]| find(|| texts.iter().copied(), None).map(|f| (f.order, f.fit, f.open));
        assert_eq!(found(&["1/2/2024", "3/4/2024"]), Some((D, 2, true)));
        assert_eq!(found(&["1/2/2024", "13/4/2024"]), Some((D, 2, false)));
        assert_eq!(found(&["1/2/2024", "3/14/2024"]), Some((M, 2, false)));
        assert_eq!(found(&["1.2.2024", "3.4.2024"]), Some((D, 2, false)));
        assert_eq!(found(&["2/2/2024", "3/3/2024"]), Some((D, 2, false)));
        assert_eq!(found(&["2024-01-02", "x"]), Some((Y, 1, false)));
        assert_eq!(found(&["x", "1"]), None);
    }
}
