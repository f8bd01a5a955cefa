//! SAs of a host: expanded keys, a boxed window, a list of selectors.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use super::rx::{self, Opened, Place};
use super::tx::{self, SealArgs, SealError, Sealed};
use crate::buf::PacketBuf;
use crate::crypto::Suite;
use crate::crypto::{EspSuite, IvSource};
use crate::error::{DropCounters, DropReason};
use crate::num::Sn64;
use crate::replay::{ReplayWindow, words_for};
use crate::sa::{SaError, SaParams, SaRx, SaTx, Usage};
use crate::selector::Selector;
use crate::time::Instant;
use crate::wire::ip::{Head, proto};

fn check(params: &SaParams, suite: &Suite) -> Result<(), SaError> {
    params.validate()?;
    if params.multi_sender && suite.encr().implicit_iv() {
        return Err(SaError::ImplicitIvMultiSender);
    }
    Ok(())
}

/// An SA that sends.
pub struct OutboundSa {
    params: SaParams,
    suite: Suite,
    tx: SaTx,
    drops: DropCounters,
}

impl OutboundSa {
    /// An SA whose next packet carries `last` + 1.
    pub fn new(params: SaParams, suite: Suite, last: Sn64, now: Instant) -> Result<Self, SaError> {
        check(&params, &suite)?;
        let counter_iv = suite.iv_source() == IvSource::Counter;
        if params.multi_sender && counter_iv && params.sender_id.is_none() {
            return Err(SaError::SenderIdMissing);
        }
        Ok(OutboundSa {
            params,
            suite,
            tx: SaTx::new(last, now),
            drops: DropCounters::default(),
        })
    }

    /// What was agreed.
    pub fn params(&self) -> &SaParams {
        &self.params
    }

    /// Sets the largest outer packet for the path, octets; 0 = unknown.
    pub(crate) fn set_path_mtu(&mut self, mtu: u16) {
        self.params.path_mtu = mtu;
    }

    /// The transforms.
    pub fn suite(&self) -> &Suite {
        &self.suite
    }

    /// See [`tx::seal`].
    pub fn seal(
        &mut self,
        buf: &mut PacketBuf<'_>,
        args: &SealArgs<'_>,
    ) -> Result<Sealed, SealError> {
        let sealed = tx::seal(&self.params, &self.suite, &mut self.tx, buf, args);
        self.counted(sealed)
    }

    /// See [`tx::seal_dummy`].
    pub fn seal_dummy(
        &mut self,
        buf: &mut PacketBuf<'_>,
        args: &SealArgs<'_>,
    ) -> Result<Sealed, SealError> {
        let sealed = tx::seal_dummy(&self.params, &self.suite, &mut self.tx, buf, args);
        self.counted(sealed)
    }

    /// A short buffer is no refusal: the caller comes back with a larger one.
    fn counted(&mut self, sealed: Result<Sealed, SealError>) -> Result<Sealed, SealError> {
        match sealed {
            Err(SealError::Dropped(reason)) => self.drops.count(reason),
            Err(SealError::TooBig { .. }) => self.drops.count(DropReason::TooBig),
            _ => {}
        }
        sealed
    }

    /// What was refused, by reason.
    pub fn drops(&self) -> &DropCounters {
        &self.drops
    }

    /// The number used last; 0 if none was.
    pub fn last_sn(&self) -> Sn64 {
        self.tx.last()
    }

    /// See [`SaTx::skip_to`].
    pub fn skip_to(&mut self, last: Sn64) {
        self.tx.skip_to(last);
    }

    /// See [`SaTx::reserve`].
    pub fn reserve(&mut self, up_to: Sn64) {
        self.tx.reserve(up_to);
    }

    /// What was sealed.
    pub fn usage(&self) -> Usage {
        self.tx.usage
    }
}

/// An SA that receives.
pub struct InboundSa {
    params: SaParams,
    suite: Suite,
    selectors: Vec<Selector>,
    rx: SaRx<Box<[u64]>>,
    drops: DropCounters,
}

impl InboundSa {
    /// An SA that has verified nothing yet. An empty list of selectors admits
    /// every inner packet.
    pub fn new(
        params: SaParams,
        suite: Suite,
        selectors: Vec<Selector>,
        now: Instant,
    ) -> Result<Self, SaError> {
        check(&params, &suite)?;
        let ring = vec![0u64; words_for(params.replay_window)].into_boxed_slice();
        let window = ReplayWindow::new(ring, params.replay_window, params.esn)
            .ok_or(SaError::ReplayWindow)?;
        let rx = SaRx {
            window,
            usage: Usage::default(),
            installed: now,
        };
        Ok(InboundSa {
            params,
            suite,
            selectors,
            rx,
            drops: DropCounters::default(),
        })
    }

    /// What was agreed.
    pub fn params(&self) -> &SaParams {
        &self.params
    }

    /// The transforms.
    pub fn suite(&self) -> &Suite {
        &self.suite
    }

    /// Opens a whole IP packet that carries ESP, raw or in UDP, and checks the
    /// selectors; see [`rx::open`]. `NoSa` if it carries another SPI.
    pub fn open(&mut self, buf: &mut PacketBuf<'_>, now: Instant) -> Result<Opened, DropReason> {
        let place = self
            .place(buf.packet())
            .inspect_err(|reason| self.drops.count(*reason))?;
        self.open_at(buf, &place, now)
    }

    fn place(&self, packet: &[u8]) -> Result<Place, DropReason> {
        let head = Head::parse(packet).map_err(|_| DropReason::NotIp)?;
        if !matches!(head.protocol, proto::ESP | proto::UDP) {
            return Err(DropReason::NoSa);
        }
        let place = Place::find(packet, &head)?;
        match place.numbers(packet)? {
            (spi, _) if spi == self.params.spi => Ok(place),
            _ => Err(DropReason::NoSa),
        }
    }

    /// Opens a packet whose ESP header stands at `place`.
    pub fn open_at(
        &mut self,
        buf: &mut PacketBuf<'_>,
        place: &Place,
        now: Instant,
    ) -> Result<Opened, DropReason> {
        let opened = self.open_and_select(buf, place, now);
        opened.inspect_err(|reason| self.drops.count(*reason))
    }

    fn open_and_select(
        &mut self,
        buf: &mut PacketBuf<'_>,
        place: &Place,
        now: Instant,
    ) -> Result<Opened, DropReason> {
        let protected = place.protected(buf);
        let opened = rx::open(&self.params, &self.suite, &mut self.rx, buf, (place, now))?;
        let flow = opened.head.flow(buf.packet());
        if self.selectors.is_empty() || self.selectors.iter().any(|s| s.admits(&flow)) {
            return Ok(opened);
        }
        buf.zero(protected);
        Err(DropReason::Selector)
    }

    /// What was refused, by reason.
    pub fn drops(&self) -> &DropCounters {
        &self.drops
    }

    /// What was verified.
    pub fn usage(&self) -> Usage {
        self.rx.usage
    }

    /// Highest number verified; 0 if none was.
    pub fn top_sn(&self) -> Sn64 {
        self.rx.window.top()
    }

    /// See [`ReplayWindow::start_at`].
    pub fn start_at(&mut self, top: Sn64) {
        self.rx.window.start_at(top);
    }
}
