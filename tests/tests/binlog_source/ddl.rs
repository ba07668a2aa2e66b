//! What statements make of tables, as they are read, against what the server's own dictionary says afterwards.

use binlog_reader::ddl::{self, Created, Dialect, Effect};
use binlog_reader::{Config, Session, Shape, shape_of};
use decoder::binlog::Charset;
use end_to_end::random::{Random, seed};
use end_to_end::servers::{Mysql, Release};
use event::TableName;

const CREATE: &str = "CREATE TABLE `t` (
    id int unsigned NOT NULL AUTO_INCREMENT COMMENT 'a, (b) \\' and `c`',
    `na``me` varchar(20) CHARACTER SET latin1 DEFAULT 'x,y', # a word
    mood enum('sad','it''s ok','naïve ','') COLLATE utf8mb4_bin NOT NULL DEFAULT 'sad',
    letters set('a','b') CHARACTER SET latin1, -- another
    price decimal(10,2) unsigned zerofill DEFAULT +1.5, debt decimal(5,2) DEFAULT -1.5,
    dec_plain decimal, dec_5 numeric(5), fixed_3 fixed(3,1) NOT NULL,
    ok bool, flag bit, flags bit(9) DEFAULT b'101', born year, at datetime(3) DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
    seen timestamp NULL DEFAULT NULL, clock time(6), day date,
    f float(7,3), f_25 float(25), d double precision, r real unsigned, n national varchar(10), nc nchar(3),
    document json, place point NOT NULL, shapes geometrycollection, raw varbinary(10), fixed_raw binary(4),
    txt text CHARACTER SET utf8mb3, bin_txt text CHARACTER SET binary, bin_char char(3) CHARACTER SET binary, bytes_char char(5) byte,
    long_1 long, long_2 long varbinary, small_blob blob(200), big_blob blob(70000), tiny tinytext,
    plain varchar(30), total int GENERATED ALWAYS AS (dec_5 + 1) VIRTUAL, total_2 int AS (dec_5 * 2) STORED,
    PRIMARY KEY USING BTREE (id, `na``me`(5) ), KEY k (raw(3)), UNIQUE KEY u (id, day), FULLTEXT KEY ft (txt),
    SPATIAL KEY sp (place), CONSTRAINT c CHECK (price > 0)
) ENGINE = InnoDB AUTO_INCREMENT=7 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin COMMENT='of (it)' ROW_FORMAT=DYNAMIC";

/// One after the other, to that table.
const ALTERS: &[&str] = &[
    "ALTER TABLE shop.t ADD COLUMN a1 int FIRST, ADD (a2 varchar(3), a3 text CHARACTER SET ascii), ADD a4 bigint unsigned AFTER a1",
    "ALTER TABLE `shop`.`t` DROP COLUMN a2, CHANGE a3 `a three` varchar(40) NOT NULL AFTER id, MODIFY price float",
    "ALTER TABLE t MODIFY plain varchar(31), MODIFY mood enum('sad','ok') CHARACTER SET latin1 FIRST",
    "ALTER TABLE t RENAME COLUMN a1 TO a4, RENAME COLUMN a4 TO a1",
    "ALTER TABLE t CHANGE COLUMN id ident bigint unsigned NOT NULL AUTO_INCREMENT, ADD COLUMN late date AFTER ident",
    "ALTER TABLE t DROP PRIMARY KEY, ADD PRIMARY KEY (ident, seen_id), ADD COLUMN seen_id int NOT NULL DEFAULT 0",
    "ALTER TABLE t DEFAULT CHARACTER SET = latin1, ADD in_latin varchar(5), ADD in_utf varchar(5) CHARACTER SET utf8mb4",
    "ALTER TABLE t DROP KEY k, ALTER plain SET DEFAULT 'z', ADD KEY k2 (late), COMMENT 'x' ENGINE=InnoDB",
    "ALTER TABLE t ALTER COLUMN plain DROP DEFAULT, FORCE, ALGORITHM=COPY",
    "ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci",
    "ALTER TABLE t ADD CONSTRAINT fk CHECK (a1 <> 7), DROP INDEX ft",
    "CREATE UNIQUE INDEX uni ON t (late)",
    "DROP INDEX uni ON t",
];

const MYSQL: &[&str] = &[
    "ALTER TABLE t ADD hidden int /*!80023 INVISIBLE */, ADD emb vector(3)",
    "ALTER TABLE t ALTER COLUMN hidden SET VISIBLE, ALTER INDEX k2 INVISIBLE",
    "ALTER TABLE t ADD COLUMN spot point SRID 4326 NULL, ADD e int AS (1 + 1), ALGORITHM=COPY",
];

const MARIADB: &[&str] = &[
    "ALTER TABLE t ADD COLUMN IF NOT EXISTS late int, ADD COLUMN IF NOT EXISTS new_one uuid, DROP COLUMN IF EXISTS nothing",
    "ALTER TABLE t ADD address inet6 DEFAULT '::1', ADD address_4 inet4, ADD squeezed text COMPRESSED /*M!100301 CHARACTER SET latin1 */",
    "ALTER ONLINE TABLE t MODIFY COLUMN IF EXISTS nothing int, ADD hidden int INVISIBLE DEFAULT 3",
];

#[tokio::test]
async fn mysql() {
    are_read_as_the_server_reads_them(Release::Mysql).await;
}

#[tokio::test]
async fn mariadb() {
    are_read_as_the_server_reads_them(Release::Mariadb("10.11")).await;
}

async fn are_read_as_the_server_reads_them(release: Release) {
    let server = Mysql::start(release);
    server.query("CREATE DATABASE shop CHARACTER SET utf8mb4; CREATE DATABASE other");
    let mut session = Session::open(&config(&server)).await.expect("a session");
    let is_mariadb = release != Release::Mysql;
    let version = if is_mariadb { 101_119 } else { 90_704 };
    let mut world =
        World { dialect: Dialect { is_mariadb, version, sql_mode: 0, lowers_names: false }, shape: None };
    world.run(CREATE, &server, &mut session).await;
    for statement in ALTERS.iter().chain(if is_mariadb { MARIADB } else { MYSQL }) {
        world.run(statement, &server, &mut session).await;
    }
    let mut random = Random::new(seed("ddl"));
    for _ in 0..40 {
        let columns: Vec<_> = world
            .shape
            .as_ref()
            .expect("a shape")
            .schema(&table())
            .columns
            .into_iter()
            .map(|of| of.name)
            .collect();
        let statement = alter(&columns, &mut random);
        world.run(&statement, &server, &mut session).await;
    }
}

struct World {
    dialect: Dialect,
    shape: Option<Shape>,
}

impl World {
    async fn run(&mut self, statement: &str, server: &Mysql, session: &mut Session) {
        server.query(&format!("SET sql_mode = ''; USE shop; {statement}"));
        let effects = ddl::parse(statement, "shop", &self.dialect);
        let shape = match &effects[..] {
            [Effect::Create { created: Created::As(changes), .. }] => Shape::created(changes, None),
            [Effect::Alter { changes: Some(changes), .. }] => {
                self.shape.as_ref().expect("one before").apply(changes)
            }
            [] => return,
            other => panic!("{statement}: {other:?}"),
        };
        let shape = shape.unwrap_or_else(|error| panic!("{statement}: {error}"));
        let said = shape_of(session, &table()).await.expect("the dictionary").expect("the table");
        assert_eq!(normal(&shape), normal(&said), "{statement}");
        // It goes through the checkpoint.
        let kept = serde_json::to_string(&shape).expect("a text");
        assert_eq!(serde_json::from_str::<Shape>(&kept).expect("a shape"), shape);
        self.shape = Some(shape);
    }
}

/// With every collation as what it says of characters, and text of any size as text: the server makes room where a
/// character set needs it.
fn normal(shape: &Shape) -> Vec<String> {
    let (schema, definition) = (shape.schema(&table()), shape.definition());
    let mut columns: Vec<_> = schema
        .columns
        .iter()
        .zip(&definition.columns)
        .map(|(column, defined)| {
            let type_name = match &*column.type_name {
                "tinytext" | "mediumtext" | "longtext" => "text",
                other => other,
            };
            format!(
                "{} {type_name} {} unsigned {} {:?} labels {:?} visible {} {:?}",
                column.name,
                column.type_modifier,
                defined.is_unsigned,
                defined.collation.map(Charset::of_collation),
                defined.labels,
                defined.is_visible,
                defined.declared
            )
        })
        .collect();
    columns.push(format!("key {:?}", schema.key));
    columns
}

/// Some steps that the server can't refuse.
fn alter(columns: &[String], random: &mut Random) -> String {
    let types =
        ["int", "varchar(9)", "enum('x','ü') CHARACTER SET latin1", "datetime(2)", "text", "bigint unsigned"];
    let mut steps = Vec::new();
    let mut used: Vec<&String> = Vec::new();
    for number in 0..random.within(1..5) {
        let place = match random.within(0..3) {
            0 => " FIRST".to_owned(),
            1 => format!(" AFTER `{}`", columns[0].replace('`', "``")),
            _ => String::new(),
        };
        let name = format!("r{}_{number}", random.within(0..1 << 40));
        let kind = *random.pick(&types);
        let theirs: Vec<_> = columns[1..]
            .iter()
            .filter(|column| column.starts_with('r') && column.contains('_') && !used.contains(column))
            .collect();
        match theirs.first() {
            Some(column) if random.once_in(2) => {
                used.push(column);
                steps.push(match random.within(0..4) {
                    0 => format!("DROP `{column}`"),
                    1 => format!("RENAME COLUMN `{column}` TO `{name}`"),
                    2 => format!("CHANGE `{column}` `{name}` {kind}{place}"),
                    _ => format!("MODIFY COLUMN `{column}` {kind}{place}"),
                });
            }
            _ => steps.push(format!("ADD COLUMN `{name}` {kind}{place}")),
        }
    }
    // The first stays where it is known to be.
    format!("ALTER TABLE t {}", steps.join(", "))
}

fn table() -> TableName {
    TableName::new("shop", "t")
}

fn config(server: &Mysql) -> Config {
    Config::parse(&format!("mysql://root@127.0.0.1:{}/?ssl-mode=DISABLED", server.port())).expect("a URL")
}
