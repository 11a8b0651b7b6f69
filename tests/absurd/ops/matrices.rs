//! Absurd arguments: products, matrices, attention, transforms, distances.

use crate::odd::Odd;
use crate::{Line, table};
use steepest::ops::einsum;
use steepest::{AttentionOptions, FftNorm, MatrixNorm, Pairing, RopeOptions, Tensor, Triangular};

const NORMS: &[FftNorm] = &[FftNorm::Backward, FftNorm::Ortho, FftNorm::Forward];

fn attention(o: &mut Odd) -> AttentionOptions {
    let mut options = AttentionOptions::new();
    if o.flag() {
        options = options.causal_from(o.size_near(0));
    }
    if let Some(mask) = o.maybe(|o| o.near(&[3, 5])) {
        options = options.mask(&mask);
    }
    if let Some(padding) = o.maybe(|o| o.mask(&[2, 5])) {
        options = options.key_padding(&padding);
    }
    if let Some(p) = o.maybe(Odd::share) {
        options = options.dropout(p, o.seed(), o.seed());
    }
    if let Some(scale) = o.maybe(Odd::float) {
        options = options.scale(scale);
    }
    options.kv_heads(o.size_near(2))
}

fn rope(o: &mut Odd) -> RopeOptions {
    RopeOptions { pairing: o.pick(&[Pairing::Interleaved, Pairing::Half]), base: o.float(), offset: o.size() }
}

fn square(o: &mut Odd) -> Tensor {
    o.near(&[3, 3])
}

pub const TABLE: &[Line] = table! {
    "Tensor::matmul" => |o| o.tensor().matmul(&o.tensor());
    "Tensor::matmul" => |o| o.near(&[2, 3]).matmul(&o.near(&[3, 4]));
    "Tensor::dot" => |o| o.tensor().dot(&o.tensor());
    "Tensor::dot" => |o| o.near(&[3]).dot(&o.near(&[3]));
    "Tensor::det" => |o| square(o).det();
    "Tensor::slogdet" => |o| square(o).slogdet();
    "Tensor::logdet" => |o| square(o).logdet();
    "Tensor::inverse" => |o| square(o).inverse();
    "Tensor::qr" => |o| square(o).qr();
    "Tensor::eigh" => |o| square(o).eigh();
    "Tensor::eigvalsh" => |o| square(o).eigvalsh();
    "Tensor::svd" => |o| square(o).svd();
    "Tensor::svdvals" => |o| square(o).svdvals();
    "Tensor::cond" => |o| square(o).cond();
    "Tensor::matrix_exp" => |o| square(o).matrix_exp();
    "Tensor::qr" => |o| o.near(&[4, 2]).qr();
    "Tensor::svd" => |o| o.tensor().svd();
    "Tensor::solve" => |o| square(o).solve(&o.near(&[3, 2]));
    "Tensor::triangular_solve" => |o| square(o).triangular_solve(&o.near(&[3, 2]), Triangular { upper: o.flag(), transpose: o.flag(), unit_diagonal: o.flag() });
    "Tensor::cholesky" => |o| square(o).cholesky(o.flag());
    "Tensor::cholesky_solve" => |o| square(o).cholesky_solve(&o.near(&[3, 2]), o.flag());
    "Tensor::pinverse" => |o| o.near(&[4, 2]).pinverse(o.maybe(Odd::float));
    "Tensor::matrix_rank" => |o| o.near(&[4, 2]).matrix_rank(o.maybe(Odd::float));
    "Tensor::lstsq" => |o| o.near(&[4, 2]).lstsq(&o.near(&[4, 1]), o.maybe(Odd::float));
    "Tensor::matrix_norm" => |o| o.tensor().matrix_norm(o.pick(&[MatrixNorm::Frobenius, MatrixNorm::Nuclear, MatrixNorm::Spectral, MatrixNorm::Columns, MatrixNorm::Rows]));
    "Tensor::matrix_power" => |o| square(o).matrix_power(o.i32());
    "Tensor::newton_schulz" => |o| o.near(&[3, 4]).newton_schulz(o.size(), (o.float(), o.float(), o.float()));
    "Tensor::fft" => |o| o.near(&[3, 4, 2]).fft(o.axis(), o.pick(NORMS));
    "Tensor::ifft" => |o| o.near(&[3, 4, 2]).ifft(o.axis(), o.pick(NORMS));
    "Tensor::rfft" => |o| o.tensor().rfft(o.axis(), o.pick(NORMS));
    "Tensor::irfft" => |o| o.near(&[3, 4, 2]).irfft(o.maybe(Odd::size), o.axis(), o.pick(NORMS));
    "Tensor::fft2" => |o| o.near(&[3, 4, 2]).fft2(o.pick(NORMS));
    "Tensor::ifft2" => |o| o.near(&[3, 4, 2]).ifft2(o.pick(NORMS));
    "Tensor::rfft2" => |o| o.tensor().rfft2(o.pick(NORMS));
    "Tensor::irfft2" => |o| o.near(&[3, 4, 2]).irfft2(o.maybe(Odd::size), o.pick(NORMS));
    "Tensor::fftshift" => |o| o.tensor().fftshift(&o.axes());
    "Tensor::ifftshift" => |o| o.tensor().ifftshift(&o.axes());
    "Tensor::complex" => |o| o.near(&[3]).complex(&o.near(&[3]));
    "Tensor::complex_re" => |o| o.near(&[3, 2]).complex_re();
    "Tensor::complex_im" => |o| o.near(&[3, 2]).complex_im();
    "Tensor::complex_conj" => |o| o.near(&[3, 2]).complex_conj();
    "Tensor::complex_abs" => |o| o.near(&[3, 2]).complex_abs();
    "Tensor::complex_angle" => |o| o.near(&[3, 2]).complex_angle();
    "Tensor::complex_mul" => |o| o.near(&[3, 2]).complex_mul(&o.near(&[3, 2]));
    "Tensor::attention" => |o| o.near(&[2, 2, 3, 4]).attention(&o.near(&[2, 2, 5, 4]), &o.near(&[2, 2, 5, 4]), &attention(o));
    "Tensor::attention" => |o| o.near(&[2, 2, 3, 4]).attention(&o.near(&[2, 2, 5, 4]), &o.near(&[2, 2, 5, 4]), &AttentionOptions::new());
    "Tensor::scaled_dot_product_attention" => |o| o.near(&[2, 3, 4]).scaled_dot_product_attention(&o.near(&[2, 5, 4]), &o.near(&[2, 5, 4]), o.flag(), o.maybe(Odd::float));
    "Tensor::attention_weights" => |o| o.near(&[2, 2, 3, 4]).attention_weights(&o.near(&[2, 2, 5, 4]), &attention(o));
    "AttentionOptions::new" => |o| o.near(&[2, 2, 3, 4]).attention_weights(&o.near(&[2, 2, 5, 4]), &AttentionOptions::new());
    "AttentionOptions::causal" => |o| o.near(&[2, 2, 3, 4]).attention_weights(&o.near(&[2, 2, 5, 4]), &AttentionOptions::new().causal());
    "AttentionOptions::causal_from" => |o| o.near(&[2, 2, 3, 4]).attention_weights(&o.near(&[2, 2, 5, 4]), &AttentionOptions::new().causal_from(o.size()));
    "AttentionOptions::mask" => |o| o.near(&[2, 2, 3, 4]).attention_weights(&o.near(&[2, 2, 5, 4]), &AttentionOptions::new().mask(&o.tensor()));
    "AttentionOptions::key_padding" => |o| o.near(&[2, 2, 3, 4]).attention_weights(&o.near(&[2, 2, 5, 4]), &AttentionOptions::new().key_padding(&o.tensor()));
    "AttentionOptions::scale" => |o| o.near(&[2, 2, 3, 4]).attention_weights(&o.near(&[2, 2, 5, 4]), &AttentionOptions::new().scale(o.float()));
    "AttentionOptions::kv_heads" => |o| o.near(&[2, 2, 3, 4]).attention_weights(&o.near(&[2, 2, 5, 4]), &AttentionOptions::new().kv_heads(o.size()));
    "AttentionOptions::dropout" => |o| o.near(&[2, 2, 3, 4]).attention_weights(&o.near(&[2, 2, 5, 4]), &AttentionOptions::new().dropout(o.float(), o.seed(), o.seed()));
    "Tensor::rope" => |o| o.near(&[2, 3, 4]).rope(&rope(o));
    "Tensor::rope_tables" => |o| o.near(&[2, 3, 4]).rope_tables(&rope(o));
    "Tensor::rope_by" => |o| {
        let x = o.near(&[2, 3, 4]);
        let tables = o.near(&[2, 3, 4]).rope_tables(&rope(o));
        x.rope_by(&tables)
    };
    "RopeOptions::half" => |o| o.near(&[2, 3, 4]).rope(&RopeOptions::new().half());
    "RopeOptions::base" => |o| o.near(&[2, 3, 4]).rope(&RopeOptions::new().base(o.float()));
    "RopeOptions::offset" => |o| o.near(&[2, 3, 4]).rope(&RopeOptions::new().offset(o.size()));
    "RopeOptions::new" => |o| o.tensor().rope(&RopeOptions::new());
    "RopeTables::sizes" => |o| o.near(&[2, 3, 4]).rope_tables(&rope(o)).sizes();
    "Tensor::cdist" => |o| o.near(&[3, 2]).cdist(&o.near(&[4, 2]), o.float());
    "Tensor::pdist" => |o| o.near(&[3, 2]).pdist(o.float());
    "Tensor::pairwise_distance" => |o| o.near(&[3, 2]).pairwise_distance(&o.near(&[3, 2]), o.float(), o.float());
    "einsum::einsum" => |o| {
        let subscript = if o.flag() { o.text() } else { o.pick(&["ij,jk->ik", "ii->", "ij->ji", "i,j", "a...b,b->a", "ij,ij->", "zz->z", "ij", "i->ijk"]).to_owned() };
        let operands = o.many(|o| o.near(&[2, 3]));
        einsum(&subscript, &operands.iter().collect::<Vec<_>>())
    };
    "einsum::einsum" => |o| einsum("ij,jk->ik", &[&o.near(&[2, 3]), &o.near(&[3, 2])]);
};
