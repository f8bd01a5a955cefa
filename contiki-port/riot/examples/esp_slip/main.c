/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Node 1 of the examples on a serial line: answers echo requests and returns
 * what comes to UDP port 5683. `node`, `node udp` or `gateway` sets it up, `sprat`
 * shows the counters, and with DEVELHELP `stack` what is left of the IPv6 thread's
 * stack.
 */

#include <stdio.h>
#include <string.h>

#include "net/gnrc/ipv6.h"
#include "net/gnrc/netif.h"
#include "net/ipv6/addr.h"
#include "net/sock/udp.h"
#include "periph/pm.h"
#include "shell.h"
#include "thread.h"

#ifdef MODULE_SPRAT
#include "example_sa.h"
#endif

#define ECHO_PORT 5683

static char echo_stack[THREAD_STACKSIZE_DEFAULT];

static void *_echo(void *arg)
{
    static uint8_t octets[128];
    sock_udp_t sock;
    sock_udp_ep_t local = { .family = AF_INET6, .netif = SOCK_ADDR_ANY_NETIF, .port = ECHO_PORT };
    sock_udp_ep_t remote;

    (void)arg;
    sock_udp_create(&sock, &local, NULL, 0);
    while (1) {
        ssize_t len = sock_udp_recv(&sock, octets, sizeof(octets), SOCK_NO_TIMEOUT, &remote);

        if (len >= 0) {
            sock_udp_send(&sock, octets, len, &remote);
        }
    }
    return NULL;
}

static void _address(const uint8_t *octets)
{
    ipv6_addr_t address;

    memcpy(&address, octets, sizeof(address));
    gnrc_netif_ipv6_addr_add(gnrc_netif_iter(NULL), &address, 64,
                             GNRC_NETIF_IPV6_ADDRS_FLAGS_STATE_VALID);
}

static int _node(int argc, char **argv)
{
#ifdef MODULE_SPRAT
    example_ends ends;
    ipv6_addr_t group;

    example_ends_of(1, &ends);
    _address(ends.local);
    _address(ends.inner_local);
    memcpy(&group, example_group, sizeof(group));
    gnrc_netif_ipv6_group_join(gnrc_netif_iter(NULL), &group);
    printf("node: %d\n", (int)example_set_up(1, &ends, argc > 1 && strcmp(argv[1], "udp") == 0));
#else
    (void)argc;
    (void)argv;
    static const uint8_t local[16] = { 0xfd, [3] = 0x0a, [15] = 1 };

    _address(local);
    puts("node: 0");
#endif
    return 0;
}
SHELL_COMMAND(node, "addresses, SAs and policies", _node);

#ifdef DEVELHELP
/* Only then is a stack filled with a pattern before its thread begins. */
static int _stack(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    thread_t *ipv6 = thread_get(gnrc_ipv6_pid);

    printf("stack: %u of %u free\n", (unsigned)thread_measure_stack_free(ipv6),
           (unsigned)GNRC_IPV6_STACK_SIZE);
    return 0;
}
SHELL_COMMAND(stack, "what is left of the IPv6 thread's stack", _stack);
#endif

#ifdef MODULE_SPRAT_MTD
/* Where numbers are kept, they go on behind those that were used. */
static int _reboot(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    pm_reboot();
    return 0;
}
SHELL_COMMAND(reboot, "begin anew, with the numbers that the flash holds", _reboot);
#endif

int main(void)
{
    char line[SHELL_DEFAULT_BUFSIZE];

    thread_create(echo_stack, sizeof(echo_stack), THREAD_PRIORITY_MAIN - 1,
                  THREAD_CREATE_STACKTEST, _echo, NULL, "echo");
    shell_run(NULL, line, sizeof(line));
    return 0;
}
