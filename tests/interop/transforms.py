"""Transforms, keys and SAs that the interop peers share."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Encr:
    """An encryption transform; sizes in octets, `icv` 0 where an integrity transform makes it."""

    keys: tuple[int, ...]
    salt: int
    icv: int
    xfrm: str


@dataclass(frozen=True)
class Integ:
    """An integrity transform; sizes in octets."""

    key: int
    icv: int
    xfrm: str


AES = (16, 24, 32)
CCM, GCM = "rfc4309(ccm(aes))", "rfc4106(gcm(aes))"

ENCR = {
    "ENCR_AES_CCM_8": Encr(AES, 3, 8, CCM),
    "ENCR_AES_CCM_12": Encr(AES, 3, 12, CCM),
    "ENCR_AES_CCM_16": Encr(AES, 3, 16, CCM),
    "ENCR_AES_GCM_8": Encr(AES, 4, 8, GCM),
    "ENCR_AES_GCM_12": Encr(AES, 4, 12, GCM),
    "ENCR_AES_GCM_16": Encr(AES, 4, 16, GCM),
    "ENCR_CHACHA20_POLY1305": Encr((32,), 4, 16, "rfc7539esp(chacha20,poly1305)"),
    "ENCR_NULL_AUTH_AES_GMAC": Encr(AES, 4, 16, "rfc4543(gcm(aes))"),
    "ENCR_AES_CBC": Encr(AES, 0, 0, "cbc(aes)"),
    "ENCR_AES_CTR": Encr(AES, 4, 0, "rfc3686(ctr(aes))"),
    "ENCR_NULL": Encr((0,), 0, 0, "ecb(cipher_null)"),
    "ENCR_3DES": Encr((24,), 0, 0, "cbc(des3_ede)"),
}

INTEG = {
    "AUTH_HMAC_SHA1_96": Integ(20, 12, "hmac(sha1)"),
    "AUTH_HMAC_SHA2_256_128": Integ(32, 16, "hmac(sha256)"),
    "AUTH_HMAC_SHA2_384_192": Integ(48, 24, "hmac(sha384)"),
    "AUTH_HMAC_SHA2_512_256": Integ(64, 32, "hmac(sha512)"),
    "AUTH_AES_XCBC_96": Integ(16, 12, "xcbc(aes)"),
    "AUTH_AES_CMAC_96": Integ(16, 12, "cmac(aes)"),
    "AUTH_HMAC_MD5_96": Integ(16, 12, "hmac(md5)"),
    "PRIV_HMAC_SHA2_256_96": Integ(32, 12, "hmac(sha256)"),
}


@dataclass(frozen=True)
class Transform:
    """A legal pair of an encryption transform of one key size and an integrity transform."""

    encr: str
    key: int
    integ: str = "NONE"

    @property
    def name(self) -> str:
        bits = f"-{8 * self.key}" if len(ENCR[self.encr].keys) > 1 else ""
        integ = "" if self.integ == "NONE" else f"+{self.integ}"
        return f"{self.encr}{bits}{integ}"

    @property
    def icv(self) -> int:
        return ENCR[self.encr].icv or INTEG[self.integ].icv


def transforms() -> Iterator[Transform]:
    """Every key size, and every integrity transform beside CBC and NULL."""
    for encr, row in ENCR.items():
        if row.icv:
            yield from (Transform(encr, key) for key in row.keys)
    for integ in INTEG:
        yield Transform("ENCR_AES_CBC", 16, integ)
        yield Transform("ENCR_NULL", 0, integ)
    for key in AES[1:]:
        yield Transform("ENCR_AES_CBC", key, "AUTH_HMAC_SHA2_256_128")
    for key in AES:
        yield Transform("ENCR_AES_CTR", key, "AUTH_HMAC_SHA2_256_128")
    yield Transform("ENCR_3DES", 24, "AUTH_HMAC_SHA1_96")
    yield Transform("ENCR_3DES", 24, "AUTH_HMAC_MD5_96")


@dataclass(frozen=True)
class Sa:
    """One direction. `seq` is the last number used, 64 bit with `esn`."""

    name: str
    transform: Transform
    spi: int
    mode: str
    source: str
    destination: str
    esn: bool = False
    udp: bool = False
    seq: int = 0

    def _secret(self, what: str, octets: int) -> bytes:
        return hashlib.shake_256(f"{self.name} {what}".encode()).digest(octets)

    @property
    def encr_key(self) -> bytes:
        return self._secret("encr", self.transform.key)

    @property
    def salt(self) -> bytes:
        return self._secret("salt", ENCR[self.transform.encr].salt)

    @property
    def integ_key(self) -> bytes:
        integ = self.transform.integ
        return b"" if integ == "NONE" else self._secret("integ", INTEG[integ].key)
