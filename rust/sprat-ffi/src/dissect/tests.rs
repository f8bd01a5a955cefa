use core::ptr;

use sprat_core::crypto::{EspSuite, Numbers};

use super::*;

const SPI: u32 = 300;
const INTEG_KEY: [u8; 32] = [7; 32];

fn row() -> sprat_dissect_sa {
    sprat_dissect_sa {
        struct_size: size_of::<sprat_dissect_sa>() as u32,
        spi: SPI,
        name: c"one".as_ptr(),
        source: ptr::null(),
        destination: c"*".as_ptr(),
        encr: Encr::Null.id().into(),
        integ: Integ::HmacSha2_256_128.id().into(),
        encr_key: ptr::null(),
        encr_key_len: 0,
        integ_key: INTEG_KEY.as_ptr(),
        integ_key_len: INTEG_KEY.len(),
        sequence_start: 0,
        mode: 0,
        esn: 0,
    }
}

/// A table and a capture, freed at the end.
struct Setup {
    ctx: *mut sprat_dissect_ctx,
    capture: *mut sprat_dissect_capture,
}

impl Setup {
    fn new() -> Self {
        let (mut ctx, mut capture) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: both are pointers to be overwritten.
        unsafe {
            assert_eq!(sprat_dissect_ctx_new(&mut ctx), SPRAT_OK);
            assert_eq!(sprat_dissect_capture_new(&mut capture), SPRAT_OK);
        }
        Setup { ctx, capture }
    }

    fn add(&self, row: &sprat_dissect_sa) -> (i32, String) {
        let mut message = [0 as c_char; 200];
        let mut len = message.len();
        // SAFETY: the message has the room that is told.
        let status =
            unsafe { sprat_dissect_ctx_add(self.ctx, row, message.as_mut_ptr(), &mut len) };
        // SAFETY: it was zeroed, and is longer than any message here.
        let text = unsafe { CStr::from_ptr(message.as_ptr()) };
        (status, text.to_str().unwrap().to_string())
    }

    fn look(&self, packet: &sprat_dissect_in, spans: &mut [sprat_dissect_span]) -> Looked {
        let mut plain = vec![0xa5; packet.len];
        let mut out = out(spans, &mut plain);
        // SAFETY: all of them are what they say.
        let status = unsafe { sprat_dissect(self.ctx, self.capture, packet, &mut out) };
        Looked { status, out }
    }
}

impl Drop for Setup {
    fn drop(&mut self) {
        // SAFETY: made by the matching functions, used no more.
        unsafe {
            sprat_dissect_capture_free(self.capture);
            sprat_dissect_ctx_free(self.ctx);
        }
    }
}

struct Looked {
    status: i32,
    out: sprat_dissect_out,
}

fn out(spans: &mut [sprat_dissect_span], plain: &mut [u8]) -> sprat_dissect_out {
    // SAFETY: integers and pointers only, for which zero is a value.
    let mut out: sprat_dissect_out = unsafe { core::mem::zeroed() };
    out.struct_size = size_of::<sprat_dissect_out>() as u32;
    (out.spans, out.span_count) = (spans.as_mut_ptr(), spans.len());
    (out.plain, out.plain_len) = (plain.as_mut_ptr(), plain.len());
    out
}

fn packet_in(octets: &[u8]) -> sprat_dissect_in {
    sprat_dissect_in {
        struct_size: size_of::<sprat_dissect_in>() as u32,
        flags: 0,
        octets: octets.as_ptr(),
        len: octets.len(),
        reported: octets.len(),
        source: ptr::null(),
        source_len: 0,
        destination: ptr::null(),
        destination_len: 0,
        before: ptr::null(),
        before_len: 0,
        report: sprat_dissect_report::default(),
    }
}

fn spans() -> [sprat_dissect_span; 64] {
    // SAFETY: integers and pointers only, for which zero is a value.
    unsafe { core::mem::zeroed() }
}

fn sealed(suite: &Suite, spi: u32, sn: u32, text: &[u8]) -> Vec<u8> {
    let numbers = Numbers {
        spi: Spi(spi),
        sn: Sn64(sn.into()),
        esn: false,
    };
    let ends = (vec![0; suite.iv_len()], vec![0; suite.icv_len()]);
    let mut body = [&ends.0[..], text, &ends.1].concat();
    suite.seal(&numbers, &mut body).unwrap();
    [&spi.to_be_bytes()[..], &sn.to_be_bytes(), &body].concat()
}

fn null_packet(sn: u32) -> Vec<u8> {
    let keys = Keys {
        encr_key: &[],
        salt: &[],
        integ_key: &INTEG_KEY,
    };
    let suite = Suite::new(Encr::Null, Integ::HmacSha2_256_128, &keys).unwrap();
    sealed(&suite, SPI, sn, &[9, 1, 1, 6])
}

#[test]
fn lists_tell_their_length_and_fill_the_room() {
    let mut count = 0;
    // SAFETY: NULL and a count of 0 ask for the need.
    let status = unsafe { sprat_dissect_fields(ptr::null_mut(), &mut count) };
    assert_eq!((status, count), (SPRAT_E_SHORT, Field::ALL.len()));
    let mut fields = Vec::with_capacity(count);
    // SAFETY: there is room for `count`.
    let status = unsafe { sprat_dissect_fields(fields.as_mut_ptr(), &mut count) };
    assert_eq!(status, SPRAT_OK);
    // SAFETY: all of them were written.
    unsafe { fields.set_len(count) };
    assert_eq!(fields[0].abbrev.len, "sprat.esp.spi".len());
    // SAFETY: NULL is an error, nothing else.
    unsafe {
        assert_eq!(
            sprat_dissect_fields(ptr::null_mut(), &mut count),
            SPRAT_E_NULL
        );
        assert_eq!(
            sprat_dissect_experts(ptr::null_mut(), ptr::null_mut()),
            SPRAT_E_NULL
        );
    }
    for list in [sprat_dissect_encr, sprat_dissect_integ] {
        count = 0;
        // SAFETY: NULL and a count of 0 ask for the need.
        let status = unsafe { list(ptr::null_mut(), &mut count) };
        assert_eq!(status, SPRAT_E_SHORT);
        assert!(count >= 9);
    }
}

#[test]
fn rows_that_are_no_sa_are_refused_with_a_reason() {
    let setup = Setup::new();
    assert_eq!(setup.add(&row()).0, SPRAT_OK);
    let refused = |change: fn(&mut sprat_dissect_sa), status, words: &str| {
        let mut wrong = row();
        change(&mut wrong);
        let (got, text) = setup.add(&wrong);
        assert_eq!(got, status, "{text}");
        assert!(text.contains(words), "{text}");
    };
    refused(|sa| sa.spi = 255, SPRAT_E_CONFIG, "reserved");
    refused(|sa| sa.encr = 70_000, SPRAT_E_CONFIG, "unknown encryption");
    refused(|sa| sa.integ = 4, SPRAT_E_CONFIG, "unknown integrity");
    refused(|sa| sa.mode = 3, SPRAT_E_CONFIG, "mode");
    refused(|sa| sa.integ = 0, SPRAT_E_KEY, "needs an integrity");
    refused(|sa| sa.integ_key_len = 31, SPRAT_E_KEY, "not 31");
    refused(|sa| sa.encr = 14, SPRAT_E_KEY, "3 of them salt");
    refused(|sa| sa.encr_key_len = 5, SPRAT_E_NULL, "without octets");
    refused(|sa| sa.sequence_start = 1 << 40, SPRAT_E_CONFIG, "64-bit");
    refused(
        |sa| sa.source = c"10.0.0.0/33".as_ptr(),
        SPRAT_E_CONFIG,
        "source",
    );
    refused(|sa| sa.struct_size = 3, SPRAT_E_ARGUMENT, "");
    // SAFETY: NULL is an error, or 0, nothing else.
    unsafe {
        let none = (ptr::null_mut(), ptr::null_mut());
        assert_eq!(
            sprat_dissect_ctx_add(setup.ctx, ptr::null(), none.0, none.1),
            SPRAT_E_NULL
        );
        assert_eq!(
            sprat_dissect_ctx_add_config(setup.ctx, ptr::null()),
            SPRAT_E_NULL
        );
        assert_eq!(sprat_dissect_ctx_new(ptr::null_mut()), SPRAT_E_NULL);
        assert_eq!(sprat_dissect_capture_new(ptr::null_mut()), SPRAT_E_NULL);
        assert_eq!(sprat_dissect_ctx_count(ptr::null()), 0);
        assert_eq!(sprat_dissect_ctx_count(setup.ctx), 1);
        sprat_dissect_ctx_free(ptr::null_mut());
        sprat_dissect_capture_free(ptr::null_mut());
    }
}

#[test]
fn a_packet_is_its_own_duplicate_only_without_its_report() {
    let setup = Setup::new();
    assert_eq!(setup.add(&row()).0, SPRAT_OK);
    let octets = null_packet(5);
    let mut packet = packet_in(&octets);
    let first = setup.look(&packet, &mut spans());
    assert_eq!(
        (first.status, first.out.kind),
        (SPRAT_OK, SPRAT_DISSECT_ESP)
    );
    assert_eq!((first.out.verified, first.out.reason), (1, 0));
    assert_eq!((first.out.text_len, first.out.payload_len), (4, 1));
    let again = setup.look(&packet, &mut spans());
    assert_eq!(again.out.reason, DropReason::Replay.code());
    packet.report = first.out.report;
    assert_eq!(setup.look(&packet, &mut spans()).out.reason, 0);
    packet.report = sprat_dissect_report::default();
    packet.flags = SPRAT_DISSECT_QUOTED;
    assert_eq!(setup.look(&packet, &mut spans()).out.reason, 0);
}

#[test]
fn in_brief_only_remarks_are_told() {
    let setup = Setup::new();
    assert_eq!(setup.add(&row()).0, SPRAT_OK);
    let mut octets = null_packet(5);
    let mut packet = packet_in(&octets);
    packet.flags = SPRAT_DISSECT_BRIEF;
    let looked = setup.look(&packet, &mut spans());
    assert_eq!((looked.out.verified, looked.out.span_count), (1, 0));
    *octets.last_mut().unwrap() ^= 1;
    let mut room = spans();
    let looked = setup.look(&packet_in(&octets), &mut room);
    assert!(looked.out.span_count > 8);
    let mut packet = packet_in(&octets);
    packet.flags = SPRAT_DISSECT_BRIEF;
    let looked = setup.look(&packet, &mut room);
    assert_eq!((looked.out.verified, looked.out.span_count), (0, 1));
    assert_eq!((room[0].parent, room[0].expert), (0, looked.out.reason));
}

#[test]
fn without_room_nothing_is_remembered() {
    let setup = Setup::new();
    assert_eq!(setup.add(&row()).0, SPRAT_OK);
    let octets = null_packet(5);
    let packet = packet_in(&octets);
    let looked = setup.look(&packet, &mut spans()[..3]);
    assert_eq!(looked.status, SPRAT_E_SHORT);
    assert!(looked.out.span_count > 3);
    let mut room = spans();
    let mut short = out(&mut room, &mut []);
    // SAFETY: all of them are what they say; nothing can be decrypted into.
    let status = unsafe { sprat_dissect(setup.ctx, setup.capture, &packet, &mut short) };
    assert_eq!(
        (status, short.reason),
        (SPRAT_OK, DropReason::NoRoom.code())
    );
    assert_eq!(setup.look(&packet, &mut spans()).out.reason, 0);
}

#[test]
fn calls_that_make_no_sense_are_refused() {
    let setup = Setup::new();
    let octets = null_packet(5);
    let mut packet = packet_in(&octets);
    let looked = setup.look(&packet, &mut spans());
    assert_eq!(
        (looked.out.kind, looked.out.reason),
        (SPRAT_DISSECT_NO_SA, DropReason::NoSa.code())
    );
    packet.flags = SPRAT_DISSECT_UDP | SPRAT_DISSECT_TCP;
    assert_eq!(setup.look(&packet, &mut spans()).status, SPRAT_E_ARGUMENT);
    packet.flags = 0;
    packet.struct_size = 8;
    assert_eq!(setup.look(&packet, &mut spans()).status, SPRAT_E_ARGUMENT);
    let packet = packet_in(&octets);
    let mut room = spans();
    let mut told = out(&mut room, &mut []);
    // SAFETY: NULL is an error, nothing else; but nothing need be remembered in.
    unsafe {
        let capture = ptr::null_mut();
        assert_eq!(
            sprat_dissect(ptr::null(), capture, &packet, &mut told),
            SPRAT_E_NULL
        );
        assert_eq!(
            sprat_dissect(setup.ctx, capture, ptr::null(), &mut told),
            SPRAT_E_NULL
        );
        assert_eq!(
            sprat_dissect(setup.ctx, capture, &packet, ptr::null_mut()),
            SPRAT_E_NULL
        );
        assert_eq!(
            sprat_dissect(setup.ctx, capture, &packet, &mut told),
            SPRAT_OK
        );
    }
}

#[test]
fn frames_of_a_stream_are_found() {
    let frame = |octets: &[u8]| {
        let mut header = 77;
        // SAFETY: the octets are as many as told.
        let len = unsafe { sprat_dissect_frame(octets.as_ptr(), octets.len(), &mut header) };
        (len, header)
    };
    assert_eq!(frame(b"IKETCP\x00"), (6, 6));
    assert_eq!(frame(&[0, 40]), (40, 2));
    assert_eq!(frame(&[0]), (0, 0));
    assert_eq!(frame(&[0, 1]), (usize::MAX, 0));
    // SAFETY: NULL with 0 octets is no octets.
    let nothing = unsafe { sprat_dissect_frame(ptr::null(), 0, ptr::null_mut()) };
    assert_eq!(nothing, 0);
}

/// Every pair of transforms that ESP allows, each with an SPI of its own.
fn all_suites(setup: &Setup) -> Vec<(u32, Suite)> {
    let (key, integ_key) = ([1u8; 36], [2u8; 64]);
    let mut suites = Vec::new();
    for encr in Encr::ALL {
        for integ in Integ::ALL.iter().filter(|integ| encr.allows(**integ)) {
            let spi = SPI + suites.len() as u32;
            let key_len = encr.key_lens()[0];
            let mut sa = row();
            (sa.spi, sa.encr, sa.integ) = (spi, encr.id().into(), integ.id().into());
            (sa.encr_key, sa.encr_key_len) = (key.as_ptr(), key_len + encr.salt_len());
            (sa.integ_key, sa.integ_key_len) = (integ_key.as_ptr(), integ.key_len());
            let keys = Keys {
                encr_key: &key[..key_len],
                salt: &key[..encr.salt_len()],
                integ_key: &integ_key[..integ.key_len()],
            };
            let Ok(suite) = Suite::new(*encr, *integ, &keys) else {
                continue; // of old captures, in a build without them
            };
            assert_eq!(setup.add(&sa).0, SPRAT_OK);
            suites.push((spi, suite));
        }
    }
    suites
}

/// Every span lies in the octets that it says it is in, and below one before it.
fn check_spans(packet: &sprat_dissect_in, looked: &Looked, spans: &[sprat_dissect_span]) {
    for (i, span) in spans[..looked.out.span_count].iter().enumerate() {
        let room = match span.source {
            0 => packet.len,
            _ => looked.out.text_len,
        };
        assert!(span.offset + span.len <= room);
        assert!(usize::from(span.parent) <= i);
        assert!(usize::from(span.field) < Field::ALL.len());
    }
    assert!(looked.out.text_offset + looked.out.text_len <= packet.len);
    assert!(looked.out.payload_len <= looked.out.text_len);
}

#[test]
fn spans_of_damaged_packets_stay_inside() {
    let setup = Setup::new();
    let suites = all_suites(&setup);
    assert!(suites.len() > 20);
    let mut random = 0x2545_f491_4f6c_dd1du64;
    let mut next = move |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % below as u64) as usize
    };
    let mut verified = 0;
    for round in 0..300u32 {
        for (spi, suite) in &suites {
            let mut text: Vec<u8> = (0..16 * (1 + next(6))).map(|_| next(256) as u8).collect();
            let end = text.len();
            text[end - 2..].copy_from_slice(&[next(4) as u8, [4, 41, 17, 6, 59][next(5)]]);
            let mut octets = sealed(suite, *spi, round, &text);
            if next(3) == 0 {
                octets.truncate(next(octets.len() + 1));
            }
            if next(3) == 0 && octets.len() > 4 {
                let at = 4 + next(octets.len() - 4);
                octets[at] ^= 1 << next(8);
            }
            let mut packet = packet_in(&octets);
            packet.reported += next(2);
            packet.flags = [0, 0, SPRAT_DISSECT_UDP, SPRAT_DISSECT_FRAGMENT][next(4)];
            let mut room = spans();
            let looked = setup.look(&packet, &mut room);
            assert_eq!(looked.status, SPRAT_OK);
            check_spans(&packet, &looked, &room);
            verified += u32::from(looked.out.verified);
        }
    }
    assert!(verified > 500, "only {verified} packets were left whole");
}
