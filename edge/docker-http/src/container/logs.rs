//! `GET /containers/{name}/logs`.

use gantry_engine::Engine;
use gantry_engine::container::{LogsOptions, logs};
use gantry_shim_protocol::attach::Streams;
use gantry_types::Timestamp;
use hyper::StatusCode;
use hyper::header::HeaderValue;

use crate::call::Call;
use crate::compat;
use crate::error::Error;
use crate::query::Query;
use crate::reply::{self, Reply, ReplyBody};

pub(crate) async fn handle(engine: Engine, call: Call) -> Result<Reply, Error> {
    let options = options(&call.query)?;
    let follow = options.follow;
    let log = logs(&engine, &call.name, options).await?;
    let stream_type = HeaderValue::from_static(compat::stream_type(call.version, log.tty));
    let reply = reply::typed(StatusCode::OK, stream_type, ReplyBody::Log(log));
    Ok(if follow { reply::looking_on(reply) } else { reply })
}

fn options(query: &Query) -> Result<LogsOptions, Error> {
    Ok(LogsOptions {
        streams: Streams {
            stdin: false,
            stdout: query.flag("stdout"),
            stderr: query.flag("stderr"),
        },
        follow: query.flag("follow"),
        tail: tail(query)?,
        since: moment(query, "since")?,
        // Zero is no end, as clients send it when they were given none.
        until: moment(query, "until")?.filter(|until| (until.seconds, until.nanos) != (0, 0)),
        timestamps: query.flag("timestamps"),
        details: query.flag("details"),
    })
}

/// A number of lines; `all` and negative numbers are all of them.
fn tail(query: &Query) -> Result<Option<u64>, Error> {
    match query.get("tail") {
        None | Some("all") => Ok(None),
        Some(_) => Ok(query.number::<i64>("tail")?.and_then(|lines| u64::try_from(lines).ok())),
    }
}

/// Seconds since 1970, with up to nine digits of a fraction.
fn moment(query: &Query, name: &'static str) -> Result<Option<Timestamp>, Error> {
    let Some(text) = query.get(name) else { return Ok(None) };
    let parsed = || {
        let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits =
            fraction.bytes().all(|byte| byte.is_ascii_digit()) && (1..=9).contains(&fraction.len());
        let nanos: u32 = digits.then(|| format!("{fraction:0<9}").parse().ok()).flatten()?;
        Some(Timestamp { seconds: seconds.parse().ok()?, nanos })
    };
    let wanted = "it takes seconds since 1970, with a fraction or without";
    parsed().map(Some).ok_or_else(|| Error::Parameter { name, value: text.to_owned(), wanted })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<LogsOptions, Error> {
        options(&Query::parse(text).unwrap())
    }

    #[test]
    fn moments_have_nanoseconds() {
        let options = read("stdout=1&since=1700000000.5&until=1700000001.000000007").unwrap();
        assert_eq!(options.since.map(|t| (t.seconds, t.nanos)), Some((1_700_000_000, 500_000_000)));
        assert_eq!(options.until.map(|t| (t.seconds, t.nanos)), Some((1_700_000_001, 7)));
        let options = read("since=0&until=0").unwrap();
        assert!(options.until.is_none() && options.since.is_some());
    }

    #[test]
    fn tails() {
        let tail = |text| read(text).unwrap().tail;
        assert_eq!((tail(""), tail("tail=all"), tail("tail=-1")), (None, None, None));
        assert_eq!((tail("tail=0"), tail("tail=10")), (Some(0), Some(10)));
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for text in ["since=yesterday", "since=1.", "since=1.0000000001", "until=1.x", "tail=few"] {
            let error = read(text).err().unwrap().to_string();
            assert!(error.starts_with("invalid value"), "{text}: {error}");
        }
    }
}
