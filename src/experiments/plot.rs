//! What a grid came to, as pictures.

use std::error::Error;
use std::path::{Path, PathBuf};

use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use crate::experiments::{Encoder, Grid, Results};

const SIZE: (u32, u32) = (760, 460);

/// A picture that could not be drawn.
#[derive(Debug, thiserror::Error)]
#[error("could not draw {}: {reason}", path.display())]
pub struct PlotError {
    path: PathBuf,
    reason: String,
}

/// An encoder's points.
struct Series<'a> {
    name: &'a str,
    points: Vec<(f64, f64)>,
}

/// What the axes of a picture mean, and how their numbers are written.
struct Axes<'a> {
    x: &'a str,
    y: &'a str,
    ticks: &'a dyn Fn(f64) -> String,
}

type Chart<'a> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// Draws the results, as SVG files in `directory`: `tau.svg` over the training set's size, `precision.svg` over
/// the share of the top, `predicted.svg` against measured, and, where there are several targets, `anytime.svg` over
/// them. Returns the files.
///
/// # Errors
/// When a file cannot be written.
pub fn plots(results: &Results<'_>, directory: &Path) -> Result<Vec<PathBuf>, PlotError> {
    let grid = results.grid;
    let largest = grid.sizes.iter().map(|size| size.n).max().unwrap_or(0);
    let last = grid.targets.len() - 1;
    let whole = |x: f64| format!("{x:.0}");
    let name_of_target = |x: f64| {
        let is_one = (x - x.round()).abs() < 1e-6;
        grid.targets.get(x.round() as usize).filter(|_| is_one).cloned().unwrap_or_default()
    };
    let percent = |x: f64| format!("{x:.0} %");

    let over_sizes = series(grid, |encoder| {
        let point = |n: usize| Some((n as f64, results.mean(encoder, n, last, |it| Some(it.tau))?));
        grid.sizes.iter().filter_map(|size| point(size.n)).collect()
    });
    let over_tops = series(grid, |encoder| {
        let precision = |top: &str| {
            let top = top.to_owned();
            results.mean(encoder, largest, last, move |it| {
                it.precision.iter().find(|(name, _)| *name == top).map(|(_, share)| *share)
            })
        };
        [(1.0, "1%"), (5.0, "5%")].into_iter().filter_map(|(x, top)| Some((x, precision(top)?))).collect()
    });
    let over_targets = series(grid, |encoder| {
        let point =
            |target: usize| Some((target as f64, results.mean(encoder, largest, target, |it| Some(it.tau))?));
        (0..grid.targets.len()).filter_map(point).collect()
    });
    let against_measured = series(grid, |encoder| {
        let first = results.of(encoder, largest);
        let sample = first.first().map(|outcome| outcome.targets[last].sample.clone()).unwrap_or_default();
        by_rank(&sample)
    });

    let mut drawn = Vec::new();
    let mut lines = |file: &str, axes: &Axes<'_>, series: &[Series<'_>]| {
        let path = directory.join(file);
        draw(&path, axes, series, true)?;
        drawn.push(path);
        Ok(())
    };
    lines("tau.svg", &Axes { x: "rows trained on", y: "Kendall's tau", ticks: &whole }, &over_sizes)?;
    let of_largest = format!("top, trained on {largest} rows");
    lines("precision.svg", &Axes { x: &of_largest, y: "precision", ticks: &percent }, &over_tops)?;
    if grid.targets.len() > 1 {
        let axes = Axes { x: "target", y: "Kendall's tau", ticks: &name_of_target };
        lines("anytime.svg", &axes, &over_targets)?;
    }
    let path = directory.join("predicted.svg");
    let axes = Axes { x: "rank as predicted", y: &grid.targets[last], ticks: &whole };
    draw(&path, &axes, &against_measured, false)?;
    drawn.push(path);
    Ok(drawn)
}

fn series<'a>(grid: &'a Grid, points: impl Fn(&str) -> Vec<(f64, f64)>) -> Vec<Series<'a>> {
    let of = |encoder: &'a Encoder| Series { name: &encoder.name, points: points(&encoder.name) };
    grid.encoders.iter().map(of).collect()
}

/// Raw scores of different encoders have no common scale: what was measured over the rank as predicted.
fn by_rank(sample: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut sorted = sample.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    sorted.into_iter().enumerate().map(|(rank, (_, measured))| (rank as f64 + 1.0, measured)).collect()
}

fn draw(path: &Path, axes: &Axes<'_>, series: &[Series<'_>], as_lines: bool) -> Result<(), PlotError> {
    let drawn = || -> Result<(), Box<dyn Error>> {
        let points = || series.iter().flat_map(|series| &series.points);
        let (x, y) = (bounds(points().map(|point| point.0)), bounds(points().map(|point| point.1)));
        let area = SVGBackend::new(path, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart: Chart<'_> = ChartBuilder::on(&area)
            .margin(16)
            .x_label_area_size(44)
            .y_label_area_size(60)
            .build_cartesian_2d(x, y)?;
        let ticks = |x: &f64| (axes.ticks)(*x);
        let mut mesh = chart.configure_mesh();
        mesh.x_desc(axes.x).y_desc(axes.y).light_line_style(WHITE).x_label_formatter(&ticks).draw()?;
        for (index, series) in series.iter().enumerate() {
            let colour = Palette99::pick(index).to_rgba();
            let points = series.points.iter().copied();
            let element = if as_lines {
                chart.draw_series(LineSeries::new(points, colour.stroke_width(2)).point_size(3))?
            } else {
                chart.draw_series(points.map(|point| Circle::new(point, 2, colour.filled())))?
            };
            element.label(series.name).legend(move |(x, y)| Circle::new((x + 10, y), 4, colour.filled()));
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
    drawn().map_err(|error| PlotError { path: path.to_owned(), reason: error.to_string() })
}

/// A little more than from the smallest to the largest value.
fn bounds(values: impl Iterator<Item = f64>) -> std::ops::Range<f64> {
    let (low, high) =
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), it| (low.min(it), high.max(it)));
    if !low.is_finite() {
        return 0.0..1.0;
    }
    let margin = ((high - low) * 0.05).max(1e-3);
    low - margin..high + margin
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_measured_stands_by_the_rank_as_predicted() {
        assert_eq!(
            by_rank(&[(0.5, 90.0), (-1.0, 80.0), (0.7, 95.0)]),
            [(1.0, 80.0), (2.0, 90.0), (3.0, 95.0)]
        );
    }

    #[test]
    fn a_picture_of_nothing_has_bounds() {
        assert_eq!(bounds(std::iter::empty()), 0.0..1.0);
        assert_eq!(bounds([2.0, 2.0].into_iter()), 1.999..2.001);
    }
}
