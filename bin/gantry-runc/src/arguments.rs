//! A small parser of flags in the manner of Go's: one or two dashes, `--flag value` or `--flag=value`, and flags before the first argument.

use crate::error::Error;

/// A flag that a command knows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flag {
    name: &'static str,
    /// One letter; empty for none.
    short: &'static str,
    takes_value: bool,
}

pub(crate) const fn switch(name: &'static str) -> Flag {
    Flag { name, short: "", takes_value: false }
}

pub(crate) const fn value(name: &'static str) -> Flag {
    Flag { name, short: "", takes_value: true }
}

impl Flag {
    pub(crate) const fn short(self, short: &'static str) -> Self {
        Self { short, ..self }
    }
}

/// What was given.
#[derive(Debug, Default)]
pub(crate) struct Arguments {
    given: Vec<(&'static str, String)>,
    pub rest: Vec<String>,
}

impl Arguments {
    /// `command` names the command in messages.
    pub(crate) fn parse(command: &str, flags: &[Flag], args: Vec<String>) -> Result<Self, Error> {
        let mut parsed = Self::default();
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            if arg == "--" {
                break;
            }
            let Some(text) = arg.strip_prefix('-').filter(|text| !text.is_empty()) else {
                parsed.rest.push(arg);
                break;
            };
            let text = text.strip_prefix('-').unwrap_or(text);
            let (name, inline) = match text.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (text, None),
            };
            let flag = flags
                .iter()
                .find(|flag| name == flag.name || (!flag.short.is_empty() && name == flag.short))
                .ok_or_else(|| Error::usage(format!("{command}: unknown flag {arg:?}")))?;
            let given = match (flag.takes_value, inline) {
                (true, Some(value)) => value,
                (true, None) => args.next().ok_or_else(|| {
                    Error::usage(format!("{command}: the flag --{} needs a value", flag.name))
                })?,
                (false, None) => "true".to_owned(),
                (false, Some(value)) if value == "true" || value == "false" => value,
                (false, Some(value)) => {
                    return Err(Error::usage(format!(
                        "{command}: the flag --{} is true or false, not {value:?}",
                        flag.name
                    )));
                }
            };
            parsed.given.push((flag.name, given));
        }
        parsed.rest.extend(args);
        Ok(parsed)
    }

    pub(crate) fn is_set(&self, name: &str) -> bool {
        self.get(name) == Some("true")
    }

    /// The last value given.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).last()
    }

    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let name = name.to_owned();
        self.given.iter().filter(move |(given, _)| *given == name).map(|(_, value)| value.as_str())
    }

    /// A value that is a number.
    pub(crate) fn number(&self, name: &str) -> Result<Option<u32>, Error> {
        let Some(text) = self.get(name) else { return Ok(None) };
        match text.parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(Error::usage(format!("--{name} {text:?} is not a number"))),
        }
    }

    /// The container's id as the only argument.
    pub(crate) fn only_id(&self, command: &str) -> Result<&str, Error> {
        match self.rest.as_slice() {
            [id] => Ok(id),
            others => Err(Error::usage(format!(
                "{command} takes one container id, not {} arguments",
                others.len()
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAGS: [Flag; 3] =
        [value("bundle").short("b"), switch("detach").short("d"), value("env")];

    fn parse(line: &str) -> Result<Arguments, Error> {
        Arguments::parse("run", &FLAGS, line.split_whitespace().map(str::to_owned).collect())
    }

    #[test]
    fn flags_come_in_every_shape_that_go_takes() {
        for line in ["--bundle /b -d id", "-b /b --detach id", "-bundle=/b --detach=true -- id"] {
            let parsed = parse(line).unwrap();
            assert_eq!(parsed.get("bundle"), Some("/b"), "{line}");
            assert!(parsed.is_set("detach"), "{line}");
            assert_eq!(parsed.only_id("run").unwrap(), "id", "{line}");
        }
        let parsed = parse("--env A=1 --env B=2 --detach=false id sh -c -d").unwrap();
        assert_eq!(parsed.all("env").collect::<Vec<_>>(), ["A=1", "B=2"]);
        assert!(!parsed.is_set("detach"));
        assert_eq!(parsed.rest, ["id", "sh", "-c", "-d"]);
    }

    #[test]
    fn mistakes_are_named() {
        for (line, words) in [
            ("--bungle x", "unknown flag \"--bungle\""),
            ("--bundle", "--bundle needs a value"),
            ("--detach=maybe", "true or false"),
        ] {
            let text = parse(line).unwrap_err().to_string();
            assert!(text.contains(words), "{text}");
        }
        assert!(parse("a b").unwrap().only_id("run").is_err());
        assert!(parse("--env x").unwrap().number("env").is_err());
    }
}
