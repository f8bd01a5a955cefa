/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* After set-up the gateway needs its open descriptors and nothing else: the
 * TUN device and the raw sockets ask for a capability when they are opened,
 * not per packet. So it keeps no capability at all. */
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "gateway.h"

int gw_identity_find(const char *user, struct gw_identity *out)
{
	const struct passwd *entry;

	*out = (struct gw_identity){ .uid = geteuid(), .gid = getegid(), .change = false };
	if (user == NULL || *user == '\0')
		return 0;
	entry = getpwnam(user);
	if (entry == NULL) {
		gw_say("gateway.user: there is no user '%s' on this system", user);
		return -1;
	}
	*out = (struct gw_identity){ .uid = entry->pw_uid, .gid = entry->pw_gid, .change = true };
	return 0;
}

static int become(const struct gw_identity *identity)
{
	if (!identity->change)
		return 0;
	/* Who has no right to lose groups may be no root and has its own only. */
	if (setgroups(0, NULL) != 0 && geteuid() == 0)
		return gw_fail("setgroups");
	if (setresgid(identity->gid, identity->gid, identity->gid) != 0)
		return gw_fail("setresgid %u", (unsigned)identity->gid);
	if (setresuid(identity->uid, identity->uid, identity->uid) != 0)
		return gw_fail("setresuid %u", (unsigned)identity->uid);
	return 0;
}

/* A capability that is not in the bounding set cannot come back by exec. Only
 * CAP_SETPCAP may empty it; without it no_new_privs must do. */
static void empty_bounding_set(void)
{
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0)
			return;
}

static int empty_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	memset(data, 0, sizeof data);
	if (syscall(SYS_capset, &header, data) != 0)
		return gw_fail("capset");
	if (syscall(SYS_capget, &header, data) != 0)
		return gw_fail("capget");
	for (size_t i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
		if ((data[i].effective | data[i].permitted | data[i].inheritable) != 0) {
			gw_say("the kernel kept a capability that was dropped");
			return -1;
		}
	return 0;
}

int gw_privileges_drop(const struct gw_identity *identity)
{
	const struct rlimit no_core = { 0, 0 };
	/* Keys are in memory by now; nothing that comes later holds any. */
	bool locked = mlockall(MCL_CURRENT) == 0;

	empty_bounding_set();
	if (become(identity) != 0 || empty_capabilities() != 0)
		return -1;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return gw_fail("no_new_privs");
	/* After the change of user, which may set it anew. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return gw_fail("dumpable");
	if (setrlimit(RLIMIT_CORE, &no_core) != 0)
		return gw_fail("core limit");
	if (identity->change && (getuid() != identity->uid || geteuid() != identity->uid)) {
		gw_say("the kernel did not change the user");
		return -1;
	}
	gw_say("privileges: uid %u, gid %u, no capability, no_new_privs, no core dump, memory %s",
	       (unsigned)getuid(), (unsigned)getgid(), locked ? "locked" : "not locked");
	return 0;
}
