//! Clusters and principal components against scikit-learn's figures, on every device; and what is refused.
#![cfg(feature = "tables")]
#![allow(clippy::unwrap_used)]

use crate::common::{self, fields};
use steepest::data::{Prepare, Scale, Table};
use steepest::unsupervised::{KMeans, Pca};
use steepest::{Device, Tensor};

/// The index of figures computed elsewhere (`STEEPEST_ORACLES`), and the folder of the tables; `None` is said aloud.
fn oracle() -> Option<serde_json::Value> {
    let Some(folder) = std::env::var_os("STEEPEST_ORACLES") else {
        println!("SKIPPED (STEEPEST_ORACLES is not set): k-means and principal components against scikit-learn");
        return None;
    };
    let text = std::fs::read(std::path::Path::new(&folder).join("preprocessing.json")).unwrap();
    Some(serde_json::from_slice(&text).unwrap())
}

/// The features of a table that comes with the project, as it is or standardised.
fn features(device: &Device, file: &str, standardised: bool) -> Tensor {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data").join(file);
    let table = Table::read(path).unwrap();
    let scale = if standardised { Scale::Standard } else { Scale::None };
    let target = table.names().last().unwrap().to_string();
    let rows = Prepare::new().target(target).scale(scale).fit(&table).unwrap().dataset(&table).unwrap().0;
    device.tensor(rows.features(), [rows.len(), rows.row_len()])
}

fn numbers(value: &serde_json::Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

/// The file's name in `tabular/iris.csv`.
fn file(case: &serde_json::Value) -> &str {
    case["file"].as_str().unwrap().rsplit('/').next().unwrap()
}

/// How the features of a case are scaled.
fn standardised(case: &serde_json::Value) -> bool {
    match case["features"].as_str() {
        Some("raw") => false,
        Some("standardised (ddof 0)") => true,
        other => panic!("not computed: features are {other:?}"),
    }
}

#[test]
fn clusters_are_as_good_as_the_best_known() {
    let Some(oracle) = oracle() else { return };
    let cases = oracle["kmeans"].as_array().unwrap();
    assert!(cases.len() >= 3);
    for device in common::devices("k-means") {
        for case in cases {
            fields::known(case, &["file", "features", "k", "best_inertia", "cluster_sizes_sorted", "note"]);
            let x = features(&device, file(case), standardised(case));
            let k = case["k"].as_u64().unwrap() as usize;
            let found = KMeans::new(k).starts(20).seed(3).fit(&x).unwrap();
            let best = case["best_inertia"].as_f64().unwrap();
            assert!((found.inertia() - best).abs() <= 1e-6 * best, "{device}, k = {k}: {} and not {best}", found.inertia());
            let mut sizes = found.sizes();
            sizes.sort_unstable();
            let wanted: Vec<usize> = numbers(&case["cluster_sizes_sorted"]).into_iter().map(|n| n as usize).collect();
            assert_eq!(sizes, wanted, "{device}, k = {k}");
            assert_eq!(found.assign(&x).unwrap(), found.labels());
        }
    }
}

#[test]
fn components_are_those_of_scikit_learn() {
    let Some(oracle) = oracle() else { return };
    for device in common::devices("principal components") {
        for case in oracle["pca"].as_array().unwrap() {
            let figures = ["explained_variance_ratio", "explained_variance", "singular_values", "abs_components"];
            fields::known(case, &[&["file", "features", "components"][..], &figures].concat());
            let x = features(&device, file(case), standardised(case));
            let n = x.shape().dims()[1];
            let pca = Pca::fit(&x, n).unwrap();
            // What f32 sums leave: a millionth of the largest variance.
            let near = |found: f64, wanted: f64, bound: f64| {
                assert!((found - wanted).abs() < bound, "{device}: {found} and not {wanted}")
            };
            let variances = numbers(&case["explained_variance"]);
            pca.explained_variance().iter().zip(&variances).for_each(|(f, w)| near(*f, *w, 1e-6 * variances[0]));
            // Singular values of the centred rows are the square roots of the variances' sums.
            let rows = x.shape().dims()[0] as f64;
            let singular = numbers(&case["singular_values"]);
            let found = pca.explained_variance().iter().map(|v| (v * (rows - 1.0)).sqrt());
            found.zip(&singular).for_each(|(f, w)| near(f, *w, 1e-5 * singular[0]));
            let ratios = numbers(&case["explained_variance_ratio"]);
            pca.explained_variance_ratio().iter().zip(ratios).for_each(|(f, w)| near(*f, w, 1e-6));
            let directions = pca.components().to_vec::<f32>().unwrap();
            let wanted = case["abs_components"].as_array().unwrap();
            assert_eq!(wanted.len() * n, directions.len());
            for (found, wanted) in directions.chunks(n).zip(wanted) {
                found.iter().zip(numbers(wanted)).for_each(|(f, w)| near(f64::from(f.abs()), w, 1e-4));
            }
            // All components lose nothing, and the variance along each is what was said.
            let z = pca.transform(&x);
            let (again, before) = (pca.inverse(&z).to_vec::<f32>().unwrap(), x.to_vec::<f32>().unwrap());
            again.iter().zip(before).for_each(|(a, b)| near(f64::from(*a), f64::from(b), 1e-4));
            let spread = z.var(&[0], 1).to_vec::<f32>().unwrap();
            spread.iter().zip(&variances).for_each(|(f, w)| near(f64::from(*f), *w, 1e-5 * variances[0]));
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_clusters() {
    let x = features(&Device::cpu(), "wine.csv", true);
    let fit = |seed| KMeans::new(5).starts(2).seed(seed).fit(&x).unwrap();
    let (a, b) = (fit(1), fit(1));
    assert_eq!((a.labels(), a.inertia()), (b.labels(), b.inertia()));
    assert_eq!(a.centres().to_vec::<f32>().unwrap(), b.centres().to_vec::<f32>().unwrap());
    assert!((2..20).any(|seed| fit(seed).labels() != a.labels()), "the seed has no say");
}

#[test]
fn centres_are_means_and_no_cluster_is_empty() {
    for device in common::devices("k-means, means") {
        let x = features(&device, "iris.csv", false);
        let found = KMeans::new(12).starts(1).seed(5).fit(&x).unwrap();
        assert!(found.sizes().iter().all(|&size| size > 0) && found.sizes().iter().sum::<usize>() == 150);
        let (rows, centres) = (x.to_vec::<f32>().unwrap(), found.centres().to_vec::<f32>().unwrap());
        for (cluster, centre) in centres.chunks(4).enumerate() {
            for feature in 0..4 {
                let own = rows.chunks(4).zip(found.labels()).filter(|(_, label)| **label as usize == cluster);
                let values: Vec<f32> = own.map(|(row, _)| row[feature]).collect();
                let mean = values.iter().sum::<f32>() / values.len() as f32;
                assert!((mean - centre[feature]).abs() < 1e-4, "{device}: {mean} and not {}", centre[feature]);
            }
        }
    }
}

#[test]
fn what_cannot_work_is_refused() {
    let device = Device::cpu();
    let x = device.tensor(&[1.0, 2.0, 1.0, 2.0, 3.0, 4.0], [3, 2]);
    let said = |result: steepest::Result<f64>| result.unwrap_err().to_string();
    let fit = |means: KMeans, x: &Tensor| means.fit(x).map(|found| found.inertia());
    assert!(said(fit(KMeans::new(0), &x)).contains("0 clusters"));
    assert!(said(fit(KMeans::new(1).starts(0), &x)).contains("0 starts"));
    assert!(said(fit(KMeans::new(4), &x)).contains("4 clusters for 3 rows"));
    // Two of the three rows are equal.
    assert!(said(fit(KMeans::new(3), &x)).contains("at most 2"));
    assert!(said(fit(KMeans::new(1), &device.tensor(&[1.0, 2.0], 2))).contains("expected f32 [rows, features]"));
    assert!(said(fit(KMeans::new(1), &device.tensor(&[1u32, 2], [2, 1]))).contains("expected f32"));
    assert!(said(fit(KMeans::new(1), &device.tensor(&[1.0, f32::NAN], [2, 1]))).contains("row 1, feature 0 is NaN"));
    let pca = |x: &Tensor, n: usize| Pca::fit(x, n).map(|pca| pca.explained_variance()[0]);
    assert!(said(pca(&x, 0)).contains("0 components") && said(pca(&x, 3)).contains("3 components of 2"));
    assert!(said(pca(&device.tensor(&[1.0, 2.0], [1, 2]), 1)).contains("1 row"));
    assert!(said(pca(&device.tensor(&[1.0, 1.0], [2, 1]), 1)).contains("rows that differ"));
    assert!(said(pca(&device.tensor(&[f32::INFINITY, 1.0], [2, 1]), 1)).contains("inf"));
    // A model for two features is none for three.
    let clusters = KMeans::new(2).fit(&x).unwrap();
    assert!(clusters.assign(&device.tensor(&[1.0; 3], [1, 3])).is_err());
}
