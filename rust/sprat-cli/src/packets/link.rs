//! Where the IP packet begins in a frame, by link type.

/// IP without any link header (LINKTYPE_RAW).
pub const RAW: u16 = 101;

const NULL: u16 = 0;
const ETHERNET: u16 = 1;
/// LINKTYPE_RAW as some systems wrote it.
const RAW_OLD: [u16; 2] = [12, 14];
const LOOP: u16 = 108;
const SLL: u16 = 113;
const IPV4: u16 = 228;
const IPV6: u16 = 229;
const SLL2: u16 = 276;

/// EtherTypes.
const TYPE_IPV4: u16 = 0x0800;
const TYPE_IPV6: u16 = 0x86dd;
const TYPE_VLAN: [u16; 3] = [0x8100, 0x88a8, 0x9100];

/// Octet offset of the IP packet in `frame`; `None` if the frame carries none
/// or the link type is not known.
pub fn ip_at(link: u16, frame: &[u8]) -> Option<usize> {
    match link {
        RAW | IPV4 | IPV6 => Some(0),
        link if RAW_OLD.contains(&link) => Some(0),
        ETHERNET => behind_type(frame, 12),
        SLL => behind_type(frame, 14),
        SLL2 => matches!(word(frame, 0)?, TYPE_IPV4 | TYPE_IPV6).then_some(20),
        NULL | LOOP => {
            let family = frame.first_chunk::<4>()?;
            family_is_ip(*family).then_some(4)
        }
        _ => None,
    }
}

/// Skips VLAN tags from the EtherType at `at` on.
fn behind_type(frame: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match word(frame, at)? {
            TYPE_IPV4 | TYPE_IPV6 => return Some(at + 2),
            tag if TYPE_VLAN.contains(&tag) => at += 4,
            _ => return None,
        }
    }
}

/// The address family is in the byte order of the machine that captured, and
/// its number for IPv6 differs by system.
fn family_is_ip(octets: [u8; 4]) -> bool {
    let known = |family: u32| matches!(family, 2 | 10 | 24 | 28 | 30);
    known(u32::from_le_bytes(octets)) || known(u32::from_be_bytes(octets))
}

fn word(octets: &[u8], at: usize) -> Option<u16> {
    let two = octets.get(at..)?.first_chunk::<2>()?;
    Some(u16::from_be_bytes(*two))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_link_type_shows_its_packet() {
        let ethernet = |tail: &[u8]| [&[0; 12], tail].concat();
        assert_eq!(ip_at(ETHERNET, &ethernet(&[8, 0, 0x45])), Some(14));
        assert_eq!(
            ip_at(ETHERNET, &ethernet(&[0x81, 0, 0, 5, 0x86, 0xdd])),
            Some(18)
        );
        let two_tags = [0x88, 0xa8, 0, 5, 0x81, 0, 0, 6, 8, 0];
        assert_eq!(ip_at(ETHERNET, &ethernet(&two_tags)), Some(22));
        assert_eq!(ip_at(ETHERNET, &ethernet(&[8, 6])), None);
        assert_eq!(ip_at(ETHERNET, &[0; 13]), None);
        assert_eq!(ip_at(SLL, &[&[0; 14][..], &[8, 0]].concat()), Some(16));
        assert_eq!(
            ip_at(SLL2, &[&[0x86, 0xdd][..], &[0; 18]].concat()),
            Some(20)
        );
        assert_eq!(ip_at(NULL, &[2, 0, 0, 0]), Some(4));
        assert_eq!(ip_at(LOOP, &[0, 0, 0, 30]), Some(4));
        assert_eq!(ip_at(NULL, &[7, 0, 0, 0]), None);
        assert_eq!(ip_at(RAW, &[]), Some(0));
        assert_eq!(ip_at(147, &[0x45; 40]), None);
    }
}
