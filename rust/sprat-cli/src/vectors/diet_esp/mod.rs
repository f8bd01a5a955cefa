//! Kind `diet-esp`: ESP Header Compression, each layer by itself and whole.
//!
//! Every packet goes through the compressors twice, with the template of its SA
//! and by the rules alone, and then through SAs.

mod attributes;
mod layers;
mod old;
mod packet;
mod receiver;
mod tables;
mod whole;

use super::Kind;

pub const KIND: Kind = Kind {
    name: "diet-esp",
    lists: &[
        ("diet_esp", packet::run),
        ("receive_reject", receiver::run_reject),
        ("sn_reconstruct", tables::sn_reconstruct),
        ("spi_lookup", tables::spi_lookup),
        ("udp_encapsulation", tables::udp_encapsulation),
        ("ehc_2016_2019", old::run),
    ],
};
