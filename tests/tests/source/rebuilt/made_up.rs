//! Values that nobody picked.

use crate::seed::Random;

/// An SQL expression of that type; none for types of which there is nothing to make up.
pub(super) fn made_up(kind: &str, random: &mut Random) -> Option<String> {
    let value = match kind {
        "int2" => (random.next() as i16).to_string(),
        "int4" => (random.next() as i32).to_string(),
        "int8" => (random.next() as i64).to_string(),
        "oid" | "xid" => (random.next() as u32).to_string(),
        "xid8" => random.next().to_string(),
        "float4" => format!("{:?}", f32::from_bits(random.next() as u32)),
        "float8" => format!("{:?}", f64::from_bits(random.next())),
        "numeric" => numeric(random),
        "money" => format!("{}.{:02}", random.next() as i32, random.below(100)),
        "text" | "varchar" => text(random),
        "bytea" => format!("\\x{}", hex(random, 40)),
        "uuid" => (0..4).map(|_| format!("{:08x}", random.next() as u32)).collect(),
        "json" | "jsonb" => json(random, 0),
        "inet" => format!("{}/{}", std::net::Ipv4Addr::from(random.next() as u32), random.below(33)),
        "macaddr" => format!("{:012x}", random.below(1 << 48)),
        "varbit" => (0..random.below(70)).map(|_| if random.percent(50) { '1' } else { '0' }).collect(),
        "point" => format!("({:?},{:?})", f64::from_bits(random.next()), f64::from_bits(random.next())),
        "pg_lsn" => format!("{:X}/{:X}", random.next() as u32, random.next() as u32),
        "timetz" => format!("{}{:+03}:{:02}", clock(random), random.below(31) as i64 - 15, random.below(60)),
        "time" => clock(random),
        "date" => return Some(date(random)),
        "timestamp" => return Some(timestamp(random)),
        "timestamptz" => return Some(format!("({}) AT TIME ZONE 'UTC'", timestamp(random))),
        "interval" => return Some(interval(random)),
        "int4range" => return Some(range(kind, random, |random| (random.next() as i32).to_string())),
        "int8range" => return Some(range(kind, random, |random| (random.next() as i64).to_string())),
        "numrange" => return Some(range(kind, random, |random| format!("'{}'::numeric", numeric(random)))),
        "daterange" => return Some(range(kind, random, date)),
        "tsrange" => return Some(range(kind, random, timestamp)),
        "span" => {
            return Some(range(kind, random, |random| {
                format!("'{:?}'::float8", f64::from_bits(random.next()))
            }));
        }
        _ => return None,
    };
    Some(format!("'{}'::{kind}", value.replace('\'', "''")))
}

/// An array's text: up to three dimensions, whatever bounds, nulls between the elements.
pub(super) fn array(samples: &[&str], delimiter: char, random: &mut Random) -> String {
    let sizes: Vec<u64> = (0..random.below(3) + 1).map(|_| random.below(3) + 1).collect();
    let bounds = match random.percent(30) {
        true => sizes
            .iter()
            .map(|size| {
                let lower = random.below(7) as i64 - 3;
                format!("[{lower}:{}]", lower + *size as i64 - 1)
            })
            .chain(["=".to_owned()])
            .collect(),
        false => String::new(),
    };
    bounds + &dimension(&sizes, samples, delimiter, random)
}

fn dimension(sizes: &[u64], samples: &[&str], delimiter: char, random: &mut Random) -> String {
    let Some((size, inner)) = sizes.split_first() else {
        let sample = samples[random.below(samples.len() as u64) as usize];
        return match random.percent(15) {
            true => "NULL".to_owned(),
            false => format!("\"{}\"", sample.replace('\\', "\\\\").replace('"', "\\\"")),
        };
    };
    let elements: Vec<String> = (0..*size).map(|_| dimension(inner, samples, delimiter, random)).collect();
    format!("{{{}}}", elements.join(&delimiter.to_string()))
}

fn numeric(random: &mut Random) -> String {
    let digits = |most: u64, random: &mut Random| -> String {
        (0..random.below(most) + 1).map(|_| char::from(b'0' + random.below(10) as u8)).collect()
    };
    let most = if random.percent(10) { 400 } else { 20 };
    let sign = if random.percent(50) { "-" } else { "" };
    format!("{sign}{}.{}", digits(most, random), digits(most, random))
}

fn text(random: &mut Random) -> String {
    const CHARACTERS: &[char] = &[
        'a', 'Z', '0', ' ', '\'', '"', '\\', '\n', '\r', '\t', '\u{1}', '\u{7f}', ',', '{', '}', '(', 'ß',
        '€', '😀', '\u{301}', '\u{feff}',
    ];
    (0..random.below(30)).map(|_| CHARACTERS[random.below(CHARACTERS.len() as u64) as usize]).collect()
}

fn hex(random: &mut Random, most: u64) -> String {
    (0..random.below(most)).map(|_| format!("{:02x}", random.next() as u8)).collect()
}

fn json(random: &mut Random, depth: u32) -> String {
    match random.below(if depth < 3 { 6 } else { 4 }) {
        0 => "null".to_owned(),
        1 => format!("{}{}", random.next() as i64, random.below(1000)),
        2 => format!("{}.{}e{}", random.next() as i32, random.below(1_000_000), random.below(40) as i64 - 20),
        3 => serde_json::to_string(&text(random)).unwrap(),
        4 => format!("[{}, {}]", json(random, depth + 1), json(random, depth + 1)),
        _ => format!(
            "{{\"a\": {},  \"a\":{}, \"b\" : true}}",
            json(random, depth + 1),
            json(random, depth + 1)
        ),
    }
}

fn clock(random: &mut Random) -> String {
    format!(
        "{:02}:{:02}:{:02}.{:06}",
        random.below(24),
        random.below(60),
        random.below(60),
        random.below(1_000_000)
    )
}

/// From the first day of the server's calendar to its last.
fn date(random: &mut Random) -> String {
    format!("(date '1970-01-01' + ({}))", random.below(2_145_042_905 + 2_440_588) as i64 - 2_440_588)
}

fn timestamp(random: &mut Random) -> String {
    const LAST_DAY: u64 = 106_762_000;
    // Half of them within three centuries.
    let day = match random.percent(50) {
        true => random.below(LAST_DAY + 2_440_000) as i64 - 2_440_000,
        false => random.below(100_000) as i64 - 50_000,
    };
    let time = random.below(86_400_000_000);
    format!("timestamp '1970-01-01' + interval '1 day' * ({day}) + interval '1 microsecond' * {time}")
}

/// Each field with a sign of its own.
fn interval(random: &mut Random) -> String {
    let mut signed = |most: u64| random.below(2 * most) as i64 - most as i64;
    format!(
        "interval '1 month' * ({}) + interval '1 day' * ({}) + interval '1 microsecond' * ({})",
        signed(2_000_000_000),
        signed(2_000_000_000),
        signed(1 << 50)
    )
}

fn range(kind: &str, random: &mut Random, mut bound: impl FnMut(&mut Random) -> String) -> String {
    let (one, other) = (bound(random), bound(random));
    let inclusion = ["[]", "[)", "(]", "()"][random.below(4) as usize];
    format!("{kind}(least({one}, {other}), greatest({one}, {other}), '{inclusion}')")
}
