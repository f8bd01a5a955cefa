/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The packet buffer: each piece is an allocation of its own, so that a sanitizer
 * sees who goes beyond its end or keeps one that was released.
 */
#include "stub.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LIVE = 64 };

struct stub stub;
static gnrc_pktsnip_t *live[LIVE];
static size_t used;

void
stub_fault(const char *what)
{
  fprintf(stderr, "fault: %s\n", what);
  stub.faults++;
}

unsigned
stub_snips(void)
{
  unsigned count = 0;

  for(unsigned i = 0; i < LIVE; i++) {
    count += live[i] != NULL;
  }
  return count;
}

static void *
take(size_t size)
{
  int fails = stub.fail_at == 1;

  if(stub.fail_at > 1 || (fails && !stub.fail_on)) {
    stub.fail_at--;
  }
  if(fails || size > CONFIG_GNRC_PKTBUF_SIZE - used) {
    stub.failed++;
    stub.failed_ours += stub.in_hook;
    return NULL;
  }
  void *octets = malloc(size);
  if(octets == NULL) {
    abort();
  }
  used += size;
  return memset(octets, 0xa5, size);
}

static void
give(void *octets, size_t size)
{
  if(octets != NULL) {
    used -= size;
    free(octets);
  }
}

/* Place of a snip that exists; LIVE if it does not. */
static unsigned
place_of(const gnrc_pktsnip_t *snip)
{
  unsigned i = 0;

  while(i < LIVE && live[i] != snip) {
    i++;
  }
  return i;
}

static int
is_writable(const gnrc_pktsnip_t *snip)
{
  if(place_of(snip) == LIVE || snip->users != 1) {
    stub_fault("a snip changed by one who is not its only user");
    return 0;
  }
  return 1;
}

gnrc_pktsnip_t *
gnrc_pktbuf_add(gnrc_pktsnip_t *next, const void *data, size_t size, gnrc_nettype_t type)
{
  unsigned place = place_of(NULL);
  gnrc_pktsnip_t *snip;
  void *copy = NULL;

  if(size > CONFIG_GNRC_PKTBUF_SIZE || (snip = take(sizeof(*snip))) == NULL) {
    return NULL;
  }
  if(size > 0 && (copy = take(size)) == NULL) {
    give(snip, sizeof(*snip));
    return NULL;
  }
  if(place == LIVE) {
    abort();
  }
  if(size > 0 && data != NULL) {
    memcpy(copy, data, size);
  }
  *snip = (gnrc_pktsnip_t){ next, copy, size, 1, type };
  return live[place] = snip;
}

gnrc_pktsnip_t *
gnrc_pktbuf_mark(gnrc_pktsnip_t *pkt, size_t size, gnrc_nettype_t type)
{
  void *rest = NULL;

  if(size == 0 || pkt == NULL || size > pkt->size || !is_writable(pkt)) {
    return NULL;
  }
  gnrc_pktsnip_t *head = gnrc_pktbuf_add(pkt->next, pkt->data, size, type);
  if(head == NULL) {
    return NULL;
  }
  if(size < pkt->size && (rest = take(pkt->size - size)) == NULL) {
    head->next = NULL;
    gnrc_pktbuf_release(head);
    return NULL;
  }
  if(rest != NULL) {
    memcpy(rest, (uint8_t *)pkt->data + size, pkt->size - size);
  }
  give(pkt->data, pkt->size);
  pkt->data = rest;
  pkt->size -= size;
  pkt->next = head;
  return head;
}

int
gnrc_pktbuf_realloc_data(gnrc_pktsnip_t *pkt, size_t size)
{
  size_t kept = size < pkt->size ? size : pkt->size;
  void *moved = NULL;

  if(size == pkt->size) {
    return 0;
  }
  if(!is_writable(pkt) || (size > 0 && (moved = take(size)) == NULL)) {
    return ENOMEM;
  }
  if(kept > 0) {
    memcpy(moved, pkt->data, kept);
  }
  give(pkt->data, pkt->size);
  pkt->data = moved;
  pkt->size = size;
  return 0;
}

void
gnrc_pktbuf_hold(gnrc_pktsnip_t *pkt, unsigned times)
{
  for(; pkt != NULL; pkt = pkt->next) {
    pkt->users += times;
  }
}

void
gnrc_pktbuf_release_error(gnrc_pktsnip_t *pkt, uint32_t error)
{
  (void)error;
  while(pkt != NULL) {
    unsigned place = place_of(pkt);
    if(place == LIVE) {
      stub_fault("a snip released that does not exist");
      return;
    }
    gnrc_pktsnip_t *next = pkt->next;
    if(--pkt->users == 0) {
      live[place] = NULL;
      give(pkt->data, pkt->size);
      give(pkt, sizeof(*pkt));
    }
    pkt = next;
  }
}

gnrc_pktsnip_t *
gnrc_pktbuf_start_write(gnrc_pktsnip_t *pkt)
{
  if(pkt->users == 1) {
    return pkt;
  }
  gnrc_pktsnip_t *copy = gnrc_pktbuf_add(pkt->next, pkt->data, pkt->size, pkt->type);
  if(copy != NULL) {
    pkt->users--;
  }
  return copy;
}

gnrc_pktsnip_t *
gnrc_pktbuf_remove_snip(gnrc_pktsnip_t *pkt, gnrc_pktsnip_t *snip)
{
  gnrc_pktsnip_t *first = pkt == snip ? snip->next : pkt;

  for(; pkt != snip; pkt = pkt->next) {
    if(pkt->next == snip) {
      pkt->next = snip->next;
      break;
    }
  }
  snip->next = NULL;
  gnrc_pktbuf_release(snip);
  return first;
}

gnrc_pktsnip_t *
gnrc_pkt_append(gnrc_pktsnip_t *pkt, gnrc_pktsnip_t *snip)
{
  gnrc_pktsnip_t *last = pkt;

  while(last->next != NULL) {
    last = last->next;
  }
  last->next = snip;
  return pkt;
}

size_t
gnrc_pkt_len(const gnrc_pktsnip_t *pkt)
{
  size_t length = 0;

  for(; pkt != NULL; pkt = pkt->next) {
    length += pkt->size;
  }
  return length;
}

gnrc_pktsnip_t *
gnrc_pktsnip_search_type(gnrc_pktsnip_t *pkt, gnrc_nettype_t type)
{
  while(pkt != NULL && pkt->type != type) {
    pkt = pkt->next;
  }
  return pkt;
}
