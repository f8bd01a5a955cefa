//! Structs of the mote profile. Their layout is the ABI.

use core::ffi::c_void;
use core::mem::offset_of;

use sprat_core::mote::Path;
#[cfg(feature = "diet-esp")]
use sprat_core::mote::ehc::Ehc;

/// One SA in memory that the caller owns: static, on a stack or in a pool; not
/// to be copied while in use. It holds a raw key: wipe it by sprat_mote_wipe().
/// Zeroed memory is an SA that refuses every packet. 64 octets on a 32-bit
/// machine.
#[repr(C)]
pub struct sprat_mote_sa {
    /// Not to be looked into.
    pub words: [u64; 6],
    /// Not to be looked into.
    pub lent: [*const c_void; 4],
}

/// AES-128 of the platform: encrypts the block of 16 octets in place. key (16
/// octets) comes with the first block of a packet and is NULL with its further
/// blocks: the same key as before, and nobody else may have loaded another one
/// meanwhile.
pub type sprat_mote_aes128 = Option<unsafe extern "C" fn(key: *const u8, block: *mut u8)>;

/// Makes number durable for this SPI before it returns 0. Any other result: it is
/// not, and the packet is refused with SPRAT_DROP_SN_UNRESERVED.
pub type sprat_mote_store =
    Option<unsafe extern "C" fn(context: *mut c_void, spi: u32, number: u64) -> i32>;

/// What the platform provides, for any number of SAs. Constant; must outlive
/// them.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sprat_mote_port {
    /// NULL: the library's own AES, where it was built in.
    pub aes128: sprat_mote_aes128,
    /// NULL: numbers are not kept, so the SA must not outlive the power.
    pub store: sprat_mote_store,
    /// Handed to store.
    pub context: *mut c_void,
    /// Numbers that one store reserves, 1 or more. After a restart as many may
    /// be skipped.
    pub ahead: u32,
    /// Must be 0.
    pub reserved: u32,
}

/// Tunnel mode, or UDP around ESP. Constant; must outlive the SA. Addresses and
/// ports as they stand in the packets of this SA: source is the side that sends.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sprat_mote_path {
    /// Outer source address of a tunnel, network order. Of IPv4 the first 4
    /// octets.
    pub source: [u8; 16],
    /// Outer destination address of a tunnel.
    pub destination: [u8; 16],
    /// UDP source port around ESP (RFC 3948), host order.
    pub udp_source: u16,
    /// UDP destination port; 0 = no UDP.
    pub udp_destination: u16,
    /// Largest packet after ESP, octets; 0 = no limit but the buffer.
    pub mtu: u16,
    /// 1: tunnel mode.
    pub tunnel: u8,
    /// IP version of the outer addresses: 6, or 4 where IPv4 was built in.
    pub family: u8,
    /// Outer Hop Limit or TTL.
    pub hop_limit: u8,
    /// 1: the outer ECN field is sent as Not-ECT and ignored; 0: RFC 6040.
    pub no_ecn: u8,
}

/// Most values of a DSCP list on a mote.
pub const SPRAT_MOTE_DSCP_MAX: usize = 8;

/// The attributes of one SA for Diet-ESP (draft-ietf-ipsecme-diet-esp-07 s4.2).
/// Constant; must outlive the SA; 96 octets. Start from SPRAT_MOTE_EHC_INIT.
/// Codes are SPRAT_EHC_*. Source is the side that sends.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sprat_mote_ehc {
    /// Lowest source address, network order; of IPv4 the first 4 octets. ANY is
    /// all zeros to all ones.
    pub source_first: [u8; 16],
    /// Highest source address.
    pub source_last: [u8; 16],
    /// Lowest destination address.
    pub destination_first: [u8; 16],
    /// Highest destination address.
    pub destination_last: [u8; 16],
    /// Lowest and highest source port, host order; ANY is 0 and 65535.
    pub source_ports: [u16; 2],
    /// Lowest and highest destination port.
    pub destination_ports: [u16; 2],
    /// Protocol number; 0 = ANY.
    pub protocol: u8,
    /// IP version of the inner packets: 6, or 4 where IPv4 was built in.
    pub ip_version: u8,
    /// SPRAT_EHC_IIPC_*.
    pub iipc_profile: u8,
    /// SPRAT_EHC_DSCP_*.
    pub dscp_cda: u8,
    /// SPRAT_EHC_ECN_*.
    pub ecn_cda: u8,
    /// SPRAT_EHC_FLOW_LABEL_*.
    pub flow_label_cda: u8,
    /// SPRAT_EHC_ALIGNMENT_*.
    pub alignment: u8,
    /// SPRAT_EHC_TRAILER_*.
    pub esp_trailer: u8,
    /// Low bits of the SPI on the wire, 0 to 32.
    pub esp_spi_lsb: u8,
    /// Low bits of the sequence number on the wire, 0 to 32; with esp_spi_lsb a
    /// multiple of 8.
    pub esp_sn_lsb: u8,
    /// 1: send also what would not come back bit for bit.
    pub no_guard: u8,
    /// Values in dscp_list.
    pub dscp_count: u8,
    /// For SPRAT_EHC_DSCP_SA: the DSCP values, in the order agreed.
    pub dscp_list: [u8; SPRAT_MOTE_DSCP_MAX],
    /// Receiving without anti-replay: packets that may arrive late.
    pub reorder: u8,
    /// Must be 0.
    pub reserved: [u8; 3],
}

/// Room for the counters of drop reasons on a mote.
pub const SPRAT_MOTE_DROPS: usize = 64;

/// What happened to packets, counted up to the largest value. In memory that the
/// caller lends; several SAs may share it.
#[repr(C)]
pub struct sprat_mote_counters {
    /// Packets sealed or opened.
    pub passed: u32,
    /// Refusals, by SPRAT_DROP_*.
    pub dropped: [u16; SPRAT_MOTE_DROPS],
}

/// What makes an SA. Zero first, then set what is needed. Key and salt are
/// copied; port, path, ehc and counters must outlive the SA.
#[repr(C)]
pub struct sprat_mote_params {
    /// SPI in host order, 256 or more.
    pub spi: u32,
    /// 1: sends, 0: receives.
    pub out: u8,
    /// 1: the IV is the sequence number and not sent (RFC 8750); 0: explicit.
    pub implicit_iv: u8,
    /// 1: 64-bit sequence numbers.
    pub esn: u8,
    /// Receiving: anti-replay window in packets, 64 or 32; 0 = off, which an SA
    /// with several senders needs.
    pub window: u8,
    /// Sending as one of several (multicast): bits of the IV that name the
    /// sender (RFC 6054), 8 or 16; else 0. Explicit IV, no ESN.
    pub sender_id_bits: u8,
    /// Must be 0.
    pub reserved: u8,
    /// This sender.
    pub sender_id: u16,
    /// Must be 0.
    pub reserved_too: u32,
    /// Sending: every number up to this counts as used: what stable storage
    /// says, 0 for a new SA. Receiving: the highest number verified before; with a
    /// window none up to it is accepted.
    pub last_sn: u64,
    /// AES-128 key, 16 octets.
    pub key: *const u8,
    /// Salt, 3 octets (RFC 4309 s7.1).
    pub salt: *const u8,
    /// AES and stable storage; NULL only where the library has its own AES.
    pub port: *const sprat_mote_port,
    /// Tunnel or UDP; NULL: transport mode.
    pub path: *const sprat_mote_path,
    /// Diet-ESP; NULL: plain ESP.
    pub ehc: *const sprat_mote_ehc,
    /// Counters; NULL: none.
    pub counters: *mut sprat_mote_counters,
}

/// What selectors and the look-up of SAs ask of a packet.
#[repr(C)]
pub struct sprat_mote_flow {
    /// Source address, network order; of IPv4 the first 4 octets.
    pub source: [u8; 16],
    /// Final destination: with a source route that has segments left its last
    /// address, put together where the route states its last octets only (RFC 6554).
    pub destination: [u8; 16],
    /// Source port of UDP, TCP, SCTP, UDP-Lite; of ICMP type * 256 + code; else 0.
    pub source_port: u16,
    /// Destination port; of ICMP type * 256 + code.
    pub destination_port: u16,
    /// Octets of the packet by its own length field.
    pub total: u16,
    /// Offset of the upper layer's header.
    pub upper_at: u16,
    /// The upper layer: 50 = ESP, 17, 58, ...; of a later fragment 44.
    pub protocol: u8,
    /// 1: the ports are there.
    pub has_ports: u8,
    /// 1: a source route with segments left: not for this node, whatever the
    /// destination field says.
    pub segments_left: u8,
    /// 1: a fragment of more than one.
    pub fragment: u8,
    /// IP version, 4 or 6.
    pub version: u8,
    /// Must not be relied on.
    pub reserved: [u8; 3],
}

/// Reads what is in slot, written, erased or spoilt, into the 16 octets at record; 0 =
/// done. Any other result: it cannot be read now.
pub type sprat_mote_nvm_read =
    Option<unsafe extern "C" fn(context: *mut c_void, slot: u32, record: *mut u8) -> i32>;

/// Writes the 16 octets at record to slot, so that they are there before 0 is
/// returned. Power that fails meanwhile may spoil this slot, and no other.
pub type sprat_mote_nvm_write =
    Option<unsafe extern "C" fn(context: *mut c_void, slot: u32, record: *const u8) -> i32>;

/// Stable storage in records of 16 octets, for sprat_mote_nvm_load() and
/// sprat_mote_nvm_store().
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sprat_mote_nvm {
    /// Reads.
    pub read: sprat_mote_nvm_read,
    /// Writes.
    pub write: sprat_mote_nvm_write,
    /// Handed to both.
    pub context: *mut c_void,
}

// C's structs are read as the core's: the same layout, no field that could hold a
// value which is none.
macro_rules! same_layout {
    ($c:ty, $rust:ty: $($field:ident)*) => {
        const _: () = assert!(size_of::<$c>() == size_of::<$rust>());
        const _: () = assert!(align_of::<$c>() == align_of::<$rust>());
        $(const _: () = assert!(offset_of!($c, $field) == offset_of!($rust, $field));)*
    };
}

same_layout!(sprat_mote_path, Path: source destination udp_source udp_destination mtu tunnel
    family hop_limit no_ecn);
#[cfg(feature = "diet-esp")]
same_layout!(sprat_mote_ehc, Ehc: source_first source_last destination_first destination_last
    source_ports destination_ports protocol ip_version iipc_profile dscp_cda ecn_cda
    flow_label_cda alignment esp_trailer esp_spi_lsb esp_sn_lsb no_guard dscp_count dscp_list
    reorder reserved);
