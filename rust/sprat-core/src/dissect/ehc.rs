//! Compressed packets (draft-ietf-ipsecme-diet-esp-07): the three layers, field by
//! field, and the packet that they stand for.

use core::net::IpAddr;

use crate::crypto::EspSuite;
use crate::diet_esp::{Context, OuterFields, Pseudo, Restored, Stratum, generate};
use crate::error::DropReason;
use crate::schc::{Cda, Descriptor, Fid, bits_at, put_bits};
use crate::trailer::Trailer;
use crate::wire::ip::{self, Flow, Head, Version, proto, v4, v6};
use crate::wire::{array_at, u16_at, u32_at, udp};

use super::contradiction::{self, Contradiction, Rebuilt};
use super::esp::{Encap, HEADER, Inner, Input, Run};
use super::expert::Expert;
use super::field::Field;
use super::span::{Sink, SinkExt, Source, Span, Value, blank};
use super::table::Compression;

/// Most octets of headers between the start of the outer IP header and ESP.
const FRONT: usize = 512;

/// Bits of a field on the wire.
#[derive(Clone, Copy)]
struct Wire<'a> {
    source: Source,
    octets: &'a [u8],
    /// Bits in front of them.
    at: usize,
    count: usize,
}

impl Wire<'_> {
    /// The octets that hold them: the first one, and how many.
    fn place(&self) -> (usize, usize) {
        let from = self.at / 8;
        match self.count {
            0 => (from, 0),
            count => (from, (self.at + count).div_ceil(8) - from),
        }
    }

    /// The bits, moved to the start of 16 octets; at most 128.
    fn bits(&self) -> [u8; 16] {
        let mut moved = [0; 16];
        for done in (0..self.count.min(128)).step_by(32) {
            let count = (self.count - done).min(32);
            let bits = bits_at(self.octets, self.at + done, count).unwrap_or(0);
            // There is room for 128.
            let _ = put_bits(&mut moved, done, count, bits);
        }
        moved
    }
}

impl<S: Sink + ?Sized> Run<'_, S> {
    /// SPI and Sequence Number: what is on the wire of them, and what they are.
    pub(super) fn compressed_header(&mut self, ehc: &Compression) {
        let octets = self.input.octets;
        let afrg = ehc.context.afrg();
        let len = ehc.context.header_len();
        if octets.len() < len {
            return;
        }
        let label = Some(self.sink.octets(Field::EhcEec, 0, len));
        let mut wire = Wire {
            source: Source::Packet,
            octets,
            at: 0,
            count: afrg.esp_spi_lsb.into(),
        };
        let spi = self.sa.spi.0.into();
        self.number_of(label, Field::Spi, spi, wire);
        wire.at = wire.count;
        wire.count = afrg.esp_sn_lsb.into();
        let sn = self.report.sn;
        let sequence = self.number_of(label, Field::Sequence, sn.low().into(), wire);
        if self.sa.esn {
            self.sink.fact(Field::Sequence64, Some(sequence), sn.0);
        }
        self.remarks(Some(sequence));
    }

    /// A number of 32 bits of which `wire` was sent.
    fn number_of(&mut self, parent: Option<u16>, field: Field, number: u64, wire: Wire<'_>) -> u16 {
        let (offset, len) = wire.place();
        let item = self.sink.add(Span {
            parent,
            offset,
            len,
            generated: wire.count < 32,
            value: Value::Number(number),
            ..blank(field)
        });
        self.wire_bits(item, wire);
        item
    }

    /// The bits of `item` on the wire, if there are any.
    fn wire_bits(&mut self, item: u16, wire: Wire<'_>) {
        let (offset, len) = wire.place();
        if len != 0 {
            self.sink.add(Span {
                parent: Some(item),
                source: wire.source,
                offset,
                len,
                value: Value::Bits {
                    octets: &wire.bits(),
                    count: u8::try_from(wire.count).unwrap_or(u8::MAX),
                },
                ..blank(Field::EhcBits)
            });
        }
    }

    fn action(&mut self, item: u16, cda: Cda) {
        let name = Value::Text(cda.name());
        self.sink.concluded(Field::EhcCda, Some(item), name, None);
    }

    /// What was decrypted: IIPC packet and as much of a trailer as there is.
    pub(super) fn compressed_text(&mut self, ehc: &Compression, text: &[u8], room: &mut [u8]) {
        let form = ehc.context.trailer(self.sa.block());
        let trailer = match form.read(text) {
            Ok(trailer) => trailer,
            Err(reason) => {
                let at = text.len().saturating_sub(form.len());
                self.ctec_label(at, text.len() - at);
                return self.refuse(reason);
            }
        };
        self.ctec(ehc, text, &trailer);
        let front = self.sa.header_len() + self.sa.suite.iv_len();
        self.outcome.contradiction = contradiction::alignment(&form, text.len(), front);
        let next = trailer.next_header.or(ehc.context.next_header());
        let iipc = text.get(..trailer.payload_len).unwrap_or(&[]);
        let restored = self.next_header(ehc, next).and_then(|next| {
            if ehc.context.afrg().compresses_inner() {
                self.rebuild(ehc, (iipc, next), room)
            } else {
                self.untouched(ehc, (iipc, next))
            }
        });
        if let Err(reason) = restored {
            self.outcome.inner = Inner::None;
            self.refuse(reason);
        }
        if self.report.doubted {
            let earlier = Contradiction::Earlier;
            self.outcome.contradiction.get_or_insert(earlier);
        }
        if self.outcome.contradiction.is_some() {
            self.outcome.inner = Inner::None;
        }
    }

    /// Next Header, if it is one that the SA can have.
    fn next_header(&self, ehc: &Compression, next: Option<u8>) -> Result<u8, DropReason> {
        let next = next.ok_or(DropReason::Internal)?;
        let tunnel = ehc.context.outer().is_some();
        let good = match ehc.context.next_header() {
            _ if next == proto::NO_NEXT => return Err(DropReason::Dummy),
            Some(wanted) => next == wanted,
            None => !tunnel || matches!(next, proto::IPV4 | proto::IPV6),
        };
        good.then_some(next).ok_or(DropReason::BadInner)
    }

    fn ctec_label(&mut self, offset: usize, len: usize) -> u16 {
        self.sink.add(Span {
            source: Source::Plaintext,
            offset,
            len,
            ..blank(Field::EhcCtec)
        })
    }

    fn ctec(&mut self, ehc: &Compression, text: &[u8], trailer: &Trailer) {
        if self.sink.brief() {
            return;
        }
        let from = trailer.payload_len;
        let label = self.ctec_label(from, text.len() - from);
        let mut at = from;
        let next = ehc.context.next_header();
        let rule = ehc
            .context
            .rule(Stratum::Ctec, next.unwrap_or(0), self.sa.block());
        rule.for_each(|d| {
            let sent = d.cda == Cda::ValueSent;
            let (field, len, value) = match d.fid {
                Fid::EspPadding if sent => (Field::Padding, trailer.padding_len, Value::InPlace),
                Fid::EspPadLength => {
                    let pad = u64::try_from(trailer.padding_len).unwrap_or(0);
                    (Field::PadLength, 1, Value::Number(pad))
                }
                Fid::EspNextHeader => {
                    let next = trailer.next_header.or(next).unwrap_or(0);
                    (Field::NextHeader, 1, Value::Number(next.into()))
                }
                _ => return,
            };
            let len = if sent { len } else { 0 };
            if field == Field::Padding && len == 0 {
                return;
            }
            let item = self.sink.add(Span {
                parent: Some(label),
                source: Source::Plaintext,
                offset: at,
                len,
                generated: !sent,
                value,
                ..blank(field)
            });
            self.action(item, d.cda);
            at += len;
        });
    }

    /// `iipc_not_compressed`: the payload is the packet itself.
    fn untouched(
        &mut self,
        ehc: &Compression,
        (iipc, next): (&[u8], u8),
    ) -> Result<(), DropReason> {
        self.payload(iipc, next, true);
        if self.outcome.inner == Inner::Data {
            return Err(DropReason::BadInner);
        }
        let whole = iipc.get(self.outcome.payload.clone()).unwrap_or(&[]);
        self.saved(whole.len());
        self.judge(&Rebuilt {
            context: &ehc.context,
            iipc: whole,
            packet: whole,
            residue: 0,
            protocol: next,
        });
        self.admitted(ehc, (whole, next))
    }

    /// The packet or segment in front of the compressor, shown and left in `room`.
    fn rebuild(
        &mut self,
        ehc: &Compression,
        (iipc, next): (&[u8], u8),
        room: &mut [u8],
    ) -> Result<(), DropReason> {
        let Some(restored) = self.restore(&ehc.context, (iipc, next)) else {
            let label = self.iipc_label(iipc.len());
            self.residue(label, iipc.len());
            let expert = Some(Expert::OuterUnknown);
            let item = Value::InPlace;
            self.sink
                .concluded(Field::EhcIipc, Some(label), item, expert);
            return Ok(());
        };
        let restored = restored.inspect_err(|_| {
            let label = self.iipc_label(iipc.len());
            self.residue(label, iipc.len());
        })?;
        let payload = iipc.get(restored.residue_len..).unwrap_or(&[]);
        let packet = join(restored.header(), payload, room).ok_or(DropReason::NoRoom)?;
        let protocol = match (ehc.context.outer(), ehc.context.afrg().ip_version) {
            (Some(_), Some(Version::V4)) => packet.get(v4::PROTOCOL).copied(),
            (Some(_), _) => packet.get(v6::NEXT_HEADER).copied(),
            (None, _) => Some(next),
        };
        let rebuilt = Rebuilt {
            context: &ehc.context,
            iipc,
            packet,
            residue: restored.residue_len,
            protocol: protocol.unwrap_or(next),
        };
        self.iipc(&rebuilt);
        self.judge(&rebuilt);
        self.saved(packet.len());
        let room_at = self.input.octets.len() - self.sa.header_len();
        self.outcome.rebuilt = room_at..room_at + packet.len();
        self.outcome.payload = 0..0;
        self.outcome.inner = match (ehc.context.outer(), next) {
            // A segment of nothing is for no dissector.
            _ if packet.is_empty() => Inner::None,
            (Some(_), proto::IPV4) => Inner::Ipv4,
            (Some(_), _) => Inner::Ipv6,
            (None, next) => Inner::Protocol(next),
        };
        self.admitted(ehc, (packet, next))
    }

    /// Whether there is something that cannot be.
    fn judge(&mut self, rebuilt: &Rebuilt<'_>) {
        let found = contradiction::find(rebuilt, self.ends());
        self.outcome.contradiction = self.outcome.contradiction.or(found);
    }

    /// The addresses of the outer header, if they are those that its sender wrote
    /// and the receiver's transport will see: neither a NAT nor a Routing header
    /// changed them.
    fn ends(&self) -> Option<(IpAddr, IpAddr)> {
        let (source, destination) = (self.input.source?, self.input.destination?);
        let before = self.input.before;
        let front = before.len().checked_sub(ip::IPV6_LEN);
        let header = front.and_then(|at| before.get(at..));
        let bare = header.and_then(|header| outer_v6(header, self.input));
        let direct = source.is_ipv4() || bare.is_some();
        (self.input.encap == Encap::Ip && direct).then_some((source, destination))
    }

    /// The headers that the residue stands for; `None` without the outer header,
    /// which tells some of them.
    fn restore(
        &self,
        context: &Context,
        (iipc, next): (&[u8], u8),
    ) -> Option<Result<Restored, DropReason>> {
        if context.outer().is_some() {
            let outer = outer_fields(self.input)?;
            let made = (self.report.sn, &generate as _);
            return Some(context.restore_packet(iipc, &outer, made));
        }
        let pseudo = Pseudo {
            source: self.input.source?,
            destination: self.input.destination?,
            protocol: next,
        };
        Some(context.restore_segment(iipc, &pseudo))
    }

    fn iipc_label(&mut self, len: usize) -> u16 {
        self.sink.add(Span {
            source: Source::Plaintext,
            len,
            ..blank(Field::EhcIipc)
        })
    }

    fn residue(&mut self, label: u16, len: usize) {
        if len != 0 {
            self.sink.add(Span {
                parent: Some(label),
                source: Source::Plaintext,
                len,
                ..blank(Field::EhcResidue)
            });
        }
    }

    /// Every field of the rule in its order, then what is behind the residue.
    fn iipc(&mut self, rebuilt: &Rebuilt<'_>) {
        if self.sink.brief() {
            return;
        }
        let label = self.iipc_label(rebuilt.iipc.len());
        self.residue(label, rebuilt.residue);
        let (mut read, mut at) = (0, 0);
        let rule = rebuilt
            .context
            .rule(Stratum::Iipc, rebuilt.protocol, self.sa.block());
        rule.for_each(|d| {
            self.field(label, &d, rebuilt, (read, at));
            read += usize::from(d.residue_bits());
            at += usize::from(d.bits);
        });
        let pad = u64::try_from(rebuilt.residue * 8 - read.min(rebuilt.residue * 8)).unwrap_or(0);
        if pad != 0 {
            self.sink.add(Span {
                parent: Some(label),
                source: Source::Plaintext,
                offset: rebuilt.residue - 1,
                len: 1,
                value: Value::Number(pad),
                ..blank(Field::EhcPadBits)
            });
        }
        let behind = rebuilt.iipc.len() - rebuilt.residue;
        if behind != 0 {
            self.sink.add(Span {
                parent: Some(label),
                source: Source::Plaintext,
                offset: rebuilt.residue,
                len: behind,
                ..blank(Field::EhcPayload)
            });
        }
        if !rebuilt.packet.is_empty() {
            let item = self.sink.add(Span {
                parent: Some(label),
                source: Source::Rebuilt,
                len: rebuilt.packet.len(),
                generated: true,
                ..blank(Field::EhcRebuilt)
            });
            self.unconfirmed(item, rebuilt);
        }
    }

    /// The fields of `rebuilt` that the context says, all of them or a part.
    fn unconfirmed(&mut self, item: u16, rebuilt: &Rebuilt<'_>) {
        let rule = rebuilt
            .context
            .rule(Stratum::Iipc, rebuilt.protocol, self.sa.block());
        rule.for_each(|d| {
            let said = matches!(
                d.cda,
                Cda::NotSent | Cda::Lsb | Cda::MappingSent | Cda::Generated
            );
            if said && d.residue_bits() < d.bits {
                let name = Value::Text(field_of(d.fid, d.bits.into()).name());
                self.sink
                    .concluded(Field::EhcUnconfirmed, Some(item), name, None);
            }
        });
    }

    /// One field: its bits in the residue, `read` bits into it, and its value, `at`
    /// bits into what was rebuilt.
    fn field(
        &mut self,
        label: u16,
        d: &Descriptor<'_>,
        rebuilt: &Rebuilt<'_>,
        (read, at): (usize, usize),
    ) {
        let wire = Wire {
            source: Source::Plaintext,
            octets: rebuilt.iipc,
            at: read,
            count: d.residue_bits().into(),
        };
        let bits = usize::from(d.bits);
        let whole = Wire {
            source: Source::Rebuilt,
            octets: rebuilt.packet,
            at,
            count: bits,
        };
        // What is not sent stands in the rebuilt packet only.
        let shown = if wire.count == 0 { whole } else { wire };
        let (offset, len) = shown.place();
        let octets = rebuilt.packet.get(at / 8..at / 8 + bits / 8);
        let value = match bits_at(rebuilt.packet, at, bits) {
            Some(number) if !is_address(d.fid) => Value::Number(number.into()),
            _ => Value::Octets(octets.unwrap_or(&[])),
        };
        let item = self.sink.add(Span {
            parent: Some(label),
            source: shown.source,
            offset,
            len,
            generated: wire.count < bits,
            value,
            ..blank(field_of(d.fid, bits))
        });
        self.wire_bits(item, wire);
        self.action(item, d.cda);
    }

    /// Whether the selectors of the SA admit what was rebuilt.
    fn admitted(&self, ehc: &Compression, (packet, next): (&[u8], u8)) -> Result<(), DropReason> {
        let flow = if ehc.context.outer().is_some() {
            let head = Head::parse(packet).map_err(|_| DropReason::BadInner)?;
            head.flow(packet)
        } else {
            let (Some(source), Some(destination)) = (self.input.source, self.input.destination)
            else {
                return Ok(());
            };
            Flow {
                source,
                destination,
                protocol: next,
                ports: ip::ports(next, packet),
            }
        };
        if ehc.context.afrg().selector.admits(&flow) {
            Ok(())
        } else {
            Err(DropReason::Selector)
        }
    }

    /// What plain ESP would cost for a payload of `len` octets, less this packet.
    fn saved(&mut self, len: usize) {
        let suite = &self.sa.suite;
        let text = (len + 2).next_multiple_of(suite.pad_align());
        let plain = HEADER + suite.iv_len() + text + suite.icv_len();
        let difference = i64::try_from(plain)
            .ok()
            .zip(i64::try_from(self.input.octets.len()).ok())
            .map(|(plain, sent)| plain - sent);
        self.outcome.saved = difference;
        // Two's complement: it can be below 0 where the alignment is 64 bits.
        let number = difference.unwrap_or(0).cast_unsigned();
        self.sink.fact(Field::EhcSaved, None, number);
    }

    /// What was agreed about compression.
    pub(super) fn attributes(&mut self, ehc: &Compression, label: Option<u16>) {
        let afrg = ehc.context.afrg();
        let texts = [
            (Field::EhcProfile, afrg.profile.name()),
            (Field::EhcIipcProfile, afrg.iipc_profile.name()),
            (Field::EhcTrailer, afrg.esp_trailer.name()),
        ];
        for (field, text) in texts {
            self.sink.concluded(field, label, Value::Text(text), None);
        }
        let numbers = [
            (Field::EhcAlignment, afrg.alignment.bits()),
            (Field::EhcSpiLsb, afrg.esp_spi_lsb),
            (Field::EhcSnLsb, afrg.esp_sn_lsb),
        ];
        for (field, number) in numbers {
            self.sink.fact(field, label, number.into());
        }
    }
}

/// `header` and `payload` side by side at the start of `room`.
fn join<'a>(header: &[u8], payload: &[u8], room: &'a mut [u8]) -> Option<&'a [u8]> {
    let packet = room.get_mut(..header.len() + payload.len())?;
    let (front, back) = packet.split_at_mut_checked(header.len())?;
    front.copy_from_slice(header);
    back.copy_from_slice(payload);
    Some(packet)
}

const fn is_address(fid: Fid) -> bool {
    matches!(fid, Fid::Source | Fid::Destination)
}

/// The field of the tree for a field of a rule.
const fn field_of(fid: Fid, bits: usize) -> Field {
    match fid {
        Fid::Version => Field::EhcVersion,
        Fid::HeaderLength => Field::EhcHeaderLength,
        Fid::Dscp => Field::EhcDscp,
        Fid::Ecn => Field::EhcEcn,
        Fid::FlowLabel => Field::EhcFlowLabel,
        Fid::Length => Field::EhcLength,
        Fid::Identification => Field::EhcIdentification,
        Fid::Flags => Field::EhcFlags,
        Fid::FragmentOffset => Field::EhcFragmentOffset,
        Fid::HopLimit => Field::EhcHopLimit,
        Fid::Protocol => Field::EhcProtocol,
        Fid::HeaderChecksum => Field::EhcHeaderChecksum,
        Fid::Source if bits == 32 => Field::EhcSourceV4,
        Fid::Source => Field::EhcSourceV6,
        Fid::Destination if bits == 32 => Field::EhcDestinationV4,
        Fid::Destination => Field::EhcDestinationV6,
        Fid::SourcePort => Field::EhcSourcePort,
        Fid::DestinationPort => Field::EhcDestinationPort,
        Fid::UdpLength => Field::EhcUdpLength,
        Fid::UdpLiteCoverage => Field::EhcUdpLiteCoverage,
        Fid::UdpChecksum | Fid::UdpLiteChecksum | Fid::TcpChecksum | Fid::SctpChecksum => {
            Field::EhcChecksum
        }
        Fid::TcpSequence => Field::EhcTcpSequence,
        Fid::TcpAcknowledgment => Field::EhcTcpAcknowledgment,
        Fid::TcpDataOffset => Field::EhcTcpDataOffset,
        Fid::TcpReserved => Field::EhcTcpReserved,
        Fid::TcpFlags | Fid::TcpReservedFlags => Field::EhcTcpFlags,
        Fid::TcpWindow => Field::EhcTcpWindow,
        Fid::TcpUrgent => Field::EhcTcpUrgent,
        Fid::SctpTag => Field::EhcSctpTag,
        Fid::EspPadding => Field::Padding,
        Fid::EspPadLength => Field::PadLength,
        Fid::EspNextHeader => Field::NextHeader,
        Fid::EspSpi => Field::Spi,
        Fid::EspSn => Field::Sequence,
    }
}

/// What the outer IP header tells: that header which begins in front of the packet,
/// has its addresses and ends where ESP, or a UDP header and ESP, begins.
fn outer_fields(input: &Input<'_>) -> Option<OuterFields> {
    let upto = match input.encap {
        Encap::Ip => input.before.len(),
        Encap::Udp => input.before.len().checked_sub(udp::LEN)?,
        // The segments of a stream have headers of their own.
        Encap::Tcp => return None,
    };
    let front = input.before.get(..upto)?;
    (ip::IPV4_LEN..=front.len().min(FRONT)).find_map(|len| {
        let header = front.get(front.len() - len..)?;
        match header.first()? >> 4 {
            4 => outer_v4(header, input),
            6 => outer_v6(header, input),
            _ => None,
        }
    })
}

fn outer_v4(header: &[u8], input: &Input<'_>) -> Option<OuterFields> {
    let source = IpAddr::from(array_at::<4>(header, v4::SOURCE).ok()?);
    let destination = IpAddr::from(array_at::<4>(header, v4::DESTINATION).ok()?);
    let len = usize::from(header.first()? & 15) * 4;
    let same = (Some(source), Some(destination)) == (input.source, input.destination);
    (same && len == header.len()).then_some(())?;
    Some(OuterFields {
        version: Version::V4,
        traffic_class: *header.get(v4::TOS)?,
        hop_limit: *header.get(v4::TTL)?,
        flow: u16_at(header, v4::ID).ok()?.into(),
    })
}

fn outer_v6(header: &[u8], input: &Input<'_>) -> Option<OuterFields> {
    let source = IpAddr::from(array_at::<16>(header, v6::SOURCE).ok()?);
    let destination = IpAddr::from(array_at::<16>(header, v6::DESTINATION).ok()?);
    let same = (Some(source), Some(destination)) == (input.source, input.destination);
    (same && extensions_end(header)).then_some(())?;
    let word = u32_at(header, 0).ok()?;
    Some(OuterFields {
        version: Version::V6,
        traffic_class: u8::try_from(word >> 20 & 0xff).ok()?,
        hop_limit: *header.get(v6::HOP_LIMIT)?,
        flow: word & 0xf_ffff,
    })
}

/// Whether the IPv6 header with its extension headers is as long as `header`.
fn extensions_end(header: &[u8]) -> bool {
    let mut at = ip::IPV6_LEN;
    let mut name = header.get(v6::NEXT_HEADER).copied();
    while at < header.len() {
        let len = match (name, header.get(at + 1)) {
            (Some(proto::HOP_BY_HOP | proto::ROUTING | proto::DESTINATION), Some(len)) => {
                usize::from(*len) * 8 + 8
            }
            (Some(proto::FRAGMENT), _) => 8,
            _ => return false,
        };
        name = header.get(at).copied();
        at += len;
    }
    at == header.len()
}

#[cfg(test)]
mod tests;
