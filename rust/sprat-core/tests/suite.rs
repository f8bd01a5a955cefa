//! Suites against the packets of `tests/vectors/esp.json`, and properties that
//! every transform has.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

mod vector_file;

use proptest::prelude::*;
use serde_json::Value;
use sprat_core::crypto::{
    Encr, EspSuite, Integ, IvSource, Keys, Numbers, OpenFailed, Suite, SuiteError,
};
use sprat_core::num::{Sn64, Spi};
use vector_file::{hex, number, text};

struct Case {
    id: String,
    sa: Value,
    numbers: Numbers,
    encr: Encr,
    integ: Integ,
    /// Everything behind the Sequence Number, sealed.
    body: Vec<u8>,
    /// The same before sealing: IV, plaintext, room for the ICV.
    plain: Vec<u8>,
}

impl Case {
    fn new(case: &Value) -> Self {
        let sa = &case["sa"];
        let (spi, low) = (number(sa, "spi"), number(case, "seq_lo"));
        let encr = Encr::from_name(text(sa, "encr")).unwrap();
        let integ = Integ::from_name(text(sa, "integ")).unwrap();
        assert_eq!(u64::from(encr.id()), sa["encr_id"].as_u64().unwrap());
        assert_eq!(
            sa["integ_id"].as_u64(),
            Some(u64::from(integ.id())).filter(|id| *id < 1024)
        );

        let esn = sa["esn"].as_bool().unwrap();
        let high = if esn { number(case, "seq_hi") } else { 0 };
        let icv = hex(case, "icv");
        let (iv, plaintext) = (hex(case, "iv"), hex(case, "plaintext"));
        let plain = [iv, plaintext, vec![0xa5; icv.len()]].concat();
        let output = hex(case, "output");
        let body = output[output.len() - plain.len()..].to_vec();
        let esp_header = [spi.to_be_bytes(), low.to_be_bytes()].concat();
        assert_eq!(
            output[output.len() - plain.len() - 8..][..8],
            esp_header,
            "{}",
            case["id"]
        );
        Case {
            id: text(case, "id").to_string(),
            sa: sa.clone(),
            numbers: Numbers {
                spi: Spi(spi),
                sn: Sn64::from_halves(high, low),
                esn,
            },
            encr,
            integ,
            body,
            plain,
        }
    }

    fn suite(&self) -> Result<Suite, SuiteError> {
        let (encr_key, salt) = (hex(&self.sa, "encr_key"), hex(&self.sa, "salt"));
        let integ_key = hex(&self.sa, "integ_key");
        let keys = Keys {
            encr_key: &encr_key,
            salt: &salt,
            integ_key: &integ_key,
        };
        Suite::new(self.encr, self.integ, &keys)
    }

    fn seals_and_opens(&self, suite: &impl EspSuite) {
        let mut octets = self.plain.clone();
        suite.seal(&self.numbers, &mut octets).unwrap();
        assert_eq!(octets, self.body, "{}: seal", self.id);
        suite.open(&self.numbers, &mut octets).unwrap();
        let data = ..octets.len() - suite.icv_len();
        assert_eq!(octets[data], self.plain[data], "{}: open", self.id);
    }
}

fn check(vector: &Value) {
    let case = Case::new(vector);
    let suite = match case.suite() {
        Ok(suite) => suite,
        Err(SuiteError::LegacyDisabled { .. }) if !cfg!(feature = "legacy") => {
            assert!(case.encr.legacy() || case.integ.legacy());
            println!("SKIP {}: built without the feature legacy", case.id);
            return;
        }
        Err(e) => panic!("{}: {e}", case.id),
    };
    assert_eq!((suite.encr(), suite.integ()), (case.encr, case.integ));
    assert_eq!(suite.iv_len() as u64, case.sa["iv_len"].as_u64().unwrap());
    assert_eq!(suite.icv_len() as u64, case.sa["icv_len"].as_u64().unwrap());
    case.seals_and_opens(&suite);
    let nonce = suite.nonce(&case.numbers, &hex(vector, "iv"));
    assert_eq!(nonce.as_slice(), hex(vector, "nonce"), "{}: nonce", case.id);
    if vector["aad_or_icv_input"].is_string() {
        let aad = suite.aad(&case.numbers);
        assert_eq!(
            aad.as_slice(),
            hex(vector, "aad_or_icv_input"),
            "{}: AAD",
            case.id
        );
    }
    assert!(case.body.ends_with(&hex(vector, "icv")), "{}: ICV", case.id);
}

#[test]
fn every_packet_of_the_vectors_seals_and_opens() {
    vector_file::vectors("esp").iter().for_each(check);
}

/// Every legal pair of transforms and every key length of this build.
fn suites() -> Vec<Suite> {
    // Counts up, since three equal keys are no key of 3DES.
    let material: [u8; 64] = core::array::from_fn(|i| (i as u8) << 1);
    let mut suites = Vec::new();
    for &encr in Encr::ALL {
        for &integ in Integ::ALL.iter().filter(|integ| encr.allows(**integ)) {
            for &len in encr.key_lens() {
                let keys = Keys {
                    encr_key: &material[..len],
                    salt: &material[..encr.salt_len()],
                    integ_key: &material[..integ.key_len()],
                };
                match Suite::new(encr, integ, &keys) {
                    Ok(suite) => suites.push(suite),
                    Err(e) => assert_eq!(e, SuiteError::LegacyDisabled { encr, integ }),
                }
            }
        }
    }
    suites
}

fn name(suite: &Suite) -> String {
    format!("{} {}", suite.encr().name(), suite.integ().name())
}

fn numbers(esn: bool) -> Numbers {
    let sn = if esn {
        0x0000_0001_ffff_ffff
    } else {
        0xffff_ffff
    };
    Numbers {
        spi: Spi(0x1234_5678),
        sn: Sn64(sn),
        esn,
    }
}

/// A body whose data is the smallest legal length from `len` on.
fn body(suite: &Suite, len: usize) -> Vec<u8> {
    let data = len.max(2).next_multiple_of(suite.pad_align());
    let octets = suite.iv_len() + data + suite.icv_len();
    (0..octets).map(|i| (i % 251) as u8).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn open_undoes_seal(len in 2_usize..1600, esn: bool) {
        for suite in suites() {
            let plain = body(&suite, len);
            let mut octets = plain.clone();
            suite.seal(&numbers(esn), &mut octets).unwrap();
            prop_assert_ne!(&octets, &plain, "{}", name(&suite));
            suite.open(&numbers(esn), &mut octets).unwrap();
            let data = ..octets.len() - suite.icv_len();
            prop_assert_eq!(&octets[data], &plain[data], "{}", name(&suite));
        }
    }

    #[test]
    fn a_flipped_bit_is_refused_and_nothing_is_left(len in 2_usize..200, at: prop::sample::Index, bit in 0..8_u32) {
        for suite in suites() {
            let mut octets = body(&suite, len);
            suite.seal(&numbers(true), &mut octets).unwrap();
            let at = at.index(octets.len());
            octets[at] ^= 1 << bit;
            let opened = suite.open(&numbers(true), &mut octets);
            prop_assert_eq!(opened, Err(OpenFailed::Integrity), "{}", name(&suite));
            prop_assert!(octets.iter().all(|octet| *octet == 0), "{}", name(&suite));
        }
    }

    #[test]
    fn numbers_take_part_in_the_icv(spi_bit in 0..32_u32, sn_bit in 0..64_u32) {
        for suite in suites() {
            let sealed_with = numbers(true);
            let mut octets = body(&suite, 40);
            suite.seal(&sealed_with, &mut octets).unwrap();
            let other_spi = Spi(sealed_with.spi.0 ^ (1_u32 << spi_bit));
            let other_sn = Sn64(sealed_with.sn.0 ^ (1_u64 << sn_bit));
            for other in [Numbers { spi: other_spi, ..sealed_with }, Numbers { sn: other_sn, ..sealed_with }] {
                let opened = suite.open(&other, &mut octets.clone());
                prop_assert_eq!(opened, Err(OpenFailed::Integrity), "{}", name(&suite));
            }
        }
    }

    #[test]
    fn any_octets_are_refused_without_a_panic(octets in prop::collection::vec(any::<u8>(), 0..200), esn: bool) {
        for suite in suites() {
            let mut octets = octets.clone();
            prop_assert!(suite.open(&numbers(esn), &mut octets).is_err());
            prop_assert!(octets.iter().all(|octet| *octet == 0));
        }
    }
}

#[test]
fn bodies_of_an_impossible_length_are_refused() {
    for suite in suites() {
        let least = suite.iv_len() + suite.icv_len();
        for len in 0..least {
            assert!(suite.seal(&numbers(false), &mut vec![0; len]).is_err());
            let opened = suite.open(&numbers(false), &mut vec![0; len]);
            assert_eq!(opened, Err(OpenFailed::Malformed), "{} {len}", name(&suite));
        }
        if suite.iv_source() == IvSource::Random {
            let mut octets = body(&suite, 64);
            octets.push(0);
            assert!(suite.seal(&numbers(false), &mut octets.clone()).is_err());
            let opened = suite.open(&numbers(false), &mut octets);
            assert_eq!(opened, Err(OpenFailed::Malformed), "{}", name(&suite));
        }
    }
}

#[test]
fn wrong_keys_and_combinations_are_named() {
    let new = |encr, integ, (key, salt, integ_key): (usize, usize, usize)| {
        let material = [0; 80];
        let keys = Keys {
            encr_key: &material[..key],
            salt: &material[..salt],
            integ_key: &material[..integ_key],
        };
        Suite::new(encr, integ, &keys).err().map(|e| e.to_string())
    };
    let refused = |encr, integ, lens, text: &str| {
        assert_eq!(new(encr, integ, lens).as_deref(), Some(text));
    };
    let (ccm, cbc, sha) = (Encr::AesCcm8, Encr::AesCbc, Integ::HmacSha2_256_128);
    let none = Integ::None;
    refused(
        ccm,
        none,
        (19, 3, 0),
        "ENCR_AES_CCM_8 takes a key of 16 or 24 or 32 octets, not 19",
    );
    refused(
        ccm,
        none,
        (16, 4, 0),
        "ENCR_AES_CCM_8 takes a salt of 3 octets, not 4",
    );
    refused(
        cbc,
        sha,
        (16, 0, 31),
        "AUTH_HMAC_SHA2_256_128 takes a key of 32 octets, not 31",
    );
    refused(
        cbc,
        none,
        (16, 0, 0),
        "ENCR_AES_CBC needs an integrity transform",
    );
    refused(
        Encr::Null,
        none,
        (0, 0, 0),
        "ENCR_NULL needs an integrity transform",
    );
    let both = "ENCR_AES_CCM_8 makes the ICV itself: no AUTH_HMAC_SHA2_256_128 beside it";
    refused(ccm, sha, (16, 3, 32), both);
    let ah = "AUTH_AES_128_GMAC is for AH, not for ESP";
    refused(Encr::Null, Integ::Aes128Gmac, (0, 0, 16), ah);
    let old = new(Encr::TripleDes, sha, (24, 0, 32));
    // The keys of this test are of equal octets.
    let text = match cfg!(feature = "legacy") {
        true => "ENCR_3DES needs three keys of which neighbours differ",
        false => "ENCR_3DES is old: it needs a build with the feature legacy",
    };
    assert_eq!(old.as_deref(), Some(text));
}
