//! What the compressors and the cipher make of one packet, layer by layer.

use sprat_core::crypto::EspSuite;
use sprat_core::diet_esp::{Context, Elided, OuterFields, Pseudo, Stratum};
use sprat_core::error::DropReason;
use sprat_core::schc::bits_at;
use sprat_core::wire::ip::{Fragment, Head, Version};

use super::attributes::{self, Keyed};
use crate::vectors::case::Members;

/// A packet, cut where the SA's mode asks for.
pub struct Cut<'a> {
    /// What stands in front of ESP and is not protected; none in tunnel mode.
    pub front: &'a [u8],
    /// The packet or segment that is protected.
    pub protected: &'a [u8],
    /// What the transport checksum covers besides; none in tunnel mode.
    pub pseudo: Option<Pseudo>,
    /// The protocol that chooses the rule.
    pub protocol: u8,
}

impl<'a> Cut<'a> {
    /// Cuts `packet`. Refused where transport mode finds no place for ESP.
    pub fn of(packet: &'a [u8], context: &Context) -> Result<Self, DropReason> {
        if context.outer().is_some() {
            let at = match context.afrg().ip_version {
                Some(Version::V4) => 9,
                _ => 6,
            };
            return Ok(Cut {
                front: &[],
                protected: packet,
                pseudo: None,
                protocol: packet.get(at).copied().unwrap_or(0),
            });
        }
        let head = Head::parse(packet).map_err(|_| DropReason::EhcTruncated)?;
        if head.fragment != Fragment::Whole {
            return Err(DropReason::EhcFragment);
        }
        if Some(head.version) != context.afrg().ip_version {
            return Err(DropReason::EhcVersion);
        }
        let whole = packet.get(..head.total_len).unwrap_or(packet);
        let (front, protected) = whole.split_at(head.insert_at.min(whole.len()));
        Ok(Cut {
            front,
            protected,
            pseudo: Some(Pseudo {
                source: head.source,
                destination: head.destination,
                protocol: head.insert_protocol,
            }),
            protocol: head.insert_protocol,
        })
    }

    /// Elides the headers.
    pub fn compress(&self, context: &Context) -> Result<Elided, DropReason> {
        match &self.pseudo {
            None => context.compress_packet(self.protected),
            Some(pseudo) => context.compress_segment(self.protected, pseudo),
        }
    }
}

/// Everything that is sent, and what it is made of.
pub struct Sent {
    /// The residue of each field as bits.
    pub fields: Vec<String>,
    pub residue_bits: String,
    pub pad_bits: usize,
    pub iipc_packet: Vec<u8>,
    pub cte: Vec<u8>,
    pub padding: usize,
    pub header: Vec<u8>,
    /// IV, ciphertext and ICV.
    pub body: Vec<u8>,
}

impl Sent {
    /// Header and body.
    pub fn esp(&self) -> Vec<u8> {
        [self.header.as_slice(), &self.body].concat()
    }
}

/// Seals what was compressed.
pub fn seal(
    context: &Context,
    keyed: &Keyed,
    iv: &[u8],
    (cut, elided): (&Cut<'_>, &Elided),
) -> Result<Sent, String> {
    let residue = &elided.residue;
    let residue_bits = bits_text(residue.octets(), 0, residue.bits())?;
    let mut iipc_packet = residue.octets().to_vec();
    let payload = cut.protected.get(elided.header_len..);
    iipc_packet.extend(payload.ok_or("more header elided than there is")?);
    let (cte, padding) = clear_text(context, keyed.block(), &iipc_packet, cut.protocol)?;
    let suite = &keyed.suite;
    let mut body = [iv, &cte].concat();
    body.resize(body.len() + suite.icv_len(), 0);
    suite
        .seal(&keyed.numbers, &mut body)
        .map_err(|error| format!("not sealed: {error:?}"))?;
    Ok(Sent {
        fields: fields(context, cut.protocol, residue.octets(), residue.bits())?,
        pad_bits: residue.octets().len() * 8 - residue.bits(),
        residue_bits,
        iipc_packet,
        cte,
        padding,
        header: context.header(keyed.numbers.sn).octets().to_vec(),
        body,
    })
}

/// The residue, cut as the descriptors of the rule say.
fn fields(
    context: &Context,
    protocol: u8,
    octets: &[u8],
    bits: usize,
) -> Result<Vec<String>, String> {
    let mut lengths = Vec::new();
    let rule = context.rule(Stratum::Iipc, protocol, 1);
    rule.for_each(|descriptor| lengths.push(usize::from(descriptor.residue_bits())));
    if lengths.iter().sum::<usize>() != bits {
        return Err("the descriptors send another number of bits".to_owned());
    }
    let mut at = 0;
    let cut = lengths.into_iter().map(|len| {
        at += len;
        bits_text(octets, at - len, len)
    });
    cut.collect()
}

/// `count` bits from `at` on as text.
fn bits_text(octets: &[u8], at: usize, count: usize) -> Result<String, String> {
    let bit = |at| match bits_at(octets, at, 1) {
        Some(bit) => Ok(if bit == 1 { '1' } else { '0' }),
        None => Err("a residue that is not there".to_owned()),
    };
    (at..at + count).map(bit).collect()
}

/// Payload and ESP trailer, and the octets of Padding.
pub fn clear_text(
    context: &Context,
    block: usize,
    payload: &[u8],
    protocol: u8,
) -> Result<(Vec<u8>, usize), String> {
    let form = context.trailer(block);
    let padding = form.padding_len(payload.len(), 0).ok_or("no padding")?;
    let mut cte = payload.to_vec();
    cte.resize(payload.len() + padding + form.len(), 0xa5);
    let next_header = context.next_header().unwrap_or(protocol);
    form.write(cte.get_mut(payload.len()..).unwrap_or(&mut []), next_header)
        .ok_or("no trailer")?;
    Ok((cte, padding))
}

/// A header that says nothing.
pub fn plain_outer(version: Version) -> OuterFields {
    OuterFields {
        version,
        traffic_class: 0,
        hop_limit: 64,
        flow: 0,
    }
}

/// Reads `outer_sent` or `outer_received`; transport mode needs neither.
pub fn outer(members: Members<'_>, name: &str) -> Result<OuterFields, String> {
    let transport = members.within("context")?.text("ipsec_mode")? == "Transport";
    if transport && members.get(name).is_none() {
        return Ok(plain_outer(Version::V6));
    }
    let outer = members.within(name)?;
    let version = attributes::version(outer.number("version")?)?;
    let (flow, most) = match version {
        Version::V4 => ("ident", 0xffff),
        Version::V6 => ("flow_label", 0xf_ffff),
    };
    outer.only(&["version", "dscp", "ecn", "hop_limit", flow])?;
    let (dscp, ecn) = (outer.number::<u8>("dscp")?, outer.number::<u8>("ecn")?);
    let flow = outer.number(flow)?;
    if dscp > 63 || ecn > 3 || flow > most {
        return Err(format!("{name} holds a number of too many bits"));
    }
    Ok(OuterFields {
        version,
        traffic_class: dscp << 2 | ecn,
        hop_limit: outer.number("hop_limit")?,
        flow,
    })
}
