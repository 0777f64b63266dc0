//! One test per violation.

use std::fmt::Write as _;

use crate::workspace::Workspace;

#[test]
fn a_clean_workspace_has_no_findings() {
    let workspace = Workspace::clean();
    // cargo tree writes a lock file; the workspace needs a tokio to name.
    tokio_outside(&workspace);
    assert_eq!(workspace.check_all(), []);
}

#[test]
fn the_checkout_itself_is_readable() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    assert!(xtask::check(root, &["file-head".to_owned()]).is_ok());
}

#[test]
fn a_lower_floor_may_not_know_a_higher_one() {
    let workspace = Workspace::clean();
    workspace.manifest("model/types", "gantry-types", "gantry-engine.workspace = true\n");
    workspace.assert_names("dependencies-point-down", "model/types/Cargo.toml", "higher floor");
}

#[test]
fn one_floor_does_not_serve_itself() {
    let workspace = Workspace::clean();
    workspace.manifest("foundation/sys", "gantry-sys", "gantry-db.workspace = true\n");
    workspace.assert_names("dependencies-point-down", "foundation/sys/Cargo.toml", "same floor");
}

#[test]
fn services_are_strangers() {
    let workspace = Workspace::clean();
    workspace.manifest("services/logs", "gantry-logs", "gantry-layers.workspace = true\n");
    workspace.assert_names("dependencies-point-down", "services/logs/Cargo.toml", "strangers");
}

#[test]
fn a_dependency_under_a_target_counts_too() {
    let workspace = Workspace::clean();
    workspace.manifest(
        "services/logs",
        "gantry-logs",
        "\n[target.'cfg(unix)'.dependencies]\ngantry-engine.workspace = true\n",
    );
    workspace.assert_names("dependencies-point-down", "services/logs/Cargo.toml", "higher floor");
}

#[test]
fn only_the_engine_knows_several_services() {
    let workspace = Workspace::clean();
    workspace.manifest(
        "edge/http",
        "gantry-http",
        "gantry-logs.workspace = true\ngantry-layers.workspace = true\n",
    );
    workspace.assert_names("dependencies-point-down", "edge/http/Cargo.toml", "several services");
}

#[test]
fn nothing_rests_on_the_testkit_but_tests() {
    let workspace = Workspace::clean();
    workspace.manifest("engine", "gantry-engine", "gantry-testkit.workspace = true\n");
    workspace.assert_names("dependencies-point-down", "engine/Cargo.toml", "beside the floors");
    workspace.manifest(
        "engine",
        "gantry-engine",
        "\n[dev-dependencies]\ngantry-testkit.workspace = true\n",
    );
    assert_eq!(workspace.check("dependencies-point-down"), []);
}

#[test]
fn a_crate_needs_a_floor() {
    let workspace = Workspace::clean();
    workspace.write("Cargo.toml", "[workspace]\nmembers = [\"cellar\"]\n");
    workspace.manifest("cellar", "gantry-cellar", "");
    workspace.assert_names(
        "dependencies-point-down",
        "cellar/Cargo.toml",
        "no folder of the house",
    );
}

#[test]
fn async_stays_above() {
    let workspace = Workspace::clean();
    workspace.manifest("services/logs", "gantry-logs", "tokio.workspace = true\n");
    workspace.assert_names("async-begins-at-engine", "services/logs/Cargo.toml", "synchronous");
    workspace.manifest("services/logs", "gantry-logs", "");
    workspace.manifest("engine", "gantry-engine", "tokio.workspace = true\n");
    assert_eq!(workspace.check("async-begins-at-engine"), []);
}

fn tokio_outside(workspace: &Workspace) {
    workspace.write(
        "outside/tokio/Cargo.toml",
        "[package]\nname = \"tokio\"\nversion = \"1.0.0\"\nedition = \"2024\"\n\n[lints]\nworkspace = true\n",
    );
    workspace.write("outside/tokio/src/lib.rs", "//! Bears the name only.\n");
}

#[test]
fn tokio_is_found_through_another_crate() {
    let workspace = Workspace::clean();
    tokio_outside(&workspace);
    workspace.manifest("foundation/db", "gantry-db", "tokio.workspace = true\n");
    workspace.manifest("services/logs", "gantry-logs", "gantry-db.workspace = true\n");
    workspace.assert_names(
        "no-tokio-in-static",
        "bin/gantry-shim/Cargo.toml",
        "cargo tree -p gantry-shim",
    );
}

#[test]
fn a_tree_that_cannot_be_read_is_a_finding() {
    let workspace = Workspace::clean();
    workspace.manifest("bin/gantry-shim", "gantry-shim", "nobody.workspace = true\n");
    workspace.assert_names("no-tokio-in-static", "bin/gantry-shim/Cargo.toml", "cannot be read");
}

#[test]
fn lints_come_from_the_workspace() {
    let workspace = Workspace::clean();
    workspace
        .write("engine/Cargo.toml", "[package]\nname = \"gantry-engine\"\nversion = \"0.1.0\"\n");
    workspace.assert_names("lints-inherited", "engine/Cargo.toml", "[lints] workspace = true");
}

#[test]
fn versions_stand_in_one_place() {
    for line in
        ["serde = \"1\"\n", "serde = { version = \"1\" }\n", "gantry-sys = { path = \"../x\" }\n"]
    {
        let workspace = Workspace::clean();
        workspace.manifest("engine", "gantry-engine", line);
        workspace.assert_names(
            "versions-in-one-place",
            "engine/Cargo.toml",
            "[workspace.dependencies]",
        );
    }
}

#[test]
fn the_model_touches_no_system() {
    for (text, words) in [
        ("use std::fs;\n", "std::fs"),
        ("use std::{fmt, net::IpAddr};\n", "std::net"),
        ("fn now() { let _ = std::time::Instant::now(); }\n", "Instant"),
    ] {
        let workspace = Workspace::clean();
        workspace.write("model/types/src/lib.rs", &format!("//! Head.\n\n{text}"));
        workspace.assert_names("model-is-pure", "model/types/src/lib.rs", words);
    }
    let workspace = Workspace::clean();
    workspace.manifest("model/types", "gantry-types", "gantry-sys.workspace = true\n");
    workspace.assert_names("model-is-pure", "model/types/Cargo.toml", "pure values");
}

#[test]
fn unsafe_is_seen_even_inside_macros() {
    for text in [
        "fn f() { unsafe { g() } }\n",
        "unsafe impl Send for X {}\n",
        "macro_rules! m { () => { unsafe { g() } } }\n",
        "#[unsafe(no_mangle)]\nfn f() {}\n",
    ] {
        let workspace = Workspace::clean();
        workspace.write("engine/src/lib.rs", &format!("//! Head.\n\n{text}"));
        workspace.assert_names("unsafe-in-sys", "engine/src/lib.rs", "foundation/sys");
        workspace.write("engine/src/lib.rs", "//! Head.\n");
        workspace.write("foundation/sys/src/lib.rs", &format!("//! Head.\n\n{text}"));
        assert_eq!(workspace.check("unsafe-in-sys"), []);
    }
}

#[test]
fn words_about_unsafe_are_no_unsafe() {
    let workspace = Workspace::clean();
    workspace
        .write("engine/src/lib.rs", "//! Head.\n\n// unsafe\nconst A: &str = \"unsafe {}\";\n");
    assert_eq!(workspace.check("unsafe-in-sys"), []);
}

#[test]
fn switched_off_tests_are_seen() {
    // Spelled apart, so that this file keeps the rule that it tests.
    let word = ["ig", "nore"].concat();
    for text in [
        format!("#[test]\n#[{word}]\nfn f() {{}}\n"),
        format!("#[test]\n#[{word} = \"slow\"]\nfn f() {{}}\n"),
        format!("#[test]\n#[cfg_attr(feature = \"x\", {word})]\nfn f() {{}}\n"),
        format!("macro_rules! m {{ () => {{ #[{word}] fn f() {{}} }} }}\n"),
        format!("/// ```{word}\n/// f();\n/// ```\nfn f() {{}}\n"),
    ] {
        let workspace = Workspace::clean();
        workspace.write("engine/src/lib.rs", &format!("//! Head.\n\n{text}"));
        workspace.assert_names("no-ignored-tests", "engine/src/lib.rs", "switched off");
    }
}

#[test]
fn long_files_are_seen_and_tables_may_be_long() {
    let workspace = Workspace::clean();
    let long = format!("//! Head.\n{}", "\n".repeat(600));
    workspace.write("engine/src/long.rs", &long);
    workspace.write("engine/src/generated/table.rs", &long);
    workspace.assert_names("file-length", "engine/src/long.rs", "601 lines");
}

#[test]
fn long_functions_are_seen_and_comments_are_free() {
    let function = |code_lines: usize, comments: usize| {
        let mut text = "//! Head.\n\nimpl X {\n    fn long(&self) -> u8 {\n".to_owned();
        for line in 0..code_lines {
            writeln!(text, "        call({line});").unwrap();
        }
        text + &"        // why\n\n".repeat(comments) + "    }\n}\n"
    };
    let workspace = Workspace::clean();
    workspace.write("engine/src/lib.rs", &function(70, 200));
    assert_eq!(workspace.check("function-length"), []);
    workspace.write("engine/src/lib.rs", &function(71, 0));
    workspace.assert_names("function-length", "engine/src/lib.rs", "`fn long` has 71 lines");
}

#[test]
fn every_file_has_a_head() {
    for text in ["fn f() {}\n", "", "\n//! Late.\n", "//!\nfn f() {}\n", "/// Outer.\nfn f() {}\n"]
    {
        let workspace = Workspace::clean();
        workspace.write("engine/src/deep/er.rs", text);
        workspace.assert_names("file-head", "engine/src/deep/er.rs", "`//!` head");
    }
}

#[test]
fn names_that_explain_nothing_are_seen() {
    for file in [
        "utils.rs",
        "helpers.rs",
        "common/x.rs",
        "misc.rs",
        "volume_manager.rs",
        "run_impl.rs",
        "x/mod.rs",
    ] {
        let workspace = Workspace::clean();
        let path = format!("engine/src/{file}");
        workspace.write(&path, "//! Head.\n");
        let words =
            if file.ends_with("mod.rs") { "never `mod.rs`" } else { "after what lives in it" };
        workspace.assert_names("names", &path, words);
    }
    for text in
        ["mod utils {}\n", "fn run_impl() {}\n", "struct VolumeManager;\n", "trait PathHelper {}\n"]
    {
        let workspace = Workspace::clean();
        workspace.write("engine/src/lib.rs", &format!("//! Head.\n\n{text}"));
        workspace.assert_names("names", "engine/src/lib.rs", "say what it does");
    }
}

#[test]
fn words_that_only_hold_a_banned_one_are_fine() {
    let workspace = Workspace::clean();
    workspace.write(
        "engine/src/implied.rs",
        "//! Head.\n\nfn commonly() {}\nfn tell_service_manager() {}\nstruct Implementation;\nimpl Implementation {}\n",
    );
    assert_eq!(workspace.check("names"), []);
}
