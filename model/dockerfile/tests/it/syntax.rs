//! Directives, lines, flags, heredocs, and what each instruction means.

use gantry_dockerfile::{
    CacheSharing, Command, Expose, HealthCheck, Instruction, Mount, MountKind, Network, Problem,
    Source, Span,
};

use crate::{instruction, read};

fn texts(text: &str) -> Vec<String> {
    Source::parse(text).unwrap().statements.into_iter().map(|statement| statement.text).collect()
}

fn exec<const N: usize>(words: [&str; N]) -> Command {
    Command::Exec(words.map(str::to_owned).to_vec())
}

fn shell(line: &str) -> Command {
    Command::Shell(line.to_owned())
}

#[test]
fn lines_become_statements() {
    for (text, expected) in [
        ("FROM a", vec!["FROM a"]),
        ("\u{feff}FROM a", vec!["FROM a"]),
        ("FROM a\r\nRUN b\r\n", vec!["FROM a", "RUN b"]),
        ("\n\n  FROM a  \n\n", vec!["FROM a"]),
        ("# c\nFROM a # no comment", vec!["FROM a # no comment"]),
        ("  # c\nFROM a", vec!["FROM a"]),
        ("FROM a\nRUN b \\\n  c", vec!["FROM a", "RUN b   c"]),
        ("FROM a\nRUN b\\\nc", vec!["FROM a", "RUN bc"]),
        ("FROM a\nRUN b \\  \nc", vec!["FROM a", "RUN b c"]),
        ("FROM a\nRUN b \\\t\nc", vec!["FROM a", "RUN b c"]),
        ("FROM a\nRUN b \\\\\nRUN c", vec!["FROM a", "RUN b \\\\", "RUN c"]),
        ("FROM a\nRUN b \\\n# c\nd", vec!["FROM a", "RUN b d"]),
        ("FROM a\nRUN b \\\n  # c\n  # d\ne", vec!["FROM a", "RUN b e"]),
        ("FROM a\nRUN b \\\n\n\nc", vec!["FROM a", "RUN b c"]),
        ("FROM a\nRUN b \\", vec!["FROM a", "RUN b"]),
        ("FROM a\nRUN \\\n  b \\\n  c", vec!["FROM a", "RUN   b   c"]),
        ("\\\nFROM a", vec!["FROM a"]),
        ("FROM a\nRUN b `\nRUN c", vec!["FROM a", "RUN b `", "RUN c"]),
        ("# escape=`\nFROM a\nRUN b `\nc", vec!["FROM a", "RUN b c"]),
        ("# escape=`\nFROM a\nCOPY a C:\\\nRUN c", vec!["FROM a", "COPY a C:\\", "RUN c"]),
        ("FROM\ta", vec!["FROM\ta"]),
        ("FROM a\nRUN <<E\nb\nE\nRUN c", vec!["FROM a", "RUN <<E", "RUN c"]),
    ] {
        assert_eq!(texts(text), expected, "{text:?}");
    }
}

#[test]
fn statements_know_their_lines() {
    let source =
        Source::parse("# c\nFROM a\n\nRUN b \\\n c\n# about\n# it\nRUN <<E\nx\nE\n").unwrap();
    let spans: Vec<Span> = source.statements.iter().map(|statement| statement.span).collect();
    assert_eq!(spans, [Span::line(2), Span { first: 4, last: 5 }, Span { first: 8, last: 10 }]);
    assert_eq!(source.statements[2].comments, ["about", "it"]);
    assert_eq!((spans[0].to_string(), spans[1].to_string()), ("2".into(), "4-5".into()));
}

#[test]
fn directives_stand_at_the_top() {
    let directives = |text: &str| Source::parse(text).unwrap().directives;
    assert_eq!(directives("# syntax=x/y:1\nFROM a").syntax.as_deref(), Some("x/y:1"));
    assert_eq!(directives("#syntax = x \nFROM a").syntax.as_deref(), Some("x"));
    assert_eq!(directives("# SYNTAX=x\nFROM a").syntax.as_deref(), Some("x"));
    assert_eq!(directives("#!/usr/bin/env x\n# syntax=y\nFROM a").syntax.as_deref(), Some("y"));
    assert_eq!(directives("# c\n# syntax=x\nFROM a").syntax, None);
    assert_eq!(directives("\n# syntax=x\nFROM a").syntax, None);
    assert_eq!(directives("FROM a\n# syntax=x").syntax, None);
    assert_eq!(directives("# other=1\n# escape=`\nFROM a").escape, '`');
    assert_eq!(directives("# escape=\\\nFROM a").escape, '\\');
    let check = directives("# check=skip=A,B;error=true;experimental=all\nFROM a").check;
    assert_eq!((check.skip, check.error), (vec!["A".to_owned(), "B".to_owned()], true));
    assert_eq!(check.experimental, ["all"]);
}

#[test]
fn stages_begin_with_from() {
    let dockerfile = read(
        "ARG V=1\nFROM a:$V AS One\nRUN x\nFROM --platform=linux/arm64 one as two\nfrom 1\nCOPY --from=0 a b",
    );
    assert_eq!(dockerfile.arguments.len(), 1);
    let names: Vec<_> = dockerfile.stages.iter().map(|stage| stage.from.name.as_deref()).collect();
    assert_eq!(names, [Some("one"), Some("two"), None]);
    assert_eq!(dockerfile.stages[1].from.platform.as_deref(), Some("linux/arm64"));
    let means = |before, word| dockerfile.stage_before(before, word);
    assert_eq!(means(1, "one"), Some(0));
    assert_eq!(means(1, "ONE"), Some(0));
    assert_eq!(means(2, "1"), Some(1));
    assert_eq!(means(1, "1"), None, "a stage knows no later one");
    assert_eq!(means(0, "one"), None);
    assert_eq!(means(2, "alpine"), None);
    let twice = read("FROM a AS x\nFROM b AS x\nFROM x");
    assert_eq!(twice.stage_before(2, "x"), Some(1), "the last of a name");
}

#[test]
fn commands_are_programs_or_lines() {
    for (text, expected) in [
        ("CMD a b", shell("a b")),
        ("CMD   a   b ", shell("a   b")),
        ("CMD [\"a\", \"b c\"]", exec(["a", "b c"])),
        ("CMD [ \"a\" ]", exec(["a"])),
        ("CMD []", exec([])),
        ("CMD [\"a\\n\\u0041\"]", exec(["a\nA"])),
        ("CMD ['a']", shell("['a']")),
        ("CMD [\"a\"", shell("[\"a\"")),
        ("CMD [\"a\"] b", shell("[\"a\"] b")),
        ("CMD [ -f x ]", shell("[ -f x ]")),
        ("CMD \"a\"", shell("\"a\"")),
        ("CMD", shell("")),
        ("CMD -- -x", shell("-x")),
        ("CMD echo --a", shell("echo --a")),
        ("CMD [\"a\", \\\n  \"b\"]", exec(["a", "b"])),
        ("cmd a", shell("a")),
    ] {
        let Instruction::Cmd(command) = instruction(text) else { panic!("{text:?}") };
        assert_eq!(command, expected, "{text:?}");
    }
    assert_eq!(instruction("ENTRYPOINT [\"a\"]"), Instruction::Entrypoint(exec(["a"])));
    assert_eq!(
        instruction("SHELL [\"bash\", \"-ec\"]"),
        Instruction::Shell(vec!["bash".to_owned(), "-ec".to_owned()])
    );
}

#[test]
fn pairs_have_names_and_values() {
    for (text, expected) in [
        ("a=b", vec![("a", "b")]),
        ("a=b c=d", vec![("a", "b"), ("c", "d")]),
        ("a=\"b c\" d='e f'", vec![("a", "\"b c\""), ("d", "'e f'")]),
        ("a=b\\ c d=e", vec![("a", "b\\ c"), ("d", "e")]),
        ("a=", vec![("a", "")]),
        ("a=b=c", vec![("a", "b=c")]),
        ("a='b\\' c=d", vec![("a", "'b\\'"), ("c", "d")]),
        ("a=\"b\\\" c\" d=e", vec![("a", "\"b\\\" c\""), ("d", "e")]),
        ("\"a b\"=c", vec![("\"a b\"", "c")]),
        ("a b", vec![("a", "b")]),
        ("a  b c", vec![("a", "b c")]),
        ("a b=c", vec![("a", "b=c")]),
        ("a \\\n b", vec![("a", "b")]),
        ("a=b \\\n c=d", vec![("a", "b"), ("c", "d")]),
        ("a=$b", vec![("a", "$b")]),
    ] {
        let Instruction::Env(pairs) = instruction(&format!("ENV {text}")) else {
            panic!("{text:?}")
        };
        let pairs: Vec<_> = pairs.iter().map(|p| (p.key.as_str(), p.value.as_str())).collect();
        assert_eq!(pairs, expected, "{text:?}");
    }
    let Instruction::Label(pairs) = instruction("LABEL a b") else { panic!() };
    assert!(pairs[0].is_legacy);
    let Instruction::Arg(arguments) = instruction("ARG a b=c d= \"e\"='f g'") else { panic!() };
    let arguments: Vec<_> =
        arguments.iter().map(|a| (a.name.as_str(), a.default.as_deref())).collect();
    assert_eq!(
        arguments,
        [("a", None), ("b", Some("c")), ("d", Some("")), ("\"e\"", Some("'f g'"))]
    );
}

#[test]
fn plain_instructions_take_words() {
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    for (text, expected) in [
        ("EXPOSE 80 90/udp", Instruction::Expose(owned(&["80", "90/udp"]))),
        ("VOLUME /a /b", Instruction::Volume(owned(&["/a", "/b"]))),
        ("VOLUME [\"/a b\", \"/c\"]", Instruction::Volume(owned(&["/a b", "/c"]))),
        ("USER a:b", Instruction::User("a:b".into())),
        ("WORKDIR /a b", Instruction::Workdir("/a b".into())),
        ("STOPSIGNAL SIGINT", Instruction::StopSignal("SIGINT".into())),
        ("MAINTAINER Me <me@x>", Instruction::Maintainer("Me <me@x>".into())),
        ("ONBUILD RUN a  b", Instruction::OnBuild("RUN a  b".into())),
        ("onbuild copy a b", Instruction::OnBuild("copy a b".into())),
        ("ONBUILD COPY <<E /x\na\nE", Instruction::OnBuild("COPY <<E /x\na\nE".into())),
    ] {
        assert_eq!(instruction(text), expected, "{text:?}");
    }
    let trigger = Source::parse_trigger("COPY <<E /x\na\nE", '\\').unwrap();
    assert_eq!(trigger.heredocs[0].content, "a\n");
}

#[test]
fn ports_are_read() {
    for (text, expected) in [
        ("80", Some((80, 80, "tcp"))),
        ("80/udp", Some((80, 80, "udp"))),
        ("80-90/sctp", Some((80, 90, "sctp"))),
        ("80/TCP", Some((80, 80, "TCP"))),
        ("90-80", None),
        ("x", None),
        ("80/", None),
        ("80/icmp", None),
        ("65536", None),
        ("1:2", None),
    ] {
        let read = Expose::parse(text).map(|port| (port.first, port.last, port.protocol));
        assert_eq!(read, expected.map(|(a, b, c)| (a, b, c.to_owned())), "{text:?}");
    }
}

#[test]
fn files_are_brought() {
    let transfer = |text: &str| match instruction(text) {
        Instruction::Copy(transfer) | Instruction::Add(transfer) => transfer,
        other => panic!("{other:?}"),
    };
    for (text, sources, destination) in [
        ("COPY a b", vec!["a"], "b"),
        ("COPY a b c/", vec!["a", "b"], "c/"),
        ("COPY [\"a b\", \"c\"]", vec!["a b"], "c"),
        ("COPY   a   b", vec!["a"], "b"),
        ("ADD https://x/y /z", vec!["https://x/y"], "/z"),
        ("COPY <<E /x\na\nE", vec![], "/x"),
        ("COPY a <<E /x/\nb\nE", vec!["a"], "/x/"),
        ("COPY \"a\" b", vec!["\"a\""], "b"),
    ] {
        let transfer = transfer(text);
        assert_eq!(
            (transfer.sources.iter().map(String::as_str).collect(), transfer.destination.as_str()),
            (sources, destination),
            "{text:?}"
        );
    }
    let copy = transfer(
        "COPY --from=x --chown=1:2 --chmod=755 --link --parents --exclude=a --exclude=b c d",
    );
    assert_eq!(copy.from.as_deref(), Some("x"));
    assert_eq!((copy.owner.as_deref(), copy.mode.as_deref()), (Some("1:2"), Some("755")));
    assert!(copy.is_linked && copy.keeps_parents);
    assert_eq!(copy.exclude, ["a", "b"]);
    assert!(!transfer("COPY --link=false a b").is_linked);
    assert!(transfer("COPY --link=TRUE a b").is_linked);
    assert_eq!(transfer("COPY --chown=\"a b\" a b").owner.as_deref(), Some("a b"));
    assert_eq!(transfer("COPY -- --a b").sources, ["--a"]);
    let add = transfer("ADD --checksum=sha256:x --keep-git-dir --unpack=false a b");
    assert_eq!(add.checksum.as_deref(), Some("sha256:x"));
    assert!(add.keeps_git_dir);
    assert_eq!((add.unpacks, transfer("ADD a b").unpacks), (Some(false), None));
}

#[test]
fn files_stand_in_the_source() {
    for (text, expected) in [
        ("RUN <<E\na\nE", vec![("E", "a\n", true)]),
        ("RUN <<E\nE", vec![("E", "", true)]),
        ("RUN <<\"E\"\n$a\nE", vec![("E", "$a\n", false)]),
        ("RUN <<'E F'\na\nE F", vec![("E F", "a\n", false)]),
        ("RUN <<\\E\na\n\\E", vec![("\\E", "a\n", true)]),
        ("RUN <<-E\n\t\ta\n\tE", vec![("E", "a\n", true)]),
        ("RUN <<E\n\ta\n E\nE", vec![("E", "\ta\n E\n", true)]),
        ("RUN cat <<A 3<<B\na\nA\nb\nB", vec![("A", "a\n", true), ("B", "b\n", true)]),
        (
            "RUN <<E bash\n# no comment\n\nx \\\ny\nE",
            vec![("E", "# no comment\n\nx \\\ny\n", true)],
        ),
        ("RUN <<E\r\na\r\nE\r\n", vec![("E", "a\n", true)]),
        ("RUN cat <<< word", vec![]),
        ("RUN a << b", vec![]),
        ("RUN echo $((1<<2))", vec![]),
        ("RUN echo \"<<E\"", vec![]),
        ("RUN [\"a\", \"<<E\"]", vec![]),
        ("RUN a<<E\nb\nE", vec![]),
    ] {
        let source = Source::parse(text);
        // A word that only looks like one opens nothing, and what follows is no instruction then.
        let Ok(source) = source else { panic!("{text:?}") };
        let files = &source.statements[0].heredocs;
        let files: Vec<_> = files
            .iter()
            .map(|file| (file.opening.name.as_str(), file.content.as_str(), file.opening.expands))
            .collect();
        assert_eq!(files, expected, "{text:?}");
    }
}

#[test]
fn steps_have_mounts() {
    let mounts = |text: &str| {
        let Instruction::Run(run) = instruction(text) else { panic!("{text:?}") };
        run.mounts(|value| Ok::<_, Problem>(value.replace("$x", "y"))).unwrap()
    };
    let one = |text: &str| -> Mount { mounts(&format!("RUN --mount={text} a")).remove(0) };
    let bind = one("target=/a");
    assert_eq!((bind.kind, bind.is_read_only), (MountKind::Bind, true));
    assert!(!one("type=bind,target=/a,rw").is_read_only);
    assert!(one("type=cache,target=/a,ro").is_read_only);
    assert!(one("type=cache,target=/a,rw=false").is_read_only);
    let cache = one("type=cache,dst=/a,id=b,sharing=locked,uid=1,gid=2,mode=0700,from=c,src=/d");
    assert_eq!((cache.kind, cache.sharing), (MountKind::Cache, CacheSharing::Locked));
    assert_eq!((cache.uid, cache.gid, cache.mode), (Some(1), Some(2), Some(0o700)));
    assert_eq!((cache.from.as_deref(), cache.source.as_deref()), (Some("c"), Some("/d")));
    assert!(!cache.is_read_only);
    assert_eq!(one("type=tmpfs,target=/a,size=1m").size_limit, Some(1 << 20));
    let secret = one("type=secret,id=a,env=B,required=true");
    assert_eq!((secret.env.as_deref(), secret.is_required, secret.target), (Some("B"), true, None));
    assert!(one("type=ssh,required").is_required);
    assert_eq!(one("type=ssh").kind, MountKind::Ssh);
    assert_eq!(one("TYPE=Cache,Target=/a").kind, MountKind::Cache);
    assert_eq!(one("required,type=ssh").kind, MountKind::Ssh, "in any order");
    assert_eq!(one("type=cache,target=/$x").target.as_deref(), Some("/y"));
    assert_eq!(
        one("\\\"target=/a,b\\\"").target.as_deref(),
        Some("/a,b"),
        "a flag takes its quotes away first"
    );
    assert_eq!(mounts("RUN --mount=target=/a --mount=target=/b c").len(), 2);
    let Instruction::Run(run) =
        instruction("RUN --network=none --security=insecure --device=a/b=c d")
    else {
        panic!()
    };
    assert_eq!((run.network, run.is_insecure), (Network::None, true));
    assert_eq!(run.devices, ["a/b=c"]);
}

#[test]
fn health_is_checked() {
    assert_eq!(instruction("HEALTHCHECK NONE"), Instruction::HealthCheck(HealthCheck::None));
    assert_eq!(instruction("healthcheck none"), Instruction::HealthCheck(HealthCheck::None));
    let check = |text: &str| match instruction(text) {
        Instruction::HealthCheck(HealthCheck::Check(check)) => check,
        other => panic!("{other:?}"),
    };
    let health = check(
        "HEALTHCHECK --interval=1m --timeout=2s --start-period=0s --start-interval=5ms --retries=3 CMD a b",
    );
    assert_eq!(health.command, shell("a b"));
    assert_eq!(
        (health.interval_nanos, health.timeout_nanos),
        (Some(60_000_000_000), Some(2_000_000_000))
    );
    assert_eq!((health.start_period_nanos, health.start_interval_nanos), (None, Some(5_000_000)));
    assert_eq!(health.retries, Some(3));
    assert_eq!(check("HEALTHCHECK cmd [\"a\"]").command, exec(["a"]));
    assert_eq!(
        check("HEALTHCHECK \\\n --interval=1s \\\n CMD a").interval_nanos,
        Some(1_000_000_000)
    );
}
