//! CTEC, Clear Text ESP Compression: the ESP trailer (draft s5.2, decisions D-05,
//! D-06, D-29).

use super::afrg::{Alignment, EspTrailer};
use super::context::Context;
use crate::schc::{Cda, Descriptor, Fid, Mo, Tv};
use crate::trailer::Form;
use crate::wire::ip::{Version, proto};

impl Context {
    /// The trailer of this SA with a cipher whose blocks have `block` octets: 1
    /// for those that need no padding.
    pub fn trailer(&self, block: usize) -> Form {
        let afrg = self.afrg();
        let align = afrg.alignment.octets().max(block);
        if afrg.esp_trailer == EspTrailer::Mandatory {
            return Form::whole(align);
        }
        Form {
            pad_length: afrg.alignment != Alignment::Bits8 || block > 1,
            next_header: self.outer().is_none() && afrg.selector.protocol.is_none(),
            align,
        }
    }

    /// What a Next Header that is not sent would say, and one that is sent must
    /// say: the IP version in tunnel mode, the protocol of the selector in
    /// transport mode; `None` if any may stand there.
    pub fn next_header(&self) -> Option<u8> {
        match (self.outer(), self.afrg().ip_version) {
            (Some(_), Some(Version::V4)) => Some(proto::IPV4),
            (Some(_), Some(Version::V6)) => Some(proto::IPV6),
            (Some(_), None) => None,
            (None, _) => self.afrg().selector.protocol,
        }
    }
}

/// The trailer as descriptors.
pub(super) fn rule(
    context: &Context,
    protocol: u8,
    block: usize,
) -> impl Iterator<Item = Descriptor<'_>> {
    let form = context.trailer(block);
    let sent = |sent, otherwise| match sent {
        true => (Tv::None, Mo::Ignore, Cda::ValueSent),
        false => otherwise,
    };
    let padding = (Tv::None, Mo::Ignore, Cda::Padding);
    let name = context.next_header().unwrap_or(protocol);
    let known = (Tv::Number(u32::from(name)), Mo::Equal, Cda::NotSent);
    let rows = [
        (Fid::EspPadding, 0, sent(form.pad_length, padding)),
        (Fid::EspPadLength, 8, sent(form.pad_length, padding)),
        (Fid::EspNextHeader, 8, sent(form.next_header, known)),
    ];
    rows.into_iter()
        .map(|(fid, bits, (tv, mo, cda))| Descriptor {
            fid,
            bits,
            tv,
            mo,
            cda,
        })
}
