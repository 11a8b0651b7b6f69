//! What a check found: how much was compared, the worst error of each class, and what is wrong.

use crate::ops::tolerance::Worst;
use std::collections::BTreeMap;
use std::fmt;

/// What a check found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What was checked, such as a device's name.
    pub subject: String,
    /// Cases compared.
    pub cases: usize,
    /// Elements compared.
    pub elements: usize,
    /// The largest error per accuracy class, in units of its bound, and where.
    pub worst: BTreeMap<&'static str, (f64, String)>,
    /// One line per wrong case.
    pub failures: Vec<String>,
}

impl Report {
    /// An empty report.
    pub fn new(subject: impl Into<String>) -> Report {
        Report { subject: subject.into(), ..Report::default() }
    }

    /// Enters a case, by the worst of its elements.
    pub(super) fn note(&mut self, class: &'static str, place: &str, elements: usize, worst: Option<Worst>) {
        self.cases += 1;
        self.elements += elements;
        let Some(worst) = worst else { return };
        if worst.ratio > 1.0 {
            self.failures.push(format!(
                "{place}: element {} is {:e}, reference {:e}, off by {:.3} bounds of {:e}",
                worst.index, worst.found, worst.expected, worst.ratio, worst.bound
            ));
        }
        let entry = self.worst.entry(class).or_insert((-1.0, String::new()));
        if worst.ratio > entry.0 {
            *entry = (worst.ratio, place.to_owned());
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} cases, {} elements, {} wrong", self.subject, self.cases, self.elements, self.failures.len())?;
        for (class, (ratio, place)) in &self.worst {
            writeln!(f, "  {class:<15} worst error {ratio:.3} of its bound  ({place})")?;
        }
        for failure in self.failures.iter().take(40) {
            writeln!(f, "  WRONG {failure}")?;
        }
        if self.failures.len() > 40 {
            writeln!(f, "  … and {} more", self.failures.len() - 40)?;
        }
        Ok(())
    }
}
