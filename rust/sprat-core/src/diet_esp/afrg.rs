//! AfRG, the Attributes for Rule Generation (draft-ietf-ipsecme-diet-esp-07 s4.2).

use core::ffi::CStr;
use core::net::IpAddr;

use crate::error::zero_terminated;
use crate::num::Spi;
use crate::selector::{AddrRange, Selector};
use crate::wire::ip::Version;

macro_rules! attribute {
    ($(#[$doc:meta])* $name:ident { $($(#[$value_doc:meta])* $variant:ident $code:literal $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum $name {
            $($(#[$value_doc])* $variant = $code,)*
        }

        impl $name {
            /// Every value, in the order of the codes.
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];

            /// Its code: that of the negotiation where one exists.
            pub const fn code(self) -> u8 {
                self as u8
            }

            /// The value with this code.
            pub fn from_code(code: u8) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.code() == code)
            }

            /// Its name in the draft.
            pub const fn name(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }

            /// The value with this name.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.name() == name)
            }
        }
    };
}

attribute! {
    /// Which text's rules a context follows. The wire format of a draft is
    /// provisional: a later version is another value here and another rule table.
    Profile {
        /// draft-ietf-ipsecme-diet-esp-07.
        DietEsp07 0 "diet-esp-07",
        /// The ESP header and trailer only, as the slides of July 2016 describe.
        DietEsp2016 1 "diet-esp-2016",
        /// The stateless EHC rules of draft-mglt-ipsecme-diet-esp-02 to -07.
        Ehc2019 2 "ehc-2019",
        /// The attributes of the slides of July 2023, in the layout of -07.
        Ehc2023 3 "ehc-2023",
    }
}

attribute! {
    /// Whether the inner headers are compressed.
    IipcProfile {
        /// They are.
        DietEsp 0 "iipc_diet-esp",
        /// The payload is the inner packet itself.
        NotCompressed 1 "iipc_not_compressed",
    }
}

attribute! {
    /// What happens to the inner DSCP.
    DscpCda {
        /// Sent: 6 bits.
        NotCompressed 0 "not_compressed",
        /// Taken from the outer header.
        Lower 1 "lower",
        /// One of a list that the SA knows.
        Sa 2 "sa",
    }
}

attribute! {
    /// What happens to the inner ECN field.
    EcnCda {
        /// Sent: 2 bits.
        NotCompressed 0 "not_compressed",
        /// Taken from the outer header.
        Lower 1 "lower",
    }
}

attribute! {
    /// What happens to the IPv6 Flow Label or the IPv4 Identification.
    FlowLabelCda {
        /// Sent: 20 or 16 bits.
        NotCompressed 0 "not_compressed",
        /// Taken from the outer header.
        Lower 1 "lower",
        /// Made by the receiver.
        Generated 2 "generated",
        /// Always 0.
        Zero 3 "zero",
    }
}

attribute! {
    /// What the encrypted octets are a multiple of.
    Alignment {
        /// 1 octet.
        Bits8 0 "8 bit",
        /// 2 octets.
        Bits16 1 "16 bit",
        /// 4 octets, as in RFC 4303.
        Bits32 2 "32 bit",
        /// 8 octets.
        Bits64 3 "64 bit",
    }
}

impl Alignment {
    /// In octets.
    pub const fn octets(self) -> usize {
        1 << self as u8
    }

    /// In bits.
    pub const fn bits(self) -> u8 {
        8 << self as u8
    }

    /// The alignment of this many bits.
    pub fn from_bits(bits: u64) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|a| u64::from(a.bits()) == bits)
    }
}

attribute! {
    /// Whether the ESP trailer is always sent in full.
    EspTrailer {
        /// Padding, Pad Length and Next Header, as in RFC 4303.
        Mandatory 0 "Mandatory",
        /// What the receiver knows is left out.
        Optional 1 "Optional",
    }
}

/// The DSCP values of an SA, in the order agreed: at most 64, each 0-63.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DscpList {
    values: [u8; DscpList::MAX],
    len: u8,
}

impl DscpList {
    /// Most values: one for each DSCP.
    pub const MAX: usize = 64;
    /// No values.
    pub const EMPTY: DscpList = DscpList {
        values: [0; DscpList::MAX],
        len: 0,
    };

    /// A list; `None` if it has more than 64 values or one above 63. Of a value
    /// that is there twice the first index is sent.
    pub fn new(values: &[u8]) -> Option<Self> {
        let mut list = DscpList::EMPTY;
        list.values.get_mut(..values.len())?.copy_from_slice(values);
        list.len = u8::try_from(values.len()).ok()?;
        values.iter().all(|value| *value < 64).then_some(list)
    }

    /// The values.
    pub fn values(&self) -> &[u8] {
        self.values.get(..usize::from(self.len)).unwrap_or(&[])
    }
}

impl core::fmt::Debug for DscpList {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.values()).finish()
    }
}

/// What only the rules of 2016-2019 know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ehc2019 {
    /// The UDP-Lite coverage is agreed to be the whole datagram, so that coverage
    /// and checksum are left out.
    pub udplite_whole: bool,
    /// TCP segments may carry options: Data Offset and reserved bits are sent.
    pub tcp_options: bool,
    /// The TCP Urgent Pointer is sent.
    pub tcp_urgent: bool,
}

/// Every attribute of one SA that rules are made from. Source and destination
/// are those of its packets (decision D-07).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Afrg {
    /// Which rule table.
    pub profile: Profile,
    /// Inner headers compressed or not.
    pub iipc_profile: IipcProfile,
    /// Inner DSCP.
    pub dscp_cda: DscpCda,
    /// Inner ECN field.
    pub ecn_cda: EcnCda,
    /// Inner Flow Label or Identification.
    pub flow_label_cda: FlowLabelCda,
    /// The values of `dscp_cda` = `sa`.
    pub dscp_list: DscpList,
    /// Alignment of the encrypted octets.
    pub alignment: Alignment,
    /// ESP trailer in full or not.
    pub esp_trailer: EspTrailer,
    /// Low bits of the SPI on the wire, 0-32.
    pub esp_spi_lsb: u8,
    /// Low bits of the Sequence Number on the wire, 0-32; with `esp_spi_lsb` a
    /// multiple of 8.
    pub esp_sn_lsb: u8,
    /// IP version of the inner packets; `None` = both, which only a context that
    /// leaves inner headers and trailer alone can serve.
    pub ip_version: Option<Version>,
    /// The one traffic selector: addresses, protocol (`None` = ANY) and ports.
    pub selector: Selector,
    /// Identification of an outer IPv4 header may carry the inner Flow Label or
    /// Identification (`flow_label_cda` = `lower`; RFC 6864 reserves that field
    /// for reassembly). Of a 20-bit Flow Label the upper 4 bits are lost.
    pub outer_id: bool,
    /// Refuses attributes by which the network could change what is inside, but
    /// for the Hop Limit, which the text forces.
    pub hardened: bool,
    /// Refuse to send what would not come back bit for bit (decision D-09). Off
    /// only where the packets are known to be well formed.
    pub guard: bool,
    /// For [`Profile::Ehc2019`] alone.
    pub ehc2019: Ehc2019,
}

impl Afrg {
    /// The draft's defaults for inner packets of `ip_version` that `selector`
    /// admits: full SPI and Sequence Number, 64-bit alignment, Optional trailer.
    pub const fn new(ip_version: Version, selector: Selector) -> Self {
        Afrg {
            profile: Profile::DietEsp07,
            iipc_profile: IipcProfile::DietEsp,
            dscp_cda: DscpCda::NotCompressed,
            ecn_cda: EcnCda::NotCompressed,
            flow_label_cda: FlowLabelCda::NotCompressed,
            dscp_list: DscpList::EMPTY,
            alignment: Alignment::Bits64,
            esp_trailer: EspTrailer::Optional,
            esp_spi_lsb: 32,
            esp_sn_lsb: 32,
            ip_version: Some(ip_version),
            selector,
            outer_id: false,
            hardened: false,
            guard: true,
            ehc2019: Ehc2019 {
                udplite_whole: false,
                tcp_options: false,
                tcp_urgent: false,
            },
        }
    }

    /// The form of July 2016: ESP header and trailer only, whole octets of SPI and
    /// Sequence Number (0-4).
    pub const fn diet_esp_2016(
        ip_version: Version,
        selector: Selector,
        (spi_octets, sn_octets): (u8, u8),
        alignment: Alignment,
    ) -> Self {
        Afrg {
            profile: Profile::DietEsp2016,
            iipc_profile: IipcProfile::NotCompressed,
            alignment,
            esp_spi_lsb: spi_octets.saturating_mul(8),
            esp_sn_lsb: sn_octets.saturating_mul(8),
            ..Afrg::new(ip_version, selector)
        }
    }

    /// The attributes of the slides of July 2023, whose lengths are in octets
    /// (0-4): `flow_label` is their ts_flow_label; DSCP is `sa` where a list
    /// exists, else `lower` as is ECN.
    pub fn ehc_2023(
        ip_version: Version,
        selector: Selector,
        (spi_octets, sn_octets): (u8, u8),
        (alignment, flow_label, dscp_list): (Alignment, bool, DscpList),
    ) -> Self {
        Afrg {
            profile: Profile::Ehc2023,
            dscp_cda: match dscp_list.values() {
                [] => DscpCda::Lower,
                _ => DscpCda::Sa,
            },
            ecn_cda: EcnCda::Lower,
            flow_label_cda: match flow_label {
                true => FlowLabelCda::Lower,
                false => FlowLabelCda::NotCompressed,
            },
            dscp_list,
            alignment,
            esp_spi_lsb: spi_octets.saturating_mul(8),
            esp_sn_lsb: sn_octets.saturating_mul(8),
            ..Afrg::new(ip_version, selector)
        }
    }

    /// Whether inner headers are compressed.
    pub const fn compresses_inner(&self) -> bool {
        matches!(self.iipc_profile, IipcProfile::DietEsp)
    }

    pub(super) fn lower(&self) -> bool {
        self.dscp_cda == DscpCda::Lower
            || self.ecn_cda == EcnCda::Lower
            || self.flow_label_cda == FlowLabelCda::Lower
    }

    /// Whether these attributes can serve an SA in `carried`; see also
    /// [`Afrg::window_fits`].
    pub(super) fn validate(&self, carried: &Carried) -> Result<(), ContextError> {
        if self.esp_spi_lsb > 32 || self.esp_sn_lsb > 32 {
            return Err(ContextError::LsbRange);
        }
        if !(self.esp_spi_lsb + self.esp_sn_lsb).is_multiple_of(8) {
            return Err(ContextError::LsbOctets);
        }
        if self.dscp_cda == DscpCda::Sa && self.dscp_list.values().is_empty() {
            return Err(ContextError::DscpListEmpty);
        }
        if self.hardened && self.lower() && self.compresses_inner() {
            return Err(ContextError::Hardened);
        }
        // In tunnel mode the left out Next Header is that of the one IP version.
        let names_version = self.esp_trailer == EspTrailer::Optional && carried.outer.is_some();
        if self.ip_version.is_none() && (self.compresses_inner() || names_version) {
            return Err(ContextError::IpVersion);
        }
        self.validate_profile()?;
        self.validate_selector()?;
        let lower_id = self.flow_label_cda == FlowLabelCda::Lower && self.compresses_inner();
        if lower_id && carried.outer == Some(Version::V4) && !self.outer_id {
            return Err(ContextError::OuterIdentification);
        }
        // Over UDP four zero octets in front would say IKE (decision D-23).
        if carried.udp && (self.esp_spi_lsb == 0 || carried.spi.low_bits(self.esp_spi_lsb) == 0) {
            return Err(ContextError::UdpMarker);
        }
        Ok(())
    }

    fn validate_profile(&self) -> Result<(), ContextError> {
        let whole = |lsb: u8| lsb.is_multiple_of(8);
        let good = match self.profile {
            Profile::DietEsp07 => true,
            Profile::DietEsp2016 => {
                !self.compresses_inner() && whole(self.esp_spi_lsb) && whole(self.esp_sn_lsb)
            }
            Profile::Ehc2019 | Profile::Ehc2023 => {
                whole(self.esp_spi_lsb) && whole(self.esp_sn_lsb)
            }
        };
        if good {
            Ok(())
        } else {
            Err(ContextError::Profile)
        }
    }

    fn validate_selector(&self) -> Result<(), ContextError> {
        let of_version = |address: Option<IpAddr>| {
            let (Some(version), Some(address)) = (self.ip_version, address) else {
                return true;
            };
            address.is_ipv4() == (version == Version::V4)
        };
        let first = |range: &AddrRange| match range {
            AddrRange::Any => None,
            AddrRange::Range { first, .. } => Some(*first),
        };
        if of_version(first(&self.selector.source)) && of_version(first(&self.selector.destination))
        {
            Ok(())
        } else {
            Err(ContextError::SelectorFamily)
        }
    }

    /// Whether a window of `window` packets can be told apart by the low bits: of
    /// a wider one the older part is never read (digest section 8.2).
    pub fn window_fits(&self, window: u16) -> bool {
        let reach = 1u64 << self.esp_sn_lsb >> 1;
        // With no bits at all nothing may be reordered, whatever the window.
        self.esp_sn_lsb == 0 || u64::from(window) <= reach
    }
}

/// Attributes, and what a receiver may choose by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ehc {
    /// What was agreed.
    pub afrg: Afrg,
    /// Further Sequence Numbers tried for a packet whose ICV does not verify, at
    /// most 16; 0 = none (digest section 8.2).
    pub resync: u8,
    /// Packets that may arrive late where anti-replay is off.
    pub reorder: u16,
}

impl Ehc {
    /// Most further numbers tried for a packet.
    pub const MAX_RESYNC: u8 = 16;

    /// Without a search for lost numbers.
    pub const fn new(afrg: Afrg) -> Self {
        Ehc {
            afrg,
            resync: 0,
            reorder: 64,
        }
    }
}

/// What carries the ESP packets of an SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Carried {
    /// The SPI in full.
    pub spi: Spi,
    /// IP version of the outer header; `None` in transport mode.
    pub outer: Option<Version>,
    /// ESP stands in UDP (RFC 3948).
    pub udp: bool,
}

macro_rules! context_errors {
    ($($variant:ident $key:literal $text:literal;)*) => {
        /// Attributes that cannot make a context.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum ContextError {
            $(#[doc = $text] $variant,)*
        }

        impl ContextError {
            /// The attribute that is to blame, as the draft and the
            /// configuration name it.
            pub const fn key(self) -> &'static str {
                match self { $(ContextError::$variant => $key,)* }
            }

            /// The text that is displayed, zero-terminated for C.
            pub const fn text_c(self) -> &'static CStr {
                match self {
                    $(ContextError::$variant => zero_terminated(concat!($text, "\0")),)*
                }
            }
        }

        impl core::fmt::Display for ContextError {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(match self { $(ContextError::$variant => $text,)* })
            }
        }
    };
}

context_errors! {
    LsbRange "esp_spi_lsb" "esp_spi_lsb and esp_sn_lsb are 0 to 32 bits";
    LsbOctets "esp_sn_lsb" "esp_spi_lsb + esp_sn_lsb must be a multiple of 8 bits";
    DscpListEmpty "dscp_list" "dscp_cda \"sa\" needs a dscp_list";
    Hardened "hardened" "hardened takes nothing from the outer header: no attribute may be \"lower\"";
    Profile "profile" "the profile counts in octets and, for diet-esp-2016, compresses no inner header";
    SelectorFamily "selector" "the selector's addresses are not of the inner IP version";
    OuterIdentification "flow_label_cda" "\"lower\" over outer IPv4 uses the Identification: allow it with outer_id";
    UdpMarker "esp_spi_lsb" "in UDP the sent bits of the SPI must not be absent or all 0, or ESP could look like IKE";
    Resync "resync" "resync tries at most 16 further numbers";
    MultiSender "multi_sender" "several senders share no sequence: it cannot be compressed";
    IpVersion "ip_version" "inner headers of one IP version only can be compressed, or a trailer left out";
}
