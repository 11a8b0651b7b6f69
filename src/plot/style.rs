//! How pictures look: colours, marks, dashes, letters.

use kuva::plot::colormap::ColorMap;

/// Red, green, blue.
pub(super) type Rgb = (u8, u8, u8);

/// The palette of Okabe and Ito, told apart by all kinds of colour vision; yellow is left out, it vanishes on white.
pub(super) const SERIES: [Rgb; 7] = [
    (0x00, 0x72, 0xB2), // blue
    (0xD5, 0x5E, 0x00), // vermillion
    (0x00, 0x9E, 0x73), // bluish green
    (0xCC, 0x79, 0xA7), // reddish purple
    (0xE6, 0x9F, 0x00), // orange
    (0x56, 0xB4, 0xE9), // sky blue
    (0x00, 0x00, 0x00), // black
];

pub(super) const WHITE: Rgb = (255, 255, 255);
pub(super) const INK: Rgb = (0x22, 0x22, 0x22);
pub(super) const QUIET: Rgb = (0x66, 0x66, 0x66);
pub(super) const GRID: Rgb = (0xE4, 0xE4, 0xE4);
pub(super) const FRAME: Rgb = (0x88, 0x88, 0x88);
/// Where a field has no finite value.
pub(super) const NOTHING: Rgb = (0xD8, 0xD8, 0xD8);
/// What is wrong, and the way of a descent.
pub(super) const LOUD: Rgb = SERIES[1];

/// Sizes of letters, in points.
pub(super) const TITLE: u32 = 15;
pub(super) const LABEL: u32 = 13;
pub(super) const TICK: u32 = 12;
pub(super) const NOTE: u32 = 11;
/// How much wider bold letters are.
pub(super) const BOLD: f64 = 1.08;

/// Lengths drawn and left out along a line, so that lines differ without colour too; the first is whole.
pub(super) fn dash(number: usize) -> &'static [f64] {
    const DASHES: [&[f64]; 6] =
        [&[], &[7.0, 4.0], &[2.0, 3.0], &[10.0, 3.0, 2.0, 3.0], &[14.0, 4.0], &[5.0, 2.0, 2.0, 2.0, 2.0, 2.0]];
    DASHES[number % DASHES.len()]
}

/// The outline of a mark: corners around its middle, as many times as it is turned by a quarter; none of a circle.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    pub corners: &'static [(f64, f64)],
    pub turns: usize,
}

pub(super) const CIRCLE: Mark = Mark { corners: &[], turns: 1 };
pub(super) const DIAMOND: Mark = Mark { corners: &[(0.0, -1.3), (1.05, 0.0), (0.0, 1.3), (-1.05, 0.0)], turns: 1 };

/// The mark of the series of a number.
pub(super) fn mark(number: usize) -> Mark {
    const MARKS: [Mark; 7] = [
        CIRCLE,
        Mark { corners: &[(-0.88, -0.88)], turns: 4 }, // square
        Mark { corners: &[(0.0, -1.25), (1.1, 0.75), (-1.1, 0.75)], turns: 1 },
        DIAMOND,
        Mark { corners: &[(0.0, 1.25), (1.1, -0.75), (-1.1, -0.75)], turns: 1 },
        Mark { corners: &[(-0.4, 0.0), (-1.0, -0.6), (-0.6, -1.0)], turns: 4 }, // cross
        Mark { corners: &[(-0.32, -0.32), (-0.32, -1.15), (0.32, -1.15)], turns: 4 }, // plus
    ];
    MARKS[number % MARKS.len()]
}

/// `share` of `colour`, the rest white.
pub(super) fn tint(colour: Rgb, share: f64) -> Rgb {
    let mixed = |c: u8| (255.0 - (255.0 - f64::from(c)) * share).round() as u8;
    (mixed(colour.0), mixed(colour.1), mixed(colour.2))
}

/// Letters that can be read on a colour: by the relative luminance of its values as they stand, which is good enough for this.
pub(super) fn ink_on((r, g, b): Rgb) -> Rgb {
    let light = 0.299 * f64::from(r) + 0.587 * f64::from(g) + 0.114 * f64::from(b);
    if light < 0.6 * 255.0 { WHITE } else { INK }
}

/// Viridis: dark is low, light is high, evenly for all kinds of colour vision and in grey.
pub(super) fn viridis(share: f64) -> Rgb {
    ColorMap::Viridis.map_rgb(share.clamp(0.0, 1.0)).unwrap_or(NOTHING)
}

/// How wide a text is in DejaVu Sans or a font like it: an estimate within a few percent.
pub(super) fn text_width(text: &str, size: f64) -> f64 {
    let em = |c: char| match c {
        'i' | 'j' | 'l' | '\'' => 0.28,
        'I' | '.' | ',' | ':' | ';' | '|' | ' ' => 0.32,
        'f' | 'r' | 't' | '(' | ')' | '/' | '[' | ']' | '-' => 0.39,
        'm' => 0.97,
        'w' | '+' | '=' | '<' | '>' | '×' | '−' | '→' | '≤' | '≥' => 0.84,
        'M' | 'W' | '@' | '%' | '…' => 0.95,
        'A'..='Z' => 0.69,
        '⁰' | '¹' | '²' | '³' | '⁴'..='⁹' | '⁻' => 0.40,
        c if (c as u32) >= 0x2E80 => 1.0, // scripts of East Asia
        _ => 0.62,
    };
    text.chars().map(em).sum::<f64>() * size
}

/// How wide the widest of some texts is.
pub(super) fn widest<'a>(texts: impl IntoIterator<Item = &'a String>, size: u32) -> f64 {
    texts.into_iter().map(|text| text_width(text, size.into())).fold(0.0, f64::max)
}

/// The text, or as much of its beginning as is no wider than this, with an ellipsis.
pub(super) fn shortened(text: &str, size: f64, most: f64) -> String {
    if text_width(text, size) <= most {
        return text.to_owned();
    }
    let mut kept = String::new();
    for c in text.chars() {
        kept.push(c);
        if text_width(&kept, size) + 0.95 * size > most {
            kept.pop();
            break;
        }
    }
    kept.trim_end().to_owned() + "…"
}

/// The text in lines no wider than this, broken between words.
pub(super) fn wrapped(text: &str, size: f64, most: f64) -> Vec<String> {
    let mut lines: Vec<String> = vec![];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if text_width(&format!("{line} {word}"), size) <= most => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.iter().map(|line| shortened(line, size, most)).collect()
}
