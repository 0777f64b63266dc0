//! What is no Dockerfile, and what is said of it.

use crate::refusal;

/// A Dockerfile, and what is said of it.
pub(crate) const REFUSALS: &[(&str, &str)] = &[
    ("", "line 1: file with no instructions"),
    ("\n\n# only comments\n", "line 1: file with no instructions"),
    ("RUN true", "line 1: no build stage in current context"),
    ("ARG A\nRUN true", "line 2: no build stage in current context"),
    ("ARG A=1", "line 1: no build stage in current context"),
    ("FORM scratch", "line 1: unknown instruction: FORM (did you mean FROM?)"),
    ("FROM scratch\nRUNN x", "line 2: unknown instruction: RUNN (did you mean RUN?)"),
    ("FROM scratch\nNONSENSE x", "line 2: unknown instruction: NONSENSE"),
    ("FROM scratch\n\n\nCPY a b", "line 4: unknown instruction: CPY (did you mean COPY?)"),
    ("FROM scratch\n{\n}", "line 2: unknown instruction: {"),
    ("FROM", "line 1: FROM requires either one or three arguments"),
    ("FROM a b", "line 1: FROM requires either one or three arguments"),
    ("FROM a as", "line 1: FROM requires either one or three arguments"),
    ("FROM a is b", "line 1: FROM requires either one or three arguments"),
    ("FROM a as b c", "line 1: FROM requires either one or three arguments"),
    (
        "FROM a as 1b",
        "line 1: invalid name for build stage: \"1b\", name can't start with a number or contain symbols",
    ),
    (
        "FROM a AS b/c",
        "line 1: invalid name for build stage: \"b/c\", name can't start with a number or contain symbols",
    ),
    ("FROM --os=x a", "line 1: unknown flag: --os"),
    ("FROM --platfrm=x a", "line 1: unknown flag: --platfrm (did you mean platform?)"),
    ("FROM --platform a", "line 1: missing a value on flag: --platform"),
    ("FROM --platform=a --platform=b a", "line 1: duplicate flag specified: --platform"),
    (
        "FROM a\nCOPY x",
        "line 2: COPY requires at least two arguments, but only one was provided. Destination could not be determined",
    ),
    (
        "FROM a\nADD x",
        "line 2: ADD requires at least two arguments, but only one was provided. Destination could not be determined",
    ),
    (
        "FROM a\nCOPY",
        "line 2: COPY requires at least two arguments, but only one was provided. Destination could not be determined",
    ),
    (
        "FROM a\nCOPY --link=maybe a b",
        "line 2: expecting boolean value for flag --link, not: maybe",
    ),
    ("FROM a\nCOPY --chown a b", "line 2: missing a value on flag: --chown"),
    ("FROM a\nCOPY --checksum=x a b", "line 2: unknown flag: --checksum"),
    ("FROM a\nADD --from=x a b", "line 2: unknown flag: --from"),
    (
        "FROM a\nCOPY --from=$x a b",
        "line 2: variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround",
    ),
    (
        "FROM a\nCOPY [1, 2]",
        "line 2: when using JSON array syntax, arrays must be comprised of strings only",
    ),
    ("FROM a\nCOPY a <<EOF\nx\nEOF", "line 2: COPY cannot accept a heredoc as a destination"),
    ("FROM a\nCOPY <<EOF b\nx\n", "line 2: unterminated heredoc \"EOF\""),
    ("FROM a\nRUN cat <<A <<B\nx\nA\ny", "line 2: unterminated heredoc \"B\""),
    ("FROM a\nRUN", "line 2: RUN requires at least one argument"),
    ("FROM a\nRUN --mount=type=nothing x", "line 2: unsupported mount type \"nothing\""),
    ("FROM a\nRUN --mount=type=bind x", "line 2: a bind mount needs a target"),
    ("FROM a\nRUN --mount=type=cache x", "line 2: a cache mount needs a target"),
    ("FROM a\nRUN --mount=type=tmpfs x", "line 2: a tmpfs mount needs a target"),
    (
        "FROM a\nRUN --mount=type=secret x",
        "line 2: invalid secret mount. one of source, target required",
    ),
    ("FROM a\nRUN --mount=type=secret,id=a,source=b x", "line 2: both source and id can't be set"),
    (
        "FROM a\nRUN --mount=type=secret,id=a,from=b x",
        "line 2: from not allowed for \"secret\" type mounts",
    ),
    ("FROM a\nRUN --mount=target=/a,wrong=1 x", "line 2: unexpected key 'wrong' in 'wrong=1'"),
    (
        "FROM a\nRUN --mount=taget=/a x",
        "line 2: unexpected key 'taget' in 'taget=/a' (did you mean target?)",
    ),
    ("FROM a\nRUN --mount=target x", "line 2: invalid field 'target' must be a key=value pair"),
    (
        "FROM a\nRUN --mount=target=/a,size=1 x",
        "line 2: unexpected key 'size' for mount type 'bind'",
    ),
    (
        "FROM a\nRUN --mount=target=/a,required x",
        "line 2: unexpected key 'required' for mount type 'bind'",
    ),
    (
        "FROM a\nRUN --mount=target=/a,mode=700 x",
        "line 2: mode not allowed for \"bind\" type mounts",
    ),
    (
        "FROM a\nRUN --mount=type=tmpfs,target=/a,uid=1 x",
        "line 2: uid not allowed for \"tmpfs\" type mounts",
    ),
    (
        "FROM a\nRUN --mount=target=/a,sharing=locked x",
        "line 2: sharing not allowed for \"bind\" type mounts",
    ),
    (
        "FROM a\nRUN --mount=type=cache,target=/a,sharing=all x",
        "line 2: unsupported sharing value \"all\"",
    ),
    ("FROM a\nRUN --mount=type=cache,target=/a,mode=9 x", "line 2: invalid value for mode: 9"),
    (
        "FROM a\nRUN --mount=type=cache,target=/a,ro=perhaps x",
        "line 2: invalid value for ro: perhaps",
    ),
    ("FROM a\nRUN --mount=type=tmpfs,target=/a,size=big x", "line 2: invalid value for size: big"),
    (
        "FROM a\nRUN --mount=from=$x,target=/a x",
        "line 2: 'from' doesn't support variable expansion, define alias stage instead",
    ),
    (
        "FROM a\nRUN --network=some x",
        "line 2: invalid value \"some\" for flag --network: default, none and host are known",
    ),
    (
        "FROM a\nRUN --security=none x",
        "line 2: invalid value \"none\" for flag --security: sandbox and insecure are known",
    ),
    ("FROM a\nRUN --frob x", "line 2: unknown flag: --frob"),
    (
        "FROM a\nRUN [\"a\", 1]",
        "line 2: when using JSON array syntax, arrays must be comprised of strings only",
    ),
    ("FROM a\nCMD --version", "line 2: unknown flag: --version"),
    ("FROM a\nENV", "line 2: ENV requires at least one argument"),
    ("FROM a\nENV A", "line 2: ENV must have two arguments"),
    (
        "FROM a\nENV A=1 B",
        "line 2: Syntax error - can't find = in \"B\". Must be of the form: name=value",
    ),
    ("FROM a\nENV =1", "line 2: ENV names can not be blank"),
    ("FROM a\nLABEL", "line 2: LABEL requires at least one argument"),
    ("FROM a\nLABEL A", "line 2: LABEL must have two arguments"),
    ("FROM a\nLABEL =1", "line 2: LABEL names can not be blank"),
    ("FROM a\nARG", "line 2: ARG requires at least one argument"),
    ("FROM a\nARG =1", "line 2: ARG names can not be blank"),
    ("FROM a\nEXPOSE", "line 2: EXPOSE requires at least one argument"),
    ("FROM a\nVOLUME", "line 2: VOLUME requires at least one argument"),
    ("FROM a\nVOLUME []", "line 2: VOLUME requires at least one argument"),
    ("FROM a\nVOLUME [\"\"]", "line 2: VOLUME specified can not be an empty string"),
    ("FROM a\nUSER", "line 2: USER requires exactly one argument"),
    ("FROM a\nWORKDIR", "line 2: WORKDIR requires exactly one argument"),
    ("FROM a\nSTOPSIGNAL", "line 2: STOPSIGNAL requires exactly one argument"),
    ("FROM a\nMAINTAINER", "line 2: MAINTAINER requires exactly one argument"),
    ("FROM a\nSHELL", "line 2: SHELL requires at least one argument"),
    ("FROM a\nSHELL []", "line 2: SHELL requires at least one argument"),
    ("FROM a\nSHELL bash -c", "line 2: SHELL requires the arguments to be in JSON form"),
    ("FROM a\nHEALTHCHECK", "line 2: HEALTHCHECK requires at least one argument"),
    ("FROM a\nHEALTHCHECK CMD", "line 2: Missing command after HEALTHCHECK CMD"),
    ("FROM a\nHEALTHCHECK CMD []", "line 2: Missing command after HEALTHCHECK CMD"),
    ("FROM a\nHEALTHCHECK NONE x", "line 2: HEALTHCHECK NONE takes no arguments"),
    ("FROM a\nHEALTHCHECK NONE [\"x\"]", "line 2: HEALTHCHECK NONE takes no arguments"),
    ("FROM a\nHEALTHCHECK curl x", "line 2: Unknown type \"CURL\" in HEALTHCHECK (try CMD)"),
    (
        "FROM a\nHEALTHCHECK --interval=5 CMD x",
        "line 2: invalid value \"5\" for flag --interval: it is no duration such as 30s or 1m30s",
    ),
    (
        "FROM a\nHEALTHCHECK --timeout=1us CMD x",
        "line 2: invalid value \"1us\" for flag --timeout: it cannot be less than 1ms",
    ),
    (
        "FROM a\nHEALTHCHECK --retries=-1 CMD x",
        "line 2: invalid value \"-1\" for flag --retries: it is no number of at least 0",
    ),
    (
        "FROM a\nHEALTHCHECK --retries=a CMD x",
        "line 2: invalid value \"a\" for flag --retries: it is no number of at least 0",
    ),
    ("FROM a\nHEALTHCHECK --interval=1s NONE", "line 2: unknown flag: --interval"),
    ("FROM a\nONBUILD", "line 2: ONBUILD requires at least one argument"),
    (
        "FROM a\nONBUILD ONBUILD RUN x",
        "line 2: Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed",
    ),
    ("FROM a\nONBUILD FROM b", "line 2: FROM isn't allowed as an ONBUILD trigger"),
    ("FROM a\nONBUILD maintainer me", "line 2: MAINTAINER isn't allowed as an ONBUILD trigger"),
    (
        "FROM a\nONBUILD COPY x",
        "line 2: COPY requires at least two arguments, but only one was provided. Destination could not be determined",
    ),
    ("FROM a\nONBUILD WHAT x", "line 2: unknown instruction: WHAT"),
    ("# escape=x\nFROM a", "line 1: invalid escape token 'x' does not match ` or \\"),
    ("# escape=\\\n# escape=`\nFROM a", "line 2: only one escape parser directive can be used"),
    ("# syntax=a\n# syntax=b\nFROM a", "line 2: only one syntax parser directive can be used"),
    (
        "# check=everything\nFROM a",
        "line 1: invalid check option \"everything\": skip=RULE,…, error=BOOL and experimental=RULE,… are known",
    ),
    (
        "# check=error=perhaps\nFROM a",
        "line 1: invalid check option \"error=perhaps\": skip=RULE,…, error=BOOL and experimental=RULE,… are known",
    ),
    (
        "FROM a\nRUN echo 'x <<EOF\nEOF\n",
        "line 2: unexpected end of statement while looking for matching single-quote",
    ),
];

#[test]
fn a_refusal_names_the_line_and_the_reason() {
    for (text, expected) in REFUSALS {
        assert_eq!(refusal(text), format!("dockerfile parse error on {expected}"), "{text:?}");
    }
}

#[test]
fn a_file_may_not_be_endless() {
    let text = format!("FROM a\n{}", "#".repeat(5 << 20));
    assert!(refusal(&text).contains("4194304 is the most"));
}
