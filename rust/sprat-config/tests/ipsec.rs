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

/// Worked example 1 of the Diet-ESP digest: addresses, ports and all else known.
const SENSOR: &str = r#"
[[sa]]
name = "NAME"
direction = "out"
spi = 0xa1b2c3d4
mode = "tunnel"
encr = "aes-ccm-8-iiv"
keymat = "000102030405060708090a0b0c0d0e0fa0a1a2"
[sa.tunnel]
source = "2001:db8::1"
destination = "2001:db8::2"
[[sa.selector]]
source = "2001:db8:0:1::1000"
destination = "2001:db8:0:2::5678"
protocol = "udp"
source_ports = 5001
destination_ports = 4500
[sa.ehc]
dscp_cda = "lower"
ecn_cda = "lower"
flow_label_cda = "lower"
alignment = 8
esp_spi_lsb = 8
esp_sn_lsb = 8
"#;
const INNER: &str = "600123450012114020010db800000001000000000000100020010db80000000200000000000056781389119400122af048656c6c6f2064696574";
const ESP: &str = "d401d2c0a113d805c826ad53008cdec3578d74a9";

fn unhex(text: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digit).collect()
}

fn policy(sa: &str) -> String {
    format!("[[policy]]\ndirection = \"out\"\naction = \"protect\"\nsa = \"{sa}\"\n")
}

#[test]
fn an_sa_with_ehc_sends_and_takes_diet_esp() {
    let text = SENSOR.replace("NAME", "a");
    let (sealed, outer) = seal(&mut gateway(&(text.clone() + &policy("a"))), &unhex(INNER));
    assert_eq!((sealed.verdict, sealed.sn), (Verdict::Forward, 1));
    assert_eq!(outer[40..], unhex(ESP));
    let (outcome, inner) = capture(&text).inbound(&outer, Instant(0));
    assert_eq!((outcome.verdict, outcome.sa), (Verdict::Deliver, Some(0)));
    assert_eq!(inner, unhex(INNER));
    let receiver = text.replace("\"out\"", "\"in\"");
    let mut ipsec = gateway(&receiver);
    let mut data = vec![0; 256];
    data[100..100 + outer.len()].copy_from_slice(&outer);
    let mut buf = PacketBuf::new(&mut data, 100, outer.len()).unwrap();
    assert_eq!(
        ipsec.inbound(&mut buf, Instant(0)).verdict,
        Verdict::Deliver
    );
    assert_eq!(buf.packet(), unhex(INNER));
}

#[test]
fn what_does_not_fit_goes_through_the_fallback() {
    let plain = SENSOR.replace("NAME", "b").replace("c3d4", "c3d5");
    let plain = plain.split("[[sa.selector]]").next().unwrap();
    let both = |fallback: &str| SENSOR.replace("NAME", "a") + fallback + plain + &policy("a");
    let mut wrong = unhex(INNER);
    wrong[41] ^= 1;
    let (refused, _) = seal(&mut gateway(&both("")), &wrong);
    assert_eq!(refused.reason, Some(DropReason::EhcPort));
    let (sealed, outer) = seal(&mut gateway(&both("fallback = \"b\"\n")), &wrong);
    assert_eq!((sealed.verdict, sealed.sa), (Verdict::Forward, Some(1)));
    assert_eq!(
        (outer.len() - 40, &outer[40..44]),
        (76, &unhex("a1b2c3d5")[..])
    );
}

/// SPI bits that are equal, and none at all: each in a layer of its own.
#[test]
fn a_capture_opens_compressed_sas_that_overlap() {
    let sa = |name: &str, spi: &str, key: &str| {
        let text = SENSOR.replace("NAME", name).replace("a1b2c3d4", spi);
        text.replace("keymat = \"00", &format!("keymat = \"{key}"))
    };
    let blind = sa("c", "00c0ffee", "22").replace("spi_lsb = 8", "spi_lsb = 0");
    let sas = [sa("a", "a1b2c3d4", "00"), sa("b", "aaaaaad4", "11"), blind];
    let plain = sa("d", "d4010203", "33");
    let plain = plain.split("[[sa.selector]]").next().unwrap().to_owned();
    let all = sas.concat() + &plain;
    let mut opens = capture(&all);
    for (number, text) in (0..).zip(sas.iter().chain([&plain])) {
        let name = ["a", "b", "c", "d"][number as usize];
        let (_, esp) = seal(&mut gateway(&(text.clone() + &policy(name))), &unhex(INNER));
        let (outcome, inner) = opens.inbound(&esp, Instant(0));
        assert_eq!(
            (outcome.verdict, outcome.sa),
            (Verdict::Deliver, Some(number))
        );
        assert_eq!(inner, unhex(INNER));
    }
}
