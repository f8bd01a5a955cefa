//! What a firmware asks for: whether it makes an SA, and whether this image has it.

use super::types::*;
use crate::boundary::Status;
use crate::status::*;

fn require(good: bool) -> Status<()> {
    if good { Ok(()) } else { Err(SPRAT_E_ARGUMENT) }
}

pub(super) fn params(params: &sprat_mote_params, port: Option<&sprat_mote_port>) -> Status<()> {
    let flags = [params.out, params.implicit_iv, params.esn];
    require(params.spi >= 256 && flags.iter().all(|flag| *flag <= 1))?;
    require(params.reserved == 0 && params.reserved_too == 0)?;
    require(matches!(params.window, 0 | 32 | 64))?;
    // Numbers of a sender are written ahead beyond the last: it has none left then.
    let counts = params.esn == 1 || params.out == 1;
    require(counts || params.last_sn <= u64::from(u32::MAX))?;
    let own = cfg!(feature = "aes");
    require(own || port.is_some_and(|port| port.aes128.is_some()))?;
    let keeps =
        |port: &sprat_mote_port| port.store.is_some() == (port.ahead != 0) && port.reserved == 0;
    require(port.is_none_or(keeps))?;
    senders(params)
}

/// Several senders with one key: an identifier keeps their IVs apart, no receiver
/// can follow their numbers (RFC 6054, RFC 8750 s7).
fn senders(params: &sprat_mote_params) -> Status<()> {
    let fits = match params.sender_id_bits {
        0 => params.sender_id == 0,
        8 => params.sender_id < 256,
        16 => true,
        _ => false,
    };
    let several = params.sender_id_bits != 0;
    require(fits && !(several && (params.implicit_iv == 1 || params.esn == 1)))
}

pub(super) fn path(path: Option<&sprat_mote_path>) -> Status<()> {
    let Some(path) = path else {
        return Ok(());
    };
    let udp = path.udp_source != 0 || path.udp_destination != 0;
    require(!udp || cfg!(feature = "udp-encap") && path.udp_destination != 0)?;
    require(path.tunnel <= 1 && path.no_ecn <= 1)?;
    if path.tunnel == 1 {
        require(cfg!(feature = "tunnel") && path.hop_limit != 0)?;
        require(path.family == 6 || cfg!(feature = "ipv4") && path.family == 4)?;
    }
    Ok(())
}

#[cfg(not(feature = "diet-esp"))]
pub(super) fn ehc(
    _: &sprat_mote_params,
    ehc: Option<&sprat_mote_ehc>,
    _: Option<&sprat_mote_path>,
) -> Status<()> {
    require(ehc.is_none())
}

#[cfg(feature = "diet-esp")]
pub(super) fn ehc(
    params: &sprat_mote_params,
    ehc: Option<&sprat_mote_ehc>,
    path: Option<&sprat_mote_path>,
) -> Status<()> {
    let Some(ehc) = ehc else {
        return Ok(());
    };
    let codes = [
        (ehc.iipc_profile, 1),
        (ehc.dscp_cda, 2),
        (ehc.ecn_cda, 1),
        (ehc.flow_label_cda, 3),
        (ehc.alignment, 3),
        (ehc.esp_trailer, 1),
        (ehc.no_guard, 1),
    ];
    require(codes.iter().all(|(code, most)| code <= most) && ehc.reserved == [0; 3])?;
    require(ehc.ip_version == 6 || cfg!(feature = "ipv4") && ehc.ip_version == 4)?;
    if ehc.esp_spi_lsb > 32 || ehc.esp_sn_lsb > 32 {
        return Err(SPRAT_E_EHC_LSB_RANGE);
    }
    if (ehc.esp_spi_lsb + ehc.esp_sn_lsb) % 8 != 0 {
        return Err(SPRAT_E_EHC_LSB_OCTETS);
    }
    if params.sender_id_bits != 0 {
        return Err(SPRAT_E_EHC_MULTI_SENDER);
    }
    let list = ehc.dscp_list.get(..usize::from(ehc.dscp_count));
    let list = list.ok_or(SPRAT_E_EHC_DSCP_LIST)?;
    if ehc.dscp_cda == 2 && list.is_empty() || list.iter().any(|value| *value > 63) {
        return Err(SPRAT_E_EHC_DSCP_LIST);
    }
    let octets = if ehc.ip_version == 4 { 4 } else { 16 };
    let ordered = |first: &[u8; 16], last: &[u8; 16]| first.get(..octets) <= last.get(..octets);
    let ports = |[first, last]: [u16; 2]| first <= last;
    if !ordered(&ehc.source_first, &ehc.source_last)
        || !ordered(&ehc.destination_first, &ehc.destination_last)
        || !ports(ehc.source_ports)
        || !ports(ehc.destination_ports)
    {
        return Err(SPRAT_E_EHC_SELECTOR);
    }
    carried(params, ehc, path)
}

/// What carries the packets.
#[cfg(feature = "diet-esp")]
fn carried(
    params: &sprat_mote_params,
    ehc: &sprat_mote_ehc,
    path: Option<&sprat_mote_path>,
) -> Status<()> {
    let Some(path) = path else {
        return Ok(());
    };
    // An outer Identification that carries a flow label is no use for reassembly.
    let over_v4 = path.tunnel == 1 && path.family == 4;
    if over_v4 && ehc.iipc_profile == 0 && ehc.flow_label_cda == 1 {
        return Err(SPRAT_E_EHC_OUTER_ID);
    }
    // Over UDP four zero octets in front would say IKE (decision D-23).
    let spi = sprat_core::num::Spi(params.spi).low_bits(ehc.esp_spi_lsb);
    if path.udp_destination != 0 && spi == 0 {
        return Err(SPRAT_E_EHC_UDP);
    }
    Ok(())
}
