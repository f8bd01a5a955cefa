/* sprat-stats.c
 * ESP by sprat: packets of each SA, for tshark -z sprat,tree and the menu
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "packet-sprat.h"

#include <epan/stats_tree.h>
#include <epan/tap.h>

static const char stats_root[] = "ESP packets by SA";

static void
sprat_stats_init(stats_tree *st)
{
    stats_tree_create_node(st, stats_root, 0, STAT_DT_INT, TRUE);
}

static tap_packet_status
sprat_stats_packet(stats_tree *st, packet_info *pinfo _U_, epan_dissect_t *edt _U_,
                   const void *data, tap_flags_t flags _U_)
{
    const sprat_tap_t *tap = (const sprat_tap_t *)data;
    int root, sa;

    root = tick_stat_node(st, stats_root, 0, TRUE);
    sa = tick_stat_node(st, tap->sa, root, TRUE);
    tick_stat_node(st, tap->verified ? "ICV good" : "ICV bad or not checked", sa, FALSE);
    if (tap->reason != NULL)
        tick_stat_node(st, wmem_strdup_printf(pinfo->pool, "drop: %s", tap->reason), sa, FALSE);
    return TAP_PACKET_REDRAW;
}

void
sprat_stats_register(void)
{
    stats_tree_register_plugin("sprat", "sprat", "ESP by sprat", 0,
                               sprat_stats_packet, sprat_stats_init, NULL);
}
