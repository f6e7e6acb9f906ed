//! Charts as SVG, to stand in the page itself.

use plotters::prelude::*;

use serde::{Deserialize, Serialize};

use crate::text;

/// Colors that people with any sight tell apart (Okabe and Ito).
const PALETTE: [RGBColor; 7] = [
    RGBColor(0x00, 0x72, 0xB2),
    RGBColor(0xD5, 0x5E, 0x00),
    RGBColor(0x00, 0x9E, 0x73),
    RGBColor(0xCC, 0x79, 0xA7),
    RGBColor(0xE6, 0x9F, 0x00),
    RGBColor(0x56, 0xB4, 0xE9),
    RGBColor(0x88, 0x88, 0x88),
];
/// Axes and text, readable on white and on black.
const INK: RGBColor = RGBColor(0x80, 0x80, 0x80);
const SIZE: (u32, u32) = (580, 230);

/// Lines with more points are drawn thin.
const DENSE: usize = 400;

/// A bin of a histogram of times.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// The range's lower end, in seconds.
    pub from: f64,
    /// Its upper end.
    pub to: f64,
    /// How many fell into it.
    pub count: u64,
}

/// One line of a chart.
#[derive(Clone, Debug)]
pub struct Series {
    /// Its name in the legend.
    pub name: String,
    /// Its points by x.
    pub points: Vec<(f64, f64)>,
}

impl Series {
    /// A named line.
    pub fn new(name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        Self {
            name: name.into(),
            points: points.into_iter().collect(),
        }
    }
}

/// A color of the palette as CSS has it.
pub fn css_color(index: usize) -> String {
    let RGBColor(red, green, blue) = PALETTE[index % PALETTE.len()];
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// What stands at the axes.
#[derive(Clone, Copy, Debug)]
pub struct Axes<'a> {
    /// Under the chart.
    pub x: &'a str,
    /// Beside it.
    pub y: &'a str,
    /// A value that x goes on to at least.
    pub x_to: f64,
    /// How y is drawn.
    pub scale: Scale,
}

/// How values are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// As they are.
    Linear,
    /// By their order of magnitude; 0 stays 0.
    Logarithmic,
}

impl Scale {
    fn place(self, value: f64) -> f64 {
        match self {
            Self::Linear => value,
            Self::Logarithmic => (1.0 + value).log10(),
        }
    }

    fn label(self, place: f64) -> String {
        match self {
            Self::Linear => tick(place),
            Self::Logarithmic if place == 0.0 => "0".to_owned(),
            Self::Logarithmic => tick(10f64.powf(place)),
        }
    }
}

/// Lines over x, from zero.
///
/// # Errors
/// When plotters cannot draw.
pub fn lines(axes: Axes<'_>, series: &[Series]) -> anyhow::Result<String> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        draw_lines(&area, axes, series)?;
        area.present()?;
    }
    Ok(svg)
}

/// One chart of a picture that stands alone.
#[derive(Clone, Debug)]
pub struct Panel<'a> {
    /// Above it.
    pub title: String,
    /// Its axes.
    pub axes: Axes<'a>,
    /// Its lines.
    pub series: Vec<Series>,
}

/// Charts in one picture, three a row, with their legends inside.
///
/// # Errors
/// When plotters cannot draw.
pub fn panels(panels: &[Panel<'_>]) -> anyhow::Result<String> {
    const TITLE_HEIGHT: u32 = 46;
    let rows = panels.len().div_ceil(3).max(1);
    let (width, height) = (SIZE.0, SIZE.1 + TITLE_HEIGHT);
    let mut svg = String::new();
    {
        let size = (
            width * panels.len().clamp(1, 3) as u32,
            height * rows as u32,
        );
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        root.fill(&WHITE)?;
        for (area, panel) in root
            .split_evenly((rows, panels.len().clamp(1, 3)))
            .iter()
            .zip(panels)
        {
            let (head, body) = area.split_vertically(TITLE_HEIGHT);
            head.draw_text(
                &panel.title,
                &("sans-serif", 15).into_font().color(&BLACK),
                (16, 8),
            )?;
            let mut x = 16;
            for (index, line) in panel.series.iter().enumerate() {
                let color = PALETTE[index % PALETTE.len()];
                head.draw(&Rectangle::new([(x, 32), (x + 10, 42)], color.filled()))?;
                head.draw_text(
                    &line.name,
                    &("sans-serif", 12).into_font().color(&INK),
                    (x + 15, 30),
                )?;
                x += 26 + 6 * line.name.len() as i32;
            }
            draw_lines(&body, panel.axes, &panel.series)?;
        }
        root.present()?;
    }
    Ok(svg)
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

fn draw_lines(area: &Area<'_>, axes: Axes<'_>, series: &[Series]) -> anyhow::Result<()> {
    let points = || series.iter().flat_map(|line| &line.points);
    let x_to = points()
        .fold(axes.x_to, |most, (x, _)| most.max(*x))
        .max(f64::EPSILON);
    let place = |y: f64| axes.scale.place(y);
    let y_to = points().fold(0.0, |most: f64, (_, y)| most.max(place(*y))) * 1.08;
    let y_to = if y_to > 0.0 { y_to } else { 1.0 };
    let mut chart = ChartBuilder::on(area)
        .margin(8)
        .margin_right(16)
        .x_label_area_size(36)
        .y_label_area_size(60)
        .build_cartesian_2d(0.0..x_to, 0.0..y_to)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(INK.mix(0.25))
        .axis_style(INK)
        .label_style(("sans-serif", 12).into_font().color(&INK))
        .axis_desc_style(("sans-serif", 12).into_font().color(&INK))
        .x_desc(axes.x)
        .y_desc(axes.y)
        .x_labels(8)
        .y_labels(5)
        .x_label_formatter(&|x| tick(*x))
        .y_label_formatter(&|y| axes.scale.label(*y))
        .draw()?;
    for (index, line) in series.iter().enumerate() {
        let color = PALETTE[index % PALETTE.len()];
        let width = if line.points.len() > DENSE { 1 } else { 2 };
        let points = bends(&line.points).map(|(x, y)| (x, place(y)));
        chart.draw_series(LineSeries::new(points, color.stroke_width(width)))?;
    }
    Ok(())
}

/// The points without those in the middle of a level stretch, which draw nothing.
fn bends(points: &[(f64, f64)]) -> impl Iterator<Item = (f64, f64)> {
    let level = |index: usize| {
        let y = |index: usize| points.get(index).map(|(_, y)| *y);
        index > 0 && y(index - 1) == y(index) && y(index) == y(index + 1)
    };
    (0..points.len())
        .filter(move |index| !level(*index))
        .map(|index| points[index])
}

/// How many timings fell into which range; the ranges grow by a factor.
///
/// # Errors
/// When plotters cannot draw.
pub fn histogram(bins: &[Bin]) -> anyhow::Result<String> {
    let most = bins.iter().map(|bin| bin.count).max().unwrap_or(1).max(1) as f64;
    let edge = |x: f64| {
        let index = (x.round() as usize).min(bins.len());
        bins.get(index)
            .map(|bin| bin.from)
            .or(bins.last().map(|bin| bin.to))
            .unwrap_or(0.0)
    };
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        let mut chart = ChartBuilder::on(&area)
            .margin(8)
            .margin_right(16)
            .x_label_area_size(36)
            .y_label_area_size(60)
            .build_cartesian_2d(0.0..bins.len().max(1) as f64, 0.0..most * 1.08)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(INK.mix(0.25))
            .axis_style(INK)
            .label_style(("sans-serif", 12).into_font().color(&INK))
            .axis_desc_style(("sans-serif", 12).into_font().color(&INK))
            .y_desc("how many")
            .x_labels(bins.len().clamp(2, 8))
            .y_labels(5)
            .x_label_formatter(&|x| text::seconds(edge(*x)))
            .y_label_formatter(&|y| tick(*y))
            .draw()?;
        chart.draw_series(bins.iter().enumerate().map(|(index, bin)| {
            let x = index as f64;
            Rectangle::new(
                [(x + 0.06, 0.0), (x + 0.94, bin.count as f64)],
                PALETTE[0].filled(),
            )
        }))?;
        area.present()?;
    }
    Ok(svg)
}

fn tick(value: f64) -> String {
    match value.abs() {
        v if v >= 1e6 => format!("{:.1}M", value / 1e6),
        v if v >= 1e4 => format!("{:.0}k", value / 1e3),
        v if v >= 10.0 || v == 0.0 => format!("{value:.0}"),
        v if v >= 0.1 => format!("{value:.1}"),
        v if v >= 0.01 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_of_nothing_is_still_a_chart() {
        let axes = Axes {
            x: "s",
            y: "jobs",
            x_to: 10.0,
            scale: Scale::Linear,
        };
        assert!(
            lines(axes, &[Series::new("empty", [])])
                .unwrap()
                .contains("</svg>")
        );
        assert!(histogram(&[]).unwrap().contains("</svg>"));
    }

    #[test]
    fn level_stretches_are_drawn_by_their_ends() {
        let points = [(0.0, 1.0), (1.0, 1.0), (2.0, 1.0), (3.0, 5.0)];
        let drawn: Vec<_> = bends(&points).collect();
        assert_eq!(drawn, [(0.0, 1.0), (2.0, 1.0), (3.0, 5.0)]);
    }

    #[test]
    fn colors_repeat_when_they_run_out() {
        assert_eq!(css_color(0), "#0072b2");
        assert_eq!(css_color(7), css_color(0));
    }
}
