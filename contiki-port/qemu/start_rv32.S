/* SPDX-License-Identifier: BSD-3-Clause */
/* RV32: start, the semihosting call, a loop of known length. */

    /* Debian's C library is named without the control registers. */
    .option arch, +zicsr
    .section .vectors, "ax"
    .globl port_reset
port_reset:
    la sp, image_stack_top
    la t0, port_trap
    csrw mtvec, t0
    la t0, image_data_load
    la t1, image_data_start
    la t2, image_data_end
copy:
    bgeu t1, t2, copied
    lw t3, 0(t0)
    sw t3, 0(t1)
    addi t0, t0, 4
    addi t1, t1, 4
    j copy
copied:
    la t1, image_bss_start
    la t2, image_bss_end
clear:
    bgeu t1, t2, cleared
    sw zero, 0(t1)
    addi t1, t1, 4
    j clear
cleared:
    call main
    call port_exit

    .text
    .globl port_spin
port_spin:
    addi a0, a0, -1
    bnez a0, port_spin
    ret

/* The debugger knows the call by the two instructions around ebreak; the three
   must be of 4 octets and lie in one page. */
    .globl port_semihosting
    .balign 16
    .option push
    .option norvc
port_semihosting:
    slli zero, zero, 0x1f
    ebreak
    srai zero, zero, 7
    ret
    .option pop
