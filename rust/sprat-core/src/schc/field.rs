//! Field identifiers: what a descriptor is about.

use core::ffi::CStr;

use crate::error::zero_terminated;

macro_rules! fields {
    ($($variant:ident $name:literal $text:literal;)*) => {
        /// The field of a header that a descriptor is about (FID of RFC 8724 s7.1).
        ///
        /// The number is the code in the C ABI: rows are only appended.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        #[repr(u8)]
        pub enum Fid {
            $(#[doc = $text] $variant,)*
        }

        impl Fid {
            /// Every field.
            pub const ALL: &'static [Fid] = &[$(Fid::$variant,)*];

            /// Its short name, in capitals, a dot between protocol and field.
            pub const fn name(self) -> &'static str {
                match self { $(Fid::$variant => $name,)* }
            }

            /// Its code in the C ABI.
            pub const fn code(self) -> u8 {
                self as u8
            }

            /// [`Fid::name`], zero-terminated for C.
            pub const fn name_c(self) -> &'static CStr {
                match self { $(Fid::$variant => zero_terminated(concat!($name, "\0")),)* }
            }

            /// [`Fid::text`], zero-terminated for C.
            pub const fn text_c(self) -> &'static CStr {
                match self { $(Fid::$variant => zero_terminated(concat!($text, "\0")),)* }
            }

            /// Its name for people.
            pub const fn text(self) -> &'static str {
                match self { $(Fid::$variant => $text,)* }
            }
        }
    };
}

fields! {
    Version "VERSION" "IP version";
    HeaderLength "IHL" "IPv4 Internet Header Length";
    Dscp "DSCP" "Differentiated Services code point";
    Ecn "ECN" "Explicit Congestion Notification";
    FlowLabel "FLOW_LABEL" "IPv6 Flow Label";
    Length "LENGTH" "IPv6 Payload Length or IPv4 Total Length";
    Identification "IDENT" "IPv4 Identification";
    Flags "FLAGS" "IPv4 Flags";
    FragmentOffset "FRAG_OFF" "IPv4 Fragment Offset";
    HopLimit "HOP_LIMIT" "IPv6 Hop Limit or IPv4 TTL";
    Protocol "PROTO" "IPv6 Next Header or IPv4 Protocol";
    HeaderChecksum "HDR_CKSUM" "IPv4 Header Checksum";
    Source "SRC" "Source Address";
    Destination "DST" "Destination Address";
    SourcePort "SRC_PORT" "Source Port";
    DestinationPort "DST_PORT" "Destination Port";
    UdpLength "UDP.LEN" "UDP Length";
    UdpChecksum "UDP.CKSUM" "UDP Checksum";
    UdpLiteCoverage "UDPLITE.COV" "UDP-Lite Checksum Coverage";
    UdpLiteChecksum "UDPLITE.CKSUM" "UDP-Lite Checksum";
    TcpSequence "TCP.SEQ" "TCP Sequence Number";
    TcpAcknowledgment "TCP.ACK" "TCP Acknowledgment Number";
    TcpDataOffset "TCP.DOFF" "TCP Data Offset";
    TcpReserved "TCP.RSVD" "TCP reserved bits";
    TcpFlags "TCP.FLAGS" "TCP control bits";
    TcpReservedFlags "TCP.RSVD_FLAGS" "TCP reserved and control bits";
    TcpWindow "TCP.WIN" "TCP Window";
    TcpChecksum "TCP.CKSUM" "TCP Checksum";
    TcpUrgent "TCP.URG" "TCP Urgent Pointer";
    SctpTag "SCTP.VTAG" "SCTP Verification Tag";
    SctpChecksum "SCTP.CKSUM" "SCTP Checksum (CRC32c)";
    EspPadding "ESP.PAD" "ESP Padding";
    EspPadLength "ESP.PAD_LEN" "ESP Pad Length";
    EspNextHeader "ESP.NH" "ESP Next Header";
    EspSpi "ESP.SPI" "ESP SPI";
    EspSn "ESP.SN" "ESP Sequence Number";
}
