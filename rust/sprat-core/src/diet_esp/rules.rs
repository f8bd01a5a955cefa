//! The rules as data: which fields a header has and which attribute decides over
//! each (draft-ietf-ipsecme-diet-esp-07 s5, Tables 2-5; for the profile ehc-2019
//! draft-mglt-ipsecme-diet-esp-07, "EHC Rules"). A later draft is another table.

use super::afrg::{DscpCda, EcnCda, FlowLabelCda, Profile};
use super::context::Context;
use crate::schc::{Cda, Descriptor, Fid, Mo, Tv};
use crate::wire::ip::{Version, proto};

/// What decides over a field.
#[derive(Clone, Copy, Debug)]
enum By {
    /// Always this value, never sent.
    Fixed(u32),
    /// Always sent.
    Sent,
    /// Length of what was rebuilt.
    Length,
    /// Computed over what was rebuilt.
    Checksum,
    /// The outer header's, always.
    Outer,
    /// Sent where `outer` is IPv4, else the outer header's (2016-2019).
    OuterV6,
    /// The value 6, sent where `outer` is IPv4 (2016-2019).
    VersionOuterV6,
    Dscp,
    Ecn,
    FlowLabel,
    Protocol,
    Source,
    Destination,
    SourcePort,
    DestinationPort,
    /// Sent unless the coverage is agreed to be the whole datagram (2016-2019).
    Coverage,
    /// Checksum of the same.
    CoverageChecksum,
    /// This value, or sent where TCP options are agreed (2016-2019).
    TcpOptions(u32),
    /// 0, or sent where the Urgent Pointer is agreed (2016-2019).
    TcpUrgent,
}

/// One field: its identifier, length in bits and what decides over it.
type Row = (Fid, u8, By);

const IPV6: &[Row] = &[
    (Fid::Version, 4, By::Fixed(6)),
    (Fid::Dscp, 6, By::Dscp),
    (Fid::Ecn, 2, By::Ecn),
    (Fid::FlowLabel, 20, By::FlowLabel),
    (Fid::Length, 16, By::Length),
    (Fid::Protocol, 8, By::Protocol),
    (Fid::HopLimit, 8, By::Outer),
    (Fid::Source, 128, By::Source),
    (Fid::Destination, 128, By::Destination),
];

const IPV4: &[Row] = &[
    (Fid::Version, 4, By::Fixed(4)),
    (Fid::HeaderLength, 4, By::Sent),
    (Fid::Dscp, 6, By::Dscp),
    (Fid::Ecn, 2, By::Ecn),
    (Fid::Length, 16, By::Length),
    (Fid::Identification, 16, By::FlowLabel),
    (Fid::Flags, 3, By::Sent),
    (Fid::FragmentOffset, 13, By::Sent),
    (Fid::HopLimit, 8, By::Outer),
    (Fid::Protocol, 8, By::Protocol),
    (Fid::HeaderChecksum, 16, By::Checksum),
    (Fid::Source, 32, By::Source),
    (Fid::Destination, 32, By::Destination),
];

const UDP: &[Row] = &[
    (Fid::SourcePort, 16, By::SourcePort),
    (Fid::DestinationPort, 16, By::DestinationPort),
    (Fid::UdpLength, 16, By::Length),
    (Fid::UdpChecksum, 16, By::Checksum),
];

const UDP_LITE: &[Row] = &[
    (Fid::SourcePort, 16, By::SourcePort),
    (Fid::DestinationPort, 16, By::DestinationPort),
    (Fid::UdpLiteCoverage, 16, By::Length),
    (Fid::UdpLiteChecksum, 16, By::Checksum),
];

const TCP: &[Row] = &[
    (Fid::SourcePort, 16, By::SourcePort),
    (Fid::DestinationPort, 16, By::DestinationPort),
    (Fid::TcpSequence, 32, By::Sent),
    (Fid::TcpAcknowledgment, 32, By::Sent),
    (Fid::TcpDataOffset, 4, By::Sent),
    (Fid::TcpReservedFlags, 12, By::Sent),
    (Fid::TcpWindow, 16, By::Sent),
    (Fid::TcpChecksum, 16, By::Checksum),
    (Fid::TcpUrgent, 16, By::Sent),
];

const SCTP: &[Row] = &[
    (Fid::SourcePort, 16, By::SourcePort),
    (Fid::DestinationPort, 16, By::DestinationPort),
    (Fid::SctpTag, 32, By::Sent),
    (Fid::SctpChecksum, 32, By::Checksum),
];

const IPV6_2019: &[Row] = &[
    (Fid::Version, 4, By::VersionOuterV6),
    (Fid::Dscp, 6, By::OuterV6),
    (Fid::Ecn, 2, By::OuterV6),
    (Fid::FlowLabel, 20, By::OuterV6),
    (Fid::Length, 16, By::Length),
    (Fid::Protocol, 8, By::Protocol),
    (Fid::HopLimit, 8, By::Outer),
    (Fid::Source, 128, By::Source),
    (Fid::Destination, 128, By::Destination),
];

const IPV4_2019: &[Row] = &[
    (Fid::Version, 4, By::Fixed(4)),
    (Fid::HeaderLength, 4, By::Fixed(5)),
    (Fid::Dscp, 6, By::Sent),
    (Fid::Ecn, 2, By::Sent),
    (Fid::Length, 16, By::Length),
    (Fid::Identification, 16, By::Sent),
    // Don't Fragment, and nothing else.
    (Fid::Flags, 3, By::Fixed(0b010)),
    (Fid::FragmentOffset, 13, By::Fixed(0)),
    (Fid::HopLimit, 8, By::Outer),
    (Fid::Protocol, 8, By::Protocol),
    (Fid::HeaderChecksum, 16, By::Checksum),
    (Fid::Source, 32, By::Source),
    (Fid::Destination, 32, By::Destination),
];

const UDP_LITE_2019: &[Row] = &[
    (Fid::SourcePort, 16, By::SourcePort),
    (Fid::DestinationPort, 16, By::DestinationPort),
    (Fid::UdpLiteCoverage, 16, By::Coverage),
    (Fid::UdpLiteChecksum, 16, By::CoverageChecksum),
];

const TCP_2019: &[Row] = &[
    (Fid::SourcePort, 16, By::SourcePort),
    (Fid::DestinationPort, 16, By::DestinationPort),
    (Fid::TcpSequence, 32, By::Sent),
    (Fid::TcpAcknowledgment, 32, By::Sent),
    (Fid::TcpDataOffset, 4, By::TcpOptions(5)),
    (Fid::TcpReserved, 4, By::TcpOptions(0)),
    (Fid::TcpFlags, 8, By::Sent),
    (Fid::TcpWindow, 16, By::Sent),
    (Fid::TcpChecksum, 16, By::Checksum),
    (Fid::TcpUrgent, 16, By::TcpUrgent),
];

/// The fields of the IP header.
fn ip_rows(profile: Profile, version: Version) -> &'static [Row] {
    match (profile, version) {
        (Profile::Ehc2019, Version::V6) => IPV6_2019,
        (Profile::Ehc2019, Version::V4) => IPV4_2019,
        (_, Version::V6) => IPV6,
        (_, Version::V4) => IPV4,
    }
}

/// The fields of the transport header that the rule of `context` covers when the
/// IP header names `protocol`; none if all behind it is payload.
fn transport_rows(context: &Context, protocol: u8) -> &'static [Row] {
    let old = context.afrg().profile == Profile::Ehc2019;
    if old && context.afrg().selector.protocol.is_none() {
        return &[];
    }
    match protocol {
        proto::UDP => UDP,
        proto::UDP_LITE if old => UDP_LITE_2019,
        proto::UDP_LITE => UDP_LITE,
        proto::TCP if old => TCP_2019,
        proto::TCP => TCP,
        // The old texts have no rules for SCTP.
        proto::SCTP if !old => SCTP,
        _ => &[],
    }
}

/// Octets of the transport header that the rule covers: 0 if none.
pub(super) fn transport_len(context: &Context, protocol: u8) -> usize {
    let bits: usize = transport_rows(context, protocol)
        .iter()
        .map(|(_, bits, _)| usize::from(*bits))
        .sum();
    bits / 8
}

/// The rule for an IP header of `version`.
pub(super) fn ip(context: &Context, version: Version) -> impl Iterator<Item = Descriptor<'_>> {
    ip_rows(context.afrg().profile, version)
        .iter()
        .map(move |row| resolve(row, context))
}

/// The rule for the transport header of `protocol`.
pub(super) fn transport(context: &Context, protocol: u8) -> impl Iterator<Item = Descriptor<'_>> {
    transport_rows(context, protocol)
        .iter()
        .map(move |row| resolve(row, context))
}

const SENT: (Tv<'static>, Mo, Cda) = (Tv::None, Mo::Ignore, Cda::ValueSent);
const LOWER: (Tv<'static>, Mo, Cda) = (Tv::None, Mo::Ignore, Cda::Lower);
const COMPUTE: (Tv<'static>, Mo, Cda) = (Tv::None, Mo::Ignore, Cda::Compute);
const CHECKSUM: (Tv<'static>, Mo, Cda) = (Tv::None, Mo::Ignore, Cda::Checksum);

const fn fixed<'a>(value: u32) -> (Tv<'a>, Mo, Cda) {
    (Tv::Number(value), Mo::Equal, Cda::NotSent)
}

/// The descriptor that a row becomes with the attributes of this SA.
fn resolve<'a>((fid, bits, by): &Row, context: &'a Context) -> Descriptor<'a> {
    let afrg = context.afrg();
    let outer_v6 = context.outer() == Some(Version::V6);
    let (tv, mo, cda) = match by {
        By::Fixed(value) => fixed(*value),
        By::Sent => SENT,
        By::Length => COMPUTE,
        By::Checksum => CHECKSUM,
        By::Outer => LOWER,
        By::OuterV6 if outer_v6 => LOWER,
        By::OuterV6 => SENT,
        By::VersionOuterV6 if outer_v6 => fixed(6),
        By::VersionOuterV6 => SENT,
        By::Dscp => dscp(context),
        By::Ecn if afrg.ecn_cda == EcnCda::Lower => LOWER,
        By::Ecn => SENT,
        By::FlowLabel => flow_label(afrg.flow_label_cda),
        By::Protocol => afrg.selector.protocol.map_or(SENT, |p| fixed(p.into())),
        By::Source => context.source().rule(*bits),
        By::Destination => context.destination().rule(*bits),
        By::SourcePort => context.source_port().rule(*bits),
        By::DestinationPort => context.destination_port().rule(*bits),
        By::Coverage if afrg.ehc2019.udplite_whole => COMPUTE,
        By::CoverageChecksum if afrg.ehc2019.udplite_whole => CHECKSUM,
        By::Coverage | By::CoverageChecksum => SENT,
        By::TcpOptions(value) if !afrg.ehc2019.tcp_options => fixed(*value),
        By::TcpOptions(_) => SENT,
        By::TcpUrgent if !afrg.ehc2019.tcp_urgent => fixed(0),
        By::TcpUrgent => SENT,
    };
    Descriptor {
        fid: *fid,
        bits: *bits,
        tv,
        mo,
        cda,
    }
}

fn dscp(context: &Context) -> (Tv<'_>, Mo, Cda) {
    let afrg = context.afrg();
    match (afrg.dscp_cda, afrg.dscp_list.values()) {
        (DscpCda::NotCompressed, _) => SENT,
        (DscpCda::Lower, _) => LOWER,
        (DscpCda::Sa, [only]) => fixed((*only).into()),
        (DscpCda::Sa, list) => (Tv::List(list), Mo::MatchMapping, Cda::MappingSent),
    }
}

const fn flow_label(cda: FlowLabelCda) -> (Tv<'static>, Mo, Cda) {
    match cda {
        FlowLabelCda::NotCompressed => SENT,
        FlowLabelCda::Lower => LOWER,
        FlowLabelCda::Generated => (Tv::None, Mo::Ignore, Cda::Generated),
        FlowLabelCda::Zero => fixed(0),
    }
}
