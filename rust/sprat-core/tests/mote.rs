//! The motes' engine does to every packet what the hosts' engine does.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic)]

mod common;
mod drawn;

use std::net::IpAddr;

use common::{address, packet};
use drawn::{Way, config, way};
use proptest::prelude::*;
use sprat_core::buf::PacketBuf;
use sprat_core::crypto::{self, BuiltIn, Encr, ICV, Integ, Keys, Packet, Suite, ccm};
use sprat_core::diet_esp::{Context, Profile};
use sprat_core::error::DropReason;
use sprat_core::esp::{Place, Receiver, SealArgs, SealError, Terms, rx, tx};
use sprat_core::mote::ehc::Ehc;
use sprat_core::mote::{self, Flags, Frame, Lent, Path, Platform, Sa};
use sprat_core::num::{Sn64, Spi};
use sprat_core::replay::{ReplayWindow, words_for};
use sprat_core::sa::{Df, Dscp, Mode, SaParams, SaRx, SaTx, Tunnel, UdpEncap, Usage};
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

    fn host_opens(&self, packet: &[u8], top: u64) -> (Result<Vec<u8>, DropReason>, u64) {
        let mut data = vec![0; ROOM];
        data.extend_from_slice(packet);
        data.resize(data.len() + ROOM, 0);
        let mut buf = PacketBuf::new(&mut data, ROOM, packet.len()).unwrap();
        let ring = vec![0; words_for(64)];
        let mut window = ReplayWindow::new(ring, 64, self.params.esn).unwrap();
        window.start_at(Sn64(top));
        let mut side = SaRx {
            window,
            usage: Usage::default(),
            installed: Instant(0),
        };
        let suite = self.suite();
        let terms = self.terms(&suite);
        let place = Head::parse(packet)
            .map_err(|_| DropReason::NotIp)
            .and_then(|head| Place::find(packet, &head));
        let opened = place.and_then(|place| {
            let mut receiver = Receiver::plain(&mut side);
            let opened = rx::open(&terms, &mut receiver, &mut buf, (&place, Instant(0)))?;
            let flow = opened.head.flow(buf.packet());
            match &self.context {
                Some((context, _)) if !context.afrg().selector.admits(&flow) => {
                    Err(DropReason::Selector)
                }
                _ => Ok(buf.packet().to_vec()),
            }
        });
        (opened, side.window.top().0)
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
}
