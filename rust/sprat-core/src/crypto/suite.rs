//! Every transform of ESP in one type, for hosts: keys expanded once per SA.

use aead::AeadInOut;
use chacha20poly1305::ChaCha20Poly1305 as ChaCha;
use cipher::KeyInit;
use cipher::inout::InOutBuf;
use zeroize::Zeroize;

use super::ccm::{self, Block, Nonce};
use super::ctr::ctr;
use super::gcm::Gcm;
use super::key::{Aes, AesEnc, cbc_open, cbc_seal, with_cipher};
use super::mac::Mac;
use super::{
    Encr, EspSuite, Integ, IvSource, Numbers, Octets, OpenFailed, Parts, SealFailed, check_icv,
    copy, iv_number, keeping, wiping,
};

/// Key material of one SA, as it is cut from KEYMAT (RFC 7296 s2.17). The salt
/// stands apart, never inside the key.
#[derive(Clone, Copy)]
pub struct Keys<'a> {
    /// Encryption key: one of [`Encr::key_lens`] octets.
    pub encr_key: &'a [u8],
    /// Salt: [`Encr::salt_len`] octets.
    pub salt: &'a [u8],
    /// Integrity key: [`Integ::key_len`] octets.
    pub integ_key: &'a [u8],
}

/// What is wrong with the transforms or keys given to [`Suite::new`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SuiteError {
    /// The encryption transform takes no key of this many octets.
    EncrKeyLength {
        /// The transform.
        encr: Encr,
        /// Octets that were given.
        given: usize,
    },
    /// The encryption transform takes another salt.
    SaltLength {
        /// The transform.
        encr: Encr,
        /// Octets that were given.
        given: usize,
    },
    /// The integrity transform takes another key.
    IntegKeyLength {
        /// The transform.
        integ: Integ,
        /// Octets that were given.
        given: usize,
    },
    /// The two transforms may not be combined: see [`Encr::allows`].
    IllegalCombination {
        /// Encryption transform.
        encr: Encr,
        /// Integrity transform.
        integ: Integ,
    },
    /// Two neighbouring keys of 3DES are equal: it would be single DES (RFC 2451
    /// s2.3).
    RepeatedKey {
        /// The transform.
        encr: Encr,
    },
    /// One of the two needs a build with the feature `legacy`.
    LegacyDisabled {
        /// Encryption transform.
        encr: Encr,
        /// Integrity transform.
        integ: Integ,
    },
}

impl core::fmt::Display for SuiteError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match *self {
            SuiteError::EncrKeyLength { encr, given } => {
                write!(f, "{} takes a key of ", encr.name())?;
                for (i, len) in encr.key_lens().iter().enumerate() {
                    write!(f, "{}{len}", if i == 0 { "" } else { " or " })?;
                }
                write!(f, " octets, not {given}")
            }
            SuiteError::SaltLength { encr, given } => {
                write!(
                    f,
                    "{} takes a salt of {} octets, not {given}",
                    encr.name(),
                    encr.salt_len()
                )
            }
            SuiteError::IntegKeyLength { integ, given } => {
                write!(
                    f,
                    "{} takes a key of {} octets, not {given}",
                    integ.name(),
                    integ.key_len()
                )
            }
            SuiteError::IllegalCombination { encr, integ } if encr.is_aead() => {
                write!(
                    f,
                    "{} makes the ICV itself: no {} beside it",
                    encr.name(),
                    integ.name()
                )
            }
            SuiteError::IllegalCombination {
                encr,
                integ: Integ::None,
            } => {
                write!(f, "{} needs an integrity transform", encr.name())
            }
            SuiteError::IllegalCombination { integ, .. } => {
                write!(f, "{} is for AH, not for ESP", integ.name())
            }
            SuiteError::RepeatedKey { encr } => {
                write!(
                    f,
                    "{} needs three keys of which neighbours differ",
                    encr.name()
                )
            }
            SuiteError::LegacyDisabled { encr, integ } => {
                let name = if encr.legacy() {
                    encr.name()
                } else {
                    integ.name()
                };
                write!(f, "{name} is old: it needs a build with the feature legacy")
            }
        }
    }
}

impl core::error::Error for SuiteError {}

/// Transforms of one SA with their expanded keys. No allocation; the size is
/// that of the largest transform.
pub struct Suite {
    encr: Encr,
    integ: Integ,
    /// Octets of IV and ICV on the wire, looked up once.
    iv_len: usize,
    icv_len: usize,
    /// The salt as a number; 0 where there is none.
    salt: u32,
    cipher: Cipher,
}

// One per SA and nothing is allocated here, so nothing is gained by a box. The
// tag has a place of its own, so that it is read in one step.
#[allow(clippy::large_enum_variant)]
#[repr(u8)]
enum Cipher {
    Ccm(AesEnc),
    Gcm(Gcm),
    Gmac(Gcm),
    ChaCha(ChaCha),
    /// Encryption, then a MAC over the result (RFC 4303 s3.3.2).
    Separate(Encryption, Mac),
}

// An SA holds one; a box would need an allocator and a load per packet.
#[allow(clippy::large_enum_variant)]
enum Encryption {
    Null,
    Cbc(Aes),
    Ctr(AesEnc),
    #[cfg(feature = "legacy")]
    TripleDes(des::TdesEde3),
}

impl Suite {
    /// Checks the combination and every length, then expands the keys.
    pub fn new(encr: Encr, integ: Integ, keys: &Keys<'_>) -> Result<Self, SuiteError> {
        if !encr.allows(integ) {
            return Err(SuiteError::IllegalCombination { encr, integ });
        }
        if !cfg!(feature = "legacy") && (encr.legacy() || integ.legacy()) {
            return Err(SuiteError::LegacyDisabled { encr, integ });
        }
        let encr_key = SuiteError::EncrKeyLength {
            encr,
            given: keys.encr_key.len(),
        };
        if !encr.key_lens().contains(&keys.encr_key.len()) {
            return Err(encr_key);
        }
        if keys.salt.len() != encr.salt_len() {
            return Err(SuiteError::SaltLength {
                encr,
                given: keys.salt.len(),
            });
        }
        if keys.integ_key.len() != integ.key_len() {
            return Err(SuiteError::IntegKeyLength {
                integ,
                given: keys.integ_key.len(),
            });
        }
        if encr == Encr::TripleDes && repeats(keys.encr_key) {
            return Err(SuiteError::RepeatedKey { encr });
        }
        let cipher = Cipher::new(encr, integ, keys).ok_or(encr_key)?;
        let salt = keys
            .salt
            .iter()
            .fold(0, |salt, octet| salt << 8 | u32::from(*octet));
        Ok(Suite {
            encr,
            integ,
            iv_len: encr.iv_len(),
            icv_len: if encr.is_aead() {
                encr.icv_len()
            } else {
                integ.icv_len()
            },
            salt,
            cipher,
        })
    }

    /// The encryption transform.
    pub fn encr(&self) -> Encr {
        self.encr
    }

    /// The integrity transform; [`Integ::None`] with an AEAD.
    pub fn integ(&self) -> Integ {
        self.integ
    }

    /// Nonce of a packet, or the first counter block of AES-CTR (16 octets).
    /// `iv` is what the wire carries, empty with an implicit IV. Empty for
    /// CBC, 3DES and NULL, which have none, and for an `iv` of another length.
    pub fn nonce(&self, numbers: &Numbers, iv: &[u8]) -> Octets<16> {
        if self.encr.salt_len() == 0 || iv.len() != self.encr.iv_len() {
            return Octets::default();
        }
        let Nonce { salt, iv } = self.salt_and_iv(numbers, iv);
        let octets = u128::from(salt) << 96 | u128::from(iv) << 32 | u128::from(FIRST_COUNTER);
        let unused = 4_usize.saturating_sub(self.encr.salt_len());
        let counter = if self.encr == Encr::AesCtr { 4 } else { 0 };
        let octets = octets.to_be_bytes();
        let used = octets.get(unused..).unwrap_or(&[]);
        Octets::first(used, self.encr.salt_len() + 8 + counter)
    }

    /// Additional data of an AEAD: SPI and sequence number, 8 octets, or 12 with
    /// ESN. In GMAC IV and payload follow it. Empty without an AEAD.
    pub fn aad(&self, numbers: &Numbers) -> Octets<12> {
        if self.encr.is_aead() {
            aad(numbers)
        } else {
            Octets::default()
        }
    }

    fn salt_and_iv(&self, numbers: &Numbers, iv: &[u8]) -> Nonce {
        Nonce {
            salt: self.salt,
            iv: iv_number(iv, numbers),
        }
    }

    fn ccm_packet(&self, numbers: &Numbers, iv: &[u8]) -> ccm::Packet<ccm::EspAad> {
        ccm::Packet {
            nonce: self.salt_and_iv(numbers, iv),
            tag_len: u8::try_from(self.icv_len).unwrap_or(0),
            aad: ccm::EspAad::new(numbers),
        }
    }
}

type Opened = Result<(), OpenFailed>;

/// The counter of AES-CTR starts at one (RFC 3686 s4).
const FIRST_COUNTER: u32 = 1;

impl Drop for Suite {
    fn drop(&mut self) {
        self.salt.zeroize();
    }
}

/// SPI and sequence number as the AEADs take them (RFC 4106 s5).
fn aad(numbers: &Numbers) -> Octets<12> {
    let (spi, low) = (u128::from(numbers.spi.0), u128::from(numbers.sn.low()));
    let short = (spi << 96 | low << 64).to_be_bytes();
    let long = (spi << 96 | u128::from(numbers.sn.0) << 32).to_be_bytes();
    if numbers.esn {
        Octets::first(&long, 12)
    } else {
        Octets::first(&short, 8)
    }
}

/// Whether two neighbouring keys of 3DES are equal beside their parity bits.
fn repeats(key: &[u8]) -> bool {
    let keys = key.as_chunks::<8>().0;
    keys.iter()
        .zip(keys.iter().skip(1))
        .any(|(a, b)| a.iter().zip(b).all(|(a, b)| (a ^ b) & 0xfe == 0))
}

impl Cipher {
    fn new(encr: Encr, integ: Integ, keys: &Keys<'_>) -> Option<Self> {
        let key = keys.encr_key;
        let encryption = match encr {
            Encr::AesCcm8 | Encr::AesCcm12 | Encr::AesCcm16 | Encr::AesCcm8Iiv => {
                return AesEnc::new(key).map(Cipher::Ccm);
            }
            Encr::AesGcm8 | Encr::AesGcm12 | Encr::AesGcm16 | Encr::AesGcm16Iiv => {
                return Gcm::new(key).map(Cipher::Gcm);
            }
            Encr::NullAesGmac => return Gcm::new(key).map(Cipher::Gmac),
            Encr::ChaCha20Poly1305 | Encr::ChaCha20Poly1305Iiv => {
                return ChaCha::new_from_slice(key).ok().map(Cipher::ChaCha);
            }
            Encr::Null => Encryption::Null,
            Encr::AesCbc => Encryption::Cbc(Aes::new(key)?),
            Encr::AesCtr => Encryption::Ctr(AesEnc::new(key)?),
            #[cfg(feature = "legacy")]
            Encr::TripleDes => Encryption::TripleDes(des::TdesEde3::new_from_slice(key).ok()?),
            #[cfg(not(feature = "legacy"))]
            Encr::TripleDes => return None,
        };
        Some(Cipher::Separate(
            encryption,
            Mac::new(integ, keys.integ_key)?,
        ))
    }
}

impl Suite {
    #[inline(never)]
    fn seal_separate(
        &self,
        (encryption, mac): (&Encryption, &Mac),
        numbers: &Numbers,
        body: &mut [u8],
    ) -> Option<()> {
        let Parts { iv, data, .. } = self.cut(body)?;
        match encryption {
            Encryption::Null => (),
            Encryption::Cbc(aes) => with_cipher!(aes, aes => cbc_seal(aes, iv, data))?,
            Encryption::Ctr(aes) => ctr(aes, self.salt_and_iv(numbers, iv), FIRST_COUNTER, data)?,
            #[cfg(feature = "legacy")]
            Encryption::TripleDes(des) => cbc_seal(des, iv, data)?,
        }
        let (covered, icv) = self.covered(body)?;
        separate_icv(mac, numbers, covered, |expected| copy(icv, expected));
        Some(())
    }

    #[inline(never)]
    fn open_separate(
        &self,
        (encryption, mac): (&Encryption, &Mac),
        numbers: &Numbers,
        body: &mut [u8],
    ) -> Result<(), OpenFailed> {
        let Parts { data, .. } = self.cut(body).ok_or(OpenFailed::Malformed)?;
        if data.len() % self.encr.pad_align() != 0 && self.encr.iv_source() == IvSource::Random {
            return Err(OpenFailed::Malformed);
        }
        let (covered, icv) = self.covered(body).ok_or(OpenFailed::Malformed)?;
        separate_icv(mac, numbers, covered, |expected| check_icv(icv, expected))?;
        let Parts { iv, data, .. } = self.cut(body).ok_or(OpenFailed::Malformed)?;
        let decrypted = match encryption {
            Encryption::Null => Some(()),
            Encryption::Cbc(aes) => with_cipher!(aes, aes => cbc_open(aes, iv, data)),
            Encryption::Ctr(aes) => ctr(aes, self.salt_and_iv(numbers, iv), FIRST_COUNTER, data),
            #[cfg(feature = "legacy")]
            Encryption::TripleDes(des) => cbc_open(des, iv, data),
        };
        decrypted.ok_or(OpenFailed::Malformed)
    }

    /// IV and data together, and the ICV field.
    fn covered<'a>(&self, body: &'a mut [u8]) -> Option<(&'a mut [u8], &'a mut [u8])> {
        body.split_at_mut_checked(body.len().checked_sub(self.icv_len)?)
    }

    fn cut<'a>(&self, body: &'a mut [u8]) -> Option<Parts<'a>> {
        Parts::cut(body, self.iv_len, self.icv_len)
    }

    // One function for each kind of cipher: the small ones do not pay for the
    // stack frame of the large ones.

    #[inline(never)]
    fn seal_ccm(&self, aes: &AesEnc, numbers: &Numbers, body: &mut [u8]) -> Option<()> {
        let Parts { iv, data, icv } = self.cut(body)?;
        let packet = self.ccm_packet(numbers, iv);
        put_icv(
            icv,
            &with_cipher!(aes, aes => ccm::seal(aes, &packet, data))?,
        );
        Some(())
    }

    #[inline(never)]
    fn open_ccm(&self, aes: &AesEnc, numbers: &Numbers, body: &mut [u8]) -> Opened {
        let Parts { iv, data, icv } = self.cut(body).ok_or(OpenFailed::Malformed)?;
        let packet = self.ccm_packet(numbers, iv);
        let expected = with_cipher!(aes, aes => ccm::open(aes, &packet, data));
        check_icv(icv, &expected.ok_or(OpenFailed::Malformed)?)
    }

    #[inline(never)]
    fn seal_gcm(&self, gcm: &Gcm, numbers: &Numbers, body: &mut [u8]) -> Option<()> {
        let Parts { iv, data, icv } = self.cut(body)?;
        let nonce = self.salt_and_iv(numbers, iv);
        put_icv(icv, &gcm.seal(nonce, aad(numbers).as_slice(), data)?);
        Some(())
    }

    #[inline(never)]
    fn open_gcm(&self, gcm: &Gcm, numbers: &Numbers, body: &mut [u8]) -> Opened {
        let Parts { iv, data, icv } = self.cut(body).ok_or(OpenFailed::Malformed)?;
        let nonce = self.salt_and_iv(numbers, iv);
        let expected = gcm.open(nonce, aad(numbers).as_slice(), data);
        check_icv(icv, &expected.ok_or(OpenFailed::Malformed)?)
    }

    /// The ICV of GMAC and its field.
    #[inline(never)]
    fn gmac<'a>(
        &self,
        gcm: &Gcm,
        numbers: &Numbers,
        body: &'a mut [u8],
    ) -> Option<(Block, &'a mut [u8])> {
        let nonce = self.salt_and_iv(numbers, self.cut(body)?.iv);
        let (covered, icv) = self.covered(body)?;
        Some((gcm.gmac(nonce, aad(numbers).as_slice(), covered)?, icv))
    }

    #[inline(never)]
    fn seal_chacha(&self, key: &ChaCha, numbers: &Numbers, body: &mut [u8]) -> Option<()> {
        let Parts { iv, data, icv } = self.cut(body)?;
        let nonce = chacha_nonce(self.salt_and_iv(numbers, iv));
        let (aad, data) = (aad(numbers), InOutBuf::from(data));
        put_icv(
            icv,
            &key.encrypt_inout_detached(&nonce, aad.as_slice(), data)
                .ok()?,
        );
        Some(())
    }

    #[inline(never)]
    fn open_chacha(&self, key: &ChaCha, numbers: &Numbers, body: &mut [u8]) -> Opened {
        let Parts { iv, data, icv } = self.cut(body).ok_or(OpenFailed::Malformed)?;
        let nonce = chacha_nonce(self.salt_and_iv(numbers, iv));
        let tag = (&*icv).try_into().map_err(|_| OpenFailed::Malformed)?;
        let (aad, data) = (aad(numbers), InOutBuf::from(data));
        let opened = key.decrypt_inout_detached(&nonce, aad.as_slice(), data, tag);
        opened.map_err(|_| OpenFailed::Integrity)
    }

    fn try_seal(&self, numbers: &Numbers, body: &mut [u8]) -> Option<()> {
        match &self.cipher {
            Cipher::Ccm(aes) => self.seal_ccm(aes, numbers, body),
            Cipher::Gcm(gcm) => self.seal_gcm(gcm, numbers, body),
            Cipher::ChaCha(key) => self.seal_chacha(key, numbers, body),
            Cipher::Gmac(gcm) => {
                let (made, icv) = self.gmac(gcm, numbers, body)?;
                put_icv(icv, &made);
                Some(())
            }
            Cipher::Separate(encryption, mac) => {
                self.seal_separate((encryption, mac), numbers, body)
            }
        }
    }

    fn try_open(&self, numbers: &Numbers, body: &mut [u8]) -> Opened {
        match &self.cipher {
            Cipher::Ccm(aes) => self.open_ccm(aes, numbers, body),
            Cipher::Gcm(gcm) => self.open_gcm(gcm, numbers, body),
            Cipher::ChaCha(key) => self.open_chacha(key, numbers, body),
            Cipher::Gmac(gcm) => {
                let made = self.gmac(gcm, numbers, body).ok_or(OpenFailed::Malformed)?;
                let (expected, icv) = made;
                check_icv(icv, &expected)
            }
            Cipher::Separate(encryption, mac) => {
                self.open_separate((encryption, mac), numbers, body)
            }
        }
    }
}

/// Writes an ICV, most often of a length that needs no loop.
#[inline(always)]
fn put_icv(field: &mut [u8], icv: &Block) {
    let [a, b, c, d, e, f, g, h, ..] = <[u8; 16]>::from(*icv);
    if let Ok(field) = <&mut [u8; 16]>::try_from(&mut *field) {
        *field = (*icv).into();
    } else if let Ok(field) = <&mut [u8; 8]>::try_from(&mut *field) {
        *field = [a, b, c, d, e, f, g, h];
    } else {
        copy(field, icv);
    }
}

fn chacha_nonce(Nonce { salt, iv }: Nonce) -> chacha20poly1305::Nonce {
    let mut octets = chacha20poly1305::Nonce::default();
    if let Some((head, tail)) = octets.split_first_chunk_mut() {
        *head = salt.to_be_bytes();
        copy(tail, &iv.to_be_bytes());
    }
    octets
}

/// MAC from SPI to Next Header; with ESN the high half comes last (RFC 4303 s2.2.1).
#[inline(always)]
fn separate_icv<R>(
    mac: &Mac,
    numbers: &Numbers,
    covered: &[u8],
    use_it: impl FnOnce(&[u8]) -> R,
) -> R {
    let head = u64::from(numbers.spi.0) << 32 | u64::from(numbers.sn.low());
    let (head, high) = (head.to_be_bytes(), numbers.sn.high().to_be_bytes());
    if numbers.esn {
        mac.over(&[&head, covered, &high], use_it)
    } else {
        mac.over(&[&head, covered], use_it)
    }
}

impl EspSuite for Suite {
    fn iv_len(&self) -> usize {
        self.iv_len
    }

    fn icv_len(&self) -> usize {
        self.icv_len
    }

    fn pad_align(&self) -> usize {
        self.encr.pad_align()
    }

    fn iv_source(&self) -> IvSource {
        self.encr.iv_source()
    }

    fn seal(&self, numbers: &Numbers, body: &mut [u8]) -> Result<(), SealFailed> {
        self.try_seal(numbers, body).ok_or(SealFailed)
    }

    fn open(&self, numbers: &Numbers, body: &mut [u8]) -> Result<(), OpenFailed> {
        wiping(body, |body| self.try_open(numbers, body))
    }

    fn open_or_keep(&self, numbers: &Numbers, body: &mut [u8]) -> Result<(), OpenFailed> {
        let open = |body: &mut [u8]| self.try_open(numbers, body);
        match &self.cipher {
            Cipher::Ccm(_) | Cipher::Gcm(_) => keeping(body, self.icv_len, open, |body| {
                self.try_seal(numbers, body);
            }),
            // The others verify before they decrypt.
            _ => open(body),
        }
    }
}
