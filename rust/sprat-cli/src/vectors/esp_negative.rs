//! Kind `esp-negative`: what a receiver does with a packet, and what it counts.

use sprat_core::buf::PacketBuf;
use sprat_core::error::{AuditLevel, DropReason};
use sprat_core::esp::{InboundSa, Place};
use sprat_core::ipsec::{Ipsec, Outcome, Verdict};
use sprat_core::num::Sn64;
use sprat_core::time::Instant;
use sprat_core::wire::ip::Head;
use sprat_core::wire::udp;

use super::Kind;
use super::case::{self, Case};

pub const KIND: Kind = Kind {
    name: "esp-negative",
    lists: &[("vectors", run)],
};

const WINDOW: u16 = 64;

/// A receiver with one SA.
struct Receiver {
    ipsec: Ipsec,
    sa: u32,
}

impl Receiver {
    fn receive(&mut self, packet: &[u8]) -> Result<(Outcome, Vec<u8>), String> {
        let mut data = packet.to_vec();
        let mut buf = PacketBuf::new(&mut data, 0, packet.len()).ok_or("no room")?;
        let outcome = self.ipsec.inbound(&mut buf, Instant(0));
        Ok((outcome, buf.packet().to_vec()))
    }

    /// How often a reason was counted, wherever it is counted.
    fn counted(&self, reason: DropReason) -> u64 {
        let of_sa = self
            .ipsec
            .sa(self.sa)
            .map_or(0, |(_, sa)| sa.drops().of(reason));
        of_sa + self.ipsec.drops().of(reason)
    }
}

fn run(case: &mut Case<'_>) -> Result<(), String> {
    let members = case.members();
    let packet = members.hex("packet")?;
    let mut receiver = receiver(case, &packet)?;
    let (outcome, left) = receiver.receive(&packet)?;
    let expect = members.text("expect")?;
    if expect != "drop" && members.get("event").is_some() {
        case.fail("event", "null", "a value beside another verdict than drop");
    }
    match expect {
        "accept" => {
            verdict(case, "deliver", Verdict::Deliver, &outcome);
            let own = Head::parse(&left).map_or(0, |head| head.total_len);
            case.same("octets delivered, TFC cut", own, left.len());
        }
        "drop" => dropped(case, &receiver, &outcome, members.text("event")?)?,
        "discard-silently" => {
            refused(case, "dummy", &[DropReason::Dummy], &outcome);
            let (again, _) = receiver.receive(&packet)?;
            refused(case, "a repeated dummy", &[DropReason::Replay], &again);
        }
        "keepalive" => verdict(case, "keepalive", Verdict::Keepalive, &outcome),
        "ike" => {
            verdict(case, "ike", Verdict::Ike, &outcome);
            case.octets("IKE message", ike_message(&packet)?, &left);
        }
        other => return Err(format!("unknown expect {other:?}")),
    }
    Ok(())
}

/// A receiver whose window is fresh and whose high half is `seq_hi`.
fn receiver(case: &mut Case<'_>, packet: &[u8]) -> Result<Receiver, String> {
    let mut sa = case::read_sa(case)?;
    let high = case::seq_hi(case.members(), sa.params.esn)?;
    let low = received_number(packet).unwrap_or(1);
    let sn = Sn64::from_halves(high, low);
    // With anti-replay on, number 0 would be refused for itself.
    sa.params.replay_window = if sn.0 == 0 { 0 } else { WINDOW };
    let mut inbound = InboundSa::new(sa.params, sa.suite, Vec::new(), Instant(0))
        .map_err(|error| error.to_string())?;
    inbound.start_at(Sn64(sn.0.saturating_sub(1)));
    let mut ipsec = Ipsec::new();
    let sa = ipsec.add_inbound("vector", inbound).ok_or("SA not added")?;
    Ok(Receiver { ipsec, sa })
}

fn received_number(packet: &[u8]) -> Option<u32> {
    let head = Head::parse(packet).ok()?;
    let place = Place::find(packet, &head).ok()?;
    place.numbers(packet).ok().map(|(_, low)| low)
}

fn verdict(case: &mut Case<'_>, name: &str, expected: Verdict, outcome: &Outcome) {
    if outcome.verdict != expected {
        case.fail("verdict", name, &told(outcome));
    }
}

fn told(outcome: &Outcome) -> String {
    match outcome.reason {
        Some(reason) => reason.to_string(),
        None => format!("{:?}", outcome.verdict),
    }
}

fn refused(case: &mut Case<'_>, name: &str, reasons: &[DropReason], outcome: &Outcome) {
    let right = outcome
        .reason
        .is_some_and(|reason| reasons.contains(&reason));
    if outcome.verdict != Verdict::Drop || !right {
        case.fail("event", name, &told(outcome));
    }
}

/// The reasons an event stands for: the counter of the same name, or either of two.
fn reasons_of(event: &str) -> Result<Vec<DropReason>, String> {
    if event == "malformed-or-integrity" {
        return Ok(vec![DropReason::Malformed, DropReason::Integrity]);
    }
    let named = DropReason::ALL
        .iter()
        .filter(|reason| reason.counter() == event);
    let reasons: Vec<DropReason> = named.copied().collect();
    if reasons.is_empty() {
        return Err(format!("unknown event {event:?}"));
    }
    Ok(reasons)
}

/// Nothing delivered, counted once, audited.
fn dropped(
    case: &mut Case<'_>,
    receiver: &Receiver,
    outcome: &Outcome,
    event: &str,
) -> Result<(), String> {
    let reasons = reasons_of(event)?;
    refused(case, event, &reasons, outcome);
    let counted: u64 = reasons.iter().map(|reason| receiver.counted(*reason)).sum();
    case.same("times counted", 1, counted);
    if reasons
        .iter()
        .any(|reason| reason.audit() != AuditLevel::Audit)
    {
        case.fail("audit", "an auditable event", event);
    }
    Ok(())
}

/// What stands behind the non-ESP marker.
fn ike_message(packet: &[u8]) -> Result<&[u8], String> {
    let head = Head::parse(packet).map_err(|error| format!("{error:?}"))?;
    let at = head.upper_at + udp::LEN + udp::MARKER_LEN;
    packet
        .get(at..head.total_len)
        .ok_or_else(|| "no IKE message".to_owned())
}
