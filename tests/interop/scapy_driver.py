"""scapy's IPsec layer behind the interface that our own command is driven by."""

from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.ipsec import AUTH_ALGOS, CRYPT_ALGOS, ESP, IPSecIntegrityError, SecurityAssociation

from transforms import ENCR, Sa, Transform

# GCM with an ICV of 8 or 12 is left out: scapy sends 16 octets whatever the SA says.
CRYPT = {
    "ENCR_AES_CCM_8": "AES-CCM",
    "ENCR_AES_CCM_12": "AES-CCM",
    "ENCR_AES_CCM_16": "AES-CCM",
    "ENCR_AES_GCM_16": "AES-GCM",
    "ENCR_CHACHA20_POLY1305": "CHACHA20-POLY1305",
    "ENCR_NULL_AUTH_AES_GMAC": "AES-NULL-GMAC",
    "ENCR_AES_CBC": "AES-CBC",
    "ENCR_AES_CTR": "AES-CTR",
    "ENCR_NULL": "NULL",
    "ENCR_3DES": "3DES",
}

AUTH = {
    "NONE": "NULL",
    "AUTH_HMAC_SHA1_96": "HMAC-SHA1-96",
    "AUTH_HMAC_SHA2_256_128": "SHA2-256-128",
    "AUTH_HMAC_SHA2_384_192": "SHA2-384-192",
    "AUTH_HMAC_SHA2_512_256": "SHA2-512-256",
    "AUTH_AES_CMAC_96": "AES-CMAC-96",
    "AUTH_HMAC_MD5_96": "HMAC-MD5-96",
}

MISSING = {*CRYPT.values(), *AUTH.values()} - {*CRYPT_ALGOS, *AUTH_ALGOS}
if MISSING:
    raise ImportError(f"this scapy has no {', '.join(sorted(MISSING))}")


def supports(transform: Transform) -> bool:
    return transform.encr in CRYPT and transform.integ in AUTH


def ip_class(address: str) -> type:
    return IPv6 if ":" in address else IP


class ScapyDriver:
    name = "scapy"
    replay_window = False

    def _association(self, sa: Sa, seq: int) -> SecurityAssociation:
        # The number goes into the constructor: `encrypt(seq_num=0)` would be ignored.
        return SecurityAssociation(
            ESP,
            spi=sa.spi,
            seq_num=seq & 0xFFFFFFFF,
            crypt_algo=CRYPT[sa.transform.encr],
            crypt_key=sa.encr_key + sa.salt,
            crypt_icv_size=ENCR[sa.transform.encr].icv or None,
            auth_algo=AUTH[sa.transform.integ],
            auth_key=sa.integ_key,
            tunnel_header=ip_class(sa.source)(src=sa.source, dst=sa.destination) if sa.mode == "tunnel" else None,
            nat_t_header=UDP(sport=4500, dport=4500) if sa.udp else None,
            esn_en=sa.esn,
            esn=seq >> 32,
        )

    def seal(self, sa: Sa, packets: list[bytes]) -> list[bytes]:
        def one(number: int, octets: bytes) -> bytes:
            cls = IPv6 if octets[0] >> 4 == 6 else IP
            return bytes(self._association(sa, sa.seq + 1 + number).encrypt(cls(octets)))

        return [one(number, octets) for number, octets in enumerate(packets)]

    def open(self, sa: Sa, packets: list[bytes]) -> tuple[list[bytes], list[str]]:
        def one(octets: bytes) -> bytes | None:
            received = ip_class(sa.source)(octets)
            # Behind the last number used: a smaller low half belongs to the next high half.
            high = (sa.seq >> 32) + (sa.esn and received[ESP].seq <= sa.seq & 0xFFFFFFFF)
            try:
                return bytes(self._association(sa, high << 32).decrypt(received))
            except IPSecIntegrityError:
                return None

        results = [one(octets) for octets in packets]
        return [clear for clear in results if clear is not None], ["integrity"] * results.count(None)
