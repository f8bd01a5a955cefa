/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers in flash whose power may end at any octet. */
#include "riot.h"
#include "sprat_mtd.h"

#include <errno.h>

enum { SPI = 0x11000901, FIRST = 1, AHEAD = 3, PLENTY = 100000 };

static const uint8_t KEY[16] = { 7 }, SALT[3] = { 8 };

/* A start of the node: until its power ends, or ten packets. The number behind the last. */
static uint64_t
live(unsigned budget, uint64_t used, unsigned *sent)
{
  static sprat_mtd keep;
  sprat_mote_params p = { 0 };
  sprat_mote_sa sa;
  uint64_t sn = 0;

  stub_power.budget = budget;
  int32_t res = sprat_mtd_open(&keep, &stub_flash, FIRST, SPI, AHEAD, &p.last_sn);
  CHECK_EQ(res, used == 0 && res == SPRAT_E_NOT_FOUND ? SPRAT_E_NOT_FOUND : SPRAT_OK);
  CHECK(p.last_sn >= used);
  p.spi = SPI;
  p.out = 1;
  p.implicit_iv = 1;
  p.key = KEY;
  p.salt = SALT;
  p.port = &keep.port;
  CHECK_EQ(sprat_mote_sa_init(&sa, &p), SPRAT_OK);
  for(int i = 0; i < 10; i++) {
    pkt packet = datagram(OWN, PEER, PORT);
    int32_t verdict = sprat_mote_seal(&sa, packet.octets, &packet.length, PACKET_ROOM);
    if(verdict == SPRAT_DROP_SN_UNRESERVED) {
      break;
    }
    CHECK_EQ(verdict, SPRAT_OK);
    CHECK(sprat_mote_sa_sn(&sa, &sn) == SPRAT_OK && sn > used);
    used = sn;
    ++*sent;
  }
  return used;
}

static void
power_cuts(void)
{
  const unsigned write = STUB_PAGES * STUB_PAGE + 16;

  for(unsigned cut = 1; cut <= 4 * write + 2; cut++) {
    uint64_t used = 0;
    unsigned sent = 0, before;
    stub_flash_erase();
    used = live(cut % 2 ? PLENTY : cut, used, &sent);
    used = live(cut, used, &sent);
    used = live(cut, used, &sent);
    before = sent;
    live(PLENTY, used, &sent);
    CHECK_EQ(sent, before + 10);
  }
}

/* Numbers are stored where they should, and nowhere else. */
static void
placed(void)
{
  uint8_t page[16], blank[16];
  unsigned sent = 0;

  stub_flash_erase();
  live(PLENTY, live(PLENTY, 0, &sent), &sent);
  CHECK_EQ(sent, 20);
  memset(blank, 0xff, sizeof(blank));
  for(uint32_t i = 0; i < STUB_SECTORS * STUB_PAGES; i++) {
    CHECK_EQ(mtd_read_page(&stub_flash, page, i, 0, 16), 0);
    int used = i == FIRST * STUB_PAGES || i == (FIRST + 1) * STUB_PAGES;
    CHECK_EQ(memcmp(page, blank, 16) != 0, used);
  }
}

static void
unreadable(void)
{
  sprat_mtd keep;
  uint64_t sn = 9;
  unsigned sent = 0;

  for(unsigned sector = FIRST; sector < FIRST + 2; sector++) {
    stub_flash_erase();
    live(PLENTY, 0, &sent);
    CHECK_EQ(sprat_mtd_open(&keep, &stub_flash, FIRST, SPI, AHEAD, &sn), SPRAT_OK);
    stub_power.unreadable = sector + 1;
    /* An SA that is running stops, before it does without its storage. */
    CHECK(keep.port.store(keep.port.context, SPI, sn + AHEAD) != 0);
    CHECK_EQ(sprat_mtd_open(&keep, &stub_flash, FIRST, SPI, AHEAD, &sn), SPRAT_E_INTERNAL);
    stub_power.unreadable = 0;
    CHECK_EQ(sprat_mtd_open(&keep, &stub_flash, FIRST, SPI, AHEAD, &sn), SPRAT_OK);
    CHECK(sn > 0);
    CHECK_EQ(keep.port.store(keep.port.context, SPI, sn), SPRAT_E_INTERNAL);
    CHECK_EQ(keep.port.store(keep.port.context, SPI, sn + 1), 0);
  }
  CHECK_EQ(sprat_mtd_open(&keep, &stub_flash, FIRST, SPI + 1, AHEAD, &sn), SPRAT_E_NOT_FOUND);
  CHECK_EQ(sn, 0);
}

/* What cannot be erased is not trusted, though it reads as if it were. */
static void
worn(void)
{
  sprat_mtd keep;
  uint64_t sn;

  stub_flash_erase();
  stub_power.budget = PLENTY;
  CHECK_EQ(sprat_mtd_open(&keep, &stub_flash, FIRST, SPI, AHEAD, &sn), SPRAT_E_NOT_FOUND);
  CHECK(keep.port.aes128 == sprat_riot_port.aes128 && keep.port.ahead == AHEAD);
  stub_power.worn = FIRST + 1;
  CHECK(keep.port.store(keep.port.context, SPI, AHEAD) != 0);
  stub_power.worn = 0;
  CHECK_EQ(keep.port.store(keep.port.context, SPI, AHEAD), 0);
}

static int32_t
open_with(uint32_t first, uint32_t ahead, mtd_dev_t shape)
{
  const mtd_dev_t flash = stub_flash;
  sprat_mtd keep;
  uint64_t sn = 1;

  stub_flash = shape;
  int32_t res = sprat_mtd_open(&keep, &stub_flash, first, SPI, ahead, &sn);
  stub_flash = flash;
  CHECK_EQ(sn, 0);
  return res;
}

static void
arguments(void)
{
  const mtd_dev_t flash = stub_flash;
  mtd_dev_t other = flash;
  sprat_mtd keep;
  uint64_t sn;

  stub_flash_erase();
  CHECK_EQ(sprat_mtd_open(NULL, &stub_flash, 0, SPI, 1, &sn), SPRAT_E_NULL);
  CHECK_EQ(sprat_mtd_open(&keep, NULL, 0, SPI, 1, &sn), SPRAT_E_NULL);
  CHECK_EQ(sprat_mtd_open(&keep, &stub_flash, 0, SPI, 1, NULL), SPRAT_E_NULL);
  CHECK_EQ(open_with(0, 0, flash), SPRAT_E_ARGUMENT);
  CHECK_EQ(open_with(STUB_SECTORS - 1, 1, flash), SPRAT_E_ARGUMENT);
  CHECK_EQ(open_with(UINT32_MAX, 1, flash), SPRAT_E_ARGUMENT);
  CHECK_EQ(open_with(STUB_SECTORS - 2, 1, flash), SPRAT_E_NOT_FOUND);
  other.sector_count = 1;
  CHECK_EQ(open_with(0, 1, other), SPRAT_E_ARGUMENT);
  other = flash;
  other.write_size = 32;
  CHECK_EQ(open_with(0, 1, other), SPRAT_E_ARGUMENT);
  other.write_size = 0;
  CHECK_EQ(open_with(0, 1, other), SPRAT_E_NOT_FOUND);
  other.page_size = 8;
  CHECK_EQ(open_with(0, 1, other), SPRAT_E_ARGUMENT);
  stub_power.init = -ENODEV;
  CHECK_EQ(open_with(0, 1, flash), SPRAT_E_INTERNAL);
  stub_power.init = 0;
}

void
test_numbers(void)
{
  arguments();
  worn();
  placed();
  unreadable();
  power_cuts();
}
