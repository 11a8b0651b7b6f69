//! GFLOP/s of square matrix products on every device, beside ndarray's plain `dot` on one thread.
//!
//! `cargo bench --bench matmul -- [SIZE…] [DEVICE]`; `STEEPEST_VARIANT=i` forces a kernel variant on the GPU. The last column counts the
//! processor time of this process (on Linux) instead of the time that passed: what a shared machine distorts least.

use std::time::Instant;
use steepest::{Device, Tensor, no_grad, ops::random::uniform_host};

/// The median of several timings of `f`, in seconds, and the mean processor time.
fn median(runs: usize, mut f: impl FnMut()) -> (f64, f64) {
    f();
    let busy = processor_seconds();
    let mut times: Vec<f64> = (0..runs)
        .map(|_| {
            let start = Instant::now();
            f();
            start.elapsed().as_secs_f64()
        })
        .collect();
    let busy = (processor_seconds() - busy) / runs as f64;
    times.sort_by(f64::total_cmp);
    (times[runs / 2], busy)
}

/// User and system time of this process so far; NaN where that cannot be read. Linux counts in hundredths of a second.
fn processor_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<f64> =
        text.rsplit(')').next().unwrap_or("").split_whitespace().map(|f| f.parse().unwrap_or(f64::NAN)).collect();
    fields.get(11..13).map_or(f64::NAN, |times| times.iter().sum::<f64>() / 100.0)
}

fn main() -> steepest::Result<()> {
    let (sizes, others): (Vec<_>, Vec<_>) =
        std::env::args().skip(1).map(|a| a.parse::<usize>().map_err(|_| a)).partition(Result::is_ok);
    let sizes: Vec<usize> = sizes.into_iter().flatten().collect();
    let sizes = if sizes.is_empty() { vec![256, 512, 1024] } else { sizes };
    let wanted = others.into_iter().filter_map(Result::err).find(|a| !a.starts_with('-'));
    let variant = std::env::var("STEEPEST_VARIANT").ok().and_then(|v| v.parse().ok());
    let mut names: Vec<String> =
        wanted.map_or_else(|| Device::all().into_iter().map(|info| info.name).collect(), |name| vec![name]);
    names.dedup();
    let devices: Vec<Device> = names.iter().map(|name| Device::named(name)).collect::<Result<_, _>>()?;
    println!("GFLOP/s, median of 9");
    println!("{:<40} {:>6} {:>8} {:>8} {:>8}   {:>22}", "device", "size", "A B", "A B'", "A' B", "A B per processor s");
    for &n in &sizes {
        let (a, b) = (uniform_host(n * n, -1.0, 1.0, 1, 0), uniform_host(n * n, -1.0, 1.0, 2, 0));
        let flops = 2e-9 * (n as f64).powi(3);
        let rounds = (1024 / n).clamp(1, 16).pow(2).min(16);
        let views = [&a, &b].map(|x| ndarray::ArrayView2::from_shape((n, n), x).expect("square"));
        let (plain, busy) = median(9, || (0..rounds).for_each(|_| drop(std::hint::black_box(views[0].dot(&views[1])))));
        let work = flops * rounds as f64;
        println!("{:<40} {n:>6} {:>8.1} {:>8} {:>8}   {:>22.1}", "ndarray dot, one thread", work / plain, "", "", work / busy);
        for device in &devices {
            device.force_variant(variant);
            let (x, y) = (device.tensor(&a, [n, n]), device.tensor(&b, [n, n]));
            let rates = [(false, false), (false, true), (true, false)].map(|(ta, tb)| {
                // Several products per run and one small read at the end, so that starting and waiting do not count much.
                let (seconds, busy) = median(9, || {
                    let operand = |x: &Tensor, t: bool| if t { x.t() } else { x.clone() };
                    let products: Vec<_> = no_grad(|| (0..rounds).map(|_| operand(&x, ta).matmul(&operand(&y, tb))).collect());
                    device.run(&products).expect("runs");
                    std::hint::black_box(products[rounds - 1].slice(0, 0..1).to_vec::<f32>().expect("reads"));
                });
                (work / seconds, work / busy)
            });
            let [(ab, busy), (abt, _), (atb, _)] = rates;
            println!("{:<40} {n:>6} {ab:>8.1} {abt:>8.1} {atb:>8.1}   {busy:>22.1}", device.to_string());
        }
    }
    Ok(())
}
