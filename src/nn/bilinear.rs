//! The bilinear layer: y = x₁ᵀ A x₂ + b.

use super::{Blueprint, Init, Module, Row, Site, wrong_inputs};
use crate::error::{OpError, Result};
use crate::{Device, Shape, Tensor};

/// y_k = x₁ᵀ A_k x₂ + b_k with A \[outputs, first, second\] and b \[outputs\]: \[…, first\] and \[…, second\] → \[…, outputs\].
///
/// A layer of two inputs: [`Module::forward_all`], or [`Bilinear::of`].
///
/// ```
/// use steepest::{Device, nn::Bilinear};
/// let device = Device::cpu();
/// let layer = Bilinear::new(&device, 2, 3, 1, 0);
/// layer.weight().set(&[1.0f32, 0.0, 0.0, 0.0, 0.0, 2.0])?; // x₁[0] x₂[0] + 2 x₁[1] x₂[2]
/// layer.bias().expect("it has one").set(&[0.5f32])?;
/// let y = layer.of(&device.tensor(&[3.0, 4.0], [1, 2]), &device.tensor(&[5.0, 6.0, 7.0], [1, 3]));
/// assert_eq!(y.to_vec::<f32>()?, [15.0 + 56.0 + 0.5]);
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Debug)]
pub struct Bilinear {
    weight: Tensor,
    bias: Option<Tensor>,
    sizes: [usize; 3],
}

impl Bilinear {
    /// A layer with bias that starts as PyTorch's does: both uniform in ±1 / √first.
    #[track_caller]
    pub fn new(device: &Device, first: usize, second: usize, outputs: usize, seed: u64) -> Bilinear {
        let start = Init::Uniform(1.0 / (first.max(1) as f64).sqrt());
        let fans = (first, outputs);
        // Not in a closure: an error names the line of whoever called this.
        let weight = start.start("bilinear", device, &[outputs, first, second], fans, seed, 0);
        let bias = start.start("bilinear", device, &[outputs], fans, seed, 1);
        Bilinear { weight, bias: Some(bias), sizes: [outputs, first, second] }
    }

    /// The same layer without bias.
    pub fn without_bias(mut self) -> Bilinear {
        self.bias = None;
        self
    }

    pub(super) fn build(site: &Site<'_>) -> Result<Box<dyn Module>> {
        let sizes = [site.size("outputs")?, site.size("first")?, site.size("second")?];
        let bias = site.flag("bias")?;
        site.reserve(&[&sizes, &[if bias { sizes[0] } else { 0 }]])?;
        // What is not reserved must not be made, not even for a moment.
        let made = |shape: &[usize]| Init::Constant(0.0).start("bilinear", site.device(), shape, (1, 1), 0, 0);
        Ok(Box::new(Bilinear { weight: made(&sizes), bias: bias.then(|| made(&sizes[..1])), sizes }))
    }

    /// A \[outputs, first, second\].
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// b \[outputs\].
    pub fn bias(&self) -> Option<&Tensor> {
        self.bias.as_ref()
    }

    /// y of both inputs, whose axes before the last are the same. Shapes that do not fit make the result invalid.
    #[track_caller]
    pub fn of(&self, first: &Tensor, second: &Tensor) -> Tensor {
        let (Ok(a), Ok(b)) = (first.try_shape(), second.try_shape()) else {
            return if first.check().is_err() { first.clone() } else { second.clone() };
        };
        // A layer of sizes that no weight may have: what follows multiplies them.
        if self.weight.check().is_err() {
            return self.weight.clone();
        }
        let [outputs, n, m] = self.sizes;
        let rows = match (a.dims().split_last(), b.dims().split_last()) {
            (Some((&x, rows)), Some((&y, others))) if (x, y) == (n, m) && rows == others => rows,
            _ => {
                let message = format!("inputs {a} and {b}, expected […,{n}] and […,{m}]");
                return first.refuse("bilinear", OpError::Shape(message));
            }
        };
        let count: usize = rows.iter().product();
        // x₁ᵀ A_k of all outputs in one product, [rows, outputs · second]; then its products with x₂.
        let half = first.reshape([count, n]).matmul(&self.weight.permute(&[1, 0, 2]).reshape([n, outputs * m]));
        let y = half.reshape([count, outputs, m]).matmul(&second.reshape([count, m, 1]));
        let y = y.reshape([rows, &[outputs]].concat());
        let y = self.bias.as_ref().map_or(y.clone(), |bias| y.add(bias));
        y.made_by("bilinear", &[first, second])
    }
}

impl Module for Bilinear {
    #[track_caller]
    fn forward_all(&self, inputs: &[Tensor]) -> Vec<Tensor> {
        let _layer = crate::nn::entered(self);
        match inputs {
            [first, second] => vec![self.of(first, second)],
            _ => wrong_inputs("Bilinear", inputs, 2),
        }
    }

    fn trace_all(&self, name: &str, inputs: &[Tensor], rows: &mut Vec<Row>) -> Vec<Tensor> {
        let outputs = self.forward_all(inputs);
        rows.push(Row::of_all(name, self, inputs, &outputs));
        outputs
    }

    fn visit(&self, visit: &mut dyn FnMut(&str, &Tensor)) {
        visit("weight", &self.weight);
        if let Some(bias) = &self.bias {
            visit("bias", bias);
        }
    }

    fn visit_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Tensor)) {
        visit("weight", &mut self.weight);
        if let Some(bias) = &mut self.bias {
            visit("bias", bias);
        }
    }

    fn multiply_adds(&self, _: &Shape, output: &Shape) -> usize {
        let [_, first, second] = self.sizes;
        output.numel().saturating_mul(second).saturating_mul(first.saturating_add(1))
    }

    fn blueprint(&self) -> Option<Blueprint> {
        let [outputs, first, second] = self.sizes;
        let blueprint = Blueprint::new("Bilinear").set("first", first).set("second", second).set("outputs", outputs);
        Some(blueprint.set("bias", self.bias.is_some()))
    }

    fn describe(&self) -> String {
        let ([outputs, first, second], bias) = (self.sizes, if self.bias.is_some() { "" } else { ", no bias" });
        format!("Bilinear({first}, {second} → {outputs}{bias})")
    }
}
