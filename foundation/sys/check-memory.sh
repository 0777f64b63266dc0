#!/usr/bin/env bash
# Watches the one crate with unsafe code at work: under Miri where the toolchain has it, and under valgrind and AddressSanitizer.
# Miri knows few of the system calls that this crate is about, so it runs what is left without them.
set -euo pipefail
cd "$(dirname "$0")/../.."

host=$(rustc -vV | sed -n 's/^host: //p')
# Tests that make no call, or only calls that Miri knows.
miri_tests=(heap:: exec::tests::strings_with process::tests::start_time_is_found)

if cargo +nightly miri --version >/dev/null 2>&1; then
    MIRIFLAGS=-Zmiri-disable-isolation cargo +nightly miri test -p gantry-sys --lib -- "${miri_tests[@]}"
    echo "Miri: clean"
else
    echo "Miri: not installed (rustup component add --toolchain nightly miri)"
fi

if command -v valgrind >/dev/null; then
    program=$(cargo test --quiet -p gantry-sys --lib --no-run --message-format=json 2>/dev/null |
        sed -n 's/.*"executable":"\([^"]*gantry_sys[^"]*\)".*/\1/p' | tail -n 1)
    # Debian's valgrind does not know calls such as clone3 and pidfd_open, and hides the vDSO that rustix reads the clocks through: tests
    # of these are left to AddressSanitizer.
    TERM=dumb valgrind --quiet --error-exitcode=9 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite \
        "$program" --test-threads=1 --skip pidfd:: --skip clone:: --skip self_copy:: --skip clock::
    echo "valgrind: clean"
else
    echo "valgrind: not installed (Debian's package valgrind)"
fi

# A sanitizer is an unstable flag of the compiler, and allowed to a stable one by this variable.
RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address" CARGO_TARGET_DIR=target/sanitizer \
    cargo test --quiet -p gantry-sys --lib --target "$host"
echo "AddressSanitizer: clean"
