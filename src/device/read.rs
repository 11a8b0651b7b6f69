//! Reading: the run points that bring numbers back.

use super::create::Element;
use super::memory::of;
use crate::error::{Error, OpError, Result};
use crate::graph::half;
use crate::graph::node::{Tensor, Value};
use crate::graph::op::DType;
use std::panic::Location;

impl Tensor {
    /// Computes this tensor if it has no value yet, and keeps it.
    ///
    /// # Errors
    /// The error this tensor carries, or what the device reports.
    pub fn run(&self) -> Result<()> {
        self.node().backend().run(std::slice::from_ref(self.node()))
    }

    /// The elements, row-major: computes them if need be and waits. Those of an f16 tensor are read as f32.
    ///
    /// # Errors
    /// The error this tensor carries, an element type that is not `T`, or what the device reports.
    #[track_caller]
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>> {
        self.expect::<T>()?;
        pollster::block_on(self.fetch())
    }

    /// [`Tensor::to_vec`] without blocking.
    ///
    /// # Errors
    /// As [`Tensor::to_vec`].
    #[track_caller]
    pub fn to_vec_async<T: Element>(&self) -> impl Future<Output = Result<Vec<T>>> + '_ {
        let expected = self.expect::<T>();
        async move {
            expected?;
            self.fetch().await
        }
    }

    /// The only element of an f32 tensor.
    ///
    /// # Errors
    /// More or fewer than one element, or as [`Tensor::to_vec`].
    #[track_caller]
    pub fn item(&self) -> Result<f32> {
        self.single()?;
        Ok(self.to_vec::<f32>()?[0])
    }

    /// [`Tensor::item`] without blocking.
    ///
    /// # Errors
    /// As [`Tensor::item`].
    #[track_caller]
    pub fn item_async(&self) -> impl Future<Output = Result<f32>> + '_ {
        let expected = self.single().and_then(|()| self.expect::<f32>());
        async move {
            expected?;
            Ok(self.fetch::<f32>().await?[0])
        }
    }

    #[track_caller]
    fn single(&self) -> Result<()> {
        let shape = self.try_shape()?;
        if shape.numel() == 1 {
            return Ok(());
        }
        let message = format!("{shape} has {} elements, not one", shape.numel());
        Err(Error::op("item", Location::caller(), OpError::Shape(message)))
    }

    #[track_caller]
    fn expect<T: Element>(&self) -> Result<()> {
        let spec = self.spec()?;
        if spec.dtype == T::DTYPE || (spec.dtype == DType::F16 && T::DTYPE == DType::F32) {
            return Ok(());
        }
        let message = format!("the tensor is {spec}, read as {}; convert with to_{}()", T::DTYPE, T::DTYPE);
        Err(Error::op("read", Location::caller(), OpError::DType(message)))
    }

    async fn fetch<T: Element>(&self) -> Result<Vec<T>> {
        if !self.node().has_value() {
            self.run()?;
        }
        let what = || of(self.node());
        let words = match self.node().value() {
            Some(Value::Host(words)) => self.node().backend().room().copied(what, &words)?,
            Some(Value::Stored(stored)) => self.node().backend().read(stored).await.map_err(|error| error.for_what(what))?,
            None => {
                let spent = OpError::Stale("it has no value after its run: an update has none".to_owned());
                return Err(Error::op(self.node().op_name(), self.node().at(), spent));
            }
        };
        let spec = self.spec()?;
        if spec.dtype != DType::F16 && size_of::<T>() == size_of::<u32>() {
            // In the same memory.
            return Ok(words.into_iter().map(T::from_word).collect());
        }
        let mut elements = self.node().backend().room().room(what, spec.shape.numel())?;
        if spec.dtype == DType::F16 {
            elements.extend((0..spec.shape.numel()).map(|i| T::from_word(half::at(&words, i).to_bits())));
        } else {
            elements.extend(words.into_iter().map(T::from_word));
        }
        Ok(elements)
    }
}
