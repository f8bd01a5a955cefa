//! A configuration becomes a boundary that carries packets.

use sprat_config::{Capture, Config};
use sprat_core::buf::PacketBuf;
use sprat_core::error::DropReason;
use sprat_core::esp::SealArgs;
use sprat_core::ipsec::{Ipsec, Outcome, Verdict};
use sprat_core::time::Instant;

/// Two ends that use one SPI in both directions.
const A: &str = r#"
[[sa]]
name = "a to b"
direction = "out"
spi = 0x1000
mode = "tunnel"
encr = "aes-gcm-16"
keymat = "000102030405060708090a0b0c0d0e0f10111213"
sequence_start = 4
[sa.tunnel]
source = "192.0.2.1"
destination = "192.0.2.2"
[sa.lifetime]
packets_hard = 1
[[sa]]
name = "b to a"
direction = "in"
spi = 0x1000
mode = "tunnel"
encr = "aes-ccm-8"
keymat = "000102030405060708090a0b0c0d0e0f101112"
[sa.tunnel]
source = "192.0.2.2"
destination = "192.0.2.1"
[[policy]]
direction = "out"
action = "protect"
sa = "a to b"
protocol = "udp"
[[policy]]
direction = "out"
action = "bypass"
protocol = "tcp"
"#;

fn gateway(text: &str) -> Ipsec {
    let config = Config::parse(text, "a.toml").unwrap();
    config.ipsec(Instant(0)).unwrap()
}

fn capture(text: &str) -> Capture {
    let config = Config::parse(text, "a.toml").unwrap();
    config.capture(Instant(0)).unwrap()
}

/// An IPv4 packet of 28 octets with this protocol.
fn packet(protocol: u8) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 28, 0, 0, 0, 0, 64, protocol, 0, 0];
    packet.extend([10, 0, 0, 1, 10, 0, 0, 2, 0, 9, 0, 9, 0, 8, 0, 0]);
    packet
}

fn seal(ipsec: &mut Ipsec, packet: &[u8]) -> (Outcome, Vec<u8>) {
    let mut data = vec![0; 256];
    data[100..100 + packet.len()].copy_from_slice(packet);
    let mut buf = PacketBuf::new(&mut data, 100, packet.len()).unwrap();
    let outcome = ipsec.outbound(&mut buf, &SealArgs::default()).unwrap();
    (outcome, buf.packet().to_vec())
}

fn open(ipsec: &mut Ipsec, packet: &[u8]) -> (Outcome, Vec<u8>) {
    let mut data = packet.to_vec();
    let mut buf = PacketBuf::new(&mut data, 0, packet.len()).unwrap();
    let outcome = ipsec.inbound(&mut buf, Instant(0));
    (outcome, buf.packet().to_vec())
}

#[test]
fn a_gateway_has_directions_policies_and_numbers() {
    let mut gateway = gateway(A);
    let (sealed, outer) = seal(&mut gateway, &packet(17));
    assert_eq!(
        (sealed.verdict, sealed.sa, sealed.sn),
        (Verdict::Forward, Some(0), 5)
    );
    assert_eq!(
        seal(&mut gateway, &packet(17)).0.reason,
        Some(DropReason::LifetimePackets)
    );
    assert_eq!(seal(&mut gateway, &packet(6)).0.verdict, Verdict::Bypass);
    assert_eq!(
        seal(&mut gateway, &packet(1)).0.reason,
        Some(DropReason::NoPolicy)
    );
    assert_eq!(gateway.sa(1).unwrap().0, "b to a");
    // Its own packet comes back: the SPI names the SA of the other direction.
    assert_eq!(
        open(&mut gateway, &outer).0.reason,
        Some(DropReason::Integrity)
    );
}

#[test]
fn a_capture_opens_both_directions_although_they_share_an_spi() {
    let (_, a_to_b) = seal(&mut gateway(A), &packet(17));
    let swapped = A
        .replace("\"out\"", "\"x\"")
        .replace("\"in\"", "\"out\"")
        .replace("\"x\"", "\"in\"");
    let swapped = swapped
        .replace("sa = \"a to b\"", "sa = \"b to a\"")
        .replace("direction = \"in\"\naction", "direction = \"out\"\naction");
    let (sealed, b_to_a) = seal(&mut gateway(&swapped), &packet(17));
    assert_eq!(sealed.sa, Some(1));
    let mut capture = capture(A);
    let mut open = |packet: &[u8]| capture.inbound(packet, Instant(0));
    for (number, esp) in [(0, a_to_b), (1, b_to_a)] {
        let (outcome, inner) = open(&esp);
        assert_eq!(
            (outcome.verdict, outcome.sa),
            (Verdict::Deliver, Some(number))
        );
        assert_eq!(inner[9..], packet(17)[9..]);
        assert_eq!(open(&esp).0.reason, Some(DropReason::Replay));
    }
    assert_eq!(open(&packet(6)).0.verdict, Verdict::Bypass);
}

/// Two peers chose one SPI, and transport mode states no address.
#[test]
fn equal_transport_sas_are_told_apart_by_their_icv() {
    let sa = |name: &str, key: &str| {
        format!(
            "[[sa]]\nname = \"{name}\"\ndirection = \"out\"\nspi = 256\nmode = \"transport\"\n\
             encr = \"null\"\ninteg = \"sha1\"\ninteg_key = \"{}\"\n\
             [[policy]]\ndirection = \"out\"\naction = \"protect\"\nsa = \"{name}\"\n",
            key.repeat(20)
        )
    };
    let both =
        sa("x", "00") + &sa("y", "11") + &sa("z", "22").replace("\"out\"\nspi", "\"in\"\nspi");
    let both = both.replace(
        "[[policy]]\ndirection = \"out\"\naction = \"protect\"\nsa = \"z\"\n",
        "",
    );
    let mut opens = capture(&both);
    for (number, key) in ["00", "11", "22"].iter().enumerate() {
        let (_, esp) = seal(&mut gateway(&sa("x", key)), &packet(17));
        let (outcome, inner) = opens.inbound(&esp, Instant(0));
        let sa = u32::try_from(number).ok();
        assert_eq!(
            (outcome.verdict, outcome.sa),
            (Verdict::Deliver, sa),
            "{key}"
        );
        assert_eq!(inner[12..], packet(17)[12..]);
    }
    let (_, stranger) = seal(&mut gateway(&sa("x", "33")), &packet(17));
    let (outcome, _) = opens.inbound(&stranger, Instant(0));
    assert_eq!(outcome.verdict, Verdict::Drop);
    assert_eq!(
        opens.inbound(&packet(6), Instant(0)).0.verdict,
        Verdict::Bypass
    );
}
