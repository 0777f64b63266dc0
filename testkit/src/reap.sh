# Ends what one test daemon owns, and only that: read by sh, which waits until its standard input ends.
#
#   ROOT           the daemon's temporary folder: data root, exec root, socket, log
#   CGROUP_PARENT  the cgroup below which its containers live, without a leading slash
#
# A process belongs to the daemon when its command line or working directory names ROOT, when it is one of our programs
# with a file below ROOT open, or when its cgroup lies below CGROUP_PARENT. Each is signalled by its own id.
trap '' INT TERM HUP
cat >/dev/null

case "$ROOT" in /?*/?*) ;; *) exit 1 ;; esac
case "$CGROUP_PARENT" in ?*) ;; *) exit 1 ;; esac

owned() {
    for entry in /proc/[0-9]*; do
        pid=${entry#/proc/}
        [ "$pid" = "$$" ] && continue
        case "$(tr '\0' ' ' <"$entry/cmdline")$(readlink "$entry/cwd")" in *"$ROOT"*) echo "$pid"; continue ;; esac
        case "$(readlink "$entry/exe")" in
            *gantry*) case "$(readlink "$entry"/fd/*)" in *"$ROOT"*) echo "$pid"; continue ;; esac ;;
        esac
        [ "$CGROUP_PARENT" = gantry ] && continue
        case "$(cat "$entry/cgroup")" in *"/$CGROUP_PARENT/"*) echo "$pid" ;; esac
    done 2>/dev/null
}

gone() {
    for attempt in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        [ -z "$(owned)" ] && return 0
        sleep 0.1
    done
    return 1
}

# The daemon first, so that it starts nothing new; then whatever is left.
for pid in $(owned); do
    case "$(readlink "/proc/$pid/exe")" in */gantryd*) kill -KILL "$pid" ;; esac
done 2>/dev/null
for pid in $(owned); do kill -KILL "$pid"; done 2>/dev/null
# Who stands still ends when it goes on.
[ "$CGROUP_PARENT" = gantry ] || for state in /sys/fs/cgroup/freezer/"$CGROUP_PARENT"/*/freezer.state; do
    [ -f "$state" ] && echo THAWED >"$state"
done
gone

awk -v root="$ROOT" 'index($5, root "/") == 1 { print $5 }' /proc/self/mountinfo | sort -r | while read -r mount; do
    umount -l "$mount"
done
[ "$CGROUP_PARENT" = gantry ] || for parent in /sys/fs/cgroup/*/"$CGROUP_PARENT" /sys/fs/cgroup/"$CGROUP_PARENT"; do
    [ -d "$parent" ] && find "$parent" -depth -type d -exec rmdir {} +
done 2>/dev/null
rm -rf --one-file-system "$ROOT"
