/* packet-sprat.c
 * ESP by sprat: glue between Wireshark and the library, which looks at the octets
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "packet-sprat.h"

#include <string.h>

#include <epan/exceptions.h>
#include <epan/expert.h>
#include <epan/ipproto.h>
#include <epan/proto_data.h>
#include <epan/show_exception.h>
#include <epan/tap.h>
#include <epan/dissectors/packet-tcp.h>

#define SPANS_MAX   192
#define EXPERTS_MAX 256

/* The library's own description of its fields and remarks. */
static sprat_dissect_field *fields = NULL;
static size_t field_count = 0;
static int *hf_ids = NULL;
static int *ett_ids = NULL;
static expert_field ei_ids[EXPERTS_MAX];
static const char *ei_names[EXPERTS_MAX];

static int proto_sprat = -1;
static int ett_sprat = -1;
static int tap_sprat = -1;

static sprat_bool take_over = TRUE;
static bool taken_over = false;

static dissector_handle_t sprat_handle, sprat_udp_handle, sprat_tcp_handle;
static dissector_handle_t esp_handle, udpencap_handle, ip_handle, ipv6_handle;
static dissector_table_t ip_table;

/* The numbers seen in this capture. */
static sprat_dissect_capture *capture = NULL;

/* One packet on its way through the dissector. */
typedef struct {
    tvbuff_t              *tvb;
    packet_info           *pinfo;
    proto_tree            *tree;    /* where the next layer goes */
    proto_tree            *own;     /* where our fields go */
    tvbuff_t              *plain;   /* what was decrypted, or NULL */
    tvbuff_t              *rebuilt; /* what was rebuilt from that, or NULL */
    bool                   over_ip; /* not in UDP or TCP, which pass on other data than IP */
    sprat_tap_t           *tap;     /* what listeners get, or NULL */
    sprat_dissect_span     spans[SPANS_MAX];
    sprat_dissect_out      out;
} sprat_packet_t;

static const char *
bits_text(sprat_packet_t *p, const sprat_dissect_span *span)
{
    size_t count = (size_t)span->number;
    char *text = (char *)wmem_alloc(p->pinfo->pool, count + 1);

    for (size_t i = 0; i < count; i++)
        text[i] = (span->octets[i / 8] >> (7 - i % 8)) & 1 ? '1' : '0';
    text[count] = '\0';
    return text;
}

static void
add_value(sprat_packet_t *p, const sprat_dissect_span *span, proto_tree *tree, tvbuff_t *tvb,
          proto_item **item)
{
    int hf = hf_ids[span->field], offset = (int)span->offset, len = (int)span->len;
    const char *text;
    ws_in4_addr ipv4;

    switch (fields[span->field].kind) {
    case SPRAT_DISSECT_KIND_BOOLEAN:
        *item = proto_tree_add_boolean(tree, hf, tvb, offset, len, (guint32)span->number);
        break;
    case SPRAT_DISSECT_KIND_UINT8:
    case SPRAT_DISSECT_KIND_UINT16:
    case SPRAT_DISSECT_KIND_UINT32:
    case SPRAT_DISSECT_KIND_PROTOCOL:
        *item = proto_tree_add_uint(tree, hf, tvb, offset, len, (guint32)span->number);
        break;
    case SPRAT_DISSECT_KIND_UINT64:
        *item = proto_tree_add_uint64(tree, hf, tvb, offset, len, span->number);
        break;
    case SPRAT_DISSECT_KIND_INT32:
        *item = proto_tree_add_int(tree, hf, tvb, offset, len, (gint32)span->number);
        break;
    case SPRAT_DISSECT_KIND_IPV4:
        memcpy(&ipv4, span->octets, sizeof ipv4);
        *item = proto_tree_add_ipv4(tree, hf, tvb, offset, len, ipv4);
        break;
    case SPRAT_DISSECT_KIND_IPV6:
        *item = proto_tree_add_ipv6(tree, hf, tvb, offset, len, (const ws_in6_addr *)span->octets);
        break;
    case SPRAT_DISSECT_KIND_BITS:
        text = bits_text(p, span);
        *item = proto_tree_add_string_format(tree, hf, tvb, offset, len, text, "%u bit%s: %s",
            (guint)span->number, span->number == 1 ? "" : "s", text);
        break;
    case SPRAT_DISSECT_KIND_TEXT:
        *item = proto_tree_add_string(tree, hf, tvb, offset, len,
            wmem_strndup(p->pinfo->pool, span->text.data, span->text.len));
        break;
    default:
        if (span->octets_len != 0)
            *item = proto_tree_add_bytes_with_length(tree, hf, tvb, offset, len,
                                                     span->octets, span->octets_len);
        else
            *item = proto_tree_add_item(tree, hf, tvb, offset, len, ENC_NA);
        break;
    }
}

static tvbuff_t *
source_of(const sprat_packet_t *p, const sprat_dissect_span *span)
{
    tvbuff_t *sources[] = { p->tvb, p->plain, p->rebuilt };

    return sources[span->source] != NULL ? sources[span->source] : p->tvb;
}

/* Wire bits and the way to the value stand beside the value as well. */
static void
add_to_parent(sprat_packet_t *p, const sprat_dissect_span *span, proto_item *parent)
{
    if (fields[span->field].kind == SPRAT_DISSECT_KIND_BITS)
        proto_item_append_text(parent, ", %u bit%s: %s", (guint)span->number,
                               span->number == 1 ? "" : "s", bits_text(p, span));
    else
        proto_item_append_text(parent, ", %.*s", (int)span->text.len, span->text.data);
}

static void
add_spans(sprat_packet_t *p)
{
    proto_item *items[SPANS_MAX];

    for (size_t i = 0; i < p->out.span_count; i++) {
        const sprat_dissect_span *span = &p->spans[i];
        proto_tree *tree = p->own;

        if (span->parent != 0)
            tree = proto_item_add_subtree(items[span->parent - 1],
                                          ett_ids[p->spans[span->parent - 1].field]);
        add_value(p, span, tree, source_of(p, span), &items[i]);
        if (fields[span->field].in_parent)
            add_to_parent(p, span, items[span->parent - 1]);
        if (span->generated)
            proto_item_set_generated(items[i]);
        if (span->expert != 0)
            expert_add_info(p->pinfo, items[i], &ei_ids[span->expert]);
    }
}

/* Adds our layer to the tree. */
static void
add_layer(sprat_packet_t *p)
{
    proto_item *item = proto_tree_add_item(p->tree, proto_sprat, p->tvb, 0, -1, ENC_NA);

    p->own = proto_item_add_subtree(item, ett_sprat);
    if (p->out.kind == SPRAT_DISSECT_MALFORMED)
        return;
    proto_item_append_text(item, ", SPI: 0x%08x, Sequence: %u", p->out.spi, p->out.sequence);
    if (p->out.sa_name.len != 0)
        proto_item_append_text(item, ", SA: %.*s", (int)p->out.sa_name.len, p->out.sa_name.data);
}

/* With a wrong Diet-ESP context the inner packet can be anything: where a dissector
 * runs past its end, that is a remark of ours too. */
static void
dissect_doubtful(sprat_packet_t *p, dissector_handle_t handle, tvbuff_t *payload, void *data)
{
    packet_info *pinfo = p->pinfo;
    const char *proto = pinfo->current_proto;

    TRY {
        call_dissector_with_data(handle, payload, pinfo, p->tree, p->over_ip ? data : NULL);
    }
    CATCH(ReportedBoundsError) {
        show_exception(payload, pinfo, p->tree, EXCEPT_CODE, GET_MESSAGE);
        proto_tree_add_expert(p->own, pinfo, &ei_ids[SPRAT_DISSECT_EXPERT_INNER_MALFORMED],
                              payload, 0, -1);
        if (p->tap != NULL)
            p->tap->remark = ei_names[SPRAT_DISSECT_EXPERT_INNER_MALFORMED];
        pinfo->current_proto = proto;
    }
    ENDTRY;
}

/* Hands the payload to the dissector of what it is. */
static void
dissect_inner(sprat_packet_t *p, void *data)
{
    dissector_handle_t handle = NULL;
    tvbuff_t *payload;
    guint32 match;

    if (p->out.inner == SPRAT_DISSECT_INNER_NONE)
        return;
    if (p->rebuilt != NULL)
        payload = p->rebuilt;
    else if (p->plain != NULL && p->out.payload_len != 0)
        payload = tvb_new_subset_length(p->plain, 0, (int)p->out.payload_len);
    else
        return;
    switch (p->out.inner) {
    case SPRAT_DISSECT_INNER_IPV4:
        handle = ip_handle;
        break;
    case SPRAT_DISSECT_INNER_IPV6:
        handle = ipv6_handle;
        break;
    case SPRAT_DISSECT_INNER_PROTOCOL:
        handle = dissector_get_uint_handle(ip_table, p->out.protocol);
        break;
    default:
        break;
    }
    if (handle == NULL) {
        call_data_dissector(payload, p->pinfo, p->tree);
        return;
    }
    match = p->pinfo->match_uint;
    p->pinfo->match_uint = p->out.protocol;
    if (p->out.compressed)
        dissect_doubtful(p, handle, payload, data);
    else
        call_dissector_with_data(handle, payload, p->pinfo, p->tree, p->over_ip ? data : NULL);
    p->pinfo->match_uint = match;
}

static void
queue_tap(sprat_packet_t *p)
{
    sprat_tap_t *tap;

    if (!have_tap_listener(tap_sprat))
        return;
    tap = wmem_new(p->pinfo->pool, sprat_tap_t);
    tap->verified = p->out.verified != 0;
    tap->reason = tap->remark = NULL;
    if (p->out.reason == SPRAT_DISSECT_EXPERT_CONTRADICTION)
        tap->remark = ei_names[p->out.reason];
    else if (p->out.reason != 0)
        tap->reason = ei_names[p->out.reason];
    tap->octets = tvb_reported_length(p->tvb);
    tap->saved = p->out.saved;
    if (p->out.sa_name.len != 0)
        tap->sa = wmem_strndup(p->pinfo->pool, p->out.sa_name.data, p->out.sa_name.len);
    else
        tap->sa = wmem_strdup_printf(p->pinfo->pool, "SPI 0x%08x", p->out.spi);
    tap_queue_packet(tap_sprat, p->pinfo, tap);
    p->tap = tap;
}

static void
ip_octets(const address *from, const uint8_t **octets, size_t *len)
{
    bool ip = from->type == AT_IPv4 || from->type == AT_IPv6;

    *octets = ip ? (const uint8_t *)from->data : NULL;
    *len = ip ? (size_t)from->len : 0;
}

/* Numbers the packets of a frame: there can be several, side by side in a TCP
 * segment or one in another. */
static uint32_t
next_in_frame(packet_info *pinfo)
{
    uint32_t *count = (uint32_t *)p_get_proto_data(pinfo->pool, pinfo, proto_sprat, 0);

    if (count == NULL) {
        count = wmem_new0(pinfo->pool, uint32_t);
        p_add_proto_data(pinfo->pool, pinfo, proto_sprat, 0, count);
    }
    return (*count)++;
}

/* What stands in front of the packet in the same data source. */
static void
octets_before(tvbuff_t *tvb, const uint8_t **octets, size_t *len)
{
    tvbuff_t *source = tvb_get_ds_tvb(tvb);
    int before = source != NULL ? tvb_raw_offset(tvb) : 0;

    if (before <= 0 || (guint)before > tvb_captured_length(source))
        return;
    *octets = tvb_get_ptr(source, 0, before);
    *len = (size_t)before;
}

/* Lets the library look at the packet. What it concluded about the number is
 * kept with the frame: frames are dissected again, and in any order. */
static int32_t
ask_library(sprat_packet_t *p, const sprat_dissect_ctx *sas, uint32_t flags)
{
    int len = tvb_captured_length(p->tvb), room = len;
    bool visited = PINFO_FD_VISITED(p->pinfo);
    uint32_t nth = next_in_frame(p->pinfo);
    sprat_dissect_report *kept;
    sprat_dissect_in in;
    int32_t status;

    memset(&in, 0, sizeof in);
    in.struct_size = sizeof in;
    in.flags = flags | (p->pinfo->fragmented ? SPRAT_DISSECT_FRAGMENT : 0) |
        (p->pinfo->flags.in_error_pkt ? SPRAT_DISSECT_QUOTED : 0);
    /* Unless a tree is shown, or a filter or column names one of our fields, only
     * remarks are of use. */
    if (!proto_field_is_referenced(p->tree, proto_sprat))
        in.flags |= SPRAT_DISSECT_BRIEF;
    in.octets = len > 0 ? tvb_get_ptr(p->tvb, 0, len) : NULL;
    in.len = len;
    in.reported = tvb_reported_length(p->tvb);
    ip_octets(&p->pinfo->src, &in.source, &in.source_len);
    ip_octets(&p->pinfo->dst, &in.destination, &in.destination_len);
    if (sprat_sas_compress()) {
        octets_before(p->tvb, &in.before, &in.before_len);
        room = 2 * len + SPRAT_DISSECT_GROWTH;
    }
    kept = (sprat_dissect_report *)p_get_proto_data(wmem_file_scope(), p->pinfo, proto_sprat, nth);
    if (kept != NULL)
        in.report = *kept;

    memset(&p->out, 0, sizeof p->out);
    p->out.struct_size = sizeof p->out;
    p->out.spans = p->spans;
    p->out.span_count = SPANS_MAX;
    p->out.plain = (uint8_t *)wmem_alloc(p->pinfo->pool, room);
    p->out.plain_len = room;
    status = sprat_dissect(sas, visited ? NULL : capture, &in, &p->out);
    if (status == 0 && kept == NULL && !visited && p->out.report.known) {
        kept = wmem_new(wmem_file_scope(), sprat_dissect_report);
        *kept = p->out.report;
        p_add_proto_data(wmem_file_scope(), p->pinfo, proto_sprat, nth, kept);
    }
    return status;
}

/* Octets that the library left in our buffer, as a data source. */
static tvbuff_t *
data_source(const sprat_packet_t *p, size_t offset, size_t len, const char *name)
{
    tvbuff_t *tvb;

    if (len == 0)
        return NULL;
    tvb = tvb_new_child_real_data(p->tvb, p->out.plain + offset, (guint)len, (gint)len);
    add_new_data_source(p->pinfo, tvb, name);
    return tvb;
}

static void
show_esp(sprat_packet_t *p, void *data)
{
    col_set_str(p->pinfo->cinfo, COL_PROTOCOL, "ESP");
    col_add_fstr(p->pinfo->cinfo, COL_INFO, "ESP (SPI=0x%08x, SN=%u)", p->out.spi, p->out.sequence);
    if (p->out.reason != 0)
        col_append_fstr(p->pinfo->cinfo, COL_INFO, " [%s]", ei_names[p->out.reason]);
    p->plain = data_source(p, p->out.text_offset, p->out.text_len, "Decrypted ESP");
    p->rebuilt = data_source(p, p->out.rebuilt_offset, p->out.rebuilt_len, "Rebuilt inner packet");
    add_layer(p);
    add_spans(p);
    queue_tap(p);
    dissect_inner(p, data);
}

/* `otherwise` takes what is not ours: IKE, keepalives, packets without an SA. */
static int
dissect_by(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data,
           uint32_t flags, dissector_handle_t otherwise)
{
    const sprat_dissect_ctx *sas = sprat_sas();
    sprat_packet_t *p;

    /* Whoever gave no SA sees what Wireshark shows without us. */
    if (sas == NULL)
        return call_dissector_only(otherwise, tvb, pinfo, tree, data);
    p = wmem_new(pinfo->pool, sprat_packet_t);
    p->tvb = tvb;
    p->pinfo = pinfo;
    p->tree = tree;
    p->plain = p->rebuilt = NULL;
    p->tap = NULL;
    p->over_ip = (flags & (SPRAT_DISSECT_UDP | SPRAT_DISSECT_TCP)) == 0;
    if (ask_library(p, sas, flags) != 0) {
        proto_tree_add_expert(tree, pinfo, &ei_ids[SPRAT_DISSECT_EXPERT_PANIC], tvb, 0, -1);
        return call_dissector_only(otherwise, tvb, pinfo, tree, data);
    }
    switch (p->out.kind) {
    case SPRAT_DISSECT_ESP:
        show_esp(p, data);
        return tvb_captured_length(tvb);
    case SPRAT_DISSECT_NO_SA:
    case SPRAT_DISSECT_MALFORMED:
        add_layer(p);
        add_spans(p);
        break;
    default:
        break;
    }
    return call_dissector_only(otherwise, tvb, pinfo, tree, data);
}

static int
dissect_sprat(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data)
{
    return dissect_by(tvb, pinfo, tree, data, 0, esp_handle);
}

static int
dissect_sprat_udp(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data)
{
    return dissect_by(tvb, pinfo, tree, data, SPRAT_DISSECT_UDP, udpencap_handle);
}

/* RFC 9329 has the payloads of UDP encapsulation, so the same dissector takes
 * what is not ours. */
static int
dissect_tcp_message(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data)
{
    int len = tvb_captured_length(tvb);
    size_t header = 0;

    if (sprat_dissect_frame(tvb_get_ptr(tvb, 0, len), len, &header) == SIZE_MAX) {
        proto_tree_add_expert(tree, pinfo, &ei_ids[SPRAT_DISSECT_EXPERT_STREAM], tvb, 0, -1);
        return call_data_dissector(tvb, pinfo, tree);
    }
    proto_tree_add_protocol_format(tree, proto_sprat, tvb, 0, (int)header,
                                   "IPsec in TCP (RFC 9329), %u octets", tvb_reported_length(tvb));
    if (header < tvb_reported_length(tvb))
        dissect_by(tvb_new_subset_remaining(tvb, (int)header), pinfo, tree, data,
                   SPRAT_DISSECT_TCP, udpencap_handle);
    return len;
}

static guint
tcp_message_len(packet_info *pinfo _U_, tvbuff_t *tvb, int offset, void *data _U_)
{
    int len = tvb_captured_length_remaining(tvb, offset);
    size_t frame = sprat_dissect_frame(tvb_get_ptr(tvb, offset, len), len, NULL);

    /* Once the framing is lost, it is for the rest of the stream. */
    if (frame == SIZE_MAX)
        return tvb_reported_length_remaining(tvb, offset);
    return (guint)frame;
}

static int
dissect_sprat_tcp(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data)
{
    tcp_dissect_pdus(tvb, pinfo, tree, TRUE, 2, tcp_message_len, dissect_tcp_message, data);
    return tvb_captured_length(tvb);
}

static void
begin_capture(void)
{
    sprat_sas_open();
    sprat_dissect_capture_free(capture);
    capture = NULL;
    sprat_dissect_capture_new(&capture);
}

static void
end_capture(void)
{
    sprat_dissect_capture_free(capture);
    capture = NULL;
}

static char *
text_dup(sprat_text text)
{
    return wmem_strndup(wmem_epan_scope(), text.data, text.len);
}

static void
field_type(const sprat_dissect_field *field, header_field_info *info)
{
    static const enum ftenum types[] = {
        FT_NONE, FT_BOOLEAN, FT_UINT8, FT_UINT32, FT_UINT64, FT_BYTES, FT_STRING, FT_UINT8,
        FT_INT32, FT_IPv4, FT_IPv6, FT_STRING, FT_UINT16
    };
    static const int bases[] = { BASE_NONE, BASE_DEC, BASE_HEX };

    info->type = types[field->kind];
    info->display = bases[field->base];
    if (field->kind == SPRAT_DISSECT_KIND_PROTOCOL) {
        info->display |= BASE_EXT_STRING;
        info->strings = &ipproto_val_ext;
    }
}

static void
register_fields(void)
{
    hf_register_info *hf;
    int **ett;

    sprat_dissect_fields(NULL, &field_count);
    fields = wmem_alloc_array(wmem_epan_scope(), sprat_dissect_field, field_count);
    sprat_dissect_fields(fields, &field_count);
    hf = wmem_alloc_array(wmem_epan_scope(), hf_register_info, field_count);
    hf_ids = wmem_alloc_array(wmem_epan_scope(), int, field_count);
    ett = wmem_alloc_array(wmem_epan_scope(), int *, field_count);
    ett_ids = wmem_alloc_array(wmem_epan_scope(), int, field_count);
    for (size_t i = 0; i < field_count; i++) {
        hf_register_info info = { &hf_ids[i], {
            text_dup(fields[i].name), text_dup(fields[i].abbrev), FT_NONE, BASE_NONE, NULL,
            fields[i].mask, text_dup(fields[i].about), HFILL } };

        field_type(&fields[i], &info.hfinfo);
        hf[i] = info;
        hf_ids[i] = ett_ids[i] = -1;
        ett[i] = &ett_ids[i];
    }
    proto_register_field_array(proto_sprat, hf, (int)field_count);
    proto_register_subtree_array(ett, (int)field_count);
}

static void
register_experts(void)
{
    static const int groups[] = { PI_SECURITY, PI_SEQUENCE, PI_MALFORMED, PI_UNDECODED, PI_PROTOCOL };
    static const int severities[] = { PI_CHAT, PI_NOTE, PI_WARN, PI_ERROR };
    sprat_dissect_expert experts[EXPERTS_MAX];
    size_t count = EXPERTS_MAX;
    ei_register_info *ei;

    sprat_dissect_experts(experts, &count);
    ei = wmem_alloc_array(wmem_epan_scope(), ei_register_info, count);
    for (size_t i = 0; i < count; i++) {
        const sprat_dissect_expert *from = &experts[i];
        ei_register_info info = { &ei_ids[from->code], {
            NULL, groups[from->group], severities[from->severity], text_dup(from->text), EXPFILL } };

        ei_names[from->code] = text_dup(from->name);
        info.eiinfo.name = wmem_strdup_printf(wmem_epan_scope(), "sprat.expert.%s", ei_names[from->code]);
        ei[i] = info;
        ei_ids[from->code].ei = EI_INIT_EI;
        ei_ids[from->code].hf = EI_INIT_HF;
    }
    expert_register_field_array(expert_register_protocol(proto_sprat), ei, (int)count);
}

/* The tables only when they must: otherwise a user's Decode As would be undone. */
static void
preferences_changed(void)
{
    sprat_sas_changed();
    if (taken_over == (take_over != FALSE))
        return;
    taken_over = take_over != FALSE;
    dissector_add_uint("ip.proto", IP_PROTO_ESP, taken_over ? sprat_handle : esp_handle);
    dissector_add_uint("udp.port", 4500, taken_over ? sprat_udp_handle : udpencap_handle);
}

void
proto_register_sprat(void)
{
    static int *ett[] = { &ett_sprat };
    module_t *module;

    proto_sprat = proto_register_protocol("Encapsulating Security Payload (sprat)", "SPRAT", "sprat");
    register_fields();
    register_experts();
    proto_register_subtree_array(ett, G_N_ELEMENTS(ett));
    /* The preference below is the switch: disabled, ip.proto 50 would have no
     * dissector at all. */
    proto_set_cant_toggle(proto_sprat);

    module = prefs_register_protocol(proto_sprat, preferences_changed);
    prefs_register_bool_preference(module, "take_over", "Dissect ESP instead of the built-in dissector",
                                   "IP protocol 50 and UDP port 4500; packets without an SA still go to the built-in dissector",
                                   &take_over);
    sprat_sas_register(module);

    sprat_handle = register_dissector("sprat", dissect_sprat, proto_sprat);
    sprat_udp_handle = register_dissector("sprat.udp", dissect_sprat_udp, proto_sprat);
    sprat_tcp_handle = register_dissector("sprat.tcp", dissect_sprat_tcp, proto_sprat);
    tap_sprat = register_tap("sprat");
    sprat_stats_register();
    register_init_routine(begin_capture);
    register_cleanup_routine(end_capture);
}

void
proto_reg_handoff_sprat(void)
{
    ip_table = find_dissector_table("ip.proto");
    ip_handle = find_dissector("ip");
    ipv6_handle = find_dissector("ipv6");
    esp_handle = find_dissector("esp");
    /* No name finds this one in 4.0, but its port does, as long as it is its own. */
    udpencap_handle = dissector_get_default_uint_handle("udp.port", 4500);

    dissector_add_for_decode_as("ip.proto", sprat_handle);
    dissector_add_for_decode_as("udp.port", sprat_udp_handle);
    dissector_add_for_decode_as("tcp.port", sprat_tcp_handle);
    preferences_changed();
}
