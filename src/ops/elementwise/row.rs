//! The macro that the elementwise table is written with: it makes the rows, and the list of all of them.

/// A device word as a rule's argument.
macro_rules! from_word {
    (f32, $w:expr) => {
        f32::from_bits($w)
    };
    (bool, $w:expr) => {
        $w != 0
    };
    (i32, $w:expr) => {
        $w as i32
    };
    ($any:ident, $w:expr) => {
        $w
    };
}

/// A rule's result as a device word.
macro_rules! to_word {
    (f32, $v:expr) => {
        f32::to_bits($v)
    };
    ($any:ident, $v:expr) => {
        ($v) as u32
    };
}

/// A reference number as a rule's argument.
macro_rules! from_f64 {
    (bool, $v:expr) => {
        $v != 0.0
    };
    (i32, $v:expr) => {
        $v as i32
    };
    (u32, $v:expr) => {
        $v as u32
    };
    ($any:ident, $v:expr) => {
        $v
    };
}

/// A rule's result as a reference number.
macro_rules! to_f64 {
    (bool, $v:expr) => {
        if $v { 1.0 } else { 0.0 }
    };
    (f32, $v:expr) => {
        $v
    };
    ($any:ident, $v:expr) => {
        ($v) as f64
    };
}

macro_rules! dtype {
    (f32) => {
        Some(DType::F32)
    };
    (bool) => {
        Some(DType::Bool)
    };
    (i32) => {
        Some(DType::I32)
    };
    (u32) => {
        Some(DType::U32)
    };
    (word) => {
        None
    };
}

/// The whole table. A row: `NAME = "name"(a: f32, ..)[p, q] -> f32, "WGSL", native and reference expression, |ctx| gradients, accuracy, domain;`
/// before the semicolon it may say more, as `scalars: [0.5, 0.0]` (see [`More`](super::More)).
///
/// The expression is compiled twice, with `T` as f32 and as f64; integers are i32 and u32 in both, and words u32 and f64. A word that it makes
/// may be the i32 or the u32 of its bits: the reference reads it as the type it is to be.
macro_rules! table {
    ($($(#[$doc:meta])* $id:ident = $name:literal ($($x:ident : $kind:ident),*) [$($s:ident),*] -> $out:ident,
     $wgsl:literal, $rust:expr, |$ctx:ident| $grad:expr, $accuracy:expr, $domain:expr $(, $more:ident : $value:expr)*;)*) => {
        $($(#[$doc])*
        pub static $id: Row = Row {
            rule: Rule {
                name: $name,
                wgsl: $wgsl,
                inputs: &[$(dtype!($kind)),*],
                output: dtype!($out),
                chunk: {
                    // Constants are written with the digits f64 needs; f32 rounds them.
                    #[allow(unused, clippy::unnecessary_cast, clippy::excessive_precision, clippy::needless_range_loop)]
                    fn chunk(inputs: &[&[u32]], scalars: [f32; 2], out: &mut [u32]) {
                        vectorised! {
                            fn run<'a>(inputs: &'a [&'a [u32]], scalars: [f32; 2], out: &'a mut [u32]) {
                                type T = f32;
                                let (n, mut at) = (out.len(), 0);
                                $(let $x = &inputs[at][..n]; at += 1;)*
                                let mut at = 0;
                                $(let $s = scalars[at]; at += 1;)*
                                for i in 0..n {
                                    $(let $x = from_word!($kind, $x[i]);)*
                                    out[i] = to_word!($out, $rust);
                                }
                            }
                        }
                        run(inputs, scalars, out);
                    }
                    chunk
                },
                reference: {
                    #[allow(unused, clippy::unnecessary_cast)]
                    fn reference(inputs: [f64; 3], scalars: [f64; 2]) -> f64 {
                        type T = f64;
                        let mut at = 0;
                        $(let $x = from_f64!($kind, inputs[at]); at += 1;)*
                        let mut at = 0;
                        $(let $s = scalars[at]; at += 1;)*
                        to_f64!($out, $rust)
                    }
                    reference
                },
                scalars: { const N: &[&str] = &[$(stringify!($s)),*]; N.len() },
            },
            grad: {
                #[allow(unused)]
                fn grad($ctx: &GradCtx<'_>, scalars: [f64; 2]) -> Vec<Option<Tensor>> {
                    let mut at = 0;
                    $(let $s = scalars[at]; at += 1;)*
                    $grad
                }
                grad
            },
            accuracy: $accuracy,
            more: More { $($more: $value,)* ..More::usual($domain) },
        };)*

        /// Every row, in the order of the table.
        pub static ROWS: &[&Row] = &[$(&$id),*];
    };
}

pub(super) use {dtype, from_f64, from_word, table, to_f64, to_word};
