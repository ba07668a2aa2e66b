//! Tables that come, go and change places while the pipeline runs.

use crate::setup::{Setup, assert_done, assert_says};

/// Written to within the transaction that made it, and right after; filled before it had a matching name; dropped and
/// made anew; another one under a known name.
#[test]
fn are_taken_in_while_changes_are_sent() {
    let mut setup = Setup::new("new-tables");
    setup.start_streaming();
    setup.configure("", &setup.file_sink());
    let mut step = |sql: &str, table: &str| {
        let lines = setup.cdc.log().len();
        setup.session.execute(sql);
        setup.write_some();
        setup.cdc.wait_for_log_after(lines, &format!("loaded beside the stream table={table}"));
        setup.session.execute("INSERT INTO fresh VALUES (1000), (1001)");
        setup.session.execute("DELETE FROM fresh WHERE id >= 1000");
    };
    step(
        "BEGIN; CREATE TABLE fresh (id int PRIMARY KEY); INSERT INTO fresh VALUES (1), (2); COMMIT",
        "public.fresh",
    );
    step(
        "CREATE SCHEMA later; CREATE TABLE later.filled (id int PRIMARY KEY); INSERT INTO later.filled VALUES (7); \
          ALTER TABLE later.filled SET SCHEMA public; INSERT INTO filled VALUES (8)",
        "public.filled",
    );
    step(
        "DROP TABLE fresh; CREATE TABLE fresh (id bigint PRIMARY KEY, note text); INSERT INTO fresh VALUES (3)",
        "public.fresh",
    );
    step(
        "CREATE TABLE swapped (id int PRIMARY KEY); INSERT INTO swapped VALUES (20); \
          BEGIN; DROP TABLE filled; ALTER TABLE swapped RENAME TO filled; COMMIT; INSERT INTO filled VALUES (21)",
        "public.filled",
    );
    setup.catch_up();
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());
    setup.assert_nothing_lost();
}

/// A table that is taken out of the publication and put back has missed what was written to it in between.
#[test]
fn are_loaded_again_when_they_come_back() {
    let mut setup = Setup::new("table-back");
    setup.start_streaming();
    let publication = setup.cdc.slot();
    let lines = setup.cdc.log().len();
    setup.session.execute("CREATE TABLE other (id int PRIMARY KEY)");
    setup.cdc.wait_for_log_after(lines, "loaded beside the stream");
    let lines = setup.cdc.log().len();
    setup.session.execute(&format!(
        "ALTER PUBLICATION \"{publication}\" DROP TABLE orders; INSERT INTO orders VALUES (5000, 'in between'); \
         DELETE FROM orders WHERE id < 10; ALTER PUBLICATION \"{publication}\" ADD TABLE orders"
    ));
    setup.cdc.wait_for_log_after(lines, "loaded beside the stream");
    setup.write_some();
    setup.catch_up();
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());
    setup.assert_nothing_lost();
}

/// A renamed label and a further attribute change what rows look like, and no event says so.
#[test]
fn are_loaded_again_when_a_type_changes() {
    let mut setup = Setup::new("type-change");
    setup.session.execute(
        "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN moods AS mood[]; CREATE TYPE place AS (x int, y int); \
         CREATE TYPE stay AS (at place, until date); \
         CREATE TABLE people (id int PRIMARY KEY, mood mood, moods moods, stay stay); \
         CREATE TABLE plain (id int PRIMARY KEY); \
         INSERT INTO people VALUES (1, 'sad', '{sad,ok}', '(\"(1,2)\",2026-01-01)'), (2, 'ok', NULL, NULL)",
    );
    setup.start_streaming();
    for change in
        ["ALTER TYPE mood RENAME VALUE 'sad' TO 'gloomy'", "ALTER TYPE place ADD ATTRIBUTE z int CASCADE"]
    {
        let lines = setup.cdc.log().len();
        setup.session.execute(change);
        setup.cdc.wait_for_log_after(lines, "loaded beside the stream table=public.people");
        setup.session.execute("INSERT INTO people SELECT max(id) + 1, 'gloomy' FROM people");
    }
    // More labels change no row.
    let lines = setup.cdc.log().len();
    setup.session.execute("ALTER TYPE mood ADD VALUE 'fine'");
    setup.session.execute("CREATE TABLE later (id int PRIMARY KEY); INSERT INTO people VALUES (9, 'fine')");
    setup.cdc.wait_for_log_after(lines, "loaded beside the stream table=public.later");
    setup.catch_up();
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());
    let summary = setup.assert_nothing_lost();
    assert_eq!(summary.loads, 6, "orders, plain, people three times, later: {summary:?}");
}

/// One that can't be published stops nothing: it is named, and taken in once it can be.
#[test]
fn without_a_key_are_left_out_until_they_have_one() {
    let mut setup = Setup::new("new-keyless");
    setup.start_streaming();
    let lines = setup.cdc.log().len();
    setup.session.execute("CREATE TABLE keyless (id int); INSERT INTO keyless VALUES (1)");
    setup.cdc.wait_for_log_after(lines, "CDC-RUN-006");
    assert_says(&setup.cdc.log_text(), &["public.keyless", "REPLICA IDENTITY FULL"]);
    setup.write_some();
    setup.catch_up();
    // A restart is no reason to refuse it either.
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());
    setup.start_streaming();
    let lines = setup.cdc.log().len();
    setup.session.execute("ALTER TABLE keyless ADD PRIMARY KEY (id)");
    setup.cdc.wait_for_log_after(lines, "loaded beside the stream table=public.keyless");
    setup.session.execute("UPDATE keyless SET id = 2");
    setup.catch_up();
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());
    setup.assert_nothing_lost();
}

#[test]
fn are_announced_and_taken_in_on_demand() {
    let mut setup = Setup::new("announced");
    setup.configure("new_tables = \"announce\"", &setup.file_sink());
    setup.start_streaming();
    let lines = setup.cdc.log().len();
    setup.session.execute("CREATE TABLE fresh (id int PRIMARY KEY); INSERT INTO fresh VALUES (1)");
    setup.cdc.wait_for_log_after(lines, "CDC-RUN-006");
    assert_says(&setup.cdc.log_text(), &["public.fresh", "cdc snapshot --tables"]);
    assert_says(&assert_done(&setup.cdc.run(&["status"])), &["public.fresh"]);
    setup.write_some();
    setup.catch_up();
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());
    setup.start_streaming();
    setup.session.execute("INSERT INTO fresh VALUES (2)");
    setup.write_some();
    setup.catch_up();
    assert!(!String::from_utf8_lossy(&std::fs::read(setup.events_file()).unwrap()).contains("fresh"));
    let lines = setup.cdc.log().len();
    assert_done(&setup.cdc.run(&["snapshot", "--tables", "public.fresh"]));
    setup.cdc.wait_for_log_after(lines, "loaded beside the stream table=public.fresh");
    setup.session.execute("INSERT INTO fresh VALUES (3)");
    setup.catch_up();
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());
    setup.assert_nothing_lost();
}

/// All tables of a database are published without anybody's help: their rows are in the log before they are taken in.
#[test]
fn of_a_publication_of_all_tables() {
    let mut setup = Setup::new("all-tables");
    let publication = setup.cdc.slot();
    setup.session.execute(&format!("CREATE PUBLICATION \"{publication}\" FOR ALL TABLES"));
    setup.start_streaming();
    let lines = setup.cdc.log().len();
    setup.session.execute("CREATE TABLE fresh (id int PRIMARY KEY); INSERT INTO fresh VALUES (1), (2)");
    setup.session.execute("UPDATE fresh SET id = 3 WHERE id = 2");
    setup.cdc.wait_for_log_after(lines, "loaded beside the stream table=public.fresh");
    setup.cdc.kill();
    setup.start_streaming();
    setup.session.execute("UPDATE fresh SET id = 4 WHERE id = 3");
    setup.write_some();
    setup.catch_up();
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());
    setup.assert_nothing_lost();
}

/// Without loads, a table's changes are all there ever is of it: they are sent from the first one that the log has.
#[test]
fn without_loads_are_sent_from_their_first_change_on() {
    let mut setup = Setup::new("never-loaded");
    let publication = setup.cdc.slot();
    setup.session.execute(&format!("TRUNCATE orders; CREATE PUBLICATION \"{publication}\" FOR ALL TABLES"));
    setup.configure("", &format!("[load]\nmode = \"never\"\n{}", setup.file_sink()));
    setup.start_streaming();
    setup.session.execute("CREATE TABLE fresh (id int PRIMARY KEY); INSERT INTO fresh VALUES (1), (2)");
    setup.catch_up();
    setup.cdc.kill();
    setup.session.execute("CREATE TABLE fresher (id int PRIMARY KEY); INSERT INTO fresher VALUES (1), (2)");
    setup.start_streaming();
    setup.session.execute("DELETE FROM fresh WHERE id = 1; INSERT INTO fresher VALUES (3)");
    setup.catch_up();
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());
    let summary = setup.assert_nothing_lost();
    assert_eq!(summary.loads, 0, "{summary:?}");
}

/// Of the rows that an attached partition brings along the log says nothing; one that is made as a partition has none.
/// Without a key all of the table is read.
#[test]
fn rows_that_attached_partitions_bring_along_are_loaded() {
    let mut setup = Setup::new("attached");
    for (table, key) in [("keyed", ", PRIMARY KEY (id)"), ("keyless", "")] {
        setup.session.execute(&format!(
            "CREATE TABLE {table} (id int{key}) PARTITION BY RANGE (id); ALTER TABLE {table} REPLICA IDENTITY FULL; \
             CREATE TABLE {table}_1 PARTITION OF {table} FOR VALUES FROM (0) TO (10); \
             ALTER TABLE {table}_1 REPLICA IDENTITY FULL; INSERT INTO {table} VALUES (1), (2)"
        ));
    }
    let publication = setup.cdc.slot();
    setup.session.execute(&format!(
        "CREATE PUBLICATION \"{publication}\" FOR TABLE orders, keyed, keyless WITH (publish_via_partition_root)"
    ));
    setup.start_streaming();
    for (table, loaded) in
        [("keyed", "loaded beside the stream table=public.keyed"), ("keyless", "all of it is loaded instead")]
    {
        let lines = setup.cdc.log().len();
        setup.session.execute(&format!(
            "CREATE TABLE {table}_2 (id int NOT NULL) PARTITION BY RANGE (id); \
             CREATE TABLE {table}_3 PARTITION OF {table}_2 FOR VALUES FROM (10) TO (20); \
             ALTER TABLE {table}_3 REPLICA IDENTITY FULL; \
             INSERT INTO {table}_2 VALUES (11), (12)"
        ));
        setup.session.execute(&format!(
            "ALTER TABLE {table} ATTACH PARTITION {table}_2 FOR VALUES FROM (10) TO (20); \
             UPDATE {table} SET id = 13 WHERE id = 12"
        ));
        setup.cdc.wait_for_log_after(lines, loaded);
        setup.cdc.wait_for_log_after(lines, &format!("loaded beside the stream table=public.{table}"));
    }
    let lines = setup.cdc.log().len();
    setup.session.execute(&format!(
        "CREATE TABLE keyed_4 PARTITION OF keyed FOR VALUES FROM (20) TO (30); INSERT INTO keyed VALUES (21); \
         CREATE TABLE later (id int PRIMARY KEY); ALTER PUBLICATION \"{publication}\" ADD TABLE later"
    ));
    setup.cdc.wait_for_log_after(lines, "loaded beside the stream table=public.later");
    setup.catch_up();
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());
    let summary = setup.assert_nothing_lost();
    assert_eq!(summary.loads, 6, "three at first, a part, a whole, later: {summary:?}");
}
