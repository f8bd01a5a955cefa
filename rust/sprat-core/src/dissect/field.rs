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

            /// How its number is shown.
            pub const fn base(self) -> Base {
                match self { $(Field::$variant => Base::$base,)* }
            }
        }
    };
}

fields! {
    Spi "esp.spi" Uint32 Hex "SPI" "Security Parameters Index (RFC 4303 s2.1)";
    Sequence "esp.sequence" Uint32 Dec "Sequence Number" "Low 32 bits of the sequence number, as sent (RFC 4303 s2.2)";
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_indexes_and_names_are_unique() {
        for (i, field) in Field::ALL.iter().enumerate() {
            assert_eq!(*field as usize, i);
            assert!(field.abbrev().starts_with("sprat.esp."));
            let same = |f: &&Field| f.abbrev() == field.abbrev();
            assert_eq!(Field::ALL.iter().filter(same).count(), 1, "{field:?}");
        }
    }

    #[test]
    fn numbers_have_a_base_and_nothing_else_has() {
        for field in Field::ALL {
            let number = matches!(
                field.kind(),
                Kind::Uint8 | Kind::Uint32 | Kind::Uint64 | Kind::Protocol
            );
            assert_eq!(number, field.base() != Base::None, "{field:?}");
        }
    }
}
