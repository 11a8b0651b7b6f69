//! Reading: the run points that bring numbers back.

use super::create::Element;
use super::memory::of;
use crate::error::{At, Error, OpError, Result};
use crate::graph::half;
use crate::graph::node::{Reading, Tensor, Value};
use crate::graph::op::DType;
use crate::oneshot;
use crate::platform::{self, waited};
use std::sync::Arc;

impl Tensor {
    /// Computes this tensor if it has no value yet, and keeps it.
    ///
    /// # Errors
    /// The error this tensor carries, or what the device reports.
    pub fn run(&self) -> Result<()> {
        self.node().backend().run(std::slice::from_ref(self.node()))
    }

    /// [`Tensor::run`] without blocking; see [`Device::run_async`](crate::Device::run_async).
    ///
    /// # Errors
    /// As [`Tensor::run`].
    pub async fn run_async(&self) -> Result<()> {
        self.node().backend().run_async(std::slice::from_ref(self.node())).await
    }

    /// The elements, row-major: computes them if need be and waits. Those of an f16 tensor are read as f32.
    ///
    /// # Errors
    /// The error this tensor carries, an element type that is not `T`, or what the device reports.
    #[track_caller]
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>> {
        self.expect::<T>()?;
        waited(self.node().backend().name(), self.fetch())
    }

    /// [`Tensor::to_vec`] without blocking: the future computes and waits on threads of the device and wakes whoever awaits it. It runs under any
    /// executor, of which it needs nothing, and many may be under way.
    ///
    /// It begins when it is polled first. What is read is the value as it is then: runs, steps of optimizers and [`Tensor::set`] that come
    /// later wait until the computation has been handed over. A future that is dropped is given up; what it has begun ends by itself.
    ///
    /// ```
    /// use steepest::Device;
    /// let device = Device::best()?;
    /// let (a, b) = (device.ones(3) * 2.0, device.ones(2) + 4.0);
    /// // Under tokio, `tokio::join!` or `tokio::spawn`: the futures own what they read.
    /// let (a, b) = (a.to_vec_async::<f32>(), b.to_vec_async::<f32>());
    /// pollster::block_on(async {
    ///     assert_eq!((a.await?, b.await?), (vec![2.0; 3], vec![5.0; 2]));
    ///     Ok::<(), steepest::Error>(())
    /// })?;
    /// # Ok::<(), steepest::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Tensor::to_vec`].
    #[track_caller]
    pub fn to_vec_async<T: Element>(&self) -> impl Future<Output = Result<Vec<T>>> + Send + use<T> {
        let expected = self.expect::<T>();
        let tensor = self.clone();
        async move {
            expected?;
            tensor.fetch_in_background().await
        }
    }

    /// The only element of an f32 tensor.
    ///
    /// # Errors
    /// More or fewer than one element, or as [`Tensor::to_vec`].
    #[track_caller]
    pub fn item(&self) -> Result<f32> {
        self.single()?;
        self.expect::<f32>()?;
        waited(self.node().backend().name(), self.fetch_item())
    }

    /// [`Tensor::item`] without blocking; see [`Tensor::to_vec_async`].
    ///
    /// # Errors
    /// As [`Tensor::item`].
    #[track_caller]
    pub fn item_async(&self) -> impl Future<Output = Result<f32>> + Send + use<> {
        let expected = self.single().and_then(|()| self.expect::<f32>());
        let tensor = self.clone();
        async move {
            expected?;
            Ok(tensor.fetch_in_background::<f32>().await?[0])
        }
    }

    #[track_caller]
    fn single(&self) -> Result<()> {
        let shape = self.try_shape()?;
        if shape.numel() == 1 {
            return Ok(());
        }
        let message = format!("{shape} has {} elements, not one", shape.numel());
        Err(Error::op("item", At::caller(), OpError::Shape(message)))
    }

    #[track_caller]
    fn expect<T: Element>(&self) -> Result<()> {
        let spec = self.spec()?;
        if spec.dtype == T::DTYPE || (spec.dtype == DType::F16 && T::DTYPE == DType::F32) {
            return Ok(());
        }
        let message = format!("the tensor is {spec}, read as {}; convert with to_{}()", T::DTYPE, T::DTYPE);
        Err(Error::op("read", At::caller(), OpError::DType(message)))
    }

    /// What [`Tensor::to_vec`] gives. Where waiting is allowed, that is done in the first poll.
    pub(crate) async fn fetch<T: Element>(&self) -> Result<Vec<T>> {
        self.expect::<T>()?;
        if !self.node().has_value() {
            self.run_async().await?;
        }
        let what = || of(self.node());
        let words = match self.node().value() {
            Some(Value::Host(words)) => self.node().backend().room().copied(what, &words)?,
            Some(Value::Stored(stored)) => self.node().backend().read(stored).await.map_err(|error| error.for_what(what))?,
            None => return Err(self.without_value()),
        };
        self.elements(words)
    }

    /// The only element of an f32 tensor; see [`Tensor::fetch`].
    pub(crate) async fn fetch_item(&self) -> Result<f32> {
        self.single()?;
        Ok(self.fetch::<f32>().await?[0])
    }

    /// As [`Tensor::fetch`], by threads of the device; in a browser, which has none, its own loop does the waiting.
    async fn fetch_in_background<T: Element>(self) -> Result<Vec<T>> {
        if !platform::may_wait() {
            return self.fetch().await;
        }
        let (sender, found) = oneshot::channel();
        let (backend, device) = (Arc::clone(self.node().backend()), self.node().backend().name().to_owned());
        backend.check()?;
        let job = move || {
            if !sender.is_wanted() {
                return;
            }
            let reading = match self.begin() {
                Ok(reading) => reading,
                Err(error) => {
                    drop(self);
                    return sender.send(Err(error));
                }
            };
            reading(Box::new(move |words| {
                let words = words.map_err(|error| error.for_what(|| of(self.node())));
                let elements = words.and_then(|words| self.elements(words));
                // Whoever waits finds the tensor let go.
                drop(self);
                sender.send(elements);
            }));
        };
        backend.in_background(Box::new(job));
        found.await.unwrap_or_else(|| Err(Error::Device { device, message: "a read that ended without a result".to_owned() }))
    }

    /// Computes the value if need be, and begins to read it.
    fn begin(&self) -> Result<Reading> {
        let backend = self.node().backend();
        if !self.node().has_value() {
            self.run()?;
        }
        match self.node().value() {
            Some(Value::Host(words)) => {
                let copy = backend.room().copied(|| of(self.node()), &words)?;
                Ok(Box::new(|taker| taker(Ok(copy))))
            }
            Some(Value::Stored(stored)) => backend.begin_read(stored).map_err(|error| error.for_what(|| of(self.node()))),
            None => Err(self.without_value()),
        }
    }

    /// That there is nothing to be read.
    fn without_value(&self) -> Error {
        let spent = OpError::Stale("it has no value after its run: an update has none".to_owned());
        Error::op(self.node().op_name(), self.node().at(), spent)
    }

    /// The elements in a value's words.
    fn elements<T: Element>(&self, words: Vec<u32>) -> Result<Vec<T>> {
        let spec = self.spec()?;
        if spec.dtype != DType::F16 && size_of::<T>() == size_of::<u32>() {
            // In the same memory.
            return Ok(words.into_iter().map(T::from_word).collect());
        }
        let mut elements = self.node().backend().room().room(|| of(self.node()), spec.shape.numel())?;
        if spec.dtype == DType::F16 {
            elements.extend((0..spec.shape.numel()).map(|i| T::from_word(half::at(&words, i).to_bits())));
        } else {
            elements.extend(words.into_iter().map(T::from_word));
        }
        Ok(elements)
    }
}
