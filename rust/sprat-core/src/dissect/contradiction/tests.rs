use super::*;
use crate::wire::put;
use alloc::vec::Vec;

fn upper(protocol: u8, octets: &[u8], pseudo: Option<Pseudo>) -> Option<Contradiction> {
    let sent = Sent {
        elided: 0,
        bits: 0,
        computed: false,
    };
    sent.upper(&Upper {
        protocol,
        octets,
        pseudo,
    })
}

fn pseudo(protocol: u8) -> Pseudo {
    Pseudo {
        source: IpAddr::from([192, 0, 2, 1]),
        destination: IpAddr::from([192, 0, 2, 2]),
        protocol,
    }
}

/// Puts the checksum over the whole of `octets` at `at`.
fn summed(protocol: u8, mut octets: Vec<u8>, at: usize, with_pseudo: bool) -> Vec<u8> {
    let start = match with_pseudo {
        true => pseudo(protocol).sum(octets.len()),
        false => 0,
    };
    let sum = finish_checksum(sum_words(&octets, start));
    put(&mut octets, at, sum.to_be_bytes()).unwrap();
    octets
}

/// A TCP segment with these octets of options and data, its Data Offset given.
fn tcp_segment(offset: u8, behind: &[u8]) -> Vec<u8> {
    let head = [
        0, 80, 0, 81, 0, 0, 0, 1, 0, 0, 0, 2, offset, 0x18, 1, 0, 0, 0, 0, 0,
    ];
    summed(proto::TCP, [&head, behind].concat(), 16, true)
}

#[test]
fn a_tcp_header_has_its_length_and_options_theirs() {
    let of = |offset, behind: &[u8]| {
        let segment = tcp_segment(offset, behind);
        upper(proto::TCP, &segment, Some(pseudo(proto::TCP)))
    };
    assert_eq!(of(0x50, &[]), None);
    // The bit of AccECN is no longer reserved.
    assert_eq!(of(0x51, b"data"), None);
    assert_eq!(of(0x40, b"data"), Some(Contradiction::TcpDataOffset));
    assert_eq!(of(0x70, b"data"), Some(Contradiction::TcpDataOffset));
    for bit in [0x02, 0x04, 0x08] {
        assert_eq!(of(0x50 | bit, &[]), Some(Contradiction::TcpReserved));
    }
    assert_eq!(of(0x60, &[2, 4, 5, 0xb4]), None);
    assert_eq!(of(0x60, &[1, 1, 0, 9]), None);
    for options in [[2, 5, 5, 0xb4], [1, 1, 1, 2], [8, 0, 0, 0], [8, 1, 0, 0]] {
        assert_eq!(of(0x60, &options), Some(Contradiction::TcpOptions));
    }
}

#[test]
fn sctp_chunks_fill_the_packet_and_init_has_no_tag() {
    let of = |tag: u8, chunks: &[u8]| {
        let head = [0, 80, 0, 81, 0, 0, 0, tag, 0, 0, 0, 0];
        let mut packet = [&head, chunks].concat();
        let sum = guard::crc32c(&[&packet]);
        put(&mut packet, 8, sum).unwrap();
        upper(proto::SCTP, &packet, None)
    };
    assert_eq!(of(7, &[11, 0, 0, 4]), None);
    // No checksum at all.
    let bare = [0, 80, 0, 81, 0, 0, 0, 7, 0, 0, 0, 0, 11, 0, 0, 4];
    assert_eq!(upper(proto::SCTP, &bare, None), None);
    assert_eq!(of(7, &[11, 0, 0, 4, 10, 0, 0, 6, 1, 2, 0, 0]), None);
    assert_eq!(of(0, &[1, 0, 0, 4]), None);
    assert_eq!(of(7, &[1, 0, 0, 4]), Some(Contradiction::SctpTag));
    assert_eq!(of(0, &[11, 0, 0, 4]), Some(Contradiction::SctpTag));
    for chunks in [
        &[][..],
        &[11, 0, 0],
        &[11, 0, 0, 3],
        &[11, 0, 0, 5],
        &[11, 0, 0, 4, 11],
    ] {
        assert_eq!(of(7, chunks), Some(Contradiction::SctpChunks));
    }
}

#[test]
fn a_checksum_that_was_sent_is_looked_at() {
    let echo = |protocol, with_pseudo| {
        let message = std::vec![8, 0, 0, 0, 0, 7, 0, 1, b'd', b'a', b't'];
        summed(protocol, message, 2, with_pseudo)
    };
    for (protocol, with_pseudo) in [
        (proto::ICMP, false),
        (proto::IGMP, false),
        (proto::ICMPV6, true),
    ] {
        let mut message = echo(protocol, with_pseudo);
        let of = |octets: &[u8]| upper(protocol, octets, Some(pseudo(protocol)));
        assert_eq!(of(&message), None);
        assert_eq!(of(&message[..3]), Some(Contradiction::Length));
        message[9] ^= 1;
        assert_eq!(of(&message), Some(Contradiction::Checksum));
        let unknown = upper(protocol, &message, None);
        assert_eq!(unknown.is_none(), with_pseudo);
    }
    // Nothing is known of other protocols.
    assert_eq!(upper(99, &[], None), None);
}

#[test]
fn udp_may_be_shorter_than_its_room_and_udplite_covers_a_part() {
    let of = |protocol, len: u8, covered: usize| {
        let head = [0, 80, 0, 81, 0, len, 0, 0];
        let mut octets = [&head[..], b"data"].concat();
        let counted = if protocol == proto::UDP { covered } else { 12 };
        let sum = sum_words(&octets[..covered], pseudo(protocol).sum(counted));
        put(&mut octets, 6, finish_checksum(sum).to_be_bytes()).unwrap();
        upper(protocol, &octets, Some(pseudo(protocol)))
    };
    assert_eq!(of(proto::UDP, 12, 12), None);
    assert_eq!(of(proto::UDP, 10, 10), None);
    assert_eq!(of(proto::UDP, 10, 12), Some(Contradiction::Checksum));
    assert_eq!(of(proto::UDP, 13, 12), Some(Contradiction::Length));
    assert_eq!(of(proto::UDP, 7, 12), Some(Contradiction::Length));
    assert_eq!(of(proto::UDP, 0, 12), Some(Contradiction::Length));
    assert_eq!(of(proto::UDP_LITE, 0, 12), None);
    assert_eq!(of(proto::UDP_LITE, 8, 8), None);
    assert_eq!(of(proto::UDP_LITE, 8, 12), Some(Contradiction::Checksum));
    assert_eq!(of(proto::UDP_LITE, 13, 12), Some(Contradiction::Length));
    // No checksum at all.
    let none = [0, 80, 0, 81, 0, 8, 0, 0];
    assert_eq!(upper(proto::UDP, &none, Some(pseudo(17))), None);
}

#[test]
fn port_0_is_nobodys_but_a_udp_sender_s() {
    let of = |protocol, source: u8, destination: u8, elided| {
        let head = [0, source, 0, destination, 0, 8, 0, 0, 0, 0, 0, 0];
        let sent = Sent {
            elided,
            bits: 0,
            computed: true,
        };
        sent.ports(&Upper {
            protocol,
            octets: &head,
            pseudo: None,
        })
    };
    let wrong = Some(Contradiction::Port);
    assert_eq!(of(proto::UDP, 0, 1, 0), None);
    assert_eq!(of(proto::UDP, 1, 0, 0), wrong);
    assert_eq!(of(proto::TCP, 0, 1, 0), wrong);
    assert_eq!(of(proto::SCTP, 0, 1, 0), wrong);
    assert_eq!(of(proto::TCP, 0, 1, bit(Fid::SourcePort)), None);
    assert_eq!(of(proto::TCP, 1, 0, bit(Fid::DestinationPort)), None);
    assert_eq!(of(proto::ICMP, 0, 0, 0), None);
}

#[test]
fn ip_in_ip_has_its_version_length_and_checksum() {
    let mut inner = std::vec![
        0x45, 0, 0, 20, 0, 0, 0, 0, 64, 59, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2
    ];
    let sum = finish_checksum(sum_words(&inner, 0));
    put(&mut inner, v4::CHECKSUM, sum.to_be_bytes()).unwrap();
    let of = |protocol, octets: &[u8]| upper(protocol, octets, None);
    assert_eq!(of(proto::IPV4, &inner), None);
    assert_eq!(of(proto::IPV6, &inner), Some(Contradiction::Length));
    assert_eq!(of(proto::IPV4, &inner[..19]), Some(Contradiction::Length));
    inner[8] = 63;
    assert_eq!(of(proto::IPV4, &inner), Some(Contradiction::Checksum));
}

#[test]
fn addresses_of_nobody() {
    let of = |text: &str| is_nowhere(text.parse().unwrap());
    for nobody in [
        "::1",
        "127.0.0.1",
        "240.0.0.1",
        "8048::1",
        "200::1",
        "4000::1",
        "fe40::1",
        "5f01::1",
    ] {
        assert!(of(nobody), "{nobody}");
    }
    for somebody in [
        "::",
        "::ffff:192.0.2.1",
        "64:ff9b::1",
        "100::1",
        "2001:db8::1",
        "3fff::1",
        "5f00::1",
        "fd00::1",
        "fe80::1",
        "ff02::1",
        "10.0.0.1",
        "224.0.0.1",
        "255.255.255.255",
    ] {
        assert!(!of(somebody), "{somebody}");
    }
    assert!(is_group("255.255.255.255".parse().unwrap()));
    assert!(is_group("ff02::1".parse().unwrap()));
    assert!(!is_group("10.0.0.255".parse().unwrap()));
}

#[test]
fn protocols_of_nobody_or_of_the_other_version() {
    let of = |protocol, version| is_nobodys(protocol, version);
    for version in [None, Some(Version::V4), Some(Version::V6)] {
        assert!(of(148, version) && of(252, version) && of(255, version));
        assert!(!of(147, version) && !of(253, version) && !of(proto::UDP, version));
    }
    assert!(of(proto::ICMPV6, Some(Version::V4)) && of(proto::HOP_BY_HOP, Some(Version::V4)));
    assert!(of(proto::ICMP, Some(Version::V6)) && of(proto::IGMP, Some(Version::V6)));
    assert!(!of(proto::ICMP, None) && !of(proto::ICMPV6, None));
}

#[test]
fn either_reading_of_the_alignment_will_do() {
    let aligned = Form::whole(8);
    assert_eq!(alignment(&aligned, 16, 3), None);
    assert_eq!(alignment(&aligned, 13, 3), None);
    assert_eq!(alignment(&aligned, 12, 3), Some(Contradiction::Alignment));
    let bare = Form {
        pad_length: false,
        next_header: false,
        align: 1,
    };
    assert_eq!(alignment(&bare, 13, 2), None);
}

#[test]
fn a_source_route_holds_the_address_that_a_checksum_covers() {
    let of = |options: &[u8]| readdressed(&[&[0x45; 20], options].concat());
    assert!(!of(&[]));
    assert!(!of(&[148, 4, 0, 0]));
    assert!(!of(&[7, 7, 4, 131, 131, 131, 131, 0]));
    assert!(of(&[131, 7, 4, 192, 0, 2, 9, 0]));
    assert!(of(&[1, 148, 4, 0, 0, 137, 7, 4, 192, 0, 2, 9]));
    // Behind the end of the options there are none.
    assert!(!of(&[0, 131, 7, 4]));
    assert!(!of(&[7, 0, 0]));
}

#[test]
fn an_ipv4_header_that_was_sent_has_its_checksum() {
    let sent = |elided| Sent {
        elided,
        bits: 0,
        computed: false,
    };
    let mut header = std::vec![
        0x45, 0, 0, 20, 0, 0, 0, 0, 64, 59, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2
    ];
    let sum = finish_checksum(sum_words(&header, 0));
    put(&mut header, v4::CHECKSUM, sum.to_be_bytes()).unwrap();
    assert_eq!(sent(0).ipv4(&header), None);
    header[8] = 63;
    assert_eq!(sent(0).ipv4(&header), Some(Contradiction::Checksum));
    assert_eq!(sent(bit(Fid::HeaderChecksum)).ipv4(&header), None);
    header[0] = 0x60;
    assert_eq!(sent(0).ipv4(&header), None);
}
