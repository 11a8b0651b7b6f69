//! The registry: which kind of layer is built how. Files name kinds; nothing else in them is ever run.

use super::{Blueprint, Module, parts};
use crate::Device;
use crate::error::Result;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;

type Maker = Box<dyn Fn(&Site<'_>) -> Result<Box<dyn Module>> + Send + Sync>;

/// How every kind of layer is built from its [`Blueprint`]. [`Registry::new`] knows this crate's layers; one's own are added.
///
/// ```
/// use steepest::{Device, Tensor, nn::{Blueprint, Linear, Module, Registry, Sequential}};
///
/// struct Doubled { inner: Box<dyn Module> }
///
/// impl Module for Doubled {
///     fn forward(&self, x: &Tensor) -> Tensor {
///         self.inner.forward(x) * 2.0
///     }
///     steepest::parts!(inner);
///     fn blueprint(&self) -> Option<Blueprint> {
///         Blueprint::new("mine.Doubled").part("inner", &*self.inner)
///     }
/// }
///
/// let registry = Registry::new().register("mine.Doubled", |site| Ok(Box::new(Doubled { inner: site.part("inner")? })));
/// let device = Device::cpu();
/// let model = Sequential::new().add(Doubled { inner: Box::new(Linear::new(&device, 2, 1, 0)) });
/// let same = registry.build(&device, &model.blueprint().expect("every part has one"))?;
/// assert_eq!(same.named_parameters()[0].0, "0.inner.weight");
/// # Ok::<(), steepest::Error>(())
/// ```
pub struct Registry {
    makers: BTreeMap<String, Maker>,
}

/// Where a layer is built: its blueprint, the device, and the means to build its parts.
pub struct Site<'a> {
    device: &'a Device,
    blueprint: &'a Blueprint,
    registry: &'a Registry,
    /// Numbers that may still be learned.
    left: &'a Cell<u64>,
}

impl Registry {
    /// This crate's layers.
    pub fn new() -> Registry {
        let empty = Registry { makers: BTreeMap::new() };
        super::KINDS.iter().fold(empty, |registry, &(kind, maker)| registry.register(kind, maker))
    }

    /// The same with one more kind, or another maker for a kind. A maker calls [`Site::reserve`] before it makes parameters of a size that
    /// the blueprint says, so that no file makes it ask for more memory than the file's own size.
    pub fn register(
        mut self,
        kind: impl Into<String>,
        maker: impl Fn(&Site<'_>) -> Result<Box<dyn Module>> + Send + Sync + 'static,
    ) -> Registry {
        self.makers.insert(kind.into(), Box::new(maker));
        self
    }

    /// The kinds it knows, in the order of the alphabet.
    pub fn kinds(&self) -> impl Iterator<Item = &str> {
        self.makers.keys().map(String::as_str)
    }

    /// Builds a layer with all its parts; its parameters hold whatever a new layer's do. Those that layers share are shared again ([`Blueprint::of`]).
    ///
    /// # Errors
    /// [`Error::Blueprint`](crate::Error::Blueprint): a kind that nobody registered, settings its maker does not accept, or parameters that cannot be
    /// shared: of other shapes, or of a layer without [`Module::visit_mut`].
    pub fn build(&self, device: &Device, blueprint: &Blueprint) -> Result<Box<dyn Module>> {
        self.build_within(device, blueprint, u64::MAX)
    }

    /// The same, of at most `numbers` parameters and buffers in all.
    ///
    /// # Errors
    /// As [`Registry::build`], and a model that would hold more.
    pub fn build_within(&self, device: &Device, blueprint: &Blueprint, numbers: u64) -> Result<Box<dyn Module>> {
        let left = Cell::new(numbers);
        self.made(&Site { device, blueprint, registry: self, left: &left })
    }

    fn made(&self, site: &Site<'_>) -> Result<Box<dyn Module>> {
        match self.makers.get(site.blueprint.kind()) {
            Some(maker) => {
                let mut made = maker(site)?;
                if !site.blueprint.shared().is_empty() {
                    parts::share(&mut made, site.blueprint.shared()).map_err(|message| site.blueprint.refuse(message))?;
                }
                Ok(made)
            }
            None => {
                Err(site.blueprint.refuse("no such kind of layer is registered; register it, or load into a model of your own"))
            }
        }
    }
}

impl Default for Registry {
    fn default() -> Registry {
        Registry::new()
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.makers.keys()).finish()
    }
}

impl<'a> Site<'a> {
    /// The device the layer is for.
    pub fn device(&self) -> &'a Device {
        self.device
    }

    /// What is to be built.
    pub fn blueprint(&self) -> &'a Blueprint {
        self.blueprint
    }

    /// A setting: see [`Blueprint::size`].
    ///
    /// # Errors
    /// As there.
    pub fn size(&self, name: &str) -> Result<usize> {
        self.blueprint.size(name)
    }

    /// A setting: see [`Blueprint::number`].
    ///
    /// # Errors
    /// As there.
    pub fn number(&self, name: &str) -> Result<f64> {
        self.blueprint.number(name)
    }

    /// A setting: see [`Blueprint::flag`].
    ///
    /// # Errors
    /// As there.
    pub fn flag(&self, name: &str) -> Result<bool> {
        self.blueprint.flag(name)
    }

    /// Says that the layer will hold tensors of these shapes.
    ///
    /// # Errors
    /// [`Error::Blueprint`](crate::Error::Blueprint): with what was reserved before they are more numbers than there may be.
    pub fn reserve(&self, shapes: &[&[usize]]) -> Result<()> {
        let numel = |dims: &&[usize]| dims.iter().try_fold(1u64, |n, &dim| n.checked_mul(dim as u64));
        let wanted = shapes.iter().try_fold(0u64, |sum, dims| sum.checked_add(numel(dims)?));
        match wanted.and_then(|wanted| self.left.get().checked_sub(wanted)) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => {
                Err(self.blueprint.refuse(format!("tensors of {shapes:?} are more than the {} numbers left", self.left.get())))
            }
        }
    }

    /// Builds the part of a name.
    ///
    /// # Errors
    /// There is none, or it cannot be built.
    pub fn part(&self, name: &str) -> Result<Box<dyn Module>> {
        match self.blueprint.parts().iter().find(|(part, _)| part == name) {
            Some((_, part)) => self.registry.made(&Site { blueprint: part, ..*self }),
            None => Err(self.blueprint.refuse(format!("it has no part `{name}`"))),
        }
    }

    /// The parts as places of their own, in order, with their names: for a layer whose parts are of one kind.
    pub(super) fn inner(&self) -> impl Iterator<Item = (&'a str, Site<'a>)> {
        self.blueprint.parts().iter().map(|(name, part)| (name.as_str(), Site { blueprint: part, ..*self }))
    }

    /// Builds all parts, in order.
    ///
    /// # Errors
    /// One cannot be built.
    pub fn parts(&self) -> Result<Vec<Box<dyn Module>>> {
        self.blueprint.parts().iter().map(|(_, part)| self.registry.made(&Site { blueprint: part, ..*self })).collect()
    }
}
