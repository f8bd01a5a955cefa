/* sprat-stats.c
 * ESP by sprat: packets of each SA and octets that compression saved, for tshark
 * -z sprat,tree and -z sprat,sa and the menu
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "packet-sprat.h"

#include <string.h>

#include <epan/stat_tap_ui.h>
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
    if (tap->remark != NULL)
        tick_stat_node(st, tap->remark, sa, FALSE);
    return TAP_PACKET_REDRAW;
}

enum { COL_SA, COL_PACKETS, COL_VERIFIED, COL_OCTETS, COL_SAVED, COL_MEAN, COLS };

static stat_tap_table_item sa_columns[COLS] = {
    { TABLE_ITEM_STRING, TAP_ALIGN_LEFT,  "SA",           "%-24s" },
    { TABLE_ITEM_UINT,   TAP_ALIGN_RIGHT, "Packets",      "%u" },
    { TABLE_ITEM_UINT,   TAP_ALIGN_RIGHT, "ICV good",     "%u" },
    { TABLE_ITEM_UINT,   TAP_ALIGN_RIGHT, "ESP octets",   "%u" },
    { TABLE_ITEM_INT,    TAP_ALIGN_RIGHT, "Octets saved", "%d" },
    { TABLE_ITEM_FLOAT,  TAP_ALIGN_RIGHT, "per packet",   "%.1f" },
};

static const char sa_title[] = "ESP octets by SA";

static void
sa_init(stat_tap_table_ui *stat)
{
    stat_tap_table *table = stat_tap_find_table(stat, sa_title);

    if (table != NULL) {
        if (stat->stat_tap_reset_table_cb != NULL)
            stat->stat_tap_reset_table_cb(table);
        return;
    }
    stat_tap_add_table(stat, stat_tap_init_table(sa_title, COLS, 0, NULL));
}

/* The row of an SA, made with its first packet. */
static guint
sa_row(stat_tap_table *table, const char *sa)
{
    stat_tap_table_item_type cells[COLS];
    guint row;

    for (row = 0; row < table->num_elements; row++) {
        if (strcmp(table->elements[row][COL_SA].value.string_value, sa) == 0)
            return row;
    }
    memset(cells, 0, sizeof cells);
    for (guint column = 0; column < COLS; column++)
        cells[column].type = sa_columns[column].type;
    cells[COL_SA].value.string_value = g_strdup(sa);
    stat_tap_init_table_row(table, row, COLS, cells);
    return row;
}

static tap_packet_status
sa_packet(void *data, packet_info *pinfo _U_, epan_dissect_t *edt _U_, const void *packet,
          tap_flags_t flags _U_)
{
    const sprat_tap_t *tap = (const sprat_tap_t *)packet;
    stat_data_t *stat = (stat_data_t *)data;
    stat_tap_table *table = g_array_index(stat->stat_tap_data->tables, stat_tap_table *, 0);
    guint row = sa_row(table, tap->sa);
    stat_tap_table_item_type *cells = table->elements[row];

    cells[COL_PACKETS].value.uint_value++;
    cells[COL_VERIFIED].value.uint_value += tap->verified ? 1 : 0;
    cells[COL_OCTETS].value.uint_value += tap->octets;
    cells[COL_SAVED].value.int_value += (gint)tap->saved;
    cells[COL_MEAN].value.float_value =
        (double)cells[COL_SAVED].value.int_value / cells[COL_PACKETS].value.uint_value;
    return TAP_PACKET_REDRAW;
}

static void
sa_reset(stat_tap_table *table)
{
    for (guint row = 0; row < table->num_elements; row++) {
        for (guint column = COL_PACKETS; column < COLS; column++)
            memset(&table->elements[row][column].value, 0, sizeof table->elements[row][column].value);
    }
}

static void
sa_free_cell(stat_tap_table *table _U_, guint row _U_, guint column, stat_tap_table_item_type *cell)
{
    if (column == COL_SA)
        g_free((char *)cell->value.string_value);
}

static void
sa_register(void)
{
    static tap_param params[] = {
        { PARAM_FILTER, "filter", "Filter", NULL, TRUE }
    };
    static stat_tap_table_ui stat = {
        .group = REGISTER_PACKET_STAT_GROUP_UNSORTED,
        .title = sa_title,
        .tap_name = "sprat",
        .cli_string = "sprat,sa",
        .stat_tap_init_cb = sa_init,
        .packet_func = sa_packet,
        .stat_tap_reset_table_cb = sa_reset,
        .stat_tap_free_table_item_cb = sa_free_cell,
        .nfields = COLS,
        .fields = sa_columns,
        .nparams = G_N_ELEMENTS(params),
        .params = params
    };

    register_stat_tap_table_ui(&stat);
}

void
sprat_stats_register(void)
{
    sa_register();
    stats_tree_register_plugin("sprat", "sprat", "ESP by sprat", 0,
                               sprat_stats_packet, sprat_stats_init, NULL);
}
