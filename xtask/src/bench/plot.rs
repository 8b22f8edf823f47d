//! The ratios as a picture.

use super::row::Row;
use anyhow::{anyhow, Result};
use plotters::prelude::*;

/// The right end of the axis: nothing worth a look is slower than the host by more.
const RANGE: f64 = 1.3;

/// A bar for each row that is compared with the host's vDSO, as SVG. The thin line goes from the tenth to the ninetieth
/// percentile of the pairs.
pub(crate) fn to_svg(rows: &[Row], caption: &str) -> Result<String> {
    let shown: Vec<(&str, [f64; 3])> = rows
        .iter()
        .filter(|row| !row.name.starts_with("writer/"))
        .filter_map(|row| row.ratio.map(|ratio| (row.name.as_str(), [ratio.p10, ratio.median, ratio.p90])))
        .collect();
    let mut text = String::new();
    draw(&shown, caption, &mut text).map_err(|error| anyhow!("plot: {error}"))?;
    Ok(text)
}

fn draw(shown: &[(&str, [f64; 3])], caption: &str, text: &mut String) -> Result<(), Box<dyn std::error::Error>> {
    let height = 90 + 20 * shown.len() as u32;
    let area = SVGBackend::with_string(text, (900, height)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(caption, ("sans-serif", 14))
        .margin(10)
        .x_label_area_size(40)
        .y_label_area_size(250)
        .build_cartesian_2d(0.0..RANGE, (0..shown.len()).into_segmented())?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc("time of a call, relative to the running kernel's own vDSO (less is faster)")
        .y_labels(shown.len())
        .y_label_formatter(&|position| label(shown, position))
        .draw()?;
    let at = |position: usize| SegmentValue::Exact(position);
    for (index, (_, [p10, median, p90])) in shown.iter().enumerate() {
        let position = shown.len() - 1 - index;
        let mut bar =
            Rectangle::new([(0.0, at(position)), (median.min(RANGE), at(position + 1))], BLUE.mix(0.5).filled());
        bar.set_margin(3, 3, 0, 0);
        chart.draw_series([bar])?;
        let middle = SegmentValue::CenterOf(position);
        let ends = [(p10.min(RANGE), middle.clone()), (p90.min(RANGE), middle)];
        chart.draw_series([PathElement::new(ends, BLACK)])?;
    }
    let host = [(1.0, at(0)), (1.0, at(shown.len()))];
    chart.draw_series([PathElement::new(host, RED)])?;
    area.present()?;
    Ok(())
}

/// The first row stands at the top.
fn label(shown: &[(&str, [f64; 3])], position: &SegmentValue<usize>) -> String {
    let SegmentValue::CenterOf(position) = position else { return String::new() };
    let index = (shown.len() - 1).checked_sub(*position);
    index.and_then(|index| shown.get(index)).map(|(name, _)| (*name).to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::row::Unit;
    use crate::bench::statistics::Spread;

    #[test]
    fn a_bar_and_a_label_for_every_ratio() {
        for count in 1..60 {
            let row = |index| Row {
                ratio: Some(Spread::exactly(0.9)),
                ..Row::new(format!("row{index}/hot"), Unit::Ns, Spread::exactly(20.0))
            };
            let rows: Vec<Row> = (0..count).map(row).collect();
            let svg = to_svg(&rows, "caption").expect("a plot");
            assert_eq!(svg.matches("fill=\"#0000FF\"").count(), count);
            assert!((0..count).all(|index| svg.contains(&format!("row{index}/hot"))), "{count} rows");
        }
    }
}
