//! Reads what kuva's SVG writer makes: one element per line.

use steepest::plot::{Figure, Panels};

pub struct Svg {
    pub source: String,
}

#[derive(Clone, Debug)]
pub struct Mark {
    pub x: f64,
    pub y: f64,
    pub r: f64,
    pub fill: String,
}

#[derive(Clone, Debug)]
pub struct Rect {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
    pub fill: String,
    pub stroke: String,
}

#[derive(Clone, Debug)]
pub struct Text {
    pub x: f64,
    pub y: f64,
    pub text: String,
}

fn attribute(line: &str, name: &str) -> Option<String> {
    let start = line.find(&format!(" {name}=\""))? + name.len() + 3;
    Some(line[start..].split('"').next().unwrap().to_owned())
}

fn number(line: &str, name: &str) -> f64 {
    attribute(line, name).unwrap_or_else(|| panic!("no {name} in {line}")).parse().unwrap()
}

impl Svg {
    pub fn of(figure: &Figure) -> Svg {
        Svg::read(figure.to_svg().unwrap())
    }

    pub fn sheet(panels: &Panels) -> Svg {
        Svg::read(panels.to_svg().unwrap())
    }

    /// Well-formed, as far as that can be seen without a parser.
    fn read(source: String) -> Svg {
        assert!(source.starts_with("<svg") && source.trim_end().ends_with("</svg>"));
        assert!(!source.chars().any(|c| c.is_control() && c != '\n'), "control characters");
        for name in ["svg", "text", "g", "tspan", "defs"] {
            let (opened, closed) = (source.matches(&format!("<{name}")).count(), source.matches(&format!("</{name}>")).count());
            let (alone, others) = (0, if name == "g" { source.matches("<gradient").count() } else { 0 });
            assert_eq!(opened - alone - others, closed, "{name}");
        }
        Svg { source }
    }

    fn elements(&self, name: &str) -> impl Iterator<Item = &str> {
        let start = format!("<{name} ");
        self.source.lines().map(str::trim).filter(move |line| line.starts_with(&start))
    }

    pub fn placed(&self) -> Vec<Text> {
        let unescaped = |text: &str| {
            let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'");
            text.replace("&amp;", "&")
        };
        self.elements("text")
            .map(|line| {
                let mut inner = line[line.find('>').unwrap() + 1..].strip_suffix("</text>").unwrap();
                if let Some(span) = inner.strip_prefix("<tspan") {
                    inner = span[span.find('>').unwrap() + 1..].strip_suffix("</tspan>").unwrap();
                }
                Text { x: number(line, "x"), y: number(line, "y"), text: unescaped(inner) }
            })
            .collect()
    }

    pub fn texts(&self) -> Vec<String> {
        self.placed().into_iter().map(|t| t.text).collect()
    }

    pub fn circles(&self) -> Vec<Mark> {
        let mark = |line: &str| Mark {
            x: number(line, "cx"),
            y: number(line, "cy"),
            r: number(line, "r"),
            fill: attribute(line, "fill").unwrap(),
        };
        self.elements("circle").map(mark).collect()
    }

    pub fn rects(&self) -> Vec<Rect> {
        let rect = |line: &str| Rect {
            x: number(line, "x"),
            y: number(line, "y"),
            width: number(line, "width"),
            height: number(line, "height"),
            fill: attribute(line, "fill").unwrap_or_default(),
            stroke: attribute(line, "stroke").unwrap_or_default(),
        };
        self.elements("rect").filter(|line| !line.contains("100%")).map(rect).collect()
    }

    /// The frame of the plot: the largest rectangle without a filling.
    pub fn frame(&self) -> Rect {
        let frames = self.rects().into_iter().filter(|r| r.fill == "none");
        frames.max_by(|a, b| (a.width * a.height).total_cmp(&(b.width * b.height))).unwrap()
    }

    fn polylines(&self) -> impl Iterator<Item = (&str, Vec<(f64, f64)>)> {
        let lines = self
            .source
            .lines()
            .map(str::trim)
            .filter(|l| (l.starts_with("<path") || l.starts_with("<polyline")) && l.contains("fill=\"none\""));
        // The dashes of a line are parts of one path: each begins with an M.
        lines.flat_map(|line| {
            let d = attribute(line, "d").or_else(|| attribute(line, "points")).unwrap();
            let chain = |d: &str| {
                let words = d.split(|c: char| !(c.is_ascii_digit() || "+-.e".contains(c)));
                let numbers: Vec<f64> = words.filter_map(|n| n.parse().ok()).collect();
                numbers.chunks_exact(2).map(|p| (p[0], p[1])).collect::<Vec<_>>()
            };
            let chains: Vec<_> = d.split('M').map(chain).filter(|chain| !chain.is_empty()).collect();
            chains.into_iter().map(move |chain| (line, chain))
        })
    }

    /// Chains of at least two points in this colour.
    pub fn lines_of(&self, colour: &str) -> Vec<Vec<(f64, f64)>> {
        let wanted = self.polylines().filter(|(line, _)| attribute(line, "stroke").as_deref() == Some(colour));
        wanted.map(|(_, points)| points).collect()
    }

    /// All chains but the lines of the grid and the ticks.
    pub fn chains(&self) -> Vec<Vec<(f64, f64)>> {
        let quiet = |line: &str| ["#e4e4e4", "#888888"].contains(&attribute(line, "stroke").unwrap_or_default().as_str());
        self.polylines().filter(|(line, _)| !quiet(line)).map(|(_, points)| points).collect()
    }
}
