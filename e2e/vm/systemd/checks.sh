#!/bin/bash
# What must hold of containers that are scopes of systemd's. Runs inside the virtual machine, as root, as a service.
# Prints `ok NAME` or `FAIL NAME REASON` for each check in the list at the end, then one line `done N FAILED`.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin

# --- words that the checks are made of

runc() { timeout 60 gantry-runc --root /run/runc --systemd-cgroup "$@"; }
fail() {
    echo "$*"
    exit 1
}
same() { [ "$2" = "$3" ] || fail "$1 is '$2', not '$3'"; }
until_true() {
    for _ in $(seq 300); do
        "$@" 2>/dev/null && return
        sleep 0.1
    done
    fail "in vain for half a minute: $*"
}
gone() { [ ! -e "$1" ]; }
show() { systemctl show "$1" --property "$2" --value; }
inactive() { [ "$(show "$1" ActiveState)" = inactive ]; }
# config CGROUPS-PATH RESOURCES: the bundle's document.
config() {
    (cd /bundle && rm -f config.json && gantry-runc spec)
    sed -i -e '/"terminal"/s/true/false/' -e '/"args"/,/]/c "args": ["sleep", "1000"],' \
        -e "s|\"linux\": {|\"linux\": { \"cgroupsPath\": \"$1\",|" /bundle/config.json
    sed -i '/"resources": {/,/^    },/c "resources": '"$2"',' /bundle/config.json
}
start() { runc run -d -b /bundle "$1" </dev/null >/tmp/said 2>&1 || fail "$(tail -n 1 /tmp/said)"; }
pid_of() { runc state "$1" | sed -n 's/.*"pid": \([0-9]*\).*/\1/p'; }

limits='{ "memory": { "limit": 67108864 }, "pids": { "limit": 33 }, "cpu": { "quota": 20000, "period": 100000, "shares": 512 } }'
cgroup=/sys/fs/cgroup/system.slice/gantry-one.scope

# --- checks; each runs in a shell of its own, with -eu, and fails with the last line that it printed

machine_is_systemds() {
    same 'the first process' "$(cat /proc/1/comm)" systemd
    same 'the file system of cgroups' "$(stat -fc %T /sys/fs/cgroup)" cgroup2fs
}

a_container_is_a_scope() {
    config system.slice:gantry:one "$limits"
    start one
    same ActiveState "$(show gantry-one.scope ActiveState)" active
    same Slice "$(show gantry-one.scope Slice)" system.slice
    same Delegate "$(show gantry-one.scope Delegate)" yes
    same MemoryMax "$(show gantry-one.scope MemoryMax)" 67108864
    same TasksMax "$(show gantry-one.scope TasksMax)" 33
    same CPUQuotaPerSecUSec "$(show gantry-one.scope CPUQuotaPerSecUSec)" 200ms
    same "the process's cgroup" "$(cat "/proc/$(pid_of one)/cgroup")" "0::${cgroup#/sys/fs/cgroup}"
    same memory.max "$(cat $cgroup/memory.max)" 67108864
    same pids.max "$(cat $cgroup/pids.max)" 33
    same cpu.max "$(cat $cgroup/cpu.max)" '20000 100000'
    same 'inside' "$(runc exec one cat /proc/self/cgroup)" 0::/
}

limits_outlive_a_reload() {
    systemctl daemon-reload
    same pids.max "$(cat $cgroup/pids.max)" 33
    same memory.max "$(cat $cgroup/memory.max)" 67108864
    same cpu.max "$(cat $cgroup/cpu.max)" '20000 100000'
}

systemd_hears_of_an_update() {
    runc update --pids-limit 44 --memory 33554432 one
    same pids.max "$(cat $cgroup/pids.max)" 44
    same TasksMax "$(show gantry-one.scope TasksMax)" 44
    same MemoryMax "$(show gantry-one.scope MemoryMax)" 33554432
    systemctl daemon-reload
    same 'pids.max after a reload' "$(cat $cgroup/pids.max)" 44
}

it_pauses() {
    runc pause one
    grep -qx 'frozen 1' $cgroup/cgroup.events
    runc resume one
    grep -qx 'frozen 0' $cgroup/cgroup.events
}

delete_ends_the_scope() {
    runc delete --force one
    until_true inactive gantry-one.scope
    gone $cgroup || fail 'the cgroup is left'
    same 'units that failed' "$(systemctl list-units --failed --no-legend 'gantry-*')" ''
}

slices_are_nested() {
    config gantry-deep.slice:prefix:two '{}'
    start two
    deep=/sys/fs/cgroup/gantry.slice/gantry-deep.slice/prefix-two.scope
    same "the process's cgroup" "$(cat "/proc/$(pid_of two)/cgroup")" "0::${deep#/sys/fs/cgroup}"
    runc delete --force two
    until_true inactive prefix-two.scope
    gone $deep || fail 'the cgroup is left'
}

systemd_may_stop_it() {
    config system.slice:gantry:three '{}'
    start three
    systemctl stop gantry-three.scope
    runc state three | grep -q '"status": "stopped"' || fail "$(runc state three)"
    runc delete three
    # The name is free again.
    start three
    runc delete --force three
    until_true inactive gantry-three.scope
}

properties_come_from_annotations() {
    config system.slice:gantry:four '{}'
    sed -i 's|"linux": {|"annotations": { "org.systemd.property.Description": "'"'a container'"'", "org.systemd.property.CollectMode": "'"'inactive-or-failed'"'" }, "linux": {|' /bundle/config.json
    start four
    same Description "$(show gantry-four.scope Description)" 'a container'
    runc delete --force four
}

a_failed_create_leaves_no_scope() {
    config system.slice:gantry:five '{}'
    sed -i 's|"sleep"|"no-such-program"|' /bundle/config.json
    runc run -d -b /bundle five </dev/null >/tmp/said 2>&1 && fail 'it ran'
    until_true inactive gantry-five.scope
    gone /sys/fs/cgroup/system.slice/gantry-five.scope || fail 'the cgroup is left'
}

# --- the list

checks='machine_is_systemds a_container_is_a_scope limits_outlive_a_reload systemd_hears_of_an_update it_pauses
delete_ends_the_scope slices_are_nested systemd_may_stop_it properties_come_from_annotations a_failed_create_leaves_no_scope'

echo
count=0
failed=0
for check in $checks; do
    (
        set -eu
        "$check"
    ) </dev/null >/tmp/output 2>&1
    if [ $? -eq 0 ]; then
        echo "ok $check"
    else
        failed=$((failed + 1))
        echo "FAIL $check $(tail -n 1 /tmp/output)"
        sed 's/^/    /' /tmp/output
    fi
    count=$((count + 1))
done
echo "done $count $failed"
echo 'the end'
systemctl poweroff --force --force
