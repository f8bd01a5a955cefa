/* sprat-sas.c
 * ESP by sprat: the SAs that the user gave, in a table and in a file
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "packet-sprat.h"

#include <string.h>

#include <glib/gstdio.h>

#include <epan/uat.h>
#include <wsutil/report_message.h>

#define MESSAGE_LEN 4096

/* A row of the table "ESP SAs". */
typedef struct {
    char       *source;
    char       *destination;
    uint32_t    spi;
    guint       mode;
    guint       encr;
    char       *encr_key;
    guint       encr_key_len;
    guint       integ;
    char       *integ_key;
    guint       integ_key_len;
    sprat_bool  esn;
    uint64_t    sequence_start;
    char       *name;
} sprat_row_t;

static sprat_row_t *rows = NULL;
static guint row_count = 0;

static const char *config_path = "";
static GStatBuf config_stat;

static sprat_dissect_ctx *ctx = NULL;
static bool compress = false;
static bool stale = true;

static const value_string mode_names[] = {
    { 0, "any" },
    { 1, "transport" },
    { 2, "tunnel" },
    { 0, NULL }
};

/* Filled from the library, which knows the transforms. */
#define NAMES_MAX 64
static value_string encr_names[NAMES_MAX + 1];
static value_string integ_names[NAMES_MAX + 1];

typedef int32_t (*sprat_list_transforms)(sprat_dissect_transform *, size_t *);

static void
fill_names(value_string *names, sprat_list_transforms list)
{
    sprat_dissect_transform transforms[NAMES_MAX];
    size_t count = NAMES_MAX;

    if (list(transforms, &count) != 0)
        return;
    for (size_t i = 0; i < count; i++) {
        names[i].value = transforms[i].id;
        names[i].strptr = wmem_strndup(wmem_epan_scope(), transforms[i].name.data,
                                       transforms[i].name.len);
    }
}

UAT_CSTRING_CB_DEF(sas, source, sprat_row_t)
UAT_CSTRING_CB_DEF(sas, destination, sprat_row_t)
UAT_HEX_CB_DEF(sas, spi, sprat_row_t)
UAT_VS_DEF(sas, mode, sprat_row_t, guint, 0, "any")
UAT_VS_DEF(sas, encr, sprat_row_t, guint, 20, "ENCR_AES_GCM_16")
UAT_BUFFER_CB_DEF(sas, encr_key, sprat_row_t, encr_key, encr_key_len)
UAT_VS_DEF(sas, integ, sprat_row_t, guint, 0, "NONE")
UAT_BUFFER_CB_DEF(sas, integ_key, sprat_row_t, integ_key, integ_key_len)
UAT_BOOL_CB_DEF(sas, esn, sprat_row_t)
UAT_DEC64_CB_DEF(sas, sequence_start, sprat_row_t)
UAT_CSTRING_CB_DEF(sas, name, sprat_row_t)

static void *
row_copy(void *dest, const void *source, size_t len _U_)
{
    sprat_row_t *to = (sprat_row_t *)dest;
    const sprat_row_t *from = (const sprat_row_t *)source;

    *to = *from;
    to->source = g_strdup(from->source);
    to->destination = g_strdup(from->destination);
    to->name = g_strdup(from->name);
    to->encr_key = (char *)g_memdup2(from->encr_key, from->encr_key_len);
    to->integ_key = (char *)g_memdup2(from->integ_key, from->integ_key_len);
    return to;
}

static void
row_free(void *record)
{
    sprat_row_t *row = (sprat_row_t *)record;

    g_free(row->source);
    g_free(row->destination);
    g_free(row->name);
    g_free(row->encr_key);
    g_free(row->integ_key);
}

static int32_t
row_add(sprat_dissect_ctx *to, const sprat_row_t *row, char *message, size_t *message_len)
{
    sprat_dissect_sa sa;

    memset(&sa, 0, sizeof sa);
    sa.struct_size = sizeof sa;
    sa.spi = row->spi;
    sa.name = row->name;
    sa.source = row->source;
    sa.destination = row->destination;
    sa.mode = (uint8_t)row->mode;
    sa.encr = row->encr;
    sa.encr_key = (const uint8_t *)row->encr_key;
    sa.encr_key_len = row->encr_key_len;
    sa.integ = row->integ;
    sa.integ_key = (const uint8_t *)row->integ_key;
    sa.integ_key_len = row->integ_key_len;
    sa.esn = row->esn ? 1 : 0;
    sa.sequence_start = row->sequence_start;
    return sprat_dissect_ctx_add(to, &sa, message, message_len);
}

/* The library is asked whether it would take the row; its answer is what the
 * user reads. */
static sprat_bool
row_update(void *record, char **error)
{
    sprat_dissect_ctx *trial = NULL;
    char message[MESSAGE_LEN] = "not an SA";
    size_t len = sizeof message;
    int32_t status;

    status = sprat_dissect_ctx_new(&trial);
    if (status == SPRAT_OK)
        status = row_add(trial, (const sprat_row_t *)record, message, &len);
    sprat_dissect_ctx_free(trial);
    if (status == SPRAT_OK)
        return TRUE;
    *error = g_strdup(message);
    return FALSE;
}

void
sprat_sas_changed(void)
{
    stale = true;
}

/* None of a file is taken if any of it is wrong: the user is to mend it. */
static void
add_config(void)
{
    char message[MESSAGE_LEN] = "";
    size_t len = sizeof message;
    sprat_config *config = NULL;
    int32_t status;

    status = sprat_config_load(config_path, &config, message, &len);
    if (status == SPRAT_OK)
        status = sprat_dissect_ctx_add_config(ctx, config);
    sprat_config_free(config);
    if (status != SPRAT_OK)
        report_failure("sprat: no SA was taken from the configuration file:\n%s",
                       message[0] != '\0' ? message : sprat_status_text(status));
}

static void
rebuild(void)
{
    char message[MESSAGE_LEN];

    stale = compress = false;
    sprat_dissect_ctx_free(ctx);
    ctx = NULL;
    if (sprat_dissect_ctx_new(&ctx) != SPRAT_OK)
        return;
    for (guint i = 0; i < row_count; i++) {
        size_t len = sizeof message;

        /* A row that is wrong was refused when it was edited. */
        row_add(ctx, &rows[i], message, &len);
    }
    if (config_path[0] != '\0')
        add_config();
    compress = sprat_dissect_ctx_compresses(ctx) != 0;
}

/* A file that was written anew is read anew with the next capture. */
static bool
config_changed(void)
{
    GStatBuf now;

    memset(&now, 0, sizeof now);
    if (config_path[0] != '\0' && g_stat(config_path, &now) != 0)
        memset(&now, 0, sizeof now);
    if (now.st_mtime == config_stat.st_mtime && now.st_size == config_stat.st_size &&
        now.st_ino == config_stat.st_ino)
        return false;
    config_stat = now;
    return true;
}

void
sprat_sas_open(void)
{
    if (config_changed() || stale)
        rebuild();
}

const sprat_dissect_ctx *
sprat_sas(void)
{
    if (stale)
        rebuild();
    return sprat_dissect_ctx_count(ctx) != 0 ? ctx : NULL;
}

bool
sprat_sas_compress(void)
{
    return compress;
}

void
sprat_sas_register(module_t *module)
{
    static uat_field_t columns[] = {
        UAT_FLD_CSTRING(sas, source, "Source", "* or nothing: any; an address; a prefix such as 10.0.0.0/8"),
        UAT_FLD_CSTRING(sas, destination, "Destination", "* or nothing: any; an address; a prefix such as 10.0.0.0/8"),
        UAT_FLD_HEX(sas, spi, "SPI", "Security Parameters Index, hexadecimal"),
        UAT_FLD_VS(sas, mode, "Mode", mode_names, "any: as Next Header says"),
        UAT_FLD_VS(sas, encr, "Encryption", encr_names, "Encryption transform"),
        UAT_FLD_BUFFER(sas, encr_key, "Encryption key", "Key and behind it the salt, if the transform has one"),
        UAT_FLD_VS(sas, integ, "Integrity", integ_names, "Integrity transform; NONE with CCM, GCM, GMAC and ChaCha20-Poly1305"),
        UAT_FLD_BUFFER(sas, integ_key, "Integrity key", "Key of the integrity transform"),
        UAT_FLD_BOOL(sas, esn, "64-bit SN", "Extended sequence numbers: the high half is not sent"),
        UAT_FLD_DEC64(sas, sequence_start, "Start", "64-bit SN only: a number just before the first of the capture; 0: not known"),
        UAT_FLD_CSTRING(sas, name, "Name", "Shown with each packet"),
        UAT_END_FIELDS
    };
    uat_t *uat;

    fill_names(encr_names, sprat_dissect_encr);
    fill_names(integ_names, sprat_dissect_integ);
    uat = uat_new("ESP SAs (sprat)", sizeof(sprat_row_t), "sprat_sas", TRUE, &rows, &row_count,
                  UAT_AFFECTS_DISSECTION, NULL, row_copy, row_update, row_free,
                  sprat_sas_changed, NULL, columns);
    prefs_register_uat_preference(module, "sas", "ESP SAs",
                                  "Security associations with their keys", uat);
    prefs_register_filename_preference(module, "config", "Configuration file",
                                       "SAs in the TOML format that the sprat command and the gateway read; "
                                       "read anew when it has changed and a capture is opened",
                                       &config_path, FALSE);
}
