//! The linear layer: y = x Wᵀ + b.

use super::{Blueprint, Init, Module, Site, parts};
use crate::error::{At, Error, OpError, Result};
use crate::{Device, Shape, Tensor};

/// y = x Wᵀ + b with W \[outputs, inputs\] and b \[outputs\]: \[…, inputs\] → \[…, outputs\].
#[derive(Debug)]
pub struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
    inputs: usize,
    outputs: usize,
}

impl Linear {
    /// A layer with bias that starts as PyTorch's does: both uniform in ±1 / √inputs.
    #[track_caller]
    pub fn new(device: &Device, inputs: usize, outputs: usize, seed: u64) -> Linear {
        Linear::with_init(device, inputs, outputs, Init::FanIn, Init::FanIn, seed)
    }

    /// A layer with the given starts of weight and bias.
    #[track_caller]
    pub fn with_init(device: &Device, inputs: usize, outputs: usize, weight: Init, bias: Init, seed: u64) -> Linear {
        let fans = (inputs, outputs);
        Linear {
            weight: weight.start("linear", device, &[outputs, inputs], fans, seed, 0),
            bias: Some(bias.start("linear", device, &[outputs], fans, seed, 1)),
            inputs,
            outputs,
        }
    }

    /// A layer of given parameters: W \[outputs, inputs\] and, if any, b \[outputs\]. A weight that another layer has too is shared with it (tied
    /// weights): it is one parameter, whose gradient is the sum of those of both uses, and an optimizer steps it once.
    ///
    /// ```
    /// use steepest::{Device, nn::{Embedding, Linear, Module}};
    /// let device = Device::cpu();
    /// let words = Embedding::new(&device, 100, 8, 0);
    /// let scores = Linear::from_parameters(words.weight().clone(), None)?; // as language models end
    /// assert_eq!(scores.forward(&device.zeros([3, 8])).shape().dims(), [3, 100]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    ///
    /// # Errors
    /// The error a tensor carries, a weight that is no f32 matrix, a bias that is not f32 with as many elements as the weight has rows, or one of another
    /// device.
    #[track_caller]
    pub fn from_parameters(weight: Tensor, bias: Option<Tensor>) -> Result<Linear> {
        let (spec, at) = (weight.spec()?, At::caller());
        let &[outputs, inputs] = spec.shape.dims() else {
            let message = format!("the weight is {spec}, expected two axes, [outputs, inputs]");
            return Err(Error::op("linear", at, OpError::Shape(message)));
        };
        parts::is_f32("linear", "weight", &weight, at)?;
        if let Some(bias) = &bias {
            parts::is_f32("linear", "bias", bias, at)?;
            if bias.try_shape()?.dims() != [outputs] {
                let message = format!("the bias is {}, expected [{outputs}] for a weight {spec}", bias.try_shape()?);
                return Err(Error::op("linear", at, OpError::Shape(message)));
            }
            let (here, there) = (weight.device(), bias.device());
            if here != there {
                let devices = OpError::Devices(here.name().to_owned(), there.name().to_owned());
                return Err(Error::op("linear", at, devices));
            }
        }
        Ok(Linear { weight, bias, inputs, outputs })
    }

    /// The same layer without bias.
    pub fn without_bias(mut self) -> Linear {
        self.bias = None;
        self
    }

    pub(super) fn build(site: &Site<'_>) -> Result<Box<dyn Module>> {
        let (inputs, outputs) = (site.size("inputs")?, site.size("outputs")?);
        let bias = site.flag("bias")?;
        site.reserve(&[&[outputs, inputs], &[if bias { outputs } else { 0 }]])?;
        // What is not reserved must not be made, not even for a moment.
        let made = |shape: &[usize]| Init::Constant(0.0).start("linear", site.device(), shape, (inputs, outputs), 0, 0);
        Ok(Box::new(Linear { weight: made(&[outputs, inputs]), bias: bias.then(|| made(&[outputs])), inputs, outputs }))
    }

    /// W \[outputs, inputs\].
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// b \[outputs\].
    pub fn bias(&self) -> Option<&Tensor> {
        self.bias.as_ref()
    }
}

impl Module for Linear {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Tensor {
        let _layer = crate::nn::entered(self);
        let y = x.matmul(&self.weight.t());
        match &self.bias {
            Some(bias) => y + bias,
            None => y,
        }
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
        output.numel().saturating_mul(self.inputs)
    }

    fn blueprint(&self) -> Option<Blueprint> {
        Some(Blueprint::new("Linear").set("inputs", self.inputs).set("outputs", self.outputs).set("bias", self.bias.is_some()))
    }

    fn describe(&self) -> String {
        let bias = if self.bias.is_some() { "" } else { ", no bias" };
        format!("Linear({} → {}{bias})", self.inputs, self.outputs)
    }
}
