//! Hessians of written formulas: the formula is parsed into `Tensor` calls, and every component of its gradient is differentiated again.

use super::cases::TOLD;
use super::file::Oracle;
use super::judge::{Check, Part, Place, Recording};
use crate::common::fields::{Fault, Fields};
use serde_json::Value;
use std::collections::BTreeSet;
use steepest::critical::Spectrum;
use steepest::graph::Array;
use steepest::{DType, Shape, Tensor};

/// Value, gradient and Hessian of a case.
pub fn checks<'o>(oracle: &Oracle, place: &Place, case: &Value) -> Result<Vec<Check<'o>>, Fault> {
    let fields = Fields::new(case);
    fields.pass_over(&TOLD);
    fields.pass_over(&["kind", "point", "value", "gradient", "hessian", "eigenvalues", "critical_point"]);
    let formula = fields.text("formula")?;
    fields.all_read()?;
    let (point, n) = (flat(&case["point"])?, case["point"].as_array().map_or(0, Vec::len));
    let recording = place.recording();
    let p = recording.leaf(&[n], &point, DType::F32, true)?;
    let value = match formula.strip_prefix("mean_i (v*tanh(w1*x_i1 + w2*x_i2 + b) + c - y_i)^2") {
        Some(_) => tiny_network(&recording, oracle, &p)?,
        None => Parser::parse(formula, &p, n)?,
    };
    let gradient = value.backward().wrt(&p).map_err(|e| e.to_string())?;
    let rows: Vec<Tensor> = (0..n as isize)
        .map(|i| {
            let component = gradient.slice(0, i..i + 1).sum(&[]);
            // A component that is constant in every variable has a row of zeros.
            if component.requires_grad() { component.backward().wrt(&p).map_err(|e| e.to_string()) } else { Ok(p.full_like(0.0)) }
        })
        .collect::<Result<_, _>>()?;
    let roots: Vec<&Tensor> = [&value, &gradient].into_iter().chain(&rows).collect();
    let values = recording.values(&roots)?;
    let hessian = case["hessian"].as_array().ok_or("no hessian")?;
    let expected = [("value".to_owned(), &case["value"]), ("gradient".to_owned(), &case["gradient"])];
    let rows = hessian.iter().enumerate().map(|(i, row)| (format!("row {i} of the hessian"), row));
    let mut checks = vec![];
    for (found, (what, numbers)) in values.into_iter().zip(expected.into_iter().chain(rows)) {
        let (part, shape) = if what == "value" { (Part::Forward, vec![]) } else { (Part::Gradient, vec![n]) };
        checks.push(Check { what, part, found, shape, expected: flat(numbers)?.into() });
    }
    if checks.len() != n + 2 {
        return Err(format!("{} arrays for {n} variables", checks.len()).into());
    }
    // The same again by the library's own names, with eigenvalues and verdict.
    let whole = value.hessian(&[&p]).map_err(|e| e.to_string())?;
    let found = recording.values(&[&whole])?.remove(0);
    let rows = hessian.iter().map(flat).collect::<Result<Vec<_>, _>>()?.concat();
    checks.push(Check { what: "hessian".to_owned(), part: Part::Gradient, found, shape: vec![n, n], expected: rows.into() });
    let point = place.examine(&value, &p).map_err(|e| e.to_string())?;
    let Spectrum::Full(values) = &point.spectrum else { return Err("not all eigenvalues were computed".into()) };
    let found = Array::new(Shape::new(&[n]).map_err(|e| e.to_string())?, values.clone());
    let expected = flat(&case["eigenvalues"])?.into();
    checks.push(Check { what: "eigenvalues".to_owned(), part: Part::Gradient, found, shape: vec![n], expected });
    let verdict = if point.is_critical { point.verdict() } else { "not a critical point".to_owned() };
    if case["critical_point"].as_str() != Some(&verdict) {
        return Err(format!("{} is judged to be: {point}", case["critical_point"]).into());
    }
    // Along the direction of escape the curvature is the lowest eigenvalue.
    if let Some(escape) = &point.escape {
        let d = &escape.direction;
        let rows = hessian.iter().map(flat).collect::<Result<Vec<_>, _>>()?;
        let bent: f64 = rows.iter().zip(d).map(|(row, di)| di * row.iter().zip(d).map(|(h, dj)| h * dj).sum::<f64>()).sum();
        let found = Array::new(Shape::SCALAR, vec![bent]);
        let expected = vec![flat(&case["eigenvalues"])?[0]].into();
        checks.push(Check {
            what: "curvature along the escape".to_owned(),
            part: Part::Gradient,
            found,
            shape: vec![],
            expected,
        });
    }
    Ok(checks)
}

fn flat(value: &Value) -> Result<Vec<f64>, String> {
    let numbers = match value {
        Value::Array(list) => list.iter().map(Value::as_f64).collect(),
        other => other.as_f64().map(|x| vec![x]),
    };
    numbers.ok_or_else(|| format!("{value} are no numbers"))
}

/// mean_i (v tanh(w1 x_i1 + w2 x_i2 + b) + c − y_i)² of the parameters [w1, w2, b, v, c].
fn tiny_network(recording: &Recording<'_>, oracle: &Oracle, p: &Tensor) -> Result<Tensor, String> {
    let x = recording.tensor(oracle.numbers("hessian_tiny/x")?, false)?;
    let y = recording.tensor(oracle.numbers("hessian_tiny/y")?, false)?;
    let hidden = ((x * p.slice(0, 0..2)).sum(&[1]) + p.slice(0, 2..3)).tanh();
    Ok((p.slice(0, 3..4) * hidden + p.slice(0, 4..5) - y).square().mean(&[]))
}

/// A formula of numbers, names, + − * / ^, brackets and functions. Names stand for the elements of a vector in alphabetical order.
struct Parser<'a> {
    tokens: Vec<&'a str>,
    at: usize,
    names: Vec<&'a str>,
    p: &'a Tensor,
}

const FUNCTIONS: [&str; 6] = ["sin", "cos", "exp", "log", "tanh", "sqrt"];

impl<'a> Parser<'a> {
    fn parse(text: &'a str, p: &'a Tensor, n: usize) -> Result<Tensor, String> {
        let mut tokens = vec![];
        let mut rest = text.trim_start();
        while let Some(first) = rest.chars().next() {
            let word = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '_';
            let end = if word(first) { rest.find(|c| !word(c)).unwrap_or(rest.len()) } else { first.len_utf8() };
            tokens.push(&rest[..end]);
            rest = rest[end..].trim_start();
        }
        let is_name = |t: &&&str| t.starts_with(|c: char| c.is_ascii_alphabetic()) && !FUNCTIONS.contains(t);
        let names: Vec<&str> = tokens.iter().filter(is_name).copied().collect::<BTreeSet<_>>().into_iter().collect();
        if names.len() != n {
            return Err(format!("{text}: names {names:?} for {n} numbers"));
        }
        let mut parser = Parser { tokens, at: 0, names, p };
        let value = parser.sum()?;
        if parser.at == parser.tokens.len() {
            Ok(value)
        } else {
            Err(format!("{text}: not understood from {:?} on", parser.peek()))
        }
    }

    fn peek(&self) -> &'a str {
        self.tokens.get(self.at).copied().unwrap_or("")
    }

    fn take(&mut self, wanted: &str) -> bool {
        let found = self.peek() == wanted;
        self.at += usize::from(found);
        found
    }

    fn sum(&mut self) -> Result<Tensor, String> {
        let mut value = if self.take("-") { -self.product()? } else { self.product()? };
        loop {
            if self.take("+") {
                value = value + self.product()?;
            } else if self.take("-") {
                value = value - self.product()?;
            } else {
                return Ok(value);
            }
        }
    }

    fn product(&mut self) -> Result<Tensor, String> {
        let mut value = self.power()?;
        loop {
            if self.take("*") {
                value = value * self.power()?;
            } else if self.take("/") {
                value = value / self.power()?;
            } else {
                return Ok(value);
            }
        }
    }

    fn power(&mut self) -> Result<Tensor, String> {
        let base = self.atom()?;
        if !self.take("^") {
            return Ok(base);
        }
        let exponent: f64 = self.peek().parse().map_err(|_| format!("exponent {:?}", self.peek()))?;
        self.at += 1;
        Ok(base.pow_scalar(exponent))
    }

    fn atom(&mut self) -> Result<Tensor, String> {
        let token = self.peek();
        self.at += 1;
        if token == "(" || FUNCTIONS.contains(&token) {
            let opened = token == "(" || self.take("(");
            let inner = self.sum()?;
            if !opened || !self.take(")") {
                return Err(format!("brackets of {token:?}"));
            }
            return Ok(match token {
                "sin" => inner.sin(),
                "cos" => inner.cos(),
                "exp" => inner.exp(),
                "log" => inner.log(),
                "tanh" => inner.tanh(),
                "sqrt" => inner.sqrt(),
                _ => inner,
            });
        }
        if let Some(i) = self.names.iter().position(|&name| name == token) {
            return Ok(self.p.slice(0, i as isize..i as isize + 1).reshape(Shape::SCALAR));
        }
        let number: f64 = token.parse().map_err(|_| format!("{token:?} is no number"))?;
        Ok(self.p.device().full((), number))
    }
}
