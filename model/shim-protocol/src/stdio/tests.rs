//! URIs there and back, and malformed ones.

use super::*;

fn log(path: &str, max_size_bytes: Option<u64>, max_files: u32) -> Output {
    let format = LogFormat::JsonFile;
    Output::Relay(Some(LogTarget { format, path: PathBuf::from(path), max_size_bytes, max_files }))
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
            format: LogFormat::Local,
            path: strange.clone(),
            max_size_bytes: None,
            max_files: 2,
        })),
        Output::ImpatientRelay { log: None, stall_limit: Duration::from_secs(5) },
        Output::ImpatientRelay {
            log: Some(LogTarget {
                format: LogFormat::JsonFile,
                path: strange.clone(),
                max_size_bytes: Some(1),
                max_files: 2,
            }),
            stall_limit: Duration::from_millis(1),
        },
        Output::Fifo(strange.clone()),
        Output::File(strange),
        Output::Binary(Logger {
            program: PathBuf::from("/bin/a logger"),
            arguments: ["a", "b", "flag", ""].map(str::to_owned).to_vec(),
            variables: vec![("X".to_owned(), "1&2".to_owned())],
        }),
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
        "binary://logger",
        "binary://",
        "binary:///l?a=%00",
        "binary:///l?a=%ff",
        "binary:///l?env.a%3Db=c",
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

#[test]
fn a_loggers_options_are_arguments_and_variables() {
    let uri = "binary:///bin/logger?id=a+b%2Bc&flag&env.X=1&env.CONTAINER_ID=forged&=v";
    let Ok(Output::Binary(logger)) = Output::parse(uri) else { panic!("{uri} is not understood") };
    assert_eq!(logger.program, PathBuf::from("/bin/logger"));
    assert_eq!(logger.arguments, ["id", "a b+c", "flag", "", "", "v"]);
    assert_eq!(logger.variables, [("X".to_owned(), "1".to_owned())]);
    let many = format!("binary:///l?{}", "a&".repeat(1025));
    assert!(Output::parse(&many).is_err());
}
