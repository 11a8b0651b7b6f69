//! A text as numbers: one per character, the first nine tenths to learn from, the last tenth held out.

use super::Args;
use anyhow::{Context, ensure};
use std::collections::{BTreeMap, BTreeSet};

/// A text and its characters.
pub struct Text {
    /// The characters that occur, in order: number i is the i-th.
    pub symbols: Vec<char>,
    /// The part to learn from.
    pub train: Vec<u32>,
    /// The part to be tested on.
    pub held_out: Vec<u32>,
}

impl Args {
    /// Tiny Shakespeare, from the folder with the data.
    pub fn shakespeare(&self) -> anyhow::Result<String> {
        let what = "tinyshakespeare.txt, 1.1 MB of Shakespeare's plays";
        let path =
            self.published("text/tinyshakespeare.txt", what, "github.com/karpathy/char-rnn as data/tinyshakespeare/input.txt")?;
        let text = std::fs::read_to_string(&path).with_context(|| format!("{} is no text in UTF-8", path.display()))?;
        let count = text.chars().count();
        ensure!(count >= 20_000, "{} has {count} characters, expected at least 20,000 to learn from", path.display());
        Ok(text)
    }

    /// The same as numbers; `--rows N` learns from the first N characters only.
    pub fn text(&self) -> anyhow::Result<Text> {
        let text: Vec<char> = self.shakespeare()?.chars().collect();
        let symbols: Vec<char> = text.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
        let numbers: Vec<u32> = text.iter().map(|c| symbols.binary_search(c).unwrap_or_default() as u32).collect();
        let (train, held_out) = numbers.split_at(numbers.len() * 9 / 10);
        // As much less to be tested on as there is less to learn from.
        let rows = self.rows(train.len());
        ensure!(rows >= 10_000, "--rows {rows}: a text to learn from needs at least 10,000 characters");
        let (train, held_out) = (train[..rows].to_vec(), held_out[..held_out.len() * rows / train.len()].to_vec());
        println!("data: {} characters to learn from, {} held out, {} symbols", train.len(), held_out.len(), symbols.len());
        Ok(Text { symbols, train, held_out })
    }
}

impl Text {
    /// Numbers as text.
    pub fn decode(&self, numbers: &[u32]) -> String {
        numbers.iter().map(|&number| self.symbols[number as usize]).collect()
    }

    /// The baseline: bits per held-out character for one who knows how often each character follows each in the training part (each pair
    /// counted once more than it occurs).
    pub fn bigram_bits(&self) -> f64 {
        let n = self.symbols.len();
        let mut counts = vec![1.0; n * n];
        self.train.windows(2).for_each(|pair| counts[pair[0] as usize * n + pair[1] as usize] += 1.0);
        let bits = self.held_out.windows(2).map(|pair| {
            let row = &counts[pair[0] as usize * n..][..n];
            -(row[pair[1] as usize] / row.iter().sum::<f64>()).log2()
        });
        bits.sum::<f64>() / (self.held_out.len() - 1) as f64
    }
}

/// Who said which words, in the order of their first lines. A paragraph is a speech: `NAME:`, then its lines.
pub fn words_of_speakers(text: &str) -> Vec<(String, BTreeSet<String>)> {
    let mut order: Vec<String> = vec![];
    let mut said: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for speech in text.split("\n\n") {
        let Some((name, lines)) = speech.trim().split_once(":\n") else { continue };
        if !said.contains_key(name) {
            order.push(name.to_owned());
        }
        said.entry(name).or_default().push(lines);
    }
    let words = |lines: &[&str]| -> BTreeSet<String> {
        let all = lines.iter().flat_map(|line| line.split(|c: char| !c.is_alphabetic())).filter(|word| word.len() > 2);
        all.map(str::to_lowercase).collect()
    };
    order.into_iter().map(|name| (words(&said[name.as_str()]), name)).map(|(words, name)| (name, words)).collect()
}
