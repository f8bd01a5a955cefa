//! The motes' engine does to every packet what the hosts' engine does.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic)]

mod common;
mod drawn;

use std::net::IpAddr;

use common::{address, packet};
use drawn::{Way, config, way};
use proptest::prelude::*;
use sprat_core::buf::PacketBuf;
use sprat_core::crypto::{self, BuiltIn, Encr, ICV, Integ, Keys, Numbers, Packet, Suite, ccm};
use sprat_core::diet_esp::{Context, Profile};
use sprat_core::error::DropReason;
use sprat_core::esp::{Place, Receiver, SealArgs, SealError, Terms, rx, tx};
use sprat_core::mote::ehc::Ehc;
use sprat_core::mote::{self, Flags, Frame, Lent, Path, Platform, Sa};
use sprat_core::num::{Sn64, Spi};
use sprat_core::replay::{ReplayWindow, words_for};
use sprat_core::sa::{Df, Dscp, Mode, SaParams, SaRx, SaTx, SenderId, Tunnel, UdpEncap, Usage};
use sprat_core::selector::{AddrRange, PortRange};
use sprat_core::time::Instant;
use sprat_core::wire::ip::{Head, Version};

const KEY: [u8; 16] = *b"0123456789abcdef";
const SALT: [u8; 3] = [0xa0, 0xa1, 0xa2];
const ROOM: usize = 400;

/// AES of the library, and storage that always has room.
struct Board;

impl Platform for Board {
    fn ccm(&self, key: &[u8; 16], packet: &Packet, data: (&mut [u8], crypto::Way)) -> [u8; ICV] {
        ccm(&mut BuiltIn::new(key), packet, data)
    }

    fn store(&self, _: Spi, number: u64) -> Option<u64> {
        Some(number)
    }
}

/// One SA, as both engines know it.
#[derive(Clone, Debug)]
struct Both {
    params: SaParams,
    implicit_iv: bool,
    path: Option<Path>,
    context: Option<(Context, Ehc)>,
}

fn octets(address: IpAddr) -> [u8; 16] {
    let mut octets = [0; 16];
    match address {
        IpAddr::V4(address) => octets[..4].copy_from_slice(&address.octets()),
        IpAddr::V6(address) => octets = address.octets(),
    }
    octets
}

fn addresses(range: &AddrRange) -> [[u8; 16]; 2] {
    match range {
        AddrRange::Any => [[0; 16], [0xff; 16]],
        AddrRange::Range { first, last } => [octets(*first), octets(*last)],
    }
}

fn ports(range: &PortRange) -> Option<[u16; 2]> {
    match range {
        PortRange::Any => Some([0, u16::MAX]),
        PortRange::Range { first, last } => Some([*first, *last]),
        PortRange::Opaque => None,
    }
}

/// The attributes as a mote takes them; `None` for what it does not have.
fn ehc(way: &Way) -> Option<Ehc> {
    let afrg = &way.afrg;
    let [source_first, source_last] = addresses(&afrg.selector.source);
    let [destination_first, destination_last] = addresses(&afrg.selector.destination);
    let list = afrg.dscp_list.values();
    let mut dscp_list = [0; 8];
    dscp_list.get_mut(..list.len())?.copy_from_slice(list);
    if afrg.profile == Profile::Ehc2019 || way.carried.outer == Some(Version::V4) && afrg.outer_id {
        return None;
    }
    Some(Ehc {
        source_first,
        source_last,
        destination_first,
        destination_last,
        source_ports: ports(&afrg.selector.source_ports)?,
        destination_ports: ports(&afrg.selector.destination_ports)?,
        protocol: match afrg.selector.protocol {
            Some(0) => return None,
            protocol => protocol.unwrap_or(0),
        },
        ip_version: if afrg.ip_version? == Version::V4 {
            4
        } else {
            6
        },
        iipc_profile: afrg.iipc_profile.code(),
        dscp_cda: afrg.dscp_cda.code(),
        ecn_cda: afrg.ecn_cda.code(),
        flow_label_cda: afrg.flow_label_cda.code(),
        alignment: afrg.alignment.code(),
        esp_trailer: afrg.esp_trailer.code(),
        esp_spi_lsb: afrg.esp_spi_lsb,
        esp_sn_lsb: afrg.esp_sn_lsb,
        no_guard: (!afrg.guard).into(),
        dscp_count: u8::try_from(list.len()).ok()?,
        dscp_list,
        reorder: 64,
        reserved: [0; 3],
    })
}

impl Both {
    fn new(spi: Spi, outer: Option<Version>, udp: bool, (implicit_iv, esn): (bool, bool)) -> Self {
        let tunnel = outer.map(|version| Tunnel {
            source: address(version == Version::V6, 101),
            destination: address(version == Version::V6, 102),
            hop_limit: 64,
            dscp: Dscp::Copy,
            ecn: true,
            df: Df::Set,
            flow_label: 0,
        });
        let mut params = SaParams::new(spi, tunnel.map_or(Mode::Transport, Mode::Tunnel));
        params.esn = esn;
        params.tfc_allowed = false;
        params.udp_encap = udp.then_some(UdpEncap {
            source_port: 4501,
            destination_port: 4500,
        });
        let path = Path {
            source: tunnel.map_or([0; 16], |tunnel| octets(tunnel.source)),
            destination: tunnel.map_or([0; 16], |tunnel| octets(tunnel.destination)),
            udp_source: if udp { 4501 } else { 0 },
            udp_destination: if udp { 4500 } else { 0 },
            mtu: 0,
            tunnel: tunnel.is_some().into(),
            family: if outer == Some(Version::V4) { 4 } else { 6 },
            hop_limit: 64,
            no_ecn: 0,
        };
        Both {
            params,
            implicit_iv,
            path: (udp || tunnel.is_some()).then_some(path),
            context: None,
        }
    }

    fn of(way: &Way, udp: bool, (implicit_iv, esn): (bool, bool)) -> Option<Self> {
        let ehc = ehc(way)?;
        let mut both = Both::new(way.carried.spi, way.carried.outer, udp, (implicit_iv, esn));
        let context = Context::new(way.afrg, &both.params.carried()).ok()?;
        both.context = Some((context, ehc));
        Some(both)
    }

    fn suite(&self) -> Suite {
        let encr = match self.implicit_iv {
            true => Encr::AesCcm8Iiv,
            false => Encr::AesCcm8,
        };
        let keys = Keys {
            encr_key: &KEY,
            salt: &SALT,
            integ_key: &[],
        };
        Suite::new(encr, Integ::None, &keys).unwrap()
    }

    fn terms<'a>(&'a self, suite: &'a Suite) -> Terms<'a, Suite> {
        Terms {
            params: &self.params,
            suite,
            context: self.context.as_ref().map(|(context, _)| context),
        }
    }

    fn sa(&self, out: bool, number: u64) -> Sa {
        let mut flags = if out { Flags::OUT } else { 0 };
        if self.implicit_iv {
            flags |= Flags::IMPLICIT_IV;
        }
        if self.params.esn {
            flags |= Flags::ESN;
        }
        Sa {
            key: KEY,
            salt: SALT,
            window: 64,
            spi: self.params.spi,
            sender: 0,
            flags: Flags(flags),
            number,
            word: if out {
                u64::MAX
            } else {
                u64::from(number != 0)
            },
        }
    }

    fn lent(&self) -> Lent<'_> {
        Lent {
            path: self.path.as_ref(),
            ehc: self.context.as_ref().map(|(_, ehc)| ehc),
        }
    }

    fn host_seals(&self, packet: &[u8], last: u64) -> Result<Vec<u8>, DropReason> {
        let mut data = vec![0; ROOM];
        data.extend_from_slice(packet);
        data.resize(data.len() + ROOM, 0);
        let mut buf = PacketBuf::new(&mut data, ROOM, packet.len()).unwrap();
        let mut side = SaTx::new(Sn64(last), Instant(0));
        let suite = self.suite();
        let terms = self.terms(&suite);
        match tx::seal(&terms, &mut side, &mut buf, &SealArgs::default()) {
            Ok(_) => Ok(buf.packet().to_vec()),
            Err(SealError::Dropped(reason)) => Err(reason),
            Err(other) => panic!("{other:?}"),
        }
    }

    fn mote_seals(&self, packet: &[u8], last: u64) -> Result<Vec<u8>, DropReason> {
        let mut sa = self.sa(true, last);
        let sealed = framed(packet, |frame| {
            mote::seal(&mut sa, &self.lent(), frame, &Board)
        });
        assert_eq!(sa.number, last + u64::from(sealed.is_ok()));
        sealed
    }

    fn host_side(&self, width: u8, top: u64) -> SaRx<Vec<u64>> {
        let ring = vec![0; words_for(width.into())];
        let mut window = ReplayWindow::new(ring, width.into(), self.params.esn).unwrap();
        window.start_at(Sn64(top));
        SaRx {
            window,
            usage: Usage::default(),
            installed: Instant(0),
        }
    }

    fn host_opens(&self, packet: &[u8], top: u64) -> (Result<Vec<u8>, DropReason>, u64) {
        let mut side = self.host_side(64, top);
        let opened = self.host_opens_on(&mut side, packet);
        (opened, side.window.top().0)
    }

    fn host_opens_on(
        &self,
        side: &mut SaRx<Vec<u64>>,
        packet: &[u8],
    ) -> Result<Vec<u8>, DropReason> {
        let mut data = vec![0; ROOM];
        data.extend_from_slice(packet);
        data.resize(data.len() + ROOM, 0);
        let mut buf = PacketBuf::new(&mut data, ROOM, packet.len()).unwrap();
        let suite = self.suite();
        let terms = self.terms(&suite);
        let place = Head::parse(packet)
            .map_err(|_| DropReason::NotIp)
            .and_then(|head| Place::find(packet, &head));
        place.and_then(|place| {
            let mut receiver = Receiver::plain(side);
            let opened = rx::open(&terms, &mut receiver, &mut buf, (&place, Instant(0)))?;
            let flow = opened.head.flow(buf.packet());
            match &self.context {
                Some((context, _)) if !context.afrg().selector.admits(&flow) => {
                    Err(DropReason::Selector)
                }
                _ => Ok(buf.packet().to_vec()),
            }
        })
    }

    fn mote_opens(&self, packet: &[u8], top: u64) -> (Result<Vec<u8>, DropReason>, u64) {
        let mut sa = self.sa(false, top);
        assert!(mote::is_for(&sa, &self.lent(), packet));
        let opened = framed(packet, |frame| {
            mote::open(&mut sa, &self.lent(), frame, &Board)
        });
        (opened, sa.number)
    }
}

/// Runs `work` on the packet with room behind it; a refused one stays as it was,
/// unless it was authentic.
fn framed(
    packet: &[u8],
    work: impl FnOnce(&mut Frame<'_>) -> Result<(), DropReason>,
) -> Result<Vec<u8>, DropReason> {
    let mut data = packet.to_vec();
    data.resize(packet.len() + ROOM, 0);
    let mut frame = Frame {
        octets: &mut data,
        len: packet.len(),
    };
    let done = work(&mut frame);
    let len = frame.len;
    match done {
        Ok(()) => Ok(data[..len].to_vec()),
        Err(reason) => {
            let kept = data[..packet.len()] == *packet && len == packet.len();
            let authentic = matches!(
                reason,
                DropReason::BadPadding
                    | DropReason::BadInner
                    | DropReason::Selector
                    | DropReason::Dummy
                    | DropReason::Ecn
                    | DropReason::EhcResidue
                    | DropReason::EhcMapping
            );
            assert!(kept || authentic, "{reason:?}");
            Err(reason)
        }
    }
}

/// What a peer changes that holds the key: octets to cut off in front of others to
/// append, and bits to flip, counted from the end of the plaintext or its start.
type Change = (usize, Vec<u8>, Vec<(bool, usize, u8)>);

fn changes() -> impl Strategy<Value = Change> {
    let cut = prop_oneof![3 => Just(0usize), 2 => 0usize..8, 2 => 0usize..120];
    let more = prop_oneof![
        4 => Just(vec![]),
        1 => Just(vec![0, 41]),
        1 => Just(vec![0, 4]),
        1 => Just(vec![0, 17]),
        1 => Just(vec![0]),
        2 => prop::collection::vec(any::<u8>(), 0..6),
    ];
    let flips = prop::collection::vec((any::<bool>(), 0usize..48, 0u8..8), 0..4);
    (cut, more, flips)
}

/// The sealed packet with number `sn` and its plaintext changed.
fn retold(both: &Both, sealed: &[u8], sn: u64, (cut, more, flips): &Change) -> Vec<u8> {
    let head = mote::Head::parse(sealed, sealed.len()).unwrap();
    let udp = both.path.is_some_and(|path| path.udp_destination != 0);
    let header = both.context.as_ref().map_or(8, |(_, ehc)| ehc.header_len());
    let iv_at = head.upper_at + if udp { 8 } else { 0 } + header;
    let from = iv_at + if both.implicit_iv { 0 } else { 8 };
    let sent = sealed[iv_at..from].try_into().map(u64::from_be_bytes);
    let about = Packet {
        salt: SALT,
        iv: sent.unwrap_or(sn),
        numbers: Numbers {
            spi: both.params.spi,
            sn: Sn64(sn),
            esn: both.params.esn,
        },
    };
    let mut body = sealed[from..sealed.len() - ICV].to_vec();
    ccm(
        &mut BuiltIn::new(&KEY),
        &about,
        (&mut body, crypto::Way::Open),
    );
    body.truncate(body.len().saturating_sub(*cut));
    body.extend(more);
    let len = body.len();
    for (end, at, bit) in flips.iter().filter(|_| len != 0) {
        let at = at % len;
        body[if *end { len - 1 - at } else { at }] ^= 1 << bit;
    }
    let icv = ccm(
        &mut BuiltIn::new(&KEY),
        &about,
        (&mut body, crypto::Way::Seal),
    );
    let mut packet = [&sealed[..from], &body, &icv].concat();
    if udp {
        let segment = u16::try_from(packet.len() - head.upper_at).unwrap();
        packet[head.upper_at + 4..head.upper_at + 6].copy_from_slice(&segment.to_be_bytes());
    }
    let v6 = packet[0] >> 4 == 6;
    let (at, less) = if v6 { (4, 40) } else { (2, 0) };
    let total = u16::try_from(packet.len() - less).unwrap();
    packet[at..at + 2].copy_from_slice(&total.to_be_bytes());
    packet
}

/// An extension header: which, more of its length, four octets behind that.
type Extension = (u8, u8, [u8; 4]);

fn extensions() -> impl Strategy<Value = Vec<Extension>> {
    // One that is followed has room for an address, which hosts do not ask for.
    let followed = (0u8..5, 1u8..3, any::<u8>(), 1u8..3)
        .prop_map(|(kind, left, shared, addresses)| (43, 2 * addresses, [kind, left, shared, 0]));
    let done = (0u8..5, any::<[u8; 3]>()).prop_map(|(len, [a, b, c])| (43, len, [a, 0, b, c]));
    let route = prop_oneof![followed, done];
    let fragment = prop_oneof![Just([0u8, 0]), Just([0, 1]), any::<[u8; 2]>()]
        .prop_map(|[a, b]| (44, 0, [a, b, 7, 7]));
    let other = (
        prop::sample::select(vec![0u8, 60]),
        0u8..3,
        any::<[u8; 4]>(),
    );
    prop::collection::vec(prop_oneof![3 => route, 1 => fragment, 3 => other], 0..4)
}

/// The IPv6 packet with extension headers in front of its upper layer; what is an
/// address of a route is that of the packet's destination.
fn extended(packet: &[u8], headers: &[Extension]) -> Vec<u8> {
    let mut extended = packet[..40].to_vec();
    let mut name_at = 6;
    for (kind, len, octets) in headers {
        extended[name_at] = *kind;
        name_at = extended.len();
        extended.extend([0, *len]);
        extended.extend(octets);
        extended.extend([0, 0]);
        let rest = extended.len() + usize::from(*len) * 8;
        let address = packet[24..40].iter().cycle().copied();
        extended.extend(address.take(rest - extended.len()));
    }
    extended[name_at] = packet[6];
    extended.extend(&packet[40..]);
    let payload = u16::try_from(extended.len() - 40).unwrap();
    extended[4..6].copy_from_slice(&payload.to_be_bytes());
    extended
}

/// Numbers as they come: around where 32 bits begin again, early and late.
fn numbers() -> impl Strategy<Value = (u64, Vec<u64>)> {
    let top = prop::sample::select(vec![
        0,
        1,
        40,
        0xffff_ffc0,
        0x1_0000_0000,
        0x1_0000_0010,
        0x7_ffff_fff0,
        u64::MAX - 100,
    ]);
    let step = prop_oneof![
        6 => -70i64..70,
        1 => Just(0),
        1 => prop::sample::select(vec![-0x1_0000_0000, 0x8000_0000, 0xffff_ffff, 0x1_0000_0000]),
    ];
    (top, prop::collection::vec(step, 1..40)).prop_map(|(top, steps)| {
        let mut at = top;
        let numbers = steps.iter().map(|step| {
            at = at.saturating_add_signed(*step).clamp(1, u64::MAX - 1);
            at
        });
        (top, numbers.collect())
    })
}

fn formats() -> impl Strategy<Value = (bool, bool, bool, u64)> {
    let last = prop_oneof![
        Just(0u64),
        0u64..300,
        any::<u32>().prop_map(|n| u64::from(n).min(u64::from(u32::MAX) - 1)),
    ];
    (
        any::<bool>(),
        any::<bool>(),
        prop::bool::weighted(0.25),
        last,
    )
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn diet_esp_is_that_of_the_hosts(way in way(), (implicit, esn, udp, last) in formats()) {
        let both = Both::of(&way, udp, (implicit, esn));
        // Motes have no rules of 2019, and no carrier in an outer Identification.
        let Some(both) = both else {
            return Ok(());
        };
        let host = both.host_seals(&way.packet, last);
        prop_assert_eq!(&both.mote_seals(&way.packet, last), &host);
        if let Ok(sealed) = host {
            let top = last;
            let (opened, moved) = both.host_opens(&sealed, top);
            prop_assert_eq!(both.mote_opens(&sealed, top), (opened, moved));
        }
    }

    #[test]
    fn plain_esp_is_that_of_the_hosts(
        (v6, payload) in (any::<bool>(), 0usize..200),
        outer in prop::sample::select(vec![None, Some(Version::V4), Some(Version::V6)]),
        (implicit, esn, udp, last) in formats(),
        flip in prop::option::of((0usize..400, 0u8..8)),
    ) {
        let both = Both::new(Spi(0x1100_c0de), outer, udp, (implicit, esn));
        let packet = packet(v6, payload);
        let host = both.host_seals(&packet, last);
        prop_assert_eq!(&both.mote_seals(&packet, last), &host);
        let mut sealed = host.unwrap();
        if let Some((at, bit)) = flip {
            // Behind the SPI, so that the SA is found.
            let header = if outer.map_or(v6, |outer| outer == Version::V6) { 40 } else { 20 };
            let from = header + if udp { 8 } else { 0 } + 4;
            let at = from + at % (sealed.len() - from);
            sealed[at] ^= 1 << bit;
        }
        let (opened, moved) = both.host_opens(&sealed, last);
        prop_assert_eq!(both.mote_opens(&sealed, last), (opened, moved));
    }

    #[test]
    fn extension_headers_are_those_of_the_hosts(
        (headers, payload) in (extensions(), 0usize..60),
        tunnel in any::<bool>(),
        (implicit, esn, udp, last) in formats(),
        arrives in any::<bool>(),
    ) {
        let outer = tunnel.then_some(Version::V6);
        let both = Both::new(Spi(0x1100_c0de), outer, udp, (implicit, esn));
        let packet = extended(&packet(true, payload), &headers);
        let host = both.host_seals(&packet, last);
        prop_assert_eq!(&both.mote_seals(&packet, last), &host);
        let Ok(mut sealed) = host else {
            return Ok(());
        };
        // The route ends here.
        let mut at = 40;
        for (kind, len, _) in headers.iter().filter(|_| arrives && !tunnel) {
            sealed[at + 3] = if *kind == 43 { 0 } else { sealed[at + 3] };
            at += 8 + usize::from(*len) * 8;
        }
        let (opened, moved) = both.host_opens(&sealed, last);
        prop_assert_eq!(both.mote_opens(&sealed, last), (opened, moved));
    }

    #[test]
    fn extension_headers_in_diet_esp_are_those_of_the_hosts(
        (way, headers) in (way(), extensions()),
        (implicit, esn, udp, last) in formats(),
    ) {
        let Some(both) = Both::of(&way, udp, (implicit, esn)) else {
            return Ok(());
        };
        if way.packet.len() < 40 || way.packet[0] >> 4 != 6 {
            return Ok(());
        }
        let packet = extended(&way.packet, &headers);
        let host = both.host_seals(&packet, last);
        prop_assert_eq!(&both.mote_seals(&packet, last), &host);
        if let Ok(sealed) = host {
            let (opened, moved) = both.host_opens(&sealed, last);
            prop_assert_eq!(both.mote_opens(&sealed, last), (opened, moved));
        }
    }

    #[test]
    fn untrue_peers_are_refused_as_by_the_hosts(
        (way, plain) in (way(), prop::bool::weighted(0.2)),
        (implicit, esn, udp, last) in formats(),
        change in changes(),
    ) {
        let mut both = match Both::of(&way, udp, (implicit, esn)) {
            Some(both) => both,
            None => return Ok(()),
        };
        if plain {
            both.context = None;
        }
        let Ok(sealed) = both.host_seals(&way.packet, last) else {
            return Ok(());
        };
        let packet = retold(&both, &sealed, last + 1, &change);
        let (opened, moved) = both.host_opens(&packet, last);
        prop_assert_eq!(both.mote_opens(&packet, last), (opened, moved));
    }

    #[test]
    fn windows_are_those_of_the_hosts(
        (top, numbers) in numbers(),
        width in prop::sample::select(vec![0u8, 32, 64]),
        (implicit, esn) in any::<(bool, bool)>(),
    ) {
        let both = Both::new(Spi(0x1100_c0de), None, false, (implicit, esn));
        let most = if esn { u64::MAX } else { u64::from(u32::MAX) };
        let top = top.min(most);
        let mut host = both.host_side(width, top);
        let mut mote = both.sa(false, top);
        mote.window = width;
        for number in numbers {
            let sealed = both.host_seals(&packet(true, 20), number.min(most) - 1).unwrap();
            let expected = both.host_opens_on(&mut host, &sealed);
            let opened = framed(&sealed, |frame| {
                mote::open(&mut mote, &both.lent(), frame, &Board)
            });
            prop_assert_eq!(opened, expected, "number {}", number);
            if width != 0 || esn {
                prop_assert_eq!(mote.number, host.window.top().0);
            }
        }
    }

    #[test]
    fn senders_are_those_of_the_hosts(
        (id, wide) in any::<(u16, bool)>(),
        last in 0u64..u64::from(u32::MAX),
    ) {
        let mut both = Both::new(Spi(0x1100_c0de), None, false, (false, false));
        let id = if wide { id } else { id & 0xff };
        both.params.multi_sender = true;
        both.params.sender_id = SenderId::new(if wide { 16 } else { 8 }, id);
        prop_assert!(both.params.sender_id.is_some());
        let packet = packet(true, 20);
        let mut sa = both.sa(true, last);
        sa.flags = Flags(sa.flags.0 | Flags::SENDERS);
        sa.sender = if wide { id } else { id << 8 };
        let sealed = framed(&packet, |frame| mote::seal(&mut sa, &both.lent(), frame, &Board));
        prop_assert_eq!(&sealed, &both.host_seals(&packet, last));
        let mut side = both.host_side(0, 0);
        prop_assert_eq!(both.host_opens_on(&mut side, &sealed.unwrap()), Ok(packet));
    }
}
