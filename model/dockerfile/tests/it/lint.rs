//! The checks that warn.

use gantry_dockerfile::lint::{self, Surroundings};
use gantry_dockerfile::{Dockerfile, IgnoreFile, Source};

/// The warnings of a Dockerfile, `line RULE: message`.
fn warnings(text: &str, ignore: &str) -> Vec<String> {
    let source = Source::parse(text).unwrap();
    let dockerfile = Dockerfile::read(&source).unwrap();
    let ignore = IgnoreFile::parse(ignore).unwrap();
    let environment_of = |image: &str| (image != "unknown").then(|| vec!["FROM_BASE".to_owned()]);
    let surroundings = Surroundings { ignore: Some(&ignore), environment_of: &environment_of };
    let warnings = lint::check(&source, &dockerfile, &source.directives.check, surroundings);
    let line = |warning: &lint::Warning| {
        format!("{} {}: {}", warning.span, warning.rule.name(), warning.message)
    };
    warnings.iter().map(line).collect()
}

/// A Dockerfile, and the warning it gets.
const DOCKERFILES: &[(&str, &str)] = &[
    ("FROM a AS b", ""),
    ("FROM a AS Bad", "1 StageNameCasing: Stage name 'Bad' should be lowercase"),
    ("FROM a as b", "1 FromAsCasing: 'as' and 'FROM' keywords' casing do not match"),
    ("from a AS b", "1 FromAsCasing: 'AS' and 'from' keywords' casing do not match"),
    ("from a as b", ""),
    ("FROM a\nRUN a \\\n\nb", "2-4 NoEmptyContinuation: Empty continuation line"),
    ("FROM a\nRUN a \\\n# comment\nb", ""),
    (
        "FROM a\nrun x\nRUN y",
        "2 ConsistentInstructionCasing: Command 'run' should match the case of the command majority (uppercase)",
    ),
    (
        "from a\nrun x\nRUN y",
        "3 ConsistentInstructionCasing: Command 'RUN' should match the case of the command majority (lowercase)",
    ),
    (
        "FROM a\nRun x",
        "2 ConsistentInstructionCasing: Command 'Run' should match the case of the command majority (uppercase)",
    ),
    ("from a\nrun x", ""),
    (
        "FROM a AS b\nFROM a AS b",
        "2 DuplicateStageName: Duplicate stage name \"b\", stage names should be unique",
    ),
    ("FROM a AS b\nFROM a AS c", ""),
    (
        "FROM a AS scratch",
        "1 ReservedStageName: Stage name should not use the same name as reserved stage \"scratch\"",
    ),
    (
        "FROM a AS context",
        "1 ReservedStageName: Stage name should not use the same name as reserved stage \"context\"",
    ),
    (
        "FROM a\nCMD x",
        "2 JSONArgsRecommended: JSON arguments recommended for CMD to prevent unintended behavior related to OS signals",
    ),
    (
        "FROM a\nENTRYPOINT x",
        "2 JSONArgsRecommended: JSON arguments recommended for ENTRYPOINT to prevent unintended behavior related to OS signals",
    ),
    ("FROM a\nCMD [\"x\"]", ""),
    ("FROM a\nSHELL [\"bash\", \"-c\"]\nCMD x", ""),
    (
        "FROM a\nMAINTAINER me",
        "2 MaintainerDeprecated: Maintainer instruction is deprecated in favor of using label",
    ),
    ("FROM $X", "1 UndefinedArgInFrom: FROM argument 'X' is not declared"),
    (
        "ARG XYZ=a\nFROM $XY",
        "2 UndefinedArgInFrom: FROM argument 'XY' is not declared (did you mean XYZ?)",
    ),
    ("ARG X=a\nFROM $X", ""),
    ("FROM --platform=$BUILDPLATFORM a", ""),
    (
        "FROM --platform=$NOPLATFORM a",
        "1 UndefinedArgInFrom: FROM argument 'NOPLATFORM' is not declared",
    ),
    (
        "FROM a\nWORKDIR b",
        "2 WorkdirRelativePath: Relative workdir \"b\" can have unexpected results if the base image changes",
    ),
    ("FROM a\nWORKDIR /a\nWORKDIR b", ""),
    ("FROM a AS b\nWORKDIR /a\nFROM b\nWORKDIR b", ""),
    (
        "FROM a AS b\nFROM b\nWORKDIR b",
        "3 WorkdirRelativePath: Relative workdir \"b\" can have unexpected results if the base image changes",
    ),
    ("FROM a\nCOPY $x /", "2 UndefinedVar: Usage of undefined variable '$x'"),
    ("FROM a\nARG x\nCOPY $x /", ""),
    ("FROM a\nENV PATH=/b:$PATH", ""),
    (
        "FROM a\nENV P=$PAHT",
        "2 UndefinedVar: Usage of undefined variable '$PAHT' (did you mean $PATH?)",
    ),
    ("FROM a\nENV B=$FROM_BASE", ""),
    ("FROM unknown\nENV B=$ANYTHING", ""),
    ("FROM scratch\nENV B=$FROM_BASE", "2 UndefinedVar: Usage of undefined variable '$FROM_BASE'"),
    ("FROM a AS b\nENV X=1\nFROM b\nENV Y=$X", ""),
    ("FROM a AS b\nARG X=1\nFROM b\nENV Y=$X", "4 UndefinedVar: Usage of undefined variable '$X'"),
    ("FROM a\nRUN echo $x", ""),
    ("FROM a\nENV A=1 B=$A", "2 UndefinedVar: Usage of undefined variable '$A'"),
    ("FROM a\nCOPY ${x:-y} /", ""),
    (
        "FROM a\nCMD [\"a\"]\nCMD [\"b\"]",
        "2 MultipleInstructionsDisallowed: Multiple CMD instructions should not be used in the same stage because only the last one will be used",
    ),
    (
        "FROM a\nHEALTHCHECK NONE\nHEALTHCHECK CMD x",
        "2 MultipleInstructionsDisallowed: Multiple HEALTHCHECK instructions should not be used in the same stage because only the last one will be used",
    ),
    ("FROM a AS b\nCMD [\"a\"]\nFROM a\nCMD [\"b\"]", ""),
    (
        "FROM a\nENV a b",
        "2 LegacyKeyValueFormat: \"ENV key=value\" should be used instead of legacy \"ENV key value\" format",
    ),
    (
        "FROM a\nLABEL a b",
        "2 LegacyKeyValueFormat: \"LABEL key=value\" should be used instead of legacy \"LABEL key value\" format",
    ),
    (
        "FROM --platform=$TARGETPLATFORM a",
        "1 RedundantTargetPlatform: Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior",
    ),
    (
        "FROM a\nARG API_TOKEN",
        "2 SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ARG \"API_TOKEN\")",
    ),
    (
        "FROM a\nENV PASSWORD=x",
        "2 SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ENV \"PASSWORD\")",
    ),
    ("FROM a\nENV PUBLIC_KEY=x MONKEY=y", ""),
    (
        "ARG V\nFROM a:$V",
        "2 InvalidDefaultArgInFrom: Default value for ARG a:$V results in empty or invalid base image name",
    ),
    ("ARG V=1\nFROM a:$V", ""),
    ("ARG V\nFROM a:${V:-1}", ""),
    (
        "FROM --platform=linux/amd64 a",
        "1 FromPlatformFlagConstDisallowed: FROM --platform flag should not use constant value \"linux/amd64\"",
    ),
    ("FROM --platform=linux/amd64 a AS build_amd64", ""),
    ("FROM a\nCOPY .env /", ""),
    (
        "# check=experimental=CopyIgnoredFile\nFROM a\nCOPY .env /",
        "3 CopyIgnoredFile: Attempting to COPY file \".env\" that is excluded by .dockerignore",
    ),
    (
        "# check=experimental=all\nFROM a\nADD .env /",
        "3 CopyIgnoredFile: Attempting to ADD file \".env\" that is excluded by .dockerignore",
    ),
    ("# check=experimental=all\nFROM a\nCOPY --from=b .env /", ""),
    ("# check=experimental=all\n# base is it\nFROM a AS base", ""),
    (
        "FROM a\nEXPOSE 80/TCP",
        "2 ExposeProtoCasing: Defined protocol '80/TCP' in EXPOSE instruction should be lowercase",
    ),
    ("FROM a\nEXPOSE 80/tcp 90 8000-8010/udp", ""),
    (
        "FROM a\nEXPOSE 127.0.0.1:80:80",
        "2 ExposeInvalidFormat: EXPOSE instruction should not define an IP address or host-port mapping, found '127.0.0.1:80:80'",
    ),
    ("# check=skip=MaintainerDeprecated\nFROM a\nMAINTAINER me", ""),
    ("# check=skip=all\nFROM a AS B\nMAINTAINER me", ""),
];

#[test]
fn each_rule_warns_and_holds_its_peace() {
    for (text, expected) in DOCKERFILES {
        assert_eq!(warnings(text, ".env\n").join("\n"), *expected, "{text:?}");
    }
    let other = "# check=experimental=all\n\n# something else\nFROM a AS base";
    let [only] = warnings(other, "").try_into().unwrap();
    assert!(only.starts_with("4 InvalidDefinitionDescription: "), "{only}");
}

#[test]
fn rules_have_addresses() {
    let url = lint::Rule::JsonArgsRecommended.url();
    assert_eq!(url, "https://docs.docker.com/go/dockerfile/rule/json-args-recommended/");
    let url = lint::Rule::FromPlatformFlagConstDisallowed.url();
    assert_eq!(
        url,
        "https://docs.docker.com/go/dockerfile/rule/from-platform-flag-const-disallowed/"
    );
}
