//! Layers that change the size of images and sequences: Upsample, Pad, PixelShuffle, PixelUnshuffle and ChannelShuffle.

use super::pool::times;
use super::{Blueprint, Module, Site};
use crate::error::{OpError, Result};
use crate::{Interpolation, PadMode, Tensor};

/// How long an axis becomes.
#[derive(Clone, Debug, PartialEq)]
enum Length {
    To(Vec<usize>),
    By(f64),
}

/// [`Tensor::interpolate`] as a layer: \[N, C, …\] with other sizes of the axes after the first two.
///
/// ```
/// use steepest::{Device, Interpolation, nn::{Module, Upsample}};
/// let layer = Upsample::by(2.0, Interpolation::Linear { align_corners: false });
/// assert_eq!(layer.forward(&Device::cpu().zeros([1, 3, 4, 5])).shape().dims(), [1, 3, 8, 10]);
/// assert_eq!(layer.describe(), "Upsample(×2, linear)");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Upsample {
    length: Length,
    how: Interpolation,
}

impl Upsample {
    /// To these sizes, one for each axis after the first two.
    pub fn to(size: &[usize], how: Interpolation) -> Upsample {
        Upsample { length: Length::To(size.to_vec()), how }
    }

    /// By a factor, the same for every axis after the first two.
    pub fn by(factor: f64, how: Interpolation) -> Upsample {
        Upsample { length: Length::By(factor), how }
    }

    /// Name and corners.
    fn named(&self) -> (&'static str, bool) {
        match self.how {
            Interpolation::Nearest => ("nearest", false),
            Interpolation::NearestExact => ("nearest-exact", false),
            Interpolation::Linear { align_corners } => ("linear", align_corners),
            Interpolation::Cubic { align_corners } => ("cubic", align_corners),
            Interpolation::Area => ("area", false),
        }
    }

    pub(super) fn build(site: &Site<'_>) -> Result<Box<dyn Module>> {
        let blueprint = site.blueprint();
        let align_corners = site.flag("align_corners")?;
        let how = match blueprint.text("mode")? {
            "nearest" => Interpolation::Nearest,
            "nearest-exact" => Interpolation::NearestExact,
            "linear" => Interpolation::Linear { align_corners },
            "cubic" => Interpolation::Cubic { align_corners },
            "area" => Interpolation::Area,
            other => return Err(blueprint.refuse(format!("no interpolation is called `{other}`"))),
        };
        let by = blueprint.settings().contains_key("factor");
        let length = if by { Length::By(site.number("factor")?) } else { Length::To(blueprint.sizes("size")?) };
        Ok(Box::new(Upsample { length, how }))
    }
}

impl Module for Upsample {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Tensor {
        let _layer = crate::nn::entered(self);
        match &self.length {
            Length::To(size) => x.interpolate(size, self.how),
            Length::By(factor) => match x.try_shape() {
                Ok(shape) => x.interpolate_by(&vec![*factor; shape.rank().saturating_sub(2)], self.how),
                Err(_) => x.clone(),
            },
        }
    }

    fn blueprint(&self) -> Option<Blueprint> {
        let (mode, align_corners) = self.named();
        let blueprint = Blueprint::new("Upsample").set("mode", mode).set("align_corners", align_corners);
        Some(match &self.length {
            Length::To(size) => blueprint.set("size", &size[..]),
            Length::By(factor) => blueprint.set("factor", *factor),
        })
    }

    fn describe(&self) -> String {
        let (mode, align_corners) = self.named();
        let length = match &self.length {
            Length::To(size) => format!("to {}", times(size)),
            Length::By(factor) => format!("×{factor}"),
        };
        format!("Upsample({length}, {mode}{})", if align_corners { ", aligned corners" } else { "" })
    }
}

/// [`Tensor::pad_with`] as a layer, for the last axes: (before, after) of each of them.
///
/// ```
/// use steepest::{Device, PadMode, nn::{Module, Pad}};
/// let layer = Pad::new(&[(1, 1), (2, 0)], PadMode::Reflect); // rows above and below, columns to the left
/// assert_eq!(layer.forward(&Device::cpu().zeros([1, 3, 4, 5])).shape().dims(), [1, 3, 6, 7]);
/// assert_eq!(layer.describe(), "Pad(1+1, 2+0, reflect)");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Pad {
    pads: Vec<(isize, isize)>,
    mode: PadMode,
}

impl Pad {
    /// (before, after) of the last axes, as many as there are pairs; negative ones take away.
    pub fn new(pads: &[(isize, isize)], mode: PadMode) -> Pad {
        Pad { pads: pads.to_vec(), mode }
    }

    pub(super) fn build(site: &Site<'_>) -> Result<Box<dyn Module>> {
        let blueprint = site.blueprint();
        let mode = match blueprint.text("mode")? {
            "constant" => PadMode::Constant(site.number("value")?),
            "reflect" => PadMode::Reflect,
            "edge" => PadMode::Edge,
            "circular" => PadMode::Circular,
            other => return Err(blueprint.refuse(format!("no padding is called `{other}`"))),
        };
        let side = |more: &str, less: &str| -> Result<Vec<isize>> {
            let (more, less) = (blueprint.sizes(more)?, blueprint.sizes(less)?);
            let signed = |(&more, &less): (&usize, &usize)| Some(isize::try_from(more).ok()? - isize::try_from(less).ok()?);
            let side: Option<Vec<isize>> = more.iter().zip(&less).map(signed).collect();
            side.filter(|side| side.len() == more.len().max(less.len()))
                .ok_or_else(|| blueprint.refuse(format!("{more:?} more and {less:?} less along the axes")))
        };
        let (before, after) = (side("before", "cut_before")?, side("after", "cut_after")?);
        if before.len() != after.len() {
            return Err(blueprint.refuse(format!("{before:?} before and {after:?} after")));
        }
        Ok(Box::new(Pad { pads: before.into_iter().zip(after).collect(), mode }))
    }
}

impl Module for Pad {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Tensor {
        let _layer = crate::nn::entered(self);
        let Ok(shape) = x.try_shape() else { return x.clone() };
        match shape.rank().checked_sub(self.pads.len()) {
            Some(rest) => x.pad_with(&[&vec![(0, 0); rest][..], &self.pads].concat(), self.mode),
            None => {
                let message = format!("input is {shape}, expected at least {} axes", self.pads.len());
                x.refuse("Pad", OpError::Shape(message))
            }
        }
    }

    fn blueprint(&self) -> Option<Blueprint> {
        let side = |of: fn(&(isize, isize)) -> isize| self.pads.iter().map(|pad| of(pad).max(0) as usize).collect::<Vec<_>>();
        let blueprint = Blueprint::new("Pad")
            .set("mode", self.mode.name())
            .set("before", &side(|pad| pad.0)[..])
            .set("after", &side(|pad| pad.1)[..])
            .set("cut_before", &side(|pad| pad.0.saturating_neg())[..])
            .set("cut_after", &side(|pad| pad.1.saturating_neg())[..]);
        match self.mode {
            // A file holds no other numbers.
            PadMode::Constant(value) => value.is_finite().then(|| blueprint.set("value", value)),
            _ => Some(blueprint),
        }
    }

    fn describe(&self) -> String {
        let pads = self.pads.iter().map(|(before, after)| format!("{before}+{after}, ")).collect::<String>();
        let value = if let PadMode::Constant(value) = self.mode { format!(" {value}") } else { String::new() };
        format!("Pad({pads}{}{value})", self.mode.name())
    }
}

macro_rules! shuffles {
    ($($(#[$doc:meta])* $layer:ident, $setting:ident => $method:ident;)*) => {
        $($(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $layer {
            $setting: usize,
        }

        impl $layer {
            /// With this number: see the method.
            pub fn new($setting: usize) -> $layer {
                $layer { $setting }
            }

            pub(super) fn build(site: &Site<'_>) -> Result<Box<dyn Module>> {
                Ok(Box::new($layer { $setting: site.size(stringify!($setting))? }))
            }
        }

        impl Module for $layer {
            #[track_caller]
            fn forward(&self, x: &Tensor) -> Tensor {
                let _layer = crate::nn::entered(self);
                x.$method(self.$setting)
            }

            fn blueprint(&self) -> Option<Blueprint> {
                Some(Blueprint::new(stringify!($layer)).set(stringify!($setting), self.$setting))
            }

            fn describe(&self) -> String {
                format!("{}({})", stringify!($layer), self.$setting)
            }
        })*
    };
}

shuffles! {
    /// [`Tensor::pixel_shuffle`] as a layer: \[…, C·r², H, W\] → \[…, C, H·r, W·r\].
    PixelShuffle, upscale => pixel_shuffle;
    /// [`Tensor::pixel_unshuffle`] as a layer: \[…, C, H·r, W·r\] → \[…, C·r², H, W\].
    PixelUnshuffle, downscale => pixel_unshuffle;
    /// [`Tensor::channel_shuffle`] as a layer: the channels of \[N, C, …\] in turn from each group.
    ChannelShuffle, groups => channel_shuffle;
}
