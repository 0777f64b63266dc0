//! Files from elsewhere: addresses, and contexts with names.

use gantry_types::error_chain;

use crate::made_workshop::MadeWorkshop;

/// What an image has in which these steps are done.
fn built(steps: &str) -> Result<Vec<String>, String> {
    let workshop = MadeWorkshop::new();
    let files = [("a", "a"), ("dir/b", "b")];
    workshop.build(&format!("FROM base\n{steps}\n"), &files).map_err(|error| error_chain(&error))
}

#[test]
fn in_a_made_workshop_files_of_addresses_come_where_they_should() {
    for (steps, expected) in [
        ("ADD https://h/file /named", vec!["named file"]),
        ("ADD https://h/file /in/", vec!["in/file file"]),
        ("ADD https://h/a%20b?x=y /in/", vec!["in/a b a%20b?x=y"]),
        ("ADD https://h/file a /in/", vec!["in/a a", "in/file file"]),
        ("ARG V=1\nADD https://h/v$V /f", vec!["f v1"]),
        ("ADD --link https://h/file /named", vec!["named file"]),
        (
            "ADD --checksum=sha256:3b9c358f36f0a31b6ad3e14f309c7cf198ac9246e8316f9ce543d5b19ac02b80 https://h/file /f",
            vec!["f file"],
        ),
    ] {
        assert_eq!(built(steps).unwrap_or_else(|error| vec![error]), expected, "{steps}");
    }
    let tree = built("ADD --keep-git-dir git@h:r.git#v1:sub /r/").unwrap();
    assert!(
        tree[0].starts_with("r/asked Repository { url: \"git@h:r.git\", reference: \"v1\""),
        "{tree:?}"
    );
    assert!(tree[0].contains("keeps_git_dir: true"), "{tree:?}");
    assert!(built("ADD --checksum=0123456 https://h/r.git /r/").is_ok());
}

#[test]
fn in_a_made_workshop_addresses_that_give_nothing_are_refused() {
    for (steps, complaint) in [
        ("ADD https://h/ /in/", "its address ends with no name"),
        ("ADD --checksum=sha256:00 https://h/file /f", "64 hexadecimal digits"),
        (
            "ADD --checksum=sha256:0000000000000000000000000000000000000000000000000000000000000000 https://h/file /f",
            "https://h/file has the digest sha256:3b9c358f",
        ),
        ("ADD --checksum=fffffff https://h/r.git /r/", "has the digest 0123456789abcdef"),
        ("ADD --checksum=sha256:00 a /f", "it is for one file or one repository"),
        ("ADD https://h/a https://h/b /f", "must be a directory and end with a /"),
        ("ADD https://h/r.git#../x /r/", "is no branch, tag or commit"),
    ] {
        let error = built(steps).unwrap_err();
        assert!(error.contains(complaint), "{steps}: {error}");
    }
}

#[test]
fn in_a_made_workshop_names_mean_what_the_user_says() {
    assert_eq!(built("COPY --from=given /sub /s/").unwrap(), ["s/mine given"]);
    // What its own ignore file says is left out.
    assert_eq!(built("COPY --from=given / /all/").unwrap(), ["all/sub/mine given"]);
    let error = built("COPY --from=given hidden /x").unwrap_err();
    assert!(error.contains("in the context \"given\": .dockerignore leaves it out"), "{error}");
    let workshop = MadeWorkshop::new();
    // The user's word comes before a stage of the name, and that stage is not built.
    let dockerfile = "FROM base AS given\nRUN fail 1\nFROM base\nCOPY --from=given /sub/mine /m\n";
    assert_eq!(workshop.build(dockerfile, &[]).unwrap(), ["m given"]);
    assert_eq!(
        workshop.build("FROM given\nCOPY a /b\n", &[("a", "1")]).unwrap(),
        ["b 1", "sub/mine given"]
    );
    assert!(workshop.build("FROM swapped\n", &[]).is_ok());
}

#[test]
fn in_a_made_workshop_what_is_linked_depends_on_nothing_below() {
    let workshop = MadeWorkshop::new();
    let dockerfile = "FROM base\nARG WORD=1\nRUN write first $WORD\nCOPY --link a /in/a\n";
    let build = |word: &str| {
        let word = word.to_owned();
        let change = |request: &mut gantry_build::Request| {
            request.arguments.insert("WORD".to_owned(), word);
        };
        workshop.build_with(dockerfile, &[("a", "a")], change).unwrap();
        workshop.told.lock().unwrap().drain(..).filter(|line| line.contains("cached")).count()
    };
    assert_eq!(build("1"), 0);
    assert_eq!(build("2"), 1, "the copy is there already");
}
