use std::net::{Ipv4Addr, Ipv6Addr};

use event::Cell;

/// In the order of its text; in MariaDB's tables it is in another.
pub(super) fn uuid(stored: &[u8]) -> Option<Cell<'static>> {
    stored.try_into().ok().map(Cell::Uuid)
}

/// As `inet_ntop` writes it.
pub(super) fn inet6(stored: &[u8]) -> Option<String> {
    let octets: [u8; 16] = stored.try_into().ok()?;
    Some(Ipv6Addr::from(octets).to_string())
}

pub(super) fn inet4(stored: &[u8]) -> Option<String> {
    let octets: [u8; 4] = stored.try_into().ok()?;
    Some(Ipv4Addr::from(octets).to_string())
}
