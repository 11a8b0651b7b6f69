//! The integration tests: one program of many modules, so that one thing is linked and long tests run beside each other.
//!
//! A test may count on devices of its own, on folders of its own and on its own thread; not on its process, which all tests share. What looks at
//! the process (the memory it ever had, the drivers it loaded) is a program of its own, beside this folder.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod arrange;
mod attention;
mod averages;
mod browser_losses;
#[cfg(feature = "gpu")]
mod browser_modules;
#[cfg(feature = "gpu")]
mod buffers;
mod catalogue;
mod check_op;
mod command_line;
mod command_line_figures;
mod command_line_files;
mod command_line_memory;
mod command_line_refuses;
mod conv;
mod course_networks;
mod course_tables;
mod ctc;
mod data;
mod data_files;
mod data_outside;
mod dependencies;
mod derivatives;
mod division;
mod draws;
mod einsum;
#[cfg(feature = "gpu")]
mod embedding;
mod escapes;
mod examples;
mod fft;
mod figures;
mod files;
mod forked;
mod functions;
mod fusion;
mod gradients;
mod gradients_edges;
mod graph;
mod graph_edges;
mod guide;
mod half;
mod idx;
mod impossible_arguments;
mod impossible_sizes;
mod index;
mod index_put;
mod integers;
mod irregular;
mod joins;
mod kernels;
mod layers;
mod lbfgs;
mod lbfgs_paths;
mod linalg;
mod lines;
mod loops;
mod matmul;
mod matrices;
mod memory;
mod metrics;
mod metrics_edges;
mod models;
mod muon;
mod named_errors;
mod nn;
mod no_gpu;
mod nonfinite;
mod odd_files;
mod odd_numbers;
mod odd_tables;
mod optim;
mod optimizer_edges;
mod optimizer_options;
mod options;
mod options_of_training;
mod oracle;
mod out_of_memory;
mod outside_ops;
mod own_ops;
#[cfg(feature = "gpu")]
#[path = "../../examples/particles.rs"]
#[allow(dead_code)]
mod particles;
mod plan_cache;
mod plans;
mod plots;
mod pooling;
mod profile;
mod random;
mod random_graphs;
mod reading;
mod recurrent;
mod resample;
mod running_statistics;
mod save;
mod save_values;
mod schedules;
mod select;
mod sequences;
#[cfg(feature = "gpu")]
mod shaders;
mod sort;
mod splits;
mod starts;
mod statistics;
mod sums;
mod switched_off;
mod tables;
mod teeth;
mod tied;
mod trainer;
mod trainer_edges;
mod trainer_options;
mod transformer;
mod unsupervised;
mod updates;
mod vectors;
mod verify;
mod waiting;
mod windows;
mod work;
mod wrappers;
