#!/bin/bash
# What must hold of containers that are scopes of systemd's, the runtime's and the daemon's. Runs inside the virtual machine, as root, as a service.
# Prints `ok NAME` or `FAIL NAME REASON` for each check in the list at the end, then one line `done N FAILED`.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin GANTRY_HOST=unix:///run/gantry/gantry.sock GANTRY_AUTOSTART=0

# --- words that the checks are made of

. /words.sh
runc() { timeout 60 gantry-runc --root /run/runc --systemd-cgroup "$@"; }
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

# start_daemon FLAG...: the daemon as its users with systemd have it, but for networks, which are another matter.
start_daemon() {
    setsid gantryd --bridge none "$@" >>/tmp/gantryd.log 2>&1 </dev/null &
    echo $! >/tmp/gantryd.pid
    until_true gantry version
}
end_daemon() {
    kill "-$1" "$(cat /tmp/gantryd.pid)"
    until_true gone "/proc/$(cat /tmp/gantryd.pid)"
}
with_systemd='--exec-opt native.cgroupdriver=systemd'
scope_of() { echo "gantry-$(gantry inspect -f '{{.Id}}' "$1").scope"; }
background() {
    name=$1
    shift
    gantry run -d --network none --name "$name" "$@" busybox sh -c 'trap "exit 3" TERM; while :; do sleep 0.1; done'
}

the_daemon_s_containers_are_scopes() {
    busybox insmod /overlay.ko
    start_daemon $with_systemd
    gantry info | grep -qi 'cgroup driver: systemd' || fail "$(gantry info | grep -i cgroup)"
    tar -C /bundle/rootfs -c . | gantry import - busybox >/dev/null
    background daily -m 64m --pids-limit 33 --cpus 0.5 >/dev/null
    scope=$(scope_of daily)
    same ActiveState "$(show "$scope" ActiveState)" active
    same Slice "$(show "$scope" Slice)" system.slice
    same MemoryMax "$(show "$scope" MemoryMax)" 67108864
    same TasksMax "$(show "$scope" TasksMax)" 33
    pid=$(gantry inspect -f '{{.State.Pid}}' daily)
    same "the process's cgroup" "$(cat "/proc/$pid/cgroup")" "0::/system.slice/$scope"
    same 'inside, by exec' "$(gantry exec daily cat /proc/self/cgroup)" 0::/
    gantry update -m 128m --memory-swap 128m daily >/dev/null
    same 'MemoryMax after an update' "$(show "$scope" MemoryMax)" 134217728
    systemctl daemon-reload
    same 'memory.max after a reload' "$(cat "/sys/fs/cgroup/system.slice/$scope/memory.max")" 134217728
    gantry stats --no-stream --format '{{.MemUsage}}' daily | grep -q '128MiB' || fail 'stats do not see it'
    gantry pause daily >/dev/null
    grep -qx 'frozen 1' "/sys/fs/cgroup/system.slice/$scope/cgroup.events"
    gantry unpause daily >/dev/null
    gantry stop daily >/dev/null
    same 'exit code' "$(gantry inspect -f '{{.State.ExitCode}}' daily)" 3
    until_true inactive "$scope"
    gone "/sys/fs/cgroup/system.slice/$scope" || fail 'the cgroup is left'
    gantry rm daily >/dev/null
}

the_daemon_s_containers_have_slices() {
    background sliced --cgroup-parent gantry-mine.slice >/dev/null
    scope=$(scope_of sliced)
    same Slice "$(show "$scope" Slice)" gantry-mine.slice
    pid=$(gantry inspect -f '{{.State.Pid}}' sliced)
    same "the process's cgroup" "$(cat "/proc/$pid/cgroup")" "0::/gantry.slice/gantry-mine.slice/$scope"
    gantry rm -f sliced >/dev/null
    until_true inactive "$scope"
    said=$(gantry create --cgroup-parent /mine busybox true 2>&1) && fail 'a path is taken for a slice'
    echo "$said" | grep -q 'should be a valid slice' || fail "$said"
}

a_lack_of_memory_is_told() {
    gantry run --network none --name hungry -m 16m --memory-swap 16m busybox busybox awk 'BEGIN { x = "much"; while (1) x = x x }' &&
        fail 'it has enough'
    same OOMKilled "$(gantry inspect -f '{{.State.OOMKilled}}' hungry)" true
    gantry rm hungry >/dev/null
}

a_daemon_with_another_driver_finds_the_scopes() {
    background survivor --restart always >/dev/null
    scope=$(scope_of survivor)
    end_daemon KILL
    start_daemon
    same status "$(gantry inspect -f '{{.State.Status}}' survivor)" running
    gantry stats --no-stream survivor >/dev/null
    same 'inside, by exec' "$(gantry exec survivor cat /proc/self/cgroup)" 0::/
    # Its next run is as the settings are by then.
    gantry restart survivor >/dev/null
    until_true inactive "$scope"
    pid=$(gantry inspect -f '{{.State.Pid}}' survivor)
    same "the process's cgroup" "$(cat "/proc/$pid/cgroup")" "0::/gantry/$(gantry inspect -f '{{.Id}}' survivor)"
    gantry rm -f survivor >/dev/null
    end_daemon TERM
    same 'units that failed' "$(systemctl list-units --failed --no-legend 'gantry-*')" ''
    same 'scopes left' "$(systemctl list-units --no-legend --all 'gantry-*.scope')" ''
}

# --- the list

checks='machine_is_systemds a_container_is_a_scope limits_outlive_a_reload systemd_hears_of_an_update it_pauses
delete_ends_the_scope slices_are_nested systemd_may_stop_it properties_come_from_annotations a_failed_create_leaves_no_scope
the_daemon_s_containers_are_scopes the_daemon_s_containers_have_slices a_lack_of_memory_is_told
a_daemon_with_another_driver_finds_the_scopes'

echo
run_checks $checks
echo 'the end'
systemctl poweroff --force --force
