//! The ODBC driver manager is looked for when it is first needed, not when the program starts: `libodbc.c` says how.

fn main() {
    println!("cargo:rerun-if-changed=libodbc.c");
    // Elsewhere the driver manager is part of the system.
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux") {
        // Its name, in a folder that is searched before the system's, makes it what `-lodbc` means.
        cc::Build::new().file("libodbc.c").warnings(true).compile("odbc");
    }
}
