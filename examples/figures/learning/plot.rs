//! Lines over rows, as an SVG.

use std::path::Path;

use anyhow::{Context, anyhow};
use plotters::prelude::*;

const SIZE: (u32, u32) = (720, 440);
/// The first one wide, so that it is seen under a second one that is the same.
const STYLES: [(RGBColor, u32); 2] = [(RGBColor(150, 190, 235), 8), (RGBColor(200, 40, 30), 2)];

pub struct Line<'a> {
    pub name: &'a str,
    pub points: Vec<(f64, f64)>,
}

/// Draws lines, with x on a logarithmic scale.
pub fn draw(path: &Path, x_name: &str, y_name: &str, lines: &[Line<'_>]) -> anyhow::Result<()> {
    let points = || lines.iter().flat_map(|line| line.points.iter().copied());
    let bounds = |values: &mut dyn Iterator<Item = f64>| {
        values.fold(None, |bounds: Option<(f64, f64)>, value| {
            let (low, high) = bounds.unwrap_or((value, value));
            Some((low.min(value), high.max(value)))
        })
    };
    let x = bounds(&mut points().map(|point| point.0)).context("no points")?;
    let y = bounds(&mut points().map(|point| point.1)).context("no points")?;
    let drawn = || -> Result<(), Box<dyn std::error::Error>> {
        let area = SVGBackend::new(path, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .margin(16)
            .x_label_area_size(44)
            .y_label_area_size(56)
            .build_cartesian_2d((x.0 / 1.2..x.1 * 1.2).log_scale(), y.0 - 0.02..y.1 + 0.02)?;
        chart
            .configure_mesh()
            .x_desc(x_name)
            .x_labels(6)
            .x_label_formatter(&|x| format!("{x:.0}"))
            .y_desc(y_name)
            .light_line_style(WHITE)
            .draw()?;
        for (line, (colour, width)) in lines.iter().zip(STYLES) {
            let drawn =
                LineSeries::new(line.points.iter().copied(), colour.stroke_width(width)).point_size(4);
            chart
                .draw_series(drawn)?
                .label(line.name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], colour.stroke_width(width)));
        }
        let mut labels = chart.configure_series_labels();
        labels
            .position(SeriesLabelPosition::LowerRight)
            .border_style(BLACK)
            .background_style(WHITE)
            .draw()?;
        area.present()?;
        Ok(())
    };
    drawn().map_err(|error| anyhow!("could not draw {}: {error}", path.display()))
}
