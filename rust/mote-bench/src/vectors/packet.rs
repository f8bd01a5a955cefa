//! One packet of the vectors, sealed and opened.

use core::ffi::CStr;
use core::net::IpAddr;

use sprat_core::buf::PacketBuf;
use sprat_core::crypto::{Encr, EspSuite, Integ, Keys, Numbers, Suite};
use sprat_core::diet_esp::{
    Afrg, Alignment, Carried, Context, DscpCda, DscpList, EcnCda, EspTrailer, FlowLabelCda,
    Generator, IipcProfile,
};
use sprat_core::error::DropReason;
use sprat_core::esp::{Place, Receiver, SealError, Terms, rx, tx};
use sprat_core::num::{Sn64, Spi};
use sprat_core::replay::ReplayWindow;
use sprat_core::sa::{Df, Dscp, Mode, SaParams, SaRx, Tunnel, UdpEncap, Usage};
use sprat_core::selector::{AddrRange, PortRange, Selector};
use sprat_core::time::Instant;
use sprat_core::wire::ip::{Head, Outer, Version};

use crate::case::{Attributes, Case, Header, Sent, Transforms};

/// Why a case fails.
type Failed = &'static CStr;

/// Room in front of a packet for every header, and the largest packet.
const ROOM: usize = 320;
const BUFFER: usize = 2400;

/// What both directions of a case share.
struct Sa {
    params: SaParams,
    suite: Suite,
    context: Option<Context>,
}

impl Sa {
    fn new(case: &Case) -> Result<Self, Failed> {
        let outer = match &case.outer {
            None => None,
            Some(header) => Some(outer(header)?),
        };
        let mut params = SaParams::new(Spi(case.spi), Mode::Transport);
        if let Some(outer) = &outer {
            params.mode = Mode::Tunnel(tunnel(outer));
        }
        params.esn = case.esn;
        params.udp_encap = case.udp.map(|(source_port, destination_port)| UdpEncap {
            source_port,
            destination_port,
        });
        let version = outer.map(|outer| version(&outer));
        let context = match case.context {
            None => None,
            Some(attributes) => Some(context(attributes, params.spi, version)?),
        };
        Ok(Sa {
            params,
            suite: suite(&case.suite)?,
            context,
        })
    }

    fn terms(&self) -> Terms<'_, Suite> {
        Terms {
            params: &self.params,
            suite: &self.suite,
            context: self.context.as_ref(),
        }
    }
}

/// Does with the packet what its case asks for.
pub fn run(case: &Case) -> Result<(), Failed> {
    let mut sa = Sa::new(case)?;
    let mut data = [0xa5; BUFFER];
    if let Some(clear) = case.clear {
        let mut buf = placed(&mut data, clear)?;
        match (&case.sent, seal(case, &sa, &mut buf)) {
            (Some(sent), Ok(())) => compare(case, (&sa, sent), &buf)?,
            (None, Err(Unsealed::Refused(reason))) => refused_unchanged(reason, &buf, clear)?,
            (None, Ok(_)) => return Err(c"not refused"),
            (_, Err(Unsealed::Failed(why))) => return Err(why),
            (Some(_), Err(_)) => return Err(c"refused"),
        }
    }
    let Some(received) = case.received else {
        return Ok(());
    };
    if let (Mode::Tunnel(tunnel), Some(context)) = (&mut sa.params.mode, &sa.context) {
        // RFC 6040 is about headers that were rebuilt with an ECN field sent.
        tunnel.ecn = context.afrg().compresses_inner();
    }
    let mut buf = placed(&mut data, received)?;
    match (case.restored, open(case, &sa, &mut buf)?) {
        (Some(restored), Ok(sn)) if sn.0 == case.sn && buf.packet() == restored => Ok(()),
        (Some(_), Ok(_)) => Err(c"opened to something else"),
        (Some(_), Err(_)) => Err(c"not opened"),
        (None, Ok(_)) => Err(c"not refused when opened"),
        (None, Err(_)) => Ok(()),
    }
}

/// The packet in `data`, with a pattern around it that no layer may leave.
fn placed<'a>(data: &'a mut [u8], packet: &[u8]) -> Result<PacketBuf<'a>, Failed> {
    data.fill(0xa5);
    let room = data.get_mut(ROOM..ROOM + packet.len());
    room.ok_or(c"no room")?.copy_from_slice(packet);
    PacketBuf::new(data, ROOM, packet.len()).ok_or(c"no room")
}

/// Why nothing was sealed.
enum Unsealed {
    Refused(DropReason),
    Failed(Failed),
}

/// Seals with the number, IV and outer header of the case.
fn seal(case: &Case, sa: &Sa, buf: &mut PacketBuf<'_>) -> Result<(), Unsealed> {
    let outer = match &case.outer {
        None => None,
        Some(header) => Some(outer(header).map_err(Unsealed::Failed)?),
    };
    let known = tx::Known {
        sn: Sn64(case.sn),
        iv: case.iv,
        outer,
        tfc: case.tfc,
        extra_pad: case.extra_pad,
    };
    let terms = sa.terms();
    let laid_out = tx::lay_out_known(&terms, buf, &known);
    let (numbers, at) = laid_out.map_err(|error| match error {
        SealError::Dropped(reason) => Unsealed::Refused(reason),
        _ => Unsealed::Failed(c"cannot be laid out"),
    })?;
    let body_at = at + terms.header_len();
    if let Some(sent) = &case.sent {
        let clear = buf.packet().get(body_at + sa.suite.iv_len()..);
        let clear = clear.and_then(|clear| clear.get(..sent.plaintext.len()));
        if clear != Some(sent.plaintext) {
            return Err(Unsealed::Failed(c"another plaintext than stated"));
        }
    }
    let body = buf.packet_mut().get_mut(body_at..).unwrap_or(&mut []);
    match sa.suite.seal(&numbers, body) {
        Ok(()) => Ok(()),
        Err(_) => Err(Unsealed::Failed(c"not sealed")),
    }
}

fn compare(case: &Case, (sa, sent): (&Sa, &Sent), buf: &PacketBuf<'_>) -> Result<(), Failed> {
    let numbers = Numbers {
        spi: sa.params.spi,
        sn: Sn64(case.sn),
        esn: sa.params.esn,
    };
    if sa.suite.nonce(&numbers, case.iv).as_slice() != sent.nonce {
        return Err(c"another nonce than stated");
    }
    if sent
        .aad
        .is_some_and(|aad| sa.suite.aad(&numbers).as_slice() != aad)
    {
        return Err(c"other additional data than stated");
    }
    match buf.packet() == sent.packet {
        true => Ok(()),
        false => Err(c"sealed to something else"),
    }
}

/// A refusal of Diet-ESP leaves the packet as it was.
fn refused_unchanged(reason: DropReason, buf: &PacketBuf<'_>, clear: &[u8]) -> Result<(), Failed> {
    let of_ehc = DropReason::EhcVersion.code()..=DropReason::EhcCoverage.code();
    if !of_ehc.contains(&reason.code()) {
        return Err(c"refused for another reason than Diet-ESP's");
    }
    match buf.packet() == clear {
        true => Ok(()),
        false => Err(c"a refusal has left something behind"),
    }
}

fn open(case: &Case, sa: &Sa, buf: &mut PacketBuf<'_>) -> Result<Result<Sn64, DropReason>, Failed> {
    let window = ReplayWindow::new([0; 4], case.window, case.esn);
    let mut window = window.ok_or(c"no window")?;
    window.start_at(Sn64(case.top));
    let mut rx = SaRx {
        window,
        usage: Usage::default(),
        installed: Instant(0),
    };
    let generator: Generator<'_> = &|_| case.generated;
    let mut receiver = Receiver {
        generator,
        ..Receiver::plain(&mut rx)
    };
    let head = Head::parse(buf.packet()).map_err(|_| c"no IP packet")?;
    let place = match Place::find(buf.packet(), &head) {
        Ok(place) => place,
        Err(reason) => return Ok(Err(reason)),
    };
    let opened = rx::open(&sa.terms(), &mut receiver, buf, (&place, Instant(0)));
    Ok(opened.map(|opened| opened.sn))
}

fn suite(transforms: &Transforms) -> Result<Suite, Failed> {
    let encr = Encr::from_name(transforms.encr).ok_or(c"unknown encryption")?;
    let integ = Integ::from_name(transforms.integ).ok_or(c"unknown integrity")?;
    let keys = Keys {
        encr_key: transforms.encr_key,
        salt: transforms.salt,
        integ_key: transforms.integ_key,
    };
    Suite::new(encr, integ, &keys).map_err(|_| c"no such suite")
}

fn address(text: &str) -> Result<IpAddr, Failed> {
    text.parse().map_err(|_| c"no address")
}

fn outer(header: &Header) -> Result<Outer, Failed> {
    Ok(Outer {
        source: address(header.source)?,
        destination: address(header.destination)?,
        hop_limit: header.hop_limit,
        traffic_class: header.traffic_class,
        id: header.id,
        fragment: header.fragment,
        flow_label: header.flow_label,
    })
}

/// Only the addresses count: the header is the case's own.
fn tunnel(outer: &Outer) -> Tunnel {
    Tunnel {
        source: outer.source,
        destination: outer.destination,
        hop_limit: 64,
        dscp: Dscp::Set(0),
        ecn: false,
        df: Df::Clear,
        flow_label: 0,
    }
}

fn version(outer: &Outer) -> Version {
    match outer.source {
        IpAddr::V4(_) => Version::V4,
        IpAddr::V6(_) => Version::V6,
    }
}

fn context(attributes: &Attributes, spi: Spi, outer: Option<Version>) -> Result<Context, Failed> {
    let version = match attributes.version {
        4 => Version::V4,
        _ => Version::V6,
    };
    let named = c"unknown name";
    let afrg = Afrg {
        iipc_profile: IipcProfile::from_name(attributes.iipc_profile).ok_or(named)?,
        dscp_cda: DscpCda::from_name(attributes.dscp_cda).ok_or(named)?,
        ecn_cda: EcnCda::from_name(attributes.ecn_cda).ok_or(named)?,
        flow_label_cda: FlowLabelCda::from_name(attributes.flow_label_cda).ok_or(named)?,
        dscp_list: DscpList::new(attributes.dscp_list).ok_or(c"no list of DSCPs")?,
        alignment: Alignment::from_bits(attributes.alignment).ok_or(c"no alignment")?,
        esp_trailer: EspTrailer::from_name(attributes.esp_trailer).ok_or(named)?,
        esp_spi_lsb: attributes.spi_lsb,
        esp_sn_lsb: attributes.sn_lsb,
        // The cases send labels in the Identification of IPv4.
        outer_id: true,
        ..Afrg::new(version, selector(attributes)?)
    };
    carried(afrg, spi, outer)
}

fn carried(afrg: Afrg, spi: Spi, outer: Option<Version>) -> Result<Context, Failed> {
    let carried = Carried {
        spi,
        outer,
        udp: false,
    };
    Context::new(afrg, &carried).map_err(|_| c"no context")
}

/// A context of which only the bits of its SPI matter.
pub fn spi_context(spi: Spi, lsb: u8) -> Result<Context, Failed> {
    let selector = Selector {
        source: AddrRange::Any,
        destination: AddrRange::Any,
        protocol: None,
        source_ports: PortRange::Any,
        destination_ports: PortRange::Any,
    };
    let afrg = Afrg {
        esp_spi_lsb: lsb,
        esp_sn_lsb: 16 - lsb % 8,
        ..Afrg::new(Version::V6, selector)
    };
    carried(afrg, spi, Some(Version::V6))
}

fn selector(attributes: &Attributes) -> Result<Selector, Failed> {
    let range = |(first, last): (&str, &str)| {
        AddrRange::range(address(first)?, address(last)?).ok_or(c"no range")
    };
    let ports = |(first, last)| PortRange::Range { first, last };
    Ok(Selector {
        source: range(attributes.source)?,
        destination: range(attributes.destination)?,
        protocol: Some(attributes.protocol).filter(|protocol| *protocol != 0),
        source_ports: ports(attributes.source_ports),
        destination_ports: ports(attributes.destination_ports),
    })
}
