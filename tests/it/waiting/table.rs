//! Every call that waits, beside its async form.

use super::{Found, Twins};
use std::fmt::Debug;
use steepest::data::{DataLoader, Dataset, Labels};
use steepest::nn::{self, Array, BatchNorm1d, Linear, Module, Sequential, StateDict};
use steepest::ops::case::Case;
use steepest::optim::{Adam, Average, Lbfgs, Optimizer, State};
use steepest::train::metrics::{Predictions, Score};
use steepest::train::{Report, Trainer};
use steepest::unsupervised::{KMeans, Pca};
use steepest::{Anomaly, Device, Error, Result, Tensor, critical, verify};

/// What a call found: the Debug form of a float tells every bit.
fn text<T: Debug>(found: Result<T>) -> Result<String> {
    found.map(|value| format!("{value:?}"))
}

macro_rules! twins {
    ($($name:literal, $waits:expr, |$device:ident| $blocking:expr, $awaited:expr;)*) => {
        vec![$(Twins {
            name: $name,
            waits: $waits,
            blocking: |$device: &Device| text($blocking),
            awaited: |device: Device| -> Found {
                Box::pin(async move {
                    let $device = &device;
                    text($awaited.await)
                })
            },
        }),*]
    };
}

fn numbers(device: &Device) -> Tensor {
    device.tensor(&[0.5, -1.25, 2.0, 0.0, 3.5, -0.125], [2, 3]) * 1.5
}

fn counts(device: &Device) -> Tensor {
    (device.tensor(&[3.0, 1.0, 0.0, 3.0, 2.0, 1.0], 6) * 1.0).to_u32()
}

/// A positive definite matrix: what is made of it is computed by the host.
fn factor(device: &Device) -> Tensor {
    let a = device.tensor(&[4.0, 1.0, 0.5, 1.0, 3.0, 0.25, 0.5, 0.25, 2.0], [3, 3]);
    (&a * 1.0).cholesky(false).exp().sum(&[0])
}

/// With a look at what a run kept.
async fn after(run: impl Future<Output = Result<()>>, of: &Tensor) -> Result<Vec<f32>> {
    run.await?;
    of.to_vec_async::<f32>().await
}

fn cases() -> Vec<Case> {
    verify::cases("softmax").into_iter().map(|(_, case)| case).take(3).collect()
}

fn depth() -> verify::Depth {
    verify::Depth { filter: "softmax,linalg".to_owned(), ..verify::Depth::default() }
}

/// What a verification found, without the times.
fn outcome(found: Result<verify::Outcome>) -> Result<(usize, usize, Vec<String>, Vec<verify::KnownAnswer>)> {
    let found = found?;
    Ok((found.cases(), found.elements(), found.failures(), found.known))
}

fn op_check(found: &verify::OpCheck) -> Vec<(String, usize, usize, Vec<String>)> {
    let each =
        |stage: &verify::Stage| (stage.name.clone(), stage.report.cases, stage.report.elements, stage.report.failures.clone());
    found.stages.iter().map(each).collect()
}

fn report(found: &verify::Report) -> (usize, usize, Vec<String>) {
    (found.cases, found.elements, found.failures.clone())
}

fn loss(x: &[Tensor]) -> Tensor {
    x[0].tanh().square().sum(&[])
}

fn parameter(device: &Device) -> [Tensor; 1] {
    let values = device.tensor(&[0.25, -0.5, 1.0], 3);
    let parameter = device.parameter(&[1.0, 1.0, 1.0], 3);
    // On the device, and computed there.
    parameter.copy_from(&(values * 2.0)).expect("a copy");
    [parameter]
}

fn checked(device: &Device) -> Tensor {
    device.set_check(true);
    factor(device)
}

fn watched(device: &Device) -> Tensor {
    device.set_anomaly(Anomaly::NonFinite);
    numbers(device).log().sum(&[])
}

fn profiled(device: &Device) -> Tensor {
    device.set_profile(true);
    numbers(device).exp().sum(&[])
}

/// An error as what was found.
fn refused<T: Debug>(found: Result<T>) -> Result<String> {
    match found {
        Err(error @ Error::CannotWait { .. }) => Err(error),
        found => Ok(format!("{:?}", found.map_err(|error| error.to_string()))),
    }
}

/// The table.
pub fn all() -> Vec<Twins> {
    let mut all = devices();
    all.extend(verification());
    all.extend(found_and_drawn());
    all.extend(training());
    all.extend(looking());
    #[cfg(feature = "save")]
    all.extend(saved());
    #[cfg(feature = "plot")]
    all.extend(drawn());
    all
}

fn devices() -> Vec<Twins> {
    twins![
        "read::to_vec_async", true, |device| numbers(device).to_vec::<f32>(), numbers(device).to_vec_async::<f32>();
        "read::item_async", true, |device| numbers(device).sum(&[]).item(), numbers(device).sum(&[]).item_async();
        "read::run_async", true, |device| {
            let x = factor(device);
            x.run().and_then(|()| x.to_vec::<f32>())
        }, async {
            let x = factor(device);
            after(x.run_async(), &x).await
        };
        "state::run_async", true, |device| {
            let x = factor(device);
            device.run([&x]).and_then(|()| x.to_vec::<f32>())
        }, async {
            let x = factor(device);
            after(device.run_async([&x]), &x).await
        };
        "read::run_async of CHECK mode", true, |device| {
            let x = checked(device);
            x.run().and_then(|()| x.to_vec::<f32>())
        }, async {
            let x = checked(device);
            after(x.run_async(), &x).await
        };
        "read::run_async of anomaly mode", true, |device| refused(watched(device).run()), async {
            refused(watched(device).run_async().await)
        };
        "read::run_async of a profile", true, |device| {
            let x = profiled(device);
            x.run().and_then(|()| Ok((x.to_vec::<f32>()?, device.profile().rows().len())))
        }, async {
            let x = profiled(device);
            x.run_async().await?;
            Ok((x.to_vec_async::<f32>().await?, device.profile().rows().len()))
        };
        "peak::measure_peak_async", true, |device| device.measure_peak().map(|peak| peak.gflops > 0.0), async {
            device.measure_peak_async().await.map(|peak| peak.gflops > 0.0)
        };
    ]
}

fn verification() -> Vec<Twins> {
    twins![
        "reference::evaluate_async", true, |device| {
            let [p] = parameter(device);
            steepest::reference::evaluate(&[&loss(std::slice::from_ref(&p))], &Default::default())
        }, async {
            let [p] = parameter(device);
            steepest::reference::evaluate_async(&[&loss(std::slice::from_ref(&p))], &Default::default()).await
        };
        "gradcheck::grad_check_async", true, |device| verify::grad_check(loss, &parameter(device)), async {
            verify::grad_check_async(loss, &parameter(device)).await
        };
        "gradcheck::grad_check_with_async", true, |device| {
            verify::grad_check_with(loss, &parameter(device), verify::GradCheckOptions::default())
        }, async {
            verify::grad_check_with_async(loss, &parameter(device), verify::GradCheckOptions::default()).await
        };
        "probe::driver_async", true, |device| verify::driver(device, || {}), verify::driver_async(device, || {});
        "values::ops_async", true, |device| Ok(report(&verify::ops(device, "reduce"))), async {
            Ok(report(&verify::ops_async(device, "reduce").await))
        };
        "check_op::check_op_async", true, |device| Ok(op_check(&verify::check_op(&[device], &cases()))), async {
            Ok(op_check(&verify::check_op_async(&[device], &cases()).await))
        };
        "full::full_async", true, |device| outcome(verify::full(device, &depth(), &mut |_, _, _| {})), async {
            outcome(verify::full_async(device, &depth(), &mut |_, _, _| {}).await)
        };
    ]
}

fn found_and_drawn() -> Vec<Twins> {
    fn shapes(device: &Device) -> Tensor {
        numbers(device).abs() + 0.5
    }
    fn values(found: Result<Tensor>) -> Result<Vec<f32>> {
        found?.to_f32().to_vec::<f32>()
    }
    async fn awaited(found: impl Future<Output = Result<Tensor>>) -> Result<Vec<f32>> {
        found.await?.to_f32().to_vec_async::<f32>().await
    }
    twins![
        "found::masked_select_async", true, |device| {
            let x = numbers(device);
            values(x.masked_select(&x.gt_scalar(0.5)))
        }, async {
            let x = numbers(device);
            awaited(x.masked_select_async(&x.gt_scalar(0.5))).await
        };
        "found::nonzero_async", true, |device| values(numbers(device).nonzero()), awaited(numbers(device).nonzero_async());
        "found::unique_async", true, |device| {
            let found = counts(device).unique()?;
            values(Ok(found.counts)).and_then(|counts| Ok((counts, found.inverse.to_vec::<u32>()?)))
        }, async {
            let found = counts(device).unique_async().await?;
            let counts = awaited(async { Ok(found.counts) }).await?;
            Ok((counts, found.inverse.to_vec_async::<u32>().await?))
        };
        "found::bincount_async", true, |device| values(counts(device).bincount(None, 0)), awaited(
            counts(device).bincount_async(None, 0)
        );
        "draws::multinomial_async", true, |device| values(shapes(device).multinomial(4, true, 7)), awaited(
            shapes(device).multinomial_async(4, true, 7)
        );
        "draws::poisson_async", true, |device| values(shapes(device).poisson(7)), awaited(shapes(device).poisson_async(7));
        "draws::gamma_async", true, |device| values(shapes(device).gamma(7)), awaited(shapes(device).gamma_async(7));
        "draws::beta_async", true, |device| values(shapes(device).beta(&shapes(device), 7)), awaited(async {
            shapes(device).beta_async(&shapes(device), 7).await
        });
        "draws::dirichlet_async", true, |device| values(shapes(device).dirichlet(7)), awaited(
            shapes(device).dirichlet_async(7)
        );
    ]
}

/// A model with running statistics, and rows for it: two loaders.
fn learned(device: &Device) -> (Sequential, [DataLoader; 2]) {
    let model = Sequential::new()
        .add(Linear::new(device, 2, 8, 1))
        .add(BatchNorm1d::new(device, 8))
        .add(nn::Activation::Tanh)
        .add(Linear::new(device, 8, 2, 2));
    let rows: Vec<f32> = (0..64).map(|i| ((i * 37 % 23) as f32 - 11.0) / 7.0).collect();
    let classes: Vec<u32> = rows.chunks(2).map(|row| u32::from(row[0] * row[1] > 0.0)).collect();
    let data = Dataset::new(rows, &[2], Labels::Classes(classes, 2)).expect("rows");
    let loader = |size| DataLoader::new(&data, size).on_device(device).expect("a loader");
    (model, [loader(8), loader(16)])
}

/// Loss, validation loss and metrics of an epoch.
type Epoch = (f64, Option<f64>, Vec<(String, f64)>);

/// What a training found, without the times.
fn trained(model: &dyn Module, report: Report) -> (Vec<Epoch>, u64, Vec<String>) {
    let each = |record: &steepest::train::Record| (record.loss, record.val_loss, record.metrics.clone());
    let names = model.named_state().into_iter().map(|(name, _)| name).collect();
    (report.history.records.iter().map(each).collect(), report.steps, names)
}

fn trainer<'m>(model: &'m Sequential, held_out: &'m DataLoader) -> Trainer<'m> {
    let optimizer = Adam::new(model.parameters(), 0.01);
    Trainer::new(model, optimizer, |output, labels| output.cross_entropy(labels))
        .epochs(3)
        .accumulate(2)
        .swa(2)
        .clip_norm(1.0)
        .validate(held_out)
        .metric(Score::Accuracy)
        .early_stopping(steepest::train::EarlyStopping::new(5))
        .quiet()
}

/// A loss in whose gradients there are matrices that the host factorises.
fn factored_loss(w: &Tensor) -> Tensor {
    let a = w.reshape([3, 1]);
    let eye = w.device().tensor(&[2.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 2.0], [3, 3]);
    (a.matmul(&a.t()) + eye).cholesky(false).square().sum(&[]).log() + w.square().sum(&[])
}

fn step(device: &Device, check: bool) -> (Tensor, Adam) {
    device.set_check(check);
    let w = device.parameter(&[0.5, -1.0, 0.25], 3);
    let optimizer = Adam::new([w.clone()], 0.1);
    (w, optimizer)
}

fn training() -> Vec<Twins> {
    twins![
        "optim::step_async", true, |device| {
            let (w, mut optimizer) = step(device, false);
            for _ in 0..3 {
                optimizer.step(factored_loss(&w).backward())?;
            }
            Ok((w.to_vec::<f32>()?, optimizer.steps().to_vec()))
        }, async {
            let (w, mut optimizer) = step(device, false);
            for _ in 0..3 {
                optimizer.step_async(factored_loss(&w).backward()).await?;
            }
            Ok((w.to_vec_async::<f32>().await?, optimizer.steps().to_vec()))
        };
        "optim::step_async of CHECK mode", true, |device| {
            let (w, mut optimizer) = step(device, true);
            optimizer.step(factored_loss(&w).backward())?;
            w.to_vec::<f32>()
        }, async {
            let (w, mut optimizer) = step(device, true);
            optimizer.step_async(factored_loss(&w).backward()).await?;
            w.to_vec_async::<f32>().await
        };
        "lbfgs::step_async", true, |device| {
            let (w, _) = step(device, false);
            let report = Lbfgs::new([w.clone()]).step(|| factored_loss(&w));
            report.and_then(|report| Ok((report, w.to_vec::<f32>()?)))
        }, async {
            let (w, _) = step(device, false);
            let report = Lbfgs::new([w.clone()]).step_async(|| factored_loss(&w)).await?;
            Ok((report, w.to_vec_async::<f32>().await?))
        };
        "trainer::fit_async", true, |device| {
            let (model, [train, held_out]) = learned(device);
            let report = trainer(&model, &held_out).fit(&train)?;
            Ok((trained(&model, report), StateDict::of(&model)?))
        }, async {
            let (model, [train, held_out]) = learned(device);
            let report = trainer(&model, &held_out).fit_async(&train).await?;
            Ok((trained(&model, report), StateDict::of_async(&model).await?))
        };
        "score::of_async", true, |device| {
            let (model, [train, _]) = learned(device);
            Predictions::of(&model, &train)
        }, async {
            let (model, [train, _]) = learned(device);
            Predictions::of_async(&model, &train).await
        };
        "state::of_async", true, |device| {
            let (w, mut optimizer) = step(device, false);
            optimizer.step(w.square().sum(&[]).backward()).and_then(|()| State::of(&optimizer))
        }, async {
            let (w, mut optimizer) = step(device, false);
            optimizer.step_async(w.square().sum(&[]).backward()).await?;
            State::of_async(&optimizer).await
        };
        "average::state_async", true, |device| {
            let (w, _) = step(device, false);
            Average::ema([w], 0.5).state()
        }, async {
            let (w, _) = step(device, false);
            Average::ema([w], 0.5).state_async().await
        };
        "state::of_async of a model", true, |device| {
            let (model, _) = learned(device);
            device.run(model.parameters().iter().map(|p| p * 1.0).collect::<Vec<_>>().iter())?;
            StateDict::of(&model)
        }, async {
            let (model, _) = learned(device);
            device.run_async(model.parameters().iter().map(|p| p * 1.0).collect::<Vec<_>>().iter()).await?;
            StateDict::of_async(&model).await
        };
        "state::of_async of a tensor", true, |device| Array::of(&numbers(device)), async {
            Array::of_async(&numbers(device)).await
        };
    ]
}

fn looking() -> Vec<Twins> {
    fn rows(device: &Device) -> Tensor {
        device.tensor(&[0.0, 1.0, 10.0, 11.0, 20.0, 21.5, 1.0, 9.0, 4.0, 2.0, 7.0, 3.0], [6, 2]) * 1.0
    }
    fn hidden(device: &Device) -> nn::LayerOutput {
        let model = nn::mlp(device, &[2, 8, 1], 1);
        let (_, mut layers) = nn::watch(&model, &rows(device));
        layers.remove(1)
    }
    twins![
        "watch::statistics_async", true, |device| hidden(device).statistics(), async {
            hidden(device).statistics_async().await
        };
        "watch::histogram_async", true, |device| hidden(device).histogram(5), async {
            hidden(device).histogram_async(5).await
        };
        "critical::examine_async", true, |device| {
            let [p] = parameter(device);
            critical::examine(&factored_loss(&p), &[&p])
        }, async {
            let [p] = parameter(device);
            critical::examine_async(&factored_loss(&p), &[&p]).await
        };
        "critical::examine_with_async", true, |device| {
            let [p] = parameter(device);
            let options = critical::Options { method: critical::Method::Lanczos, ..critical::Options::default() };
            critical::examine_with(&loss(std::slice::from_ref(&p)), &[&p], options)
        }, async {
            let [p] = parameter(device);
            let options = critical::Options { method: critical::Method::Lanczos, ..critical::Options::default() };
            critical::examine_with_async(&loss(std::slice::from_ref(&p)), &[&p], options).await
        };
        "critical::leave_async", true, |device| {
            let [p] = parameter(device);
            let point = critical::examine(&p.square().neg().sum(&[]), &[&p])?;
            point.leave(&[&p], 0.5)?;
            p.to_vec::<f32>()
        }, async {
            let [p] = parameter(device);
            let point = critical::examine_async(&p.square().neg().sum(&[]), &[&p]).await?;
            point.leave_async(&[&p], 0.5).await?;
            p.to_vec_async::<f32>().await
        };
        "kmeans::fit_async", true, |device| {
            let clusters = KMeans::new(2).seed(3).fit(&rows(device))?;
            Ok((clusters.labels().to_vec(), clusters.inertia(), clusters.centres().to_vec::<f32>()?))
        }, async {
            let clusters = KMeans::new(2).seed(3).fit_async(&rows(device)).await?;
            Ok((clusters.labels().to_vec(), clusters.inertia(), clusters.centres().to_vec_async::<f32>().await?))
        };
        "kmeans::assign_async", true, |device| KMeans::new(2).fit(&rows(device))?.assign(&rows(device)), async {
            KMeans::new(2).fit_async(&rows(device)).await?.assign_async(&rows(device)).await
        };
        "pca::fit_async", true, |device| {
            let pca = Pca::fit(&rows(device), 2)?;
            Ok((pca.explained_variance().to_vec(), pca.components().to_vec::<f32>()?))
        }, async {
            let pca = Pca::fit_async(&rows(device), 2).await?;
            Ok((pca.explained_variance().to_vec(), pca.components().to_vec_async::<f32>().await?))
        };
    ]
}

#[cfg(feature = "save")]
fn saved() -> Vec<Twins> {
    use steepest::save::{Checkpoint, ModelFile};
    /// A model whose numbers are on the device.
    fn model(device: &Device) -> (Sequential, Adam) {
        let (model, [train, _]) = learned(device);
        let mut optimizer = Adam::new(model.parameters(), 0.01);
        for batch in train.epoch_at(0) {
            optimizer.step(model.forward(&batch.x).cross_entropy(&batch.y).backward()).expect("a step");
        }
        (model, optimizer)
    }
    twins![
        "save::of_async", true, |device| ModelFile::of(&model(device).0)?.to_bytes(), async {
            ModelFile::of_async(&model(device).0).await?.to_bytes()
        };
        "checkpoint::of_async", true, |device| {
            let (model, optimizer) = model(device);
            Checkpoint::of(&model, &optimizer)
        }, async {
            let (model, optimizer) = model(device);
            Checkpoint::of_async(&model, &optimizer).await
        };
    ]
}

#[cfg(feature = "plot")]
fn drawn() -> Vec<Twins> {
    use steepest::plot::{self, Field};
    fn weights(device: &Device) -> [Tensor; 1] {
        [device.parameter(&[0.5, -0.25, 1.0, 0.75], [2, 2])]
    }
    twins![
        "landscape::loss_slices_async", true, |device| {
            let w = weights(device);
            plot::loss_slices(&w, 1, 1.0, 5, || loss(&w).item()).and_then(|figure| figure.to_svg())
        }, async {
            let w = weights(device);
            plot::loss_slices_async(&w, 1, 1.0, 5, async || loss(&w).item_async().await).await?.to_svg()
        };
        "landscape::loss_surface_async", true, |device| {
            let w = weights(device);
            plot::loss_surface(&w, 1, 1.0, 3, || loss(&w).item()).map(|field| field.values().to_vec())
        }, async {
            let w = weights(device);
            let field = plot::loss_surface_async(&w, 1, 1.0, 3, async || loss(&w).item_async().await).await?;
            Ok(field.values().to_vec())
        };
        "field::try_sample_async", true, |device| {
            let values = |x: f64, y: f64| Ok(f64::from((device.ones(1) * x + y).sum(&[]).item()?));
            Field::try_sample((0.0, 1.0), (0.0, 2.0), 3, values).map(|field| field.values().to_vec())
        }, async {
            let value = async |x: f64, y: f64| Ok(f64::from((device.ones(1) * x + y).sum(&[]).item_async().await?));
            let field = Field::try_sample_async((0.0, 1.0), (0.0, 2.0), 3, value).await?;
            Ok(field.values().to_vec())
        };
    ]
}
