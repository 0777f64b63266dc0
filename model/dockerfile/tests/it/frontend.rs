//! Syntax directives, and errors with their places.

use gantry_dockerfile::{Dockerfile, Frontend, Source};

#[test]
fn directives_ask_for_what_is_built_in_or_for_more() {
    let newer = |major, minor| Frontend::Newer { major, minor };
    for (text, expected) in [
        ("docker/dockerfile", Frontend::BuiltIn),
        ("docker/dockerfile:1", Frontend::BuiltIn),
        ("docker/dockerfile:1.4", Frontend::BuiltIn),
        ("docker/dockerfile:1.26", Frontend::BuiltIn),
        ("docker/dockerfile:1.26.7", Frontend::BuiltIn),
        ("docker/dockerfile:1.7-labs", Frontend::BuiltIn),
        ("docker/dockerfile:labs", Frontend::BuiltIn),
        ("docker/dockerfile:latest", Frontend::BuiltIn),
        ("docker/dockerfile:experimental", Frontend::BuiltIn),
        ("docker/dockerfile-upstream:master", Frontend::BuiltIn),
        ("docker.io/docker/dockerfile:1", Frontend::BuiltIn),
        ("docker/dockerfile:1@sha256:00", Frontend::BuiltIn),
        ("docker/dockerfile:1.27", newer(1, 27)),
        ("docker/dockerfile:1.30-labs", newer(1, 30)),
        ("docker/dockerfile:2", newer(2, 0)),
        (
            "example.com/docker/dockerfile:1",
            Frontend::Other("example.com/docker/dockerfile:1".into()),
        ),
        ("devthefuture/dockerfile-x", Frontend::Other("devthefuture/dockerfile-x".into())),
        ("r2d4/mocker", Frontend::Other("r2d4/mocker".into())),
    ] {
        assert_eq!(Frontend::parse(text), expected, "{text}");
    }
}

#[test]
fn errors_point_at_what_is_wrong() {
    for (text, expected) in [
        (
            "FROM a\n\n\tRUNN x\nRUN y\nRUN z\nRUN w\n",
            "D:3\n--------------------\n   1 |     FROM a\n   2 |     \n   3 | >>> \tRUNN x\n     |     \t^^^^\n   4 |     RUN y\n   5 |     RUN z\n--------------------\n",
        ),
        (
            "FROM a\nCOPY --frm=x a b",
            "D:2\n--------------------\n   1 |     FROM a\n   2 | >>> COPY --frm=x a b\n     |          ^^^^^\n--------------------\n",
        ),
        (
            "FROM a\nRUN \\\n  --mount=type=what b",
            "D:2\n--------------------\n   1 |     FROM a\n   2 | >>> RUN \\\n   3 | >>>   --mount=type=what b\n     |                    ^^^^\n--------------------\n",
        ),
        ("FROM", "D:1\n--------------------\n   1 | >>> FROM\n--------------------\n"),
        (
            "FROM a AS 1b",
            "D:1\n--------------------\n   1 | >>> FROM a AS 1b\n     |               ^^\n--------------------\n",
        ),
    ] {
        let error = Source::parse(text).and_then(|source| Dockerfile::read(&source)).unwrap_err();
        assert_eq!(error.excerpt("D", text), expected, "{text:?}");
    }
}
