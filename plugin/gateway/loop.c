/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* One thread, one epoll set. Each ready source has a turn of GW_BATCH packets,
 * so that a flood on one does not starve the others. */
#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "gateway.h"

#define HOUSEKEEPING_MS 1000
#define CLAMP_FORGET_MS 600000 /* RFC 1191 s6.3: try a larger one after ten minutes */

static int open_signals(struct gateway *gw)
{
	struct gw_source source = { .kind = GW_SIGNALS };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
		return gw_fail("signal mask");
	source.fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (source.fd < 0)
		return gw_fail("signalfd");
	return gw_source_add(gw, &source);
}

int gw_loop_open(struct gateway *gw)
{
	if (open_signals(gw) != 0)
		return -1;
	gw->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (gw->epoll < 0)
		return gw_fail("epoll");
	for (size_t i = 0; i < gw->source_count; i++) {
		struct epoll_event event = { .events = EPOLLIN, .data = { .ptr = &gw->sources[i] } };

		if (epoll_ctl(gw->epoll, EPOLL_CTL_ADD, gw->sources[i].fd, &event) != 0)
			return gw_fail("epoll");
	}
	return 0;
}

static void take_signals(struct gateway *gw, const struct gw_source *source)
{
	struct signalfd_siginfo info;

	while (read(source->fd, &info, sizeof info) == (ssize_t)sizeof info) {
		if (info.ssi_signo == SIGUSR1)
			gw_report(gw);
		else
			gw->stop = true;
	}
}

static void turn(struct gateway *gw, const struct gw_source *source)
{
	switch (source->kind) {
	case GW_TUN:
		gw_outbound_turn(gw);
		break;
	case GW_RAW:
	case GW_UDP:
		gw_inbound_turn(gw, source);
		break;
	case GW_ICMP:
		gw_icmp_turn(gw, source);
		break;
	case GW_SIGNALS:
		take_signals(gw, source);
		break;
	}
}

static void housekeeping(struct gateway *gw)
{
	if (gw->now_ms - gw->housekeeping_ms < HOUSEKEEPING_MS)
		return;
	gw->housekeeping_ms = gw->now_ms;
	gw_keepalive_turn(gw);
	if (gw->now_ms - gw->clamp_learnt_ms >= CLAMP_FORGET_MS) {
		/* What the kernel knew at the start may be forgotten as well. */
		gw->clamp_mtu = gw_inner_mtu(gw);
		gw->clamp_learnt_ms = gw->now_ms;
	}
}

void gw_loop_run(struct gateway *gw)
{
	while (!gw->stop) {
		struct epoll_event events[16];
		int n = epoll_wait(gw->epoll, events, 16, HOUSEKEEPING_MS);

		if (n < 0 && errno != EINTR) {
			gw_fail("epoll");
			gw->failed = true;
			return;
		}
		gw->now_ms = gw_clock_ms();
		for (int i = 0; i < n; i++)
			turn(gw, events[i].data.ptr);
		housekeeping(gw);
	}
}
