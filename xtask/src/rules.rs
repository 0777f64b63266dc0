//! The list of rules. Each file below holds the rules of one subject.

mod api;
mod dependencies;
mod manifests;
mod naming;
mod purity;
mod shape;

use crate::Rule;

pub(crate) const ALL: &[Rule] = &[
    Rule {
        name: "dependencies-point-down",
        promise: "a crate knows lower floors only; services are strangers; nothing rests on tests",
        check: dependencies::point_down,
    },
    Rule {
        name: "async-begins-at-engine",
        promise: "no async runtime or HTTP library is named below the engine",
        check: dependencies::async_begins_at_engine,
    },
    Rule {
        name: "no-tokio-in-static",
        promise: "tokio is nowhere in the dependency trees of the shim, the runtime and the init",
        check: dependencies::no_tokio_in_static_binaries,
    },
    Rule {
        name: "lints-inherited",
        promise: "every crate takes the workspace's lints",
        check: manifests::lints_inherited,
    },
    Rule {
        name: "versions-in-one-place",
        promise: "versions and paths stand in [workspace.dependencies] and nowhere else",
        check: manifests::versions_in_one_place,
    },
    Rule {
        name: "model-is-pure",
        promise: "floor 0 touches no files, network, processes, environment, threads or clock",
        check: purity::model_is_pure,
    },
    Rule {
        name: "unsafe-in-sys",
        promise: "`unsafe` stands in foundation/sys alone",
        check: purity::unsafe_in_sys,
    },
    Rule {
        name: "no-ignored-tests",
        promise: "no test is switched off",
        check: purity::no_ignored_tests,
    },
    Rule {
        name: "file-length",
        promise: "no Rust file has more than 600 lines (tables under generated/ may)",
        check: shape::file_length,
    },
    Rule {
        name: "function-length",
        promise: "no function has more than 70 lines of code",
        check: shape::function_length,
    },
    Rule {
        name: "file-head",
        promise: "every Rust file begins with a //! head",
        check: shape::file_head,
    },
    Rule {
        name: "api-described",
        promise: "every route and parameter of the API is in its OpenAPI description, and nothing else is",
        check: api::described,
    },
    Rule {
        name: "names",
        promise: "no utils, helpers, common, misc, manager, _impl, and no mod.rs",
        check: naming::names,
    },
];
