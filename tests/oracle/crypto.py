"""Encryption and integrity of ESP (RFC 4303) over a compressed clear text."""

import hashlib
import hmac
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM, ChaCha20Poly1305


@dataclass(frozen=True)
class Encr:
    """An encryption transform; sizes in octets, `icv` 0 where an integrity transform makes it."""

    number: int
    form: str
    keys: tuple[int, ...]
    salt: int
    iv: int
    icv: int
    block: int = 1


AES = (16, 24, 32)
ENCR = {
    "ENCR_NULL": Encr(11, "null", (0,), 0, 0, 0),
    "ENCR_AES_CBC": Encr(12, "cbc", AES, 0, 16, 0, 16),
    "ENCR_AES_CTR": Encr(13, "ctr", AES, 4, 8, 0),
    "ENCR_AES_CCM_8": Encr(14, "ccm", AES, 3, 8, 8),
    "ENCR_AES_CCM_12": Encr(15, "ccm", AES, 3, 8, 12),
    "ENCR_AES_CCM_16": Encr(16, "ccm", AES, 3, 8, 16),
    "ENCR_AES_GCM_8": Encr(18, "gcm", AES, 4, 8, 8),
    "ENCR_AES_GCM_12": Encr(19, "gcm", AES, 4, 8, 12),
    "ENCR_AES_GCM_16": Encr(20, "gcm", AES, 4, 8, 16),
    "ENCR_CHACHA20_POLY1305": Encr(28, "chacha", (32,), 4, 8, 16),
    "ENCR_AES_CCM_8_IIV": Encr(29, "ccm", AES, 3, 0, 8),
    "ENCR_AES_GCM_16_IIV": Encr(30, "gcm", AES, 4, 0, 16),
    "ENCR_CHACHA20_POLY1305_IIV": Encr(31, "chacha", (32,), 4, 0, 16),
}
# Key and ICV in octets.
INTEG = {
    "AUTH_HMAC_SHA1_96": ("sha1", 20, 12),
    "AUTH_HMAC_SHA2_256_128": ("sha256", 32, 16),
    "AUTH_HMAC_SHA2_384_192": ("sha384", 48, 24),
    "AUTH_HMAC_SHA2_512_256": ("sha512", 64, 32),
}


class BadIcv(Exception):
    """The ICV is not that of the packet."""


@dataclass(frozen=True)
class Sa:
    """Keys and numbers of one SA; `encr` is `ENCR_…`, or `ENCR_…+AUTH_…`."""

    encr: str
    key: bytes
    salt: bytes
    auth_key: bytes
    spi: int
    esn: bool

    @property
    def cipher(self) -> Encr:
        return ENCR[self.encr.partition("+")[0]]

    @property
    def integ(self) -> str:
        return self.encr.partition("+")[2]

    @property
    def icv_len(self) -> int:
        return self.cipher.icv or INTEG[self.integ][2]

    def nonce(self, sn: int, iv: bytes) -> bytes:
        return self.salt + (iv if self.cipher.iv else sn.to_bytes(8, "big"))

    def aad(self, sn: int) -> bytes:
        """SPI and SN in full, whatever of them is on the wire."""
        return self.spi.to_bytes(4, "big") + sn.to_bytes(8 if self.esn else 4, "big")

    def _mac(self, sn: int, iv: bytes, text: bytes) -> bytes:
        name, _, cut = INTEG[self.integ]
        number = sn.to_bytes(8, "big")
        data = self.spi.to_bytes(4, "big") + number[4:] + iv + text + (number[:4] if self.esn else b"")
        return hmac.new(self.auth_key, data, getattr(hashlib, name)).digest()[:cut]

    def _stream(self, iv: bytes) -> Cipher:
        block = modes.CBC(iv) if self.cipher.form == "cbc" else modes.CTR(self.salt + iv + bytes([0, 0, 0, 1]))
        return Cipher(algorithms.AES(self.key), block)

    def _aead(self) -> AESCCM | ChaCha20Poly1305:
        if self.cipher.form == "ccm":
            return AESCCM(self.key, tag_length=self.cipher.icv)
        return ChaCha20Poly1305(self.key)

    def seal(self, sn: int, iv: bytes, text: bytes) -> tuple[bytes, bytes]:
        """Cipher text and ICV."""
        match self.cipher.form:
            case "gcm":
                both = AESGCM(self.key).encrypt(self.nonce(sn, iv), text, self.aad(sn))
                return both[:-16], both[-16:][: self.cipher.icv]
            case "ccm" | "chacha":
                both = self._aead().encrypt(self.nonce(sn, iv), text, self.aad(sn))
                return both[: len(text)], both[len(text) :]
            case "null":
                return text, self._mac(sn, iv, text)
        encryptor = self._stream(iv).encryptor()
        text = encryptor.update(text) + encryptor.finalize()
        return text, self._mac(sn, iv, text)

    def open(self, sn: int, iv: bytes, text: bytes, icv: bytes) -> bytes:
        """The clear text, or BadIcv."""
        match self.cipher.form:
            case "gcm":
                # The library takes no short tag here: GCM's stream is CTR from block 2.
                counter = modes.CTR(self.nonce(sn, iv) + bytes([0, 0, 0, 2]))
                clear = Cipher(algorithms.AES(self.key), counter).decryptor().update(text)
                return self._checked(clear, self.seal(sn, iv, clear)[1], icv)
            case "ccm" | "chacha":
                try:
                    return self._aead().decrypt(self.nonce(sn, iv), text + icv, self.aad(sn))
                except InvalidTag as error:
                    raise BadIcv from error
            case "null":
                return self._checked(text, self._mac(sn, iv, text), icv)
        self._checked(b"", self._mac(sn, iv, text), icv)
        decryptor = self._stream(iv).decryptor()
        return decryptor.update(text) + decryptor.finalize()

    @staticmethod
    def _checked(clear: bytes, want: bytes, got: bytes) -> bytes:
        if want != got:
            raise BadIcv
        return clear
