/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A node and its peer, over four pairs of SAs:
 *
 *   CoAP               UDP port 5683 on both sides: Diet-ESP in transport mode
 *   fd00:b::/64        everything between inner addresses: Diet-ESP in a tunnel
 *   ff02::5350, 5350   UDP to a group: ESP of several senders
 *   all else           plain ESP
 *
 * `node 1` on one, `node 2` on the other (`node 1 udp` and so on: ESP in UDP); then
 * `ping fd00:a::2`, `get fd00:a::2`, `ping fd00:b::2`, `tell hello`, and `sprat` for
 * the counters.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "msg.h"
#include "net/gcoap.h"
#include "net/gnrc/netif.h"
#include "net/ipv6/addr.h"
#include "net/sock/udp.h"
#include "shell.h"
#include "thread.h"

#include "example_sa.h"

#define GROUP_PORT 5350

static msg_t queue[8];
static ipv6_addr_t peer;

/* --- CoAP */

static ssize_t _state(coap_pkt_t *pdu, uint8_t *buf, size_t len, coap_request_ctx_t *ctx)
{
    (void)ctx;
    sprat_mote_counters counters;

    sprat_gnrc_counters(&counters, NULL);
    gcoap_resp_init(pdu, buf, len, COAP_CODE_CONTENT);
    coap_opt_add_format(pdu, COAP_FORMAT_TEXT);
    size_t head = coap_opt_finish(pdu, COAP_OPT_FINISH_PAYLOAD);
    return head + snprintf((char *)pdu->payload, pdu->payload_len, "passed %u",
                           (unsigned)counters.passed);
}

static const coap_resource_t resources[] = { { "/state", COAP_GET, _state, NULL } };

static gcoap_listener_t listener = { .resources = resources, .resources_len = 1 };

static void _answer(const gcoap_request_memo_t *memo, coap_pkt_t *pdu, const sock_udp_ep_t *remote)
{
    (void)remote;
    if (memo->state != GCOAP_MEMO_RESP) {
        puts("coap: no answer");
        return;
    }
    printf("coap: %u.%02u %.*s\n", coap_get_code_class(pdu), coap_get_code_detail(pdu),
           (int)pdu->payload_len, (char *)pdu->payload);
}

static int _get(int argc, char **argv)
{
    uint8_t buf[CONFIG_GCOAP_PDU_BUF_SIZE];
    coap_pkt_t pdu;
    sock_udp_ep_t remote = { .family = AF_INET6, .netif = SOCK_ADDR_ANY_NETIF, .port = 5683 };
    ipv6_addr_t to = peer;

    if (argc > 1 && ipv6_addr_from_str(&to, argv[1]) == NULL) {
        puts("usage: get [address]");
        return 1;
    }
    memcpy(remote.addr.ipv6, &to, sizeof(to));
    if (ipv6_addr_is_link_local(&to)) {
        remote.netif = gnrc_netif_iter(NULL)->pid;
    }
    gcoap_req_init(&pdu, buf, sizeof(buf), COAP_METHOD_GET, "/state");
    coap_hdr_set_type(pdu.hdr, COAP_TYPE_CON);
    size_t len = coap_opt_finish(&pdu, COAP_OPT_FINISH_NONE);
    return gcoap_req_send(buf, len, &remote, NULL, _answer, NULL, GCOAP_SOCKET_TYPE_UDP) > 0 ? 0 : 1;
}
SHELL_COMMAND(get, "CoAP GET /state of the peer", _get);

/* --- The group */

static char listen_stack[THREAD_STACKSIZE_MAIN];

static void *_listen(void *arg)
{
    sock_udp_t sock;
    sock_udp_ep_t local = { .family = AF_INET6, .netif = SOCK_ADDR_ANY_NETIF, .port = GROUP_PORT };
    char text[64];

    (void)arg;
    sock_udp_create(&sock, &local, NULL, 0);
    while (1) {
        ssize_t len = sock_udp_recv(&sock, text, sizeof(text), SOCK_NO_TIMEOUT, NULL);

        if (len > 0) {
            printf("heard: %.*s\n", (int)len, text);
        }
    }
    return NULL;
}

static int _tell(int argc, char **argv)
{
    sock_udp_ep_t remote = { .family = AF_INET6, .port = GROUP_PORT };

    if (argc != 2) {
        puts("usage: tell <word>");
        return 1;
    }
    remote.netif = gnrc_netif_iter(NULL)->pid;
    memcpy(remote.addr.ipv6, example_group, sizeof(example_group));
    return sock_udp_send(NULL, argv[1], strlen(argv[1]), &remote) > 0 ? 0 : 1;
}
SHELL_COMMAND(tell, "say a word to the group", _tell);

/* --- Set-up */

static void _address(gnrc_netif_t *netif, const uint8_t *octets)
{
    ipv6_addr_t address;

    memcpy(&address, octets, sizeof(address));
    gnrc_netif_ipv6_addr_add(netif, &address, 64, GNRC_NETIF_IPV6_ADDRS_FLAGS_STATE_VALID);
}

static int _node(int argc, char **argv)
{
    example_ends ends;
    int number = argc > 1 ? atoi(argv[1]) : 0;
    gnrc_netif_t *netif = gnrc_netif_iter(NULL);
    bool udp = argc > 2 && strcmp(argv[argc - 1], "udp") == 0;
    ipv6_addr_t group;

    if (number != 1 && number != 2) {
        puts("usage: node 1|2 [<own address> <peer's address>] [udp]");
        return 1;
    }
    example_ends_of(number, &ends);
    if (argc - udp == 4) {
        ipv6_addr_from_str((ipv6_addr_t *)ends.local, argv[2]);
        ipv6_addr_from_str((ipv6_addr_t *)ends.remote, argv[3]);
    }
    else {
        _address(netif, ends.local);
        _address(netif, ends.inner_local);
    }
    memcpy(&peer, ends.remote, sizeof(peer));
    memcpy(&group, example_group, sizeof(group));
    gnrc_netif_ipv6_group_join(netif, &group);
    int32_t res = example_set_up(number, &ends, udp);
    printf("node %d: %s\n", number, res == SPRAT_OK ? "ready" : sprat_status_text(res));
    return res == SPRAT_OK ? 0 : 1;
}
SHELL_COMMAND(node, "make this node number 1 or 2 of the pair", _node);

int main(void)
{
    char line[SHELL_DEFAULT_BUFSIZE];

    msg_init_queue(queue, ARRAY_SIZE(queue));
    gcoap_register_listener(&listener);
    thread_create(listen_stack, sizeof(listen_stack), THREAD_PRIORITY_MAIN - 1, 0, _listen, NULL,
                  "listen");
    shell_run(NULL, line, sizeof(line));
    return 0;
}
