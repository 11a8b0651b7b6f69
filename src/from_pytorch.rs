//! From PyTorch to here: what each name is called, section by section. A page of documentation only; every link is checked when the documentation is built.
//!
//! Names on the left are of `torch`, `torch.nn`, `torch.nn.functional` (`F`) and their neighbours. Three things are different everywhere: a call records and a
//! run point computes ([`Device`](crate::Device)); what draws random numbers takes its seed; options stand in a value (`PoolOptions::new(2).stride(1)`)
//! where PyTorch has keyword arguments. A line that begins with a dash says what is not here, and why.
//!
//! # Making, reading and casting tensors
//!
//! | PyTorch | steepest |
//! |---|---|
//! | `torch.tensor`, `from_numpy` | [`Device::tensor`](crate::Device::tensor) |
//! | `nn.Parameter` | [`Device::parameter`](crate::Device::parameter) |
//! | `zeros`, `ones`, `full`, `empty` | [`Device::zeros`](crate::Device::zeros), [`Device::ones`](crate::Device::ones), [`Device::full`](crate::Device::full) |
//! | `zeros_like`, `ones_like`, `full_like` | [`Tensor::full_like`](crate::Tensor::full_like) |
//! | `arange`, `linspace`, `logspace` | [`Device::arange`](crate::Device::arange), [`Device::arange_step`](crate::Device::arange_step), [`Device::linspace`](crate::Device::linspace); of a linspace [`Tensor::exp2`](crate::Tensor::exp2) and its like |
//! | `eye`, `diag`, `diag_embed`, `block_diag` | [`Device::eye`](crate::Device::eye), [`Tensor::diag`](crate::Tensor::diag), [`Tensor::diag_embed`](crate::Tensor::diag_embed), [`ops::block_diag`](crate::ops::block_diag) |
//! | `meshgrid`, `broadcast_tensors`, `atleast_1d` | [`ops::meshgrid`](crate::ops::meshgrid), [`ops::broadcast_tensors`](crate::ops::broadcast_tensors), [`Tensor::expand`](crate::Tensor::expand), [`Tensor::unsqueeze`](crate::Tensor::unsqueeze) |
//! | `x.to(dtype)`, `float`, `int`, `bool`, `half` | [`Tensor::to_f32`](crate::Tensor::to_f32), [`Tensor::to_i32`](crate::Tensor::to_i32), [`Tensor::to_u32`](crate::Tensor::to_u32), [`Tensor::to_bool`](crate::Tensor::to_bool), [`Tensor::to_f16`](crate::Tensor::to_f16) |
//! | `item`, `tolist`, `numpy` | [`Tensor::item`](crate::Tensor::item), [`Tensor::to_vec`](crate::Tensor::to_vec), [`Tensor::item_async`](crate::Tensor::item_async), [`Tensor::to_vec_async`](crate::Tensor::to_vec_async) |
//! | `x.to(device)` | a tensor stays on the device that made it; `to_vec` and `tensor` carry it over |
//! | `detach`, `no_grad`, `requires_grad_` | [`Tensor::detach`](crate::Tensor::detach), [`no_grad`](crate::no_grad), [`Tensor::set_frozen`](crate::Tensor::set_frozen) |
//! | `retain_grad`, `x.requires_grad_()` of data | [`Tensor::watch`](crate::Tensor::watch) |
//! | `autograd.backward(tensors, grad_tensors)`, `.grad +=` | [`Tensor::backward_all`](crate::Tensor::backward_all), [`Gradients`](crate::Gradients) are added with `+=` |
//! | `func.jvp`, `func.vmap(func.grad)` | [`jvp`](crate::jvp()), [`nn::per_sample_gradients`](crate::nn::per_sample_gradients) |
//! | `p.copy_(x)` | [`Tensor::copy_from`](crate::Tensor::copy_from) |
//! | `profiler.record_function` | [`layer`](crate::layer()) |
//! | complex numbers, `view_as_real` | [`Tensor::complex`](crate::Tensor::complex), [`Tensor::complex_re`](crate::Tensor::complex_re), [`Tensor::complex_im`](crate::Tensor::complex_im): a last axis of two, real and imaginary part |
//! | `float64`, `int64`, `uint8` | — one word of 32 bits is an element on every device; the reference is f64 |
//! | sparse tensors, `quantisation`, named tensors | — dense tensors only |
//!
//! # Random numbers
//!
//! | PyTorch | steepest |
//! |---|---|
//! | `manual_seed`, `Generator` | every call that draws takes its seed; the same seed gives the same bits |
//! | `rand`, `uniform_`, `randn`, `normal_` | [`Device::uniform`](crate::Device::uniform), [`Device::normal`](crate::Device::normal) |
//! | `randint`, `randperm` | [`Device::randint`](crate::Device::randint), [`Device::randperm`](crate::Device::randperm) |
//! | `bernoulli`, `multinomial`, `Categorical` | [`Tensor::bernoulli`](crate::Tensor::bernoulli), [`Tensor::multinomial`](crate::Tensor::multinomial), [`Tensor::categorical`](crate::Tensor::categorical) |
//! | `Exponential`, `Gumbel`, `Laplace`, `Cauchy`, `LogNormal`, `Geometric` | [`Device::exponential`](crate::Device::exponential), [`Device::gumbel`](crate::Device::gumbel), [`Device::laplace`](crate::Device::laplace), [`Device::cauchy`](crate::Device::cauchy), [`Device::log_normal`](crate::Device::log_normal), [`Device::geometric`](crate::Device::geometric) |
//! | `poisson`, `Gamma`, `Beta`, `Dirichlet` | [`Tensor::poisson`](crate::Tensor::poisson), [`Tensor::gamma`](crate::Tensor::gamma), [`Tensor::beta`](crate::Tensor::beta), [`Tensor::dirichlet`](crate::Tensor::dirichlet) |
//! | `trunc_normal_` | [`Device::truncated_normal`](crate::Device::truncated_normal) |
//! | `F.dropout` | [`Tensor::dropout`](crate::Tensor::dropout) |
//!
//! # Arithmetic and functions, element by element
//!
//! | PyTorch | steepest |
//! |---|---|
//! | `+`, `-`, `*`, / and with a number | [`Tensor::add`](crate::Tensor::add), [`Tensor::sub`](crate::Tensor::sub), [`Tensor::mul`](crate::Tensor::mul), [`Tensor::div`](crate::Tensor::div), [`Tensor::add_scalar`](crate::Tensor::add_scalar), [`Tensor::mul_scalar`](crate::Tensor::mul_scalar), [`Tensor::div_scalar`](crate::Tensor::div_scalar) and the operators; integers wrap around |
//! | `floor_divide`, `remainder`, `fmod`, `div(rounding_mode)` | [`Tensor::div_floor`](crate::Tensor::div_floor), [`Tensor::div_trunc`](crate::Tensor::div_trunc), [`Tensor::remainder`](crate::Tensor::remainder), [`Tensor::fmod`](crate::Tensor::fmod) |
//! | `pow`, `square`, `sqrt`, `rsqrt`, `reciprocal` | [`Tensor::pow`](crate::Tensor::pow), [`Tensor::pow_scalar`](crate::Tensor::pow_scalar), [`Tensor::square`](crate::Tensor::square), [`Tensor::sqrt`](crate::Tensor::sqrt), [`Tensor::rsqrt`](crate::Tensor::rsqrt), [`Tensor::reciprocal`](crate::Tensor::reciprocal) |
//! | `neg`, `abs`, `sign`, `floor`, `ceil`, `round`, `trunc`, `frac` | [`Tensor::neg`](crate::Tensor::neg), [`Tensor::abs`](crate::Tensor::abs), [`Tensor::sign`](crate::Tensor::sign), [`Tensor::floor`](crate::Tensor::floor), [`Tensor::ceil`](crate::Tensor::ceil), [`Tensor::round`](crate::Tensor::round), [`Tensor::trunc`](crate::Tensor::trunc), [`Tensor::frac`](crate::Tensor::frac) |
//! | `exp`, `exp2`, `expm1`, `log`, `log2`, `log10`, `log1p` | [`Tensor::exp`](crate::Tensor::exp), [`Tensor::exp2`](crate::Tensor::exp2), [`Tensor::expm1`](crate::Tensor::expm1), [`Tensor::log`](crate::Tensor::log), [`Tensor::log2`](crate::Tensor::log2), [`Tensor::log10`](crate::Tensor::log10), [`Tensor::log1p`](crate::Tensor::log1p) |
//! | `sin`, `cos`, `tan`, `asin`, `acos`, `atan`, `atan2` | [`Tensor::sin`](crate::Tensor::sin), [`Tensor::cos`](crate::Tensor::cos), [`Tensor::tan`](crate::Tensor::tan), [`Tensor::asin`](crate::Tensor::asin), [`Tensor::acos`](crate::Tensor::acos), [`Tensor::atan`](crate::Tensor::atan), [`Tensor::atan2`](crate::Tensor::atan2) |
//! | `sinh`, `cosh`, `tanh`, `asinh`, `acosh`, `atanh` | [`Tensor::sinh`](crate::Tensor::sinh), [`Tensor::cosh`](crate::Tensor::cosh), [`Tensor::tanh`](crate::Tensor::tanh), [`Tensor::asinh`](crate::Tensor::asinh), [`Tensor::acosh`](crate::Tensor::acosh), [`Tensor::atanh`](crate::Tensor::atanh) |
//! | `erf`, `erfc`, `sigmoid`, `logit`, `hypot`, `logaddexp`, `xlogy` | [`Tensor::erf`](crate::Tensor::erf), [`Tensor::erfc`](crate::Tensor::erfc), [`Tensor::sigmoid`](crate::Tensor::sigmoid), [`Tensor::logit`](crate::Tensor::logit), [`Tensor::hypot`](crate::Tensor::hypot), [`Tensor::logaddexp`](crate::Tensor::logaddexp), [`Tensor::xlogy`](crate::Tensor::xlogy) |
//! | `maximum`, `minimum`, `clamp`, `lerp`, `where`, `masked_fill` | [`Tensor::maximum`](crate::Tensor::maximum), [`Tensor::minimum`](crate::Tensor::minimum), [`Tensor::clamp`](crate::Tensor::clamp), [`Tensor::lerp`](crate::Tensor::lerp), [`Tensor::where_`](crate::Tensor::where_), [`Tensor::masked_fill`](crate::Tensor::masked_fill) |
//! | `eq`, `ne`, `lt`, `le`, `gt`, `ge`, `isclose`, `allclose`, `equal` | [`Tensor::eq`](crate::Tensor::eq), [`Tensor::ne`](crate::Tensor::ne), [`Tensor::lt`](crate::Tensor::lt), [`Tensor::le`](crate::Tensor::le), [`Tensor::gt`](crate::Tensor::gt), [`Tensor::ge`](crate::Tensor::ge), [`Tensor::isclose`](crate::Tensor::isclose), [`Tensor::allclose`](crate::Tensor::allclose) |
//! | `isnan`, `isfinite`, `isinf` | [`Tensor::is_nan`](crate::Tensor::is_nan), [`Tensor::is_finite`](crate::Tensor::is_finite), [`Tensor::is_inf`](crate::Tensor::is_inf) |
//! | `logical_and`, `logical_or`, `logical_xor`, `logical_not` | [`Tensor::and`](crate::Tensor::and), [`Tensor::or`](crate::Tensor::or), [`Tensor::xor`](crate::Tensor::xor), [`Tensor::not`](crate::Tensor::not) |
//! | `bitwise_and`, `bitwise_or`, `bitwise_xor`, `bitwise_not`, `shifts` | the same four on integers, [`Tensor::shift_left`](crate::Tensor::shift_left), [`Tensor::shift_right`](crate::Tensor::shift_right) |
//! | `lgamma`, `digamma`, erfinv and Bessel functions | — no model or loss of the catalogue needs them |
//! | `nan_to_num`, `isin` | [`Tensor::nan_to_num`](crate::Tensor::nan_to_num), [`Tensor::isin`](crate::Tensor::isin) |
//!
//! # Activations
//!
//! | PyTorch | steepest |
//! |---|---|
//! | `relu`, `leaky_relu`, `elu`, `selu`, `celu`, `prelu`, `relu6` | [`Tensor::relu`](crate::Tensor::relu), [`Tensor::leaky_relu`](crate::Tensor::leaky_relu), [`Tensor::elu`](crate::Tensor::elu), [`Tensor::selu`](crate::Tensor::selu), [`Tensor::celu`](crate::Tensor::celu), [`Tensor::prelu`](crate::Tensor::prelu), [`Tensor::relu6`](crate::Tensor::relu6) |
//! | `gelu`, `silu`, `mish`, `softplus`, `softsign`, `log_sigmoid` | [`Tensor::gelu`](crate::Tensor::gelu), [`Tensor::gelu_tanh`](crate::Tensor::gelu_tanh), [`Tensor::silu`](crate::Tensor::silu), [`Tensor::mish`](crate::Tensor::mish), [`Tensor::softplus`](crate::Tensor::softplus), [`Tensor::softsign`](crate::Tensor::softsign), [`Tensor::log_sigmoid`](crate::Tensor::log_sigmoid) |
//! | `hardtanh`, `hardsigmoid`, `hardswish`, `glu` | [`Tensor::hard_tanh`](crate::Tensor::hard_tanh), [`Tensor::hard_sigmoid`](crate::Tensor::hard_sigmoid), [`Tensor::hard_swish`](crate::Tensor::hard_swish), [`Tensor::glu`](crate::Tensor::glu), [`Tensor::swiglu`](crate::Tensor::swiglu) |
//! | `hardshrink`, `softshrink`, `tanhshrink`, `threshold` | [`Tensor::hardshrink`](crate::Tensor::hardshrink), [`Tensor::softshrink`](crate::Tensor::softshrink), [`Tensor::tanhshrink`](crate::Tensor::tanhshrink), [`Tensor::threshold`](crate::Tensor::threshold) |
//! | `softmax`, `log_softmax`, `logsumexp` | [`Tensor::softmax`](crate::Tensor::softmax), [`Tensor::log_softmax`](crate::Tensor::log_softmax), [`Tensor::logsumexp`](crate::Tensor::logsumexp) |
//!
//! # Sums, extremes, order, statistics
//!
//! | PyTorch | steepest |
//! |---|---|
//! | `sum`, `mean`, `prod`, `amax`, `amin`, `var`, `std` | [`Tensor::sum`](crate::Tensor::sum), [`Tensor::mean`](crate::Tensor::mean), [`Tensor::prod`](crate::Tensor::prod), [`Tensor::max`](crate::Tensor::max), [`Tensor::min`](crate::Tensor::min), [`Tensor::var`](crate::Tensor::var), [`Tensor::std`](crate::Tensor::std) (of several axes, each with `_keepdim`) |
//! | `nansum`, `nanmean`, `nanmedian` | [`Tensor::nansum`](crate::Tensor::nansum), [`Tensor::nanmean`](crate::Tensor::nanmean), [`Tensor::nanmedian`](crate::Tensor::nanmedian) |
//! | `any`, `all`, `count_nonzero` | [`Tensor::any`](crate::Tensor::any), [`Tensor::all`](crate::Tensor::all), [`Tensor::count_nonzero`](crate::Tensor::count_nonzero) |
//! | `argmax`, `argmin`, `sort`, `argsort`, `topk`, `kthvalue` | [`Tensor::argmax`](crate::Tensor::argmax), [`Tensor::argmin`](crate::Tensor::argmin), [`Tensor::sort`](crate::Tensor::sort), [`Tensor::argsort`](crate::Tensor::argsort), [`Tensor::topk`](crate::Tensor::topk), [`Tensor::kthvalue`](crate::Tensor::kthvalue) |
//! | `median`, `quantile`, `mode` | [`Tensor::median`](crate::Tensor::median), [`Tensor::quantile`](crate::Tensor::quantile), [`Tensor::mode`](crate::Tensor::mode) |
//! | `cumsum`, `cumprod`, `cummax`, `cummin`, `logcumsumexp`, `diff` | [`Tensor::cumsum`](crate::Tensor::cumsum), [`Tensor::cumprod`](crate::Tensor::cumprod), [`Tensor::cummax`](crate::Tensor::cummax), [`Tensor::cummin`](crate::Tensor::cummin), [`Tensor::logcumsumexp`](crate::Tensor::logcumsumexp), [`Tensor::diff`](crate::Tensor::diff) |
//! | `norm`, `cdist`, `pdist`, `F.pairwise_distance`, `cosine_similarity` | [`Tensor::norm`](crate::Tensor::norm), [`Tensor::cdist`](crate::Tensor::cdist), [`Tensor::pdist`](crate::Tensor::pdist), [`Tensor::pairwise_distance`](crate::Tensor::pairwise_distance), [`Tensor::cosine_similarity`](crate::Tensor::cosine_similarity) |
//! | `cov`, `corrcoef`, `bincount`, `histc`, `searchsorted`, `bucketize`, `unique` | [`Tensor::cov`](crate::Tensor::cov), [`Tensor::corrcoef`](crate::Tensor::corrcoef), [`Tensor::bincount`](crate::Tensor::bincount), [`Tensor::histogram`](crate::Tensor::histogram), [`Tensor::searchsorted`](crate::Tensor::searchsorted), [`Tensor::bucketize`](crate::Tensor::bucketize), [`Tensor::unique`](crate::Tensor::unique) |
//!
//! # Shapes
//!
//! | PyTorch | steepest |
//! |---|---|
//! | `reshape`, `view`, `flatten`, `unflatten`, `squeeze`, `unsqueeze` | [`Tensor::reshape`](crate::Tensor::reshape), [`Tensor::flatten`](crate::Tensor::flatten), [`Tensor::flatten_axes`](crate::Tensor::flatten_axes), [`Tensor::unflatten`](crate::Tensor::unflatten), [`Tensor::squeeze`](crate::Tensor::squeeze), [`Tensor::unsqueeze`](crate::Tensor::unsqueeze) |
//! | `permute`, `transpose`, `movedim`, `flip`, `rot90`, `roll` | [`Tensor::permute`](crate::Tensor::permute), [`Tensor::transpose`](crate::Tensor::transpose), [`Tensor::t`](crate::Tensor::t), [`Tensor::movedim`](crate::Tensor::movedim), [`Tensor::flip`](crate::Tensor::flip), [`Tensor::rot90`](crate::Tensor::rot90), [`Tensor::roll`](crate::Tensor::roll) |
//! | `expand`, `tile`, `repeat`, `repeat_interleave` | [`Tensor::expand`](crate::Tensor::expand), [`Tensor::tile`](crate::Tensor::tile), [`Tensor::repeat_interleave`](crate::Tensor::repeat_interleave) |
//! | `cat`, `stack`, `hstack`, `vstack`, `split`, `chunk`, `unbind` | [`Tensor::cat`](crate::Tensor::cat), [`Tensor::stack`](crate::Tensor::stack), [`ops::cat`](crate::ops::cat), [`ops::stack`](crate::ops::stack), [`ops::hstack`](crate::ops::hstack), [`ops::vstack`](crate::ops::vstack), [`Tensor::split`](crate::Tensor::split), [`Tensor::chunk`](crate::Tensor::chunk), [`Tensor::unbind`](crate::Tensor::unbind) |
//! | `x[a:b:c]`, `narrow`, `select` | [`Tensor::slice`](crate::Tensor::slice), [`Tensor::slice_step`](crate::Tensor::slice_step), [`Tensor::select`](crate::Tensor::select) |
//! | F.pad: constant, `reflect`, `replicate`, `circular` | [`Tensor::pad`](crate::Tensor::pad), [`Tensor::pad_with`](crate::Tensor::pad_with) |
//! | `tril`, `triu`, `tril_indices`, `diagonal`, `trace` | [`Tensor::tril`](crate::Tensor::tril), [`Tensor::triu`](crate::Tensor::triu), [`Device::tril_indices`](crate::Device::tril_indices), [`Tensor::diagonal`](crate::Tensor::diagonal), [`Tensor::trace`](crate::Tensor::trace) |
//! | `F.unfold`, `F.fold`, `Tensor.unfold` | [`Tensor::unfold`](crate::Tensor::unfold), [`Tensor::fold`](crate::Tensor::fold) |
//! | `F.pixel_shuffle`, `F.pixel_unshuffle`, `F.channel_shuffle` | [`Tensor::pixel_shuffle`](crate::Tensor::pixel_shuffle), [`Tensor::pixel_unshuffle`](crate::Tensor::pixel_unshuffle), [`Tensor::channel_shuffle`](crate::Tensor::channel_shuffle) |
//!
//! # Indexing
//!
//! | PyTorch | steepest |
//! |---|---|
//! | `gather`, `take_along_dim`, `index_select`, `take` | [`Tensor::gather`](crate::Tensor::gather), [`Tensor::index_select`](crate::Tensor::index_select), [`Tensor::take`](crate::Tensor::take) (negative indices count from the end) |
//! | `scatter`, `scatter_add`, `scatter_reduce` | [`Tensor::scatter`](crate::Tensor::scatter), [`Tensor::scatter_add`](crate::Tensor::scatter_add), [`Tensor::scatter_over`](crate::Tensor::scatter_over) |
//! | `index_add`, `index_copy`, `index_fill`, `index_put` | [`Tensor::index_add`](crate::Tensor::index_add), [`Tensor::index_put`](crate::Tensor::index_put), [`Tensor::index_fill`](crate::Tensor::index_fill) |
//! | `x[mask]`, `masked_select`, `nonzero`, `argwhere` | [`Tensor::masked_select`](crate::Tensor::masked_select), [`Tensor::nonzero`](crate::Tensor::nonzero) (they wait: the values decide the size) |
//! | `x[i`, `j]`, `x[i`, j] = y, `masked_scatter` | [`Tensor::at`](crate::Tensor::at), [`Tensor::put_at`](crate::Tensor::put_at), [`Tensor::masked_scatter`](crate::Tensor::masked_scatter) |
//! | `F.embedding(padding_idx)`, `F.one_hot` | [`Tensor::embedding`](crate::Tensor::embedding), [`Tensor::embedding_padded`](crate::Tensor::embedding_padded), [`Tensor::one_hot`](crate::Tensor::one_hot) |
//!
//! # Products, linear algebra, transforms
//!
//! | PyTorch | steepest |
//! |---|---|
//! | `matmul`, `mm`, `bmm`, `dot`, `outer`, `tensordot`, `einsum` | [`Tensor::matmul`](crate::Tensor::matmul), [`Tensor::dot`](crate::Tensor::dot), [`Tensor::outer`](crate::Tensor::outer), [`Tensor::tensordot`](crate::Tensor::tensordot), [`ops::einsum`](crate::ops::einsum) |
//! | `kron`, `cross` | [`Tensor::kron`](crate::Tensor::kron), [`Tensor::cross`](crate::Tensor::cross) |
//! | `linalg.det`, `slogdet`, `logdet`, `inv`, `solve`, `solve_triangular` | [`Tensor::det`](crate::Tensor::det), [`Tensor::slogdet`](crate::Tensor::slogdet), [`Tensor::logdet`](crate::Tensor::logdet), [`Tensor::inverse`](crate::Tensor::inverse), [`Tensor::solve`](crate::Tensor::solve), [`Tensor::triangular_solve`](crate::Tensor::triangular_solve) |
//! | `linalg.cholesky`, `cholesky_solve`, `qr`, `eigh`, `eigvalsh`, `svd`, `svdvals` | [`Tensor::cholesky`](crate::Tensor::cholesky), [`Tensor::cholesky_solve`](crate::Tensor::cholesky_solve), [`Tensor::qr`](crate::Tensor::qr), [`Tensor::eigh`](crate::Tensor::eigh), [`Tensor::eigvalsh`](crate::Tensor::eigvalsh), [`Tensor::svd`](crate::Tensor::svd), [`Tensor::svdvals`](crate::Tensor::svdvals) |
//! | `linalg.pinv`, `lstsq`, `matrix_rank`, `cond`, `matrix_norm` | [`Tensor::pinverse`](crate::Tensor::pinverse), [`Tensor::lstsq`](crate::Tensor::lstsq), [`Tensor::matrix_rank`](crate::Tensor::matrix_rank), [`Tensor::cond`](crate::Tensor::cond), [`Tensor::matrix_norm`](crate::Tensor::matrix_norm) |
//! | `linalg.matrix_power`, `matrix_exp` | [`Tensor::matrix_power`](crate::Tensor::matrix_power), [`Tensor::matrix_exp`](crate::Tensor::matrix_exp) |
//! | `fft.fftfreq`, `rfftfreq` | [`Device::fftfreq`](crate::Device::fftfreq), [`Device::rfftfreq`](crate::Device::rfftfreq) |
//! | linalg.eig (of matrices that are not symmetric), `lu` | — complex results; symmetric ones have `eigh`, systems have `solve` |
//! | `fft.fft`, `ifft`, `fft2`, `ifft2`, `rfft`, `irfft`, `rfft2`, `irfft2`, `fftshift` | [`Tensor::fft`](crate::Tensor::fft), [`Tensor::ifft`](crate::Tensor::ifft), [`Tensor::fft2`](crate::Tensor::fft2), [`Tensor::ifft2`](crate::Tensor::ifft2), [`Tensor::rfft`](crate::Tensor::rfft), [`Tensor::irfft`](crate::Tensor::irfft), [`Tensor::rfft2`](crate::Tensor::rfft2), [`Tensor::irfft2`](crate::Tensor::irfft2), [`Tensor::fftshift`](crate::Tensor::fftshift) (complex numbers: [`Tensor::complex`](crate::Tensor::complex), [`Tensor::complex_mul`](crate::Tensor::complex_mul), [`Tensor::complex_abs`](crate::Tensor::complex_abs)) |
//! | `stft`, `istft` | — `unfold`, a window and `rfft` make one |
//!
//! # Convolution, pooling, resampling
//!
//! | PyTorch | steepest |
//! |---|---|
//! | `F.conv1d`, `conv2d`, `conv3d` | [`Tensor::conv1d`](crate::Tensor::conv1d), [`Tensor::conv2d`](crate::Tensor::conv2d), [`Tensor::conv3d`](crate::Tensor::conv3d) with [`ConvOptions`](crate::ConvOptions) |
//! | `F.conv_transpose1d`, `2d`, `3d` | [`Tensor::conv_transpose1d`](crate::Tensor::conv_transpose1d), [`Tensor::conv_transpose2d`](crate::Tensor::conv_transpose2d), [`Tensor::conv_transpose3d`](crate::Tensor::conv_transpose3d) |
//! | `F.max_pool1d`, `2d`, 3d (ceil_mode, dilation, return_indices) | [`Tensor::max_pool2d`](crate::Tensor::max_pool2d), [`Tensor::max_pool1d_with`](crate::Tensor::max_pool1d_with), [`Tensor::max_pool2d_with`](crate::Tensor::max_pool2d_with), [`Tensor::max_pool3d_with`](crate::Tensor::max_pool3d_with), [`Tensor::max_pool2d_with_indices`](crate::Tensor::max_pool2d_with_indices) |
//! | `F.avg_pool1d`, `2d`, `3d`, `lp_pool` | [`Tensor::avg_pool2d`](crate::Tensor::avg_pool2d), [`Tensor::avg_pool1d_with`](crate::Tensor::avg_pool1d_with), [`Tensor::avg_pool2d_with`](crate::Tensor::avg_pool2d_with), [`Tensor::avg_pool3d_with`](crate::Tensor::avg_pool3d_with), [`Tensor::lp_pool2d`](crate::Tensor::lp_pool2d) |
//! | `F.adaptive_avg_pool`, `F.adaptive_max_pool` | [`Tensor::adaptive_avg_pool2d`](crate::Tensor::adaptive_avg_pool2d), [`Tensor::adaptive_max_pool2d`](crate::Tensor::adaptive_max_pool2d) and for 1 and 3 axes |
//! | `F.interpolate` | [`Tensor::interpolate`](crate::Tensor::interpolate), [`Tensor::interpolate_by`](crate::Tensor::interpolate_by) |
//! | `F.grid_sample`, `F.affine_grid` | [`Tensor::grid_sample`](crate::Tensor::grid_sample), [`Tensor::affine_grid`](crate::Tensor::affine_grid) |
//! | `F.max_unpool1d`, `2d`, `3d` | [`Tensor::max_unpool1d`](crate::Tensor::max_unpool1d), [`Tensor::max_unpool2d`](crate::Tensor::max_unpool2d), [`Tensor::max_unpool3d`](crate::Tensor::max_unpool3d) |
//!
//! # Attention
//!
//! | PyTorch | steepest |
//! |---|---|
//! | F.scaled_dot_product_attention(mask, is_causal, enable_gqa) | [`Tensor::attention`](crate::Tensor::attention) with [`AttentionOptions`](crate::AttentionOptions) |
//! | rotary embedding, `ALiBi` | [`Tensor::rope`](crate::Tensor::rope), [`nn::alibi`](crate::nn::alibi) |
//! | `nn.MultiheadAttention(key_padding_mask)`, key-value cache | [`nn::MultiHeadAttention`](crate::nn::MultiHeadAttention), [`nn::KeyValueCache`](crate::nn::KeyValueCache) |
//! | `nn.TransformerEncoderLayer`, `nn.TransformerDecoderLayer` | [`nn::TransformerBlock`](crate::nn::TransformerBlock) |
//! | `nn.TransformerEncoder`, `nn.TransformerDecoder` | [`nn::Transformer`](crate::nn::Transformer) |
//!
//! # Layers
//!
//! | PyTorch | steepest |
//! |---|---|
//! | `nn.Linear`, `Bilinear`, `Identity`, `Embedding` | [`nn::Linear`](crate::nn::Linear), [`nn::Bilinear`](crate::nn::Bilinear), [`nn::Identity`](crate::nn::Identity), [`nn::Embedding`](crate::nn::Embedding) |
//! | `nn.Conv1d`, `2d`, `3d`, `ConvTranspose1d`, `2d`, 3d (padding_mode) | [`nn::Conv1d`](crate::nn::Conv1d), [`nn::Conv2d`](crate::nn::Conv2d), [`nn::Conv3d`](crate::nn::Conv3d), [`nn::ConvTranspose1d`](crate::nn::ConvTranspose1d), [`nn::ConvTranspose2d`](crate::nn::ConvTranspose2d), [`nn::ConvTranspose3d`](crate::nn::ConvTranspose3d) |
//! | `nn.Unfold`, `Fold`, `Flatten`, `Unflatten` | [`nn::Unfold`](crate::nn::Unfold), [`nn::Fold`](crate::nn::Fold), [`nn::Flatten`](crate::nn::Flatten), [`nn::FlattenAxes`](crate::nn::FlattenAxes), [`nn::Unflatten`](crate::nn::Unflatten) |
//! | `nn.MaxPool`, `AvgPool`, `AdaptiveMaxPool`, `AdaptiveAvgPool` | [`nn::MaxPool1d`](crate::nn::MaxPool1d), [`nn::MaxPool2d`](crate::nn::MaxPool2d), [`nn::MaxPool3d`](crate::nn::MaxPool3d), [`nn::AvgPool1d`](crate::nn::AvgPool1d), [`nn::AvgPool2d`](crate::nn::AvgPool2d), [`nn::AvgPool3d`](crate::nn::AvgPool3d), [`nn::AdaptiveMaxPool2d`](crate::nn::AdaptiveMaxPool2d), [`nn::AdaptiveAvgPool2d`](crate::nn::AdaptiveAvgPool2d), [`nn::GlobalPool`](crate::nn::GlobalPool) |
//! | `nn.ReflectionPad`, `ReplicationPad`, `ZeroPad`, `CircularPad` | [`nn::Pad`](crate::nn::Pad) |
//! | `nn.Upsample`, `PixelShuffle`, `PixelUnshuffle`, `ChannelShuffle` | [`nn::Upsample`](crate::nn::Upsample), [`nn::PixelShuffle`](crate::nn::PixelShuffle), [`nn::PixelUnshuffle`](crate::nn::PixelUnshuffle), [`nn::ChannelShuffle`](crate::nn::ChannelShuffle) |
//! | `nn.BatchNorm1d`, `2d`, `3d`, `InstanceNorm1d`, `2d`, `3d` | [`nn::BatchNorm1d`](crate::nn::BatchNorm1d), [`nn::BatchNorm2d`](crate::nn::BatchNorm2d), [`nn::BatchNorm3d`](crate::nn::BatchNorm3d), [`nn::InstanceNorm1d`](crate::nn::InstanceNorm1d), [`nn::InstanceNorm2d`](crate::nn::InstanceNorm2d), [`nn::InstanceNorm3d`](crate::nn::InstanceNorm3d) |
//! | `nn.LayerNorm`, `GroupNorm`, `RMSNorm` | [`nn::LayerNorm`](crate::nn::LayerNorm), [`nn::GroupNorm`](crate::nn::GroupNorm), [`nn::RmsNorm`](crate::nn::RmsNorm) |
//! | `nn.LocalResponseNorm`, `SyncBatchNorm` | — the first is not used any more; the second is for several processes |
//! | `nn.Dropout`, `Dropout1d`, `2d`, `3d`, `AlphaDropout` | [`nn::Dropout`](crate::nn::Dropout), [`nn::Dropout1d`](crate::nn::Dropout1d), [`nn::Dropout2d`](crate::nn::Dropout2d), [`nn::Dropout3d`](crate::nn::Dropout3d), [`nn::AlphaDropout`](crate::nn::AlphaDropout) |
//! | nn.ReLU and the other activations, `PReLU`, `GLU` | [`nn::Activation`](crate::nn::Activation), [`nn::PRelu`](crate::nn::PRelu), [`nn::Glu`](crate::nn::Glu), [`nn::SwiGlu`](crate::nn::SwiGlu) |
//! | `nn.RNN`, `GRU`, LSTM (num_layers, bidirectional, dropout), `cells` | [`nn::Rnn`](crate::nn::Rnn), [`nn::Gru`](crate::nn::Gru), [`nn::Lstm`](crate::nn::Lstm), [`nn::RnnCell`](crate::nn::RnnCell), [`nn::GruCell`](crate::nn::GruCell), [`nn::LstmCell`](crate::nn::LstmCell) |
//! | `utils.rnn.pack_padded_sequence` | [`nn::Recurrent::run_lengths`](crate::nn::Recurrent::run_lengths) |
//! | `nn.Sequential`, `ModuleList`, `ModuleDict`, `ParameterList` | [`nn::Sequential`](crate::nn::Sequential); `Vec`, `BTreeMap` and tensors in [`parts!`](crate::parts!) |
//! | nn.Module.forward of several tensors | [`nn::Module::forward_all`](crate::nn::Module::forward_all) |
//! | `utils.parametrizations.weight_norm`, `spectral_norm` | [`nn::WeightNorm`](crate::nn::WeightNorm), [`nn::SpectralNorm`](crate::nn::SpectralNorm) |
//! | nn.init: xavier, `kaiming`, `orthogonal`, `trunc_normal`, dirac; calculate_gain | [`nn::Init`](crate::nn::Init), [`nn::Init::fill`](crate::nn::Init::fill), [`nn::Nonlinearity::gain`](crate::nn::Nonlinearity::gain); `init` of every layer |
//! | `register_forward_hook`, `retain_grad` | [`nn::watch`](crate::nn::watch), [`Tensor::backward_retaining`](crate::Tensor::backward_retaining) |
//! | `state_dict`, `load_state_dict`, `functional_call` | [`nn::StateDict`](crate::nn::StateDict), [`nn::with_parameters`](crate::nn::with_parameters) |
//! | requires_grad_(False) by name | [`nn::Module::freeze`](crate::nn::Module::freeze), [`nn::Module::unfreeze`](crate::nn::Module::unfreeze) |
//! | `torchinfo.summary` | [`nn::summary`](crate::nn::summary), [`nn::summary_of`](crate::nn::summary_of) |
//!
//! # Losses
//!
//! | PyTorch | steepest |
//! |---|---|
//! | `nn.MSELoss`, `L1Loss`, `HuberLoss`, `SmoothL1Loss` | [`nn::loss::mse`](crate::nn::loss::mse), [`nn::loss::mae`](crate::nn::loss::mae), [`nn::loss::huber`](crate::nn::loss::huber), [`nn::loss::smooth_l1`](crate::nn::loss::smooth_l1) |
//! | nn.CrossEntropyLoss(weight, ignore_index, label_smoothing), `NLLLoss` | [`nn::loss::CrossEntropy`](crate::nn::loss::CrossEntropy), [`nn::loss::nll`](crate::nn::loss::nll) |
//! | `nn.BCELoss`, `BCEWithLogitsLoss(pos_weight)` | [`nn::loss::bce`](crate::nn::loss::bce), [`nn::loss::bce_with_logits`](crate::nn::loss::bce_with_logits) |
//! | `nn.KLDivLoss`, `GaussianNLLLoss`, `PoissonNLLLoss` | [`nn::loss::kl_div`](crate::nn::loss::kl_div), [`nn::loss::GaussianNll`](crate::nn::loss::GaussianNll), [`nn::loss::PoissonNll`](crate::nn::loss::PoissonNll) |
//! | `nn.SoftMarginLoss`, `MultiLabelSoftMarginLoss`, `hinge`, squared hinge | [`nn::loss::soft_margin`](crate::nn::loss::soft_margin), [`nn::loss::multilabel_soft_margin`](crate::nn::loss::multilabel_soft_margin), [`nn::loss::hinge`](crate::nn::loss::hinge), [`nn::loss::squared_hinge`](crate::nn::loss::squared_hinge) |
//! | `nn.MarginRankingLoss`, `CosineEmbeddingLoss`, `TripletMarginLoss` | [`nn::loss::margin_ranking`](crate::nn::loss::margin_ranking), [`nn::loss::cosine_embedding`](crate::nn::loss::cosine_embedding), [`nn::loss::TripletMargin`](crate::nn::loss::TripletMargin) |
//! | `nn.CTCLoss` | [`nn::loss::Ctc`](crate::nn::loss::Ctc) |
//! | `nn.HingeEmbeddingLoss`, `MultiMarginLoss` | [`nn::loss::hinge_embedding`](crate::nn::loss::hinge_embedding), [`nn::loss::multi_margin`](crate::nn::loss::multi_margin) |
//! | `nn.MultiLabelMarginLoss`, `AdaptiveLogSoftmaxWithLoss` | — little used; logits and `CrossEntropy` do |
//!
//! # Optimizers
//!
//! | PyTorch | steepest |
//! |---|---|
//! | optim.SGD(momentum, dampening, nesterov, maximize) | [`optim::Sgd`](crate::optim::Sgd) |
//! | `optim.Adam(amsgrad)`, `AdamW` | [`optim::Adam`](crate::optim::Adam), [`optim::Adam::w`](crate::optim::Adam::w) |
//! | `optim.NAdam`, `RAdam`, `Adamax`, `Adafactor` | [`optim::NAdam`](crate::optim::NAdam), [`optim::RAdam`](crate::optim::RAdam), [`optim::Adamax`](crate::optim::Adamax), [`optim::Adafactor`](crate::optim::Adafactor) |
//! | `optim.Adagrad`, `Adadelta`, `RMSprop` | [`optim::AdaGrad`](crate::optim::AdaGrad), [`optim::Adadelta`](crate::optim::Adadelta), [`optim::RmsProp`](crate::optim::RmsProp) |
//! | `Lion`, `LAMB`, `Muon` | [`optim::Lion`](crate::optim::Lion), [`optim::Lamb`](crate::optim::Lamb), [`optim::Muon`](crate::optim::Muon) |
//! | `optim.LBFGS` | [`optim::Lbfgs`](crate::optim::Lbfgs) |
//! | `optim.Rprop`, `ASGD`, `SparseAdam` | — full-batch and sparse methods; averages of weights are below |
//! | parameter groups, by name | [`optim::Group::matching`](crate::optim::Group::matching) |
//! | `optim.swa_utils.AveragedModel`, `EMA`, `update_bn` | [`optim::Average`](crate::optim::Average), [`nn::update_statistics`](crate::nn::update_statistics) |
//! | backward() several times before step() | [`optim::Accumulator`](crate::optim::Accumulator), [`train::Trainer::accumulate`](crate::train::Trainer::accumulate) |
//! | `utils.clip_grad_norm_`, `clip_grad_value_` | [`Gradients::clip_by_norm`](crate::Gradients::clip_by_norm), [`Gradients::clip_by_value`](crate::Gradients::clip_by_value) |
//!
//! # Learning rates
//!
//! | PyTorch | steepest |
//! |---|---|
//! | `StepLR`, `MultiStepLR`, `ExponentialLR`, `ConstantLR`, `LinearLR`, `LambdaLR` | [`schedule::Step`](crate::optim::schedule::Step), [`schedule::MultiStep`](crate::optim::schedule::MultiStep), [`schedule::Exponential`](crate::optim::schedule::Exponential), [`schedule::ConstantFactor`](crate::optim::schedule::ConstantFactor), [`schedule::Linear`](crate::optim::schedule::Linear), [`schedule::Lambda`](crate::optim::schedule::Lambda) |
//! | `CosineAnnealingLR`, `CosineAnnealingWarmRestarts`, `PolynomialLR` | [`schedule::Cosine`](crate::optim::schedule::Cosine), [`schedule::CosineRestarts`](crate::optim::schedule::CosineRestarts), [`schedule::Polynomial`](crate::optim::schedule::Polynomial) |
//! | `OneCycleLR`, `CyclicLR`, `ReduceLROnPlateau` | [`schedule::OneCycle`](crate::optim::schedule::OneCycle), [`schedule::Cyclic`](crate::optim::schedule::Cyclic), [`schedule::Plateau`](crate::optim::schedule::Plateau) |
//! | `SequentialLR`, `ChainedScheduler`, `warmup` | [`schedule::Sequence`](crate::optim::schedule::Sequence), [`schedule::Product`](crate::optim::schedule::Product), [`schedule::Warmup`](crate::optim::schedule::Warmup) |
//!
//! # Training, data, measures
//!
//! | PyTorch | steepest |
//! |---|---|
//! | `utils.data.Dataset`, `TensorDataset`, `DataLoader`, `random_split` | [`data::Dataset`](crate::data::Dataset), [`data::DataLoader`](crate::data::DataLoader), [`data::random_parts`](crate::data::random_parts) |
//! | Lightning's Trainer, early stopping, `checkpoints` | [`train::Trainer`](crate::train::Trainer), [`train::EarlyStopping`](crate::train::EarlyStopping) |
//! | torchmetrics: accuracy, `F1`, `ROC-AUC`, `PR-AUC`, `top-k`, `IoU`, `calibration`, `perplexity` | [`metrics::Score`](crate::train::metrics::Score), [`metrics::roc_auc`](crate::train::metrics::roc_auc), [`metrics::average_precision`](crate::train::metrics::average_precision), [`metrics::top_k_accuracy`](crate::train::metrics::top_k_accuracy), [`metrics::Calibration`](crate::train::metrics::Calibration) |
//! | `torch.save`, `safetensors` | `save` (feature of that name) |
//! | `autograd.grad`, `backward(gradient)` | [`Tensor::backward`](crate::Tensor::backward), [`Tensor::backward_with`](crate::Tensor::backward_with), [`Gradients::wrt`](crate::Gradients::wrt) |
//! | `autograd.gradcheck`, `functional.hessian`, `jacobian`, `hvp` | [`verify::grad_check`](crate::verify::grad_check), [`Tensor::hessian`](crate::Tensor::hessian), [`Tensor::jacobian`](crate::Tensor::jacobian), [`Tensor::hessian_vector_product`](crate::Tensor::hessian_vector_product) |
//! | `autograd.set_detect_anomaly`, `profiler` | [`Device::set_anomaly`](crate::Device::set_anomaly), [`Device::set_profile`](crate::Device::set_profile) |
//! | `torch.compile` | every run is planned and fused; `Device::plan` shows how |
//! | `autocast`, `GradScaler` | [`Device::set_precision`](crate::Device::set_precision) |
//! | `vmap`, forward mode | — batches are axes; second derivatives come from gradients of gradients |
//! | `DistributedDataParallel` | — one process and one device |
