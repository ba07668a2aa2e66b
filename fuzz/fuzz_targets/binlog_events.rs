//! A sequence of events, as a log has them, without checksums: a row is read by the table map before it.
#![no_main]

use std::collections::HashMap;

use decoder::binlog::{Checksum, Event, Format, Header, RowPlan};
use libfuzzer_sys::fuzz_target;

// The server is MariaDB if the first byte is odd.
fuzz_target!(|data: &[u8]| {
    let Some((server, mut rest)) = data.split_first() else { return };
    let mut format = Format::before_description(Checksum::None);
    if server & 1 == 1 {
        format.server_version.push_str("MariaDB");
    }
    let mut plans = HashMap::new();
    while let Ok(header) = Header::parse(rest) {
        let len = (header.len as usize).clamp(Header::LEN, rest.len());
        let (event, after) = rest.split_at(len);
        rest = after;
        let Ok((_, event)) = format.event(event) else { continue };
        take(&format, &event, &mut plans);
        if let Event::TransactionPayload(payload) = event {
            let Ok(mut events) = payload.events() else { continue };
            while let Ok(Some((_, event))) = events.read() {
                take(&format, &event, &mut plans);
            }
        }
    }
});

fn take(format: &Format, event: &Event<'_>, plans: &mut HashMap<u64, RowPlan>) {
    match event {
        Event::TableMap(map) => {
            let Ok(definition) = map.definition(format) else { return };
            if let Ok(plan) = RowPlan::new(map, &definition) {
                plans.insert(map.table_id, plan);
            }
        }
        Event::Rows(rows) => {
            let Some(plan) = plans.get(&rows.table_id) else { return };
            let Ok(mut changes) = rows.changes(plan) else { return };
            let (mut before, mut after) = (Vec::new(), Vec::new());
            while changes.read(&mut before, &mut after).is_ok_and(|is_row| is_row) {
                let columns = plan.columns().len();
                for image in [&mut before, &mut after] {
                    assert!(image.is_empty() || image.len() == columns);
                    image.clear();
                }
            }
        }
        Event::Query(query) => drop(query.text()),
        _ => {}
    }
}
