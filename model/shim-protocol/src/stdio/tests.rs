//! URIs there and back, and malformed ones.

use super::*;

fn log(path: &str, max_size_bytes: Option<u64>, max_files: u32) -> Output {
    Output::Relay(Some(LogTarget { path: PathBuf::from(path), max_size_bytes, max_files }))
}

#[test]
fn outputs_come_back_as_they_went() {
    let strange = PathBuf::from(OsString::from_vec(b"/a b/\xff?&%#".to_vec()));
    for output in [
        Output::Null,
        Output::Relay(None),
        log("/v/x-json.log", Some(10_000_000), 3),
        log("/v/x-json.log", None, 1),
        Output::Relay(Some(LogTarget {
            path: strange.clone(),
            max_size_bytes: None,
            max_files: 2,
        })),
        Output::ImpatientRelay { log: None, stall_limit: Duration::from_secs(5) },
        Output::ImpatientRelay {
            log: Some(LogTarget { path: strange.clone(), max_size_bytes: Some(1), max_files: 2 }),
            stall_limit: Duration::from_millis(1),
        },
        Output::Fifo(strange.clone()),
        Output::File(strange),
        Output::Binary("binary:///bin/logger?a=b".to_owned()),
    ] {
        assert_eq!(Output::parse(&output.to_string()), Ok(output.clone()), "{output}");
    }
}

#[test]
fn inputs_come_back_as_they_went() {
    for input in [
        Input::Null,
        Input::Relay { once: false },
        Input::Relay { once: true },
        Input::Fifo(PathBuf::from("/run/f i")),
    ] {
        assert_eq!(Input::parse(&input.to_string()), Ok(input.clone()), "{input}");
    }
}

#[test]
fn containerds_own_forms_are_read() {
    assert_eq!(Output::parse("/run/f%20"), Ok(Output::Fifo(PathBuf::from("/run/f%20"))));
    assert_eq!(Output::parse("file:///var/l?x=y"), Ok(Output::File(PathBuf::from("/var/l"))));
}

#[test]
fn malformed_uris_are_refused() {
    for uri in [
        "relative",
        "gantry://relative",
        "gantry:///l?format=xml",
        "gantry:///l?max-size=0",
        "gantry:///l?max-size=-1",
        "gantry:///l?max-file=99999999999",
        "gantry:///l?max-file",
        "gantry:///l?color=red",
        "gantry:///l?stall-ms=0",
        "gantry://?stall-ms=soon",
        "gantry://?max-file=2",
        "gantry://?color=red",
        "gantry:///l%2",
        "gantry:///l%zz",
        "gantry:///l%00",
        "fifo://x",
        "file://x",
        "http://x",
        "/run/\0",
    ] {
        let refused = Output::parse(uri);
        assert!(
            matches!(&refused, Err(Error::Stdio { uri: named, .. }) if named == uri),
            "{refused:?}"
        );
    }
    assert!(Input::parse("gantry:///log").is_err());
    assert!(Input::parse("file:///x").is_err());
}
