/* What a firmware provides to libsprat_mote.a. Written by hand. */

#ifndef SPRAT_PORT_H
#define SPRAT_PORT_H

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Called where the library found itself broken. Must not return: reset the
 * device, or stop in a way that its watchdog sees. Called from whatever context
 * called the library, with interrupts as they were.
 */
#ifdef __GNUC__
__attribute__((noreturn))
#endif
void sprat_port_panic(void);

#ifdef __cplusplus
}
#endif

#endif /* SPRAT_PORT_H */
