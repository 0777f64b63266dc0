//! Filling a template in: values are JSON, printed the way Go prints them.

use serde_json::{Map, Value};

use super::parse::{Node, Operand, Pipeline};

/// Docker's one method of rows: `.Label "key"`. Documents hold what it chooses from under this name, headings hold null, and it is no
/// field: nothing else shows it.
pub(crate) const LABEL: &str = "Label";

/// Variables by name, the innermost last.
type Variables = Vec<(String, Value)>;

/// Appends the text of `nodes` for `document`; `root` is the whole of it.
pub(super) fn render(
    nodes: &[Node],
    root: &Value,
    document: &Value,
    text: &mut String,
) -> Result<(), String> {
    let mut context = Context { root, variables: Vec::new() };
    context.nodes(nodes, document, text)
}

struct Context<'a> {
    root: &'a Value,
    variables: Variables,
}

impl Context<'_> {
    fn nodes(&mut self, nodes: &[Node], dot: &Value, text: &mut String) -> Result<(), String> {
        for node in nodes {
            match node {
                Node::Text(plain) => text.push_str(plain),
                Node::Show(pipeline) => text.push_str(&shown(&self.pipeline(pipeline, dot)?)),
                Node::If { condition, then, otherwise } => {
                    let holds = is_true(&self.pipeline(condition, dot)?);
                    self.nodes(if holds { then } else { otherwise }, dot, text)?;
                }
                Node::With { value, then, otherwise } => {
                    let value = self.pipeline(value, dot)?;
                    if is_true(&value) {
                        self.nodes(then, &value, text)?;
                    } else {
                        self.nodes(otherwise, dot, text)?;
                    }
                }
                Node::Range { key, item, over, body, otherwise } => {
                    let items = items(self.pipeline(over, dot)?)?;
                    if items.is_empty() {
                        self.nodes(otherwise, dot, text)?;
                    }
                    for (index, value) in items {
                        let before = self.variables.len();
                        self.variables.extend(key.clone().map(|name| (name, index)));
                        self.variables.extend(item.clone().map(|name| (name, value.clone())));
                        self.nodes(body, &value, text)?;
                        self.variables.truncate(before);
                    }
                }
            }
        }
        Ok(())
    }

    fn pipeline(&self, pipeline: &Pipeline, dot: &Value) -> Result<Value, String> {
        let mut piped = None;
        for command in pipeline {
            let (first, rest) = command.split_first().ok_or("missing value for command")?;
            let mut arguments = Vec::with_capacity(rest.len() + 1);
            for operand in rest {
                arguments.push(self.operand(operand, dot)?);
            }
            arguments.extend(piped.take());
            piped = Some(match first {
                Operand::Function(name) => call(name, arguments)?,
                Operand::Field(fields) if fields.as_slice() == [LABEL] => label(dot, &arguments)?,
                _ if !arguments.is_empty() => {
                    return Err("can't give argument to non-function".to_owned());
                }
                operand => self.operand(operand, dot)?,
            });
        }
        piped.ok_or_else(|| "missing value for command".to_owned())
    }

    fn operand(&self, operand: &Operand, dot: &Value) -> Result<Value, String> {
        match operand {
            Operand::Field(fields) if fields.is_empty() => Ok(without_methods(dot)),
            Operand::Field(fields) => follow(dot, fields),
            Operand::Variable(name, fields) if name.is_empty() => follow(self.root, fields),
            Operand::Variable(name, fields) => {
                let known = self.variables.iter().rev().find(|(known, _)| known == name);
                let (_, value) = known.ok_or_else(|| format!("undefined variable: ${name}"))?;
                follow(value, fields)
            }
            Operand::Text(text) => Ok(Value::String(text.clone())),
            Operand::Number(number) => Ok(Value::Number(number.clone())),
            Operand::Bool(value) => Ok(Value::Bool(*value)),
            Operand::Nil => Ok(Value::Null),
            Operand::Function(name) => call(name, Vec::new()),
            Operand::Group(pipeline, fields) => follow(&self.pipeline(pipeline, dot)?, fields),
        }
    }
}

/// The value of one label, nothing where there is none; over a column, the last word of its key.
fn label(dot: &Value, arguments: &[Value]) -> Result<Value, String> {
    let [Value::String(key)] = arguments else {
        return Err(format!("wrong number of args for {LABEL}: want one text"));
    };
    match dot.get(LABEL) {
        Some(Value::Object(labels)) => Ok(labels.get(key).cloned().unwrap_or_else(|| "".into())),
        Some(Value::Null) => {
            let last = key.rsplit('.').next().unwrap_or_default();
            Ok(last.replace(['-', '_'], " ").into())
        }
        _ => Err(format!("can't evaluate field {LABEL}")),
    }
}

fn without_methods(dot: &Value) -> Value {
    let mut shown = dot.clone();
    if let Value::Object(map) = &mut shown
        && map.get(LABEL).is_some_and(Value::is_object)
    {
        map.remove(LABEL);
    }
    shown
}

fn follow(value: &Value, fields: &[String]) -> Result<Value, String> {
    let mut at = value;
    for field in fields {
        at = match at {
            Value::Object(map) => {
                map.get(field).ok_or_else(|| format!("map has no entry for key {field:?}"))?
            }
            Value::Null => return Err(format!("nil pointer evaluating field {field}")),
            other => return Err(format!("can't evaluate field {field} in type {}", kind(other))),
        };
    }
    Ok(at.clone())
}

fn items(value: Value) -> Result<Vec<(Value, Value)>, String> {
    match value {
        Value::Array(items) => {
            Ok(items.into_iter().enumerate().map(|(i, v)| (i.into(), v)).collect())
        }
        Value::Object(map) => Ok(map.into_iter().map(|(key, v)| (key.into(), v)).collect()),
        Value::Null => Ok(Vec::new()),
        other => Err(format!("range can't iterate over {}", shown(&other))),
    }
}

fn call(name: &str, arguments: Vec<Value>) -> Result<Value, String> {
    let count = arguments.len();
    let wrong = || format!("wrong number of args for {name}: got {count}");
    match (name, arguments.as_slice()) {
        ("json", [value]) => Ok(value.to_string().into()),
        ("upper", [value]) => Ok(shown(value).to_uppercase().into()),
        ("lower", [value]) => Ok(shown(value).to_lowercase().into()),
        ("title", [value]) => Ok(title(&shown(value)).into()),
        ("len", [value]) => length(value).map(Value::from),
        ("not", [value]) => Ok((!is_true(value)).into()),
        ("join", [Value::Array(items), separator]) => {
            Ok(items.iter().map(shown).collect::<Vec<_>>().join(&shown(separator)).into())
        }
        ("join", [Value::Null, _]) => Ok("".into()),
        ("split", [text, separator]) => {
            Ok(shown(text).split(&shown(separator)).map(Value::from).collect())
        }
        ("truncate", [text, length]) => {
            let length = length.as_u64().and_then(|n| usize::try_from(n).ok()).ok_or_else(wrong)?;
            Ok(shown(text).chars().take(length).collect::<String>().into())
        }
        ("eq", [first, others @ ..]) if !others.is_empty() => Ok(others.contains(first).into()),
        ("ne", [one, other]) => Ok((one != other).into()),
        ("and", [_, ..]) => Ok(pick(arguments, |value| !is_true(value))),
        ("or", [_, ..]) => Ok(pick(arguments, is_true)),
        ("index", [value, keys @ ..]) => index(value, keys),
        ("print", values) => Ok(values.iter().map(shown).collect::<String>().into()),
        ("println", values) => {
            Ok((values.iter().map(shown).collect::<Vec<_>>().join(" ") + "\n").into())
        }
        _ => Err(wrong()),
    }
}

/// The first that decides, else the last.
fn pick(arguments: Vec<Value>, decides: impl Fn(&Value) -> bool) -> Value {
    let last = arguments.len().saturating_sub(1);
    let found = arguments.iter().position(decides).unwrap_or(last);
    arguments.into_iter().nth(found).unwrap_or_default()
}

/// What is not in a map is its values' zero, which is shown as nothing.
fn index(value: &Value, keys: &[Value]) -> Result<Value, String> {
    let mut at = value.clone();
    for key in keys {
        at = match (&at, key) {
            (Value::Object(map), Value::String(key)) => {
                map.get(key).cloned().unwrap_or_else(|| "".into())
            }
            (Value::Array(items), key) => {
                let place = key.as_u64().and_then(|n| usize::try_from(n).ok());
                let item = place.and_then(|place| items.get(place));
                item.cloned()
                    .ok_or_else(|| format!("error calling index: index out of range: {key}"))?
            }
            (other, _) => {
                return Err(format!(
                    "error calling index: can't index item of type {}",
                    kind(other)
                ));
            }
        };
    }
    Ok(at)
}

fn length(value: &Value) -> Result<usize, String> {
    match value {
        Value::String(text) => Ok(text.len()),
        Value::Array(items) => Ok(items.len()),
        Value::Object(map) => Ok(map.len()),
        Value::Null => Ok(0),
        other => Err(format!("error calling len: len of type {}", kind(other))),
    }
}

fn title(text: &str) -> String {
    let mut start = true;
    let capital = |c: char| {
        let upper = std::mem::replace(&mut start, !c.is_alphanumeric());
        if upper { c.to_uppercase().collect::<String>() } else { c.to_string() }
    };
    text.chars().map(capital).collect()
}

fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nil",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "list",
        Value::Object(_) => "map",
    }
}

/// A value as Go prints it.
fn shown(value: &Value) -> String {
    let pair = |(key, value): (&String, &Value)| format!("{key}:{}", shown(value));
    match value {
        Value::Null => "<no value>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(" "))
        }
        Value::Object(map) => {
            let map: &Map<String, Value> = map;
            format!("map[{}]", map.iter().map(pair).collect::<Vec<_>>().join(" "))
        }
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}
