#!/usr/bin/env bash
# Builds the fuzz targets with libFuzzer and AddressSanitizer and runs each.
#
#   run.sh SECONDS [TARGET...]     all targets unless some are named
#
# JOBS      how many run at a time (2)
# RECORD    a file for the table of results; none unless set
#
# The flags of an unstable compiler that sanitizers need are allowed to a stable one by RUSTC_BOOTSTRAP. What grows goes to
# fuzz/corpus (not kept in git); an input that breaks a promise to fuzz/findings, where the replay finds it from then on.
set -euo pipefail
cd "$(dirname "$0")"

seconds=${1:?how many seconds for each target}
shift
targets=("$@")
if (( ${#targets[@]} == 0 )); then
    mapfile -t targets < <(sed -n '/^\[\[bin\]\]/{n;s/^name = "\(.*\)"/\1/p}' Cargo.toml)
fi
jobs=${JOBS:-2}
record=${RECORD:-}
host=$(rustc -vV | sed -n 's/^host: //p')
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

build() {
    local flags=(
        --cfg fuzzing -Zsanitizer=address -Ccodegen-units=1
        -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
        -Cllvm-args=-sanitizer-coverage-trace-compares
    )
    RUSTC_BOOTSTRAP=1 RUSTFLAGS="${flags[*]}" \
        cargo build --quiet --release --locked --features libfuzzer --bins --target "$host" --target-dir target/fuzzer
    for target in "${targets[@]}"; do
        cp "target/fuzzer/$host/release/$target" "$work/$target"
    done
}

fuzz() {
    local target=$1
    mkdir -p "corpus/$target" "findings/$target"
    local words=()
    # libFuzzer's dictionaries know fewer escapes than ours.
    if [[ -f dictionaries/$target.dict ]] && grep -v '\\[nru]' "dictionaries/$target.dict" >"$work/$target.dict"; then
        words=(-dict="$work/$target.dict")
    fi
    local status=0
    # SQLite in one file defines some names twice, which is no fault of ours.
    ASAN_OPTIONS=detect_leaks=0:detect_odr_violation=0 "$work/$target" -max_total_time="$seconds" -max_len=16384 -timeout=10 -rss_limit_mb=2048 \
        -print_final_stats=1 -artifact_prefix="findings/$target/" "${words[@]}" \
        "corpus/$target" "seeds/$target" >"$work/$target.log" 2>&1 || status=$?
    rmdir --ignore-fail-on-non-empty "findings/$target"
    summary "$target" "$status" >"$work/$target.row"
    if (( status != 0 )); then
        sed -n '/panicked\|ERROR\|^Base64\|Test unit/p' "$work/$target.log" | cut -c1-600
    fi
    cat "$work/$target.row"
}

# One row of the table: executions, edges seen of all edges, features, inputs kept, seconds, findings.
summary() {
    local target=$1 status=$2 log="$work/$1.log" last edges all features inputs runs
    last=$(grep -E '^#[0-9]+.*cov:' "$log" | tail -n 1) || cat "$log" >&2
    edges=$(sed -n 's/.*cov: \([0-9]*\).*/\1/p' <<<"$last")
    features=$(sed -n 's/.*ft: \([0-9]*\).*/\1/p' <<<"$last")
    inputs=$(sed -n 's/.*corp: \([0-9]*\).*/\1/p' <<<"$last")
    all=$(sed -n 's/.*Loaded 1 modules *(\([0-9]*\) inline.*/\1/p' "$log")
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    local found="none"
    if (( status != 0 )); then found="exit $status, see findings/$target"; fi
    printf '| %s | %s | %s of %s | %s | %s | %s |\n' "$target" "${runs:-?}" "${edges:-?}" "${all:-?}" "${features:-?}" "${inputs:-?}" "$found"
}

build
failed=0
running=0
for target in "${targets[@]}"; do
    if (( running >= jobs )); then
        wait -n || failed=1
        running=$((running - 1))
    fi
    fuzz "$target" &
    running=$((running + 1))
done
while (( running > 0 )); do
    wait -n || failed=1
    running=$((running - 1))
done

if [[ -n $record ]]; then
    {
        echo "# Fuzzing: the last long run"
        echo
        echo "$(date -u +%F), \`fuzz/run.sh $seconds\` ($jobs at a time), $(rustc --version), libFuzzer with AddressSanitizer,"
        echo "debug assertions and overflow checks. Edges are those of the whole program, the standard library included."
        echo
        echo "| target | executions | edges | features | inputs kept | findings |"
        echo "|---|---|---|---|---|---|"
        for target in "${targets[@]}"; do cat "$work/$target.row"; done
        if [[ -f NOTES.md ]]; then
            echo
            cat NOTES.md
        fi
    } >"$record"
fi
if grep -L '| none |$' "$work"/*.row | grep -q .; then failed=1; fi
exit "$failed"
