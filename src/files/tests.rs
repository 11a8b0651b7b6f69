//! What is there at every step of a write, when the disk is full at any of them, and whatever lies in the folder already.
#![allow(clippy::unwrap_used)]

use super::temporary::{Temporary, look_through};
use super::testing::{full_between, with};
use super::{Files, MODE, check, fingerprint, new_mode, write_cache, write_whole};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// All that is in a folder: files by name, hidden ones too.
fn all(folder: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let text = |path: &Path| fs::read_to_string(path).unwrap_or_else(|e| format!("({e})"));
    entries.map(|entry| (entry.file_name().to_string_lossy().into_owned(), text(&entry.path()))).collect()
}

/// What is in a folder under names that are not temporary.
fn seen(folder: &Path) -> BTreeMap<String, String> {
    all(folder).into_iter().filter(|(name, _)| !name.starts_with(".steepest-")).collect()
}

const NAMES: [&str; 4] = ["model", "history", "report", "curve"];

/// The files of a run.
fn files(folder: &Path, run: &str) -> crate::error::Result<Files> {
    let mut files = Files::default();
    for name in NAMES {
        files.bytes(&folder.join(name), format!("{name} of {run}").as_bytes())?;
    }
    Ok(files)
}

/// The run that a folder is of; a mixture, or others without the first, fails.
fn run_of(seen: &BTreeMap<String, String>) -> String {
    let model = seen.get("model").unwrap_or_else(|| panic!("no model: {seen:?}"));
    let run = model.strip_prefix("model of ").unwrap();
    for (name, text) in seen {
        assert_eq!(*text, format!("{name} of {run}"), "a mixture: {seen:?}");
    }
    run.to_owned()
}

#[test]
fn at_every_step_the_files_are_of_one_run() {
    let folder = tempfile::tempdir().unwrap();
    files(folder.path(), "one").unwrap().keep().unwrap();
    let found = Arc::new(Mutex::new(vec![]));
    let (path, steps) = (folder.path().to_owned(), found.clone());
    // What is there before a step is what a kill there leaves.
    let look = move |step| {
        let now = seen(&path);
        steps.lock().unwrap().push((step, run_of(&now), now.len()));
        Ok(())
    };
    with(look, || files(folder.path(), "two").unwrap().keep()).unwrap();
    let found = found.lock().unwrap();
    let of = |run: &str, count: usize| found.iter().any(|(step, of, n)| *step != "write" && of == run && *n == count);
    // All of the old ones, the old first one alone, the new first one alone, all but one of the new ones.
    assert!(of("one", 4) && of("one", 1) && of("two", 1) && of("two", 3), "{found:?}");
    assert_eq!(all(folder.path()), seen(folder.path()));
    assert_eq!((run_of(&seen(folder.path())), seen(folder.path()).len()), ("two".to_owned(), 4));
}

#[test]
fn a_full_disk_at_any_step_leaves_one_run_and_no_strays() {
    let mut undone = 0;
    for step in 0.. {
        let folder = tempfile::tempdir().unwrap();
        files(folder.path(), "one").unwrap().keep().unwrap();
        let before = all(folder.path());
        let kept = full_between(step, step + 1, || files(folder.path(), "two").and_then(Files::keep));
        let after = seen(folder.path());
        let Err(error) = kept else {
            assert_eq!(run_of(&after), "two");
            // Nothing failed: there are no more steps.
            assert!(step > 20, "{step}");
            break;
        };
        assert!(error.to_string().contains("it cannot be written: no space left"), "{error}");
        assert_eq!(all(folder.path()), after, "step {step} leaves strays");
        if run_of(&after) == "one" {
            assert_eq!(after, before, "step {step}: not all is as it was");
            undone += 1;
        }
    }
    assert!(undone >= 17, "{undone}");
}

#[test]
fn a_full_disk_never_touches_the_file_that_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("array.npy");
    let (old, new) = (vec![1; 3 << 20], vec![2; 3 << 20]);
    write_whole(&path, &old).unwrap();
    // Create, three parts, sync, rename.
    for step in 0..6 {
        full_between(step, step + 1, || write_whole(&path, &new)).unwrap_err();
        assert!(fs::read(&path).unwrap() == old, "step {step}");
        assert_eq!(all(folder.path()).len(), 1, "step {step}");
    }
    for step in 0..5 {
        full_between(step, step + 1, || write_cache(&path, &new)).unwrap_err();
        assert!(fs::read(&path).unwrap() == old && all(folder.path()).len() == 1, "step {step} of a cache");
    }
    full_between(0, 1, || check(&path)).unwrap_err();
    write_whole(&path, &new).unwrap();
    assert!(fs::read(&path).unwrap() == new);
}

#[test]
fn names_that_are_taken_are_passed_over_and_never_opened() {
    let folder = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    let victim = outside.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    let name = |number: u64| folder.path().join(format!(".steepest-{number:016x}.tmp"));
    fs::write(name(0), "a file").unwrap();
    fs::create_dir(name(1)).unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&victim, name(2)).unwrap();
        std::os::unix::fs::symlink(outside.path().join("nothing"), name(3)).unwrap();
        std::os::unix::fs::symlink(outside.path(), name(4)).unwrap();
    }
    let mut file = Temporary::named(folder.path(), MODE, 0..).unwrap();
    file.write(b"whole").unwrap();
    file.rename(&folder.path().join("answer")).unwrap();
    drop(file);
    assert_eq!(fs::read(folder.path().join("answer")).unwrap(), b"whole");
    assert_eq!(fs::read(&victim).unwrap(), b"precious");
    assert_eq!(fs::read(name(0)).unwrap(), b"a file");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1, "something was made behind a link");
    // All of them taken is an error, and not an endless search.
    for number in 0..64 {
        let _ = fs::write(name(number), "");
    }
    let error = Temporary::named(folder.path(), MODE, 0..).unwrap_err();
    assert!(error.to_string().contains("taken"), "{error}");
}

#[test]
fn names_are_random() {
    let folder = tempfile::tempdir().unwrap();
    let names = Arc::new(Mutex::new(vec![]));
    for _ in 0..20 {
        let (path, names) = (folder.path().to_owned(), names.clone());
        let look = move |step| {
            if step == "write" {
                names.lock().unwrap().extend(all(&path).into_keys().filter(|name| name.starts_with(".steepest-")));
            }
            Ok(())
        };
        with(look, || write_whole(&folder.path().join("a"), b"a")).unwrap();
    }
    let mut names = names.lock().unwrap().clone();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 20);
    let mut digits: Vec<char> = names.iter().filter_map(|name| name.chars().nth(10)).collect();
    digits.sort_unstable();
    digits.dedup();
    assert!(digits.len() > 4, "all names begin alike: {names:?}");
}

#[test]
fn strays_go_and_what_is_written_or_is_not_ours_stays() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    let stay = [
        ".steepest-1.tmp",
        ".steepest-000000000000000g.tmp",
        ".steepest-0000000000000001.txt",
        "x.tmp",
        ".tmp-1-0-model",
        ".tmp",
    ];
    for name in stay {
        fs::write(place(name), "").unwrap();
    }
    fs::create_dir(place(".steepest-00000000000000ff.tmp")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(place("x.tmp"), place(".steepest-00000000000000fe.tmp")).unwrap();
    let others = all(folder.path()).len();
    for name in [".steepest-0123456789abcdef.tmp", ".steepest-fedcba9876543210.lock"] {
        fs::write(place(name), "half").unwrap();
    }
    let held = Temporary::new(&place("a"), MODE).unwrap();
    // The first write into a folder looks through it.
    assert_eq!(all(folder.path()).len(), others + 1, "{:?}", all(folder.path()));
    look_through(folder.path());
    assert_eq!(all(folder.path()).len(), others + 1, "a file that is being written was removed");
    drop(held);
    assert_eq!(all(folder.path()).len(), others);
}

#[test]
fn writers_of_one_name_are_kept_one_after_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let second = Arc::new(Mutex::new(None));
    let (path, other, mut renamed) = (folder.path().to_owned(), second.clone(), 0);
    let begin_another = move |step| {
        renamed += usize::from(step == "rename");
        if step == "rename" && renamed == 2 {
            // The first file has its name: the other writer has all the time it needs to come in between.
            let path = path.clone();
            *other.lock().unwrap() = Some(std::thread::spawn(move || files(&path, "two").unwrap().keep().unwrap()));
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
        Ok(())
    };
    with(begin_another, || files(folder.path(), "one").unwrap().keep()).unwrap();
    second.lock().unwrap().take().unwrap().join().unwrap();
    let left = all(folder.path());
    assert_eq!((run_of(&left), left.len()), ("two".to_owned(), 4), "{left:?}");
}

#[test]
fn a_lock_that_is_none_keeps_nobody_waiting() {
    let folder = tempfile::tempdir().unwrap();
    files(folder.path(), "one").unwrap().keep().unwrap();
    let name = folder.path().join(format!(".steepest-{:016x}.lock", fingerprint(b"model")));
    // A killed program's: nobody holds it.
    fs::write(&name, "").unwrap();
    files(folder.path(), "two").unwrap().keep().unwrap();
    assert_eq!(all(folder.path()).len(), 4);
    // No file at all.
    fs::create_dir(&name).unwrap();
    files(folder.path(), "three").unwrap().keep().unwrap();
    assert_eq!(run_of(&seen(folder.path())), "three");
    fs::remove_dir(&name).unwrap();
    #[cfg(unix)]
    {
        let (dangling, victim) = (folder.path().join("nothing"), folder.path().join("model"));
        for end in [&dangling, &victim] {
            std::os::unix::fs::symlink(end, &name).unwrap();
            files(folder.path(), "four").unwrap().keep().unwrap();
            assert!(!dangling.exists() && fs::symlink_metadata(&name).unwrap().is_symlink());
            fs::remove_file(&name).unwrap();
        }
        assert_eq!(run_of(&all(folder.path())), "four");
    }
}

#[test]
fn a_file_twice_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut files = files(folder.path(), "one").unwrap();
    let error = files.bytes(&folder.path().join("model"), b"").unwrap_err();
    assert!(error.to_string().contains("written twice"), "{error}");
}

#[test]
fn names_of_any_kind_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let longest = "n".repeat(255);
    for name in [longest.as_str(), ".hidden", "with space", "ü€𝄞", "-", "a\nb"] {
        let path = folder.path().join(name);
        check(&path).unwrap();
        write_whole(&path, b"1").unwrap();
        write_whole(&path, b"2").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"2", "{name:?}");
    }
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::ffi::OsStrExt;
        let path = folder.path().join(std::ffi::OsStr::from_bytes(b"\xff\xfe.npy"));
        write_whole(&path, b"1").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"1");
    }
    let error = write_whole(&folder.path().join("n".repeat(256)), b"").unwrap_err().to_string();
    assert!(error.contains("cannot be written"), "{error}");
    for nowhere in ["", "..", "/"] {
        let error = check(Path::new(nowhere)).unwrap_err().to_string();
        assert!(error.contains("names no file"), "{nowhere:?}: {error}");
    }
}

#[test]
#[cfg(unix)]
fn what_may_not_be_replaced_is_refused_and_a_link_is_replaced_itself() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    let mode = |name: &str| fs::symlink_metadata(place(name)).unwrap().permissions().mode() & 0o777;
    fs::create_dir(place("folder")).unwrap();
    symlink("/dev/null", place("device")).unwrap();
    symlink(place("folder"), place("link to a folder")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(place("socket")).unwrap();
    write_whole(&place("kept"), b"old").unwrap();
    fs::set_permissions(place("kept"), fs::Permissions::from_mode(0o444)).unwrap();
    symlink(place("nowhere"), place("loose link")).unwrap();
    let refused = [
        ("loose link", "it is a link to"),
        ("folder", "a folder"),
        ("device", "a device"),
        ("link to a folder", "a folder"),
        ("socket", "a socket"),
        ("kept", "may only be read"),
    ];
    for (name, why) in refused {
        let before = all(folder.path());
        for error in [check(&place(name)), write_whole(&place(name), b"new")].map(Result::unwrap_err) {
            assert!(error.to_string().contains(why), "{name}: {error}");
        }
        assert!(write_cache(&place(name), b"new").is_err(), "{name}");
        // As one of several, too.
        let mut files = Files::default();
        files.bytes(&place("first"), b"").unwrap();
        assert!(files.bytes(&place(name), b"new").is_err(), "{name}");
        drop(files);
        assert_eq!(all(folder.path()), before, "{name}");
    }
    assert!(!Path::new("/dev/null").is_file());

    fs::write(place("end"), "what the link leads to").unwrap();
    symlink(place("end"), place("link")).unwrap();
    check(&place("link")).unwrap();
    write_whole(&place("link"), b"new").unwrap();
    assert!(fs::symlink_metadata(place("link")).unwrap().is_file());
    assert_eq!(fs::read(place("link")).unwrap(), b"new");
    assert_eq!(fs::read(place("end")).unwrap(), b"what the link leads to");
    assert!(!place("nowhere").exists());

    // Modes: never wider than 0644, and never wider than the old file's.
    write_whole(&place("new"), b"").unwrap();
    assert_eq!(mode("new") & !0o644, 0);
    for (before, after) in [(0o600, 0o600), (0o666, 0o644), (0o777, 0o644), (0o640, 0o640), (0o200, 0o200)] {
        fs::set_permissions(place("new"), fs::Permissions::from_mode(before)).unwrap();
        write_whole(&place("new"), b"x").unwrap();
        // The umask may take more.
        assert_eq!(mode("new") & !after, 0, "{before:o} became {:o}", mode("new"));
        assert_eq!(mode("new") & 0o200, 0o200);
    }
}

#[test]
#[cfg(unix)]
fn a_folder_without_permission_is_an_error_that_names_the_file() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let closed = folder.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o555)).unwrap();
    if fs::write(closed.join("probe"), "").is_ok() {
        println!("SKIPPED (root may write everywhere): a folder without permission to write");
    } else {
        let error = write_whole(&closed.join("model"), b"").unwrap_err().to_string();
        assert!(error.contains("closed/model: it cannot be written"), "{error}");
    }
    // One that may not be listed: files are written, only strays are not looked for.
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o333)).unwrap();
    write_whole(&closed.join("model"), b"x").unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(fs::read(closed.join("model")).unwrap(), b"x");
}

#[test]
fn fingerprints_are_the_published_ones() {
    // Of the authors' own test vectors.
    assert_eq!(fingerprint(b""), 0xcbf2_9ce4_8422_2325);
    assert_eq!(fingerprint(b"a"), 0xaf63_dc4c_8601_ec8c);
    assert_eq!(fingerprint(b"foobar"), 0x8594_4171_f739_67e8);
}

/// A writer that gives way to another one's files finds a name now there, now not: at none of these moments is that a reason to refuse.
#[test]
fn a_name_that_comes_and_goes_is_never_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (name, away) = (folder.path().join("file"), folder.path().join("away"));
    fs::write(&name, "1").unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                fs::rename(&name, &away).and_then(|()| fs::rename(&away, &name)).unwrap();
            }
        });
        let refused = (0..20_000).find_map(|_| new_mode(&name).err());
        done.store(true, Ordering::Relaxed);
        assert!(refused.is_none(), "{refused:?}");
    });
}
