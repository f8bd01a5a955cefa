//! The tables as JSON.

use std::io::Write;

use serde_json::{Map, Value, json};

use super::esp::IV;
use super::field::Layout;
use super::protocol::{self, Protocol};
use super::radio::RADIOS;
use super::{ASSUMPTIONS, Question};
use crate::fail::Fail;

/// Writes one object.
pub fn print(out: &mut impl Write, question: &Question) -> Result<(), Fail> {
    let messages: Vec<Value> = question
        .messages
        .iter()
        .map(|&octets| message(question, octets))
        .collect();
    let all = json!({
        "diet_esp": question.diet.esp.words(),
        "packet": packet(question),
        "messages": messages,
        "frame_payload": RADIOS.iter().map(|radio| (radio.name.to_owned(), json!(radio.payload)))
            .collect::<Map<_, _>>(),
        "assumptions": ASSUMPTIONS,
    });
    writeln!(out, "{all}")?;
    Ok(())
}

/// What a packet grows by, for payload lengths 0 to 7 modulo 8.
fn packet(question: &Question) -> Value {
    let esp = [
        ("ESP", question.plain(0)),
        ("ESP, explicit IV", question.plain(IV)),
        ("Diet-ESP, all elided", question.least(0)),
        ("Diet-ESP, all elided, explicit IV", question.least(IV)),
        ("Diet-ESP, as asked", question.diet.esp),
    ];
    let mut rows = vec![json!({
        "name": "DTLS/DICE",
        "overhead": [fields(&protocol::dtls12_header().then(protocol::tag()))],
    })];
    rows.extend(esp.iter().map(|(name, esp)| {
        let by_length: Vec<Value> = (0..8).map(|len| fields(&esp.overhead(len))).collect();
        json!({ "name": name, "overhead": by_length })
    }));
    Value::Array(rows)
}

fn message(question: &Question, octets: usize) -> Value {
    let rows: Vec<Value> = question
        .protocols()
        .iter()
        .map(|protocol| row(protocol, octets))
        .collect();
    json!({ "octets": octets, "protocols": rows })
}

fn row(protocol: &Protocol, octets: usize) -> Value {
    let layout = protocol.layout(octets);
    let frames: Map<String, Value> = RADIOS
        .iter()
        .map(|radio| (radio.name.to_owned(), json!(radio.frames(layout.octets()))))
        .collect();
    json!({
        "name": protocol.name(),
        "octets": layout.octets(),
        "added": protocol.added(octets),
        "fields": fields(&layout)["fields"],
        "frames": frames,
    })
}

fn fields(layout: &Layout) -> Value {
    let fields: Vec<Value> = layout
        .fields
        .iter()
        .filter(|field| field.octets > 0)
        .map(|field| json!([field.name, field.octets]))
        .collect();
    json!({ "octets": layout.octets(), "fields": fields })
}
