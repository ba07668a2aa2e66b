use std::io::Write as _;

use event::TableName;
use poll_reader::Resync;

use crate::cli::ResyncArgs;
use crate::config::{Config, Source};
use crate::diagnostics::Problem;
use crate::error::Error;
use crate::exit::ExitStatus;

/// Has rows of a polled database sent again by the next scan, or lets it delete what is gone.
pub(crate) fn resync(config: &Config, args: &ResyncArgs) -> Result<ExitStatus, Problem> {
    let Source::Odbc(source) = &config.source else {
        let what = "this database has a log: nothing is compared with what was known".to_owned();
        let help = "`cdc snapshot --tables` reads tables anew";
        return Err(Problem::new(ExitStatus::Usage, "CDC-CLI-023", what, help));
    };
    let asked = match (&args.key, args.confirm_deletes) {
        (_, true) => Resync::ConfirmDeletes,
        (key, false) if !key.is_empty() => Resync::Key(key.clone()),
        _ => Resync::All,
    };
    let wanted = source.resources.iter().map(|resource| &resource.name).filter(|name| match &args.table {
        Some(table) => name.to_string() == *table || name.table == *table,
        None => true,
    });
    let wanted: Vec<&TableName> = wanted.collect();
    if wanted.is_empty() {
        let names = source.resources.iter().map(|resource| resource.name.to_string()).collect::<Vec<_>>();
        let what = format!(
            "no resource is called `{}`; there are {}",
            args.table.as_deref().unwrap_or_default(),
            names.join(", ")
        );
        return Err(Problem::new(ExitStatus::Usage, "CDC-CLI-023", what, "name it by --table"));
    }
    let mut out = std::io::stdout();
    for name in wanted {
        let known = poll_reader::resync(&config.pipeline.folder(), name, &asked).map_err(Error::from)?;
        // Nobody reads it if the pipe is closed.
        _ = match (known, &asked) {
            (None, _) => writeln!(out, "{name}: nothing is known of it yet; its first scan sends all rows"),
            (Some(_), Resync::ConfirmDeletes) => {
                writeln!(out, "{name}: the next full scan may delete as many rows as are gone")
            }
            (Some(0), Resync::Key(_)) => writeln!(out, "{name}: no known row has that key"),
            (Some(rows), _) => writeln!(out, "{name}: {rows} rows will be sent again by the next scan"),
        };
    }
    Ok(ExitStatus::Done)
}
