/* SPDX-License-Identifier: BSD-3-Clause */
/* Four pairs of SAs, the same for both nodes but for the direction. */

#include <string.h>

#include "example_sa.h"
#ifdef MODULE_SPRAT_MTD
#include "sprat_mtd.h"
#endif
#ifdef MODULE_MTD_FLASHPAGE
#include "mtd_flashpage.h"
#endif

#define COAP_PORT 5683
#define GROUP_PORT 5350
#define NAT_T_PORT 4500
#define AHEAD 64

/* Numbers of the policies' pairs, and places of their SAs in the tables below. */
enum { COAP, TUNNEL, PLAIN, GROUP, KINDS };

const uint8_t example_group[16] = { 0xff, 0x02, [14] = 0x53, [15] = 0x50 };

/* SPI of node 1's SA of each kind; node 2's is one higher. The group has one for all. */
static const uint32_t spis[KINDS] = { 0x11000151, 0x11005301, 0xc0ffee01, 0x11000300 };

static const uint8_t salt[3] = { 0x53, 0x50, 0x52 };

/* What is lent to SAs. Written once, by example_set_up() or example_gateway(). */
static sprat_mote_ehc ehc_out[2], ehc_in[2];
static sprat_mote_path path_out, path_in;
static sprat_glue_selector selectors[KINDS + 1];
/* The tunnel is Diet-ESP between nodes, what it is to a gateway is chosen. */
static example_form form = EXAMPLE_DIET_ESP;
static bool in_udp;
/* ESP in UDP, transport mode, in either direction. */
static const sprat_mote_path udp_path = { .udp_source = NAT_T_PORT, .udp_destination = NAT_T_PORT };

#ifdef MODULE_SPRAT_MTD
static sprat_mtd keeps[KINDS];

#ifdef MODULE_MTD_FLASHPAGE
/* The last pages of the flash, far behind the firmware. */
static mtd_flashpage_t flash = MTD_FLASHPAGE_INIT_VAL(1);

static mtd_dev_t *_memory(void)
{
    flash.offset = FLASHPAGE_NUMOF - 2 * KINDS;
    flash.base.sector_count = 2 * KINDS;
    return &flash.base;
}
#else
static mtd_dev_t *_memory(void)
{
    return mtd_dev_get(0);
}
#endif
#endif

void example_ends_of(int number, example_ends *ends)
{
    memset(ends, 0, sizeof(*ends));
    ends->local[0] = ends->inner_local[0] = 0xfd;
    ends->local[3] = 0x0a;
    ends->inner_local[3] = 0x0b;
    memcpy(ends->remote, ends->local, sizeof(ends->remote));
    memcpy(ends->inner_remote, ends->inner_local, sizeof(ends->inner_remote));
    ends->local[15] = ends->inner_local[15] = number;
    ends->remote[15] = ends->inner_remote[15] = 3 - number;
}

/* Diet-ESP for CoAP: the ports are in the context, so none is sent. */
static void _coap_context(sprat_mote_ehc *ehc)
{
    *ehc = (sprat_mote_ehc)SPRAT_MOTE_EHC_INIT;
    ehc->protocol = 17;
    ehc->source_ports[0] = ehc->source_ports[1] = COAP_PORT;
    ehc->destination_ports[0] = ehc->destination_ports[1] = COAP_PORT;
    ehc->alignment = SPRAT_EHC_ALIGNMENT_8_BIT;
    ehc->esp_spi_lsb = 8;
    ehc->esp_sn_lsb = 8;
}

/* Diet-ESP for the tunnel: addresses, DSCP, ECN and flow label are not sent again. */
static void _tunnel_context(sprat_mote_ehc *ehc, const uint8_t *source, const uint8_t *destination)
{
    *ehc = (sprat_mote_ehc)SPRAT_MOTE_EHC_INIT;
    memcpy(ehc->source_first, source, 16);
    memcpy(ehc->source_last, source, 16);
    memcpy(ehc->destination_first, destination, 16);
    memcpy(ehc->destination_last, destination, 16);
    ehc->dscp_cda = SPRAT_EHC_DSCP_LOWER;
    ehc->ecn_cda = SPRAT_EHC_ECN_LOWER;
    ehc->flow_label_cda = SPRAT_EHC_FLOW_LABEL_LOWER;
    ehc->alignment = SPRAT_EHC_ALIGNMENT_8_BIT;
    ehc->esp_spi_lsb = 16;
    ehc->esp_sn_lsb = 16;
}

static void _tunnel_path(sprat_mote_path *path, const uint8_t *source, const uint8_t *destination)
{
    memcpy(path->source, source, 16);
    memcpy(path->destination, destination, 16);
    path->tunnel = 1;
    path->family = 6;
    path->hop_limit = 64;
    if (in_udp) {
        path->udp_source = path->udp_destination = NAT_T_PORT;
    }
}

/* NULL: ESP in transport mode, as it is. To a group nothing goes through a NAT. */
static const sprat_mote_path *_path(unsigned kind, const sprat_mote_path *tunnel)
{
    if (kind == TUNNEL) {
        return tunnel;
    }
    return (in_udp && kind != GROUP) ? &udp_path : NULL;
}

static void _lend(const example_ends *ends)
{
    _coap_context(&ehc_out[COAP]);
    _coap_context(&ehc_in[COAP]);
    _tunnel_context(&ehc_out[TUNNEL], ends->inner_local, ends->inner_remote);
    _tunnel_context(&ehc_in[TUNNEL], ends->inner_remote, ends->inner_local);
    _tunnel_path(&path_out, ends->local, ends->remote);
    _tunnel_path(&path_in, ends->remote, ends->local);
}

/* Parameters of one SA. `sender` is the node that sends by it. */
static void _params(sprat_mote_params *params, unsigned kind, int sender, uint8_t *key)
{
    memset(params, 0, sizeof(*params));
    memset(key, 0x40 + 2 * kind, 16);
    params->spi = spis[kind];
    params->window = 64;
    params->implicit_iv = 1;
    params->key = key;
    params->salt = salt;
    if (kind == GROUP) {
        params->implicit_iv = 0;
        params->window = 0;
        return;
    }
    params->spi += sender - 1;
    key[0] += sender;
    if (kind == TUNNEL && form == EXAMPLE_ESP) {
        params->implicit_iv = 0;
    }
}

static bool _is_diet(unsigned kind)
{
    return kind == COAP || (kind == TUNNEL && form == EXAMPLE_DIET_ESP);
}

/* A number that may have been used before the last reset is not used again. */
static int32_t _keep(sprat_mote_params *params, unsigned kind)
{
#ifdef MODULE_SPRAT_MTD
    int32_t res = sprat_mtd_open(&keeps[kind], _memory(), 2 * kind, params->spi, AHEAD,
                                 &params->last_sn);
    params->port = &keeps[kind].port;
    return (res == SPRAT_E_NOT_FOUND) ? SPRAT_OK : res;
#else
    (void)params;
    (void)kind;
    return SPRAT_OK;
#endif
}

static int32_t _outbound(unsigned kind, int number, sprat_mote_sa **sa)
{
    sprat_mote_params params;
    uint8_t key[16];

    _params(&params, kind, number, key);
    params.out = 1;
    if (_is_diet(kind)) {
        params.ehc = &ehc_out[kind];
    }
    params.path = _path(kind, &path_out);
    if (kind == GROUP) {
        params.sender_id_bits = 8;
        params.sender_id = number;
    }
    int32_t res = _keep(&params, kind);
    return (res == SPRAT_OK) ? sprat_gnrc_sa_new(&params, sa) : res;
}

static int32_t _inbound(unsigned kind, int number, sprat_glue_in *in)
{
    sprat_mote_params params;
    uint8_t key[16];

    _params(&params, kind, 3 - number, key);
    memset(in, 0, sizeof(*in));
    in->pair = kind;
    in->spi_bits = 32;
    if (_is_diet(kind)) {
        params.ehc = &ehc_in[kind];
        in->spi_bits = ehc_in[kind].esp_spi_lsb;
    }
    params.path = _path(kind, &path_in);
    if (kind == GROUP) {
        in->group = example_group;
    }
    return sprat_gnrc_sa_new(&params, &in->sa);
}

static int32_t _add(const sprat_glue_policy *policy, const sprat_glue_in *in)
{
    sprat_glue *glue = sprat_gnrc_acquire();
    int32_t res = SPRAT_E_ARGUMENT;

    if (glue != NULL) {
        res = sprat_glue_policy_add(glue, SPRAT_GLUE_LAST, policy);
        if (res == SPRAT_OK && in != NULL) {
            res = sprat_glue_in_add(glue, in);
        }
        sprat_gnrc_release();
    }
    return res;
}

static sprat_glue_selector *_selector(unsigned at, const uint8_t *local, const uint8_t *remote)
{
    sprat_glue_selector *selector = &selectors[at];

    *selector = (sprat_glue_selector)SPRAT_GLUE_SELECTOR_ANY;
    if (local != NULL) {
        memcpy(selector->local, local, 16);
        selector->local_bits = 128;
    }
    if (remote != NULL) {
        memcpy(selector->remote, remote, 16);
        selector->remote_bits = 128;
    }
    return selector;
}

static void _select(const example_ends *ends)
{
    sprat_glue_selector *s = _selector(COAP, ends->local, ends->remote);

    s->protocol = 17;
    s->local_port_first = s->local_port_last = COAP_PORT;
    s->remote_port_first = s->remote_port_last = COAP_PORT;
    _selector(TUNNEL, ends->inner_local, ends->inner_remote);
    _selector(PLAIN, ends->local, ends->remote);
    s = _selector(GROUP, NULL, example_group);
    s->protocol = 17;
    s->remote_port_first = s->remote_port_last = GROUP_PORT;
    /* What is sent to the group arrives there: its address is the local one. */
    s = _selector(KINDS, example_group, NULL);
    s->protocol = 17;
    s->local_port_first = s->local_port_last = GROUP_PORT;
}

/* The SAs of one kind, and the policy for them. */
static int32_t _pair(unsigned kind, int number)
{
    sprat_glue_policy policy = { .selector = &selectors[kind], .action = SPRAT_GLUE_PROTECT,
                                 .tunnel = (kind == TUNNEL), .pair = kind };
    sprat_glue_in in;
    int32_t res = _outbound(kind, number, &policy.out);

    if (res == SPRAT_OK) {
        res = _inbound(kind, number, &in);
    }
    return (res == SPRAT_OK) ? _add(&policy, &in) : res;
}

int32_t example_set_up(int number, const example_ends *ends, bool udp)
{
    in_udp = udp;
    _lend(ends);
    _select(ends);
    for (unsigned kind = 0; kind < KINDS; kind++) {
        int32_t res = _pair(kind, number);

        if (res != SPRAT_OK) {
            return res;
        }
    }
    sprat_glue_policy heard = { .selector = &selectors[KINDS], .action = SPRAT_GLUE_PROTECT,
                                .pair = GROUP };
    return _add(&heard, NULL);
}

int32_t example_gateway(const example_ends *ends, example_form chosen, bool udp)
{
    form = chosen;
    in_udp = udp;
    _lend(ends);
    /* Behind the gateway is a network: 64 bits of an address in it are sent. */
    memset(&ehc_out[TUNNEL].destination_last[8], 0xff, 8);
    memset(&ehc_in[TUNNEL].source_last[8], 0xff, 8);
    _selector(TUNNEL, ends->inner_local, ends->inner_remote)->remote_bits = 64;
    return _pair(TUNNEL, 1);
}
