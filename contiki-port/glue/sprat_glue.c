/* SPDX-License-Identifier: BSD-3-Clause */
/* SPD and SAD look-up. What a packet shows comes from sprat_mote_flow_of(). */

#include "sprat_glue.h"

#include <string.h>

#define PROTOCOL_ESP 50
#define PROTOCOL_FRAGMENT 44
#define PROTOCOL_ICMPV6 58
#define PROTOCOL_AH 51
#define PROTOCOL_MOBILITY 135
#define PROTOCOL_HIP 139
#define PROTOCOL_SHIM6 140
#define IPV6_HEADER 40 /* octets */
#define PAYLOAD_LENGTH_AT 4
#define ICMPV6_HEADER 8 /* octets in front of what an error quotes */
#define ICMPV6_ERRORS 128 /* types below are errors (RFC 4443 section 2.1) */

/* The destination field of an IPv6 header. */
#define DESTINATION_AT 24

/* An ICMPv6 type as the ports of a selector: every code of it. */
#define ICMPV6_TYPES(first, last)                                                    \
  { { 0 }, { 0 }, 0, 0, PROTOCOL_ICMPV6, (first) * 256, (last) * 256 + 255, 0, 65535 }

static const sprat_glue_selector control[SPRAT_GLUE_CONTROL_POLICIES] = {
  ICMPV6_TYPES(130, 137), /* MLDv1, then neighbour discovery */
  ICMPV6_TYPES(143, 143), /* MLDv2 */
  ICMPV6_TYPES(155, 155), /* RPL */
};

/* What a policy is asked about. */
enum way { ARRIVING, LEAVING, OPENED };

/* One packet on its way through the glue. */
typedef struct packet {
  uint8_t *octets;
  uint16_t *length;
  uint16_t capacity;
} packet;

int32_t
sprat_glue_check(void)
{
  int fits = sprat_mote_sa_size() == sizeof(sprat_mote_sa) &&
             sprat_abi_version() == SPRAT_ABI_VERSION;
  return fits ? SPRAT_OK : SPRAT_E_ARGUMENT;
}

/* -- The tables -- */

int32_t
sprat_glue_policy_add(sprat_glue *glue, uint8_t at, const sprat_glue_policy *policy)
{
  if(glue == NULL || policy == NULL) {
    return SPRAT_E_NULL;
  }
  if(at == SPRAT_GLUE_LAST) {
    at = glue->policies_len;
  }
  if(at > glue->policies_len || policy->selector == NULL) {
    return SPRAT_E_ARGUMENT;
  }
  if(glue->policies_len >= glue->policies_room) {
    return SPRAT_E_SHORT;
  }
  memmove(&glue->policies[at + 1], &glue->policies[at],
          (size_t)(glue->policies_len - at) * sizeof(*policy));
  glue->policies[at] = *policy;
  glue->policies_len++;
  return SPRAT_OK;
}

int32_t
sprat_glue_policy_remove(sprat_glue *glue, uint8_t at)
{
  if(glue == NULL) {
    return SPRAT_E_NULL;
  }
  if(at >= glue->policies_len) {
    return SPRAT_E_NOT_FOUND;
  }
  glue->policies_len--;
  memmove(&glue->policies[at], &glue->policies[at + 1],
          (size_t)(glue->policies_len - at) * sizeof(glue->policies[0]));
  return SPRAT_OK;
}

int32_t
sprat_glue_control_add(sprat_glue *glue)
{
  sprat_glue_policy bypass = { NULL, NULL, SPRAT_GLUE_BYPASS, 0, 0 };

  if(glue == NULL) {
    return SPRAT_E_NULL;
  }
  if(glue->policies_room - glue->policies_len < SPRAT_GLUE_CONTROL_POLICIES) {
    return SPRAT_E_SHORT;
  }
  for(uint8_t i = 0; i < SPRAT_GLUE_CONTROL_POLICIES; i++) {
    bypass.selector = &control[i];
    glue->policies[glue->policies_len++] = bypass;
  }
  return SPRAT_OK;
}

/* Place of an SA in the SAD; in_len if it is not there. */
static uint8_t
in_place(const sprat_glue *glue, const sprat_mote_sa *sa)
{
  uint8_t at = 0;

  while(at < glue->in_len && glue->in[at].sa != sa) {
    at++;
  }
  return at;
}

int32_t
sprat_glue_in_add(sprat_glue *glue, const sprat_glue_in *entry)
{
  uint8_t at = 0;

  if(glue == NULL || entry == NULL || entry->sa == NULL) {
    return SPRAT_E_NULL;
  }
  if(in_place(glue, entry->sa) < glue->in_len) {
    return SPRAT_E_EXISTS;
  }
  if(glue->in_len >= glue->in_room) {
    return SPRAT_E_SHORT;
  }
  while(at < glue->in_len && glue->in[at].spi_bits >= entry->spi_bits) {
    at++;
  }
  memmove(&glue->in[at + 1], &glue->in[at], (size_t)(glue->in_len - at) * sizeof(*entry));
  glue->in[at] = *entry;
  glue->in_len++;
  return SPRAT_OK;
}

int32_t
sprat_glue_in_remove(sprat_glue *glue, const sprat_mote_sa *sa)
{
  uint8_t at;

  if(glue == NULL) {
    return SPRAT_E_NULL;
  }
  at = in_place(glue, sa);
  if(at >= glue->in_len) {
    return SPRAT_E_NOT_FOUND;
  }
  glue->in_len--;
  memmove(&glue->in[at], &glue->in[at + 1],
          (size_t)(glue->in_len - at) * sizeof(glue->in[0]));
  return SPRAT_OK;
}

/* -- Selectors -- */

static int
in_prefix(const uint8_t *address, const uint8_t *prefix, uint8_t bits)
{
  uint8_t whole = bits / 8, rest = bits % 8;

  if(bits > 128 || memcmp(address, prefix, whole) != 0) {
    return 0;
  }
  return rest == 0 || ((address[whole] ^ prefix[whole]) >> (8 - rest)) == 0;
}

/* A port that the packet does not show matches only a selector that does not ask. */
static int
in_ports(const sprat_mote_flow *flow, uint16_t port, uint16_t first, uint16_t last)
{
  if(!flow->has_ports) {
    return first == 0 && last == UINT16_MAX;
  }
  return first <= port && port <= last;
}

/*
 * Whether it does not show its upper layer: a later fragment, or AH, Mobility, HIP
 * or Shim6, which some stacks skip as extension headers that they do not know.
 */
static int
hides_upper(const sprat_mote_flow *flow)
{
  return flow->protocol == PROTOCOL_FRAGMENT || flow->protocol == PROTOCOL_AH ||
         flow->protocol == PROTOCOL_MOBILITY || flow->protocol == PROTOCOL_HIP ||
         flow->protocol == PROTOCOL_SHIM6;
}

/*
 * What a packet hides is taken to be what the selector asks for, so that none
 * is let in that belongs to protected traffic; it opens no bypass, and no SA to
 * what it was not made for.
 */
static int
upper_matches(const sprat_glue_policy *policy, const sprat_mote_flow *flow, enum way way)
{
  const sprat_glue_selector *s = policy->selector;
  uint16_t local = way == LEAVING ? flow->source_port : flow->destination_port;
  uint16_t remote = way == LEAVING ? flow->destination_port : flow->source_port;
  int opens = policy->action == SPRAT_GLUE_BYPASS ||
              (policy->action == SPRAT_GLUE_PROTECT && way == OPENED);
  /* What leaves no stack has skipped: only a fragment hides something there. */
  int hides = hides_upper(flow) && (way != LEAVING || flow->protocol == PROTOCOL_FRAGMENT);

  if(s->protocol != 0 && s->protocol != flow->protocol && (opens || !hides)) {
    return 0;
  }
  if((hides || flow->fragment) && !opens && !flow->has_ports) {
    return 1;
  }
  return in_ports(flow, local, s->local_port_first, s->local_port_last) &&
         in_ports(flow, remote, s->remote_port_first, s->remote_port_last);
}

static int
matches(const sprat_glue_policy *policy, const sprat_mote_flow *flow, enum way way)
{
  const sprat_glue_selector *s = policy->selector;
  const uint8_t *local = way == LEAVING ? flow->source : flow->destination;
  const uint8_t *remote = way == LEAVING ? flow->destination : flow->source;

  return in_prefix(local, s->local, s->local_bits) &&
         in_prefix(remote, s->remote, s->remote_bits) &&
         upper_matches(policy, flow, way);
}

/* The policy that decides about a packet; NULL: none names it. */
static const sprat_glue_policy *
decide(const sprat_glue *glue, const sprat_mote_flow *flow, enum way way)
{
  for(uint8_t i = 0; i < glue->policies_len; i++) {
    if(matches(&glue->policies[i], flow, way)) {
      return &glue->policies[i];
    }
  }
  return NULL;
}

/* Verdict on a packet in clear that no policy wants to have protected. */
static int32_t
in_clear(const sprat_glue *glue, const sprat_glue_policy *policy)
{
  if(policy == NULL) {
    return glue->otherwise == SPRAT_GLUE_BYPASS ? SPRAT_OK : SPRAT_DROP_NO_POLICY;
  }
  return policy->action == SPRAT_GLUE_BYPASS ? SPRAT_OK : SPRAT_DROP_POLICY;
}

static int
wants_protection(const sprat_glue_policy *policy)
{
  return policy != NULL && policy->action == SPRAT_GLUE_PROTECT;
}

/* -- Counting -- */

static int32_t
counted(sprat_glue *glue, int32_t verdict)
{
  sprat_mote_counters *counters = glue->counters;

  if(counters == NULL) {
    return verdict;
  }
  if(verdict == SPRAT_OK) {
    counters->passed += glue->changed;
  } else if(verdict > 0 && verdict < SPRAT_MOTE_DROPS &&
            counters->dropped[verdict] < UINT16_MAX) {
    counters->dropped[verdict]++;
  }
  return verdict;
}

/* -- Reading a packet -- */

/* What a stack for IPv6 cannot deliver is no packet to it. */
static int32_t
flow_of(const packet *p, sprat_mote_flow *flow)
{
  int32_t verdict = sprat_mote_flow_of(p->octets, *p->length, flow);

  return verdict == SPRAT_OK && flow->version != 6 ? SPRAT_DROP_NOT_IP : verdict;
}

/* -- Leaving -- */

/*
 * ESP that this node has made already, at an earlier hook or when the packet
 * first came through. No application of a mote makes protocol 50 itself; ESP in
 * UDP shows ports and SPI of an SA that sends.
 */
static int
is_sealed(const sprat_glue *glue, const packet *p, const sprat_mote_flow *flow)
{
  if(flow->protocol == PROTOCOL_ESP) {
    return 1;
  }
  for(uint8_t i = 0; i < glue->policies_len; i++) {
    const sprat_glue_policy *policy = &glue->policies[i];
    if(wants_protection(policy) && policy->out != NULL &&
       sprat_mote_is_for(policy->out, p->octets, *p->length)) {
      return 1;
    }
  }
  return 0;
}

/*
 * What an error quotes, of which the end may be missing: it is read with the length
 * that is there, and left as it was. Ports that are missing are guessed as those of
 * a fragment.
 */
static int32_t
quoted_flow(uint8_t *quoted, uint16_t length, sprat_mote_flow *flow)
{
  uint8_t *field = quoted + PAYLOAD_LENGTH_AT, stated[2];
  int32_t verdict;

  if(length < IPV6_HEADER || field[0] * 256 + field[1] <= length - IPV6_HEADER) {
    return sprat_mote_flow_of(quoted, length, flow);
  }
  memcpy(stated, field, sizeof(stated));
  field[0] = (uint8_t)((length - IPV6_HEADER) >> 8);
  field[1] = (uint8_t)(length - IPV6_HEADER);
  verdict = sprat_mote_flow_of(quoted, length, flow);
  memcpy(field, stated, sizeof(stated));
  flow->fragment = 1;
  return verdict;
}

/*
 * An ICMPv6 error quotes a packet. One that came protected would leave in clear
 * that way, as would one that is quoted in part and cannot be told.
 */
static __attribute__((noinline)) int
quotes_protected(const sprat_glue *glue, const packet *p, const sprat_mote_flow *flow)
{
  uint16_t at = flow->upper_at + ICMPV6_HEADER;
  sprat_mote_flow quoted;

  if(flow->protocol != PROTOCOL_ICMPV6 || flow->source_port / 256 >= ICMPV6_ERRORS) {
    return 0;
  }
  if(at > flow->total ||
     quoted_flow(p->octets + at, flow->total - at, &quoted) != SPRAT_OK) {
    return 1;
  }
  return quoted.protocol != PROTOCOL_ESP && wants_protection(decide(glue, &quoted, ARRIVING));
}

/*
 * A stack that forwards to a group sends on what it has delivered. A packet that
 * was opened here must not leave in clear.
 */
static __attribute__((noinline)) int
was_opened(const sprat_glue *glue, const sprat_mote_flow *flow)
{
  return flow->destination[0] == 0xff && flow->protocol != PROTOCOL_ESP &&
         glue->is_local(glue->context, flow->destination) &&
         wants_protection(decide(glue, flow, ARRIVING));
}

static int32_t
seal(sprat_glue *glue, uint8_t stage, const sprat_glue_policy *policy, const packet *p)
{
  uint8_t wanted = policy->tunnel ? SPRAT_GLUE_TUNNEL : SPRAT_GLUE_TRANSPORT;
  int32_t verdict;

  if((stage & wanted) == 0) {
    return wanted == SPRAT_GLUE_TRANSPORT ? SPRAT_OK : SPRAT_DROP_NO_OUTBOUND_SA;
  }
  if(policy->out == NULL) {
    return SPRAT_DROP_NO_OUTBOUND_SA;
  }
  verdict = sprat_mote_seal(policy->out, p->octets, p->length, p->capacity);
  glue->changed = verdict == SPRAT_OK;
  return verdict;
}

static int32_t
output(sprat_glue *glue, uint8_t stage, const packet *p)
{
  const sprat_glue_policy *policy;
  sprat_mote_flow flow;
  int32_t verdict = flow_of(p, &flow);

  if(verdict != SPRAT_OK) {
    return verdict;
  }
  if(!glue->is_local(glue->context, flow.source)) {
    return was_opened(glue, &flow) ? SPRAT_DROP_UNPROTECTED : SPRAT_OK;
  }
  if(is_sealed(glue, p, &flow)) {
    return SPRAT_OK;
  }
  policy = decide(glue, &flow, LEAVING);
  if(wants_protection(policy)) {
    return seal(glue, stage, policy, p);
  }
  if((stage & SPRAT_GLUE_TRANSPORT) == 0) {
    return SPRAT_OK;
  }
  verdict = in_clear(glue, policy);
  return verdict == SPRAT_OK && quotes_protected(glue, p, &flow) ? SPRAT_DROP_POLICY : verdict;
}

int32_t
sprat_glue_output(sprat_glue *glue, uint8_t stage, uint8_t *octets, uint16_t *length,
                  uint16_t capacity)
{
  packet p = { octets, length, capacity };

  if(glue == NULL || octets == NULL || length == NULL || glue->is_local == NULL) {
    return SPRAT_E_NULL;
  }
  glue->changed = 0;
  return counted(glue, output(glue, stage, &p));
}

/* -- Arriving -- */

/*
 * Whether a clear packet that passes through claims to come from this node,
 * from traffic that leaves it only as ESP. The output hook could not tell it
 * from the node's own and would seal it for whoever wrote it.
 */
static __attribute__((noinline)) int
is_forged(const sprat_glue *glue, const packet *p, const sprat_mote_flow *flow)
{
  return glue->is_local(glue->context, flow->source) && !is_sealed(glue, p, flow) &&
         wants_protection(decide(glue, flow, LEAVING));
}

/*
 * RFC 4301 section 5.2 step 4: the SA carries only what its policy gives it, and
 * nothing that one in front discards. Nobody else has a packet from this node: the
 * output hook would seal it for whoever put it into a tunnel. Not inlined, so that
 * its variables are not on the stack while a packet is opened.
 */
static __attribute__((noinline)) int32_t
check_opened(const sprat_glue *glue, const sprat_glue_in *in, const packet *p)
{
  sprat_mote_flow flow;
  int32_t verdict = flow_of(p, &flow);

  if(verdict != SPRAT_OK) {
    return verdict;
  }
  if(glue->is_local(glue->context, flow.source)) {
    return SPRAT_DROP_SELECTOR;
  }
  for(uint8_t i = 0; i < glue->policies_len; i++) {
    const sprat_glue_policy *policy = &glue->policies[i];
    int may = wants_protection(policy) && policy->pair == in->pair;
    if((may || policy->action == SPRAT_GLUE_DISCARD) && matches(policy, &flow, OPENED)) {
      return may ? SPRAT_OK : SPRAT_DROP_SELECTOR;
    }
  }
  return SPRAT_DROP_SELECTOR;
}

/* What is refused after decryption leaves no plaintext, nor where it was moved from. */
static int32_t
accept(sprat_glue *glue, const sprat_glue_in *in, const packet *p)
{
  int32_t verdict = check_opened(glue, in, p);

  if(verdict == SPRAT_OK) {
    glue->changed = 1;
  } else {
    memset(p->octets, 0, p->capacity);
  }
  return verdict;
}

/* Refusals from before the ICV verified: the packet may be another SA's. */
static int
says_little(int32_t verdict)
{
  return verdict == SPRAT_DROP_INTEGRITY || verdict == SPRAT_DROP_REPLAY ||
         verdict == SPRAT_DROP_TOO_OLD || verdict == SPRAT_DROP_INVALID_ZERO ||
         verdict == SPRAT_DROP_MALFORMED || verdict == SPRAT_DROP_NO_ROOM ||
         verdict == SPRAT_DROP_SN_EXHAUSTED;
}

/* Multicast SAs are told by SPI and group, since who chose the SPI is not us. */
static int
is_candidate(const sprat_glue_in *in, const packet *p, const sprat_mote_flow *flow)
{
  int for_group = in->group != NULL;
  int to_group = flow->destination[0] == 0xff;

  if(for_group != to_group || (for_group && memcmp(in->group, flow->destination, 16) != 0)) {
    return 0;
  }
  return sprat_mote_is_for(in->sa, p->octets, *p->length);
}

/* Opens the packet; *found stays 0 if no SA claims it. */
static int32_t
open_by_sad(sprat_glue *glue, const packet *p, const sprat_mote_flow *flow, uint8_t *found)
{
  int32_t first = SPRAT_DROP_NO_SA, verdict;

  *found = 0;
  for(uint8_t i = 0; i < glue->in_len; i++) {
    const sprat_glue_in *in = &glue->in[i];
    if(!is_candidate(in, p, flow)) {
      continue;
    }
    if(*found == SPRAT_GLUE_TRIALS) {
      return SPRAT_DROP_ICV_TRIALS;
    }
    verdict = sprat_mote_open(in->sa, p->octets, p->length, p->capacity);
    if(verdict == SPRAT_OK) {
      *found = 1;
      return accept(glue, in, p);
    }
    first = *found == 0 ? verdict : first;
    ++*found;
    if(!says_little(verdict)) {
      return verdict;
    }
  }
  return first;
}

/*
 * A route with segments left that leads from this node to this node: a stack that
 * forwards it hands it to itself, where no hook sees it.
 */
static int
is_detour(const sprat_glue *glue, const packet *p, const sprat_mote_flow *flow)
{
  return flow->segments_left != 0 && glue->is_local(glue->context, flow->destination) &&
         glue->is_local(glue->context, p->octets + DESTINATION_AT);
}

static int32_t
input(sprat_glue *glue, const packet *p)
{
  const sprat_glue_policy *policy;
  sprat_mote_flow flow;
  uint8_t found;
  int32_t verdict = flow_of(p, &flow);

  if(verdict != SPRAT_OK) {
    return verdict;
  }
  *p->length = flow.total;
  if(flow.segments_left != 0 || !glue->is_local(glue->context, flow.destination)) {
    return is_detour(glue, p, &flow) || is_forged(glue, p, &flow) ? SPRAT_DROP_UNPROTECTED
                                                                  : SPRAT_OK;
  }
  if(flow.fragment && flow.protocol == PROTOCOL_ESP) {
    return SPRAT_DROP_FRAGMENT;
  }
  verdict = open_by_sad(glue, p, &flow, &found);
  if(found != 0 || flow.protocol == PROTOCOL_ESP) {
    return verdict;
  }
  policy = decide(glue, &flow, ARRIVING);
  return wants_protection(policy) ? SPRAT_DROP_UNPROTECTED : in_clear(glue, policy);
}

int32_t
sprat_glue_input(sprat_glue *glue, uint8_t *octets, uint16_t *length, uint16_t capacity)
{
  packet p = { octets, length, capacity };

  if(glue == NULL || octets == NULL || length == NULL || glue->is_local == NULL) {
    return SPRAT_E_NULL;
  }
  glue->changed = 0;
  return counted(glue, input(glue, &p));
}
