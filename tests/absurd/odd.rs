//! Arguments, plausible and absurd, from a seed. Each is written to the log before the call is made, so that it is known of a call that never returns.

use std::fmt::Debug;
use std::io::Write;
use std::path::PathBuf;
use steepest::ops::case::Gen;
use steepest::{DType, Device, Tensor};

const SIZES: &[usize] = &[
    0,
    1,
    2,
    3,
    7,
    255,
    256,
    1 << 16,
    (1 << 20) + 1,
    1 << 24,
    (1 << 31) - 1,
    1 << 31,
    (1 << 32) - 1,
    1 << 32,
    (1 << 32) + 1,
    1 << 33,
    1 << 40,
    1 << 62,
    (1 << 63) - 1,
    1 << 63,
    usize::MAX - 1,
    usize::MAX,
];

const FLOATS: &[f64] = &[
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    2.0,
    1e-30,
    1e-45,
    -1e-45,
    5e-324,
    1e30,
    -1e30,
    3.402_823_5e38,
    -3.402_823_5e38,
    1e300,
    f64::MAX,
    f64::MIN,
    f64::MIN_POSITIVE,
    f64::EPSILON,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
    16_777_217.0,
    4_294_967_296.0,
    1e19,
];

const TEXTS: &[&str] = &[
    "",
    "\0",
    " ",
    "\n",
    "a,b",
    "\"",
    "'",
    "\u{1b}[31m",
    "ßäµ🦀",
    "\u{202e}",
    "%s%n",
    "{}",
    "{",
    "[",
    "((((",
    "*",
    "**.*",
    "a..b",
    "a.b",
    "../..",
    "/",
    "NaN",
    "-1",
    "1e999",
    "99999999999999999999",
    "ij,jk->ik",
    "->",
    "weight",
    "cpu",
    "true",
    "null",
];

/// Draws arguments for one call.
pub struct Odd {
    draws: Gen,
    /// How often an argument is absurd; chosen once a call, so that some calls have one odd argument among plausible ones.
    wild: f64,
    device: Device,
    other: Device,
    folder: PathBuf,
    log: Box<dyn Write>,
}

/// Drawing. Every method writes what it drew.
#[allow(dead_code)]
impl Odd {
    /// `other` is a second device whose tensors the first cannot read; files are made only in `folder`.
    pub fn new(device: Device, other: Device, folder: PathBuf, log: Box<dyn Write>) -> Odd {
        Odd { draws: Gen::new(0), wild: 0.0, device, other, folder, log }
    }

    /// Starts a call: the same seed makes the same arguments.
    pub fn start(&mut self, seed: u64) {
        self.draws = Gen::new(seed);
        self.bits();
        self.wild = [0.0, 0.06, 0.25, 0.9][self.below(4)];
    }

    /// Writes to the log at once.
    pub fn note(&mut self, text: &str) {
        self.log.write_all(text.as_bytes()).expect("the log can be written");
    }

    fn said<T: Debug>(&mut self, value: T) -> T {
        let mut text = format!("{value:?}");
        if text.len() > 200 {
            let end = (0..=160).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
            text = format!("{}… ({} bytes)", &text[..end], text.len());
        }
        self.note(&format!(" {text}"));
        value
    }

    fn bits(&mut self) -> u64 {
        self.draws.bits()
    }

    fn below(&mut self, n: usize) -> usize {
        self.draws.below(n)
    }

    fn chance(&mut self, p: f64) -> bool {
        ((self.bits() >> 11) as f64) < p * (1u64 << 53) as f64
    }

    /// Whether the next argument is absurd.
    fn odd(&mut self) -> bool {
        let wild = self.wild;
        self.chance(wild)
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    fn raw_size(&mut self) -> usize {
        if self.odd() { self.one(SIZES) } else { [1, 2, 3, 4, 5, 1, 2, 0][self.below(8)] }
    }

    /// A number of things: 0 to 5, or anything up to `usize::MAX`.
    pub fn size(&mut self) -> usize {
        let size = self.raw_size();
        self.said(size)
    }

    /// A number that is right where `right` is: mostly that.
    pub fn size_near(&mut self, right: usize) -> usize {
        let size = if self.odd() { self.one(SIZES) } else { right };
        self.said(size)
    }

    /// An axis, an index, an offset: −3 to 3, or anything.
    pub fn int(&mut self) -> isize {
        let int = self.raw_int();
        self.said(int)
    }

    fn raw_int(&mut self) -> isize {
        if !self.odd() {
            return self.below(7) as isize - 3;
        }
        match self.below(4) {
            0 => self.one(&[isize::MIN, isize::MIN + 1, isize::MAX, -1 << 31, -1 << 32, -9, 8, 9]),
            1 => (self.one(SIZES) as isize).wrapping_neg(),
            _ => self.one(SIZES) as isize,
        }
    }

    /// An axis of two or more: −2 to 1, or anything.
    pub fn axis(&mut self) -> isize {
        let axis = if self.odd() { self.raw_int() } else { self.below(4) as isize - 2 };
        self.said(axis)
    }

    /// None to a few axes.
    pub fn axes(&mut self) -> Vec<isize> {
        let count = self.count();
        let axes = (0..count).map(|_| if self.odd() { self.raw_int() } else { self.below(4) as isize - 2 }).collect();
        self.said(axes)
    }

    /// A seed or a 64-bit number.
    pub fn seed(&mut self) -> u64 {
        let seed = if self.odd() { self.one(SIZES) as u64 } else { self.below(5) as u64 };
        self.said(seed)
    }

    pub fn u32(&mut self) -> u32 {
        let value = self.raw_size() as u32;
        self.said(value)
    }

    pub fn i32(&mut self) -> i32 {
        let value = self.raw_int() as i32;
        self.said(value)
    }

    pub fn i64(&mut self) -> i64 {
        let value = self.raw_int() as i64;
        self.said(value)
    }

    pub fn flag(&mut self) -> bool {
        let flag = self.chance(0.5);
        self.said(flag)
    }

    fn raw_float(&mut self) -> f64 {
        if self.odd() { self.one(FLOATS) } else { self.below(9) as f64 * 0.25 - 0.5 }
    }

    /// A number from −½ to 1½, or anything an f64 can be.
    pub fn float(&mut self) -> f64 {
        let float = self.raw_float();
        self.said(float)
    }

    /// A share or probability between 0 and 1, or anything.
    pub fn share(&mut self) -> f64 {
        let share = if self.odd() { self.one(FLOATS) } else { self.below(9) as f64 * 0.125 };
        self.said(share)
    }

    pub fn single(&mut self) -> f32 {
        let single = self.raw_float() as f32;
        self.said(single)
    }

    pub fn floats(&mut self) -> Vec<f64> {
        let count = self.count();
        let floats = (0..count).map(|_| self.raw_float()).collect();
        self.said(floats)
    }

    pub fn singles(&mut self) -> Vec<f32> {
        let count = self.count();
        let singles = (0..count).map(|_| self.raw_float() as f32).collect();
        self.said(singles)
    }

    pub fn sizes(&mut self) -> Vec<usize> {
        let count = self.count();
        let sizes = (0..count).map(|_| self.raw_size()).collect();
        self.said(sizes)
    }

    pub fn ints(&mut self) -> Vec<isize> {
        let count = self.count();
        let ints = (0..count).map(|_| self.raw_int()).collect();
        self.said(ints)
    }

    /// A fixed number of sizes.
    pub fn array<const N: usize>(&mut self) -> [usize; N] {
        let array = std::array::from_fn(|_| self.raw_size());
        self.said(array)
    }

    /// How many elements a list has: 0 to 3, or some.
    fn count(&mut self) -> usize {
        if self.odd() { self.one(&[0, 1, 2, 4, 9, 17, 300]) } else { self.below(4) }
    }

    /// A short word, or an odd one.
    pub fn text(&mut self) -> String {
        let text = if !self.odd() {
            self.one(&["a", "b", "weight", "name", "x1"]).to_owned()
        } else if self.chance(0.05) {
            let part = self.one(TEXTS);
            part.repeat(100_000 / part.len().max(1))
        } else {
            self.one(TEXTS).to_owned()
        };
        self.said(text)
    }

    pub fn texts(&mut self) -> Vec<String> {
        let count = self.count();
        (0..count).map(|_| self.text()).collect()
    }

    pub fn bytes(&mut self) -> Vec<u8> {
        let count = self.count();
        let bytes = (0..count).map(|_| self.bits() as u8).collect();
        self.said(bytes)
    }

    /// One of these.
    pub fn pick<T: Clone + Debug>(&mut self, of: &[T]) -> T {
        let picked = of[self.below(of.len())].clone();
        self.said(picked)
    }

    /// Something drawn, or nothing.
    pub fn maybe<T>(&mut self, draw: impl FnOnce(&mut Odd) -> T) -> Option<T> {
        if self.chance(0.5) {
            return Some(draw(self));
        }
        self.note(" None");
        None
    }

    /// None to a few of something drawn.
    pub fn many<T>(&mut self, mut draw: impl FnMut(&mut Odd) -> T) -> Vec<T> {
        let count = self.count().min(17);
        self.note(&format!(" {count}×("));
        let all = (0..count).map(|_| draw(self)).collect();
        self.note(" )");
        all
    }

    /// An empty folder, or one with what earlier calls left there.
    pub fn folder(&mut self) -> PathBuf {
        self.folder.clone()
    }

    /// A path in the folder: of a new file, of one that is there, of a folder, of one in a folder that is not there.
    pub fn path(&mut self) -> PathBuf {
        let name = if self.odd() {
            self.one(&["", ".", "no/such", "file\0", "with space", "ß🦀", "a.svg/b", "a.csv"])
        } else {
            "file"
        };
        let name = self.said(name);
        self.folder.join(name)
    }

    /// The device under test.
    pub fn device(&mut self) -> Device {
        self.device.clone()
    }

    /// Another device, whose state a call may change.
    pub fn fresh_device(&mut self) -> Device {
        if self.device.is_gpu() {
            return Device::named(self.device.name()).expect("a device that was opened before");
        }
        Device::cpu()
    }

    fn dims(&mut self) -> Vec<usize> {
        let rank = if self.odd() { self.below(10) } else { self.below(5) };
        (0..rank).map(|_| self.raw_size()).collect()
    }

    /// Sizes of axes: rank 0 to 4, or up to 9 and sizes beyond all memory.
    pub fn shape(&mut self) -> Vec<usize> {
        let dims = self.dims();
        self.said(dims)
    }

    /// A tensor of any shape: mostly small and of f32, some of them parameters.
    pub fn tensor(&mut self) -> Tensor {
        if self.odd() {
            return self.odd_tensor();
        }
        let rank = self.below(5);
        let dims: Vec<usize> = (0..rank).map(|_| 1 + self.below(4)).collect();
        self.floats_of(&dims)
    }

    /// A tensor of f32 of this shape; or of one like it, or any.
    pub fn near(&mut self, dims: &[usize]) -> Tensor {
        if !self.odd() {
            return self.floats_of(dims);
        }
        let mut dims = dims.to_vec();
        match self.below(6) {
            0 if !dims.is_empty() => {
                let axis = self.below(dims.len());
                dims[axis] = self.below(4);
            }
            1 => dims.push(1),
            2 => drop(dims.pop()),
            3 => return self.typed(&dims),
            _ => return self.odd_tensor(),
        }
        self.floats_of(&dims)
    }

    /// Indices, labels: u32 below `n`, of this shape; or beyond it, or any tensor.
    pub fn labels(&mut self, dims: &[usize], n: usize) -> Tensor {
        if self.odd() {
            return self.odd_tensor();
        }
        let count = dims.iter().product();
        let words: Vec<u32> =
            (0..count).map(|_| if self.odd() { self.one(SIZES) as u32 } else { self.below(n.max(1)) as u32 }).collect();
        self.note(&format!(" u32{dims:?}"));
        self.device.tensor(&words, dims)
    }

    /// Yes or no, of this shape; or any tensor.
    pub fn mask(&mut self, dims: &[usize]) -> Tensor {
        if self.odd() {
            return self.odd_tensor();
        }
        let count = dims.iter().product();
        let words: Vec<bool> = (0..count).map(|_| self.chance(0.5)).collect();
        self.note(&format!(" bool{dims:?}"));
        self.device.tensor(&words, dims)
    }

    fn floats_of(&mut self, dims: &[usize]) -> Tensor {
        let count = dims.iter().product();
        let numbers: Vec<f32> = (0..count)
            .map(|_| if self.chance(self.wild / 4.0) { self.one(FLOATS) as f32 } else { self.below(2001) as f32 / 1000.0 - 1.0 })
            .collect();
        if self.chance(0.4) {
            self.note(&format!(" parameter{dims:?}"));
            return self.device.parameter(&numbers, dims);
        }
        self.note(&format!(" f32{dims:?}"));
        self.device.tensor(&numbers, dims)
    }

    /// A tensor of any type and this shape.
    fn typed(&mut self, dims: &[usize]) -> Tensor {
        let dtype = self.one(&[DType::F32, DType::F16, DType::U32, DType::I32, DType::Bool]);
        self.note(&format!(" {dtype}{dims:?}"));
        let count = dims.iter().product();
        let device = self.device.clone();
        let wild = self.wild;
        let whole = |o: &mut Odd| if o.chance(wild) { o.one(SIZES) as u32 } else { o.below(5) as u32 };
        match dtype {
            DType::F32 => device.tensor(&(0..count).map(|_| self.raw_float() as f32).collect::<Vec<_>>(), dims),
            DType::F16 => device.tensor_f16(&(0..count).map(|_| self.raw_float() as f32).collect::<Vec<_>>(), dims),
            DType::U32 => device.tensor(&(0..count).map(|_| whole(self)).collect::<Vec<_>>(), dims),
            DType::I32 => device.tensor(&(0..count).map(|_| whole(self) as i32).collect::<Vec<_>>(), dims),
            DType::Bool => device.tensor(&(0..count).map(|_| self.chance(0.5)).collect::<Vec<_>>(), dims),
        }
    }

    /// Invalid, of another device, of another type, empty, of high rank, or too large for any memory.
    fn odd_tensor(&mut self) -> Tensor {
        match self.below(16) {
            0 => {
                self.note(" invalid");
                self.device.tensor(&[1.0], 2)
            }
            1 => {
                self.note(" of-another-device[2, 2]");
                self.other.tensor(&[1.0, 2.0, 3.0, 4.0], [2, 2])
            }
            2 => {
                let dims = self.one(&[
                    [65_536, 65_535],
                    [1 << 16, 1 << 14],
                    [1, (1 << 32) - 1],
                    [1 << 31, 1],
                    [1 << 20, 7],
                    [0, 1 << 31],
                ]);
                self.note(&format!(" huge{dims:?}"));
                self.device.full(dims, 0.5)
            }
            3 => {
                self.note(" huge-parameter[1048576, 4095]");
                self.device.parameter(&[0.5], [1, 1]).expand([1 << 20, 4095])
            }
            4 | 5 => {
                let rank = 1 + self.below(4);
                let empty = self.below(rank);
                let dims: Vec<usize> = (0..rank).map(|axis| if axis == empty { 0 } else { self.below(4) }).collect();
                self.floats_of(&dims)
            }
            6 => {
                let dims: Vec<usize> = (0..5 + self.below(4)).map(|_| 1 + self.below(2)).collect();
                self.typed(&dims)
            }
            7 => {
                let dims = [self.one(&[255, 256, 257, 1000, 4097])];
                self.typed(&dims)
            }
            _ => {
                let rank = self.below(5);
                let dims: Vec<usize> = (0..rank).map(|_| 1 + self.below(4)).collect();
                self.typed(&dims)
            }
        }
    }
}
