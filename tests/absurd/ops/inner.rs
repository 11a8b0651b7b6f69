//! Absurd arguments: what tests of ops are made of.

use crate::{Line, table};
use steepest::graph::Accuracy;
use steepest::ops::case::{Domain, Gen};

/// Without a line, and why.
pub const NOT_CALLED: &[(&str, &str)] = &[
    ("cases::cases", "takes no argument but a generator's state"),
    ("cases::recurrence", "takes no argument but a generator's state"),
    ("cases::cross_entropy", "takes no argument but a generator's state"),
    ("cases::scaled_cases", "takes no argument but a generator's state"),
    ("cases::moments_cases", "takes no argument but a generator's state"),
    ("distance::cases", "takes no argument but a generator's state"),
    ("f16::cases", "takes no argument but a generator's state"),
    ("sort::cases", "takes no argument but a generator's state"),
    ("random::cases", "takes no argument but a generator's state"),
    ("cat::cases", "takes no argument but a generator's state"),
    ("triangle::cases", "takes no argument but a generator's state"),
    ("extreme::cases", "takes no argument but a generator's state"),
    ("Case::of_shapes", "makes test cases of an op of the caller's"),
    ("Case::new", "makes a test case, whose shape is written by hand; documented to panic otherwise"),
    ("Case::forward_only", "makes a test case, whose shape is written by hand; documented to panic otherwise"),
    ("Gen::floats", "makes a test case, whose shape is written by hand; documented to panic otherwise"),
    ("Gen::normalish", "makes a test case, whose shape is written by hand; documented to panic otherwise"),
    ("Gen::indices", "makes a test case, whose shape is written by hand; documented to panic otherwise"),
    ("Gen::f16", "makes a test case, whose shape is written by hand; documented to panic otherwise"),
    ("Gen::bools", "makes a test case, whose shape is written by hand; documented to panic otherwise"),
    ("Gen::distinct", "makes a test case, whose shape is written by hand; documented to panic otherwise"),
    ("Gen::input", "makes a test case, whose shape is written by hand; documented to panic otherwise"),
    ("Judged::exact", "compares arrays of which an op and the reference made one each, of one shape"),
    ("Judged::of", "compares arrays of which an op and the reference made one each, of one shape"),
    ("Accuracy::bounds", "compares arrays of which an op and the reference made one each, of one shape"),
    ("tolerance::worst", "compares arrays of which an op and the reference made one each, of one shape"),
    ("tolerance::judge", "compares arrays of which an op and the reference made one each, of one shape"),
    ("tolerance::compare", "compares arrays of which an op and the reference made one each, of one shape"),
    ("ops::accuracy", "compares arrays of which an op and the reference made one each, of one shape"),
    ("Taps::row", "a matrix that ops make themselves from sizes that were checked"),
    ("Taps::transposed", "a matrix that ops make themselves from sizes that were checked"),
    ("Taps::table", "a matrix that ops make themselves from sizes that were checked"),
    ("Taps::words", "a matrix that ops make themselves from sizes that were checked"),
    ("Taps::rounded", "a matrix that ops make themselves from sizes that were checked"),
    ("Taps::copies", "a matrix that ops make themselves from sizes that were checked"),
    ("Taps::is_identity", "a matrix that ops make themselves from sizes that were checked"),
    ("Taps::has_negative", "a matrix that ops make themselves from sizes that were checked"),
    ("Taps::gain", "a matrix that ops make themselves from sizes that were checked"),
    ("Taps::rows", "a matrix that ops make themselves from sizes that were checked"),
    ("Taps::sources", "a matrix that ops make themselves from sizes that were checked"),
    ("Taps::entries", "a matrix that ops make themselves from sizes that were checked"),
    ("Taps::longest", "a matrix that ops make themselves from sizes that were checked"),
    ("Taps::new", "a matrix that ops make themselves from sizes that were checked"),
];

pub const TABLE: &[Line] = table! {
    "Gen::new" => |o| Gen::new(o.seed()).bits();
    "Gen::bits" => |o| Gen::new(o.seed()).bits();
    "Gen::uniform" => |o| Gen::new(o.seed()).uniform(o.float(), o.float());
    "Gen::below" => |o| Gen::new(o.seed()).below(o.size());
    "Gen::draw" => |o| Gen::new(o.seed()).draw(Domain::Range(o.float(), o.float()), o.size());
    "Accuracy::name" => |o| o.pick(&[Accuracy::Exact]).name();
};
