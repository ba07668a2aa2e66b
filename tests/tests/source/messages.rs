//! What applications write into the log themselves.

use crate::replica::lines;
use crate::world::World;

#[tokio::test]
async fn with_and_without_a_transaction() {
    let world = World::shared().await;
    world.run("CREATE TABLE t (id int PRIMARY KEY)").await;
    let start = world.begin().await;
    world
        .run(
            "BEGIN; INSERT INTO t VALUES (1); SELECT pg_logical_emit_message(true, 'inside', 'a'); INSERT INTO t VALUES (2); COMMIT; \
             BEGIN; SELECT pg_logical_emit_message(true, 'undone', 'b'), pg_logical_emit_message(false, 'not undone', 'c'); ROLLBACK; \
             SELECT pg_logical_emit_message(true, 'cdc', 'ours'), pg_logical_emit_message(false, 'cdc', 'ours')",
        )
        .await;
    let mut tail = world.tail(start).await;
    let events = tail.until_now(&world.sql).await;
    // Its own position counts, not its transaction's end.
    assert_eq!(lines(&events), ["insert t(1)", "message inside a", "insert t(2)", "message not undone c"]);
    let message = |content: &[u8]| {
        events
            .iter()
            .find(|event| event.message.as_ref().is_some_and(|message| message.content == content))
            .unwrap()
    };
    assert_eq!((message(b"a").tx_seq, message(b"a").message.as_ref().unwrap().transactional), (2, true));
    assert_eq!((message(b"c").tx_seq, message(b"c").message.as_ref().unwrap().transactional), (0, false));
    assert!(message(b"c").txid.is_empty());
    assert!(!message(b"a").txid.is_empty());
}
