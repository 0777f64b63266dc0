//! `HEALTHCHECK`.

use gantry_types::duration_nanos;

use super::flags::{Flags, Takes};
use super::process::Command;
use crate::Problem;
use crate::source::Statement;

/// The shortest time between two checks, 1 ms.
const MIN_NANOS: i64 = 1_000_000;

/// What `HEALTHCHECK` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HealthCheck {
    /// The base image's check does not count.
    None,
    /// How health is found out.
    Check(Health),
}

/// How health is found out; what is `None` is as the base image or the engine has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// What is executed.
    pub command: Command,
    /// Nanoseconds between checks.
    pub interval_nanos: Option<i64>,
    /// Nanoseconds after which a check has failed.
    pub timeout_nanos: Option<i64>,
    /// Nanoseconds after the start in which failures do not count.
    pub start_period_nanos: Option<i64>,
    /// Nanoseconds between checks in that time.
    pub start_interval_nanos: Option<i64>,
    /// Failures in a row that make a container unhealthy.
    pub retries: Option<u32>,
}

impl HealthCheck {
    pub(super) fn read(statement: &Statement) -> Result<Self, Problem> {
        let text = statement.arguments.as_str();
        let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let rest = rest.trim_start();
        match word.to_ascii_uppercase().as_str() {
            "" => Err(Problem::AtLeastOneArgument("HEALTHCHECK")),
            "NONE" if !rest.is_empty() => Err(Problem::HealthNone),
            "NONE" => Flags::none(statement).map(|()| Self::None),
            "CMD" => {
                let command = Command::parse(rest)?;
                if command.is_empty() {
                    return Err(Problem::HealthCommand);
                }
                check(statement, command).map(Self::Check)
            }
            other => Err(Problem::HealthType(other.to_owned())),
        }
    }
}

fn check(statement: &Statement, command: Command) -> Result<Health, Problem> {
    let known = ["interval", "timeout", "start-period", "start-interval", "retries"];
    let flags = Flags::read(statement, &known.map(|name| (name, Takes::Text)))?;
    let duration = |flag: &'static str| {
        let Some(value) = flags.text(flag) else { return Ok(None) };
        let reason = match duration_nanos(&value) {
            Some(0) => return Ok(None),
            Some(nanos) if nanos >= MIN_NANOS => return Ok(Some(nanos)),
            Some(_) => "it cannot be less than 1ms",
            None => "it is no duration such as 30s or 1m30s",
        };
        Err(Problem::InvalidFlagValue { flag, value, reason: reason.to_owned() })
    };
    let retries = match flags.text("retries") {
        None => None,
        Some(value) => Some(value.parse().map_err(|_| Problem::InvalidFlagValue {
            flag: "retries",
            value,
            reason: "it is no number of at least 0".to_owned(),
        })?),
    };
    Ok(Health {
        command,
        interval_nanos: duration("interval")?,
        timeout_nanos: duration("timeout")?,
        start_period_nanos: duration("start-period")?,
        start_interval_nanos: duration("start-interval")?,
        retries,
    })
}
