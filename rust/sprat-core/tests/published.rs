//! Values printed in RFCs and NIST files, `tests/vectors/esp-published.json`.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

mod vector_file;

use serde_json::Value;
use sprat_core::crypto::primitive::{Aead, aes_cbc_decrypt, aes_cbc_encrypt, aes_ctr, mac};
use sprat_core::crypto::{Encr, Integ};
use vector_file::{hex, number, text};

fn aead_named(case: &Value) -> Aead {
    match text(case, "encr") {
        "AES-CCM L=4 M=16" | "ENCR_AES_CCM_16" => Aead::Ccm(16),
        "ENCR_AES_CCM_12" => Aead::Ccm(12),
        "ENCR_AES_CCM_8" => Aead::Ccm(8),
        "ENCR_AES_GCM_16" => Aead::Gcm,
        "ENCR_CHACHA20_POLY1305" => Aead::ChaCha20Poly1305,
        other => panic!("{}: {other}", case["id"]),
    }
}

struct Sealed<'a> {
    key: &'a [u8],
    nonce: &'a [u8],
    aad: &'a [u8],
    plaintext: &'a [u8],
    ciphertext: &'a [u8],
    tag: &'a [u8],
}

fn both_ways(aead: Aead, case: &Sealed<'_>) {
    let mut data = case.plaintext.to_vec();
    let tag = aead
        .seal(case.key, case.nonce, case.aad, &mut data)
        .unwrap();
    assert_eq!(data, case.ciphertext);
    assert_eq!(tag.as_slice(), case.tag);
    assert!(
        aead.open(case.key, case.nonce, case.aad, (&mut data, case.tag))
            .unwrap()
    );
    assert_eq!(data, case.plaintext);

    let mut wrong = case.tag.to_vec();
    wrong[0] ^= 1;
    data.copy_from_slice(case.ciphertext);
    assert!(
        !aead
            .open(case.key, case.nonce, case.aad, (&mut data, &wrong))
            .unwrap()
    );
    assert!(data.iter().all(|octet| *octet == 0));
}

fn aead(case: &Value) {
    let sealed = Sealed {
        key: &hex(case, "key"),
        nonce: &hex(case, "nonce"),
        aad: &hex(case, "aad"),
        plaintext: &hex(case, "plaintext"),
        ciphertext: &hex(case, "ciphertext"),
        tag: &hex(case, "tag"),
    };
    both_ways(aead_named(case), &sealed);
}

fn esp_aead(case: &Value) {
    let (iv, icv) = (hex(case, "iv"), hex(case, "icv"));
    let (ciphertext, esp) = (hex(case, "ciphertext"), hex(case, "esp"));
    let sealed = Sealed {
        key: &hex(case, "key"),
        nonce: &[hex(case, "salt"), iv.clone()].concat(),
        aad: &hex(case, "aad"),
        plaintext: &hex(case, "plaintext_with_trailer"),
        ciphertext: &ciphertext,
        tag: &icv,
    };
    both_ways(aead_named(case), &sealed);
    assert_eq!(esp[..4], number(case, "spi").to_be_bytes());
    assert_eq!(esp[4..8], sealed.aad[sealed.aad.len() - 4..]);
    assert_eq!(esp[8..], [iv, ciphertext, icv.clone()].concat());
}

/// Payload, padding, Pad Length, Next Header as encrypted, from the clear packet.
fn with_trailer(case: &Value, align: usize) -> Vec<u8> {
    let input = hex(case, "input_packet");
    let header = usize::from(input[0] & 15) * 4;
    let (mut data, next) = match text(case, "mode") {
        "transport" => (input[header..].to_vec(), input[9]),
        "tunnel" => (input, 4),
        other => panic!("{}: {other}", case["id"]),
    };
    let pad = (data.len() + 2).next_multiple_of(align) - data.len() - 2;
    data.extend((1..=pad).map(|i| i as u8));
    data.extend([pad as u8, next]);
    data
}

fn esp_packet(case: &Value) {
    let output = hex(case, "output_packet");
    let esp = &output[usize::from(output[0] & 15) * 4..];
    let (key, iv) = (hex(case, "key"), hex(case, "iv"));
    assert_eq!(esp[..4], number(case, "spi").to_be_bytes());
    assert_eq!(esp[4..8], number(case, "seq").to_be_bytes());
    assert_eq!(esp[8..8 + iv.len()], iv);
    let encr = Encr::from_name(text(case, "encr")).unwrap();
    assert_eq!(u64::from(encr.id()), case["encr_id"].as_u64().unwrap());
    let plaintext = with_trailer(case, encr.pad_align());
    if encr == Encr::AesCbc {
        assert_eq!(text(case, "integ"), "NONE");
        let iv = iv.as_slice().try_into().unwrap();
        let mut data = plaintext.clone();
        aes_cbc_encrypt(&key, iv, &mut data).unwrap();
        assert_eq!(data, esp[24..]);
        aes_cbc_decrypt(&key, iv, &mut data).unwrap();
        assert_eq!(data, plaintext);
        return;
    }
    let (ciphertext, tag) = esp[8 + iv.len()..].split_at(plaintext.len());
    assert_eq!(tag, hex(case, "icv"));
    let sealed = Sealed {
        key: &key,
        nonce: &[hex(case, "salt"), iv].concat(),
        aad: &hex(case, "aad"),
        plaintext: &plaintext,
        ciphertext,
        tag,
    };
    both_ways(aead_named(case), &sealed);
}

fn ctr(case: &Value) {
    let first = [hex(case, "nonce"), hex(case, "iv"), vec![0, 0, 0, 1]].concat();
    let mut data = hex(case, "plaintext");
    aes_ctr(
        &hex(case, "key"),
        first.as_slice().try_into().unwrap(),
        &mut data,
    )
    .unwrap();
    assert_eq!(data, hex(case, "ciphertext"));
}

fn icv(case: &Value) {
    let integ = Integ::from_name(text(case, "integ")).unwrap();
    let full = mac(integ, &hex(case, "key"), &hex(case, "data")).unwrap();
    assert_eq!(full.as_slice()[..integ.icv_len()], hex(case, "icv"));
    if case["full_mac"].is_string() {
        assert_eq!(full.as_slice(), hex(case, "full_mac"));
    }
}

#[test]
fn every_published_value_is_reproduced() {
    for case in vector_file::vectors("esp-published") {
        println!("{}", case["id"]);
        match text(&case, "kind") {
            "esp-packet" => esp_packet(&case),
            "aes-ctr" => ctr(&case),
            "mac" => icv(&case),
            "aead" => aead(&case),
            "esp-aead" => esp_aead(&case),
            other => panic!("{}: unknown kind {other}", case["id"]),
        }
    }
}

#[test]
fn what_a_computation_does_not_take_is_refused() {
    assert!(mac(Integ::None, &[], &[]).is_err());
    assert!(mac(Integ::AesCmac96, &[0; 15], &[]).is_err());
    assert!(aes_ctr(&[0; 17], &[0; 16], &mut []).is_err());
    assert!(aes_cbc_encrypt(&[0; 16], &[0; 16], &mut [0; 17]).is_err());
    assert!(aes_cbc_decrypt(&[0; 16], &[0; 16], &mut [0; 15]).is_err());
    assert!(Aead::Ccm(9).seal(&[0; 16], &[0; 11], &[], &mut []).is_err());
    assert!(Aead::Ccm(8).seal(&[0; 16], &[0; 12], &[], &mut []).is_err());
    assert!(Aead::Gcm.seal(&[0; 16], &[0; 11], &[], &mut []).is_err());
    assert!(
        Aead::ChaCha20Poly1305
            .open(&[0; 31], &[0; 12], &[], (&mut [], &[0; 16]))
            .is_err()
    );
}
