//! MNIST: 60,000 + 10,000 handwritten digits of 28×28 pixels, read from a folder with its four files.

use super::{Dataset, Idx, IdxData, Labels};
use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

/// Mean of the training pixels, scaled to 0..1: for [`Dataset::normalized`].
pub const MNIST_MEAN: f32 = 0.1307;
/// Standard deviation of the training pixels, scaled to 0..1: for [`Dataset::normalized`].
pub const MNIST_STD: f32 = 0.3081;

const SIDE: usize = 28;
const CLASSES: usize = 10;

const PUBLISHED: &str = "MNIST (\"The MNIST database of handwritten digits\" by Y. LeCun, C. Cortes and C. Burges) is published as four \
    files: train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, each also as .gz; \
    put them into one folder and name that folder";

/// The training and the test set, read from the folder that holds the four files, plain or as `.gz`.
///
/// Rows are `[784]`, pixels 0..1 from white to black; for convolutions see [`Dataset::with_row_shape`] (`[1, 28, 28]`), for a mean
/// of 0 and a standard deviation of 1 [`Dataset::normalized`] with [`MNIST_MEAN`] and [`MNIST_STD`].
///
/// ```no_run
/// use steepest::data;
/// let (train, test) = data::mnist("data/mnist")?;
/// let train = train.normalized(data::MNIST_MEAN, data::MNIST_STD)?.with_row_shape(&[1, 28, 28])?;
/// # Ok::<(), steepest::Error>(())
/// ```
///
/// # Errors
/// [`Error::File`]: the folder or a file is missing, a file is not as [`Idx::read`] wants it, images are not 28×28 bytes, there
/// are none or not as many as labels, a label is not 0 to 9.
pub fn mnist(folder: impl AsRef<Path>) -> Result<(Dataset, Dataset)> {
    let folder = folder.as_ref();
    if !folder.is_dir() {
        return Err(Error::file(folder, format!("no such folder, expected the one with MNIST in it. {PUBLISHED}")));
    }
    // All four first: nobody wants to hear of the last after the first has been read.
    let [images, labels, test_images, test_labels] =
        ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"]
            .map(|name| find(folder, name));
    let (train, test) = ((images?, labels?), (test_images?, test_labels?));
    Ok((part(&train.0, &train.1)?, part(&test.0, &test.1)?))
}

fn find(folder: &Path, name: &str) -> Result<PathBuf> {
    let path = folder.join(name);
    [path.clone(), folder.join(format!("{name}.gz"))]
        .into_iter()
        .find(|p| p.is_file())
        .ok_or_else(|| Error::file(path, format!("no such file, nor {name}.gz. {PUBLISHED}")))
}

fn part(images: &Path, labels: &Path) -> Result<Dataset> {
    let pixels = Idx::read(images)?;
    let digits = Idx::read(labels)?;
    let (IdxData::U8(bytes), [rows, SIDE, SIDE]) = (&pixels.data, &pixels.dims[..]) else {
        let found = format!("found {} of {:?}", pixels.data, pixels.dims);
        return Err(Error::file(images, format!("byte 2: {found}, expected u8 of [rows, {SIDE}, {SIDE}]")));
    };
    if *rows == 0 {
        return Err(Error::file(images, "byte 4: found no images, expected at least 1"));
    }
    let (IdxData::U8(digits), [count]) = (&digits.data, &digits.dims[..]) else {
        return Err(Error::file(
            labels,
            format!("byte 2: found {} of {:?}, expected u8 of one dimension", digits.data, digits.dims),
        ));
    };
    if count != rows {
        let images = images.display();
        return Err(Error::file(labels, format!("byte 4: found {count} labels, expected {rows}: as many as images in {images}")));
    }
    if let Some(at) = digits.iter().position(|&d| usize::from(d) >= CLASSES) {
        // The header of a file with one dimension has 8 bytes.
        return Err(Error::file(labels, format!("byte {}: found label {} of row {at}, expected 0 to 9", at + 8, digits[at])));
    }
    let features = bytes.iter().map(|&p| f32::from(p) / 255.0).collect();
    let labels = Labels::Classes(digits.iter().map(|&d| u32::from(d)).collect(), CLASSES);
    Dataset::new(features, &[SIDE * SIDE], labels)
}
