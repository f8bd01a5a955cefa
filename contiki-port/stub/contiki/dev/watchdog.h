/* SPDX-License-Identifier: BSD-3-Clause */
/* Stand-in: the watchdog. */
#ifndef STUB_WATCHDOG_H
#define STUB_WATCHDOG_H

void watchdog_reboot(void);

#endif
