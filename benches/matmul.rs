//! GFLOP/s of square matrix products on every device, beside ndarray's plain `dot` on one thread.
//!
//! `cargo bench --bench matmul -- [SIZE…]`; `STEEPEST_VARIANT=i` forces a kernel variant on the GPU.

use std::time::Instant;
use steepest::{Device, no_grad, ops::random::uniform_host};

/// The median of several timings of `f`, in seconds.
fn median(runs: usize, mut f: impl FnMut()) -> f64 {
    f();
    let mut times: Vec<f64> = (0..runs)
        .map(|_| {
            let start = Instant::now();
            f();
            start.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[runs / 2]
}

fn main() -> steepest::Result<()> {
    let sizes: Vec<usize> = std::env::args().skip(1).filter_map(|a| a.parse().ok()).collect();
    let sizes = if sizes.is_empty() { vec![256, 512, 1024] } else { sizes };
    let variant = std::env::var("STEEPEST_VARIANT").ok().and_then(|v| v.parse().ok());
    let devices: Vec<Device> = Device::all().iter().map(|info| Device::named(&info.name)).collect::<Result<_, _>>()?;
    println!("GFLOP/s, median of 9");
    println!("{:<44} {:>6} {:>9} {:>9} {:>9}", "device", "size", "A B", "A B'", "A' B");
    for &n in &sizes {
        let (a, b) = (uniform_host(n * n, -1.0, 1.0, 1, 0), uniform_host(n * n, -1.0, 1.0, 2, 0));
        let flops = 2.0 * (n as f64).powi(3);
        let views = [&a, &b].map(|x| ndarray::ArrayView2::from_shape((n, n), x).expect("square"));
        let plain = median(9, || {
            std::hint::black_box(views[0].dot(&views[1]));
        });
        println!("{:<44} {n:>6} {:>9.1}", "ndarray dot, one thread", flops / plain / 1e9);
        for device in &devices {
            device.force_variant(variant);
            let (x, y) = (device.tensor(&a, [n, n]), device.tensor(&b, [n, n]));
            let rates = [(false, false), (false, true), (true, false)].map(|(ta, tb)| {
                // Several products per run and one small read at the end, so that starting and waiting do not count much.
                let rounds = if n <= 256 { 16 } else { 4 };
                let seconds = median(9, || {
                    let products: Vec<_> = no_grad(|| {
                        let operand = |x: &steepest::Tensor, t: bool| if t { x.t() } else { x.clone() };
                        (0..rounds).map(|_| operand(&x, ta).matmul(&operand(&y, tb))).collect()
                    });
                    device.run(&products).expect("runs");
                    let corner = products[rounds - 1].slice(0, 0..1).slice(1, 0..1);
                    std::hint::black_box(corner.item().expect("reads"));
                });
                flops * rounds as f64 / seconds / 1e9
            });
            println!("{:<44} {n:>6} {:>9.1} {:>9.1} {:>9.1}", device.to_string(), rates[0], rates[1], rates[2]);
        }
    }
    Ok(())
}
