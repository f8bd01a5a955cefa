/* SPDX-License-Identifier: BSD-3-Clause */
/* The stand-ins. */
#include "stub.h"

#include "cfs/cfs.h"
#include "dev/watchdog.h"
#include "lib/aes-128.h"
#include "sys/int-master.h"
#include "sys/log.h"

#include <stdlib.h>
#include <string.h>

struct stub stub;
union stub_buffer stub_buffer;
uint16_t uip_len;
struct stub_interface uip_ds6_if = { 64 };

/* -- The node -- */

void
watchdog_reboot(void)
{
  abort();
}

bool
uip_ds6_is_my_addr(const uip_ipaddr_t *address)
{
  return memcmp(address, stub.address, sizeof(stub.address)) == 0;
}

bool
uip_ds6_is_my_maddr(const uip_ipaddr_t *address)
{
  return memcmp(address, stub.group, sizeof(stub.group)) == 0;
}

bool
uip_is_addr_unspecified(const uip_ipaddr_t *address)
{
  static const uip_ipaddr_t none;

  return memcmp(address, &none, sizeof(none)) == 0;
}

void
netstack_ip_packet_processor_add(struct netstack_ip_packet_processor *processor)
{
  stub.processor = processor;
}

/* The linker gives us the name that --wrap leaves to the wrapped function. */
int __real_rpl_ext_header_update(void);

int
__real_rpl_ext_header_update(void)
{
  stub.routed++;
  return 1;
}

int_master_status_t
int_master_read_and_disable(void)
{
  stub.disabled++;
  return 0x5a;
}

void
int_master_status_set(int_master_status_t status)
{
  stub.enabled += status == 0x5a;
}

void
stub_log(int level, const char *format, ...)
{
  stub.lines[level] += format[0] != 0;
}

void
stub_log_address(const uip_ipaddr_t *address)
{
  stub.lines[0] += address != NULL;
}

/* -- Headers, as the stack walks them: all but three are extension headers -- */

uint8_t *__real_uipbuf_get_next_header(uint8_t *buffer, uint16_t size, uint8_t *protocol,
                                       bool start);

uint8_t *
__real_uipbuf_get_next_header(uint8_t *buffer, uint16_t size, uint8_t *protocol, bool start)
{
  unsigned at = start ? UIP_IPH_LEN : buffer[1] * 8u + 8;
  unsigned need;

  *protocol = buffer[start ? 6 : 0];
  if(at + 2 > size) {
    return NULL;
  }
  need = uip_is_proto_ext_hdr(*protocol) ? buffer[at + 1] * 8u + 8 : 8;
  return at + need > size ? NULL : buffer + at;
}

/* -- AES (FIPS 197), for a test bench: its time depends on the key -- */

static uint8_t key_set[16];

static uint8_t
twice(uint8_t x)
{
  return (uint8_t)(x << 1 ^ (x & 0x80 ? 0x1b : 0));
}

static uint8_t
product(uint8_t a, uint8_t b)
{
  uint8_t sum = 0;

  for(; b != 0; b >>= 1, a = twice(a)) {
    sum ^= b & 1 ? a : 0;
  }
  return sum;
}

/* The S-box: the inverse (x^254) under an affine map (section 5.1.1). */
static uint8_t
substitute(uint8_t x)
{
  static uint8_t known[256];
  uint8_t inverse = 1, out = 0x63;

  if(known[x] != 0) {
    return known[x];
  }
  for(int i = 0; i < 254; i++) {
    inverse = product(inverse, x);
  }
  for(int i = 0; i < 5; i++) {
    out ^= (uint8_t)(inverse << i | inverse >> (8 - i));
  }
  return known[x] = out;
}

static void
next_round_key(uint8_t key[16], uint8_t constant)
{
  uint8_t turned[4];

  for(int i = 0; i < 4; i++) {
    turned[i] = substitute(key[12 + (i + 1) % 4]);
  }
  turned[0] ^= constant;
  for(int i = 0; i < 16; i++) {
    key[i] ^= i < 4 ? turned[i] : key[i - 4];
  }
}

static void
mix_columns(uint8_t block[16])
{
  for(int c = 0; c < 16; c += 4) {
    uint8_t in[4];
    memcpy(in, block + c, 4);
    for(int r = 0; r < 4; r++) {
      block[c + r] = twice(in[r]) ^ twice(in[(r + 1) % 4]) ^ in[(r + 1) % 4] ^
                     in[(r + 2) % 4] ^ in[(r + 3) % 4];
    }
  }
}

void
stub_aes128(const uint8_t key[16], uint8_t block[16])
{
  uint8_t round_key[16], shifted[16], constant = 1;

  memcpy(round_key, key, 16);
  for(int round = 0;; round++) {
    for(int i = 0; i < 16; i++) {
      block[i] ^= round_key[i];
    }
    if(round == 10) {
      return;
    }
    for(int i = 0; i < 16; i++) {
      shifted[i] = substitute(block[(i + 4 * (i % 4)) % 16]);
    }
    memcpy(block, shifted, 16);
    if(round != 9) {
      mix_columns(block);
    }
    next_round_key(round_key, constant);
    constant = twice(constant);
  }
}

static void
set_key(const uint8_t *key)
{
  stub.keys++;
  memcpy(key_set, key, 16);
}

static void
encrypt(uint8_t *block)
{
  stub.blocks++;
  stub_aes128(key_set, block);
}

const struct stub_aes_driver AES_128 = { set_key, encrypt };

/* -- Files -- */

static struct file {
  uint8_t octets[16];
  unsigned length;
  unsigned at;
  int exists;
} files[2];

void
stub_erase(void)
{
  memset(files, 0, sizeof(files));
}

/* The last character of a name tells the file. */
static int
file_of(const char *name)
{
  return name[strlen(name) - 1] - '0';
}

int
cfs_open(const char *name, int flags)
{
  struct file *file = &files[file_of(name)];

  if(stub.no_files || (!file->exists && flags == CFS_READ)) {
    return -1;
  }
  if(!file->exists) {
    file->exists = 1;
    file->length = 0;
  }
  while(file->length > 0 && file->octets[file->length - 1] == 0) {
    file->length--;
    stub.short_files += file->length == sizeof(file->octets) - 1;
  }
  file->at = flags & CFS_APPEND ? file->length : 0;
  return file_of(name);
}

void
cfs_close(int file)
{
  (void)file;
}

cfs_offset_t
cfs_seek(int file, cfs_offset_t offset, int from)
{
  if(from != CFS_SEEK_SET) {
    return -1;
  }
  files[file].at = (unsigned)offset;
  return offset;
}

int
cfs_read(int file, void *octets, unsigned length)
{
  unsigned there = files[file].length - files[file].at;

  if(stub.no_reads) {
    return -1;
  }
  there = there < length ? there : length;
  memcpy(octets, files[file].octets + files[file].at, there);
  return (int)there;
}

int
cfs_write(int file, const void *octets, unsigned length)
{
  unsigned written = length < stub.write_budget ? length : stub.write_budget;

  if(files[file].at < files[file].length) {
    return -1;
  }
  memcpy(files[file].octets, octets, written);
  files[file].length = written;
  stub.write_budget -= written;
  return written == length ? (int)length : -1;
}

int
cfs_remove(const char *name)
{
  struct file *file = &files[file_of(name)];

  if(!file->exists || stub.write_budget == 0) {
    return -1;
  }
  stub.write_budget--;
  file->exists = 0;
  return 0;
}
