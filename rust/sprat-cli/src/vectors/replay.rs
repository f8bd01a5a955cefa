//! Kind `replay`: a scenario is one receiver and the steps it goes through.

use sprat_core::num::Sn64;
use sprat_core::replay::{ReplayWindow, words_for};

use super::Kind;
use super::case::{Case, Members};

pub const KIND: Kind = Kind {
    name: "replay",
    lists: &[("scenarios", run)],
};

type Window = ReplayWindow<Vec<u64>>;

fn run(case: &mut Case<'_>) -> Result<(), String> {
    let members = case.members();
    let (width, esn) = (members.number("window")?, members.flag("esn")?);
    let steps = members.list("steps")?;
    if width == 0 || steps.is_empty() {
        return Err("a scenario has a window and steps".to_owned());
    }
    let mut window = ReplayWindow::new(vec![0; words_for(width)], width, esn).ok_or("no window")?;
    window.start_at(Sn64(members.number("start_T")?));
    for (index, step) in steps.iter().enumerate() {
        let told = |what: &str| format!("step {index}: {what}");
        let step = Members::of(step);
        inference(case, &window, step, esn).map_err(|error| told(&error))?;
        let verdict = receive(&mut window, step).map_err(|error| told(&error))?;
        case.same(
            &told("verdict"),
            known_verdict(step.text("verdict")?)?,
            verdict,
        );
        case.same(&told("T"), step.number("T")?, window.top().0);
    }
    Ok(())
}

fn known_verdict(name: &str) -> Result<&str, String> {
    const VERDICTS: [&str; 5] = ["accept", "invalid-zero", "too-old", "replay", "integrity"];
    match VERDICTS.contains(&name) {
        true => Ok(name),
        false => Err(format!("unknown verdict {name:?}")),
    }
}

/// Compares the inferred high half; null stands for none.
fn inference(
    case: &mut Case<'_>,
    window: &Window,
    step: Members<'_>,
    esn: bool,
) -> Result<(), String> {
    let inferred = window.infer(step.number("seq_lo")?).ok().map(Sn64::high);
    let text = |half: Option<u32>| half.map_or("none".to_owned(), |half| half.to_string());
    let expected = match step.get("seq_hi_inferred") {
        Some(_) => Some(step.number("seq_hi_inferred")?),
        None if esn => None,
        None => return Ok(()),
    };
    case.same("inferred high half", text(expected), text(inferred));
    Ok(())
}

/// A receiver's order: infer, check, verify, mark (RFC 4303 s3.4.3).
fn receive(window: &mut Window, step: Members<'_>) -> Result<&'static str, String> {
    let (forged, true_high) = (step.flag("forged")?, step.number::<u32>("seq_hi_true")?);
    let sn = match window.infer(step.number("seq_lo")?) {
        Ok(sn) => sn,
        Err(reason) => return Ok(reason.counter()),
    };
    if let Err(reason) = window.check(sn) {
        return Ok(reason.counter());
    }
    // The ICV covers the true high half: another one does not verify.
    if forged || true_high != sn.high() {
        return Ok("integrity");
    }
    Ok(window
        .mark(sn)
        .map_or_else(|reason| reason.counter(), |()| "accept"))
}
