#!/usr/bin/env bash
# Boots Debian's systemd (252) and its bus in a virtual machine with cgroup v2, and has gantry-runc, and gantryd with
# native.cgroupdriver=systemd, make their containers scopes there: checks.sh. Fails unless every check held. The root file system is made once, by mmdebstrap.
#
#   run.sh [FOLDER-OF-BINARIES]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
checkout=$(cd "$here/../../.." && pwd)
binaries=${1:-$checkout/target/dist/bin}
kernel=$checkout/target/testdata/vm-kernel
root=$checkout/target/testdata/vm-systemd
console=${VM_CONSOLE:-$checkout/target/testdata/vm-systemd-console.log}
deadline_s=${VM_DEADLINE_S:-300}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bash "$here/../fetch-kernel.sh" "$kernel"
if [ ! -e "$root/complete" ]; then
    rm -rf "$root"
    mkdir -p "$root"
    excluded=(--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*'
        --dpkgopt='path-exclude=/usr/share/locale/*')
    mmdebstrap --quiet --variant=apt --include=systemd,systemd-sysv,dbus "${excluded[@]}" bookworm "$root/root.tar" \
        http://deb.debian.org/debian
    touch "$root/complete"
fi

tree=$work/tree
mkdir -p "$tree"
tar -C "$tree" -xf "$root/root.tar" --exclude './dev/*'
rm -rf "$tree"/var/lib/apt/lists/* "$tree"/var/cache/apt/*
for name in gantry gantryd gantry-shim gantry-init gantry-runc; do
    install -m 755 "$binaries/$name" "$tree/usr/bin/"
done
install -m 755 /bin/busybox "$tree/usr/bin/"
# Where the daemon's containers have their roots.
cp "$kernel"/modules/*-overlay.ko "$tree/overlay.ko"
install -m 755 "$here/checks.sh" "$tree/checks.sh"
install -m 755 "$here/init" "$tree/init"
install -m 644 "$here/gantry-checks.service" "$tree/etc/systemd/system/"
mkdir -p "$tree/bundle/rootfs/bin" "$tree/bundle/rootfs"/{proc,sys,dev,tmp}
cp /bin/busybox "$tree/bundle/rootfs/bin/"
for applet in sh sleep cat; do ln -s busybox "$tree/bundle/rootfs/bin/$applet"; done
(cd "$tree" && find . | cpio --quiet -o -H newc >"$work/initramfs")

echo "kernel $(cat "$kernel/version"), at most $deadline_s s; the console is in ${console#"$checkout"/}"
timeout "$deadline_s" qemu-system-x86_64 -machine q35 -accel tcg -cpu max -smp 2 -m 2048 \
    -nodefaults -nographic -serial stdio -no-reboot \
    -kernel "$kernel/vmlinuz" -initrd "$work/initramfs" \
    -append 'console=ttyS0 quiet panic=-1 cgroup_no_v1=all systemd.unit=gantry-checks.service systemd.show_status=0' \
    </dev/null 2>"$work/qemu" | stdbuf -oL tr -d '\r' | tee "$console" |
    grep --line-buffered -E '^(ok|FAIL|done|    )' || true

if ! grep -qx 'the end' "$console"; then
    { tail -n 20 "$console" "$work/qemu"; echo "the machine did not come to its end within $deadline_s s"; } >&2
    exit 1
fi
grep -qE '^done [1-9][0-9]* 0$' "$console"
