/*
 * Preloaded into User Mode Linux on hosts with a large XSAVE area (AMX). The program
 * restores floating point registers from a buffer of fixed size, and the host refuses
 * anything shorter than its whole area; so the rest is filled in from the process.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

typedef long ptrace_fn(enum __ptrace_request request, ...);

long ptrace(enum __ptrace_request request, ...)
{
    static uint8_t area[65536];
    ptrace_fn *next = (ptrace_fn *)dlsym(RTLD_NEXT, "ptrace");
    va_list args;
    va_start(args, request);
    long pid = va_arg(args, long);
    void *addr = va_arg(args, void *);
    void *data = va_arg(args, void *);
    va_end(args);

    if (request == PTRACE_SETREGSET && (uintptr_t)addr == NT_X86_XSTATE) {
        const struct iovec *given = data;
        struct iovec whole = {area, sizeof area};
        if (next(PTRACE_GETREGSET, pid, addr, &whole) == 0 && given->iov_len < whole.iov_len) {
            memcpy(area, given->iov_base, given->iov_len);
            return next(request, pid, addr, &whole);
        }
    }
    return next(request, pid, addr, data);
}
