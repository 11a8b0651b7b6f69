//! Absurd arguments: convolutions, pools, windows, resampling.

use crate::odd::Odd;
use crate::{Line, table};
use steepest::ops::window::{Slide, Window};
use steepest::{Conv3dOptions, ConvNdOptions, ConvOptions, GridPadding, GridSampling, Interpolation, PadMode, PoolOptions};

fn conv2(o: &mut Odd) -> ConvOptions {
    ConvOptions { groups: o.size_near(1), ..ConvOptions::new() }
        .stride([o.size_near(1), o.size_near(1)])
        .sides([o.size(), o.size()], [o.size(), o.size()])
        .dilation([o.size_near(1), o.size_near(1)])
}

fn conv3(o: &mut Odd) -> Conv3dOptions {
    Conv3dOptions::new()
        .stride([o.size_near(1), o.size_near(1), o.size_near(1)])
        .sides([o.size(), o.size(), o.size()], [o.size(), o.size(), o.size()])
        .dilation([o.size_near(1), o.size_near(1), o.size_near(1)])
        .groups(o.size_near(1))
}

fn pool<const D: usize>(o: &mut Odd) -> PoolOptions<D> {
    let near = |o: &mut Odd, n: usize| std::array::from_fn::<usize, D, _>(|_| o.size_near(n));
    PoolOptions::new(near(o, 2))
        .stride(near(o, 1))
        .padding(near(o, 1))
        .dilation(near(o, 1))
        .ceil_mode(o.flag())
        .count_include_pad(o.flag())
}

fn how(o: &mut Odd) -> Interpolation {
    let align_corners = o.flag();
    o.pick(&[
        Interpolation::Nearest,
        Interpolation::NearestExact,
        Interpolation::Linear { align_corners },
        Interpolation::Cubic { align_corners },
        Interpolation::Area,
    ])
}

fn sampling(o: &mut Odd) -> GridSampling {
    GridSampling::new().nearest(o.flag()).align_corners(o.flag()).padding(o.pick(&[
        GridPadding::Zeros,
        GridPadding::Border,
        GridPadding::Reflection,
    ]))
}

/// An image of rank 3, 4 or 5: one batch, two channels, a few places along each axis.
const LINE: &[usize] = &[1, 2, 6];
const IMAGE: &[usize] = &[1, 2, 5, 4];
const VOLUME: &[usize] = &[1, 2, 3, 4, 3];

pub const TABLE: &[Line] = table! {
    "Tensor::conv1d" => |o| o.near(LINE).conv1d(&o.near(&[4, 2, 3]), o.maybe(|o| o.near(&[4])).as_ref(), conv2(o));
    "Tensor::conv2d" => |o| o.near(IMAGE).conv2d(&o.near(&[4, 2, 2, 3]), o.maybe(|o| o.near(&[4])).as_ref(), conv2(o));
    "Tensor::conv3d" => |o| o.near(VOLUME).conv3d(&o.near(&[4, 2, 2, 2, 1]), o.maybe(|o| o.near(&[4])).as_ref(), conv3(o));
    "Tensor::conv_transpose1d" => |o| o.near(LINE).conv_transpose1d(&o.near(&[2, 4, 3]), o.maybe(|o| o.near(&[4])).as_ref(), conv2(o), o.size_near(0));
    "Tensor::conv_transpose2d" => |o| o.near(IMAGE).conv_transpose2d(&o.near(&[2, 4, 2, 3]), o.maybe(|o| o.near(&[4])).as_ref(), conv2(o), [o.size_near(0), o.size_near(0)]);
    "Tensor::conv_transpose3d" => |o| o.near(VOLUME).conv_transpose3d(&o.near(&[2, 4, 2, 2, 1]), o.maybe(|o| o.near(&[4])).as_ref(), conv3(o), o.size_near(0));
    "ConvNdOptions::new" => |o| ConvOptions::new();
    "ConvNdOptions::stride" => |o| ConvOptions::new().stride(o.size());
    "ConvNdOptions::padding" => |o| ConvOptions::new().padding(o.array::<2>());
    "ConvNdOptions::sides" => |o| ConvOptions::new().sides(o.array::<2>(), o.size());
    "ConvNdOptions::same" => |o| o.near(IMAGE).conv2d(&o.near(&[4, 2, 2, 3]), None, ConvOptions::new().same(o.array::<2>()).dilation(o.size_near(1)));
    "ConvNdOptions::same" => |o| o.near(IMAGE).conv2d(&o.near(&[4, 2, 2, 3]), None, ConvOptions::new().dilation(o.size_near(1)).same(o.array::<2>()));
    "ConvNdOptions::dilation" => |o| ConvNdOptions::<3>::new().dilation(o.size());
    "ConvNdOptions::groups" => |o| o.near(IMAGE).conv2d(&o.near(&[4, 2, 2, 3]), None, ConvOptions::new().groups(o.size()));
    "Tensor::max_pool1d" => |o| o.near(LINE).max_pool1d(o.size_near(2), o.size_near(1), o.size_near(1));
    "Tensor::avg_pool1d" => |o| o.near(LINE).avg_pool1d(o.size_near(2), o.size_near(1), o.size_near(1), o.flag());
    "Tensor::max_pool1d_with" => |o| o.near(LINE).max_pool1d_with(pool::<1>(o));
    "Tensor::max_pool1d_with_indices" => |o| o.near(LINE).max_pool1d_with_indices(pool::<1>(o));
    "Tensor::avg_pool1d_with" => |o| o.near(LINE).avg_pool1d_with(pool::<1>(o));
    "Tensor::adaptive_avg_pool1d" => |o| o.near(LINE).adaptive_avg_pool1d(o.size());
    "Tensor::adaptive_max_pool1d" => |o| o.near(LINE).adaptive_max_pool1d(o.size());
    "Tensor::global_max_pool1d" => |o| o.near(LINE).global_max_pool1d();
    "Tensor::global_avg_pool1d" => |o| o.near(LINE).global_avg_pool1d();
    "Tensor::max_unpool1d" => |o| o.near(LINE).max_unpool1d(&o.labels(LINE, 60), o.size_near(8));
    "Tensor::lp_pool1d" => |o| o.near(LINE).lp_pool1d(o.float(), o.size_near(2), o.size_near(1));
    "Tensor::max_pool2d" => |o| o.near(IMAGE).max_pool2d(o.size_near(2), o.size_near(1), o.size_near(1));
    "Tensor::avg_pool2d" => |o| o.near(IMAGE).avg_pool2d(o.size_near(2), o.size_near(1), o.size_near(1), o.flag());
    "Tensor::max_pool2d_with" => |o| o.near(IMAGE).max_pool2d_with(pool::<2>(o));
    "Tensor::max_pool2d_with_indices" => |o| o.near(IMAGE).max_pool2d_with_indices(pool::<2>(o));
    "Tensor::avg_pool2d_with" => |o| o.near(IMAGE).avg_pool2d_with(pool::<2>(o));
    "Tensor::adaptive_avg_pool2d" => |o| o.near(IMAGE).adaptive_avg_pool2d(o.size());
    "Tensor::adaptive_max_pool2d" => |o| o.near(IMAGE).adaptive_max_pool2d(o.size());
    "Tensor::global_max_pool2d" => |o| o.near(IMAGE).global_max_pool2d();
    "Tensor::global_avg_pool2d" => |o| o.near(IMAGE).global_avg_pool2d();
    "Tensor::max_unpool2d" => |o| o.near(IMAGE).max_unpool2d(&o.labels(IMAGE, 60), o.size_near(8));
    "Tensor::lp_pool2d" => |o| o.near(IMAGE).lp_pool2d(o.float(), o.size_near(2), o.size_near(1));
    "Tensor::max_pool3d" => |o| o.near(VOLUME).max_pool3d(o.size_near(2), o.size_near(1), o.size_near(1));
    "Tensor::avg_pool3d" => |o| o.near(VOLUME).avg_pool3d(o.size_near(2), o.size_near(1), o.size_near(1), o.flag());
    "Tensor::max_pool3d_with" => |o| o.near(VOLUME).max_pool3d_with(pool::<3>(o));
    "Tensor::max_pool3d_with_indices" => |o| o.near(VOLUME).max_pool3d_with_indices(pool::<3>(o));
    "Tensor::avg_pool3d_with" => |o| o.near(VOLUME).avg_pool3d_with(pool::<3>(o));
    "Tensor::adaptive_avg_pool3d" => |o| o.near(VOLUME).adaptive_avg_pool3d(o.size());
    "Tensor::adaptive_max_pool3d" => |o| o.near(VOLUME).adaptive_max_pool3d(o.size());
    "Tensor::global_max_pool3d" => |o| o.near(VOLUME).global_max_pool3d();
    "Tensor::global_avg_pool3d" => |o| o.near(VOLUME).global_avg_pool3d();
    "Tensor::max_unpool3d" => |o| o.near(VOLUME).max_unpool3d(&o.labels(VOLUME, 60), o.size_near(8));
    "PoolOptions::new" => |o| PoolOptions::<2>::new(o.size());
    "PoolOptions::stride" => |o| o.near(IMAGE).max_pool2d_with(PoolOptions::new(2).stride(o.size()));
    "PoolOptions::padding" => |o| o.near(IMAGE).max_pool2d_with(PoolOptions::new(2).padding(o.size()));
    "PoolOptions::dilation" => |o| o.near(IMAGE).max_pool2d_with(PoolOptions::new(2).dilation(o.size()));
    "PoolOptions::ceil_mode" => |o| o.near(IMAGE).max_pool2d_with(PoolOptions::new(2).stride(o.size()).ceil_mode(true));
    "PoolOptions::count_include_pad" => |o| o.near(IMAGE).avg_pool2d_with(PoolOptions::new(o.size()).padding(o.size()).count_include_pad(o.flag()));
    "Tensor::windows" => |o| o.near(&[2, 6]).windows(o.axis(), o.size(), o.size());
    "Tensor::overlap_add" => |o| o.near(&[2, 3, 2]).overlap_add(o.axis(), o.size());
    "Tensor::unfold" => |o| o.near(IMAGE).unfold([o.size_near(2), o.size_near(2)], conv2(o));
    "Tensor::fold" => |o| o.near(&[1, 8, 12]).fold([o.size_near(5), o.size_near(4)], [o.size_near(2), o.size_near(2)], conv2(o));
    "Tensor::fold" => |o| o.near(&[1, 8, 12]).fold([o.size_near(5), o.size_near(4)], [o.size_near(2), o.size_near(2)], ConvOptions::new());
    "Tensor::interpolate" => |o| o.near(IMAGE).interpolate(&o.sizes(), how(o));
    "Tensor::interpolate" => |o| o.near(IMAGE).interpolate(&[o.size(), o.size()], how(o));
    "Tensor::interpolate_by" => |o| o.near(IMAGE).interpolate_by(&o.floats(), how(o));
    "Tensor::interpolate_by" => |o| o.near(LINE).interpolate_by(&[o.float()], how(o));
    "Tensor::pad_with" => |o| {
        let value = o.float();
        let mode = o.pick(&[PadMode::Constant(value), PadMode::Reflect, PadMode::Edge, PadMode::Circular]);
        o.near(IMAGE).pad_with(&[(o.int(), o.int()), (o.int(), o.int())], mode)
    };
    "Tensor::pad_with" => |o| o.tensor().pad_with(&o.many(|o| (o.int(), o.int())), PadMode::Reflect);
    "Tensor::upsample_nearest1d" => |o| o.near(LINE).upsample_nearest1d(o.size());
    "Tensor::upsample_nearest2d" => |o| o.near(IMAGE).upsample_nearest2d(o.size());
    "Tensor::upsample_nearest3d" => |o| o.near(VOLUME).upsample_nearest3d(o.size());
    "Tensor::upsample_linear1d" => |o| o.near(LINE).upsample_linear1d(o.size(), o.flag());
    "Tensor::upsample_bilinear2d" => |o| o.near(IMAGE).upsample_bilinear2d(o.size(), o.flag());
    "Tensor::upsample_trilinear3d" => |o| o.near(VOLUME).upsample_trilinear3d(o.size(), o.flag());
    "Tensor::upsample_bicubic2d" => |o| o.near(IMAGE).upsample_bicubic2d(o.size(), o.flag());
    "Tensor::grid_sample" => |o| o.near(IMAGE).grid_sample(&o.near(&[1, 3, 2, 2]), sampling(o));
    "Tensor::affine_grid" => |o| o.near(&[1, 2, 3]).affine_grid([o.size(), o.size()], o.flag());
    "GridSampling::new" => |o| GridSampling::new();
    "GridSampling::nearest" => |o| sampling(o);
    "GridSampling::padding" => |o| sampling(o);
    "GridSampling::align_corners" => |o| sampling(o);
    "Tensor::pixel_shuffle" => |o| o.near(&[1, 4, 2, 2]).pixel_shuffle(o.size());
    "Tensor::pixel_unshuffle" => |o| o.near(&[1, 2, 4, 4]).pixel_unshuffle(o.size());
    "Tensor::channel_shuffle" => |o| o.near(&[1, 4, 2, 2]).channel_shuffle(o.size());
    "Slide::count" => |o| Slide { kernel: o.size(), stride: o.size(), before: o.size(), after: o.size(), dilation: o.size() }.count(o.size(), "rows");
    "Window::count" => |o| Window { kernel: o.array(), stride: o.array(), padding: o.array(), after: o.array(), dilation: o.array() }.count(o.array());
    "Window::along" => |o| Window { kernel: o.array(), stride: o.array(), padding: o.array(), after: o.array(), dilation: o.array() }.along(o.size_near(1) % 2);
};
