"""SCHC rules: matching, compression and decompression of header fields (RFC 8724 sections 7.1 to 7.4).

Bits are text of `0` and `1`, the most significant first. A header is a mapping
of field identifiers to numbers. What a profile computes is left out of a
residue, and of what `decompress` returns.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Residue = list[tuple[str, str]]


class NoMatch(Exception):
    """The header does not fit the rule; the text says which field."""


class Truncated(Exception):
    """The residue ends before the rule does."""


class BadIndex(Exception):
    """A mapping index beyond the end of the list of values."""


@dataclass(frozen=True)
class Field:
    """A field descriptor. FP is 1 and DI plays no part: a rule serves one direction.

    `length` is FL in bits. `target` is TV: a number, for MSB the `prefix`
    leading bits as a number, for match-mapping the list of values.
    """

    fid: str
    length: int
    target: int | Sequence[int] | None
    matching: str
    action: str
    prefix: int = 0


class Reader:
    """Takes bits from the front of a string of octets."""

    def __init__(self, octets: bytes) -> None:
        self.octets = octets
        self.at = 0

    def take(self, count: int) -> int:
        if self.at + count > 8 * len(self.octets):
            raise Truncated
        value = 0
        for position in range(self.at, self.at + count):
            value = value << 1 | self.octets[position // 8] >> (7 - position % 8) & 1
        self.at += count
        return value

    def rest(self) -> bytes:
        """The octets behind the last one that was begun."""
        return self.octets[(self.at + 7) // 8 :]


def bits(value: int, count: int) -> str:
    return format(value, f"0{count}b") if count else ""


def octets(text: str) -> bytes:
    """Whole octets of `text`, filled up with zero bits."""
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big") if text else b""


def index_bits(values: Sequence[int]) -> int:
    """The least number of bits that number each of the values."""
    return (len(values) - 1).bit_length()


def matches(field: Field, value: int) -> bool:
    match field.matching:
        case "ignore":
            return True
        case "equal":
            return value == field.target
        case "MSB":
            return value >> (field.length - field.prefix) == field.target
        case "match-mapping":
            return value in field.target
    raise ValueError(field.matching)


def compress_field(field: Field, value: int) -> str:
    match field.action:
        case "not-sent" | "compute":
            return ""
        case "value-sent":
            return bits(value, field.length)
        case "LSB":
            left = field.length - field.prefix
            return bits(value & (1 << left) - 1, left)
        case "mapping-sent":
            return bits(list(field.target).index(value), index_bits(field.target))
    raise ValueError(field.action)


def compress(rule: Sequence[Field], header: Mapping[str, int]) -> Residue:
    """The residue of each field in the order of the rule, or NoMatch."""
    for field in rule:
        if not matches(field, header[field.fid]):
            raise NoMatch(field.fid)
    return [(field.fid, compress_field(field, header[field.fid])) for field in rule]


def decompress_field(field: Field, reader: Reader) -> int:
    match field.action:
        case "not-sent":
            return field.target
        case "value-sent":
            return reader.take(field.length)
        case "LSB":
            left = field.length - field.prefix
            return field.target << left | reader.take(left)
        case "mapping-sent":
            index = reader.take(index_bits(field.target))
            if index >= len(field.target):
                raise BadIndex
            return field.target[index]
    raise ValueError(field.action)


def decompress(rule: Sequence[Field], reader: Reader) -> dict[str, int]:
    """The fields that the rule or the residue holds; computed ones are absent."""
    return {field.fid: decompress_field(field, reader) for field in rule if field.action != "compute"}
