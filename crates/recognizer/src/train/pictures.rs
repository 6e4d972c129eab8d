//! The learning curve and the confusion matrix, as SVG.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use plotters::prelude::*;

use super::TrainError;
use super::fit::Look;

/// Edge of one cell of the confusion matrix, pixels.
const CELL: u32 = 16;
/// Room for the labels, pixels.
const MARGIN: u32 = 90;

/// Loss and validation accuracy over the updates.
pub(crate) fn learning_curve(path: &Path, curve: &[Look]) -> Result<(), TrainError> {
    draw_curve(path, curve).map_err(|e| failed(path, &*e))
}

/// How often each label was taken for which; rows are the truth, each adding up to 1.
pub(crate) fn confusion(path: &Path, pairs: &[(String, String)]) -> Result<(), TrainError> {
    draw_confusion(path, pairs).map_err(|e| failed(path, &*e))
}

fn failed(path: &Path, error: &dyn std::error::Error) -> TrainError {
    TrainError::Picture { path: path.to_owned(), problem: error.to_string() }
}

fn draw_curve(path: &Path, curve: &[Look]) -> Result<(), Box<dyn std::error::Error>> {
    let area = SVGBackend::new(path, (720, 400)).into_drawing_area();
    area.fill(&WHITE)?;
    let last = curve.last().map_or(1, |look| look.step) as f32;
    let top = curve.iter().map(|look| look.loss).fold(1.0f32, f32::max);
    let mut chart = ChartBuilder::on(&area)
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(48)
        .right_y_label_area_size(48)
        .build_cartesian_2d(0.0..last, 0.0..top)?
        .set_secondary_coord(0.0..last, 0.0f32..100.0);
    chart.configure_mesh().x_desc("updates").y_desc("loss").draw()?;
    chart.configure_secondary_axes().y_desc("validation top-1, %").draw()?;
    let losses = curve.iter().map(|look| (look.step as f32, look.loss));
    chart.draw_series(LineSeries::new(losses, &RED))?;
    let shares = curve.iter().map(|look| (look.step as f32, 100.0 * look.top1));
    chart.draw_secondary_series(LineSeries::new(shares, &BLUE))?;
    area.present()?;
    Ok(())
}

fn draw_confusion(
    path: &Path,
    pairs: &[(String, String)],
) -> Result<(), Box<dyn std::error::Error>> {
    let labels: BTreeSet<&str> =
        pairs.iter().flat_map(|(truth, said)| [truth.as_str(), said.as_str()]).collect();
    let labels: Vec<&str> = labels.into_iter().collect();
    let place: BTreeMap<&str, usize> = labels.iter().enumerate().map(|(i, &l)| (l, i)).collect();
    let mut counts = vec![vec![0u32; labels.len()]; labels.len()];
    for (truth, said) in pairs {
        counts[place[truth.as_str()]][place[said.as_str()]] += 1;
    }
    let edge = MARGIN + CELL * labels.len() as u32 + 8;
    let area = SVGBackend::new(path, (edge, edge)).into_drawing_area();
    area.fill(&WHITE)?;
    let font = ("sans-serif", 11).into_font();
    let at = |index: usize| (MARGIN + CELL * index as u32) as i32;
    for (row, label) in labels.iter().enumerate() {
        area.draw(&Text::new(*label, (4, at(row) + 2), font.clone()))?;
        let upright = font.clone().transform(FontTransform::Rotate270);
        area.draw(&Text::new(*label, (at(row) + 2, MARGIN as i32 - 4), upright))?;
        let total = f64::from(counts[row].iter().sum::<u32>().max(1));
        for (column, &count) in counts[row].iter().enumerate().filter(|&(_, &count)| count > 0) {
            let color = if row == column { BLUE } else { RED };
            let corners = [(at(column), at(row)), (at(column + 1) - 1, at(row + 1) - 1)];
            let style = color.mix(0.1 + 0.9 * f64::from(count) / total).filled();
            area.draw(&Rectangle::new(corners, style))?;
        }
    }
    area.present()?;
    Ok(())
}
