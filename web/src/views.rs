//! What the page's views into a network ask for: a sample's way through it, weights by hand, a saddle, and the verification of the device.

use crate::page::Page;
use crate::playground::Weights;
use crate::sample::Place;
use serde_json::{Value, json};
use steepest::verify::{Depth, DriverRow, Outcome, cases, full_async};
use steepest::{Error, Result};

impl Page {
    /// What each neuron says of a row of features, layer by layer.
    ///
    /// # Errors
    /// No network, a row of another width, or what the device reports.
    pub async fn activations(&self, row: &[f32]) -> Result<Value> {
        Ok(json!(self.playground()?.activations(row).await?))
    }

    /// What the first layer sees of a point of the plane.
    ///
    /// # Errors
    /// No network.
    pub fn point_features(&self, x: f32, y: f32) -> Result<Vec<f32>> {
        Ok(crate::playground::features(&self.playground()?.settings().features, [x, y]))
    }

    /// A row of those held back: `{features, label}`.
    ///
    /// # Errors
    /// No network, or fewer rows.
    pub fn sample(&self, index: usize) -> Result<Value> {
        serde_json::to_value(self.playground()?.sample(index)?).map_err(unsaid)
    }

    /// Changes a weight, or a bias where no input is named.
    ///
    /// # Errors
    /// No network, no such weight, or no number.
    pub async fn set_weight(&mut self, place: Place, value: f32) -> Result<()> {
        self.point = None;
        self.playground()?.set_weight(place, value).await
    }

    /// Puts the weights that [`Page::weights`] gave, as JSON: the network goes on after so many steps.
    ///
    /// # Errors
    /// No network, or weights of another one.
    pub fn restore(&mut self, weights: &str, steps: u64, epochs: u64) -> Result<()> {
        let weights: Vec<Weights> = serde_json::from_str(weights).map_err(unsaid)?;
        self.point = None;
        let playground = self
            .playground
            .as_mut()
            .ok_or_else(|| Error::Config { what: "page", message: "no network is there yet".to_owned() })?;
        playground.restore(&weights, steps, epochs)
    }

    /// Goes to the point of the loss where all weights are 0.
    ///
    /// # Errors
    /// No network, or what the device reports.
    pub async fn to_saddle(&mut self) -> Result<()> {
        self.point = None;
        self.playground()?.to_saddle().await
    }

    /// What is around the network's place: see [`Surroundings`](crate::saddle::Surroundings).
    ///
    /// # Errors
    /// No network, or what the examination reports.
    pub async fn look_around(&mut self) -> Result<Value> {
        let (found, point) = self.playground()?.look_around().await?;
        self.point = Some(point);
        serde_json::to_value(found).map_err(unsaid)
    }

    /// A step along the way out: `{before, after}`, losses.
    ///
    /// # Errors
    /// Nothing was looked at since a weight changed, there is no way out, or what the device reports.
    pub async fn leave(&mut self, step: f64) -> Result<Value> {
        let Some(point) = self.point.take() else {
            return Err(Error::Config { what: "page", message: "look around first: the weights have changed".to_owned() });
        };
        let (before, after) = self.playground()?.leave(&point, step).await?;
        Ok(json!({"before": before, "after": after}))
    }

    /// Verifies the device: ops whose name contains `filter`, the default depth. `plant` names an op that gets wrong kernels, so that one can see it found.
    ///
    /// # Errors
    /// No op of that name, or a device that cannot be verified. Wrong numbers are no error.
    pub async fn verify(
        &self,
        filter: &str,
        plant: Option<String>,
        progress: &mut dyn FnMut(&str, usize, usize),
    ) -> Result<Value> {
        let depth = Depth { deep: false, filter: families(filter)?, plant };
        Ok(report(&full_async(&self.device, &depth, progress).await?, filter))
    }

    /// The names of the families of ops that a verification can be confined to.
    pub fn families(&self) -> Vec<&'static str> {
        let mut found: Vec<&'static str> = cases("").into_iter().map(|(family, _)| family).collect();
        found.dedup();
        found
    }
}

/// The families that a name means, with commas between them: those whose own name contains it, else those of ops whose name does.
fn families(name: &str) -> Result<String> {
    if name.is_empty() || !cases(name).is_empty() {
        return Ok(name.to_owned());
    }
    let mut found: Vec<&str> =
        cases("").into_iter().filter(|(_, case)| case.op.name().contains(name)).map(|(family, _)| family).collect();
    found.dedup();
    match found.is_empty() {
        true => Err(Error::Config { what: "verify", message: format!("no operation has `{name}` in its name") }),
        false => Ok(found.join(",")),
    }
}

/// What a verification found, and the same as text.
fn report(outcome: &Outcome, filter: &str) -> Value {
    let mut text = format!(
        "steepest {}\ndevice: {}\nops: {}\n\n",
        env!("CARGO_PKG_VERSION"),
        outcome.device,
        if filter.is_empty() { "all" } else { filter }
    );
    let stages: Vec<Value> = outcome
        .stages
        .iter()
        .map(|stage| {
            let found = &stage.report;
            text += &format!(
                "{:<34} {:>6} cases {:>9} elements {:>4} wrong {:>7.1} s\n",
                stage.name,
                found.cases,
                found.elements,
                found.failures.len(),
                stage.seconds
            );
            for (class, (ratio, place)) in &found.worst {
                text += &format!("    {class:<15} worst error {ratio:.3} of its bound  ({place})\n");
            }
            json!({"name": stage.name, "cases": found.cases, "elements": found.elements, "wrong": found.failures.len()})
        })
        .collect();
    text += "\nthe driver's own functions\n";
    for row in &outcome.driver {
        text += &match row {
            DriverRow::Accuracy { name, driver, engine, .. } => {
                let engine = engine.map_or_else(|| "-".to_owned(), |ulp| format!("{ulp:.1}"));
                format!("    {name:<20} off by {driver:.1} ULP, this library's {engine}\n")
            }
            DriverRow::Behaviour { name, holds } => format!("    {name}: {}\n", if *holds { "yes" } else { "no" }),
        };
    }
    let failures = outcome.failures();
    for failure in &failures {
        text += &format!("WRONG {failure}\n");
    }
    text += &format!(
        "\n{} cases, {} elements, {} wrong, {:.1} s\n",
        outcome.cases(),
        outcome.elements(),
        failures.len(),
        outcome.seconds
    );
    json!({
        "device": outcome.device, "passed": outcome.passed(), "cases": outcome.cases(), "elements": outcome.elements(), "wrong": failures.len(),
        "failures": failures, "stages": stages, "seconds": outcome.seconds, "text": text,
    })
}

fn unsaid(error: serde_json::Error) -> Error {
    Error::Config { what: "page", message: error.to_string() }
}
