# The words that the checks of every machine are made of. checks.sh sources it in the machine, under busybox or bash.
# shellcheck shell=sh

fail() {
    echo "$*"
    exit 1
}
same() { [ "$2" = "$3" ] || fail "$1 is '$2', not '$3'"; }
# until_true COMMAND...: polls for a minute.
until_true() {
    for _ in $(seq 600); do
        "$@" >/dev/null 2>&1 && return
        sleep 0.1
    done
    fail "in vain for a minute: $*"
}
gone() { [ ! -e "$1" ]; }

# What is done before each check, and what is told of one that failed, beside its own words.
before_check() { :; }
explain_failure() { :; }

# run_checks NAME...: each in a shell of its own, with -eu; it fails with the last line that it printed.
run_checks() {
    count=0
    failed=0
    for check in "$@"; do
        before_check
        (
            set -eu
            "$check"
        ) </dev/null >/tmp/output 2>&1
        # Not in a condition: there, -e would mean nothing.
        if [ $? -eq 0 ]; then
            echo "ok $check"
        else
            failed=$((failed + 1))
            echo "FAIL $check $(tail -n 1 /tmp/output)"
            sed 's/^/    /' /tmp/output
            explain_failure
        fi
        count=$((count + 1))
    done
    echo "done $count $failed"
}
