//! Loops compiled for the widest vectors the processor has, chosen when the program runs.

/// A function whose loops the compiler may vectorise with AVX2 or AVX-512 where the processor has them.
///
/// What it calls must be `#[inline(always)]`, or is compiled for any processor.
macro_rules! vectorised {
    ($(#[$doc:meta])* fn $name:ident<$life:lifetime>($($arg:ident: $type:ty),* $(,)?) $(-> $out:ty)? $body:block) => {
        $(#[$doc])*
        pub(super) fn $name<$life>($($arg: $type),*) $(-> $out)? {
            struct Call<$life> {
                $($arg: $type,)*
            }
            impl<$life> pulp::WithSimd for Call<$life> {
                type Output = $crate::ops::simd::output!($($out)?);

                #[inline(always)]
                fn with_simd<S: pulp::Simd>(self, _: S) -> Self::Output {
                    let Call { $($arg),* } = self;
                    $body
                }
            }
            pulp::Arch::new().dispatch(Call { $($arg),* })
        }
    };
}

/// The type given, or none.
macro_rules! output {
    () => {
        ()
    };
    ($out:ty) => {
        $out
    };
}

pub(super) use {output, vectorised};
