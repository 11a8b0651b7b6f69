//! Pictures of folders, made smaller and larger than any.

use crate::odd::Odd;
use crate::{Line, table};
use std::path::PathBuf;
use steepest::Error;
use steepest::data::Pictures;

/// The smallest PNG that shows something: one grey pixel.
#[rustfmt::skip]
const PIXEL: &[u8] = &[
    137, 80, 78, 71, 13, 10, 26, 10, 0, 0, 0, 13, 73, 72, 68, 82, 0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0, 58, 126, 155, 85, 0, 0, 0, 10, 73, 68, 65, 84, 120, 156, 99, 104, 0, 0, 0, 130, 0, 129, 119, 205, 114, 182, 0, 0, 0, 0, 73, 69, 78, 68, 174, 66, 96, 130
];

fn picture(o: &mut Odd) -> PathBuf {
    let path = o.path();
    let mut bytes = PIXEL.to_vec();
    if o.size_near(4) != 4 {
        bytes.extend(o.bytes());
        let at = o.size().min(bytes.len() - 1);
        bytes[at] = 255;
    }
    let _ = std::fs::write(&path, bytes);
    path
}

fn shown(o: &mut Odd, pictures: Pictures) -> Result<usize, Error> {
    let path = picture(o);
    pictures.read(path).map(|(pixels, _)| pixels.len())
}

pub const TABLE: &[Line] = table! {
    "Pictures::new" => |o| shown(o, Pictures::new());
    "Pictures::size" => |o| { let p = Pictures::new().size(o.u32(), o.u32()); shown(o, p) };
    "Pictures::grey" => |o| { let p = Pictures::new().grey().size(o.u32(), 2); shown(o, p) };
    "Pictures::flat" => |o| shown(o, Pictures::new().flat());
    "Pictures::parse" => |o| { let p = Pictures::new().size(o.u32(), o.u32()); p.parse(o.text(), PIXEL).map(|(pixels, _)| pixels.len()) };
    "Pictures::read" => |o| { let p = Pictures::new(); p.read(o.path()).map(|(pixels, _)| pixels.len()) };
    "Pictures::read_folder" => |o| {
        let (folder, bytes) = (o.folder().join("classes"), PIXEL);
        for class in ["a", "b"] {
            let _ = std::fs::create_dir_all(folder.join(class));
            let _ = std::fs::write(folder.join(class).join("p.png"), bytes);
        }
        Pictures::new().size(o.u32(), o.u32()).flat().read_folder(folder).map(|set| set.len())
    };
};
