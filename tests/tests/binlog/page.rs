//! docs/types-mysql.md, held against what was seen.

use std::collections::{BTreeMap, BTreeSet};

use end_to_end::servers::Release;
use event::Cell;

const PAGE: &str = include_str!("../../../docs/types-mysql.md");

/// In which arms of the envelope the values of each type came, by the type's name.
#[derive(Debug, Default)]
pub(crate) struct Arms(BTreeMap<String, BTreeSet<&'static str>>);

/// Only MariaDB has them.
const OF_MARIADB: &[&str] = &["uuid", "inet6", "inet4"];

impl Arms {
    pub(crate) fn add(&mut self, type_name: &str, cell: &Cell<'_>) {
        if let Some(arm) = arm(cell) {
            self.0.entry(type_name.to_owned()).or_default().insert(arm);
        }
    }

    /// The page has each type in the arms that were seen; for MySQL, which has nearly all of them, in no others.
    pub(crate) fn assert_documented(&self, release: Release) {
        let page = documented();
        for (name, arms) in &self.0 {
            let documented = page.get(name.as_str()).unwrap_or_else(|| panic!("{name} is not on the page"));
            assert!(arms.is_subset(documented), "{name}: {arms:?}, documented {documented:?}");
        }
        if release == Release::Mysql {
            for (name, arms) in page.iter().filter(|(name, _)| !OF_MARIADB.contains(name)) {
                assert_eq!(self.0.get(*name), Some(arms), "{name}: seen, documented");
            }
        }
    }
}

/// The table's first two columns; behind an `other` stand examples.
fn documented() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let quoted = |text: &'static str| text.split('`').skip(1).step_by(2);
    let rows = PAGE.lines().filter(|line| line.starts_with("| `"));
    let mut page = BTreeMap::new();
    for row in rows {
        let mut columns = row.split('|').skip(1);
        let (types, arms) = (columns.next().expect("types"), columns.next().expect("arms"));
        let arms: BTreeSet<_> = quoted(arms.split_once(':').map_or(arms, |(arms, _)| arms)).collect();
        page.extend(quoted(types).map(|name| (name, arms.clone())));
    }
    assert!(page.len() > 40, "{page:?}");
    page
}

fn arm(cell: &Cell<'_>) -> Option<&'static str> {
    Some(match cell {
        Cell::Null | Cell::Omitted | Cell::Unchanged => return None,
        Cell::Bool(_) => "bool",
        Cell::Int(_) => "int64",
        Cell::Uint(_) => "uint64",
        Cell::Double(_) => "double",
        Cell::Decimal(_) => "decimal",
        Cell::Text(_) => "string",
        Cell::Bytes(_) => "bytes",
        Cell::TimestampUs(_) => "timestamp_us",
        Cell::DateDays(_) => "date_days",
        Cell::TimeUs(_) => "time_us",
        Cell::Uuid(_) => "uuid",
        Cell::Array(_) => "array",
        Cell::Json(_) => "json",
        Cell::Other { .. } => "other",
    })
}
