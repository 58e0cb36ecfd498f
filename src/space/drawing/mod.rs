//! Architectures as pictures.

mod layout;
mod picture;

use std::fmt::Write;

use self::picture::{BOX_HEIGHT, Face, Line, Picture, Spot, picture};
use crate::space::{Architecture, Role};

const MARGIN: f64 = 20.0;
const CELL_GAP: f64 = 40.0;
const TITLE_HEIGHT: f64 = 34.0;
const TITLE_CHARACTER_WIDTH: f64 = 9.0;
const ARROW: f64 = 7.0;

const INK: &str = "#333333";
const GREY: &str = "#bbbbbb";
const GREY_TEXT: &str = "#999999";
const PAPER: &str = "#ffffff";

impl Architecture {
    /// The cells side by side as an SVG image, which needs nothing else to be shown.
    ///
    /// Operations stand in boxes, on their nodes or on their edges. Skips and missing connections are dashed;
    /// what has no path from an input to the output is grey. The same architecture always gives the same image.
    #[must_use]
    pub fn svg(&self) -> String {
        let space = self.space();
        let pictures: Vec<(&str, Picture)> = (space.cells.iter().zip(self.cells()))
            .map(|(shape, cell)| (shape.name.as_str(), picture(space, shape, cell)))
            .collect();
        let width = |(name, picture): &(&str, Picture)| {
            picture.width.max(name.chars().count() as f64 * TITLE_CHARACTER_WIDTH)
        };
        let total_width =
            pictures.iter().map(|cell| width(cell) + CELL_GAP).sum::<f64>() - CELL_GAP + 2.0 * MARGIN;
        let height = pictures.iter().map(|(_, picture)| picture.height).fold(0.0, f64::max);
        let total_height = height + TITLE_HEIGHT + 2.0 * MARGIN;
        let mut svg = Svg::default();
        svg.line(format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{total_width:.0}\" height=\"{total_height:.0}\" \
             viewBox=\"0 0 {total_width:.0} {total_height:.0}\" font-family=\"sans-serif\" font-size=\"12\" \
             text-anchor=\"middle\">"
        ));
        svg.line(format_args!("<title>{}</title>", escaped(&space.name)));
        svg.line(format_args!("<rect width=\"100%\" height=\"100%\" fill=\"{PAPER}\"/>"));
        let mut left = MARGIN;
        for cell in &pictures {
            let (name, picture) = cell;
            let middle = left + width(cell) / 2.0;
            svg.line(format_args!(
                "<text x=\"{middle:.1}\" y=\"{:.1}\" font-size=\"15\" font-weight=\"bold\" fill=\"{INK}\">{}</text>",
                MARGIN + 12.0,
                escaped(name),
            ));
            let (x, y) = (middle - picture.width / 2.0, MARGIN + TITLE_HEIGHT);
            svg.line(format_args!("<g transform=\"translate({x:.1},{y:.1})\">"));
            svg.cell(picture);
            svg.line(format_args!("</g>"));
            left += width(cell) + CELL_GAP;
        }
        svg.line(format_args!("</svg>"));
        svg.text
    }
}

#[derive(Default)]
struct Svg {
    text: String,
}

impl Svg {
    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        writeln!(self.text, "{line}").expect("writing to a string does not fail");
    }

    /// Dead lines first, so that live ones lie above them, and what they lead to above all.
    fn cell(&mut self, picture: &Picture) {
        for is_live in [false, true] {
            for line in picture.lines.iter().filter(|line| line.is_live == is_live) {
                self.edge(picture, line);
            }
        }
        for spot in &picture.spots {
            self.spot(spot);
        }
    }

    /// Down from box to box in one curve each, with an arrowhead at the last.
    fn edge(&mut self, picture: &Picture, line: &Line) {
        let spots: Vec<&Spot> = line.spots.iter().map(|spot| &picture.spots[*spot]).collect();
        let last = spots.len() - 1;
        let is_box = |place: &usize| spots[*place].face != Face::Bend;
        let boxes: Vec<usize> = (0..=last).filter(is_box).collect();
        let mut path = String::new();
        for pair in boxes.windows(2) {
            path += &curve(&spots[pair[0]..=pair[1]], if pair[1] == last { ARROW } else { 0.0 });
        }
        let to = spots[last];
        let ink = if line.is_live { INK } else { GREY };
        let dashes = if line.is_dashed { DASHES } else { "" };
        self.line(format_args!("<path d=\"{path}\" fill=\"none\" stroke=\"{ink}\"{dashes}/>"));
        let tip = to.y - to.height / 2.0;
        self.line(format_args!("<path d=\"M{:.1},{tip:.1} l-3.5,-{ARROW} h7 z\" fill=\"{ink}\"/>", to.x));
    }

    fn spot(&mut self, spot: &Spot) {
        let (text, fill, dashes) = match &spot.face {
            Face::Bend => return,
            Face::End(text) => (text, "#d6e4f5", ""),
            Face::Sum(text) => (text, PAPER, ""),
            Face::Operation { name, role: Role::Parametrised } => (name, "#d9efd2", ""),
            Face::Operation { name, role: Role::Free } => (name, "#fbeec6", ""),
            Face::Operation { name, role: Role::Skip | Role::None } => (name, PAPER, DASHES),
        };
        let (fill, stroke, ink) = if spot.is_live { (fill, INK, INK) } else { (PAPER, GREY, GREY_TEXT) };
        // Nodes are round, operations are boxes with round corners.
        let radius = if matches!(spot.face, Face::Operation { .. }) { 5.0 } else { BOX_HEIGHT / 2.0 };
        let (x, y) = (spot.x - spot.width / 2.0, spot.y - BOX_HEIGHT / 2.0);
        self.line(format_args!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{BOX_HEIGHT:.1}\" rx=\"{radius}\" \
             fill=\"{fill}\" stroke=\"{stroke}\"{dashes}/>",
            spot.width
        ));
        self.line(format_args!(
            "<text x=\"{:.1}\" y=\"{:.1}\" fill=\"{ink}\">{}</text>",
            spot.x,
            spot.y + 4.0,
            escaped(text)
        ));
    }
}

/// From the lower edge of the first spot to `distance` above the last, straight down at both ends. Rows between are
/// crossed in straight lines, so that no curve touches the boxes beside it.
fn curve(spots: &[&Spot], distance: f64) -> String {
    let last = spots.len() - 1;
    let slope = |place: usize| {
        if place == 0 || place == last {
            return 0.0;
        }
        let between = |upper: &Spot, lower: &Spot| (lower.x - upper.x) / (lower.y - upper.y);
        let (before, after) =
            (between(spots[place - 1], spots[place]), between(spots[place], spots[place + 1]));
        if before * after > 0.0 { before.signum() * before.abs().min(after.abs()).min(1.0) } else { 0.0 }
    };
    let mut path = format!("M{:.1},{:.1}", spots[0].x, spots[0].y + spots[0].height / 2.0);
    for place in 1..=last {
        let (upper, lower) = (spots[place - 1], spots[place]);
        let (from, to) = (slope(place - 1), slope(place));
        let top = upper.y + upper.height / 2.0;
        let bottom = lower.y - lower.height / 2.0 - if place == last { distance } else { 0.0 };
        let (left, right) = (upper.x + from * upper.height / 2.0, lower.x - to * lower.height / 2.0);
        let reach = (bottom - top) / 2.0;
        write!(
            path,
            " C{:.1},{:.1} {:.1},{:.1} {right:.1},{bottom:.1}",
            left + from * reach,
            top + reach,
            right - to * reach,
            bottom - reach,
        )
        .expect("writing to a string does not fail");
        if place < last {
            let (x, y) = (lower.x + to * lower.height / 2.0, lower.y + lower.height / 2.0);
            write!(path, " L{x:.1},{y:.1}").expect("writing to a string does not fail");
        }
    }
    path
}

const DASHES: &str = " stroke-dasharray=\"4 3\"";

/// Text as it stands between tags.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests;
