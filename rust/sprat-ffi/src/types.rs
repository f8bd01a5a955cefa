//! Structs that C sees. Layout is the ABI: fields are only appended.

use core::net::IpAddr;

#[cfg(feature = "host")]
use sprat_core::buf::PacketBuf;

#[cfg(feature = "host")]
use crate::boundary::{Status, octets_mut};
#[cfg(feature = "host")]
use crate::status::{SPRAT_E_ARGUMENT, SPRAT_E_NULL};

/// A packet in the caller's memory: head room, packet, tail room. Functions
/// that change the packet move start and len, never data or capacity.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[allow(non_camel_case_types)]
pub struct sprat_buf {
    /// First octet of the memory; owned by the caller.
    pub data: *mut u8,
    /// Octets of the memory.
    pub capacity: usize,
    /// Offset of the packet's first octet.
    pub start: usize,
    /// Octets of the packet.
    pub len: usize,
}

#[cfg(feature = "host")]
impl sprat_buf {
    /// Runs `body` on the packet and takes over where it stands afterwards.
    ///
    /// # Safety
    /// `data` points to `capacity` octets that nobody else uses during the call.
    pub(crate) unsafe fn with<R>(
        &mut self,
        body: impl FnOnce(&mut PacketBuf<'_>) -> R,
    ) -> Status<R> {
        if self.data.is_null() {
            return Err(SPRAT_E_NULL);
        }
        // SAFETY: forwarded.
        let memory = unsafe { octets_mut(self.data, self.capacity) }?;
        let mut buf = PacketBuf::new(memory, self.start, self.len).ok_or(SPRAT_E_ARGUMENT)?;
        let result = body(&mut buf);
        self.start = buf.start();
        self.len = buf.len();
        Ok(result)
    }
}

/// An IP address in network order. Zeroed memory is "none".
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(non_camel_case_types)]
pub struct sprat_addr {
    /// 0 none, 4 or 6.
    pub family: u8,
    /// 4 octets (the rest ignored) or 16.
    pub octets: [u8; 16],
}

impl From<Option<IpAddr>> for sprat_addr {
    fn from(address: Option<IpAddr>) -> Self {
        let mut octets = [0; 16];
        let family = match address {
            None => 0,
            Some(IpAddr::V4(v4)) => {
                octets[..4].copy_from_slice(&v4.octets());
                4
            }
            Some(IpAddr::V6(v6)) => {
                octets = v6.octets();
                6
            }
        };
        sprat_addr { family, octets }
    }
}

#[cfg(feature = "host")]
impl sprat_addr {
    /// The address; `None` if there is none.
    pub(crate) fn get(&self) -> Status<Option<IpAddr>> {
        let [a, b, c, d, ..] = self.octets;
        match self.family {
            0 => Ok(None),
            4 => Ok(Some(IpAddr::from([a, b, c, d]))),
            6 => Ok(Some(IpAddr::from(self.octets))),
            _ => Err(SPRAT_E_ARGUMENT),
        }
    }

    /// The address, which must be there.
    pub(crate) fn some(&self) -> Status<IpAddr> {
        self.get()?.ok_or(SPRAT_E_ARGUMENT)
    }
}
