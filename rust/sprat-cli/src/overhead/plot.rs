//! The picture: SVG by hand, as it is rectangles and words.

use super::esp::IV;
use super::field::{Kind, Layout, arithmetic};
use super::protocol::{self, Oscore, Protocol};
use super::radio::{RADIOS, Radio};
use super::{ASSUMPTIONS, Question};

const WIDTH: f64 = 960.0;
const MARGIN: f64 = 28.0;
/// Where bars begin; names stand to the left of it.
const LEFT: f64 = 216.0;
const BAR: f64 = 24.0;
const BAR_STEP: f64 = 34.0;
const FRAME: f64 = 12.0;
const FRAME_STEP: f64 = 18.0;
/// From one radio to the next.
const COLUMN: f64 = (WIDTH - MARGIN - LEFT) / RADIOS.len() as f64;
/// Of a column, what the longest bar takes; its number follows.
const LONGEST: f64 = COLUMN - 40.0;

/// Fills of bars, and of the words on them, suit both backgrounds.
const STYLE: &str = "\
text { font-family: system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif; font-size: 13px; fill: #1f2328 }
.title { font-size: 20px; font-weight: 600 }
.part { font-size: 15px; font-weight: 600 }
.strong { font-weight: 600 }
.note, .tick { font-size: 12px; fill: #57606a }
.end { text-anchor: end }
.middle { text-anchor: middle }
.paper { fill: #ffffff }
.grid { stroke: #d0d7de; stroke-width: 1 }
.header { fill: #0072b2 }
.iv { fill: #e69f00 }
.trailer { fill: #00795a }
.icv { fill: #cc79a7 }
text.on-header, text.on-trailer { fill: #ffffff }
text.on-iv, text.on-icv { fill: #111111 }
.frame { fill: #8c959f }
.diet { fill: #0072b2 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .note, .tick { fill: #9da7b1 }
  .paper { fill: #0d1117 }
  .grid { stroke: #30363d }
  .frame { fill: #768390 }
  .diet { fill: #3d9bdc }
}
";

/// Draws what a packet grows by, and the frames of messages.
pub fn picture(question: &Question) -> String {
    let mut svg = Svg::default();
    svg.text("title", MARGIN, 40.0, "What security costs on the wire");
    let end = overheads(&mut svg, question, 76.0);
    let end = frames(&mut svg, question, end + 44.0);
    svg.finish(question, end + MARGIN)
}

/// Bars of the octets that a packet grows by; gives where they end.
fn overheads(svg: &mut Svg, question: &Question, top: f64) -> f64 {
    let icv = question.diet.esp.icv;
    let caption = format!(
        "Octets that a packet grows by: AES-CCM, ICV of {icv} octets, payload a multiple of 4"
    );
    svg.text("part", MARGIN, top, &caption);
    legend(svg, top + 26.0);
    let rows = rows(question);
    let most = rows.iter().map(|row| row.layout.octets()).max();
    let axis = Axis::new(most.unwrap_or(1), WIDTH - MARGIN - 40.0 - LEFT, 8);
    let (first, bottom) = (top + 48.0, top + 48.0 + BAR_STEP * rows.len() as f64);
    axis.draw(svg, LEFT, [first - 6.0, bottom]);
    svg.text("tick end", LEFT - 8.0, bottom + 16.0, "octets");
    for (i, row) in rows.iter().enumerate() {
        row.draw(svg, &axis, first + BAR_STEP * i as f64);
    }
    bottom + 20.0
}

fn legend(svg: &mut Svg, y: f64) {
    let entries = [
        (Kind::Header, "header: SPI, SN; record header"),
        (Kind::Iv, "explicit IV or nonce"),
        (Kind::Trailer, "padding and trailer"),
        (Kind::Icv, "ICV or tag"),
    ];
    let mut x = LEFT;
    for (kind, words) in entries {
        svg.rect(class(kind), [x, y - 10.0, 12.0, 12.0]);
        svg.text("note", x + 18.0, y, words);
        // About what a letter takes; there is no font to ask.
        x += 44.0 + 6.4 * words.len() as f64;
    }
}

/// A bar of fields.
struct Row {
    name: &'static str,
    layout: Layout,
    strong: bool,
}

fn rows(question: &Question) -> Vec<Row> {
    let row = |name, layout| Row {
        name,
        layout,
        strong: false,
    };
    let dtls = protocol::dtls12_header().then(protocol::tag());
    vec![
        row("DTLS 1.2, CCM_8 (DICE)", dtls),
        row("ESP, explicit IV", question.plain(IV).overhead(0)),
        row("ESP, implicit IV", question.plain(0).overhead(0)),
        row("Diet-ESP, nothing elided", question.plain(0).overhead(0)),
        Row {
            strong: true,
            ..row("Diet-ESP, as asked", question.diet.esp.overhead(0))
        },
        row("Diet-ESP, all elided", question.least(0).overhead(0)),
    ]
}

impl Row {
    fn draw(&self, svg: &mut Svg, axis: &Axis, y: f64) {
        let sum = arithmetic(std::slice::from_ref(&self.layout));
        svg.open(&format!("{}: {sum} octets", self.name));
        let weight = if self.strong { "end strong" } else { "end" };
        svg.text(weight, LEFT - 8.0, y + 17.0, self.name);
        let mut x = LEFT;
        for (kind, octets) in self.parts() {
            let width = axis.length(octets);
            svg.rect(class(kind), [x, y, width - 1.0, BAR]);
            let words = format!("middle on-{}", class(kind));
            svg.text(&words, x + width / 2.0, y + 17.0, &octets.to_string());
            x += width;
        }
        let total = self.layout.octets().to_string();
        svg.text("strong", x + 6.0, y + 17.0, &total);
        svg.close();
    }

    /// Neighbours of one kind together.
    fn parts(&self) -> Vec<(Kind, usize)> {
        let mut parts: Vec<(Kind, usize)> = Vec::new();
        for field in self.layout.fields.iter().filter(|field| field.octets > 0) {
            match parts.last_mut() {
                Some((kind, octets)) if *kind == field.kind => *octets += field.octets,
                _ => parts.push((field.kind, field.octets)),
            }
        }
        parts
    }
}

fn class(kind: Kind) -> &'static str {
    match kind {
        Kind::Lower | Kind::Message | Kind::Header => "header",
        Kind::Iv => "iv",
        Kind::Trailer => "trailer",
        Kind::Icv => "icv",
    }
}

/// A column a radio, a group of bars a message; gives where they end.
fn frames(svg: &mut Svg, question: &Question, top: f64) -> f64 {
    svg.text(
        "part",
        MARGIN,
        top,
        "Frames for a message over UDP and IPv6",
    );
    for (radio, x) in columns() {
        svg.text("strong", x, top + 26.0, radio.name);
        let carries = format!("{} octets a frame", radio.payload);
        svg.text("note", x, top + 43.0, &carries);
    }
    let protocols = compared(question);
    let axis = Axis::new(most_frames(question, &protocols), LONGEST, 3);
    let group = 34.0 + FRAME_STEP * protocols.len() as f64;
    let first = top + 54.0;
    let bottom = first + group * question.messages.len() as f64;
    for (_, x) in columns() {
        axis.draw(svg, x, [first, bottom]);
    }
    svg.text("tick end", LEFT - 8.0, bottom + 16.0, "frames");
    for (i, &octets) in question.messages.iter().enumerate() {
        let y = first + group * i as f64 + 18.0;
        svg.text("strong", MARGIN, y, &format!("message of {octets} octets"));
        for (i, protocol) in protocols.iter().enumerate() {
            let y = y + 8.0 + FRAME_STEP * i as f64;
            message(svg, &axis, y, (protocol, octets));
        }
    }
    notes(svg, question, bottom + 42.0)
}

fn notes(svg: &mut Svg, question: &Question, mut y: f64) -> f64 {
    let asked = format!("Diet-ESP as asked: {}.", question.diet.esp.words());
    for line in [&asked[..]].into_iter().chain(ASSUMPTIONS) {
        svg.text("note", MARGIN, y, line);
        y += 18.0;
    }
    y - 18.0
}

/// Each radio, and where its bars begin.
fn columns() -> impl Iterator<Item = (Radio, f64)> {
    let begin = |(i, radio)| (radio, LEFT + COLUMN * i as f64);
    RADIOS.into_iter().enumerate().map(begin)
}

/// Those that are drawn: of each protocol the form that costs it least, of ESP
/// and OSCORE the one that compares with Diet-ESP.
fn compared(question: &Question) -> [Protocol; 7] {
    [
        Protocol::Unprotected,
        Protocol::WireGuard,
        Protocol::Dtls12,
        Protocol::Dtls13,
        Protocol::Oscore(Oscore::Request),
        Protocol::EspTransport(question.plain(0)),
        Protocol::DietEsp(question.diet),
    ]
}

fn most_frames(question: &Question, protocols: &[Protocol]) -> usize {
    let frames = |octets: &usize| {
        let octets = protocols.iter().map(|one| one.layout(*octets).octets());
        let longest = octets.max().unwrap_or(0);
        RADIOS.map(|radio| radio.frames(longest))
    };
    let all = question.messages.iter().flat_map(frames);
    all.max().unwrap_or(1)
}

/// One protocol's bars for a message of the given octets.
fn message(svg: &mut Svg, axis: &Axis, y: f64, (protocol, octets): (&Protocol, usize)) {
    let layout = protocol.layout(octets);
    svg.open(&format!(
        "{}: {} octets",
        protocol.name(),
        arithmetic(std::slice::from_ref(&layout))
    ));
    let (weight, fill) = match protocol {
        Protocol::DietEsp(_) => ("end strong", "diet"),
        _ => ("end", "frame"),
    };
    svg.text(weight, LEFT - 8.0, y + 10.5, protocol.name());
    for (radio, x) in columns() {
        let frames = radio.frames(layout.octets());
        axis.blocks(svg, fill, [x, y], frames);
        let number = frames.to_string();
        svg.text("", x + axis.length(frames) + 5.0, y + 10.5, &number);
    }
    svg.close();
}

/// A horizontal scale from 0.
struct Axis {
    most: usize,
    ticks: usize,
    unit: f64,
}

impl Axis {
    /// `length` shows `most`, with `ticks` numbers and the zero at the most.
    fn new(most: usize, length: f64, ticks: usize) -> Self {
        Axis {
            most,
            ticks,
            unit: length / most as f64,
        }
    }

    fn length(&self, number: usize) -> f64 {
        self.unit * number as f64
    }

    /// From one tick to the next: 1, 2 or 5 times a power of ten.
    fn step(&self) -> usize {
        let mut step = 1;
        while self.most / step > self.ticks {
            step = match step.to_string().as_bytes() {
                [b'2', ..] => step / 2 * 5,
                _ => step * 2,
            };
        }
        step
    }

    /// Lines and numbers below them; `span` is where lines begin and end.
    fn draw(&self, svg: &mut Svg, x: f64, span: [f64; 2]) {
        for number in (0..=self.most).step_by(self.step()) {
            let x = x + self.length(number);
            svg.line([x, span[0]], [x, span[1]]);
            svg.text("tick middle", x, span[1] + 16.0, &number.to_string());
        }
    }

    /// A block for each frame, or one bar where blocks would run together.
    fn blocks(&self, svg: &mut Svg, fill: &str, at: [f64; 2], frames: usize) {
        let [x, y] = at;
        if self.unit < 4.0 {
            // One frame among thousands is still to be seen.
            svg.rect(fill, [x, y, self.length(frames).max(1.0), FRAME]);
            return;
        }
        for i in 0..frames {
            svg.rect(fill, [x + self.length(i), y, self.unit - 1.5, FRAME]);
        }
    }
}

/// Elements so far.
#[derive(Default)]
struct Svg {
    body: String,
}

impl Svg {
    fn text(&mut self, class: &str, x: f64, y: f64, words: &str) {
        let words = escaped(words);
        self.body += &match class {
            "" => format!("<text x=\"{x:.1}\" y=\"{y:.1}\">{words}</text>\n"),
            _ => format!("<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{words}</text>\n"),
        };
    }

    fn rect(&mut self, class: &str, [x, y, width, height]: [f64; 4]) {
        self.body += &format!(
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" \
             height=\"{height:.1}\"/>\n"
        );
    }

    fn line(&mut self, [x1, y1]: [f64; 2], [x2, y2]: [f64; 2]) {
        self.body += &format!(
            "<line class=\"grid\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>\n"
        );
    }

    /// A group whose title a pointer shows and a screen reader reads.
    fn open(&mut self, title: &str) {
        self.body += &format!("<g>\n<title>{}</title>\n", escaped(title));
    }

    fn close(&mut self) {
        self.body += "</g>\n";
    }

    fn finish(self, question: &Question, height: f64) -> String {
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" aria-labelledby=\"title desc\" \
             viewBox=\"0 0 {WIDTH:.0} {height:.0}\" width=\"{WIDTH:.0}\" height=\"{height:.0}\">\n\
             <title id=\"title\">Octets and radio frames that DTLS, OSCORE, WireGuard, ESP and \
             Diet-ESP cost</title>\n<desc id=\"desc\">{}</desc>\n<style>\n{STYLE}</style>\n\
             <rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n{}</svg>\n",
            escaped(&description(question)),
            self.body
        )
    }
}

/// The picture in words.
fn description(question: &Question) -> String {
    let bars: Vec<String> = rows(question)
        .iter()
        .map(|row| format!("{} {}", row.name, row.layout.octets()))
        .collect();
    let sizes: Vec<String> = question.messages.iter().map(usize::to_string).collect();
    format!(
        "Above, bars of the octets that a packet grows by: {}. Below, for messages of {} octets, \
         the frames on IEEE 802.15.4, LoRa, Bluetooth and Sigfox. {}",
        bars.join(", "),
        sizes.join(", "),
        ASSUMPTIONS.join(" ")
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
