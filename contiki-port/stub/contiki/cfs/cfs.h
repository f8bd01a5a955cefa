/* SPDX-License-Identifier: BSD-3-Clause */
/* Stand-in: two small files whose writes may end early. */
#ifndef STUB_CFS_H
#define STUB_CFS_H

#define CFS_READ 1
#define CFS_WRITE 2

int cfs_open(const char *name, int flags);
void cfs_close(int file);
int cfs_read(int file, void *octets, unsigned length);
int cfs_write(int file, const void *octets, unsigned length);

#endif
