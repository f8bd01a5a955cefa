//! The round-trip guard (decisions D-09, D-13 to D-15): what the receiver will
//! compute must be what stands in the packet, bit for bit. The exceptions are a
//! UDP checksum of 0 and a UDP-Lite coverage of 0, which come back as their valid
//! equivalents.

use super::iipc::Pseudo;
use crate::error::DropReason;
use crate::wire::ip::{self, proto, v4, v6};
use crate::wire::{array_at, finish_checksum, sum_words, u16_at};

/// Sums of the Castagnoli polynomial over SCTP packets (RFC 9260 s6.8).
const CRC32C: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI);

/// Offsets in the transport headers, octets.
pub(crate) mod at {
    pub const UDP_LENGTH: usize = 4;
    pub const UDP_CHECKSUM: usize = 6;
    pub const TCP_CHECKSUM: usize = 16;
    pub const SCTP_CHECKSUM: usize = 8;
}

/// What makes the fixed rule for an IPv4 header impossible, whatever the guard.
pub(super) fn ipv4_shape(packet: &[u8]) -> Result<(), DropReason> {
    let fixed: &[u8; ip::IPV4_LEN] = packet.first_chunk().ok_or(DropReason::EhcTruncated)?;
    if fixed.first().is_none_or(|first| first & 0x0f != 5) {
        return Err(DropReason::EhcOptions);
    }
    let word = u16_at(fixed, v4::FRAGMENT).map_err(|_| DropReason::EhcTruncated)?;
    if word & (v4::MF | v4::OFFSET) != 0 {
        return Err(DropReason::EhcFragment);
    }
    Ok(())
}

/// Lengths and checksum of an IPv4 header of 20 octets.
pub(super) fn ipv4(packet: &[u8]) -> Result<(), DropReason> {
    let total = u16_at(packet, v4::TOTAL_LENGTH).map_err(|_| DropReason::EhcTruncated)?;
    if usize::from(total) != packet.len() {
        return Err(DropReason::EhcLength);
    }
    let header: [u8; ip::IPV4_LEN] = array_at(packet, 0).map_err(|_| DropReason::EhcTruncated)?;
    exact(sum_words(&header, 0), &header, v4::CHECKSUM)
}

/// Length of an IPv6 packet.
pub(super) fn ipv6(packet: &[u8]) -> Result<(), DropReason> {
    let stated = u16_at(packet, v6::PAYLOAD_LENGTH).map_err(|_| DropReason::EhcTruncated)?;
    if usize::from(stated) + ip::IPV6_LEN != packet.len() {
        return Err(DropReason::EhcLength);
    }
    Ok(())
}

/// The words add up to `sum`, the field at `at` included: is that field what the
/// rule of the checksum gives? FFFF where 0000 is due would not come back.
fn exact(sum: u32, octets: &[u8], at: usize) -> Result<(), DropReason> {
    let field = u16_at(octets, at).map_err(|_| DropReason::EhcTruncated)?;
    if finish_checksum(sum) == 0 && field != 0xffff {
        Ok(())
    } else {
        Err(DropReason::EhcChecksum)
    }
}

/// The same for UDP and UDP-Lite, where 0 is sent as FFFF.
fn exact_nonzero(sum: u32, octets: &[u8], at: usize) -> Result<(), DropReason> {
    let field = u16_at(octets, at).map_err(|_| DropReason::EhcTruncated)?;
    if finish_checksum(sum) == 0 && field != 0 {
        Ok(())
    } else {
        Err(DropReason::EhcChecksum)
    }
}

/// The transport header of `segment`, all that is behind the IP header.
pub(super) fn transport(segment: &[u8], pseudo: &Pseudo) -> Result<(), DropReason> {
    let sum = || sum_words(segment, pseudo.sum(segment.len()));
    let stated = || u16_at(segment, at::UDP_LENGTH).map_err(|_| DropReason::EhcTruncated);
    match pseudo.protocol {
        proto::UDP => {
            if usize::from(stated()?) != segment.len() {
                return Err(DropReason::EhcLength);
            }
            match u16_at(segment, at::UDP_CHECKSUM) {
                Ok(0) => Ok(()),
                _ => exact_nonzero(sum(), segment, at::UDP_CHECKSUM),
            }
        }
        proto::UDP_LITE => {
            let coverage = usize::from(stated()?);
            if coverage != 0 && coverage != segment.len() {
                return Err(DropReason::EhcCoverage);
            }
            exact_nonzero(sum(), segment, at::UDP_CHECKSUM)
        }
        proto::TCP => exact(sum(), segment, at::TCP_CHECKSUM),
        proto::SCTP => match array_at(segment, at::SCTP_CHECKSUM) {
            Ok(field) if field == crc32c(&[segment]) => Ok(()),
            _ => Err(DropReason::EhcChecksum),
        },
        _ => Ok(()),
    }
}

/// The SCTP checksum as it stands in the packet (RFC 9260 appendix A): over all
/// parts, the first of which holds the header, its checksum field taken as 0.
pub(crate) fn crc32c(parts: &[&[u8]]) -> [u8; 4] {
    let mut digest = CRC32C.digest();
    for (i, part) in parts.iter().enumerate() {
        let field = at::SCTP_CHECKSUM..at::SCTP_CHECKSUM + 4;
        match (part.get(..field.start), part.get(field.end..)) {
            (Some(before), Some(behind)) if i == 0 => {
                digest.update(before);
                digest.update(&[0; 4]);
                digest.update(behind);
            }
            _ => digest.update(part),
        }
    }
    digest.finalize().to_le_bytes()
}
