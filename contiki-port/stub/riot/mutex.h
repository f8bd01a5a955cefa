/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef STUB_MUTEX_H
#define STUB_MUTEX_H

typedef struct mutex {
  int locked;
} mutex_t;

#define MUTEX_INIT { 0 }

/* There is one thread: locking what is locked would never end, and is a fault. */
void mutex_lock(mutex_t *mutex);
void mutex_unlock(mutex_t *mutex);

#endif
