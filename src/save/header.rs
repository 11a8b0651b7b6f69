//! The header of a safetensors file, read strictly: everything it claims is checked against the bytes there are, before any is used.

use crate::error::Malformed;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserializer, de};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::fmt;

/// The longest header the format allows.
pub(super) const LONGEST: u64 = 100_000_000;
/// Where a header keeps what is no tensor.
pub(super) const METADATA: &str = "__metadata__";
const MOST_AXES: usize = 8;

/// Element types of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    U8,
    I8,
    I16,
    U16,
    F16,
    Bf16,
    I32,
    U32,
    F32,
    F64,
    I64,
    U64,
    /// Of the format, but not read here: its name.
    Foreign(&'static str),
}

/// Names and bits of one element.
const KINDS: &[(&str, Kind, u64)] = &[
    ("BOOL", Kind::Bool, 8),
    ("U8", Kind::U8, 8),
    ("I8", Kind::I8, 8),
    ("I16", Kind::I16, 16),
    ("U16", Kind::U16, 16),
    ("F16", Kind::F16, 16),
    ("BF16", Kind::Bf16, 16),
    ("I32", Kind::I32, 32),
    ("U32", Kind::U32, 32),
    ("F32", Kind::F32, 32),
    ("F64", Kind::F64, 64),
    ("I64", Kind::I64, 64),
    ("U64", Kind::U64, 64),
    ("F4", Kind::Foreign("F4"), 4),
    ("F6_E2M3", Kind::Foreign("F6_E2M3"), 6),
    ("F6_E3M2", Kind::Foreign("F6_E3M2"), 6),
    ("F8_E5M2", Kind::Foreign("F8_E5M2"), 8),
    ("F8_E4M3", Kind::Foreign("F8_E4M3"), 8),
    ("F8_E8M0", Kind::Foreign("F8_E8M0"), 8),
    ("F8_E4M3FNUZ", Kind::Foreign("F8_E4M3FNUZ"), 8),
    ("F8_E5M2FNUZ", Kind::Foreign("F8_E5M2FNUZ"), 8),
    ("C64", Kind::Foreign("C64"), 64),
];

impl Kind {
    pub(super) fn name(self) -> &'static str {
        KINDS.iter().find(|(_, kind, _)| *kind == self).map_or("", |(name, ..)| name)
    }

    fn bits(self) -> u64 {
        KINDS.iter().find(|(_, kind, _)| *kind == self).map_or(0, |(.., bits)| *bits)
    }
}

/// A tensor's type, shape and place among the bytes after the header.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) shape: Vec<usize>,
    pub(super) start: usize,
    pub(super) end: usize,
}

#[derive(Debug)]
pub(super) struct Header {
    pub(super) metadata: BTreeMap<String, String>,
    /// In the order of the file.
    pub(super) entries: Vec<Entry>,
    /// Bytes before the first tensor.
    pub(super) length: usize,
}

/// Reads and checks the header of a whole file.
pub(super) fn read(bytes: &[u8]) -> Result<Header, Malformed> {
    let Some((length, rest)) = bytes.split_first_chunk::<8>() else {
        return Err(Malformed::Short { bytes: bytes.len() as u64 });
    };
    let length = u64::from_le_bytes(*length);
    let most = LONGEST.min(rest.len() as u64);
    if length == 0 || length > most {
        return Err(Malformed::HeaderLength { length, most });
    }
    let (header, data) = rest.split_at(length as usize);
    let text = std::str::from_utf8(header).map_err(|e| Malformed::Utf8 { at: e.valid_up_to() })?;
    if !text.starts_with('{') {
        return Err(Malformed::Json("it does not begin with `{`".to_owned()));
    }
    let fault = RefCell::new(None);
    let mut json = serde_json::Deserializer::from_str(text);
    let parsed = Whole(&fault).deserialize(&mut json).and_then(|parsed| json.end().map(|()| parsed));
    let (metadata, mut entries) =
        parsed.map_err(|e| fault.borrow_mut().take().unwrap_or_else(|| Malformed::Json(e.to_string())))?;
    entries.sort_by_key(|entry| (entry.start, entry.end));
    check(&entries, data)?;
    let entries = entries.into_iter().map(RawEntry::checked).collect::<Result<_, _>>()?;
    Ok(Header { metadata, entries, length: 8 + length as usize })
}

/// Whether the tensors, sorted by place, fill `data` exactly, each with as many bytes as its shape needs.
fn check(entries: &[RawEntry], data: &[u8]) -> Result<(), Malformed> {
    let length = data.len() as u64;
    let (mut at, mut before) = (0, None);
    for entry in entries {
        let (tensor, start, end) = (entry.name.clone(), entry.start, entry.end);
        if end < start || end > length {
            return Err(Malformed::Place { tensor, start, end, length });
        }
        let overflow = || Malformed::Overflow { tensor: tensor.clone(), shape: entry.shape.clone() };
        // Sizes of 0 do not excuse others that are absurd.
        let numel = entry.shape.iter().try_fold(1u64, |n, &dim| n.checked_mul(dim.max(1))).ok_or_else(overflow)?;
        let numel = if entry.shape.contains(&0) { 0 } else { numel };
        let bits = numel.checked_mul(entry.kind.bits()).ok_or_else(overflow)?;
        // Where elements do not fill the last byte no size is right.
        if !bits.is_multiple_of(8) || bits / 8 != end - start {
            return Err(Malformed::Size { tensor, found: end - start, expected: bits.div_ceil(8) });
        }
        if start < at {
            return Err(Malformed::Overlap { first: before.unwrap_or_default(), second: tensor });
        }
        if start > at {
            return Err(Malformed::Hole { tensor, bytes: start - at });
        }
        if entry.kind == Kind::Bool
            && let Some(index) = data[start as usize..end as usize].iter().position(|&byte| byte > 1)
        {
            return Err(Malformed::Bool { tensor, index, found: data[start as usize + index] });
        }
        (at, before) = (end, Some(tensor));
    }
    if at < length { Err(Malformed::Trailing { bytes: length - at }) } else { Ok(()) }
}

/// Why no tensor may have this name.
pub(super) fn wrong_name(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("is empty")
    } else if name.contains('\0') {
        Some("holds a NUL")
    } else if name.contains("..") {
        Some("holds `..`, as a path out of its folder does")
    } else {
        None
    }
}

/// An entry whose numbers are not yet known to fit anything.
struct RawEntry {
    name: String,
    kind: Kind,
    shape: Vec<u64>,
    start: u64,
    end: u64,
}

impl RawEntry {
    fn checked(self) -> Result<Entry, Malformed> {
        let RawEntry { name, kind, shape, start, end } = self;
        let sizes: Result<Vec<usize>, _> = shape.iter().map(|&dim| usize::try_from(dim)).collect();
        match sizes {
            Ok(sizes) => Ok(Entry { name, kind, shape: sizes, start: start as usize, end: end as usize }),
            Err(_) => Err(Malformed::Overflow { tensor: name, shape }),
        }
    }
}

/// Where a typed fault is left while serde carries an error of its own past it.
type Fault = RefCell<Option<Malformed>>;

fn fail<E: de::Error>(fault: &Fault, what: Malformed) -> E {
    let error = E::custom(&what);
    fault.borrow_mut().get_or_insert(what);
    error
}

type Parsed = (BTreeMap<String, String>, Vec<RawEntry>);

struct Whole<'f>(&'f Fault);

impl<'de> DeserializeSeed<'de> for Whole<'_> {
    type Value = Parsed;
    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Parsed, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Whole<'_> {
    type Value = Parsed;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parsed, A::Error> {
        let (mut metadata, mut entries, mut names) = (None, vec![], HashSet::new());
        while let Some(name) = map.next_key::<String>()? {
            if name == METADATA {
                if metadata.is_some() {
                    return Err(fail(self.0, Malformed::Duplicate(name)));
                }
                metadata = Some(map.next_value_seed(Metadata(self.0))?);
                continue;
            }
            if let Some(why) = wrong_name(&name) {
                return Err(fail(self.0, Malformed::Name { name, why }));
            }
            if !names.insert(name.clone()) {
                return Err(fail(self.0, Malformed::Duplicate(name)));
            }
            entries.push(map.next_value_seed(Tensor { name, fault: self.0 })?);
        }
        Ok((metadata.unwrap_or_default(), entries))
    }
}

/// Text by name.
struct Metadata<'f>(&'f Fault);

impl<'de> DeserializeSeed<'de> for Metadata<'_> {
    type Value = BTreeMap<String, String>;
    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Metadata<'_> {
    type Value = BTreeMap<String, String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("metadata: an object of texts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = BTreeMap::new();
        while let Some((key, value)) = map.next_entry::<String, String>()? {
            if found.contains_key(&key) {
                return Err(fail(self.0, Malformed::Metadata { key, message: "it is there twice".to_owned() }));
            }
            found.insert(key, value);
        }
        Ok(found)
    }
}

struct Tensor<'f> {
    name: String,
    fault: &'f Fault,
}

impl<'de> DeserializeSeed<'de> for Tensor<'_> {
    type Value = RawEntry;
    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<RawEntry, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Tensor<'_> {
    type Value = RawEntry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dtype, shape and data_offsets of tensor `{}`", self.name)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawEntry, A::Error> {
        let Tensor { name, fault } = self;
        let field = |message: String| fail(fault, Malformed::Field { tensor: name.clone(), message });
        let numbers = |most| Numbers { tensor: &name, most, fault };
        let (mut kind, mut shape, mut place) = (None, None, None);
        while let Some(key) = map.next_key::<String>()? {
            let twice = match key.as_str() {
                "dtype" => {
                    let found = map.next_value::<String>()?;
                    let Some((_, known, _)) = KINDS.iter().find(|(name, ..)| *name == found) else {
                        return Err(fail(fault, Malformed::DType { tensor: name, found }));
                    };
                    kind.replace(*known).is_some()
                }
                "shape" => shape.replace(map.next_value_seed(numbers(MOST_AXES))?).is_some(),
                "data_offsets" => place.replace(map.next_value_seed(numbers(2))?).is_some(),
                other => {
                    map.next_value::<IgnoredAny>()?;
                    return Err(field(format!("`{other}` is no field of a tensor")));
                }
            };
            if twice {
                return Err(field(format!("`{key}` is there twice")));
            }
        }
        let missing = |what: &str| field(format!("it has no `{what}`"));
        let kind = kind.ok_or_else(|| missing("dtype"))?;
        let shape = shape.ok_or_else(|| missing("shape"))?;
        let place = place.ok_or_else(|| missing("data_offsets"))?;
        let &[start, end] = &place[..] else {
            return Err(field(format!("`data_offsets` has {} numbers, expected 2", place.len())));
        };
        Ok(RawEntry { name, kind, shape, start, end })
    }
}

/// A few whole numbers.
struct Numbers<'f> {
    tensor: &'f str,
    most: usize,
    fault: &'f Fault,
}

impl<'de> DeserializeSeed<'de> for Numbers<'_> {
    type Value = Vec<u64>;
    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Vec<u64>, D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Numbers<'_> {
    type Value = Vec<u64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of whole numbers for tensor `{}`", self.tensor)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<u64>, A::Error> {
        let tensor = || self.tensor.to_owned();
        let mut found = vec![];
        while let Some(number) = seq.next_element::<serde_json::Number>()? {
            if found.len() == self.most {
                return Err(fail(
                    self.fault,
                    match self.most {
                        MOST_AXES => Malformed::Rank { tensor: tensor() },
                        _ => Malformed::Field { tensor: tensor(), message: "`data_offsets` has more than 2 numbers".to_owned() },
                    },
                ));
            }
            match number.as_u64() {
                Some(n) => found.push(n),
                None => return Err(fail(self.fault, Malformed::Number { tensor: tensor(), found: number.to_string() })),
            }
        }
        Ok(found)
    }
}
