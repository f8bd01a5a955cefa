//! The fields that a display filter can name.

/// Type of a field's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A heading over other fields, without a value.
    Label = 0,
    /// True or false.
    Boolean = 1,
    /// Unsigned, 8 bits.
    Uint8 = 2,
    /// Unsigned, 32 bits.
    Uint32 = 3,
    /// Unsigned, 64 bits.
    Uint64 = 4,
    /// Octets.
    Bytes = 5,
    /// UTF-8 text.
    Text = 6,
    /// Unsigned, 8 bits: a number of the IP protocol registry.
    Protocol = 7,
    /// Signed, 32 bits.
    Int32 = 8,
    /// An IPv4 address.
    Ipv4 = 9,
    /// An IPv6 address.
    Ipv6 = 10,
    /// Bits, as text of 0 and 1.
    Bits = 11,
    /// Unsigned, 16 bits.
    Uint16 = 12,
}

/// How a number is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Base {
    /// Not a number.
    None = 0,
    /// Decimal.
    Dec = 1,
    /// Hexadecimal.
    Hex = 2,
}

macro_rules! fields {
    ($($variant:ident $abbrev:literal $kind:ident $base:ident $name:literal $about:literal;)*) => {
        /// A field. The number is its index in [`Field::ALL`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        #[repr(u16)]
        pub enum Field {
            $(#[doc = $about] $variant,)*
        }

        impl Field {
            /// Every field, by ascending number, which starts at 0.
            pub const ALL: &'static [Field] = &[$(Field::$variant,)*];

            /// What a display filter calls it.
            pub const fn abbrev(self) -> &'static str {
                match self { $(Field::$variant => concat!("sprat.", $abbrev),)* }
            }

            /// Its name in the tree.
            pub const fn name(self) -> &'static str {
                match self { $(Field::$variant => $name,)* }
            }

            /// One sentence about it.
            pub const fn about(self) -> &'static str {
                match self { $(Field::$variant => $about,)* }
            }

            /// Type of its value.
            pub const fn kind(self) -> Kind {
                match self { $(Field::$variant => Kind::$kind,)* }
            }

            /// Whether it is shown in the line above it too.
            pub const fn in_parent(self) -> bool {
                matches!(self, Field::EhcBits | Field::EhcCda)
            }

            /// How its number is shown.
            pub const fn base(self) -> Base {
                match self { $(Field::$variant => Base::$base,)* }
            }
        }
    };
}

fields! {
    Spi "esp.spi" Uint32 Hex "SPI" "Security Parameters Index (RFC 4303 s2.1)";
    Sequence "esp.sequence" Uint32 Dec "Sequence Number" "Low 32 bits of the sequence number (RFC 4303 s2.2); with Diet-ESP as far as it is not sent, inferred";
    Sequence64 "esp.sequence64" Uint64 Dec "64-bit sequence number" "Sequence number with the inferred high half (RFC 4303 s2.2.1)";
    Duplicate "esp.sequence.duplicate" Boolean None "Duplicate" "A verified packet of this SA carried the same number before";
    TooOld "esp.sequence.too_old" Boolean None "Too old" "The number lies left of the anti-replay window";
    Gap "esp.sequence.gap" Uint64 Dec "Numbers missing before this one" "Numbers between the highest one verified before and this one";
    Iv "esp.iv" Bytes None "IV" "Initialization vector, as sent";
    ImplicitIv "esp.implicit_iv" Uint64 Hex "Implicit IV" "IV made from the sequence number, not sent (RFC 8750)";
    Nonce "esp.nonce" Bytes None "Nonce" "Salt and IV; for counter mode the first counter block";
    Aad "esp.aad" Bytes None "Additional authenticated data" "SPI and sequence number as the ICV covers them (RFC 4106 s5)";
    Encrypted "esp.encrypted" Bytes None "Encrypted data" "Payload, padding and trailer as they stand in the packet";
    Icv "esp.icv" Bytes None "ICV" "Integrity Check Value, 8 to 32 octets, last in the packet (RFC 4303 s2.8)";
    IcvGood "esp.icv_good" Boolean None "ICV good" "The ICV verifies with the keys of this SA";
    IcvBad "esp.icv_bad" Boolean None "ICV bad" "The ICV does not verify with the keys of this SA";
    Payload "esp.payload" Bytes None "Payload" "What was protected: an IP packet, or an upper-layer header and its data";
    Tfc "esp.tfc" Bytes None "TFC padding" "Octets behind the payload that hide its length (RFC 4303 s2.7)";
    Padding "esp.padding" Bytes None "Padding" "Octets 1, 2, 3, … that fill up to the alignment (RFC 4303 s2.4)";
    PadGood "esp.pad_good" Boolean None "Padding good" "The padding is 1, 2, 3, … and fits into the data";
    PadLength "esp.pad_length" Uint8 Dec "Pad Length" "Octets of padding (RFC 4303 s2.5)";
    NextHeader "esp.next_header" Protocol Dec "Next Header" "Protocol of the payload: 4 and 41 are tunnels, 59 is a dummy (RFC 4303 s2.6)";
    Dummy "esp.dummy" Boolean None "Dummy packet" "Next Header 59: sent to be discarded (RFC 4303 s2.6)";
    Sa "esp.sa" Label None "Security association" "The row of the SA table that fits SPI and addresses";
    SaName "esp.sa_name" Text None "Name" "Name of the SA in the table or the configuration";
    Encr "esp.encr" Text None "Encryption" "Encryption transform, by its IANA name";
    Integ "esp.integ" Text None "Integrity" "Integrity transform, by its IANA name";
    Mode "esp.mode" Text None "Mode" "transport or tunnel (RFC 4301 s3.2)";
    Esn "esp.esn" Boolean None "64-bit sequence numbers" "The high half takes part in the ICV and is not sent (RFC 4303 s2.2.1)";
    Overhead "esp.overhead" Uint32 Dec "Overhead" "Octets of this ESP packet that are not its payload: header, IV, padding, trailer, ICV";
    Truncated "esp.truncated" Boolean None "Cut off" "The capture holds less than the packet had: the ICV cannot be checked";
    DropReason "esp.drop_reason" Text None "Drop reason" "Why a receiver with this SA would drop the packet";
    EhcEec "ehc.eec" Label None "EEC: ESP header" "Encrypted ESP Compression: as much of SPI and Sequence Number as is on the wire (Diet-ESP s5.3)";
    EhcCtec "ehc.ctec" Label None "CTEC: ESP trailer" "Clear Text ESP Compression: as much of the trailer as is on the wire (Diet-ESP s5.2)";
    EhcIipc "ehc.iipc" Label None "IIPC: inner headers" "Inner IP Compression: a residue in place of the inner headers (Diet-ESP s5.1)";
    EhcBits "ehc.bits" Bits None "Wire bits" "The bits of this field that are on the wire, first one first";
    EhcCda "ehc.cda" Text None "Action" "How the receiver comes by the value (compression and decompression action, RFC 8724 s7.4)";
    EhcResidue "ehc.residue" Bytes None "Residue" "What is sent in place of the inner headers, with its pad bits (RFC 8724 s7.2)";
    EhcPadBits "ehc.pad_bits" Uint8 Dec "Pad bits" "Bits between residue and payload that fill up the octet";
    EhcPayload "ehc.payload" Bytes None "Payload behind the residue" "What stands behind the headers that were left out, as it was";
    EhcRebuilt "ehc.rebuilt" Bytes None "Rebuilt" "The inner packet, in transport mode what stands behind the IP header, before it was compressed";
    EhcSaved "ehc.saved" Int32 Dec "Octets saved" "Octets that plain ESP would need for the same packet, less those of this one";
    EhcProfile "ehc.profile" Text None "Profile" "The text whose rules the SA follows";
    EhcIipcProfile "ehc.iipc_profile" Text None "IIPC profile" "Whether inner headers are compressed (Diet-ESP s4.2)";
    EhcTrailer "ehc.esp_trailer" Text None "ESP trailer" "Whether the trailer is always sent in full (Diet-ESP s4.2)";
    EhcAlignment "ehc.alignment" Uint8 Dec "Alignment" "Bits that what is encrypted is a multiple of (Diet-ESP s4.2)";
    EhcSpiLsb "ehc.esp_spi_lsb" Uint8 Dec "SPI bits" "Low bits of the SPI that are on the wire (Diet-ESP s4.2)";
    EhcSnLsb "ehc.esp_sn_lsb" Uint8 Dec "SN bits" "Low bits of the Sequence Number that are on the wire (Diet-ESP s4.2)";
    EhcVersion "ehc.version" Uint8 Dec "Version" "Inner IP version";
    EhcHeaderLength "ehc.ihl" Uint8 Dec "Header Length" "Inner IPv4 header in words of 4 octets";
    EhcDscp "ehc.dscp" Uint8 Dec "DSCP" "Inner Differentiated Services code point";
    EhcEcn "ehc.ecn" Uint8 Dec "ECN" "Inner Explicit Congestion Notification";
    EhcFlowLabel "ehc.flow_label" Uint32 Hex "Flow Label" "Inner IPv6 Flow Label";
    EhcLength "ehc.length" Uint16 Dec "Length" "Inner IPv6 Payload Length or IPv4 Total Length";
    EhcIdentification "ehc.identification" Uint16 Hex "Identification" "Inner IPv4 Identification";
    EhcFlags "ehc.flags" Uint8 Hex "Flags" "Inner IPv4 Flags";
    EhcFragmentOffset "ehc.fragment_offset" Uint16 Dec "Fragment Offset" "Inner IPv4 Fragment Offset";
    EhcHopLimit "ehc.hop_limit" Uint8 Dec "Hop Limit" "Inner IPv6 Hop Limit or IPv4 TTL";
    EhcProtocol "ehc.protocol" Protocol Dec "Protocol" "Inner IPv6 Next Header or IPv4 Protocol";
    EhcHeaderChecksum "ehc.header_checksum" Uint16 Hex "Header Checksum" "Inner IPv4 Header Checksum";
    EhcSourceV4 "ehc.source_v4" Ipv4 None "Source Address" "Inner IPv4 source address";
    EhcSourceV6 "ehc.source_v6" Ipv6 None "Source Address" "Inner IPv6 source address";
    EhcDestinationV4 "ehc.destination_v4" Ipv4 None "Destination Address" "Inner IPv4 destination address";
    EhcDestinationV6 "ehc.destination_v6" Ipv6 None "Destination Address" "Inner IPv6 destination address";
    EhcSourcePort "ehc.source_port" Uint16 Dec "Source Port" "Inner source port";
    EhcDestinationPort "ehc.destination_port" Uint16 Dec "Destination Port" "Inner destination port";
    EhcUdpLength "ehc.udp_length" Uint16 Dec "UDP Length" "Inner UDP Length";
    EhcUdpLiteCoverage "ehc.udplite_coverage" Uint16 Dec "UDP-Lite Coverage" "Inner UDP-Lite Checksum Coverage";
    EhcChecksum "ehc.checksum" Uint32 Hex "Checksum" "Inner transport checksum";
    EhcTcpSequence "ehc.tcp_sequence" Uint32 Dec "TCP Sequence Number" "Inner TCP Sequence Number";
    EhcTcpAcknowledgment "ehc.tcp_acknowledgment" Uint32 Dec "TCP Acknowledgment Number" "Inner TCP Acknowledgment Number";
    EhcTcpDataOffset "ehc.tcp_data_offset" Uint8 Dec "TCP Data Offset" "Inner TCP header in words of 4 octets";
    EhcTcpFlags "ehc.tcp_flags" Uint16 Hex "TCP flags" "Inner TCP control bits, with the reserved ones as far as one rule covers both";
    EhcTcpReserved "ehc.tcp_reserved" Uint8 Hex "TCP reserved bits" "Inner TCP reserved bits";
    EhcTcpWindow "ehc.tcp_window" Uint16 Dec "TCP Window" "Inner TCP Window";
    EhcTcpUrgent "ehc.tcp_urgent" Uint16 Dec "TCP Urgent Pointer" "Inner TCP Urgent Pointer";
    EhcSctpTag "ehc.sctp_tag" Uint32 Hex "SCTP Verification Tag" "Inner SCTP Verification Tag";
    EhcUnconfirmed "ehc.unconfirmed" Text None "Not from the packet" "A rebuilt field that the context says, or a part of it: no receiver can tell whether it is what was sent";
    EhcContradiction "ehc.contradiction" Text None "Contradiction" "What of the packet cannot be: its SA has another context, or it was broken before it was compressed";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_indexes_and_names_are_unique() {
        for (i, field) in Field::ALL.iter().enumerate() {
            assert_eq!(*field as usize, i);
            let name = field.abbrev();
            assert!(name.starts_with("sprat.esp.") || name.starts_with("sprat.ehc."));
            let same = |f: &&Field| f.abbrev() == field.abbrev();
            assert_eq!(Field::ALL.iter().filter(same).count(), 1, "{field:?}");
        }
    }

    #[test]
    fn numbers_have_a_base_and_nothing_else_has() {
        for field in Field::ALL {
            let number = matches!(
                field.kind(),
                Kind::Uint8
                    | Kind::Uint16
                    | Kind::Uint32
                    | Kind::Uint64
                    | Kind::Protocol
                    | Kind::Int32
            );
            assert_eq!(number, field.base() != Base::None, "{field:?}");
        }
    }
}
