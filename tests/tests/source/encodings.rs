//! Text in a database that does not hold UTF-8.

use event::envelope::ChangeEvent;
use event::envelope::value::Kind;

use crate::published::same_as;
use crate::world::{World, changes};

#[tokio::test]
async fn latin_1_is_converted() {
    let world = World::encoded("LATIN1").await;
    world.run("CREATE TABLE \"größe\" (\"für\" text PRIMARY KEY, v text); INSERT INTO \"größe\" VALUES ('ß', 'é')").await;
    let start = world.begin().await;
    let changes = "INSERT INTO \"größe\" VALUES ('ü', 'ÿ'); UPDATE \"größe\" SET v = 'ñ' WHERE \"für\" = 'ß'";
    same_as(&world, start, "größe", changes, "SELECT * FROM \"größe\"").await;
}

/// Of a database without an encoding, the server promises only that nothing is converted.
#[tokio::test]
async fn without_an_encoding_what_is_utf_8_comes() {
    let world = World::encoded("SQL_ASCII").await;
    world.run("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'é😀')").await;
    let start = world.begin().await;
    same_as(&world, start, "t", "INSERT INTO t VALUES (2, 'ß')", "SELECT * FROM t").await;
}

/// Bytes that are not UTF-8 come as bytes: in protobuf, the arm tells them from text.
#[tokio::test]
async fn without_an_encoding_other_bytes_come_as_bytes() {
    let world = World::encoded("SQL_ASCII").await;
    world.run("CREATE TABLE t (id int PRIMARY KEY, v text, w text[])").await;
    let start = world.begin().await;
    world
        .run(
            "INSERT INTO t VALUES (1, convert_from('\\xff41', 'SQL_ASCII'), ARRAY['a', convert_from('\\xe9', 'SQL_ASCII')]); \
             INSERT INTO t VALUES (2, 'é', '{é}')",
        )
        .await;
    let loaded = changes(&world.load("t").await.events);
    let streamed = changes(&world.tail(start).await.until_now(&world.sql).await);
    let values = |event: &ChangeEvent| event.after.clone().unwrap().values;
    assert_eq!([&loaded[1], &loaded[2]].map(values), [&streamed[0], &streamed[1]].map(values));
    let row = values(&streamed[0]);
    assert_eq!(row[1].kind, Some(Kind::Bytes(vec![0xff, b'A'])));
    let Some(Kind::Array(array)) = &row[2].kind else { panic!("{row:?}") };
    assert_eq!(array.values[0].kind, Some(Kind::String("a".to_owned())));
    assert_eq!(array.values[1].kind, Some(Kind::Bytes(vec![0xe9])));
    assert_eq!(values(&streamed[1])[1].kind, Some(Kind::String("é".to_owned())));
}
