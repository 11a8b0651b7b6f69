//! Attention: a small causal transformer reads Shakespeare, each letter looking back at those before it, and then writes on by itself.

mod common;

use common::text::Text;
use steepest::nn::{Embedding, Init, LayerNorm, Linear, Module, TransformerBlock};
use steepest::optim::{Adam, Optimizer, Schedule, schedule::OneCycle};
use steepest::plot::Figure;
use steepest::random::Stream;
use steepest::{Device, Result, Tensor, no_grad};

/// How far back a character can look.
const CONTEXT: usize = 64;
const BATCH: usize = 32;
const WIDTH: usize = 64;
const BLOCKS: usize = 3;

fn main() -> std::process::ExitCode {
    common::run(example)
}

struct Transformer {
    token: Embedding,
    place: Embedding,
    blocks: Vec<TransformerBlock>,
    norm: LayerNorm,
    head: Linear,
}

impl Transformer {
    fn new(device: &Device, symbols: usize, seed: u64) -> Transformer {
        let table = |rows, seed| Embedding::with_init(device, rows, WIDTH, Init::Normal(0.1), seed);
        let block = |i| TransformerBlock::new(device, WIDTH, 4, 4 * WIDTH, 0.0, seed + 10 * i).causal();
        Transformer {
            token: table(symbols, seed),
            place: table(CONTEXT, seed + 1),
            blocks: (1..=BLOCKS as u64).map(block).collect(),
            norm: LayerNorm::new(device, WIDTH),
            head: Linear::new(device, WIDTH, symbols, seed + 2),
        }
    }
}

impl Module for Transformer {
    /// Characters [n, CONTEXT] → logits of what follows each [n · CONTEXT, symbols].
    fn forward(&self, x: &Tensor) -> Tensor {
        // What a character is, and where it stands: attention itself knows no order.
        let x = self.token.forward(x) + self.place.weight();
        let x = self.blocks.iter().fold(x, |x, block| block.forward(&x));
        let rows = x.try_shape().map_or(0, |shape| shape.numel() / WIDTH);
        self.head.forward(&self.norm.forward(&x).reshape([rows, WIDTH]))
    }

    steepest::parts!(token, place, blocks, norm, head);
}

/// Windows of a text that start at the given places: characters, and what follows each.
fn windows(device: &Device, text: &[u32], starts: &[usize]) -> (Tensor, Tensor) {
    let cut = |after: usize| starts.iter().flat_map(|&at| &text[at + after..][..CONTEXT]).copied().collect::<Vec<u32>>();
    (device.tensor(&cut(0), [starts.len(), CONTEXT]), device.tensor(&cut(1), starts.len() * CONTEXT))
}

/// Bits per character of the held-out text, in consecutive windows: the first character of each is guessed from one alone.
fn held_out_bits(model: &Transformer, device: &Device, text: &Text) -> Result<f64> {
    let starts: Vec<usize> = (0..(text.held_out.len() - 1) / CONTEXT).map(|window| window * CONTEXT).collect();
    let mut nats = vec![];
    for starts in starts.chunks_exact(BATCH) {
        let (x, y) = windows(device, &text.held_out, starts);
        nats.push(f64::from(no_grad(|| model.forward(&x).cross_entropy(&y)).item()?));
    }
    Ok(nats.iter().sum::<f64>() / nats.len() as f64 / std::f64::consts::LN_2)
}

/// Lets the model write: each character drawn from its own guess, a little sharpened.
fn write(model: &Transformer, device: &Device, text: &Text, seed: u64) -> Result<String> {
    let (mut stream, mut written) = (Stream::new(seed, 1), vec![0]);
    for _ in 0..400 {
        // What comes after the last character is not looked at: the model is causal.
        let mut seen: Vec<u32> = written[written.len().saturating_sub(CONTEXT)..].to_vec();
        let last = seen.len() as isize - 1;
        seen.resize(CONTEXT, 0);
        let logits = no_grad(|| model.forward(&device.tensor(&seen, [1, CONTEXT])));
        let shares = logits.mul_scalar(1.0 / 0.8).softmax(1).to_vec::<f32>()?;
        let row = &shares[last as usize * text.symbols.len()..][..text.symbols.len()];
        written.push(stream.weighted(row).unwrap_or(0) as u32);
    }
    Ok(text.decode(&written[1..]))
}

fn example() -> anyhow::Result<()> {
    let args = common::Args::parse("a small transformer on Shakespeare, letter by letter", 5)?;
    let output = args.output()?;
    let text = args.text()?;
    let device = args.device()?;
    let model = Transformer::new(&device, text.symbols.len(), args.seed);
    let bigram = text.bigram_bits();
    println!("{} parameters; who knows only the last character needs {bigram:.3} bits for the next", model.parameter_count());

    let mut opt = Adam::w(model.parameters(), 3e-3).betas(0.9, 0.98);
    // As many windows an epoch as cover the text once, at random places.
    let steps = text.train.len() / (BATCH * CONTEXT);
    let rate = OneCycle::new(3e-3, (args.epochs * steps).max(1))?;
    let mut places = Stream::new(args.seed, 0);
    let mut curve = vec![(0.0, held_out_bits(&model, &device, &text)?)];
    for epoch in 0..args.epochs {
        let bar = common::bar(epoch, args.epochs, steps);
        let mut nats = 0.0;
        for step in 0..steps {
            let starts: Vec<usize> = (0..BATCH).map(|_| places.below((text.train.len() - CONTEXT) as u32) as usize).collect();
            let (x, y) = windows(&device, &text.train, &starts);
            let loss = model.forward(&x).cross_entropy(&y);
            opt.set_lr(rate.lr(epoch * steps + step));
            opt.step(loss.backward().clip_by_norm(1.0))?;
            nats += f64::from(loss.item()?);
            bar.inc(1);
        }
        bar.finish_and_clear();
        let bits = held_out_bits(&model, &device, &text)?;
        println!("epoch {:>2}  training {:.3} bits, held out {bits:.3}", epoch + 1, nats / steps as f64 / std::f64::consts::LN_2);
        curve.push((epoch as f64 + 1.0, bits));
    }

    println!("\n{}\n", write(&model, &device, &text, args.seed)?.trim());
    let last = curve[curve.len() - 1];
    let figure = Figure::new("A transformer learns to guess Shakespeare's next letter")
        .labels("epoch", "held-out bits per character")
        .line("transformer", curve)
        .line("bigrams", [(0.0, bigram), (last.0.max(1.0), bigram)]);
    output.picture("transformer.svg", |path| figure.save(path))?;
    common::figures(&[("bits", last.1), ("bigrams", bigram)]);
    println!("bigrams: {bigram:.3} bits per character");
    println!("test bits per character: {:.3}", last.1);
    Ok(())
}
