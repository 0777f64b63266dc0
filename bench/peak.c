/*
 * The peak resident memory of a command, in KiB, on standard output:
 *
 *     peak PROGRAM ARGUMENTS...
 *
 * What counts is the largest of the program and the children that it waits for. A child starts with its parent's
 * peak, so this program must be smaller than all that it is to measure: static, and nothing in it. It ends with the
 * command's status.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct rusage used;
    int status = 0;

    if (argc < 2) {
        fputs("usage: peak PROGRAM ARGUMENTS...\n", stderr);
        return 2;
    }
    pid_t child = vfork();
    if (child == 0) {
        execv(argv[1], argv + 1);
        _exit(127);
    }
    if (child < 0 || wait4(child, &status, 0, &used) < 0) {
        perror("peak");
        return 1;
    }
    printf("%ld\n", used.ru_maxrss);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 71;
}
