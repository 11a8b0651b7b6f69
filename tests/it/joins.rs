//! What joins a kernel and what does not: one plan for each condition, on both sides of each limit. Nothing that joins changes a number.
#![allow(clippy::unwrap_used)]

use steepest::plan::{Plan, Switches};
use steepest::{Device, Tensor};

fn numbers(device: &Device, shape: &[usize], seed: usize) -> Tensor {
    let count: usize = shape.iter().product();
    let values: Vec<f32> = (0..count).map(|i| ((i * 7919 + seed * 104_729 + 13) % 1013) as f32 / 1013.0 - 0.5).collect();
    device.tensor(&values, shape)
}

/// The plan of some values with fusion. That they are the same without is looked at here.
fn plan(device: &Device, make: impl Fn() -> Vec<Tensor>) -> Plan {
    let values = |fuse: bool| {
        device.set_switches(Switches { fuse, ..Switches::default() });
        let made = make();
        device.run(&made).unwrap();
        made.iter().map(|t| t.to_f32().to_vec::<f32>().unwrap()).collect::<Vec<_>>()
    };
    let (apart, joined) = (values(false), values(true));
    for (a, b) in apart.iter().flatten().zip(joined.iter().flatten()) {
        assert!(a.to_bits() == b.to_bits() || (a - b).abs() <= 1e-6 * a.abs().max(1.0), "{a} apart, {b} joined");
    }
    device.plan(&make()).unwrap()
}

fn dispatches(device: &Device, make: impl Fn() -> Vec<Tensor>) -> usize {
    plan(device, make).dispatches.len()
}

#[test]
fn a_kernel_has_room_for_so_many_rules_buffers_and_scalars() {
    let device = Device::cpu();
    let x = numbers(&device, &[12], 1);
    let rules = |count: usize| dispatches(&device, || vec![(0..count).fold(x.clone(), |y, _| y.sin())]);
    assert_eq!([rules(1), rules(31), rules(32), rules(33)], [1, 1, 1, 2]);
    let leaves: Vec<Tensor> = (0..8).map(|i| numbers(&device, &[12], i)).collect();
    let buffers = |count: usize| dispatches(&device, || vec![leaves[1..count].iter().fold(leaves[0].clone(), |y, x| y + x)]);
    assert_eq!([buffers(2), buffers(6), buffers(7)], [1, 1, 2]);
    // Two scalars each.
    let scalars =
        |count: usize| dispatches(&device, || vec![(0..count).fold(x.clone(), |y, i| y.clamp(-0.25, 0.125 + i as f64))]);
    assert_eq!([scalars(15), scalars(16), scalars(17)], [1, 1, 2]);
}

#[test]
fn a_value_is_computed_where_it_is_read() {
    let device = Device::cpu();
    let (x, w, wide) = (numbers(&device, &[4, 4], 1), numbers(&device, &[4, 4], 2), numbers(&device, &[3, 4, 4], 3));
    let count = |make: &dyn Fn() -> Vec<Tensor>| dispatches(&device, make);
    assert_eq!(count(&|| vec![x.exp() + &w]), 1);
    // Held by the user.
    assert_eq!(
        count(&|| {
            let y = x.exp();
            vec![y.sin(), y]
        }),
        2
    );
    // Read by two kernels.
    assert_eq!(
        count(&|| {
            let y = x.exp();
            vec![y.sin(), y.sum(&[0])]
        }),
        3
    );
    // Read twice by one.
    assert_eq!(
        count(&|| {
            let y = x.exp();
            vec![y.sin() + y.cos()]
        }),
        1
    );
    // Read in another order, and more often than it is computed.
    assert_eq!(count(&|| vec![x.exp().t() + &w]), 2);
    assert_eq!(count(&|| vec![x.exp() + &wide]), 2);
    // A leaf may be read in any order.
    assert_eq!(count(&|| vec![x.t() + &w]), 1);
    assert_eq!(count(&|| vec![&x + &wide]), 1);
}

#[test]
fn what_follows_a_product_is_done_by_its_kernel() {
    let device = Device::cpu();
    let (a, b) = (numbers(&device, &[8, 8], 1), numbers(&device, &[8, 8], 2));
    let more: Vec<Tensor> = (3..8).map(|i| numbers(&device, &[8, 8], i)).collect();
    let after = |make: &dyn Fn(&Tensor) -> Vec<Tensor>| dispatches(&device, || make(&a.matmul(&b)));
    assert_eq!(after(&|y| vec![y.exp()]), 1);
    assert_eq!(after(&|y| vec![y * y]), 1);
    assert_eq!(after(&|y| vec![(y.sin() + y.cos()).exp()]), 1);
    // As many buffers beside it as a kernel has room for, and one more.
    assert_eq!(after(&|y| vec![more[..4].iter().fold(y.clone(), |y, x| y + x)]), 1);
    assert_eq!(after(&|y| vec![more[..5].iter().fold(y.clone(), |y, x| y + x)]), 2);
    // Held by the user, or read by another kernel.
    assert_eq!(after(&|y| vec![y.exp(), y.clone()]), 2);
    assert_eq!(after(&|y| vec![y.exp(), y.sum(&[1])]), 3);
    // Read in another order, in two orders, or in part.
    assert_eq!(after(&|y| vec![y.t().exp()]), 2);
    assert_eq!(after(&|y| vec![y + y.t()]), 2);
    assert_eq!(after(&|y| vec![y.slice(0, 0..4).exp()]), 2);
    // What is no f32 has a kernel of its own.
    assert_eq!(after(&|y| vec![y.gt_scalar(0.0)]), 2);
    // Of two products one is taken.
    assert_eq!(dispatches(&device, || vec![a.matmul(&b).exp() + b.matmul(&a)]), 2);
}

/// Operations are those of the calls, however they are joined; each is counted once.
#[test]
fn work_is_counted_once_however_it_is_joined() {
    let device = Device::cpu();
    let (a, b) = (numbers(&device, &[2, 3], 1), numbers(&device, &[3, 4], 2));
    let work = |fuse: bool, make: &dyn Fn() -> Vec<Tensor>| {
        device.set_switches(Switches { fuse, ..Switches::default() });
        device.plan(&make()).unwrap().dispatches.iter().map(|d| d.flops).collect::<Vec<u64>>()
    };
    let product = || vec![a.matmul(&b)];
    assert_eq!(work(true, &product), [2 * 2 * 3 * 4]);
    let after = || vec![a.matmul(&b).exp() + 1.0];
    assert_eq!((work(true, &after), work(false, &after)), (vec![48 + 8 + 8], vec![48, 8, 8]));
    let several = || {
        let y = a.matmul(&b).exp();
        vec![y.softmax(1), y.sin()]
    };
    assert_eq!(work(true, &several).iter().sum::<u64>(), work(false, &several).iter().sum::<u64>());
}

#[test]
fn switches_are_named_one_by_one() {
    let all: Vec<Switches> = Switches::all().collect();
    // Eight without merging; with it all on, and two of neither fusion nor reuse.
    assert_eq!(all.len(), 11);
    assert!(all.iter().enumerate().all(|(i, s)| !all[..i].contains(s)));
    assert_eq!(all.iter().filter(|s| s.merge).count(), 3);
    for (i, name) in Switches::NAMES.iter().enumerate() {
        let without = Switches::without(name).unwrap();
        let on = [without.fuse, without.reuse, without.cache, without.merge];
        assert_eq!(on.iter().position(|on| !on), Some(i));
        assert_eq!(on.iter().filter(|on| **on).count(), 3);
        assert_eq!(format!("{name}=off").parse::<Switches>().unwrap(), without);
        assert_eq!(format!(" {name}=off , {name}=on,").parse::<Switches>().unwrap(), Switches::default());
    }
    assert!(Switches::without("speed").is_none());
    for text in ["fuse", "fuse=", "speed=off", "fuse=no", "=off"] {
        let error = text.parse::<Switches>().unwrap_err().to_string();
        assert!(error.contains("expected NAME=on or NAME=off"), "{error}");
    }
}
