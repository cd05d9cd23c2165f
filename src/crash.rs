//! Points at which a test lets the process die, as a pulled plug would: one at each step of a message's two lives.
//!
//! `crash::point!("before accept")` is a name for an instant. In a build with the feature `crash-points`, a process whose
//! environment says `POPHOOK_CRASH_AT=before accept:2` kills itself, by SIGKILL, when it passes there for the second
//! time; nothing is unwound, flushed or closed. In any other build the macro expands to nothing, and the names are not in
//! the binary.
//!
//! A word that every room may say, because every room has steps. It counts passings in a static, and it reads the
//! environment, which nothing else here may: only so can a step say its name without being handed something for it.
//!
//! `tests/crash_points.rs` finds the names in the sources, kills at each, and fails where a step has no name.

/// Names an instant; see the module.
#[cfg(feature = "crash-points")]
macro_rules! point {
    ($name:literal) => {
        crate::crash::pass($name)
    };
}

/// Names an instant, for those who read; see the module.
#[cfg(not(feature = "crash-points"))]
macro_rules! point {
    ($name:literal) => {};
}

pub(crate) use point;

/// Dies here if it is this passing of this point that the environment asks for.
#[cfg(feature = "crash-points")]
pub(crate) fn pass(name: &str) {
    use std::sync::atomic::AtomicU32;
    use std::sync::atomic::Ordering;

    static PASSINGS: AtomicU32 = AtomicU32::new(0);

    let Ok(asked) = std::env::var("POPHOOK_CRASH_AT") else { return };
    let Some((wanted, passing)) = asked.rsplit_once(':') else { return };
    if wanted != name || PASSINGS.fetch_add(1, Ordering::SeqCst).saturating_add(1).to_string() != passing {
        return;
    }
    let myself = rustix::process::getpid();
    rustix::process::kill_process(myself, rustix::process::Signal::KILL).unwrap_or_default();
    // Another thread may take the signal: this one must not get any further.
    loop {
        std::thread::park();
    }
}
