//! The shapes of what `cases.py` writes from `tests/vectors`.

/// A packet and what is to become of it.
pub struct Case {
    /// As the file names it.
    pub id: &'static str,
    /// Transforms, by their names, and keys.
    pub suite: Transforms,
    /// SPI.
    pub spi: u32,
    /// 64-bit numbers.
    pub esn: bool,
    /// The outer header of a tunnel.
    pub outer: Option<Header>,
    /// UDP ports around ESP.
    pub udp: Option<(u16, u16)>,
    /// Diet-ESP.
    pub context: Option<&'static Attributes>,
    /// The number to use.
    pub sn: u64,
    /// The highest number that the receiver has seen, and its window.
    pub top: u64,
    /// 0: anti-replay off.
    pub window: u16,
    /// The IV on the wire.
    pub iv: &'static [u8],
    /// Octets of TFC padding.
    pub tfc: u16,
    /// Octets of Padding beyond the least.
    pub extra_pad: u8,
    /// What the receiver's generator returns.
    pub generated: u32,
    /// The clear packet; none where only opening is asked for.
    pub clear: Option<&'static [u8]>,
    /// What sealing makes of it; `None`: it is refused.
    pub sent: Option<Sent>,
    /// What arrives; none where it is not sent at all.
    pub received: Option<&'static [u8]>,
    /// What opening makes of it; `None`: it is refused.
    pub restored: Option<&'static [u8]>,
}

/// A sealed packet and its layers, where stated.
pub struct Sent {
    /// The whole packet.
    pub packet: &'static [u8],
    /// Clear text with trailer.
    pub plaintext: &'static [u8],
    /// The nonce.
    pub nonce: &'static [u8],
    /// Additional data.
    pub aad: Option<&'static [u8]>,
}

/// Transforms and keys.
pub struct Transforms {
    /// IANA's name.
    pub encr: &'static str,
    /// IANA's name.
    pub integ: &'static str,
    /// Without salt.
    pub encr_key: &'static [u8],
    /// What stands in front of the IV in the nonce.
    pub salt: &'static [u8],
    /// Empty with an AEAD.
    pub integ_key: &'static [u8],
}

/// An outer header in full.
pub struct Header {
    /// As text.
    pub source: &'static str,
    /// As text.
    pub destination: &'static str,
    /// Hop Limit or TTL.
    pub hop_limit: u8,
    /// Traffic Class or TOS.
    pub traffic_class: u8,
    /// IPv4 only.
    pub id: u16,
    /// Flags and offset, IPv4 only.
    pub fragment: u16,
    /// IPv6 only.
    pub flow_label: u32,
}

/// The attributes of a Diet-ESP context, under the draft's names.
pub struct Attributes {
    /// iipc_profile.
    pub iipc_profile: &'static str,
    /// dscp_cda.
    pub dscp_cda: &'static str,
    /// ecn_cda.
    pub ecn_cda: &'static str,
    /// flow_label_cda.
    pub flow_label_cda: &'static str,
    /// dscp_list.
    pub dscp_list: &'static [u8],
    /// In bits.
    pub alignment: u64,
    /// esp_trailer.
    pub esp_trailer: &'static str,
    /// esp_spi_lsb.
    pub spi_lsb: u8,
    /// esp_sn_lsb.
    pub sn_lsb: u8,
    /// 4 or 6.
    pub version: u8,
    /// 0 is ANY.
    pub protocol: u8,
    /// First and last, as text.
    pub source: (&'static str, &'static str),
    /// First and last, as text.
    pub destination: (&'static str, &'static str),
    /// First and last.
    pub source_ports: (u16, u16),
    /// First and last.
    pub destination_ports: (u16, u16),
}

/// A number of which only the low bits arrive.
pub struct Reconstruct {
    /// As the file names it.
    pub id: &'static str,
    /// What arrives, and how many bits of it.
    pub received: (u32, u8),
    /// Highest number verified.
    pub top: u64,
    /// Packets.
    pub window: u64,
    /// 64-bit numbers.
    pub esn: bool,
    /// The number.
    pub sn: u64,
}

/// Which SA a packet is for.
pub struct Lookup {
    /// As the file names it.
    pub id: &'static str,
    /// SPI, the bits of it that are sent, and whether the packet may be for it.
    pub sas: &'static [(u32, u8, bool)],
    /// ESP.
    pub packet: &'static [u8],
}

/// Cases that cannot be run here, and why.
pub struct Skipped {
    /// Why.
    pub reason: &'static str,
    /// Their names.
    pub ids: &'static str,
    /// How many.
    pub count: u32,
}
