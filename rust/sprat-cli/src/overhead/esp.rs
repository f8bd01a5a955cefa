//! ESP and Diet-ESP: what stands around the payload.
//!
//! RFC 4303 section 2; draft-ietf-ipsecme-diet-esp-07 sections 5.2 and 5.3,
//! which for whole octets and this trailer is the form of July 2016 as well.

use super::field::{Kind, Layout};

/// Explicit IV of AES-CCM, AES-GCM and ChaCha20-Poly1305.
pub const IV: usize = 8;

/// What of the trailer is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trailer {
    /// Padding, Pad Length and Next Header, as RFC 4303 has them.
    Mandatory,
    /// Padding and Pad Length only for an alignment above 8 bits.
    Optional {
        /// Next Header is sent.
        next_header: bool,
    },
}

/// Lengths that an SA has agreed.
#[derive(Clone, Copy, Debug)]
pub struct Esp {
    /// Bits of the SPI that are sent, 0 to 32.
    pub spi_lsb: usize,
    /// Bits of the SN that are sent, 0 to 32; with `spi_lsb` a multiple of 8.
    pub sn_lsb: usize,
    /// Octets of the explicit IV, 0 for an implicit one (RFC 8750).
    pub iv: usize,
    /// Multiple of octets that payload and trailer are padded to.
    pub alignment: usize,
    /// What of the trailer is sent.
    pub trailer: Trailer,
    /// Octets of the ICV.
    pub icv: usize,
}

impl Esp {
    /// ESP as RFC 4303 has it.
    pub fn plain(iv: usize, icv: usize) -> Self {
        Esp {
            spi_lsb: 32,
            sn_lsb: 32,
            iv,
            alignment: 4,
            trailer: Trailer::Mandatory,
            icv,
        }
    }

    /// Everything elided that Diet-ESP can elide.
    pub fn least(iv: usize, icv: usize) -> Self {
        Esp {
            spi_lsb: 0,
            sn_lsb: 0,
            iv,
            alignment: 1,
            trailer: Trailer::Optional { next_header: false },
            icv,
        }
    }

    /// Everything that ESP puts around a payload of `octets`.
    pub fn overhead(&self, octets: usize) -> Layout {
        self.head().then(self.tail(octets))
    }

    /// ESP with `payload` inside.
    pub fn around(&self, payload: Layout) -> Layout {
        let tail = self.tail(payload.octets());
        self.head().then(payload).then(tail)
    }

    fn head(&self) -> Layout {
        let layout = Layout::default();
        let layout = if self.spi_lsb.is_multiple_of(8) {
            layout.with(Kind::Header, "SPI", self.spi_lsb / 8).with(
                Kind::Header,
                "SN",
                self.sn_lsb / 8,
            )
        } else {
            let name = format!("SPI ({} bits) and SN ({} bits)", self.spi_lsb, self.sn_lsb);
            layout.with(Kind::Header, name, (self.spi_lsb + self.sn_lsb) / 8)
        };
        layout.with(Kind::Iv, "IV", self.iv)
    }

    fn tail(&self, payload: usize) -> Layout {
        let (pad_length, next_header) = match self.trailer {
            Trailer::Mandatory => (1, 1),
            Trailer::Optional { next_header } => {
                (usize::from(self.alignment > 1), usize::from(next_header))
            }
        };
        let unpadded = payload + pad_length + next_header;
        // Without a Pad Length nothing could tell the padding from the payload.
        let padding = match pad_length {
            0 => 0,
            _ => unpadded.next_multiple_of(self.alignment) - unpadded,
        };
        Layout::default()
            .with(Kind::Trailer, "Padding", padding)
            .with(Kind::Trailer, "Pad Length", pad_length)
            .with(Kind::Trailer, "Next Header", next_header)
            .with(Kind::Icv, "ICV", self.icv)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    const KEPT: Trailer = Trailer::Optional { next_header: true };
    const ELIDED: Trailer = Trailer::Optional { next_header: false };

    /// The header in whole octets, ICV 8, no IV; lengths 0 to 3 mod 4.
    fn by_length(header: usize, alignment: usize, trailer: Trailer) -> [usize; 4] {
        let esp = Esp {
            spi_lsb: header / 2 * 8,
            sn_lsb: (header - header / 2) * 8,
            alignment,
            trailer,
            ..Esp::least(0, 8)
        };
        [12, 13, 14, 15].map(|payload| esp.overhead(payload).octets())
    }

    #[test]
    fn figures_of_july_2016() {
        let plain = Esp::plain(0, 8);
        let sums = [0, 1, 2, 3].map(|payload| plain.overhead(payload).octets());
        assert_eq!(sums, [20, 19, 18, 21]);
        assert_eq!(Esp::least(0, 8).overhead(0).octets(), 8);
        assert_eq!(Esp::plain(IV, 8).overhead(0).octets(), 28);
        assert_eq!(Esp::least(IV, 8).overhead(0).octets(), 16);
    }

    #[test]
    fn trailer_by_length_alignment_and_next_header() {
        let table = [
            (1, ELIDED, [0, 0, 0, 0]),
            (1, KEPT, [1, 1, 1, 1]),
            (2, ELIDED, [2, 1, 2, 1]),
            (2, KEPT, [2, 3, 2, 3]),
            (4, ELIDED, [4, 3, 2, 1]),
            (4, KEPT, [4, 3, 2, 5]),
            (4, Trailer::Mandatory, [4, 3, 2, 5]),
        ];
        for (alignment, trailer, expected) in table {
            let found = by_length(0, alignment, trailer).map(|octets| octets - 8);
            assert_eq!(found, expected, "{alignment} {trailer:?}");
        }
    }

    #[test]
    fn overhead_by_header_alignment_and_next_header() {
        let table = [
            (0, 8, 9, [12, 11, 10, 9], [12, 11, 10, 13]),
            (1, 9, 10, [13, 12, 11, 10], [13, 12, 11, 14]),
            (2, 10, 11, [14, 13, 12, 11], [14, 13, 12, 15]),
            (3, 11, 12, [15, 14, 13, 12], [15, 14, 13, 16]),
            (4, 12, 13, [16, 15, 14, 13], [16, 15, 14, 17]),
            (6, 14, 15, [18, 17, 16, 15], [18, 17, 16, 19]),
            (8, 16, 17, [20, 19, 18, 17], [20, 19, 18, 21]),
        ];
        for (header, elided, kept, elided_32, kept_32) in table {
            assert_eq!(by_length(header, 1, ELIDED), [elided; 4], "{header}");
            assert_eq!(by_length(header, 1, KEPT), [kept; 4], "{header}");
            assert_eq!(by_length(header, 4, ELIDED), elided_32, "{header}");
            assert_eq!(by_length(header, 4, KEPT), kept_32, "{header}");
        }
    }

    #[test]
    fn trailers_of_the_draft() {
        // Worked examples 1, 7 and 8 of the Diet-ESP digest: 10 octets of data.
        let example = |spi, sn, alignment, trailer| Esp {
            spi_lsb: spi,
            sn_lsb: sn,
            alignment,
            trailer,
            ..Esp::least(0, 8)
        };
        let octets = |esp: Esp, payload| payload + esp.overhead(payload).octets();
        assert_eq!(octets(example(8, 8, 1, ELIDED), 10), 20);
        assert_eq!(octets(example(8, 8, 8, ELIDED), 10), 26);
        assert_eq!(octets(example(16, 16, 4, KEPT), 14), 28);
        // Bits that fill an octet only together, example 4.
        assert_eq!(octets(example(6, 10, 1, ELIDED), 10), 20);
    }

    /// The vectors of Diet-ESP: what is compressed, and how long the ESP packet is.
    fn vectors(list: &str) -> Vec<Value> {
        let file = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../tests/vectors/diet-esp.json"
        );
        let all: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        all[list].as_array().unwrap().clone()
    }

    fn number(value: &Value) -> usize {
        usize::try_from(value.as_u64().unwrap()).unwrap()
    }

    fn octets(hex: &Value) -> usize {
        hex.as_str().unwrap().len() / 2
    }

    fn of_vector(case: &Value) -> Esp {
        let (context, sa) = (&case["context"], &case["sa"]);
        Esp {
            spi_lsb: number(&context["esp_spi_lsb"]),
            sn_lsb: number(&context["esp_sn_lsb"]),
            iv: number(&sa["iv_len"]),
            alignment: number(&context["alignment"]) / 8,
            trailer: match context["esp_trailer"].as_str().unwrap() {
                "Mandatory" => Trailer::Mandatory,
                _ => Trailer::Optional {
                    next_header: context["ipsec_mode"] == "Transport" && context["ts_proto"] == 0,
                },
            },
            icv: number(&sa["icv_len"]),
        }
    }

    #[test]
    fn packets_of_the_vectors_are_as_long() {
        let cases = vectors("diet_esp");
        // A block cipher pads to its blocks, which is not counted here.
        let counted = |case: &&Value| {
            let cipher = case["sa"]["encr"].as_str().unwrap();
            case["expect"] == "ok" && !cipher.contains("CBC")
        };
        let counted: Vec<&Value> = cases.iter().filter(counted).collect();
        assert!(counted.len() > 40, "{}", counted.len());
        for case in counted {
            let esp = of_vector(case);
            let payload = octets(&case["layers"]["iipc_packet"]);
            let found = payload + esp.overhead(payload).octets();
            assert_eq!(found, number(&case["esp_len"]), "{}", case["id"]);
            if case["context"]["ipsec_mode"] == "Tunnel" {
                let inner = octets(&case["inner_packet"]);
                let found = inner + Esp::plain(esp.iv, esp.icv).overhead(inner).octets();
                assert_eq!(found, number(&case["standard_esp_len"]), "{}", case["id"]);
            }
        }
    }

    #[test]
    fn overheads_of_the_vectors_of_2016() {
        let cases = vectors("ehc_2016_2019");
        let named = |case: &&Value| case["id"].as_str().unwrap().starts_with("2016-");
        let named: Vec<&Value> = cases.iter().filter(named).collect();
        assert_eq!(named.len(), 4);
        for case in named {
            let context = &case["context"];
            let esp = Esp {
                spi_lsb: number(&context["esp_spi_lsb"]) * 8,
                sn_lsb: number(&context["esp_sn_lsb"]) * 8,
                alignment: number(&context["esp_align"]) / 8,
                ..Esp::least(0, 8)
            };
            let payload = octets(&case["payload_data"]);
            let found = [
                esp.overhead(payload).octets(),
                Esp::plain(0, 8).overhead(payload).octets(),
            ];
            let expected = [&case["overhead"], &case["standard_overhead"]].map(number);
            assert_eq!(found, expected, "{}", case["id"]);
        }
    }
}
