//! Pictures from folders: `folder/class/name.png`, as rows of numbers.

use super::{Dataset, Labels, config};
use crate::error::{Error, NoRoom, Result};
use crate::{files, memory};
use image::imageops::{self, FilterType};
use image::{DynamicImage, ImageBuffer, ImageDecoder, ImageFormat, ImageReader, Limits, Luma, Rgb};
use std::io::Cursor;
use std::path::{Path, PathBuf};

/// The most pixels of a picture: a small file may claim any number.
const MOST_PIXELS: u64 = 1 << 26;
/// Deflate cannot do better than this many bytes out of one.
const DEFLATE_RATIO: u64 = 1032;
/// What a decoded picture may take, and what decoding it may take besides.
const MOST_DECODED: u64 = 512 << 20;

/// How to read pictures: PNG of any kind, as colours or grey, resized if so asked. Pixels become 0 to 1, those of 16 bits with all of
/// them (x / 65535), those of fewer as x / 255 or what that is of 1, 2 and 4 bits; transparency is ignored.
///
/// ```no_run
/// use steepest::data::Pictures;
/// let set = Pictures::new().size(32, 32).read_folder("photos")?; // photos/cat/1.png, photos/dog/1.png, …
/// assert_eq!(set.row_shape(), [3, 32, 32]);
/// println!("{:?}", set.class_names());
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "settings read nothing; end with read or read_folder"]
pub struct Pictures {
    size: Option<(u32, u32)>,
    grey: bool,
    flat: bool,
}

impl Default for Pictures {
    fn default() -> Pictures {
        Pictures::new()
    }
}

impl Pictures {
    /// Colours, sizes as they are, rows `[3, height, width]`.
    pub fn new() -> Pictures {
        Pictures { size: None, grey: false, flat: false }
    }

    /// Resizes every picture to this width and height, whatever its proportions, by linear interpolation.
    pub fn size(mut self, width: u32, height: u32) -> Pictures {
        self.size = Some((width, height));
        self
    }

    /// One channel, 0.2126 R + 0.7152 G + 0.0722 B, instead of three.
    pub fn grey(mut self) -> Pictures {
        self.grey = true;
        self
    }

    /// Rows are `[channels · height · width]` instead of `[channels, height, width]`; the numbers are the same.
    pub fn flat(mut self) -> Pictures {
        self.flat = true;
        self
    }

    /// One picture: its numbers, channel by channel, row by row, and its shape `[channels, height, width]`.
    ///
    /// # Errors
    /// [`Error::File`]: it cannot be read, is not PNG, damaged, of more than 2²⁶ pixels or 512 MiB of samples, or of more than its bytes can
    /// hold; a change of size that passes through more than 2²⁶ pixels (the old width and the new height). [`Error::Config`]: a size of
    /// zero, or of more pixels than that. [`Error::NoRoom`]: there is no memory for it: 4 bytes for each number, twice, and what is decoded.
    pub fn read(&self, path: impl AsRef<Path>) -> Result<(Vec<f32>, [usize; 3])> {
        let path = path.as_ref();
        let bytes = files::read(path)?;
        self.parse(path, &bytes)
    }

    /// Reads what [`Pictures::read`] would from a file of these bytes; `name` stands for the path in errors.
    ///
    /// # Errors
    /// As [`Pictures::read`].
    pub fn parse(&self, name: impl AsRef<Path>, bytes: &[u8]) -> Result<(Vec<f32>, [usize; 3])> {
        let fail = |message: String| Error::file(name.as_ref(), message);
        if self.size.is_some_and(|(w, h)| w == 0 || h == 0 || u64::from(w) * u64::from(h) > MOST_PIXELS) {
            return Err(config("pictures", format!("found the size {:?}, expected 1 to {MOST_PIXELS} pixels", self.size)));
        }
        if !bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
            let start: Vec<String> = bytes.iter().take(4).map(|b| format!("{b:02x}")).collect();
            return Err(fail(format!("byte 0: found {}, expected a PNG file (89 50 4e 47); convert it", start.join(" "))));
        }
        // The decoder takes the palette for whole.
        if let Some(length) = palette(bytes).filter(|length| length % 3 != 0) {
            return Err(fail(format!("damaged: found a palette of {length} bytes, expected three for each colour")));
        }
        let mut reader = ImageReader::with_format(Cursor::new(bytes), ImageFormat::Png);
        let mut limits = Limits::no_limits();
        limits.max_alloc = Some(MOST_DECODED);
        reader.limits(limits);
        let decoder = reader.into_decoder().map_err(|e| fail(format!("damaged: {e}")))?;
        let (width, height) = decoder.dimensions();
        if u64::from(width) * u64::from(height) > MOST_PIXELS {
            return Err(fail(format!("found {width} × {height} pixels, expected at most {MOST_PIXELS}")));
        }
        if u64::from(width) * u64::from(height) * bits(bytes) / 8 > (bytes.len() as u64).saturating_mul(DEFLATE_RATIO) {
            let there = bytes.len();
            return Err(fail(format!(
                "found {width} × {height} pixels declared, more than {there} bytes can hold: cut off or damaged"
            )));
        }
        self.room_for((width, height), decoder.total_bytes()).map_err(|message| message.map_or_else(Error::NoRoom, fail))?;
        let picture = DynamicImage::from_decoder(decoder).map_err(|e| fail(format!("damaged: {e}")))?;
        let colour = picture.color();
        let pixels = numbers(&picture, self.grey).ok_or_else(|| fail(format!("found {colour:?}, expected 8 or 16 bits")))?;
        drop(picture);
        let channels = if self.grey { 1 } else { 3 };
        let (pixels, width, height) = match self.size {
            Some(size) if size != (width, height) => {
                let resized =
                    resize(pixels, channels, (width, height), size).ok_or_else(|| fail("cannot be resized".to_owned()))?;
                (resized, size.0 as usize, size.1 as usize)
            }
            _ => (pixels, width as usize, height as usize),
        };
        // From pixel by pixel to channel by channel.
        let mut found = Vec::with_capacity(pixels.len());
        (0..channels).for_each(|c| found.extend(pixels.iter().skip(c).step_by(channels)));
        Ok((found, [channels, height, width]))
    }

    /// Whether there is memory for all that reading a picture of this size takes, asked for before any of it is.
    fn room_for(&self, (width, height): (u32, u32), decoded: u64) -> Result<(), Result<String, NoRoom>> {
        if decoded > MOST_DECODED {
            return Err(Ok(format!("found {width} × {height} pixels of {decoded} bytes, expected at most {MOST_DECODED} bytes")));
        }
        let channels = if self.grey { 1 } else { 3 };
        let numbers = |pixels: u64| pixels * channels * size_of::<f32>() as u64;
        let mut bytes = decoded + 2 * numbers(u64::from(width) * u64::from(height));
        if let Some((to_width, to_height)) = self.size.filter(|size| *size != (width, height)) {
            // Columns are changed first, in four numbers a pixel.
            let between = u64::from(width) * u64::from(to_height);
            if between > MOST_PIXELS {
                return Err(Ok(format!(
                    "found {width} × {height} pixels: on the way to {to_width} × {to_height} there are {width} × {to_height}, expected at most {MOST_PIXELS} pixels"
                )));
            }
            bytes += between * 16 + 2 * numbers(u64::from(to_width) * u64::from(to_height));
        }
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        memory::room::<u8>(format!("a picture of {width} × {height} pixels"), bytes).map(drop).map_err(Err)
    }

    /// All pictures of a folder: each subfolder is a class, in order of names; pictures in order of names too. What begins with a dot is
    /// passed over.
    ///
    /// # Errors
    /// [`Error::File`] with the picture or folder: no subfolders or only one, one without pictures, pictures outside of subfolders, files
    /// that are not PNG, pictures of different sizes where no size is set; and as [`Pictures::read`]. [`Error::NoRoom`]: the numbers of
    /// all pictures are more than there is memory for, which shows once the first is read.
    pub fn read_folder(&self, folder: impl AsRef<Path>) -> Result<Dataset> {
        let folder = folder.as_ref();
        let (classes, files) = list(folder)?;
        if let Some(stray) = files.iter().find(|file| is_png(file)) {
            return Err(Error::file(stray, "found a picture beside the subfolders, expected each in the subfolder of its class"));
        }
        if classes.len() < 2 {
            let message = format!("found {} subfolders, expected two or more: one per class, with its pictures", classes.len());
            return Err(Error::file(folder, message));
        }
        let (mut features, mut labels, mut names) = (Vec::new(), Vec::new(), Vec::new());
        let mut files = Vec::new();
        for (class, path) in classes.iter().enumerate() {
            names.push(path.file_name().unwrap_or_default().to_string_lossy().into_owned());
            let (_, pictures) = list(path)?;
            if pictures.is_empty() {
                return Err(Error::file(path, "found no pictures, expected at least one: add some, or remove the folder"));
            }
            files.extend(pictures.into_iter().map(|path| (class, path)));
        }
        let count = files.len();
        let mut first: Option<(PathBuf, [usize; 3])> = None;
        for (class, path) in files {
            if !is_png(&path) {
                return Err(Error::file(path, "found another kind of file, expected .png: convert it, or remove it"));
            }
            let (numbers, shape) = self.read(&path)?;
            if first.is_none() {
                let what = format!("the {count} pictures of {}", folder.display());
                features = memory::room(what, numbers.len().saturating_mul(count)).map_err(Error::NoRoom)?;
            }
            let (_, expected) = first.get_or_insert_with(|| (path.clone(), shape));
            if shape != *expected {
                let expected = format!("{} × {}, as the first picture", expected[2], expected[1]);
                let message = format!("found {} × {} pixels, expected {expected}: set a size", shape[2], shape[1]);
                return Err(Error::file(path, message));
            }
            features.extend(numbers);
            labels.push(class as u32);
        }
        let shape = first.map_or([0; 3], |(_, shape)| shape);
        let set = Dataset::new(features, &shape, Labels::Classes(labels, names.len()))?.with_class_names(names)?;
        if self.flat { set.with_row_shape(&[shape.iter().product()]) } else { Ok(set) }
    }
}

/// How many bytes the palette of a PNG file says it has, if there is one before the pixels.
fn palette(bytes: &[u8]) -> Option<u32> {
    let mut at = 8;
    loop {
        let head = bytes.get(at..)?.first_chunk::<8>()?;
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
        match &head[4..] {
            b"PLTE" => return Some(length),
            b"IDAT" | b"IEND" => return None,
            // Length, name, content, checksum.
            _ => at = at.checked_add(12)?.checked_add(usize::try_from(length).ok()?)?,
        }
    }
}

/// Bits of a pixel in the file, as the header of a picture has depth and colour type.
fn bits(bytes: &[u8]) -> u64 {
    let (depth, kind) = match bytes.get(24..26) {
        Some(&[depth, kind]) => (u64::from(depth), kind),
        _ => (0, 0),
    };
    let samples = match kind {
        2 => 3,
        4 => 2,
        6 => 4,
        _ => 1,
    };
    depth * samples
}

/// One number a pixel, or three: 0 to 1, pixel by pixel. Nothing for what PNG does not have.
fn numbers(picture: &DynamicImage, grey: bool) -> Option<Vec<f32>> {
    let channels = usize::from(picture.color().channel_count());
    Some(match picture {
        DynamicImage::ImageLuma8(p) => scaled(p.as_raw(), 255.0, channels, grey),
        DynamicImage::ImageLumaA8(p) => scaled(p.as_raw(), 255.0, channels, grey),
        DynamicImage::ImageRgb8(p) => scaled(p.as_raw(), 255.0, channels, grey),
        DynamicImage::ImageRgba8(p) => scaled(p.as_raw(), 255.0, channels, grey),
        DynamicImage::ImageLuma16(p) => scaled(p.as_raw(), 65535.0, channels, grey),
        DynamicImage::ImageLumaA16(p) => scaled(p.as_raw(), 65535.0, channels, grey),
        DynamicImage::ImageRgb16(p) => scaled(p.as_raw(), 65535.0, channels, grey),
        DynamicImage::ImageRgba16(p) => scaled(p.as_raw(), 65535.0, channels, grey),
        _ => return None,
    })
}

/// Samples of one or three channels, with or without transparency after them, of which the largest is `most`.
fn scaled<S: Copy + Into<f32>>(samples: &[S], most: f32, channels: usize, grey: bool) -> Vec<f32> {
    let of = |pixel: &[S]| {
        let sample = |c: usize| pixel[c].into() / most;
        if channels < 3 { [sample(0); 3] } else { [sample(0), sample(1), sample(2)] }
    };
    // How bright a colour is (Rec. 709).
    let bright = |[r, g, b]: [f32; 3]| (0.2126 * f64::from(r) + 0.7152 * f64::from(g) + 0.0722 * f64::from(b)) as f32;
    let pixels = samples.chunks_exact(channels);
    match grey {
        true if channels < 3 => pixels.map(|pixel| of(pixel)[0]).collect(),
        true => pixels.map(|pixel| bright(of(pixel))).collect(),
        false => pixels.flat_map(of).collect(),
    }
}

/// By linear interpolation between pixels.
fn resize(pixels: Vec<f32>, channels: usize, from: (u32, u32), to: (u32, u32)) -> Option<Vec<f32>> {
    Some(match channels {
        1 => {
            let picture: ImageBuffer<Luma<f32>, _> = ImageBuffer::from_raw(from.0, from.1, pixels)?;
            imageops::resize(&picture, to.0, to.1, FilterType::Triangle).into_raw()
        }
        _ => {
            let picture: ImageBuffer<Rgb<f32>, _> = ImageBuffer::from_raw(from.0, from.1, pixels)?;
            imageops::resize(&picture, to.0, to.1, FilterType::Triangle).into_raw()
        }
    })
}

fn is_png(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("png"))
}

/// The subfolders and the files of a folder, each in order of names.
fn list(folder: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let fail = |e: std::io::Error| Error::file(folder, format!("cannot be read as a folder: {e}"));
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths.into_iter().partition(|path| path.is_dir()))
}
