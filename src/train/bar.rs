//! The progress of a run on a terminal: a bar for the epoch, a line for each that is over. Nothing where nobody watches.

use super::Record;

/// What the bar shows of a step.
#[cfg_attr(not(feature = "progress"), allow(dead_code))]
pub(super) struct Shown {
    pub(super) epoch: usize,
    pub(super) epochs: usize,
    pub(super) batch: usize,
    pub(super) batches: usize,
    /// Rows seen in this epoch.
    pub(super) rows: u64,
    /// The mean loss so far.
    pub(super) loss: f64,
    pub(super) lr: f64,
}

/// The figures of an epoch in a line.
pub(super) fn line(record: &Record, epochs: usize) -> String {
    let mut text = format!("epoch {:>3}/{epochs}  loss {:.4}", record.epoch, record.loss);
    if let Some(loss) = record.val_loss {
        text += &format!("  val_loss {loss:.4}");
    }
    for (name, value) in &record.metrics {
        text += &format!("  {name} {value:.4}");
    }
    text + &format!("  rate {:.2e}  {:.1} s", record.lr, record.seconds)
}

#[cfg(feature = "progress")]
mod drawn {
    use super::{Record, Shown, line};
    use crate::platform::Instant;
    use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
    use std::io::IsTerminal;
    use std::time::Duration;

    /// How often losses are read for the bar: each reading waits for the device.
    const EVERY: Duration = Duration::from_millis(200);

    pub struct Bar {
        bar: Option<ProgressBar>,
        /// The last epoch's metric.
        metric: String,
        drawn: Instant,
        start: (Instant, u64),
    }

    impl Bar {
        pub fn new(quiet: bool) -> Bar {
            let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
                let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
                let style = ProgressStyle::with_template("{prefix} {bar:24} {pos}/{len}  {msg}  {eta} left");
                bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
            });
            Bar { bar, metric: String::new(), drawn: Instant::now(), start: (Instant::now(), 0) }
        }

        /// Whether it is time to draw.
        pub fn is_due(&self) -> bool {
            self.bar.is_some() && self.drawn.elapsed() >= EVERY
        }

        /// An epoch begins, or goes on after `batch` batches.
        pub fn begin(&mut self, shown: &Shown) {
            self.start = (Instant::now(), shown.rows);
            if let Some(bar) = &self.bar {
                bar.set_length(shown.batches as u64);
                bar.reset();
                bar.set_position(shown.batch as u64);
                bar.reset_eta();
                // The last epoch's loss is not this one's.
                bar.set_message(self.metric.trim_start().to_owned());
                bar.set_prefix(format!("epoch {:>3}/{}", shown.epoch + 1, shown.epochs));
            }
        }

        pub fn draw(&mut self, shown: &Shown) {
            let Some(bar) = &self.bar else { return };
            self.drawn = Instant::now();
            let speed = (shown.rows - self.start.1) as f64 / self.start.0.elapsed().as_secs_f64().max(1e-9);
            bar.set_position(shown.batch as u64);
            bar.set_message(format!("loss {:.4}{}  rate {:.1e}  {speed:.0} rows/s", shown.loss, self.metric, shown.lr));
        }

        pub fn epoch(&mut self, record: &Record, epochs: usize) {
            let Some(bar) = &self.bar else { return };
            self.metric = record.metrics.first().map_or(String::new(), |(name, value)| format!("  {name} {value:.4}"));
            bar.println(line(record, epochs));
        }
    }

    impl Bar {
        /// A line about something that went wrong.
        #[cfg_attr(not(feature = "save"), allow(dead_code))]
        pub fn say(&self, text: &str) {
            if let Some(bar) = &self.bar {
                bar.println(text);
            }
        }
    }

    impl Drop for Bar {
        fn drop(&mut self) {
            if let Some(bar) = &self.bar {
                bar.finish_and_clear();
            }
        }
    }
}

#[cfg(not(feature = "progress"))]
mod drawn {
    use super::{Record, Shown};

    /// Draws nothing: the feature `progress` is off.
    pub struct Bar;

    impl Bar {
        pub fn new(_: bool) -> Bar {
            Bar
        }
        pub fn is_due(&self) -> bool {
            false
        }
        pub fn begin(&mut self, _: &Shown) {}
        pub fn draw(&mut self, _: &Shown) {}
        pub fn epoch(&mut self, _: &Record, _: usize) {}
        #[cfg_attr(not(feature = "save"), allow(dead_code))]
        pub fn say(&self, _: &str) {}
    }

    /// As of one that draws, whose end is its drop.
    impl Drop for Bar {
        fn drop(&mut self) {}
    }
}

pub(super) use drawn::Bar;
