//! k-means by Lloyd's rounds from k-means++ seeds: distances and means on the device, the draw of the seeds on the host.

use super::{config, table_of};
use crate::error::Result;
use crate::graph::without_grad;
use crate::platform::{self, waited};
use crate::random::Stream;
use crate::{Tensor, no_grad};

/// More starts than this find nothing that fewer do not, and take too long.
const MOST_STARTS: usize = 10_000;

/// k-means: centres c such that Σ ‖x − c(x)‖², the *inertia*, is small, where c(x) is the centre nearest to row x.
///
/// Each of several starts draws its first centres from the rows by k-means++ (Arthur and Vassilvitskii 2007: with probability in proportion to
/// the squared distance to the nearest centre so far) and then repeats Lloyd's round: every row to its nearest centre, every centre to
/// the mean of its rows. The start that ends lowest is kept.
///
/// ```
/// use steepest::{Device, unsupervised::KMeans};
/// let x = Device::cpu().tensor(&[0.0, 1.0, 10.0, 11.0, 20.0, 21.0], [6, 1]);
/// let clusters = KMeans::new(3).seed(7).fit(&x)?;
/// assert_eq!(clusters.inertia(), 1.5);
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "settings find nothing; end with fit"]
pub struct KMeans {
    clusters: usize,
    starts: usize,
    rounds: usize,
    seed: u64,
}

/// What k-means found.
#[derive(Clone, Debug)]
pub struct Clusters {
    mean: Tensor,
    centres: Tensor,
    labels: Vec<u32>,
    inertia: f64,
    rounds: usize,
}

/// ‖x − c‖² of every row and centre: [rows, n], [k, n] → [rows, k], as ‖x‖² − 2 x·c + ‖c‖².
fn squared_distances(x: &Tensor, centres: &Tensor) -> Tensor {
    let own = x.square().sum_keepdim(&[1]);
    let theirs = centres.square().sum(&[1]);
    (own - x.matmul(&centres.t()) * 2.0 + theirs).relu() // rounding may leave a little less than 0
}

/// The nearest centre of each row, and the squared distance to it, from the differences themselves.
async fn nearest(x: &Tensor, centres: &Tensor) -> Result<(Vec<u32>, Vec<f32>)> {
    let label = squared_distances(x, centres).argmin(1);
    let distance = (x - centres.index_select(0, &label)).square().sum(&[1]);
    x.device().run_async([&label, &distance]).await?;
    Ok((label.fetch().await?, distance.fetch().await?))
}

impl KMeans {
    /// So many clusters; 10 starts, at most 300 rounds each, seed 0.
    pub fn new(clusters: usize) -> KMeans {
        KMeans { clusters, starts: 10, rounds: 300, seed: 0 }
    }

    /// How many times to start.
    pub fn starts(mut self, starts: usize) -> KMeans {
        self.starts = starts;
        self
    }

    /// At most so many rounds for each start.
    pub fn rounds(mut self, rounds: usize) -> KMeans {
        self.rounds = rounds;
        self
    }

    /// The seed of the draws.
    pub fn seed(mut self, seed: u64) -> KMeans {
        self.seed = seed;
        self
    }

    /// Finds clusters of the rows of x \[rows, features\], on the device x is on.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config): no clusters, starts or rounds; fewer different rows than clusters; x not f32 of two axes, or
    /// not finite. Else what the device reports.
    pub fn fit(&self, x: &Tensor) -> Result<Clusters> {
        waited(x.device().name(), self.fit_async(x))
    }

    /// [`KMeans::fit`] without blocking: each round is awaited. In a browser the page's loop goes on between them.
    ///
    /// # Errors
    /// As [`KMeans::fit`].
    pub async fn fit_async(&self, x: &Tensor) -> Result<Clusters> {
        let (rows, _) = table_of("k-means", x).await?;
        for (what, number) in [("clusters", self.clusters), ("starts", self.starts), ("rounds", self.rounds)] {
            if number == 0 {
                return Err(config("k-means", format!("found 0 {what}, expected 1 or more")));
            }
        }
        if self.starts > MOST_STARTS {
            return Err(config("k-means", format!("found {} starts, expected at most {MOST_STARTS}", self.starts)));
        }
        if self.clusters > rows {
            return Err(config(
                "k-means",
                format!("found {} clusters for {rows} rows, expected no more than rows", self.clusters),
            ));
        }
        without_grad(async {
            // Around their mean, so that x² is no larger than it need be.
            let mean = x.mean_keepdim(&[0]).detach();
            let x = (x - &mean).detach();
            x.device().run_async([&mean, &x]).await?;
            let mut best: Option<Clusters> = None;
            for start in 0..self.starts {
                let found = self.descend(&x, &mean, start as u64).await?;
                if best.as_ref().is_none_or(|best| found.inertia < best.inertia) {
                    best = Some(found);
                }
            }
            best.ok_or_else(|| config("k-means", "no start".to_owned()))
        })
        .await
    }

    /// The rows that k-means++ draws as first centres.
    async fn seeds(&self, x: &Tensor, draw: &mut Stream) -> Result<Tensor> {
        let device = x.device();
        let rows = x.shape().dims()[0];
        let mut chosen = vec![draw.below(rows as u32)];
        loop {
            let centres = x.index_select(0, &device.tensor(&chosen, chosen.len()));
            if chosen.len() == self.clusters {
                centres.run_async().await?;
                return Ok(centres);
            }
            let (_, distances) = nearest(x, &centres).await?;
            let Some(row) = draw.weighted(&distances) else {
                let message = format!(
                    "found {} clusters, expected at most {}: there are no more different rows",
                    self.clusters,
                    chosen.len()
                );
                return Err(config("k-means", message));
            };
            chosen.push(row as u32);
        }
    }

    /// Lloyd's rounds from one start, until no row changes its cluster.
    async fn descend(&self, x: &Tensor, mean: &Tensor, start: u64) -> Result<Clusters> {
        let device = x.device();
        let mut centres = self.seeds(x, &mut Stream::new(self.seed, start)).await?;
        let (mut labels, mut distances) = nearest(x, &centres).await?;
        let mut rounds = 0;
        while rounds < self.rounds {
            platform::let_page_go_on().await;
            rounds += 1;
            // A cluster that lost all its rows takes the row that is farthest from its centre.
            for empty in (0..self.clusters as u32).filter(|c| !labels.contains(c)).collect::<Vec<_>>() {
                let far = (0..labels.len()).max_by(|&a, &b| distances[a].total_cmp(&distances[b])).unwrap_or(0);
                (labels[far], distances[far]) = (empty, 0.0);
            }
            // [k, rows] × [rows, n]: the sum of each cluster's rows, and how many they are.
            let member = device.tensor(&labels, labels.len()).one_hot(self.clusters);
            centres = member.t().matmul(x) / member.sum(&[0]).reshape([self.clusters, 1]);
            centres.run_async().await?;
            let (now, distance) = nearest(x, &centres).await?;
            distances = distance;
            let settled = now == labels;
            labels = now;
            if settled {
                break;
            }
        }
        let inertia = distances.iter().map(|&d| f64::from(d)).sum();
        Ok(Clusters { mean: mean.clone(), centres, labels, inertia, rounds })
    }
}

impl Clusters {
    /// The centres, f32 \[clusters, features\].
    pub fn centres(&self) -> Tensor {
        &self.centres + &self.mean
    }

    /// The cluster of each row that was fitted.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// How many rows each cluster has.
    pub fn sizes(&self) -> Vec<usize> {
        let clusters = self.centres.shape().dims()[0];
        (0..clusters as u32).map(|cluster| self.labels.iter().filter(|&&label| label == cluster).count()).collect()
    }

    /// Σ ‖x − c(x)‖² over the rows that were fitted.
    pub fn inertia(&self) -> f64 {
        self.inertia
    }

    /// Lloyd's rounds that the best start took.
    pub fn rounds(&self) -> usize {
        self.rounds
    }

    /// The cluster of other rows \[rows, features\]: that of the nearest centre.
    ///
    /// # Errors
    /// Rows with another number of features, and what the device reports.
    pub fn assign(&self, x: &Tensor) -> Result<Vec<u32>> {
        waited(x.device().name(), self.assign_async(x))
    }

    /// [`Clusters::assign`] without blocking.
    ///
    /// # Errors
    /// As [`Clusters::assign`].
    pub async fn assign_async(&self, x: &Tensor) -> Result<Vec<u32>> {
        no_grad(|| squared_distances(&(x - &self.mean), &self.centres).argmin(1)).fetch().await
    }
}
