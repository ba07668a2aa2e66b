use super::Kind::{self, *};
use crate::dialect::Dialect;
use crate::random::Random;

impl Kind {
    /// A value as SQL.
    pub(in crate::workload) fn literal(self, dialect: Dialect, random: &mut Random) -> String {
        if random.once_in(9) {
            return "NULL".to_owned();
        }
        match dialect {
            Dialect::Postgres => self.postgres(random),
            Dialect::Mysql => self.mysql(random),
        }
    }

    fn postgres(self, random: &mut Random) -> String {
        match self {
            Int => (random.number() as i32).to_string(),
            Big => (random.number() as i64).to_string(),
            Numeric => match random.within(0..40) {
                0 => "'NaN'".to_owned(),
                _ => format!("{}.{:02}", random.number() as i16, random.within(0..100)),
            },
            Double => match random.within(0..40) {
                0 => "'-Infinity'".to_owned(),
                1 => "'NaN'".to_owned(),
                2 => "'-0'".to_owned(),
                _ => format!("'{:e}'", f64::from(random.number() as i32) / 7e5),
            },
            Bool => random.once_in(2).to_string(),
            Text => quoted(&text(random)),
            Toast => {
                let pages = random.within(2200..7000);
                quoted(&(0..pages).map(|_| char::from(b'a' + random.within(0..26) as u8)).collect::<String>())
            }
            Bytes => format!("'\\x{:016x}00{:02x}'", random.number(), random.within(0..256)),
            Time => match random.within(0..20) {
                0 => "'24:00:00'".to_owned(),
                _ => {
                    format!("time '00:00' + interval '1 microsecond' * {}", random.within(0..86_400_000_000))
                }
            },
            Timestamp => {
                format!("timestamp '1890-01-01' + interval '1 millisecond' * {}", random.within(0..1 << 43))
            }
            TimestampTz => {
                format!("to_timestamp({}.{:06})", random.within(0..1 << 32), random.within(0..1_000_000))
            }
            Date => format!("date '0044-03-15 BC' + {}", random.within(0..900_000)),
            Uuid => format!("md5('{}')::uuid", random.number()),
            Json => {
                format!("'{{\"n\": {}, \"text\": \"ü\\\\u0041\\n\", \"n2\": [1.0, null]}}'", random.number())
            }
            Ints => format!("'{{{},NULL,{}}}'", random.number() as i32, random.within(0..9)),
            Texts => format!("ARRAY[{}, NULL, {}]", quoted(&text(random)), quoted(&text(random))),
            Inet => format!("'10.{}.{}.0/24'", random.within(0..256), random.within(0..256)),
            other => panic!("PostgreSQL has no {other:?}"),
        }
    }

    fn mysql(self, random: &mut Random) -> String {
        match self {
            Int | Big | Bool | Text | Toast => self.postgres(random),
            Medium => random.within(0..1 << 24).to_string(),
            UnsignedBig => random.number().to_string(),
            Numeric => format!("{}.{:02}", random.number() as i16, random.within(0..100)),
            Float => format!("{:e}", f64::from(random.number() as i32) / 7e5),
            Double => match random.within(0..40) {
                0 => "-0e0".to_owned(),
                _ => format!("{:e}", f64::from(random.number() as i32) / 7e5),
            },
            Bytes => format!("x'{:016x}00{:02x}'", random.number(), random.within(0..256)),
            Time => format!("'{}'", clock(random.within(0..24), random)),
            Duration => {
                let sign = if random.once_in(2) { "-" } else { "" };
                format!("'{sign}{}'", clock(random.within(0..838), random))
            }
            Timestamp => {
                let microseconds = random.within(0..1 << 57);
                format!("TIMESTAMP'1890-01-01 00:00:00' + INTERVAL {microseconds} MICROSECOND")
            }
            TimestampTz => {
                format!("FROM_UNIXTIME({}.{:06})", random.within(1..1 << 31), random.within(0..1_000_000))
            }
            Date => format!("DATE'1000-01-01' + INTERVAL {} DAY", random.within(0..3_000_000)),
            Uuid => format!("UNHEX(LEFT(SHA2('{}', 256), 32))", random.number()),
            Json => format!(
                "'{{\"n\": {}, \"text\": \"ü\\u0041\\n\", \"n2\": [1.0, null, {{}}]}}'",
                random.number()
            ),
            Choice => (*random.pick(&["'sad'", "'ok'", "'it''s \"great\"'"])).to_owned(),
            Choices => (*random.pick(&["''", "'a'", "'b,c'", "'a,b,c'"])).to_owned(),
            Bits => random.within(0..1 << 11).to_string(),
            Year => (*random.pick(&["0", "1901", "2155", "2026"])).to_owned(),
            other => panic!("MySQL has no {other:?}"),
        }
    }
}

fn clock(hours: u64, random: &mut Random) -> String {
    let (minutes, seconds) = (random.within(0..60), random.within(0..60));
    format!("{hours:02}:{minutes:02}:{seconds:02}.{:06}", random.within(0..1_000_000))
}

fn text(random: &mut Random) -> String {
    const PIECES: [&str; 12] =
        ["", "a", "it's", "\\", "\\N", "\t", "\n", "\"{},", "grün", "日本", "🦀", "a longer piece of text, "];
    (0..random.within(0..5)).map(|_| *random.pick(&PIECES)).collect()
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
