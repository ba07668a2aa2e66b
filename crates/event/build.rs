//! Compiles the published envelope; `protox` is a protobuf compiler in Rust, so nobody needs `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = "../../proto";
    println!("cargo::rerun-if-changed={root}");
    let files = protox::compile(["cdc/v1/event.proto"], [root])?;
    prost_build::Config::new().compile_fds(files)?;
    Ok(())
}
