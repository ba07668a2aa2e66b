//! What a pipeline remembers, copied while it runs and put back while it does not.

use std::fs;

use end_to_end::connector::Connector;

use crate::setup::{Setup, assert_done, assert_says};

#[test]
fn a_copy_taken_while_it_runs_is_put_back_and_gone_on_from() {
    let mut setup = Setup::new("state");
    let copy = setup.cdc.folder().join("copy.tar").display().to_string();
    let early = setup.cdc.run(&["state", "backup", &copy]);
    assert_says(&String::from_utf8_lossy(&early.stderr), &["CDC-CLI-016"]);

    setup.start_streaming();
    setup.write_some();
    setup.catch_up();
    assert_says(&assert_done(&setup.cdc.run(&["state", "backup", &copy])), &["epoch", "copy.tar"]);
    let refused = setup.cdc.run(&["state", "restore", &copy]);
    assert_says(&String::from_utf8_lossy(&refused.stderr), &["CDC-CKPT-002"]);
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());
    assert_done(&setup.cdc.run(&["state", "backup", &copy]));

    // The disk is lost, and nothing was delivered meanwhile.
    fs::remove_dir_all(setup.cdc.state_folder()).unwrap();
    setup.session.execute("INSERT INTO orders VALUES (5000, 'meanwhile')");
    assert_says(&assert_done(&setup.cdc.run(&["state", "restore", &copy])), &["goes on at", "sent again"]);
    setup.assert_works();

    // By now the slot has let go of what came after the copy.
    assert_says(&assert_done(&setup.cdc.run(&["state", "restore", &copy])), &["checkpoint.before-"]);
    setup.assert_refused(1, &["CDC-PG-026"]);
}

#[test]
fn what_is_no_copy_or_another_s_is_refused() {
    let mut setup = Setup::new("state-foreign");
    setup.assert_works();
    let copy = setup.cdc.folder().join("copy.tar");
    let path = copy.display().to_string();
    assert_done(&setup.cdc.run(&["state", "backup", &path]));
    let content = fs::read(&copy).unwrap();

    let other =
        Connector::new("another", &format!("[source.postgres]\nurl = \"{}\"\n[sink.null]", setup.url));
    let refused = other.run(&["state", "restore", &path]);
    assert_says(&String::from_utf8_lossy(&refused.stderr), &["CDC-CLI-019", "another"]);
    assert!(!other.state_folder().join("checkpoint").exists());

    for torn in [&content[..0], &content[..700], b"something else"] {
        fs::write(&copy, torn).unwrap();
        let refused = setup.cdc.run(&["state", "restore", &path]);
        assert_eq!(refused.status.code(), Some(1));
        assert_says(&String::from_utf8_lossy(&refused.stderr), &["CDC-CLI-018", "cdc state backup"]);
    }
    // A bit that is another within the checkpoint.
    let mut edited = content.clone();
    let at = content.windows(10).position(|window| window == b"\"position\"").unwrap();
    edited[at + 1] ^= 1;
    fs::write(&copy, edited).unwrap();
    let refused = setup.cdc.run(&["state", "restore", &path]);
    assert_says(&String::from_utf8_lossy(&refused.stderr), &["CDC-CKPT-003"]);
    let nowhere = setup.cdc.run(&["state", "backup", "/no/such/folder/copy.tar"]);
    assert_says(&String::from_utf8_lossy(&nowhere.stderr), &["CDC-CLI-017"]);
    setup.assert_works();
}
