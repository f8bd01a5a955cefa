/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sprat-cfs over Contiki-NG's Coffee: whatever octet of flash the power fails at,
 * no number comes again. Each life of the node is a process, so that Coffee
 * remembers what is in flash and nothing else.
 */

#define _DEFAULT_SOURCE

#include "sprat-cfs.h"

#include "cfs-coffee-arch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SPI 0x110000ac /* the record of its first number ends with a 0 */
#define AHEAD 64
#define STORES 7

/* What outlives a node. */
static struct world {
  uint8_t flash[COFFEE_SIZE];
  uint64_t stored; /* the last number that may have been used */
  long budget;     /* octets, and erasures, until the power fails */
} *world;

static sprat_cfs_place place = { "sprat-sn" };
/*---------------------------------------------------------------------------*/
static void
spend(void)
{
  if(world->budget-- <= 0) {
    _exit(0);
  }
}
/*---------------------------------------------------------------------------*/
/* Coffee takes 0 for erased, and writing sets bits. */
void
flash_write(const void *octets, unsigned length, unsigned at)
{
  unsigned i;

  for(i = 0; i < length; i++) {
    spend();
    world->flash[at + i] |= ((const uint8_t *)octets)[i];
  }
}
/*---------------------------------------------------------------------------*/
void
flash_read(void *octets, unsigned length, unsigned at)
{
  memcpy(octets, world->flash + at, length);
}
/*---------------------------------------------------------------------------*/
void
flash_erase(unsigned sector)
{
  spend();
  memset(world->flash + sector * COFFEE_SECTOR_SIZE, 0, COFFEE_SECTOR_SIZE);
}
/*---------------------------------------------------------------------------*/
/* No packet is sealed here. */
void
sprat_uip_aes128(const uint8_t *key, uint8_t *block)
{
  (void)key;
  (void)block;
  abort();
}
/*---------------------------------------------------------------------------*/
void sprat_port_panic(void);
void rust_eh_personality(void);

void
sprat_port_panic(void)
{
  abort();
}

void
rust_eh_personality(void)
{
  abort();
}
/*---------------------------------------------------------------------------*/
static int
live(void)
{
  uint64_t number = 0;
  int i;

  if(sprat_cfs_load(&place, SPI, &number) != SPRAT_OK) {
    return 2;
  }
  if(number < world->stored) {
    return 3;
  }
  for(i = 0; i < STORES; i++) {
    number += AHEAD;
    if(sprat_cfs_store(&place, SPI, number) != SPRAT_OK) {
      return 4;
    }
    world->stored = number;
  }
  return 0;
}
/*---------------------------------------------------------------------------*/
/* One life with so many octets; returns what live() said, 0 if the power failed. */
static int
life(long budget)
{
  int status = 0;
  pid_t child;

  world->budget = budget;
  child = fork();
  if(child == 0) {
    _exit(live());
  }
  if(child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status)) {
    return 9;
  }
  return WEXITSTATUS(status);
}
/*---------------------------------------------------------------------------*/
int
main(void)
{
  static const long plenty = 1000000;
  long cut, whole;
  int said = 0;

  world = mmap(NULL, sizeof(*world), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if(world == MAP_FAILED || life(plenty) != 0 || life(plenty) != 0) {
    printf("coffee: no life without a cut\n");
    return 1;
  }
  whole = plenty - world->budget;
  for(cut = 0; cut <= whole && said == 0; cut++) {
    memset(world->flash, 0, sizeof(world->flash));
    world->stored = 0;
    said = life(plenty);
    said = said != 0 ? said : life(cut);
    said = said != 0 ? said : life(plenty);
    said = said != 0 ? said : life(plenty);
  }
  if(said != 0) {
    printf("coffee: cut after %ld of %ld: %d, stored %llu\n", cut - 1, whole, said,
           (unsigned long long)world->stored);
  }
  return said != 0;
}
/*---------------------------------------------------------------------------*/
