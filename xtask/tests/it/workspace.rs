//! A small workspace on disk that keeps every rule, for tests to spoil.

use std::fs;
use std::path::Path;

use tempfile::TempDir;
use xtask::Violation;

/// A temporary workspace; gone when dropped.
pub(crate) struct Workspace {
    root: TempDir,
}

impl Workspace {
    /// A house with one or two crates on the floors that the rules speak of.
    pub(crate) fn clean() -> Self {
        let workspace = Self { root: tempfile::tempdir().unwrap() };
        workspace.write(
            "Cargo.toml",
            r#"[workspace]
resolver = "3"
members = ["model/*", "foundation/*", "services/*", "engine", "edge/*", "bin/*", "testkit"]

[workspace.lints.rust]
unsafe_code = "deny"

[workspace.dependencies]
gantry-types = { path = "model/types" }
gantry-sys = { path = "foundation/sys" }
gantry-db = { path = "foundation/db" }
gantry-logs = { path = "services/logs" }
gantry-layers = { path = "services/layers" }
gantry-engine = { path = "engine" }
gantry-http = { path = "edge/http" }
gantry-testkit = { path = "testkit" }
tokio = { path = "outside/tokio" }
"#,
        );
        for (folder, name) in [
            ("model/types", "gantry-types"),
            ("foundation/sys", "gantry-sys"),
            ("foundation/db", "gantry-db"),
            ("services/logs", "gantry-logs"),
            ("services/layers", "gantry-layers"),
            ("engine", "gantry-engine"),
            ("edge/http", "gantry-http"),
            ("testkit", "gantry-testkit"),
        ] {
            workspace.manifest(folder, name, "");
            workspace.write(&format!("{folder}/src/lib.rs"), "//! A library.\n");
        }
        workspace.manifest("foundation/db", "gantry-db", "gantry-sys.workspace = true\n");
        workspace.manifest(
            "engine",
            "gantry-engine",
            "gantry-logs.workspace = true\ngantry-layers.workspace = true\n",
        );
        workspace.manifest("bin/gantry-shim", "gantry-shim", "gantry-logs.workspace = true\n");
        workspace.write("bin/gantry-shim/src/main.rs", "//! A program.\n\nfn main() {}\n");
        workspace
    }

    /// Writes the manifest of a member crate that keeps the rules, with these dependency lines.
    pub(crate) fn manifest(&self, folder: &str, name: &str, dependencies: &str) {
        let text = format!(
            "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n\
             [lints]\nworkspace = true\n\n[dependencies]\n{dependencies}"
        );
        self.write(&format!("{folder}/Cargo.toml"), &text);
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let full = self.root.path().join(path);
        fs::create_dir_all(full.parent().unwrap()).unwrap();
        fs::write(full, text).unwrap();
    }

    pub(crate) fn check(&self, rule: &str) -> Vec<Violation> {
        xtask::check(self.root.path(), &[rule.to_owned()]).unwrap()
    }

    pub(crate) fn check_all(&self) -> Vec<Violation> {
        xtask::check(self.root.path(), &[]).unwrap()
    }

    /// Asserts that `rule` names `file` (and nothing else), and that its sentence holds `words`.
    pub(crate) fn assert_names(&self, rule: &str, file: &str, words: &str) {
        let violations = self.check(rule);
        assert!(!violations.is_empty(), "{rule} found nothing");
        for violation in &violations {
            assert_eq!(violation.rule, rule);
            assert_eq!(violation.file, Path::new(file), "{violation}");
        }
        let told = violations.iter().any(|violation| violation.message.contains(words));
        assert!(told, "none of {violations:?} says {words:?}");
    }
}
