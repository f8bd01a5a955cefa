//! The keys of every section: what a reader admits and a document must list.

/// Keys of the document itself.
pub const ROOT: &[&str] = &["sa", "policy", "gateway"];
/// Keys of `[[sa]]`.
pub const SA: &[&str] = &[
    "name",
    "direction",
    "spi",
    "mode",
    "encr",
    "encr_key",
    "encr_key_file",
    "salt",
    "keymat",
    "integ",
    "integ_key",
    "integ_key_file",
    "esn",
    "replay_window",
    "sequence_start",
    "tfc_allowed",
    "multi_sender",
    "sender_id",
    "sender_id_bits",
    "path_mtu",
    "destination",
    "source",
    "tunnel",
    "udp_encap",
    "nat_original",
    "lifetime",
    "selector",
    "ehc",
];
/// Keys of `[sa.tunnel]`.
pub const TUNNEL: &[&str] = &[
    "source",
    "destination",
    "hop_limit",
    "dscp",
    "ecn",
    "df",
    "flow_label",
];
/// Keys of `[sa.udp_encap]`.
pub const UDP_ENCAP: &[&str] = &["source_port", "destination_port"];
/// Keys of `[sa.nat_original]`.
pub const NAT_ORIGINAL: &[&str] = &["source", "destination"];
/// Keys of `[sa.lifetime]`.
pub const LIFETIME: &[&str] = &[
    "packets_soft",
    "packets_hard",
    "octets_soft",
    "octets_hard",
    "seconds_soft",
    "seconds_hard",
];
/// Keys of `[sa.ehc]`.
pub const EHC: &[&str] = &[
    "profile",
    "iipc_profile",
    "dscp_cda",
    "ecn_cda",
    "flow_label_cda",
    "dscp_list",
    "alignment",
    "esp_trailer",
    "esp_spi_lsb",
    "esp_sn_lsb",
    "ip_version",
    "outer_id",
    "hardened",
    "guard",
    "resync",
    "reorder",
    "fallback",
    "udplite_whole",
    "tcp_options",
    "tcp_urgent",
];
/// Keys of `[[sa.selector]]`.
pub const SELECTOR: &[&str] = &[
    "source",
    "destination",
    "protocol",
    "source_ports",
    "destination_ports",
    "icmp_type",
    "icmp_code",
];
/// Keys of `[[policy]]`.
pub const POLICY: &[&str] = &[
    "direction",
    "action",
    "sa",
    "source",
    "destination",
    "protocol",
    "source_ports",
    "destination_ports",
    "icmp_type",
    "icmp_code",
];
/// Keys of `[gateway]`.
pub const GATEWAY: &[&str] = &[
    "tun",
    "tun_addresses",
    "mtu",
    "routes",
    "udp_ports",
    "raw",
    "state_file",
    "state_block",
    "user",
    "mss_clamp",
    "audit_rate",
];

/// Every section by the path that messages use, with its keys; the document
/// itself is "".
pub const SECTIONS: &[(&str, &[&str])] = &[
    ("", ROOT),
    ("sa", SA),
    ("sa.tunnel", TUNNEL),
    ("sa.udp_encap", UDP_ENCAP),
    ("sa.nat_original", NAT_ORIGINAL),
    ("sa.lifetime", LIFETIME),
    ("sa.ehc", EHC),
    ("sa.selector", SELECTOR),
    ("policy", POLICY),
    ("gateway", GATEWAY),
];
