//! What C sees of dissection: structs and numbers.

use core::ffi::c_char;

use crate::boundary::Versioned;

/// Text of a given length, without a zero behind it; UTF-8.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sprat_text {
    /// First octet; NULL only with len 0.
    pub data: *const c_char,
    /// Octets.
    pub len: usize,
}

/// A heading over other fields.
pub const SPRAT_DISSECT_KIND_LABEL: u32 = 0;
/// 0 or 1.
pub const SPRAT_DISSECT_KIND_BOOLEAN: u32 = 1;
/// Unsigned, 8 bits.
pub const SPRAT_DISSECT_KIND_UINT8: u32 = 2;
/// Unsigned, 32 bits.
pub const SPRAT_DISSECT_KIND_UINT32: u32 = 3;
/// Unsigned, 64 bits.
pub const SPRAT_DISSECT_KIND_UINT64: u32 = 4;
/// Octets.
pub const SPRAT_DISSECT_KIND_BYTES: u32 = 5;
/// Text.
pub const SPRAT_DISSECT_KIND_TEXT: u32 = 6;
/// Unsigned, 8 bits: a number of the IP protocol registry.
pub const SPRAT_DISSECT_KIND_PROTOCOL: u32 = 7;
/// Signed, 32 bits: the low half of the number.
pub const SPRAT_DISSECT_KIND_INT32: u32 = 8;
/// An IPv4 address: 4 octets.
pub const SPRAT_DISSECT_KIND_IPV4: u32 = 9;
/// An IPv6 address: 16 octets.
pub const SPRAT_DISSECT_KIND_IPV6: u32 = 10;
/// Bits: `number` tells how many, the octets hold them, the first one in the
/// highest bit of the first octet.
pub const SPRAT_DISSECT_KIND_BITS: u32 = 11;
/// Unsigned, 16 bits.
pub const SPRAT_DISSECT_KIND_UINT16: u32 = 12;

/// The remark for a TCP stream that is not framed as RFC 9329 says.
pub const SPRAT_DISSECT_EXPERT_STREAM: u32 = 27;
/// The remark for a packet on which sprat_dissect() failed.
pub const SPRAT_DISSECT_EXPERT_PANIC: u32 = 202;

/// The remark for a compressed packet that cannot be what its SA makes of it.
pub const SPRAT_DISSECT_EXPERT_CONTRADICTION: u32 = 205;
/// The remark for a packet of a compressed SA inside which another dissector runs
/// past the end. It is the caller's to make.
pub const SPRAT_DISSECT_EXPERT_INNER_MALFORMED: u32 = 206;

/// A field that a display filter can name. The texts live as long as the code.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sprat_dissect_field {
    /// What a display filter calls it, such as "sprat.esp.spi".
    pub abbrev: sprat_text,
    /// Its name in the tree.
    pub name: sprat_text,
    /// One sentence about it.
    pub about: sprat_text,
    /// SPRAT_DISSECT_KIND_...: type of its value.
    pub kind: u8,
    /// 0 not a number, 1 decimal, 2 hexadecimal.
    pub base: u8,
    /// 1: to be shown in the line of its parent too.
    pub in_parent: u8,
    /// Bits of the octets that the value is taken from; 0 = all. No ESP field is
    /// smaller than an octet; the member is there for other protocols.
    pub mask: u64,
}

/// A remark on a packet. The texts live as long as the code.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sprat_dissect_expert {
    /// What a span calls it; never 0. Below 200 it is a drop reason.
    pub code: u8,
    /// 0 security, 1 sequence, 2 malformed, 3 undecoded, 4 protocol.
    pub group: u8,
    /// 0 chat, 1 note, 2 warning, 3 error.
    pub severity: u8,
    /// Its name, such as "integrity": of a drop reason, the counter's.
    pub name: sprat_text,
    /// One sentence, without a full stop.
    pub text: sprat_text,
}

/// A transform that this build can use.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sprat_dissect_transform {
    /// Number in the IKEv2 registry; from 1024 on private.
    pub id: u32,
    /// Its name there; lives as long as the code.
    pub name: sprat_text,
}

/// One SA of a table that a user edits.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sprat_dissect_sa {
    /// sizeof(sprat_dissect_sa).
    pub struct_size: u32,
    /// SPI, 256 or more.
    pub spi: u32,
    /// Name, zero-terminated; NULL = none.
    pub name: *const c_char,
    /// Source: an address, a prefix such as "10.0.0.0/8", or "*" or NULL for any.
    pub source: *const c_char,
    /// Destination, likewise.
    pub destination: *const c_char,
    /// Encryption transform, by number.
    pub encr: u32,
    /// Integrity transform, by number; 0 with one that makes its own ICV.
    pub integ: u32,
    /// Encryption key and behind it the salt, if the transform has one.
    pub encr_key: *const u8,
    /// Octets of both.
    pub encr_key_len: usize,
    /// Integrity key.
    pub integ_key: *const u8,
    /// Octets of it.
    pub integ_key_len: usize,
    /// Highest number before the capture begins, roughly; 0 = not known. Gives
    /// the high half of 64-bit numbers.
    pub sequence_start: u64,
    /// 0 as Next Header says, 1 transport, 2 tunnel.
    pub mode: u8,
    /// 1: 64-bit sequence numbers.
    pub esn: u8,
}

/// What was concluded about the number of one packet. Kept by the caller, who
/// gives it back when the same packet is looked at again.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct sprat_dissect_report {
    /// The number with the inferred high half.
    pub sn: u64,
    /// Numbers missing before it.
    pub missing: u64,
    /// Which SA the packet is of, by its number in the table.
    pub sa: u32,
    /// Drop reason of the check before the ICV; 0 = none.
    pub reason: u8,
    /// 1: the other members are filled in.
    pub known: u8,
    /// 1: an earlier packet showed that the SA has another Diet-ESP context.
    pub doubted: u8,
}

/// The octets come in a UDP datagram (RFC 3948).
pub const SPRAT_DISSECT_UDP: u32 = 1;
/// The octets are a message of a TCP stream, its length cut off (RFC 9329).
pub const SPRAT_DISSECT_TCP: u32 = 2;
/// The packet is the first fragment of one.
pub const SPRAT_DISSECT_FRAGMENT: u32 = 4;
/// The packet is quoted in an error message: its number says nothing.
pub const SPRAT_DISSECT_QUOTED: u32 = 8;

/// Only spans with a remark are wanted, none of them below another.
pub const SPRAT_DISSECT_BRIEF: u32 = 16;

/// A packet as captured.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sprat_dissect_in {
    /// sizeof(sprat_dissect_in).
    pub struct_size: u32,
    /// SPRAT_DISSECT_... joined by |.
    pub flags: u32,
    /// What was captured, from the SPI on.
    pub octets: *const u8,
    /// Octets of it.
    pub len: usize,
    /// Octets that the packet had.
    pub reported: usize,
    /// Source address: 4 or 16 octets.
    pub source: *const u8,
    /// 4, 16, or 0 where there is none.
    pub source_len: usize,
    /// Destination address.
    pub destination: *const u8,
    /// 4, 16, or 0.
    pub destination_len: usize,
    /// The octets in front, the IP header last, or last but a UDP header. Needed
    /// where sprat_dissect_ctx_compresses(); NULL only with 0.
    pub before: *const u8,
    /// Octets of it.
    pub before_len: usize,
    /// What was concluded when the packet was looked at before; zeroed at first.
    pub report: sprat_dissect_report,
}

/// One thing to show.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sprat_dissect_span {
    /// Index of the field in sprat_dissect_fields().
    pub field: u16,
    /// Number of the span that it stands under, plus 1; 0 = the top.
    pub parent: u16,
    /// 0: the place is in the packet; 1: in the decrypted octets; 2: in the rebuilt
    /// ones.
    pub source: u8,
    /// 1: concluded, not in the packet.
    pub generated: u8,
    /// Remark; 0 = none.
    pub expert: u8,
    /// First octet of its place.
    pub offset: usize,
    /// Octets of its place; 0 where it stands for none.
    pub len: usize,
    /// Value of numbers and booleans.
    pub number: u64,
    /// Value of texts; lives as long as the SA table.
    pub text: sprat_text,
    /// Value of octets that stand nowhere in the packet.
    pub octets: [u8; 16],
    /// Octets of it; 0 where the value stands in the packet.
    pub octets_len: u8,
}

/// Most octets by which a packet grows when its headers are rebuilt.
pub const SPRAT_DISSECT_GROWTH: usize = 64;

/// No ESP: IKE or a keepalive beside it, for another dissector.
pub const SPRAT_DISSECT_OTHER: i32 = 0;
/// No ESP, nor anything else that belongs there.
pub const SPRAT_DISSECT_MALFORMED: i32 = 1;
/// ESP of no SA in the table.
pub const SPRAT_DISSECT_NO_SA: i32 = 2;
/// ESP of an SA in the table.
pub const SPRAT_DISSECT_ESP: i32 = 3;

/// Nothing to go on with.
pub const SPRAT_DISSECT_INNER_NONE: i32 = 0;
/// An IPv4 packet.
pub const SPRAT_DISSECT_INNER_IPV4: i32 = 1;
/// An IPv6 packet.
pub const SPRAT_DISSECT_INNER_IPV6: i32 = 2;
/// Header and data of `protocol`.
pub const SPRAT_DISSECT_INNER_PROTOCOL: i32 = 3;
/// Octets to show as they are.
pub const SPRAT_DISSECT_INNER_DATA: i32 = 4;

/// What came of a packet.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sprat_dissect_out {
    /// sizeof(sprat_dissect_out).
    pub struct_size: u32,
    /// SPRAT_DISSECT_OTHER, _MALFORMED, _NO_SA or _ESP.
    pub kind: i32,
    /// In: where spans go; NULL only with span_count 0.
    pub spans: *mut sprat_dissect_span,
    /// In: how many fit; 192 always do. Out: how many there are.
    pub span_count: usize,
    /// In: where decrypted octets go.
    pub plain: *mut u8,
    /// In: octets that fit; as many as the packet has are enough, or where
    /// sprat_dissect_ctx_compresses() twice as many and SPRAT_DISSECT_GROWTH.
    pub plain_len: usize,
    /// Where in `plain` the decrypted octets begin.
    pub text_offset: usize,
    /// How many there are; 0 where the ICV did not verify.
    pub text_len: usize,
    /// How many of them are the payload, which comes first.
    pub payload_len: usize,
    /// Where in `plain` the packet begins that was rebuilt from the decrypted octets.
    pub rebuilt_offset: usize,
    /// How many octets it has; 0 if none was. Then it is what `inner` is about.
    pub rebuilt_len: usize,
    /// Octets that plain ESP would have needed in addition; 0 without compression.
    pub saved: i64,
    /// SPRAT_DISSECT_INNER_...: what the payload is.
    pub inner: i32,
    /// Next Header.
    pub protocol: u8,
    /// 1: the ICV verified.
    pub verified: u8,
    /// Why a receiver would drop the packet; 0 = it would not. Where it would not but
    /// what was rebuilt cannot be: SPRAT_DISSECT_EXPERT_CONTRADICTION.
    pub reason: u8,
    /// 1: the SA is compressed.
    pub compressed: u8,
    /// SPI.
    pub spi: u32,
    /// Sequence Number field.
    pub sequence: u32,
    /// Name of the SA; lives as long as the SA table.
    pub sa_name: sprat_text,
    /// To be kept for the next time.
    pub report: sprat_dissect_report,
}

// SAFETY: repr(C), size first, integers and pointers.
unsafe impl Versioned for sprat_dissect_sa {
    const FIRST_SIZE: usize = size_of::<sprat_dissect_sa>();
}

// SAFETY: repr(C), size first, integers and pointers.
unsafe impl Versioned for sprat_dissect_in {
    const FIRST_SIZE: usize = size_of::<sprat_dissect_in>();
}

// SAFETY: repr(C), size first, integers and pointers.
unsafe impl Versioned for sprat_dissect_out {
    const FIRST_SIZE: usize = size_of::<sprat_dissect_out>();
}

impl sprat_text {
    pub(super) const fn new(text: &str) -> Self {
        sprat_text {
            data: text.as_ptr().cast(),
            len: text.len(),
        }
    }
}
