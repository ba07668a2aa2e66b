use crate::application::column::mysql::any_type;
use crate::dialect::Dialect;
use crate::random::Random;

/// What makes a table: random columns, and a key or none.
pub(super) fn create(name: &str, random: &mut Random) -> String {
    let mut columns: Vec<String> =
        (0..random.within(1..9)).map(|column| format!("v{column} {}", any_type(random))).collect();
    let (keys, constraint, options): (&[&str], &str, &str) = match random.within(0..10) {
        0 => (&["k1 int"], "PRIMARY KEY (k1)", ""),
        1 => (&["k1 bigint unsigned"], "PRIMARY KEY (k1)", ""),
        2 => (&["k1 binary(16)"], "PRIMARY KEY (k1)", ""),
        3 => (&["k1 varchar(60) COLLATE utf8mb4_bin"], "PRIMARY KEY (k1)", ""),
        4 => (&["k1 int", "k2 varchar(60) CHARACTER SET latin1"], "PRIMARY KEY (k2, k1)", ""),
        5 => (&["k1 date", "k2 smallint"], "PRIMARY KEY (k1, k2)", ""),
        // One without a key: a replica does not keep the order of its rows within a statement, so the history would not.
        6 => (&["k1 int", "k2 int"], "PRIMARY KEY (k2, k1)", ""),
        7 => (&["k1 int", "gs bigint AS (k1 * 2) STORED"], "PRIMARY KEY (k1)", ""),
        8 => (&["k1 int"], "PRIMARY KEY (k1)", " PARTITION BY HASH (k1) PARTITIONS 2"),
        _ => (&["k1 int"], "PRIMARY KEY (k1), UNIQUE (k1)", ""),
    };
    // The key need not come first.
    for key in keys {
        let at = random.within(0..columns.len() as u64 + 1) as usize;
        columns.insert(at, (*key).to_owned());
    }
    columns.extend((!constraint.is_empty()).then(|| constraint.to_owned()));
    format!("CREATE TABLE {} ({}){options}", Dialect::Mysql.quoted(name), columns.join(", "))
}
