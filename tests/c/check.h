/* A check that says where it failed and goes on. */
#ifndef CHECK_H
#define CHECK_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

extern unsigned checks_made, checks_failed;

static inline void check_at(int good, const char *what, const char *file, int line)
{
	checks_made++;
	if (!good) {
		checks_failed++;
		fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
	}
}

static inline void check_equal(long long got, long long want, const char *what, const char *file,
                               int line)
{
	checks_made++;
	if (got != want) {
		checks_failed++;
		fprintf(stderr, "%s:%d: %s: %lld, not %lld\n", file, line, what, got, want);
	}
}

#define CHECK(condition) check_at((condition) ? 1 : 0, #condition, __FILE__, __LINE__)
#define CHECK_EQ(got, want) \
	check_equal((long long)(got), (long long)(want), #got, __FILE__, __LINE__)
#define CHECK_TEXT(got, want) \
	check_at(strcmp((got), (want)) == 0, #got " is " #want, __FILE__, __LINE__)

/* Prints the sum; the exit status of the program. */
static inline int check_sum(const char *program)
{
	printf("%s: %u checks, %u failed\n", program, checks_made, checks_failed);
	return checks_failed == 0 && checks_made != 0 ? 0 : 1;
}

#endif
