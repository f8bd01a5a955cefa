//! Kind `esp`: sealing `input` gives `output`, opening `output` gives `input`.

use sprat_core::buf::PacketBuf;
use sprat_core::crypto::{Encr, EspSuite, Suite};
use sprat_core::esp::{HEADER_LEN, Place, Receiver, Terms, rx, tx};
use sprat_core::num::Sn64;
use sprat_core::replay::ReplayWindow;
use sprat_core::sa::{SaParams, SaRx, Usage};
use sprat_core::time::Instant;
use sprat_core::wire::ip::Head;

use super::Kind;
use super::case::{self, Case, Sa};

pub const KIND: Kind = Kind {
    name: "esp",
    lists: &[("vectors", run)],
};

/// Room in front and behind that every transform fits into.
const HEAD_ROOM: usize = 128;
const TAIL_ROOM: usize = 320;

/// What a case may state about a sealed packet.
pub struct Expected<'a> {
    /// Plaintext with trailer, nonce, AAD and ICV, where stated.
    pub plaintext: Option<Vec<u8>>,
    pub nonce: Option<Vec<u8>>,
    pub aad: Option<Vec<u8>>,
    pub icv: Option<Vec<u8>>,
    /// The whole packet.
    pub output: &'a [u8],
}

fn run(case: &mut Case<'_>) -> Result<(), String> {
    let sa = case::read_sa(case)?;
    let members = case.members();
    let high = case::seq_hi(members, sa.params.esn)?;
    let sn = Sn64::from_halves(high, members.number("seq_lo")?);
    if members
        .object("sa")
        .and_then(|sa| sa.get("encr_key_bits"))
        .is_none()
    {
        return Err("no member \"encr_key_bits\"".to_owned());
    }
    let (input, output) = (members.hex("input")?, members.hex("output")?);
    let iv = members.hex("iv")?;
    let known = tx::Known {
        sn,
        iv: &iv,
        outer: case::outer(members)?,
        tfc: members.number("tfc_pad")?,
        extra_pad: members.number("extra_pad")?,
    };
    // Files state it for those whose AAD does not hold the packet itself.
    let encr = sa.suite.encr();
    let aad_stated = encr.is_aead() && encr != Encr::NullAesGmac;
    let expected = Expected {
        plaintext: Some(members.hex("plaintext")?),
        nonce: Some(members.hex("nonce")?),
        aad: match members.get("aad_or_icv_input") {
            None if !aad_stated => None,
            _ => Some(members.hex("aad_or_icv_input")?),
        },
        icv: Some(members.hex("icv")?),
        output: &output,
    };
    seal(case, &sa, (&input, &known), &expected)?;
    open(case, &sa, sn, (&output, &input))
}

/// Seals and compares every layer.
pub fn seal(
    case: &mut Case<'_>,
    sa: &Sa,
    (input, known): (&[u8], &tx::Known<'_>),
    expected: &Expected<'_>,
) -> Result<(), String> {
    let suite = &sa.suite;
    case.same("octets of iv", known.iv.len(), suite.iv_len());
    let len = HEAD_ROOM + input.len() + TAIL_ROOM + usize::from(known.tfc);
    // A pattern that no layer may leave standing.
    let mut data = vec![0xa5; len];
    let room = data.get_mut(HEAD_ROOM..HEAD_ROOM + input.len());
    room.ok_or("no room")?.copy_from_slice(input);
    let mut buf = PacketBuf::new(&mut data, HEAD_ROOM, input.len()).ok_or("no room")?;
    let (numbers, esp_at) = tx::lay_out_known(&Terms::plain(&sa.params, suite), &mut buf, known)
        .map_err(|error| format!("cannot be sealed: {error:?}"))?;
    let body_at = esp_at + HEADER_LEN;
    let clear = buf.packet().get(body_at + suite.iv_len()..);
    let clear = clear.and_then(|rest| rest.get(..rest.len().checked_sub(suite.icv_len())?));
    let clear = clear.ok_or("laid out too short")?.to_vec();
    let layers = [
        ("plaintext", &expected.plaintext, clear),
        (
            "nonce",
            &expected.nonce,
            suite.nonce(&numbers, known.iv).as_slice().to_vec(),
        ),
        (
            "aad_or_icv_input",
            &expected.aad,
            suite.aad(&numbers).as_slice().to_vec(),
        ),
    ];
    for (what, stated, got) in layers {
        if let Some(stated) = stated {
            case.octets(what, stated, &got);
        }
    }
    let body = buf.packet_mut().get_mut(body_at..).unwrap_or(&mut []);
    suite
        .seal(&numbers, body)
        .map_err(|error| format!("not sealed: {error:?}"))?;
    let packet = buf.packet();
    if let Some(icv) = &expected.icv {
        let at = packet.len().saturating_sub(suite.icv_len());
        case.octets("icv", icv, packet.get(at..).unwrap_or(&[]));
    }
    case.octets("output", expected.output, packet);
    Ok(())
}

/// Opens with the number given and compares what comes out.
pub fn open(
    case: &mut Case<'_>,
    sa: &Sa,
    sn: Sn64,
    (packet, expected): (&[u8], &[u8]),
) -> Result<(), String> {
    match opened(&sa.params, &sa.suite, sn, packet) {
        Ok((number, inner)) => {
            case.same("number when opened", sn.0, number.0);
            case.octets("opened", expected, &inner);
        }
        Err(reason) => case.fail("opened", &crate::hex::encode(expected), &reason),
    }
    Ok(())
}

fn opened(
    params: &SaParams,
    suite: &Suite,
    sn: Sn64,
    packet: &[u8],
) -> Result<(Sn64, Vec<u8>), String> {
    let mut window = ReplayWindow::new(Vec::new(), 0, params.esn).ok_or("no window")?;
    // The number before makes the receiver infer the high half that is given.
    window.start_at(Sn64(sn.0.saturating_sub(1)));
    let mut rx = SaRx {
        window,
        usage: Usage::default(),
        installed: Instant(0),
    };
    let mut data = packet.to_vec();
    let head = Head::parse(packet).map_err(|error| format!("{error:?}"))?;
    let place = Place::find(packet, &head).map_err(|reason| reason.to_string())?;
    let mut buf = PacketBuf::new(&mut data, 0, packet.len()).ok_or("no room")?;
    let opened = rx::open(
        &Terms::plain(params, suite),
        &mut Receiver::plain(&mut rx),
        &mut buf,
        (&place, Instant(0)),
    );
    let opened = opened.map_err(|reason| reason.to_string())?;
    Ok((opened.sn, buf.packet().to_vec()))
}
