//! Where and when: what a table of figures must say to be worth anything.

use nix::libc;
use std::fs;

/// Date (UTC), CPU, kernel, clock source.
pub(crate) fn description(frequency: u64) -> String {
    let cpu = field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown CPU".into());
    let family = ["cpu family", "model"].map(|name| field("/proc/cpuinfo", name).unwrap_or_default());
    let kernel = trimmed("/proc/sys/kernel/osrelease");
    let source = trimmed("/sys/devices/system/clocksource/clocksource0/current_clocksource");
    format!(
        "{}, {cpu} (family {}, model {}), TSC {:.4} GHz, Linux {kernel}, clocksource {source}",
        date(),
        family[0],
        family[1],
        frequency as f64 / 1e9
    )
}

fn trimmed(path: &str) -> String {
    fs::read_to_string(path).map_or_else(|_| "unknown".into(), |text| text.trim().into())
}

/// The first field of that name in a file of lines `name : value`.
fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        (found.trim() == name).then(|| value.trim().to_string())
    })
}

fn date() -> String {
    // SAFETY: `time` allows null; `gmtime_r` writes to a local that lives across the call, of integers and a pointer, for
    // which zero is a value.
    let date = unsafe {
        let (now, mut date) = (libc::time(std::ptr::null_mut()), std::mem::zeroed());
        libc::gmtime_r(&now, &mut date);
        date
    };
    format!("{}-{:02}-{:02}", date.tm_year + 1900, date.tm_mon + 1, date.tm_mday)
}
