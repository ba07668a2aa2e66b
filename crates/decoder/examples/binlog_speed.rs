//! How long a row takes from the bytes of its event in a binary log to its cells.
//!
//! ```sh
//! cargo run --release -p decoder --example binlog_speed -- FILE
//! ```
//!
//! of a file that a server writes with `binlog_row_metadata = FULL`.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::print_stdout)]

use std::collections::HashMap;
use std::time::Instant;

use decoder::binlog::{Checksum, Event, Format, RowPlan, events};

fn main() {
    let path = std::env::args().nth(1).expect("the path of a binary log");
    let file = std::fs::read(path).unwrap();
    for round in 0..4 {
        let mut format = Format::before_description(Checksum::None);
        let mut plans = HashMap::new();
        let (mut rows, mut cells) = (0_u64, 0_usize);
        let start = Instant::now();
        for (_, bytes) in events(&file).unwrap() {
            match format.event(bytes).unwrap().1 {
                Event::FormatDescription(described) => format = described,
                Event::TableMap(map) => {
                    let definition = map.definition(&format).unwrap();
                    plans.insert(map.table_id, RowPlan::new(&map, &definition).unwrap());
                }
                Event::Rows(event) => {
                    let Some(plan) = plans.get(&event.table_id) else { continue };
                    let mut changes = event.changes(plan).unwrap();
                    let (mut before, mut after) = (Vec::new(), Vec::new());
                    while changes.read(&mut before, &mut after).unwrap() {
                        rows += 1;
                        cells += before.len() + after.len();
                        std::hint::black_box((&before, &after));
                        before.clear();
                        after.clear();
                    }
                }
                _ => {}
            }
        }
        let seconds = start.elapsed().as_secs_f64();
        let per_row = file.len() as u64 / rows.max(1);
        println!(
            "round {round}: {rows} rows of {per_row} bytes, {cells} cells, {:.2}M rows/s",
            rows as f64 / seconds / 1e6
        );
    }
}
