/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef STUB_KERNEL_DEFINES_H
#define STUB_KERNEL_DEFINES_H

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* 1 if the macro is defined as 1, else 0; a constant. */
#define IS_ACTIVE(macro) STUB_IS_ONE(macro)
#define IS_USED(macro) STUB_IS_ONE(macro)

/* A 1 becomes a further argument in front, and 1 the second one. */
#define STUB_IS_ONE(value) STUB_PICK(STUB_FURTHER_##value 1, 0, 0)
#define STUB_PICK(...) STUB_SECOND(__VA_ARGS__)
#define STUB_SECOND(first, second, ...) second
#define STUB_FURTHER_1 0,

#endif
