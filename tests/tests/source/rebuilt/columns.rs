//! The columns of the originals, and what they hold.

use super::made_up::{array, made_up};
use crate::samples::SAMPLES;
use crate::seed::Random;

/// A table to be made anew.
pub(super) struct Original {
    pub(super) name: String,
    /// Names and types.
    pub(super) columns: Vec<(String, String)>,
    /// SQL expressions, one a column.
    rows: Vec<Vec<String>>,
}

/// More would not fit a page of the server's with all their values.
const COLUMNS: usize = 50;

/// Tables that have, together, a column of every type and one of every array.
pub(super) fn originals(version: u32, rows: usize, random: &mut Random) -> Vec<Original> {
    let mut kinds: Vec<(&str, Vec<&str>)> =
        SAMPLES.iter().chain(OWN).map(|(kind, samples)| (*kind, samples.to_vec())).collect();
    for (since, kind, samples) in NEWER {
        if version >= *since {
            kinds.push((kind, samples.to_vec()));
        }
    }
    let mut columns = Vec::new();
    for (kind, samples) in &kinds {
        columns.push((kind.to_string(), scalars(kind, samples, rows, random)));
        if !kind.ends_with("[]") {
            columns.push((format!("{kind}[]"), arrays(kind, samples, rows, random)));
        }
    }
    let table = |(number, columns): (usize, &[(String, Vec<String>)])| Original {
        name: format!("original{number}"),
        columns: (0..).zip(columns).map(|(at, (kind, _))| (format!("c{at}"), kind.clone())).collect(),
        rows: (0..rows).map(|row| columns.iter().map(|(_, values)| values[row].clone()).collect()).collect(),
    };
    columns.chunks(COLUMNS).enumerate().map(table).collect()
}

/// Each hand-picked value once, then what comes to mind, and a null.
fn scalars(kind: &str, samples: &[&str], rows: usize, random: &mut Random) -> Vec<String> {
    assert!(samples.len() < rows, "{kind}");
    let typed = |sample: &&str| format!("'{}'::{kind}", sample.replace('\'', "''"));
    let mut values: Vec<String> = samples.iter().map(typed).collect();
    while values.len() < rows - 1 {
        let any = typed(&samples[random.below(samples.len() as u64) as usize]);
        values.push(made_up(kind, random).unwrap_or(any));
    }
    values.push("NULL".to_owned());
    values
}

fn arrays(kind: &str, samples: &[&str], rows: usize, random: &mut Random) -> Vec<String> {
    // An empty one, and two whose bounds are not 1, always.
    let delimiter = if kind == "box" { ';' } else { ',' };
    let quoted = samples[0].replace('\\', "\\\\").replace('"', "\\\"");
    let mut texts =
        vec!["{}".to_owned(), format!("[0:1]={{\"{quoted}\"{delimiter}NULL}}"), format!("{{\"{quoted}\"}}")];
    texts.resize_with(rows - 1, || array(samples, delimiter, random));
    let typed = |text: &String| format!("'{}'::{kind}[]", text.replace('\'', "''"));
    texts.iter().map(typed).chain(["NULL".to_owned()]).collect()
}

impl Original {
    pub(super) fn create(&self) -> String {
        let columns: Vec<String> = self.columns.iter().map(|(name, kind)| format!("{name} {kind}")).collect();
        format!("CREATE TABLE {} (id int PRIMARY KEY, {})", self.name, columns.join(", "))
    }

    pub(super) fn fill(&self) -> String {
        let row = |(id, row): (usize, &Vec<String>)| {
            format!("INSERT INTO {} VALUES ({}, {})", self.name, id + 1, row.join(", "))
        };
        self.rows.iter().enumerate().map(row).collect::<Vec<_>>().join("; ")
    }

    /// Every row gets the values of the next one.
    pub(super) fn shuffle(&self, rows: usize) -> String {
        let name = &self.name;
        let columns: Vec<String> =
            self.columns.iter().map(|(column, _)| format!("{column} = o.{column}")).collect();
        format!("UPDATE {name} SET {} FROM {name} o WHERE o.id = {name}.id % {rows} + 1", columns.join(", "))
    }
}

/// What only later servers take.
const NEWER: &[(u32, &str, &[&str])] = &[
    (15, "numeric(3,-2)", &["99900", "-100"]),
    (15, "numeric(2,4)", &["0.0099"]),
    (17, "interval", &["infinity", "-infinity"]),
];

/// Those of contrib that define types, each of which `OWN` has values of.
pub(super) const EXTENSIONS: &[&str] =
    &["hstore", "citext", "ltree", "cube", "isn", "seg", "intarray", "lo", "earthdistance"];

/// What people define.
pub(super) const OWN_TYPES: &str = "\
    CREATE TYPE mood AS ENUM ('sad', 'so so', 'it''s \"ok\", {1\\2}', 'NULL'); \
    CREATE SCHEMA \"Other s\"; CREATE TYPE \"Other s\".\"Mood .\" AS ENUM ('x', 'Y'); \
    CREATE TYPE pair AS (a int, \"b B\" text, c mood[], d numeric); \
    CREATE TYPE nested AS (p pair, ps pair[], t timestamptz); \
    CREATE TABLE shaped (x int, y text); \
    CREATE DOMAIN small AS int2 CHECK (VALUE > -5); CREATE DOMAIN tiny AS small CHECK (VALUE < 100); \
    CREATE DOMAIN short AS varchar(3); CREATE DOMAIN moment AS timestamptz(3); CREATE DOMAIN day AS date; \
    CREATE DOMAIN raw AS bytea; CREATE DOMAIN list AS int[]; CREATE DOMAIN longer AS list CHECK (cardinality(VALUE) < 9); \
    CREATE DOMAIN whole AS pair; CREATE DOMAIN feeling AS mood; CREATE DOMAIN moods AS mood[]; \
    CREATE TYPE span AS RANGE (SUBTYPE = float8, MULTIRANGE_TYPE_NAME = spans); \
    CREATE TYPE words AS RANGE (SUBTYPE = text, COLLATION = \"C\"); CREATE DOMAIN extent AS span";

const OWN: &[(&str, &[&str])] = &[
    ("mood", &["sad", "so so", "it's \"ok\", {1\\2}", "NULL"]),
    ("\"Other s\".\"Mood .\"", &["x", "Y"]),
    ("pair", &["(1,\"a \"\"q\"\" \\\\ b\",\"{sad,NULL,\"\"so so\"\"}\",1.10)", "(,,,)", "(,\"\",{},NaN)"]),
    ("nested", &["(\"(1,x,{sad},2)\",\"{\"\"(,,,)\"\",NULL}\",\"1999-12-31 00:00:00+00\")", "(,,infinity)"]),
    ("shaped", &["(1,a)", "(,)"]),
    ("small", &["-4", "32767"]),
    ("tiny", &["99"]),
    ("short", &["abc", ""]),
    ("moment", &["1999-12-31 23:59:59.999+00", "-infinity"]),
    ("day", &["2000-02-29", "infinity", "0044-03-15 BC"]),
    ("raw", &["\\x00ff", ""]),
    ("list", &["{}", "{1,NULL}", "{{1,2},{3,4}}", "[0:1]={1,2}"]),
    ("longer", &["{1,2}", "[2:2]={1}"]),
    ("whole", &["(1,b,{},0)"]),
    ("feeling", &["sad"]),
    ("moods", &["{sad,\"so so\"}", "[3:3]={sad}"]),
    ("span", &["[-0.5,1e300)", "empty", "(,)"]),
    ("spans", &["{[1,2],(3,Infinity)}", "{}"]),
    ("words", &["[\"a \"\"b\",\"c,d\"]", "[a,)"]),
    ("extent", &["[1,2]"]),
    ("varchar", &["a b "]),
    ("hstore", &["a=>1, \"b \\\" c\"=>NULL", ""]),
    ("citext", &["AbC", ""]),
    ("ltree", &["Top.Science.Astronomy", ""]),
    ("lquery", &["*.foo|bar*{2,}.!x"]),
    ("ltxtquery", &["Europe & Russia*@ & !Transportation"]),
    ("cube", &["(1,2),(3,4.5)", "(0)", "()"]),
    ("earth", &["(6378168, 0, 0)"]),
    ("ean13", &["9780393040029"]),
    ("isbn13", &["978-0-393-04002-9"]),
    ("ismn13", &["979-0-060-11561-5"]),
    ("issn13", &["977-1436-452-00-8"]),
    ("isbn", &["0-393-04002-X"]),
    ("ismn", &["M-060-11561-5"]),
    ("issn", &["1436-4522"]),
    ("upc", &["220356483481"]),
    ("seg", &["6.5 .. 7.5", "<5", "~5", "1.0", "1.00"]),
    ("query_int", &["1 & (2 | !3)"]),
    ("lo", &["0", "4294967295"]),
];
