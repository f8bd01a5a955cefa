/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stand-in: two small files whose writes may end early. They are what Coffee
 * makes of files where it has the least to go by: nothing is written over, and
 * a file ends with its last octet that is not 0.
 */
#ifndef STUB_CFS_H
#define STUB_CFS_H

#define CFS_READ 1
#define CFS_WRITE 2
#define CFS_APPEND 4
#define CFS_SEEK_SET 0

typedef int cfs_offset_t;

int cfs_open(const char *name, int flags);
void cfs_close(int file);
int cfs_read(int file, void *octets, unsigned length);
int cfs_write(int file, const void *octets, unsigned length);
cfs_offset_t cfs_seek(int file, cfs_offset_t offset, int from);
int cfs_remove(const char *name);

#endif
