//! Blueprints: what a layer is made of, as plain data, so that a file can hold a model that its reader never saw.

use super::{Module, parts};
use crate::error::{Error, Result};
use crate::numbers::f32_of;
use std::collections::BTreeMap;

/// One setting of a layer.
#[derive(Clone, Debug, PartialEq)]
pub enum Setting {
    /// A number of something.
    Whole(u64),
    /// A rate, a slope, an ε.
    Number(f64),
    /// Yes or no.
    Flag(bool),
    /// A name.
    Text(String),
    /// Several numbers of something: a kernel's height and width.
    Sizes(Vec<u64>),
}

impl From<usize> for Setting {
    fn from(n: usize) -> Setting {
        Setting::Whole(n as u64)
    }
}

impl From<u64> for Setting {
    fn from(n: u64) -> Setting {
        Setting::Whole(n)
    }
}

impl From<f64> for Setting {
    fn from(x: f64) -> Setting {
        Setting::Number(x)
    }
}

impl From<bool> for Setting {
    fn from(on: bool) -> Setting {
        Setting::Flag(on)
    }
}

impl From<&str> for Setting {
    fn from(text: &str) -> Setting {
        Setting::Text(text.to_owned())
    }
}

impl From<&[usize]> for Setting {
    fn from(sizes: &[usize]) -> Setting {
        Setting::Sizes(sizes.iter().map(|&n| n as u64).collect())
    }
}

/// A layer as plain data: its kind, its settings, and the blueprints of its parts in order. [`Registry::build`](super::Registry::build)
/// makes the layer again; its parameters then come from a [`StateDict`](super::StateDict).
///
/// ```
/// use steepest::{Device, nn::{self, Module, Registry}};
/// let device = Device::cpu();
/// let blueprint = nn::mlp(&device, &[4, 8, 3], 0).blueprint().expect("a model of this crate's layers");
/// assert_eq!((blueprint.kind(), blueprint.parts().len()), ("Sequential", 3));
/// let same = Registry::new().build(&device, &blueprint)?;
/// assert_eq!(same.parameter_count(), 4 * 8 + 8 + 8 * 3 + 3);
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Blueprint {
    kind: String,
    settings: BTreeMap<String, Setting>,
    parts: Vec<(String, Blueprint)>,
    shared: Vec<Vec<String>>,
}

impl Blueprint {
    /// A blueprint of a kind, without settings or parts.
    pub fn new(kind: impl Into<String>) -> Blueprint {
        Blueprint { kind: kind.into(), settings: BTreeMap::new(), parts: vec![], shared: vec![] }
    }

    /// That of a whole model, with which of its parameters several layers share (tied weights), so that what is built of it shares them too; `None` if
    /// the model has none ([`Module::blueprint`]).
    ///
    /// ```
    /// use steepest::{Device, nn::{Blueprint, Linear, Module, Registry}, sequential};
    /// let device = Device::cpu();
    /// let first = Linear::new(&device, 4, 4, 1);
    /// let tied = Linear::from_parameters(first.weight().clone(), None)?;
    /// let blueprint = Blueprint::of(&sequential![first, tied]).expect("a model of this crate's layers");
    /// assert_eq!(blueprint.shared(), [["0.weight", "1.weight"]]);
    /// assert_eq!(Registry::new().build(&device, &blueprint)?.parameter_count(), 20);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    pub fn of(model: &dyn Module) -> Option<Blueprint> {
        Some(Blueprint { shared: parts::shared_names(model), ..model.blueprint()? })
    }

    /// The same with parameters that are one, by their names in the layer and its parts.
    pub fn share(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Blueprint {
        self.shared.push(names.into_iter().map(Into::into).collect());
        self
    }

    /// The names of parameters that are one, a list for each; see [`Blueprint::of`].
    pub fn shared(&self) -> &[Vec<String>] {
        &self.shared
    }

    /// The same with a setting.
    pub fn set(mut self, name: impl Into<String>, value: impl Into<Setting>) -> Blueprint {
        self.settings.insert(name.into(), value.into());
        self
    }

    /// The same with one more part; `None` if the part has no blueprint.
    pub fn part(self, name: impl Into<String>, module: &dyn Module) -> Option<Blueprint> {
        Some(self.with_part(name, module.blueprint()?))
    }

    /// The same with one more part, given as a blueprint.
    pub fn with_part(mut self, name: impl Into<String>, part: Blueprint) -> Blueprint {
        self.parts.push((name.into(), part));
        self
    }

    /// The name under which a registry knows how to build it.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// All settings, by name.
    pub fn settings(&self) -> &BTreeMap<String, Setting> {
        &self.settings
    }

    /// The parts, in order, with their names.
    pub fn parts(&self) -> &[(String, Blueprint)] {
        &self.parts
    }

    /// Parts inside parts inside parts: 1 for a layer without any.
    pub fn depth(&self) -> usize {
        1 + self.parts.iter().map(|(_, part)| part.depth()).max().unwrap_or(0)
    }

    fn wrong(&self, name: &str, expected: &str) -> Error {
        let found = self.settings.get(name).map_or("nothing".to_owned(), |found| format!("{found:?}"));
        self.refuse(format!("`{name}` is {found}, expected {expected}"))
    }

    /// An error about this blueprint.
    pub fn refuse(&self, message: impl Into<String>) -> Error {
        Error::Blueprint { kind: self.kind.clone(), message: message.into() }
    }

    /// A setting that is a number of something.
    ///
    /// # Errors
    /// [`Error::Blueprint`]: there is none of that name, or it is something else, or beyond what this machine counts to.
    pub fn size(&self, name: &str) -> Result<usize> {
        match self.settings.get(name) {
            Some(&Setting::Whole(n)) => usize::try_from(n).map_err(|_| self.wrong(name, "a size")),
            _ => Err(self.wrong(name, "a size")),
        }
    }

    /// A setting that is a whole number of 64 bits, such as a seed.
    ///
    /// # Errors
    /// [`Error::Blueprint`]: there is none of that name, or it is something else.
    pub fn whole(&self, name: &str) -> Result<u64> {
        match self.settings.get(name) {
            Some(&Setting::Whole(n)) => Ok(n),
            _ => Err(self.wrong(name, "a whole number")),
        }
    }

    /// A setting that is several numbers of something, at most 8.
    ///
    /// # Errors
    /// As [`Blueprint::size`].
    pub fn sizes(&self, name: &str) -> Result<Vec<usize>> {
        match self.settings.get(name) {
            Some(Setting::Sizes(sizes)) if sizes.len() <= 8 => self.list(name),
            _ => Err(self.wrong(name, "up to 8 sizes")),
        }
    }

    /// A setting that is several numbers of something, however many.
    ///
    /// # Errors
    /// As [`Blueprint::size`].
    pub fn list(&self, name: &str) -> Result<Vec<usize>> {
        match self.settings.get(name) {
            Some(Setting::Sizes(sizes)) => {
                sizes.iter().map(|&n| usize::try_from(n).map_err(|_| self.wrong(name, "sizes"))).collect()
            }
            _ => Err(self.wrong(name, "sizes")),
        }
    }

    /// A setting that is a height and a width.
    ///
    /// # Errors
    /// As [`Blueprint::size`].
    pub fn pair(&self, name: &str) -> Result<[usize; 2]> {
        <[usize; 2]>::try_from(self.sizes(name)?).map_err(|_| self.wrong(name, "two sizes"))
    }

    /// A setting that is a number.
    ///
    /// # Errors
    /// As [`Blueprint::size`]; it is a finite number, and one that f32 cannot hold: devices compute in f32.
    pub fn number(&self, name: &str) -> Result<f64> {
        match self.settings.get(name) {
            Some(&Setting::Number(x)) => f32_of(x).map(|_| x).map_err(|why| self.refuse(format!("`{name}` is {x:e}, {why}"))),
            Some(&Setting::Whole(n)) => Ok(n as f64),
            _ => Err(self.wrong(name, "a number")),
        }
    }

    /// A setting that is yes or no.
    ///
    /// # Errors
    /// As [`Blueprint::size`].
    pub fn flag(&self, name: &str) -> Result<bool> {
        match self.settings.get(name) {
            Some(&Setting::Flag(on)) => Ok(on),
            _ => Err(self.wrong(name, "true or false")),
        }
    }

    /// A setting that is a name.
    ///
    /// # Errors
    /// As [`Blueprint::size`].
    pub fn text(&self, name: &str) -> Result<&str> {
        match self.settings.get(name) {
            Some(Setting::Text(text)) => Ok(text),
            _ => Err(self.wrong(name, "a text")),
        }
    }
}
