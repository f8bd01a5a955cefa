/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Sequence numbers that survive a crash.
 *
 * A counter-based IV is the sequence number: one number used twice under one
 * key gives the key stream away. So the file holds, for each outbound SA, a
 * limit below which every number may have been used. A block of numbers is
 * written and on disk before the first of them is used; after a crash the SA
 * goes on behind the block, and what was left of it is lost.
 *
 * Where Diet-ESP sends n bits of the number, the receiver reads the rest out of
 * the highest it has verified, and is deaf to what is 2^n further on. So such a
 * block is small, and the file holds the highest number of inbound SAs as well.
 *
 *     sprat-gw-state 1
 *     sa 0x00001001 65536 to-b
 *     in 0x00001002 4711 from-b
 *     sum 1a2b3c4d
 *
 * `sum` is the CRC-32 of all octets before its line. The file is written beside
 * the old one and renamed, so that a crash leaves the old or the new one. A
 * file that does not read exactly like this is refused: a wrong limit is worse
 * than no tunnel. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway.h"

#define HEADING "sprat-gw-state 1\n"
#define RETRY_MS 1000
#define LINE_OCTETS 192
#define FILE_OCTETS (sizeof HEADING + LINE_OCTETS * (GW_SAS * 2 + 1))

static uint32_t crc32(const char *data, size_t len)
{
	uint32_t crc = 0xffffffff;

	for (size_t i = 0; i < len; i++) {
		crc ^= (uint8_t)data[i];
		for (int bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ (0xedb88320 & (0U - (crc & 1)));
	}
	return ~crc;
}

static bool name_fits(const char *name)
{
	if (*name == '\0' || strlen(name) >= GW_NAME)
		return false;
	for (; *name != '\0'; name++)
		if (iscntrl((unsigned char)*name))
			return false;
	return true;
}

static int format_line(const struct gw_state_line *line, char *text)
{
	return snprintf(text, LINE_OCTETS, "%s 0x%08" PRIx32 " %" PRIu64 " %s",
			line->receives ? "in" : "sa", line->spi, line->limit, line->name);
}

/* Reads one line of an SA of `len` octets without its line feed. */
static int parse_line(const char *text, size_t len, struct gw_state_line *line)
{
	char copy[LINE_OCTETS], again[LINE_OCTETS];
	int name_at = 0;

	if (len >= sizeof copy)
		return -1;
	memcpy(copy, text, len);
	copy[len] = '\0';
	line->receives = strncmp(copy, "in", 2) == 0;
	if (sscanf(copy, "%*2[ains] 0x%8" SCNx32 " %20" SCNu64 " %n", &line->spi, &line->limit, &name_at) != 2 ||
	    name_at == 0 || !name_fits(copy + name_at))
		return -1;
	strcpy(line->name, copy + name_at);
	/* Only what we would have written ourselves is accepted. */
	format_line(line, again);
	return strcmp(copy, again) == 0 ? 0 : -1;
}

static const char *check_sum(const char *text, size_t len, size_t *body)
{
	const size_t sum_line = sizeof "sum 00000000\n" - 1;
	char expected[16];

	if (len < sizeof HEADING - 1 + sum_line)
		return "it is cut off";
	*body = len - sum_line;
	snprintf(expected, sizeof expected, "sum %08" PRIx32 "\n", crc32(text, *body));
	if (memcmp(text + *body, expected, sum_line) != 0)
		return "its checksum is wrong";
	if (memcmp(text, HEADING, sizeof HEADING - 1) != 0)
		return "its first line is not of this version";
	return NULL;
}

/* NULL, or what is wrong with the file. */
static const char *parse(struct gw_state *state, const char *text, size_t len)
{
	size_t body = 0;
	const char *wrong = check_sum(text, len, &body);
	const char *at = text + sizeof HEADING - 1, *end = text + body;

	if (wrong != NULL)
		return wrong;
	while (at < end) {
		const char *feed = memchr(at, '\n', (size_t)(end - at));

		if (feed == NULL || state->line_count == GW_SAS * 2 ||
		    parse_line(at, (size_t)(feed - at), &state->lines[state->line_count]) != 0)
			return "a line cannot be read";
		state->line_count++;
		at = feed + 1;
	}
	return NULL;
}

static int read_file(struct gw_state *state)
{
	int fd = openat(state->directory, state->file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char *text;
	size_t len = 0;
	ssize_t n = 0;
	const char *wrong;

	if (fd < 0 && errno == ENOENT) {
		gw_say("%s: not there yet, every SA starts at 1; stop if its key was used before", state->path);
		return 0;
	}
	if (fd < 0)
		return gw_fail("%s", state->path);
	text = malloc(FILE_OCTETS);
	while (text != NULL && len < FILE_OCTETS && (n = read(fd, text + len, FILE_OCTETS - len)) > 0)
		len += (size_t)n;
	close(fd);
	wrong = text == NULL ? "no memory" : n < 0 ? "it cannot be read" : parse(state, text, len);
	free(text);
	if (wrong == NULL)
		return 0;
	gw_say("%s: %s. Which sequence numbers were used is unknown: give the SAs new keys and SPIs, then remove the file",
	       state->path, wrong);
	return -1;
}

static size_t format_file(const struct gw_state *state, char *text)
{
	size_t len = (size_t)sprintf(text, HEADING);

	for (size_t i = 0; i < state->line_count; i++) {
		len += (size_t)format_line(&state->lines[i], text + len);
		text[len++] = '\n';
	}
	return len + (size_t)sprintf(text + len, "sum %08" PRIx32 "\n", crc32(text, len));
}

static int write_all(int fd, const char *text, size_t len)
{
	while (len != 0) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

/* On disk when it returns 0: the data, then the name that leads to it. */
static int write_file(struct gw_state *state)
{
	static char text[FILE_OCTETS];
	char beside[sizeof state->path + 8];
	size_t len = format_file(state, text);
	int fd, status;

	snprintf(beside, sizeof beside, "%s.new", state->file);
	/* One that a crash left may belong to another user. */
	unlinkat(state->directory, beside, 0);
	fd = openat(state->directory, beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -1;
	status = write_all(fd, text, len) != 0 || fsync(fd) != 0 ? -1 : 0;
	if (close(fd) != 0 || status != 0)
		return -1;
	if (renameat(state->directory, beside, state->directory, state->file) != 0)
		return -1;
	return fsync(state->directory);
}

/* Appears with its owner at once: another gateway may start beside us. */
static int make_directory(const char *directory, uid_t uid, gid_t gid)
{
	char beside[sizeof((struct gw_state *)0)->path + 24];
	struct stat info;

	if (stat(directory, &info) == 0)
		return 0;
	snprintf(beside, sizeof beside, "%s.%ld", directory, (long)getpid());
	if (mkdir(beside, 0700) != 0)
		return -1;
	if (chown(beside, uid, gid) == 0 &&
	    renameat2(AT_FDCWD, beside, AT_FDCWD, directory, RENAME_NOREPLACE) == 0)
		return 0;
	rmdir(beside);
	return stat(directory, &info);
}

/* The file is replaced while the gateway runs as `uid`, so that user must be
 * able to write the directory. It is made if it is missing, never taken over. */
static int open_directory(struct gw_state *state, uid_t uid, gid_t gid)
{
	char directory[sizeof state->path];
	char *slash;
	struct stat info;

	strcpy(directory, state->path);
	slash = strrchr(directory, '/');
	state->file = slash == NULL ? state->path : state->path + (slash - directory) + 1;
	if (slash == NULL)
		strcpy(directory, ".");
	else
		slash[slash == directory ? 1 : 0] = '\0';
	if (make_directory(directory, uid, gid) != 0)
		return gw_fail("%s", directory);
	state->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (state->directory < 0 || fstat(state->directory, &info) != 0)
		return gw_fail("%s", directory);
	/* Root too: it will have no capability to write where others may. */
	if (info.st_uid != uid) {
		gw_say("gateway.state_file: %s belongs to uid %u, but the gateway runs as uid %u: "
		       "chown the directory, or choose one that does not exist yet",
		       directory, (unsigned)info.st_uid, (unsigned)uid);
		return -1;
	}
	if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
		gw_say("gateway.state_file: others can write the directory %s, and so turn sequence numbers back: "
		       "chmod go-w, or choose one that does not exist yet", directory);
		return -1;
	}
	return 0;
}

/* A file of its own: the state file itself is replaced by each write. */
static int take_lock(struct gw_state *state, uid_t uid, gid_t gid)
{
	char name[sizeof state->path + 8];

	snprintf(name, sizeof name, "%s.lock", state->file);
	state->lock = openat(state->directory, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (state->lock < 0 || fchown(state->lock, uid, gid) != 0)
		return gw_fail("%s.lock", state->path);
	if (flock(state->lock, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno != EWOULDBLOCK)
		return gw_fail("%s.lock", state->path);
	gw_say("%s: another gateway uses it; two must never share sequence numbers", state->path);
	return -1;
}

/* Numbers belong to key and SPI. The name may have changed since, so the
 * highest limit under the SPI counts: skipping too far harms nothing. */
static uint64_t limit_of(const struct gw_state *state, uint32_t spi, bool receives)
{
	uint64_t limit = 0;

	for (size_t i = 0; i < state->line_count; i++) {
		const struct gw_state_line *line = &state->lines[i];

		if (line->spi == spi && line->receives == receives && line->limit > limit)
			limit = line->limit;
	}
	return limit;
}

/* The line of this SA, made if it has none; NULL when the table is full. */
static struct gw_state_line *line_of(struct gw_state *state, uint32_t spi, bool receives, const char *name)
{
	struct gw_state_line *line;

	for (size_t i = 0; i < state->line_count; i++) {
		line = &state->lines[i];
		if (line->spi == spi && line->receives == receives && strcmp(line->name, name) == 0)
			return line;
	}
	if (state->line_count == GW_SAS * 2)
		return NULL;
	line = &state->lines[state->line_count++];
	line->spi = spi;
	line->receives = receives;
	memcpy(line->name, name, strlen(name) + 1); /* name_fits() measured it */
	return line;
}

/* What a crash skips, blocks asked for early included, must stay below the half of
 * 2^bits: that far ahead the receiver reads a number right, whatever its window. */
static uint64_t step(const struct gateway *gw, uint32_t bits)
{
	uint64_t quarter = bits > 2 ? UINT64_C(1) << (bits - 2) : 1;

	return bits >= 32 || gw->settings.state_block < quarter ? gw->settings.state_block : quarter;
}

static int attach(struct gateway *gw, uint32_t sa, const sprat_sa_info *info)
{
	struct gw_state *state = &gw->state;
	const char *name = gw->names[sa];
	bool receives = info->direction == SPRAT_IN;
	uint64_t limit = limit_of(state, info->spi, receives);
	struct gw_state_line *line;

	if (!name_fits(name)) {
		gw_say("SA 0x%08" PRIx32 ": its name cannot stand in the state file: use 1 to 127 printable characters",
		       info->spi);
		return -1;
	}
	line = line_of(state, info->spi, receives, name);
	if (line == NULL) {
		gw_say("%s: no room for more than %d SAs, with those of earlier configurations: "
		       "give all SAs new keys and SPIs, then remove the file", state->path, GW_SAS * 2);
		return -1;
	}
	/* The configuration may start an SA further on. */
	line->limit = limit = limit > info->sn ? limit : info->sn;
	state->line_of[sa] = (size_t)(line - state->lines);
	state->step_of[sa] = step(gw, info->sn_bits);
	/* Nothing is reserved yet: the first packet asks for a block, so that a
	 * restart without traffic costs no numbers. */
	if (sprat_ipsec_sa_skip_to(gw->ipsec, sa, limit) != SPRAT_OK ||
	    (!receives && sprat_ipsec_sa_reserve(gw->ipsec, sa, limit) != SPRAT_OK)) {
		gw_say("SA %s: sequence numbers cannot go on behind %" PRIu64, name, limit);
		return -1;
	}
	return 0;
}

static bool about(struct gateway *gw, uint32_t sa, sprat_sa_info *info)
{
	*info = (sprat_sa_info)SPRAT_SA_INFO_INIT;
	return sprat_ipsec_sa_info(gw->ipsec, sa, info) == SPRAT_OK;
}

/* A receiver that gets the whole number needs no memory of it. */
static bool needs_line(const sprat_sa_info *info)
{
	return info->direction == SPRAT_OUT || info->sn_bits < 32;
}

int gw_state_open(struct gateway *gw, uid_t uid, gid_t gid)
{
	struct gw_state *state = &gw->state;
	const char *path = gw->settings.state_file;
	sprat_sa_info info;

	if (path == NULL || *path == '\0' || strlen(path) >= sizeof state->path) {
		gw_say("gateway.state_file is missing: without it a restart would use sequence numbers twice");
		return -1;
	}
	strcpy(state->path, path);
	if (open_directory(state, uid, gid) != 0 || take_lock(state, uid, gid) != 0 || read_file(state) != 0)
		return -1;
	for (uint32_t sa = 0; sa < sprat_ipsec_sa_count(gw->ipsec); sa++)
		if (about(gw, sa, &info) && needs_line(&info) && attach(gw, sa, &info) != 0)
			return -1;
	return 0;
}

int gw_state_prove(struct gateway *gw)
{
	return write_file(&gw->state) == 0 ? 0 : gw_fail("%s cannot be written", gw->state.path);
}

/* The line of this SA goes to `limit`, on disk too; or it stays. */
static int move_line(struct gateway *gw, struct gw_state_line *line, uint64_t limit, const char *else_what)
{
	struct gw_state *state = &gw->state;
	uint64_t before = line->limit;

	/* A full disk must not cost a system call per packet. */
	if (state->failed_ms != 0 && gw->now_ms - state->failed_ms < RETRY_MS)
		return -1;
	line->limit = limit;
	if (write_file(state) != 0) {
		line->limit = before;
		state->failed_ms = gw->now_ms;
		return gw_fail("%s: %s", state->path, else_what);
	}
	state->failed_ms = 0;
	return 0;
}

int gw_state_reserve(struct gateway *gw, uint32_t sa)
{
	struct gw_state *state = &gw->state;
	struct gw_state_line *line;
	uint64_t limit;

	if (sa >= GW_SAS || state->line_of[sa] == SIZE_MAX)
		return -1;
	line = &state->lines[state->line_of[sa]];
	limit = line->limit > UINT64_MAX - state->step_of[sa] ? UINT64_MAX : line->limit + state->step_of[sa];
	if (move_line(gw, line, limit, "no sequence numbers can be reserved") != 0)
		return -1;
	return sprat_ipsec_sa_reserve(gw->ipsec, sa, limit) == SPRAT_OK ? 0 : -1;
}

void gw_state_heard(struct gateway *gw, uint32_t sa, uint64_t sn)
{
	struct gw_state *state = &gw->state;
	struct gw_state_line *line;

	if (sa >= GW_SAS || state->line_of[sa] == SIZE_MAX)
		return;
	line = &state->lines[state->line_of[sa]];
	/* The next try comes with a later packet, if this one fails. */
	if (sn > line->limit && sn - line->limit >= state->step_of[sa])
		move_line(gw, line, sn, "what was received cannot be written");
}

void gw_state_close(struct gateway *gw)
{
	struct gw_state *state = &gw->state;
	sprat_sa_info info;

	for (uint32_t sa = 0; sa < GW_SAS; sa++)
		if (state->line_of[sa] != SIZE_MAX && about(gw, sa, &info))
			state->lines[state->line_of[sa]].limit = info.sn;
	/* If this fails the file keeps the higher limits: numbers are skipped. */
	if (write_file(state) != 0)
		gw_fail("%s: the last numbers could not be written; the next start skips the block", state->path);
}
