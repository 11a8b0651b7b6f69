//! A model's description as JSON: `{"kind": "Sequential", "parts": [{"name": "0", "kind": "Linear", "inputs": 4, …}]}`.

use crate::error::Result;
use crate::nn::{Blueprint, Setting};
use serde_json::{Map, Value, json};

/// The entry of parameters that several layers share, which a setting may be called too: a list of lists of names is none.
const SHARED: &str = "shared";

/// Parts inside parts; the reader of JSON has a limit too.
const DEEPEST: usize = 40;

/// The description of a model.
pub(super) fn to_json(blueprint: &Blueprint) -> Result<String> {
    match blueprint.depth() {
        depth if depth > DEEPEST => {
            Err(blueprint.refuse(format!("it has parts inside parts {depth} deep, expected at most {DEEPEST}")))
        }
        _ => Ok(Value::Object(object(blueprint)?).to_string()),
    }
}

fn object(blueprint: &Blueprint) -> Result<Map<String, Value>> {
    let mut map = Map::new();
    for (name, setting) in blueprint.settings() {
        if ["kind", "name", "parts"].contains(&name.as_str()) {
            return Err(blueprint.refuse(format!("no setting may be called `{name}`")));
        }
        let value = match setting {
            Setting::Whole(n) => json!(n),
            // JSON has no NaN and no infinity.
            Setting::Number(x) if !x.is_finite() => json!({ "number": x.to_string() }),
            // What f32 cannot hold could not be read again.
            Setting::Number(_) => json!(blueprint.number(name)?),
            Setting::Flag(on) => json!(on),
            Setting::Text(text) => json!(text),
            Setting::Sizes(sizes) => json!(sizes),
        };
        map.insert(name.clone(), value);
    }
    if !blueprint.shared().is_empty() && map.insert(SHARED.to_owned(), json!(blueprint.shared())).is_some() {
        return Err(blueprint.refuse(format!("no setting may be called `{SHARED}` where layers share parameters")));
    }
    map.insert("kind".to_owned(), json!(blueprint.kind()));
    let mut parts = vec![];
    for (name, part) in blueprint.parts() {
        let mut part = object(part)?;
        part.insert("name".to_owned(), json!(name));
        parts.push(Value::Object(part));
    }
    if !parts.is_empty() {
        map.insert("parts".to_owned(), Value::Array(parts));
    }
    Ok(map)
}

/// The model of a description, or what is wrong with it.
pub(super) fn from_json(text: &str) -> Result<Blueprint, String> {
    let value: Value = serde_json::from_str(text).map_err(|e| e.to_string())?;
    blueprint(value).map(|(_, blueprint)| blueprint)
}

fn blueprint(value: Value) -> Result<(String, Blueprint), String> {
    let Value::Object(mut map) = value else { return Err(format!("{value} is no layer, expected an object")) };
    let Some(Value::String(kind)) = map.remove("kind") else { return Err("a layer has no `kind`".to_owned()) };
    let name = match map.remove("name") {
        None => String::new(),
        Some(Value::String(name)) => name,
        Some(other) => return Err(format!("{other} is no name of a layer")),
    };
    let parts = match map.remove("parts") {
        None => vec![],
        Some(Value::Array(parts)) => parts,
        Some(other) => return Err(format!("{other} is no list of parts")),
    };
    let mut made = Blueprint::new(kind);
    for (name, value) in map {
        if let Some(lists) = shared(&value).filter(|_| name == SHARED) {
            made = lists.into_iter().fold(made, Blueprint::share);
            continue;
        }
        made = made.set(&name, setting(&value).ok_or_else(|| format!("setting `{name}` is {value}"))?);
    }
    for part in parts {
        let (name, part) = blueprint(part)?;
        made = made.with_part(name, part);
    }
    Ok((name, made))
}

/// Lists of names, if it is that.
fn shared(value: &Value) -> Option<Vec<Vec<String>>> {
    let lists = value.as_array().filter(|lists| !lists.is_empty())?;
    let names =
        |list: &Value| -> Option<Vec<String>> { list.as_array()?.iter().map(|name| Some(name.as_str()?.to_owned())).collect() };
    lists.iter().map(names).collect()
}

fn setting(value: &Value) -> Option<Setting> {
    match value {
        Value::Bool(on) => Some(Setting::Flag(*on)),
        Value::String(text) => Some(Setting::Text(text.clone())),
        Value::Number(n) => n.as_u64().map(Setting::Whole).or_else(|| n.as_f64().map(Setting::Number)),
        Value::Array(sizes) => sizes.iter().map(Value::as_u64).collect::<Option<_>>().map(Setting::Sizes),
        Value::Object(map) => match map.iter().next() {
            Some((key, Value::String(text))) if key == "number" => text.parse().ok().map(Setting::Number),
            _ => None,
        },
        Value::Null => None,
    }
}
