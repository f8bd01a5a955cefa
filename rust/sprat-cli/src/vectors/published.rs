//! Kind `esp-published`: values that RFCs and NIST print. The inner `kind` names
//! the computation.

use sprat_core::crypto::primitive::{self, Aead};
use sprat_core::crypto::{Encr, EspSuite, Integ, Keys, Numbers, Suite};
use sprat_core::esp::{HEADER_LEN, tx};
use sprat_core::num::{Sn64, Spi};
use sprat_core::sa::{Df, Dscp, Mode, SaParams, Tunnel};
use sprat_core::trailer::{self, Form};
use sprat_core::wire::ip::{self, Head, Outer, Version, proto};

use super::Kind;
use super::case::{self, Case, Members, Sa};
use super::esp::{self, Expected};

pub const KIND: Kind = Kind {
    name: "esp-published",
    lists: &[("vectors", run)],
};

fn run(case: &mut Case<'_>) -> Result<(), String> {
    let members = case.members();
    if let (Some(_), Ok(encr)) = (members.get("encr_id"), case::encr(members)) {
        case.same("encr_id", members.number("encr_id")?, encr.id());
    }
    match members.text("kind")? {
        "esp-packet" => esp_packet(case),
        "aes-ctr" => aes_ctr(case),
        "mac" => mac(case),
        "aead" => aead(case),
        "esp-aead" => esp_aead(case),
        other => Err(format!("unknown computation {other:?}")),
    }
}

fn refused(_: primitive::Refused) -> String {
    "the computation refuses these lengths".to_owned()
}

fn optional(members: Members<'_>, name: &str) -> Result<Option<Vec<u8>>, String> {
    members.get(name).map(|_| members.hex(name)).transpose()
}

fn aes_ctr(case: &mut Case<'_>) -> Result<(), String> {
    let members = case.members();
    if case::encr(members)? != Encr::AesCtr {
        return Err("encr is not ENCR_AES_CTR".to_owned());
    }
    let key = members.hex("key")?;
    let mut block = members.hex("nonce")?;
    block.extend(members.hex("iv")?);
    block.extend([0, 0, 0, 1]);
    let block: [u8; 16] = block
        .try_into()
        .map_err(|_| "nonce and IV are not 12 octets")?;
    let (plaintext, ciphertext) = (members.hex("plaintext")?, members.hex("ciphertext")?);
    for (what, from, to) in [
        ("ciphertext", &plaintext, &ciphertext),
        ("plaintext", &ciphertext, &plaintext),
    ] {
        let mut data = from.clone();
        primitive::aes_ctr(&key, &block, &mut data).map_err(refused)?;
        case.octets(what, to, &data);
    }
    Ok(())
}

fn mac(case: &mut Case<'_>) -> Result<(), String> {
    let members = case.members();
    let integ = case::integ(members)?;
    let full =
        primitive::mac(integ, &members.hex("key")?, &members.hex("data")?).map_err(refused)?;
    let icv = full.as_slice().get(..integ.icv_len()).unwrap_or(&[]);
    case.octets("icv", &members.hex("icv")?, icv);
    if let Some(stated) = optional(members, "full_mac")? {
        case.octets("full_mac", &stated, full.as_slice());
    }
    Ok(())
}

/// The AEAD and octets of tag; published CCM cases name it by its parameters.
fn aead_by_name(members: Members<'_>) -> Result<(Aead, usize), String> {
    let name = members.text("encr")?;
    if let Some(tag) = name.strip_prefix("AES-CCM L=4 M=") {
        let tag: u8 = tag.parse().map_err(|_| format!("unknown encr {name:?}"))?;
        return Ok((Aead::Ccm(tag), usize::from(tag)));
    }
    let encr = case::encr(members)?;
    let tag_len = encr.icv_len();
    let aead = match encr {
        Encr::AesCcm8 | Encr::AesCcm8Iiv => Aead::Ccm(8),
        Encr::AesCcm12 => Aead::Ccm(12),
        Encr::AesCcm16 => Aead::Ccm(16),
        Encr::AesGcm8 | Encr::AesGcm12 | Encr::AesGcm16 | Encr::AesGcm16Iiv | Encr::NullAesGmac => {
            Aead::Gcm
        }
        Encr::ChaCha20Poly1305 | Encr::ChaCha20Poly1305Iiv => Aead::ChaCha20Poly1305,
        _ => return Err(format!("{name} is no AEAD")),
    };
    Ok((aead, tag_len))
}

fn aead(case: &mut Case<'_>) -> Result<(), String> {
    let members = case.members();
    let (aead, tag_len) = aead_by_name(members)?;
    let (key, nonce, aad) = (
        members.hex("key")?,
        members.hex("nonce")?,
        members.hex("aad")?,
    );
    let (plaintext, ciphertext) = (members.hex("plaintext")?, members.hex("ciphertext")?);
    let mut data = plaintext.clone();
    let tag = aead.seal(&key, &nonce, &aad, &mut data).map_err(refused)?;
    case.octets("ciphertext", &ciphertext, &data);
    let tag = tag.as_slice();
    let cut = tag.get(..tag_len).unwrap_or(tag);
    case.octets("tag", &members.hex("tag")?, cut);
    let opened = aead
        .open(&key, &nonce, &aad, (&mut data, tag))
        .map_err(refused)?;
    case.same("tag verifies", true, opened);
    case.octets("plaintext", &plaintext, &data);
    Ok(())
}

/// The suite from `key`, `salt` and `integ_key`, as far as they are there.
fn suite(members: Members<'_>) -> Result<Suite, String> {
    let integ = match members.get("integ") {
        Some(_) => case::integ(members)?,
        None => Integ::None,
    };
    let salt = optional(members, "salt")?.unwrap_or_default();
    let integ_key = optional(members, "integ_key")?.unwrap_or_default();
    let keys = Keys {
        encr_key: &members.hex("key")?,
        salt: &salt,
        integ_key: &integ_key,
    };
    Suite::new(case::encr(members)?, integ, &keys).map_err(|error| error.to_string())
}

fn esp_aead(case: &mut Case<'_>) -> Result<(), String> {
    let members = case.members();
    let suite = suite(members)?;
    let (iv, clear) = (members.hex("iv")?, members.hex("plaintext_with_trailer")?);
    let esp = members.hex("esp")?;
    let numbers = esp_aead_numbers(members, &esp)?;
    case.octets("aad", &members.hex("aad")?, suite.aad(&numbers).as_slice());
    case.same("octets of iv", iv.len(), suite.iv_len());
    let mut body = iv.clone();
    body.extend(&clear);
    body.resize(body.len() + suite.icv_len(), 0);
    suite
        .seal(&numbers, &mut body)
        .map_err(|error| format!("not sealed: {error:?}"))?;
    let icv_at = iv.len() + clear.len();
    let (sealed, icv) = body.split_at_checked(icv_at).ok_or("too short")?;
    case.octets(
        "ciphertext",
        &members.hex("ciphertext")?,
        sealed.get(iv.len()..).unwrap_or(&[]),
    );
    case.octets("icv", &members.hex("icv")?, icv);
    let mut whole = numbers.spi.to_octets().to_vec();
    whole.extend(numbers.sn.low().to_be_bytes());
    whole.extend(&body);
    case.octets("esp", &esp, &whole);
    match suite.open(&numbers, &mut body) {
        Ok(()) => {
            let opened = body.get(iv.len()..icv_at).unwrap_or(&[]);
            case.octets("plaintext_with_trailer", &clear, opened);
        }
        Err(error) => case.fail("opened", "a good ICV", &format!("{error:?}")),
    }
    Ok(())
}

/// The low half stands in the packet, the high half in the AAD only.
fn esp_aead_numbers(members: Members<'_>, esp: &[u8]) -> Result<Numbers, String> {
    let word = |octets: &[u8], at: usize| {
        let four = octets.get(at..).and_then(<[u8]>::first_chunk::<4>);
        four.map(|four| u32::from_be_bytes(*four))
            .ok_or("too short for SPI and numbers")
    };
    let esn = members.flag("esn")?;
    let high = if esn {
        word(&members.hex("aad")?, 4)?
    } else {
        0
    };
    Ok(Numbers {
        spi: Spi(members.number("spi")?),
        sn: Sn64::from_halves(high, word(esp, 4)?),
        esn,
    })
}

/// The number of a packet: 32 bits without ESN.
fn sequence(members: Members<'_>) -> Result<Sn64, String> {
    if members.flag("esn")? {
        return members.number("seq").map(Sn64);
    }
    members.number::<u32>("seq").map(|low| Sn64(low.into()))
}

fn esp_packet(case: &mut Case<'_>) -> Result<(), String> {
    let members = case.members();
    let encr = case::encr(members)?;
    if case::integ(members)? == Integ::None && !encr.is_aead() {
        return match encr {
            Encr::AesCbc => cbc_packet(case),
            _ => Err(format!("{} without ICV is not known", encr.name())),
        };
    }
    let output = members.hex("output_packet")?;
    let (mode, outer) = packet_mode(members, &output)?;
    let mut params = SaParams::new(Spi(members.number("spi")?), mode);
    params.esn = members.flag("esn")?;
    let sa = Sa {
        params,
        suite: suite(members)?,
    };
    let sn = sequence(members)?;
    let (input, iv) = (members.hex("input_packet")?, members.hex("iv")?);
    let known = tx::Known {
        sn,
        iv: &iv,
        outer,
        tfc: 0,
        extra_pad: 0,
    };
    let expected = Expected {
        plaintext: None,
        nonce: None,
        aad: optional(members, "aad")?,
        icv: optional(members, "icv")?,
        output: &output,
    };
    esp::seal(case, &sa, (&input, &known), &expected)?;
    esp::open(case, &sa, sn, (&output, &input))
}

/// The mode and, in tunnel mode, the header that `output` begins with.
fn packet_mode(members: Members<'_>, output: &[u8]) -> Result<(Mode, Option<Outer>), String> {
    match members.text("mode")? {
        "transport" => return Ok((Mode::Transport, None)),
        "tunnel" => {}
        other => return Err(format!("unknown mode {other:?}")),
    }
    let head = Head::parse(output).map_err(|error| format!("{error:?}"))?;
    let word = |at: usize| {
        let two = output.get(at..).and_then(<[u8]>::first_chunk::<2>);
        two.map_or(0, |two| u16::from_be_bytes(*two))
    };
    let four = head.version == Version::V4;
    let outer = Outer {
        source: head.source,
        destination: head.destination,
        hop_limit: head.hop_limit,
        traffic_class: head.traffic_class,
        id: if four { word(4) } else { 0 },
        fragment: if four { word(6) } else { 0 },
        flow_label: head.flow_label,
    };
    let tunnel = Tunnel {
        source: head.source,
        destination: head.destination,
        hop_limit: 64,
        dscp: Dscp::Set(0),
        ecn: false,
        df: Df::Clear,
        flow_label: 0,
    };
    Ok((Mode::Tunnel(tunnel), Some(outer)))
}

/// RFC 3602: CBC without any ICV, which no SA of ours may use: by primitives.
fn cbc_packet(case: &mut Case<'_>) -> Result<(), String> {
    const BLOCK: usize = 16;
    let members = case.members();
    let key = members.hex("key")?;
    let iv: [u8; BLOCK] = members
        .hex("iv")?
        .try_into()
        .map_err(|_| "IV is not 16 octets")?;
    let (input, output) = (members.hex("input_packet")?, members.hex("output_packet")?);
    let head = Head::parse(&input).map_err(|error| format!("{error:?}"))?;
    let (mode, outer) = packet_mode(members, &output)?;
    let (at, next_header) = match mode {
        Mode::Transport => (head.insert_at, head.insert_protocol),
        Mode::Tunnel(_) if head.version == Version::V4 => (0, proto::IPV4),
        Mode::Tunnel(_) => (0, proto::IPV6),
    };
    let mut clear = input.get(at..head.total_len).unwrap_or(&[]).to_vec();
    let payload_len = clear.len();
    let padding = Form::whole(BLOCK)
        .padding_len(payload_len, 0)
        .ok_or("no padding")?;
    clear.resize(payload_len + padding + trailer::LEN, 0);
    Form::whole(BLOCK)
        .write(clear.get_mut(payload_len..).unwrap_or(&mut []), next_header)
        .ok_or("no trailer")?;
    let header_len = outer.map_or(at, |outer| outer.header_len());
    let mut packet = input.get(..at).unwrap_or(&[]).to_vec();
    packet.resize(header_len, 0);
    packet.extend(members.number::<u32>("spi")?.to_be_bytes());
    packet.extend(sequence(members)?.low().to_be_bytes());
    packet.extend(iv);
    let mut data = clear.clone();
    primitive::aes_cbc_encrypt(&key, &iv, &mut data).map_err(refused)?;
    packet.extend(&data);
    match outer {
        Some(outer) => outer.emit(&mut packet, proto::ESP),
        None => ip::rewrite(&mut packet, head.version, head.insert_name_at, proto::ESP),
    }
    .map_err(|error| format!("{error:?}"))?;
    case.octets("output_packet", &output, &packet);
    let sealed_at = header_len + HEADER_LEN + BLOCK;
    let mut received = output.get(sealed_at..).unwrap_or(&[]).to_vec();
    primitive::aes_cbc_decrypt(&key, &iv, &mut received).map_err(refused)?;
    case.octets("decrypted", &clear, &received);
    Ok(())
}
