//! What a call leaves behind when it refuses, seen from outside.
#![cfg(feature = "host")]

use core::ptr::{null, null_mut};

use sprat_ffi::*;

const KEY: [u8; 16] = [7; 16];
const SALT: [u8; 3] = [1, 2, 3];
/// 192.0.2.1 to 192.0.2.2, UDP, 4 octets of payload.
const PACKET: [u8; 32] = [
    0x45, 0, 0, 32, 0, 1, 0, 0, 64, 17, 0xf6, 0xc8, 192, 0, 2, 1, 192, 0, 2, 2, 0x16, 0x33, 0x16,
    0x33, 0, 12, 0, 0, b'p', b'i', b'n', b'g',
];
const AT: usize = 32;

fn params(direction: u8) -> sprat_sa_params {
    // SAFETY: integers and pointers, for which zero is valid.
    let zeroed: sprat_sa_params = unsafe { core::mem::zeroed() };
    sprat_sa_params {
        struct_size: size_of::<sprat_sa_params>() as u32,
        direction,
        mode: SPRAT_TRANSPORT,
        spi: 0x1234,
        encr: 14,
        encr_key: KEY.as_ptr(),
        encr_key_len: KEY.len(),
        salt: SALT.as_ptr(),
        salt_len: SALT.len(),
        replay_window: 64,
        hop_limit: 64,
        dscp: SPRAT_DSCP_COPY,
        ..zeroed
    }
}

fn sa(direction: u8) -> *mut sprat_sa {
    let mut sa = null_mut();
    // SAFETY: valid pointers.
    let status = unsafe { sprat_sa_new(&params(direction), 0, &mut sa) };
    assert_eq!(status, SPRAT_OK);
    sa
}

fn packet() -> [u8; 96] {
    let mut memory = [0; 96];
    memory[AT..AT + PACKET.len()].copy_from_slice(&PACKET);
    memory
}

fn buf(memory: &mut [u8; 96], len: usize) -> sprat_buf {
    sprat_buf {
        data: memory.as_mut_ptr(),
        capacity: memory.len(),
        start: AT,
        len,
    }
}

fn seal_args() -> sprat_seal_args {
    // SAFETY: integers and pointers, for which zero is valid.
    let zeroed: sprat_seal_args = unsafe { core::mem::zeroed() };
    sprat_seal_args {
        struct_size: size_of::<sprat_seal_args>() as u32,
        ..zeroed
    }
}

fn result() -> sprat_result {
    sprat_result {
        struct_size: size_of::<sprat_result>() as u32,
        ..sprat_result::default()
    }
}

fn last_sn(sa: *const sprat_sa) -> u64 {
    // SAFETY: integers, for which zero is valid.
    let mut info: sprat_sa_info = unsafe { core::mem::zeroed() };
    info.struct_size = size_of::<sprat_sa_info>() as u32;
    // SAFETY: valid pointers.
    assert_eq!(unsafe { sprat_sa_get_info(sa, &mut info) }, SPRAT_OK);
    info.sn
}

/// A result that is too small must be seen before a number is used and the
/// packet changed.
#[test]
fn a_result_of_the_wrong_size_changes_nothing() {
    let (out, into) = (sa(SPRAT_OUT), sa(SPRAT_IN));
    let mut small = sprat_result {
        struct_size: 8,
        ..result()
    };
    let mut memory = packet();
    let mut buf = buf(&mut memory, PACKET.len());
    // SAFETY: valid pointers.
    unsafe {
        assert_eq!(
            sprat_seal(out, &mut buf, &seal_args(), &mut small),
            SPRAT_E_ARGUMENT
        );
        assert_eq!((last_sn(out), buf.start, buf.len), (0, AT, PACKET.len()));
        assert_eq!(
            sprat_seal(out, &mut buf, &seal_args(), &mut result()),
            SPRAT_OK
        );
        assert_eq!(sprat_open(into, &mut buf, 0, &mut small), SPRAT_E_ARGUMENT);
        assert_eq!(last_sn(into), 0);
        assert_eq!(sprat_open(into, &mut buf, 0, &mut result()), SPRAT_OK);
        assert_eq!(last_sn(into), 1);
        sprat_sa_free(out);
        sprat_sa_free(into);
    }
}

#[test]
fn a_result_of_the_boundary_of_the_wrong_size_changes_nothing() {
    let mut small = sprat_result {
        struct_size: 8,
        ..result()
    };
    let mut ipsec = null_mut();
    let mut memory = packet();
    let mut buf = buf(&mut memory, PACKET.len());
    let (mut counters, mut count) = ([0u64; 64], 64);
    // SAFETY: valid pointers.
    unsafe {
        assert_eq!(sprat_ipsec_new(&mut ipsec), SPRAT_OK);
        for status in [
            sprat_ipsec_outbound(ipsec, &mut buf, &seal_args(), &mut small),
            sprat_ipsec_inbound(ipsec, &mut buf, 0, &mut small),
        ] {
            assert_eq!(status, SPRAT_E_ARGUMENT);
        }
        assert_eq!(
            sprat_ipsec_drops(ipsec, counters.as_mut_ptr(), &mut count),
            SPRAT_OK
        );
        assert_eq!(counters, [0; 64]);
        sprat_ipsec_free(ipsec);
    }
}

/// ARGUMENT is for one field outside its range, SA for fields that contradict
/// each other.
#[test]
fn ranges_and_contradictions_are_told_apart() {
    let v4 = |last| {
        let mut octets = [0; 16];
        octets[..4].copy_from_slice(&[192, 0, 2, last]);
        sprat_addr { family: 4, octets }
    };
    let tunnel = sprat_sa_params {
        mode: SPRAT_TUNNEL,
        tunnel_source: v4(1),
        tunnel_destination: v4(2),
        ..params(SPRAT_IN)
    };
    let limit = |soft, hard| sprat_limit { soft, hard };
    let cases = [
        (sprat_sa_params { spi: 255, ..tunnel }, SPRAT_E_ARGUMENT),
        (sprat_sa_params { dscp: 64, ..tunnel }, SPRAT_E_ARGUMENT),
        (
            sprat_sa_params {
                hop_limit: 0,
                ..tunnel
            },
            SPRAT_E_ARGUMENT,
        ),
        (
            sprat_sa_params {
                flow_label: 1 << 20,
                ..tunnel
            },
            SPRAT_E_ARGUMENT,
        ),
        (
            sprat_sa_params {
                replay_window: 33,
                ..tunnel
            },
            SPRAT_E_ARGUMENT,
        ),
        (
            sprat_sa_params {
                tunnel_source: sprat_addr {
                    family: 6,
                    octets: [1; 16],
                },
                ..tunnel
            },
            SPRAT_E_SA,
        ),
        (
            sprat_sa_params {
                packets: limit(2, 1),
                ..tunnel
            },
            SPRAT_E_SA,
        ),
        (
            sprat_sa_params {
                multi_sender: 1,
                ..tunnel
            },
            SPRAT_E_SA,
        ),
    ];
    for (params, want) in cases {
        let mut sa = null_mut();
        // SAFETY: valid pointers.
        let status = unsafe { sprat_sa_new(&params, 0, &mut sa) };
        assert_eq!(status, want, "spi {}", params.spi);
        assert!(sa.is_null());
    }
}

/// An audit record needs who sent a refused packet, and its number.
#[test]
fn a_refused_packet_is_described() {
    let (out, into) = (sa(SPRAT_OUT), sa(SPRAT_IN));
    let mut memory = packet();
    let mut buf = buf(&mut memory, PACKET.len());
    let mut seen = result();
    // SAFETY: valid pointers.
    unsafe {
        assert_eq!(sprat_seal(out, &mut buf, &seal_args(), &mut seen), SPRAT_OK);
        assert_eq!((seen.source.octets[3], seen.destination.octets[3]), (1, 2));
        *buf.data.add(buf.start + buf.len - 1) ^= 1;
        assert_eq!(sprat_open(into, &mut buf, 0, &mut seen), SPRAT_OK);
    }
    assert_eq!((seen.verdict, seen.reason), (SPRAT_VERDICT_DROP, 7));
    assert_eq!((seen.spi, seen.sn), (0x1234, 1));
    assert_eq!((seen.source.family, seen.source.octets[3]), (4, 1));
    assert_eq!(seen.destination.octets[3], 2);
    // SAFETY: made above.
    unsafe {
        sprat_sa_free(out);
        sprat_sa_free(into);
    }
}

#[test]
fn a_name_is_cut_between_characters() {
    let name = c"aé";
    let (mut ipsec, mut number) = (null_mut(), 0);
    let named = sprat_sa_params {
        name: name.as_ptr(),
        ..params(SPRAT_OUT)
    };
    // SAFETY: valid pointers.
    unsafe {
        assert_eq!(sprat_ipsec_new(&mut ipsec), SPRAT_OK);
        assert_eq!(sprat_ipsec_add_sa(ipsec, &named, 0, &mut number), SPRAT_OK);
        let (mut text, mut len) = ([b'x'; 3], 3);
        let status = sprat_ipsec_sa_name(ipsec, number, text.as_mut_ptr().cast(), &mut len);
        assert_eq!((status, len, text), (SPRAT_E_SHORT, 4, *b"a\0x"));
        sprat_ipsec_free(ipsec);
    }
}

/// NULL is no short buffer: no need is told.
#[test]
fn null_outputs_leave_the_lengths() {
    let (mut ipsec, mut number) = (null_mut(), 0);
    // SAFETY: valid pointers.
    unsafe {
        assert_eq!(sprat_ipsec_new(&mut ipsec), SPRAT_OK);
        assert_eq!(
            sprat_ipsec_add_sa(ipsec, &params(SPRAT_OUT), 0, &mut number),
            SPRAT_OK
        );
        let mut len = 77;
        assert_eq!(sprat_ipsec_drops(ipsec, null_mut(), &mut len), SPRAT_E_NULL);
        assert_eq!(
            sprat_ipsec_sa_name(ipsec, number, null_mut(), &mut len),
            SPRAT_E_NULL
        );
        assert_eq!(len, 77);
        sprat_ipsec_free(ipsec);
        sprat_ipsec_free(null_mut());
        assert_eq!(sprat_ipsec_sa_count(null()), 0);
    }
}
