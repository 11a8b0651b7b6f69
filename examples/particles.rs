//! Particles: a program that owns the GPU computes each frame with this library and draws it from the same buffer. Nothing is copied in between,
//! and no value is waited for until the picture is saved.

use anyhow::Context;
use std::path::PathBuf;
use steepest::gpu::{Gpu, TensorBuffer};
use steepest::{Device, Tensor, wgpu};

/// Pixels of the picture along each side; a row of it is a multiple of 256 bytes, as copies of textures want it.
pub const SIDE: u32 = 512;
/// Seconds from one frame to the next.
pub const SECONDS: f64 = 0.02;
const FORMAT: wgpu::TextureFormat = wgpu::TextureFormat::Rgba8Unorm;

/// Each particle is a point; where it is stands in the buffer that the simulation wrote.
const DRAW: &str = "
@group(0) @binding(0) var<storage, read> position: array<vec2<f32>>;
@vertex fn place(@builtin(vertex_index) i: u32) -> @builtin(position) vec4<f32> {
    return vec4<f32>(position[i], 0.0, 1.0);
}
@fragment fn colour() -> @location(0) vec4<f32> {
    return vec4<f32>(0.25, 0.5, 1.0, 1.0);
}";

/// What the program has of wgpu: its own.
pub struct Host {
    adapter: wgpu::Adapter,
    device: wgpu::Device,
    queue: wgpu::Queue,
}

impl Host {
    /// Opens a device for drawing, with what this library needs on top.
    pub async fn open(name: &str) -> anyhow::Result<Host> {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
        let adapters = instance.enumerate_adapters(wgpu::Backends::PRIMARY).await;
        let named = |adapter: &wgpu::Adapter| adapter.get_info().name.to_lowercase().contains(&name.to_lowercase());
        let adapter = adapters.into_iter().find(named).context("no such adapter")?;
        let descriptor = wgpu::DeviceDescriptor {
            required_features: Gpu::optional_features(&adapter),
            required_limits: wgpu::Limits::downlevel_defaults().or_better_values_from(&Gpu::required_limits()),
            ..Default::default()
        };
        let (device, queue) = adapter.request_device(&descriptor).await?;
        Ok(Host { adapter, device, queue })
    }
}

/// The particles: where they are and how fast, `[n, 2]` each.
struct Particles {
    position: Tensor,
    velocity: Tensor,
}

impl Particles {
    /// On a spiral, each moving at a right angle to its radius.
    fn new(device: &Device, count: usize) -> Particles {
        let turn = device.arange(count) * (20.0 / count as f64);
        let radius = (device.arange(count) + 0.5) * (0.9 / count as f64);
        let pair = |x: Tensor, y: Tensor| x.unsqueeze(1).cat(&[&y.unsqueeze(1)], 1);
        let position = pair(&radius * turn.cos(), &radius * turn.sin());
        let velocity = pair(-(&radius * turn.sin()), &radius * turn.cos());
        Particles { position, velocity }
    }

    /// A step of a spring that pulls all to the middle, the weaker the farther out.
    fn step(&mut self, seconds: f64) {
        let distance = (&self.position * &self.position).sum(&[1]).unsqueeze(1);
        let pull = -(&self.position / (distance + 0.5));
        self.velocity = &self.velocity + pull * seconds;
        self.position = &self.position + &self.velocity * seconds;
    }
}

/// A texture to draw in, and how.
struct Canvas {
    texture: wgpu::Texture,
    pipeline: wgpu::RenderPipeline,
}

impl Canvas {
    fn new(host: &Host) -> Canvas {
        let texture = host.device.create_texture(&wgpu::TextureDescriptor {
            label: None,
            size: wgpu::Extent3d { width: SIDE, height: SIDE, depth_or_array_layers: 1 },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: FORMAT,
            usage: wgpu::TextureUsages::RENDER_ATTACHMENT | wgpu::TextureUsages::COPY_SRC,
            view_formats: &[],
        });
        let source = wgpu::ShaderSource::Wgsl(DRAW.into());
        let module = host.device.create_shader_module(wgpu::ShaderModuleDescriptor { label: None, source });
        let pipeline = host.device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
            label: None,
            layout: None,
            vertex: wgpu::VertexState {
                module: &module,
                entry_point: Some("place"),
                compilation_options: Default::default(),
                buffers: &[],
            },
            primitive: wgpu::PrimitiveState { topology: wgpu::PrimitiveTopology::PointList, ..Default::default() },
            depth_stencil: None,
            multisample: Default::default(),
            fragment: Some(wgpu::FragmentState {
                module: &module,
                entry_point: Some("colour"),
                compilation_options: Default::default(),
                targets: &[Some(FORMAT.into())],
            }),
            multiview_mask: None,
            cache: None,
        });
        Canvas { texture, pipeline }
    }

    /// Draws particles from the buffer their positions are in. Whatever computes them was submitted before, so this comes after it.
    fn draw(&self, host: &Host, positions: &TensorBuffer) {
        let group = host.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &self.pipeline.get_bind_group_layout(0),
            entries: &[wgpu::BindGroupEntry { binding: 0, resource: positions.as_binding() }],
        });
        let view = self.texture.create_view(&wgpu::TextureViewDescriptor::default());
        let mut encoder = host.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        {
            let mut pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
                color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                    view: &view,
                    depth_slice: None,
                    resolve_target: None,
                    ops: wgpu::Operations { load: wgpu::LoadOp::Clear(wgpu::Color::BLACK), store: wgpu::StoreOp::Store },
                })],
                ..Default::default()
            });
            pass.set_pipeline(&self.pipeline);
            pass.set_bind_group(0, &group, &[]);
            pass.draw(0..(positions.size / 8) as u32, 0..1);
        }
        host.queue.submit([encoder.finish()]);
    }

    /// The picture's bytes, four to a pixel.
    fn pixels(&self, host: &Host) -> anyhow::Result<Vec<u8>> {
        let buffer = host.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: u64::from(4 * SIDE * SIDE),
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let layout = wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(4 * SIDE), rows_per_image: None };
        let mut encoder = host.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let to = wgpu::TexelCopyBufferInfo { buffer: &buffer, layout };
        encoder.copy_texture_to_buffer(self.texture.as_image_copy(), to, self.texture.size());
        host.queue.submit([encoder.finish()]);
        buffer.map_async(wgpu::MapMode::Read, .., |_| {});
        host.device.poll(wgpu::PollType::wait_indefinitely())?;
        Ok(buffer.get_mapped_range(..)?.to_vec())
    }
}

/// Computes and draws so many frames; the pixels of the last one.
pub fn animate(host: &Host, count: usize, frames: usize) -> anyhow::Result<Vec<u8>> {
    let device = Device::from_wgpu(&host.adapter, &host.device, &host.queue)?;
    let canvas = Canvas::new(host);
    let mut particles = Particles::new(&device, count);
    for _ in 0..frames {
        particles.step(SECONDS);
        device.run([&particles.position, &particles.velocity])?;
        canvas.draw(host, &particles.position.buffer()?);
    }
    canvas.pixels(host)
}

/// A picture as the bytes of a PNG file.
pub fn png(pixels: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut bytes = vec![];
    let mut encoder = png::Encoder::new(&mut bytes, SIDE, SIDE);
    encoder.set_color(png::ColorType::Rgba);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(bytes)
}

fn main() -> anyhow::Result<()> {
    let (mut name, mut count, mut frames, mut save) = (String::new(), 20_000, 200, PathBuf::from("particles.png"));
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        use lexopt::prelude::*;
        match argument {
            Long("device") => name = arguments.value()?.string()?,
            Long("particles") => count = arguments.value()?.parse()?,
            Long("frames") => frames = arguments.value()?.parse()?,
            Long("save") => save = arguments.value()?.into(),
            other => return Err(other.unexpected().into()),
        }
    }
    let host = pollster::block_on(Host::open(&name))?;
    println!("device: {}", host.adapter.get_info().name);
    let pixels = animate(&host, count, frames)?;
    steepest::files::write_whole(&save, &png(&pixels)?)?;
    println!("{count} particles after {frames} frames: {}", save.display());
    Ok(())
}
