//! Absurd arguments: shapes.

use crate::odd::Odd;
use crate::{Line, table};
use steepest::Tensor;
use steepest::error::OpError;
use steepest::ops::{Indexing, block_diag, broadcast_tensors, cat, hstack, meshgrid, stack, vstack};

/// Some tensors, mostly of one shape.
fn some(o: &mut Odd, dims: &[usize]) -> Vec<Tensor> {
    o.many(|o| o.near(dims))
}

fn of(tensors: &[Tensor]) -> Vec<&Tensor> {
    tensors.iter().collect()
}

/// A tensor through a few calls that each make it larger or of another rank.
fn chained(o: &mut Odd) -> Tensor {
    let mut x = o.tensor();
    for _ in 0..o.pick(&[1, 2, 3, 5]) {
        let call = o.pick(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
        x = match call {
            0 => x.repeat(o.size(), o.axis()),
            1 => x.tile(&o.sizes()),
            2 => x.unsqueeze(o.axis()),
            3 => x.expand(o.shape()),
            4 => x.kron(&o.tensor()),
            5 => x.diag_embed(o.int()),
            6 => x.windows(o.axis(), o.size(), o.size()),
            7 => x.cat(&[&x, &o.tensor()], o.axis()),
            8 => x.stack(&[&x, &x], o.axis()),
            9 => x.flatten().outer(&o.tensor().flatten()),
            10 => x.reshape(o.shape()),
            11 => x.slice(o.axis(), o.int()..),
            12 => x.matmul(&o.tensor()),
            _ => x.add(&o.tensor()),
        };
    }
    x
}

pub const TABLE: &[Line] = table! {
    "Tensor::reshape" => |o| o.tensor().reshape(o.shape());
    "Tensor::expand" => |o| o.tensor().expand(o.shape());
    "Tensor::flatten" => |o| o.tensor().flatten();
    "Tensor::permute" => |o| o.tensor().permute(&o.axes());
    "Tensor::transpose" => |o| o.tensor().transpose(o.axis(), o.axis());
    "Tensor::t" => |o| o.tensor().t();
    "Tensor::squeeze" => |o| o.tensor().squeeze(&o.axes());
    "Tensor::unsqueeze" => |o| o.tensor().unsqueeze(o.axis());
    "Tensor::tile" => |o| o.tensor().tile(&o.sizes());
    "Tensor::repeat" => |o| o.tensor().repeat(o.size(), o.axis());
    "Tensor::slice_step" => |o| o.tensor().slice_step(o.axis(), o.maybe(Odd::int), o.maybe(Odd::int), o.int());
    "Tensor::flip" => |o| o.tensor().flip(&o.axes());
    "Tensor::select" => |o| o.tensor().select(o.axis(), o.int());
    "Tensor::unbind" => |o| o.tensor().unbind(o.axis());
    "Tensor::split_every" => |o| o.tensor().split_every(o.axis(), o.size());
    "Tensor::diff" => |o| o.tensor().diff(o.size(), o.axis());
    "Tensor::flatten_axes" => |o| o.tensor().flatten_axes(o.axis(), o.axis());
    "Tensor::unflatten" => |o| o.tensor().unflatten(o.axis(), &o.sizes());
    "Tensor::movedim" => |o| o.tensor().movedim(o.axis(), o.axis());
    "Tensor::rot90" => |o| o.tensor().rot90(o.int(), [o.axis(), o.axis()]);
    "Tensor::diag_embed" => |o| o.tensor().diag_embed(o.int());
    "Tensor::diag" => |o| o.tensor().diag(o.int());
    "Tensor::repeat_interleave" => |o| o.tensor().repeat_interleave(&o.sizes(), o.axis());
    "Tensor::kron" => |o| o.tensor().kron(&o.tensor());
    "Tensor::cross" => |o| o.tensor().cross(&o.tensor(), o.axis());
    "Tensor::tensordot" => |o| o.tensor().tensordot(&o.tensor(), &o.axes(), &o.axes());
    "Tensor::triu" => |o| o.tensor().triu(o.int());
    "Tensor::tril" => |o| o.tensor().tril(o.int());
    "Tensor::diagonal" => |o| o.tensor().diagonal(o.int());
    "Tensor::trace" => |o| o.tensor().trace();
    "Tensor::outer" => |o| o.tensor().outer(&o.tensor());
    "Tensor::roll" => |o| o.tensor().roll(o.int(), o.axis());
    "Tensor::split" => |o| o.tensor().split(o.axis(), &o.sizes());
    "Tensor::chunk" => |o| o.tensor().chunk(o.axis(), o.size());
    "Tensor::slice" => |o| o.tensor().slice(o.axis(), o.int()..o.int());
    "Tensor::slice" => |o| o.tensor().slice(o.axis(), o.int()..=o.int());
    "Tensor::slice" => |o| o.tensor().slice(o.axis(), ..=o.int());
    "Tensor::slice" => |o| o.tensor().slice(o.axis(), (std::ops::Bound::Excluded(o.int()), std::ops::Bound::Unbounded));
    "Tensor::pad" => |o| o.tensor().pad(&o.many(|o| (o.size(), o.size())), o.float());
    "Tensor::pad" => |o| o.near(&[2, 3]).pad(&[(o.size(), o.size()), (o.size(), o.size())], o.float());
    "Tensor::tile" => |o| o.near(&[2, 3]).tile(&o.array::<2>());
    "Tensor::unflatten" => |o| o.near(&[2, 6]).unflatten(1, &o.array::<2>());
    "Tensor::repeat_interleave" => |o| o.near(&[2, 3]).repeat_interleave(&o.array::<1>(), 1);
    "Tensor::repeat_interleave" => |o| o.near(&[2, 3]).repeat_interleave(&o.array::<3>(), 1);
    "Tensor::diag_embed" => |o| o.near(&[3]).diag_embed(o.int());
    "Tensor::diagonal" => |o| o.near(&[3, 4]).diagonal(o.int());
    "Tensor::slice_put" => |o| o.near(&[4, 3]).slice_put(o.axis(), o.int(), &o.near(&[2, 3]));
    "Tensor::cross" => |o| o.near(&[2, 3]).cross(&o.near(&[2, 3]), 1);
    "Tensor::tensordot" => |o| o.near(&[2, 3]).tensordot(&o.near(&[3, 2]), &[o.axis()], &[o.axis()]);
    "Tensor::cat" => |o| o.near(&[2, 3]).cat(&of(&some(o, &[2, 3])), o.axis());
    "Tensor::stack" => |o| o.near(&[2, 3]).stack(&of(&some(o, &[2, 3])), o.axis());
    "Tensor::watch" => |o| o.tensor().watch();
    "Tensor::refuse" => |o| o.tensor().refuse("absurd", OpError::Value(o.text()));
    "cat::cat" => |o| cat(&of(&some(o, &[2, 3])), o.axis());
    "cat::stack" => |o| stack(&of(&some(o, &[2, 3])), o.axis());
    "cat::cat" => |o| {
        // Thousands of tensors.
        let one = o.near(&[2, 3]);
        let count = o.pick(&[1, 2, 33, 2000]);
        cat(&vec![&one; count], o.axis())
    };
    "arrange::meshgrid" => |o| meshgrid(&of(&some(o, &[3])), o.pick(&[Indexing::Ij, Indexing::Xy]));
    "arrange::broadcast_tensors" => |o| broadcast_tensors(&of(&some(o, &[2, 1])));
    "arrange::block_diag" => |o| block_diag(&of(&some(o, &[2, 3])));
    "arrange::hstack" => |o| hstack(&of(&some(o, &[2, 3])));
    "arrange::vstack" => |o| vstack(&of(&some(o, &[2, 3])));
    "Tensor::repeat" => |o| chained(o);
    "Tensor::tile" => |o| chained(o).tile(&o.sizes());
    "Tensor::expand" => |o| chained(o).expand(o.shape());
    "Tensor::flatten" => |o| chained(o).flatten();
    "Tensor::kron" => |o| chained(o).kron(&chained(o));
    "Tensor::outer" => |o| chained(o).flatten().outer(&chained(o).flatten());
    "Tensor::pad" => |o| {
        let x = chained(o);
        let rank = x.try_shape().map_or(1, |s| s.rank());
        let pads: Vec<(usize, usize)> = (0..rank).map(|_| (o.size(), o.size())).collect();
        x.pad(&pads, o.float())
    };
    "Tensor::diag_embed" => |o| chained(o).diag_embed(o.int());
    "Tensor::chunk" => |o| chained(o).chunk(o.axis(), o.size());
    "Tensor::unbind" => |o| chained(o).unbind(o.axis());
    "Tensor::flip" => |o| chained(o).flip(&[]);
    "Tensor::cat" => |o| chained(o).cat(&[&chained(o)], o.axis());
};
