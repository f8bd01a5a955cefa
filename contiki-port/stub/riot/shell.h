/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef STUB_SHELL_H
#define STUB_SHELL_H

/* Makes the command callable as stub_shell_NAME. */
#define SHELL_COMMAND(name, help, function) \
  extern int (*const stub_shell_##name)(int argc, char **argv); \
  int (*const stub_shell_##name)(int argc, char **argv) = function

#endif
