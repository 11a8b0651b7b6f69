//! Structure without labels: k-means and principal components of iris and digits, drawn in the first two components.

mod common;

use steepest::Tensor;
use steepest::data::{self, Dataset, Prepare};
use steepest::plot::{Figure, Panels};
use steepest::unsupervised::{KMeans, Pca};

/// The share of rows whose cluster says their class, if each cluster is named after its most frequent one: *purity*. Nothing was fitted to it.
fn purity(clusters: &[u32], classes: &[u32], k: usize) -> f64 {
    let most = |cluster: u32| {
        let mut counts = std::collections::BTreeMap::new();
        clusters
            .iter()
            .zip(classes)
            .filter(|(c, _)| **c == cluster)
            .for_each(|(_, class)| *counts.entry(class).or_insert(0usize) += 1);
        counts.into_values().max().unwrap_or(0)
    };
    (0..k as u32).map(most).sum::<usize>() as f64 / classes.len() as f64
}

/// Rows by their first two components, a series for each group.
fn map(title: String, points: &[(f64, f64)], groups: &[u32], names: &[String]) -> Figure {
    let figure = Figure::new(title).labels("first component", "second component");
    (0..).zip(names).fold(figure, |figure, (group, name)| {
        figure.points(name, points.iter().zip(groups).filter(|(_, g)| **g == group).map(|(p, _)| *p).collect::<Vec<_>>())
    })
}

/// Clusters and components of one data set, as two figures and the purity.
fn explore(
    what: &str,
    x: &Tensor,
    classes: &[u32],
    names: &[String],
    k: usize,
    args: &common::Args,
) -> anyhow::Result<(Vec<Figure>, f64)> {
    let pca = Pca::fit(x, 2)?;
    let places = pca.transform(x).to_vec::<f32>()?;
    let points: Vec<(f64, f64)> = places.chunks(2).map(|p| (p[0].into(), p[1].into())).collect();
    let shares: Vec<String> = pca.explained_variance_ratio().iter().map(|r| format!("{:.1} %", 100.0 * r)).collect();
    println!("\n{what}: the first two components hold {} of the variance", shares.join(" and "));

    let clusters = KMeans::new(k).starts(args.epochs).seed(args.seed).fit(x)?;
    let pure = purity(clusters.labels(), classes, k);
    println!(
        "k-means with k = {k}: inertia {:.4} after {} rounds, sizes {:?}",
        clusters.inertia(),
        clusters.rounds(),
        clusters.sizes()
    );
    println!("rows in a cluster named after their class: {:.1} %", 100.0 * pure);
    let numbered: Vec<String> = (1..=k).map(|i| format!("cluster {i}")).collect();
    let mut found = map(format!("{what}: clusters"), &points, clusters.labels(), &numbered);
    let centres = pca.transform(&clusters.centres()).to_vec::<f32>()?;
    found = found.points("centres", centres.chunks(2).map(|p| (p[0].into(), p[1].into())).collect::<Vec<_>>());
    Ok((vec![found, map(format!("{what}: classes, which nobody told"), &points, classes, names)], pure))
}

fn main() -> std::process::ExitCode {
    common::run(example)
}

fn example() -> anyhow::Result<()> {
    let args = common::Args::parse("k-means and principal components; --epochs is the number of starts", 10)?;
    let output = args.output()?;
    let table = args.table("iris.csv", &["petal_length", "species"])?;
    let device = args.device()?;

    let iris = Prepare::new().target("species").fit(&table)?.dataset(&table)?.0;
    let digits = data::digits()?;
    let tensor = |rows: &Dataset| device.tensor(rows.features(), [rows.len(), rows.row_len()]);
    let x = tensor(&iris);
    let (mut panels, pure) = explore("iris", &x, common::classes(&iris)?, iris.class_names(), 3, &args)?;

    // How many clusters? Inertia falls with each one more; where it stops falling fast is a hint, no proof.
    let elbow = (1..=8).map(|k| Ok((k as f64, KMeans::new(k).starts(args.epochs).seed(args.seed).fit(&x)?.inertia())));
    let elbow = elbow.collect::<steepest::Result<Vec<_>>>()?;
    let variances = Pca::fit(&tensor(&digits), 64)?;
    let mut sum = 0.0;
    let held = variances.explained_variance_ratio().iter().enumerate().map(|(i, ratio)| {
        sum += ratio;
        (i as f64 + 1.0, sum)
    });
    let held: Vec<(f64, f64)> = held.collect();
    let enough = held.iter().position(|(_, sum)| *sum >= 0.9).map_or(64, |i| i + 1);
    let ten: Vec<String> = (0..10).map(|d| d.to_string()).collect();
    let (digit_panels, digit_pure) = explore("digits", &tensor(&digits), common::classes(&digits)?, &ten, 10, &args)?;
    println!("{enough} of 64 components hold 90 % of the variance of the digits");

    panels.extend(digit_panels);
    panels.push(Figure::new("iris: inertia by number of clusters").labels("k", "Σ ‖x − c(x)‖²").line("inertia", elbow));
    panels.push(Figure::new("digits: variance held by components").labels("components", "share").line("sum", held));
    let panels = Panels::new(2, panels).title("Clusters and principal components");
    output.picture("clusters.svg", |path| panels.save(path))?;
    common::figures(&[("iris", 100.0 * pure), ("digits", 100.0 * digit_pure)]);
    println!("purity: iris {:.2} %, digits {:.2} %", 100.0 * pure, 100.0 * digit_pure);
    Ok(())
}
