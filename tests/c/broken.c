/*
 * Programs that are wrong on purpose, one by the first argument: a tool that
 * lets one of them pass is not on.
 */
#include <limits.h>
#include <stdlib.h>

#include "common.h"

unsigned checks_made, checks_failed;

static int heap_overflow(void)
{
	char *octets = malloc(8);
	volatile size_t too_many = 9;
	int got;

	memset(octets, 1, too_many);
	got = octets[0];
	free(octets);
	return got;
}

static int overflow_of_an_int(int n)
{
	volatile int sum = INT_MAX;

	sum += n;
	return sum;
}

static int leak(void)
{
	char *volatile lost = malloc(64);

	lost = NULL;
	return lost != NULL;
}

/* The caller claims more memory than it has: only a look inside the library sees it. */
static int lying_capacity(void)
{
	const sprat_sa_params params = sa_params(SPRAT_OUT, &transforms[0]);
	const sprat_seal_args args = seal_args();
	sprat_result result = result_init();
	sprat_sa *sa = sa_make(&params);
	uint8_t packet[64];
	const size_t len = udp_packet(packet, 4, 8);
	uint8_t *memory = malloc(32 + len);
	sprat_buf buf = { memory, 32 + len + 64, 32, len };

	memcpy(memory + 32, packet, len);
	sprat_seal(sa, &buf, &args, &result);
	free(memory);
	sprat_sa_free(sa);
	return 0;
}

int main(int argc, char **argv)
{
	switch (argc > 1 ? argv[1][0] : '?') {
	case 'h':
		return heap_overflow();
	case 'i':
		return overflow_of_an_int(argc);
	case 'l':
		return leak();
	case 'c':
		return lying_capacity();
	default:
		return 3;
	}
}
