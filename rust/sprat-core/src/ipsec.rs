//! The IPsec boundary of a host or gateway (RFC 4301 s3.1): an SPD and a SAD,
//! and what happens to a packet that crosses it.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

use crate::buf::{PacketBuf, Short};
use crate::diet_esp::{Context, OuterFields};
use crate::error::{DropCounters, DropReason};
use crate::esp::{
    EhcStats, HEADER_LEN, InboundSa, Opened, OutboundSa, Place, Resync, SealArgs, SealError,
};
use crate::num::{Sn64, Spi};
use crate::sa::{Mode, Usage};
use crate::sad::{Candidates, Sad, Shown};
use crate::spd::{Action, Direction, Policy, Spd};
use crate::time::Instant;
use crate::wire::icmp::TooBig;
use crate::wire::ip::{Fragment, Head, Version, proto};
use crate::wire::u32_at;
use crate::wire::udp::{self, Encapsulated};

/// A path MTU learned from the network is believed this long (RFC 1191 s6.3).
const PATH_MTU_SECONDS: u64 = 600;
/// Least path MTU that is believed (RFC 4301 s8.2.1; RFC 791, RFC 8200).
const LEAST_MTU_V4: u32 = 576;
const LEAST_MTU_V6: u32 = 1280;

/// What is to be done with the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Verdict {
    /// Drop it; the reason is beside.
    #[default]
    Drop = 0,
    /// Inbound: hand the packet in the buffer on.
    Deliver = 1,
    /// Outbound: send the packet in the buffer.
    Forward = 2,
    /// Let the unchanged packet pass in the clear.
    Bypass = 3,
    /// An IKE message stands in the buffer, without the non-ESP marker.
    Ike = 4,
    /// A NAT keepalive: nothing to do.
    Keepalive = 5,
}

/// Everything a caller or an audit record wants to know about one packet
/// (RFC 4303 s3.4: SPI, time, addresses, sequence number, flow label).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What to do.
    pub verdict: Verdict,
    /// Why it is dropped.
    pub reason: Option<DropReason>,
    /// Number of the SA in the SAD.
    pub sa: Option<u32>,
    /// SPI, 0 if the packet met no SA and showed none.
    pub spi: u32,
    /// Full sequence number; of a refused packet the low half as received.
    pub sn: u64,
    /// Source address of the outer (else the only) header.
    pub source: Option<IpAddr>,
    /// Destination address of the outer (else the only) header.
    pub destination: Option<IpAddr>,
    /// Flow label of that header; 0 in IPv4.
    pub flow_label: u32,
    /// Sealing: octets in front of the ESP header.
    pub esp_offset: usize,
    /// UDP source and destination port around ESP, 0 without UDP.
    pub udp_ports: (u16, u16),
    /// Reason `TooBig`: largest packet that would pass, octets.
    pub mtu: usize,
    /// A soft lifetime of the SA is reached.
    pub soft_expired: bool,
    /// Less than a quarter of the reserved sequence numbers is left.
    pub reserve_soon: bool,
    /// Sealing: not 0 if the packet must go out in fragments of at most this
    /// many octets.
    pub fragment_to: usize,
    /// The SA of the policy has refused and counted the packet, since it does not
    /// fit its rules; `sa` and all else are of its fallback.
    pub fell_back: bool,
}

impl Outcome {
    fn seen(head: &Head) -> Self {
        Outcome {
            source: Some(head.source),
            destination: Some(head.destination),
            flow_label: head.flow_label,
            ..Outcome::default()
        }
    }

    fn dropped(mut self, reason: DropReason) -> Self {
        self.verdict = Verdict::Drop;
        self.reason = Some(reason);
        self
    }

    fn passed(mut self, verdict: Verdict) -> Self {
        self.verdict = verdict;
        self
    }
}

/// The facts of an outer header that a socket has taken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OuterFacts {
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// TOS or Traffic Class.
    pub traffic_class: u8,
    /// UDP source and destination port if it came in UDP.
    pub udp_ports: Option<(u16, u16)>,
    /// What Diet-ESP takes from the outer header; without it an SA that compresses
    /// inner headers refuses with `Unsupported`.
    pub outer: Option<OuterFields>,
}

/// One SA in the SAD.
pub enum Sa {
    /// It sends.
    Outbound(OutboundSa),
    /// It receives.
    Inbound(InboundSa),
}

impl Sa {
    /// Its SPI.
    pub fn spi(&self) -> Spi {
        match self {
            Sa::Outbound(sa) => sa.params().spi,
            Sa::Inbound(sa) => sa.params().spi,
        }
    }

    /// What it has carried.
    pub fn usage(&self) -> Usage {
        match self {
            Sa::Outbound(sa) => sa.usage(),
            Sa::Inbound(sa) => sa.usage(),
        }
    }

    /// What it has refused, by reason.
    pub fn drops(&self) -> &DropCounters {
        match self {
            Sa::Outbound(sa) => sa.drops(),
            Sa::Inbound(sa) => sa.drops(),
        }
    }

    /// The context of Diet-ESP, if it has one.
    pub fn context(&self) -> Option<&Context> {
        match self {
            Sa::Outbound(sa) => sa.context(),
            Sa::Inbound(sa) => sa.context(),
        }
    }

    /// What Diet-ESP has done for it.
    pub fn ehc_stats(&self) -> EhcStats {
        match self {
            Sa::Outbound(sa) => sa.ehc_stats(),
            Sa::Inbound(sa) => sa.ehc_stats(),
        }
    }

    /// What of its SPI its packets show.
    fn shown(&self) -> Shown {
        Shown {
            spi: self.spi(),
            lsb: self.context().map(|context| context.afrg().esp_spi_lsb),
        }
    }

    /// Highest number sent, or verified.
    pub fn last_sn(&self) -> Sn64 {
        match self {
            Sa::Outbound(sa) => sa.last_sn(),
            Sa::Inbound(sa) => sa.top_sn(),
        }
    }
}

struct Entry {
    name: String,
    sa: Sa,
    /// When the network told a path MTU that is believed still.
    learned: Option<Instant>,
    /// The MTU of the configuration, to return to.
    set_mtu: u16,
    /// The plain SA for packets that do not fit the rules of this one.
    fallback: Option<u32>,
}

/// SPD and SAD together. One owner at a time; counters are exact.
#[derive(Default)]
pub struct Ipsec {
    sas: Vec<Option<Entry>>,
    inbound: Sad,
    spd: Spd,
    /// UDP ports on which ESP is expected (RFC 3948), each with the SA that
    /// brought it, if one did.
    udp_ports: Vec<(u16, Option<u32>)>,
    /// Packets that met no SA, by reason.
    drops: DropCounters,
    trials: Trials,
}

/// ICV checks of packets whose compressed SPI fits several SAs.
struct Trials {
    /// Most for one packet, the first included.
    per_packet: u8,
    /// The others, bounded in each second.
    further: Resync,
}

impl Trials {
    /// Counts one more check of a packet that had `checks`; an authentic packet
    /// has cost nothing of the limit.
    fn checked(&mut self, checks: &mut u8, (authentic, now): (bool, Instant)) {
        if *checks > 0 {
            self.further.take(now);
        }
        if authentic {
            self.further.give_back((*checks).into());
        }
        *checks += 1;
    }
}

impl Default for Trials {
    fn default() -> Self {
        Trials {
            per_packet: 2,
            further: Resync::new(0, 100),
        }
    }
}

impl Ipsec {
    /// A boundary without SAs and policies: it drops everything.
    pub fn new() -> Self {
        Ipsec::default()
    }

    /// Adds an SA that sends and returns its number, to be named in policies.
    pub fn add_outbound(&mut self, name: &str, sa: OutboundSa) -> Option<u32> {
        let set_mtu = sa.params().path_mtu;
        self.push(Entry {
            name: name.into(),
            sa: Sa::Outbound(sa),
            learned: None,
            set_mtu,
            fallback: None,
        })
    }

    /// Adds an SA that receives and returns its number. `None` if its SPI and
    /// addresses name another SA already.
    pub fn add_inbound(&mut self, name: &str, sa: InboundSa) -> Option<u32> {
        let number = u32::try_from(self.sas.len()).ok()?;
        let params = *sa.params();
        let sa = Sa::Inbound(sa);
        if !self.inbound.insert(sa.shown(), params.lookup, number) {
            return None;
        }
        if let Some(encap) = params.udp_encap {
            self.udp_ports.push((encap.destination_port, Some(number)));
        }
        self.push(Entry {
            name: name.into(),
            sa,
            learned: None,
            set_mtu: 0,
            fallback: None,
        })
    }

    fn push(&mut self, entry: Entry) -> Option<u32> {
        let number = u32::try_from(self.sas.len()).ok()?;
        self.sas.push(Some(entry));
        Some(number)
    }

    /// Takes an SA out; its number is not given again. Packets that meet it
    /// afterwards are `NoSa` or `NoOutboundSa`.
    pub fn remove(&mut self, number: u32) -> Option<Sa> {
        let entry = self.slot(number)?.take()?;
        self.inbound.remove(entry.sa.shown(), number);
        self.udp_ports.retain(|(_, owner)| *owner != Some(number));
        Some(entry.sa)
    }

    /// Adds an SPD entry behind all others.
    pub fn add_policy(&mut self, policy: Policy) {
        self.spd.push(policy);
    }

    /// From now on what does not fit the rules of the SA `compressed` is sealed by
    /// `plain` (digest section 11). False unless both send, the first with Diet-ESP
    /// and the second without.
    pub fn set_fallback(&mut self, compressed: u32, plain: u32) -> bool {
        let sends = |sa: Option<(&str, &Sa)>, with: bool| matches!(sa, Some((_, Sa::Outbound(sa))) if sa.context().is_some() == with);
        if !sends(self.sa(compressed), true) || !sends(self.sa(plain), false) {
            return false;
        }
        match self.slot(compressed).and_then(Option::as_mut) {
            Some(entry) => entry.fallback = Some(plain),
            None => return false,
        }
        true
    }

    /// How many ICV checks a packet is worth whose compressed SPI fits several SAs,
    /// 1 to 8, and how many beyond the first of each there may be in a second.
    /// Without this call 2 and 100.
    pub fn set_icv_trials(&mut self, per_packet: u8, per_second: u16) {
        self.trials.per_packet = per_packet.clamp(1, 8);
        self.trials.further.per_second = per_second;
    }

    /// ICV checks beyond the first of a packet that were made because its
    /// compressed SPI fits several SAs.
    pub fn icv_trials(&self) -> u64 {
        self.trials.further.trials
    }

    /// An SPI for an inbound SA to be added; see [`Sad::allocate`].
    pub fn allocate_spi(&self, lsb: Option<u8>, udp: bool, random: u32) -> Option<Spi> {
        self.inbound.allocate(lsb, udp, random)
    }

    /// Expects ESP in UDP to this destination port; the ports of inbound SAs
    /// are known already.
    pub fn listen_udp(&mut self, port: u16) {
        self.udp_ports.push((port, None));
    }

    fn expects_udp(&self, port: u16) -> bool {
        self.udp_ports.iter().any(|(known, _)| *known == port)
    }

    /// How many numbers have been given to SAs.
    pub fn sa_count(&self) -> usize {
        self.sas.len()
    }

    /// The SA with this number, and its name.
    pub fn sa(&self, number: u32) -> Option<(&str, &Sa)> {
        let entry = self.sas.get(usize::try_from(number).ok()?)?.as_ref()?;
        Some((&entry.name, &entry.sa))
    }

    /// The SA with this number, to be changed.
    pub fn sa_mut(&mut self, number: u32) -> Option<&mut Sa> {
        Some(&mut self.slot(number)?.as_mut()?.sa)
    }

    fn slot(&mut self, number: u32) -> Option<&mut Option<Entry>> {
        self.sas.get_mut(usize::try_from(number).ok()?)
    }

    /// Packets that met no SA, by reason.
    pub fn drops(&self) -> &DropCounters {
        &self.drops
    }

    fn refuse(&mut self, outcome: Outcome, reason: DropReason) -> Outcome {
        self.drops.count(reason);
        outcome.dropped(reason)
    }

    /// A packet leaves: SPD, then the SA it names (RFC 4301 s5.1).
    ///
    /// `Short` changes nothing and counts nothing: call again with that room.
    pub fn outbound(
        &mut self,
        buf: &mut PacketBuf<'_>,
        args: &SealArgs<'_>,
    ) -> Result<Outcome, Short> {
        let Ok(head) = Head::parse(buf.packet()) else {
            return Ok(self.refuse(Outcome::default(), DropReason::NotIp));
        };
        let outcome = Outcome::seen(&head);
        let flow = head.flow(buf.packet());
        Ok(match self.spd.classify(Direction::Out, &flow) {
            Err(reason) => self.refuse(outcome, reason),
            Ok(Action::Bypass) => outcome.passed(Verdict::Bypass),
            Ok(Action::Discard) => self.refuse(outcome, DropReason::Policy),
            Ok(Action::Protect(number)) => {
                return self.protect_or_fall_back(buf, args, (outcome, number));
            }
        })
    }

    fn protect_or_fall_back(
        &mut self,
        buf: &mut PacketBuf<'_>,
        args: &SealArgs<'_>,
        (outcome, number): (Outcome, Option<u32>),
    ) -> Result<Outcome, Short> {
        let protected = self.protect(buf, args, (outcome, number))?;
        let Some(reason) = protected.reason.filter(|reason| reason.is_misfit()) else {
            return Ok(protected);
        };
        let slot = number.and_then(|n| self.slot(n)).and_then(Option::as_mut);
        let Some(plain) = slot.and_then(|entry| entry.fallback) else {
            return Ok(protected);
        };
        let sealed = self.protect(buf, args, (outcome, Some(plain)));
        let comes_again = match &sealed {
            Ok(outcome) => outcome.reason == Some(DropReason::SnUnreserved),
            Err(_) => true,
        };
        let slot = number.and_then(|n| self.slot(n)).and_then(Option::as_mut);
        if let Some(Sa::Outbound(sa)) = slot.map(|entry| &mut entry.sa)
            && comes_again
        {
            sa.take_back(reason);
        }
        Ok(Outcome {
            fell_back: !comes_again,
            ..sealed?
        })
    }

    fn protect(
        &mut self,
        buf: &mut PacketBuf<'_>,
        args: &SealArgs<'_>,
        (mut outcome, number): (Outcome, Option<u32>),
    ) -> Result<Outcome, Short> {
        let slot = number.and_then(|n| self.slot(n)).and_then(Option::as_mut);
        let Some(Entry {
            sa: Sa::Outbound(sa),
            learned,
            set_mtu,
            ..
        }) = slot
        else {
            return Ok(self.refuse(outcome, DropReason::NoOutboundSa));
        };
        if learned.is_some_and(|at| args.now.seconds_since(at) >= PATH_MTU_SECONDS) {
            *learned = None;
            sa.set_path_mtu(*set_mtu);
        }
        outcome.sa = number;
        outcome.spi = sa.params().spi.0;
        if let Mode::Tunnel(tunnel) = sa.params().mode {
            outcome.source = Some(tunnel.source);
            outcome.destination = Some(tunnel.destination);
            outcome.flow_label = tunnel.flow_label;
        }
        if let Some(encap) = sa.params().udp_encap {
            outcome.udp_ports = (encap.source_port, encap.destination_port);
        }
        Ok(match sa.seal(buf, args) {
            Ok(sealed) => Outcome {
                sn: sealed.sn.0,
                esp_offset: sealed.esp_offset,
                soft_expired: sealed.soft_expired,
                reserve_soon: sealed.reserve_soon,
                fragment_to: sealed.fragment_to,
                ..outcome.passed(Verdict::Forward)
            },
            Err(SealError::Short(short)) => return Err(short),
            Err(SealError::Dropped(reason)) => outcome.dropped(reason),
            Err(SealError::TooBig { mtu }) => Outcome {
                mtu,
                ..outcome.dropped(DropReason::TooBig)
            },
        })
    }

    /// A whole IP packet arrives: ESP raw or in UDP, else the SPD (RFC 4301 s5.2).
    pub fn inbound(&mut self, buf: &mut PacketBuf<'_>, now: Instant) -> Outcome {
        let Ok(head) = Head::parse(buf.packet()) else {
            return self.refuse(Outcome::default(), DropReason::NotIp);
        };
        let outcome = Outcome::seen(&head);
        let flow = head.flow(buf.packet());
        let encap =
            flow.protocol == proto::UDP && flow.ports.is_some_and(|(_, to)| self.expects_udp(to));
        if flow.protocol == proto::UDP
            && head.fragment == Fragment::Later
            && !self.udp_ports.is_empty()
        {
            // It may be a part of ESP in UDP: reassembly comes before all else.
            return self.refuse(outcome, DropReason::Fragment);
        }
        if head.protocol != proto::ESP && !encap {
            return self.in_the_clear(outcome, &flow);
        }
        match Place::find(buf.packet(), &head) {
            Err(reason) => self.refuse(outcome, reason),
            Ok(place) if encap => {
                let ports = flow.ports.unwrap_or_default();
                self.udp_payload(
                    buf,
                    (&place, now),
                    Outcome {
                        udp_ports: ports,
                        ..outcome
                    },
                )
            }
            Ok(place) => self.open(buf, (&place, now), outcome),
        }
    }

    /// What a socket gives without the outer header: ESP, or a UDP payload.
    /// Tunnel mode only: transport mode cannot be restored (`Malformed`).
    pub fn inbound_esp(
        &mut self,
        buf: &mut PacketBuf<'_>,
        facts: &OuterFacts,
        now: Instant,
    ) -> Outcome {
        let place = Place::bare(buf.len(), facts.traffic_class, facts.outer);
        let v6 = facts.outer.filter(|outer| outer.version == Version::V6);
        let outcome = Outcome {
            source: Some(facts.source),
            destination: Some(facts.destination),
            flow_label: v6.map_or(0, |outer| outer.flow),
            udp_ports: facts.udp_ports.unwrap_or_default(),
            ..Outcome::default()
        };
        match facts.udp_ports {
            Some(_) => self.udp_payload(buf, (&place, now), outcome),
            None => self.open(buf, (&place, now), outcome),
        }
    }

    fn in_the_clear(&mut self, outcome: Outcome, flow: &crate::selector::Flow) -> Outcome {
        match self.spd.classify(Direction::In, flow) {
            Err(reason) => self.refuse(outcome, reason),
            Ok(Action::Bypass) => outcome.passed(Verdict::Bypass),
            Ok(Action::Discard) => self.refuse(outcome, DropReason::Policy),
            Ok(Action::Protect(_)) => self.refuse(outcome, DropReason::Unprotected),
        }
    }

    /// RFC 3948 s2: keepalive, IKE behind its marker, or ESP.
    fn udp_payload(
        &mut self,
        buf: &mut PacketBuf<'_>,
        (place, now): (&Place, Instant),
        outcome: Outcome,
    ) -> Outcome {
        let payload = buf.packet().get(place.esp_at..place.end).unwrap_or(&[]);
        match Encapsulated::classify(payload) {
            Encapsulated::Keepalive => outcome.passed(Verdict::Keepalive),
            Encapsulated::Short => self.refuse(outcome, DropReason::Malformed),
            Encapsulated::Esp => self.open(buf, (place, now), outcome),
            Encapsulated::Ike => {
                buf.truncate(place.end);
                buf.trim_head(place.esp_at + udp::MARKER_LEN);
                outcome.passed(Verdict::Ike)
            }
        }
    }

    fn open(
        &mut self,
        buf: &mut PacketBuf<'_>,
        (place, now): (&Place, Instant),
        mut outcome: Outcome,
    ) -> Outcome {
        let (Some(source), Some(destination)) = (outcome.source, outcome.destination) else {
            return self.refuse(outcome, DropReason::Internal);
        };
        let number = if self.inbound.is_plain() {
            let (spi, low) = match place.numbers(buf.packet()) {
                Ok(numbers) => numbers,
                Err(reason) => return self.refuse(outcome, reason),
            };
            outcome.spi = spi.0;
            outcome.sn = u64::from(low);
            self.inbound.find(spi, destination, source)
        } else {
            let esp = place.esp(buf.packet());
            let found = self.inbound.candidates(esp, destination, source);
            let mut values = found.values();
            if values.len() > 1 {
                return self.open_one_of(buf, (place, now), (outcome, &found));
            }
            values.next()
        };
        let Some((sa, shown)) = number.and_then(|number| self.inbound_sa(number, buf, place))
        else {
            return self.refuse(outcome, DropReason::NoSa);
        };
        outcome.sa = number;
        (outcome.spi, outcome.sn) = shown;
        delivered(outcome, sa.open_at(buf, place, now))
    }

    /// The SA with this number, its SPI, and the number that the packet shows.
    fn inbound_sa(
        &mut self,
        number: u32,
        buf: &PacketBuf<'_>,
        place: &Place,
    ) -> Option<(&mut InboundSa, (u32, u64))> {
        let Some(Entry {
            sa: Sa::Inbound(sa),
            ..
        }) = self.slot(number)?.as_mut()
        else {
            return None;
        };
        let low = match sa.context() {
            Some(context) => context.received_sn(place.esp(buf.packet())),
            None => place.numbers(buf.packet()).ok().map(|(_, low)| low),
        };
        let shown = (sa.params().spi.0, u64::from(low.unwrap_or(0)));
        Some((sa, shown))
    }

    /// Several SAs show these SPI bits: their ICVs decide, within limits.
    fn open_one_of(
        &mut self,
        buf: &mut PacketBuf<'_>,
        (place, now): (&Place, Instant),
        (mut outcome, candidates): (Outcome, &Candidates),
    ) -> Outcome {
        let mut refused = None;
        let mut checks = 0;
        for number in candidates.values() {
            if checks == self.trials.per_packet {
                break;
            }
            if checks > 0 && !self.trials.further.is_left(now) {
                return self.refuse(outcome, DropReason::IcvTrials);
            }
            let Some((sa, shown)) = self.inbound_sa(number, buf, place) else {
                continue;
            };
            let tried = sa.try_at(buf, place, now);
            // Before the ICV nothing tells whose packet it is.
            if let Err(reason) = tried
                && before_icv(reason)
            {
                refused = refused.or(Some(reason));
                continue;
            }
            let authentic = tried != Err(DropReason::Integrity);
            if let (true, Err(reason)) = (authentic, tried) {
                sa.count(reason);
            }
            self.trials.checked(&mut checks, (authentic, now));
            if authentic {
                outcome.sa = Some(number);
                (outcome.spi, outcome.sn) = shown;
                return delivered(outcome, tried);
            }
            refused = Some(DropReason::Integrity);
        }
        self.refuse(outcome, refused.unwrap_or(DropReason::NoSa))
    }

    /// A "too big" error from the network about a packet of ours: the path MTU
    /// of the SA it quotes goes down for ten minutes, never below 576 (IPv4) or
    /// 1280 octets (RFC 4301 s8.2). Nothing in such a message is authentic: it
    /// must at least quote the SPI and, where the SA has them, UDP ports and
    /// tunnel ends.
    ///
    /// Returns the number of the SA, or `None`: not such a message, or no SA of
    /// ours.
    pub fn icmp_error(&mut self, packet: &[u8], now: Instant) -> Option<u32> {
        let told = TooBig::parse(packet).ok()?;
        let least = if told.destination.is_ipv4() {
            LEAST_MTU_V4
        } else {
            LEAST_MTU_V6
        };
        let mtu = u16::try_from(told.mtu.max(least)).ok()?;
        let mut found = None;
        for (number, entry) in self.sas.iter_mut().enumerate() {
            let Some(Entry {
                sa: Sa::Outbound(sa),
                learned,
                ..
            }) = entry
            else {
                continue;
            };
            let known = sa.params().path_mtu;
            if quotes(&told, sa) && (known == 0 || mtu < known) {
                sa.set_path_mtu(mtu);
                *learned = Some(now);
                found = u32::try_from(number).ok();
            }
        }
        found
    }

    /// Largest packet that a tunnel SA takes on its path, if a limit is known.
    pub fn inner_mtu(&self, number: u32, limit: usize) -> Option<usize> {
        match self.sa(number)? {
            (_, Sa::Outbound(sa)) => crate::esp::tx::tunnel_mtu(&sa.terms(), limit),
            _ => None,
        }
    }
}

/// Refusals in front of the ICV check, by which nothing is known of the sender.
fn before_icv(reason: DropReason) -> bool {
    use DropReason as Reason;
    matches!(
        reason,
        Reason::Malformed
            | Reason::InvalidZero
            | Reason::TooOld
            | Reason::Replay
            | Reason::SnExhausted
            | Reason::LifetimePackets
            | Reason::LifetimeOctets
            | Reason::LifetimeSeconds
            | Reason::NoRoom
            | Reason::Unsupported
    )
}

fn delivered(outcome: Outcome, opened: Result<Opened, DropReason>) -> Outcome {
    match opened {
        Ok(Opened {
            sn, soft_expired, ..
        }) => Outcome {
            sn: sn.0,
            soft_expired,
            ..outcome.passed(Verdict::Deliver)
        },
        Err(reason) => outcome.dropped(reason),
    }
}

/// Whether an ICMP error quotes a packet that this SA sent.
fn quotes(told: &TooBig<'_>, sa: &OutboundSa) -> bool {
    let params = sa.params();
    if let Mode::Tunnel(tunnel) = params.mode
        && (told.source, told.destination) != (tunnel.source, tunnel.destination)
    {
        return false;
    }
    let spi_at = match params.udp_encap {
        None if told.protocol == proto::ESP => 0,
        Some(encap) if told.protocol == proto::UDP => {
            let ports = u32_at(told.upper, 0).ok();
            let sent = u32::from(encap.source_port) << 16 | u32::from(encap.destination_port);
            if ports != Some(sent) {
                return false;
            }
            udp::LEN
        }
        _ => return false,
    };
    // The SPI is all that a stranger would have to guess: without it (an old
    // IPv4 router quotes 8 octets, in UDP too few) the message is not believed.
    // Of a compressed one there is less to guess.
    match sa.context() {
        Some(context) if context.afrg().hardened && context.afrg().esp_spi_lsb < 32 => false,
        Some(context) => {
            context.shows_spi(told.upper.get(spi_at..).unwrap_or(&[])) && is_between(told, sa)
        }
        None => u32_at(told.upper, spi_at).is_ok_and(|spi| spi == params.spi.0),
    }
}

/// Transport mode: whether the addresses quoted are those of the selector. Few bits
/// of SPI are easily another peer's too.
fn is_between(told: &TooBig<'_>, sa: &OutboundSa) -> bool {
    let (Mode::Transport, Some(context)) = (sa.params().mode, sa.context()) else {
        return true;
    };
    let selector = &context.afrg().selector;
    selector.source.contains(told.source) && selector.destination.contains(told.destination)
}

/// Room in front that any packet of any SA needs: outer IPv6, UDP, ESP header
/// and the longest IV.
pub const HEAD_ROOM: usize = 40 + udp::LEN + HEADER_LEN + 16;
/// Room behind: padding to 255 octets, trailer and the longest ICV.
pub const TAIL_ROOM: usize = 255 + 2 + 32;
