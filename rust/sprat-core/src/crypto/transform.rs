//! Registry of the transforms: IKEv2 Transform Type 1 (encryption) and Type 3
//! (integrity), with everything that follows from the number alone.
//!
//! Sources: RFC 2403, 2404, 2410, 2451, 3566, 3602, 3686, 4106, 4309, 4494,
//! 4543, 4868, 7634, 8750. All lengths are octets, as on the wire of ESP.
//! Every id is known in every build; whether it can be used is the matter of
//! the suite that is asked for it.

use super::IvSource;

/// What a transform does with packet and ICV.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Encrypts only; the ICV comes from an integrity transform.
    Cipher,
    /// Encrypts and makes the ICV, the IV stands in the packet.
    Aead,
    /// The same, the IV is the sequence number (RFC 8750).
    Implicit,
}

struct EncrRow {
    name: &'static str,
    key_lens: &'static [usize],
    salt: usize,
    iv: usize,
    icv: usize,
    block: usize,
    kind: Kind,
}

macro_rules! encr_table {
    ($($id:literal $variant:ident $name:literal $keys:expr, $salt:literal $iv:literal $icv:literal $block:literal $kind:ident, $doc:literal;)*) => {
        /// Encryption transform (IKEv2 Transform Type 1); the discriminant is the IANA number.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        pub enum Encr {
            $(#[doc = $doc] $variant = $id,)*
        }

        impl Encr {
            /// Every transform, by ascending number.
            pub const ALL: &'static [Encr] = &[$(Encr::$variant,)*];

            const fn row(self) -> &'static EncrRow {
                match self {
                    $(Encr::$variant => &EncrRow {
                        name: $name, key_lens: &$keys, salt: $salt, iv: $iv,
                        icv: $icv, block: $block, kind: Kind::$kind,
                    },)*
                }
            }
        }
    };
}

const AES: [usize; 3] = [16, 24, 32];

encr_table! {
// id variant              name                       keys salt iv icv block kind
    3 TripleDes            "ENCR_3DES"                   [24], 0  8  0  8 Cipher,   "3DES in CBC mode (RFC 2451); feature `legacy`.";
   11 Null                 "ENCR_NULL"                    [0], 0  0  0  4 Cipher,   "No encryption (RFC 2410).";
   12 AesCbc               "ENCR_AES_CBC"                 AES, 0 16  0 16 Cipher,   "AES in CBC mode (RFC 3602).";
   13 AesCtr               "ENCR_AES_CTR"                 AES, 4  8  0  4 Cipher,   "AES in counter mode (RFC 3686).";
   14 AesCcm8              "ENCR_AES_CCM_8"               AES, 3  8  8  4 Aead,     "AES-CCM, ICV of 8 octets (RFC 4309).";
   15 AesCcm12             "ENCR_AES_CCM_12"              AES, 3  8 12  4 Aead,     "AES-CCM, ICV of 12 octets (RFC 4309).";
   16 AesCcm16             "ENCR_AES_CCM_16"              AES, 3  8 16  4 Aead,     "AES-CCM, ICV of 16 octets (RFC 4309).";
   18 AesGcm8              "ENCR_AES_GCM_8"               AES, 4  8  8  4 Aead,     "AES-GCM, ICV of 8 octets (RFC 4106).";
   19 AesGcm12             "ENCR_AES_GCM_12"              AES, 4  8 12  4 Aead,     "AES-GCM, ICV of 12 octets (RFC 4106).";
   20 AesGcm16             "ENCR_AES_GCM_16"              AES, 4  8 16  4 Aead,     "AES-GCM, ICV of 16 octets (RFC 4106).";
   21 NullAesGmac          "ENCR_NULL_AUTH_AES_GMAC"      AES, 4  8 16  4 Aead,     "AES-GMAC: ICV only, no encryption (RFC 4543).";
   28 ChaCha20Poly1305     "ENCR_CHACHA20_POLY1305"      [32], 4  8 16  4 Aead,     "ChaCha20-Poly1305 (RFC 7634).";
   29 AesCcm8Iiv           "ENCR_AES_CCM_8_IIV"           AES, 3  0  8  4 Implicit, "AES-CCM, ICV of 8 octets, implicit IV (RFC 8750).";
   30 AesGcm16Iiv          "ENCR_AES_GCM_16_IIV"          AES, 4  0 16  4 Implicit, "AES-GCM, ICV of 16 octets, implicit IV (RFC 8750).";
   31 ChaCha20Poly1305Iiv  "ENCR_CHACHA20_POLY1305_IIV"  [32], 4  0 16  4 Implicit, "ChaCha20-Poly1305, implicit IV (RFC 8750).";
}

impl Encr {
    /// Number in the IANA registry "Transform Type 1".
    pub const fn id(self) -> u16 {
        self as u16
    }

    /// The transform with this IANA number; `None` if sprat has none.
    pub fn from_id(id: u16) -> Option<Self> {
        Self::ALL.iter().copied().find(|encr| encr.id() == id)
    }

    /// Name in the IANA registry, such as `ENCR_AES_CCM_8`.
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// The transform of this exact registry name; `None` if sprat has none.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|encr| encr.name() == name)
    }

    /// Allowed key lengths in octets, ascending, the salt not included.
    pub const fn key_lens(self) -> &'static [usize] {
        self.row().key_lens
    }

    /// Octets of salt that follow the key in KEYMAT: 0, 3 or 4.
    pub const fn salt_len(self) -> usize {
        self.row().salt
    }

    /// Octets of IV in each packet: 0, 8 or 16.
    pub const fn iv_len(self) -> usize {
        self.row().iv
    }

    /// Octets of ICV that this transform itself makes: 8, 12 or 16, or 0 where
    /// an integrity transform makes it.
    pub const fn icv_len(self) -> usize {
        self.row().icv
    }

    /// What payload, padding and the two trailer octets together are a
    /// multiple of: 4, 8 or 16 (RFC 4303 s2.4).
    pub const fn pad_align(self) -> usize {
        self.row().block
    }

    /// Where the IV of a packet comes from.
    pub const fn iv_source(self) -> IvSource {
        match self {
            Encr::TripleDes | Encr::AesCbc => IvSource::Random,
            _ if self.iv_len() == 0 => IvSource::None,
            _ => IvSource::Counter,
        }
    }

    /// Whether it makes the ICV itself; then no integrity transform is allowed.
    pub const fn is_aead(self) -> bool {
        !matches!(self.row().kind, Kind::Cipher)
    }

    /// Whether the IV is the sequence number and not sent (RFC 8750).
    pub const fn implicit_iv(self) -> bool {
        matches!(self.row().kind, Kind::Implicit)
    }

    /// Whether an integrity transform must stand beside it.
    pub const fn needs_integ(self) -> bool {
        !self.is_aead()
    }

    /// Whether it works only in builds with the feature `legacy`.
    pub const fn legacy(self) -> bool {
        matches!(self, Encr::TripleDes)
    }

    /// Whether ESP may combine the two: an AEAD stands alone, anything else
    /// needs an integrity transform, so NULL with NONE is refused (RFC 4303 s3.2).
    pub const fn allows(self, integ: Integ) -> bool {
        match integ {
            Integ::None => self.is_aead(),
            _ => self.needs_integ() && !integ.ah_only(),
        }
    }
}

struct IntegRow {
    name: &'static str,
    key: usize,
    icv: usize,
}

macro_rules! integ_table {
    ($($id:literal $variant:ident $name:literal $key:literal $icv:literal $doc:literal;)*) => {
        /// Integrity transform (IKEv2 Transform Type 3); the discriminant is the
        /// IANA number, from 1024 on a private one.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        pub enum Integ {
            $(#[doc = $doc] $variant = $id,)*
        }

        impl Integ {
            /// Every transform, by ascending number.
            pub const ALL: &'static [Integ] = &[$(Integ::$variant,)*];

            const fn row(self) -> &'static IntegRow {
                match self {
                    $(Integ::$variant => &IntegRow { name: $name, key: $key, icv: $icv },)*
                }
            }
        }
    };
}

integ_table! {
//  id variant           name                    key icv
     0 None             "NONE"                     0  0 "No integrity transform: the AEADs bring their own.";
     1 HmacMd5_96       "AUTH_HMAC_MD5_96"        16 12 "HMAC-MD5, first 12 octets (RFC 2403); feature `legacy`.";
     2 HmacSha1_96      "AUTH_HMAC_SHA1_96"       20 12 "HMAC-SHA1, first 12 octets (RFC 2404).";
     5 AesXcbc96        "AUTH_AES_XCBC_96"        16 12 "AES-XCBC-MAC, first 12 octets (RFC 3566).";
     8 AesCmac96        "AUTH_AES_CMAC_96"        16 12 "AES-CMAC, first 12 octets (RFC 4494).";
     9 Aes128Gmac       "AUTH_AES_128_GMAC"       16 16 "AES-GMAC with a key of 16 octets (RFC 4543); AH only.";
    10 Aes192Gmac       "AUTH_AES_192_GMAC"       24 16 "AES-GMAC with a key of 24 octets (RFC 4543); AH only.";
    11 Aes256Gmac       "AUTH_AES_256_GMAC"       32 16 "AES-GMAC with a key of 32 octets (RFC 4543); AH only.";
    12 HmacSha2_256_128 "AUTH_HMAC_SHA2_256_128"  32 16 "HMAC-SHA-256, first 16 octets (RFC 4868).";
    13 HmacSha2_384_192 "AUTH_HMAC_SHA2_384_192"  48 24 "HMAC-SHA-384, first 24 octets (RFC 4868).";
    14 HmacSha2_512_256 "AUTH_HMAC_SHA2_512_256"  64 32 "HMAC-SHA-512, first 32 octets (RFC 4868).";
  1026 HmacSha2_256_96  "PRIV_HMAC_SHA2_256_96"   32 12 "HMAC-SHA-256 cut to 12 octets, the fault of old peers; private number, feature `legacy`.";
}

impl Integ {
    /// Number in the IANA registry "Transform Type 3"; from 1024 on private.
    pub const fn id(self) -> u16 {
        self as u16
    }

    /// The transform with this number; `None` if sprat has none.
    pub fn from_id(id: u16) -> Option<Self> {
        Self::ALL.iter().copied().find(|integ| integ.id() == id)
    }

    /// Name in the IANA registry, such as `AUTH_HMAC_SHA2_256_128`; `NONE` for none.
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// The transform of this exact name; `None` if sprat has none.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|integ| integ.name() == name)
    }

    /// Octets of key, the salt of GMAC (4) not included.
    pub const fn key_len(self) -> usize {
        self.row().key
    }

    /// Octets of ICV in each packet, the IV of GMAC (8) not included.
    pub const fn icv_len(self) -> usize {
        self.row().icv
    }

    /// Whether AH alone may use it; ESP has `ENCR_NULL_AUTH_AES_GMAC` instead.
    pub const fn ah_only(self) -> bool {
        matches!(
            self,
            Integ::Aes128Gmac | Integ::Aes192Gmac | Integ::Aes256Gmac
        )
    }

    /// Whether it works only in builds with the feature `legacy`.
    pub const fn legacy(self) -> bool {
        matches!(self, Integ::HmacMd5_96 | Integ::HmacSha2_256_96)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_find_their_way_back_and_ascend() {
        for encr in Encr::ALL {
            assert_eq!(Encr::from_id(encr.id()), Some(*encr));
            assert_eq!(Encr::from_name(encr.name()), Some(*encr));
        }
        for integ in Integ::ALL {
            assert_eq!(Integ::from_id(integ.id()), Some(*integ));
            assert_eq!(Integ::from_name(integ.name()), Some(*integ));
        }
        assert!(Encr::ALL.is_sorted_by(|a, b| a.id() < b.id()));
        assert!(Integ::ALL.is_sorted_by(|a, b| a.id() < b.id()));
        assert_eq!(Encr::from_id(17), None);
        assert_eq!(Encr::from_name("encr_null"), None);
        assert_eq!(Integ::from_id(3), None);
    }

    #[test]
    fn lengths_fit_together() {
        for encr in Encr::ALL {
            assert_eq!(encr.is_aead(), encr.icv_len() > 0, "{}", encr.name());
            assert_eq!(encr.iv_source() == IvSource::None, encr.iv_len() == 0);
            assert_eq!(encr.implicit_iv(), encr.name().ends_with("_IIV"));
        }
        assert_eq!(Encr::AesCbc.iv_source(), IvSource::Random);
        assert_eq!(Encr::AesCcm8.iv_source(), IvSource::Counter);
        assert_eq!(Encr::AesCcm8Iiv.iv_source(), IvSource::None);
    }

    #[test]
    fn legal_combinations_are_those_of_the_rfcs() {
        assert!(!Encr::Null.allows(Integ::None));
        assert!(!Encr::AesCbc.allows(Integ::None));
        assert!(Encr::Null.allows(Integ::AesXcbc96));
        assert!(Encr::AesCtr.allows(Integ::HmacSha2_256_128));
        assert!(Encr::AesCcm8.allows(Integ::None));
        assert!(!Encr::AesCcm8.allows(Integ::HmacSha1_96));
        assert!(!Encr::NullAesGmac.allows(Integ::AesCmac96));
        assert!(!Encr::Null.allows(Integ::Aes128Gmac));
    }
}
