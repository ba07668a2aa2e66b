//! Every character of every set that is read as text: the server's own conversion says what it is.

use decoder::binlog::Charset;
use end_to_end::servers::{Mysql, Release};

#[test]
fn characters_are_the_server_s_own() {
    let server = Mysql::start(Release::Mysql);
    server.query(
        "CREATE DATABASE sets; SET cte_max_recursion_depth = 70000; \
         CREATE TABLE sets.code (one varbinary(1), two varbinary(2)); \
         INSERT INTO sets.code WITH RECURSIVE n AS (SELECT 0 AS n UNION ALL SELECT n + 1 FROM n WHERE n < 65535) \
         SELECT IF(n < 256, unhex(lpad(hex(n), 2, '0')), NULL), unhex(lpad(hex(n), 4, '0')) FROM n",
    );
    let sets = server.query(
        "SELECT character_set_name, id FROM information_schema.collations WHERE is_default = 'Yes' ORDER BY 1",
    );
    let (mut read, mut wrong) = (Vec::new(), Vec::new());
    for set in sets {
        let (name, id) = (&set[0], set[1].parse().expect("an id"));
        let charset = Charset::of_collation(id);
        // Of a set of four bytes a character these codes are none.
        if matches!(charset, Charset::Unknown | Charset::Binary | Charset::Utf32) {
            continue;
        }
        let width = if matches!(charset, Charset::Utf16 | Charset::Utf16Le) { 2 } else { 1 };
        read.push(name.clone());
        let mut count = 0;
        for code in ["one", "two"].into_iter().skip(width - 1) {
            // What the server takes for no text of the set is NULL, what it can't convert a question mark.
            let rows = server.query(&format!(
                "SELECT * FROM (SELECT hex({code}) AS c, \
                 hex(convert(cast({code} AS char CHARACTER SET {name}) USING utf8mb4)) AS t FROM sets.code) every_code \
                 WHERE t IS NOT NULL"
            ));
            for row in rows {
                let (code, converted) = (unhex(&row[0]), unhex(&row[1]));
                let marks = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'?').count();
                // It takes any bytes for ASCII.
                let is_no_text = name == "ascii" && !code.is_ascii();
                if marks(&converted) > marks(&code) || is_no_text {
                    continue;
                }
                let text = charset.decode(&code).map(|text| text.into_owned().into_bytes());
                if text.as_deref() != Some(&*converted) {
                    wrong.push(format!("{name} {}", row[0]));
                }
                count += 1;
            }
        }
        assert!(count >= 100, "{name}: {count}");
    }
    assert!(
        wrong.is_empty(),
        "{}: {:?}",
        wrong.len(),
        wrong.iter().step_by(wrong.len().div_ceil(50)).collect::<Vec<_>>()
    );
    for name in ["ascii", "gbk", "latin1", "ucs2", "utf16", "utf16le", "utf8mb3", "utf8mb4"] {
        assert!(read.iter().any(|set| set == name), "{name}");
    }
}

fn unhex(digits: &str) -> Vec<u8> {
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("a digit"))
        .collect()
}
