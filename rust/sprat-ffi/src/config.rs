//! The TOML configuration (docs/configuration.md).

use core::ffi::{CStr, c_char};
use std::ffi::CString;
use std::net::IpAddr;
use std::path::Path;

use ::sprat_config::{Config, GatewayConfig, Problem};
use sprat_core::time::Instant;

use crate::boundary::{
    Handle, Out, Status, Versioned, copy_text, guarded, octets, reference, reference_mut,
};
use crate::ipsec::sprat_ipsec;
use crate::status::*;
use crate::types::sprat_addr;

/// A configuration that was read. Made by sprat_config_parse() or
/// sprat_config_load(), freed by sprat_config_free(). Const: any number of
/// threads may read it at once.
pub struct sprat_config {
    pub(crate) config: Config,
    gateway: Option<Gateway>,
}

/// The lists and strings that sprat_gateway_settings points to.
struct Gateway {
    tun: CString,
    state_file: CString,
    user: CString,
    tun_addresses: Vec<sprat_prefix>,
    routes: Vec<sprat_prefix>,
    udp_ports: Vec<u16>,
}

/// An address with the length of its prefix.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sprat_prefix {
    /// The address.
    pub address: sprat_addr,
    /// Bits of the prefix: 0 to 32 or 128.
    pub bits: u8,
}

/// The gateway section. Fill with SPRAT_GATEWAY_SETTINGS_INIT. Everything
/// pointed to belongs to the sprat_config and lives as long as it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sprat_gateway_settings {
    /// sizeof(sprat_gateway_settings).
    pub struct_size: u32,
    /// Sequence numbers reserved with each write of the state file.
    pub state_block: u32,
    /// Audit lines per second at most; 0 = none.
    pub audit_rate: u32,
    /// MTU of the TUN device in octets.
    pub mtu: u16,
    /// 1: receive ESP over IP directly (protocol 50).
    pub raw: u8,
    /// 1: clamp the MSS of TCP connections.
    pub mss_clamp: u8,
    /// Name of the TUN device, zero-terminated, at most 15 octets.
    pub tun: *const c_char,
    /// File that keeps the sequence numbers, zero-terminated.
    pub state_file: *const c_char,
    /// User to become after set-up, zero-terminated; empty = stay.
    pub user: *const c_char,
    /// Addresses of the TUN device.
    pub tun_addresses: *const sprat_prefix,
    /// How many.
    pub tun_addresses_len: usize,
    /// Prefixes routed into the TUN device.
    pub routes: *const sprat_prefix,
    /// How many.
    pub routes_len: usize,
    /// UDP ports to receive ESP in UDP on, host order.
    pub udp_ports: *const u16,
    /// How many.
    pub udp_ports_len: usize,
}

// SAFETY: repr(C), size first, integers and pointers.
unsafe impl Versioned for sprat_gateway_settings {
    const FIRST_SIZE: usize = size_of::<sprat_gateway_settings>();
}

impl Gateway {
    fn new(gateway: &GatewayConfig) -> Status<Self> {
        // The configuration admits no zero octet in these.
        let text = |text: &str| CString::new(text).map_err(|_| SPRAT_E_INTERNAL);
        let prefixes = |list: &[(IpAddr, u8)]| {
            let prefix = |(address, bits): &(IpAddr, u8)| sprat_prefix {
                address: Some(*address).into(),
                bits: *bits,
            };
            list.iter().map(prefix).collect()
        };
        Ok(Gateway {
            tun: text(&gateway.tun)?,
            state_file: text(&gateway.state_file)?,
            user: text(&gateway.user)?,
            tun_addresses: prefixes(&gateway.tun_addresses),
            routes: prefixes(&gateway.routes),
            udp_ports: gateway.udp_ports.clone(),
        })
    }

    fn settings(&self, gateway: &GatewayConfig) -> sprat_gateway_settings {
        sprat_gateway_settings {
            struct_size: 0,
            state_block: gateway.state_block,
            audit_rate: gateway.audit_rate,
            mtu: gateway.mtu,
            raw: u8::from(gateway.raw),
            mss_clamp: u8::from(gateway.mss_clamp),
            tun: self.tun.as_ptr(),
            state_file: self.state_file.as_ptr(),
            user: self.user.as_ptr(),
            tun_addresses: self.tun_addresses.as_ptr(),
            tun_addresses_len: self.tun_addresses.len(),
            routes: self.routes.as_ptr(),
            routes_len: self.routes.len(),
            udp_ports: self.udp_ports.as_ptr(),
            udp_ports_len: self.udp_ports.len(),
        }
    }
}

/// # Safety
/// `out` is NULL or writable; `message` and `message_len` as in sprat_config_parse().
unsafe fn finish(
    parsed: Result<Config, Vec<Problem>>,
    out: *mut *mut sprat_config,
    message: *mut c_char,
    message_len: *mut usize,
) -> Status<()> {
    // SAFETY: forwarded.
    let out = unsafe { reference_mut(out) }?;
    match parsed {
        Ok(config) => {
            let gateway = config.gateway.as_ref().map(Gateway::new).transpose()?;
            *out = Box::into_raw(Box::new(sprat_config { config, gateway }));
            Ok(())
        }
        Err(problems) => {
            let lines: Vec<String> = problems.iter().map(Problem::to_string).collect();
            // SAFETY: forwarded.
            unsafe { tell(&lines.join("\n"), message, message_len) }
        }
    }
}

/// Hands a message to C, if it wants one; the status is CONFIG in any case.
///
/// # Safety
/// `message` is NULL or points to `*message_len` writable octets.
unsafe fn tell(text: &str, message: *mut c_char, message_len: *mut usize) -> Status<()> {
    if !message_len.is_null() {
        // SAFETY: forwarded. A message cut short is still a message.
        let _ = unsafe { copy_text(text, message, message_len) };
    }
    Err(SPRAT_E_CONFIG)
}

/// Reads a configuration from text (UTF-8, len octets). name stands for the file
/// in messages, and key files are looked for beside it; NULL is "config". On
/// success *out is to be freed by sprat_config_free().
///
/// Errors: NULL; ARGUMENT if text or name is not UTF-8; CONFIG: then message
/// holds one line for each fault ("file:line: key: what; allowed: ..."),
/// zero-terminated. *message_len is the room in octets and becomes the octets of
/// the whole message with the final 0; a message that does not fit is cut. Both
/// may be NULL. No message ever holds a key.
///
/// # Safety
/// Pointers are NULL or valid for the lengths beside them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_config_parse(
    text: *const u8,
    len: usize,
    name: *const c_char,
    out: *mut *mut sprat_config,
    message: *mut c_char,
    message_len: *mut usize,
) -> i32 {
    guarded(|| {
        // SAFETY: forwarded to the caller.
        let text = unsafe { octets(text, len) }?;
        let text = core::str::from_utf8(text).map_err(|_| SPRAT_E_ARGUMENT)?;
        let name = if name.is_null() {
            "config"
        } else {
            // SAFETY: forwarded to the caller.
            unsafe { CStr::from_ptr(name) }
                .to_str()
                .map_err(|_| SPRAT_E_ARGUMENT)?
        };
        // SAFETY: forwarded to the caller.
        unsafe { finish(Config::parse(text, name), out, message, message_len) }
    })
}

/// Reads the configuration in the file at path. Else as sprat_config_parse(); a
/// file that cannot be read is CONFIG with the cause in the message.
///
/// # Safety
/// Pointers are NULL or valid for the lengths beside them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_config_load(
    path: *const c_char,
    out: *mut *mut sprat_config,
    message: *mut c_char,
    message_len: *mut usize,
) -> i32 {
    guarded(|| {
        if path.is_null() {
            return Err(SPRAT_E_NULL);
        }
        // SAFETY: forwarded to the caller.
        let path = unsafe { CStr::from_ptr(path) }
            .to_str()
            .map_err(|_| SPRAT_E_ARGUMENT)?;
        // SAFETY: forwarded to the caller.
        unsafe { finish(Config::load(Path::new(path)), out, message, message_len) }
    })
}

/// Frees a configuration and wipes its keys. NULL is allowed.
///
/// # Safety
/// `config` is NULL or came from this library and is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_config_free(config: *mut sprat_config) {
    if !config.is_null() {
        // SAFETY: it came from Box::into_raw and the caller gives it up.
        let config = unsafe { Box::from_raw(config) };
        guarded(|| {
            drop(config);
            Ok(())
        });
    }
}

/// Tells the gateway section. Errors: NULL; NOT_FOUND if there is none;
/// ARGUMENT (struct_size).
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_config_gateway(
    config: *const sprat_config,
    out: *mut sprat_gateway_settings,
) -> i32 {
    guarded(|| {
        // SAFETY: forwarded to the caller.
        let (config, out) = unsafe { (reference(config)?, Out::new(out)?) };
        match (&config.gateway, &config.config.gateway) {
            (Some(lists), Some(gateway)) => {
                out.write(&lists.settings(gateway));
                Ok(())
            }
            _ => Err(SPRAT_E_NOT_FOUND),
        }
    })
}

/// Makes the boundary of a gateway: every SA with its direction, every policy.
/// An SA without a direction receives. The number of an SA is its place in the
/// file, from 0. On success *out is to be freed by sprat_ipsec_free(); it does
/// not need config any more.
///
/// Errors: NULL; CONFIG with a message, as sprat_config_parse().
///
/// # Safety
/// Pointers are NULL or valid for the lengths beside them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sprat_ipsec_from_config(
    config: *const sprat_config,
    now_ms: u64,
    out: *mut *mut sprat_ipsec,
    message: *mut c_char,
    message_len: *mut usize,
) -> i32 {
    guarded(|| {
        // SAFETY: forwarded to the caller.
        let (config, out) = unsafe { (reference(config)?, reference_mut(out)?) };
        match config.config.ipsec(Instant(now_ms)) {
            Ok(ipsec) => {
                *out = Box::into_raw(Box::new(sprat_ipsec(Handle::new(ipsec))));
                Ok(())
            }
            // SAFETY: forwarded to the caller.
            Err(error) => unsafe { tell(&error.to_string(), message, message_len) },
        }
    })
}
