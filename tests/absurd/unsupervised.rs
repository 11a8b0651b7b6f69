//! Absurd arguments for the public functions of `src/unsupervised`.

use crate::odd::Odd;
use crate::{Line, Room, table};
use steepest::Error;
use steepest::unsupervised::{Clusters, KMeans, Pca};

pub fn room() -> Room {
    Room { name: "unsupervised", tables: &[TABLE], not_called: NOT_CALLED, complete: true }
}

const NOT_CALLED: &[(&str, &str)] = &[];

fn clusters(o: &mut Odd) -> Result<Clusters, Error> {
    KMeans::new(o.size_near(2)).starts(2).seed(o.seed()).fit(&o.near(&[5, 2]))
}

fn pca(o: &mut Odd) -> Result<Pca, Error> {
    Pca::fit(&o.near(&[5, 3]), o.size_near(2))
}

const TABLE: &[Line] = table! {
    "KMeans::new" => |o| KMeans::new(o.size()).fit(&o.near(&[5, 2])).map(|c| c.inertia());
    "KMeans::starts" => |o| KMeans::new(2).starts(o.size().min(100) + o.pick(&[0, 1 << 20, usize::MAX - 100])).rounds(2).fit(&o.near(&[5, 2])).map(|c| c.inertia());
    "KMeans::rounds" => |o| KMeans::new(2).rounds(o.size()).fit(&o.near(&[5, 2])).map(|c| c.rounds());
    "KMeans::seed" => |o| KMeans::new(2).seed(o.seed()).fit(&o.tensor()).map(|c| c.inertia());
    "KMeans::fit" => |o| KMeans::new(o.size()).fit(&o.tensor()).map(|c| c.inertia());
    "Clusters::centres" => |o| clusters(o).map(|c| c.centres());
    "Clusters::labels" => |o| clusters(o).map(|c| c.labels().len());
    "Clusters::sizes" => |o| clusters(o).map(|c| c.sizes().len());
    "Clusters::inertia" => |o| clusters(o).map(|c| c.inertia());
    "Clusters::rounds" => |o| clusters(o).map(|c| c.rounds());
    "Clusters::assign" => |o| clusters(o).and_then(|c| c.assign(&o.near(&[3, 2]))).map(|labels| labels.len());
    "Pca::fit" => |o| Pca::fit(&o.tensor(), o.size()).map(|p| p.explained_variance().len());
    "Pca::mean" => |o| pca(o).map(|p| p.mean().clone());
    "Pca::components" => |o| pca(o).map(|p| p.components().clone());
    "Pca::explained_variance" => |o| pca(o).map(|p| p.explained_variance().len());
    "Pca::explained_variance_ratio" => |o| pca(o).map(|p| p.explained_variance_ratio().len());
    "Pca::transform" => |o| pca(o).map(|p| p.transform(&o.near(&[2, 3])));
    "Pca::inverse" => |o| pca(o).map(|p| p.inverse(&o.near(&[2, 2])));
};
