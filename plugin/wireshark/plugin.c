/* plugin.c
 * ESP by sprat: what Wireshark's loader looks for
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "packet-sprat.h"

#include <ws_symbol_export.h>
#include <epan/proto.h>
/* Debian 12's development package lacks this header; newer ones have it. */
#if WIRESHARK_VERSION_MAJOR > 4 || (WIRESHARK_VERSION_MAJOR == 4 && WIRESHARK_VERSION_MINOR >= 2)
#include <wsutil/plugins.h>
#endif

WS_DLL_PUBLIC_DEF const char plugin_version[] = PLUGIN_VERSION;
WS_DLL_PUBLIC_DEF const int plugin_want_major = WIRESHARK_VERSION_MAJOR;
WS_DLL_PUBLIC_DEF const int plugin_want_minor = WIRESHARK_VERSION_MINOR;

WS_DLL_PUBLIC void plugin_register(void);
WS_DLL_PUBLIC uint32_t plugin_describe(void);

uint32_t
plugin_describe(void)
{
#ifdef WS_PLUGIN_DESC_DISSECTOR
    return WS_PLUGIN_DESC_DISSECTOR | WS_PLUGIN_DESC_TAP_LISTENER;
#else
    return 0;
#endif
}

void
plugin_register(void)
{
    static proto_plugin plugin;

    plugin.register_protoinfo = proto_register_sprat;
    plugin.register_handoff = proto_reg_handoff_sprat;
    proto_register_plugin(&plugin);
}
