//! Absurd arguments for the public functions of the machines: `src/gpu`, `src/budget.rs`, `src/reference`, `src/executor.rs`.

use crate::odd::Odd;
use crate::{Line, Room, table};
use steepest::executor::Budget;
use steepest::reference::{Overrides, evaluate};

pub fn rooms() -> [Room; 6] {
    [
        Room { name: "gpu", tables: &[], not_called: GPU_NOT_CALLED, complete: true },
        Room { name: "budget", tables: &[BUDGET], not_called: &[], complete: true },
        Room { name: "reference", tables: &[REFERENCE], not_called: REFERENCE_NOT_CALLED, complete: true },
        Room { name: "executor", tables: &[], not_called: EXECUTOR_NOT_CALLED, complete: true },
        Room { name: "workspace", tables: &[], not_called: WORKSPACE_NOT_CALLED, complete: true },
        Room { name: "memory", tables: &[], not_called: &[("memory::most", "it takes no arguments")], complete: true },
    ]
}

const GPU_NOT_CALLED: &[(&str, &str)] = &[
    ("Gpu::handles", "takes no argument"),
    ("Gpu::required_features", "takes no argument"),
    ("Gpu::required_limits", "takes no argument"),
    ("Gpu::from_wgpu", "called by Device::from_wgpu"),
    ("Gpu::optional_features", "takes an adapter, of which there are no absurd ones"),
    ("Gpu::preferred_limits", "takes an adapter, of which there are no absurd ones"),
    ("TensorBuffer::as_binding", "takes no argument"),
    ("Gpu::import", "called by Device::tensor_from_buffer"),
    ("Gpu::export", "called by Tensor::buffer"),
    ("Gpu::check", "takes no argument"),
    ("Gpu::counts", "takes no argument"),
    ("Gpu::details", "takes no argument"),
    ("Gpu::driver_bytes", "takes no argument"),
    ("Gpu::features", "takes no argument"),
    ("Gpu::finish", "takes no argument"),
    ("Gpu::has_timestamps", "takes no argument"),
    ("Gpu::is_software", "takes no argument"),
    ("Gpu::limits", "takes no argument"),
    ("Gpu::live_bytes", "takes no argument"),
    ("Gpu::name", "takes no argument"),
    ("Gpu::pipeline_cache_bytes", "takes no argument"),
    ("Gpu::pooled_bytes", "takes no argument"),
    ("Gpu::trim", "takes no argument"),
    ("Gpu::tuned", "takes no argument"),
    ("Gpu::wait", "takes no argument"),
    ("GpuBuffer::capacity", "takes no argument"),
    ("GpuBuffer::words", "takes no argument"),
    ("Prepared::encoded", "takes no argument"),
    ("Prepared::plan", "takes no argument"),
    ("Prepared::variants", "takes no argument"),
    ("adapters::adapters", "takes no argument"),
    ("window_extensions::drivers_loaded", "takes no argument"),
    ("Gpu::copy", "called by runs, with plans and buffers that the library makes"),
    ("Gpu::prepare", "called by runs, with plans and buffers that the library makes"),
    ("Gpu::read", "called by runs, with plans and buffers that the library makes"),
    ("Gpu::run", "called by runs, with plans and buffers that the library makes"),
    ("Gpu::force_variant", "a switch of the device, called by its method of Device"),
    ("Gpu::set_guarded", "a switch of the device, called by its method of Device"),
    ("Gpu::set_merging", "a switch of the device, called by its method of Device"),
    ("Gpu::set_shader_checks", "a switch of the device, called by its method of Device"),
    ("Gpu::set_timed", "a switch of the device, called by its method of Device"),
    ("Gpu::set_tune", "a switch of the device, called by its method of Device"),
    ("Gpu::set_pipeline_cache", "a switch of the device, called by its method of Device"),
    ("Gpu::limit_loop_iterations", "a switch of the device, called by its method of Device"),
    ("Gpu::merge_after", "a switch of the device, called by its method of Device"),
    ("Gpu::lose", "a switch of the device, called by its method of Device"),
    ("Gpu::open", "called by Device::named"),
    ("Gpu::open_with", "called by Device::named"),
    ("Gpu::upload", "called by every tensor that is given"),
];
const REFERENCE_NOT_CALLED: &[(&str, &str)] = &[];
const WORKSPACE_NOT_CALLED: &[(&str, &str)] = &[
    ("Workspace::new", "what a kernel is handed by the machine that runs it"),
    ("Workspace::with", "what a kernel is handed by the machine that runs it"),
    ("Workspace::refused", "what a kernel is handed by the machine that runs it"),
];
const EXECUTOR_NOT_CALLED: &[(&str, &str)] = &[
    ("executor::own_buffer", "a value or a plan of an executor itself"),
    ("executor::own_buffers", "a value or a plan of an executor itself"),
    ("executor::own_plan", "a value or a plan of an executor itself"),
];

fn budget(o: &mut Odd) -> Budget {
    Budget::elsewhere("a device", o.maybe(Odd::seed))
}

const BUDGET: &[Line] = table! {
    "Budget::in_main_memory" => |o| Budget::in_main_memory(&o.text()).has_room(o.seed());
    "Budget::elsewhere" => |o| budget(o).asks();
    "Budget::memory_use" => |o| budget(o).memory_use();
    "Budget::set_limit" => |o| budget(o).set_limit(o.maybe(Odd::seed));
    "Budget::set_kept" => |o| {
        let budget = budget(o);
        budget.set_kept(o.seed());
        budget.memory_use()
    };
    "Budget::take" => |o| {
        let budget = budget(o);
        (budget.take(o.seed()), budget.take(o.seed()), budget.memory_use())
    };
    "Budget::give_back" => |o| {
        let budget = budget(o);
        budget.give_back(o.seed());
        budget.memory_use()
    };
    "Budget::has_room" => |o| budget(o).has_room(o.seed());
    "Budget::room" => |o| budget(o).room::<u64>(String::new, o.size()).map(|room| room.len());
    "Budget::copied" => |o| budget(o).copied(String::new, &o.many(Odd::u32)).map(|copy| copy.len());
    "Budget::asks" => |o| {
        let budget = budget(o);
        budget.fail(o.seed());
        (budget.asks(), budget.asks(), budget.end_of_failure())
    };
    "Budget::fail" => |o| budget(o).fail(o.seed());
    "Budget::end_of_failure" => |o| budget(o).end_of_failure();
    "Budget::refusal" => |o| budget(o).refusal(o.text(), o.seed()).to_string();
};

const REFERENCE: &[Line] = table! {
    "reference::evaluate" => |o| evaluate(&[&o.near(&[2, 3]).exp()], &Overrides::new());
    "reference::evaluate" => |o| evaluate(&[&o.tensor()], &Overrides::new());
};
