//! SAs of a host: expanded keys, a boxed window, a list of selectors.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use super::Terms;
use super::rx::{self, DEFAULT_REORDER, Opened, Place, Receiver, Resync};
use super::tx::{self, SealArgs, SealError, Sealed};
use crate::buf::PacketBuf;
use crate::crypto::Suite;
use crate::crypto::{EspSuite, IvSource};
use crate::diet_esp::{Context, ContextError, Ehc, generate};
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

/// What Diet-ESP has done for an SA.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EhcStats {
    /// Packets sealed or opened with the context.
    pub packets: u64,
    /// Octets by which plain ESP would have been longer in all; less than 0 where
    /// a wide alignment cost more.
    pub octets_saved: i64,
    /// ICV checks beyond the first of a packet, in search of its number.
    pub icv_trials: u64,
    /// Packets whose number was found so.
    pub resyncs: u64,
}

impl EhcStats {
    fn count(&mut self, saved: i64) {
        self.packets = self.packets.saturating_add(1);
        self.octets_saved = self.octets_saved.saturating_add(saved);
    }
}

/// The context for an SA of these parameters.
fn context(params: &SaParams, ehc: &Ehc) -> Result<Box<Context>, ContextError> {
    if params.multi_sender {
        return Err(ContextError::MultiSender);
    }
    if ehc.resync > Ehc::MAX_RESYNC {
        return Err(ContextError::Resync);
    }
    Context::new(ehc.afrg, &params.carried()).map(Box::new)
}

/// An SA that sends.
pub struct OutboundSa {
    params: SaParams,
    suite: Suite,
    tx: SaTx,
    drops: DropCounters,
    context: Option<Box<Context>>,
    ehc: EhcStats,
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
            context: None,
            ehc: EhcStats::default(),
        })
    }

    /// The same SA with Diet-ESP.
    pub fn compress(mut self, ehc: &Ehc) -> Result<Self, ContextError> {
        self.context = Some(context(&self.params, ehc)?);
        Ok(self)
    }

    /// The context of Diet-ESP, if it has one.
    pub fn context(&self) -> Option<&Context> {
        self.context.as_deref()
    }

    /// What Diet-ESP has done so far.
    pub fn ehc_stats(&self) -> EhcStats {
        self.ehc
    }

    /// What was agreed, in one.
    pub fn terms(&self) -> Terms<'_, Suite> {
        terms(&self.params, &self.suite, &self.context)
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
        let terms = terms(&self.params, &self.suite, &self.context);
        let sealed = tx::seal(&terms, &mut self.tx, buf, args);
        self.counted(sealed)
    }

    /// See [`tx::seal_dummy`].
    pub fn seal_dummy(
        &mut self,
        buf: &mut PacketBuf<'_>,
        args: &SealArgs<'_>,
    ) -> Result<Sealed, SealError> {
        let terms = terms(&self.params, &self.suite, &self.context);
        let sealed = tx::seal_dummy(&terms, &mut self.tx, buf, args);
        self.counted(sealed)
    }

    /// A short buffer is no refusal: the caller comes back with a larger one.
    fn counted(&mut self, sealed: Result<Sealed, SealError>) -> Result<Sealed, SealError> {
        match sealed {
            Err(SealError::Dropped(reason)) => self.drops.count(reason),
            Err(SealError::TooBig { .. }) => self.drops.count(DropReason::TooBig),
            Ok(sealed) if self.context.is_some() => self.ehc.count(sealed.saved),
            _ => {}
        }
        sealed
    }

    /// What was refused, by reason.
    pub fn drops(&self) -> &DropCounters {
        &self.drops
    }

    /// Forgets that a packet was refused which the caller will bring again.
    pub(crate) fn take_back(&mut self, reason: DropReason) {
        self.drops.take_back(reason);
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

fn terms<'a>(
    params: &'a SaParams,
    suite: &'a Suite,
    context: &'a Option<Box<Context>>,
) -> Terms<'a, Suite> {
    Terms {
        params,
        suite,
        context: context.as_deref(),
    }
}

/// Further ICV checks of one SA in a second, at most.
const RESYNCS_PER_SECOND: u16 = 100;

/// An SA that receives.
pub struct InboundSa {
    params: SaParams,
    suite: Suite,
    selectors: Vec<Selector>,
    rx: SaRx<Box<[u64]>>,
    drops: DropCounters,
    context: Option<Box<Context>>,
    ehc: EhcStats,
    resync: Resync,
    reorder: u16,
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
            context: None,
            ehc: EhcStats::default(),
            resync: Resync::new(0, RESYNCS_PER_SECOND),
            reorder: DEFAULT_REORDER,
        })
    }

    /// The same SA with Diet-ESP. The selector of the attributes is checked besides
    /// those of the SA.
    pub fn compress(mut self, ehc: &Ehc) -> Result<Self, ContextError> {
        self.context = Some(context(&self.params, ehc)?);
        self.resync = Resync::new(ehc.resync, RESYNCS_PER_SECOND);
        self.reorder = ehc.reorder;
        Ok(self)
    }

    /// The context of Diet-ESP, if it has one.
    pub fn context(&self) -> Option<&Context> {
        self.context.as_deref()
    }

    /// Packets that may arrive late where anti-replay is off.
    pub fn reorder(&self) -> u16 {
        self.reorder
    }

    /// What Diet-ESP has done so far.
    pub fn ehc_stats(&self) -> EhcStats {
        EhcStats {
            icv_trials: self.resync.trials,
            resyncs: self.resync.resyncs,
            ..self.ehc
        }
    }

    /// What was agreed, in one.
    pub fn terms(&self) -> Terms<'_, Suite> {
        terms(&self.params, &self.suite, &self.context)
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
        let ours = match &self.context {
            Some(context) => context.shows_spi(place.esp(packet)),
            None => place.numbers(packet)?.0 == self.params.spi,
        };
        if ours {
            Ok(place)
        } else {
            Err(DropReason::NoSa)
        }
    }

    /// Opens a packet whose ESP header stands at `place`.
    pub fn open_at(
        &mut self,
        buf: &mut PacketBuf<'_>,
        place: &Place,
        now: Instant,
    ) -> Result<Opened, DropReason> {
        let opened = self.open_and_select(buf, (place, now), true);
        opened.inspect_err(|reason| self.drops.count(*reason))
    }

    /// As [`InboundSa::open_at`], for a packet that may be another SA's: where its
    /// ICV does not verify it stays as it was, nothing is counted and no other
    /// number is tried.
    pub(crate) fn try_at(
        &mut self,
        buf: &mut PacketBuf<'_>,
        place: &Place,
        now: Instant,
    ) -> Result<Opened, DropReason> {
        self.open_and_select(buf, (place, now), false)
    }

    /// Counts a refusal that [`InboundSa::try_at`] gave.
    pub(crate) fn count(&mut self, reason: DropReason) {
        self.drops.count(reason);
    }

    fn open_and_select(
        &mut self,
        buf: &mut PacketBuf<'_>,
        (place, now): (&Place, Instant),
        sure: bool,
    ) -> Result<Opened, DropReason> {
        let terms = terms(&self.params, &self.suite, &self.context);
        let protected = place.protected(buf, terms.header_len());
        let mut receiver = Receiver {
            rx: &mut self.rx,
            reorder: self.reorder,
            resync: sure.then_some(&mut self.resync),
            generator: &generate,
        };
        let opened = rx::open(&terms, &mut receiver, buf, (place, now))?;
        let flow = opened.head.flow(buf.packet());
        let mut admitted =
            self.selectors.is_empty() || self.selectors.iter().any(|s| s.admits(&flow));
        if let Some(context) = &self.context {
            admitted &= context.afrg().selector.admits(&flow);
            self.ehc.count(opened.saved);
        }
        if admitted {
            return Ok(opened);
        }
        rx::wipe(buf, protected, terms.context.is_some());
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
