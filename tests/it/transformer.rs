//! Layers of attention: masks, shared heads, rotary positions, blocks of encoders and decoders, and generating with a cache.
#![allow(clippy::unwrap_used)]

use crate::common;
use crate::common::slopes::{agreed, check_gradient, parameter, reference};
use steepest::error::OpError;
use steepest::nn::*;
use steepest::{AttentionOptions, Device, Error, Pairing, RopeOptions, Tensor, no_grad, random};

fn error_of(x: &Tensor) -> (&'static str, OpError) {
    match x.check() {
        Err(Error::Op { op, error, .. }) => (op, error),
        other => panic!("{other:?}"),
    }
}

fn close(what: &str, found: &[f64], expected: &[f64], bound: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!((f - e).abs() <= bound, "{what}[{i}]: {f}, not {e}");
    }
}

/// Values that are not those of a new layer: biases that are 0 and norms that are 1 would hide faults.
fn shaken<M: Module>(model: M) -> M {
    for (i, p) in model.parameters().iter().enumerate() {
        p.set(&random::normal_host(p.shape().numel(), 0.1, 0.5, 5, i as u64)).unwrap();
    }
    model
}

/// Every combination that a block has a name for.
fn blocks(d: &Device) -> Vec<TransformerBlock> {
    let block = || TransformerBlock::new(d, 8, 4, 6, 0.0, 1);
    vec![
        block(),
        block().causal().kv_heads(2),
        block().kv_heads(1).rotary(RopeOptions::new()),
        block().causal().rotary(RopeOptions::new().half().base(100.0)).swiglu().rms_norm().without_bias().kv_heads(2),
        block().post_norm().activation(Activation::Relu),
        block().gated().post_norm().rms_norm(),
    ]
}

#[test]
fn blocks_have_the_gradients_of_their_definitions() {
    for device in common::devices("blocks") {
        for block in blocks(&device) {
            let block = shaken(block);
            let x = parameter(&device, &[2, 3, 8], 1);
            let y = block.forward(&x);
            agreed(&y);
            let gradients = y.square().mean(&[]).backward();
            for (name, p) in block.named_parameters() {
                let gradient = gradients.wrt(&p).unwrap_or_else(|error| panic!("{name}: {error}"));
                agreed(&gradient);
            }
            if !device.is_gpu() {
                let some = &block.parameters()[..4];
                let by: Vec<&Tensor> = [&x].into_iter().chain(some).collect();
                check_gradient(&block.describe(), &by, &y.slice(0, 0..1).slice(1, 2..3));
            }
        }
    }
}

/// Row by row and a few at a time: what the whole gives.
#[test]
fn steps_with_a_cache_are_the_whole() {
    for device in common::devices("a cache") {
        for block in blocks(&device) {
            let block = shaken(block).causal();
            let x = device.tensor(&random::normal_host(2 * 6 * 8, 0.0, 1.0, 3, 3), [2, 6, 8]);
            let whole = agreed(&block.forward(&x));
            for sizes in [&[1, 1, 1, 1, 1, 1][..], &[6], &[2, 3, 1], &[0, 4, 0, 2]] {
                let mut cache = KeyValueCache::new();
                let (mut at, mut rows) = (0, vec![]);
                assert!(cache.is_empty());
                no_grad(|| {
                    for &n in sizes {
                        let y = block.step(&x.slice(1, at..at + n), &mut cache);
                        y.run().unwrap();
                        at += n;
                        assert_eq!(cache.len() as isize, at);
                        rows.push(y);
                    }
                });
                let others: Vec<&Tensor> = rows[1..].iter().collect();
                let found = rows[0].cat(&others, 1).to_vec::<f32>().unwrap().into_iter().map(f64::from).collect::<Vec<_>>();
                close(&format!("{block:?} by {sizes:?}"), &found, &whole, 2e-5);
                cache.clear();
                assert!(cache.is_empty());
            }
        }
        // Padding is of all rows so far.
        let layer = shaken(MultiHeadAttention::new(&device, 8, 2, 1)).causal();
        let x = device.tensor(&random::normal_host(2 * 3 * 8, 0.0, 1.0, 3, 3), [2, 3, 8]);
        let padding = device.tensor(&[true, false, false, false, false, false], [2, 3]);
        let options = AttentionOptions::new().key_padding(&padding);
        let whole = agreed(&layer.attend_with(&x, &x, &x, &options).slice(1, 2..));
        let mut cache = KeyValueCache::new();
        layer.step(&x.slice(1, ..2), &mut cache);
        let last = agreed(&layer.step_with(&x.slice(1, 2..), &mut cache, &options));
        close("padding", &last, &whole, 1e-5);
        // What does not fit is not added.
        for bad in [&[1, 1, 8][..], &[2, 1, 7], &[2, 8]] {
            assert!(layer.step(&device.zeros(bad), &mut cache).check().is_err());
            assert_eq!(cache.len(), 3);
        }
    }
}

#[test]
fn a_decoder_attends_to_its_memory() {
    for device in common::devices("a decoder") {
        let block = TransformerBlock::new(&device, 8, 2, 6, 0.0, 1).causal().cross_attention();
        let blocks = [block, TransformerBlock::new(&device, 8, 2, 6, 0.0, 1).cross_attention().post_norm().kv_heads(1)];
        for block in blocks {
            let block = shaken(block);
            let names: Vec<String> = block.named_parameters().into_iter().map(|(name, _)| name).collect();
            for name in ["norm3.weight", "multihead_attn.k_proj.weight", "self_attn.out_proj.bias", "linear2.bias"] {
                assert!(names.iter().any(|n| n == name), "{name} in {names:?}");
            }
            let (x, memory) = (parameter(&device, &[2, 3, 8], 1), parameter(&device, &[2, 4, 8], 2));
            let y = block.decode(&x, &memory);
            assert_eq!(agreed(&y), agreed(&block.forward_all(&[x.clone(), memory.clone()])[0]));
            let gradients = y.square().mean(&[]).backward();
            for (name, p) in block.named_parameters() {
                assert!(agreed(&gradients.wrt(&p).unwrap()).iter().any(|g| *g != 0.0), "{name}");
            }
            if !device.is_gpu() {
                check_gradient("decoder", &[&x, &memory], &y.slice(0, 0..1).slice(1, 2..3));
            }
            // Padding in the memory hides it.
            let padding = device.tensor(&[false, false, true, true, false, false, true, true], [2, 4]);
            let (plain, of_memory) = (AttentionOptions::new(), AttentionOptions::new().key_padding(&padding));
            let padded = agreed(&block.decode_with(&x, &memory, &plain, &of_memory));
            let short = agreed(&block.decode(&x, &memory.slice(1, ..2)));
            close("padding in memory", &padded, &short, 1e-6);
            let mut cache = KeyValueCache::new();
            let causal = block.causal();
            let whole = agreed(&causal.decode(&x, &memory));
            let steps: Vec<Tensor> = (0..3).map(|t| causal.decode_step(&x.slice(1, t..t + 1), &memory, &mut cache)).collect();
            let found = agreed(&steps[0].cat(&[&steps[1], &steps[2]], 1));
            close("steps of a decoder", &found, &whole, 2e-5);
            assert!(matches!(error_of(&causal.forward(&x)), (_, OpError::Value(text)) if text.contains("memory")));
            assert!(summary_of(&causal, &x).is_err());
        }
        let plain = TransformerBlock::new(&device, 8, 2, 6, 0.0, 1);
        let x = device.zeros([1, 2, 8]);
        assert!(matches!(error_of(&plain.decode(&x, &x)), (_, OpError::Value(text)) if text.contains("cross_attention")));
    }
}

/// What a layer makes of padded sequences is what it makes of short ones.
#[test]
fn padding_of_a_layer_is_as_if_it_were_not_there() {
    for device in common::devices("padded layers") {
        let layer = shaken(MultiHeadAttention::new(&device, 8, 4, 1).kv_heads(2).rotary(RopeOptions::new()));
        let x = parameter(&device, &[2, 5, 8], 1);
        let lengths = [3, 5];
        let padding: Vec<bool> = lengths.iter().flat_map(|&n| (0..5).map(move |j| j >= n)).collect();
        let options = AttentionOptions::new().key_padding(&device.tensor(&padding, [2, 5]));
        let y = layer.attend_with(&x, &x, &x, &options);
        for (row, n) in lengths.into_iter().enumerate() {
            let row = row as isize;
            let short = layer.forward(&x.slice(0, row..row + 1).slice(1, ..n));
            close("short", &agreed(&y.slice(0, row..row + 1).slice(1, ..n)), &agreed(&short), 1e-6);
        }
        // A mask per head, and one of another sequence's keys with other features.
        let cross = shaken(MultiHeadAttention::new(&device, 8, 2, 1).inputs(3, 5));
        let (k, v) = (parameter(&device, &[2, 4, 3], 2), parameter(&device, &[2, 4, 5], 3));
        assert_eq!(agreed(&cross.attend(&x, &k, &v)).len(), 80);
        assert_eq!(agreed(&cross.forward_all(&[x.clone(), k.clone(), v.clone()])[0]), agreed(&cross.attend(&x, &k, &v)));
        assert!(cross.forward_all(&[x.clone(), k.clone()])[0].check().is_err());
        let weights = cross.weights(&x, &k, &AttentionOptions::new());
        assert_eq!(weights.shape().dims(), [2, 2, 5, 4]);
        assert!(agreed(&weights.sum(&[-1])).iter().all(|sum| (sum - 1.0).abs() < 1e-6));
        assert!(cross.weights(&x, &v, &AttentionOptions::new()).check().is_err());
        let mask = device.tensor(&[true, true, false, false], [1, 4]);
        let masked = cross.attend_with(&x, &k, &v, &AttentionOptions::new().mask(&mask));
        close("mask", &agreed(&masked), &agreed(&cross.attend(&x, &k.slice(1, ..2), &v.slice(1, ..2))), 1e-6);
        assert!(matches!(error_of(&cross.forward(&x)), ("attention", OpError::Shape(_))));
        let wrong = AttentionOptions::new().mask(&device.tensor(&[true; 3], 3));
        assert!(
            matches!(error_of(&cross.attend_with(&x, &k, &v, &wrong)), ("attention", OpError::Shape(text)) if text.contains("mask"))
        );
    }
    let device = Device::cpu();
    let layer = MultiHeadAttention::new(&device, 8, 4, 1).kv_heads(3);
    assert!(matches!(error_of(&layer.forward(&device.zeros([1, 2, 8]))), (_, OpError::Value(text)) if text.contains("3 heads")));
    let layer = MultiHeadAttention::new(&device, 8, 4, 1).kv_heads(0);
    assert!(matches!(error_of(&layer.forward(&device.zeros([1, 2, 8]))), (_, OpError::Value(text)) if text.contains("0 heads")));
    assert!(MultiHeadAttention::new(&device, 8, 4, 1).dropout(1.0).forward(&device.zeros([1, 2, 8])).check().is_err());
    let odd = MultiHeadAttention::new(&device, 6, 2, 1).rotary(RopeOptions::new());
    assert!(matches!(error_of(&odd.forward(&device.zeros([1, 2, 6]))), (_, OpError::Shape(text)) if text.contains("3 features")));
}

#[test]
fn edges_of_sequences() {
    for device in common::devices("edges of sequences") {
        for block in blocks(&device) {
            for (n, t) in [(0, 3), (2, 0), (1, 1), (1, 65)] {
                let y = block.forward(&device.ones([n, t, 8]));
                assert_eq!(y.shape().dims(), [n, t, 8]);
                assert!(agreed(&y).iter().all(|x| x.is_finite()));
            }
        }
        let one = MultiHeadAttention::new(&device, 1, 1, 0);
        assert_eq!(agreed(&one.forward(&device.ones([1, 1, 1]))).len(), 1);
    }
}

#[test]
fn dropped_weights_change_with_every_pass_in_training_only() {
    let device = Device::cpu();
    let layer = MultiHeadAttention::new(&device, 8, 2, 1).dropout(0.5);
    let x = device.tensor(&random::normal_host(2 * 6 * 8, 0.0, 1.0, 3, 3), [2, 6, 8]);
    let y = || layer.forward(&x).to_vec::<f32>().unwrap();
    assert_ne!(y(), y());
    let mut counters = vec![];
    layer.visit_counters(&mut |name, _| counters.push(name.to_owned()));
    assert_eq!(counters, ["dropout.passes"]);
    layer.eval();
    assert_eq!(y(), y());
    let mut none = 0;
    MultiHeadAttention::new(&device, 8, 2, 1).visit_counters(&mut |_, _| none += 1);
    assert_eq!(none, 0, "checkpoints of layers without dropout hold no counter");
}

#[test]
fn positions_are_turned_and_added() {
    for device in common::devices("positions") {
        let x = parameter(&device, &[2, 3, 4], 1);
        let rotary = RotaryEmbedding::new(RopeOptions::new().half().base(50.0));
        assert_eq!(rotary.options().pairing, Pairing::Half);
        for offset in [0, 5, 5, 0] {
            let expected = x.rope(&RopeOptions::new().half().base(50.0).offset(offset));
            close("rotary", &agreed(&rotary.at(&x, offset)), &agreed(&expected), 0.0);
        }
        // Another length, another device.
        assert_eq!(agreed(&rotary.forward(&x.slice(1, ..2))), agreed(&rotary.forward(&x).slice(1, ..2)));
        assert!(rotary.forward(&Device::cpu().ones([3, 4])).check().is_ok());
        assert!(rotary.forward(&device.ones([3, 5])).check().is_err() && rotary.forward(&device.ones([3, 4])).check().is_ok());

        let encoding = PositionalEncoding::new();
        for (rows, width) in [(3, 4), (3, 4), (2, 5), (0, 4), (1, 1), (65, 2)] {
            let y = agreed(&encoding.forward(&device.zeros([2, rows, width])));
            for (at, found) in y.iter().enumerate() {
                let (row, column) = (at / width % rows, at % width);
                let angle = row as f64 / 10_000f64.powf((column / 2 * 2) as f64 / width as f64);
                let expected = if column % 2 == 0 { angle.sin() } else { angle.cos() };
                assert!((found - expected).abs() < 1e-6, "{rows}×{width} at {at}: {found}, not {expected}");
            }
        }
        assert!(matches!(error_of(&encoding.forward(&device.zeros([3]))), ("positional_encoding", OpError::Shape(_))));

        for heads in [1, 2, 3, 6, 8, 12] {
            let bias = reference(&alibi(&device, heads, 2, 4, 2));
            let slopes: Vec<f64> = (0..heads).map(|h| bias[h * 8 + 1] / -1.0).collect();
            let power = |p: usize| (1..=p).map(move |i| 2f64.powf(-8.0 * i as f64 / p as f64));
            let below = 1 << heads.ilog2();
            let expected: Vec<f64> = power(below).chain(power(2 * below).step_by(2)).take(heads).collect();
            close(&format!("slopes of {heads} heads"), &slopes, &expected, 1e-7);
            // Queries 2 and 3 of keys 0 to 3.
            let distances: Vec<f64> = bias[..8].iter().map(|b| (b / -slopes[0]).round()).collect();
            assert_eq!(distances, [2., 1., 0., 1., 3., 2., 1., 0.]);
        }
    }
}

#[test]
fn summaries_count_what_the_new_settings_need() {
    let device = Device::cpu();
    let layer = MultiHeadAttention::new(&device, 8, 4, 0).kv_heads(1).without_bias();
    let summary = |model: &dyn Module| summary(model, &device, [2, 3, 8]).unwrap();
    // Queries and output of width 8, keys and values of width 2; scores of 3 · 3 used twice.
    assert_eq!(summary(&layer).multiply_adds, 6 * (2 * 64 + 2 * 16) + 2 * 18 * 8);
    assert_eq!(summary(&layer).parameters, 2 * 64 + 2 * 16);
    let block = TransformerBlock::new(&device, 8, 4, 16, 0.1, 0).swiglu().kv_heads(1).without_bias().post_norm();
    let table = summary(&block);
    let names: Vec<&str> = table.rows.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names, ["self_attn", "norm1", "linear1", "linear_gate", "activation", "linear2", "norm2"]);
    assert_eq!(table.multiply_adds, 6 * (2 * 64 + 2 * 16) + 2 * 18 * 8 + 3 * 6 * 8 * 16);
}

/// What files of layers held before the layers had more settings.
#[test]
fn descriptions_of_older_files_still_make_their_layers() {
    let device = Device::cpu();
    let of = |kind: &str, settings: &[(&str, Setting)]| {
        let blueprint = settings.iter().fold(Blueprint::new(kind), |b, (name, value)| b.set(*name, value.clone()));
        let layer = Registry::new().build(&device, &blueprint).unwrap();
        assert_eq!(layer.blueprint().unwrap(), blueprint);
        let mut counters = vec![];
        layer.visit_counters(&mut |name, _| counters.push(name.to_owned()));
        (layer.named_parameters().into_iter().map(|(name, _)| name).collect::<Vec<_>>(), counters)
    };
    let attention = [("width", 4usize.into()), ("heads", 2usize.into()), ("causal", true.into())];
    let (names, counters) = of("MultiHeadAttention", &attention);
    assert_eq!((names.len(), &*names[7], counters.len()), (8, "out_proj.bias", 0));
    let block: Vec<(&str, Setting)> = attention
        .into_iter()
        .chain([("hidden", 8usize.into()), ("dropout", 0.1.into()), ("seed1", 5u64.into()), ("seed2", 6u64.into())])
        .collect();
    let (names, counters) = of("TransformerBlock", &block);
    assert_eq!((names.len(), counters), (16, vec!["dropout1.passes".to_owned(), "dropout2.passes".to_owned()]));
}

/// A layer that a registry makes of a blueprint computes the same with the same parameters.
#[test]
fn blueprints_make_the_same_layers() {
    for device in common::devices("blueprints") {
        let attention = || MultiHeadAttention::new(&device, 8, 4, 1);
        let mut models: Vec<Box<dyn Module>> = vec![
            Box::new(attention().kv_heads(2).dropout(0.3).without_bias().rotary(RopeOptions::new().half().offset(3))),
            Box::new(attention().causal()),
            Box::new(PositionalEncoding::new()),
            Box::new(RotaryEmbedding::new(RopeOptions::new().half().base(99.0).offset(2))),
            Box::new(
                TransformerBlock::new(&device, 8, 2, 6, 0.2, 1).activation(Activation::LeakyRelu(0.3)).attention_dropout(0.1),
            ),
        ];
        models.extend(blocks(&device).into_iter().map(|block| Box::new(shaken(block)) as Box<dyn Module>));
        let x = device.tensor(&random::normal_host(2 * 3 * 8, 0.0, 1.0, 3, 3), [2, 3, 8]);
        let again = |model: &dyn Module| {
            let blueprint = model.blueprint().unwrap();
            let numbers = model.parameter_count() as u64;
            let same = Registry::new().build_within(&device, &blueprint, numbers).unwrap();
            assert_eq!(same.blueprint().unwrap(), blueprint);
            assert!(numbers == 0 || Registry::new().build_within(&device, &blueprint, numbers - 1).is_err());
            StateDict::of(model).unwrap().load(&*same).unwrap();
            same
        };
        for model in &models {
            let same = again(&**model);
            // The same masks of dropout, then none.
            assert_eq!(agreed(&model.forward(&x)), agreed(&same.forward(&x)), "{}", model.describe());
            model.eval();
            same.eval();
            assert_eq!(agreed(&model.forward(&x)), agreed(&same.forward(&x)), "{}", model.describe());
        }
        let decoder = TransformerBlock::new(&device, 8, 2, 6, 0.2, 1).cross_attention().kv_heads(1).attention_dropout(0.1);
        assert_eq!(again(&decoder).describe(), decoder.describe());
    }
}

#[test]
fn blocks_follow_each_other() {
    for device in common::devices("blocks one after the other") {
        let block = |seed| TransformerBlock::new(&device, 8, 2, 6, 0.0, seed).causal();
        let model = Transformer::new((1..4).map(block)).norm(LayerNorm::new(&device, 8));
        let names: Vec<String> = model.named_parameters().into_iter().map(|(name, _)| name).collect();
        assert_eq!((names.len(), &*names[0], &*names[49]), (50, "layers.0.norm1.weight", "norm.bias"));
        let x = device.tensor(&random::normal_host(2 * 4 * 8, 0.0, 1.0, 3, 3), [2, 4, 8]);
        let by_hand = model.blocks().iter().fold(x.clone(), |x, block| block.forward(&x));
        let whole = agreed(&model.forward(&x));
        close("by hand", &whole, &agreed(&LayerNorm::new(&device, 8).forward(&by_hand)), 1e-6);
        let mut caches = model.caches();
        let steps: Vec<Tensor> = no_grad(|| (0..4).map(|t| model.step(&x.slice(1, t..t + 1), &mut caches)).collect());
        close("steps", &agreed(&steps[0].cat(&[&steps[1], &steps[2], &steps[3]], 1)), &whole, 2e-5);
        assert!(caches.iter().all(|cache| cache.len() == 4));
        let few = model.step(&x.slice(1, ..1), &mut caches[..2]);
        assert!(matches!(error_of(&few), ("transformer", OpError::Value(text)) if text.contains("2 caches for 3 blocks")));
        // Padding is every block's.
        let padding = device.tensor(&[false, true, true, true, false, false, true, true], [2, 4]);
        let encoder = Transformer::new((1..3).map(|seed| TransformerBlock::new(&device, 8, 2, 6, 0.0, seed)));
        let padded = encoder.encode(&x, &AttentionOptions::new().key_padding(&padding));
        let short = encoder.forward(&x.slice(0, 1..).slice(1, ..2));
        close("padding", &agreed(&padded.slice(0, 1..).slice(1, ..2)), &agreed(&short), 1e-6);

        let decoder = Transformer::new((1..3).map(|seed| block(seed).cross_attention()));
        let memory = device.tensor(&random::normal_host(2 * 3 * 8, 0.0, 1.0, 4, 4), [2, 3, 8]);
        let whole = agreed(&decoder.forward_all(&[x.clone(), memory.clone()])[0]);
        let mut caches = decoder.caches();
        let first = decoder.decode_step(&x.slice(1, ..3), &memory, &mut caches);
        let last = decoder.decode_step(&x.slice(1, 3..), &memory, &mut caches);
        close("steps of a decoder", &agreed(&first.cat(&[&last], 1)), &whole, 2e-5);
        assert!(decoder.forward(&x).check().is_err() && model.decode(&x, &memory).check().is_err());
        // Nothing but blocks.
        let blueprint = model.blueprint().unwrap();
        let same = Registry::new().build_within(&device, &blueprint, model.parameter_count() as u64).unwrap();
        assert_eq!(same.blueprint().unwrap(), blueprint);
        let odd = Blueprint::new("Transformer").part("0", &Linear::new(&device, 2, 2, 1)).unwrap();
        assert!(Registry::new().build(&device, &odd).is_err());
        let table = summary(&model, &device, [2, 4, 8]).unwrap();
        assert_eq!(table.rows.len(), 3 * 6 + 1);
        assert_eq!(table.rows[18].name, "norm");
    }
}
