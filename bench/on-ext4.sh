#!/usr/bin/env bash
# Runs a command whose temporary files, and so all engines' data roots, lie on a new ext4 with a journal, as hosts have it. Without
# a journal the kernel looks, for each new inode, at all that were deleted lately: what engines deleted the minute before would be
# measured.
#
#   on-ext4.sh COMMAND...
set -euo pipefail
work=$(mktemp -d /tmp/gantry-bench-disk-XXXXXX)
end() {
    ! mountpoint -q "$work/disk" || umount "$work/disk"
    rm -rf --one-file-system "$work"
}
trap end EXIT
mkdir "$work/disk"
truncate -s 16G "$work/image"
mkfs.ext4 -q "$work/image"
mount -o loop "$work/image" "$work/disk"
chmod 1777 "$work/disk"
TMPDIR=$work/disk "$@"
