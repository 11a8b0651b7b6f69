//! Choosing columns of tables with more features than rows: which are found, and that only training rows say so.
#![cfg(feature = "tables")]
#![allow(clippy::unwrap_used)]

use steepest::data::{self, Fold, Prepare, Preprocessor, Select, Table};

/// What is chosen in a fold depends on its training rows alone.
#[test]
fn columns_are_chosen_by_the_training_rows() {
    // `early` is the target in the first half of the rows, `late` in the second; the others are chance.
    let mut state = 7u64;
    let mut draw = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / f64::from(1u32 << 31)
    };
    let mut text = "early,late,".to_owned() + &(0..200).map(|i| format!("x{i},")).collect::<String>() + "y\n";
    for row in 0..160 {
        let (y, other) = (draw(), draw());
        let [early, late] = if row < 80 { [y, other] } else { [other, y] };
        text += &format!("{early:.3},{late:.3},{}{y:.3}\n", (0..200).map(|_| format!("{:.3},", draw())).collect::<String>());
    }
    let all = Table::parse("t.csv", text.as_bytes()).unwrap();
    let [first, second] = [(0..80).collect(), (80..160).collect()].map(|rows: Vec<usize>| rows);
    let folds = [Fold { train: first.clone(), test: second.clone() }, Fold { train: second, test: first }];
    let prepare = Prepare::new().target("y").select(Select::Wide);
    let mut chosen = vec![];
    data::cross_validate(&all, &prepare, &folds, |fold| {
        let selected = fold.preprocessor.selected().unwrap();
        assert_eq!((selected.features, selected.rows), (202, 80));
        assert_eq!(fold.preprocessor.left_out().len() + fold.preprocessor.width(), 202);
        assert_eq!((fold.train.row_len(), fold.test.row_len()), (selected.kept.len(), selected.kept.len()));
        chosen.push(selected.kept.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>());
        Ok::<f64, steepest::Error>(0.0)
    })
    .unwrap();
    let has = |fold: usize, name: &str| chosen[fold].iter().any(|kept| kept == name);
    assert!(has(0, "early") && !has(0, "late") && has(1, "late") && !has(1, "early"), "{chosen:?}");
    assert!(chosen.iter().all(|kept| kept.len() < 5), "{chosen:?}");
    // It goes with the model; what was left out need not be there.
    let fitted = prepare.fit(&all.rows(&folds[0].train).unwrap()).unwrap();
    assert_eq!(Preprocessor::from_json("p", &fitted.to_json().unwrap()).unwrap(), fitted);
    // With fewer features than rows all are learned from, unless asked.
    let few = all.without(&(0..190).map(|i| format!("x{i}")).collect::<Vec<_>>()).unwrap();
    assert_eq!(prepare.fit(&few).unwrap().width(), 12);
    let fitted = prepare.clone().select(Select::Related).fit(&few).unwrap();
    assert!(fitted.width() < 12 && fitted.columns().any(|name| name == "early") && fitted.columns().any(|name| name == "late"));
    // Where nothing is related to the target, all are learned from.
    let chance = all.without(&["early", "late"]).unwrap();
    let fitted = prepare.fit(&chance).unwrap();
    assert!(fitted.selected().is_some_and(|selected| selected.kept.is_empty()) && fitted.width() == 200);
}

/// A column of categories is tested alike whether each has a feature or all are one index.
#[test]
fn an_index_is_tested_as_the_features_it_stands_for() {
    let mut state = 3u64;
    let mut draw = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / f64::from(1u32 << 31)
    };
    let mut text = "c,chance,a,b,e,y\n".to_owned();
    for _ in 0..400 {
        let (c, other) = ((draw() * 12.0) as usize, (draw() * 12.0) as usize);
        let [a, b, e] = [draw(), draw(), draw()];
        let y = [0.0, 2.0, 0.3, -1.0, 0.5, 0.9, -0.4, 0.1, 1.1, -0.2, 0.0, 0.4][c] + 0.4 * a + 0.3 * draw();
        let c = if c == 3 { String::new() } else { format!("c{c}") };
        text += &format!("{c},d{other},{a:.3},{b:.3},{e:.3},{y:.3}\n");
    }
    let table = Table::parse("t.csv", text.as_bytes()).unwrap();
    let prepare = Prepare::new().target("y").select(Select::Related);
    let (features, index) = (prepare.fit(&table).unwrap(), prepare.clone().index_above(5).fit(&table).unwrap());
    let (wide, narrow) = (features.selected().unwrap(), index.selected().unwrap());
    let sorted = |kept: &[(String, f64)]| {
        let mut kept = kept.to_vec();
        kept.sort_by(|a, b| a.0.cmp(&b.0));
        kept
    };
    let (wide_kept, narrow_kept) = (sorted(&wide.kept), sorted(&narrow.kept));
    assert_eq!(narrow_kept.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["a", "c"], "{narrow:?}");
    for (wide, narrow) in wide_kept.iter().zip(&narrow_kept) {
        assert!(wide.0 == narrow.0 && (wide.1 - narrow.1).abs() < 1e-9, "{wide:?} and {narrow:?}");
    }
    assert_eq!((wide.columns, wide.rows, wide_kept.len()), (narrow.columns, narrow.rows, narrow_kept.len()));
    assert_eq!((index.indices(), index.width()), (vec![("c", 13)], 2));
}
