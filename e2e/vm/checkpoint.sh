# Checkpoint and restore through the real criu, which does not know every kernel that the tests run on: this machine's it does.
# Part of checks.sh; what a machine needs for it is put together by run.sh.

# --- words

ckpt_machine() {
    mkdir -p /mnt /var
    chmod 1777 /tmp
    [ -e /var/run ] || ln -s /run /var/run
}
# The container counts. Who reads how far it came finds the file whole.
ckpt_bundle() { # ckpt_bundle DIR SED-SCRIPT...
    ckpt_machine
    mkdir -p "$1/rootfs/bin" "$1/rootfs/tmp" "$1/rootfs/etc" "$1/rootfs/run" "$1/rootfs/var"
    cp /bin/busybox "$1/rootfs/bin/"
    for applet in sh sleep cat echo mv ls ps id mount ip hostname grep tty test date; do ln -sf busybox "$1/rootfs/bin/$applet"; done
    rm -f "$1/config.json"
    runc spec -b "$1"
    sed -i -e 's/"terminal": true/"terminal": false/' -e 's/"readonly": true/"readonly": false/' \
        -e '/"args": \[/,/\]/c "args": ["sh","-c","i=0; while :; do i=$((i+1)); echo $i > /tmp/next; mv /tmp/next /tmp/n; sleep 0.1; done"],' "$1/config.json"
    bundle=$1
    shift
    for script in "$@"; do sed -i "$script" "$bundle/config.json"; done
}
ckpt_start() {
    rm -f /tmp/start-log
    runc --log /tmp/start-log run -d -b "$1" "$2" </dev/null >/dev/null 2>&1 || fail "$(tail -1 /tmp/start-log)"
}
ckpt_restore() { # ckpt_restore BUNDLE IMAGES ID FLAG...
    bundle=$1 images=$2 id=$3
    shift 3
    rm -f /tmp/restore-log
    runc --log /tmp/restore-log restore -d -b "$bundle" --image-path "$images" "$@" "$id" </dev/null >/dev/null 2>&1
}
ckpt_counts() { until_true [ -s "$1/rootfs/tmp/n" ]; before=$(cat "$1/rootfs/tmp/n"); until_true sh -c "[ \"\$(cat '$1/rootfs/tmp/n')\" -gt $((before + 3)) ]"; }
ckpt_is_stopped() { runc state "$1" | grep -q '"status": "stopped"'; }
ckpt_runs() { runc state "$1" | grep -q '"status": "running"'; }
ckpt_status() { runc state "$1" | grep -o '"status": "[a-z]*"'; }
ckpt_pid() { runc state "$1" | sed -n 's/.*"pid": \([0-9]*\).*/\1/p'; }

# --- checks

checkpoint_checks='checkpoint_and_restore leave_running_and_paused incremental binds_and_namespaces_by_path
a_checkpoint_gives_no_more_than_the_bundle streams_and_exit_code user_namespace read_only_root shim_checkpoints'

checkpoint_and_restore() {
    ckpt_bundle /ck1
    ckpt_start /ck1 ck1
    ckpt_counts /ck1
    runc checkpoint --image-path /tmp/ck1 ck1
    runc state ck1 2>/dev/null && fail 'the container is still there'
    last=$(cat /ck1/rootfs/tmp/n)
    sleep 0.5
    same 'the counter of a container at rest' "$(cat /ck1/rootfs/tmp/n)" "$last"
    ckpt_restore /ck1 /tmp/ck1 ck1 || fail "$(tail -1 /tmp/restore-log)"
    ckpt_counts /ck1
    [ "$(cat /ck1/rootfs/tmp/n)" -gt "$last" ] || fail 'it began again'
    same status "$(ckpt_status ck1)" '"status": "running"'
    same 'no_new_privs' "$(runc exec ck1 grep NoNewPrivs /proc/1/status | tr -d ' \t')" NoNewPrivs:1
    same 'cgroup' "$(cat "/proc/$(ckpt_pid ck1)/cgroup")" 0::/ck1
    runc kill ck1 KILL
    until_true ckpt_is_stopped ck1
    runc delete ck1
    grep -q /run/runc /proc/mounts && fail 'mounts are left'
    gone /sys/fs/cgroup/ck1 || fail 'the cgroup is left'
}
leave_running_and_paused() {
    ckpt_bundle /ck2
    ckpt_start /ck2 ck2
    runc checkpoint --image-path /tmp/ck2 --work-path /tmp/ck2w --leave-running ck2
    ckpt_counts /ck2
    [ -s /tmp/ck2w/dump.log ] || fail 'the log is not in the work path'
    runc pause ck2
    runc checkpoint --image-path /tmp/ck2p --leave-running ck2
    same 'a paused container after its checkpoint' "$(ckpt_status ck2)" '"status": "paused"'
    runc delete -f ck2
}
incremental() {
    ckpt_bundle /ck3
    ckpt_start /ck3 ck3
    runc checkpoint --pre-dump --image-path /tmp/ck3a ck3
    ckpt_counts /ck3
    runc checkpoint --image-path /tmp/ck3b --parent-path ../ck3a ck3
    ckpt_restore /ck3 /tmp/ck3b ck3 || fail "$(tail -1 /tmp/restore-log)"
    ckpt_counts /ck3
    runc delete -f ck3
}
binds_and_namespaces_by_path() {
    mkdir -p /srv/data /srv/sub; echo one >/srv/data/file; echo two >/srv/single
    mount -t tmpfs deep /srv/sub
    /usr/sbin/ip netns add given
    ckpt_bundle /ck4 's#"type": "network"#"type": "network", "path": "/var/run/netns/given"#' \
        's#"mounts": \[#"mounts": [ {"destination": "/data", "type": "bind", "source": "/srv/data", "options": ["rbind","ro"]}, {"destination": "/var/link/single", "type": "bind", "source": "/srv/single", "options": ["bind"]}, {"destination": "/sub", "type": "bind", "source": "/srv", "options": ["rbind","rslave"]},#'
    ln -s ../run /ck4/rootfs/var/link
    ckpt_start /ck4 ck4
    runc exec ck4 cat /run/single | grep -q two
    runc checkpoint --image-path /tmp/ck4 ck4
    ckpt_restore /ck4 /tmp/ck4 ck4 || fail "$(tail -1 /tmp/restore-log)"
    ckpt_counts /ck4
    same 'the bind' "$(runc exec ck4 cat /data/file)" one
    same 'the file' "$(runc exec ck4 cat /run/single)" two
    runc exec ck4 sh -c 'echo x >/data/file' 2>/dev/null && fail 'the read-only bind can be written'
    pid=$(ckpt_pid ck4)
    same 'the network namespace' "$(stat -L -c %i "/proc/$pid/ns/net")" "$(stat -L -c %i /var/run/netns/given)"
    runc delete -f ck4
    /usr/sbin/ip netns del given
    umount /srv/sub
}
a_checkpoint_gives_no_more_than_the_bundle() {
    ckpt_bundle /ck5
    ckpt_start /ck5 ck5
    runc checkpoint --image-path /tmp/ck5 ck5
    cp /ck5/config.json /ck5/whole.json
    sed -i 's/"CAP_KILL",//' /ck5/config.json
    ckpt_restore /ck5 /tmp/ck5 ck5 && fail 'a checkpoint brought a capability'
    grep -q 'does not fit the bundle.*capabilities' /tmp/restore-log || fail "$(tail -1 /tmp/restore-log)"
    gone /run/runc/ck5 || fail 'a refused container is left'
    gone /sys/fs/cgroup/ck5 || fail 'its cgroup is left'
    sed 's#"/proc/kcore",#"/proc/kcore", "/proc/version",#' /ck5/whole.json >/ck5/config.json
    ckpt_restore /ck5 /tmp/ck5 ck5 && fail 'a checkpoint uncovered a masked path'
    grep -q '/proc/version is not masked' /tmp/restore-log || fail "$(tail -1 /tmp/restore-log)"
    ln -s /etc/passwd /tmp/ck5/restore.log
    cp /ck5/whole.json /ck5/config.json
    ckpt_restore /ck5 /tmp/ck5 ck5 && fail 'a link in a checkpoint was followed'
    grep -q 'not a regular file' /tmp/restore-log || fail "$(tail -1 /tmp/restore-log)"
    rm /tmp/ck5/restore.log
    ckpt_restore /ck5 /tmp/ck5 ck5 || fail "$(tail -1 /tmp/restore-log)"
    ckpt_counts /ck5
    runc delete -f ck5
}
streams_and_exit_code() {
    ckpt_bundle /ck6 's/"args": .*/"args": ["sh","-c","while read line; do echo got $line; done; exit 7"],/'
    # Pipes can be inherited by the restored process; a file of the host as a stream cannot be written to a checkpoint.
    (sleep 30 | runc run -b /ck6 ck6 | cat) >/tmp/out6 2>/dev/null &
    until_true ckpt_runs ck6
    runc checkpoint --image-path /tmp/ck6 ck6
    # The first process's pipes are these; its code is that of the restore.
    {
        echo b | runc --log /tmp/restore-log restore -b /ck6 --image-path /tmp/ck6 ck6 2>/dev/null || echo "exit $?"
    } | cat >/tmp/out6b
    grep -q 'got b' /tmp/out6b && grep -q 'exit 7' /tmp/out6b || fail "$(cat /tmp/out6b; tail -n 1 /tmp/restore-log)"
}
user_namespace() {
    ckpt_bundle /ck7 's#"type": "network"#"type": "user"}, {"type": "network"#' \
        's#"linux": {#"linux": { "uidMappings": [{"containerID":0,"hostID":100000,"size":65536}], "gidMappings": [{"containerID":0,"hostID":100000,"size":65536}],#'
    chown -R 100000:100000 /ck7/rootfs
    ckpt_start /ck7 ck7
    ckpt_counts /ck7
    runc checkpoint --image-path /tmp/ck7 ck7
    ckpt_restore /ck7 /tmp/ck7 ck7 || fail "$(tail -1 /tmp/restore-log)"
    ckpt_counts /ck7
    runc delete -f ck7
}
# CRIU wants a place of its own in the new root, and there is none to be written to.
read_only_root() {
    ckpt_bundle /ck8 's/"args": .*/"args": ["sh","-c","while :; do date +%s%N >\/dev\/shm\/n; sleep 0.1; done"],/' \
        's/"readonly": false/"readonly": true/'
    rmdir /ck8/rootfs/tmp
    ckpt_start /ck8 ck8
    until_true runc exec ck8 test -s /dev/shm/n
    runc checkpoint --image-path /tmp/ck8 ck8
    ckpt_restore /ck8 /tmp/ck8 ck8 || fail "$(tail -1 /tmp/restore-log)"
    first=$(runc exec ck8 cat /dev/shm/n)
    until_true sh -c "[ \"\$(/bin/gantry-runc --root /run/runc exec ck8 cat /dev/shm/n)\" != '$first' ]"
    runc exec ck8 sh -c 'echo >/new' 2>/dev/null && fail 'the root can be written'
    runc delete -f ck8
}
# The shim's own test of Checkpoint, and of Create from a checkpoint.
shim_checkpoints() {
    ckpt_machine
    mkdir -p "$(dirname "$tested_shim")"
    ln -sf /bin/gantry-shim "$tested_shim"
    GANTRY_TEST_CRIU_WORKS=1 timeout 120 /suite/shim-tests checkpoint::the_real_criu --test-threads 1
}
