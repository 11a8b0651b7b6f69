//! A recurrent network reads Shakespeare letter by letter, guesses the next one, and then writes on by itself.

mod common;

use common::text::Text;
use steepest::nn::recurrent::Cell;
use steepest::nn::{Embedding, GruCell, Linear, LstmCell, Module, Recurrent, RnnCell};
use steepest::optim::{Adam, Optimizer, Schedule, schedule::Cosine};
use steepest::plot::Figure;
use steepest::random::Stream;
use steepest::{Device, Result, Tensor, no_grad};

/// Places of the text that are read side by side.
const STREAMS: usize = 32;
/// Characters between two steps of the optimizer: how far back gradients go.
const PIECE: usize = 64;
const WIDTH: usize = 160;

fn main() -> std::process::ExitCode {
    common::run(example)
}

/// Characters → what each means → what was read so far → logits of the next character.
struct Reader<C: Cell> {
    embedding: Embedding,
    recurrent: Recurrent<C>,
    head: Linear,
}

impl<C: Cell> Reader<C> {
    fn new(device: &Device, symbols: usize, seed: u64) -> Reader<C> {
        Reader {
            embedding: Embedding::new(device, symbols, 32, seed),
            recurrent: Recurrent::new(device, 32, WIDTH, seed + 1),
            head: Linear::new(device, WIDTH, symbols, seed + 2),
        }
    }

    /// Characters [time, streams] → logits [time · streams, symbols], and the state after them.
    fn read(&self, x: &Tensor, state: Option<&C::State>) -> (Tensor, C::State) {
        let (every, state) = self.recurrent.run(&self.embedding.forward(x), state);
        (self.head.forward(&every.reshape([x.shape().numel(), WIDTH])), state)
    }

    fn parameters(&self) -> Vec<Tensor> {
        [self.embedding.parameters(), self.recurrent.parameters(), self.head.parameters()].concat()
    }
}

/// Piece `number` of a text read in `streams` places at once: characters [time, streams] and what follows each [time · streams].
fn piece(device: &Device, text: &[u32], streams: usize, number: usize) -> (Tensor, Tensor) {
    let length = (text.len() - 1) / streams;
    let at = |i: usize| (i % streams) * length + number * PIECE + i / streams;
    let x: Vec<u32> = (0..PIECE * streams).map(|i| text[at(i)]).collect();
    let y: Vec<u32> = (0..PIECE * streams).map(|i| text[at(i) + 1]).collect();
    (device.tensor(&x, [PIECE, streams]), device.tensor(&y, PIECE * streams))
}

/// Whole pieces of each stream.
fn pieces(text: &[u32], streams: usize) -> usize {
    (text.len() - 1) / streams / PIECE
}

/// Bits per character of the held-out text.
fn held_out_bits<C: Cell>(model: &Reader<C>, device: &Device, text: &Text) -> Result<f64> {
    let (mut state, mut nats) = (None, 0.0);
    let count = pieces(&text.held_out, 16);
    for number in 0..count {
        let (x, y) = piece(device, &text.held_out, 16, number);
        let (logits, after) = no_grad(|| model.read(&x, state.as_ref()));
        nats += f64::from(no_grad(|| logits.cross_entropy(&y)).item()?);
        state = Some(after);
    }
    Ok(nats / count as f64 / std::f64::consts::LN_2)
}

/// Lets the model write: each character drawn from its own guess, a little sharpened.
fn write<C: Cell>(model: &Reader<C>, device: &Device, text: &Text, seed: u64) -> Result<String> {
    let (mut stream, mut state, mut written) = (Stream::new(seed, 0), None, vec![0]);
    for _ in 0..400 {
        let x = device.tensor(&[written[written.len() - 1]], [1, 1]);
        let (logits, after) = no_grad(|| model.read(&x, state.as_ref()));
        let shares = logits.mul_scalar(1.0 / 0.8).softmax(1).to_vec::<f32>()?;
        written.push(stream.weighted(&shares).unwrap_or(0) as u32);
        state = Some(after);
    }
    Ok(text.decode(&written[1..]))
}

fn learn<C: Cell>(args: &common::Args, kind: &str) -> anyhow::Result<()> {
    let output = args.output()?;
    let text = args.text()?;
    let device = args.device()?;
    let model = Reader::<C>::new(&device, text.symbols.len(), args.seed);
    let bigram = text.bigram_bits();
    println!("{kind} of width {WIDTH}; who knows only the last character needs {bigram:.3} bits for the next");

    let mut opt = Adam::new(model.parameters(), 4e-3);
    let steps = pieces(&text.train, STREAMS);
    let rate = Cosine::new(4e-3, (args.epochs * steps).max(1), 2e-4)?;
    let mut curve = vec![(0.0, held_out_bits(&model, &device, &text)?)];
    for epoch in 0..args.epochs {
        // A piece goes on where the last one ended: the state is kept, its history is not.
        let (mut state, mut nats) = (None, 0.0);
        let bar = common::bar(epoch, args.epochs, steps);
        for number in 0..steps {
            let (x, y) = piece(&device, &text.train, STREAMS, number);
            let (logits, after) = model.read(&x, state.as_ref());
            let loss = logits.cross_entropy(&y);
            opt.set_lr(rate.lr(epoch * steps + number));
            opt.step(loss.backward().clip_by_norm(1.0))?;
            state = Some(C::detach(&after));
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
    let figure = Figure::new(format!("A {kind} learns to guess Shakespeare's next letter"))
        .labels("epoch", "held-out bits per character")
        .line(kind, curve)
        .line("bigrams", [(0.0, bigram), (last.0.max(1.0), bigram)]);
    output.picture("char_rnn.svg", |path| figure.save(path))?;
    common::figures(&[("bits", last.1), ("bigrams", bigram)]);
    println!("bigrams: {bigram:.3} bits per character");
    println!("test bits per character: {:.3}", last.1);
    Ok(())
}

fn example() -> anyhow::Result<()> {
    let args = common::Args::parse("a character model of Shakespeare; --cell gru, lstm or rnn", 6)?;
    match args.cell.as_deref().unwrap_or("gru") {
        "gru" => learn::<GruCell>(&args, "GRU"),
        "lstm" => learn::<LstmCell>(&args, "LSTM"),
        "rnn" => learn::<RnnCell>(&args, "plain RNN"),
        other => anyhow::bail!("--cell {other}: expected gru, lstm or rnn"),
    }
}
