//! Three ops of this program's own, on the CPU and on a GPU if there is one: results, gradients, and what `check_op` says of them.

mod ops;

use steepest::{Device, Result, verify};

fn main() -> Result<()> {
    let mut devices = vec![Device::cpu()];
    if let Some(gpu) = Device::all().into_iter().find(|found| found.name != "cpu") {
        devices.push(Device::named(&gpu.name)?);
    }

    for device in &devices {
        let x = device.parameter(&[1.0, -2.0, 3.0, 0.5, 0.0, -0.5], [2, 3]);
        let (soft, energy, standard) = (ops::softsign(&x, 2.0), ops::row_energy(&x), ops::standardize(&x));
        println!("{device}");
        println!("  softsign     {:?}", soft.to_vec::<f32>()?);
        println!("  row energy   {:?}", energy.to_vec::<f32>()?);
        println!("  standardize  {:?}", standard.to_vec::<f32>()?);
        // They are ops like any other: together with those of the library they make a loss, which has gradients.
        let loss = (ops::softsign(&standard, 1.0) * energy.reshape([2, 1])).sum(&[]);
        println!("  gradient     {:?}", loss.backward().wrt(&x)?.to_vec::<f32>()?);
    }

    let devices: Vec<&Device> = devices.iter().collect();
    let mut right = true;
    for cases in ops::cases() {
        let verdict = verify::check_op(&devices, &cases);
        println!("\n{verdict}");
        right &= verdict.passed();
    }
    std::process::exit(if right { 0 } else { 1 });
}
