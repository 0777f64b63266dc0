/*
 * What the kernel alone charges for one container, as a program to be timed from outside like any runtime:
 *
 *     floor ROOT SCRATCH
 *
 * ROOT holds a static /bin/true and the empty directories proc, sys and dev. SCRATCH is a directory on the same
 * kind of disk; the overlay's upper and work directories are made in it. One clone3 into new namespaces, an overlay
 * on ROOT, the usual mounts, pivot_root, exec. No cgroup, no seccomp, no configuration: a real runtime does all
 * this and more, so it can come close to this figure and never below it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct setup {
    const char *root;
    char upper[4096], work[4096], merged[4096];
};

struct fixture {
    const char *type, *target, *data;
    unsigned long flags;
};

static const struct fixture fixtures[] = {
    {"proc", "proc", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC},
    {"tmpfs", "dev", "mode=755,size=64k", MS_NOSUID},
    {"devpts", "dev/pts", "newinstance,ptmxmode=0666,mode=0620", MS_NOSUID | MS_NOEXEC},
    {"tmpfs", "dev/shm", "mode=1777,size=64m", MS_NOSUID | MS_NODEV | MS_NOEXEC},
    {"mqueue", "dev/mqueue", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC},
    {"sysfs", "sys", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY},
};

static void check(int result, const char *step)
{
    if (result < 0) {
        fprintf(stderr, "floor: %s: %s\n", step, strerror(errno));
        _exit(70);
    }
}

static void directory(const char *path)
{
    if (mkdir(path, 0755) < 0 && errno != EEXIST)
        check(-1, path);
}

static void contain(const struct setup *setup)
{
    char layers[3 * 4096 + 64];

    check(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "make mounts private");
    snprintf(layers, sizeof layers, "lowerdir=%s,upperdir=%s,workdir=%s", setup->root, setup->upper, setup->work);
    check(mount("overlay", setup->merged, "overlay", 0, layers), "mount the overlay");
    check(chdir(setup->merged), "enter the root");
    for (size_t i = 0; i < sizeof fixtures / sizeof *fixtures; i++) {
        directory(fixtures[i].target);
        check(mount(fixtures[i].type, fixtures[i].target, fixtures[i].type, fixtures[i].flags, fixtures[i].data),
              fixtures[i].target);
    }
    check((int)syscall(SYS_pivot_root, ".", "."), "pivot_root");
    check(umount2(".", MNT_DETACH), "leave the old root");
    check(sethostname("floor", 5), "set the host name");
    check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "set no_new_privs");
    char *argv[] = {"/bin/true", NULL}, *environment[] = {"PATH=/bin", NULL};
    check(execve(argv[0], argv, environment), "exec /bin/true");
}

int main(int argc, char **argv)
{
    struct setup setup = {0};
    struct clone_args args = {
        .flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWCGROUP,
        .exit_signal = SIGCHLD,
    };
    int status = 0;

    if (argc != 3) {
        fputs("usage: floor ROOT SCRATCH\n", stderr);
        return 2;
    }
    setup.root = argv[1];
    snprintf(setup.upper, sizeof setup.upper, "%s/%ld-upper", argv[2], (long)getpid());
    snprintf(setup.work, sizeof setup.work, "%s/%ld-work", argv[2], (long)getpid());
    snprintf(setup.merged, sizeof setup.merged, "%s/%ld-merged", argv[2], (long)getpid());
    directory(setup.upper), directory(setup.work), directory(setup.merged);

    pid_t child = (pid_t)syscall(SYS_clone3, &args, sizeof args);
    check(child, "clone3");
    if (child == 0)
        contain(&setup);
    check(waitpid(child, &status, 0), "wait");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 71;
}
