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
mod catalogue;
mod command_line;
mod command_line_figures;
mod command_line_files;
mod command_line_refuses;
mod conv;
mod course_networks;
mod course_tables;
mod ctc;
mod data;
mod data_files;
mod data_outside;
mod derivatives;
mod division;
mod draws;
mod einsum;
mod escapes;
mod examples;
mod fft;
mod figures;
mod files;
mod functions;
mod fusion;
mod graph;
mod guide;
mod half;
mod impossible_sizes;
mod index;
mod index_put;
mod integers;
mod layers;
mod lbfgs;
mod linalg;
mod loops;
mod matmul;
mod matrices;
mod memory;
mod metrics;
mod models;
mod muon;
mod named_errors;
mod nn;
mod nonfinite;
mod odd_files;
mod odd_tables;
mod optim;
mod options;
mod oracle;
mod outside_ops;
mod plans;
mod plots;
mod pooling;
mod profile;
mod random;
mod random_graphs;
mod recurrent;
mod resample;
mod save;
mod select;
mod shaders;
mod sort;
mod starts;
mod statistics;
mod sums;
mod switched_off;
mod tables;
mod teeth;
mod trainer;
mod transformer;
mod unsupervised;
mod updates;
mod vectors;
mod verify;
mod windows;
mod work;
mod wrappers;
