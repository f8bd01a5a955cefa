/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The shell command `gateway`: this node is fd00:b::1 behind a tunnel from
 * fd00:a::1 to a gateway at fd00:a::2, with the network fd00:b:0:1::/64 behind it.
 */

#include <stdio.h>
#include <string.h>

#include "kernel_defines.h"
#include "net/gnrc/ipv6/nib/ft.h"
#include "net/gnrc/netif.h"
#include "net/ipv6/addr.h"
#include "shell.h"

#include "example_sa.h"

static const char *const forms[] = {
    [EXAMPLE_ESP] = "esp", [EXAMPLE_IMPLICIT_IV] = "iiv", [EXAMPLE_DIET_ESP] = "diet",
};

static void _address(const uint8_t *octets)
{
    ipv6_addr_t address;

    memcpy(&address, octets, sizeof(address));
    gnrc_netif_ipv6_addr_add(gnrc_netif_iter(NULL), &address, 64,
                             GNRC_NETIF_IPV6_ADDRS_FLAGS_STATE_VALID);
}

/* GNRC asks for a route to what goes into the tunnel before it is in there. */
static int _route(const uint8_t *octets)
{
    ipv6_addr_t router;

    memcpy(&router, octets, sizeof(router));
    return gnrc_ipv6_nib_ft_add(NULL, 0, &router, gnrc_netif_iter(NULL)->pid, 0);
}

static int _gateway(int argc, char **argv)
{
    example_ends ends;
    unsigned form = 0;
    bool udp = argc == 3 && strcmp(argv[2], "udp") == 0;

    while (argc > 1 && form < ARRAY_SIZE(forms) && strcmp(argv[1], forms[form]) != 0) {
        form++;
    }
    if (argc < 2 || form == ARRAY_SIZE(forms) || (argc > 2 && !udp)) {
        puts("usage: gateway esp|iiv|diet [udp]");
        return 1;
    }
    example_ends_of(1, &ends);
    memset(&ends.inner_remote[8], 0, 8);
    ends.inner_remote[7] = 1;
    _address(ends.local);
    _address(ends.inner_local);
    if (_route(ends.remote) != 0) {
        puts("gateway: no route");
        return 1;
    }
    printf("gateway: %d\n", (int)example_gateway(&ends, (example_form)form, udp));
    return 0;
}
SHELL_COMMAND(gateway, "make this node number 1, in a tunnel to a gateway", _gateway);
