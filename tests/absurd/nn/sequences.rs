//! Layers over sequences: recurrent ones, attention, transformers, positions.

use super::{init, used};
use crate::odd::Odd;
use crate::{Line, table};
use steepest::nn::recurrent::Cell;
use steepest::nn::{
    self, Gru, GruCell, KeyValueCache, Lstm, LstmCell, Module, MultiHeadAttention, PositionalEncoding, Recurrent, Rnn, RnnCell,
    RotaryEmbedding, Transformer, TransformerBlock,
};
use steepest::{AttentionOptions, RopeOptions, Tensor};

/// A sequence \[t, n, inputs\], or something like it.
fn steps(o: &mut Odd) -> Tensor {
    o.near(&[3, 2, 4])
}

/// Rows \[n, t, width\], or something like it.
fn rows(o: &mut Odd) -> Tensor {
    o.near(&[2, 3, 4])
}

fn gru(o: &mut Odd) -> Gru {
    Gru::new(&o.device(), o.size_near(4), o.size_near(2), o.seed())
}

/// Every h, and the state after the last step.
fn ran(o: &mut Odd, layer: Gru) -> Vec<Tensor> {
    let (x, start) = (steps(o), o.maybe(|o| o.near(&[2, 2])));
    let (every, state) = layer.run(&x, start.as_ref());
    used(o, layer, &x);
    vec![every, state]
}

fn rope(o: &mut Odd) -> RopeOptions {
    let options = RopeOptions::new().base(o.float()).offset(o.size());
    if o.flag() { options.half() } else { options }
}

fn options(o: &mut Odd) -> AttentionOptions {
    let options = AttentionOptions::new().scale(o.float()).kv_heads(o.size_near(2)).dropout(o.share(), o.seed(), o.seed());
    let options = if o.flag() { options.causal_from(o.size()) } else { options };
    match o.pick(&[0, 1, 2]) {
        0 => options.mask(&o.mask(&[2, 2, 3, 3])),
        1 => options.key_padding(&o.mask(&[2, 3])),
        _ => options,
    }
}

fn heads(o: &mut Odd) -> MultiHeadAttention {
    MultiHeadAttention::new(&o.device(), o.size_near(4), o.size_near(2), o.seed())
}

fn attended(o: &mut Odd, layer: MultiHeadAttention) -> Vec<Tensor> {
    let x = rows(o);
    let _ = layer.forward_all(&[x.clone(), x.clone(), x.clone()]);
    used(o, layer, &x)
}

fn block(o: &mut Odd) -> TransformerBlock {
    // Matrices that just fit into memory are drawn anew by every setting, which takes seconds.
    let light = |n: usize| if (1 << 18..1 << 28).contains(&n) { n >> 8 } else { n };
    let (width, heads, hidden) = (light(o.size_near(4)), o.size_near(2), light(o.size_near(3)));
    TransformerBlock::new(&o.device(), width, heads, hidden, o.share(), o.seed())
}

fn blocked(o: &mut Odd, block: TransformerBlock) -> Vec<Tensor> {
    let x = rows(o);
    used(o, block, &x)
}

fn transformer(o: &mut Odd) -> Transformer {
    Transformer::new(o.many(block))
}

pub const TABLE: &[Line] = table! {
    "Recurrent::new" => |o| { let layer = gru(o); ran(o, layer) };
    "Recurrent::of" => |o| { let layer = Recurrent::of(GruCell::new(&o.device(), o.size_near(4), o.size_near(2), o.seed())); ran(o, layer) };
    "Recurrent::of_cells" => |o| {
        let first = GruCell::new(&o.device(), o.size_near(4), o.size_near(2), o.seed());
        let others = o.many(|o| GruCell::new(&o.device(), o.size_near(2), o.size_near(2), o.seed()));
        let layer = Recurrent::of_cells(first, others, o.flag());
        ran(o, layer)
    };
    "Recurrent::batch_first" => |o| { let layer = gru(o).batch_first(); ran(o, layer) };
    "Recurrent::last_only" => |o| { let (x, layer) = (steps(o), gru(o).bidirectional().last_only()); used(o, layer, &x) };
    "Recurrent::layers" => |o| { let layer = gru(o).layers(o.size()); ran(o, layer) };
    "Recurrent::bidirectional" => |o| { let layer = gru(o).layers(o.size()).bidirectional(); ran(o, layer) };
    "Recurrent::dropout" => |o| { let layer = gru(o).layers(o.size()).dropout(o.share()); ran(o, layer) };
    "Recurrent::cell" => |o| gru(o).cell().clone().forward(&o.near(&[2, 4]));
    "Recurrent::cells" => |o| gru(o).layers(o.size()).cells().len();
    "Recurrent::run" => |o| gru(o).layers(o.size_near(2)).run(&steps(o), o.maybe(|o| o.near(&[2, 2, 2])).as_ref());
    "Recurrent::run_lengths" => |o| gru(o).run_lengths(&steps(o), &[o.size(), o.size_near(2)], None);
    "Recurrent::relu" => |o| { let (x, layer) = (steps(o), Rnn::new(&o.device(), o.size_near(4), o.size(), o.seed()).relu()); used(o, layer, &x) };
    "Recurrent::forget_bias" => |o| {
        let (x, layer) = (steps(o), Lstm::new(&o.device(), o.size_near(4), o.size(), o.seed()).layers(o.size_near(2)));
        layer.forget_bias(o.single()).map(|layer| used(o, layer, &x))
    };
    "Recurrent::init" => |o| { let (a, b, c) = (init(o), init(o), init(o)); gru(o).layers(o.size()).init(a, b, c, o.seed()).map(|layer| ran(o, layer)) };
    "RnnCell::init" => |o| {
        let (a, b, c) = (init(o), init(o), init(o));
        let (x, y) = (o.near(&[2, 4]), o.near(&[2, 4]));
        let lstm = LstmCell::new(&o.device(), o.size_near(4), o.size(), 1);
        used(o, lstm, &x);
        RnnCell::new(&o.device(), o.size_near(4), o.size(), 1).init(a, b, c, o.seed()).map(|cell| used(o, cell.relu(), &y))
    };
    "MultiHeadAttention::new" => |o| { let layer = heads(o); attended(o, layer) };
    "MultiHeadAttention::causal" => |o| { let layer = heads(o).causal(); attended(o, layer) };
    "MultiHeadAttention::kv_heads" => |o| { let layer = heads(o).kv_heads(o.size()); attended(o, layer) };
    "MultiHeadAttention::inputs" => |o| { let layer = heads(o).inputs(o.size_near(4), o.size_near(4)); attended(o, layer) };
    "MultiHeadAttention::without_bias" => |o| { let layer = heads(o).without_bias().kv_heads(o.size()); attended(o, layer) };
    "MultiHeadAttention::rotary" => |o| { let options = rope(o); let layer = heads(o).rotary(options); attended(o, layer) };
    "MultiHeadAttention::dropout" => |o| { let layer = heads(o).dropout(o.share()); attended(o, layer) };
    "MultiHeadAttention::init" => |o| { let (a, b) = (init(o), init(o)); heads(o).init(a, b, o.seed()).map(|layer| attended(o, layer)) };
    "MultiHeadAttention::attend" => |o| heads(o).attend(&rows(o), &rows(o), &rows(o));
    "MultiHeadAttention::attend_with" => |o| { let options = options(o); heads(o).attend_with(&rows(o), &rows(o), &rows(o), &options) };
    "MultiHeadAttention::weights" => |o| { let options = options(o); heads(o).weights(&rows(o), &rows(o), &options) };
    "MultiHeadAttention::step" => |o| {
        let (layer, mut cache) = (heads(o), KeyValueCache::new());
        let first = layer.step(&rows(o), &mut cache);
        [first, layer.step(&rows(o), &mut cache)]
    };
    "MultiHeadAttention::step_with" => |o| { let (options, mut cache) = (options(o), KeyValueCache::new()); heads(o).step_with(&rows(o), &mut cache, &options) };
    "KeyValueCache::new" => |o| o.near(&[1]).mul_scalar(KeyValueCache::new().len() as f64);
    "KeyValueCache::len" => |o| { let mut cache = KeyValueCache::new(); heads(o).step(&rows(o), &mut cache); cache.len() };
    "KeyValueCache::is_empty" => |o| { let mut cache = KeyValueCache::new(); heads(o).step(&rows(o), &mut cache); cache.is_empty() };
    "KeyValueCache::clear" => |o| { let mut cache = KeyValueCache::new(); heads(o).step(&rows(o), &mut cache); cache.clear() };
    "TransformerBlock::new" => |o| { let b = block(o); blocked(o, b) };
    "TransformerBlock::causal" => |o| { let b = block(o).causal(); blocked(o, b) };
    "TransformerBlock::post_norm" => |o| { let b = block(o).post_norm(); blocked(o, b) };
    "TransformerBlock::rms_norm" => |o| { let b = block(o).rms_norm(); blocked(o, b) };
    "TransformerBlock::activation" => |o| { let b = block(o).activation(nn::Linear::new(&o.device(), o.size_near(3), o.size_near(3), 1)); blocked(o, b) };
    "TransformerBlock::gated" => |o| { let b = block(o).gated(); blocked(o, b) };
    "TransformerBlock::swiglu" => |o| { let b = block(o).swiglu(); blocked(o, b) };
    "TransformerBlock::kv_heads" => |o| { let b = block(o).kv_heads(o.size()); blocked(o, b) };
    "TransformerBlock::rotary" => |o| { let options = rope(o); let b = block(o).rotary(options); blocked(o, b) };
    "TransformerBlock::attention_dropout" => |o| { let b = block(o).attention_dropout(o.share()); blocked(o, b) };
    "TransformerBlock::without_bias" => |o| { let b = block(o).without_bias(); blocked(o, b) };
    "TransformerBlock::cross_attention" => |o| { let b = block(o).cross_attention(); blocked(o, b) };
    "TransformerBlock::encode" => |o| { let options = options(o); block(o).encode(&rows(o), &options) };
    "TransformerBlock::decode" => |o| block(o).cross_attention().decode(&rows(o), &rows(o));
    "TransformerBlock::decode_with" => |o| { let (a, b) = (options(o), options(o)); block(o).cross_attention().decode_with(&rows(o), &rows(o), &a, &b) };
    "TransformerBlock::step" => |o| block(o).step(&rows(o), &mut KeyValueCache::new());
    "TransformerBlock::decode_step" => |o| block(o).cross_attention().decode_step(&rows(o), &rows(o), &mut KeyValueCache::new());
    "Transformer::new" => |o| { let (x, all) = (rows(o), transformer(o)); used(o, all, &x) };
    "Transformer::norm" => |o| { let (x, all) = (rows(o), transformer(o).norm(nn::LayerNorm::new(&o.device(), o.size_near(4)))); used(o, all, &x) };
    "Transformer::blocks" => |o| transformer(o).blocks().len();
    "Transformer::encode" => |o| { let options = options(o); transformer(o).encode(&rows(o), &options) };
    "Transformer::decode" => |o| transformer(o).decode(&rows(o), &rows(o));
    "Transformer::decode_with" => |o| { let (a, b) = (options(o), options(o)); transformer(o).decode_with(&rows(o), &rows(o), &a, &b) };
    "Transformer::caches" => |o| transformer(o).caches().len();
    "Transformer::step" => |o| {
        let all = transformer(o);
        let mut caches = vec![KeyValueCache::new(); o.pick(&[all.blocks().len(), 0, 1])];
        all.step(&rows(o), &mut caches)
    };
    "Transformer::decode_step" => |o| { let all = transformer(o); all.decode_step(&rows(o), &rows(o), &mut all.caches()) };
    "RotaryEmbedding::new" => |o| { let (x, options) = (rows(o), rope(o)); used(o, RotaryEmbedding::new(options), &x) };
    "RotaryEmbedding::options" => |o| { let options = rope(o); RotaryEmbedding::new(options).options().base };
    "RotaryEmbedding::at" => |o| { let options = rope(o); RotaryEmbedding::new(options).at(&rows(o), o.size()) };
    "PositionalEncoding::new" => |o| { let x = rows(o); used(o, PositionalEncoding::new(), &x) };
    "position::sinusoids" => |o| nn::sinusoids(&o.device(), o.size(), o.size(), o.float());
    "position::alibi" => |o| nn::alibi(&o.device(), o.size(), o.size(), o.size(), o.size());
};
