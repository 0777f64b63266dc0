//! One value for one file of a cgroup, and how a group of them is written.

use std::borrow::Cow;
use std::io;

use rustix::io::Errno;

use crate::directory::Directory;
use crate::error::Error;

/// One limit: what the specification calls it, and where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting {
    /// As in the specification, such as `memory.limit`.
    pub(crate) name: Cow<'static, str>,
    /// The first of these files that the kernel offers takes its value.
    pub(crate) targets: Vec<(Cow<'static, str>, Value)>,
    /// Whether the value means "no limit", so that it holds by itself where the file is missing.
    pub(crate) is_no_limit: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Text(String),
    /// v2's `cpu.max`, in microseconds: what is absent stays as it is.
    CpuMax {
        quota: Option<i64>,
        period: Option<u64>,
    },
}

impl Setting {
    #[expect(clippy::needless_pass_by_value, reason = "numbers and texts alike, as they are")]
    pub(crate) fn new(
        name: impl Into<Cow<'static, str>>,
        file: impl Into<Cow<'static, str>>,
        value: impl ToString,
    ) -> Self {
        Self {
            name: name.into(),
            targets: vec![(file.into(), Value::Text(value.to_string()))],
            is_no_limit: false,
        }
    }

    /// v2's `cpu.max`.
    pub(crate) fn cpu_max(name: &'static str, quota: Option<i64>, period: Option<u64>) -> Self {
        let value = Value::CpuMax { quota, period };
        Self { targets: vec![("cpu.max".into(), value)], ..Self::new(name, "", "") }
    }

    /// A file to try before the others.
    #[expect(clippy::needless_pass_by_value, reason = "numbers and texts alike, as they are")]
    pub(crate) fn rather(mut self, file: &'static str, value: impl ToString) -> Self {
        self.targets.insert(0, (file.into(), Value::Text(value.to_string())));
        self
    }

    pub(crate) fn no_limit_if(mut self, is_no_limit: bool) -> Self {
        self.is_no_limit = is_no_limit;
        self
    }
}

/// Writes the settings of one controller.
///
/// Some depend on each other: a quota must fit the period, memory must not exceed memory with swap. Which order is right
/// depends on the values in force, so what the kernel refuses with EINVAL is tried again as long as others get through.
pub(crate) fn write_all(directory: &Directory, settings: &[Setting]) -> Result<(), Error> {
    let mut waiting: Vec<&Setting> = settings.iter().collect();
    loop {
        let mut refused = Vec::new();
        let mut first_error = None;
        for setting in &waiting {
            match write(directory, setting) {
                Ok(()) => {}
                Err(error) if is_invalid_argument(&error) => {
                    first_error.get_or_insert(error);
                    refused.push(*setting);
                }
                Err(error) => return Err(error),
            }
        }
        match first_error {
            None => return Ok(()),
            Some(error) if refused.len() == waiting.len() => return Err(error),
            Some(_) => waiting = refused,
        }
    }
}

fn write(directory: &Directory, setting: &Setting) -> Result<(), Error> {
    let Some((file, value)) = setting.targets.iter().find(|(file, _)| directory.has(file)) else {
        if setting.is_no_limit {
            return Ok(());
        }
        let last = setting.targets.last().map_or("", |(file, _)| file.as_ref());
        return Err(Error::NoFile {
            setting: setting.name.clone().into_owned(),
            file: directory.path().join(last),
        });
    };
    let value = match value {
        Value::Text(text) => text.clone(),
        Value::CpuMax { quota, period } => cpu_max(&directory.read(file)?, *quota, *period),
    };
    let failed = |source: io::Error| Error::Set {
        setting: setting.name.clone().into_owned(),
        value: value.clone(),
        file: directory.path().join(file.as_ref()),
        source,
    };
    directory.try_write(file, &value).map_err(failed)
}

/// A new `cpu.max`, given the one in force.
fn cpu_max(current: &str, quota: Option<i64>, period: Option<u64>) -> String {
    let mut words = current.split_whitespace();
    let (old_quota, old_period) = (words.next().unwrap_or("max"), words.next().unwrap_or("100000"));
    let quota = match quota {
        Some(quota) if quota > 0 => quota.to_string(),
        Some(_) => "max".to_owned(),
        None => old_quota.to_owned(),
    };
    let period = period.map_or_else(|| old_period.to_owned(), |period| period.to_string());
    format!("{quota} {period}")
}

fn is_invalid_argument(error: &Error) -> bool {
    matches!(error, Error::Set { source, .. } if Errno::from_io_error(source) == Some(Errno::INVAL))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_max_keeps_what_is_not_named() {
        assert_eq!(cpu_max("max 100000\n", Some(50_000), None), "50000 100000");
        assert_eq!(cpu_max("20000 50000\n", None, Some(10_000)), "20000 10000");
        assert_eq!(cpu_max("20000 50000\n", Some(-1), None), "max 50000");
        assert_eq!(cpu_max("", Some(0), Some(7)), "max 7");
    }
}
