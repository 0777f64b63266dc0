//! The library as the shim uses it: recipes for root file systems, streams, terminals, errors. Real containers in temporary roots; they
//! need root and Debian's `busybox-static`. What the command line can show is tested there.
//!
//! A container starts as a copy of the calling process, which must have one thread. So these tests run one after the other, in `main`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bed;
mod rootfs;
mod streams;

/// Tests by name. Arguments select those whose name contains one of them.
const TESTS: &[(&str, fn())] = &[
    (
        "rootfs::an_overlay_is_built_in_the_container_only",
        rootfs::an_overlay_is_built_in_the_container_only,
    ),
    ("rootfs::long_paths_of_layers_work", rootfs::long_paths_of_layers_work),
    ("rootfs::a_bind_can_be_a_root", rootfs::a_bind_can_be_a_root),
    (
        "rootfs::the_last_mount_of_a_recipe_is_the_root",
        rootfs::the_last_mount_of_a_recipe_is_the_root,
    ),
    ("rootfs::a_recipe_that_fails_leaves_nothing", rootfs::a_recipe_that_fails_leaves_nothing),
    ("streams::pipes_carry_input_and_output", streams::pipes_carry_input_and_output),
    ("streams::a_terminal_comes_back", streams::a_terminal_comes_back),
    ("streams::exec_has_streams_of_its_own", streams::exec_has_streams_of_its_own),
    ("streams::errors_have_codes_and_kinds", streams::errors_have_codes_and_kinds),
    ("streams::a_caller_with_threads_is_refused", streams::a_caller_with_threads_is_refused),
];

fn main() {
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let selected = TESTS
        .iter()
        .filter(|(name, _)| wanted.is_empty() || wanted.iter().any(|part| name.contains(part)));
    let mut failed = Vec::new();
    let mut passed = 0;
    for (name, test) in selected {
        let outcome = std::panic::catch_unwind(test);
        println!("test {name} ... {}", if outcome.is_ok() { "ok" } else { "FAILED" });
        match outcome {
            Ok(()) => passed += 1,
            Err(_) => failed.push(name),
        }
    }
    println!("\ntest result: {passed} passed; {} failed: {failed:?}", failed.len());
    assert!(failed.is_empty(), "{} tests failed", failed.len());
}
