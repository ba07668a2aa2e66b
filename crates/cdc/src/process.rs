use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What the process takes, as the system counts it. Nothing where the system has no `/proc`.
#[derive(Debug, Default)]
pub(crate) struct Process {
    pub(crate) resident_memory_bytes: Option<u64>,
    pub(crate) cpu_seconds: Option<f64>,
    /// Since 1970.
    pub(crate) start_time_seconds: Option<f64>,
}

impl Process {
    /// As it is now.
    pub(crate) fn read() -> Self {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        // The second field, the name, may hold anything; what follows begins with the third.
        let fields: Vec<u64> = stat
            .rsplit_once(')')
            .map(|(_, rest)| rest.split_whitespace().map(|field| field.parse().unwrap_or(0)).collect())
            .unwrap_or_default();
        let field = |number: usize| fields.get(number - 3).copied();
        let second = rustix::param::clock_ticks_per_second() as f64;
        let ticks = |number: usize| Some(field(number)? as f64 / second);
        Self {
            resident_memory_bytes: field(24).map(|pages| pages * rustix::param::page_size() as u64),
            cpu_seconds: ticks(14).zip(ticks(15)).map(|(user, system)| user + system),
            start_time_seconds: ticks(22).zip(booted()).map(|(since_boot, boot)| boot + since_boot),
        }
    }
}

/// When the system was started. Not `btime` of `/proc/stat`: its whole seconds would do, but the file is long on large
/// machines.
fn booted() -> Option<f64> {
    let uptime = fs::read_to_string("/proc/uptime").ok()?;
    let uptime = uptime.split_whitespace().next()?.parse().ok()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    Some(now.checked_sub(Duration::from_secs_f64(uptime))?.as_secs_f64().round())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_takes_something() {
        let process = Process::read();
        assert!((1 << 20..1 << 36).contains(&process.resident_memory_bytes.unwrap()), "{process:?}");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        let age = now - process.start_time_seconds.unwrap();
        assert!((-3.0..86_400.0).contains(&age), "{process:?}");
        assert!(process.cpu_seconds.is_some());
    }
}
