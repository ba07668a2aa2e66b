//! What is not as it should be, before the start.

use event::{Explanation, Failure as _, Finding, Findings};

use crate::dialect::{Dialect, View};
use crate::error::Error;
use crate::options::Options;
use crate::plan::Plan;
use crate::session::Session;

/// Code of the warning that rows may be seen twice or not at all.
const MOVING_ROWS: &str = "CDC-OD-014";
/// Code of the warning that a database has no dialect of its own.
const NO_DIALECT: &str = "CDC-OD-015";

/// Connects, and looks at every resource. Waits for the database: call it from a thread that may.
pub fn check(options: &Options) -> Vec<Finding> {
    let mut findings = Findings::default();
    match look(options, &mut findings) {
        Ok(()) => {}
        Err(error) => findings.problem(error.code(), explain(&error)),
    }
    findings.into_vec()
}

fn look(options: &Options, findings: &mut Findings) -> Result<(), Error> {
    let longest =
        options.resources.iter().map(|resource| resource.statement_timeout).max().unwrap_or_default();
    let session = Session::open(&options.connection_string, options.dialect, longest)?;
    if session.view != View::Consistent {
        findings.warning(MOVING_ROWS, moving(&session));
    }
    if session.dialect == Dialect::Generic {
        let product = &session.product;
        findings.warning(
            NO_DIALECT,
            Explanation::new(
                format!("{product} has no dialect of its own here"),
                "columns, keys and values are what its driver says of them, and whether reads can be dirty is not known",
                "compare a few events with the rows; set [source.odbc] dialect if it speaks like one of the others",
            ),
        );
    }
    for resource in &options.resources {
        let looked = session.begin(resource.relations().iter()).and_then(|()| {
            Plan::of(&session, resource)?;
            (0..resource.children.len())
                .try_for_each(|child| Plan::of_child(&session, resource, child).map(drop))
        });
        if let Err(error) = looked {
            findings.problem(error.code(), explain(&error));
        }
        session.end()?;
    }
    Ok(())
}

fn moving(session: &Session) -> Explanation {
    let what = match session.view {
        View::Unknown => "whether a scan sees uncommitted rows is not known",
        _ => "a scan does not see one state of the database",
    };
    let (mend, sql): (_, &[&str]) = match session.dialect {
        Dialect::SqlAnywhere => {
            ("let the database keep snapshots", &["SET OPTION PUBLIC.allow_snapshot_isolation = 'On';"])
        }
        Dialect::SqlServer => (
            "let the database keep versions of rows",
            &["ALTER DATABASE CURRENT SET ALLOW_SNAPSHOT_ISOLATION ON;"],
        ),
        _ => ("read when nobody writes, or set [source.odbc] dialect", &[]),
    };
    Explanation::new(
        what.to_owned(),
        "a row that moves while it is read may be missed, which looks like a delete until the next scan, and the parts of an \
         aggregate may be of different moments",
        mend,
    )
    .with_sql(sql.iter().map(|statement| (*statement).to_owned()))
}

fn explain(error: &Error) -> Explanation {
    let (why, mend) = match error {
        Error::NoDriverManager | Error::Connect(_) => {
            ("nothing can be read", "correct [source.odbc] connection_string, or install the driver it names")
        }
        Error::NoKey { .. } | Error::SameKey { .. } | Error::NullKey { .. } => (
            "rows that can't be told apart can't be compared with what they were",
            "name its columns by `key`",
        ),
        _ => (
            "it can't be read",
            "correct its [[source.odbc.resource]], or give the user the right to read it",
        ),
    };
    Explanation::new(error.to_string(), why, mend)
}
