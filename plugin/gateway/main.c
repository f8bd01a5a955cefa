/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "gateway.h"

static const char help[] =
	"usage: sprat-gw -c FILE [-t]\n"
	"\n"
	"Carries IP packets between a TUN device and ESP tunnels, as FILE says.\n"
	"\n"
	"  -c, --config FILE   configuration (TOML): SAs, policy and the table [gateway]\n"
	"  -t, --test          test FILE and stop; nothing is opened or changed\n"
	"  -V, --version       version\n"
	"  -h, --help          this text\n"
	"\n"
	"signals:\n"
	"  USR1            print the counters on standard output\n"
	"  TERM, INT, HUP  save the sequence numbers, print the counters, end\n"
	"\n"
	"It starts with CAP_NET_ADMIN and CAP_NET_RAW (root has them) and keeps no\n"
	"capability once its sockets are open. Sequence numbers are written ahead to\n"
	"gateway.state_file, so that none is used twice even after kill -9.\n"
	"\n"
	"exit status: 0 ended by a signal, 1 could not start or go on, 2 wrong usage\n";

void gw_say(const char *format, ...)
{
	va_list arguments;

	fputs("sprat-gw: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
}

int gw_fail(const char *format, ...)
{
	int error = errno;
	va_list arguments;

	fputs("sprat-gw: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fprintf(stderr, ": %s\n", strerror(error));
	return -1;
}

uint64_t gw_clock_ms(void)
{
	struct timespec now;

	/* Goes on while the machine sleeps: lifetimes do too. */
	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

bool gw_bucket_take(struct gw_bucket *bucket, uint64_t now_ms)
{
	uint64_t gained = (now_ms - bucket->last_ms) * bucket->rate / 1000;

	if (gained != 0) {
		bucket->last_ms = now_ms;
		bucket->level = gained < bucket->burst - bucket->level ? bucket->level + (uint32_t)gained
									: bucket->burst;
	}
	if (bucket->level == 0) {
		bucket->refused++;
		return false;
	}
	bucket->level--;
	return true;
}

static const struct option options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "test", no_argument, NULL, 't' },
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

/* Messages and counters go to 1 and 2, whatever these are: a socket or the
 * state file must not be given such a number. */
static int open_standard_files(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd < 0)
		return gw_fail("/dev/null");
	close(fd);
	return 0;
}

static void prepare(struct gateway *gw)
{
	gw->tun = gw->epoll = gw->send4 = gw->send6 = gw->state.directory = gw->state.lock = -1;
	for (size_t i = 0; i < GW_SAS; i++)
		gw->state.line_of[i] = SIZE_MAX;
	gw->now_ms = gw->housekeeping_ms = gw_clock_ms();
	if (getrandom(&gw->ipv4_id, sizeof gw->ipv4_id, 0) < 0)
		gw->ipv4_id = 0;
}

static int load(struct gateway *gw, const char *path)
{
	char message[1024];
	size_t len = sizeof message;
	int32_t status = sprat_config_load(path, &gw->config, message, &len);

	if (status == SPRAT_OK) {
		len = sizeof message;
		status = sprat_ipsec_from_config(gw->config, gw->now_ms, &gw->ipsec, message, &len);
	}
	if (status != SPRAT_OK) {
		gw_say("%s", message);
		return -1;
	}
	if (gw_settings_read(gw) != 0 || gw_sas_check(gw) != 0)
		return -1;
	gw->audit = (struct gw_bucket){ .last_ms = gw->now_ms, .rate = gw->settings.audit_rate,
					.burst = gw->settings.audit_rate, .level = gw->settings.audit_rate };
	gw->icmp = (struct gw_bucket){ .last_ms = gw->now_ms, .rate = 100, .burst = 100, .level = 100 };
	gw->prohibited = gw->icmp;
	return 0;
}

/* What needs privileges comes first; the TUN device last, since with it the
 * routes change. */
static int set_up(struct gateway *gw)
{
	struct gw_identity identity;

	if (gw_identity_find(gw->settings.user, &identity) != 0 ||
	    gw_state_open(gw, identity.uid, identity.gid) != 0 || gw_sockets_open(gw) != 0 ||
	    gw_tun_open(gw) != 0 || gw_loop_open(gw) != 0)
		return -1;
	/* Written as the user who will go on writing it. */
	return gw_privileges_drop(&identity) != 0 ? -1 : gw_state_prove(gw);
}

static void close_all(struct gateway *gw)
{
	for (size_t i = 0; i < gw->source_count; i++)
		close(gw->sources[i].fd);
	const int others[] = { gw->epoll, gw->send4, gw->send6, gw->state.directory, gw->state.lock };

	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		if (others[i] >= 0)
			close(others[i]);
	sprat_ipsec_free(gw->ipsec);
	sprat_config_free(gw->config);
}

static int run(struct gateway *gw)
{
	if (set_up(gw) != 0)
		return EXIT_FAILURE;
	gw->clamp_mtu = gw_inner_mtu(gw);
	gw->clamp_learnt_ms = gw->now_ms;
	gw_say("ready: %s, %u SAs", gw->settings.tun, sprat_ipsec_sa_count(gw->ipsec));
	gw_loop_run(gw);
	gw_state_close(gw);
	gw_report(gw);
	return gw->failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	static struct gateway gw;
	const char *path = NULL;
	bool test = false;
	int option, status;

	if (open_standard_files() != 0)
		return EXIT_FAILURE;
	while ((option = getopt_long(argc, argv, "c:thV", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			path = optarg;
			break;
		case 't':
			test = true;
			break;
		case 'V':
			printf("sprat-gw %s\n", sprat_version());
			return EXIT_SUCCESS;
		case 'h':
			fputs(help, stdout);
			return EXIT_SUCCESS;
		default:
			fputs(help, stderr);
			return 2;
		}
	}
	if (path == NULL || optind != argc) {
		fputs(help, stderr);
		return 2;
	}
	if (sprat_drop_count() >= GW_REASONS || sprat_abi_version() != SPRAT_ABI_VERSION) {
		gw_say("libsprat has ABI %u, this program was built for %u", sprat_abi_version(), SPRAT_ABI_VERSION);
		return EXIT_FAILURE;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	/* Both are errors of a write, which are handled where it is. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	prepare(&gw);
	status = load(&gw, path) != 0 ? EXIT_FAILURE : test ? EXIT_SUCCESS : run(&gw);
	close_all(&gw);
	return status;
}
