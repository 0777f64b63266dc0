#!/usr/bin/env bash
# bollard's own tests, as its crate ships them, against a daemon with the images and the registry that they want.
#
#   run.sh [FILTER]
set -euo pipefail
cd "$(dirname "$0")/../.."
version=0.21.1
place=target/testdata/bollard

# Left out are tests of what comes later (swarms, BuildKit's session) or needs the world outside (a search at Docker's
# hub, packages of Ubuntu's), by whole files and by name.
files=(container_test distribution exec_test image_test network_test plugin_test race_test system_test version_test volume_test)
skipped=(
    integration_test_search_images # asks Docker's hub
    integration_test_issue_55      # installs packages of Ubuntu's
    test_downversioning            # speaks version 1.24; the oldest here is 1.40
)

if [[ $(cat "$place/fetched" 2>/dev/null) != "$version" ]]; then
    rm -rf "$place"
    mkdir -p "$place/fetch/src"
    printf '[package]\nname = "fetch"\nversion = "0.0.0"\nedition = "2021"\n[dependencies]\nbollard = "=%s"\n[workspace]\n' "$version" \
        >"$place/fetch/Cargo.toml"
    : >"$place/fetch/src/lib.rs"
    manifest=$(cargo metadata --format-version 1 --manifest-path "$place/fetch/Cargo.toml" |
        python3 -c 'import json, sys; print(*[it["manifest_path"] for it in json.load(sys.stdin)["packages"] if it["name"] == "bollard"])')
    cp -r "$(dirname "$manifest")" "$place/bollard"
    rm -rf "$place/fetch"
    # A crate by itself, not one of this workspace.
    printf '\n[workspace]\n' >>"$place/bollard/Cargo.toml"
    echo "$version" >"$place/fetched"
fi

tests=()
for file in "${files[@]}"; do tests+=(--test "$file"); done
tests+=(--features test_websocket)
skips=()
for name in "${skipped[@]}"; do skips+=(--skip "$name"); done
# Debugging information would double the time to build them.
export CARGO_PROFILE_DEV_DEBUG=0 CARGO_TARGET_DIR=$place/target
manifest=$place/bollard/Cargo.toml
# The daemon's host has no way out: what is needed is fetched and built before.
cargo test --quiet --no-run --manifest-path "$manifest" "${tests[@]}"
exec .venv/bin/python e2e/python/with_daemon.py --registry \
    cargo test --quiet --offline --manifest-path "$manifest" --no-fail-fast "${tests[@]}" -- --test-threads 1 "${skips[@]}" ${1:+"$1"}
