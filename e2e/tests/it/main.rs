//! The whole product, from the outside: one file per area of behaviour. Everything runs against real daemons in
//! temporary roots; `shared` is one daemon for all tests that need nothing special.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]
#![allow(clippy::format_collect, reason = "tests prefer the short form to the fast one")]

mod autostart;
mod bad_requests;
mod bad_words;
mod build;
mod collection;
mod commit;
mod compose;
mod copy;
mod crash;
mod crossings;
mod docker_cli;
mod engines;
mod environment;
mod exec;
mod exit_codes;
mod extraction;
mod failpoints;
mod full_disk;
mod hello;
mod hostile_archives;
mod image_layers;
mod image_words;
mod images;
mod import_from_url;
mod inspect;
mod isolation;
mod layer_archives;
mod lifecycle;
mod limits;
mod listing;
mod logs;
mod made_registries;
mod manifest_lists;
mod metrics;
mod mounts;
mod neighbours;
mod networks;
mod observation;
mod options;
mod plugins;
mod prune;
mod push;
mod registry;
mod remote;
mod restart_of_the_daemon;
mod run_flags;
mod save;
mod shared;
mod side_by_side;
mod stdin;
mod supervision;
mod system_check;
mod terminal;
mod trust;
mod user_namespaces;
mod volumes;
mod waiting;
