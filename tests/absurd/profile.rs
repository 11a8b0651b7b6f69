//! Absurd arguments for the public functions of `src/profile`.

use crate::odd::Odd;
use crate::{Line, Room, table};
use steepest::profile::{Call, Peak, Profile};

pub fn room() -> Room {
    Room { name: "profile", tables: &[TABLE], not_called: NOT_CALLED, complete: true }
}

const NOT_CALLED: &[(&str, &str)] = &[];

fn profile(o: &mut Odd) -> Profile {
    let mut profile = Profile::new(o.text(), o.flag());
    for _ in 0..o.size().min(9) {
        let label = o.text();
        let [flops, bytes, start, time] = [o.seed(), o.seed(), o.seed(), o.seed()];
        profile.add(&Call { kernel: "exp", label: &label, file: file!(), line: o.u32(), layer: "", flops, bytes, start, time });
    }
    profile
}

const TABLE: &[Line] = table! {
    "Profile::rows" => |o| {
        let profile = profile(o);
        let _ = profile.rows();
    };
    "Profile::layers" => |o| {
        let profile = profile(o);
        let _ = profile.layers();
    };
    "Profile::total" => |o| {
        let profile = profile(o);
        let _ = profile.total();
    };
    "Profile::calls" => |o| {
        let profile = profile(o);
        let _ = profile.calls();
    };
    "Profile::trace" => |o| {
        let profile = profile(o);
        let _ = profile.trace();
    };
    "Profile::new" => |o| Profile::new(o.text(), o.flag());
    "Profile::add" => |o| profile(o).trace();
    "Profile::write_trace" => |o| profile(o).write_trace(o.path());
    "Row::median" => |o| {
        let profile = profile(o);
        profile.rows().iter().for_each(|row| _ = row.median());
    };
    "Row::gflops" => |o| {
        let profile = profile(o);
        profile.rows().iter().for_each(|row| _ = row.gflops());
    };
    "Row::gigabytes" => |o| {
        let profile = profile(o);
        profile.rows().iter().for_each(|row| _ = row.gigabytes());
    };
    "Row::share_of" => |o| {
        let profile = profile(o);
        let peak = Peak { gflops: o.float(), gigabytes: o.float() };
        profile.rows().iter().for_each(|row| _ = row.share_of(&peak));
    };
};
