/* Compiles a profile with libseccomp, for comparison. Reads lines from standard input:
 *   default ACTION
 *   arch NAME
 *   rule ACTION SYSCALL COUNT [INDEX OPERATOR A B]...
 * Writes the filter to standard output, and to standard error what it did not know:
 *   unknown SYSCALL
 *   newest ARCH NUMBER
 */
#include <errno.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define MAX_ARCHES 8

static int fail(const char *what, int code)
{
	fprintf(stderr, "failed %s: %s\n", what, strerror(-code));
	return 1;
}

int main(void)
{
	char word[64], name[128];
	uint32_t action, fallback, arches[MAX_ARCHES];
	int newest[MAX_ARCHES], arch_count = 0, native_listed = 0, code;
	scmp_filter_ctx filter;

	if (scanf("%63s %x", word, &fallback) != 2 || strcmp(word, "default"))
		return fail("first line", -EINVAL);
	filter = seccomp_init(fallback);
	if (!filter)
		return fail("seccomp_init", -EINVAL);

	while (scanf("%63s", word) == 1) {
		if (!strcmp(word, "arch")) {
			uint32_t token;
			if (scanf("%127s", name) != 1 || arch_count == MAX_ARCHES)
				return fail("arch line", -EINVAL);
			token = seccomp_arch_resolve_name(name);
			if (token == seccomp_arch_native())
				native_listed = 1;
			else if ((code = seccomp_arch_add(filter, token)))
				return fail(name, code);
			newest[arch_count] = -1;
			arches[arch_count++] = token;
			continue;
		}
		struct scmp_arg_cmp args[6];
		int count, number;
		if (scanf("%x %127s %d", &action, name, &count) != 3 || count > 6)
			return fail("rule line", -EINVAL);
		for (int i = 0; i < count; i++) {
			unsigned index, op;
			unsigned long long a, b;
			if (scanf("%u %u %llx %llx", &index, &op, &a, &b) != 4)
				return fail("rule arguments", -EINVAL);
			args[i] = SCMP_CMP64(index, op, a, b);
		}
		number = seccomp_syscall_resolve_name(name);
		if (number == __NR_SCMP_ERROR) {
			fprintf(stderr, "unknown %s\n", name);
			continue;
		}
		for (int i = 0; i < arch_count; i++) {
			int there = seccomp_syscall_resolve_name_arch(arches[i], name);
			/* arm's private calls lie far above all others */
			if (arches[i] == SCMP_ARCH_ARM && there >= 0xf0000)
				continue;
			if (there > newest[i])
				newest[i] = there;
		}
		if (!native_listed)
			seccomp_arch_remove(filter, SCMP_ARCH_NATIVE);
		if (action == fallback)
			continue;
		code = seccomp_rule_add_array(filter, action, number, count, args);
		if (code)
			return fail(name, code);
	}
	for (int i = 0; i < arch_count; i++)
		fprintf(stderr, "newest %x %d\n", arches[i], newest[i]);
	code = seccomp_export_bpf(filter, 1);
	return code ? fail("seccomp_export_bpf", code) : 0;
}
