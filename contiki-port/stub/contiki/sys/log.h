/* SPDX-License-Identifier: BSD-3-Clause */
/* Stand-in: the log, which counts its lines by level. */
#ifndef STUB_LOG_H
#define STUB_LOG_H

#include "net/ipv6/uip.h"

#define LOG_LEVEL_NONE 0

void stub_log(int level, const char *format, ...);
void stub_log_address(const uip_ipaddr_t *address);

#define LOG_ERR(...) stub_log(1, LOG_MODULE ": " __VA_ARGS__)
#define LOG_WARN(...) stub_log(2, LOG_MODULE ": " __VA_ARGS__)
#define LOG_INFO(...) stub_log(3, LOG_MODULE ": " __VA_ARGS__)
#define LOG_WARN_(...) stub_log(0, __VA_ARGS__)
#define LOG_WARN_6ADDR(address) stub_log_address(address)

#endif
