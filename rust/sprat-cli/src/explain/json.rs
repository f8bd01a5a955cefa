//! For programs.

use std::io::Write;

use serde_json::{Map, Value, json};

use super::advice::Advice;
use super::packet::{Explained, Field, Layer, Refused};
use super::rules::{self, Row, Table};
use super::text::stratum_name;
use super::{Report, cost};
use crate::fail::Fail;
use crate::hex;
use crate::overhead::field::Layout;

/// Writes one object in one line.
pub fn print(out: &mut impl Write, report: &Report<'_>) -> Result<(), Fail> {
    let tables = rules::tables(report.context, report.cipher.block);
    let diet = cost::compressed(report.context, report.cipher, report.traffic);
    let plain = cost::plain(report.context, report.cipher, report.traffic);
    let mut all = json!({
        "sa": report.sa.name,
        "spi": report.sa.params.spi.to_string(),
        "profile": report.context.afrg().profile.name(),
        "rules": tables.iter().map(table).collect::<Vec<_>>(),
        "cost": {
            "protocol": report.traffic.protocol,
            "payload": report.traffic.payload,
            "diet_esp": fields(&diet),
            "esp": fields(&plain),
        },
        "advice": report.advices.each.iter().map(advice).collect::<Vec<_>>(),
        "octets_with_all_advice": report.advices.together,
    });
    if let (Some(all), Some(told)) = (all.as_object_mut(), &report.packet) {
        all.insert("packet".to_owned(), packet(told));
    }
    writeln!(out, "{all}")?;
    Ok(())
}

fn table(table: &Table) -> Value {
    json!({
        "stratum": stratum_name(table.stratum),
        "header": table.title,
        "fields": table.rows.iter().map(row).collect::<Vec<_>>(),
        "sum": table.sum,
    })
}

fn row(row: &Row) -> Value {
    json!({
        "fid": row.fid.name(),
        "fl": row.bits,
        "tv": row.tv,
        "mo": row.mo,
        "cda": row.cda,
        "bits": row.sent,
    })
}

fn fields(layout: &Layout) -> Value {
    let terms: Map<String, Value> = layout
        .fields
        .iter()
        .filter(|field| field.octets > 0)
        .map(|field| (field.name.to_string(), json!(field.octets)))
        .collect();
    json!({ "octets": layout.octets(), "fields": terms })
}

fn advice(advice: &Advice) -> Value {
    json!({
        "change": advice.change,
        "octets": advice.octets,
        "mean": advice.mean(),
        "least": advice.range.0,
        "most": advice.range.1,
        "bits": advice.bits,
        "apart": advice.apart,
    })
}

fn packet(told: &Result<Explained, Refused>) -> Value {
    let explained = match told {
        Ok(explained) => explained,
        Err(Refused::By(reason)) => {
            return json!({ "refused": reason.counter(), "text": reason.text() });
        }
        Err(Refused::Words(words)) => return json!({ "refused": words }),
    };
    json!({
        "sn": explained.sn,
        "inner": hex::encode(&explained.inner),
        "layers": explained.layers.iter().map(layer).collect::<Vec<_>>(),
        "esp": hex::encode(&explained.esp),
        "octets": explained.esp.len(),
        "plain_octets": explained.plain,
    })
}

fn layer(layer: &Layer) -> Value {
    let octets: Map<String, Value> = layer
        .octets
        .iter()
        .map(|(name, octets)| (name.clone(), json!(hex::encode(octets))))
        .collect();
    json!({
        "layer": layer.name,
        "fields": layer.fields.iter().map(field).collect::<Vec<_>>(),
        "octets": octets,
    })
}

fn field(field: &Field) -> Value {
    json!({
        "fid": field.fid.name(),
        "value": field.value,
        "fl": field.bits,
        "bits": field.sent,
        "how": field.how,
    })
}
