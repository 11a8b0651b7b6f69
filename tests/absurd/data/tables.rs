//! Tables: files of odd texts, read, prepared and turned back in odd ways.

use super::parts;
use crate::odd::Odd;
use crate::{Line, table};
use steepest::Error;
use steepest::data::{
    self, Csv, DateOrder, Fold, Impute, Kind, NumberFormat, Prepare, Preprocessor, Scale, Select, Table, Target, Task, Unknown,
    Unusable,
};

fn character(o: &mut Odd) -> char {
    o.pick(&[',', '.', ';', '\'', ' ', '\0', '"', '\n', '🦀', 'e', '-', '1', '\u{a0}'])
}

/// A field: a number, a word, a date, nothing, or anything.
fn field(o: &mut Odd) -> String {
    if o.flag() {
        return o
            .pick(&["1", "2.5", "-3", "a", "b", "2020-01-31", "1/2/2021", "", "NA", "yes", "no", "1,5", "1e400", "12€"])
            .to_owned();
    }
    o.text()
}

/// A file of three columns and a few rows, some of them wrong.
fn file(o: &mut Odd) -> Vec<u8> {
    let mut text = format!("a,b,{}\n", o.pick(&["y", "y", "y", "a", ""]));
    let rows = o.size_near(8).min(30);
    for row in 0..rows {
        let odd = o.size_near(4) != 4;
        let [a, b, y] = if odd {
            [field(o), field(o), field(o)]
        } else {
            [row.to_string(), format!("{}.5", row * row), (row % 2).to_string()]
        };
        text += &format!("{a},{b},{y}\n");
    }
    let mut bytes = text.into_bytes();
    if o.size_near(4) != 4 {
        bytes.extend(o.bytes());
    }
    bytes
}

fn read(o: &mut Odd) -> Result<Table, Error> {
    let bytes = file(o);
    Table::parse("file", &bytes)
}

fn csv(o: &mut Odd, csv: Csv) -> Result<String, Error> {
    let bytes = file(o);
    csv.parse(o.text(), &bytes).map(|table| table.report().to_string())
}

/// Fitted to a table, used on it and on another, written and read again.
fn prepared(o: &mut Odd, prepare: Prepare) -> Result<usize, Error> {
    let (table, other) = (read(o)?, read(o));
    let fitted = prepare.fit(&table)?;
    let (set, names) = fitted.dataset(&table)?;
    if let Ok(other) = other {
        let _ = fitted.features(&other).map(|f| f.to_f32().len());
        let _ = fitted.clipped(&other);
    }
    let again = Preprocessor::from_json("json", &fitted.to_json()?)?;
    Ok(set.len() + names.len() + again.width() + again.feature_names().len())
}

fn any(o: &mut Odd) -> Prepare {
    let prepare = Prepare::new().empty(Unusable::LeaveOut);
    if o.flag() { prepare.target("y") } else { prepare }
}

fn impute(o: &mut Odd) -> Impute {
    let (number, text) = (o.float(), o.text());
    o.pick(&[
        Impute::Mean,
        Impute::Median,
        Impute::MostFrequent,
        Impute::Number(number),
        Impute::Text(text),
        Impute::Own,
        Impute::OwnAlways,
        Impute::Refuse,
    ])
}

fn fitted(o: &mut Odd) -> Result<Preprocessor, Error> {
    let prepare = any(o);
    prepare.fit(&read(o)?)
}

/// A target of a fit, or one of any numbers.
fn target(o: &mut Odd) -> Result<Target, Error> {
    match o.pick(&[0, 1, 2, 3]) {
        0 => Ok(Target::Values { columns: o.texts(), base: o.floats(), shift: o.floats(), scale: o.floats(), log: o.flag() }),
        1 => Ok(Target::Classes { column: o.text(), classes: o.texts() }),
        2 => Ok(Target::Labels { columns: o.texts(), separator: o.maybe(character), labels: o.texts() }),
        _ => Prepare::new().target("y").fit_target(&read(o)?).map(|t| t.expect("a target was named")),
    }
}

pub const TABLE: &[Line] = table! {
    "Csv::new" => |o| csv(o, Csv::new());
    "Csv::missing" => |o| { let c = Csv::new().missing(o.texts()); csv(o, c) };
    "Csv::default_missing" => |o| { let c = Csv::new().default_missing(o.flag()); csv(o, c) };
    "Csv::decimal" => |o| { let c = Csv::new().decimal(character(o)); csv(o, c) };
    "Csv::thousands" => |o| { let c = Csv::new().thousands(character(o)).decimal(character(o)); csv(o, c) };
    "Csv::date_order" => |o| { let c = Csv::new().date_order(o.pick(&[DateOrder::DayMonthYear, DateOrder::MonthDayYear, DateOrder::YearMonthDay])); csv(o, c) };
    "Csv::strict" => |o| { let c = Csv::new().strict(o.flag()); csv(o, c) };
    "Csv::kind" => |o| { let c = Csv::new().kind(o.pick(&["a", "b", "y", "none"]), o.pick(&[Kind::Number, Kind::Category, Kind::YesNo, Kind::Date, Kind::Text, Kind::Empty])); csv(o, c) };
    "Csv::as_in" => |o| fitted(o).and_then(|p| csv(o, Csv::new().as_in(&p)));
    "Csv::header" => |o| { let c = Csv::new().header(o.flag()); csv(o, c) };
    "Csv::delimiter" => |o| { let c = Csv::new().delimiter(o.pick(&[b',', b';', b'\t', b'|', b'"', b'\n', 0, 255])); csv(o, c) };
    "Csv::read" => |o| { let (path, bytes) = (o.path(), file(o)); let _ = std::fs::write(&path, bytes); Csv::new().read(path).map(|t| t.len()) };
    "Csv::names" => |o| { let bytes = file(o); Csv::new().header(o.flag()).names(o.text(), &bytes).map(|n| n.len()) };
    "Csv::parse" => |o| Csv::new().parse(o.text(), &o.bytes()).map(|t| t.len());
    "Table::read" => |o| { let (path, bytes) = (o.path(), file(o)); let _ = std::fs::write(&path, bytes); Table::read(path).map(|t| t.len()) };
    "Table::parse" => |o| Table::parse(o.text(), &o.bytes()).map(|t| t.len());
    "Table::len" => |o| read(o).map(|t| t.len());
    "Table::is_empty" => |o| read(o).map(|t| t.is_empty());
    "Table::path" => |o| read(o).map(|t| t.path().to_owned().exists());
    "Table::notes" => |o| read(o).map(|t| t.notes().len());
    "Table::columns" => |o| read(o).map(|t| t.columns().len());
    "Table::names" => |o| read(o).map(|t| t.names().len());
    "Table::has" => |o| read(o).map(|t| t.has(&o.text()));
    "Table::column" => |o| read(o).and_then(|t| t.column(&o.text()).map(|c| c.missing()));
    "Table::line" => |o| read(o).map(|t| t.line(o.size()));
    "Table::rows" => |o| read(o).and_then(|t| t.rows(&o.sizes())).map(|t| t.len());
    "Table::without" => |o| read(o).and_then(|t| t.without(&[o.pick(&["a", "y", "none"])])).map(|t| t.len());
    "Table::without_missing_rows" => |o| read(o).and_then(|t| t.without_missing_rows(&[o.pick(&["a", "y", "none"])])).map(|t| t.len());
    "Table::without_missing_columns" => |o| read(o).map(|t| t.without_missing_columns(o.float()).names().len());
    "Table::classes" => |o| read(o).and_then(|t| t.classes(o.pick(&["a", "y", "none"])).map(|(c, _)| c.len()));
    "Table::parts" => |o| { let parts = parts(o); read(o).and_then(|t| t.parts(&parts)).map(|(t, _, _)| t.len()) };
    "Table::into_parts" => |o| { let parts = parts(o); read(o).and_then(|t| t.into_parts(&parts)).map(|(t, _, _)| t.len()) };
    "Table::report" => |o| read(o).map(|t| t.report().to_string());
    "Table::giveaways" => |o| read(o).and_then(|t| t.giveaways(o.pick(&["a", "y", "none"])).map(|g| g.len()));
    "Table::spellings" => |o| read(o).and_then(|t| t.spellings(o.pick(&["a", "y", "none"])).map(|s| s.len()));
    "Column::name" => |o| read(o).map(|t| t.columns().map(|c| c.name().len()).sum::<usize>());
    "Column::kind" => |o| read(o).map(|t| t.columns().map(|c| c.kind().to_string()).collect::<String>());
    "Column::format" => |o| read(o).map(|t| t.columns().filter(|c| c.format().is_some()).count());
    "Column::markers" => |o| read(o).map(|t| t.columns().map(|c| c.markers().len()).sum::<usize>());
    "Column::far_outside" => |o| read(o).map(|t| t.columns().map(|c| c.far_outside().len()).sum::<usize>());
    "Column::note" => |o| read(o).map(|t| t.columns().filter(|c| c.note().is_some()).count());
    "Column::text" => |o| { let row = o.size(); read(o).map(|t| t.columns().filter(|c| c.text(row).is_some()).count()) };
    "Column::number" => |o| { let row = o.size(); read(o).map(|t| t.columns().filter(|c| c.number(row).is_some()).count()) };
    "Column::missing" => |o| read(o).map(|t| t.columns().map(|c| c.missing()).sum::<usize>());
    "Column::counts_rows" => |o| read(o).map(|t| t.columns().filter(|c| c.counts_rows()).count());
    "Column::differs_in_every_row" => |o| read(o).map(|t| t.columns().filter(|c| c.differs_in_every_row()).count());
    "NumberFormat::parse" => |o| NumberFormat { decimal: character(o), thousands: o.maybe(character), unit: o.maybe(|o| o.text()) }.parse(&o.text());
    "validate::cross_validate" => |o| {
        let folds: Vec<Fold> = o.many(|o| Fold { train: o.sizes(), test: o.sizes() });
        let score = o.float();
        let prepare = any(o);
        read(o).and_then(|t| data::cross_validate(&t, &prepare, &folds, |_| Ok::<f64, Error>(score))).map(|s| s.to_string())
    };
};

pub const PREPARED: &[Line] = table! {
    "Prepare::new" => |o| prepared(o, Prepare::new());
    "Prepare::target" => |o| { let p = any(o).target(o.pick(&["a", "y", "none", ""])); prepared(o, p) };
    "Prepare::targets" => |o| { let p = any(o).targets(o.texts()); prepared(o, p) };
    "Prepare::target_list" => |o| { let p = any(o).target_list("y", character(o)); prepared(o, p) };
    "Prepare::task" => |o| { let p = any(o).task(o.pick(&[Task::Auto, Task::Regression, Task::Classes, Task::Labels])); prepared(o, p) };
    "Prepare::classes" => |o| { let p = any(o).classes(o.texts()).task(Task::Classes); prepared(o, p) };
    "Prepare::only" => |o| { let p = any(o).only(o.pick(&[vec!["a"], vec!["a", "a"], vec![], vec!["none"], vec!["b", "y"]])); prepared(o, p) };
    "Prepare::without" => |o| { let p = any(o).without(o.pick(&[vec!["a"], vec!["a", "b", "y"], vec!["none"]])); prepared(o, p) };
    "Prepare::as_category" => |o| { let p = any(o).as_category(o.pick(&[vec!["a"], vec!["b", "none"]])); prepared(o, p) };
    "Prepare::numbers" => |o| { let p = any(o).numbers(impute(o)); prepared(o, p) };
    "Prepare::categories" => |o| { let p = any(o).categories(impute(o)); prepared(o, p) };
    "Prepare::impute" => |o| { let p = any(o).impute(o.pick(&["a", "b", "none"]), impute(o)); prepared(o, p) };
    "Prepare::was_missing" => |o| { let p = any(o).was_missing(o.flag()); prepared(o, p) };
    "Prepare::scale" => |o| { let p = any(o).scale(o.pick(&[Scale::Standard, Scale::MinMax, Scale::None])); prepared(o, p) };
    "Prepare::scale_column" => |o| { let p = any(o).scale_column(o.pick(&["a", "none"]), o.pick(&[Scale::MinMax, Scale::None])); prepared(o, p) };
    "Prepare::clip" => |o| { let p = any(o).clip(o.float()); prepared(o, p) };
    "Prepare::scale_target" => |o| { let p = any(o).scale_target(o.flag()); prepared(o, p) };
    "Prepare::log_target" => |o| { let p = any(o).log_target(o.flag()).task(Task::Regression); prepared(o, p) };
    "Prepare::rare" => |o| { let p = any(o).rare(o.size()).as_category(["a"]); prepared(o, p) };
    "Prepare::most_categories" => |o| { let p = any(o).most_categories(o.size()).as_category(["a"]); prepared(o, p) };
    "Prepare::index_above" => |o| { let p = any(o).index_above(o.size()).most_categories(o.size()).as_category(["a"]); prepared(o, p) };
    "Prepare::dates" => |o| { let p = any(o).dates(o.flag()); prepared(o, p) };
    "Prepare::unknown" => |o| { let p = any(o).unknown(o.pick(&[Unknown::Note, Unknown::Refuse])).as_category(["a"]); prepared(o, p) };
    "Prepare::constant" => |o| { let p = any(o).constant(o.pick(&[Unusable::LeaveOut, Unusable::Refuse])); prepared(o, p) };
    "Prepare::empty" => |o| { let p = any(o).empty(o.pick(&[Unusable::LeaveOut, Unusable::Refuse])); prepared(o, p) };
    "Prepare::select" => |o| { let p = any(o).select(o.pick(&[Select::All, Select::Wide, Select::Related])); prepared(o, p) };
    "Prepare::leave_out" => |o| { let p = any(o).leave_out(o.pick(&["a", "none"]), o.text()); prepared(o, p) };
    "Prepare::target_columns" => |o| Prepare::new().targets(o.texts()).target_columns().len();
    "Prepare::settled" => |o| { let p = any(o); read(o).and_then(|t| p.settled(&t)).map(|p| p.target_columns().len()) };
    "Prepare::fit_target" => |o| { let p = any(o); read(o).and_then(|t| p.fit_target(&t)).map(|t| t.map(|t| t.width())) };
    "Prepare::fit" => |o| fitted(o).map(|p| p.width());
    "Preprocessor::width" => |o| fitted(o).map(|p| p.width());
    "Preprocessor::feature_names" => |o| fitted(o).map(|p| p.feature_names().len());
    "Preprocessor::indices" => |o| fitted(o).map(|p| p.indices().len());
    "Preprocessor::columns" => |o| fitted(o).map(|p| p.columns().len());
    "Preprocessor::left_out" => |o| fitted(o).map(|p| p.left_out().len());
    "Preprocessor::target" => |o| fitted(o).map(|p| p.target().map(Target::width));
    "Preprocessor::features" => |o| fitted(o).and_then(|p| p.features(&read(o)?).map(|f| f.to_f32().len()));
    "Preprocessor::clipped" => |o| fitted(o).and_then(|p| Ok(p.clipped(&read(o)?).len()));
    "Preprocessor::format" => |o| fitted(o).map(|p| p.format(&o.text()).is_some());
    "Preprocessor::grouped" => |o| fitted(o).map(|p| p.grouped().len());
    "Preprocessor::selected" => |o| fitted(o).map(|p| p.selected().is_some());
    "Preprocessor::dataset" => |o| fitted(o).and_then(|p| p.dataset(&read(o)?).map(|(set, _)| set.len()));
    "Preprocessor::lazy_dataset" => |o| fitted(o).and_then(|p| p.lazy_dataset(read(o)?).map(|(set, _)| set.len()));
    "Preprocessor::in_batches" => |o| fitted(o).and_then(|p| p.in_batches(&read(o)?, o.size(), |_| Ok::<(), steepest::Error>(())).map(drop));
    "Preprocessor::to_json" => |o| fitted(o).and_then(|p| p.to_json()).map(|text| text.len());
    "Preprocessor::from_json" => |o| {
        let text = fitted(o).and_then(|p| p.to_json());
        // Some other number in place of one that was fitted.
        let text = text.map(|text| text.replacen(o.pick(&["1", "0", "2", "\"a\"", "null"]), o.pick(&["18446744073709551615", "-1", "1e999", "null", "\"b\""]), 1));
        let other = o.text();
        Preprocessor::from_json(o.text(), text.as_deref().unwrap_or(&other)).and_then(|p| p.dataset(&read(o)?).map(|(set, _)| set.len()))
    };
    "Features::to_f32" => |o| fitted(o).and_then(|p| p.features(&read(o)?).map(|f| f.to_f32().len()));
    "Target::columns" => |o| target(o).map(|t| t.columns().len());
    "Target::width" => |o| target(o).map(|t| t.width());
    "Target::names" => |o| target(o).map(|t| t.names().len());
    "Target::encode" => |o| target(o).and_then(|t| t.encode(&read(o)?).map(|labels| format!("{labels:?}").len()));
    "Target::values" => |o| target(o).and_then(|t| t.values(&read(o)?).map(|v| v.len()));
    "Target::probabilities" => |o| target(o).map(|t| t.probabilities(&o.singles()).len());
    "Target::inverse" => |o| target(o).map(|t| t.inverse(&o.singles()).len());
    "Target::differences" => |o| target(o).map(|t| t.differences(&o.singles()).len());
    "Target::origin" => |o| target(o).map(|t| t.origin().len());
    "Target::class" => |o| target(o).map(|t| t.class(o.size()).map(str::len));
};
