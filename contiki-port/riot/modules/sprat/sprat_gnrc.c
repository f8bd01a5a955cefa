/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The hooks in GNRC's IPv6 thread. All of them are functions of RIOT that the
 * linker wraps:
 *
 *   gnrc_ipv6_ext_process_all()  every packet for this node, before its
 *                                extension headers are read
 *   gnrc_ipv6_ext_frag_reass()   a datagram that has just been put together
 *   gnrc_netreg_calc_csum()      every packet of this node, when all of it is
 *                                known and before it is fragmented
 */

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "kernel_defines.h"
#include "mutex.h"
#include "net/gnrc.h"
#include "net/gnrc/ipv6/ext.h"
#include "net/gnrc/netif/internal.h"
#include "net/ipv6/hdr.h"
#include "net/protnum.h"
#include "net/udp.h"

#include "sprat_gnrc.h"

#ifndef MODULE_GNRC_IPV6_EXT_RH
#error "GNRC skips source routes without gnrc_ipv6_ext_rh, whatever segments are left"
#endif

/*
 * Type of a tunnel's outer packet on its way from one pass of the thread to the
 * next, so that the second finds it sealed. No packet in GNRC has this type.
 */
#define SEALED GNRC_NETTYPE_L3_ROUTING

enum { FRESH, READY, BROKEN };
enum { WHOLE, FRAGMENT, FORGED };

static mutex_t lock = MUTEX_INIT;
static uint8_t state = FRESH;
static sprat_glue glue;
static sprat_glue_policy policies[CONFIG_SPRAT_POLICY_NUMOF + SPRAT_GLUE_CONTROL_POLICIES];
static sprat_glue_in sad[CONFIG_SPRAT_SA_NUMOF];
static sprat_mote_sa sas[CONFIG_SPRAT_SA_NUMOF];
static bool taken[CONFIG_SPRAT_SA_NUMOF];
static sprat_mote_counters counters;
static sprat_gnrc_stats stats;

/* The upper layer of the last packet, as the policies read it, and its octets. */
static struct {
    uint8_t protocol;
    bool opened;
    size_t size;
} judged;

gnrc_pktsnip_t *__real_gnrc_ipv6_ext_process_all(gnrc_pktsnip_t *pkt, uint8_t *protnum);
gnrc_pktsnip_t *__wrap_gnrc_ipv6_ext_process_all(gnrc_pktsnip_t *pkt, uint8_t *protnum);
gnrc_pktsnip_t *__real_gnrc_ipv6_ext_frag_reass(gnrc_pktsnip_t *pkt);
gnrc_pktsnip_t *__wrap_gnrc_ipv6_ext_frag_reass(gnrc_pktsnip_t *pkt);
int __real_gnrc_netreg_calc_csum(gnrc_pktsnip_t *hdr, gnrc_pktsnip_t *pseudo_hdr);
int __wrap_gnrc_netreg_calc_csum(gnrc_pktsnip_t *hdr, gnrc_pktsnip_t *pseudo_hdr);

/* GNRC counts the groups that an interface has joined as its addresses. */
static bool _is_mine(const ipv6_addr_t *address)
{
    return !ipv6_addr_is_multicast(address) &&
           (ipv6_addr_is_loopback(address) || gnrc_netif_get_by_ipv6_addr(address) != NULL);
}

/* A packet without a source address is ours as well: it must not get around the policies. */
static int32_t _is_local(void *context, const uint8_t *octets)
{
    ipv6_addr_t address;

    (void)context;
    memcpy(&address, octets, sizeof(address));
    return ipv6_addr_is_multicast(&address) || ipv6_addr_is_unspecified(&address) ||
           _is_mine(&address);
}

/* Packets come before any thread of the application runs: the first call sets up. */
static void _set_up(void)
{
    glue.policies = policies;
    glue.policies_room = ARRAY_SIZE(policies);
    glue.in = sad;
    glue.in_room = ARRAY_SIZE(sad);
    glue.is_local = _is_local;
    glue.counters = &counters;
    glue.otherwise = IS_ACTIVE(CONFIG_SPRAT_OTHERWISE_BYPASS) ? SPRAT_GLUE_BYPASS
                                                              : SPRAT_GLUE_DISCARD;
    if (sprat_glue_check() != SPRAT_OK || sprat_glue_control_add(&glue) != SPRAT_OK) {
        state = BROKEN;
        return;
    }
    state = READY;
}

sprat_glue *sprat_gnrc_acquire(void)
{
    mutex_lock(&lock);
    if (state == FRESH) {
        _set_up();
    }
    if (state == READY) {
        return &glue;
    }
    mutex_unlock(&lock);
    return NULL;
}

void sprat_gnrc_release(void)
{
    mutex_unlock(&lock);
}

static int32_t _sa_init(unsigned place, const sprat_mote_params *params, sprat_mote_sa **sa)
{
    sprat_mote_params own = *params;

    if (own.port == NULL) {
        own.port = &sprat_riot_port;
    }
    int32_t res = sprat_mote_sa_init(&sas[place], &own);
    if (res == SPRAT_OK) {
        taken[place] = true;
        *sa = &sas[place];
    }
    return res;
}

int32_t sprat_gnrc_sa_new(const sprat_mote_params *params, sprat_mote_sa **sa)
{
    int32_t res = SPRAT_E_SHORT;

    if (params == NULL || sa == NULL) {
        return SPRAT_E_NULL;
    }
    if (sprat_gnrc_acquire() == NULL) {
        return SPRAT_E_ARGUMENT;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(sas); i++) {
        if (!taken[i]) {
            res = _sa_init(i, params, sa);
            break;
        }
    }
    sprat_gnrc_release();
    return res;
}

/* RIOT's cipher keeps the last key until it gets another. */
static void _forget_key(void)
{
    static const uint8_t none[16];
    uint8_t block[16] = { 0 };

    if (sprat_riot_port.aes128 != NULL) {
        sprat_riot_port.aes128(none, block);
    }
}

static void _sa_forget(unsigned place)
{
    sprat_glue_in_remove(&glue, &sas[place]);
    for (unsigned i = 0; i < glue.policies_len; i++) {
        if (policies[i].out == &sas[place]) {
            policies[i].out = NULL;
        }
    }
    sprat_mote_wipe(&sas[place]);
    _forget_key();
    taken[place] = false;
}

int32_t sprat_gnrc_sa_free(sprat_mote_sa *sa)
{
    int32_t res = SPRAT_E_NOT_FOUND;

    if (sprat_gnrc_acquire() == NULL) {
        return SPRAT_E_ARGUMENT;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(sas); i++) {
        if (taken[i] && sa == &sas[i]) {
            _sa_forget(i);
            res = SPRAT_OK;
        }
    }
    sprat_gnrc_release();
    return res;
}

void sprat_gnrc_counters(sprat_mote_counters *counters_copy, sprat_gnrc_stats *stats_copy)
{
    mutex_lock(&lock);
    if (counters_copy != NULL) {
        *counters_copy = counters;
    }
    if (stats_copy != NULL) {
        *stats_copy = stats;
    }
    mutex_unlock(&lock);
}

/* --- What arrives: packets in receive order, the payload first */

/* Octets from the IPv6 header to the end of `pkt`. */
static size_t _length(const gnrc_pktsnip_t *pkt, const gnrc_pktsnip_t *ipv6)
{
    size_t length = ipv6->size;

    for (; pkt != ipv6; pkt = pkt->next) {
        length += pkt->size;
    }
    return length;
}

/* A copy in one piece, with `room` octets to grow. */
static __attribute__((noinline)) gnrc_pktsnip_t *_copy_in(const gnrc_pktsnip_t *pkt, const gnrc_pktsnip_t *ipv6, size_t room)
{
    size_t at = _length(pkt, ipv6);
    gnrc_pktsnip_t *copy = gnrc_pktbuf_add(NULL, NULL, at + room, GNRC_NETTYPE_UNDEF);

    if (copy == NULL) {
        return NULL;
    }
    for (const gnrc_pktsnip_t *snip = pkt; ; snip = snip->next) {
        at -= snip->size;
        if (snip->size > 0) {
            memcpy((uint8_t *)copy->data + at, snip->data, snip->size);
        }
        if (snip == ipv6) {
            return copy;
        }
    }
}

static gnrc_pktsnip_t *_drop(gnrc_pktsnip_t *pkt)
{
    gnrc_pktbuf_release_error(pkt, EACCES);
    return NULL;
}

static gnrc_pktsnip_t *_forged(gnrc_pktsnip_t *pkt)
{
    stats.forged++;
    return _drop(pkt);
}

/* Ours, to ourselves, and never on a link: no policy is asked. */
static __attribute__((noinline)) bool _is_loopback(gnrc_pktsnip_t *pkt, const ipv6_hdr_t *hdr)
{
    return gnrc_pktsnip_search_type(pkt, GNRC_NETTYPE_NETIF) == NULL && _is_mine(&hdr->src) &&
           _is_mine(&hdr->dst);
}

/* The IPv6 header into a snip of its own. NULL: no memory, which is counted. */
static gnrc_pktsnip_t *_mark(gnrc_pktsnip_t *pkt, gnrc_nettype_t type)
{
    gnrc_pktsnip_t *head = gnrc_pktbuf_mark(pkt, sizeof(ipv6_hdr_t), type);

    stats.no_buffer += (head == NULL);
    return head;
}

/* Gives back what is behind `length` octets. False: no memory, which is counted. */
static bool _cut(gnrc_pktsnip_t *pkt, uint16_t length)
{
    bool cut = gnrc_pktbuf_realloc_data(pkt, length) == 0;

    stats.no_buffer += !cut;
    return cut;
}

/*
 * Releases `pkt` but for what is behind its IPv6 header, which is kept for
 * another packet. Nothing is cut off: somebody else may hold the same snips.
 */
static gnrc_pktsnip_t *_keep_link(gnrc_pktsnip_t *pkt, const gnrc_pktsnip_t *ipv6)
{
    gnrc_pktsnip_t *link = ipv6->next;

    gnrc_pktbuf_hold(link, 1);
    gnrc_pktbuf_release(pkt);
    return link;
}

/*
 * Puts `opened` in the place of `pkt`. Hop-by-hop options are read anew: those
 * of the opened packet may be others. NULL: dropped; both are released.
 */
static __attribute__((noinline)) gnrc_pktsnip_t *_replace(gnrc_pktsnip_t *pkt, gnrc_pktsnip_t *ipv6, gnrc_pktsnip_t *opened,
                                uint8_t *protnum)
{
    gnrc_pktsnip_t *head = _mark(opened, GNRC_NETTYPE_IPV6);

    if (head == NULL) {
        gnrc_pktbuf_release(opened);
        return _drop(pkt);
    }
    head->next = _keep_link(pkt, ipv6);
    *protnum = ((ipv6_hdr_t *)head->data)->nh;
    return gnrc_ipv6_ext_process_hopopt(opened, protnum);
}

static void _note(const sprat_mote_flow *flow)
{
    judged.protocol = flow->protocol;
    judged.opened = false;
    judged.size = flow->total - flow->upper_at;
}

/* Whether an opened packet is one that this node may read on. */
static __attribute__((noinline)) bool _is_readable(const uint8_t *packet, uint16_t length)
{
    sprat_mote_flow flow;
    ipv6_addr_t address;

    /* Fragments out of a tunnel would meet clear ones where both are put together. */
    if (sprat_mote_flow_of(packet, length, &flow) != SPRAT_OK || flow.fragment ||
        flow.protocol == PROTNUM_IPV6_EXT_ESP) {
        stats.nested++;
        return false;
    }
    memcpy(&address, &((const ipv6_hdr_t *)packet)->dst, sizeof(address));
    if (flow.segments_left || (!_is_mine(&address) && !ipv6_addr_is_multicast(&address))) {
        stats.not_for_us++;
        return false;
    }
    _note(&flow);
    judged.opened = true;
    return true;
}

/*
 * What the packet is, to be known before GNRC reads any of it. In the name of this
 * node a link brings nothing but neighbour discovery about its address: with a
 * source route GNRC would send anything else on as our own, and to ourselves.
 */
static __attribute__((noinline)) uint8_t _kind(const gnrc_pktsnip_t *whole)
{
    sprat_mote_flow flow;

    if (sprat_mote_flow_of(whole->data, whole->size, &flow) != SPRAT_OK) {
        return WHOLE; /* the glue refuses it */
    }
    _note(&flow);
    bool detour = flow.segments_left && _is_local(NULL, flow.destination);
    if ((flow.fragment && detour) ||
        ((flow.segments_left || flow.protocol != PROTNUM_ICMPV6) && _is_local(NULL, flow.source))) {
        return FORGED;
    }
    return flow.fragment ? FRAGMENT : WHOLE;
}

/* Asks the glue. NULL: refused; `copy` itself: opened; else `pkt`. */
static gnrc_pktsnip_t *_judge(gnrc_pktsnip_t *pkt, gnrc_pktsnip_t *copy, uint16_t length)
{
    uint16_t capacity = copy->size;

    if (sprat_glue_input(&glue, copy->data, &length, capacity) != SPRAT_OK) {
        return NULL;
    }
    if (!glue.changed) {
        return pkt;
    }
    return (_is_readable(copy->data, length) && _cut(copy, length)) ? copy : NULL;
}

/* A fragment goes to GNRC if it puts fragments together; policies are for whole packets. */
static gnrc_pktsnip_t *_fragment(gnrc_pktsnip_t *pkt)
{
    if (IS_USED(MODULE_GNRC_IPV6_EXT_FRAG)) {
        return pkt;
    }
    stats.nested++;
    return _drop(pkt);
}

/* NULL: dropped; else the packet, opened where it was sealed. */
static gnrc_pktsnip_t *_admit(gnrc_pktsnip_t *pkt, uint8_t *protnum)
{
    gnrc_pktsnip_t *ipv6 = gnrc_pktsnip_search_type(pkt, GNRC_NETTYPE_IPV6);
    gnrc_pktsnip_t *copy = _copy_in(pkt, ipv6, SPRAT_MOTE_OPEN_ROOM);

    if (copy == NULL) {
        stats.no_buffer++;
        return _drop(pkt);
    }
    uint8_t kind = _kind(copy);
    if (kind != WHOLE) {
        gnrc_pktbuf_release(copy);
        return (kind == FORGED) ? _forged(pkt) : _fragment(pkt);
    }
    gnrc_pktsnip_t *verdict = _judge(pkt, copy, copy->size - SPRAT_MOTE_OPEN_ROOM);
    if (verdict == copy) {
        return _replace(pkt, ipv6, copy, protnum);
    }
    gnrc_pktbuf_release(copy);
    return (verdict == pkt) ? pkt : _drop(pkt);
}

/* _admit() under the lock. */
static gnrc_pktsnip_t *_enter(gnrc_pktsnip_t *pkt, uint8_t *protnum)
{
    if (sprat_gnrc_acquire() == NULL) {
        return _drop(pkt);
    }
    pkt = _admit(pkt, protnum);
    sprat_gnrc_release();
    return pkt;
}

/* GNRC skips headers that are the upper layer to policies: it must not go beyond. */
gnrc_pktsnip_t *__wrap_gnrc_ipv6_ext_process_all(gnrc_pktsnip_t *pkt, uint8_t *protnum)
{
    gnrc_pktsnip_t *ipv6 = gnrc_pktsnip_search_type(pkt, GNRC_NETTYPE_IPV6);

    if (_is_loopback(pkt, ipv6->data)) {
        judged.opened = false;
        return __real_gnrc_ipv6_ext_process_all(pkt, protnum);
    }
    if ((pkt = _enter(pkt, protnum)) == NULL ||
        (pkt = __real_gnrc_ipv6_ext_process_all(pkt, protnum)) == NULL) {
        return NULL;
    }
    if (*protnum != judged.protocol || pkt->size != judged.size) {
        return _forged(pkt);
    }
    return pkt;
}

#ifdef MODULE_GNRC_IPV6_EXT_FRAG
#ifdef MODULE_GNRC_SIXLOWPAN_IPHC_NHC
/* 6LoWPAN makes the length of a compressed UDP header of its first fragment. */
static void _set_udp_length(gnrc_pktsnip_t *whole)
{
    sprat_mote_flow flow;

    if (sprat_mote_flow_of(whole->data, whole->size, &flow) == SPRAT_OK &&
        flow.protocol == PROTNUM_UDP && flow.total - flow.upper_at >= (int)sizeof(udp_hdr_t)) {
        udp_hdr_t *hdr = (udp_hdr_t *)((uint8_t *)whole->data + flow.upper_at);
        hdr->length = byteorder_htons(flow.total - flow.upper_at);
    }
}
#else
static void _set_udp_length(gnrc_pktsnip_t *whole)
{
    (void)whole;
}
#endif

/*
 * GNRC would read on in the datagram that it has put together, by what the last
 * fragment says, before any policy is asked, and take ESP for a header that it can
 * skip. So the datagram begins anew, as a packet that came whole.
 */
gnrc_pktsnip_t *__wrap_gnrc_ipv6_ext_frag_reass(gnrc_pktsnip_t *pkt)
{
    pkt = __real_gnrc_ipv6_ext_frag_reass(pkt);
    if (pkt == NULL || judged.opened) {
        return pkt; /* out of ESP comes no fragment but one that is all */
    }
    gnrc_pktsnip_t *ipv6 = gnrc_pktsnip_search_type(pkt, GNRC_NETTYPE_IPV6);
    gnrc_pktsnip_t *copy = _copy_in(pkt, ipv6, 0);
    if (copy == NULL) {
        stats.no_buffer++;
        return _drop(pkt);
    }
    copy->type = GNRC_NETTYPE_IPV6;
    copy->next = _keep_link(pkt, ipv6);
    _set_udp_length(copy);
    if (gnrc_netapi_dispatch_receive(GNRC_NETTYPE_IPV6, GNRC_NETREG_DEMUX_CTX_ALL, copy) == 0) {
        gnrc_pktbuf_release(copy);
    }
    return NULL;
}
#endif /* MODULE_GNRC_IPV6_EXT_FRAG */

/* --- What leaves: packets in send order, the IPv6 header first */

/* A copy in one piece, with room to be sealed. */
static __attribute__((noinline)) gnrc_pktsnip_t *_copy_out(const gnrc_pktsnip_t *ipv6, size_t length)
{
    gnrc_pktsnip_t *copy = gnrc_pktbuf_add(NULL, NULL, length + SPRAT_MOTE_SEAL_ROOM,
                                           GNRC_NETTYPE_UNDEF);
    size_t at = 0;

    for (const gnrc_pktsnip_t *snip = ipv6; copy != NULL && snip != NULL; snip = snip->next) {
        if (snip->size > 0) {
            memcpy((uint8_t *)copy->data + at, snip->data, snip->size);
            at += snip->size;
        }
    }
    return copy;
}

/* The header of `sealed` into `ipv6`, the rest behind it. */
static int _put_back(gnrc_pktsnip_t *ipv6, gnrc_pktsnip_t *sealed)
{
    gnrc_pktsnip_t *head = _mark(sealed, GNRC_NETTYPE_UNDEF);

    if (head == NULL) {
        gnrc_pktbuf_release(sealed);
        return -ENOMEM;
    }
    memcpy(ipv6->data, head->data, sizeof(ipv6_hdr_t));
    gnrc_pktbuf_remove_snip(sealed, head);
    if (ipv6->next != NULL) {
        gnrc_pktbuf_release(ipv6->next);
    }
    ipv6->next = sealed;
    return 0;
}

/*
 * The outer packet of a tunnel has another next hop: GNRC gets it as a new
 * packet. Always an error, so that the inner one goes no further.
 */
static int _send_outer(gnrc_pktsnip_t *sealed)
{
    gnrc_pktsnip_t *head = _mark(sealed, GNRC_NETTYPE_IPV6);

    if (head == NULL) {
        gnrc_pktbuf_release(sealed);
        return -ENOMEM;
    }
    sealed->next = NULL;
    sealed->type = SEALED;
    head->next = sealed;
    if (gnrc_netapi_dispatch_send(GNRC_NETTYPE_IPV6, GNRC_NETREG_DEMUX_CTX_ALL, head) == 0) {
        gnrc_pktbuf_release(head);
    }
    return -EALREADY;
}

static bool _same_ends(const ipv6_hdr_t *a, const ipv6_hdr_t *b)
{
    return ipv6_addr_equal(&a->src, &b->src) && ipv6_addr_equal(&a->dst, &b->dst);
}

/* 0: `ipv6` may go on, sealed where a policy says so; negative: it may not. */
static int _protect(gnrc_pktsnip_t *ipv6)
{
    size_t size = gnrc_pkt_len(ipv6);
    uint16_t length = size;
    gnrc_pktsnip_t *copy = NULL;

    if (size <= UINT16_MAX - SPRAT_MOTE_SEAL_ROOM) {
        copy = _copy_out(ipv6, size);
    }
    if (copy == NULL) {
        stats.no_buffer++;
        return -ENOMEM;
    }
    int32_t verdict = sprat_glue_output(&glue, SPRAT_GLUE_BOTH, copy->data, &length, copy->size);
    if (verdict != SPRAT_OK || !glue.changed || !_cut(copy, length)) {
        gnrc_pktbuf_release(copy);
        return (verdict == SPRAT_OK && !glue.changed) ? 0 : -EACCES;
    }
    return _same_ends(ipv6->data, copy->data) ? _put_back(ipv6, copy) : _send_outer(copy);
}

int __wrap_gnrc_netreg_calc_csum(gnrc_pktsnip_t *hdr, gnrc_pktsnip_t *pseudo_hdr)
{
    int csum = __real_gnrc_netreg_calc_csum(hdr, pseudo_hdr);

    if ((csum < 0 && csum != -ENOENT) || pseudo_hdr->type != GNRC_NETTYPE_IPV6) {
        return csum;
    }
    if (hdr->type == SEALED) {
        hdr->type = GNRC_NETTYPE_UNDEF;
        return csum;
    }
    if (_is_mine(&((const ipv6_hdr_t *)pseudo_hdr->data)->dst)) {
        return csum;
    }
    if (sprat_gnrc_acquire() == NULL) {
        return -EACCES;
    }
    int res = _protect(pseudo_hdr);
    sprat_gnrc_release();
    return (res < 0) ? res : csum;
}
