//! Reading a case of an outside index. Which of its fields were read is recorded; one that nobody has read makes the case *not computed*,
//! by name. So a case is never computed half: a setting that is not known cannot pass.
#![allow(dead_code)]

use serde_json::Value;
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;

/// What of a case is not here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lack {
    /// The op, the optimizer, the schedule.
    Op,
    /// A field of the case, by its path: `params.mode`.
    Field(Cow<'static, str>),
    /// What a field holds.
    Value(Cow<'static, str>, Cow<'static, str>),
    /// The input at this place, from 0.
    Input(usize),
}

impl Lack {
    /// A field, for a list of what is missing.
    pub const fn field(path: &'static str) -> Lack {
        Lack::Field(Cow::Borrowed(path))
    }

    /// What a field holds, for a list of what is missing.
    pub const fn value(path: &'static str, held: &'static str) -> Lack {
        Lack::Value(Cow::Borrowed(path), Cow::Borrowed(held))
    }

    /// Whether a case has it. Of an op only the name tells.
    pub fn occurs_in(&self, case: &Value) -> bool {
        let at = |path: &str| path.split('.').try_fold(case, |v, name| v.get(name)).filter(|v| !v.is_null());
        match self {
            Lack::Op => true,
            Lack::Field(path) => at(path).is_some(),
            Lack::Value(path, held) => at(path).is_some_and(|v| written(v) == *held),
            Lack::Input(place) => case["inputs"].as_array().is_some_and(|list| list.len() > *place),
        }
    }
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = |path: &str| match path.strip_prefix("params.") {
            Some(name) => format!("parameter `{name}`"),
            None => format!("field `{path}`"),
        };
        match self {
            Lack::Op => f.write_str("no such op"),
            Lack::Field(path) => f.write_str(&named(path)),
            Lack::Value(path, held) => write!(f, "{} = {held}", named(path)),
            Lack::Input(place) => write!(f, "input {place}"),
        }
    }
}

/// Text as it is, anything else as JSON.
fn written(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Why a case has no result.
#[derive(Clone, Debug)]
pub enum Fault {
    /// It asks for something that is not here.
    Lacking(Lack),
    /// It went wrong.
    Wrong(String),
}

impl From<String> for Fault {
    fn from(message: String) -> Fault {
        Fault::Wrong(message)
    }
}
impl From<&str> for Fault {
    fn from(message: &str) -> Fault {
        Fault::Wrong(message.to_owned())
    }
}
impl From<steepest::Error> for Fault {
    fn from(error: steepest::Error) -> Fault {
        Fault::Wrong(error.to_string())
    }
}

/// The fields of an object.
pub struct Fields<'a> {
    of: &'a Value,
    /// Where in its case the object lies: empty, or a path that ends in a dot.
    path: String,
    read: RefCell<BTreeSet<String>>,
}

impl<'a> Fields<'a> {
    /// The fields of a case.
    pub fn new(of: &'a Value) -> Fields<'a> {
        Fields { of, path: String::new(), read: RefCell::default() }
    }

    /// The fields of an object within this one. They have to be read in their turn.
    pub fn within(&self, name: &str) -> Result<Fields<'a>, Fault> {
        let of = self.need(name)?;
        if !of.is_object() {
            return self.unknown(name);
        }
        Ok(Fields { of, path: format!("{}{name}.", self.path), read: RefCell::default() })
    }

    /// Counts fields as read: those that are told to people, and those that somebody else reads.
    pub fn pass_over(&self, names: &[&str]) {
        self.read.borrow_mut().extend(names.iter().map(|&name| name.to_owned()));
    }

    /// A field, if it is there and not null.
    pub fn get(&self, name: &str) -> Option<&'a Value> {
        self.read.borrow_mut().insert(name.to_owned());
        self.of.get(name).filter(|value| !value.is_null())
    }

    /// A field that must be there; it may be null.
    pub fn need(&self, name: &str) -> Result<&'a Value, Fault> {
        self.read.borrow_mut().insert(name.to_owned());
        self.of.get(name).ok_or_else(|| format!("no field {}{name}", self.path).into())
    }

    /// A field holds something that is not known.
    pub fn unknown<T>(&self, name: &str) -> Result<T, Fault> {
        let path = format!("{}{name}", self.path);
        Err(Fault::Lacking(Lack::Value(path.into(), written(&self.of[name]).into())))
    }

    /// A field read in a way; what cannot be read so is not known.
    pub fn read<T>(&self, name: &str, how: impl Fn(&'a Value) -> Option<T>) -> Result<T, Fault> {
        how(self.need(name)?).map_or_else(|| self.unknown(name), Ok)
    }

    /// The same, with what stands for a field that is not there, or null.
    pub fn read_or<T>(&self, name: &str, absent: T, how: impl Fn(&'a Value) -> Option<T>) -> Result<T, Fault> {
        self.get(name).map_or(Ok(absent), |value| how(value).map_or_else(|| self.unknown(name), Ok))
    }

    /// A number.
    pub fn float(&self, name: &str) -> Result<f64, Fault> {
        self.read(name, Value::as_f64)
    }

    /// A number; `absent` where none is given.
    pub fn float_or(&self, name: &str, absent: f64) -> Result<f64, Fault> {
        self.read_or(name, absent, Value::as_f64)
    }

    /// A whole number.
    pub fn integer(&self, name: &str) -> Result<isize, Fault> {
        self.read(name, integer)
    }

    /// A whole number that is not negative.
    pub fn size(&self, name: &str) -> Result<usize, Fault> {
        self.read(name, size)
    }

    /// True or false; false where it is not given.
    pub fn flag(&self, name: &str) -> Result<bool, Fault> {
        self.read_or(name, false, Value::as_bool)
    }

    /// A text.
    pub fn text(&self, name: &str) -> Result<&'a str, Fault> {
        self.read(name, Value::as_str)
    }

    /// Numbers.
    pub fn floats(&self, name: &str) -> Result<Vec<f64>, Fault> {
        self.read(name, |v| list(v, Value::as_f64))
    }

    /// Whole numbers.
    pub fn integers(&self, name: &str) -> Result<Vec<isize>, Fault> {
        self.read(name, |v| list(v, integer))
    }

    /// Whole numbers that are not negative.
    pub fn sizes(&self, name: &str) -> Result<Vec<usize>, Fault> {
        self.read(name, |v| list(v, size))
    }

    /// Nothing if all fields were read; else the first that was not is what the case lacks.
    pub fn all_read(&self) -> Result<(), Fault> {
        let fields = self.of.as_object().ok_or_else(|| format!("{} is no object", self.of))?;
        let read = self.read.borrow();
        match fields.iter().find(|(name, value)| !value.is_null() && !read.contains(name.as_str())) {
            Some((name, _)) => Err(Fault::Lacking(Lack::Field(format!("{}{name}", self.path).into()))),
            None => Ok(()),
        }
    }
}

/// Fails with the name of a field that is not among these: what nobody reads is not computed, and not passed.
#[track_caller]
pub fn known(of: &Value, names: &[&str]) {
    let fields = Fields::new(of);
    fields.pass_over(names);
    if let Err(fault) = fields.all_read() {
        panic!("not computed: {fault:?}");
    }
}

fn integer(value: &Value) -> Option<isize> {
    value.as_i64().and_then(|i| isize::try_from(i).ok())
}

fn size(value: &Value) -> Option<usize> {
    value.as_u64().and_then(|i| usize::try_from(i).ok())
}

/// A list, all of whose entries can be read in a way.
pub fn list<'a, T>(value: &'a Value, how: impl Fn(&'a Value) -> Option<T>) -> Option<Vec<T>> {
    value.as_array()?.iter().map(how).collect()
}
