//! What a call gave is run, and gradients through it too: most faults of a recorded call show only then.

use crate::odd::Odd;
use std::cell::Cell;
use std::fmt::Display;
use steepest::{DType, Gradients, Shape, Tensor};

/// What a call gave. `(&&Made::new(x)).settle(o)` runs it where there is something to run, and drops it otherwise.
pub struct Made<T>(Cell<Option<T>>);

impl<T> Made<T> {
    pub fn new(value: T) -> Made<T> {
        Made(Cell::new(Some(value)))
    }
}

/// Found first: what can be run.
pub trait Runs {
    fn settle(&self, o: &mut Odd);
}

impl<T: Ran> Runs for &Made<T> {
    fn settle(&self, o: &mut Odd) {
        if let Some(value) = self.0.take() {
            value.ran(o);
        }
    }
}

/// Found second: anything else.
#[allow(dead_code)]
pub trait Any {
    fn settle(&self, o: &mut Odd);
}

impl<T> Any for Made<T> {
    fn settle(&self, _: &mut Odd) {
        drop(self.0.take());
    }
}

/// Something that holds tensors or an error.
pub trait Ran {
    fn ran(self, o: &mut Odd);
}

impl Ran for &Tensor {
    fn ran(self, o: &mut Odd) {
        let Ok(spec) = self.spec() else {
            let text = self.check().expect_err("invalid").to_string();
            assert!(!text.is_empty(), "an error without words");
            return;
        };
        o.note(" run");
        // An error is an answer.
        let _ = match spec.dtype {
            DType::F32 | DType::F16 => self.to_vec::<f32>().map(drop),
            DType::U32 => self.to_vec::<u32>().map(drop),
            DType::I32 => self.to_vec::<i32>().map(drop),
            DType::Bool => self.to_vec::<bool>().map(drop),
        };
        if self.requires_grad() && spec.dtype == DType::F32 {
            o.note(" backward");
            self.sum(&[]).backward().ran(o);
        }
    }
}

impl Ran for Tensor {
    fn ran(self, o: &mut Odd) {
        (&self).ran(o);
    }
}

impl Ran for Gradients {
    fn ran(self, _: &mut Odd) {
        if let Ok(all) = self.iter() {
            for gradient in all {
                let _ = gradient.to_vec::<f32>();
            }
        }
    }
}

impl<T: Ran> Ran for Vec<T> {
    fn ran(self, o: &mut Odd) {
        self.into_iter().for_each(|x| x.ran(o));
    }
}

impl<T: Ran, const N: usize> Ran for [T; N] {
    fn ran(self, o: &mut Odd) {
        self.into_iter().for_each(|x| x.ran(o));
    }
}

impl<T: Ran> Ran for Option<T> {
    fn ran(self, o: &mut Odd) {
        if let Some(x) = self {
            x.ran(o);
        }
    }
}

impl<T: Ran, E: Display> Ran for Result<T, E> {
    fn ran(self, o: &mut Odd) {
        match self {
            Ok(x) => x.ran(o),
            Err(error) => assert!(!error.to_string().is_empty(), "an error without words"),
        }
    }
}

macro_rules! tuples {
    ($(($($t:ident $i:tt),+);)*) => {
        $(impl<$($t: Ran),+> Ran for ($($t,)+) {
            fn ran(self, o: &mut Odd) {
                $(self.$i.ran(o);)+
            }
        })*
    };
}
tuples! {
    (A 0, B 1);
    (A 0, B 1, C 2);
    (A 0, B 1, C 2, D 3);
}

macro_rules! nothing {
    ($($t:ty),*) => {
        $(impl Ran for $t {
            fn ran(self, _: &mut Odd) {}
        })*
    };
}
nothing!((), bool, u8, u16, u32, u64, usize, isize, i32, i64, f32, f64, String, &str, Shape);
