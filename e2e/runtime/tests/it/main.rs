//! The suite on the machine at hand: our runtime keeps everything, and the peers from Debian's packages prove that the
//! suite asks for nothing outlandish. `make suite` builds the suite, `make build` the runtime.

use std::path::PathBuf;
use std::time::Duration;

use gantry_testkit::{Binaries, Invocation, Outcome, checkout, require_root};

/// The whole suite on one runtime, on a busy machine.
const DEADLINE: Duration = Duration::from_mins(10);

fn suite(words: &[&str]) -> Outcome {
    let program = checkout().join("target/dist/test/gantry-conformance");
    assert!(program.exists(), "{} is not there: run `make suite` first", program.display());
    Invocation::new(program).args(words).timeout(DEADLINE).run()
}

/// How many cases passed, failed and were skipped.
fn counts(outcome: &Outcome) -> [usize; 3] {
    let numbers = outcome.stdout.rsplit_once(": ").map(|(_, counts)| {
        counts.split_whitespace().filter_map(|word| word.parse().ok()).collect::<Vec<usize>>()
    });
    numbers.and_then(|numbers| numbers.try_into().ok()).unwrap_or_else(|| panic!("{outcome}"))
}

fn peer(name: &str) -> PathBuf {
    let folders = ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"];
    let mut paths = folders.iter().map(|folder| PathBuf::from(folder).join(name));
    let found = paths.find(|path| path.exists());
    found.unwrap_or_else(|| panic!("{name} is not installed: run `make test-tools`"))
}

#[test]
fn our_runtime_keeps_the_specification() {
    require_root();
    let runtime = Binaries::find().path("gantry-runc");
    let outcome = suite(&["run", "--runtime", &runtime.to_string_lossy()]);
    let [passed, failed, skipped] = counts(&outcome);
    assert_eq!((failed, outcome.code), (0, 0), "{outcome}");
    // A machine may lack this and that, but not much.
    assert!(passed > 500 && skipped < passed / 10, "{outcome}");
}

/// A case that no runtime passes would be a mistake of ours: most cases must pass on runtimes that know nothing of us.
fn check_peer(name: &str) {
    require_root();
    let outcome = suite(&["run", "--runtime", &peer(name).to_string_lossy()]);
    let [passed, failed, _] = counts(&outcome);
    assert!(passed > 3 * failed, "{outcome}");
}

#[test]
fn crun_keeps_most_of_it() {
    check_peer("crun");
}

#[test]
fn runc_keeps_most_of_it() {
    check_peer("runc");
}

#[test]
fn a_program_that_is_no_runtime_is_refused_in_one_sentence() {
    let outcome = suite(&["run", "--runtime", "/bin/true"]);
    outcome.exits(2).complains("names no spec").plainly();
}

#[test]
fn a_runtime_that_does_nothing_fails_nearly_every_case() {
    require_root();
    // It tells its version as runtimes do, and then agrees to everything: the suite must not believe it.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("yes-runc");
    std::fs::write(&path, "#!/bin/sh\necho 'yes version 1'\necho 'spec: 1.3.0'\n").unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let words = ["run", "--filter", "Mounts/", "--runtime", &path.to_string_lossy()];
    let [passed, failed, _] = counts(&suite(&words));
    assert_eq!(passed, 0, "of {failed} that fail");
    assert!(failed > 20);
}
