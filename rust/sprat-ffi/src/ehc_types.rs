//! Structs and numbers of Diet-ESP.

use core::ffi::{CStr, c_char};

use sprat_core::diet_esp::{
    Afrg, Alignment, Carried, ContextError, DscpCda, DscpList, EcnCda, Ehc, Ehc2019, EspTrailer,
    FlowLabelCda, IipcProfile, Profile,
};
use sprat_core::num::Spi;
use sprat_core::schc::{Cda, Descriptor, Mo, Tv};
use sprat_core::wire::ip::Version;

use crate::boundary::{Status, Versioned, octets};
use crate::host_types::{flag, sprat_selector};
use crate::status::*;

/// The attributes of one SA for Diet-ESP (AfRG, draft-ietf-ipsecme-diet-esp-07
/// s4.2), and what the receiver decides alone. Fill with SPRAT_EHC_PARAMS_INIT,
/// which gives the draft's defaults, then set at least ip_version, selector,
/// alignment, esp_spi_lsb and esp_sn_lsb: the defaults save little. The library
/// copies what it keeps.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sprat_ehc_params {
    /// sizeof(sprat_ehc_params).
    pub struct_size: u32,
    /// One of SPRAT_EHC_PROFILE_*: whose rules.
    pub profile: u8,
    /// SPRAT_EHC_IIPC_*: whether inner headers are compressed.
    pub iipc_profile: u8,
    /// One of SPRAT_EHC_DSCP_*; SPRAT_EHC_DSCP_SA needs dscp_list.
    pub dscp_cda: u8,
    /// One of SPRAT_EHC_ECN_*.
    pub ecn_cda: u8,
    /// One of SPRAT_EHC_FLOW_LABEL_*; of IPv4 it is about the Identification.
    pub flow_label_cda: u8,
    /// One of SPRAT_EHC_ALIGNMENT_*.
    pub alignment: u8,
    /// One of SPRAT_EHC_TRAILER_*.
    pub esp_trailer: u8,
    /// IP version of the inner packets, 4 or 6. 0 = both, which inner headers
    /// that are not compressed and a mandatory trailer allow.
    pub ip_version: u8,
    /// Low bits of the SPI on the wire, 0 to 32.
    pub esp_spi_lsb: u8,
    /// Low bits of the sequence number on the wire, 0 to 32; with esp_spi_lsb a
    /// multiple of 8.
    pub esp_sn_lsb: u8,
    /// 1: the Identification of an outer IPv4 header may carry the inner flow
    /// label or Identification. Of a flow label the upper 4 bits are lost.
    pub outer_id: u8,
    /// 1: refuse attributes by which the network could change what is inside.
    pub hardened: u8,
    /// 1: send also what would not come back bit for bit, such as a packet with
    /// a wrong checksum. For packets that are known to be well formed.
    pub no_guard: u8,
    /// Profile ehc-2019, 1: UDP-Lite coverage is the whole datagram.
    pub udplite_whole: u8,
    /// Profile ehc-2019, 1: TCP segments may carry options.
    pub tcp_options: u8,
    /// Profile ehc-2019, 1: the TCP Urgent Pointer is sent.
    pub tcp_urgent: u8,
    /// Receiving without anti-replay: packets that may arrive late. 0 = none.
    pub reorder: u16,
    /// Receiving: further sequence numbers to try when the ICV does not verify,
    /// 0 to 16. Each costs an ICV check.
    pub resync: u8,
    /// Must be 0.
    pub reserved: u8,
    /// The one traffic selector, as the packets of this SA show it: source is
    /// the side that sends.
    pub selector: sprat_selector,
    /// Must be 0.
    pub reserved_too: [u8; 6],
    /// DSCP values that SPRAT_EHC_DSCP_SA chooses from, in the order agreed:
    /// at most 64, each 0 to 63.
    pub dscp_list: *const u8,
    /// How many.
    pub dscp_list_len: usize,
}

// SAFETY: repr(C), size first, integers and a pointer.
unsafe impl Versioned for sprat_ehc_params {
    const FIRST_SIZE: usize = size_of::<sprat_ehc_params>();
}

/// An attribute by its code.
fn code<T>(known: Option<T>) -> Status<T> {
    known.ok_or(SPRAT_E_ARGUMENT)
}

/// 0, 4 or 6 as C passes it.
fn version(value: u8) -> Status<Option<Version>> {
    match value {
        0 => Ok(None),
        4 => Ok(Some(Version::V4)),
        6 => Ok(Some(Version::V6)),
        _ => Err(SPRAT_E_ARGUMENT),
    }
}

impl sprat_ehc_params {
    /// # Safety
    /// `dscp_list` points to `dscp_list_len` octets.
    pub(crate) unsafe fn get(&self) -> Status<Ehc> {
        Ok(Ehc {
            // SAFETY: forwarded.
            afrg: unsafe { self.afrg() }?,
            resync: self.resync,
            reorder: self.reorder,
        })
    }

    /// # Safety
    /// `dscp_list` points to `dscp_list_len` octets.
    unsafe fn afrg(&self) -> Status<Afrg> {
        if self.reserved != 0 || self.reserved_too != [0; 6] || self.resync > Ehc::MAX_RESYNC {
            return Err(SPRAT_E_ARGUMENT);
        }
        // SAFETY: forwarded.
        let dscp_list = unsafe { octets(self.dscp_list, self.dscp_list_len) }?;
        Ok(Afrg {
            profile: code(Profile::from_code(self.profile))?,
            iipc_profile: code(IipcProfile::from_code(self.iipc_profile))?,
            dscp_cda: code(DscpCda::from_code(self.dscp_cda))?,
            ecn_cda: code(EcnCda::from_code(self.ecn_cda))?,
            flow_label_cda: code(FlowLabelCda::from_code(self.flow_label_cda))?,
            dscp_list: code(DscpList::new(dscp_list))?,
            alignment: code(Alignment::from_code(self.alignment))?,
            esp_trailer: code(EspTrailer::from_code(self.esp_trailer))?,
            esp_spi_lsb: self.esp_spi_lsb,
            esp_sn_lsb: self.esp_sn_lsb,
            ip_version: version(self.ip_version)?,
            selector: self.selector.get()?,
            outer_id: flag(self.outer_id)?,
            hardened: flag(self.hardened)?,
            guard: !flag(self.no_guard)?,
            ehc2019: Ehc2019 {
                udplite_whole: flag(self.udplite_whole)?,
                tcp_options: flag(self.tcp_options)?,
                tcp_urgent: flag(self.tcp_urgent)?,
            },
        })
    }
}

/// What a context must know of its SA where another program does ESP. Fill with
/// SPRAT_EHC_SA_INIT, then set at least spi and, in tunnel mode, outer_version.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sprat_ehc_sa {
    /// sizeof(sprat_ehc_sa).
    pub struct_size: u32,
    /// SPI in host order, in full.
    pub spi: u32,
    /// Tunnel mode: IP version of the outer header, 4 or 6. Transport mode: 0.
    pub outer_version: u8,
    /// 1: ESP stands in UDP (RFC 3948).
    pub udp: u8,
    /// 1: 64-bit sequence numbers.
    pub esn: u8,
    /// Octets of a block of the cipher, 1 where it needs no padding (CCM, GCM,
    /// CTR, ChaCha20): 1, 8 or 16.
    pub block: u8,
    /// Anti-replay window in packets; 0 = off.
    pub replay_window: u16,
    /// Must be 0.
    pub reserved: [u8; 2],
}

// SAFETY: repr(C), size first, integers only.
unsafe impl Versioned for sprat_ehc_sa {
    const FIRST_SIZE: usize = size_of::<sprat_ehc_sa>();
}

impl sprat_ehc_sa {
    pub(crate) fn carried(&self) -> Status<Carried> {
        let spi = Spi(self.spi);
        if self.reserved != [0; 2] || !matches!(self.block, 1 | 8 | 16) || spi < Spi::FIRST_FREE {
            return Err(SPRAT_E_ARGUMENT);
        }
        Ok(Carried {
            spi,
            outer: version(self.outer_version)?,
            udp: flag(self.udp)?,
        })
    }
}

/// The status of attributes that make no context.
pub(crate) fn refused(error: ContextError) -> i32 {
    let known = CONTEXT_ERRORS.iter().find(|(_, known)| *known == error);
    known.map_or(SPRAT_E_SA, |(status, _)| *status)
}

/// The text of the status of attributes that make no context.
pub(crate) fn refused_text(status: i32) -> Option<&'static CStr> {
    let known = CONTEXT_ERRORS.iter().find(|(known, _)| *known == status);
    known.map(|(_, error)| error.text_c())
}

/// What Diet-ESP has done. Fill with SPRAT_EHC_STATS_INIT.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct sprat_ehc_stats {
    /// sizeof(sprat_ehc_stats).
    pub struct_size: u32,
    /// Must not be relied on.
    pub reserved: u32,
    /// Packets compressed, or restored.
    pub packets: u64,
    /// Octets of the same packets in plain ESP, less what they took. Negative
    /// where an alignment of 64 bits costs more than is saved.
    pub octets_saved: i64,
    /// Packets refused since they do not fit the rules, or do not come out of
    /// them: reasons ehc-version to ehc-mapping.
    pub refused: u64,
    /// Receiving: ICV checks beyond the first of a packet.
    pub icv_trials: u64,
    /// Receiving: packets that verified with a further sequence number.
    pub resyncs: u64,
}

// SAFETY: repr(C), size first, integers only.
unsafe impl Versioned for sprat_ehc_stats {
    const FIRST_SIZE: usize = size_of::<sprat_ehc_stats>();
}

/// Rules of IIPC, Inner IP Compression: the inner headers.
pub const SPRAT_EHC_STRATUM_IIPC: u8 = 0;
/// Rules of CTEC, Clear Text ESP Compression: the ESP trailer.
pub const SPRAT_EHC_STRATUM_CTEC: u8 = 1;
/// Rules of EEC, Encrypted ESP Compression: SPI and sequence number.
pub const SPRAT_EHC_STRATUM_EEC: u8 = 2;

/// Matching operator: the field equals the target value.
pub const SPRAT_EHC_MO_EQUAL: u8 = 0;
/// Matching operator: any value matches.
pub const SPRAT_EHC_MO_IGNORE: u8 = 1;
/// Matching operator: the first mo_bits bits equal those of the target value.
pub const SPRAT_EHC_MO_MSB: u8 = 2;
/// Matching operator: the field is one of the values of the list.
pub const SPRAT_EHC_MO_MATCH_MAPPING: u8 = 3;

/// Action: nothing is sent, the receiver takes the target value.
pub const SPRAT_EHC_CDA_NOT_SENT: u8 = 0;
/// Action: all bits are sent.
pub const SPRAT_EHC_CDA_VALUE_SENT: u8 = 1;
/// Action: the bits behind those that match are sent.
pub const SPRAT_EHC_CDA_LSB: u8 = 2;
/// Action: the index in the list is sent.
pub const SPRAT_EHC_CDA_MAPPING_SENT: u8 = 3;
/// Action: nothing is sent, the receiver counts what it has rebuilt.
pub const SPRAT_EHC_CDA_COMPUTE: u8 = 4;
/// Action: nothing is sent, the receiver sums what it has rebuilt.
pub const SPRAT_EHC_CDA_CHECKSUM: u8 = 5;
/// Action: nothing is sent, the receiver takes the value of the outer header.
pub const SPRAT_EHC_CDA_LOWER: u8 = 6;
/// Action: nothing is sent, the receiver makes a value.
pub const SPRAT_EHC_CDA_GENERATED: u8 = 7;
/// Action: nothing is sent, the receiver does not rebuild it.
pub const SPRAT_EHC_CDA_PADDING: u8 = 8;

/// Target value: none.
pub const SPRAT_EHC_TV_NONE: u8 = 0;
/// Target value: tv_len octets, the value at their end, most significant first.
pub const SPRAT_EHC_TV_VALUE: u8 = 1;
/// Target value: a list of tv_len values of one octet each.
pub const SPRAT_EHC_TV_LIST: u8 = 2;

/// As many rows as a rule has at most.
pub const SPRAT_EHC_ROWS_MAX: usize = 32;

/// One row of a rule: what happens to one field (RFC 8724 s7). The texts live as
/// long as the library.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sprat_ehc_row {
    /// Short name of the field, such as "UDP.CKSUM".
    pub name: *const c_char,
    /// Name of the field for people.
    pub text: *const c_char,
    /// Name of the matching operator, such as "MSB".
    pub mo_name: *const c_char,
    /// Name of the action, such as "not-sent".
    pub cda_name: *const c_char,
    /// One of SPRAT_FID_*: the field.
    pub fid: u8,
    /// Bits of the field; 0 if they vary.
    pub bits: u8,
    /// Bits that are sent for it.
    pub residue_bits: u8,
    /// One of SPRAT_EHC_MO_*.
    pub mo: u8,
    /// Operand of SPRAT_EHC_MO_MSB, bits; else 0.
    pub mo_bits: u8,
    /// One of SPRAT_EHC_CDA_*.
    pub cda: u8,
    /// One of SPRAT_EHC_TV_*.
    pub tv_kind: u8,
    /// Octets of tv that are set.
    pub tv_len: u8,
    /// Target value.
    pub tv: [u8; 64],
    /// Must not be relied on.
    pub reserved: [u8; 8],
}

fn mo(mo: Mo) -> (u8, u8, &'static CStr) {
    match mo {
        Mo::Equal => (SPRAT_EHC_MO_EQUAL, 0, c"equal"),
        Mo::Ignore => (SPRAT_EHC_MO_IGNORE, 0, c"ignore"),
        Mo::Msb(bits) => (SPRAT_EHC_MO_MSB, bits, c"MSB"),
        Mo::MatchMapping => (SPRAT_EHC_MO_MATCH_MAPPING, 0, c"match-mapping"),
    }
}

fn cda(cda: Cda) -> (u8, &'static CStr) {
    match cda {
        Cda::NotSent => (SPRAT_EHC_CDA_NOT_SENT, c"not-sent"),
        Cda::ValueSent => (SPRAT_EHC_CDA_VALUE_SENT, c"value-sent"),
        Cda::Lsb => (SPRAT_EHC_CDA_LSB, c"LSB"),
        Cda::MappingSent => (SPRAT_EHC_CDA_MAPPING_SENT, c"mapping-sent"),
        Cda::Compute => (SPRAT_EHC_CDA_COMPUTE, c"compute"),
        Cda::Checksum => (SPRAT_EHC_CDA_CHECKSUM, c"checksum"),
        Cda::Lower => (SPRAT_EHC_CDA_LOWER, c"lower"),
        Cda::Generated => (SPRAT_EHC_CDA_GENERATED, c"generated"),
        Cda::Padding => (SPRAT_EHC_CDA_PADDING, c"padding"),
    }
}

impl From<&Descriptor<'_>> for sprat_ehc_row {
    fn from(d: &Descriptor<'_>) -> Self {
        let ((mo, mo_bits, mo_name), (cda, cda_name)) = (mo(d.mo), cda(d.cda));
        let mut row = sprat_ehc_row {
            name: d.fid.name_c().as_ptr(),
            text: d.fid.text_c().as_ptr(),
            mo_name: mo_name.as_ptr(),
            cda_name: cda_name.as_ptr(),
            fid: d.fid.code(),
            bits: d.bits,
            residue_bits: d.residue_bits(),
            mo,
            mo_bits,
            cda,
            tv_kind: SPRAT_EHC_TV_NONE,
            tv_len: 0,
            tv: [0; 64],
            reserved: [0; 8],
        };
        match d.tv {
            Tv::None => {}
            Tv::Number(number) => {
                let unused = 4 - usize::from(d.bits.div_ceil(8)).min(4);
                row.set_tv(SPRAT_EHC_TV_VALUE, &number.to_be_bytes()[unused..]);
            }
            Tv::Octets(octets) => row.set_tv(SPRAT_EHC_TV_VALUE, octets),
            Tv::List(list) => row.set_tv(SPRAT_EHC_TV_LIST, list),
        }
        row
    }
}

impl sprat_ehc_row {
    fn set_tv(&mut self, kind: u8, octets: &[u8]) {
        let len = octets.len().min(self.tv.len());
        self.tv[..len].copy_from_slice(&octets[..len]);
        (self.tv_kind, self.tv_len) = (kind, len as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sprat_core::schc::Fid;

    #[test]
    fn names_are_those_of_the_core() {
        for each in [Mo::Equal, Mo::Ignore, Mo::Msb(7), Mo::MatchMapping] {
            assert_eq!(mo(each).2.to_str(), Ok(each.name()));
        }
        let actions = [
            Cda::NotSent,
            Cda::ValueSent,
            Cda::Lsb,
            Cda::MappingSent,
            Cda::Compute,
            Cda::Checksum,
            Cda::Lower,
            Cda::Generated,
            Cda::Padding,
        ];
        for (number, each) in actions.into_iter().enumerate() {
            let (code, name) = cda(each);
            assert_eq!(
                (usize::from(code), name.to_str()),
                (number, Ok(each.name()))
            );
        }
        for (number, fid) in Fid::ALL.iter().enumerate() {
            assert_eq!(usize::from(fid.code()), number);
            assert_eq!(fid.name_c().to_str(), Ok(fid.name()));
            assert_eq!(fid.text_c().to_str(), Ok(fid.text()));
        }
    }

    #[test]
    fn a_short_number_stands_in_the_octets_of_its_field() {
        let row = |bits, number| {
            sprat_ehc_row::from(&Descriptor {
                fid: Fid::FlowLabel,
                bits,
                tv: Tv::Number(number),
                mo: Mo::Equal,
                cda: Cda::NotSent,
            })
        };
        for (bits, number, want) in [
            (4, 6, &[6][..]),
            (20, 0x12345, &[1, 0x23, 0x45]),
            (32, 0xa1b2_c3d4, &[0xa1, 0xb2, 0xc3, 0xd4]),
            (0, 9, &[]),
        ] {
            let row = row(bits, number);
            assert_eq!(row.tv_kind, SPRAT_EHC_TV_VALUE);
            assert_eq!(&row.tv[..usize::from(row.tv_len)], want);
        }
    }
}
