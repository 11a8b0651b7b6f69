//! A driver of Vulkan, asked only to compile. The one file with `unsafe`: calls of Vulkan through `ash`.
//!
//! No queue is used, no memory taken and nothing submitted: a driver without a GPU can do no more.
#![allow(unsafe_code)]

use crate::spirv::Target;
use anyhow::{Context, Result, bail};
use ash::{khr, vk};
use std::ffi::CStr;

/// A device of a driver.
pub struct Driver {
    /// The device's name.
    pub name: String,
    /// The driver's name and version.
    pub version: String,
    /// How modules are translated for it.
    pub target: Target,
    device: ash::Device,
    properties: khr::pipeline_executable_properties::Device,
    instance: ash::Instance,
    // Keeps the loader's library open; dropped last.
    _entry: ash::Entry,
}

/// What a driver says of a compiled module.
pub struct Compiled {
    /// Invocations of a subgroup.
    pub subgroup: u32,
    /// Its figures, under its own names.
    pub statistics: Vec<(String, f64)>,
    /// The machine code as text, if the driver gives it.
    pub assembly: Option<String>,
}

/// Text of a name that Vulkan gives.
fn text(name: &[std::ffi::c_char]) -> String {
    let bytes: Vec<u8> = name.iter().map(|&c| c as u8).take_while(|&c| c != 0).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What of that which wgpu asks for a device has.
struct Offered {
    target: Target,
    robustness_extension: bool,
    robust_buffer_access: bool,
    zeroes_workgroup_memory: bool,
    says_what_it_compiles: bool,
}

fn offered(
    instance: &ash::Instance,
    physical: vk::PhysicalDevice,
    version: u32,
    has_robustness: bool,
    has_cooperative: bool,
) -> Offered {
    let mut robust = vk::PhysicalDeviceRobustness2FeaturesEXT::default();
    let mut cooperative = vk::PhysicalDeviceCooperativeMatrixFeaturesKHR::default();
    let mut v12 = vk::PhysicalDeviceVulkan12Features::default();
    let mut v13 = vk::PhysicalDeviceVulkan13Features::default();
    let mut executable = vk::PhysicalDevicePipelineExecutablePropertiesFeaturesKHR::default();
    let mut features = vk::PhysicalDeviceFeatures2::default().push_next(&mut v12).push_next(&mut executable);
    if version >= vk::API_VERSION_1_3 {
        features = features.push_next(&mut v13);
    }
    if has_robustness {
        features = features.push_next(&mut robust);
    }
    if has_cooperative {
        features = features.push_next(&mut cooperative);
    }
    // SAFETY: all structs of the chain live until the call returns, and the device has their extensions.
    unsafe { instance.get_physical_device_features2(physical, &mut features) };
    let robust_buffer_access = features.features.robust_buffer_access == vk::TRUE;
    let matrices =
        cooperative.cooperative_matrix == vk::TRUE && v12.shader_float16 == vk::TRUE && v12.vulkan_memory_model == vk::TRUE;
    Offered {
        target: Target {
            vulkan: (vk::api_version_major(version), vk::api_version_minor(version)),
            robust_buffers: robust.robust_buffer_access2 == vk::TRUE,
            dot_products: v13.shader_integer_dot_product == vk::TRUE,
            bytes: v12.shader_int8 == vk::TRUE,
            cooperative: matrices,
            checked: true,
        },
        robustness_extension: has_robustness,
        robust_buffer_access,
        zeroes_workgroup_memory: v13.shader_zero_initialize_workgroup_memory == vk::TRUE,
        says_what_it_compiles: executable.pipeline_executable_info == vk::TRUE,
    }
}

/// A device with what wgpu asks for, of what it offers.
fn opened(instance: &ash::Instance, physical: vk::PhysicalDevice, offered: &Offered) -> Result<ash::Device> {
    let target = offered.target;
    let core = vk::PhysicalDeviceFeatures::default().robust_buffer_access(offered.robust_buffer_access);
    let mut robust = vk::PhysicalDeviceRobustness2FeaturesEXT::default().robust_buffer_access2(target.robust_buffers);
    let mut cooperative = vk::PhysicalDeviceCooperativeMatrixFeaturesKHR::default().cooperative_matrix(true);
    let mut storage = vk::PhysicalDevice16BitStorageFeatures::default().storage_buffer16_bit_access(true);
    let mut executable = vk::PhysicalDevicePipelineExecutablePropertiesFeaturesKHR::default().pipeline_executable_info(true);
    let mut v12 = vk::PhysicalDeviceVulkan12Features::default()
        .shader_int8(target.bytes)
        .shader_float16(target.cooperative)
        .vulkan_memory_model(target.cooperative)
        .vulkan_memory_model_device_scope(target.cooperative);
    let mut v13 = vk::PhysicalDeviceVulkan13Features::default()
        .shader_integer_dot_product(target.dot_products)
        .shader_zero_initialize_workgroup_memory(offered.zeroes_workgroup_memory);
    let queues = [vk::DeviceQueueCreateInfo::default().queue_priorities(&[1.0])];
    let mut names = vec![khr::pipeline_executable_properties::NAME.as_ptr()];
    let mut info = vk::DeviceCreateInfo::default()
        .queue_create_infos(&queues)
        .enabled_features(&core)
        .push_next(&mut v12)
        .push_next(&mut executable);
    if target.vulkan >= (1, 3) {
        info = info.push_next(&mut v13);
    }
    if offered.robustness_extension {
        names.push(ash::ext::robustness2::NAME.as_ptr());
        info = info.push_next(&mut robust);
    }
    if target.cooperative {
        names.push(khr::cooperative_matrix::NAME.as_ptr());
        info = info.push_next(&mut cooperative).push_next(&mut storage);
    }
    info = info.enabled_extension_names(&names);
    // SAFETY: what `info` points to lives until the call returns; every extension and feature in it was found on the device.
    Ok(unsafe { instance.create_device(physical, &info, None) }?)
}

impl Driver {
    /// Opens the first device that is no software adapter and can say what it made of a pipeline.
    pub fn open() -> Result<Driver> {
        // SAFETY: the library is the system's Vulkan loader, whose initialisers may run at any time.
        let entry = unsafe { ash::Entry::load() }.context("no Vulkan loader")?;
        let application = vk::ApplicationInfo::default().api_version(vk::API_VERSION_1_3);
        let info = vk::InstanceCreateInfo::default().application_info(&application);
        // SAFETY: what `info` points to lives until the call returns.
        let instance = unsafe { entry.create_instance(&info, None) }.context("no Vulkan instance")?;
        // SAFETY: the instance is alive here and below, until it is destroyed in `drop`, after the device.
        let devices = unsafe { instance.enumerate_physical_devices() }.unwrap_or_default();
        let mut seen = vec![];
        for physical in devices {
            // SAFETY: the device is of this instance.
            let (of, has) = unsafe {
                let of = instance.get_physical_device_properties(physical);
                let has = instance.enumerate_device_extension_properties(physical).unwrap_or_default();
                (of, has)
            };
            let has = |name: &CStr| has.iter().any(|extension| extension.extension_name_as_c_str() == Ok(name));
            seen.push(text(&of.device_name));
            if of.device_type != vk::PhysicalDeviceType::CPU && has(khr::pipeline_executable_properties::NAME) {
                return Driver::on(
                    entry,
                    instance,
                    physical,
                    has(ash::ext::robustness2::NAME),
                    has(khr::cooperative_matrix::NAME),
                );
            }
        }
        // SAFETY: nothing was made of it.
        unsafe { instance.destroy_instance(None) };
        bail!("no device of a GPU's driver that says what it compiles; there are {seen:?}")
    }

    fn on(
        entry: ash::Entry,
        instance: ash::Instance,
        physical: vk::PhysicalDevice,
        has_robustness: bool,
        has_cooperative: bool,
    ) -> Result<Driver> {
        let mut driver = vk::PhysicalDeviceDriverProperties::default();
        let mut properties = vk::PhysicalDeviceProperties2::default().push_next(&mut driver);
        // SAFETY: both structs live until the call returns.
        unsafe { instance.get_physical_device_properties2(physical, &mut properties) };
        let of = properties.properties;
        let name = text(&of.device_name);
        let version = format!("{} {}", text(&driver.driver_name), text(&driver.driver_info));
        let offered = offered(&instance, physical, of.api_version, has_robustness, has_cooperative);
        if !offered.says_what_it_compiles {
            bail!("{name} says nothing of what it compiles");
        }
        let device = opened(&instance, physical, &offered).with_context(|| format!("{name} does not open"))?;
        let properties = khr::pipeline_executable_properties::Device::new(&instance, &device);
        Ok(Driver { name, version, target: offered.target, device, properties, instance, _entry: entry })
    }

    /// Compiles a module whose layout has these bindings, in order, each a uniform or a storage buffer.
    pub fn compile(&self, spirv: &[u32], uniforms: &[bool]) -> Result<Compiled> {
        let bindings: Vec<_> = uniforms
            .iter()
            .enumerate()
            .map(|(binding, &uniform)| {
                let ty = if uniform { vk::DescriptorType::UNIFORM_BUFFER } else { vk::DescriptorType::STORAGE_BUFFER };
                vk::DescriptorSetLayoutBinding::default()
                    .binding(binding as u32)
                    .descriptor_type(ty)
                    .descriptor_count(1)
                    .stage_flags(vk::ShaderStageFlags::COMPUTE)
            })
            .collect();
        // SAFETY: every handle is of this device, is destroyed once, and after what was made of it; what the structs point to outlives the calls.
        // The SPIR-V is what naga writes of a validated module.
        unsafe {
            let set = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings);
            let set = self.device.create_descriptor_set_layout(&set, None)?;
            let sets = [set];
            let layout = vk::PipelineLayoutCreateInfo::default().set_layouts(&sets);
            let layout = self.device.create_pipeline_layout(&layout, None)?;
            let module = self.device.create_shader_module(&vk::ShaderModuleCreateInfo::default().code(spirv), None)?;
            let stage =
                vk::PipelineShaderStageCreateInfo::default().stage(vk::ShaderStageFlags::COMPUTE).module(module).name(c"main");
            let flags =
                vk::PipelineCreateFlags::CAPTURE_STATISTICS_KHR | vk::PipelineCreateFlags::CAPTURE_INTERNAL_REPRESENTATIONS_KHR;
            let info = vk::ComputePipelineCreateInfo::default().flags(flags).layout(layout).stage(stage);
            let made = self.device.create_compute_pipelines(vk::PipelineCache::null(), &[info], None);
            let found = match made {
                Ok(pipelines) => {
                    let found = self.said_of(pipelines[0]);
                    self.device.destroy_pipeline(pipelines[0], None);
                    found
                }
                Err((_, error)) => Err(error.into()),
            };
            self.device.destroy_shader_module(module, None);
            self.device.destroy_pipeline_layout(layout, None);
            self.device.destroy_descriptor_set_layout(set, None);
            found
        }
    }

    /// What the driver says of a pipeline.
    ///
    /// # Safety
    /// The pipeline is of this device and was made with the flags for its statistics and representations.
    unsafe fn said_of(&self, pipeline: vk::Pipeline) -> Result<Compiled> {
        let info = vk::PipelineInfoKHR::default().pipeline(pipeline);
        // SAFETY: by the caller's promise; counts are those that the driver gave.
        unsafe {
            let executables = self.properties.get_pipeline_executable_properties(&info)?;
            let Some(last) = executables.len().checked_sub(1) else { bail!("the driver says nothing of it") };
            // A driver may compile several widths of one kernel: the widest comes last.
            let executable = vk::PipelineExecutableInfoKHR::default().pipeline(pipeline).executable_index(last as u32);
            let statistics = self.properties.get_pipeline_executable_statistics(&executable)?;
            let value = |s: &vk::PipelineExecutableStatisticKHR<'_>| match s.format {
                vk::PipelineExecutableStatisticFormatKHR::BOOL32 => f64::from(s.value.b32),
                vk::PipelineExecutableStatisticFormatKHR::INT64 => s.value.i64 as f64,
                vk::PipelineExecutableStatisticFormatKHR::UINT64 => s.value.u64 as f64,
                _ => s.value.f64,
            };
            let statistics = statistics.iter().map(|s| (text(&s.name), value(s))).collect();
            let assembly = self.assembly(&executable)?;
            Ok(Compiled { subgroup: executables[last].subgroup_size, statistics, assembly })
        }
    }

    /// The last text among the driver's representations: from the source to the machine's code.
    ///
    /// # Safety
    /// As [`Driver::said_of`].
    unsafe fn assembly(&self, executable: &vk::PipelineExecutableInfoKHR<'_>) -> Result<Option<String>> {
        let get = self.properties.fp().get_pipeline_executable_internal_representations_khr;
        let device = self.device.handle();
        let mut count = 0;
        // SAFETY: by the caller's promise; the first call asks for the number, the second for the sizes, the third for the texts, each into
        // memory of the size that the call before it gave.
        unsafe {
            get(device, executable, &mut count, std::ptr::null_mut()).result()?;
            let mut found = vec![vk::PipelineExecutableInternalRepresentationKHR::default(); count as usize];
            get(device, executable, &mut count, found.as_mut_ptr()).result()?;
            let mut texts: Vec<Vec<u8>> = found.iter().map(|one| vec![0; one.data_size]).collect();
            for (one, text) in found.iter_mut().zip(&mut texts) {
                one.p_data = text.as_mut_ptr().cast();
            }
            get(device, executable, &mut count, found.as_mut_ptr()).result()?;
            let last = found.iter().zip(&texts).rfind(|(one, _)| one.is_text == vk::TRUE);
            Ok(last.map(|(_, text)| String::from_utf8_lossy(text).trim_end_matches('\0').to_owned()))
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // SAFETY: nothing made of the device is left, and the instance goes after it.
        unsafe {
            self.device.destroy_device(None);
            self.instance.destroy_instance(None);
        }
    }
}
