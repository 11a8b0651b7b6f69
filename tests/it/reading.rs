//! Reading without blocking: how often a future is polled and how long a poll takes, many reads at a time, reads given up, and what is read when
//! other work comes after.

use crate::common;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};
use steepest::optim::{Optimizer, Sgd};
use steepest::{Device, Error, Tensor};

/// Which futures were woken, and a way to sleep until one is.
#[derive(Default)]
struct Alarm {
    woken: Mutex<Vec<usize>>,
    rings: Condvar,
}

/// Wakes one future.
struct Bell {
    alarm: Arc<Alarm>,
    future: usize,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.alarm.woken.lock().unwrap().push(self.future);
        self.alarm.rings.notify_all();
    }
}

impl Alarm {
    /// Sleeps until a future was woken; which ones were.
    fn sleep(&self) -> Vec<usize> {
        let patience = Duration::from_secs(60);
        let (mut woken, timeout) =
            self.rings.wait_timeout_while(self.woken.lock().unwrap(), patience, |woken| woken.is_empty()).unwrap();
        assert!(!timeout.timed_out(), "nobody wakes the future");
        std::mem::take(&mut *woken)
    }
}

/// What polling futures by hand took.
#[derive(Debug, Default)]
struct Polls {
    count: usize,
    longest: Duration,
}

/// Polls futures by hand, each at first and whenever it is woken, until all are ready.
fn poll_all<T>(futures: Vec<impl Future<Output = T>>) -> (Vec<T>, Polls) {
    let (alarm, mut polls) = (Arc::new(Alarm::default()), Polls::default());
    let mut waiting: Vec<_> = futures.into_iter().map(|future| Some(Box::pin(future))).collect();
    let mut values: Vec<Option<T>> = waiting.iter().map(|_| None).collect();
    let mut woken: Vec<usize> = (0..waiting.len()).collect();
    loop {
        for at in woken {
            let Some(future) = &mut waiting[at] else { continue };
            let waker = Waker::from(Arc::new(Bell { alarm: Arc::clone(&alarm), future: at }));
            let begun = Instant::now();
            let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
            polls.longest = polls.longest.max(begun.elapsed());
            polls.count += 1;
            if let Poll::Ready(found) = polled {
                values[at] = Some(found);
                waiting[at] = None;
            }
        }
        if waiting.iter().all(Option::is_none) {
            return (values.into_iter().flatten().collect(), polls);
        }
        woken = alarm.sleep();
    }
}

/// Takes a good fraction of a second on a machine like the first one.
fn long(device: &Device) -> Tensor {
    longer(device, 1)
}

/// As many times as long.
fn longer(device: &Device, times: usize) -> Tensor {
    let mut x = device.uniform([768, 768], -0.05, 0.05, 1);
    for _ in 0..times * if device.is_gpu() { 4 } else { 16 } {
        x = x.matmul(&x).tanh();
    }
    x
}

/// Tries what a machine with other things to do may spoil, each time with twice as much to compute: once is enough, never is a fault.
fn once_in_five(mut attempt: impl FnMut(usize) -> Result<(), String>) {
    let mut reasons = vec![];
    for doubled in 0..5 {
        match attempt(1 << doubled) {
            Ok(()) => return,
            Err(reason) => reasons.push(reason),
        }
    }
    panic!("five times of five: {reasons:#?}");
}

#[test]
fn a_poll_takes_no_time_whatever_is_computed() {
    for device in common::devices("reading") {
        once_in_five(|times| {
            let x = longer(&device, times);
            let begun = Instant::now();
            let (found, polls) = poll_all(vec![x.to_vec_async::<f32>()]);
            let whole = begun.elapsed();
            println!("{device}: {} polls, the longest {:?} of {whole:?}", polls.count, polls.longest);
            assert_eq!(found[0].as_ref().unwrap(), &x.to_vec::<f32>().unwrap());
            assert!(polls.count <= 2, "{polls:?}: woken before there was anything to be had");
            // One that computes, compiles or waits takes most of it; the bound leaves room for a busy machine.
            let short = whole > Duration::from_millis(10) && polls.longest < whole / 4;
            short.then_some(()).ok_or_else(|| format!("{device}: {polls:?} of {whole:?}"))
        });
    }
}

#[test]
fn many_reads_are_under_way_at_a_time() {
    for device in common::devices("reading") {
        once_in_five(|times| {
            // They wait for what takes long: ready at its first poll is only one that waited in it, or whose poll was held up as long.
            let slow = longer(&device, times).sum(&[]) * 0.0;
            let tensors: Vec<Tensor> = (0..200).map(|i| device.full([i % 7 + 1, 3], i as f64) * 2.0 + &slow).collect();
            let (found, polls) = poll_all(tensors.iter().map(Tensor::to_vec_async::<f32>).collect());
            for (i, found) in found.into_iter().enumerate() {
                assert_eq!(found.unwrap(), vec![2.0 * i as f32; 3 * (i % 7 + 1)]);
            }
            println!("{device}: {} polls of 200 futures, the longest {:?}", polls.count, polls.longest);
            assert!(polls.count <= 400, "{polls:?}: woken before there was anything to be had");
            (polls.count > 300).then_some(()).ok_or_else(|| format!("{device}: {polls:?}: one by one"))
        });
    }
}

#[test]
fn any_executor_will_do() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for device in common::devices("reading") {
        let tensors: Vec<Tensor> = (0..20).map(|i| device.full(5, f64::from(i)) + 1.0).collect();
        let sums = runtime.block_on(async {
            // Tasks own what they read.
            let tasks: Vec<_> = tensors.iter().map(|tensor| tokio::spawn(tensor.sum(&[]).item_async())).collect();
            let mut sums = vec![];
            for task in tasks {
                sums.push(task.await.unwrap().unwrap());
            }
            sums
        });
        assert_eq!(sums, (0..20).map(|i| 5.0 * (i as f32 + 1.0)).collect::<Vec<_>>());
        assert_eq!(pollster::block_on(tensors[3].to_vec_async::<f32>()).unwrap(), [4.0; 5]);
        // A timer of the executor goes on while a read is under way.
        once_in_five(|times| {
            let x = longer(&device, times);
            let ticks = AtomicUsize::new(0);
            runtime.block_on(async {
                let mut read = pin!(x.to_vec_async::<f32>());
                std::future::poll_fn(|context| {
                    let polled = read.as_mut().poll(context);
                    if polled.is_pending() {
                        ticks.fetch_add(1, Ordering::Relaxed);
                        std::thread::yield_now();
                        context.waker().wake_by_ref();
                    }
                    polled
                })
                .await
                .unwrap();
            });
            let ticks = ticks.into_inner();
            (ticks > 20).then_some(()).ok_or_else(|| format!("{device}: the loop stood still, {ticks} times round"))
        });
    }
}

/// A future that was polled once, and what it gave if that was enough.
struct Started<F: Future> {
    future: Pin<Box<F>>,
    found: Option<F::Output>,
}

impl<F: Future> Started<F> {
    fn new(future: F) -> Started<F> {
        let mut future = Box::pin(future);
        let found = match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(found) => Some(found),
            Poll::Pending => None,
        };
        Started { future, found }
    }

    fn end(self) -> F::Output {
        self.found.unwrap_or_else(|| pollster::block_on(self.future))
    }
}

#[test]
fn a_read_that_is_given_up_does_no_harm() {
    for device in common::devices("reading") {
        device.wait().unwrap();
        let nodes = device.live_nodes();
        for round in 0..40 {
            let x = device.full([64, 64], round as f64) * 3.0;
            let read = x.to_vec_async::<f32>();
            // Never begun, given up at once, or somewhere on its way.
            if round % 4 > 0 {
                let begun = Started::new(read);
                if round % 4 > 1 {
                    std::thread::sleep(Duration::from_micros(150 * round));
                }
                drop(begun);
            }
        }
        assert_eq!((device.ones(4) * 2.0).to_vec::<f32>().unwrap(), [2.0; 4]);
        let begun = Instant::now();
        while device.live_nodes() > nodes {
            assert!(begun.elapsed() < Duration::from_secs(30), "{device}: what was given up is held on to");
            std::thread::sleep(Duration::from_millis(1));
        }
        // Dropped while it is computed: what comes next waits its turn.
        let x = long(&device);
        drop(Started::new(x.to_vec_async::<f32>()));
        assert_eq!(device.ones(3).sum(&[]).item().unwrap(), 3.0);
        // The last handle to a device may be a read's.
        let other = if device.is_gpu() { Device::named(device.name()).unwrap() } else { Device::cpu() };
        let read = (other.ones(1000) * 2.0).sum(&[]).item_async();
        drop(other);
        assert_eq!(Started::new(read).end().unwrap(), 2000.0);
    }
}

#[test]
fn what_is_read_is_the_value_at_the_first_poll() {
    for device in common::devices("reading") {
        for _ in 0..10 {
            let w = device.parameter(&[1.0, 2.0], 2);
            let slow = long(&device).sum(&[]) * 0.0 + &w;
            let late = w.to_vec_async::<f32>();
            let before = Started::new(w.to_vec_async::<f32>());
            let computed = Started::new((&slow * 10.0).to_vec_async::<f32>());
            // A step, and then other values: both come after what was begun.
            Sgd::new([w.clone()], 1.0).step((&w * &w).sum(&[]).backward()).unwrap();
            assert_eq!(before.end().unwrap(), [1.0, 2.0]);
            assert_eq!(computed.end().unwrap(), [10.0, 20.0]);
            assert_eq!(pollster::block_on(late).unwrap(), [-1.0, -2.0], "it had not begun");
            let before = Started::new((&w * 1.0).to_vec_async::<f32>());
            w.set(&[5.0, 6.0]).unwrap();
            assert_eq!(before.end().unwrap(), [-1.0, -2.0]);
            assert_eq!(w.to_vec::<f32>().unwrap(), [5.0, 6.0]);
        }
    }
}

#[test]
fn errors_come_through_the_future() {
    for device in common::devices("reading") {
        let wrong = device.ones([2, 3]).matmul(&device.ones([2, 3]));
        assert!(pollster::block_on(wrong.to_vec_async::<f32>()).is_err());
        assert!(pollster::block_on(device.ones(2).item_async()).is_err(), "two elements");
        assert!(pollster::block_on(device.ones(2).to_vec_async::<bool>()).is_err(), "another type");
        assert_eq!(pollster::block_on(device.zeros([0, 3]).to_vec_async::<f32>()).unwrap(), [0.0; 0]);
        let half = device.tensor_f16(&[1.5, -2.0, 3.0], 3);
        assert_eq!(pollster::block_on(half.to_vec_async::<f32>()).unwrap(), [1.5, -2.0, 3.0]);
        // No room for it, at each allocation on its way; then there is.
        for nth in 1..12 {
            let x = device.full(1000, 2.0) + 1.0;
            device.fail_allocation(nth);
            let read = pollster::block_on(x.to_vec_async::<f32>());
            let left = device.fail_allocation(0);
            match read {
                Ok(found) => assert_eq!(found, [3.0; 1000]),
                Err(error) => assert!(left == 0 && matches!(error, Error::OutOfMemory { .. }), "{error}"),
            }
            assert_eq!(pollster::block_on(x.to_vec_async::<f32>()).unwrap(), [3.0; 1000], "allocation {nth} failed once");
        }
        if device.is_gpu() {
            let x = long(&device);
            let read = Started::new(x.to_vec_async::<f32>());
            device.as_gpu().unwrap().lose();
            // Whether it came in time or not: it ends.
            let ended = read.end();
            assert!(ended.is_ok() || matches!(ended, Err(Error::DeviceLost { .. })), "{ended:?}");
            let lost = pollster::block_on((x * 2.0).to_vec_async::<f32>());
            assert!(matches!(lost, Err(Error::DeviceLost { .. })), "{lost:?}");
        }
    }
}

/// Whoever is woken finds everything let go: what was read may be the last thing a program does with its tensors.
#[test]
fn nothing_is_held_once_a_read_is_over() {
    for device in common::devices("reading") {
        device.wait().unwrap();
        let nodes = device.live_nodes();
        for i in 0..200 {
            let x = device.full([8, 8], f64::from(i)) * 2.0;
            let read = x.to_vec_async::<f32>();
            drop(x);
            assert_eq!(pollster::block_on(read).unwrap(), [2.0 * i as f32; 64]);
            assert_eq!(device.live_nodes(), nodes, "{device}, {i}");
            let refused = (device.ones([2, 3]).detach() * 1.0).to_vec_async::<f32>();
            device.fail_allocation(1);
            let refused = pollster::block_on(refused);
            device.fail_allocation(0);
            assert!(refused.is_err() && device.live_nodes() == nodes, "{device}, {i}");
        }
    }
}

/// What is recorded after a read was begun is handed to the device while the read still waits for it.
#[test]
fn other_work_goes_on_while_a_value_is_waited_for() {
    let Some(device) = common::gpu("reading") else { return };
    (device.ones(3) * 2.0).run().unwrap();
    once_in_five(|times| {
        let x = longer(&device, times);
        let mut read = Started::new(x.to_vec_async::<f32>());
        (device.ones(3) * 2.0).run().unwrap();
        let polled = read.future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let waits = read.found.is_none() && polled.is_pending();
        if waits {
            assert_eq!(read.end().unwrap().len(), 768 * 768);
        }
        waits.then_some(()).ok_or_else(|| "a run waited for a read that was begun before it".to_owned())
    });
}
