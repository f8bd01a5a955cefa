//! The commonest SA, prepared: UDP over IPv6 with single addresses and ports,
//! where the 48 octets of header leave no residue. The rules stay the reference;
//! what is made here is made from them.

use super::afrg::FlowLabelCda;
use super::context::Context;
use super::guard::at;
use super::iipc::{Elided, MAX_HEADER, OuterFields, Restored, word};
use crate::error::DropReason;
use crate::schc::{Cda, Residue, Tv, put_bits};
use crate::wire::ip::{self, Version, proto, v6};
use crate::wire::{finish_checksum, sum_words};

/// Octets of IPv6 and UDP header.
const LEN: usize = ip::IPV6_LEN + 8;
/// The same in words of 8 octets.
const WORDS: usize = LEN / 8;

/// What the headers of every packet of the SA have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Template {
    /// The headers; what differs from packet to packet is 0.
    header: [u8; LEN],
    /// 1 where the header is the same in every packet.
    mask: [u8; LEN],
    /// 1 where the first word is the outer header's: which fields that are is for
    /// the rule of the profile to say.
    lower: u32,
    /// Sum of the pseudo header without length and of the ports.
    sum: u32,
}

impl Template {
    /// The template of an SA that has one.
    pub(super) fn of(context: &Context) -> Option<Self> {
        let afrg = context.afrg();
        let fits = afrg.compresses_inner()
            && afrg.ip_version == Some(Version::V6)
            && context.outer().is_some()
            && afrg.selector.protocol == Some(proto::UDP)
            && afrg.flow_label_cda != FlowLabelCda::Generated
            && context.header_and_residue(proto::UDP) == (LEN, 0);
        if !fits {
            return None;
        }
        let mut template = Template {
            header: [0; LEN],
            mask: [0; LEN],
            lower: 0,
            sum: 0,
        };
        template.fill(context)?;
        let addresses = template.header.get(v6::SOURCE..)?.get(..36)?;
        template.sum = sum_words(addresses, u32::from(proto::UDP));
        Some(template)
    }

    /// Takes over every descriptor whose value is fixed or the outer header's.
    fn fill(&mut self, context: &Context) -> Option<()> {
        let mut at = 0;
        let mut good = Some(());
        let mut lower = [0; LEN];
        let rule = context.rule(super::Stratum::Iipc, proto::UDP, 1);
        rule.for_each(|d| {
            let bits = usize::from(d.bits);
            let done = match d.cda {
                Cda::NotSent => self.fix(at, bits, &d.tv),
                Cda::Lower => put_bits(&mut lower, at, bits, u32::MAX),
                _ => Some(()),
            };
            good = good.and(done);
            at += bits;
        });
        self.lower = u32::from_be_bytes(*lower.first_chunk()?);
        good
    }

    fn fix(&mut self, at: usize, bits: usize, tv: &Tv<'_>) -> Option<()> {
        match tv {
            Tv::Number(value) => {
                put_bits(&mut self.header, at, bits, *value)?;
                put_bits(&mut self.mask, at, bits, u32::MAX)
            }
            Tv::Octets(octets) => {
                let range = at / 8..at / 8 + octets.len();
                self.header.get_mut(range.clone())?.copy_from_slice(octets);
                self.mask.get_mut(range)?.fill(0xff);
                Some(())
            }
            Tv::None | Tv::List(_) => None,
        }
    }

    /// The headers of `packet`; a packet that differs is left to the rules, which
    /// know why.
    pub(super) fn compress(&self, context: &Context, packet: &[u8]) -> Result<Elided, DropReason> {
        let matches = packet.first_chunk::<LEN>().is_some_and(|h| self.covers(h));
        if !matches || context.afrg().guard && !self.comes_back(packet) {
            return context.compress_by_rules(packet);
        }
        Ok(Elided {
            header_len: LEN,
            residue: Residue::default(),
        })
    }

    #[inline(always)]
    fn covers(&self, header: &[u8; LEN]) -> bool {
        let words = |octets: &[u8; LEN]| {
            let mut words = [0u64; WORDS];
            for (word, octets) in words.iter_mut().zip(octets.as_chunks::<8>().0) {
                *word = u64::from_ne_bytes(*octets);
            }
            words
        };
        let parts = words(header)
            .into_iter()
            .zip(words(&self.header))
            .zip(words(&self.mask));
        parts.fold(0, |differ, ((h, t), m)| differ | (h ^ t) & m) == 0
    }

    /// The guard, for a packet that matches: lengths and checksum.
    #[inline(always)]
    fn comes_back(&self, packet: &[u8]) -> bool {
        let (Ok(stated), Ok(length), Ok(checksum)) = (
            word(packet, v6::PAYLOAD_LENGTH),
            word(packet, ip::IPV6_LEN + at::UDP_LENGTH),
            word(packet, ip::IPV6_LEN + at::UDP_CHECKSUM),
        ) else {
            return false;
        };
        if stated != length || usize::from(length) + ip::IPV6_LEN != packet.len() {
            return false;
        }
        let payload = packet.get(LEN..).unwrap_or(&[]);
        let start = self.sum + 2 * u32::from(length) + u32::from(checksum);
        checksum == 0 || finish_checksum(sum_words(payload, start)) == 0
    }

    /// The headers in front of `payload`.
    pub(super) fn restore(
        &self,
        payload: &[u8],
        outer: &OuterFields,
    ) -> Result<Restored, DropReason> {
        let length = u16::try_from(payload.len() + 8).map_err(|_| DropReason::BadInner)?;
        let mut header = self.header;
        let sum = sum_words(payload, self.sum + 2 * u32::from(length));
        let checksum = match finish_checksum(sum) {
            0 => 0xffff,
            checksum => checksum,
        };
        let first = self.first_word(outer);
        let lengths = length.to_be_bytes();
        for (at, octets) in [
            (v6::PAYLOAD_LENGTH, lengths),
            (ip::IPV6_LEN + at::UDP_LENGTH, lengths),
            (ip::IPV6_LEN + at::UDP_CHECKSUM, checksum.to_be_bytes()),
        ] {
            crate::wire::put(&mut header, at, octets).map_err(|_| DropReason::Internal)?;
        }
        crate::wire::put(&mut header, 0, first.to_be_bytes()).map_err(|_| DropReason::Internal)?;
        crate::wire::put(&mut header, v6::HOP_LIMIT, [outer.hop_limit])
            .map_err(|_| DropReason::Internal)?;
        let mut restored = Restored {
            header: [0; MAX_HEADER],
            header_len: LEN,
            residue_len: 0,
        };
        crate::wire::put(&mut restored.header, 0, header).map_err(|_| DropReason::Internal)?;
        Ok(restored)
    }

    /// Version, Traffic Class and Flow Label.
    fn first_word(&self, outer: &OuterFields) -> u32 {
        let fixed = self
            .header
            .first_chunk::<4>()
            .map_or(0, |w| u32::from_be_bytes(*w));
        let word = u32::from(outer.traffic_class) << 20 | outer.flow & 0xf_ffff;
        fixed | word & self.lower
    }
}
