/* Random numbers of a seed: a program that found something finds it again. */
#ifndef SPRAT_TESTS_DICE_H
#define SPRAT_TESTS_DICE_H

#include <stdint.h>

/* The seed, then where the sequence stands; never 0. */
static uint64_t state;

/* 0 to `sides` - 1. xorshift64*: the same numbers everywhere. */
static uint32_t dice(uint32_t sides)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return (uint32_t)((state * UINT64_C(0x2545f4914f6cdd1d)) >> 33) % sides;
}

#endif
