//! Options, and the forms of messages.

use super::*;

fn parse(options: &[(&str, &str)]) -> Result<Syslog, Error> {
    let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    Syslog::parse(&options.iter().map(own).collect())
}

fn message(is_stderr: bool) -> Message {
    let time = Timestamp { seconds: 1_709_424_245, nanos: 6_007_008 };
    Message { time, is_stderr, line: b"hello".to_vec(), partial: None }
}

#[test]
fn forms() {
    let origin =
        Origin { tag: "web".to_owned(), hostname: "host".to_owned(), pid: 7, ..Origin::default() };
    let text = |form, stderr| head(form, 3, &message(stderr), &origin);
    let shifted = stamp(message(false).time);
    assert_eq!(text(Form::Local, false), format!("<30>{shifted} web[7]: "));
    assert_eq!(text(Form::Rfc3164, true), format!("<27>{shifted} host web[7]: "));
    assert_eq!(text(Form::Rfc5424, false), "<30>1 2024-03-03T00:04:05Z host web 7 web - ");
    let micro = "<30>1 2024-03-03T00:04:05.006007Z host web 7 web - ";
    assert_eq!(text(Form::Rfc5424Micro, false), micro);
    // "Mar  3 00:04:05", in whatever zone this host is.
    assert_eq!((shifted.len(), &shifted[3..4], &shifted[6..7]), (15, " ", " "));
}

#[test]
fn options() {
    let plain = parse(&[]).unwrap();
    assert_eq!((plain.address, plain.facility, plain.form), (None, 3, Form::Local));
    let given = [("syslog-facility", "local7"), ("syslog-format", "rfc5424micro")];
    let parsed = parse(&given).unwrap();
    assert_eq!((parsed.facility, parsed.form), (23, Form::Rfc5424Micro));
    assert_eq!(parse(&[("syslog-facility", "16")]).unwrap().facility, 16);
    for (key, value) in [
        ("syslog-address", "http://h"),
        ("syslog-address", "host:514"),
        ("syslog-facility", "24"),
        ("syslog-facility", "nope"),
        ("syslog-format", "rfc1"),
        ("syslog-tls-skip-verify", "maybe"),
    ] {
        let error = parse(&[(key, value)]).unwrap_err().to_string();
        let expected = format!("invalid value {value:?} for log option {key}: give ");
        assert!(error.starts_with(&expected), "{error}");
    }
    for key in ["syslog-tls-cert", "syslog-tls-key"] {
        assert!(matches!(parse(&[(key, "/f")]), Err(Error::Missing { .. })));
    }
    let unknown = parse(&[("gelf-address", "udp://h")]).unwrap_err().to_string();
    assert_eq!(unknown, "unknown log opt 'gelf-address' for syslog log driver");
}
