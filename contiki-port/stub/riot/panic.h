/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef STUB_PANIC_H
#define STUB_PANIC_H

#define PANIC_GENERAL_ERROR 0

/* Ends the program. */
void core_panic(int code, const char *message);

#endif
