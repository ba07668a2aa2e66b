use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use super::*;
use crate::status::Status;

fn status() -> Arc<Status> {
    Status::new(&"shop".to_owned().try_into().unwrap())
}

fn socket(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("control.sock")
}

#[tokio::test]
async fn a_running_pipeline_tells_its_status() {
    let folder = tempfile::tempdir().unwrap();
    let status = status();
    let (_socket, _requests) = ControlSocket::serve(&socket(&folder), Arc::clone(&status)).unwrap();
    status.streaming();
    let Reply::Status(report) = ask(&socket(&folder), &Request::Status {}).await.unwrap() else { panic!() };
    assert_eq!(report.pipeline, "shop");
    assert_eq!(report.state, crate::status::State::Streaming);
}

#[tokio::test]
async fn a_snapshot_is_the_pipeline_s_to_take_up() {
    let folder = tempfile::tempdir().unwrap();
    let (_socket, mut requests) = ControlSocket::serve(&socket(&folder), status()).unwrap();
    let pipeline = tokio::spawn(async move {
        let ControlRequest::Snapshot { tables, request, reply } = requests.recv().await.unwrap();
        assert_eq!(request, LoadRequest::default());
        assert_eq!(tables, [TableName::new("public", "orders"), TableName::new("Odd", "a.b")]);
        reply.send(Ok(tables.len())).unwrap();
        let ControlRequest::Snapshot { reply, .. } = requests.recv().await.unwrap();
        reply.send(Err("no such table".to_owned())).unwrap();
    });
    let tables = |names: &[&str]| Request::Snapshot {
        tables: names.iter().map(ToString::to_string).collect(),
        request: LoadRequest::default(),
    };
    let reply = ask(&socket(&folder), &tables(&["public.orders", "\"Odd\".\"a.b\""])).await.unwrap();
    assert_eq!(reply, Reply::Snapshot { tables: 2 });
    let reply = ask(&socket(&folder), &tables(&["public.other"])).await.unwrap();
    assert_eq!(reply, Reply::Error { message: "no such table".to_owned() });
    pipeline.await.unwrap();
    // The pipeline is gone, the socket is not yet.
    let reply = ask(&socket(&folder), &tables(&["public.orders"])).await.unwrap();
    assert_eq!(reply, Reply::Error { message: "the pipeline is stopping".to_owned() });
}

#[tokio::test]
async fn what_is_no_request_gets_an_answer_and_the_line_stays_open() {
    let folder = tempfile::tempdir().unwrap();
    let (_socket, _requests) = ControlSocket::serve(&socket(&folder), status()).unwrap();
    let (reader, mut writer) = UnixStream::connect(socket(&folder)).await.unwrap().into_split();
    let mut lines = BufReader::new(reader).lines();
    for (request, expected) in [
        ("hello", "not a request"),
        ("{\"stop\":{}}", "not a request"),
        ("{\"snapshot\":{\"tables\":[\"public.*\"]}}", "has a wildcard"),
        ("{\"snapshot\":{\"tables\":[\"orders\"]}}", "names no schema"),
        ("{\"snapshot\":{\"tables\":[]}}", "at least one"),
        ("{\"status\":{}}", "\"pipeline\":\"shop\""),
    ] {
        writer.write_all(format!("{request}\n").as_bytes()).await.unwrap();
        let answer = lines.next_line().await.unwrap().unwrap();
        assert!(answer.contains(expected), "{request}: {answer}");
    }
    // Without an end, it is refused before it fills the memory.
    writer.write_all(&vec![b' '; 1 << 18]).await.unwrap();
    assert!(lines.next_line().await.unwrap().unwrap().contains("at most"));
}

#[tokio::test]
async fn the_socket_is_its_owner_s_and_goes_with_the_pipeline() {
    let folder = tempfile::tempdir().unwrap();
    // Left behind by a process that was killed.
    drop(std::os::unix::net::UnixListener::bind(socket(&folder)).unwrap());
    let error = ask(&socket(&folder), &Request::Status {}).await.unwrap_err();
    assert!(matches!(error, AskError::NotRunning { .. }), "{error}");

    let (served, _requests) = ControlSocket::serve(&socket(&folder), status()).unwrap();
    let mode = std::fs::metadata(socket(&folder)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(ask(&socket(&folder), &Request::Status {}).await.is_ok());
    drop(served);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_named() {
    let error = ControlSocket::serve(std::path::Path::new("/nowhere/control.sock"), status()).unwrap_err();
    assert_eq!(error.to_string(), "making the control socket /nowhere/control.sock");
}
