//! `pg_current_snapshot()` as numbers.

use event::XidSnapshot;

use crate::Error;

/// Reads `xmin:xmax:xip,xip,…`.
pub(crate) fn parse(text: &str) -> Result<XidSnapshot, Error> {
    read(text).ok_or_else(|| Error::Stream { what: "a snapshot that is not xmin:xmax:xip".to_owned() })
}

fn read(text: &str) -> Option<XidSnapshot> {
    let mut parts = text.split(':');
    let (xmin, xmax, xip) = (parts.next()?, parts.next()?, parts.next()?);
    let mut xip = xip
        .split(',')
        .filter(|xid| !xid.is_empty())
        .map(|xid| xid.parse().ok())
        .collect::<Option<Vec<u64>>>()?;
    xip.sort_unstable();
    Some(XidSnapshot { xmin: xmin.parse().ok()?, xmax: xmax.parse().ok()?, xip })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshots_are_read() {
        let snapshot = XidSnapshot { xmin: 10, xmax: 20, xip: vec![12, 15] };
        assert_eq!(read("10:20:12,15"), Some(snapshot));
        assert_eq!(read("10:10:"), Some(XidSnapshot { xmin: 10, xmax: 10, xip: vec![] }));
        assert_eq!(read("10:x:"), None);
    }
}
