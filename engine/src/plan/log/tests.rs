//! Drivers and their options.

use super::*;

fn with(
    driver: &str,
    options: &[(&str, &str)],
    defaults: &LogDefaults,
) -> Result<(Option<LogPlan>, LogConfig), String> {
    let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    let mut config =
        LogConfig { r#type: driver.to_owned(), config: options.iter().map(own).collect() };
    let plan = resolve(&mut config, defaults).map_err(|error| error.to_string())?;
    Ok((plan, config))
}

fn plan(driver: &str, options: &[(&str, &str)]) -> Result<LogPlan, String> {
    with(driver, options, &LogDefaults::default()).map(|(plan, _)| plan.unwrap())
}

#[test]
fn logs_are_bounded_by_default() {
    for (driver, form) in
        [("", (LogFormat::Local, true)), ("json-file", (LogFormat::JsonFile, false))]
    {
        let own = plan(driver, &[]).unwrap();
        assert_eq!((own.format, own.compress), form, "{driver}");
        assert_eq!((own.max_size_bytes, own.max_files), (20 << 20, 5), "{driver}");
    }
    let json = plan("json-file", &[("max-size", "10m"), ("max-file", "10000")]).unwrap();
    assert_eq!((json.format, json.compress), (LogFormat::JsonFile, false));
    assert_eq!((json.max_size_bytes, json.max_files), (10 << 20, 10_000));
    assert!(!plan("local", &[("max-file", "1")]).unwrap().compress);
    let (none, _) = with("none", &[], &LogDefaults::default()).unwrap();
    assert_eq!(none, None);
}

#[test]
fn the_daemon_s_options_are_for_its_own_driver() {
    let options = [("max-size", "3m"), ("max-file", "7")];
    let defaults = LogDefaults {
        driver: "json-file".to_owned(),
        options: options.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
    };
    let (resolved, config) = with("", &[("max-file", "2")], &defaults).unwrap();
    let resolved = resolved.unwrap();
    assert_eq!((resolved.max_size_bytes, resolved.max_files), (3 << 20, 2));
    assert_eq!((&*config.r#type, &*config.config["max-size"]), ("json-file", "3m"));
    let (other, config) = with("local", &[], &defaults).unwrap();
    assert_eq!(other.unwrap().max_files, 5);
    assert!(config.config.is_empty());
}

#[test]
fn remote_drivers_keep_a_cache() {
    let options = [
        ("syslog-address", "udp://h"),
        ("tag", "{{.Name}}"),
        ("mode", "non-blocking"),
        ("max-buffer-size", "1m"),
        ("cache-max-size", "1m"),
        ("cache-max-file", "2"),
        ("cache-disabled", "true"),
    ];
    let resolved = plan("syslog", &options).unwrap();
    assert_eq!((resolved.format, resolved.max_size_bytes), (LogFormat::Local, 1 << 20));
    assert!(resolved.hidden && resolved.compress && resolved.max_files == 2);
    let Some(Destination::Remote { driver, options }) = resolved.destination else {
        panic!("{:?}", resolved.destination);
    };
    assert_eq!(driver, "syslog");
    assert_eq!(options.keys().collect::<Vec<_>>(), ["syslog-address", "tag"]);
    let plugin = plan("my/plugin", &[("anything", "goes")]).unwrap().destination.unwrap();
    assert_eq!(plugin.name(), "my/plugin");
}

#[test]
fn what_does_not_exist_or_contradicts_itself_is_named() {
    for value in ["0", "0k", "-1", "-5m", ""] {
        let error = plan("json-file", &[("max-size", value)]).unwrap_err();
        let text = format!("invalid value {value:?} for log option max-size: give a size");
        assert!(error.starts_with(&text), "{error}");
    }
    for value in ["0", "-1", "10001", "x"] {
        let error = plan("local", &[("max-file", value)]).unwrap_err();
        let text = format!("invalid value {value:?} for log option max-file: give a number");
        assert!(error.starts_with(&text), "{error}");
    }
    for (driver, options, words) in [
        ("local", &[("x", "y")][..], "unknown log opt 'x' for local log driver"),
        ("json-file", &[("syslog-format", "y")][..], "'syslog-format' for json-file"),
        ("gelf", &[("gelf-address", "udp://h:1"), ("max-size", "1m")][..], "'max-size' for gelf"),
        ("gelf", &[][..], "gelf-address is needed"),
        ("syslog", &[("cache-max-file", "0")][..], "log option cache-max-file"),
        ("local", &[("mode", "slow")][..], "give blocking or non-blocking"),
        ("local", &[("max-buffer-size", "1m")][..], "needs mode=non-blocking"),
        ("local", &[("compress", "maybe")][..], "give true or false"),
        ("local", &[("compress", "true"), ("max-file", "1")][..], "does not go with max-file=1"),
        ("json-file", &[("labels-regex", "(")][..], "give a regular expression"),
        ("json-file", &[("tag", "{{.X}}")][..], "log option tag"),
        ("awslogs", &[][..], "there is no log driver awslogs"),
        ("splunk", &[][..], "there is no log driver splunk"),
    ] {
        let error = plan(driver, options).unwrap_err();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn records_of_before_are_read() {
    let old: LogPlan = serde_json::from_str(r#"{"max_size_bytes":5,"max_files":2}"#).unwrap();
    assert_eq!((old.format, old.compress, old.hidden), (LogFormat::JsonFile, false, false));
}
