//! Each instruction does what it does in a Dockerfile, and what is wrong is said.

use serde_json::{Value, json};

use super::*;

fn changed(changes: &[&str]) -> Result<Value> {
    let changes: Vec<String> = changes.iter().map(|&change| change.to_owned()).collect();
    let mut config = ContainerConfig::default();
    apply_all(&mut config, &changes)?;
    Ok(serde_json::to_value(config).unwrap())
}

#[test]
fn instructions_set_the_configuration() {
    let sh = ["/bin/sh", "-c"];
    let cases: &[(&[&str], Value)] = &[
        (&[], json!({})),
        (&[r#"CMD ["a", "b c"]"#], json!({ "Cmd": ["a", "b c"] })),
        (&["cmd echo $HOME"], json!({ "Cmd": [sh[0], sh[1], "echo $HOME"] })),
        (&["CMD [not json"], json!({ "Cmd": [sh[0], sh[1], "[not json"] })),
        (&["CMD []"], json!({ "Cmd": [] })),
        (&[r#"ENTRYPOINT ["/init"]"#], json!({ "Entrypoint": ["/init"] })),
        (&["ENV A=1 B=\"x y\"", "ENV A=2"], json!({ "Env": ["A=2", "B=x y"] })),
        (&["ENV A some words"], json!({ "Env": ["A=some words"] })),
        (&["EXPOSE 80 53/UDP"], json!({ "ExposedPorts": { "53/udp": {}, "80/tcp": {} } })),
        (&["EXPOSE 8000-8001"], json!({ "ExposedPorts": { "8000/tcp": {}, "8001/tcp": {} } })),
        (&["LABEL a=b \"c d\"=e"], json!({ "Labels": { "a": "b", "c d": "e" } })),
        (&["ONBUILD RUN make"], json!({ "OnBuild": ["RUN make"] })),
        (&["STOPSIGNAL SIGQUIT"], json!({ "StopSignal": "SIGQUIT" })),
        (&["USER 1000:1000"], json!({ "User": "1000:1000" })),
        (&[r#"VOLUME ["/a", "/b"]"#], json!({ "Volumes": { "/a": {}, "/b": {} } })),
        (&["VOLUME /a /b"], json!({ "Volumes": { "/a": {}, "/b": {} } })),
        (&["WORKDIR /srv", "WORKDIR app/./x/.."], json!({ "WorkingDir": "/srv/app" })),
        (&["HEALTHCHECK NONE"], json!({ "Healthcheck": { "Test": ["NONE"] } })),
        (
            &["HEALTHCHECK --interval=5s --retries=2 CMD curl -f localhost"],
            json!({ "Healthcheck": {
                "Test": ["CMD-SHELL", "curl -f localhost"], "Interval": 5_000_000_000_u64, "Retries": 2
            } }),
        ),
        (
            &[r#"HEALTHCHECK CMD ["/check"]"#],
            json!({ "Healthcheck": { "Test": ["CMD", "/check"] } }),
        ),
    ];
    for (changes, expected) in cases {
        assert_eq!(changed(changes).unwrap(), *expected, "{changes:?}");
    }
}

#[test]
fn faults_are_named() {
    let cases = [
        ("RUN make", "RUN is not a valid change command"),
        ("", " is not a valid change command"),
        ("ENV", "ENV needs an argument"),
        ("ENV A", "A must have a value"),
        ("ENV A=1 B", "can't find = in \"B\""),
        ("ENV =1", "names can not be blank"),
        ("LABEL a=\"b", "a quote is not closed"),
        ("EXPOSE 0", "invalid port: 0"),
        ("EXPOSE 70000", "invalid port: 70000"),
        ("EXPOSE 9-8", "invalid port: 9-8"),
        ("EXPOSE 80/http", "invalid proto: http"),
        ("ONBUILD ONBUILD RUN x", "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"),
        ("ONBUILD from x", "FROM isn't allowed as an ONBUILD trigger"),
        ("VOLUME [\"\"]", "VOLUME specified can not be an empty string"),
        ("HEALTHCHECK NONE x", "HEALTHCHECK NONE takes no arguments"),
        ("HEALTHCHECK CMD", "missing command after HEALTHCHECK CMD"),
        ("HEALTHCHECK SOME x", "unknown type \"SOME\" in HEALTHCHECK (try CMD)"),
        ("HEALTHCHECK --retries=0 CMD x", "--retries must be at least 1 (not 0)"),
        ("HEALTHCHECK --interval=5 CMD x", "invalid duration \"5\" of --interval"),
        ("HEALTHCHECK --interval=1us CMD x", "--interval \"1us\" cannot be less than 1ms"),
        ("HEALTHCHECK --colour=red CMD x", "unknown flag: --colour"),
        ("HEALTHCHECK --interval CMD x", "--interval needs a value: --interval=…"),
    ];
    for (change, reason) in cases {
        let error = changed(&[change]).unwrap_err().to_string();
        assert_eq!(error, format!("invalid change {change:?}: {reason}"));
    }
    changed(&["STOPSIGNAL SIGNOTHING"]).unwrap_err();
    changed(&["USER x"; MAX_CHANGES + 1]).unwrap_err();
    changed(&[&format!("USER {}", "x".repeat(MAX_CHANGE_BYTES))]).unwrap_err();
}

#[test]
fn an_entrypoint_drops_the_command_that_was_there() {
    let changed = |changes: &[&str]| {
        let mut config =
            ContainerConfig { cmd: Some(vec!["old".to_owned()]), ..ContainerConfig::default() };
        let changes: Vec<String> = changes.iter().map(|&change| change.to_owned()).collect();
        apply_all(&mut config, &changes).unwrap();
        config.cmd
    };
    assert_eq!(changed(&["ENV a=b"]), Some(vec!["old".to_owned()]));
    assert_eq!(changed(&["ENTRYPOINT [\"/e\"]"]), None);
    let own = Some(vec!["new".to_owned()]);
    assert_eq!(changed(&["CMD [\"new\"]", "ENTRYPOINT [\"/e\"]"]), own);
}
