#!/bin/sh
# Runs the conformance suite inside the virtual machine, as root, on the runtimes that /choices names. Prints the
# verdicts as lines of JSON that begin with `json `, and one line `done N FAILED` for the first runtime, which is ours.
. /choices
export PATH=/suite:/bin

words=
for runtime in $runtimes; do words="$words --runtime $runtime"; done
# shellcheck disable=SC2086  # they are words
gantry-conformance run $words --jobs 2 --filter "$filter" --json /tmp/results.json >/tmp/summary 2>/tmp/failures
sed 's/^/suite /' /tmp/summary
grep ' FAIL ' /tmp/failures | sed 's/^/    /'
# A serial line takes long lines badly.
fold -w 1000 /tmp/results.json | sed 's/^/json /'
echo
sed -n '1s/.*: \([0-9]*\) passed, \([0-9]*\) failed.*/\1 \2/p' /tmp/summary | while read -r passed failed; do
    echo "done $((passed + failed)) $failed"
done
